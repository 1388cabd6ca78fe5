#include "pit.h"

#include "io.h"

void pit2_start(u16 ticks)
{
	outb(PORT_B, (inb(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE2);
	outb(PIT_CONTROL, PIT_SELECT2 | PIT_BOTH_BYTES | PIT_MODE(0));
	outb(PIT_CHANNEL2, (u8)ticks);
	outb(PIT_CHANNEL2, (u8)(ticks >> 8));
}

bool pit2_expired(void)
{
	return inb(PORT_B) & PORT_B_OUT2;
}
