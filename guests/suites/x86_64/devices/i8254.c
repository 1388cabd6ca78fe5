/* The 8254 interval timer (Intel 8254 data sheet, order number 231164) and port 0x61 (PIIX3 data sheet, section 2.5.5 "NMI Status and Control"). */
#include "apic.h"
#include "interrupts.h"
#include "io.h"
#include "pic.h"
#include "pit.h"
#include "platform.h"
#include "report.h"
#include "timeout.h"

enum {
	LATCH_STATUS = PIT_READ_BACK | 1 << 5,
	COUNTER_2 = 1 << 3,
	STATUS_OUT = 1 << 7,
	STATUS_NULL_COUNT = 1 << 6,
	PIT_SELECT0 = 0 << 6,
	WAIT_MS = 5000,
};

static void gate2(bool open)
{
	outb(PORT_B, (u8)((inb(PORT_B) & ~(PORT_B_GATE2 | PORT_B_SPEAKER)) | (open ? PORT_B_GATE2 : 0)));
}

static void load2(u8 mode, u16 count)
{
	outb(PIT_CONTROL, (u8)(PIT_SELECT2 | PIT_BOTH_BYTES | mode));
	outb(PIT_CHANNEL2, (u8)count);
	outb(PIT_CHANNEL2, (u8)(count >> 8));
}

static u16 count2(void)
{
	u8 low;

	outb(PIT_CONTROL, PIT_SELECT2 | PIT_LATCH);
	low = inb(PIT_CHANNEL2);
	return (u16)(inb(PIT_CHANNEL2) << 8 | low);
}

static u8 status2(void)
{
	outb(PIT_CONTROL, LATCH_STATUS | COUNTER_2);
	return inb(PIT_CHANNEL2);
}

static void counting(void)
{
	u16 first, second;
	u8 status;

	gate2(true);
	load2(PIT_MODE(0), 0xffff);
	report_equal(inb(PORT_B) & PORT_B_OUT2, 0, "in mode 0 the output is low after the control word");
	first = count2();
	report(wait_until(count2() < first, WAIT_MS), "the counter counts down");
	gate2(false);
	first = count2();
	delay_us(200);
	report_equal(count2(), first, "a low gate stops counting in mode 0");
	gate2(true);
	report(wait_until(count2() != first, WAIT_MS), "a high gate lets it count on");

	/* A latched count stays until it is read, whatever comes between. */
	outb(PIT_CONTROL, PIT_SELECT2 | PIT_LATCH);
	delay_us(100);
	outb(PIT_CONTROL, PIT_SELECT2 | PIT_LATCH);
	first = inb(PIT_CHANNEL2);
	first |= (u16)(inb(PIT_CHANNEL2) << 8);
	second = count2();
	report((u16)(first - second) >= 100, "a second latch command before the read does not replace the first");

	load2(PIT_MODE(0), 100);
	report(wait_until(pit2_expired(), WAIT_MS), "in mode 0 the output goes high at the terminal count");
	delay_us(200);
	report(inb(PORT_B) & PORT_B_OUT2, "in mode 0 the output stays high");
	/* Where the guest is kept waiting it has gone round meanwhile. */
	report(wait_until(count2() > 0x8000, WAIT_MS), "after the terminal count the counter wraps and counts on");
	load2(PIT_MODE(0), 0xffff);
	report_equal(inb(PORT_B) & PORT_B_OUT2, 0, "a new count makes the output low again");

	/* Data sheet, figure 12 "Status Byte". */
	gate2(false);
	load2(PIT_MODE(3), 0x1234);
	status = status2();
	report_equal(status & 0x3f, PIT_BOTH_BYTES | PIT_MODE(3), "the status byte holds the access and the mode");
	report_equal(status & STATUS_OUT, STATUS_OUT, "in mode 3 the output is high at first");
	outb(PIT_CONTROL, PIT_SELECT2 | PIT_BOTH_BYTES | PIT_MODE(2));
	report_equal(status2() & STATUS_NULL_COUNT, STATUS_NULL_COUNT, "the null count bit is set until a count is loaded");
	gate2(true);
	outb(PIT_CHANNEL2, 0x00);
	outb(PIT_CHANNEL2, 0x10);
	report(wait_until(!(status2() & STATUS_NULL_COUNT), WAIT_MS), "the null count bit is cleared when the count is in the counter");
	first = count2();
	report(first > 0 && first <= 0x1000, "in mode 2 the counter stays within its period");
}

static void formats(void)
{
	u8 low, status;
	u16 count;

	gate2(false);
	outb(PIT_CONTROL, PIT_SELECT2 | PIT_LOW_BYTE | PIT_MODE(0));
	outb(PIT_CHANNEL2, 0x80);
	gate2(true);
	report(wait_until(pit2_expired(), WAIT_MS), "with low-byte access one write loads the counter");

	gate2(false);
	outb(PIT_CONTROL, PIT_SELECT2 | PIT_HIGH_BYTE | PIT_MODE(0));
	outb(PIT_CHANNEL2, 0x80);
	outb(PIT_CONTROL, PIT_SELECT2 | PIT_LATCH);
	count = inb(PIT_CHANNEL2);
	report(count == 0x80 || count == 0x7f, "with high-byte access the high byte is written and read");

	/* BCD: a count of 0x1000 is one thousand. */
	load2(PIT_MODE(0) | PIT_BCD, 0x1000);
	gate2(true);
	wait_until(count2() != 0x1000, WAIT_MS);
	gate2(false);
	count = count2();
	report((count & 0xf) <= 9 && (count >> 4 & 0xf) <= 9 && (count >> 8 & 0xf) <= 9, "in BCD every digit is decimal");

	/* Read-back of status and count together: the status comes first. */
	load2(PIT_MODE(0), 0x4321);
	outb(PIT_CONTROL, PIT_READ_BACK | COUNTER_2);
	status = inb(PIT_CHANNEL2);
	low = inb(PIT_CHANNEL2);
	count = (u16)(inb(PIT_CHANNEL2) << 8 | low);
	report_equal(status & 0x3f, PIT_BOTH_BYTES | PIT_MODE(0), "a read-back of both gives the status first");
	report(count == 0x4321 || count == 0x4320 || status & STATUS_NULL_COUNT, "and then the count");
	gate2(true);
}

static void speaker_port(void)
{
	u8 first = inb(PORT_B) & PORT_B_REFRESH;

	report(wait_until((inb(PORT_B) & PORT_B_REFRESH) != first, WAIT_MS), "bit 4 of port 0x61 toggles with the refresh");
	gate2(false);
	report_equal(inb(PORT_B) & PORT_B_GATE2, 0, "port 0x61 bit 0 reads as it was written: 0");
	gate2(true);
	report_equal(inb(PORT_B) & PORT_B_GATE2, PORT_B_GATE2, "port 0x61 bit 0 reads as it was written: 1");
}

static void eoi(u8 vector)
{
	pic_eoi(vector - PIC_VECTOR_BASE);
}

static bool interrupted(u32 count)
{
	bool reached;

	interrupts_enable();
	reached = wait_until(taken.count >= count, WAIT_MS);
	interrupts_disable();
	return reached;
}

static void load0(u8 mode, u16 count)
{
	outb(PIT_CONTROL, (u8)(PIT_SELECT0 | PIT_BOTH_BYTES | mode));
	outb(PIT_CHANNEL0, (u8)count);
	outb(PIT_CHANNEL0, (u8)(count >> 8));
}

static void interrupts(void)
{
	u32 count;

	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);
	load0(PIT_MODE(0), 0);
	pic_init();
	taken_start(PIC_VECTOR_BASE, PIC_VECTOR_BASE + 15, eoi);
	pic_unmask(0);
	load0(PIT_MODE(0), 1000);
	report(interrupted(1) && taken.vectors[0] == PIC_VECTOR_BASE, "in mode 0 counter 0 interrupts as IRQ 0");
	count = taken.count;
	interrupts_enable();
	delay_us(3000);
	interrupts_disable();
	report_equal(taken.count, count, "in mode 0 there is one interrupt");
	taken.count = 0;
	load0(PIT_MODE(2), 2000);
	report(interrupted(3), "in mode 2 counter 0 interrupts again and again");
	taken.count = 0;
	load0(PIT_MODE(3), 2000);
	report(interrupted(3), "in mode 3 counter 0 interrupts again and again");
	taken.count = 0;
	load0(PIT_MODE(4), 1000);
	report(interrupted(1), "in mode 4 counter 0 interrupts");
	load0(PIT_MODE(0), 0);
	pic_mask_all();
}

int main(int argc, char **argv)
{
	counting();
	formats();
	speaker_port();
	interrupts();
	return report_summary();
}
