/* kvm-unit-tests' device (QEMU: -device pc-testdev): here, the ports that drive the ISA interrupt lines. */
#pragma once

#include "io.h"

enum {
	TESTDEV_IRQ_BASE = 0x2000,
};

static inline void testdev_set_irq(unsigned line, bool level)
{
	outb((u16)(TESTDEV_IRQ_BASE + line), level);
}

static inline void testdev_pulse_irq(unsigned line)
{
	testdev_set_irq(line, true);
	testdev_set_irq(line, false);
}
