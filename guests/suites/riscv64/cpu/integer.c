/*
 * Integer instructions by table: RV64I, M and A. The RISC-V Instruction Set Manual, volume I: Unprivileged ISA (20191213), chapters 2, 5, 7 and 8.
 */
#include "cpu.h"
#include "platform.h"
#include "report.h"

typedef u64 (*operation)(u64 a, u64 b);

#define OPERATION(name, instruction)                                                    \
	static u64 name(u64 a, u64 b)                                                   \
	{                                                                               \
		u64 result;                                                             \
		asm volatile(instruction : "=&r"(result) : "r"(a), "r"(b) : "memory");  \
		return result;                                                          \
	}

OPERATION(op_add, "add %0, %1, %2")
OPERATION(op_sub, "sub %0, %1, %2")
OPERATION(op_sll, "sll %0, %1, %2")
OPERATION(op_srl, "srl %0, %1, %2")
OPERATION(op_sra, "sra %0, %1, %2")
OPERATION(op_slt, "slt %0, %1, %2")
OPERATION(op_sltu, "sltu %0, %1, %2")
OPERATION(op_addw, "addw %0, %1, %2")
OPERATION(op_subw, "subw %0, %1, %2")
OPERATION(op_sllw, "sllw %0, %1, %2")
OPERATION(op_srlw, "srlw %0, %1, %2")
OPERATION(op_sraw, "sraw %0, %1, %2")
OPERATION(op_sltiu_1, "sltiu %0, %1, 1")
OPERATION(op_addi_min, "addi %0, %1, -2048")
OPERATION(op_xori_not, "xori %0, %1, -1")
OPERATION(op_addiw_0, "addiw %0, %1, 0")
OPERATION(op_lui, "lui %0, 0x80000")
OPERATION(op_mul, "mul %0, %1, %2")
OPERATION(op_mulh, "mulh %0, %1, %2")
OPERATION(op_mulhu, "mulhu %0, %1, %2")
OPERATION(op_mulhsu, "mulhsu %0, %1, %2")
OPERATION(op_mulw, "mulw %0, %1, %2")
OPERATION(op_div, "div %0, %1, %2")
OPERATION(op_divu, "divu %0, %1, %2")
OPERATION(op_rem, "rem %0, %1, %2")
OPERATION(op_remu, "remu %0, %1, %2")
OPERATION(op_divw, "divw %0, %1, %2")
OPERATION(op_divuw, "divuw %0, %1, %2")
OPERATION(op_remw, "remw %0, %1, %2")
OPERATION(op_remuw, "remuw %0, %1, %2")

struct row {
	const char *name;
	operation run;
	u64 a, b, result;
};

#define MIN 0x8000000000000000ull
#define MAX 0x7fffffffffffffffull
#define ONES 0xffffffffffffffffull

static const struct row rows[] = {
	/* Section 2.4.2: overflow is ignored, the low XLEN bits are the result; shifts take the low 6 bits of rs2. */
	{"ADD wraps", op_add, MAX, 1, MIN},
	{"ADD of all ones and 1", op_add, ONES, 1, 0},
	{"SUB borrows", op_sub, 0, 1, ONES},
	{"SUB from the least number", op_sub, MIN, 1, MAX},
	{"SLL by 63", op_sll, 3, 63, MIN},
	{"SLL by 64 is SLL by 0", op_sll, 5, 64, 5},
	{"SRL shifts in zeros", op_srl, MIN, 63, 1},
	{"SRL takes six bits of the amount", op_srl, 8, 0xffc1, 4},
	{"SRA shifts in the sign", op_sra, MIN, 63, ONES},
	{"SRA of a positive number", op_sra, MAX, 62, 1},
	{"SLT is signed", op_slt, MIN, 1, 1},
	{"SLT of equal numbers", op_slt, 7, 7, 0},
	{"SLTU is unsigned", op_sltu, MIN, 1, 0},
	{"SLTU 0 < 1", op_sltu, 0, 1, 1},

	/* Section 2.4.1: immediates are sign-extended, for SLTIU too; LUI's result is sign-extended in RV64 (section 5.2). */
	{"SLTIU 1 of zero", op_sltiu_1, 0, 0, 1},
	{"SLTIU 1 of one", op_sltiu_1, 1, 0, 0},
	{"ADDI -2048", op_addi_min, 2047, 0, ONES},
	{"XORI -1 inverts", op_xori_not, 0x0f0f, 0, ~0x0f0full},
	{"LUI 0x80000", op_lui, 0, 0, 0xffffffff80000000},

	/* Section 5.2: the W forms ignore the upper halves and sign-extend 32-bit results; their shifts take five bits. */
	{"ADDW sign-extends", op_addw, 0x7fffffff, 1, 0xffffffff80000000},
	{"ADDW ignores the upper halves", op_addw, 0x1234567800000001, 0xfedcba9800000002, 3},
	{"SUBW sign-extends", op_subw, 0, 1, ONES},
	{"ADDIW 0 is SEXT.W", op_addiw_0, 0x1ffffffff, 0, ONES},
	{"SLLW by 31", op_sllw, 1, 31, 0xffffffff80000000},
	{"SLLW by 32 is SLLW by 0", op_sllw, 0x12345678, 32, 0x12345678},
	{"SRLW of the sign bit", op_srlw, 0xffffffff80000000, 31, 1},
	{"SRLW by 0 sign-extends", op_srlw, 0x80000000, 0, 0xffffffff80000000},
	{"SRAW shifts in bit 31", op_sraw, 0x80000000, 31, ONES},
	{"SRAW ignores the upper half", op_sraw, 0xffffffff40000000, 30, 1},

	/* Section 7.1. */
	{"MUL keeps the low half", op_mul, 0x100000001, 0x100000001, 0x200000001},
	{"MUL of the least number and -1", op_mul, MIN, ONES, MIN},
	{"MULH of -1 and -1", op_mulh, ONES, ONES, 0},
	{"MULH of the least number twice", op_mulh, MIN, MIN, 0x4000000000000000},
	{"MULHU of all ones", op_mulhu, ONES, ONES, 0xfffffffffffffffe},
	{"MULHSU of -1 and all ones", op_mulhsu, ONES, ONES, ONES},
	{"MULHSU of a positive number and all ones", op_mulhsu, 2, ONES, 1},
	{"MULW sign-extends", op_mulw, 0x10000, 0x8000, 0xffffffff80000000},

	/* Section 7.2 and table 7.1: division by zero and overflow have results, and raise nothing. */
	{"DIV rounds towards zero", op_div, (u64)-7, 2, (u64)-3},
	{"REM has the dividend's sign", op_rem, (u64)-7, 2, ONES},
	{"REM of a positive and a negative number", op_rem, 7, (u64)-2, 1},
	{"DIV by zero is -1", op_div, 42, 0, ONES},
	{"DIVU by zero is the greatest number", op_divu, 42, 0, ONES},
	{"REM by zero is the dividend", op_rem, 42, 0, 42},
	{"REMU by zero is the dividend", op_remu, ONES, 0, ONES},
	{"DIV overflow is the dividend", op_div, MIN, ONES, MIN},
	{"REM overflow is zero", op_rem, MIN, ONES, 0},
	{"DIVU is unsigned", op_divu, ONES, 2, MAX},
	{"REMU is unsigned", op_remu, ONES, 16, 15},
	{"DIVW ignores the upper halves", op_divw, 0xff00000000000009, 0xff00000000000002, 4},
	{"DIVW by zero is -1", op_divw, 1, 0, ONES},
	{"DIVW overflow sign-extends", op_divw, 0x80000000, ONES, 0xffffffff80000000},
	{"REMW overflow is zero", op_remw, 0x80000000, ONES, 0},
	{"REMW by zero sign-extends the dividend", op_remw, 0x80000001, 0, 0xffffffff80000001},
	{"DIVUW sign-extends its result", op_divuw, 0xffffffff, 1, ONES},
	{"REMUW by zero sign-extends the dividend", op_remuw, 0xfffffff0, 0, 0xfffffffffffffff0},
};

/* Section 2.6: LB, LH and LW sign-extend, the U forms do not. */
static void loads(void)
{
	static const u64 word = 0x8182838485868788;
	u64 signed_byte, byte, signed_half, half, signed_word, unsigned_word;

	asm volatile("lb %0, 0(%6); lbu %1, 0(%6); lh %2, 0(%6); lhu %3, 0(%6); lw %4, 0(%6); lwu %5, 0(%6)"
		     : "=&r"(signed_byte), "=&r"(byte), "=&r"(signed_half), "=&r"(half), "=&r"(signed_word), "=&r"(unsigned_word)
		     : "r"(&word)
		     : "memory");
	report_equal(signed_byte, 0xffffffffffffff88, "LB sign-extends");
	report_equal(byte, 0x88, "LBU does not");
	report_equal(signed_half, 0xffffffffffff8788, "LH sign-extends");
	report_equal(half, 0x8788, "LHU does not");
	report_equal(signed_word, 0xffffffff85868788, "LW sign-extends");
	report_equal(unsigned_word, 0x85868788, "LWU does not");
}

/* Section 2.1: x0 reads as zero, whatever is written to it; section 2.5: JALR writes the address behind it and clears bit 0 of its target. */
static void control_flow(void)
{
	u64 zero, link, here, taken = 0;

	asm volatile("li x0, 5; mv %0, x0" : "=r"(zero));
	report_equal(zero, 0, "a write to x0 is lost");
	asm volatile("la %1, 1f; addi t0, %1, 1; .option push; .option norvc; jalr %0, 0(t0); .option pop; 1:" : "=&r"(link), "=&r"(here) : : "t0");
	report_equal(link, here, "JALR writes the address of the next instruction, and jumps with bit 0 cleared");
	asm volatile("li t0, -1; li t1, 1; bltu t0, t1, 1f; addi %0, %0, 1; 1: blt t0, t1, 2f; addi %0, %0, 2; 2: bgeu t0, t1, 3f; addi %0, %0, 4; 3: bge t0, t1, 4f; "
		     "addi %0, %0, 8; 4:"
		     : "+r"(taken)
		     :
		     : "t0", "t1");
	report_equal(taken, 1 + 8, "branches compare as signed, or with U as unsigned numbers");
}

#define AMO(name, instruction)                                                                        \
	static u64 name(u64 *at, u64 value)                                                           \
	{                                                                                             \
		u64 old;                                                                              \
		asm volatile(instruction " %0, %2, (%1)" : "=&r"(old) : "r"(at), "r"(value) : "memory"); \
		return old;                                                                           \
	}

AMO(amoswap, "amoswap.d")
AMO(amoadd, "amoadd.d")
AMO(amoxor, "amoxor.d")
AMO(amoand, "amoand.d")
AMO(amoor, "amoor.d")
AMO(amomin, "amomin.d")
AMO(amomax, "amomax.d")
AMO(amominu, "amominu.d")
AMO(amomaxu, "amomaxu.d")
AMO(amoadd_w, "amoadd.w")
AMO(amomaxu_w, "amomaxu.w")

static const struct {
	const char *name;
	u64 (*run)(u64 *, u64);
	u64 before, value, after;
} atomics[] = {
	{"AMOSWAP.D", amoswap, 1, 2, 2},
	{"AMOADD.D", amoadd, ONES, 2, 1},
	{"AMOXOR.D", amoxor, 0xff, 0x0f, 0xf0},
	{"AMOAND.D", amoand, 0xff, 0x1f0, 0xf0},
	{"AMOOR.D", amoor, 0xf0, 0x0f, 0xff},
	{"AMOMIN.D is signed", amomin, 1, ONES, ONES},
	{"AMOMAX.D is signed", amomax, 1, ONES, 1},
	{"AMOMINU.D is unsigned", amominu, 1, ONES, 1},
	{"AMOMAXU.D is unsigned", amomaxu, 1, ONES, ONES},
};

/* Section 8.4: the old value comes back, sign-extended for the W forms, which leave the upper half alone. Section 8.2: SC writes only with a reservation. */
static void atomic(void)
{
	u64 memory, old, failed, other = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(atomics); i++) {
		memory = atomics[i].before;
		old = atomics[i].run(&memory, atomics[i].value);
		report(old == atomics[i].before && memory == atomics[i].after, "%s", atomics[i].name);
	}
	memory = 0x11111111ffffffff;
	old = amoadd_w(&memory, 2);
	report(old == ONES && memory == 0x1111111100000001, "AMOADD.W carries nothing into the upper half");
	memory = 0x2222222280000000;
	old = amomaxu_w(&memory, 0x7fffffff);
	report(old == 0xffffffff80000000 && memory == 0x2222222280000000, "AMOMAXU.W compares unsigned words");

	memory = 7;
	asm volatile("lr.d %0, (%2); sc.d %1, %3, (%2)" : "=&r"(old), "=&r"(failed) : "r"(&memory), "r"(8ull) : "memory");
	report(old == 7 && failed == 0 && memory == 8, "SC.D after LR.D of the address writes and returns 0");
	asm volatile("sc.d %0, %2, (%1)" : "=&r"(failed) : "r"(&memory), "r"(9ull) : "memory");
	report(failed != 0 && memory == 8, "SC.D without a reservation writes nothing and returns another number");
	asm volatile("lr.d t0, (%1); sc.d %0, zero, (%2); sc.d %0, %3, (%1)" : "=&r"(failed) : "r"(&memory), "r"(&other), "r"(9ull) : "t0", "memory");
	report(failed != 0 && memory == 8, "any SC.D ends the reservation");
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		report_equal(rows[i].run(rows[i].a, rows[i].b), rows[i].result, "%s", rows[i].name);
	loads();
	control_flow();
	atomic();
	return report_summary();
}
