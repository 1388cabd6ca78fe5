/* Shifts and rotates: result and flags by table. Intel SDM volume 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD. */
#include "operation.h"
#include "platform.h"
#include "report.h"

#define OPERATION_SHIFT(op)                                                                                                                 \
	OPERATION(op##8, #op "b %%cl, %%al")                                                                                                \
	OPERATION(op##16, #op "w %%cl, %%ax")                                                                                               \
	OPERATION(op##32, #op "l %%cl, %%eax")                                                                                              \
	OPERATION(op##64, #op "q %%cl, %%rax")
#define OPERATION_DOUBLE_SHIFT(op)                                                                                                          \
	OPERATION(op##16, #op "w %%cl, %%dx, %%ax")                                                                                         \
	OPERATION(op##32, #op "l %%cl, %%edx, %%eax")                                                                                       \
	OPERATION(op##64, #op "q %%cl, %%rdx, %%rax")

OPERATION_SHIFT(shl)
OPERATION_SHIFT(shr)
OPERATION_SHIFT(sar)
OPERATION_SHIFT(rol)
OPERATION_SHIFT(ror)
OPERATION_SHIFT(rcl)
OPERATION_SHIFT(rcr)
OPERATION_DOUBLE_SHIFT(shld)
OPERATION_DOUBLE_SHIFT(shrd)
OPERATION(shl_immediate, "shll $4, %%eax")
OPERATION(shl_one, "shll %%eax")
OPERATION(sar_immediate, "sarq $63, %%rax")
OPERATION(rol_immediate, "rolw $12, %%ax")

struct row {
	const char *name;
	operation run;
	u64 a, count, flags_in, result, flags, undefined;
};

struct double_row {
	const char *name;
	operation run;
	u64 a, b, count, flags_in, result, flags, undefined;
};

/*
 * The count is masked to 5 bits, 6 for 64-bit operands; when it is then 0, no flag changes. CF is the last bit out, and undefined for SHL and SHR by
 * the size or more; OF is defined for a count of 1; AF is undefined after a shift. Rotates leave SF, ZF, AF and PF; RCL and RCR rotate through CF, by
 * the count modulo 9 or 17 for the two small sizes.
 */
static const struct row rows[] = {
	{"SHL r8 0x81 by 1", shl8, 0x81, 1, 0, 0x2, CF | OF, AF},
	{"SHL r8 0x40 by 1", shl8, 0x40, 1, 0, 0x80, SF | OF, AF},
	{"SHL r8 0x1 by 7", shl8, 0x1, 7, 0, 0x80, SF | OF, AF | OF},
	{"SHL r8 0xff by 9", shl8, 0xff, 9, 0, 0x0, PF | ZF, CF | AF | OF},
	{"SHL r16 0xc000 by 1", shl16, 0xc000, 1, 0, 0x8000, CF | PF | SF, AF},
	{"SHL r16 0x1 by 15", shl16, 0x1, 15, 0, 0x8000, PF | SF | OF, AF | OF},
	{"SHL r32 0x80000001 by 1", shl32, 0x80000001, 1, 0, 0x2, CF | OF, AF},
	{"SHL r32 0x1 by 31", shl32, 0x1, 31, 0, 0x80000000, PF | SF | OF, AF | OF},
	{"SHL r32 0x1234 by 32 with CF", shl32, 0x1234, 32, CF, 0x1234, CF, 0},
	{"SHL r64 0x8000000000000001 by 1", shl64, 0x8000000000000001, 1, 0, 0x2, CF | OF, AF},
	{"SHL r64 0x1 by 63", shl64, 0x1, 63, 0, 0x8000000000000000, PF | SF | OF, AF | OF},
	{"SHL r64 0x1234 by 64 with CF", shl64, 0x1234, 64, CF, 0x1234, CF, 0},
	{"SHR r8 0x81 by 1", shr8, 0x81, 1, 0, 0x40, CF | OF, AF},
	{"SHR r8 0xff by 7", shr8, 0xff, 7, 0, 0x1, CF | OF, AF | OF},
	{"SHR r8 0x80 by 12", shr8, 0x80, 12, 0, 0x0, PF | ZF | OF, CF | AF | OF},
	{"SHR r16 0x8000 by 1", shr16, 0x8000, 1, 0, 0x4000, PF | OF, AF},
	{"SHR r16 0x8001 by 15", shr16, 0x8001, 15, 0, 0x1, OF, AF | OF},
	{"SHR r32 0x80000001 by 1", shr32, 0x80000001, 1, 0, 0x40000000, CF | PF | OF, AF},
	{"SHR r32 0xffffffff by 31", shr32, 0xffffffff, 31, 0, 0x1, CF | OF, AF | OF},
	{"SHR r32 0x80 by 33", shr32, 0x80, 33, 0, 0x40, 0, AF},
	{"SHR r64 0x8000000000000001 by 1", shr64, 0x8000000000000001, 1, 0, 0x4000000000000000, CF | PF | OF, AF},
	{"SHR r64 0xffffffffffffffff by 63", shr64, 0xffffffffffffffff, 63, 0, 0x1, CF | OF, AF | OF},
	{"SAR r8 0x81 by 1", sar8, 0x81, 1, 0, 0xc0, CF | PF | SF, AF},
	{"SAR r8 0x80 by 7", sar8, 0x80, 7, 0, 0xff, PF | SF, AF | OF},
	{"SAR r8 0x80 by 31", sar8, 0x80, 31, 0, 0xff, CF | PF | SF, AF | OF},
	{"SAR r8 0x40 by 7", sar8, 0x40, 7, 0, 0x0, CF | PF | ZF, AF | OF},
	{"SAR r16 0x8000 by 15", sar16, 0x8000, 15, 0, 0xffff, PF | SF, AF | OF},
	{"SAR r32 0x80000000 by 31", sar32, 0x80000000, 31, 0, 0xffffffff, PF | SF, AF | OF},
	{"SAR r32 0x7fffffff by 4", sar32, 0x7fffffff, 4, 0, 0x7ffffff, CF | PF, AF | OF},
	{"SAR r64 0x8000000000000000 by 63", sar64, 0x8000000000000000, 63, 0, 0xffffffffffffffff, PF | SF, AF | OF},
	{"SAR r64 0x4000000000000000 by 1", sar64, 0x4000000000000000, 1, 0, 0x2000000000000000, PF, AF},
	{"ROL r8 0x81 by 1", rol8, 0x81, 1, 0, 0x3, CF | OF, 0},
	{"ROL r8 0x12 by 4", rol8, 0x12, 4, 0, 0x21, CF | OF, OF},
	{"ROL r8 0x81 by 8", rol8, 0x81, 8, 0, 0x81, CF, OF},
	{"ROL r8 0x40 by 1 with CF", rol8, 0x40, 1, CF, 0x80, OF, 0},
	{"ROL r16 0x8001 by 1", rol16, 0x8001, 1, 0, 0x3, CF | OF, 0},
	{"ROL r32 0x80000000 by 1", rol32, 0x80000000, 1, 0, 0x1, CF | OF, 0},
	{"ROL r32 0xf by 32 with CF", rol32, 0xf, 32, CF, 0xf, CF, 0},
	{"ROL r64 0x8000000000000000 by 1", rol64, 0x8000000000000000, 1, 0, 0x1, CF | OF, 0},
	{"ROL r64 0xff by 60", rol64, 0xff, 60, 0, 0xf00000000000000f, CF, OF},
	{"ROR r8 0x1 by 1", ror8, 0x1, 1, 0, 0x80, CF | OF, 0},
	{"ROR r8 0x12 by 4 with CF", ror8, 0x12, 4, CF, 0x21, 0, OF},
	{"ROR r8 0x80 by 8", ror8, 0x80, 8, 0, 0x80, CF | OF, OF},
	{"ROR r16 0x1 by 1", ror16, 0x1, 1, 0, 0x8000, CF | OF, 0},
	{"ROR r32 0x3 by 1", ror32, 0x3, 1, 0, 0x80000001, CF | OF, 0},
	{"ROR r64 0x1 by 1", ror64, 0x1, 1, 0, 0x8000000000000000, CF | OF, 0},
	{"ROR r64 0xff by 4", ror64, 0xff, 4, 0, 0xf00000000000000f, CF, OF},
	{"RCL r8 0x80 by 1", rcl8, 0x80, 1, 0, 0x0, CF | OF, 0},
	{"RCL r8 0x0 by 1 with CF", rcl8, 0x0, 1, CF, 0x1, 0, 0},
	{"RCL r8 0xa5 by 9 with CF", rcl8, 0xa5, 9, CF, 0xa5, CF, OF},
	{"RCL r16 0x8000 by 2 with CF", rcl16, 0x8000, 2, CF, 0x3, 0, OF},
	{"RCL r16 0xa5a5 by 17 with CF", rcl16, 0xa5a5, 17, CF, 0xa5a5, CF, OF},
	{"RCL r32 0x80000000 by 1 with CF", rcl32, 0x80000000, 1, CF, 0x1, CF | OF, 0},
	{"RCL r64 0x8000000000000000 by 1", rcl64, 0x8000000000000000, 1, 0, 0x0, CF | OF, 0},
	{"RCL r64 0x0 by 64 with CF", rcl64, 0x0, 64, CF, 0x0, CF, 0},
	{"RCR r8 0x1 by 1", rcr8, 0x1, 1, 0, 0x0, CF, 0},
	{"RCR r8 0x0 by 1 with CF", rcr8, 0x0, 1, CF, 0x80, OF, 0},
	{"RCR r8 0xa5 by 9", rcr8, 0xa5, 9, 0, 0xa5, OF, OF},
	{"RCR r16 0x1 by 2 with CF", rcr16, 0x1, 2, CF, 0xc000, 0, OF},
	{"RCR r32 0x1 by 1 with CF", rcr32, 0x1, 1, CF, 0x80000000, CF | OF, 0},
	{"RCR r64 0x0 by 1 with CF", rcr64, 0x0, 1, CF, 0x8000000000000000, OF, 0},
	{"RCR r64 0x3 by 2", rcr64, 0x3, 2, 0, 0x8000000000000000, CF | OF, OF},
};

/* CF is the last bit out of the destination; OF, for a count of 1, says that the sign changed; AF is undefined. */
static const struct double_row double_rows[] = {
	{"SHLD r16 0x8001, 0x8000 by 1", shld16, 0x8001, 0x8000, 1, 0, 0x3, CF | PF | OF, AF},
	{"SHLD r16 0x1234, 0x5678 by 8", shld16, 0x1234, 0x5678, 8, 0, 0x3456, PF, AF | OF},
	{"SHLD r32 0x40000000, 0x80000000 by 1", shld32, 0x40000000, 0x80000000, 1, 0, 0x80000001, SF | OF, AF},
	{"SHLD r32 0x12345678, 0x9abcdef0 by 16", shld32, 0x12345678, 0x9abcdef0, 16, 0, 0x56789abc, 0, AF | OF},
	{"SHLD r64 0x4000000000000000, 0x8000000000000000 by 1", shld64, 0x4000000000000000, 0x8000000000000000, 1, 0, 0x8000000000000001, SF | OF, AF},
	{"SHLD r64 0x123456789abcdef, 0xfedcba9876543210 by 32", shld64, 0x123456789abcdef, 0xfedcba9876543210, 32, 0, 0x89abcdeffedcba98, CF | SF | OF, AF | OF},
	{"SHLD r32 0x1234, 0xffff by 32", shld32, 0x1234, 0xffff, 32, CF, 0x1234, CF, 0},
	{"SHRD r16 0x1, 0x1 by 1", shrd16, 0x1, 0x1, 1, 0, 0x8000, CF | PF | SF | OF, AF},
	{"SHRD r16 0x1234, 0x5678 by 8", shrd16, 0x1234, 0x5678, 8, 0, 0x7812, PF, AF | OF},
	{"SHRD r32 0x1, 0x0 by 1", shrd32, 0x1, 0x0, 1, 0, 0x0, CF | PF | ZF, AF},
	{"SHRD r32 0x12345678, 0x9abcdef0 by 16", shrd32, 0x12345678, 0x9abcdef0, 16, 0, 0xdef01234, SF | OF, AF | OF},
	{"SHRD r64 0x1, 0x1 by 1", shrd64, 0x1, 0x1, 1, 0, 0x8000000000000000, CF | PF | SF | OF, AF},
	{"SHRD r64 0x123456789abcdef, 0xfedcba9876543210 by 32", shrd64, 0x123456789abcdef, 0xfedcba9876543210, 32, 0, 0x7654321001234567, CF, AF | OF},
};

static void check(const char *name, const struct operands *o, u64 result, u64 flags, u64 undefined)
{
	bool pass = o->rax == result && (o->flags & ~undefined) == (flags & ~undefined);

	if (!pass)
		report_info("result 0x%lx, expected 0x%lx; flags 0x%lx, expected 0x%lx", o->rax, result, o->flags & ~undefined, flags & ~undefined);
	report(pass, "%s", name);
}

int main(int argc, char **argv)
{
	struct operands o;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		o = (struct operands){.rax = row->a, .rcx = row->count, .flags = row->flags_in};
		row->run(&o);
		check(row->name, &o, row->result, row->flags, row->undefined);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(double_rows); i++) {
		const struct double_row *row = &double_rows[i];

		o = (struct operands){.rax = row->a, .rcx = row->count, .rdx = row->b, .flags = row->flags_in};
		row->run(&o);
		check(row->name, &o, row->result, row->flags, row->undefined);
	}

	o = (struct operands){.rax = 0xffffffff80000001, .rcx = 32, .flags = ZF};
	shl32(&o);
	report(o.rax == 0x80000001 && o.flags == ZF, "a 32-bit shift by a masked count of 0 clears bits 32 to 63 and changes no flag");
	o = (struct operands){.rax = 0x80, .rcx = 1, .flags = ZF | SF | PF | AF};
	rol8(&o);
	report_equal(o.flags & (ZF | SF | PF | AF), ZF | SF | PF | AF, "ROL leaves ZF, SF, PF and AF");
	o = (struct operands){.rax = 0x0fffffff};
	shl_immediate(&o);
	report_equal(o.rax, 0xfffffff0, "SHL by an immediate");
	o = (struct operands){.rax = 0x40000000};
	shl_one(&o);
	report(o.rax == 0x80000000 && (o.flags & OF), "SHL by the implied 1");
	o = (struct operands){.rax = 1ull << 63};
	sar_immediate(&o);
	report_equal(o.rax, ~0ull, "SAR r64 by an immediate 63");
	o = (struct operands){.rax = 0x1234};
	rol_immediate(&o);
	report_equal(o.rax, 0x4123, "ROL r16 by an immediate 12");
	return report_summary();
}
