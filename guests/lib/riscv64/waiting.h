/* What waits need: time, by the time counter (Unprivileged ISA, section 10.1), and a word to the CPU. */
#pragma once

#include "csr.h"

static inline u64 counter(void)
{
	return csr_read(time);
}

/* From the device tree's timebase-frequency. */
u64 counter_hz(void);

static inline u64 counter_khz(void)
{
	return counter_hz() / 1000;
}

static inline void cpu_relax(void)
{
	asm volatile("nop" : : : "memory");
}
