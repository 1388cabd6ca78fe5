/*
 * Integer addition, subtraction and logic: result and status flags by table. Intel SDM volume 1, section 3.4.3.1 "Status Flags", and the "Flags
 * Affected" of each instruction in volume 2.
 */
#include "operation.h"
#include "platform.h"
#include "report.h"

OPERATION_BINARY(add)
OPERATION_BINARY(adc)
OPERATION_BINARY(sub)
OPERATION_BINARY(sbb)
OPERATION_BINARY(cmp)
OPERATION_BINARY(and)
OPERATION_BINARY(or)
OPERATION_BINARY(xor)
OPERATION_BINARY(test)
OPERATION_UNARY(inc)
OPERATION_UNARY(dec)
OPERATION_UNARY(neg)
OPERATION_UNARY(not)

struct row {
	const char *name;
	operation run;
	u64 a, b, flags_in, result, flags;
};

/* CF: carry or borrow out of the most significant bit; AF: out of bit 3; OF: the signed result does not fit; PF: an even number of ones in the low
 * byte. INC and DEC leave CF as it is. */
static const struct row arithmetic[] = {
	{"ADD r8 0x0, 0x0", add8, 0x0, 0x0, 0, 0x0, PF | ZF},
	{"ADD r8 0x7f, 0x1", add8, 0x7f, 0x1, 0, 0x80, AF | SF | OF},
	{"ADD r8 0xff, 0x1", add8, 0xff, 0x1, 0, 0x0, CF | PF | AF | ZF},
	{"ADD r8 0x80, 0x80", add8, 0x80, 0x80, 0, 0x0, CF | PF | ZF | OF},
	{"ADD r8 0xf, 0x1", add8, 0xf, 0x1, 0, 0x10, AF},
	{"ADD r16 0x7fff, 0x1", add16, 0x7fff, 0x1, 0, 0x8000, PF | AF | SF | OF},
	{"ADD r16 0xffff, 0x1", add16, 0xffff, 0x1, 0, 0x0, CF | PF | AF | ZF},
	{"ADD r16 0x8000, 0x8000", add16, 0x8000, 0x8000, 0, 0x0, CF | PF | ZF | OF},
	{"ADD r16 0xff, 0x1", add16, 0xff, 0x1, 0, 0x100, PF | AF},
	{"ADD r32 0x7fffffff, 0x1", add32, 0x7fffffff, 0x1, 0, 0x80000000, PF | AF | SF | OF},
	{"ADD r32 0xffffffff, 0x1", add32, 0xffffffff, 0x1, 0, 0x0, CF | PF | AF | ZF},
	{"ADD r32 0x80000000, 0x80000000", add32, 0x80000000, 0x80000000, 0, 0x0, CF | PF | ZF | OF},
	{"ADD r64 0x7fffffffffffffff, 0x1", add64, 0x7fffffffffffffff, 0x1, 0, 0x8000000000000000, PF | AF | SF | OF},
	{"ADD r64 0xffffffffffffffff, 0x1", add64, 0xffffffffffffffff, 0x1, 0, 0x0, CF | PF | AF | ZF},
	{"ADD r64 0x8000000000000000, 0x8000000000000000", add64, 0x8000000000000000, 0x8000000000000000, 0, 0x0, CF | PF | ZF | OF},
	{"ADD r64 0xffffffff, 0x1", add64, 0xffffffff, 0x1, 0, 0x100000000, PF | AF},
	{"ADC r8 0xff, 0x0 with CF", adc8, 0xff, 0x0, CF, 0x0, CF | PF | AF | ZF},
	{"ADC r8 0x7f, 0x0 with CF", adc8, 0x7f, 0x0, CF, 0x80, AF | SF | OF},
	{"ADC r8 0xff, 0xff with CF", adc8, 0xff, 0xff, CF, 0xff, CF | PF | AF | SF},
	{"ADC r16 0xffff, 0x0 with CF", adc16, 0xffff, 0x0, CF, 0x0, CF | PF | AF | ZF},
	{"ADC r32 0x7fffffff, 0x0 with CF", adc32, 0x7fffffff, 0x0, CF, 0x80000000, PF | AF | SF | OF},
	{"ADC r64 0xffffffffffffffff, 0xffffffffffffffff with CF", adc64, 0xffffffffffffffff, 0xffffffffffffffff, CF, 0xffffffffffffffff, CF | PF | AF | SF},
	{"ADC r64 0x1, 0x1", adc64, 0x1, 0x1, 0, 0x2, 0},
	{"SUB r8 0x0, 0x1", sub8, 0x0, 0x1, 0, 0xff, CF | PF | AF | SF},
	{"SUB r8 0x80, 0x1", sub8, 0x80, 0x1, 0, 0x7f, AF | OF},
	{"SUB r8 0x10, 0x1", sub8, 0x10, 0x1, 0, 0xf, PF | AF},
	{"SUB r8 0x5, 0x5", sub8, 0x5, 0x5, 0, 0x0, PF | ZF},
	{"SUB r8 0x7f, 0xff", sub8, 0x7f, 0xff, 0, 0x80, CF | SF | OF},
	{"SUB r16 0x0, 0x1", sub16, 0x0, 0x1, 0, 0xffff, CF | PF | AF | SF},
	{"SUB r16 0x8000, 0x1", sub16, 0x8000, 0x1, 0, 0x7fff, PF | AF | OF},
	{"SUB r16 0x100, 0x1", sub16, 0x100, 0x1, 0, 0xff, PF | AF},
	{"SUB r32 0x0, 0x1", sub32, 0x0, 0x1, 0, 0xffffffff, CF | PF | AF | SF},
	{"SUB r32 0x80000000, 0x1", sub32, 0x80000000, 0x1, 0, 0x7fffffff, PF | AF | OF},
	{"SUB r32 0x7fffffff, 0xffffffff", sub32, 0x7fffffff, 0xffffffff, 0, 0x80000000, CF | PF | SF | OF},
	{"SUB r64 0x0, 0x1", sub64, 0x0, 0x1, 0, 0xffffffffffffffff, CF | PF | AF | SF},
	{"SUB r64 0x8000000000000000, 0x1", sub64, 0x8000000000000000, 0x1, 0, 0x7fffffffffffffff, PF | AF | OF},
	{"SUB r64 0x100000000, 0x1", sub64, 0x100000000, 0x1, 0, 0xffffffff, PF | AF},
	{"SBB r8 0x0, 0x0 with CF", sbb8, 0x0, 0x0, CF, 0xff, CF | PF | AF | SF},
	{"SBB r8 0x80, 0x0 with CF", sbb8, 0x80, 0x0, CF, 0x7f, AF | OF},
	{"SBB r8 0x0, 0xff with CF", sbb8, 0x0, 0xff, CF, 0x0, CF | PF | AF | ZF},
	{"SBB r16 0x0, 0xffff with CF", sbb16, 0x0, 0xffff, CF, 0x0, CF | PF | AF | ZF},
	{"SBB r32 0x80000000, 0x7fffffff with CF", sbb32, 0x80000000, 0x7fffffff, CF, 0x0, PF | AF | ZF | OF},
	{"SBB r64 0x0, 0xffffffffffffffff with CF", sbb64, 0x0, 0xffffffffffffffff, CF, 0x0, CF | PF | AF | ZF},
	{"SBB r64 0x2, 0x1", sbb64, 0x2, 0x1, 0, 0x1, 0},
	{"CMP r8 0x5, 0x5", cmp8, 0x5, 0x5, 0, 0x5, PF | ZF},
	{"CMP r8 0x4, 0x5", cmp8, 0x4, 0x5, 0, 0x4, CF | PF | AF | SF},
	{"CMP r16 0x8000, 0x1", cmp16, 0x8000, 0x1, 0, 0x8000, PF | AF | OF},
	{"CMP r32 0x1, 0x2", cmp32, 0x1, 0x2, 0, 0x1, CF | PF | AF | SF},
	{"CMP r64 0x8000000000000000, 0x1", cmp64, 0x8000000000000000, 0x1, 0, 0x8000000000000000, PF | AF | OF},
	{"INC r8 0x7f", inc8, 0x7f, 0x0, 0, 0x80, AF | SF | OF},
	{"INC r8 0xff", inc8, 0xff, 0x0, 0, 0x0, PF | AF | ZF},
	{"INC r8 0xff with CF", inc8, 0xff, 0x0, CF, 0x0, CF | PF | AF | ZF},
	{"INC r16 0xffff with CF", inc16, 0xffff, 0x0, CF, 0x0, CF | PF | AF | ZF},
	{"INC r32 0x7fffffff", inc32, 0x7fffffff, 0x0, 0, 0x80000000, PF | AF | SF | OF},
	{"INC r64 0xffffffffffffffff with CF", inc64, 0xffffffffffffffff, 0x0, CF, 0x0, CF | PF | AF | ZF},
	{"DEC r8 0x80", dec8, 0x80, 0x0, 0, 0x7f, AF | OF},
	{"DEC r8 0x0", dec8, 0x0, 0x0, 0, 0xff, PF | AF | SF},
	{"DEC r8 0x1 with CF", dec8, 0x1, 0x0, CF, 0x0, CF | PF | ZF},
	{"DEC r16 0x0 with CF", dec16, 0x0, 0x0, CF, 0xffff, CF | PF | AF | SF},
	{"DEC r32 0x80000000", dec32, 0x80000000, 0x0, 0, 0x7fffffff, PF | AF | OF},
	{"DEC r64 0x0 with CF", dec64, 0x0, 0x0, CF, 0xffffffffffffffff, CF | PF | AF | SF},
	{"NEG r8 0x0", neg8, 0x0, 0x0, 0, 0x0, PF | ZF},
	{"NEG r8 0x80", neg8, 0x80, 0x0, 0, 0x80, CF | SF | OF},
	{"NEG r8 0x1", neg8, 0x1, 0x0, 0, 0xff, CF | PF | AF | SF},
	{"NEG r16 0x8000", neg16, 0x8000, 0x0, 0, 0x8000, CF | PF | SF | OF},
	{"NEG r32 0x10", neg32, 0x10, 0x0, 0, 0xfffffff0, CF | PF | SF},
	{"NEG r64 0x8000000000000000", neg64, 0x8000000000000000, 0x0, 0, 0x8000000000000000, CF | PF | SF | OF},
	{"NEG r64 0x1", neg64, 0x1, 0x0, 0, 0xffffffffffffffff, CF | PF | AF | SF},
};

/* AND, OR, XOR and TEST clear CF and OF; SF, ZF and PF are the result's; AF is undefined. */
static const struct row logic[] = {
	{"AND r8 0xf0, 0xf with CF", and8, 0xf0, 0xf, CF, 0x0, PF | ZF},
	{"AND r8 0x80, 0xff with CF", and8, 0x80, 0xff, CF, 0x80, SF},
	{"AND r16 0x8001, 0xff01 with CF", and16, 0x8001, 0xff01, CF, 0x8001, SF},
	{"AND r32 0xffffffff, 0x80000000 with CF", and32, 0xffffffff, 0x80000000, CF, 0x80000000, PF | SF},
	{"AND r64 0x8000000000000003, 0xffffffffffffffff with CF", and64, 0x8000000000000003, 0xffffffffffffffff, CF, 0x8000000000000003, PF | SF},
	{"OR r8 0xf0, 0xf with CF", or8, 0xf0, 0xf, CF, 0xff, PF | SF},
	{"OR r8 0x80, 0xff with CF", or8, 0x80, 0xff, CF, 0xff, PF | SF},
	{"OR r16 0x8001, 0xff01 with CF", or16, 0x8001, 0xff01, CF, 0xff01, SF},
	{"OR r32 0xffffffff, 0x80000000 with CF", or32, 0xffffffff, 0x80000000, CF, 0xffffffff, PF | SF},
	{"OR r64 0x8000000000000003, 0xffffffffffffffff with CF", or64, 0x8000000000000003, 0xffffffffffffffff, CF, 0xffffffffffffffff, PF | SF},
	{"XOR r8 0xf0, 0xf with CF", xor8, 0xf0, 0xf, CF, 0xff, PF | SF},
	{"XOR r8 0x80, 0xff with CF", xor8, 0x80, 0xff, CF, 0x7f, 0},
	{"XOR r16 0x8001, 0xff01 with CF", xor16, 0x8001, 0xff01, CF, 0x7f00, PF},
	{"XOR r32 0xffffffff, 0x80000000 with CF", xor32, 0xffffffff, 0x80000000, CF, 0x7fffffff, PF},
	{"XOR r64 0x8000000000000003, 0xffffffffffffffff with CF", xor64, 0x8000000000000003, 0xffffffffffffffff, CF, 0x7ffffffffffffffc, PF},
	{"TEST r8 0xf0, 0xf with CF", test8, 0xf0, 0xf, CF, 0xf0, PF | ZF},
	{"TEST r8 0x80, 0xff with CF", test8, 0x80, 0xff, CF, 0x80, SF},
	{"TEST r16 0x8001, 0xff01 with CF", test16, 0x8001, 0xff01, CF, 0x8001, SF},
	{"TEST r32 0xffffffff, 0x80000000 with CF", test32, 0xffffffff, 0x80000000, CF, 0xffffffff, PF | SF},
	{"TEST r64 0x8000000000000003, 0xffffffffffffffff with CF", test64, 0x8000000000000003, 0xffffffffffffffff, CF, 0x8000000000000003, PF | SF},
};

static void run(const struct row *row, u64 defined)
{
	struct operands o = {.rax = row->a, .rcx = row->b, .flags = row->flags_in};
	bool pass;

	row->run(&o);
	pass = o.rax == row->result && (o.flags & defined) == row->flags;
	if (!pass)
		report_info("result 0x%lx, expected 0x%lx; flags 0x%lx, expected 0x%lx", o.rax, row->result, o.flags & defined, row->flags);
	report(pass, "%s", row->name);
}

/* What an instruction does not read must not change what it writes: every row again with the other status flags set. */
static void status_flags_in_do_not_matter(void)
{
	unsigned different = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(arithmetic); i++) {
		const struct row *row = &arithmetic[i];
		struct operands o = {.rax = row->a, .rcx = row->b, .flags = row->flags_in | PF | AF | ZF | SF | OF};

		row->run(&o);
		different += o.rax != row->result || o.flags != row->flags;
	}
	report_equal(different, 0, "flags that are set before are replaced");
}

/* SDM volume 1, section 3.4.1.1: 32-bit results are zero-extended to 64 bits; 8- and 16-bit ones leave the upper bits as they are. */
static void upper_bits(void)
{
	struct operands o = {.rax = ~0ull, .rcx = 1};

	add8(&o);
	report_equal(o.rax, 0xffffffffffffff00, "an 8-bit result keeps bits 8 to 63");
	o = (struct operands){.rax = ~0ull, .rcx = 1};
	add16(&o);
	report_equal(o.rax, 0xffffffffffff0000, "a 16-bit result keeps bits 16 to 63");
	o = (struct operands){.rax = ~0ull, .rcx = 0};
	add32(&o);
	report_equal(o.rax, 0xffffffff, "a 32-bit result clears bits 32 to 63");
	o = (struct operands){.rax = 0x00ff};
	asm("addb $1, %%ah" : "+a"(o.rax));
	report_equal(o.rax, 0x01ff, "AH is bits 8 to 15");
}

/* SDM volume 2, NOT: no flags are affected. */
static void not_affects_no_flags(void)
{
	static const operation widths[] = {not8, not16, not32, not64};
	static const u64 results[] = {0x00ff, 0xff00, 0xffffff00, 0xffffffffffffff00};

	for (unsigned i = 0; i < ARRAY_SIZE(widths); i++) {
		struct operands o = {.rax = i == 0 ? 0x0000 : 0x00ff, .flags = CF | AF | SF};

		widths[i](&o);
		report(o.rax == results[i] && o.flags == (CF | AF | SF), "NOT r%u complements and affects no flag", 8u << i);
	}
}

/* SDM volume 2, CMC, CLC, STC, LAHF, SAHF. */
static void flag_instructions(void)
{
	struct operands o = {.flags = 0};
	u64 rax;

	asm volatile("pushq $2; popfq; stc; lahf" : "=a"(rax) : : "cc", "memory");
	report_equal(rax >> 8 & 0xff, RFLAGS_FIXED | CF, "STC sets CF, LAHF gives bit 1 as one");
	asm volatile("stc; cmc; lahf" : "=a"(rax) : : "cc", "memory");
	report_equal(rax >> 8 & CF, 0, "CMC complements CF");
	asm volatile("sahf; pushfq; popq %%rax" : "=a"(rax) : "a"(0xd500ull) : "cc", "memory");
	report_equal(rax & RFLAGS_STATUS & ~OF, SF | ZF | AF | PF | CF, "SAHF loads SF, ZF, AF, PF and CF");
	o.rax = 0x80, o.rcx = 0x80;
	add8(&o);
	report(o.flags & OF, "OF is set by 0x80 + 0x80");
	asm volatile("movb $0x7f, %%al; addb $1, %%al; sahf; seto %%al" : "=a"(rax) : : "cc", "memory");
	report_equal(rax & 0xff, 1, "SAHF leaves OF");
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < ARRAY_SIZE(arithmetic); i++)
		run(&arithmetic[i], RFLAGS_STATUS);
	for (unsigned i = 0; i < ARRAY_SIZE(logic); i++)
		run(&logic[i], RFLAGS_STATUS & ~AF);
	status_flags_in_do_not_matter();
	upper_bits();
	not_affects_no_flags();
	flag_instructions();
	return report_summary();
}
