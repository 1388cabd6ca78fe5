/*
 * Entry of the first hart, from an SBI implementation or a hypervisor: its ID in a0, the device tree in a1; and of the others, from hart_start, with their index in a1
 * (RISC-V SBI 1.0.0, section 9.1). Translation is off.
 */
#include "layout.h"

	.section .text.start, "ax"
	.globl _start, secondary_start
_start:
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

	.bss
	.balign 16
cpu_stacks:
	.skip MAX_CPUS * CPU_STACK_SIZE
	.globl boot_fdt, boot_hart
boot_fdt:
	.skip 8
boot_hart:
	.skip 8
