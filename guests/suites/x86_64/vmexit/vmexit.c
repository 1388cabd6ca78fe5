/*
 * What each kind of exit to the VMM, or of event that may be one, costs: the fastest of some batches, in nanoseconds an operation. There is no right
 * value; the harness keeps them, compares runs, and tells what became slower. Times are the guest's own, by the TSC against the PIT.
 */
#include "apic.h"
#include "cpu.h"
#include "io.h"
#include "paging.h"
#include "pit.h"
#include "platform.h"
#include "report.h"
#include "smp.h"
#include "timeout.h"
#include "tsc.h"

enum {
	BATCHES = 5,
	OPERATIONS = 40,
	UNUSED_PORT = 0x80, /* POST codes */
	TESTDEV_PORT = 0xe0,
	RTC_INDEX = 0x70,
	IPI_VECTOR = 0x55,
	TIMER_VECTOR = 0x56,
	TIMER_COUNT = 1000,
	WAIT_MS = 5000,
};

#define TEST_PAGE (TEST_BASE + 0x800000)

static volatile u32 ipis_here, ipis_there;

static void count_here(struct trap_frame *frame)
{
	ipis_here++;
	lapic_eoi();
}

static void count_there(struct trap_frame *frame)
{
	ipis_there++;
	lapic_eoi();
}

static void nothing(void)
{
	asm volatile("");
}

static void op_cpuid(void)
{
	cpuid(0, 0);
}

static void op_rdtsc(void)
{
	rdtsc();
}

static void port_in_unused(void)
{
	inb(UNUSED_PORT);
}

static void port_out_unused(void)
{
	outb(UNUSED_PORT, 0);
}

static void port_in_pit(void)
{
	inb(PIT_CHANNEL2);
}

static void port_out_rtc(void)
{
	outb(RTC_INDEX, 0x0d);
}

static void port_out_testdev(void)
{
	outl(TESTDEV_PORT, 0);
}

static void port_string_out(void)
{
	static const u32 words[4];
	const void *from = words;
	u64 count = ARRAY_SIZE(words);

	asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(TESTDEV_PORT) : "memory");
}

static void mmio_lapic_read(void)
{
	lapic_read(LAPIC_ID);
}

static void mmio_lapic_tpr(void)
{
	lapic_write(LAPIC_TPR, 0);
}

static void mmio_ioapic_read(void)
{
	mmio_read32(IOAPIC_BASE);
}

static void cr0_write(void)
{
	write_cr0(read_cr0());
}

static void cr3_write(void)
{
	write_cr3(read_cr3());
}

static void cr4_write(void)
{
	write_cr4(read_cr4());
}

static void cr8_write(void)
{
	write_cr8(0);
}

static void msr_read_apic_base(void)
{
	rdmsr(MSR_APIC_BASE);
}

static void msr_write_fs_base(void)
{
	wrmsr(MSR_FS_BASE, 0);
}

static void op_invlpg(void)
{
	invlpg(TEST_PAGE);
}

static void raise_ud(u64 unused)
{
	asm volatile("ud2");
}

static void exception(void)
{
	struct fault fault;

	catch_fault(raise_ud, 0, &fault);
}

static void touch(u64 address)
{
	*(volatile u8 *)address;
}

static void page_fault(void)
{
	struct fault fault;

	catch_fault(touch, TEST_PAGE, &fault);
}

/* Until the handler has run. */
static void self_ipi(void)
{
	u32 before = ipis_here;

	lapic_write(LAPIC_ICR_LOW, ICR_SELF | ICR_FIXED | ICR_ASSERT | IPI_VECTOR);
	interrupts_enable();
	while (ipis_here == before)
		;
	interrupts_disable();
}

/* A timer that is about to fire, HLT, and the wake-up by its interrupt. */
static void hlt_timer(void)
{
	u32 before = ipis_here;

	lapic_write(LAPIC_TIMER_INITIAL, TIMER_COUNT);
	while (ipis_here == before)
		interrupts_wait();
}

/* An IPI to a CPU that sleeps in HLT, until its handler has run. */
static void ipi_wake(void)
{
	u32 before = ipis_there;

	lapic_send_ipi(cpus[1].apic_id, ICR_FIXED | ICR_ASSERT | IPI_VECTOR);
	wait_until(ipis_there != before, WAIT_MS);
}

static const struct operation {
	const char *name;
	void (*run)(void);
} operations[] = {
	{"call", nothing},
	{"rdtsc", op_rdtsc},
	{"cpuid", op_cpuid},
	{"port-in-unused", port_in_unused},
	{"port-out-unused", port_out_unused},
	{"port-in-pit", port_in_pit},
	{"port-out-rtc", port_out_rtc},
	{"port-out-testdev", port_out_testdev},
	{"port-rep-outs-4", port_string_out},
	{"mmio-lapic-read", mmio_lapic_read},
	{"mmio-lapic-tpr", mmio_lapic_tpr},
	{"mmio-ioapic-read", mmio_ioapic_read},
	{"cr0-write", cr0_write},
	{"cr3-write", cr3_write},
	{"cr4-write", cr4_write},
	{"cr8-write", cr8_write},
	{"msr-read-apic-base", msr_read_apic_base},
	{"msr-write-fs-base", msr_write_fs_base},
	{"invlpg", op_invlpg},
	{"exception-ud", exception},
	{"exception-pf", page_fault},
	{"ipi-self", self_ipi},
	{"hlt-timer", hlt_timer},
};

static const struct operation with_two_cpus[] = {
	{"ipi-wake", ipi_wake},
};

/* Warms up once, so that translation and first touches are not counted. False when the clock did not move at all. */
static bool run(const struct operation *operation)
{
	u64 fastest = ~0ull;

	operation->run();
	for (int batch = 0; batch < BATCHES; batch++) {
		u64 start = rdtsc(), ticks;

		for (int i = 0; i < OPERATIONS; i++)
			operation->run();
		ticks = rdtsc() - start;
		if (ticks < fastest)
			fastest = ticks;
	}
	measure(operation->name, tsc_to_ns(fastest) / OPERATIONS, "ns");
	return fastest > 0 && fastest < 1ull << 62;
}

int main(int argc, char **argv)
{
	bool moved = true;

	lapic_enable();
	trap_set_handler(IPI_VECTOR, count_here);
	trap_set_handler(TIMER_VECTOR, count_here);
	lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER, TIMER_VECTOR);
	unmap_page(TEST_PAGE);
	for (unsigned i = 0; i < ARRAY_SIZE(operations); i++)
		moved &= run(&operations[i]);
	if (cpu_count() > 1) {
		smp_start();
		trap_set_handler(IPI_VECTOR, count_there);
		for (unsigned i = 0; i < ARRAY_SIZE(with_two_cpus); i++)
			moved &= run(&with_two_cpus[i]);
	}
	report(moved, "the TSC moves on through every operation");
	report(ipis_here >= (BATCHES * OPERATIONS + 1) * 2, "every interrupt that was asked for arrived");
	return report_summary();
}
