#include "timer.h"

struct timeout timeout_ms(u64 ms)
{
	return (struct timeout){.start = counter(), .ticks = counter_hz() / 1000 * ms};
}

bool timed_out(const struct timeout *timeout)
{
	return counter() - timeout->start >= timeout->ticks;
}

void delay_us(u64 us)
{
	u64 start = counter(), ticks = counter_hz() / 1000 * us / 1000;

	while (counter() - start < ticks)
		;
}
