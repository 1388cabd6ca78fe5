/*
 * Several CPUs: start-up, IPIs, atomics, locks, memory order and TLB shootdown. Intel SDM volume 3, chapter 8 and section 10.6.
 * With the argument "cmpxchg16b", that instruction alone, which some emulators announce and do not have.
 */
#include "smp.h"

#include "apic.h"
#include "cpu.h"
#include "paging.h"
#include "platform.h"
#include "report.h"
#include "spinlock.h"
#include "string.h"
#include "timeout.h"

enum {
	IPI_VECTOR = 0x55,
	ROUNDS = 500,
	ORDER_ROUNDS = 300,
	WAIT_MS = 10000,
	SHARED_PAGE_OFFSET = 0x200000,
};

static u32 cpus_online;

static struct {
	u32 ran[MAX_CPUS], apic_id[MAX_CPUS], cpuid_apic_id[MAX_CPUS];
	u64 cr0[MAX_CPUS], cr4[MAX_CPUS], efer[MAX_CPUS], apic_base[MAX_CPUS];
} found;

static void look(void *unused)
{
	u32 i = this_cpu()->index;

	__atomic_fetch_add(&found.ran[i], 1, __ATOMIC_SEQ_CST);
	found.apic_id[i] = lapic_id();
	found.cpuid_apic_id[i] = cpuid(1, 0).ebx >> 24;
	found.cr0[i] = read_cr0();
	found.cr4[i] = read_cr4();
	found.efer[i] = rdmsr(MSR_EFER);
	found.apic_base[i] = rdmsr(MSR_APIC_BASE);
}

static void start_up(void)
{
	bool distinct = true, ran = true, ids = true, same = true, bootstrap = true;

	cpus_online = smp_start();
	report_info("%u CPUs", cpus_online);
	report_equal(cpus_online, cpu_count(), "all CPUs that the machine announces start by INIT and start-up IPIs");
	on_all_cpus(look, NULL);
	for (u32 i = 0; i < cpus_online; i++) {
		ran &= found.ran[i] == 1;
		ids &= found.apic_id[i] == found.cpuid_apic_id[i];
		same &= found.cr4[i] == found.cr4[0] && (found.efer[i] & ~EFER_SCE) == (found.efer[0] & ~EFER_SCE) && found.cr0[i] == found.cr0[0];
		bootstrap &= (found.apic_base[i] >> 8 & 1) == (i == 0);
		for (u32 j = 0; j < i; j++)
			distinct &= found.apic_id[i] != found.apic_id[j];
	}
	report(ran, "each CPU runs the work that it is given, once");
	report(distinct, "APIC IDs are distinct");
	report(ids, "each CPU's APIC ID is the one in its CPUID");
	report(bootstrap, "IA32_APIC_BASE says bootstrap processor on the first CPU only");
	report(same, "the control registers are the same on all CPUs");
}

static u32 ipis[MAX_CPUS], nmis[MAX_CPUS];

static void count_ipi(struct trap_frame *frame)
{
	__atomic_fetch_add(&ipis[this_cpu()->index], 1, __ATOMIC_SEQ_CST);
	lapic_eoi();
}

static void count_nmi(struct trap_frame *frame)
{
	__atomic_fetch_add(&nmis[this_cpu()->index], 1, __ATOMIC_SEQ_CST);
}

static u32 sum(const u32 *counts)
{
	u32 total = 0;

	for (u32 i = 0; i < cpus_online; i++)
		total += __atomic_load_n(&counts[i], __ATOMIC_SEQ_CST);
	return total;
}

static void clear_ipis(void)
{
	for (u32 i = 0; i < cpus_online; i++)
		__atomic_store_n(&ipis[i], 0, __ATOMIC_SEQ_CST);
}

static void set_logical_id(void *unused)
{
	lapic_write(LAPIC_DFR, 0xffffffff);
	lapic_write(LAPIC_LDR, (u32)(1 << (this_cpu()->index & 7)) << 24);
}

static void send_to_first(void *unused)
{
	lapic_send_ipi(cpus[0].apic_id, ICR_FIXED | ICR_ASSERT | IPI_VECTOR);
}

/* The other CPUs sleep with interrupts open, so that what arrives is counted. */
static void interprocessor_interrupts(void)
{
	u32 others = cpus_online - 1;
	bool each = true;

	trap_set_handler(IPI_VECTOR, count_ipi);
	for (u32 i = 1; i < cpus_online; i++) {
		clear_ipis();
		lapic_send_ipi(cpus[i].apic_id, ICR_FIXED | ICR_ASSERT | IPI_VECTOR);
		each &= wait_until(sum(ipis) == 1, WAIT_MS) && ipis[i] == 1;
	}
	report(each, "a fixed IPI reaches the CPU that it names, and no other");

	clear_ipis();
	lapic_send_ipi(0, ICR_ALL_BUT_SELF | ICR_FIXED | ICR_ASSERT | IPI_VECTOR);
	report(wait_until(sum(ipis) == others, WAIT_MS) && ipis[0] == 0, "an IPI to all but self reaches each other CPU");

	clear_ipis();
	lapic_send_ipi(0, ICR_ALL | ICR_FIXED | ICR_ASSERT | IPI_VECTOR);
	interrupts_window();
	report(wait_until(sum(ipis) == cpus_online, WAIT_MS) && ipis[0] == 1, "an IPI to all reaches this CPU too");

	clear_ipis();
	on_cpu_async(1, send_to_first, NULL);
	interrupts_enable();
	report(wait_until(ipis[0] == 1, WAIT_MS), "another CPU's IPI reaches the first");
	interrupts_disable();
	on_cpu_wait(1);

	on_all_cpus(set_logical_id, NULL);
	clear_ipis();
	lapic_send_ipi(1 << 1, ICR_LOGICAL | ICR_FIXED | ICR_ASSERT | IPI_VECTOR);
	report(wait_until(ipis[1] == 1, WAIT_MS) && ipis[0] == 0, "a logical IPI reaches the CPU whose LDR it matches");

	trap_set_handler(VECTOR_NMI, count_nmi);
	lapic_send_ipi(cpus[1].apic_id, ICR_NMI | ICR_ASSERT);
	report(wait_until(nmis[1] == 1, WAIT_MS) && nmis[0] == 0, "an NMI by IPI reaches the CPU that it names");
	trap_set_handler(VECTOR_NMI, NULL);
	trap_set_handler(IPI_VECTOR, NULL);
}

static u64 locked_counter, exchanged_counter, plain_counter, wide_counter[2] __attribute__((aligned(16)));
static struct spinlock lock;

static void add(void *unused)
{
	for (int i = 0; i < ROUNDS; i++)
		asm volatile("lock incq %0" : "+m"(locked_counter) : : "cc");
}

static void exchange(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		u64 old = *(volatile u64 *)&exchanged_counter;

		while (!__atomic_compare_exchange_n(&exchanged_counter, &old, old + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			pause();
	}
}

static void add_under_lock(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		spin_lock(&lock);
		*(volatile u64 *)&plain_counter = *(volatile u64 *)&plain_counter + 1;
		spin_unlock(&lock);
	}
}

/* CMPXCHG16B must see both halves together: they are always equal. */
static void exchange_wide(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		u64 low = 0, high = 0;
		bool done;

		do {
			asm volatile("lock cmpxchg16b (%3); setz %0"
				     : "=q"(done), "+a"(low), "+d"(high)
				     : "r"(wide_counter), "b"(low + 1), "c"(high + 1)
				     : "cc", "memory");
		} while (!done);
	}
}

static void atomicity(void)
{
	on_all_cpus(add, NULL);
	report_equal(locked_counter, (u64)ROUNDS * cpus_online, "LOCK INC loses no count");
	on_all_cpus(exchange, NULL);
	report_equal(exchanged_counter, (u64)ROUNDS * cpus_online, "LOCK CMPXCHG loses no count");
	on_all_cpus(add_under_lock, NULL);
	report_equal(plain_counter, (u64)ROUNDS * cpus_online, "a lock by XCHG keeps CPUs apart");
}

static void wide_atomicity(void)
{
	if (!has(CPUID_CX16)) {
		report_skip("LOCK CMPXCHG16B: not announced by CPUID");
		return;
	}
	cpus_online = smp_start();
	on_all_cpus(exchange_wide, NULL);
	report(wide_counter[0] == (u64)ROUNDS * cpus_online && wide_counter[1] == wide_counter[0], "LOCK CMPXCHG16B loses no count");
}

static struct {
	volatile u64 data __attribute__((aligned(64)));
	volatile u64 flag __attribute__((aligned(64)));
	volatile u64 bad __attribute__((aligned(64)));
} message;

/* SDM volume 3, section 8.2.2: stores of one CPU are seen by the others in their order, and loads are not reordered with loads. */
static void receive_messages(void *unused)
{
	for (u64 i = 1; i <= ORDER_ROUNDS; i++) {
		while (message.flag < i)
			pause();
		if (message.data < i)
			message.bad++;
	}
}

static void send_messages(void)
{
	on_cpu_async(1, receive_messages, NULL);
	for (u64 i = 1; i <= ORDER_ROUNDS; i++) {
		message.data = i;
		message.flag = i;
	}
	on_cpu_wait(1);
	report_equal(message.bad, 0, "who sees a flag sees the data that were written before it");
}

/* Section 8.2.3.4: a load may pass an earlier store, but not with a fence between: both CPUs cannot read 0. */
static struct {
	volatile u64 x __attribute__((aligned(64)));
	volatile u64 y __attribute__((aligned(64)));
	volatile u64 seen_x, seen_y;
} dekker;

static void store_y_load_x(void *unused)
{
	dekker.y = 1;
	asm volatile("mfence" : : : "memory");
	dekker.seen_x = dekker.x;
}

static void fences(void)
{
	unsigned both_zero = 0;

	for (unsigned i = 0; i < 20; i++) {
		dekker.x = dekker.y = 0;
		on_cpu_async(1, store_y_load_x, NULL);
		dekker.x = 1;
		asm volatile("mfence" : : : "memory");
		dekker.seen_y = dekker.y;
		on_cpu_wait(1);
		both_zero += dekker.seen_x == 0 && dekker.seen_y == 0;
	}
	report_equal(both_zero, 0, "with MFENCE a load does not pass an earlier store");
}

static u64 seen_value;

static void read_shared(void *unused)
{
	seen_value = *(volatile u64 *)(TEST_BASE + SHARED_PAGE_OFFSET);
}

static void flush_shared(void *unused)
{
	invlpg(TEST_BASE + SHARED_PAGE_OFFSET);
}

/* Section 4.10.5: a change of the paging structures reaches another CPU when that one invalidates. */
static void shootdown(void)
{
	u64 *first = page_alloc(), *second = page_alloc();

	*first = 0x1111;
	*second = 0x2222;
	map_page(TEST_BASE + SHARED_PAGE_OFFSET, (u64)first, PTE_P | PTE_RW);
	on_cpu(1, read_shared, NULL);
	report_equal(seen_value, 0x1111, "another CPU sees a new mapping");
	map_page(TEST_BASE + SHARED_PAGE_OFFSET, (u64)second, PTE_P | PTE_RW);
	on_cpu(1, flush_shared, NULL);
	on_cpu(1, read_shared, NULL);
	report_equal(seen_value, 0x2222, "after its INVLPG another CPU sees a changed mapping");
}

static u32 run_result;

static void run_code(void *code)
{
	cpuid(0, 0);
	asm volatile("call *%1" : "=a"(run_result) : "r"(code) : "memory");
}

static void modified_code(void)
{
	/* Section 8.1.3, cross-modifying code: MOV EAX, imm32; RET, whose immediate changes; the other CPU serializes by CPUID before it runs it. */
	static u8 code[16] __attribute__((aligned(16))) = {0xb8, 1, 0, 0, 0, 0xc3};
	u32 first, second;

	on_cpu(1, run_code, code);
	first = run_result;
	*(volatile u8 *)(code + 1) = 2;
	on_cpu(1, run_code, code);
	second = run_result;
	report(first == 1 && second == 2, "code that one CPU changes is run by another as it is then");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "cmpxchg16b")) {
		wide_atomicity();
		return report_summary();
	}
	start_up();
	if (cpus_online < 2) {
		report_skip("IPIs, atomics, order, shootdown: one CPU only");
		return report_summary();
	}
	interprocessor_interrupts();
	atomicity();
	send_messages();
	fences();
	shootdown();
	modified_code();
	return report_summary();
}
