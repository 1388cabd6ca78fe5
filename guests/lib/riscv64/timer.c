#include "timer.h"

#include "fdt.h"
#include "sbi.h"

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

struct timeout timeout_ms(u64 ms)
{
	return (struct timeout){.start = counter(), .ticks = hz / 1000 * ms};
}

bool timed_out(const struct timeout *timeout)
{
	return counter() - timeout->start >= timeout->ticks;
}

void delay_us(u64 us)
{
	u64 start = counter(), ticks = hz / 1000 * us / 1000;

	while (counter() - start < ticks)
		;
}
