#include "pic.h"

#include "io.h"

void pic_mask_all(void)
{
	outb(PIC_MASTER + 1, 0xff);
	outb(PIC_SLAVE + 1, 0xff);
}

void pic_init(void)
{
	outb(PIC_MASTER, PIC_ICW1);
	outb(PIC_MASTER + 1, PIC_VECTOR_BASE);
	outb(PIC_MASTER + 1, 1 << 2); /* the slave is on line 2 */
	outb(PIC_MASTER + 1, PIC_ICW4_8086);
	outb(PIC_SLAVE, PIC_ICW1);
	outb(PIC_SLAVE + 1, PIC_VECTOR_BASE + 8);
	outb(PIC_SLAVE + 1, 2);
	outb(PIC_SLAVE + 1, PIC_ICW4_8086);
	pic_mask_all();
}

static u16 data_port(unsigned irq)
{
	return (irq < 8 ? PIC_MASTER : PIC_SLAVE) + 1;
}

void pic_unmask(unsigned irq)
{
	if (irq >= 8)
		outb(PIC_MASTER + 1, inb(PIC_MASTER + 1) & ~(1 << 2));
	outb(data_port(irq), inb(data_port(irq)) & ~(1 << (irq & 7)));
}

void pic_mask(unsigned irq)
{
	outb(data_port(irq), inb(data_port(irq)) | 1 << (irq & 7));
}

void pic_eoi(unsigned irq)
{
	if (irq >= 8)
		outb(PIC_SLAVE, PIC_OCW2_EOI);
	outb(PIC_MASTER, PIC_OCW2_EOI);
}

u16 pic_read(u8 ocw3)
{
	outb(PIC_MASTER, ocw3);
	outb(PIC_SLAVE, ocw3);
	return (u16)(inb(PIC_SLAVE) << 8 | inb(PIC_MASTER));
}
