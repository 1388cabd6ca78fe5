/*
 * Integer instructions by table: result and condition flags. Arm Architecture Reference Manual (DDI 0487), chapter C6 "A64 Base Instruction Descriptions" and the shared
 * pseudocode AddWithCarry.
 */
#include "cpu.h"
#include "platform.h"
#include "report.h"

struct result {
	u64 value, nzcv;
};

typedef struct result (*operation)(u64 a, u64 b, u64 nzcv);

#define OPERATION(name, instruction)                                                                                            \
	static struct result name(u64 a, u64 b, u64 nzcv)                                                                       \
	{                                                                                                                       \
		struct result r;                                                                                                \
		asm volatile("msr nzcv, %4\n\t" instruction "\n\tmrs %1, nzcv"                                                  \
			     : "=&r"(r.value), "=&r"(r.nzcv)                                                                    \
			     : "r"(a), "r"(b), "r"(nzcv)                                                                        \
			     : "cc", "memory");                                                                                 \
		return r;                                                                                                       \
	}

OPERATION(op_add, "add %0, %2, %3")
OPERATION(op_adds, "adds %0, %2, %3")
OPERATION(op_adds_w, "adds %w0, %w2, %w3")
OPERATION(op_adcs, "adcs %0, %2, %3")
OPERATION(op_subs, "subs %0, %2, %3")
OPERATION(op_subs_w, "subs %w0, %w2, %w3")
OPERATION(op_sbcs, "sbcs %0, %2, %3")
OPERATION(op_ands, "ands %0, %2, %3")
OPERATION(op_ands_w, "ands %w0, %w2, %w3")
OPERATION(op_bics, "bics %0, %2, %3")
OPERATION(op_orn, "orn %0, %2, %3")
OPERATION(op_eon, "eon %0, %2, %3")
OPERATION(op_add_sxtb, "add %0, %2, %w3, sxtb")
OPERATION(op_add_uxth_2, "add %0, %2, %w3, uxth #2")
OPERATION(op_lslv, "lsl %0, %2, %3")
OPERATION(op_lsrv_w, "lsr %w0, %w2, %w3")
OPERATION(op_asrv, "asr %0, %2, %3")
OPERATION(op_asrv_w, "asr %w0, %w2, %w3")
OPERATION(op_rorv, "ror %0, %2, %3")
OPERATION(op_rorv_w, "ror %w0, %w2, %w3")
OPERATION(op_extr, "extr %0, %2, %3, #8")
OPERATION(op_mul, "mul %0, %2, %3")
OPERATION(op_mneg, "mneg %0, %2, %3")
OPERATION(op_smulh, "smulh %0, %2, %3")
OPERATION(op_umulh, "umulh %0, %2, %3")
OPERATION(op_smull, "smull %0, %w2, %w3")
OPERATION(op_umull, "umull %0, %w2, %w3")
OPERATION(op_udiv, "udiv %0, %2, %3")
OPERATION(op_sdiv, "sdiv %0, %2, %3")
OPERATION(op_sdiv_w, "sdiv %w0, %w2, %w3")
OPERATION(op_clz, "clz %0, %2")
OPERATION(op_clz_w, "clz %w0, %w2")
OPERATION(op_cls, "cls %0, %2")
OPERATION(op_rbit, "rbit %0, %2")
OPERATION(op_rev, "rev %0, %2")
OPERATION(op_rev16, "rev16 %0, %2")
OPERATION(op_rev32, "rev32 %0, %2")
OPERATION(op_sbfx, "sbfx %0, %2, #4, #8")
OPERATION(op_ubfx, "ubfx %0, %2, #4, #8")
OPERATION(op_sxtw, "sxtw %0, %w2")
OPERATION(op_bfi, "mov %0, %2; bfi %0, %3, #8, #16")
OPERATION(op_movk, "mov %0, %2; movk %0, #0x1234, lsl #32")
OPERATION(op_movn_w, "movn %w0, #0")
OPERATION(op_csel_eq, "csel %0, %2, %3, eq")
OPERATION(op_csinc_gt, "csinc %0, %2, %3, gt")
OPERATION(op_csneg_hi, "csneg %0, %2, %3, hi")
OPERATION(op_csinv_vs, "csinv %0, %2, %3, vs")
OPERATION(op_ccmp, "ccmp %2, %3, #9, ne; mov %0, xzr")
OPERATION(op_ccmn, "ccmn %2, %3, #6, eq; mov %0, xzr")

#define N (u64) PSR_N
#define Z (u64) PSR_Z
#define C (u64) PSR_C
#define V (u64) PSR_V
#define MIN 0x8000000000000000ull
#define MAX 0x7fffffffffffffffull
#define ONES 0xffffffffffffffffull

static const struct row {
	const char *name;
	operation run;
	u64 a, b, nzcv_in, value, nzcv;
} rows[] = {
	{"ADD leaves the flags", op_add, ONES, 1, N | V, 0, N | V},
	{"ADDS of the greatest number and 1", op_adds, MAX, 1, 0, MIN, N | V},
	{"ADDS that carries", op_adds, ONES, 1, 0, 0, Z | C},
	{"ADDS of the least number twice", op_adds, MIN, MIN, 0, 0, Z | C | V},
	{"ADDS Wd clears the upper half", op_adds_w, 0x1ffffffff, 2, 0, 1, C},
	{"ADCS adds the carry", op_adcs, ONES, 0, C, 0, Z | C},
	{"ADCS without a carry", op_adcs, 1, 2, 0, 3, 0},
	{"SUBS of equal numbers sets C", op_subs, 5, 5, 0, 0, Z | C},
	{"SUBS that borrows clears C", op_subs, 0, 1, C, ONES, N},
	{"SUBS of the least number and 1", op_subs, MIN, 1, 0, MAX, C | V},
	{"SUBS Wd", op_subs_w, 0, 0x80000000, 0, 0x80000000, N | V},
	{"SBCS without C subtracts one more", op_sbcs, 5, 3, 0, 1, C},
	{"SBCS with C", op_sbcs, 5, 3, C, 2, C},
	{"ANDS clears C and V", op_ands, MIN, ONES, C | V, MIN, N},
	{"ANDS Wd sees 32 bits", op_ands_w, 0xffffffff00000000, ONES, 0, 0, Z},
	{"BICS", op_bics, 0xff, 0x0f, C, 0xf0, 0},
	{"ORN", op_orn, 0, 0xff, 0, ~0xffull, 0},
	{"EON", op_eon, 0xff, 0xff, 0, ONES, 0},
	{"ADD with SXTB", op_add_sxtb, 1, 0x80, 0, (u64)-127, 0},
	{"ADD with UXTH #2", op_add_uxth_2, 1, 0x1ffff, 0, 0x3fffd, 0},
	{"LSLV takes the amount modulo 64", op_lslv, 3, 65, 0, 6, 0},
	{"LSRV Wd takes it modulo 32", op_lsrv_w, 0x80000000, 63, 0, 1, 0},
	{"ASRV shifts in the sign", op_asrv, MIN, 63, 0, ONES, 0},
	{"ASRV Wd clears the upper half", op_asrv_w, 0x80000000, 4, 0, 0xf8000000, 0},
	{"RORV", op_rorv, 1, 1, 0, MIN, 0},
	{"RORV Wd", op_rorv_w, 1, 1, 0, 0x80000000, 0},
	{"EXTR takes bits of both", op_extr, 0xaa, 0x1122, 0, 0xaa00000000000011, 0},
	{"MUL keeps the low half", op_mul, 0x100000001, 0x100000001, 0, 0x200000001, 0},
	{"MNEG", op_mneg, 3, 4, 0, (u64)-12, 0},
	{"SMULH of -1 and -1", op_smulh, ONES, ONES, 0, 0, 0},
	{"SMULH of the least number and 2", op_smulh, MIN, 2, 0, ONES, 0},
	{"UMULH of all ones", op_umulh, ONES, ONES, 0, ONES - 1, 0},
	{"SMULL", op_smull, 0xffffffff, 2, 0, (u64)-2, 0},
	{"UMULL", op_umull, 0xffffffff, 2, 0, 0x1fffffffe, 0},
	{"UDIV rounds towards zero", op_udiv, 7, 2, 0, 3, 0},
	{"UDIV by zero is zero", op_udiv, 7, 0, 0, 0, 0},
	{"SDIV rounds towards zero", op_sdiv, (u64)-7, 2, 0, (u64)-3, 0},
	{"SDIV by zero is zero", op_sdiv, ONES, 0, 0, 0, 0},
	{"SDIV of the least number by -1 is itself", op_sdiv, MIN, ONES, 0, MIN, 0},
	{"SDIV Wd of the least number by -1", op_sdiv_w, 0x80000000, 0xffffffff, 0, 0x80000000, 0},
	{"CLZ of zero", op_clz, 0, 0, 0, 64, 0},
	{"CLZ of 1", op_clz, 1, 0, 0, 63, 0},
	{"CLZ Wd", op_clz_w, 0x100, 0, 0, 23, 0},
	{"CLS of zero", op_cls, 0, 0, 0, 63, 0},
	{"CLS of all ones", op_cls, ONES, 0, 0, 63, 0},
	{"RBIT", op_rbit, 1, 0, 0, MIN, 0},
	{"REV", op_rev, 0x0102030405060708, 0, 0, 0x0807060504030201, 0},
	{"REV16", op_rev16, 0x0102030405060708, 0, 0, 0x0201040306050807, 0},
	{"REV32", op_rev32, 0x0102030405060708, 0, 0, 0x0403020108070605, 0},
	{"SBFX sign-extends", op_sbfx, 0xff0, 0, 0, ONES, 0},
	{"UBFX does not", op_ubfx, 0xffff, 0, 0, 0xff, 0},
	{"SXTW", op_sxtw, 0x80000000, 0, 0, 0xffffffff80000000, 0},
	{"BFI leaves the other bits", op_bfi, ONES, 0, 0, 0xffffffffff0000ff, 0},
	{"MOVK leaves the other bits", op_movk, ONES, 0, 0, 0xffff1234ffffffff, 0},
	{"MOVN Wd clears the upper half", op_movn_w, 0, 0, 0, 0xffffffff, 0},
	{"CSEL with the condition", op_csel_eq, 1, 2, Z, 1, Z},
	{"CSEL without it", op_csel_eq, 1, 2, 0, 2, 0},
	{"CSINC GT with N equal to V", op_csinc_gt, 10, 20, N | V, 10, N | V},
	{"CSINC GT otherwise", op_csinc_gt, 10, 20, N, 21, N},
	{"CSNEG HI needs C and not Z", op_csneg_hi, 1, 2, C | Z, (u64)-2, C | Z},
	{"CSINV VS", op_csinv_vs, 1, 2, 0, ~2ull, 0},
	{"CCMP compares where the condition holds", op_ccmp, 4, 4, 0, 0, Z | C},
	{"CCMP takes the immediate elsewhere", op_ccmp, 4, 4, Z, 0, N | V},
	{"CCMN compares by addition", op_ccmn, ONES, 1, Z, 0, Z | C},
	{"CCMN takes the immediate elsewhere", op_ccmn, ONES, 1, 0, 0, Z | C},
};

/* Sections C6.2, LDR (and its forms), LDP. */
static void memory(void)
{
	static u64 words[4] = {0x8182838485868788, 0x1111111111111111, 2, 3};
	u64 a, b, c, d, at;

	asm volatile("ldrsb %0, [%4]; ldrsb %w1, [%4]; ldrsh %2, [%4]; ldrsw %3, [%4]" : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d) : "r"(words) : "memory");
	report_equal(a, 0xffffffffffffff88, "LDRSB to X sign-extends to 64 bits");
	report_equal(b, 0xffffff88, "LDRSB to W sign-extends to 32 bits");
	report_equal(c, 0xffffffffffff8788, "LDRSH sign-extends");
	report_equal(d, 0xffffffff85868788, "LDRSW sign-extends");
	at = (u64)words;
	asm volatile("ldr %0, [%1], #8" : "=r"(a), "+r"(at) : : "memory");
	report(a == words[0] && at == (u64)&words[1], "LDR with a post-index writes the base back");
	asm volatile("ldr %0, [%1, #8]!" : "=r"(a), "+r"(at) : : "memory");
	report(a == 2 && at == (u64)&words[2], "LDR with a pre-index writes the base back before");
	asm volatile("ldp %0, %1, [%2, #-8]" : "=&r"(a), "=&r"(b) : "r"(at) : "memory");
	report(a == words[1] && b == 2, "LDP loads two registers");
	/* Section B2.5: unaligned accesses to normal memory, SCTLR_EL1.A clear. */
	asm volatile("ldr %0, [%1]" : "=r"(a) : "r"((u8 *)words + 1) : "memory");
	report_equal(a, 0x1181828384858687, "an unaligned load of normal memory gives its bytes");
}

/* Section B2.9, and STXR. */
static void exclusives(void)
{
	static u64 word __attribute__((aligned(16)));
	u64 old;
	u32 failed;

	word = 1;
	asm volatile("ldaxr %0, [%2]; stlxr %w1, %3, [%2]" : "=&r"(old), "=&r"(failed) : "r"(&word), "r"(2ull) : "memory");
	report(old == 1 && failed == 0 && word == 2, "STLXR after LDAXR of the address writes and returns 0");
	asm volatile("clrex; stxr %w0, %2, [%1]" : "=&r"(failed) : "r"(&word), "r"(3ull) : "memory");
	report(failed == 1 && word == 2, "STXR after CLREX writes nothing and returns 1");
	asm volatile("ldxr %0, [%2]; stxr %w1, %3, [%2]; stxr %w1, %3, [%2]" : "=&r"(old), "=&r"(failed) : "r"(&word), "r"(4ull) : "memory");
	report(failed == 1 && word == 4, "a second STXR fails");
	if ((read_sysreg(id_aa64isar0_el1) >> 20 & 0xf) < 2) {
		report_skip("LDADDAL, CAS, SWP: ID_AA64ISAR0_EL1.Atomic says no");
		return;
	}
	word = 5;
	asm volatile(".arch_extension lse\n\tldaddal %1, %0, [%2]" : "=&r"(old) : "r"(3ull), "r"(&word) : "memory");
	report(old == 5 && word == 8, "LDADDAL returns the old value");
	old = 7;
	asm volatile(".arch_extension lse\n\tcas %0, %1, [%2]" : "+r"(old) : "r"(9ull), "r"(&word) : "memory");
	report(old == 8 && word == 8, "CAS of another value writes nothing, and returns the value");
	asm volatile(".arch_extension lse\n\tcas %0, %1, [%2]" : "+r"(old) : "r"(9ull), "r"(&word) : "memory");
	report(old == 8 && word == 9, "CAS of the value writes");
	asm volatile(".arch_extension lse\n\tswp %1, %0, [%2]" : "=&r"(old) : "r"(1ull), "r"(&word) : "memory");
	report(old == 9 && word == 1, "SWP exchanges");
}

/* Chapter C7, and FPCR and FPSR. */
static void floating_point(void)
{
	u64 result, status;

	asm volatile(".arch_extension fp\n\tmsr fpsr, xzr; fmov d0, %2; fmov d1, xzr; fdiv d2, d0, d1; fmov %0, d2; mrs %1, fpsr" : "=r"(result), "=r"(status) : "r"(0x3ff0000000000000));
	report(result == 0x7ff0000000000000 && (status & 0x1f) == 2, "1 / 0 is infinity and sets DZC");
	asm volatile(".arch_extension fp\n\tmsr fpsr, xzr; fmov d0, %2; fsqrt d2, d0; fmov %0, d2; mrs %1, fpsr" : "=r"(result), "=r"(status) : "r"(0xbff0000000000000));
	report(result == 0x7ff8000000000000 && (status & 0x1f) == 1, "the square root of -1 is the default NaN and sets IOC");
	asm volatile(".arch_extension fp\n\tfmov d0, %1; fcvtzs %0, d0" : "=r"(result) : "r"(0xc00e000000000000)); /* -3.75 */
	report_equal(result, (u64)-3, "FCVTZS rounds towards zero");
	asm volatile(".arch_extension fp\n\tfmov d0, %1; fcvtzs %w0, d0" : "=r"(result) : "r"(0x7ff8000000000000));
	report_equal(result & 0xffffffff, 0, "FCVTZS of a NaN is zero");
	asm volatile(".arch_extension fp\n\tfmov d0, %1; fcvtzu %w0, d0" : "=r"(result) : "r"(0xc00e000000000000));
	report_equal(result & 0xffffffff, 0, "FCVTZU of a negative number is zero");
	asm volatile(".arch_extension fp\n\tfmov d0, %1; fmov d1, %1; fcmp d0, d1; mrs %0, nzcv" : "=r"(result) : "r"(0x7ff8000000000000) : "cc");
	report_equal(result, C | V, "FCMP of a NaN is unordered");
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result r = rows[i].run(rows[i].a, rows[i].b, rows[i].nzcv_in);

		if (r.value != rows[i].value || r.nzcv != rows[i].nzcv)
			report_info("found 0x%lx, NZCV 0x%lx, expected 0x%lx, NZCV 0x%lx", r.value, r.nzcv, rows[i].value, rows[i].nzcv);
		report(r.value == rows[i].value && r.nzcv == rows[i].nzcv, "%s", rows[i].name);
	}
	memory();
	exclusives();
	floating_point();
	return report_summary();
}
