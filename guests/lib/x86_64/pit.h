/* The 8254 interval timer (Intel 8254 data sheet) and its gate in port 0x61. */
#pragma once

#include "types.h"

enum {
	PIT_CHANNEL0 = 0x40,
	PIT_CHANNEL2 = 0x42,
	PIT_CONTROL = 0x43,
	PORT_B = 0x61,
	PORT_B_GATE2 = 1 << 0,
	PORT_B_SPEAKER = 1 << 1,
	PORT_B_REFRESH = 1 << 4,
	PORT_B_OUT2 = 1 << 5,
	PIT_HZ = 1193182,
	/* Control word (data sheet, figure 7). */
	PIT_SELECT2 = 2 << 6,
	PIT_READ_BACK = 3 << 6,
	PIT_LATCH = 0 << 4,
	PIT_LOW_BYTE = 1 << 4,
	PIT_HIGH_BYTE = 2 << 4,
	PIT_BOTH_BYTES = 3 << 4,
	PIT_BCD = 1,
};

#define PIT_MODE(n) ((n) << 1)

/* Starts channel 2 in mode 0, gate open, speaker off: its output, PORT_B_OUT2, goes high after ticks clocks. */
void pit2_start(u16 ticks);
bool pit2_expired(void);
