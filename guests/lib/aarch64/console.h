#pragma once

#include "types.h"

/* Before this, and without a PL011 in the device tree, the console is the "virt" machine's at 0x9000000. */
void console_init(void);

/* Its registers' address and interrupt ID. */
u64 console_base(void);
u32 console_interrupt(void);
