#include "timeout.h"

struct timeout timeout_ms(u64 ms)
{
	u64 ticks = counter_khz() * ms;

	return (struct timeout){.start = counter(), .ticks = ticks};
}

bool timed_out(const struct timeout *timeout)
{
	return counter() - timeout->start >= timeout->ticks;
}

void delay_us(u64 us)
{
	u64 ticks = counter_khz() * us / 1000, start = counter();

	while (counter() - start < ticks)
		cpu_relax();
}
