/* Control and status registers of supervisor mode. The RISC-V Instruction Set Manual, volume II: Privileged Architecture (20211203), chapter 4. */
#pragma once

#include "types.h"

#define csr_read(name)                                                       \
	({                                                                   \
		u64 value_;                                                  \
		asm volatile("csrr %0, " #name : "=r"(value_) : : "memory"); \
		value_;                                                      \
	})

#define csr_write(name, value)                                                    \
	do {                                                                      \
		u64 value_ = (value);                                             \
		asm volatile("csrw " #name ", %0" : : "r"(value_) : "memory");    \
	} while (0)

#define csr_set(name, bits)                                                       \
	do {                                                                      \
		u64 value_ = (bits);                                              \
		asm volatile("csrs " #name ", %0" : : "r"(value_) : "memory");    \
	} while (0)

#define csr_clear(name, bits)                                                     \
	do {                                                                      \
		u64 value_ = (bits);                                              \
		asm volatile("csrc " #name ", %0" : : "r"(value_) : "memory");    \
	} while (0)

/* sstatus (section 4.1.1). */
#define SSTATUS_SIE BIT(1)
#define SSTATUS_SPIE BIT(5)
#define SSTATUS_SPP BIT(8)
#define SSTATUS_FS_INITIAL BIT(13)
#define SSTATUS_FS (3ull << 13)
#define SSTATUS_SUM BIT(18)
#define SSTATUS_MXR BIT(19)
#define SSTATUS_UXL (3ull << 32)
#define SSTATUS_SD BIT(63)

/* scause (table 4.2): exceptions, and interrupts, which have the highest bit set. */
enum {
	CAUSE_INSTRUCTION_MISALIGNED = 0,
	CAUSE_INSTRUCTION_ACCESS = 1,
	CAUSE_ILLEGAL_INSTRUCTION = 2,
	CAUSE_BREAKPOINT = 3,
	CAUSE_LOAD_MISALIGNED = 4,
	CAUSE_LOAD_ACCESS = 5,
	CAUSE_STORE_MISALIGNED = 6,
	CAUSE_STORE_ACCESS = 7,
	CAUSE_ECALL_U = 8,
	CAUSE_ECALL_S = 9,
	CAUSE_INSTRUCTION_PAGE_FAULT = 12,
	CAUSE_LOAD_PAGE_FAULT = 13,
	CAUSE_STORE_PAGE_FAULT = 15,

	INTERRUPT_SOFTWARE = 1,
	INTERRUPT_TIMER = 5,
	INTERRUPT_EXTERNAL = 9,
};

#define SCAUSE_INTERRUPT BIT(63)
