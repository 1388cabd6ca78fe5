/* Start of the other CPUs by PSCI CPU_ON (DEN 0022, section 5.4). */
#include "smp.h"

#include "cpu.h"
#include "fdt.h"
#include "gic.h"
#include "psci.h"
#include "report.h"
#include "timer.h"

enum {
	WAKE_SGI = 15,
	START_TIMEOUT_MS = 10000,
	WORK_TIMEOUT_MS = 30000,
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
	for (u32 i = 1; i < count; i++)
		if (!wait_until(__atomic_load_n(&cpus[i].online, __ATOMIC_ACQUIRE), START_TIMEOUT_MS))
			abort_test("CPU %u is not online %u ms after CPU_ON", i, START_TIMEOUT_MS);
	return count;
}

void smp_work(void)
{
	struct cpu *cpu = this_cpu();

	gic_enable(WAKE_SGI);
	__atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
	for (;;) {
		void (*work)(void *) = __atomic_load_n(&cpu->work, __ATOMIC_ACQUIRE);

		if (!work) {
			interrupts_wait();
			continue;
		}
		work(cpu->work_argument);
		__atomic_store_n(&cpu->work, NULL, __ATOMIC_RELEASE);
	}
}

void on_cpu_async(u32 index, void (*work)(void *), void *argument)
{
	struct cpu *cpu = &cpus[index];

	on_cpu_wait(index);
	cpu->work_argument = argument;
	__atomic_store_n(&cpu->work, work, __ATOMIC_RELEASE);
	gic_send_sgi(index, WAKE_SGI);
}

void on_cpu_wait(u32 index)
{
	if (!wait_until(!__atomic_load_n(&cpus[index].work, __ATOMIC_ACQUIRE), WORK_TIMEOUT_MS))
		abort_test("CPU %u has not finished its work after %u ms", index, WORK_TIMEOUT_MS);
}

void on_cpu(u32 index, void (*work)(void *), void *argument)
{
	on_cpu_async(index, work, argument);
	on_cpu_wait(index);
}

void on_all_cpus(void (*work)(void *), void *argument)
{
	u32 online = smp_start(), self = this_cpu()->index;

	for (u32 i = 0; i < online; i++)
		if (i != self)
			on_cpu_async(i, work, argument);
	work(argument);
	for (u32 i = 0; i < online; i++)
		if (i != self)
			on_cpu_wait(i);
}
