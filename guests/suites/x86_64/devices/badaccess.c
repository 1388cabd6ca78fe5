/*
 * Accesses that no driver makes: of a width or at a place that the device does not have. What they give is not defined; the VMM must go on, and so
 * must the device. The argument names the device, a case each, because a VMM that fails here is gone.
 */
#include "apic.h"
#include "console.h"
#include "fwcfg.h"
#include "io.h"
#include "pic.h"
#include "pit.h"
#include "platform.h"
#include "report.h"
#include "string.h"
#include "timeout.h"

enum {
	COM1 = 0x3f8,
	UART_LSR = 5,
	UART_SCR = 7,
	LSR_TEMT = 0x40,
};

/* All widths at each of a range of ports; values that are as harmless as they can be. */
static void read_ports(u16 first, u16 count)
{
	for (u16 port = first; port < first + count; port++) {
		inb(port);
		inw(port);
		inl(port);
	}
}

static void uart(void)
{
	wait_until(inb(COM1 + UART_LSR) & LSR_TEMT, 100);
	read_ports(COM1, 8);
	outb(COM1 + UART_SCR, 0x5a);
	outw(COM1 + UART_LSR, 0xffff);
	outb(COM1 + UART_SCR, 0xa5);
	console_init();
	report_equal(inb(COM1 + UART_SCR), 0xa5, "the UART works after reads of every width");
}

static void i8259(void)
{
	read_ports(PIC_MASTER, 2);
	read_ports(PIC_SLAVE, 2);
	outw(PIC_MASTER, 0x0b0b);
	pic_init();
	outb(PIC_MASTER + 1, 0x5a);
	report_equal(inb(PIC_MASTER + 1), 0x5a, "the PIC works after accesses of every width");
	pic_mask_all();
}

static void i8254(void)
{
	/* Port 0x43 is write-only. */
	read_ports(PIT_CHANNEL0, 4);
	outl(PIT_CHANNEL0, 0);
	pit2_start(1000);
	report(wait_until(pit2_expired(), 500), "the PIT works after accesses of every width");
}

static void rtc(void)
{
	read_ports(0x70, 2);
	outw(0x70, 0x000d);
	outb(0x70, 0xff);
	inb(0x71);
	outb(0x70, 0x0d);
	report_equal(inb(0x71), 0x80, "the RTC works after accesses of every width");
}

/* SDM volume 3, section 10.4.1: registers are 32 bits wide at multiples of 16; other accesses give undefined results. */
static void lapic(void)
{
	u32 id = lapic_read(LAPIC_ID);

	for (u32 offset = 0; offset < 0x1000; offset += 0x10)
		lapic_read(offset);
	for (u32 offset = 0x20; offset < 0x40; offset++)
		asm volatile("movb (%0), %%al" : : "r"(LAPIC_BASE + offset) : "rax");
	asm volatile("movw (%0), %%ax; movq (%0), %%rax" : : "r"(LAPIC_BASE + LAPIC_VERSION) : "rax");
	lapic_write(0xff0, 0xffffffff);
	lapic_write(LAPIC_ESR, 0);
	report_equal(lapic_read(LAPIC_ID), id, "the local APIC works after reads of every register and width");
}

static void ioapic(void)
{
	u32 version = ioapic_read(IOAPIC_VERSION);

	for (unsigned index = 0; index < 0x100; index++)
		ioapic_read((u8)index);
	ioapic_write(0xff, 0xffffffff);
	for (u64 at = IOAPIC_BASE; at < IOAPIC_BASE + 0x40; at += 4)
		mmio_read32(at);
	asm volatile("movb (%0), %%al; movq (%0), %%rax" : : "r"(IOAPIC_BASE + 0x10) : "rax");
	report_equal(ioapic_read(IOAPIC_VERSION), version, "the I/O APIC works after reads of every index and width");
}

static void fw_cfg(void)
{
	for (unsigned key = 0; key < 0x10000; key += 0x111) {
		outw(FWCFG_SELECTOR_PORT, (u16)key);
		inb(FWCFG_DATA_PORT);
	}
	outb(FWCFG_SELECTOR_PORT, 0);
	inw(FWCFG_DATA_PORT);
	inl(FWCFG_DATA_PORT);
	/* A DMA control block in no memory at all: outside of RAM and of every device. */
	outl(0x514, 0xffffff00);
	outl(0x518, 0x00000001);
	report(fwcfg_present(), "fw_cfg works after accesses of every width, and a DMA from nowhere");
}

static void i8042(void)
{
	read_ports(0x60, 1);
	read_ports(0x64, 1);
	outw(0x60, 0xffff);
	inb(0x60);
	report(wait_until(!(inb(0x64) & 2), 500), "the keyboard controller takes commands after accesses of every width");
}

/* Nothing is there: reads float high (PIIX3: no target answers, the bridge gives ones), writes are lost. */
static void nowhere(void)
{
	report_equal(inb(0x1f00), 0xff, "a port where nothing is reads as ones: 8 bits");
	report_equal(inw(0x1f00), 0xffff, "a port where nothing is reads as ones: 16 bits");
	report_equal(inl(0x1f00), 0xffffffff, "a port where nothing is reads as ones: 32 bits");
	outb(0x1f00, 0);
	outl(0x1f01, 0);
	inl(0xfffd);
	inl(0xffff);
	mmio_write32(0xe0000000, 0);
	mmio_read32(0xe0000000);
	asm volatile("movq (%0), %%rax; movb %%al, (%0)" : : "r"(0xe0000ffcull) : "rax", "memory");
	report(true, "accesses to memory where nothing is do no harm");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} devices[] = {
		{"uart", uart}, {"i8259", i8259}, {"i8254", i8254}, {"rtc", rtc},     {"lapic", lapic},
		{"ioapic", ioapic}, {"fw_cfg", fw_cfg}, {"i8042", i8042}, {"nowhere", nowhere},
	};
	bool any = false;

	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
		if (argc > 1 && strcmp(argv[1], devices[i].name))
			continue;
		devices[i].run();
		any = true;
	}
	if (!any)
		abort_test("there is no device \"%s\"", argv[1]);
	return report_summary();
}
