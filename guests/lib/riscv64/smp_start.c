/* Start of the other CPUs by SBI's hart state management (RISC-V SBI 1.0.0, chapter 9). */
#include "smp.h"

#include "cpu.h"
#include "fdt.h"
#include "report.h"
#include "sbi.h"

#define SBI_ALREADY_AVAILABLE	-6

void secondary_start(void);
/* By hart, of those that came in by themselves: the index to go on with. */
extern u32 parked_index[MAX_CPUS];

struct cpu cpus[MAX_CPUS];
static u32 count = 1;
static bool started;

static void wake(void)
{
	csr_clear(sip, BIT(INTERRUPT_SOFTWARE));
}

/* The boot hart is the first, wherever the tree has it. */
void smp_init(u64 boot)
{
	cpus[0].hart = boot;
	for (int node = FDT_NONE; (node = fdt_by_device_type(node, "cpu")) != FDT_NONE && count < MAX_CPUS;) {
		u64 hart = fdt_number(node, "reg", 0);

		if (hart != boot) {
			cpus[count].index = count;
			cpus[count++].hart = hart;
		}
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
	trap_set_interrupt(INTERRUPT_SOFTWARE, wake);
	for (u32 i = 1; i < count; i++) {
		s64 error = sbi_call(SBI_HSM, SBI_HSM_START, cpus[i].hart, (u64)secondary_start, i, 0).error;

		if (error == SBI_ALREADY_AVAILABLE && cpus[i].hart < MAX_CPUS)
			__atomic_store_n(&parked_index[cpus[i].hart], i, __ATOMIC_RELEASE);
		else if (error)
			abort_test("hart_start of hart %lu returned %ld", cpus[i].hart, error);
	}
	smp_wait_online(count);
	return count;
}

void smp_enter(void)
{
	csr_set(sie, BIT(INTERRUPT_SOFTWARE));
	__atomic_store_n(&this_cpu()->online, true, __ATOMIC_RELEASE);
}

void smp_wake(u32 index)
{
	sbi_call(SBI_IPI, SBI_IPI_SEND, 1, cpus[index].hart, 0, 0);
}
