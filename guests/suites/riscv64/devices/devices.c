/*
 * Devices of the "virt" machine; the arguments say which: "uart", "timer", "plic", "virtio".
 * TI PC16550D data sheet; RISC-V SBI 1.0.0, chapter 6 "Timer Extension"; RISC-V Platform-Level Interrupt Controller Specification 1.0.0.
 */
#include "console.h"
#include "cpu.h"
#include "platform.h"
#include "plic.h"
#include "sbi.h"
#include "timer.h"
#include "virtio_checks.h"

enum {
	WAIT_MS = 5000,

	UART_RBR = 0,
	UART_THR = 0,
	UART_DLL = 0,
	UART_IER = 1,
	UART_IER_THRE = 2,
	UART_IIR = 2,
	UART_FCR = 2,
	UART_LCR = 3,
	UART_LCR_8N1 = 3,
	UART_LCR_DLAB = 0x80,
	UART_MCR = 4,
	UART_MCR_LOOP = 0x10,
	UART_LSR = 5,
	UART_LSR_DR = 1,
	UART_LSR_THRE = 0x20,
	UART_LSR_TEMT = 0x40,
	UART_MSR = 6,
	UART_SCR = 7,
};

static volatile u32 count;

static u8 uart_read(u32 offset)
{
	return mmio_read8(console_base() + offset);
}

static void uart_write(u32 offset, u8 value)
{
	mmio_write8(console_base() + offset, value);
}

static bool stays_away(void)
{
	u32 before = count;

	interrupts_enable();
	delay_us(2000);
	interrupts_disable();
	return count == before;
}

static bool arrives(void)
{
	u32 before = count;
	bool came;

	interrupts_enable();
	came = wait_until(count > before, WAIT_MS);
	interrupts_disable();
	return came;
}

static void uart(void)
{
	u8 divisor, received;

	report(wait_until(uart_read(UART_LSR) & UART_LSR_TEMT, WAIT_MS) && uart_read(UART_LSR) & UART_LSR_THRE, "LSR says that all is sent");
	for (u32 i = 0; i < 2; i++) {
		uart_write(UART_SCR, i ? 0x55 : 0xaa);
		report_equal(uart_read(UART_SCR), i ? 0x55 : 0xaa, "the scratch register holds 0x%x", i ? 0x55 : 0xaa);
	}
	uart_write(UART_LCR, UART_LCR_8N1 | UART_LCR_DLAB);
	divisor = uart_read(UART_DLL);
	uart_write(UART_DLL, 0x5a);
	received = uart_read(UART_DLL);
	uart_write(UART_DLL, divisor);
	uart_write(UART_LCR, UART_LCR_8N1);
	report_equal(received, 0x5a, "with DLAB the divisor latch can be read and written");
	report_equal(uart_read(UART_LCR), UART_LCR_8N1, "LCR reads as written");
	report_equal(uart_read(UART_IIR) & 0xc1, 0xc1, "IIR says FIFOs and no interrupt");
	uart_write(UART_IER, UART_IER_THRE);
	report_equal(uart_read(UART_IER), UART_IER_THRE, "IER reads as written");
	/* Both before a result line goes out, which empties the transmitter anew. */
	wait_until(uart_read(UART_LSR) & UART_LSR_TEMT, WAIT_MS);
	uart_write(UART_IER, 0);
	uart_write(UART_IER, UART_IER_THRE);
	received = uart_read(UART_IIR);
	divisor = uart_read(UART_IIR);
	uart_write(UART_IER, 0);
	report_equal(received & 0xf, 2, "an empty transmitter interrupts when IER lets it");
	report_equal(divisor & 1, 1, "a read of IIR ends that interrupt");

	/* Section 8.6.4: in loopback the transmitter feeds the receiver, and MCR the modem inputs. */
	uart_write(UART_MCR, UART_MCR_LOOP);
	uart_write(UART_THR, 'x');
	received = wait_until(uart_read(UART_LSR) & UART_LSR_DR, WAIT_MS) ? uart_read(UART_RBR) : 0;
	uart_write(UART_MCR, UART_MCR_LOOP | 2);
	divisor = uart_read(UART_MSR);
	uart_write(UART_MCR, 0);
	report_equal(received, 'x', "in loopback a character comes back");
	report_equal(divisor & 0xf0, 0x10, "in loopback RTS is seen as CTS");
	report_equal(uart_read(UART_LSR) & UART_LSR_DR, 0, "a read of RBR takes the character away");
}

static void note_timer(void)
{
	timer_set(UINT64_MAX);
	count++;
}

static void timer(void)
{
	u64 second = counter_hz(), start;

	trap_set_interrupt(INTERRUPT_TIMER, note_timer);
	timer_set(UINT64_MAX);
	report_equal(csr_read(sip) & BIT(INTERRUPT_TIMER), 0, "set to never, no timer interrupt is pending");
	csr_set(sie, BIT(INTERRUPT_TIMER));
	timer_set(counter() + 100 * second);
	report(stays_away(), "no interrupt comes before the time");
	timer_set(0);
	report(wait_until(csr_read(sip) & BIT(INTERRUPT_TIMER), WAIT_MS), "a time in the past makes it pending in sip");
	report(arrives(), "and interrupts");
	report_equal(csr_read(sip) & BIT(INTERRUPT_TIMER), 0, "a new time clears what is pending");
	report(stays_away(), "it interrupts once");
	csr_clear(sie, BIT(INTERRUPT_TIMER));
	timer_set(0);
	report(stays_away(), "with sie.STIE clear it does not interrupt");
	timer_set(UINT64_MAX);
	csr_set(sie, BIT(INTERRUPT_TIMER));

	start = counter();
	count = 0;
	timer_set(start + second / 100);
	while (!count)
		interrupts_wait();
	report(counter() - start >= second / 100, "WFI wakes for it, and not before the time");
	report(counter() - start < second * 5, "it comes in due time");
	csr_clear(sie, BIT(INTERRUPT_TIMER));
	trap_set_interrupt(INTERRUPT_TIMER, NULL);
}

static volatile u32 claimed, claimed_again;

static void note_uart(void)
{
	claimed = plic_claim();
	claimed_again = plic_claim();
	uart_write(UART_IER, 0);
	plic_complete(claimed);
	count++;
}

/* The UART's empty transmitter is the source. */
static void plic(void)
{
	u32 source = console_interrupt(), other = source + 1;
	u64 base = plic_base(), threshold = base + PLIC_THRESHOLD(plic_context(0));

	uart_write(UART_IER, 0);
	report_equal(plic_claim(), 0, "with nothing pending a claim says 0");
	/* Chapters 4 to 6. Priority 0 means never. */
	plic_set_priority(source, 3);
	report_equal(mmio_read32(base + PLIC_PRIORITY(source)), 3, "a priority register holds a priority");
	mmio_write32(base + PLIC_PRIORITY(0), 3);
	report_equal(mmio_read32(base + PLIC_PRIORITY(0)), 0, "source 0 does not exist");
	plic_enable(0, other, true);
	report_equal(mmio_read32(base + PLIC_ENABLE(plic_context(0), other)) >> other % 32 & 1, 1, "an enable bit can be set");
	plic_enable(0, other, false);
	report_equal(mmio_read32(base + PLIC_ENABLE(plic_context(0), other)) >> other % 32 & 1, 0, "and cleared");
	mmio_write32(threshold, 5);
	report_equal(mmio_read32(threshold), 5, "the threshold register holds a priority");
	mmio_write32(threshold, 0);

	trap_set_interrupt(INTERRUPT_EXTERNAL, note_uart);
	csr_set(sie, BIT(INTERRUPT_EXTERNAL));
	plic_enable(0, source, false);
	uart_write(UART_IER, UART_IER_THRE);
	report(wait_until(plic_is_pending(source), WAIT_MS), "a device's line makes its source pending");
	report(stays_away() && !(csr_read(sip) & BIT(INTERRUPT_EXTERNAL)), "a disabled source does not interrupt");
	plic_set_priority(source, 0);
	plic_enable(0, source, true);
	report(stays_away(), "nor does one of priority 0");
	plic_set_priority(source, 3);
	mmio_write32(threshold, 3);
	report_equal(csr_read(sip) & BIT(INTERRUPT_EXTERNAL), 0, "nor one that is not above the threshold");
	mmio_write32(threshold, 2);
	report(wait_until(csr_read(sip) & BIT(INTERRUPT_EXTERNAL), WAIT_MS), "one above it is pending in sip");
	mmio_write32(threshold, 0);
	report(arrives(), "and interrupts");
	report_equal(claimed, source, "a claim tells the source");
	report_equal(claimed_again, 0, "and takes it: the next one says 0");
	report(stays_away() && !plic_is_pending(source), "a line that fell interrupts no more after the completion");
	report_equal(csr_read(sip) & BIT(INTERRUPT_EXTERNAL), 0, "and nothing is pending in sip");
	plic_enable(0, source, false);
	csr_clear(sie, BIT(INTERRUPT_EXTERNAL));
	uart_write(UART_IER, 0);
}

static const struct virtio_device *interrupting;

static void note_virtio(void)
{
	u32 source = plic_claim();

	virtio_write(interrupting, VIRTIO_MMIO_INTERRUPT_ACK, virtio_read(interrupting, VIRTIO_MMIO_INTERRUPT_STATUS));
	plic_complete(source);
	if (source == interrupting->interrupt)
		virtio_interrupts++;
}

static void virtio_interrupts_open(const struct virtio_device *device)
{
	interrupting = device;
	trap_set_interrupt(INTERRUPT_EXTERNAL, note_virtio);
	/* The firmware may have left it at the top. */
	plic_set_threshold(0, 0);
	plic_set_priority(device->interrupt, 1);
	plic_enable(0, device->interrupt, true);
	csr_set(sie, BIT(INTERRUPT_EXTERNAL));
	interrupts_enable();
}

static void virtio_interrupts_close(const struct virtio_device *device)
{
	interrupts_disable();
	csr_clear(sie, BIT(INTERRUPT_EXTERNAL));
	plic_enable(0, device->interrupt, false);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "uart"))
			uart();
		else if (!strcmp(argv[i], "timer"))
			timer();
		else if (!strcmp(argv[i], "plic"))
			plic();
		else if (!strcmp(argv[i], "virtio"))
			virtio_block_checks(0), virtio_rng_checks(0);
		else
			abort_test("unknown argument '%s'", argv[i]);
	}
	return report_summary();
}
