/* The vector table of EL1 (Arm ARM, table D1-7), and the recovery from an expected fault. */
#include "layout.h"

	.text
	.macro trap_entry vector
	.balign 128
	sub sp, sp, #FRAME_SIZE
	stp x0, x1, [sp]
	mov x0, #\vector
	b trap_common
	.endm

	.balign 2048
	.globl trap_vectors
trap_vectors:
	.set vector_number, 0
	.rept 16
	trap_entry vector_number
	.set vector_number, vector_number + 1
	.endr

	.balign 128
trap_common:
	stp x2, x3, [sp, #16]
	stp x4, x5, [sp, #32]
	stp x6, x7, [sp, #48]
	stp x8, x9, [sp, #64]
	stp x10, x11, [sp, #80]
	stp x12, x13, [sp, #96]
	stp x14, x15, [sp, #112]
	stp x16, x17, [sp, #128]
	stp x18, x19, [sp, #144]
	stp x20, x21, [sp, #160]
	stp x22, x23, [sp, #176]
	stp x24, x25, [sp, #192]
	stp x26, x27, [sp, #208]
	stp x28, x29, [sp, #224]
	mrs x1, sp_el0
	stp x30, x1, [sp, #240]
	mrs x1, elr_el1
	mrs x2, spsr_el1
	stp x1, x2, [sp, #FRAME_ELR]
	mrs x1, esr_el1
	mrs x2, far_el1
	stp x1, x2, [sp, #FRAME_ESR]
	str x0, [sp, #FRAME_VECTOR]
	mov x0, sp
	mov x29, xzr
	bl trap_dispatch
	ldp x1, x2, [sp, #FRAME_ELR]
	msr elr_el1, x1
	msr spsr_el1, x2
	ldp x30, x1, [sp, #240]
	msr sp_el0, x1
	ldp x28, x29, [sp, #224]
	ldp x26, x27, [sp, #208]
	ldp x24, x25, [sp, #192]
	ldp x22, x23, [sp, #176]
	ldp x20, x21, [sp, #160]
	ldp x18, x19, [sp, #144]
	ldp x16, x17, [sp, #128]
	ldp x14, x15, [sp, #112]
	ldp x12, x13, [sp, #96]
	ldp x10, x11, [sp, #80]
	ldp x8, x9, [sp, #64]
	ldp x6, x7, [sp, #48]
	ldp x4, x5, [sp, #32]
	ldp x2, x3, [sp, #16]
	ldp x0, x1, [sp]
	add sp, sp, #FRAME_SIZE
	eret

/* void call_recoverable(void (*code)(u64), u64 argument): trap_dispatch comes back to call_recovered with the stack as it is kept here. */
	.globl call_recoverable, call_recovered
call_recoverable:
	stp x29, x30, [sp, #-112]!
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	mrs x9, daif
	str x9, [sp, #96]
	mrs x9, tpidr_el1
	mov x10, sp
	str x10, [x9, #CPU_RECOVERY_SP]
	mov x9, x0
	mov x0, x1
	blr x9
call_recovered:
	mrs x9, tpidr_el1
	ldr x10, [x9, #CPU_RECOVERY_SP]
	mov sp, x10
	str xzr, [x9, #CPU_RECOVERY_SP]
	ldr x9, [sp, #96]
	msr daif, x9
	ldp x27, x28, [sp, #80]
	ldp x25, x26, [sp, #64]
	ldp x23, x24, [sp, #48]
	ldp x21, x22, [sp, #32]
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #112
	ret

/* void enter_user(struct user_entry *): {code, argument, pstate, stack top, return address}. Comes back only through trap_dispatch. */
	.globl enter_user
enter_user:
	ldp x9, x10, [x0]
	ldp x11, x12, [x0, #16]
	ldr x30, [x0, #32]
	msr elr_el1, x9
	msr spsr_el1, x11
	msr sp_el0, x12
	mov x0, x10
	eret

/* Where user code returns to. */
	.globl user_return
user_return:
	.inst 0			/* UDF #0 */
