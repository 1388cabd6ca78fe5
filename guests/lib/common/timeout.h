/* Waits with an end: a broken device must not make them endless. */
#pragma once

#include "waiting.h"

struct timeout {
	u64 start, ticks;
};

struct timeout timeout_ms(u64 ms);
bool timed_out(const struct timeout *timeout);
void delay_us(u64 us);

/* Whether a condition came true within a time; interrupts are taken only if they are enabled. */
#define wait_until(condition, ms)                                       \
	({                                                              \
		struct timeout timeout_ = timeout_ms(ms);               \
		bool done_;                                             \
		while (!(done_ = (condition)) && !timed_out(&timeout_)) \
			cpu_relax();                                    \
		done_ || (condition);                                   \
	})
