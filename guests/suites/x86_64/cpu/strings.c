/* String instructions with and without REP, and a fault in their midst. Intel SDM volume 1, section 7.3.9; volume 2, REP and each under its name. */
#include "paging.h"
#include "platform.h"
#include "report.h"
#include "string.h"
#include "trap.h"

#define AREA 64

static u8 source[AREA], destination[AREA];

static void prepare(void)
{
	for (unsigned i = 0; i < AREA; i++) {
		source[i] = (u8)(i + 1);
		destination[i] = 0;
	}
}

static void moves(void)
{
	void *si = source, *di = destination;
	u64 count = 5;

	prepare();
	asm volatile("cld; rep movsb" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(!memcmp(destination, source, 5) && destination[5] == 0, "REP MOVSB copies RCX bytes");
	report(count == 0 && si == source + 5 && di == destination + 5, "REP MOVSB leaves RCX 0, RSI and RDI behind the last byte");

	prepare();
	si = source, di = destination, count = 3;
	asm volatile("rep movsw" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(!memcmp(destination, source, 6) && di == destination + 6, "REP MOVSW moves by two");
	prepare();
	si = source, di = destination, count = 3;
	asm volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(!memcmp(destination, source, 12) && di == destination + 12, "REP MOVSD moves by four");
	prepare();
	si = source, di = destination, count = 3;
	asm volatile("rep movsq" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(!memcmp(destination, source, 24) && di == destination + 24, "REP MOVSQ moves by eight");

	prepare();
	si = source + 4, di = destination + 4, count = 5;
	asm volatile("std; rep movsb; cld" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(!memcmp(destination, source, 5) && si == source - 1 && di == destination - 1, "with DF set, REP MOVSB goes downwards");

	/* A forward copy onto itself one byte on spreads the first byte. */
	prepare();
	si = source, di = source + 1, count = 7;
	asm volatile("rep movsb" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(source[0] == 1 && source[7] == 1 && source[8] == 9, "an overlapping REP MOVSB copies byte by byte");

	prepare();
	si = source, di = destination, count = 0;
	asm volatile("rep movsb" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(destination[0] == 0 && si == source && di == destination, "REP with RCX 0 does nothing");

	si = source, di = destination, count = 9;
	asm volatile("movsb" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(count == 9 && si == source + 1, "MOVSB without REP leaves RCX");

	/* SDM volume 2, REP: with a 32-bit address size the count is ECX. A 32-bit write clears the upper half; with ECX 0 nothing need be written. */
	prepare();
	si = source, di = destination, count = (1ull << 32) | 2;
	asm volatile("addr32 rep movsb" : "+S"(si), "+D"(di), "+c"(count) : : "memory");
	report(destination[1] == 2 && destination[2] == 0 && (u32)count == 0 && di == destination + 2, "a 32-bit address size counts by ECX");
}

static void stores_and_loads(void)
{
	void *si = source, *di = destination;
	u64 count = 3, rax;

	prepare();
	asm volatile("rep stosb" : "+D"(di), "+c"(count) : "a"(0x11aa) : "memory");
	report(destination[2] == 0xaa && destination[3] == 0 && di == destination + 3, "REP STOSB stores AL");
	di = destination, count = 2;
	asm volatile("rep stosq" : "+D"(di), "+c"(count) : "a"(0x1122334455667788) : "memory");
	report(((u64 *)destination)[1] == 0x1122334455667788 && di == destination + 16, "REP STOSQ stores RAX");
	di = destination + 12, count = 2;
	asm volatile("std; rep stosl; cld" : "+D"(di), "+c"(count) : "a"(0) : "memory");
	report(((u64 *)destination)[1] == 0 && di == destination + 4, "with DF set, REP STOSD goes downwards");
	asm volatile("lodsw" : "+S"(si), "=a"(rax) : "a"(~0ull) : "memory");
	report(rax == 0xffffffffffff0201 && si == source + 2, "LODSW loads AX and keeps bits 16 to 63");
	asm volatile("lodsl" : "+S"(si), "=a"(rax) : "a"(~0ull) : "memory");
	report(rax == 0x06050403 && si == source + 6, "LODSD loads EAX and clears bits 32 to 63");
}

static void comparisons(void)
{
	void *si = source, *di = destination;
	u64 count = 10, flags;

	prepare();
	memcpy(destination, source, AREA);
	destination[4] = 0xff;
	asm volatile("repe cmpsb; pushfq; popq %3" : "+S"(si), "+D"(di), "+c"(count), "=r"(flags) : : "cc", "memory");
	report(count == 5 && si == source + 5 && di == destination + 5, "REPE CMPSB stops behind the first difference");
	report((flags & (RFLAGS_ZF | RFLAGS_CF)) == RFLAGS_CF, "REPE CMPSB gives the flags of source - destination");
	si = source, di = destination, count = 4;
	asm volatile("repe cmpsb; pushfq; popq %3" : "+S"(si), "+D"(di), "+c"(count), "=r"(flags) : : "cc", "memory");
	report(count == 0 && flags & RFLAGS_ZF, "REPE CMPSB of equal bytes runs to the end with ZF set");
	di = source, count = AREA;
	asm volatile("repne scasb; pushfq; popq %2" : "+D"(di), "+c"(count), "=r"(flags) : "a"(7) : "cc", "memory");
	report(di == source + 7 && count == AREA - 7 && flags & RFLAGS_ZF, "REPNE SCASB stops behind the byte it finds");
	di = source, count = 4;
	asm volatile("repne scasb; pushfq; popq %2" : "+D"(di), "+c"(count), "=r"(flags) : "a"(0xee) : "cc", "memory");
	report(count == 0 && !(flags & RFLAGS_ZF), "REPNE SCASB without a match ends with ZF clear");
	di = source, count = 0;
	asm volatile("xorl %%edx, %%edx; repne scasb; pushfq; popq %2" : "+D"(di), "+c"(count), "=r"(flags) : "a"(0) : "cc", "memory", "rdx");
	report(flags & RFLAGS_ZF, "REPNE SCASB with RCX 0 changes no flag");
}

/* Two pages of which the second is not there: 16 bytes before their border an operation begins that reaches beyond it. */
#define BORDER (TEST_BASE + PAGE_SIZE)

static void *first_page;
static u64 operands_at_fault_rcx;

static void rep_movsb_to_border(u64 unused)
{
	asm volatile("rep movsb" : : "S"(source), "D"(BORDER - 16), "c"(32ull) : "memory");
}

static void rep_movsq_from_border(u64 unused)
{
	asm volatile("rep movsq" : : "S"(BORDER - 16), "D"(destination), "c"(4ull) : "memory");
}

static void rep_stosl_to_border(u64 unused)
{
	asm volatile("rep stosl" : : "D"(BORDER - 16), "a"(0x5a5a5a5a), "c"(8ull) : "memory");
}

static void rep_lods_from_border(u64 unused)
{
	asm volatile("rep lodsb" : : "S"(BORDER - 16), "c"(32ull) : "rax", "memory");
}

static void repe_scasb_from_border(u64 unused)
{
	asm volatile("repe scasb" : : "D"(BORDER - 16), "a"(0), "c"(32ull) : "cc", "memory");
}

static void movsq_across_border(u64 unused)
{
	asm volatile("movsq" : : "S"(source), "D"(BORDER - 4) : "memory");
}

static void map_second_page(struct trap_frame *frame)
{
	operands_at_fault_rcx = frame->rcx;
	map_page(BORDER, (u64)page_alloc(), PTE_P | PTE_RW | PTE_US);
}

/* SDM volume 2, REP: "the processor saves the state of the instruction so that it can be resumed": the registers count what is done. */
static void faults(void)
{
	struct fault fault;
	const u8 zeros[4] = {0};

	first_page = page_alloc();
	map_page(TEST_BASE, (u64)first_page, PTE_P | PTE_RW | PTE_US);
	unmap_page(BORDER);
	prepare();
	report(catch_fault(rep_movsb_to_border, 0, &fault) == VECTOR_PF && fault.cr2 == BORDER, "REP MOVSB into a missing page raises #PF there");
	report(fault.frame.rcx == 16 && fault.frame.rdi == BORDER && fault.frame.rsi == (u64)source + 16,
	       "RCX, RSI and RDI show the bytes that REP MOVSB has moved");
	report_equal(*(u8 *)fault.frame.rip, 0xf3, "the saved RIP points at the REP prefix");
	report(!memcmp((u8 *)first_page + PAGE_SIZE - 16, source, 16), "the bytes before the missing page are moved");
	report_equal(fault.frame.rflags & RFLAGS_RF, RFLAGS_RF, "RF is set in the saved RFLAGS of a fault");

	report(catch_fault(rep_movsq_from_border, 0, &fault) == VECTOR_PF && fault.frame.rcx == 2 && fault.frame.rsi == BORDER &&
		       fault.frame.rdi == (u64)destination + 16 && !(fault.frame.error_code & PF_WR),
	       "REP MOVSQ from a missing page shows its progress and a read");
	report(catch_fault(rep_stosl_to_border, 0, &fault) == VECTOR_PF && fault.frame.rcx == 4 && fault.frame.rdi == BORDER &&
		       fault.frame.error_code & PF_WR,
	       "REP STOSD into a missing page shows its progress and a write");
	report(catch_fault(rep_lods_from_border, 0, &fault) == VECTOR_PF && fault.frame.rcx == 16 && fault.frame.rsi == BORDER,
	       "REP LODSB from a missing page shows its progress");
	memset(first_page, 0, PAGE_SIZE);
	report(catch_fault(repe_scasb_from_border, 0, &fault) == VECTOR_PF && fault.frame.rcx == 16 && fault.frame.rdi == BORDER,
	       "REPE SCASB into a missing page shows its progress");
	report(catch_fault(movsq_across_border, 0, &fault) == VECTOR_PF && fault.cr2 == BORDER && fault.frame.rdi == BORDER - 4,
	       "MOVSQ across the border faults at the missing page and does not count");
	report(!memcmp((u8 *)first_page + PAGE_SIZE - 4, zeros, 4), "MOVSQ across the border writes no part");

	/* Resumed by IRET after the handler mapped the page, the instruction goes on where it was. */
	trap_set_handler(VECTOR_PF, map_second_page);
	rep_movsb_to_border(0);
	trap_set_handler(VECTOR_PF, NULL);
	report(operands_at_fault_rcx == 16 && !memcmp((void *)(BORDER - 16), source, 32), "a REP MOVSB that faulted is resumed");
}

int main(int argc, char **argv)
{
	moves();
	stores_and_loads();
	comparisons();
	faults();
	return report_summary();
}
