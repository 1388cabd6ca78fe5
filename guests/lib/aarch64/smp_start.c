/* Start of the other CPUs by PSCI CPU_ON (DEN 0022, section 5.4). */
#include "smp.h"

#include "cpu.h"
#include "fdt.h"
#include "gic.h"
#include "psci.h"
#include "report.h"

enum {
	WAKE_SGI = 15,
};

void secondary_start(void);

struct cpu cpus[MAX_CPUS];
static u32 count = 1;
static bool started;

static void wake(u32 id)
{
	(void)id;
}

/* The boot CPU is the first, wherever the tree has it. */
void smp_init(void)
{
	cpus[0].mpidr = read_sysreg(mpidr_el1) & MPIDR_AFFINITY;
	for (int node = FDT_NONE; (node = fdt_by_device_type(node, "cpu")) != FDT_NONE && count < MAX_CPUS;) {
		u64 mpidr = fdt_number(node, "reg", 0);

		if (mpidr != cpus[0].mpidr)
			cpus[count++].mpidr = mpidr;
	}
}

u32 cpu_count(void)
{
	return count;
}

u32 smp_start(void)
{
	if (started || count == 1)
		return count;
	started = true;
	trap_set_interrupt(WAKE_SGI, wake);
	for (u32 i = 1; i < count; i++) {
		s64 result = psci_call(PSCI_CPU_ON, cpus[i].mpidr, (u64)secondary_start, i);

		if (result != PSCI_SUCCESS)
			abort_test("CPU_ON of CPU %u returned %ld", i, result);
	}
	smp_wait_online(count);
	return count;
}

void smp_enter(void)
{
	gic_enable(WAKE_SGI);
	__atomic_store_n(&this_cpu()->online, true, __ATOMIC_RELEASE);
}

void smp_wake(u32 index)
{
	gic_send_sgi(index, WAKE_SGI);
}
