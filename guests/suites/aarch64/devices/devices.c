/*
 * Devices of the "virt" machine; the arguments say which: "uart", "timer", "gic", "virtio".
 * PrimeCell UART PL011 (DDI 0183); Arm ARM (DDI 0487), chapter D11 "The Generic Timer"; GICv2 (IHI 0048) and GICv3 (IHI 0069).
 */
#include "console.h"
#include "cpu.h"
#include "gic.h"
#include "platform.h"
#include "timer.h"
#include "virtio_checks.h"

enum {
	WAIT_MS = 5000,
	/* SPIs that no device of the machine has. */
	SPARE = 100,
	OTHER_SPARE = 101,

	UARTDR = 0x00,
	UARTFR = 0x18,
	UARTFR_BUSY = 1 << 3,
	UARTFR_RXFE = 1 << 4,
	UARTFR_TXFE = 1 << 7,
	UARTIBRD = 0x24,
	UARTFBRD = 0x28,
	UARTLCR_H = 0x2c,
	UARTCR = 0x30,
	UARTCR_LBE = 1 << 7,
	UARTIFLS = 0x34,
	UARTIMSC = 0x38,
	UARTRIS = 0x3c,
	UARTMIS = 0x40,
	UARTICR = 0x44,
	UART_TX_INTERRUPT = 1 << 5,
	UART_PERIPH_ID = 0xfe0,
	UART_PCELL_ID = 0xff0,
};

static struct {
	volatile u32 count, id;
	volatile bool active;
	volatile u8 running;
	volatile u32 order[4];
} seen;

static void forget(void)
{
	memset(&seen, 0, sizeof(seen));
}

static void note(u32 id)
{
	seen.id = id;
	seen.active = gic_is_active(id);
	seen.running = gic_running_priority();
	seen.order[seen.count++ % ARRAY_SIZE(seen.order)] = id;
}

/* Opens interrupts until the count is reached, or long enough to see that none comes. */
static bool arrives(u32 count)
{
	bool came;

	interrupts_enable();
	came = wait_until(seen.count >= count, WAIT_MS);
	interrupts_disable();
	return came;
}

static bool stays_away(void)
{
	u32 before = seen.count;

	interrupts_enable();
	delay_us(2000);
	interrupts_disable();
	return seen.count == before;
}

static u32 uart_read(u32 offset)
{
	return mmio_read32(console_base() + offset);
}

static void uart_write(u32 offset, u32 value)
{
	mmio_write32(console_base() + offset, value);
}

static void note_uart(u32 id)
{
	uart_write(UARTIMSC, 0);
	note(id);
}

static void uart(void)
{
	u32 integer, fraction, line, levels;

	/* Section 3.3.14 and on: the identification registers. */
	report(uart_read(UART_PERIPH_ID) == 0x11 && uart_read(UART_PERIPH_ID + 4) == 0x10 && (uart_read(UART_PERIPH_ID + 8) & 0xf) == 4 && uart_read(UART_PERIPH_ID + 12) == 0,
	       "UARTPeriphID says part 0x011 of designer 0x41");
	report(uart_read(UART_PCELL_ID) == 0x0d && uart_read(UART_PCELL_ID + 4) == 0xf0 && uart_read(UART_PCELL_ID + 8) == 0x05 && uart_read(UART_PCELL_ID + 12) == 0xb1,
	       "UARTPCellID is 0xB105F00D");
	report(wait_until((uart_read(UARTFR) & (UARTFR_TXFE | UARTFR_BUSY)) == UARTFR_TXFE, WAIT_MS), "UARTFR says that all is sent");
	report(uart_read(UARTFR) & UARTFR_RXFE, "UARTFR says that nothing was received");

	integer = uart_read(UARTIBRD), fraction = uart_read(UARTFBRD), line = uart_read(UARTLCR_H), levels = uart_read(UARTIFLS);
	uart_write(UARTIBRD, 0x1234);
	report_equal(uart_read(UARTIBRD), 0x1234, "UARTIBRD holds 16 bits");
	uart_write(UARTFBRD, 0x2a);
	report_equal(uart_read(UARTFBRD), 0x2a, "UARTFBRD holds 6 bits");
	uart_write(UARTLCR_H, 0x70);
	report_equal(uart_read(UARTLCR_H), 0x70, "UARTLCR_H holds the frame and the FIFO's enable");
	uart_write(UARTIFLS, 0x1b);
	report_equal(uart_read(UARTIFLS), 0x1b, "UARTIFLS holds the FIFO levels");
	uart_write(UARTIBRD, integer);
	uart_write(UARTFBRD, fraction);
	uart_write(UARTLCR_H, line);
	uart_write(UARTIFLS, levels);

	/* Section 3.3.10 to 3.3.13. */
	uart_write(UARTIMSC, 0);
	uart_write(UARTICR, 0x7ff);
	report_equal(uart_read(UARTRIS) & UART_TX_INTERRUPT, 0, "UARTICR clears the raw transmit interrupt");
	report_info("a character that raises the transmit interrupt");
	report(wait_until(uart_read(UARTRIS) & UART_TX_INTERRUPT, WAIT_MS), "transmission sets the raw transmit interrupt");
	report_equal(uart_read(UARTMIS), 0, "masked, it is not in UARTMIS");
	uart_write(UARTIMSC, UART_TX_INTERRUPT);
	report_equal(uart_read(UARTMIS), UART_TX_INTERRUPT, "UARTMIS shows it when UARTIMSC lets it");
	uart_write(UARTIMSC, 0);
	forget();
	trap_set_interrupt(console_interrupt(), note_uart);
	gic_enable(console_interrupt());
	report(stays_away(), "a masked interrupt does not reach the CPU");
	uart_write(UARTIMSC, UART_TX_INTERRUPT);
	report(arrives(1) && seen.id == console_interrupt(), "the transmit interrupt reaches the CPU by the ID of the device tree");
	gic_disable(console_interrupt());
	uart_write(UARTICR, 0x7ff);

	/* Section 3.3.8: LBE sends what is transmitted to the receiver. */
	uart_write(UARTCR, uart_read(UARTCR) | UARTCR_LBE);
	uart_write(UARTDR, '\n');
	delay_us(1000);
	line = uart_read(UARTFR) & UARTFR_RXFE ? 0 : uart_read(UARTDR) & 0xff;
	uart_write(UARTCR, uart_read(UARTCR) & ~(u32)UARTCR_LBE);
	report_equal(line, '\n', "in loopback a character comes back");
}

/* The two timers of EL1, each with its registers. */
#define TIMER_CHECKS(kind, ppi, name)                                                                                                             \
	static void note_##kind(u32 interrupt)                                                                                                    \
	{                                                                                                                                         \
		write_sysreg(cnt##kind##_ctl_el0, TIMER_ENABLE | TIMER_IMASK);                                                                    \
		note(interrupt);                                                                                                                  \
	}                                                                                                                                         \
	static void timer_##kind(void)                                                                                                            \
	{                                                                                                                                         \
		u64 second = counter_hz(), left;                                                                                                  \
		report_prefix_push(name);                                                                                                         \
		write_sysreg(cnt##kind##_ctl_el0, 0);                                                                                             \
		write_sysreg(cnt##kind##_tval_el0, second);                                                                                       \
		left = read_sysreg(cnt##kind##_tval_el0);                                                                                         \
		report(left > 0 && left <= second, "TVAL counts down from what is written");                                                      \
		write_sysreg(cnt##kind##_cval_el0, UINT64_MAX);                                                                                   \
		report_equal(read_sysreg(cnt##kind##_cval_el0), UINT64_MAX, "CVAL holds 64 bits");                                                \
		write_sysreg(cnt##kind##_tval_el0, 100 * second);                                                                                 \
		write_sysreg(cnt##kind##_ctl_el0, TIMER_ENABLE);                                                                                  \
		report_equal(read_sysreg(cnt##kind##_ctl_el0), TIMER_ENABLE, "ISTATUS is clear before the time");                                 \
		forget();                                                                                                                         \
		trap_set_interrupt(ppi, note_##kind);                                                                                              \
		gic_enable(ppi);                                                                                                                   \
		report(stays_away(), "no interrupt comes before the time");                                                                       \
		write_sysreg(cnt##kind##_ctl_el0, TIMER_ENABLE | TIMER_IMASK);                                                                    \
		write_sysreg(cnt##kind##_tval_el0, (u64)-1);                                                                                      \
		report_equal(read_sysreg(cnt##kind##_ctl_el0), TIMER_ENABLE | TIMER_IMASK | TIMER_ISTATUS, "a time in the past sets ISTATUS");    \
		report(stays_away(), "IMASK keeps the interrupt away");                                                                           \
		write_sysreg(cnt##kind##_ctl_el0, TIMER_ENABLE);                                                                                  \
		report(arrives(1), "without it the interrupt comes");                                                                             \
		forget();                                                                                                                         \
		write_sysreg(cnt##kind##_tval_el0, second / 1000);                                                                                \
		write_sysreg(cnt##kind##_ctl_el0, TIMER_ENABLE);                                                                                  \
		while (!seen.count)                                                                                                               \
			interrupts_wait();                                                                                                        \
		report_equal(seen.id, ppi, "WFI wakes for it");                                                                                    \
		write_sysreg(cnt##kind##_ctl_el0, 0);                                                                                             \
		report_equal(read_sysreg(cnt##kind##_ctl_el0) & TIMER_ENABLE, 0, "it can be disabled");                                           \
		report(!gic_is_pending(ppi), "and asserts its line no more");                                                                      \
		gic_disable(ppi);                                                                                                                  \
		report_prefix_pop();                                                                                                              \
	}

TIMER_CHECKS(v, TIMER_VIRTUAL_ID, "virtual")
TIMER_CHECKS(p, TIMER_PHYSICAL_ID, "physical")

static void timers(void)
{
	u64 virtual, physical;

	timer_v();
	timer_p();
	/* Section D11.2.2: the virtual count is the physical one less CNTVOFF_EL2. */
	isb();
	virtual = read_sysreg(cntvct_el0);
	isb();
	physical = read_sysreg(cntpct_el0);
	report(physical >= virtual, "the physical count is not behind the virtual one");
	write_sysreg(cntkctl_el1, 3);
	report_equal(read_sysreg(cntkctl_el1) & 3, 3, "CNTKCTL_EL1 holds EL0's access to the counters");
}

static void gic(void)
{
	u64 distributor = gic_distributor();

	report_info("GICv%u", gic_version());
	report((mmio_read32(distributor + GICD_TYPER) & 0x1f) >= 3, "GICD_TYPER says 128 interrupt IDs at least");
	report_equal(gic_acknowledge(), 1023, "with nothing pending the acknowledge register says 1023");

	/* IHI 0048, sections 4.3.5 to 4.3.8: writes of ones set or clear, zeros do nothing. */
	mmio_write32(distributor + GICD_ISENABLER + 4 * (SPARE / 32), 1u << SPARE % 32);
	mmio_write32(distributor + GICD_ISENABLER + 4 * (SPARE / 32), 0);
	report(mmio_read32(distributor + GICD_ISENABLER + 4 * (SPARE / 32)) >> SPARE % 32 & 1, "GICD_ISENABLER sets an enable, and clears none");
	gic_disable(SPARE);
	report(!(mmio_read32(distributor + GICD_ISENABLER + 4 * (SPARE / 32)) >> SPARE % 32 & 1), "GICD_ICENABLER clears it");
	gic_set_pending(SPARE);
	report(gic_is_pending(SPARE), "GICD_ISPENDR makes an interrupt pending");
	trap_set_interrupt(SPARE, note);
	trap_set_interrupt(OTHER_SPARE, note);
	forget();
	report(stays_away() && gic_is_pending(SPARE), "a disabled one stays pending, and away");
	gic_clear_pending(SPARE);
	report(!gic_is_pending(SPARE), "GICD_ICPENDR takes it back");

	gic_set_edge(SPARE, true);
	gic_set_edge(OTHER_SPARE, true);
	gic_enable(SPARE);
	gic_enable(OTHER_SPARE);
	gic_set_priority(SPARE, 0x40);
	report_equal(gic_priority(SPARE), 0x40, "GICD_IPRIORITYR holds a priority");
	gic_set_pending(SPARE);
	report(arrives(1) && seen.id == SPARE, "a pending, enabled interrupt is taken with its ID");
	report(seen.active && !gic_is_active(SPARE), "it is active from the acknowledge to the end of interrupt");
	report_equal(seen.running, 0x40, "meanwhile the running priority is its own");
	report_equal(gic_running_priority(), 0xff, "afterwards it is idle");
	report(stays_away() && !gic_is_pending(SPARE), "an edge is taken once");

	/* IHI 0048, section 3.3: the priority mask, and the order. */
	forget();
	gic_set_priority_mask(0x40);
	gic_set_pending(SPARE);
	report(stays_away(), "a priority that is not higher than the mask is held off");
	gic_set_priority_mask(GIC_PRIORITY_LOWEST);
	report(arrives(1), "and taken when the mask lets it");
	forget();
	gic_set_priority(OTHER_SPARE, 0x20);
	gic_set_pending(SPARE);
	gic_set_pending(OTHER_SPARE);
	report(arrives(2) && seen.order[0] == OTHER_SPARE && seen.order[1] == SPARE, "of two the higher priority comes first");
	gic_disable(SPARE);
	gic_disable(OTHER_SPARE);

	forget();
	trap_set_interrupt(3, note);
	gic_enable(3);
	gic_send_sgi(0, 3);
	report(arrives(1) && seen.id == 3, "an SGI to this CPU arrives");
	gic_disable(3);
}

static const struct virtio_device *interrupting;

static void note_virtio(u32 id)
{
	virtio_write(interrupting, VIRTIO_MMIO_INTERRUPT_ACK, virtio_read(interrupting, VIRTIO_MMIO_INTERRUPT_STATUS));
	virtio_interrupts++;
}

/* Transports have edge-triggered SPIs. */
static void virtio_interrupts_open(const struct virtio_device *device)
{
	interrupting = device;
	trap_set_interrupt(GIC_SPI + device->interrupt, note_virtio);
	gic_set_edge(GIC_SPI + device->interrupt, true);
	gic_enable(GIC_SPI + device->interrupt);
	interrupts_enable();
}

static void virtio_interrupts_close(const struct virtio_device *device)
{
	interrupts_disable();
	gic_disable(GIC_SPI + device->interrupt);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "uart"))
			uart();
		else if (!strcmp(argv[i], "timer"))
			timers();
		else if (!strcmp(argv[i], "gic"))
			gic();
		else if (!strcmp(argv[i], "virtio"))
			virtio_block_checks(1), virtio_rng_checks(1);
		else
			abort_test("unknown argument '%s'", argv[i]);
	}
	return report_summary();
}
