/* The I/O APIC (Intel 82093AA data sheet, order number 290566), with lines driven by pc-testdev. */
#include "apic.h"
#include "interrupts.h"
#include "pic.h"
#include "platform.h"
#include "report.h"
#include "testdev.h"

enum {
	VECTOR_A = 0x55,
	VECTOR_B = 0x66,
	LINE = 5,
	OTHER_LINE = 10,
	IOAPIC_REGSEL = 0,
};

static void eoi(u8 vector)
{
	lapic_eoi();
}

static void begin(void (*action)(u8))
{
	testdev_set_irq(LINE, false);
	testdev_set_irq(OTHER_LINE, false);
	taken_start(VECTOR_A, VECTOR_A, action);
	taken_start(VECTOR_B, VECTOR_B, action);
}

static void registers(void)
{
	u32 version = ioapic_read(IOAPIC_VERSION), id = ioapic_read(IOAPIC_ID);
	unsigned pins = (version >> 16 & 0xff) + 1;
	bool masked = true;

	report((version & 0xff) == 0x11 || (version & 0xff) == 0x20, "the version is 0x11 or 0x20");
	report_equal(pins, 24, "there are 24 redirection entries");
	for (unsigned pin = 3; pin < pins; pin++)
		masked &= (ioapic_read_entry((u8)pin) & IOAPIC_ENTRY_MASKED) != 0;
	report(masked, "pins that nobody has set up are masked");
	ioapic_write(IOAPIC_ID, 0xffffffff);
	report_equal(ioapic_read(IOAPIC_ID) & 0xf0ffffff, 0, "the ID has bits 24 to 27");
	ioapic_write(IOAPIC_ID, id);
	ioapic_write(IOAPIC_VERSION, 0);
	report_equal(ioapic_read(IOAPIC_VERSION), version, "the version register cannot be written");
	mmio_write32(IOAPIC_BASE + IOAPIC_REGSEL, IOAPIC_VERSION);
	report_equal(mmio_read32(IOAPIC_BASE + IOAPIC_REGSEL) & 0xff, IOAPIC_VERSION, "the register select reads as it was written");
	/* Bits 12 and 14, delivery status and remote IRR, are read-only; 17 to 55 are reserved. */
	ioapic_write_entry(OTHER_LINE, IOAPIC_ENTRY_MASKED | BIT(12) | IOAPIC_ENTRY_REMOTE_IRR | VECTOR_A);
	report_equal(ioapic_read_entry(OTHER_LINE), IOAPIC_ENTRY_MASKED | VECTOR_A, "delivery status and remote IRR cannot be written");
	ioapic_write_entry(OTHER_LINE, IOAPIC_ENTRY_DESTINATION(0xf) | IOAPIC_ENTRY_MASKED | IOAPIC_ENTRY_LEVEL | VECTOR_B);
	report_equal(ioapic_read_entry(OTHER_LINE), IOAPIC_ENTRY_DESTINATION(0xf) | IOAPIC_ENTRY_MASKED | IOAPIC_ENTRY_LEVEL | VECTOR_B,
		     "an entry reads as it was written");
	ioapic_write_entry(OTHER_LINE, IOAPIC_ENTRY_MASKED);
}

static void edges(void)
{
	u64 self = IOAPIC_ENTRY_DESTINATION(lapic_id());

	begin(eoi);
	ioapic_write_entry(LINE, self | IOAPIC_ENTRY_MASKED | VECTOR_A);
	testdev_pulse_irq(LINE);
	interrupts_window();
	report_equal(taken.count, 0, "a masked pin gives no interrupt");
	ioapic_write_entry(LINE, self | VECTOR_A);
	taken.count = 0;
	testdev_set_irq(LINE, true);
	interrupts_window();
	report(taken_once(VECTOR_A), "a rising edge gives the entry's vector");
	interrupts_window();
	report_equal(taken.count, 1, "a line that stays high gives no other");
	testdev_set_irq(LINE, false);
	testdev_set_irq(LINE, true);
	interrupts_window();
	report_equal(taken.count, 2, "a new edge does");
	testdev_set_irq(LINE, false);
	report(!(ioapic_read_entry(LINE) & IOAPIC_ENTRY_REMOTE_IRR), "remote IRR is for level-triggered pins");

	begin(eoi);
	ioapic_write_entry(OTHER_LINE, self | VECTOR_B);
	testdev_pulse_irq(LINE);
	testdev_pulse_irq(OTHER_LINE);
	interrupts_window();
	interrupts_window();
	report(taken_both(VECTOR_B, VECTOR_A), "of two edges the higher vector is delivered first");
	ioapic_write_entry(OTHER_LINE, IOAPIC_ENTRY_MASKED);

	begin(eoi);
	lapic_write(LAPIC_DFR, 0xffffffff);
	lapic_write(LAPIC_LDR, 0x01000000);
	ioapic_write_entry(LINE, IOAPIC_ENTRY_DESTINATION(0x01) | IOAPIC_ENTRY_LOGICAL | VECTOR_A);
	testdev_pulse_irq(LINE);
	interrupts_window();
	report(taken_once(VECTOR_A), "a logical destination that matches LDR is delivered");
	begin(eoi);
	ioapic_write_entry(LINE, IOAPIC_ENTRY_DESTINATION(0x80) | IOAPIC_ENTRY_LOGICAL | VECTOR_A);
	testdev_pulse_irq(LINE);
	interrupts_window();
	report_equal(taken.count, 0, "a logical destination that does not match is not");
	begin(eoi);
	ioapic_write_entry(LINE, IOAPIC_ENTRY_DESTINATION(0x01) | IOAPIC_ENTRY_LOGICAL | ICR_LOWEST_PRIORITY | VECTOR_A);
	testdev_pulse_irq(LINE);
	interrupts_window();
	report(taken_once(VECTOR_A), "lowest priority among one is that one");
	taken_start(VECTOR_NMI, VECTOR_NMI, NULL);
	ioapic_write_entry(LINE, self | ICR_NMI);
	testdev_pulse_irq(LINE);
	interrupts_window();
	report(taken_once(VECTOR_NMI), "an entry of delivery mode NMI gives an NMI");
	trap_set_handler(VECTOR_NMI, NULL);
	ioapic_write_entry(LINE, IOAPIC_ENTRY_MASKED);
}

static bool remote_irr_in_handler;

/* Lowers the line at the second interrupt, so that it does not go on for ever. */
static void level_eoi(u8 vector)
{
	remote_irr_in_handler = ioapic_read_entry(LINE) & IOAPIC_ENTRY_REMOTE_IRR;
	if (taken.count == 2)
		testdev_set_irq(LINE, false);
	lapic_eoi();
}

static void levels(void)
{
	u64 entry = IOAPIC_ENTRY_DESTINATION(lapic_id()) | IOAPIC_ENTRY_LEVEL | VECTOR_A;

	begin(level_eoi);
	ioapic_write_entry(LINE, entry);
	testdev_set_irq(LINE, true);
	interrupts_window();
	interrupts_window();
	report_equal(taken.count, 2, "a level that stays high interrupts again after the EOI");
	report(remote_irr_in_handler, "remote IRR is set until the EOI");
	report(!(ioapic_read_entry(LINE) & IOAPIC_ENTRY_REMOTE_IRR), "the EOI clears remote IRR");
	report(!lapic_vector_bit(LAPIC_TMR, VECTOR_B), "TMR is clear for a vector that never was level-triggered");
	interrupts_window();
	report_equal(taken.count, 2, "a level that is low interrupts no more");

	begin(NULL);
	testdev_set_irq(LINE, true);
	interrupts_window();
	report(lapic_vector_bit(LAPIC_TMR, VECTOR_A), "TMR tells a level-triggered vector");
	testdev_set_irq(LINE, false);
	testdev_set_irq(LINE, true);
	interrupts_window();
	report_equal(taken.count, 1, "while remote IRR is set nothing more is sent");
	testdev_set_irq(LINE, false);
	lapic_eoi();
	interrupts_window();
	report_equal(taken.count, 1, "a level that fell before the EOI is not sent again");
	ioapic_write_entry(LINE, IOAPIC_ENTRY_MASKED);
}

int main(int argc, char **argv)
{
	pic_init();
	lapic_enable();
	registers();
	edges();
	levels();
	return report_summary();
}
