#include "timer.h"

#include "fdt.h"
#include "sbi.h"
#include "waiting.h"

static u64 hz = 10000000;

void timer_init(void)
{
	hz = fdt_number(fdt_by_name("cpus"), "timebase-frequency", hz);
}

u64 counter_hz(void)
{
	return hz;
}

void timer_set(u64 when)
{
	sbi_call(SBI_TIMER, SBI_TIMER_SET, when, 0, 0, 0);
}
