/*
 * 4-level paging: translation, access rights, error codes, accessed and dirty flags. Intel SDM volume 3, chapter 4: 4.5 "4-Level Paging", 4.6 "Access
 * Rights", 4.7 "Page-Fault Exceptions", 4.8 "Accessed and Dirty Flags", 4.10 "Caching Translation Information".
 */
#include "paging.h"
#include "platform.h"
#include "snippet.h"
#include "string.h"

#define A_PAGE (TEST_BASE + 0x400000)
#define LARGE_PAGE (TEST_BASE + 0x40000000)

static u64 *page; /* what A_PAGE is mapped to, by its physical address */

SNIPPET(read, "", "movq (%%rdi), %%rax")
SNIPPET(write, "", "movq %%rax, (%%rdi)")
SNIPPET(compare_exchange, "xor %%eax, %%eax; mov $1, %%ecx", "lock cmpxchgq %%rcx, (%%rdi)")
SNIPPET(call, "", "call *%%rdi")
USER_SNIPPET(user_read, "", "movq (%%rdi), %%rax")
USER_SNIPPET(user_write, "", "movq %%rax, (%%rdi)")

/* A #PF that names the address, with the error code; RIP is the faulting instruction, but for a fetch, where it is the target. */
static bool page_fault(const struct fault *fault, u64 address, u64 error_code, u64 rip)
{
	bool pass = fault->vector == VECTOR_PF && fault->cr2 == address && fault->frame.error_code == error_code && fault->frame.rip == rip;

	if (!pass)
		report_info("vector %d, CR2 0x%lx, error code 0x%lx, RIP 0x%lx; expected #PF, 0x%lx, 0x%lx, 0x%lx", fault->vector, fault->cr2,
			    fault->frame.error_code, fault->frame.rip, address, error_code, rip);
	return pass;
}

static bool faults_with(void (*code)(u64), u64 address, u64 error_code)
{
	struct fault fault;

	catch_fault(code, address, &fault);
	return page_fault(&fault, address, error_code, code == call ? address : fault.frame.r10);
}

static bool user_faults_with(u64 (*code)(u64), u64 address, u64 error_code)
{
	struct fault fault;

	run_user(code, address, 0, &fault);
	return page_fault(&fault, address, error_code, fault.frame.r10);
}

static bool succeeds(void (*code)(u64), u64 address)
{
	struct fault fault;

	return catch_fault(code, address, &fault) == NO_FAULT;
}

static bool user_succeeds(u64 (*code)(u64), u64 address)
{
	struct fault fault;

	return run_user(code, address, 0, &fault) == NO_FAULT;
}

static void map(u64 flags)
{
	map_page(A_PAGE, (u64)page, flags);
}

static void rights(void)
{
	map(0);
	report(faults_with(read, A_PAGE + 8, 0), "a read of a page that is not present: error code 0");
	report(faults_with(write, A_PAGE + 8, PF_WR), "a write to a page that is not present: W/R");
	report(user_faults_with(user_read, A_PAGE, PF_US), "a user read of a page that is not present: U/S");
	report(user_faults_with(user_write, A_PAGE, PF_US | PF_WR), "a user write to a page that is not present: U/S, W/R");

	map(PTE_P | PTE_RW | PTE_US);
	page[1] = 0x1234;
	report(*(volatile u64 *)(A_PAGE + 8) == 0x1234, "a mapped page shows the memory it maps");
	report(user_succeeds(user_write, A_PAGE), "ring 3 may write to a user page with R/W");

	map(PTE_P | PTE_US);
	report(user_succeeds(user_read, A_PAGE), "ring 3 may read a read-only user page");
	report(user_faults_with(user_write, A_PAGE, PF_P | PF_US | PF_WR), "a user write to a read-only page: P, U/S, W/R");
	report(faults_with(write, A_PAGE, PF_P | PF_WR), "a supervisor write to a read-only page with CR0.WP: P, W/R");
	page[0] = 5;
	report(faults_with(compare_exchange, A_PAGE, PF_P | PF_WR), "a CMPXCHG that does not exchange is a write all the same");
	write_cr0(read_cr0() & ~CR0_WP);
	report(succeeds(write, A_PAGE), "a supervisor write to a read-only page with CR0.WP clear is done");
	report(user_faults_with(user_write, A_PAGE, PF_P | PF_US | PF_WR), "CR0.WP is not for user writes");
	write_cr0(read_cr0() | CR0_WP);

	map(PTE_P | PTE_RW);
	report(user_faults_with(user_read, A_PAGE, PF_P | PF_US), "a user read of a supervisor page: P, U/S");
	report(user_faults_with(user_write, A_PAGE, PF_P | PF_US | PF_WR), "a user write to a supervisor page: P, U/S, W/R");
	report(succeeds(write, A_PAGE), "ring 0 may write to a supervisor page with R/W");

	/* Section 4.6: the rights are those of all levels together. */
	map(PTE_P | PTE_RW | PTE_US);
	*page_entry(A_PAGE, 2) &= ~PTE_RW;
	flush_tlb();
	report(faults_with(write, A_PAGE, PF_P | PF_WR), "R/W clear in the page directory makes the page read-only");
	*page_entry(A_PAGE, 2) |= PTE_RW;
	*page_entry(A_PAGE, 3) &= ~PTE_US;
	flush_tlb();
	report(user_faults_with(user_read, A_PAGE, PF_P | PF_US), "U/S clear in the page-directory-pointer table makes the page a supervisor's");
	*page_entry(A_PAGE, 3) |= PTE_US;
	*page_entry(A_PAGE, 4) &= ~PTE_P;
	flush_tlb();
	report(faults_with(read, A_PAGE, 0), "P clear in the top table: error code 0");
	*page_entry(A_PAGE, 4) |= PTE_P;
	flush_tlb();
}

static void execution(void)
{
	memset(page, 0xc3, 16); /* RET */
	map(PTE_P | PTE_RW | PTE_US);
	report(succeeds(call, A_PAGE), "a page without XD may be executed");
	map(0);
	if (!has(CPUID_NX)) {
		report_skip("XD: not announced by CPUID");
		return;
	}
	report(faults_with(call, A_PAGE, PF_ID), "a fetch from a page that is not present: I/D");
	map(PTE_P | PTE_XD);
	report(faults_with(call, A_PAGE, PF_P | PF_ID), "a fetch from a page with XD: P, I/D");
	report(succeeds(read, A_PAGE), "a page with XD may be read");
	map(PTE_P);
	*page_entry(A_PAGE, 2) |= PTE_XD;
	flush_tlb();
	report(faults_with(call, A_PAGE, PF_P | PF_ID), "XD in the page directory holds for all of its pages");
	*page_entry(A_PAGE, 2) &= ~PTE_XD;
	flush_tlb();
	/* Section 4.6.1, 4.5.4: with EFER.NXE clear, bit 63 is reserved, and I/D is not reported. */
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_NXE);
	map(PTE_P | PTE_XD);
	report(faults_with(read, A_PAGE, PF_P | PF_RSVD), "bit 63 with EFER.NXE clear is reserved: P, RSVD");
	map(0);
	report(faults_with(call, A_PAGE, 0), "with EFER.NXE clear a fetch is not told from a read");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
}

static void reserved_bits(void)
{
	unsigned width = cpuid(0x80000008, 0).eax & 0xff;

	if (width < 52) {
		map(PTE_P | PTE_RW | BIT(51));
		report(faults_with(read, A_PAGE, PF_P | PF_RSVD), "a physical address beyond MAXPHYADDR: P, RSVD");
		report(faults_with(write, A_PAGE, PF_P | PF_RSVD | PF_WR), "a write through a reserved bit: P, W/R, RSVD");
		map(BIT(51));
		report(faults_with(read, A_PAGE, 0), "a reserved bit in an entry that is not present does not matter");
	}
	map(PTE_P);
	*page_entry(A_PAGE, 4) |= PTE_PS;
	flush_tlb();
	report(faults_with(read, A_PAGE, PF_P | PF_RSVD), "PS in the top table is reserved: P, RSVD");
	*page_entry(A_PAGE, 4) &= ~PTE_PS;
	flush_tlb();
	map_large_page(LARGE_PAGE, BIT(13), PTE_P | PTE_RW);
	report(faults_with(read, LARGE_PAGE, PF_P | PF_RSVD), "address bit 13 of a 2 MiB page is reserved: P, RSVD");
	map_large_page(LARGE_PAGE, 0, 0);
}

/* Accessed: by any use for translation; dirty: by a write. The processor sets them and never clears them. */
static void accessed_and_dirty(void)
{
	u64 *entry = page_entry(A_PAGE, 1), *directory = page_entry(A_PAGE, 2);
	struct fault fault;

	map(PTE_P | PTE_RW | PTE_US);
	*directory &= ~PTE_A;
	flush_tlb();
	read(A_PAGE);
	report((*entry & (PTE_A | PTE_D)) == PTE_A, "a read sets A and not D");
	report(*directory & PTE_A, "a read sets A in the page directory");
	write(A_PAGE);
	report((*entry & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "a write sets D");
	map(PTE_P | PTE_RW | PTE_US);
	write(A_PAGE);
	report((*entry & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "a write as the first access sets A and D");
	map(PTE_P);
	catch_fault(write, A_PAGE, &fault);
	report(!(*entry & PTE_D), "a write that faults does not set D");
	memset(page, 0xc3, 16);
	map(PTE_P | PTE_RW | PTE_US);
	call(A_PAGE);
	report((*entry & (PTE_A | PTE_D)) == PTE_A, "a fetch sets A and not D");
	map(PTE_P | PTE_RW);
	page[0] = 5;
	compare_exchange(A_PAGE);
	report((*entry & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "a CMPXCHG that does not exchange sets D");
}

static void large_pages(void)
{
	u64 *entry = page_entry(LARGE_PAGE, 2);
	u64 base = (u64)page & ~(LARGE_PAGE_SIZE - 1), offset = (u64)page - base;

	page[0] = 0x5678;
	map_large_page(LARGE_PAGE, base, PTE_P | PTE_RW | PTE_US);
	report_equal(*(volatile u64 *)(LARGE_PAGE + offset), 0x5678, "a 2 MiB page maps 21 bits of offset");
	report((*entry & (PTE_A | PTE_D)) == PTE_A, "a read sets A in the entry of a 2 MiB page");
	write(LARGE_PAGE + offset);
	report(*entry & PTE_D, "a write sets D in the entry of a 2 MiB page");
	map_large_page(LARGE_PAGE, base, PTE_P | PTE_US);
	report(faults_with(write, LARGE_PAGE + offset + 8, PF_P | PF_WR), "a write to a read-only 2 MiB page: P, W/R, and the address in CR2");
	/* Section 4.10.4.1: one INVLPG drops a large page's translation whatever address in it is named. */
	*entry |= PTE_RW;
	invlpg(LARGE_PAGE + LARGE_PAGE_SIZE - 1);
	report(succeeds(write, LARGE_PAGE + offset), "INVLPG of any address in a 2 MiB page flushes it");
	map_large_page(LARGE_PAGE, 0, 0);

	if (!has(CPUID_GBPAGES)) {
		report_skip("1 GiB pages: not announced by CPUID");
		return;
	}
	entry = page_entry(TEST_BASE + (8ull << 30), 3);
	*entry = PTE_P | PTE_RW | PTE_US | PTE_PS;
	page[0] = 0x9abc;
	report_equal(*(volatile u64 *)(TEST_BASE + (8ull << 30) + (u64)page), 0x9abc, "a 1 GiB page maps 30 bits of offset");
	*entry = 0;
	invlpg(TEST_BASE + (8ull << 30));
}

static void translation_caches(void)
{
	u64 *other = page_alloc();
	struct fault fault;

	page[0] = 1, other[0] = 2;
	map(PTE_P | PTE_RW);
	read(A_PAGE);
	map_page(A_PAGE, (u64)other, PTE_P | PTE_RW);
	report_equal(*(volatile u64 *)A_PAGE, 2, "INVLPG after a change shows the new page");
	*page_entry(A_PAGE, 1) = (u64)page | PTE_P | PTE_RW;
	flush_tlb();
	report_equal(*(volatile u64 *)A_PAGE, 1, "MOV to CR3 after a change shows the new page");
	/* Section 4.10.2.3: what is not present is never cached, so that no flush is needed to make it so. */
	unmap_page(A_PAGE);
	catch_fault(read, A_PAGE, &fault);
	*page_entry(A_PAGE, 1) = (u64)other | PTE_P | PTE_RW;
	report_equal(*(volatile u64 *)A_PAGE, 2, "an entry that becomes present needs no flush");

	if (!has(CPUID_PGE)) {
		report_skip("global pages: not announced by CPUID");
		return;
	}
	write_cr4(read_cr4() | CR4_PGE);
	map(PTE_P | PTE_RW | PTE_G);
	read(A_PAGE);
	*page_entry(A_PAGE, 1) = (u64)other | PTE_P | PTE_RW;
	write_cr4(read_cr4() & ~CR4_PGE);
	report_equal(*(volatile u64 *)A_PAGE, 2, "clearing CR4.PGE flushes global pages");
}

/* Section 4.6.1: SMEP and SMAP deny ring 0 what is open to ring 3. The image itself is, so it is made a supervisor's first. */
static void supervisor_mode_prevention(void)
{
	u64 *top = page_entry(0, 4), cr4 = read_cr4();
	struct fault fault;

	memset(page, 0xc3, 16);
	map(PTE_P | PTE_RW | PTE_US);
	*top &= ~PTE_US;
	flush_tlb();
	if (has(CPUID_SMEP)) {
		write_cr4(cr4 | CR4_SMEP);
		report(faults_with(call, A_PAGE, PF_P | PF_ID), "a supervisor fetch from a user page with SMEP: P, I/D");
		write_cr4(cr4);
	} else {
		report_skip("SMEP: not announced by CPUID");
	}
	if (has(CPUID_SMAP)) {
		write_cr4(cr4 | CR4_SMAP);
		report(faults_with(read, A_PAGE, PF_P), "a supervisor read of a user page with SMAP: P");
		report(faults_with(write, A_PAGE, PF_P | PF_WR), "a supervisor write to a user page with SMAP: P, W/R");
		asm volatile(".byte 0x0f, 0x01, 0xcb"); /* STAC */
		catch_fault(read, A_PAGE, &fault);
		asm volatile(".byte 0x0f, 0x01, 0xca"); /* CLAC */
		report(fault.vector == NO_FAULT, "RFLAGS.AC lifts SMAP");
		write_cr4(cr4);
	} else {
		report_skip("SMAP: not announced by CPUID");
	}
	*top |= PTE_US;
	flush_tlb();
}

/* An access over the border of two pages faults at the page that is at fault. */
static void border(void)
{
	struct fault fault;

	map(PTE_P | PTE_RW);
	unmap_page(A_PAGE + PAGE_SIZE);
	page[511] = 0;
	catch_fault(write, A_PAGE + PAGE_SIZE - 4, &fault);
	report(page_fault(&fault, A_PAGE + PAGE_SIZE, PF_WR, fault.frame.r10), "a write over a border faults at the first byte of the second page");
	report_equal(page[511], 0, "a write over a border that faults writes nothing to the first page");
	catch_fault(read, A_PAGE - 4, &fault);
	report(fault.vector == VECTOR_PF && fault.cr2 == A_PAGE - 4, "a read over a border faults at its first byte when that is missing");
}

int main(int argc, char **argv)
{
	page = page_alloc();
	rights();
	execution();
	reserved_bits();
	accessed_and_dirty();
	large_pages();
	translation_caches();
	border();
	supervisor_mode_prevention();
	return report_summary();
}
