/*
 * Several harts: SBI's hart state management, IPIs and remote fences (RISC-V SBI 1.0.0, chapters 7 to 9), atomics and RVWMO (Unprivileged ISA, chapters 8 and 14), SFENCE.VMA
 * (Privileged Architecture, section 4.2.1).
 */
#define translation_fence(address) sfence_vma(address)

#include "platform.h"
#include "sbi.h"
#include "smp_checks.h"
#include "timeout.h"

enum {
	WAIT_MS = 10000,
};

static u32 ipis[MAX_CPUS];

static void count_ipi(void)
{
	csr_clear(sip, BIT(INTERRUPT_SOFTWARE));
	__atomic_fetch_add(&ipis[this_cpu()->index], 1, __ATOMIC_SEQ_CST);
}

static u32 total(void)
{
	u32 sum = 0;

	for (u32 i = 0; i < cpus_online; i++)
		sum += __atomic_load_n(&ipis[i], __ATOMIC_SEQ_CST);
	return sum;
}

static void send_to_first(void *unused)
{
	sbi_call(SBI_IPI, SBI_IPI_SEND, 1, cpus[0].hart, 0, 0);
}

static void hart_states(void)
{
	report_equal((u64)sbi_call(SBI_HSM, SBI_HSM_STATUS, cpus[1].hart, 0, 0, 0).value, SBI_HSM_STARTED, "hart_get_status says that a started hart is started");
	report_equal((u64)sbi_call(SBI_HSM, SBI_HSM_START, cpus[1].hart, 0x80200000, 0, 0).error, (u64)SBI_ERR_ALREADY_AVAILABLE, "hart_start of a started hart says so");
	report_equal((u64)sbi_call(SBI_HSM, SBI_HSM_START, 0xffff, 0x80200000, 0, 0).error, (u64)SBI_ERR_INVALID_PARAM, "hart_start of a hart that there is not is an invalid parameter");
}

static void interprocessor_interrupts(void)
{
	bool each = true;

	/* The other harts take what wakes them for work as well: only what is sent here counts. */
	trap_set_interrupt(INTERRUPT_SOFTWARE, count_ipi);
	for (u32 i = 1; i < cpus_online; i++) {
		u32 before = total();

		sbi_call(SBI_IPI, SBI_IPI_SEND, 1, cpus[i].hart, 0, 0);
		each &= wait_until(__atomic_load_n(&ipis[i], __ATOMIC_SEQ_CST) == 1, WAIT_MS) && total() == before + 1;
	}
	report(each, "an IPI reaches the hart that it names, and no other");
	csr_set(sie, BIT(INTERRUPT_SOFTWARE));
	on_cpu_async(1, send_to_first, NULL);
	interrupts_enable();
	report(wait_until(__atomic_load_n(&ipis[0], __ATOMIC_SEQ_CST) == 1, WAIT_MS), "another hart's IPI reaches the first");
	interrupts_disable();
	on_cpu_wait(1);
	csr_clear(sie, BIT(INTERRUPT_SOFTWARE));
}

static void remote_fence(void)
{
	u64 *first = page_alloc(), *second = page_alloc();

	*first = 0x3333;
	*second = 0x4444;
	map_page(TEST_BASE, (u64)first, PAGE_KERNEL);
	sbi_call(SBI_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, cpus[1].hart, TEST_BASE, PAGE_SIZE);
	on_cpu(1, read_shared, NULL);
	map_page(TEST_BASE, (u64)second, PAGE_KERNEL);
	report_equal((u64)sbi_call(SBI_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, cpus[1].hart, TEST_BASE, PAGE_SIZE).error, SBI_SUCCESS, "a remote SFENCE.VMA succeeds");
	on_cpu(1, read_shared, NULL);
	report_equal(seen_value, 0x4444, "and reaches the other hart");
}

int main(int argc, char **argv)
{
	start_up_checks();
	if (cpus_online < 2) {
		report_skip("IPIs, atomics, order, mappings: one hart only");
		return report_summary();
	}
	hart_states();
	interprocessor_interrupts();
	atomicity_checks();
	order_checks();
	mapping_checks();
	remote_fence();
	return report_summary();
}
