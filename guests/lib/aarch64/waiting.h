/* What waits need: time, by the generic timer's virtual counter (Arm ARM, section D11.1.2), and a word to the CPU. */
#pragma once

#include "sysreg.h"

static inline u64 counter(void)
{
	isb();
	return read_sysreg(cntvct_el0);
}

static inline u64 counter_hz(void)
{
	return read_sysreg(cntfrq_el0);
}

static inline u64 counter_khz(void)
{
	return counter_hz() / 1000;
}

static inline void cpu_relax(void)
{
	asm volatile("yield" : : : "memory");
}
