/* A 16550A UART (TI PC16550D data sheet), one byte a register. */
#include "console.h"

#include "fdt.h"
#include "mmio.h"
#include "platform.h"
#include "spinlock.h"

enum {
	VIRT_UART = 0x10000000,
	VIRT_UART_SOURCE = 10,
	UART_THR = 0,
	UART_IER = 1,
	UART_FCR = 2,
	UART_LCR = 3,
	UART_LSR = 5,
	FCR_ENABLE_AND_CLEAR = 0x07,
	LCR_8N1 = 0x03,
	LSR_THRE = 0x20,
};

static u64 base = VIRT_UART;
static u32 interrupt = VIRT_UART_SOURCE;
static struct spinlock lock;

void console_init(void)
{
	int node = fdt_by_compatible(FDT_NONE, "ns16550a");
	u64 address, size;

	if (fdt_reg(node, 0, &address, &size)) {
		base = address;
		interrupt = fdt_cell(node, "interrupts", 0, VIRT_UART_SOURCE);
	}
	mmio_write8(base + UART_IER, 0);
	mmio_write8(base + UART_LCR, LCR_8N1);
	mmio_write8(base + UART_FCR, FCR_ENABLE_AND_CLEAR);
}

u64 console_base(void)
{
	return base;
}

u32 console_interrupt(void)
{
	return interrupt;
}

void console_write(const char *text, size_t size)
{
	spin_lock(&lock);
	while (size--) {
		while (!(mmio_read8(base + UART_LSR) & LSR_THRE))
			;
		mmio_write8(base + UART_THR, (u8)*text++);
	}
	spin_unlock(&lock);
}
