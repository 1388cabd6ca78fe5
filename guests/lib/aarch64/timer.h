/* The generic timer (Arm ARM, chapter D11): the virtual counter for measuring time, the virtual and physical timers of EL1. */
#pragma once

#include "sysreg.h"

/* CNTx_CTL_EL0. */
#define TIMER_ENABLE BIT(0)
#define TIMER_IMASK BIT(1)
#define TIMER_ISTATUS BIT(2)

/* Interrupt IDs: PPIs 11 and 14 (the device tree's /timer, Base System Architecture, section 3.6). */
#define TIMER_VIRTUAL_ID 27
#define TIMER_PHYSICAL_ID 30

static inline u64 counter(void)
{
	isb();
	return read_sysreg(cntvct_el0);
}

static inline u64 counter_hz(void)
{
	return read_sysreg(cntfrq_el0);
}

struct timeout {
	u64 start, ticks;
};

struct timeout timeout_ms(u64 ms);
bool timed_out(const struct timeout *timeout);
void delay_us(u64 us);

/* Whether a condition came true within a time; interrupts are taken only if they are enabled. */
#define wait_until(condition, ms)                              \
	({                                                     \
		struct timeout timeout_ = timeout_ms(ms);      \
		bool done_;                                    \
		while (!(done_ = (condition)) && !timed_out(&timeout_)) \
			asm volatile("yield" : : : "memory");  \
		done_ || (condition);                          \
	})
