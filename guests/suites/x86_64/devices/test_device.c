/*
 * kvm-unit-tests' device, QEMU's pc-testdev: latches, memory and interrupt lines. There is no data sheet; what counts is what QEMU's
 * hw/misc/pc-testdev.c does and kvm-unit-tests use.
 */
#include "apic.h"
#include "interrupts.h"
#include "io.h"
#include "pic.h"
#include "platform.h"
#include "report.h"
#include "testdev.h"

enum {
	LATCH = 0xe0,
	BYTE_LATCH = 0xe8,
	LINE = 5,
};

#define MEMORY 0xff000000ull

static void latches(void)
{
	outl(LATCH, 0x12345678);
	report_equal(inl(LATCH), 0x12345678, "the latch keeps 32 bits");
	outw(LATCH, 0xabcd);
	report_equal(inw(LATCH), 0xabcd, "the latch keeps 16 bits");
	outb(LATCH, 0x5a);
	report_equal(inb(LATCH), 0x5a, "the latch keeps 8 bits");
	outl(BYTE_LATCH, 0x89abcdef);
	report_equal(inl(BYTE_LATCH), 0x89abcdef, "an access of 32 bits is taken apart into bytes and put together");
	report_equal(inb(BYTE_LATCH + 1), 0xcd, "the bytes lie in order");
	outb(BYTE_LATCH + 3, 0x11);
	report_equal(inl(BYTE_LATCH), 0x11abcdef, "a byte of the latch is written apart");
}

static void string_io(void)
{
	u32 words[2] = {0x01020304, 0x05060708}, back[2] = {0};
	const void *from = words;
	void *to = back;
	u64 count = 2;

	asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(LATCH), "m"(words) : "memory");
	report(count == 0 && inl(LATCH) == 0x05060708, "REP OUTSD writes each word, the last one stays");
	count = 2;
	asm volatile("rep insl" : "+D"(to), "+c"(count), "=m"(back) : "d"(LATCH) : "memory");
	report(count == 0 && back[0] == 0x05060708 && back[1] == 0x05060708, "REP INSD reads into memory");
}

static void memory(void)
{
	mmio_write32(MEMORY, 0xcafebabe);
	mmio_write32(MEMORY + 0xfffc, 0x12345678);
	report_equal(mmio_read32(MEMORY), 0xcafebabe, "the first word of the memory keeps what is written");
	report_equal(mmio_read32(MEMORY + 0xfffc), 0x12345678, "so does the last");
	*(volatile u8 *)(MEMORY + 1) = 0;
	report_equal(mmio_read32(MEMORY), 0xcafe00be, "a byte of the memory is written apart");
	*(volatile u64 *)(MEMORY + 8) = 0x0123456789abcdef;
	report(mmio_read32(MEMORY + 8) == 0x89abcdef && mmio_read32(MEMORY + 12) == 0x01234567, "eight bytes are written at once");
}

static void eoi(u8 vector)
{
	pic_eoi(vector - PIC_VECTOR_BASE);
}

static void line(void)
{
	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);
	pic_init();
	taken_start(PIC_VECTOR_BASE, PIC_VECTOR_BASE + 15, eoi);
	pic_unmask(LINE);
	testdev_set_irq(LINE, true);
	interrupts_window();
	testdev_set_irq(LINE, false);
	report(taken_once(PIC_VECTOR_BASE + LINE), "a write of 1 to 0x2005 raises IRQ 5");
	pic_mask_all();
}

int main(int argc, char **argv)
{
	latches();
	string_io();
	memory();
	line();
	return report_summary();
}
