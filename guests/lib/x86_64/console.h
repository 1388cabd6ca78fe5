#pragma once

/* Programs the UART: 115200 baud, 8N1, FIFOs on, no interrupts. A test that drives COM1 itself calls it again afterwards. */
void console_init(void);
