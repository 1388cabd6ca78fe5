/* Numbers that C and assembly share. */
#pragma once

#define MAX_CPUS	32
#define CPU_STACK_SIZE	8192

/* Selectors. SYSCALL and SYSRET fix the order: kernel code, kernel data; user code 32, user data, user code 64 (SDM volume 3, section 5.8.8). */
#define KERNEL_CS	0x08
#define KERNEL_DS	0x10
#define KERNEL_CS32	0x18
#define USER_CS32	0x23
#define USER_DS		0x2b
#define USER_CS		0x33
#define GDT_SPARE	0x38 /* eight descriptors for tests to fill */
#define GDT_TSS		0x78 /* one of two slots for each CPU */
#define GDT_SIZE	(GDT_TSS + 16 * MAX_CPUS)

/* The real-mode page where other CPUs start; the start-up IPI's vector is its number. */
#define AP_TRAMPOLINE	0x8000

/* Offsets in struct cpu, checked where it is declared. */
#define CPU_RECOVERY_RSP 8
