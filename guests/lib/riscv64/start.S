/*
 * Entry of the first hart, from an SBI implementation or a hypervisor: its ID in a0, the device tree in a1; and of the others, from hart_start, with their index in a1
 * (RISC-V SBI 1.0.0, section 9.1). Translation is off.
 */
#include "layout.h"

	.section .text.start, "ax"
	.globl _start, secondary_start
_start:
	la t0, boot_lottery
	li t1, 1
	amoadd.w.aqrl t1, t1, (t0)
	bnez t1, parked
	la t0, boot_fdt
	sd a1, 0(t0)
	la t0, boot_hart
	sd a0, 0(t0)
	li a1, 0
secondary_start:
	csrw sie, zero
	csrw satp, zero
	addi t1, a1, 1
	li t2, CPU_STACK_SIZE
	mul t1, t1, t2
	la sp, cpu_stacks
	add sp, sp, t1
	mv a0, a1
	mv s0, zero
	mv ra, zero
	j cpu_start

/* A starved host's firmware has let a second hart in: to be started, it is told its index. */
parked:
	li t0, MAX_CPUS
	bgeu a0, t0, 2f
	slli a0, a0, 2
	la t0, parked_index
	add t0, t0, a0
1:	lw a1, 0(t0)
	beqz a1, 1b
	fence
	j secondary_start
2:	wfi
	j 2b

	.bss
	.balign 16
cpu_stacks:
	.skip MAX_CPUS * CPU_STACK_SIZE
	.globl boot_fdt, boot_hart, parked_index
boot_fdt:
	.skip 8
boot_hart:
	.skip 8
parked_index:
	.skip MAX_CPUS * 4
boot_lottery:
	.skip 4
