/* CSRs, instructions and numbers of the hypervisor extension. The RISC-V Instruction Set Manual, volume II: Privileged Architecture (20211203), chapter 8. */
#pragma once

#include "csr.h"

#define PAYLOAD_ADDRESS 0x84000000ull

/* By number, for assemblers that do not know the names. */
#define HSTATUS 0x600
#define HEDELEG 0x602
#define HIDELEG 0x603
#define HTIMEDELTA 0x605
#define HCOUNTEREN 0x606
#define HTVAL 0x643
#define HVIP 0x645
#define HGATP 0x680
#define VSSTATUS 0x200
#define VSTVEC 0x205
#define VSEPC 0x241
#define VSCAUSE 0x242
#define VSTVAL 0x243
#define VSATP 0x280

/* The number is put in before the name is made of it. */
#define hcsr_read(number) csr_read(number)
#define hcsr_write(number, value) csr_write(number, value)
#define hcsr_set(number, bits) csr_set(number, bits)
#define hcsr_clear(number, bits) csr_clear(number, bits)

#define HSTATUS_SPV BIT(7)
#define HSTATUS_SPVP BIT(8)

/* Interrupts of VS mode, in hideleg and hvip. */
#define VS_SOFTWARE BIT(2)
#define VS_TIMER BIT(6)
#define VS_EXTERNAL BIT(10)

enum {
	CAUSE_ECALL_VS = 10,
	CAUSE_GUEST_INSTRUCTION_FAULT = 20,
	CAUSE_GUEST_LOAD_FAULT = 21,
	CAUSE_VIRTUAL_INSTRUCTION = 22,
	CAUSE_GUEST_STORE_FAULT = 23,
};

static inline void hfence_gvma(void)
{
	asm volatile(".insn r 0x73, 0, 0x31, x0, x0, x0" : : : "memory");
}

static inline void hfence_vvma(void)
{
	asm volatile(".insn r 0x73, 0, 0x11, x0, x0, x0" : : : "memory");
}

/* HLVX.HU: two bytes as L2 would fetch them. */
static inline u64 fetch_half(u64 address)
{
	u64 value;

	asm volatile(".insn r 0x73, 4, 0x32, %0, %1, x3" : "=r"(value) : "r"(address) : "memory");
	return value;
}

/* L2's registers while L1 runs. */
struct l2 {
	u64 x[32];
	u64 host_sp;
	u64 pc, sstatus, hstatus;
};

/* Runs L2 until it traps. */
void l2_enter(struct l2 *l2);
