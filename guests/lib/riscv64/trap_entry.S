/* The entry of all traps (Privileged Architecture, section 4.1.2, stvec in direct mode), and the recovery from an expected fault. */
#include "layout.h"

	.text
	.balign 4
	.globl trap_entry
trap_entry:
	csrrw tp, sscratch, tp
	sd t0, CPU_SCRATCH(tp)
	csrr t0, sstatus
	andi t0, t0, 0x100		/* SPP: from supervisor mode, on its stack */
	beqz t0, 1f
	mv t0, sp
	j 2f
1:	mv t0, sp
	ld sp, CPU_TRAP_SP(tp)
2:	addi sp, sp, -FRAME_SIZE
	sd t0, 2*8(sp)
	ld t0, CPU_SCRATCH(tp)
	sd x1, 1*8(sp)
	sd x3, 3*8(sp)
	sd x5, 5*8(sp)
	sd x6, 6*8(sp)
	sd x7, 7*8(sp)
	sd x8, 8*8(sp)
	sd x9, 9*8(sp)
	sd x10, 10*8(sp)
	sd x11, 11*8(sp)
	sd x12, 12*8(sp)
	sd x13, 13*8(sp)
	sd x14, 14*8(sp)
	sd x15, 15*8(sp)
	sd x16, 16*8(sp)
	sd x17, 17*8(sp)
	sd x18, 18*8(sp)
	sd x19, 19*8(sp)
	sd x20, 20*8(sp)
	sd x21, 21*8(sp)
	sd x22, 22*8(sp)
	sd x23, 23*8(sp)
	sd x24, 24*8(sp)
	sd x25, 25*8(sp)
	sd x26, 26*8(sp)
	sd x27, 27*8(sp)
	sd x28, 28*8(sp)
	sd x29, 29*8(sp)
	sd x30, 30*8(sp)
	sd x31, 31*8(sp)
	csrrw t0, sscratch, tp		/* what tp was; sscratch is ours again, for a trap within the handler */
	sd t0, 4*8(sp)
	csrr t0, sepc
	sd t0, FRAME_SEPC(sp)
	csrr t0, sstatus
	sd t0, FRAME_SSTATUS(sp)
	csrr t0, scause
	sd t0, FRAME_SCAUSE(sp)
	csrr t0, stval
	sd t0, FRAME_STVAL(sp)
	mv a0, sp
	mv s0, zero
	call trap_dispatch
	ld t0, FRAME_SEPC(sp)
	csrw sepc, t0
	ld t0, FRAME_SSTATUS(sp)
	csrw sstatus, t0
	ld x1, 1*8(sp)
	ld x3, 3*8(sp)
	ld x4, 4*8(sp)
	ld x5, 5*8(sp)
	ld x6, 6*8(sp)
	ld x7, 7*8(sp)
	ld x8, 8*8(sp)
	ld x9, 9*8(sp)
	ld x10, 10*8(sp)
	ld x11, 11*8(sp)
	ld x12, 12*8(sp)
	ld x13, 13*8(sp)
	ld x14, 14*8(sp)
	ld x15, 15*8(sp)
	ld x16, 16*8(sp)
	ld x17, 17*8(sp)
	ld x18, 18*8(sp)
	ld x19, 19*8(sp)
	ld x20, 20*8(sp)
	ld x21, 21*8(sp)
	ld x22, 22*8(sp)
	ld x23, 23*8(sp)
	ld x24, 24*8(sp)
	ld x25, 25*8(sp)
	ld x26, 26*8(sp)
	ld x27, 27*8(sp)
	ld x28, 28*8(sp)
	ld x29, 29*8(sp)
	ld x30, 30*8(sp)
	ld x31, 31*8(sp)
	ld x2, 2*8(sp)
	sret

/* void call_recoverable(void (*code)(u64), u64 argument): trap_dispatch comes back to call_recovered with the stack as it is kept here. */
	.globl call_recoverable, call_recovered
call_recoverable:
	addi sp, sp, -128
	sd ra, 0(sp)
	sd s0, 8(sp)
	sd s1, 16(sp)
	sd s2, 24(sp)
	sd s3, 32(sp)
	sd s4, 40(sp)
	sd s5, 48(sp)
	sd s6, 56(sp)
	sd s7, 64(sp)
	sd s8, 72(sp)
	sd s9, 80(sp)
	sd s10, 88(sp)
	sd s11, 96(sp)
	csrr t0, sstatus
	andi t0, t0, 2			/* SIE */
	sd t0, 104(sp)
	sd gp, 112(sp)
	sd sp, CPU_RECOVERY_SP(tp)
	mv t0, a0
	mv a0, a1
	jalr t0
call_recovered:
	ld sp, CPU_RECOVERY_SP(tp)
	sd zero, CPU_RECOVERY_SP(tp)
	ld t0, 104(sp)
	csrs sstatus, t0
	ld gp, 112(sp)
	ld s0, 8(sp)
	ld s1, 16(sp)
	ld s2, 24(sp)
	ld s3, 32(sp)
	ld s4, 40(sp)
	ld s5, 48(sp)
	ld s6, 56(sp)
	ld s7, 64(sp)
	ld s8, 72(sp)
	ld s9, 80(sp)
	ld s10, 88(sp)
	ld s11, 96(sp)
	ld ra, 0(sp)
	addi sp, sp, 128
	ret

/* void enter_user(struct user_entry *): {code, argument, stack top, return address}. Comes back only through trap_dispatch. */
	.globl enter_user
enter_user:
	sd sp, CPU_TRAP_SP(tp)
	ld t0, 0(a0)
	csrw sepc, t0
	li t0, 0x120			/* SPP: to user mode; SPIE: interrupts as they are there */
	csrc sstatus, t0
	ld sp, 16(a0)
	ld ra, 24(a0)
	ld a0, 8(a0)
	sret

/* Where user code returns to. */
	.globl user_return
	.balign 4
user_return:
	.4byte 0			/* illegal */
