#pragma once

#include "types.h"

/* Before this, and without an ns16550a in the device tree, the console is the "virt" machine's at 0x10000000. */
void console_init(void);

/* Its registers' address and its source number at the PLIC. */
u64 console_base(void);
u32 console_interrupt(void);
