/* COM1, a 16550A or a UART that is compatible with it (TI PC16550D data sheet). */
#include "console.h"

#include "io.h"
#include "platform.h"
#include "spinlock.h"

enum {
	COM1 = 0x3f8,
	UART_THR = 0,
	UART_DLL = 0,
	UART_DLM = 1,
	UART_IER = 1,
	UART_FCR = 2,
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	FCR_ENABLE_AND_CLEAR = 0x07,
	LCR_8N1 = 0x03,
	LCR_DLAB = 0x80,
	LSR_THRE = 0x20,
	FIFO_SIZE = 16,
};

static struct spinlock lock;

void console_init(void)
{
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, LCR_DLAB);
	outb(COM1 + UART_DLL, 1); /* 115200 baud */
	outb(COM1 + UART_DLM, 0);
	outb(COM1 + UART_LCR, LCR_8N1);
	outb(COM1 + UART_FCR, FCR_ENABLE_AND_CLEAR);
	outb(COM1 + UART_MCR, 0x03); /* DTR, RTS */
}

void console_write(const char *text, size_t size)
{
	/* THRE says that the whole FIFO is empty, so one look serves for 16 characters: an exit each is what costs time in a VM. */
	size_t room = 0;

	spin_lock(&lock);
	while (size--) {
		if (room == 0) {
			while (!(inb(COM1 + UART_LSR) & LSR_THRE))
				;
			room = FIFO_SIZE;
		}
		outb(COM1 + UART_THR, (u8)*text++);
		room--;
	}
	spin_unlock(&lock);
}
