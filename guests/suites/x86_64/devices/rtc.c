/* The real-time clock and its CMOS RAM (Motorola MC146818A data sheet). Time is read, never set, but for checks that put it back. */
#include "apic.h"
#include "interrupts.h"
#include "io.h"
#include "pic.h"
#include "platform.h"
#include "report.h"
#include "timeout.h"

enum {
	INDEX = 0x70,
	DATA = 0x71,
	SECONDS = 0,
	SECONDS_ALARM = 1,
	MINUTES = 2,
	MINUTES_ALARM = 3,
	HOURS = 4,
	HOURS_ALARM = 5,
	DAY_OF_MONTH = 7,
	MONTH = 8,
	YEAR = 9,
	REGISTER_A = 10,
	REGISTER_B = 11,
	REGISTER_C = 12,
	REGISTER_D = 13,
	USER_RAM = 0x5b, /* a byte that no firmware's checksum covers */
	A_UIP = 1 << 7,
	A_DIVIDER_32K = 2 << 4,
	A_RATE_1024HZ = 6,
	B_SET = 1 << 7,
	B_PIE = 1 << 6,
	B_AIE = 1 << 5,
	B_UIE = 1 << 4,
	B_BINARY = 1 << 2,
	B_24H = 1 << 1,
	C_IRQF = 1 << 7,
	C_PF = 1 << 6,
	C_AF = 1 << 5,
	C_UF = 1 << 4,
	D_VALID = 1 << 7,
	ALARM_ANY = 0xc0,
	RTC_IRQ = 8,
	WAIT_MS = 5000,
	SECOND_MS = 10000, /* a second may be nearly two, and the host busy */
};

static u8 read(u8 index)
{
	outb(INDEX, index);
	return inb(DATA);
}

static void write(u8 index, u8 value)
{
	outb(INDEX, index);
	outb(DATA, value);
}

static u8 from_bcd(u8 value)
{
	return (u8)(value / 16 * 10 + value % 16);
}

static bool is_bcd(u8 value)
{
	return value % 16 <= 9 && value / 16 <= 9;
}

static void time(void)
{
	u8 b = read(REGISTER_B), second, minute, hour, day, month, year, binary;

	write(REGISTER_B, (u8)((b | B_24H) & ~(B_BINARY | B_PIE | B_AIE | B_UIE)));
	do {
		wait_until(!(read(REGISTER_A) & A_UIP), WAIT_MS);
		second = read(SECONDS);
		minute = read(MINUTES);
		hour = read(HOURS);
		day = read(DAY_OF_MONTH);
		month = read(MONTH);
		year = read(YEAR);
	} while (second != read(SECONDS));
	report(is_bcd(second) && is_bcd(minute) && is_bcd(hour) && is_bcd(day) && is_bcd(month) && is_bcd(year), "with DM clear the time is BCD");
	report(from_bcd(second) < 60 && from_bcd(minute) < 60 && from_bcd(hour) < 24, "seconds, minutes and hours are in range");
	report(from_bcd(day) >= 1 && from_bcd(day) <= 31 && from_bcd(month) >= 1 && from_bcd(month) <= 12, "day and month are in range");
	write(REGISTER_B, (u8)(b | B_24H | B_BINARY));
	binary = read(YEAR);
	report(binary == from_bcd(year) || year == 0x99, "with DM set the same year is binary");
	write(REGISTER_B, b);
	report_equal(read(REGISTER_D), D_VALID, "register D says that the time is valid, its other bits are zero");
}

static void ram(void)
{
	u8 old = read(USER_RAM), d, c;

	write(USER_RAM, 0x5a);
	report_equal(read(USER_RAM), 0x5a, "CMOS RAM keeps what is written: 0x5a");
	write(USER_RAM, 0xa5);
	report_equal(read(USER_RAM), 0xa5, "CMOS RAM keeps what is written: 0xa5");
	write(USER_RAM, old);
	/* PIIX3 data sheet, section 2.5.6: bit 7 of the index port is the NMI mask, no part of the index. */
	outb(INDEX, 0x80 | REGISTER_D);
	d = inb(DATA);
	outb(INDEX, REGISTER_D);
	report_equal(d, D_VALID, "bit 7 of the index port is not part of the index");
	write(REGISTER_C, 0xff);
	c = read(REGISTER_C);
	report_equal(c & 0x0f, 0, "register C cannot be written, its low bits are zero");
	write(REGISTER_D, 0);
	report_equal(read(REGISTER_D), D_VALID, "register D cannot be written");
}

static void set_mode(void)
{
	u8 b = read(REGISTER_B), minute, alarm;

	/* SET stops the update so that the time can be written; UIP is then 0. */
	write(REGISTER_B, (u8)((b | B_SET) & ~B_UIE));
	report_equal(read(REGISTER_A) & A_UIP, 0, "with SET no update is in progress");
	minute = read(MINUTES);
	write(MINUTES, 0x37);
	report_equal(read(MINUTES), 0x37, "with SET the time reads as it was written");
	write(MINUTES, minute);
	alarm = read(MINUTES_ALARM);
	write(MINUTES_ALARM, 0x12);
	report_equal(read(MINUTES_ALARM), 0x12, "the alarm reads as it was written");
	write(MINUTES_ALARM, alarm);
	write(REGISTER_B, b);
}

static volatile u8 flags_seen;

static void eoi(u8 vector)
{
	flags_seen |= read(REGISTER_C);
	pic_eoi(vector - PIC_VECTOR_BASE);
}

static bool interrupted(u32 count, u64 ms)
{
	bool reached;

	interrupts_enable();
	reached = wait_until(taken.count >= count, ms);
	interrupts_disable();
	return reached;
}

static void interrupts(void)
{
	u8 a = read(REGISTER_A), b = read(REGISTER_B);

	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);
	pic_init();
	taken_start(PIC_VECTOR_BASE, PIC_VECTOR_BASE + 15, eoi);
	pic_unmask(RTC_IRQ);
	read(REGISTER_C);

	write(REGISTER_A, A_DIVIDER_32K | A_RATE_1024HZ);
	report(wait_until(read(REGISTER_C) & C_PF, WAIT_MS), "PF is set at the periodic rate without PIE");
	report(wait_until((flags_seen = read(REGISTER_C)) & C_PF, WAIT_MS) && !(flags_seen & C_IRQF), "without an enabled interrupt IRQF stays clear");
	flags_seen = 0;
	write(REGISTER_B, b | B_PIE);
	report(interrupted(3, WAIT_MS) && taken.vectors[0] == PIC_VECTOR_BASE + RTC_IRQ, "the periodic interrupt arrives as IRQ 8, again and again");
	report_equal(flags_seen & (C_IRQF | C_PF), C_IRQF | C_PF, "register C tells a periodic interrupt");
	write(REGISTER_B, b);
	read(REGISTER_C);
	report_equal(read(REGISTER_C) & C_IRQF, 0, "reading register C clears it");

	/* An alarm of "any" in all three bytes comes with each update. What the periodic interrupt left in the PIC is taken first. */
	interrupts_window();
	write(SECONDS_ALARM, ALARM_ANY);
	write(MINUTES_ALARM, ALARM_ANY);
	write(HOURS_ALARM, ALARM_ANY);
	taken.count = 0;
	flags_seen = 0;
	write(REGISTER_B, (u8)(b | B_AIE | B_UIE));
	interrupts_enable();
	wait_until((flags_seen & (C_UF | C_AF)) == (C_UF | C_AF), SECOND_MS);
	interrupts_disable();
	report(taken.count, "an update interrupts within a second");
	report_equal(flags_seen & C_UF, C_UF, "register C tells the end of an update");
	report_equal(flags_seen & C_AF, C_AF, "an alarm of \"any\" comes with each update");
	write(REGISTER_B, b);
	write(REGISTER_A, a);
	read(REGISTER_C);
	pic_mask_all();
}

int main(int argc, char **argv)
{
	time();
	ram();
	set_mode();
	interrupts();
	return report_summary();
}
