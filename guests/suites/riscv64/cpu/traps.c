/*
 * Exceptions, CSRs, Sv39 and user mode. The RISC-V Instruction Set Manual, volume II: Privileged Architecture (20211203), chapters 3 and 4; volume I for what an instruction
 * raises.
 */
#include "cpu.h"
#include "paging.h"
#include "platform.h"
#include "report.h"
#include "timeout.h"

static struct fault fault;

static bool raises(void (*code)(u64), u64 argument, int cause)
{
	int found = catch_fault(code, argument, &fault);

	if (found != cause)
		report_info("found cause %d, expected %d", found, cause);
	return found == cause;
}

static void breakpoint(u64 unused)
{
	asm volatile(".option push; .option norvc; ebreak; .option pop");
}

static void read_unknown_csr(u64 unused)
{
	asm volatile("csrr t0, 0x5c0" : : : "t0");
}

static void read_machine_csr(u64 unused)
{
	asm volatile("csrr t0, mstatus" : : : "t0");
}

static void write_time(u64 unused)
{
	asm volatile("csrw time, zero");
}

static void mret(u64 unused)
{
	asm volatile("mret");
}

static void load(u64 address)
{
	asm volatile("ld t0, 0(%0)" : : "r"(address) : "t0", "memory");
}

static void store(u64 address)
{
	asm volatile("sd zero, 0(%0)" : : "r"(address) : "memory");
}

static void jump(u64 address)
{
	asm volatile("jr %0" : : "r"(address) : "memory");
}

static void reserve(u64 address)
{
	asm volatile("lr.d t0, (%0)" : : "r"(address) : "t0", "memory");
}

static void add_atomically(u64 address)
{
	asm volatile("amoadd.d t0, zero, (%0)" : : "r"(address) : "t0", "memory");
}

static void float_add(u64 unused)
{
	asm volatile("fadd.d f0, f0, f0");
}

static void supervisor_exceptions(void)
{
	u64 status = csr_read(sstatus);

	/* Section 3.3.1: EBREAK and ECALL write their own address to sepc. */
	report(raises(breakpoint, 0, CAUSE_BREAKPOINT) && *(u32 *)fault.frame.sepc == 0x00100073, "EBREAK raises a breakpoint exception at its own address");
	/* Section 2.1: attempts to access a CSR that does not exist, or without the privilege, or to write a read-only one. */
	report(raises(read_unknown_csr, 0, CAUSE_ILLEGAL_INSTRUCTION), "a read of a CSR that does not exist is illegal");
	report(raises(read_machine_csr, 0, CAUSE_ILLEGAL_INSTRUCTION), "a read of mstatus is illegal in supervisor mode");
	report(raises(write_time, 0, CAUSE_ILLEGAL_INSTRUCTION), "a write of a read-only CSR is illegal");
	report(raises(mret, 0, CAUSE_ILLEGAL_INSTRUCTION), "MRET is illegal in supervisor mode");
	/* Section 3.1.6.6: with FS off, any floating-point instruction is illegal; one that changes state sets FS to dirty. */
	csr_clear(sstatus, SSTATUS_FS);
	report(raises(float_add, 0, CAUSE_ILLEGAL_INSTRUCTION), "FADD.D with sstatus.FS off is illegal");
	csr_set(sstatus, SSTATUS_FS_INITIAL);
	report(catch_fault(float_add, 0, &fault) == NO_FAULT, "FADD.D with sstatus.FS initial is executed");
	report((csr_read(sstatus) & (SSTATUS_FS | SSTATUS_SD)) == (SSTATUS_FS | SSTATUS_SD), "and sets FS to dirty, and SD");
	csr_write(sstatus, status);
	/* Volume I, section 8.2: LR of an address that is not naturally aligned raises an address-misaligned or an access-fault exception. */
	catch_fault(reserve, (u64)&fault + 4, &fault);
	report(fault.cause == CAUSE_LOAD_MISALIGNED || fault.cause == CAUSE_LOAD_ACCESS, "LR.D of a misaligned address raises an exception");
}

static void control_registers(void)
{
	u64 old;

	/* Section 4.1.5: sscratch holds any value; 4.1.7: sepc's bit 0 is always zero. */
	old = csr_read(sscratch);
	csr_write(sscratch, 0x123456789abcdef0);
	report_equal(csr_read(sscratch), 0x123456789abcdef0, "sscratch holds 64 bits");
	csr_write(sscratch, old);
	csr_write(sepc, 0x80200003);
	report_equal(csr_read(sepc) & 1, 0, "sepc's lowest bit is zero");
	/* Section 4.1.8: scause holds the supported causes at least. */
	csr_write(scause, SCAUSE_INTERRUPT | INTERRUPT_EXTERNAL);
	report_equal(csr_read(scause), SCAUSE_INTERRUPT | INTERRUPT_EXTERNAL, "scause holds an interrupt's cause");
	/* Section 4.1.1: SIE and SPIE go up and down with a trap and SRET. */
	csr_write(stval, 0xdead);
	report_equal(csr_read(stval), 0xdead, "stval can be written");
	asm volatile("la t0, 1f; csrw sepc, t0; csrc sstatus, %1; csrs sstatus, %2; sret; 1: csrr %0, sstatus" : "=r"(old) : "r"(SSTATUS_SPIE | SSTATUS_SIE), "r"(SSTATUS_SPP) : "t0");
	report(!(old & SSTATUS_SIE) && (old & SSTATUS_SPIE), "SRET puts SPIE into SIE and sets SPIE");
	report(!(old & SSTATUS_SPP), "SRET sets SPP to user mode");
	/* Volume I, section 9.1: CSRRS with x0 does not write; CSRRC clears bits; CSRRW swaps. */
	csr_write(sscratch, 0xff);
	asm volatile("li %0, 0x0f; csrrc %0, sscratch, %0" : "=&r"(old));
	report(old == 0xff && csr_read(sscratch) == 0xf0, "CSRRC returns the old value and clears the bits");
	asm volatile("csrrsi %0, sscratch, 5" : "=r"(old));
	report(old == 0xf0 && csr_read(sscratch) == 0xf5, "CSRRSI returns the old value and sets the bits");
	csr_write(sscratch, (u64)this_cpu());
	/* Section 4.1.11: a write of satp with an unsupported MODE has no effect at all. */
	old = csr_read(satp);
	csr_write(satp, 15ull << 60);
	report_equal(csr_read(satp), old, "a write of satp with a reserved mode has no effect");
	/* Volume I, section 10.1. */
	old = counter();
	report(wait_until(counter() > old, 1000), "the time counter goes on");
	old = csr_read(instret);
	report(csr_read(instret) > old, "instret counts instructions");
}

#define PAGE (TEST_BASE + 0x5000)

static void paging(void)
{
	u64 *page = page_alloc(), *other = page_alloc(), *entry;

	/* Section 4.3.2, the steps of the translation. stval is the address (section 4.1.9). */
	report(raises(load, PAGE + 8, CAUSE_LOAD_PAGE_FAULT) && fault.frame.stval == PAGE + 8, "a load from an unmapped page raises a load page fault, stval tells the address");
	report(raises(store, PAGE, CAUSE_STORE_PAGE_FAULT), "a store raises a store page fault");
	report(raises(add_atomically, PAGE, CAUSE_STORE_PAGE_FAULT), "an AMO raises a store page fault");
	report(raises(jump, PAGE, CAUSE_INSTRUCTION_PAGE_FAULT) && fault.frame.sepc == PAGE && fault.frame.stval == PAGE,
	       "a jump there raises an instruction page fault at the target");

	*page = 0x1122334455667788;
	map_page(PAGE, (u64)page, PAGE_KERNEL);
	report_equal(*(volatile u64 *)PAGE, 0x1122334455667788, "a mapped page shows its memory");
	*(volatile u64 *)PAGE = 5;
	report_equal(*page, 5, "and takes stores");
	map_page(PAGE, (u64)other, PAGE_KERNEL);
	report_equal(*(volatile u64 *)PAGE, 0, "after SFENCE.VMA the new mapping holds");

	map_page(PAGE, (u64)page, PAGE_KERNEL & ~PTE_W);
	report(raises(store, PAGE, CAUSE_STORE_PAGE_FAULT), "a store to a page without W raises a store page fault");
	report(catch_fault(load, PAGE, &fault) == NO_FAULT, "a load from it does not");
	report(raises(jump, PAGE, CAUSE_INSTRUCTION_PAGE_FAULT), "an execution without X raises an instruction page fault");
	map_page(PAGE, (u64)page, PTE_V | PTE_W | PTE_A | PTE_D);
	report(raises(load, PAGE, CAUSE_LOAD_PAGE_FAULT), "W without R is reserved, and faults");

	map_page(PAGE, (u64)page, PTE_V | PTE_X | PTE_A);
	report(raises(load, PAGE, CAUSE_LOAD_PAGE_FAULT), "a load from an execute-only page faults");
	csr_set(sstatus, SSTATUS_MXR);
	report(catch_fault(load, PAGE, &fault) == NO_FAULT, "with sstatus.MXR it does not");
	csr_clear(sstatus, SSTATUS_MXR);

	map_page(PAGE, (u64)page, PAGE_KERNEL | PTE_X | PTE_U);
	report(raises(load, PAGE, CAUSE_LOAD_PAGE_FAULT), "supervisor mode may not load from a page of user mode");
	csr_set(sstatus, SSTATUS_SUM);
	report(catch_fault(load, PAGE, &fault) == NO_FAULT, "with sstatus.SUM it may");
	report(raises(jump, PAGE, CAUSE_INSTRUCTION_PAGE_FAULT), "but never execute it");
	csr_clear(sstatus, SSTATUS_SUM);

	/* A superpage whose low PPN bits are not zero is misaligned, and faults. */
	map_megapage(TEST_BASE + MEGAPAGE_SIZE, 0x80200000, PAGE_KERNEL);
	report_equal(*(volatile u64 *)(TEST_BASE + MEGAPAGE_SIZE + 0x1000), *(u64 *)0x80201000, "a megapage maps 2 MiB");
	map_megapage(TEST_BASE + MEGAPAGE_SIZE, 0x80201000, PAGE_KERNEL);
	report(raises(load, TEST_BASE + MEGAPAGE_SIZE, CAUSE_LOAD_PAGE_FAULT), "a misaligned megapage faults");
	/* Section 4.4.1: bits 63 to 39 of an address must be equal to bit 38. */
	report(raises(load, 1ull << 39, CAUSE_LOAD_PAGE_FAULT), "an address that is not sign-extended faults");

	/* Section 4.3.1: A and D are set by the hart, or their absence faults; both are allowed. */
	map_page(PAGE, (u64)page, PTE_V | PTE_R | PTE_W);
	entry = page_entry(PAGE, 0);
	catch_fault(load, PAGE, &fault);
	report(fault.cause == CAUSE_LOAD_PAGE_FAULT || *entry & PTE_A, "a load sets A, or faults for want of it");
	map_page(PAGE, (u64)page, PTE_V | PTE_R | PTE_W | PTE_A);
	catch_fault(store, PAGE, &fault);
	report(fault.cause == CAUSE_STORE_PAGE_FAULT || *entry & PTE_D, "a store sets D, or faults for want of it");
}

static u64 user_ecall(u64 value)
{
	asm volatile("ecall");
	return value;
}

static u64 user_csr(u64 unused)
{
	return csr_read(sstatus);
}

static u64 user_sret(u64 unused)
{
	asm volatile("sret");
	return 0;
}

static u64 user_fence(u64 unused)
{
	asm volatile("sfence.vma");
	return 0;
}

static u64 user_load(u64 address)
{
	return *(volatile u64 *)address;
}

static u64 user_time(u64 unused)
{
	return csr_read(time);
}

static bool user_raises(u64 (*code)(u64), u64 argument, int cause)
{
	int found = run_user(code, argument, &fault);

	if (found != cause)
		report_info("found cause %d, expected %d", found, cause);
	return found == cause;
}

static void user_mode(void)
{
	static u64 word = 77;

	report(user_raises(user_ecall, 0, CAUSE_ECALL_U) && !(fault.frame.sstatus & SSTATUS_SPP), "ECALL in user mode raises its own exception, and SPP says user mode");
	report(user_raises(user_csr, 0, CAUSE_ILLEGAL_INSTRUCTION), "a read of sstatus in user mode is illegal");
	report(user_raises(user_sret, 0, CAUSE_ILLEGAL_INSTRUCTION), "SRET in user mode is illegal");
	report(user_raises(user_fence, 0, CAUSE_ILLEGAL_INSTRUCTION), "SFENCE.VMA in user mode is illegal");
	report(user_raises(user_load, (u64)&word, CAUSE_LOAD_PAGE_FAULT), "user mode may not load from a page without U");
	report(user_raises(user_load, USER_ALIAS(&word), NO_FAULT) && fault.value == 77, "it may from one with U");
	/* Section 4.1.5: scounteren says which counters user mode may read. */
	csr_write(scounteren, 0);
	report(user_raises(user_time, 0, CAUSE_ILLEGAL_INSTRUCTION), "a read of time in user mode is illegal with scounteren.TM clear");
	csr_write(scounteren, 7);
	report(user_raises(user_time, 0, NO_FAULT) && fault.value, "with it set it is not");
}

/* Volume I, chapters 11 and 12: IEEE 754 arithmetic, its flags in fcsr, NaN boxing. */
static void floating_point(void)
{
	u64 result, flags;

	asm volatile("fsflags zero; fmv.d.x f0, %2; fmv.d.x f1, %3; fdiv.d f2, f0, f1; fmv.x.d %0, f2; frflags %1" : "=r"(result), "=r"(flags) : "r"(0x3ff0000000000000), "r"(0));
	report(result == 0x7ff0000000000000 && flags == 8, "1 / 0 is infinity and sets DZ");
	asm volatile("fsflags zero; fmv.d.x f0, %2; fsqrt.d f2, f0; fmv.x.d %0, f2; frflags %1" : "=r"(result), "=r"(flags) : "r"(0xbff0000000000000));
	report(result == 0x7ff8000000000000 && flags == 16, "the square root of -1 is the canonical NaN and sets NV");
	asm volatile("fmv.d.x f0, %1; fcvt.l.d %0, f0, rtz" : "=r"(result) : "r"(0xc00e000000000000)); /* -3.75 */
	report_equal(result, (u64)-3, "FCVT.L.D rounds as it is told");
	asm volatile("fmv.d.x f0, %1; fcvt.w.d %0, f0, rtz" : "=r"(result) : "r"(0x7ff8000000000000));
	report_equal(result, 0x7fffffff, "FCVT.W.D of a NaN is the greatest number");
	asm volatile("fmv.w.x f0, %1; fmv.x.d %0, f0" : "=r"(result) : "r"(0x3f800000));
	report_equal(result, 0xffffffff3f800000, "a single is boxed in ones");
	asm volatile("fmv.d.x f0, %1; fmv.x.w t0, f0; fadd.s f1, f0, f0; fmv.x.d %0, f1" : "=r"(result) : "r"(0x000000003f800000) : "t0");
	report_equal(result, 0xffffffff7fc00000, "a single that is not boxed is the canonical NaN");
	asm volatile("fmv.d.x f0, %1; fmv.d.x f1, %2; fsgnjn.d f2, f0, f1; fmv.x.d %0, f2" : "=r"(result) : "r"(0x3ff0000000000000), "r"(0));
	report_equal(result, 0xbff0000000000000, "FSGNJN.D takes the opposite sign");
	asm volatile("fmv.d.x f0, %1; fclass.d %0, f0" : "=r"(result) : "r"(0x8000000000000000));
	report_equal(result, 1 << 3, "FCLASS.D tells -0");
}

int main(int argc, char **argv)
{
	supervisor_exceptions();
	control_registers();
	paging();
	user_mode();
	floating_point();
	return report_summary();
}
