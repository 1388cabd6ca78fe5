/* A PL011 UART (DDI 0183). */
#include "console.h"

#include "fdt.h"
#include "gic.h"
#include "mmio.h"
#include "platform.h"
#include "spinlock.h"

enum {
	VIRT_UART = 0x9000000,
	VIRT_UART_ID = 33,
	UARTDR = 0x00,
	UARTFR = 0x18,
	UARTFR_TXFF = 1 << 5,
	UARTCR = 0x30,
	UARTCR_UARTEN_TXE_RXE = 0x301,
};

static u64 base = VIRT_UART;
static u32 interrupt = VIRT_UART_ID;
static struct spinlock lock;

void console_init(void)
{
	int node = fdt_by_compatible(FDT_NONE, "arm,pl011");
	u64 address, size;

	if (fdt_reg(node, 0, &address, &size)) {
		base = address;
		interrupt = GIC_SPI + fdt_cell(node, "interrupts", 1, VIRT_UART_ID - GIC_SPI);
	}
	mmio_write32(base + UARTCR, UARTCR_UARTEN_TXE_RXE);
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
		while (mmio_read32(base + UARTFR) & UARTFR_TXFF)
			;
		mmio_write32(base + UARTDR, (u8)*text++);
	}
	spin_unlock(&lock);
}
