/*
 * Entry of the L1 at EL2, with the MMU off, which it stays; the vector table of EL2; and u64 l2_enter(struct l2 *): to L2 by ERET, and back by its next exception.
 */
#define L2_HOST_SP	248
#define STACK_SIZE	8192
#define FDT_DEFAULT	0x40000000

	.section .text.l1_entry, "ax"
	.globl l1_entry
l1_entry:
	msr daifset, #0xf
	cbnz x0, 1f
	mov x0, #FDT_DEFAULT
1:	adrp x1, boot_fdt
	str x0, [x1, :lo12:boot_fdt]
	mrs x0, currentel
	lsr x0, x0, #2
	adrp x1, l1_stack
	add x1, x1, :lo12:l1_stack
	mov x2, #STACK_SIZE
	add sp, x1, x2
	mov x29, xzr
	mov x30, xzr
	b l1_main

	.text
	.macro l2_vector number
	.balign 128
	/* Only exceptions of L2 are expected (8 and up); TPIDR_EL2 is struct l2 while it runs. */
	str x0, [sp, #-16]!
	mrs x0, tpidr_el2
	stp x1, x2, [x0, #8]
	mov x1, #\number
	b l2_exit
	.endm

	.balign 2048
	.globl l1_vectors
l1_vectors:
	.set number, 0
	.rept 16
	l2_vector number
	.set number, number + 1
	.endr

	.balign 128
l2_exit:
	stp x3, x4, [x0, #24]
	stp x5, x6, [x0, #40]
	stp x7, x8, [x0, #56]
	stp x9, x10, [x0, #72]
	stp x11, x12, [x0, #88]
	stp x13, x14, [x0, #104]
	stp x15, x16, [x0, #120]
	stp x17, x18, [x0, #136]
	stp x19, x20, [x0, #152]
	stp x21, x22, [x0, #168]
	stp x23, x24, [x0, #184]
	stp x25, x26, [x0, #200]
	stp x27, x28, [x0, #216]
	stp x29, x30, [x0, #232]
	ldr x2, [sp], #16
	str x2, [x0]
	ldr x2, [x0, #L2_HOST_SP]
	mov sp, x2
	mov x0, x1
	ldp x27, x28, [sp, #80]
	ldp x25, x26, [sp, #64]
	ldp x23, x24, [sp, #48]
	ldp x21, x22, [sp, #32]
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #96
	ret

	.globl l2_enter
l2_enter:
	stp x29, x30, [sp, #-96]!
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	mov x1, sp
	str x1, [x0, #L2_HOST_SP]
	msr tpidr_el2, x0
	ldp x1, x2, [x0, #8]
	ldp x3, x4, [x0, #24]
	ldp x5, x6, [x0, #40]
	ldp x7, x8, [x0, #56]
	ldp x9, x10, [x0, #72]
	ldp x11, x12, [x0, #88]
	ldp x13, x14, [x0, #104]
	ldp x15, x16, [x0, #120]
	ldp x17, x18, [x0, #136]
	ldp x19, x20, [x0, #152]
	ldp x21, x22, [x0, #168]
	ldp x23, x24, [x0, #184]
	ldp x25, x26, [x0, #200]
	ldp x27, x28, [x0, #216]
	ldp x29, x30, [x0, #232]
	ldr x0, [x0]
	eret

	.bss
	.balign 16
l1_stack:
	.skip STACK_SIZE
