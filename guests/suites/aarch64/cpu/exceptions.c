/*
 * Exceptions that EL1 and EL0 raise, each with its syndrome; stage 1 translation; system registers. Arm Architecture Reference Manual (DDI 0487), chapters D1 "The AArch64 System
 * Level Programmers' Model" and D8 "The AArch64 Virtual Memory System Architecture", and ESR_EL1.
 */
#include "cpu.h"
#include "paging.h"
#include "platform.h"
#include "report.h"
#include "timeout.h"

static struct fault fault;

static bool raises(void (*code)(u64), u64 argument, int class)
{
	int found = catch_fault(code, argument, &fault);

	if (found != class)
		report_info("found class 0x%x, expected 0x%x", (unsigned)found, (unsigned)class);
	return found == class;
}

/* The same with the fault status code in the syndrome. */
static bool aborts(void (*code)(u64), u64 argument, int class, u32 status)
{
	if (!raises(code, argument, class))
		return false;
	if (ISS_FSC(fault.frame.esr) != status)
		report_info("found fault status 0x%x, expected 0x%x", ISS_FSC(fault.frame.esr), status);
	return ISS_FSC(fault.frame.esr) == status;
}

static void svc(u64 unused)
{
	asm volatile("svc #0x1234");
}

static void brk(u64 unused)
{
	asm volatile("brk #0xbeef");
}

static void undefined(u64 unused)
{
	asm volatile("udf #1");
}

static void read_unknown(u64 unused)
{
	asm volatile("mrs x0, s3_0_c15_c15_7" : : : "x0");
}

static void read_el2(u64 unused)
{
	asm volatile("mrs x0, hcr_el2" : : : "x0");
}

static void float_add(u64 unused)
{
	asm volatile(".arch_extension fp\n\tfadd d0, d0, d0");
}

static void load(u64 address)
{
	asm volatile("ldr x0, [%0]" : : "r"(address) : "x0", "memory");
}

static void store(u64 address)
{
	asm volatile("str xzr, [%0]" : : "r"(address) : "memory");
}

static void load_exclusive(u64 address)
{
	asm volatile("ldxr x0, [%0]" : : "r"(address) : "x0", "memory");
}

static void jump(u64 address)
{
	asm volatile("br %0" : : "r"(address) : "memory");
}

static void illegal_state(u64 unused)
{
	/* SPSR with M[3:0] = 0b0001, which is reserved. */
	asm volatile("msr spsr_el1, %0; adr x0, 1f; msr elr_el1, x0; eret; 1: nop" : : "r"(PSR_DAIF | 1ull) : "x0");
}

static void synchronous(void)
{
	report(raises(svc, 0, EC_SVC64) && (fault.frame.esr & 0xffff) == 0x1234, "SVC raises class 0x15 with its immediate");
	report(*(u32 *)(fault.frame.elr - 4) == 0xd4024681, "and returns behind itself");
	report(fault.frame.esr & ESR_IL, "ESR_EL1.IL says that the instruction has 32 bits");
	report((fault.frame.spsr & PSR_MODE_MASK) == PSR_EL1H, "SPSR_EL1 says EL1 with SP_EL1");
	report(raises(brk, 0, EC_BRK64) && (fault.frame.esr & 0xffff) == 0xbeef && *(u32 *)fault.frame.elr == 0xd437dde0, "BRK raises class 0x3c with its immediate, at itself");
	report(raises(undefined, 0, EC_UNKNOWN) && ESR_ISS(fault.frame.esr) == 0, "UDF raises class 0 with an ISS of zero");
	report(raises(read_unknown, 0, EC_UNKNOWN), "a read of a system register that does not exist is undefined");
	report(raises(read_el2, 0, EC_UNKNOWN), "a read of HCR_EL2 is undefined at EL1");
	write_sysreg(cpacr_el1, 0);
	report(raises(float_add, 0, EC_FP), "FADD with CPACR_EL1.FPEN 0 raises class 7");
	write_sysreg(cpacr_el1, 3 << 20);
	report(catch_fault(float_add, 0, &fault) == NO_FAULT, "with FPEN 3 it is executed");
	report(raises(jump, (u64)jump + 2, EC_PC_ALIGNMENT) && fault.frame.far == (u64)jump + 2, "a jump to an address that is no multiple of 4 raises class 0x22, FAR_EL1 tells it");
	report(raises(illegal_state, 0, EC_ILLEGAL_STATE), "after an ERET to a reserved mode the next instruction raises class 0xe");
	report(fault.frame.spsr & PSR_IL, "and SPSR_EL1.IL is set");
}

#define PAGE (TEST_BASE + 0x5000)

static void translation(void)
{
	u64 *page = page_alloc(), *other = page_alloc();

	report(aborts(load, 1ull << 40, EC_DATA_ABORT, FSC_TRANSLATION), "an address beyond T0SZ raises a translation fault of level 0");
	report(aborts(load, 300ull << 30, EC_DATA_ABORT, FSC_TRANSLATION + 1), "a missing level 1 table raises a translation fault of level 1");
	page_descriptor(PAGE, 2);
	report(aborts(load, PAGE + 8, EC_DATA_ABORT, FSC_TRANSLATION + 2) && fault.frame.far == PAGE + 8, "a missing level 2 table raises one of level 2; FAR_EL1 tells the address");
	page_descriptor(PAGE, 3);
	report(aborts(load, PAGE, EC_DATA_ABORT, FSC_TRANSLATION + 3) && !(fault.frame.esr & ISS_WNR), "a missing page raises one of level 3; ISS.WnR is clear for a load");
	report(aborts(store, PAGE, EC_DATA_ABORT, FSC_TRANSLATION + 3) && fault.frame.esr & ISS_WNR, "ISS.WnR is set for a store");
	report(aborts(jump, PAGE, EC_INSTRUCTION_ABORT, FSC_TRANSLATION + 3) && fault.frame.elr == PAGE, "a jump there raises an instruction abort at the target");

	*page = 0x1122334455667788;
	map_page(PAGE, (u64)page, PAGE_KERNEL);
	report_equal(*(volatile u64 *)PAGE, 0x1122334455667788, "a mapped page shows its memory");
	*(volatile u64 *)PAGE = 5;
	report_equal(*page, 5, "and takes stores");
	map_page(PAGE, (u64)other, PAGE_KERNEL);
	report_equal(*(volatile u64 *)PAGE, 0, "after TLBI the new mapping holds");

	map_page(PAGE, (u64)page, PAGE_KERNEL | PTE_READ_ONLY);
	report(aborts(store, PAGE, EC_DATA_ABORT, FSC_PERMISSION + 3), "a store to a read-only page raises a permission fault");
	report(catch_fault(load, PAGE, &fault) == NO_FAULT, "a load from it does not");
	map_page(PAGE, (u64)page, PAGE_KERNEL | PTE_PXN);
	report(aborts(jump, PAGE, EC_INSTRUCTION_ABORT, FSC_PERMISSION + 3), "execution of a page with PXN raises a permission fault");
	map_page(PAGE, (u64)page, PAGE_KERNEL | PTE_USER);
	report(aborts(jump, PAGE, EC_INSTRUCTION_ABORT, FSC_PERMISSION + 3), "EL1 may not execute what EL0 can write");
	map_page(PAGE, (u64)page, PAGE_KERNEL & ~PTE_AF);
	report(aborts(load, PAGE, EC_DATA_ABORT, FSC_ACCESS_FLAG + 3), "a clear access flag raises an access flag fault");

	map_block(TEST_BASE + BLOCK_SIZE, 0x40200000, BLOCK_KERNEL);
	report_equal(*(volatile u64 *)(TEST_BASE + BLOCK_SIZE + 0x1000), *(u64 *)0x40201000, "a block of level 2 maps 2 MiB");
	map_block(TEST_BASE + BLOCK_SIZE, 0x40200000, BLOCK_KERNEL | PTE_READ_ONLY);
	report(aborts(store, TEST_BASE + BLOCK_SIZE, EC_DATA_ABORT, FSC_PERMISSION + 2), "its permission faults are of level 2");

	/* Alignment: exclusives always (section B2.5.2), other accesses to device memory, and all with SCTLR_EL1.A. */
	report(aborts(load_exclusive, (u64)page + 4, EC_DATA_ABORT, FSC_ALIGNMENT), "LDXR of an unaligned address raises an alignment fault");
	write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | SCTLR_A);
	report(aborts(load, (u64)page + 1, EC_DATA_ABORT, FSC_ALIGNMENT), "with SCTLR_EL1.A an unaligned load raises an alignment fault");
	write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) & ~SCTLR_A);
	report(catch_fault(load, (u64)page + 1, &fault) == NO_FAULT, "without it, it does not");
	map_page(PAGE, (u64)page, (PAGE_KERNEL & ~(u64)(7 << 2)) | PTE_DEVICE);
	report(aborts(load, PAGE + 1, EC_DATA_ABORT, FSC_ALIGNMENT), "an unaligned load from device memory raises one in any case");

	/* AT writes PAR_EL1. */
	map_page(PAGE, (u64)page, PAGE_KERNEL);
	asm volatile("at s1e1r, %0; isb" : : "r"(PAGE) : "memory");
	report((read_sysreg(par_el1) & (PTE_ADDRESS | 1)) == (u64)page, "AT S1E1R puts the address into PAR_EL1");
	unmap_page(PAGE);
	asm volatile("at s1e1r, %0; isb" : : "r"(PAGE) : "memory");
	report((read_sysreg(par_el1) & 0x7f) == ((FSC_TRANSLATION + 3) << 1 | 1), "or sets PAR_EL1.F with the fault status");
}

static u64 user_svc(u64 value)
{
	asm volatile("svc #7");
	return value;
}

static u64 user_mrs(u64 unused)
{
	u64 value;

	asm volatile("mrs %0, sctlr_el1" : "=r"(value));
	return value;
}

static u64 user_msr_daif(u64 unused)
{
	asm volatile("msr daifset, #2");
	return 0;
}

static u64 user_load(u64 address)
{
	return *(volatile u64 *)address;
}

static u64 user_counter(u64 unused)
{
	return read_sysreg(cntvct_el0);
}

static u64 user_ctr(u64 unused)
{
	return read_sysreg(ctr_el0);
}

static u64 user_wfi(u64 unused)
{
	asm volatile("wfi");
	return 0;
}

static u64 user_stack(u64 unused)
{
	asm volatile("mov x1, sp; sub x2, x1, #8; mov sp, x2; ldr x3, [sp]; mov sp, x1" : : : "x1", "x2", "x3", "memory");
	return 0;
}

static bool user_raises(u64 (*code)(u64), u64 argument, int class)
{
	int found = run_user(code, argument, PSR_DAIF, &fault);

	if (found != class)
		report_info("found class 0x%x, expected 0x%x", (unsigned)found, (unsigned)class);
	return found == class;
}

static void user_mode(void)
{
	static u64 word = 77;
	u64 control = read_sysreg(sctlr_el1);

	report(user_raises(user_svc, 0, EC_SVC64) && fault.frame.vector == VECTOR_LOWER_A64, "SVC at EL0 comes through the vector of the lower level");
	report((fault.frame.spsr & PSR_MODE_MASK) == PSR_EL0T, "SPSR_EL1 says EL0");
	report(user_raises(user_mrs, 0, EC_UNKNOWN), "a read of SCTLR_EL1 at EL0 is undefined");
	report(user_raises(user_msr_daif, 0, EC_SYSREG), "MSR DAIFSet at EL0 with SCTLR_EL1.UMA clear raises class 0x18");
	report(user_raises(user_load, (u64)&word, EC_DATA_ABORT_LOWER) && ISS_FSC(fault.frame.esr) == FSC_PERMISSION + 1, "EL0 may not load from a page without AP[1]");
	report(user_raises(user_load, USER_ALIAS(&word), NO_FAULT) && fault.value == 77, "it may from one with it");
	write_sysreg(cntkctl_el1, 0);
	report(user_raises(user_counter, 0, EC_SYSREG), "a read of CNTVCT_EL0 at EL0 with CNTKCTL_EL1.EL0VCTEN clear raises class 0x18");
	write_sysreg(cntkctl_el1, 2);
	report(user_raises(user_counter, 0, NO_FAULT) && fault.value, "with it set it does not");
	write_sysreg(sctlr_el1, control & ~SCTLR_UCT);
	report(user_raises(user_ctr, 0, EC_SYSREG), "a read of CTR_EL0 at EL0 with SCTLR_EL1.UCT clear raises class 0x18");
	write_sysreg(sctlr_el1, control & ~SCTLR_NTWI);
	report(user_raises(user_wfi, 0, EC_WFX) && ESR_ISS(fault.frame.esr) % 4 == 0, "WFI at EL0 with SCTLR_EL1.nTWI clear raises class 1");
	write_sysreg(sctlr_el1, control);
	report(user_raises(user_stack, 0, EC_SP_ALIGNMENT), "a load by an SP that is no multiple of 16 raises class 0x26");
}

/* DC ZVA, and DCZID_EL0: DZP says that it is prohibited, BS is the logarithm of the block in words of four bytes. */
static void zero_block(void)
{
	u64 id = read_sysreg(dczid_el0), size = 4ull << (id & 0xf);
	u8 *page = page_alloc();
	bool zero = true;

	if (id & BIT(4)) {
		report_skip("DC ZVA: DCZID_EL0.DZP prohibits it");
		return;
	}
	for (u64 i = 0; i < 2 * size; i++)
		page[i] = 1;
	asm volatile("dc zva, %0" : : "r"(page + size - 1) : "memory");
	for (u64 i = 0; i < size; i++)
		zero &= page[i] == 0;
	report(zero && page[size] == 1, "DC ZVA clears its block, and no more");
}

static void registers(void)
{
	u64 old;

	write_sysreg(tpidrro_el0, 0x123456789abcdef0);
	report_equal(read_sysreg(tpidrro_el0), 0x123456789abcdef0, "TPIDRRO_EL0 holds 64 bits");
	old = read_sysreg(contextidr_el1);
	write_sysreg(contextidr_el1, 0x89abcdef);
	report_equal(read_sysreg(contextidr_el1), 0x89abcdef, "CONTEXTIDR_EL1 holds 32 bits");
	write_sysreg(contextidr_el1, old);
	/* Both fields are 1 (AArch64) or 2 (AArch32 too). */
	old = read_sysreg(id_aa64pfr0_el1);
	report((old & 0xf) >= 1 && (old & 0xf) <= 2 && (old >> 4 & 0xf) >= 1 && (old >> 4 & 0xf) <= 2, "ID_AA64PFR0_EL1 says that EL0 and EL1 have AArch64");
	old = read_sysreg(daif);
	asm volatile("msr daifset, #0xf");
	report_equal(read_sysreg(daif), PSR_DAIF, "MSR DAIFSet sets the masks");
	asm volatile("msr daifclr, #8");
	report_equal(read_sysreg(daif), PSR_DAIF & ~PSR_D, "MSR DAIFClr clears those named");
	write_sysreg(daif, old);
	old = counter();
	report(wait_until(counter() > old, 1000), "CNTVCT_EL0 goes on");
	zero_block();
}

int main(int argc, char **argv)
{
	synchronous();
	translation();
	user_mode();
	registers();
	return report_summary();
}
