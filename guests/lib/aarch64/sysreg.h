/* System registers and the barriers that go with them. Names and fields are those of the Arm Architecture Reference Manual (DDI 0487), chapter D17 (D13 in older issues). */
#pragma once

#include "types.h"

#define read_sysreg(name)                                                      \
	({                                                                     \
		u64 value_;                                                    \
		asm volatile("mrs %0, " #name : "=r"(value_) : : "memory");    \
		value_;                                                        \
	})

#define write_sysreg(name, value)                                                              \
	do {                                                                                   \
		u64 value_ = (value);                                                          \
		asm volatile("msr " #name ", %0" : : "r"(value_) : "memory");                  \
		isb();                                                                         \
	} while (0)

static inline void isb(void)
{
	asm volatile("isb" : : : "memory");
}

static inline void dsb(void)
{
	asm volatile("dsb sy" : : : "memory");
}

/* SCTLR_EL1. */
#define SCTLR_M BIT(0)
#define SCTLR_A BIT(1)
#define SCTLR_C BIT(2)
#define SCTLR_SA BIT(3)
#define SCTLR_SA0 BIT(4)
#define SCTLR_UMA BIT(9)
#define SCTLR_I BIT(12)
#define SCTLR_DZE BIT(14)
#define SCTLR_UCT BIT(15)
#define SCTLR_NTWI BIT(16)
#define SCTLR_NTWE BIT(18)
#define SCTLR_WXN BIT(19)
#define SCTLR_UCI BIT(26)
#define SCTLR_RES1 (BIT(11) | BIT(20) | BIT(22) | BIT(23) | BIT(28) | BIT(29))

/* PSTATE as in SPSR_EL1. */
#define PSR_N BIT(31)
#define PSR_Z BIT(30)
#define PSR_C BIT(29)
#define PSR_V BIT(28)
#define PSR_SS BIT(21)
#define PSR_IL BIT(20)
#define PSR_D BIT(9)
#define PSR_A BIT(8)
#define PSR_I BIT(7)
#define PSR_F BIT(6)
#define PSR_DAIF (PSR_D | PSR_A | PSR_I | PSR_F)
#define PSR_EL0T 0
#define PSR_EL1T 4
#define PSR_EL1H 5
#define PSR_EL2H 9
#define PSR_MODE_MASK 0xf

/* Exception classes, ESR_ELx.EC. */
enum {
	EC_UNKNOWN = 0x00,
	EC_WFX = 0x01,
	EC_FP = 0x07,
	EC_ILLEGAL_STATE = 0x0e,
	EC_SVC64 = 0x15,
	EC_HVC64 = 0x16,
	EC_SMC64 = 0x17,
	EC_SYSREG = 0x18,
	EC_INSTRUCTION_ABORT_LOWER = 0x20,
	EC_INSTRUCTION_ABORT = 0x21,
	EC_PC_ALIGNMENT = 0x22,
	EC_DATA_ABORT_LOWER = 0x24,
	EC_DATA_ABORT = 0x25,
	EC_SP_ALIGNMENT = 0x26,
	EC_FP64 = 0x2c,
	EC_SERROR = 0x2f,
	EC_BREAKPOINT_LOWER = 0x30,
	EC_SOFTWARE_STEP_LOWER = 0x32,
	EC_BRK64 = 0x3c,
};

#define ESR_EC(esr) ((u32)((esr) >> 26) & 0x3f)
#define ESR_IL BIT(25)
#define ESR_ISS(esr) ((u32)(esr) & 0x1ffffff)

/* ISS of a data or instruction abort. */
#define ISS_FSC(esr) ((u32)(esr) & 0x3f)
#define ISS_WNR BIT(6)
#define ISS_CM BIT(8)

/* Fault status codes; the level is added to those that have one. */
enum {
	FSC_ADDRESS_SIZE = 0x00,
	FSC_TRANSLATION = 0x04,
	FSC_ACCESS_FLAG = 0x08,
	FSC_PERMISSION = 0x0c,
	FSC_ALIGNMENT = 0x21,
};
