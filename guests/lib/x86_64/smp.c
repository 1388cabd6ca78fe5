/* Start of the other CPUs by INIT and start-up IPIs to all: Intel SDM volume 3, section 8.4.4.1 "Typical BSP Initialization Sequence". */
#include "smp.h"

#include "apic.h"
#include "cpu.h"
#include "environment.h"
#include "fwcfg.h"
#include "report.h"
#include "string.h"
#include "tsc.h"

enum {
	WAKE_VECTOR = 0xf0,
	INIT_DELAY_US = 10000,
	SIPI_DELAY_US = 200,
	START_TIMEOUT_MS = 10000,
	WORK_TIMEOUT_MS = 30000,
};

extern const u8 ap_trampoline[], ap_trampoline_end[];

static bool started;

u32 cpu_count(void)
{
	u32 count = fwcfg_present() ? fwcfg_read16(FWCFG_NB_CPUS) : (u32)environment_number("NR_CPUS", 1);

	if (count == 0)
		count = 1;
	return count > MAX_CPUS ? MAX_CPUS : count;
}

static u32 online_count(void)
{
	u32 count = 0;

	for (u32 i = 0; i < MAX_CPUS; i++)
		count += __atomic_load_n(&cpus[i].online, __ATOMIC_ACQUIRE);
	return count;
}

static void wake(struct trap_frame *frame)
{
	(void)frame;
	lapic_eoi();
}

u32 smp_start(void)
{
	u32 count = cpu_count();
	struct timeout timeout;

	if (started || count == 1)
		return count;
	started = true;
	trap_set_handler(WAKE_VECTOR, wake);
	memcpy((void *)AP_TRAMPOLINE, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	lapic_enable();
	lapic_send_ipi(0, ICR_ALL_BUT_SELF | ICR_INIT | ICR_ASSERT);
	delay_us(INIT_DELAY_US);
	for (int i = 0; i < 2; i++) {
		lapic_send_ipi(0, ICR_ALL_BUT_SELF | ICR_STARTUP | ICR_ASSERT | AP_TRAMPOLINE >> 12);
		delay_us(SIPI_DELAY_US);
	}
	timeout = timeout_ms(START_TIMEOUT_MS);
	while (online_count() < count)
		if (timed_out(&timeout))
			abort_test("%u of %u CPUs are online %u ms after the start-up IPI", online_count(), count, START_TIMEOUT_MS);
	return count;
}

void smp_work(void)
{
	struct cpu *cpu = this_cpu();

	lapic_enable();
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
	lapic_send_ipi(cpu->apic_id, ICR_FIXED | ICR_ASSERT | WAKE_VECTOR);
}

void on_cpu_wait(u32 index)
{
	struct timeout timeout = timeout_ms(WORK_TIMEOUT_MS);

	while (__atomic_load_n(&cpus[index].work, __ATOMIC_ACQUIRE)) {
		pause();
		if (timed_out(&timeout))
			abort_test("CPU %u has not finished its work after %u ms", index, WORK_TIMEOUT_MS);
	}
}

void on_cpu(u32 index, void (*work)(void *), void *argument)
{
	on_cpu_async(index, work, argument);
	on_cpu_wait(index);
}

void on_all_cpus(void (*work)(void *), void *argument)
{
	u32 count = smp_start(), self = this_cpu()->index;

	for (u32 i = 0; i < count; i++)
		if (i != self)
			on_cpu_async(i, work, argument);
	work(argument);
	for (u32 i = 0; i < count; i++)
		if (i != self)
			on_cpu_wait(i);
}
