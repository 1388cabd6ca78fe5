/* The pair of 8259A interrupt controllers (Intel 8259A data sheet, order number 231468), with lines driven by pc-testdev. */
#include "pic.h"

#include "apic.h"
#include "interrupts.h"
#include "io.h"
#include "platform.h"
#include "report.h"
#include "testdev.h"

enum {
	VECTOR = PIC_VECTOR_BASE,
	/* Lines 3 to 7 of the master: the timer, the keyboard and the slave stay out of it. */
	TEST_LINES_OPEN = 0xff07,
	OCW2_ROTATE_ON_EOI = 0xa0,
	OCW3_SPECIAL_MASK = 0x68,
	OCW3_NO_SPECIAL_MASK = 0x48,
};

static void eoi(u8 vector)
{
	pic_eoi(vector - VECTOR);
}

/* For a level-triggered line, which would interrupt for ever: the second interrupt lowers it. */
static void lower_at_second(u8 vector)
{
	if (taken.count == 2)
		testdev_set_irq(vector - VECTOR, false);
	eoi(vector);
}

static void set_imr(u16 imr)
{
	outb(PIC_MASTER + 1, (u8)imr);
	outb(PIC_SLAVE + 1, (u8)(imr >> 8));
}

/* Both chips anew, edge triggered, all lines low, and nothing pending. */
static void begin(void (*action)(u8))
{
	for (unsigned line = 3; line < 16; line++)
		if (line != 8 && line != 13)
			testdev_set_irq(line, false);
	outb(PIC_ELCR_MASTER, 0);
	outb(PIC_ELCR_SLAVE, 0);
	pic_init();
	taken_start(VECTOR, VECTOR + 15, action);
}

static void initialization(void)
{
	begin(eoi);
	set_imr(0x5aa5);
	report(inb(PIC_MASTER + 1) == 0xa5 && inb(PIC_SLAVE + 1) == 0x5a, "IMR reads as it was written");
	outb(PIC_MASTER, PIC_ICW1);
	outb(PIC_MASTER + 1, VECTOR);
	outb(PIC_MASTER + 1, 1 << 2);
	outb(PIC_MASTER + 1, PIC_ICW4_8086);
	/* Data sheet, "Initialization Command Words 1 and 2": ICW1 clears IMR. */
	report_equal(inb(PIC_MASTER + 1), 0, "ICW1 clears IMR");
	pic_init();
	report_equal(pic_read(PIC_OCW3_READ_ISR), 0, "nothing is in service after the initialization");
}

static void delivery(void)
{
	begin(eoi);
	testdev_set_irq(5, true);
	interrupts_window();
	report_equal(taken.count, 0, "a masked line gives no interrupt");
	report_equal(pic_read(PIC_OCW3_READ_IRR) & 1 << 5, 1 << 5, "IRR shows a masked line's request");
	pic_unmask(5);
	interrupts_window();
	report(taken_once(VECTOR + 5), "a line that is unmasked delivers ICW2's vector plus its number");
	interrupts_window();
	report_equal(taken.count, 1, "an edge-triggered line that stays high gives one interrupt");
	testdev_set_irq(5, false);
	testdev_set_irq(5, true);
	interrupts_window();
	report_equal(taken.count, 2, "a new edge gives another");
	testdev_set_irq(5, false);

	begin(eoi);
	pic_unmask(10);
	testdev_set_irq(10, true);
	interrupts_window();
	report(taken_once(VECTOR + 10), "a line of the slave is delivered through the cascade");
	testdev_set_irq(10, false);
	report_equal(pic_read(PIC_OCW3_READ_ISR), 0, "an EOI to both chips ends a slave's interrupt");
}

static void in_service(void)
{
	begin(NULL);
	set_imr(TEST_LINES_OPEN);
	testdev_set_irq(5, true);
	interrupts_window();
	report_equal(pic_read(PIC_OCW3_READ_ISR), 1 << 5, "ISR shows the interrupt in service");
	report_equal(pic_read(PIC_OCW3_READ_IRR) & 1 << 5, 0, "IRR is clear once the interrupt is acknowledged");
	testdev_set_irq(7, true);
	interrupts_window();
	report_equal(taken.count, 1, "a lower priority waits while a higher one is in service");
	testdev_set_irq(3, true);
	interrupts_window();
	report(taken_both(VECTOR + 5, VECTOR + 3), "a higher priority interrupts a lower one in service");
	report_equal(pic_read(PIC_OCW3_READ_ISR), 1 << 5 | 1 << 3, "both are in service");
	outb(PIC_MASTER, PIC_OCW2_EOI);
	report_equal(pic_read(PIC_OCW3_READ_ISR), 1 << 5, "a non-specific EOI ends the highest in service");
	outb(PIC_MASTER, PIC_OCW2_SPECIFIC_EOI | 5);
	report_equal(pic_read(PIC_OCW3_READ_ISR), 0, "a specific EOI ends the one it names");
	interrupts_window();
	report(taken.count == 3 && taken.vectors[2] == VECTOR + 7, "then the lower priority is delivered");
	outb(PIC_MASTER, PIC_OCW2_EOI);
	for (unsigned line = 3; line < 8; line += 2)
		testdev_set_irq(line, false);
}

static void priorities(void)
{
	begin(eoi);
	testdev_set_irq(4, true);
	testdev_set_irq(6, true);
	set_imr(TEST_LINES_OPEN);
	interrupts_window();
	interrupts_window();
	report(taken_both(VECTOR + 4, VECTOR + 6), "of two requests the lower number comes first");
	testdev_set_irq(4, false);
	testdev_set_irq(6, false);

	begin(eoi);
	outb(PIC_MASTER, PIC_OCW2_SET_PRIORITY | 4);
	testdev_set_irq(4, true);
	testdev_set_irq(6, true);
	set_imr(TEST_LINES_OPEN);
	interrupts_window();
	interrupts_window();
	report(taken_both(VECTOR + 6, VECTOR + 4), "set priority makes the line it names the lowest");
	testdev_set_irq(4, false);
	testdev_set_irq(6, false);

	begin(NULL);
	set_imr(TEST_LINES_OPEN);
	testdev_set_irq(4, true);
	interrupts_window();
	outb(PIC_MASTER, OCW2_ROTATE_ON_EOI);
	testdev_set_irq(4, false);
	set_imr(0xffff);
	testdev_set_irq(4, true);
	testdev_set_irq(5, true);
	set_imr(TEST_LINES_OPEN);
	interrupts_window();
	report(taken_both(VECTOR + 4, VECTOR + 5), "rotate on non-specific EOI makes the ended line the lowest");
	testdev_set_irq(4, false);
	testdev_set_irq(5, false);
}

static void modes(void)
{
	u8 poll;

	begin(NULL);
	outb(PIC_MASTER, PIC_ICW1);
	outb(PIC_MASTER + 1, VECTOR);
	outb(PIC_MASTER + 1, 1 << 2);
	outb(PIC_MASTER + 1, PIC_ICW4_8086 | PIC_ICW4_AUTO_EOI);
	set_imr(TEST_LINES_OPEN);
	testdev_set_irq(5, true);
	interrupts_window();
	report(taken_once(VECTOR + 5) && pic_read(PIC_OCW3_READ_ISR) == 0, "with automatic EOI nothing stays in service");
	testdev_set_irq(5, false);

	begin(NULL);
	set_imr(TEST_LINES_OPEN);
	testdev_set_irq(3, true);
	interrupts_window();
	set_imr(TEST_LINES_OPEN | 1 << 3);
	outb(PIC_MASTER, OCW3_SPECIAL_MASK);
	testdev_set_irq(6, true);
	interrupts_window();
	report(taken_both(VECTOR + 3, VECTOR + 6), "in special mask mode a masked line in service holds up no other");
	outb(PIC_MASTER, OCW3_NO_SPECIAL_MASK);
	testdev_set_irq(3, false);
	testdev_set_irq(6, false);

	begin(NULL);
	testdev_set_irq(6, true);
	set_imr(TEST_LINES_OPEN);
	outb(PIC_MASTER, PIC_OCW3_POLL);
	poll = inb(PIC_MASTER);
	report_equal(poll & 0x87, 0x86, "a poll acknowledges and tells the line");
	report_equal(pic_read(PIC_OCW3_READ_ISR), 1 << 6, "a line that was polled is in service");
	interrupts_window();
	report_equal(taken.count, 0, "a line that was polled gives no interrupt");
	outb(PIC_MASTER, PIC_OCW2_EOI);
	outb(PIC_MASTER, PIC_OCW3_POLL);
	report_equal(inb(PIC_MASTER) & 0x80, 0, "a poll without a request says so");
	testdev_set_irq(6, false);

	/* Intel 82371SB (PIIX3) data sheet, section 2.5.8 "ELCR": level-triggered lines request as long as they are high. */
	begin(lower_at_second);
	outb(PIC_ELCR_MASTER, 1 << 5);
	report_equal(inb(PIC_ELCR_MASTER), 1 << 5, "ELCR reads as it was written");
	pic_unmask(5);
	testdev_set_irq(5, true);
	interrupts_window();
	interrupts_window();
	report_equal(taken.count, 2, "a level-triggered line that stays high interrupts again after the EOI");
	interrupts_window();
	report_equal(taken.count, 2, "a level-triggered line that is low requests nothing");
	outb(PIC_ELCR_MASTER, 0xff);
	report_equal(inb(PIC_ELCR_MASTER) & 0x07, 0, "lines 0, 1 and 2 cannot be level-triggered");
	outb(PIC_ELCR_MASTER, 0);
}

/* Data sheet, "Interrupt Request Register": a request that is gone at the acknowledge gives the vector of line 7, and no bit in ISR. */
static void spurious(void)
{
	begin(NULL);
	set_imr(TEST_LINES_OPEN);
	outb(PIC_ELCR_MASTER, 1 << 5);
	testdev_set_irq(5, true);
	testdev_set_irq(5, false);
	interrupts_window();
	report(taken.count == 0 || taken_once(VECTOR + 7), "a level that is gone is no interrupt of its line");
	report_equal(pic_read(PIC_OCW3_READ_ISR), 0, "a spurious interrupt is not in service");
	outb(PIC_ELCR_MASTER, 0);
}

int main(int argc, char **argv)
{
	lapic_enable();
	/* Virtual wire mode (SDM volume 3, section 10.1): LINT0 takes the PIC's INTR. */
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);
	initialization();
	delivery();
	in_service();
	priorities();
	modes();
	spurious();
	pic_mask_all();
	return report_summary();
}
