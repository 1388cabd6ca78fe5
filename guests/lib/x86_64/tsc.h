/* Time by the time-stamp counter. */
#pragma once

#include "types.h"

/* Ticks in a millisecond, measured once against the PIT (some 10 ms); 1,000,000 when the PIT gives no end within a bounded time. */
u64 tsc_khz(void);

void delay_us(u64 us);

u64 tsc_to_ns(u64 ticks);

/* A limit for a wait that a broken device would make endless. */
struct timeout {
	u64 start, ticks;
};

struct timeout timeout_ms(u64 ms);
bool timed_out(const struct timeout *timeout);

/* Waits until the condition holds or ms have passed; its value is the condition's. */
#define wait_until(condition, ms)                                                                                                           \
	({                                                                                                                                  \
		struct timeout timeout_ = timeout_ms(ms);                                                                                   \
		bool holds_;                                                                                                                \
		while (!(holds_ = (condition)) && !timed_out(&timeout_))                                                                    \
			asm volatile("pause" : : : "memory");                                                                               \
		holds_ || (condition);                                                                                                      \
	})
