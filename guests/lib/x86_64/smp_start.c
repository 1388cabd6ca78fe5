/* Start of the other CPUs by INIT and start-up IPIs to all: Intel SDM volume 3, section 8.4.4.1 "Typical BSP Initialization Sequence". */
#include "smp.h"

#include "apic.h"
#include "cpu.h"
#include "environment.h"
#include "fwcfg.h"
#include "string.h"
#include "timeout.h"

enum {
	WAKE_VECTOR = 0xf0,
	INIT_DELAY_US = 10000,
	SIPI_DELAY_US = 200,
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

static void wake(struct trap_frame *frame)
{
	(void)frame;
	lapic_eoi();
}

u32 smp_start(void)
{
	u32 count = cpu_count();

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
	smp_wait_online(count);
	return count;
}

void smp_enter(void)
{
	lapic_enable();
}

void smp_wake(u32 index)
{
	lapic_send_ipi(cpus[index].apic_id, ICR_FIXED | ICR_ASSERT | WAKE_VECTOR);
}
