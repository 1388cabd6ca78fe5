/* Multiplication and division: results, flags and #DE. Intel SDM volume 2, MUL, IMUL, DIV, IDIV. */
#include "operation.h"
#include "platform.h"
#include "report.h"
#include "trap.h"

#define OPERATION_BY_RCX(op)                                                                                                                \
	OPERATION(op##8, #op "b %%cl")                                                                                                      \
	OPERATION(op##16, #op "w %%cx")                                                                                                     \
	OPERATION(op##32, #op "l %%ecx")                                                                                                    \
	OPERATION(op##64, #op "q %%rcx")

OPERATION_BY_RCX(mul)
OPERATION_BY_RCX(imul)
OPERATION_BY_RCX(div)
OPERATION_BY_RCX(idiv)
OPERATION(imul16_two, "imulw %%cx, %%ax")
OPERATION(imul32_two, "imull %%ecx, %%eax")
OPERATION(imul64_two, "imulq %%rcx, %%rax")
OPERATION(imul32_immediate8, "imull $-3, %%ecx, %%eax")
OPERATION(imul64_immediate32, "imulq $0x10000, %%rcx, %%rax")

/* What the two halves of the product are: CF and OF say together that the upper half is needed; the other status flags are undefined. */
static const struct {
	const char *name;
	operation run;
	u64 rax, rcx, result_rax, result_rdx, flags;
} products[] = {
	{"MUL r8 0x10 by 0x10", mul8, 0x10, 0x10, 0x0100, 0, CF | OF},
	{"MUL r8 0x0f by 0x0f", mul8, 0x0f, 0x0f, 0x00e1, 0, 0},
	{"MUL r8 0xff by 0xff", mul8, 0xff, 0xff, 0xfe01, 0, CF | OF},
	{"MUL r16 0xffff by 0xffff", mul16, 0xffff, 0xffff, 0x0001, 0xfffe, CF | OF},
	{"MUL r16 0x00ff by 0x0101", mul16, 0x00ff, 0x0101, 0xffff, 0, 0},
	{"MUL r32 0xffffffff by 0xffffffff", mul32, 0xffffffff, 0xffffffff, 1, 0xfffffffe, CF | OF},
	{"MUL r32 0x10000 by 0xffff", mul32, 0x10000, 0xffff, 0xffff0000, 0, 0},
	{"MUL r64 by 2^63 + 1", mul64, ~0ull, 0x8000000000000001, 0x7fffffffffffffff, 0x8000000000000000, CF | OF},
	{"MUL r64 2^32 by 2^31", mul64, 1ull << 32, 1ull << 31, 1ull << 63, 0, 0},
	{"IMUL r8 -1 by -1", imul8, 0xff, 0xff, 0x0001, 0, 0},
	{"IMUL r8 -128 by -128", imul8, 0x80, 0x80, 0x4000, 0, CF | OF},
	{"IMUL r8 -128 by 1", imul8, 0x80, 0x01, 0xff80, 0, 0},
	{"IMUL r16 0x7fff by 2", imul16, 0x7fff, 2, 0xfffe, 0, CF | OF},
	{"IMUL r16 -1 by 1", imul16, 0xffff, 1, 0xffff, 0xffff, 0},
	{"IMUL r32 -2^31 by -1", imul32, 0x80000000, 0xffffffff, 0x80000000, 0, CF | OF},
	{"IMUL r32 -5 by 3", imul32, 0xfffffffb, 3, 0xfffffff1, 0xffffffff, 0},
	{"IMUL r64 -2^63 by -2^63", imul64, 1ull << 63, 1ull << 63, 0, 1ull << 62, CF | OF},
	{"IMUL r64 -1 by 7", imul64, ~0ull, 7, -7ull, ~0ull, 0},
	{"IMUL r16, r16 truncates", imul16_two, 0x1234, 0x5678, 0x0060, 0, CF | OF},
	{"IMUL r32, r32 fits", imul32_two, 0xffffffff, 0x7fffffff, 0x80000001, 0, 0},
	{"IMUL r64, r64 truncates", imul64_two, 1ull << 32, 1ull << 32, 0, 0, CF | OF},
	{"IMUL r32, r32, imm8", imul32_immediate8, 0, 7, 0xffffffeb, 0, 0},
	{"IMUL r64, r64, imm32", imul64_immediate32, 0, 1ull << 47, 1ull << 63, 0, CF | OF},
};

static const struct {
	const char *name;
	operation run;
	u64 rax, rdx, rcx, result_rax, result_rdx;
} quotients[] = {
	{"DIV r8 0x0123 by 0x10", div8, 0x0123, 0, 0x10, 0x0312, 0},
	{"DIV r8 0xfeff by 0xff", div8, 0xfeff, 0, 0xff, 0xfeff, 0},
	{"DIV r16 0x12345678 by 0x4321", div16, 0x5678, 0x1234, 0x4321, 0x456c, 0x1f8c},
	{"DIV r32 2^32 by 3", div32, 0, 1, 3, 0x55555555, 1},
	{"DIV r64 2^64 by 10", div64, 0, 1, 10, 0x1999999999999999, 6},
	{"IDIV r8 -7 by 2", idiv8, 0xfff9, 0, 2, 0xfffd, 0},
	{"IDIV r8 7 by -2", idiv8, 0x0007, 0, 0xfe, 0x01fd, 0},
	{"IDIV r16 -1000 by 7", idiv16, 0xfc18, 0xffff, 7, 0xff72, 0xfffa},
	{"IDIV r32 -2^31 by 2", idiv32, 0x80000000, 0xffffffff, 2, 0xc0000000, 0},
	{"IDIV r64 -10^12 by 999", idiv64, -1000000000000ull, ~0ull, 999, -1001001001ull, -1ull},
};

/* #DE: a zero divisor, or a quotient that the destination cannot hold (tables of DIV and IDIV in the manual). */
static const struct {
	const char *name;
	operation run;
	u64 rax, rdx, rcx;
} faults[] = {
	{"DIV r8 by zero", div8, 1, 0, 0},
	{"DIV r16 by zero", div16, 1, 0, 0},
	{"DIV r32 by zero", div32, 1, 0, 0},
	{"DIV r64 by zero", div64, 1, 0, 0},
	{"IDIV r32 by zero", idiv32, 1, 0, 0},
	{"DIV r8 quotient 0x100", div8, 0x0100, 0, 1},
	{"DIV r16 quotient 0x10000", div16, 0, 1, 1},
	{"DIV r32 quotient 2^32", div32, 0, 1, 1},
	{"DIV r64 quotient 2^64", div64, 0, 1, 1},
	{"IDIV r8 quotient 128", idiv8, 0xff80, 0, 0xff},
	{"IDIV r8 quotient -129", idiv8, 0xff7f, 0, 1},
	{"IDIV r16 quotient 2^15", idiv16, 0x8000, 0xffff, 0xffff},
	{"IDIV r32 quotient 2^31", idiv32, 0x80000000, 0xffffffff, 0xffffffff},
	{"IDIV r64 quotient 2^63", idiv64, 1ull << 63, ~0ull, ~0ull},
	{"IDIV r64 quotient of 128 bits", idiv64, 0, 1ull << 62, 1},
};

static void divide(u64 index)
{
	struct operands o = {.rax = faults[index].rax, .rdx = faults[index].rdx, .rcx = faults[index].rcx};

	faults[index].run(&o);
}

int main(int argc, char **argv)
{
	struct operands o;
	struct fault fault;

	for (unsigned i = 0; i < ARRAY_SIZE(products); i++) {
		o = (struct operands){.rax = products[i].rax, .rcx = products[i].rcx};
		products[i].run(&o);
		if (o.rax != products[i].result_rax || o.rdx != products[i].result_rdx)
			report_info("product 0x%lx:0x%lx, expected 0x%lx:0x%lx", o.rdx, o.rax, products[i].result_rdx, products[i].result_rax);
		report(o.rax == products[i].result_rax && o.rdx == products[i].result_rdx && (o.flags & (CF | OF)) == products[i].flags, "%s",
		       products[i].name);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(quotients); i++) {
		o = (struct operands){.rax = quotients[i].rax, .rdx = quotients[i].rdx, .rcx = quotients[i].rcx};
		quotients[i].run(&o);
		if (o.rax != quotients[i].result_rax || o.rdx != quotients[i].result_rdx)
			report_info("quotient 0x%lx, remainder 0x%lx", o.rax, o.rdx);
		report(o.rax == quotients[i].result_rax && o.rdx == quotients[i].result_rdx, "%s", quotients[i].name);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		int vector = catch_fault(divide, i, &fault);

		/* A fault: the destination is unchanged (SDM volume 3, section 6.5). */
		report(vector == VECTOR_DE && fault.frame.rax == faults[i].rax && fault.frame.rdx == faults[i].rdx,
		       "%s raises #DE and changes no register", faults[i].name);
	}
	return report_summary();
}
