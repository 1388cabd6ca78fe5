/* The time counter (Unprivileged ISA, section 10.1) and SBI's timer. */
#pragma once

#include "csr.h"

static inline u64 counter(void)
{
	return csr_read(time);
}

/* From the device tree's timebase-frequency. */
u64 counter_hz(void);
void timer_init(void);

/* A timer interrupt is pending from a time on; UINT64_MAX: never. */
void timer_set(u64 when);

struct timeout {
	u64 start, ticks;
};

struct timeout timeout_ms(u64 ms);
bool timed_out(const struct timeout *timeout);
void delay_us(u64 us);

/* Whether a condition came true within a time; interrupts are taken only if they are enabled. */
#define wait_until(condition, ms)                               \
	({                                                      \
		struct timeout timeout_ = timeout_ms(ms);       \
		bool done_;                                     \
		while (!(done_ = (condition)) && !timed_out(&timeout_)) \
			asm volatile("nop" : : : "memory");     \
		done_ || (condition);                           \
	})
