/* Debug exceptions and breakpoints. Intel SDM volume 3, chapter 17 "Debug"; section 6.15 for #DB and #BP. */
#include "platform.h"
#include "snippet.h"

#define DR6_B0 BIT(0)
#define DR6_BD BIT(13)
#define DR6_BS BIT(14)
#define DR6_FIXED 0xffff0ff0ull
#define DR7_FIXED BIT(10)
#define DR7_L0 BIT(0)
#define DR7_G0 BIT(1)
#define DR7_GD BIT(13)
#define DR7_RW0_WRITE (1ull << 16)
#define DR7_RW0_ACCESS (3ull << 16)
#define DR7_LEN0_4 (3ull << 18)

static u64 read_dr6(void)
{
	u64 value;

	asm volatile("mov %%dr6, %0" : "=r"(value));
	return value;
}

static u64 read_dr7(void)
{
	u64 value;

	asm volatile("mov %%dr7, %0" : "=r"(value));
	return value;
}

static void write_dr0(u64 value)
{
	asm volatile("mov %0, %%dr0" : : "r"(value));
}

static void write_dr6(u64 value)
{
	asm volatile("mov %0, %%dr6" : : "r"(value));
}

static void write_dr7(u64 value)
{
	asm volatile("mov %0, %%dr7" : : "r"(value));
}

static struct {
	unsigned count;
	u64 rip[8], dr6[8];
} hits;

/* Keeps where each #DB was, clears DR6 (the processor never does), and sets RF so that an instruction breakpoint lets its instruction run. */
static void record(struct trap_frame *frame)
{
	if (hits.count < ARRAY_SIZE(hits.rip)) {
		hits.rip[hits.count] = frame->rip;
		hits.dr6[hits.count] = read_dr6();
	}
	hits.count++;
	write_dr6(DR6_FIXED);
	frame->rflags |= RFLAGS_RF;
}

static void start(void)
{
	hits.count = 0;
	write_dr6(DR6_FIXED);
	trap_set_handler(VECTOR_DB, record);
}

static u32 watched[2];

static void int3_snippet(u64 unused)
{
	asm volatile("leaq 1f(%%rip), %%r10; int3; 1:" : : : "r10");
}

static void int_3_two_bytes(u64 unused)
{
	asm volatile("leaq 1f(%%rip), %%r10; .byte 0xcd, 3; 1:" : : : "r10");
}

static void int1(u64 unused)
{
	asm volatile("leaq 1f(%%rip), %%r10; .byte 0xf1; 1:" : : : "r10");
}

SNIPPET(read_dr7_snippet, "", "mov %%dr7, %%rax")
SNIPPET(read_dr4_snippet, "", ".byte 0x0f, 0x21, 0xe0") /* MOV RAX, DR4 */

/* A trap: the vector, and a saved RIP behind the instruction, which the code left in R10. */
static bool traps(void (*code)(u64), int vector)
{
	struct fault fault;

	if (catch_fault(code, 0, &fault) == vector && fault.frame.rip == fault.frame.r10)
		return true;
	report_info("vector %d, RIP %ld bytes behind the instruction; expected vector %d", fault.vector, (s64)(fault.frame.rip - fault.frame.r10), vector);
	return false;
}

static void single_step(void)
{
	u64 first, second;

	/* The trap comes after the instruction that follows the one that sets TF. */
	start();
	asm volatile("leaq 1f(%%rip), %0; leaq 2f(%%rip), %1\n\t"
		     "pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "nop; 1: pushfq; andq $~0x100, (%%rsp); popfq\n\t"
		     "2:"
		     : "=&r"(first), "=&r"(second)
		     :
		     : "cc", "memory");
	trap_set_handler(VECTOR_DB, NULL);
	report(hits.count >= 1 && hits.rip[0] == first, "with TF set, #DB comes after the next instruction");
	report(hits.count >= 1 && hits.dr6[0] & DR6_BS, "DR6.BS tells a single step");
	report(hits.count == 4 && hits.rip[3] == second, "the POPF that clears TF is stepped itself, and is the last");

	/* SDM volume 2, MOV: loading SS holds debug traps off until after the next instruction. */
	start();
	asm volatile("leaq 2f(%%rip), %0; mov %%ss, %%eax\n\t"
		     "pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "1: mov %%eax, %%ss; nop; 2: pushfq; andq $~0x100, (%%rsp); popfq"
		     : "=&r"(first)
		     :
		     : "rax", "cc", "memory");
	trap_set_handler(VECTOR_DB, NULL);
	report(hits.count >= 1 && hits.rip[0] == first, "MOV to SS holds the single-step trap off for one instruction");
}

static void breakpoints(void)
{
	u64 at;

	start();
	asm volatile("leaq 1f(%%rip), %0; movq %0, %%dr0; movq %1, %%dr7; 1: nop" : "=&r"(at) : "r"(DR7_FIXED | DR7_L0) : "memory");
	write_dr7(DR7_FIXED);
	report(hits.count == 1 && hits.rip[0] == at, "an instruction breakpoint is a fault: RIP points at the instruction");
	report(hits.count == 1 && (hits.dr6[0] & 0xf) == DR6_B0, "DR6.B0 tells breakpoint 0");
	report_equal(hits.count, 1, "RF in the restored RFLAGS lets the instruction run");

	start();
	write_dr0((u64)watched);
	write_dr7(DR7_FIXED | DR7_G0 | DR7_RW0_WRITE | DR7_LEN0_4);
	asm volatile("leaq 1f(%%rip), %0; movl $7, %1; 1: nop" : "=&r"(at), "=m"(watched[0]));
	write_dr7(DR7_FIXED);
	report(hits.count == 1 && hits.rip[0] == at && watched[0] == 7, "a data breakpoint is a trap: RIP points behind the write");

	start();
	write_dr7(DR7_FIXED | DR7_G0 | DR7_RW0_WRITE | DR7_LEN0_4);
	asm volatile("movl %0, %%eax; movl $1, %1" : : "m"(watched[0]), "m"(watched[1]) : "rax", "memory");
	write_dr7(DR7_FIXED);
	report_equal(hits.count, 0, "a write breakpoint lets a read, and a write beside it, pass");

	start();
	write_dr7(DR7_FIXED | DR7_G0 | DR7_RW0_ACCESS | DR7_LEN0_4);
	asm volatile("movb 3+%0, %%al" : : "m"(watched[0]) : "rax", "memory");
	write_dr7(DR7_FIXED);
	report_equal(hits.count, 1, "an access breakpoint of four bytes sees a read of the last byte");
	trap_set_handler(VECTOR_DB, NULL);
}

int main(int argc, char **argv)
{
	struct fault fault;

	report(read_dr7() == DR7_FIXED, "DR7 is 0x400 before it is used");
	write_dr6(0);
	report_equal(read_dr6() & 0xffff0ff0, 0xffff0ff0, "the reserved bits of DR6 read as ones");

	/* General detect: a fault, before the access; the processor clears GD when it enters the handler. */
	write_dr6(DR6_FIXED);
	write_dr7(DR7_FIXED | DR7_GD);
	report(faults(read_dr7_snippet, 0, VECTOR_DB, 0), "an access to a debug register with DR7.GD set raises #DB");
	report((read_dr6() & DR6_BD) && !(read_dr7() & DR7_GD), "DR6.BD is set and DR7.GD is cleared");
	write_dr7(DR7_FIXED);
	write_dr6(DR6_FIXED);

	write_cr4(read_cr4() | CR4_DE);
	report(faults(read_dr4_snippet, 0, VECTOR_UD, 0), "an access to DR4 with CR4.DE set raises #UD");
	write_cr4(read_cr4() & ~CR4_DE);
	report(catch_fault(read_dr4_snippet, 0, &fault) == NO_FAULT, "DR4 is DR6 with CR4.DE clear");

	single_step();
	breakpoints();

	report(traps(int_3_two_bytes, VECTOR_BP), "INT 3 of two bytes raises vector 3");
	report(traps(int3_snippet, VECTOR_BP), "INT3 raises #BP and saves the RIP behind it");
	report(traps(int1, VECTOR_DB), "INT1 raises #DB and saves the RIP behind it");
	return report_summary();
}
