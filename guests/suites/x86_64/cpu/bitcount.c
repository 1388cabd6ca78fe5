/* POPCNT, LZCNT, TZCNT and MOVBE, each where CPUID announces it. Intel SDM volume 2, each under its name. */
#include "operation.h"
#include "platform.h"
#include "report.h"

OPERATION(popcnt16, "popcntw %%cx, %%ax")
OPERATION(popcnt32, "popcntl %%ecx, %%eax")
OPERATION(popcnt64, "popcntq %%rcx, %%rax")
OPERATION(lzcnt32, "lzcntl %%ecx, %%eax")
OPERATION(lzcnt64, "lzcntq %%rcx, %%rax")
OPERATION(tzcnt32, "tzcntl %%ecx, %%eax")
OPERATION(tzcnt64, "tzcntq %%rcx, %%rax")
OPERATION(movbe16, "pushq %%rcx; movbew (%%rsp), %%ax; popq %%rcx")
OPERATION(movbe32, "pushq %%rcx; movbel (%%rsp), %%eax; popq %%rcx")
OPERATION(movbe64_store, "pushq $0; movbeq %%rcx, (%%rsp); popq %%rax")

enum feature {
	POPCNT,
	LZCNT,
	TZCNT,
	MOVBE,
};

static const struct {
	enum feature feature;
	const char *name;
	operation run;
	u64 rcx, result, flags, defined;
} rows[] = {
	/* POPCNT clears all status flags but ZF, which says that the source was 0. */
	{POPCNT, "POPCNT r16", popcnt16, 0xffff8001, 2, 0, RFLAGS_STATUS},
	{POPCNT, "POPCNT r32", popcnt32, 0xfffffffff0f0f0f1, 17, 0, RFLAGS_STATUS},
	{POPCNT, "POPCNT r64", popcnt64, ~0ull, 64, 0, RFLAGS_STATUS},
	{POPCNT, "POPCNT r64 of zero", popcnt64, 0, 0, ZF, RFLAGS_STATUS},
	/* CF: the source is 0 and the result the operand's size; ZF: the result is 0; the others are undefined. */
	{LZCNT, "LZCNT r32 of zero", lzcnt32, 0, 32, CF, CF | ZF},
	{LZCNT, "LZCNT r32 of bit 31", lzcnt32, 0x80000000, 0, ZF, CF | ZF},
	{LZCNT, "LZCNT r64", lzcnt64, 1ull << 40, 23, 0, CF | ZF},
	{TZCNT, "TZCNT r32 of an odd number", tzcnt32, 1, 0, ZF, CF | ZF},
	{TZCNT, "TZCNT r64 of zero", tzcnt64, 0, 64, CF, CF | ZF},
	{TZCNT, "TZCNT r64", tzcnt64, 1ull << 50, 50, 0, CF | ZF},
	{MOVBE, "MOVBE r16, m16", movbe16, 0x1234, 0x3412, CF, RFLAGS_STATUS},
	{MOVBE, "MOVBE r32, m32", movbe32, 0x12345678, 0x78563412, CF, RFLAGS_STATUS},
	{MOVBE, "MOVBE m64, r64", movbe64_store, 0x0123456789abcdef, 0xefcdab8967452301, CF, RFLAGS_STATUS},
};

static bool is_there(enum feature feature)
{
	switch (feature) {
	case POPCNT:
		return has(CPUID_POPCNT);
	case LZCNT:
		return has(CPUID_LZCNT);
	case TZCNT:
		return has(CPUID_BMI1);
	default:
		return has(CPUID_MOVBE);
	}
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		/* What must be cleared is set before; MOVBE leaves all flags as they are. */
		u64 flags = rows[i].feature == MOVBE ? rows[i].flags : RFLAGS_STATUS & ~rows[i].flags;
		struct operands o = {.rcx = rows[i].rcx, .flags = flags};

		if (!is_there(rows[i].feature)) {
			report_skip("%s: not announced by CPUID", rows[i].name);
			continue;
		}
		rows[i].run(&o);
		if (o.rax != rows[i].result || (o.flags & rows[i].defined) != rows[i].flags)
			report_info("result 0x%lx, flags 0x%lx", o.rax, o.flags);
		report(o.rax == rows[i].result && (o.flags & rows[i].defined) == rows[i].flags, "%s", rows[i].name);
	}
	return report_summary();
}
