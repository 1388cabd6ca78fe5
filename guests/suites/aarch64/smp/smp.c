/*
 * Several CPUs: PSCI (DEN 0022), SGIs (IHI 0048, IHI 0069), atomics and the memory model (Arm ARM, chapter B2), broadcast TLB maintenance (section D8.13).
 */
/* What a CPU does for a mapping that another changed. */
#define translation_fence(address) tlb_invalidate(address)

#include "gic.h"
#include "platform.h"
#include "psci.h"
#include "smp_checks.h"
#include "timeout.h"

enum {
	TEST_SGI = 7,
	WAIT_MS = 10000,
};

static u32 sgis[MAX_CPUS];
static u64 affinity[MAX_CPUS], level[MAX_CPUS];

static void look(void *unused)
{
	affinity[this_cpu()->index] = read_sysreg(mpidr_el1) & MPIDR_AFFINITY;
	level[this_cpu()->index] = read_sysreg(currentel) >> 2;
}

static void count_sgi(u32 id)
{
	__atomic_fetch_add(&sgis[this_cpu()->index], 1, __ATOMIC_SEQ_CST);
}

static void enable_sgi(void *unused)
{
	gic_enable(TEST_SGI);
}

static void send_to_first(void *unused)
{
	gic_send_sgi(0, TEST_SGI);
}

static void power(void)
{
	bool same = true;

	on_all_cpus(look, NULL);
	for (u32 i = 0; i < cpus_online; i++)
		same &= affinity[i] == cpus[i].mpidr && level[i] == 1;
	report(same, "each CPU starts at EL1 and has the affinity that it was started by");
	/* DEN 0022, sections 5.4 and 5.5. */
	report_equal((u64)psci_call(PSCI_CPU_ON, cpus[1].mpidr, 0x40200000, 0), (u64)PSCI_ALREADY_ON, "CPU_ON of a CPU that is on returns ALREADY_ON");
	report_equal((u64)psci_call(PSCI_CPU_ON, 0xff00ff0000, 0x40200000, 0), (u64)PSCI_INVALID_PARAMETERS, "CPU_ON of a CPU that there is not returns INVALID_PARAMETERS");
	report_equal((u64)psci_call(PSCI_AFFINITY_INFO, cpus[1].mpidr, 0, 0), 0, "AFFINITY_INFO says that it is on");
}

static void interprocessor_interrupts(void)
{
	bool each = true;

	trap_set_interrupt(TEST_SGI, count_sgi);
	on_all_cpus(enable_sgi, NULL);
	for (u32 i = 1; i < cpus_online; i++) {
		gic_send_sgi(i, TEST_SGI);
		each &= wait_until(__atomic_load_n(&sgis[i], __ATOMIC_SEQ_CST) == 1, WAIT_MS) && sgis[0] == 0;
	}
	report(each, "an SGI reaches the CPU that it names, and no other");
	on_cpu_async(1, send_to_first, NULL);
	interrupts_enable();
	report(wait_until(__atomic_load_n(&sgis[0], __ATOMIC_SEQ_CST) == 1, WAIT_MS), "another CPU's SGI reaches the first");
	interrupts_disable();
	on_cpu_wait(1);
}

static void invalidate_everywhere(void)
{
	u64 *first = page_alloc(), *second = page_alloc();

	*first = 0x3333;
	*second = 0x4444;
	map_page(TEST_BASE, (u64)first, PAGE_KERNEL);
	asm volatile("dsb ish; tlbi vaae1is, %0; dsb ish; isb" : : "r"(TEST_BASE >> 12) : "memory");
	on_cpu(1, read_shared, NULL);
	*page_descriptor(TEST_BASE, 3) = (u64)second | PAGE_KERNEL;
	asm volatile("dsb ish; tlbi vaae1is, %0; dsb ish; isb" : : "r"(TEST_BASE >> 12) : "memory");
	on_cpu(1, read_shared, NULL);
	report_equal(seen_value, 0x4444, "an inner shareable TLBI reaches the other CPU's TLB");
}

int main(int argc, char **argv)
{
	start_up_checks();
	if (cpus_online < 2) {
		report_skip("SGIs, atomics, order, mappings: one CPU only");
		return report_summary();
	}
	power();
	interprocessor_interrupts();
	atomicity_checks();
	order_checks();
	mapping_checks();
	invalidate_everywhere();
	return report_summary();
}
