/* Bit, byte, move and condition instructions of the integer set. Intel SDM volume 2, each under its name. */
#include "operation.h"
#include "platform.h"
#include "report.h"
#include "string.h"

OPERATION(xchg8, "xchgb %%cl, %%al")
OPERATION(xchg32, "xchgl %%ecx, %%eax")
OPERATION(xadd8, "xaddb %%cl, %%al")
OPERATION(xadd32, "xaddl %%ecx, %%eax")
OPERATION(bt16, "btw %%cx, %%ax")
OPERATION(bt32, "btl %%ecx, %%eax")
OPERATION(bt64, "btq %%rcx, %%rax")
OPERATION(bts64, "btsq %%rcx, %%rax")
OPERATION(btr32, "btrl %%ecx, %%eax")
OPERATION(btc16, "btcw %%cx, %%ax")
OPERATION(bts32_immediate, "btsl $31, %%eax")
OPERATION(bsf16, "bsfw %%cx, %%ax")
OPERATION(bsf32, "bsfl %%ecx, %%eax")
OPERATION(bsf64, "bsfq %%rcx, %%rax")
OPERATION(bsr16, "bsrw %%cx, %%ax")
OPERATION(bsr32, "bsrl %%ecx, %%eax")
OPERATION(bsr64, "bsrq %%rcx, %%rax")
OPERATION(bswap32, "bswapl %%eax")
OPERATION(bswap64, "bswapq %%rax")
OPERATION(cbw, "cbtw")
OPERATION(cwde, "cwtl")
OPERATION(cdqe, "cltq")
OPERATION(cwd, "cwtd")
OPERATION(cdq, "cltd")
OPERATION(cqo, "cqto")
OPERATION(movzx8, "movzbl %%cl, %%eax")
OPERATION(movsx8, "movsbq %%cl, %%rax")
OPERATION(movsx16, "movswl %%cx, %%eax")
OPERATION(movsxd, "movslq %%ecx, %%rax")

static const struct {
	const char *name;
	operation run;
	u64 rax, rcx, flags_in, result, flags, defined;
} rows[] = {
	/* The bit offset is taken modulo the operand size; only CF is defined. */
	{"BT r16 takes the offset modulo 16", bt16, 0x0002, 17, 0, 0x0002, CF, CF},
	{"BT r32 takes the offset modulo 32", bt32, 0x80000000, 63, 0, 0x80000000, CF, CF},
	{"BT r64 finds a clear bit", bt64, ~1ull, 64, CF, ~1ull, 0, CF},
	{"BTS r64 sets and tells the old bit", bts64, 0, 63, CF, 1ull << 63, 0, CF},
	{"BTR r32 resets and tells the old bit", btr32, 0xffffffff, 4, 0, 0xffffffef, CF, CF},
	{"BTC r16 complements bit 15", btc16, 0x8001, 15, 0, 0x0001, CF, CF},
	{"BTS r32 by an immediate", bts32_immediate, 1, 0, 0, 0x80000001, 0, CF},
	/* ZF says that the source is 0; the destination is then undefined. */
	{"BSF r16 finds the lowest bit", bsf16, 0, 0x8100, ZF, 8, 0, ZF},
	{"BSF r32 finds the lowest bit", bsf32, 0, 0x80000000, ZF, 31, 0, ZF},
	{"BSF r64 finds the lowest bit", bsf64, 0, 1ull << 40 | 1ull << 63, ZF, 40, 0, ZF},
	{"BSR r16 finds the highest bit", bsr16, 0, 0x0180, ZF, 8, 0, ZF},
	{"BSR r32 finds the highest bit", bsr32, 0, 0x00010001, ZF, 16, 0, ZF},
	{"BSR r64 finds the highest bit", bsr64, 0, 1ull << 40 | 1, ZF, 40, 0, ZF},
	{"BSWAP r32", bswap32, 0xffffffff12345678, 0, 0, 0x78563412, 0, 0},
	{"BSWAP r64", bswap64, 0x0123456789abcdef, 0, 0, 0xefcdab8967452301, 0, 0},
	/* Sign extension of the accumulator; no flags are affected. */
	{"CBW", cbw, 0x1180, 0, CF, 0xff80, CF, RFLAGS_STATUS},
	{"CWDE", cwde, 0x8000, 0, 0, 0xffff8000, 0, RFLAGS_STATUS},
	{"CDQE", cdqe, 0x80000000, 0, 0, 0xffffffff80000000, 0, RFLAGS_STATUS},
	{"MOVZX r32, r8", movzx8, ~0ull, 0xff80, 0, 0x80, 0, RFLAGS_STATUS},
	{"MOVSX r64, r8", movsx8, 0, 0x80, 0, 0xffffffffffffff80, 0, RFLAGS_STATUS},
	{"MOVSX r32, r16", movsx16, ~0ull, 0x8000, 0, 0xffff8000, 0, RFLAGS_STATUS},
	{"MOVSXD r64, r32", movsxd, 0, 0x80000000, 0, 0xffffffff80000000, 0, RFLAGS_STATUS},
	{"XADD r32 adds, and gives flags as ADD", xadd32, 0x7fffffff, 1, 0, 0x80000000, PF | AF | SF | OF, RFLAGS_STATUS},
	{"XCHG r32 clears bits 32 to 63", xchg32, ~0ull, ~1ull, CF, 0xfffffffe, CF, RFLAGS_STATUS},
	{"XCHG r8 keeps bits 8 to 63", xchg8, 0x1111, 0x2222, 0, 0x1122, 0, RFLAGS_STATUS},
};

/* With a memory operand the bit offset is signed and reaches beyond the addressed word: SDM volume 2, BT, "Operation". */
static void bit_strings(void)
{
	static u64 words[3];
	bool carry;

	asm volatile("btsq %2, %0; setc %1" : "+m"(words[1]), "=q"(carry) : "r"(64ull + 5), "m"(words) : "cc", "memory");
	report(!carry && words[2] == 1 << 5 && words[1] == 0, "BTS m64 with offset 69 sets bit 5 of the next word");
	asm volatile("btsq %2, %0; setc %1" : "+m"(words[1]), "=q"(carry) : "r"(-1ull), "m"(words) : "cc", "memory");
	report(!carry && words[0] == 1ull << 63, "BTS m64 with offset -1 sets bit 63 of the word before");
	asm volatile("btrl %2, %0; setc %1" : "+m"(*(u32 *)&words[1]), "=q"(carry) : "r"(-1), "m"(words) : "cc", "memory");
	report(carry && words[0] == 0, "BTR m32 with offset -1 resets bit 31 of the doubleword before");
	words[1] = 0;
	asm volatile("btsl $37, %0" : "+m"(words[1]) : : "cc");
	report_equal(words[1], 1 << 5, "BTS m32 by an immediate takes it modulo 32");
}

#define CONDITION(cc)                                                                                                                       \
	static void condition_##cc(u64 flags, bool *set, bool *jump, u64 *move)                                                             \
	{                                                                                                                                   \
		u64 moved = 0x1111222233334444;                                                                                             \
		asm volatile("pushq %3\n\tpopfq\n\tset" #cc " %0\n\tcmov" #cc "l %4, %k2\n\tmovb $1, %1\n\tj" #cc " 1f\n\tmovb $0, %1\n1:" \
			     : "=&q"(*set), "=&q"(*jump), "+&r"(moved)                                                                      \
			     : "r"(flags), "r"(0x55556666)                                                                                  \
			     : "cc", "memory");                                                                                             \
		*move = moved;                                                                                                              \
	}
CONDITION(o)
CONDITION(no)
CONDITION(b)
CONDITION(ae)
CONDITION(e)
CONDITION(ne)
CONDITION(be)
CONDITION(a)
CONDITION(s)
CONDITION(ns)
CONDITION(p)
CONDITION(np)
CONDITION(l)
CONDITION(ge)
CONDITION(le)
CONDITION(g)

/* SDM volume 1, appendix B.1 "Condition Codes": in pairs, the second is the first's opposite. */
static bool holds(unsigned condition, u64 flags)
{
	bool cf = flags & CF, zf = flags & ZF, sf = flags & SF, of = flags & OF, pf = flags & PF;
	bool pair[] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};

	return pair[condition / 2] != (condition & 1);
}

/* SETcc, CMOVcc and Jcc with all 32 combinations of the flags that conditions look at. */
static void conditions(void)
{
	static void (*const functions[])(u64, bool *, bool *, u64 *) = {
		condition_o, condition_no, condition_b, condition_ae, condition_e, condition_ne, condition_be, condition_a,
		condition_s, condition_ns, condition_p, condition_np, condition_l, condition_ge, condition_le, condition_g,
	};
	static const char *const names[] = {"O", "NO", "B", "AE", "E", "NE", "BE", "A", "S", "NS", "P", "NP", "L", "GE", "LE", "G"};
	bool upper_cleared = true;

	for (unsigned i = 0; i < ARRAY_SIZE(functions); i++) {
		unsigned wrong = 0;

		for (unsigned bits = 0; bits < 32; bits++) {
			u64 flags = RFLAGS_FIXED | (bits & 1 ? CF : 0) | (bits & 2 ? PF : 0) | (bits & 4 ? ZF : 0) | (bits & 8 ? SF : 0) |
				    (bits & 16 ? OF : 0);
			bool expected = holds(i, flags), set, jump;
			u64 move;

			functions[i](flags, &set, &jump, &move);
			wrong += set != expected || jump != expected || (u32)move != (expected ? 0x55556666 : 0x33334444);
			upper_cleared &= move >> 32 == 0;
		}
		report_equal(wrong, 0, "condition %s in SETcc, CMOVcc and Jcc", names[i]);
	}
	/* SDM volume 2, CMOVcc: in 64-bit mode a 32-bit move clears the upper half whatever the condition. */
	report(upper_cleared, "CMOVcc r32 clears bits 32 to 63 also when the condition does not hold");
}

static void counters_and_addresses(void)
{
	u64 rcx, rax, count = 0, address;
	static const u8 table[256] = {[0x42] = 0x99};

	rcx = 5;
	asm volatile("1: incq %0; loop 1b" : "+r"(count), "+c"(rcx) : : "cc");
	report(count == 5 && rcx == 0, "LOOP runs RCX times");
	rcx = 3, count = 0;
	asm volatile("1: incq %0; cmpq $2, %0; loopne 1b" : "+r"(count), "+c"(rcx) : : "cc");
	report(count == 2 && rcx == 1, "LOOPNE stops when ZF is set");
	rcx = 1ull << 32, count = 0;
	asm volatile("jecxz 1f; incq %0; 1: jrcxz 2f; addq $2, %0; 2:" : "+r"(count) : "c"(rcx));
	report_equal(count, 2, "JECXZ looks at ECX, JRCXZ at RCX");
	asm volatile("xlatb" : "=a"(rax) : "a"(0x1142ull), "b"(table) : "memory");
	report_equal(rax, 0x1199, "XLAT loads AL from RBX + AL");
	asm("leaq -8(%1, %2, 4), %0" : "=r"(address) : "r"(0x1000ull), "r"(0x10ull));
	report_equal(address, 0x1038, "LEA base + index * 4 + displacement");
	asm("leal (%1, %2, 8), %k0" : "=r"(address) : "r"(0xffffffffull), "r"(0x20000001ull));
	report_equal(address, 7, "LEA r32 wraps at 32 bits");
	asm("addr32 leaq 2(%1), %0" : "=r"(address) : "r"(0xffffffffffffffffull));
	report_equal(address, 1, "a 32-bit address size wraps and zero-extends");
	asm("leaq 1f(%%rip), %0; 1: leaq (%%rip), %%rax; subq %0, %%rax; movq %%rax, %0" : "=&r"(address) : : "rax");
	report_equal(address, 7, "RIP-relative addresses count from the next instruction");
}

static void stack(void)
{
	u64 before, after, value, frame;

	asm volatile("movq %%rsp, %0; pushw $0x1234; movq %%rsp, %1; popw %w2" : "=&r"(before), "=&r"(after), "=&r"(value) : : "memory");
	report(before - after == 2 && (u16)value == 0x1234, "PUSH imm16 takes two bytes of stack");
	asm volatile("pushq $-2; popq %0" : "=r"(value) : : "memory");
	report_equal(value, -2ull, "PUSH imm8 is sign-extended to 64 bits");
	asm volatile("movq %%rsp, %0; pushq %%rsp; popq %1" : "=&r"(before), "=&r"(value) : : "memory");
	report_equal(value, before, "PUSH RSP pushes the value before the push");
	asm volatile("movq %%rsp, %%rcx; leaq -8(%%rsp), %%rax; pushq %%rax; movq %%rsp, %0; popq %%rsp; movq %%rsp, %1; movq %%rcx, %%rsp"
		     : "=&r"(before), "=&r"(after)
		     :
		     : "rax", "rcx", "memory");
	report_equal(after, before, "POP RSP loads the popped value");
	asm volatile("movq %%rsp, %0; enter $32, $0; movq %%rsp, %1; movq %%rbp, %2; leave" : "=&r"(before), "=&r"(after), "=&r"(frame) : : "memory");
	report(before - after == 40 && before - frame == 8, "ENTER 32, 0 makes a frame, LEAVE drops it");
}

int main(int argc, char **argv)
{
	struct operands o;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		o = (struct operands){.rax = rows[i].rax, .rcx = rows[i].rcx, .flags = rows[i].flags_in};
		rows[i].run(&o);
		if (o.rax != rows[i].result || (o.flags & rows[i].defined) != rows[i].flags)
			report_info("result 0x%lx, flags 0x%lx", o.rax, o.flags);
		report(o.rax == rows[i].result && (o.flags & rows[i].defined) == rows[i].flags, "%s", rows[i].name);
	}
	o = (struct operands){.rax = 1, .rcx = 0};
	bsf32(&o);
	report(o.flags & ZF, "BSF of zero sets ZF");
	o = (struct operands){.rax = 1, .rcx = 0};
	bsr64(&o);
	report(o.flags & ZF, "BSR of zero sets ZF");
	o = (struct operands){.rax = 0x8000, .rdx = 0x1111};
	cwd(&o);
	report_equal(o.rdx, 0xffff, "CWD");
	o = (struct operands){.rax = 0x80000000, .rdx = ~0ull};
	cdq(&o);
	report_equal(o.rdx, 0xffffffff, "CDQ clears bits 32 to 63 of RDX");
	o = (struct operands){.rax = 1, .rdx = ~0ull};
	cqo(&o);
	report_equal(o.rdx, 0, "CQO");
	o = (struct operands){.rax = 0x10, .rcx = 0x20};
	xadd8(&o);
	report_equal(o.rcx, 0x10, "XADD gives the old destination to the source");
	bit_strings();
	conditions();
	counters_and_addresses();
	stack();
	return report_summary();
}
