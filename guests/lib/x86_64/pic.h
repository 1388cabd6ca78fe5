/* The pair of 8259A interrupt controllers (Intel 8259A data sheet). */
#pragma once

#include "types.h"

enum {
	PIC_MASTER = 0x20,
	PIC_SLAVE = 0xa0,
	PIC_ICW1 = 0x11, /* edge triggered, cascade, ICW4 follows */
	PIC_ICW4_8086 = 0x01,
	PIC_ICW4_AUTO_EOI = 0x02,
	PIC_OCW2_EOI = 0x20,
	PIC_OCW2_SPECIFIC_EOI = 0x60,
	PIC_OCW2_SET_PRIORITY = 0xc0,
	PIC_OCW3_READ_IRR = 0x0a,
	PIC_OCW3_READ_ISR = 0x0b,
	PIC_OCW3_POLL = 0x0c,
	PIC_ELCR_MASTER = 0x4d0,
	PIC_ELCR_SLAVE = 0x4d1,
	PIC_VECTOR_BASE = 0x40, /* what the suites give to IRQ 0 */
};

/* Initializes both with vectors PIC_VECTOR_BASE and following, all masked. */
void pic_init(void);

/* Masks all lines of both. */
void pic_mask_all(void);
void pic_unmask(unsigned irq);
void pic_mask(unsigned irq);

/* Non-specific end of interrupt for the chips that the line goes through. */
void pic_eoi(unsigned irq);

/* IRR or ISR of both chips, the slave's in the high byte. */
u16 pic_read(u8 ocw3);
