/* SBI's timer (RISC-V SBI 1.0.0, chapter 6). */
#pragma once

#include "types.h"

/* Reads the frequency from the device tree. */
void timer_init(void);

/* A timer interrupt is pending from a time on; UINT64_MAX: never. */
void timer_set(u64 when);
