/* Atomic instructions: what they do, on one CPU; the smp suite shows that they are atomic. Intel SDM volume 2, LOCK and each under its name. */
#include "platform.h"
#include "processor.h"
#include "snippet.h"

static u64 word;

#define LOCKED(instruction, initial, operand)                                                                                               \
	({                                                                                                                                  \
		u64 flags_;                                                                                                                 \
		word = (initial);                                                                                                           \
		asm volatile("lock " instruction "; pushfq; popq %0" : "=r"(flags_), "+m"(word) : "r"((u64)(operand)) : "cc", "memory");    \
		flags_ & RFLAGS_STATUS;                                                                                                     \
	})

static void read_modify_write(void)
{
	u64 flags, old;
	bool carry;

	flags = LOCKED("addq %2, %1", ~0ull, 1);
	report(word == 0 && flags == (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF), "LOCK ADD m64 adds and gives ADD's flags");
	flags = LOCKED("subl %k2, %k1", 5, 6);
	report(word == 0xffffffff && flags & RFLAGS_CF, "LOCK SUB m32 changes four bytes");
	LOCKED("andw %w2, %w1", 0x1111ffff, 0x0f0f);
	report_equal(word, 0x11110f0f, "LOCK AND m16 changes two bytes");
	LOCKED("orb %b2, %b1", 0x100, 0x80);
	report_equal(word, 0x180, "LOCK OR m8 changes one byte");
	LOCKED("xorq %2, %1", 0xff00ff00ff00ff00, 0xffffffffffffffff);
	report_equal(word, 0x00ff00ff00ff00ff, "LOCK XOR m64");
	asm volatile("stc");
	word = 1;
	asm volatile("stc; lock adcq $1, %0" : "+m"(word) : : "cc");
	report_equal(word, 3, "LOCK ADC adds CF");
	asm volatile("stc; lock incl %0; setc %1" : "+m"(*(u32 *)&word), "=q"(carry) : : "cc");
	report(word == 4 && carry, "LOCK INC leaves CF");
	flags = LOCKED("decq %1", 1, 0);
	report(word == 0 && flags & RFLAGS_ZF, "LOCK DEC sets ZF at 0");
	LOCKED("negq %1", 5, 0);
	report_equal(word, -5ull, "LOCK NEG");
	LOCKED("notq %1", 5, 0);
	report_equal(word, ~5ull, "LOCK NOT");
	word = 4;
	asm volatile("lock btsq $2, %0; setc %1" : "+m"(word), "=q"(carry) : : "cc");
	report(word == 4 && carry, "LOCK BTS tells a bit that was set");
	asm volatile("lock btrq $2, %0; setc %1" : "+m"(word), "=q"(carry) : : "cc");
	report(word == 0 && carry, "LOCK BTR resets");
	old = 7;
	word = 35;
	asm volatile("lock xaddq %0, %1" : "+r"(old), "+m"(word) : : "cc");
	report(word == 42 && old == 35, "LOCK XADD adds and gives the old value");
	old = 1;
	asm volatile("xchgq %0, %1" : "+r"(old), "+m"(word));
	report(word == 1 && old == 42, "XCHG with memory exchanges");
}

static void compare_and_exchange(void)
{
	u64 rax = 5;
	bool equal;

	word = 5;
	asm volatile("lock cmpxchgq %3, %1; setz %2" : "+a"(rax), "+m"(word), "=q"(equal) : "r"(9ull) : "cc");
	report(equal && word == 9 && rax == 5, "CMPXCHG m64 exchanges when equal");
	asm volatile("lock cmpxchgq %3, %1; setz %2" : "+a"(rax), "+m"(word), "=q"(equal) : "r"(7ull) : "cc");
	report(!equal && word == 9 && rax == 9, "CMPXCHG m64 loads RAX when different");
	rax = 0xffffffff00000001, word = 0x1111111100000002;
	asm volatile("lock cmpxchgl %k3, %k1; setz %2" : "+a"(rax), "+m"(word), "=q"(equal) : "r"(7) : "cc");
	report(!equal && rax == 2 && word == 0x1111111100000002, "CMPXCHG m32 that differs clears bits 32 to 63 of RAX");
	rax = 0x1122, word = 0x3322;
	asm volatile("cmpxchgb %b3, %b1; setz %2" : "+a"(rax), "+m"(word), "=q"(equal) : "r"(0x44) : "cc");
	report(equal && word == 0x3344, "CMPXCHG m8 compares AL");
}

static void wide(void)
{
	u64 pair[2] __attribute__((aligned(16))) = {0x2222222211111111, 0};
	u64 rax = 0x11111111, rdx = 0x22222222;
	bool equal;

	asm volatile("lock cmpxchg8b %0; setz %1" : "+m"(pair[0]), "=q"(equal), "+a"(rax), "+d"(rdx) : "b"(0x33333333), "c"(0x44444444) : "cc");
	report(equal && pair[0] == 0x4444444433333333, "CMPXCHG8B stores ECX:EBX when equal");
	rax = 1, rdx = 2;
	asm volatile("lock cmpxchg8b %0; setz %1" : "+m"(pair[0]), "=q"(equal), "+a"(rax), "+d"(rdx) : "b"(0), "c"(0) : "cc");
	report(!equal && rax == 0x33333333 && rdx == 0x44444444 && pair[0] == 0x4444444433333333, "CMPXCHG8B loads EDX:EAX when different");
}

SNIPPET(cmpxchg16b_unaligned, "push %%rbx; xor %%ebx, %%ebx; pop %%rbx", "cmpxchg16b (%%rdi)")

static void wide16(void)
{
	u64 pair[4] __attribute__((aligned(16))) = {1, 2};
	u64 rax = 1, rdx = 2;
	bool equal;

	if (!has(CPUID_CX16)) {
		report_skip("CMPXCHG16B: not announced by CPUID");
		return;
	}
	asm volatile("lock cmpxchg16b (%4); setz %1" : "+m"(pair), "=q"(equal), "+a"(rax), "+d"(rdx) : "r"(pair), "b"(3ull), "c"(4ull) : "cc");
	report(equal && pair[0] == 3 && pair[1] == 4, "CMPXCHG16B stores RCX:RBX when equal");
	asm volatile("lock cmpxchg16b (%4); setz %1" : "+m"(pair), "=q"(equal), "+a"(rax), "+d"(rdx) : "r"(pair), "b"(5ull), "c"(6ull) : "cc");
	report(!equal && rax == 3 && rdx == 4 && pair[0] == 3, "CMPXCHG16B loads RDX:RAX when different");
	report(faults(cmpxchg16b_unaligned, (u64)pair + 8, VECTOR_GP, 0), "CMPXCHG16B of an address that is not aligned to 16 raises #GP(0)");
}

/* A locked access may cross a cache line (SDM volume 3, section 8.1.2): slow, but whole. */
static void split(void)
{
	static u8 lines[192] __attribute__((aligned(64)));
	u64 *crossing = (u64 *)(lines + 60);

	*crossing = 0x00000000ffffffff;
	asm volatile("lock addq $1, %0" : "+m"(*crossing) : : "cc");
	report_equal(*crossing, 0x100000000, "a LOCK ADD over two cache lines carries across");
}

int main(int argc, char **argv)
{
	read_modify_write();
	compare_and_exchange();
	split();
	wide();
	wide16();
	return report_summary();
}
