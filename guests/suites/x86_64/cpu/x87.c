/* The x87 FPU's basics: stack, arithmetic, rounding, conversions, comparisons, status. Intel SDM volume 1, chapter 8; volume 2, each under its name. */
#include "platform.h"
#include "processor.h"
#include "report.h"
#include "string.h"

enum {
	STATUS_IE = 1 << 0,
	STATUS_ZE = 1 << 2,
	STATUS_PE = 1 << 5,
	STATUS_SF = 1 << 6,
	STATUS_C0 = 1 << 8,
	STATUS_C1 = 1 << 9,
	STATUS_C2 = 1 << 10,
	STATUS_C3 = 1 << 14,
	CONTROL_DEFAULT = 0x037f,
	CONTROL_ROUND_DOWN = 0x077f,
	CONTROL_ROUND_UP = 0x0b7f,
	CONTROL_ROUND_TO_ZERO = 0x0f7f,
	CONTROL_SINGLE = 0x007f,
};

struct extended {
	u64 mantissa;
	u16 sign_exponent;
} __attribute__((packed));

static u16 status(void)
{
	u16 value;

	asm volatile("fnstsw %0" : "=a"(value));
	return value;
}

static void control(u16 value)
{
	asm volatile("fldcw %0" : : "m"(value));
}

static void state(void)
{
	u16 value;
	struct extended pi;

	asm volatile("fninit; fnstcw %0" : "=m"(value));
	report_equal(value, CONTROL_DEFAULT, "FNINIT sets the control word to 0x37f");
	report_equal(status(), 0, "FNINIT clears the status word");
	asm volatile("fld1");
	report_equal(status() >> 11 & 7, 7, "a load decrements TOP");
	asm volatile("fstp %%st(0)" : :);
	report_equal(status() >> 11 & 7, 0, "a pop increments TOP");
	asm volatile("fldpi; fstpt %0" : "=m"(pi));
	report(pi.mantissa == 0xc90fdaa22168c235 && pi.sign_exponent == 0x4000, "FLDPI gives pi, rounded to nearest");
	/* SDM volume 1, section 8.5.1.1: an empty register is an invalid operation, a stack fault, and C1 clear says underflow. */
	asm volatile("fninit; fstpt %0" : "=m"(pi));
	report_equal(status() & (STATUS_IE | STATUS_SF | STATUS_C1), STATUS_IE | STATUS_SF, "a pop of an empty stack is a stack underflow");
	report(pi.mantissa == 0xc000000000000000 && pi.sign_exponent == 0xffff, "a masked stack underflow stores the default NaN");
	asm volatile("fninit; fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1");
	report_equal(status() & (STATUS_IE | STATUS_SF | STATUS_C1), STATUS_IE | STATUS_SF | STATUS_C1, "the ninth load is a stack overflow");
	asm volatile("fninit");
}

static void arithmetic(void)
{
	struct extended third;
	u64 bits;

	asm volatile("fninit; fildl %1; fidivl %2; fstpl %0" : "=m"(bits) : "m"((s32){7}), "m"((s32){2}));
	report_equal(bits, 0x400c000000000000, "7 / 2 is 3.5");
	asm volatile("fld1; fidivl %1; fstpt %0" : "=m"(third) : "m"((s32){3}));
	report(third.mantissa == 0xaaaaaaaaaaaaaaab && third.sign_exponent == 0x3ffd, "1 / 3 has 64 bits of precision");
	report(status() & STATUS_PE, "an inexact result sets PE");
	asm volatile("fnclex");
	report_equal(status() & 0x80ff, 0, "FNCLEX clears the exception flags");
	asm volatile("fildl %1; fsqrt; fstpl %0" : "=m"(bits) : "m"((s32){2}));
	report_equal(bits, 0x3ff6a09e667f3bcd, "FSQRT of 2");
	asm volatile("fildl %1; fchs; fabs; fstpl %0" : "=m"(bits) : "m"((s32){5}));
	report_equal(bits, 0x4014000000000000, "FABS of -5");
	asm volatile("fildl %1; fildl %2; fscale; fstpl %0; fstp %%st(0)" : "=m"(bits) : "m"((s32){10}), "m"((s32){3}));
	report_equal(bits, 0x40a8000000000000, "FSCALE of 3 by 10");
	asm volatile("fildl %1; fildl %2; fprem; fstpl %0; fstp %%st(0)" : "=m"(bits) : "m"((s32){5}), "m"((s32){17}));
	report_equal(bits, 0x4000000000000000, "FPREM of 17 by 5");
	asm volatile("fnclex; fld1; fidivl %1; fstpl %0" : "=m"(bits) : "m"((s32){0}));
	report(bits == 0x7ff0000000000000 && status() & STATUS_ZE, "1 / 0 is infinity and sets ZE");
}

/* SDM volume 1, section 4.8.4: the four rounding modes, here of halves to integers and of a sum to single precision. */
static void rounding(void)
{
	static const struct {
		const char *name;
		u16 control;
		s32 minus_1_5, plus_2_5;
	} modes[] = {
		{"to nearest, ties to even", CONTROL_DEFAULT, -2, 2},
		{"down", CONTROL_ROUND_DOWN, -2, 2},
		{"up", CONTROL_ROUND_UP, -1, 3},
		{"to zero", CONTROL_ROUND_TO_ZERO, -1, 2},
	};
	struct extended third;
	u16 word;
	s32 a, b;

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		control(modes[i].control);
		asm volatile("fildl %2; fidivl %4; fistpl %0; fildl %3; fidivl %4; fistpl %1"
			     : "=m"(a), "=m"(b)
			     : "m"((s32){-3}), "m"((s32){5}), "m"((s32){2}));
		report(a == modes[i].minus_1_5 && b == modes[i].plus_2_5, "FISTP rounds %s", modes[i].name);
	}
	control(CONTROL_SINGLE);
	asm volatile("fld1; fidivl %1; fstpt %0" : "=m"(third) : "m"((s32){3}));
	report_equal(third.mantissa, 0xaaaaab0000000000, "precision control rounds to 24 bits");
	control(CONTROL_DEFAULT);
	asm volatile("fnclex; fildq %1; fistps %0" : "=m"(word) : "m"((s64){40000}));
	report(word == 0x8000 && status() & STATUS_IE, "FISTP of what does not fit stores the integer indefinite and sets IE");
	asm volatile("fnclex");
}

static void comparisons(void)
{
	u16 less, equal, greater, unordered;
	bool zero, parity, carry;

	asm volatile("fninit; fld1; fldz; fcompp; fnstsw %0" : "=a"(less));
	asm volatile("fld1; fld1; fcompp; fnstsw %0" : "=a"(equal));
	asm volatile("fldz; fld1; fcompp; fnstsw %0" : "=a"(greater));
	report((less & (STATUS_C3 | STATUS_C2 | STATUS_C0)) == STATUS_C0, "FCOM says less by C0");
	report((equal & (STATUS_C3 | STATUS_C2 | STATUS_C0)) == STATUS_C3, "FCOM says equal by C3");
	report((greater & (STATUS_C3 | STATUS_C2 | STATUS_C0)) == 0, "FCOM says greater by none");
	asm volatile("fldz; fldz; fdivp; fld1; fucompp; fnstsw %0" : "=a"(unordered));
	report((unordered & (STATUS_C3 | STATUS_C2 | STATUS_C0)) == (STATUS_C3 | STATUS_C2 | STATUS_C0), "FUCOM with a NaN is unordered: C3, C2 and C0");
	report(unordered & STATUS_IE, "0 / 0 is an invalid operation");
	asm volatile("fninit; fld1; fldz; fcomip %%st(1), %%st; setz %0; setp %1; setc %2; fstp %%st(0)"
		     : "=q"(zero), "=q"(parity), "=q"(carry)
		     :
		     : "cc");
	report(!zero && !parity && carry, "FCOMI says less by CF in RFLAGS");
	asm volatile("fldz; ftst; fnstsw %0; fstp %%st(0)" : "=a"(equal));
	report(equal & STATUS_C3, "FTST of zero");
	asm volatile("fninit; fxam; fnstsw %0" : "=a"(equal));
	report((equal & (STATUS_C3 | STATUS_C2 | STATUS_C0)) == (STATUS_C3 | STATUS_C0), "FXAM tells an empty register");
}

static void memory_formats(void)
{
	static u8 image[512] __attribute__((aligned(16))), environment[28];
	u8 bcd[10];
	u32 single;
	s64 integer;
	u64 mantissa;

	asm volatile("fninit; fildl %1; fbstp %0" : "=m"(bcd) : "m"((s32){-1234}));
	report(bcd[0] == 0x34 && bcd[1] == 0x12 && bcd[2] == 0 && bcd[9] == 0x80, "FBSTP stores packed decimal with its sign");
	asm volatile("fildl %1; fstps %0" : "=m"(single) : "m"((s32){16777217}));
	report_equal(single, 0x4b800000, "FSTP m32 rounds to 24 bits");
	asm volatile("fildq %1; fistpq %0" : "=m"(integer) : "m"((s64){0x7fffffffffffffff}));
	report_equal(integer, 0x7fffffffffffffff, "a 64-bit integer goes through unchanged");
	asm volatile("fninit; fld1; fldpi; fnstenv %0" : "=m"(environment));
	report_equal(*(u16 *)(environment + 8), 0x0fff, "FNSTENV stores a tag word with two registers in use");
	asm volatile("fninit; fldpi; fxsave %0; fninit; fxrstor %0; fstpt %1" : "+m"(image), "=m"(*(struct extended *)bcd));
	memcpy(&mantissa, bcd, sizeof(mantissa));
	report_equal(mantissa, 0xc90fdaa22168c235, "FXSAVE and FXRSTOR keep ST(0)");
	report(image[4] == 0x80, "FXSAVE stores the abridged tag word");
	asm volatile("fninit");
}

int main(int argc, char **argv)
{
	state();
	arithmetic();
	rounding();
	comparisons();
	memory_formats();
	return report_summary();
}
