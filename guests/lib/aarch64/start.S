/*
 * Entry of the first CPU, from the VMM or a hypervisor; and of the others, from PSCI CPU_ON with their index in X0 (DEN 0022, section 6.4). The MMU is off.
 */
#include "layout.h"

#define HCR_EL2_RW	(1 << 31)
#define SPSR_EL1H_DAIF	0x3c5
#define CNTHCTL_EL1PCTEN_EL1PCEN 3
#define FPEN_NO_TRAP	(3 << 20)
#define FDT_DEFAULT	0x40000000	/* where the "virt" machine puts it for an ELF image */

	.section .text.start, "ax"
	.globl _start, secondary_start
_start:
	cbnz x0, 1f
	mov x0, #FDT_DEFAULT
1:	adrp x1, boot_fdt
	str x0, [x1, :lo12:boot_fdt]
	mov x0, xzr
secondary_start:
	msr daifset, #0xf
	mrs x1, currentel
	cmp x1, #(2 << 2)
	b.ne at_el1
	/* A machine with virtualization=on and no hypervisor starts at EL2: give EL1 what it has elsewhere, and leave. */
	mov x1, #HCR_EL2_RW
	msr hcr_el2, x1
	mov x1, #CNTHCTL_EL1PCTEN_EL1PCEN
	msr cnthctl_el2, x1
	msr cntvoff_el2, xzr
	mov x1, #0x33ff		/* CPTR_EL2: RES1 bits, nothing trapped */
	msr cptr_el2, x1
	msr hstr_el2, xzr
	mrs x1, midr_el1
	msr vpidr_el2, x1
	mrs x1, mpidr_el1
	msr vmpidr_el2, x1
	mrs x1, id_aa64pfr0_el1
	tst x1, #(0xf << 24)	/* GICv3's system registers */
	b.eq 2f
	mrs x1, icc_sre_el2
	mov x2, #9		/* Enable, SRE */
	orr x1, x1, x2
	msr icc_sre_el2, x1
2:	mov x1, #SPSR_EL1H_DAIF
	msr spsr_el2, x1
	adr x1, at_el1
	msr elr_el2, x1
	eret
at_el1:
	msr spsel, #1
	mov x1, #FPEN_NO_TRAP
	msr cpacr_el1, x1
	add x2, x0, #1
	mov x3, #CPU_STACK_SIZE
	adrp x1, cpu_stacks
	add x1, x1, :lo12:cpu_stacks
	madd x1, x2, x3, x1
	mov sp, x1
	mov x29, xzr
	mov x30, xzr
	b cpu_start

	.bss
	.balign 16
cpu_stacks:
	.skip MAX_CPUS * CPU_STACK_SIZE
	.globl boot_fdt
	.balign 8
boot_fdt:
	.skip 8
