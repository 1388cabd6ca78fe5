/* The local APIC in xAPIC and x2APIC mode. Intel SDM volume 3, chapter 10 "Advanced Programmable Interrupt Controller". */
#include "apic.h"

#include "interrupts.h"
#include "platform.h"
#include "report.h"
#include "timeout.h"
#include "tsc.h"

enum {
	LOW_VECTOR = 0x51, /* priority class 5 */
	HIGH_VECTOR = 0x61,
	TIMER_VECTOR = 0x71,
	ESR_SEND_ILLEGAL_VECTOR = 1 << 5,
	APIC_BASE_X2APIC = 1 << 10,
	APIC_BASE_ENABLE = 1 << 11,
	MSR_X2APIC_ID = 0x802,
	MSR_X2APIC_EOI = 0x80b,
	MSR_X2APIC_ICR = 0x830,
	MSR_X2APIC_SELF_IPI = 0x83f,
	MSR_TSC_DEADLINE = 0x6e0,
	WAIT_MS = 5000,
};

static void eoi(u8 vector)
{
	lapic_eoi();
}

static void begin(void (*action)(u8))
{
	taken_start(LOW_VECTOR, LOW_VECTOR, action);
	taken_start(HIGH_VECTOR, HIGH_VECTOR, action);
	taken_start(TIMER_VECTOR, TIMER_VECTOR, action);
}

static void self_ipi(u8 vector)
{
	lapic_send_ipi(0, ICR_SELF | ICR_ASSERT | ICR_FIXED | vector);
}

static bool interrupted(u32 count)
{
	bool reached;

	interrupts_enable();
	reached = wait_until(taken.count >= count, WAIT_MS);
	interrupts_disable();
	return reached;
}

static void registers(void)
{
	u32 version = lapic_read(LAPIC_VERSION);

	report((version & 0xff) >= 0x10 && (version & 0xff) <= 0x15, "the version is that of an integrated APIC");
	report((version >> 16 & 0xff) >= 3, "the version register tells at least four local vectors");
	report_equal(lapic_id(), cpuid(1, 0).ebx >> 24, "the APIC ID is CPUID's initial one");

	/* Section 10.4.7.2: while the APIC is software-disabled, the mask bits are set and cannot be cleared. */
	lapic_write(LAPIC_SVR, SPURIOUS_VECTOR);
	lapic_write(LAPIC_LVT_TIMER, TIMER_VECTOR);
	report_equal(lapic_read(LAPIC_LVT_TIMER) & LVT_MASKED, LVT_MASKED, "software-disabled, the mask of a local vector cannot be cleared");
	lapic_enable();
	lapic_write(LAPIC_LVT_TIMER, TIMER_VECTOR);
	report_equal(lapic_read(LAPIC_LVT_TIMER), TIMER_VECTOR, "enabled, a local vector reads as it was written");
	lapic_write(LAPIC_SVR, SPURIOUS_VECTOR);
	report_equal(lapic_read(LAPIC_LVT_TIMER) & LVT_MASKED, LVT_MASKED, "a software disable masks the local vectors");
	lapic_enable();

	lapic_write(LAPIC_DFR, 0xffffffff);
	lapic_write(LAPIC_LDR, 0x42ffffff);
	report_equal(lapic_read(LAPIC_LDR), 0x42000000, "LDR has eight bits");
	lapic_write(LAPIC_DFR, 0x0fffffff);
	report_equal(lapic_read(LAPIC_DFR), 0x0fffffff, "the low 28 bits of DFR are ones");
	lapic_write(LAPIC_DFR, 0xffffffff);
	lapic_write(LAPIC_TIMER_DIVIDE, 0xffffffff);
	report_equal(lapic_read(LAPIC_TIMER_DIVIDE), 0xb, "the divide register has bits 0, 1 and 3");
	lapic_write(LAPIC_VERSION, 0);
	report_equal(lapic_read(LAPIC_VERSION), version, "the version register cannot be written");
}

static void priorities(void)
{
	begin(NULL);
	lapic_write(LAPIC_TPR, 0x50);
	report_equal(lapic_read(LAPIC_PPR), 0x50, "PPR is TPR while nothing is in service");
	report_equal(read_cr8(), 5, "CR8 is TPR's class");
	self_ipi(LOW_VECTOR);
	interrupts_window();
	report_equal(taken.count, 0, "TPR holds up a vector of its class");
	report(lapic_vector_bit(LAPIC_IRR, LOW_VECTOR), "IRR shows the vector that waits");
	self_ipi(HIGH_VECTOR);
	interrupts_window();
	report(taken_once(HIGH_VECTOR), "TPR lets a higher class through");
	report(lapic_vector_bit(LAPIC_ISR, HIGH_VECTOR), "ISR shows the vector in service");
	report_equal(lapic_read(LAPIC_PPR), HIGH_VECTOR & 0xf0, "PPR is the class in service where that is higher");
	lapic_write(LAPIC_TPR, 0);
	interrupts_window();
	report_equal(taken.count, 1, "a lower class waits for the one in service");
	lapic_eoi();
	report(!lapic_vector_bit(LAPIC_ISR, HIGH_VECTOR), "EOI clears the highest bit of ISR");
	interrupts_window();
	report(taken_both(HIGH_VECTOR, LOW_VECTOR), "after the EOI the lower class is delivered");
	lapic_eoi();

	begin(NULL);
	self_ipi(LOW_VECTOR);
	interrupts_window();
	self_ipi(HIGH_VECTOR);
	interrupts_window();
	report(taken_both(LOW_VECTOR, HIGH_VECTOR), "a higher class interrupts a lower one in service");
	lapic_eoi();
	report(!lapic_vector_bit(LAPIC_ISR, HIGH_VECTOR) && lapic_vector_bit(LAPIC_ISR, LOW_VECTOR), "EOI ends the higher class first");
	lapic_eoi();
}

static void ipis(void)
{
	begin(eoi);
	lapic_send_ipi(lapic_id(), ICR_FIXED | ICR_ASSERT | LOW_VECTOR);
	interrupts_window();
	report(taken_once(LOW_VECTOR), "a fixed IPI to the own APIC ID arrives");
	begin(eoi);
	lapic_write(LAPIC_LDR, 0x01000000);
	lapic_send_ipi(0x01, ICR_LOGICAL | ICR_FIXED | ICR_ASSERT | LOW_VECTOR);
	interrupts_window();
	report(taken_once(LOW_VECTOR), "a logical IPI whose mask matches LDR arrives");
	begin(eoi);
	lapic_send_ipi(0x02, ICR_LOGICAL | ICR_FIXED | ICR_ASSERT | LOW_VECTOR);
	interrupts_window();
	report_equal(taken.count, 0, "a logical IPI whose mask does not match LDR does not");
	begin(eoi);
	lapic_send_ipi(0, ICR_ALL | ICR_FIXED | ICR_ASSERT | HIGH_VECTOR);
	interrupts_window();
	report(taken_once(HIGH_VECTOR), "an IPI to all including self arrives");
	begin(eoi);
	lapic_send_ipi(0xff, ICR_FIXED | ICR_ASSERT | HIGH_VECTOR);
	interrupts_window();
	report(taken_once(HIGH_VECTOR), "an IPI to the broadcast ID arrives");
	begin(eoi);
	self_ipi(LOW_VECTOR);
	self_ipi(LOW_VECTOR);
	interrupts_window();
	interrupts_window();
	report_equal(taken.count, 1, "two of one vector before the delivery are one");

	/* NMI by IPI: delivered whatever IF says; the vector in ICR is ignored. */
	taken_start(VECTOR_NMI, VECTOR_NMI, NULL);
	lapic_send_ipi(lapic_id(), ICR_NMI | ICR_ASSERT);
	report(wait_until(taken.count, WAIT_MS) && taken_once(VECTOR_NMI), "an NMI by IPI is delivered with IF clear");
	trap_set_handler(VECTOR_NMI, NULL);
}

static void timer(void)
{
	u32 first, count;

	lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | TIMER_VECTOR);
	lapic_write(LAPIC_TIMER_INITIAL, 0xffffffff);
	first = lapic_read(LAPIC_TIMER_CURRENT);
	report(wait_until(lapic_read(LAPIC_TIMER_CURRENT) < first, WAIT_MS), "the current count counts down");
	lapic_write(LAPIC_TIMER_INITIAL, 0);
	report_equal(lapic_read(LAPIC_TIMER_CURRENT), 0, "an initial count of 0 stops the timer");
	lapic_write(LAPIC_TIMER_CURRENT, 1234);
	report_equal(lapic_read(LAPIC_TIMER_CURRENT), 0, "the current count cannot be written");

	begin(eoi);
	lapic_write(LAPIC_LVT_TIMER, TIMER_VECTOR);
	lapic_write(LAPIC_TIMER_INITIAL, 1000);
	report(interrupted(1) && taken.vectors[0] == TIMER_VECTOR, "in one-shot mode the timer interrupts");
	count = taken.count;
	interrupts_enable();
	delay_us(2000);
	interrupts_disable();
	report_equal(taken.count, count, "in one-shot mode there is one interrupt");
	report_equal(lapic_read(LAPIC_TIMER_CURRENT), 0, "after a one-shot the current count is 0");

	begin(eoi);
	lapic_write(LAPIC_LVT_TIMER, LVT_TIMER_PERIODIC | TIMER_VECTOR);
	lapic_write(LAPIC_TIMER_INITIAL, 20000);
	report(interrupted(3), "in periodic mode it interrupts again and again");
	report(lapic_read(LAPIC_TIMER_CURRENT) <= 20000, "in periodic mode the count is reloaded");
	lapic_write(LAPIC_LVT_TIMER, LVT_TIMER_PERIODIC | LVT_MASKED | TIMER_VECTOR);
	interrupts_window();
	count = taken.count;
	interrupts_enable();
	delay_us(2000);
	interrupts_disable();
	report_equal(taken.count, count, "a masked timer gives no interrupt");
	lapic_write(LAPIC_TIMER_INITIAL, 0);

	if (!has(CPUID_TSC_DEADLINE)) {
		report_skip("TSC-deadline mode: not announced by CPUID");
		return;
	}
	begin(eoi);
	lapic_write(LAPIC_LVT_TIMER, LVT_TIMER_DEADLINE | TIMER_VECTOR);
	asm volatile("mfence" : : : "memory");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + tsc_khz());
	report(interrupted(1), "in TSC-deadline mode the timer interrupts at the deadline");
	report_equal(rdmsr(MSR_TSC_DEADLINE), 0, "the deadline is 0 after it passed");
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | TIMER_VECTOR);
}

/* Section 10.12. The way back from x2APIC mode leads through disabled, which resets the APIC. */
static void x2apic(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);
	u32 id = lapic_id();

	if (!has(CPUID_X2APIC)) {
		report_skip("x2APIC mode: not announced by CPUID");
		return;
	}
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	report_equal(rdmsr(MSR_X2APIC_ID), id, "in x2APIC mode the ID is an MSR of 32 bits");
	begin(NULL);
	wrmsr(MSR_X2APIC_SELF_IPI, LOW_VECTOR);
	interrupts_window();
	report(taken_once(LOW_VECTOR), "the self IPI register sends one");
	wrmsr(MSR_X2APIC_EOI, 0);
	begin(NULL);
	wrmsr(MSR_X2APIC_ICR, (u64)id << 32 | ICR_FIXED | ICR_ASSERT | HIGH_VECTOR);
	interrupts_window();
	report(taken_once(HIGH_VECTOR), "one write of 64 bits to ICR sends an IPI");
	wrmsr(MSR_X2APIC_EOI, 0);
	wrmsr(MSR_APIC_BASE, base & ~(u64)(APIC_BASE_ENABLE | APIC_BASE_X2APIC));
	wrmsr(MSR_APIC_BASE, base);
	report_equal(lapic_id(), id, "back in xAPIC mode the ID is the same");
	lapic_enable();
}

/* Section 10.5.3: vectors 0 to 15 are illegal; ESR is updated by a write to it. */
static void errors(void)
{
	taken_start(5, 5, eoi);
	lapic_write(LAPIC_ESR, 0);
	lapic_send_ipi(lapic_id(), ICR_FIXED | ICR_ASSERT | 5);
	interrupts_window();
	lapic_write(LAPIC_ESR, 0);
	report(lapic_read(LAPIC_ESR) & ESR_SEND_ILLEGAL_VECTOR, "an IPI with vector 5 sets ESR's send illegal vector");
	report_equal(taken.count, 0, "an IPI with vector 5 is not delivered");
	trap_set_handler(5, NULL);
	lapic_write(LAPIC_ESR, 0);
	report_equal(lapic_read(LAPIC_ESR), 0, "a second write clears ESR");
}

int main(int argc, char **argv)
{
	registers();
	priorities();
	ipis();
	timer();
	errors();
	x2apic();
	return report_summary();
}
