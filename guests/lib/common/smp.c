/* Work for the other CPUs: handed over in struct cpu, taken in a loop that sleeps while there is none. */
#include "smp.h"

#include "cpu.h"
#include "report.h"
#include "timeout.h"

enum {
	START_TIMEOUT_MS = 10000,
	WORK_TIMEOUT_MS = 30000,
};

void smp_wait_online(u32 count)
{
	for (u32 i = 1; i < count; i++)
		if (!wait_until(__atomic_load_n(&cpus[i].online, __ATOMIC_ACQUIRE), START_TIMEOUT_MS))
			abort_test("CPU %u of %u is not online %u ms after its start", i, count, START_TIMEOUT_MS);
}

void smp_work(void)
{
	struct cpu *cpu = this_cpu();

	smp_enter();
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
	smp_wake(index);
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
