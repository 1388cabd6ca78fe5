/* SSE and SSE2 basics: moves, arithmetic, conversions, comparisons, integers, MXCSR. Intel SDM volume 1, chapters 10 and 11; volume 2, by name. */
#include "platform.h"
#include "processor.h"
#include "report.h"
#include "string.h"

enum {
	MXCSR_IE = 1 << 0,
	MXCSR_ZE = 1 << 2,
	MXCSR_PE = 1 << 5,
	MXCSR_DEFAULT = 0x1f80,
	MXCSR_ROUND_DOWN = 0x3f80,
	MXCSR_ROUND_UP = 0x5f80,
	MXCSR_ROUND_TO_ZERO = 0x7f80,
	MXCSR_FLUSH_TO_ZERO = 0x9f80,
};

/* 128 bits in memory. */
struct vector {
	u64 low, high;
} __attribute__((aligned(16)));

static u32 mxcsr(void)
{
	u32 value;

	asm volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static void set_mxcsr(u32 value)
{
	asm volatile("ldmxcsr %0" : : "m"(value));
}

/* a = a op b, on whole registers. */
#define VECTOR(instruction, a, b)                                                                                                           \
	({                                                                                                                                  \
		struct vector a_ = a, b_ = b;                                                                                               \
		asm volatile("movups %0, %%xmm0; movups %1, %%xmm1; " instruction " %%xmm1, %%xmm0; movups %%xmm0, %0"                      \
			     : "+m"(a_)                                                                                                     \
			     : "m"(b_)                                                                                                      \
			     : "memory");                                                                                                   \
		a_;                                                                                                                         \
	})
#define V(low, high) ((struct vector){low, high})

static void check(struct vector found, u64 low, u64 high, const char *name)
{
	if (found.low != low || found.high != high)
		report_info("found 0x%016lx%016lx, expected 0x%016lx%016lx", found.high, found.low, high, low);
	report(found.low == low && found.high == high, "%s", name);
}

/* Doubles by their bits. */
#define D_1 0x3ff0000000000000ull
#define D_2 0x4000000000000000ull
#define D_3 0x4008000000000000ull
#define D_1_5 0x3ff8000000000000ull
#define D_2_5 0x4004000000000000ull
#define D_MINUS_1_5 0xbff8000000000000ull
#define D_INFINITY 0x7ff0000000000000ull
#define D_NAN 0x7ff8000000000000ull
#define D_DEFAULT_NAN 0xfff8000000000000ull
/* Singles. */
#define F_1 0x3f800000ull
#define F_2 0x40000000ull
#define F_3 0x40400000ull
#define F_4 0x40800000ull
#define F(low, high) ((high) << 32 | (low))

static void moves(void)
{
	struct vector a = V(0x1111111122222222, 0x3333333344444444), b = V(0, 0);
	u64 gpr;

	asm volatile("movaps %1, %%xmm8; movapd %%xmm8, %0" : "=m"(b) : "m"(a));
	check(b, a.low, a.high, "MOVAPS loads and stores 16 bytes, XMM8 too");
	asm volatile("movups %1, %%xmm0; movss %2, %%xmm0; movups %%xmm0, %0" : "=m"(b) : "m"(a), "m"(*(u32 *)&a));
	check(b, 0x22222222, 0, "MOVSS from memory clears the rest of the register");
	asm volatile("movups %1, %%xmm0; movups %2, %%xmm1; movsd %%xmm1, %%xmm0; movups %%xmm0, %0" : "=m"(b) : "m"(a), "m"(V(9, 9)));
	check(b, 9, a.high, "MOVSD between registers keeps the upper half");
	asm volatile("movups %1, %%xmm0; movhpd %2, %%xmm0; movups %%xmm0, %0" : "=m"(b) : "m"(a), "m"(a.low));
	check(b, a.low, a.low, "MOVHPD loads the upper half");
	asm volatile("movq %1, %%xmm0; movups %%xmm0, %0" : "=m"(b) : "r"(0x123456789abcdef0));
	check(b, 0x123456789abcdef0, 0, "MOVQ from a general register clears the upper half");
	asm volatile("movups %1, %%xmm0; movd %%xmm0, %k0" : "=r"(gpr) : "m"(a));
	report_equal(gpr, 0x22222222, "MOVD to a general register clears bits 32 to 63");
	asm volatile("movups %1, %%xmm0; movmskpd %%xmm0, %k0" : "=r"(gpr) : "m"(V(1ull << 63, 0)));
	report_equal(gpr, 1, "MOVMSKPD gives the signs");
	asm volatile("movups %1, %%xmm0; pmovmskb %%xmm0, %k0" : "=r"(gpr) : "m"(V(0x80, 0x8000000000000000)));
	report_equal(gpr, 0x8001, "PMOVMSKB gives the bytes' signs");
	asm volatile("movups %1, %%xmm0; movntps %%xmm0, %0; sfence" : "=m"(b) : "m"(a));
	check(b, a.low, a.high, "MOVNTPS stores all");
}

static void floating_point(void)
{
	set_mxcsr(MXCSR_DEFAULT);
	check(VECTOR("addpd", V(D_1, D_2), V(D_2, D_1)), D_3, D_3, "ADDPD");
	check(VECTOR("addsd", V(D_1, 7), V(D_2, 9)), D_3, 7, "ADDSD keeps the upper half");
	check(VECTOR("subps", V(F(F_3, F_2), F(F_4, F_2)), V(F(F_1, F_2), F(F_1, F_1))), F(F_2, 0ull), F(F_3, F_1), "SUBPS");
	check(VECTOR("mulss", V(F(F_2, F_3), 5), V(F(F_2, F_2), 6)), F(F_4, F_3), 5, "MULSS keeps the rest");
	report_equal(mxcsr(), MXCSR_DEFAULT, "exact results set no flag");
	check(VECTOR("divpd", V(D_1, D_3), V(D_3, D_2)), 0x3fd5555555555555, D_1_5, "DIVPD");
	report_equal(mxcsr(), MXCSR_DEFAULT | MXCSR_PE, "an inexact result sets PE");
	set_mxcsr(MXCSR_DEFAULT);
	check(VECTOR("divsd", V(D_1, 0), V(0, 0)), D_INFINITY, 0, "1 / 0 is infinity");
	report_equal(mxcsr(), MXCSR_DEFAULT | MXCSR_ZE, "1 / 0 sets ZE");
	set_mxcsr(MXCSR_DEFAULT);
	check(VECTOR("divsd", V(0, 0), V(0, 0)), D_DEFAULT_NAN, 0, "0 / 0 is the default NaN");
	report_equal(mxcsr(), MXCSR_DEFAULT | MXCSR_IE, "0 / 0 sets IE");
	set_mxcsr(MXCSR_DEFAULT);
	check(VECTOR("sqrtsd", V(0, 0), V(D_2, 0)), 0x3ff6a09e667f3bcd, 0, "SQRTSD of 2");
	/* SDM volume 2, MINSD, MAXSD: the second operand when either is a NaN, or both are zeros. */
	check(VECTOR("minsd", V(D_NAN, 0), V(D_1, 0)), D_1, 0, "MINSD with a NaN gives the second operand");
	check(VECTOR("maxsd", V(0, 0), V(1ull << 63, 0)), 1ull << 63, 0, "MAXSD of two zeros gives the second operand");
	/* Subnormals: 2^-1074 halved by a scale would be lost; with FTZ what is tiny becomes zero. */
	check(VECTOR("mulsd", V(0x0010000000000000, 0), V(0x3fe0000000000000, 0)), 0x0008000000000000, 0, "a tiny result is subnormal");
	set_mxcsr(MXCSR_FLUSH_TO_ZERO);
	check(VECTOR("mulsd", V(0x0010000000000000, 0), V(0x3fe0000000000000, 0)), 0, 0, "with MXCSR.FZ a tiny result is zero");
	set_mxcsr(MXCSR_DEFAULT);
}

static void rounding_and_conversions(void)
{
	static const struct {
		const char *name;
		u32 mxcsr;
		s64 minus_1_5, plus_2_5;
	} modes[] = {
		{"to nearest, ties to even", MXCSR_DEFAULT, -2, 2},
		{"down", MXCSR_ROUND_DOWN, -2, 2},
		{"up", MXCSR_ROUND_UP, -1, 3},
		{"to zero", MXCSR_ROUND_TO_ZERO, -1, 2},
	};
	u64 a, b;

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		set_mxcsr(modes[i].mxcsr);
		asm volatile("cvtsd2siq %2, %0; cvtsd2siq %3, %1" : "=r"(a), "=r"(b) : "m"((u64){D_MINUS_1_5}), "m"((u64){D_2_5}));
		report((s64)a == modes[i].minus_1_5 && (s64)b == modes[i].plus_2_5, "CVTSD2SI rounds %s", modes[i].name);
	}
	set_mxcsr(MXCSR_ROUND_UP);
	asm volatile("cvttsd2si %1, %k0" : "=r"(a) : "m"((u64){D_2_5}));
	report_equal(a, 2, "CVTTSD2SI truncates in every mode");
	set_mxcsr(MXCSR_DEFAULT);
	asm volatile("cvttsd2si %1, %k0" : "=r"(a) : "m"((u64){D_INFINITY}));
	report(a == 0x80000000 && mxcsr() & MXCSR_IE, "CVTTSD2SI of infinity gives the integer indefinite and sets IE");
	set_mxcsr(MXCSR_DEFAULT);
	asm volatile("cvtsi2sdq %1, %%xmm0; movq %%xmm0, %0" : "=r"(a) : "r"(-3ll));
	report_equal(a, 0xc008000000000000, "CVTSI2SD of -3");
	check(VECTOR("cvtss2sd", V(7, 7), V(F_2, 0)), D_2, 7, "CVTSS2SD keeps the upper half");
	check(VECTOR("cvtsd2ss", V(~0ull, 7), V(D_3, 0)), F(F_3, 0xffffffffull), 7, "CVTSD2SS keeps the rest");
	check(VECTOR("cvtdq2ps", V(0, 0), V(F(1ull, 2ull), F(3ull, 4ull))), F(F_1, F_2), F(F_3, F_4), "CVTDQ2PS");
	check(VECTOR("cvttps2dq", V(0, 0), V(F(F_1, F_2), F(F_3, F_4))), F(1ull, 2ull), F(3ull, 4ull), "CVTTPS2DQ");
	check(VECTOR("cvtpd2ps", V(1, 1), V(D_1, D_2)), F(F_1, F_2), 0, "CVTPD2PS clears the upper half");
}

static void comparisons(void)
{
	bool zero, parity, carry;

	asm volatile("movsd %3, %%xmm0; ucomisd %4, %%xmm0; setz %0; setp %1; setc %2"
		     : "=q"(zero), "=q"(parity), "=q"(carry)
		     : "m"((u64){D_1}), "m"((u64){D_2})
		     : "cc");
	report(!zero && !parity && carry, "UCOMISD says less by CF");
	asm volatile("movsd %3, %%xmm0; ucomisd %4, %%xmm0; setz %0; setp %1; setc %2"
		     : "=q"(zero), "=q"(parity), "=q"(carry)
		     : "m"((u64){D_1}), "m"((u64){D_NAN})
		     : "cc");
	report(zero && parity && carry, "UCOMISD with a NaN says unordered by ZF, PF and CF");
	report_equal(mxcsr() & MXCSR_IE, 0, "UCOMISD with a quiet NaN is no invalid operation");
	asm volatile("movsd %0, %%xmm0; comisd %1, %%xmm0" : : "m"((u64){D_1}), "m"((u64){D_NAN}) : "cc");
	report(mxcsr() & MXCSR_IE, "COMISD with a quiet NaN is an invalid operation");
	set_mxcsr(MXCSR_DEFAULT);
	check(VECTOR("cmpltpd", V(D_1, D_2), V(D_2, D_1)), ~0ull, 0, "CMPLTPD gives masks");
	check(VECTOR("cmpunordps", V(F_1, 0), V(0x7fc00000, 0)), 0xffffffff, 0, "CMPUNORDPS tells NaNs");
	set_mxcsr(MXCSR_DEFAULT);
}

static void integers(void)
{
	check(VECTOR("paddb", V(0x00ff00ff00ff00ff, 1), V(0x0001000100010001, 1)), 0, 2, "PADDB wraps bytes");
	check(VECTOR("paddusb", V(0x00ff00ff00ff00f0, 0), V(0x0101010101010120, 0)), 0x01ff01ff01ff01ff, 0, "PADDUSB saturates");
	check(VECTOR("psubsw", V(0x80007fff00000005, 0), V(0x0001ffff00000003, 0)), 0x80007fff00000002, 0, "PSUBSW saturates signed words");
	check(VECTOR("paddq", V(~0ull, 1), V(1, 1)), 0, 2, "PADDQ adds quadwords");
	check(VECTOR("pmullw", V(0x0002000300040100, 0), V(0x0003000300030100, 0)), 0x00060009000c0000, 0, "PMULLW keeps the low words");
	check(VECTOR("pmuludq", V(0xffffffff, 2), V(0xffffffff, 3)), 0xfffffffe00000001, 6, "PMULUDQ multiplies doublewords");
	check(VECTOR("pmaddwd", V(0x0001000200030004, 0), V(0x0005000600070008, 0)), (u64)(1 * 5 + 2 * 6) << 32 | (3 * 7 + 4 * 8), 0, "PMADDWD");
	check(VECTOR("pcmpeqd", V(F(1ull, 2ull), F(3ull, 4ull)), V(F(1ull, 0ull), F(3ull, 0ull))), 0xffffffff, 0xffffffff, "PCMPEQD");
	check(VECTOR("pcmpgtb", V(0x01ff, 0), V(0x0000, 0)), 0xff00, 0, "PCMPGTB compares signed");
	check(VECTOR("pand", V(0xff00, 0xf0), V(0x0ff0, 0x3c)), 0x0f00, 0x30, "PAND");
	check(VECTOR("pandn", V(0xff00, 0xf0), V(0x0ff0, 0x3c)), 0x00f0, 0x0c, "PANDN complements the destination");
	check(VECTOR("pxor", V(0xff00, 0xf0), V(0xff00, 0xf0)), 0, 0, "PXOR");
	check(VECTOR("psllq", V(1, 1), V(63, 0)), 1ull << 63, 1ull << 63, "PSLLQ shifts both halves");
	check(VECTOR("psrlw", V(0x8000800080008000, 0), V(16, 0)), 0, 0, "PSRLW by 16 gives zero");
	check(VECTOR("psrad", V(0x80000000, 0), V(40, 0)), 0xffffffff, 0, "PSRAD by more than 31 gives signs");
	check(VECTOR("punpcklbw", V(0x0706050403020100, 0), V(0x1716151413121110, 0)), 0x1303120211011000, 0x1707160615051404, "PUNPCKLBW interleaves");
	check(VECTOR("packssdw", V(F(0x00012345ull, 0xffff0000ull), 0), V(1, 0)), 0x0000000080007fff, 1, "PACKSSDW saturates");
	check(VECTOR("pshufd $0x1b,", V(F(1ull, 2ull), F(3ull, 4ull)), V(F(1ull, 2ull), F(3ull, 4ull))), F(4ull, 3ull), F(2ull, 1ull), "PSHUFD reverses");
	check(VECTOR("shufps $0x44,", V(F(1ull, 2ull), 0), V(F(5ull, 6ull), 0)), F(1ull, 2ull), F(5ull, 6ull), "SHUFPS takes from both");
	check(VECTOR("pslldq $3, %%xmm0; por", V(0x0102030405060708, 0), V(0, 0)), 0x0405060708000000, 0x010203, "PSLLDQ shifts bytes");
	check(VECTOR("psadbw", V(0x0505050505050505, 1), V(0x0404040404040404, 0)), 8, 1, "PSADBW sums differences");
	check(VECTOR("pavgb", V(0x0102, 0), V(0x0203, 0)), 0x0203, 0, "PAVGB rounds up");
}

int main(int argc, char **argv)
{
	report_equal(mxcsr(), MXCSR_DEFAULT, "MXCSR is 0x1f80 after reset");
	moves();
	floating_point();
	rounding_and_conversions();
	comparisons();
	integers();
	return report_summary();
}
