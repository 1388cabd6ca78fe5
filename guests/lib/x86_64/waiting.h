/* What waits need: time, by the time-stamp counter, and a word to the CPU. */
#pragma once

#include "processor.h"
#include "tsc.h"

static inline u64 counter(void)
{
	return rdtsc();
}

static inline u64 counter_khz(void)
{
	return tsc_khz();
}

static inline void cpu_relax(void)
{
	pause();
}
