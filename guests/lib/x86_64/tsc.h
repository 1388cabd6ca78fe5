/* Time by the time-stamp counter. */
#pragma once

#include "types.h"

/* Ticks in a millisecond, measured once against the PIT (some 10 ms); 1,000,000 when the PIT gives no end within a bounded time. */
u64 tsc_khz(void);

u64 tsc_to_ns(u64 ticks);
