/*
 * From the boot loader's 32-bit protected mode to long mode, on the first CPU; and from a start-up IPI's real mode, on the others.
 * Multiboot Specification 0.6.96, section 3.2; Intel SDM volume 3, section 9.8.5 "Initializing IA-32e Mode".
 */
#include "layout.h"

#define MULTIBOOT_HEADER_MAGIC	0x1badb002
#define CR0_BOOT		0x80010033	/* PG WP NE ET MP PE */
#define CR4_PAE			0x20
#define MSR_EFER		0xc0000080
#define EFER_LME		0x100
#define PTE_PRESENT_WRITE_USER	0x7
#define PDE_LARGE_PAGE		0x87
#define PDE_LARGE_PAGE_DEVICE	0x9f		/* with PCD and PWT */

	.section .multiboot, "a"
	.balign 4
	.long MULTIBOOT_HEADER_MAGIC, 0, -MULTIBOOT_HEADER_MAGIC

	.code32
	.section .text.start, "ax"
	.globl _start
_start:
	cli
	cld
	mov %eax, multiboot_magic
	mov %ebx, multiboot_info_address
	mov $(cpu_stacks + CPU_STACK_SIZE), %esp
	call build_boot_page_tables
	xor %ebp, %ebp
	jmp enter_long_mode

/* Maps the low 4 GiB to itself in 2 MiB pages, open to user mode; the last GiB, where the devices are, uncached. */
build_boot_page_tables:
	movl $(boot_pdpt + PTE_PRESENT_WRITE_USER), boot_pml4
	movl $(boot_pds + PTE_PRESENT_WRITE_USER), boot_pdpt
	movl $(boot_pds + 0x1000 + PTE_PRESENT_WRITE_USER), boot_pdpt + 8
	movl $(boot_pds + 0x2000 + PTE_PRESENT_WRITE_USER), boot_pdpt + 16
	movl $(boot_pds + 0x3000 + PTE_PRESENT_WRITE_USER), boot_pdpt + 24
	mov $boot_pds, %edi
	mov $PDE_LARGE_PAGE, %eax
1:	mov %eax, (%edi)
	add $8, %edi
	add $0x200000, %eax
	cmp $(0xc0000000 + PDE_LARGE_PAGE), %eax
	jne 2f
	add $(PDE_LARGE_PAGE_DEVICE - PDE_LARGE_PAGE), %eax
2:	cmp $(boot_pds + 0x4000), %edi
	jne 1b
	ret

/* ebp: the CPU's index. The code and data segments in use need not be ours yet. */
enter_long_mode:
	lgdt gdt_pointer
	mov %cr4, %eax
	or $CR4_PAE, %eax
	mov %eax, %cr4
	mov $boot_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov $CR0_BOOT, %eax
	mov %eax, %cr0
	ljmp $KERNEL_CS, $long_mode

	.code64
long_mode:
	mov $KERNEL_DS, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov %ebp, %edi
	lea 1(%rdi), %eax
	imul $CPU_STACK_SIZE, %eax, %eax
	lea cpu_stacks(%rax), %rsp
	xor %ebp, %ebp
	call cpu_start
	ud2

/* Copied to AP_TRAMPOLINE, a page below 1 MiB. SDM volume 3, section 8.4.4: CS:IP is the vector × 0x1000 : 0. */
	.code16
	.section .rodata.trampoline, "a"
	.globl ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	lgdtl AP_TRAMPOLINE + trampoline_gdt_pointer - ap_trampoline
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $KERNEL_CS32, $ap_start32
trampoline_gdt_pointer:
	.word GDT_SIZE - 1
	.long gdt
ap_trampoline_end:

	.code32
	.section .text.start, "ax"
ap_start32:
	mov $KERNEL_DS, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $1, %ebp
	lock xadd %ebp, ap_next_index
	cmp $MAX_CPUS, %ebp
	jb enter_long_mode
1:	hlt
	jmp 1b

	.data
	.balign 4
ap_next_index:
	.long 1
gdt_pointer:
	.word GDT_SIZE - 1
	.long gdt

	.bss
	.balign 4096
	.globl boot_pml4, cpu_stacks, multiboot_magic, multiboot_info_address
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_pds:
	.skip 4 * 4096
cpu_stacks:
	.skip MAX_CPUS * CPU_STACK_SIZE
multiboot_magic:
	.skip 4
multiboot_info_address:
	.skip 4
