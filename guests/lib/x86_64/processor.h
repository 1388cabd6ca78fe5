/* The processor's registers and instructions that C has no word for. Names as in the Intel SDM, volumes 3 and 4. */
#pragma once

#include "layout.h"
#include "types.h"

enum {
	RFLAGS_CF = 1 << 0,
	RFLAGS_FIXED = 1 << 1,
	RFLAGS_PF = 1 << 2,
	RFLAGS_AF = 1 << 4,
	RFLAGS_ZF = 1 << 6,
	RFLAGS_SF = 1 << 7,
	RFLAGS_TF = 1 << 8,
	RFLAGS_IF = 1 << 9,
	RFLAGS_DF = 1 << 10,
	RFLAGS_OF = 1 << 11,
	RFLAGS_IOPL = 3 << 12,
	RFLAGS_NT = 1 << 14,
	RFLAGS_RF = 1 << 16,
	RFLAGS_AC = 1 << 18,
	RFLAGS_ID = 1 << 21,
	RFLAGS_STATUS = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF,
};

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_TSD BIT(2)
#define CR4_DE BIT(3)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_PGE BIT(7)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP BIT(11)
#define CR4_FSGSBASE BIT(16)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)

#define MSR_TSC 0x10
#define MSR_APIC_BASE 0x1b
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_PAT 0x277
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_SYSCALL_MASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

/* Vectors (SDM volume 3, table 6-1). */
enum {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_BP = 3,
	VECTOR_OF = 4,
	VECTOR_BR = 5,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_DF = 8,
	VECTOR_TS = 10,
	VECTOR_NP = 11,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MF = 16,
	VECTOR_AC = 17,
	VECTOR_MC = 18,
	VECTOR_XM = 19,
};

#define CONTROL_REGISTER(n)                                                                                                                 \
	static inline u64 read_cr##n(void)                                                                                                  \
	{                                                                                                                                   \
		u64 value;                                                                                                                  \
		asm volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory");                                                              \
		return value;                                                                                                               \
	}                                                                                                                                   \
	static inline void write_cr##n(u64 value)                                                                                           \
	{                                                                                                                                   \
		asm volatile("mov %0, %%cr" #n : : "r"(value) : "memory");                                                                  \
	}
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)
CONTROL_REGISTER(8)
#undef CONTROL_REGISTER

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
	return r;
}

/* False as well for a leaf above the highest one. */
static inline bool cpuid_has(u32 leaf, u32 subleaf, u32 (*pick)(struct cpuid), unsigned bit)
{
	return cpuid(leaf & 0x80000000, 0).eax >= leaf && (pick(cpuid(leaf, subleaf)) >> bit & 1);
}

static inline u32 cpuid_ebx(struct cpuid r)
{
	return r.ebx;
}

static inline u32 cpuid_ecx(struct cpuid r)
{
	return r.ecx;
}

static inline u32 cpuid_edx(struct cpuid r)
{
	return r.edx;
}

/* Features by their CPUID bit: has(CPUID_NX). */
#define CPUID_FPU 0x1, 0, cpuid_edx, 0
#define CPUID_TSC 0x1, 0, cpuid_edx, 4
#define CPUID_APIC 0x1, 0, cpuid_edx, 9
#define CPUID_SEP 0x1, 0, cpuid_edx, 11
#define CPUID_PGE 0x1, 0, cpuid_edx, 13
#define CPUID_PAT 0x1, 0, cpuid_edx, 16
#define CPUID_SSE2 0x1, 0, cpuid_edx, 26
#define CPUID_CX16 0x1, 0, cpuid_ecx, 13
#define CPUID_MOVBE 0x1, 0, cpuid_ecx, 22
#define CPUID_TSC_DEADLINE 0x1, 0, cpuid_ecx, 24
#define CPUID_POPCNT 0x1, 0, cpuid_ecx, 23
#define CPUID_X2APIC 0x1, 0, cpuid_ecx, 21
#define CPUID_HYPERVISOR 0x1, 0, cpuid_ecx, 31
#define CPUID_BMI1 0x7, 0, cpuid_ebx, 3
#define CPUID_SMEP 0x7, 0, cpuid_ebx, 7
#define CPUID_SMAP 0x7, 0, cpuid_ebx, 20
#define CPUID_LZCNT 0x80000001, 0, cpuid_ecx, 5
#define CPUID_SYSCALL 0x80000001, 0, cpuid_edx, 11
#define CPUID_NX 0x80000001, 0, cpuid_edx, 20
#define CPUID_GBPAGES 0x80000001, 0, cpuid_edx, 26
#define CPUID_RDTSCP 0x80000001, 0, cpuid_edx, 27
#define CPUID_LM 0x80000001, 0, cpuid_edx, 29
#define has(...) cpuid_has(__VA_ARGS__)

static inline u64 rdtsc(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static inline u64 read_rflags(void)
{
	u64 value;

	asm volatile("pushfq; popq %0" : "=r"(value) : : "memory");
	return value;
}

static inline void write_rflags(u64 value)
{
	asm volatile("pushq %0; popfq" : : "r"(value) : "memory", "cc");
}

static inline void invlpg(u64 address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline void interrupts_enable(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void interrupts_disable(void)
{
	asm volatile("cli" : : : "memory");
}

/*
 * Opens the interrupt window for a moment: what is pending is delivered. Interrupt controllers may take a while to say so, and a VMM may look only
 * at exits or now and then: port reads and a short wait give both their time.
 */
static inline void interrupts_window(void)
{
	asm volatile("sti; movl $10, %%ecx; 1: inb $0x61, %%al; decl %%ecx; jnz 1b; movl $3000, %%ecx; 2: pause; decl %%ecx; jnz 2b; cli" : : : "rax", "rcx", "cc", "memory");
}

/* Sleeps until an interrupt, which cannot get lost between the two instructions: STI holds interrupts off for one more (SDM volume 2, STI). */
static inline void interrupts_wait(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void pause(void)
{
	asm volatile("pause" : : : "memory");
}
