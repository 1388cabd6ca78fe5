/*
 * Checks with several CPUs that are the same on all architectures: work, atomics, locks, the order of memory accesses, changed mappings. The includer says what the
 * architecture's manual says about them.
 */
#pragma once

#include "cpu.h"
#include "paging.h"
#include "report.h"
#include "smp.h"
#include "spinlock.h"
#include "waiting.h"

enum {
	SMP_ROUNDS = 2000,
	SMP_ORDER_ROUNDS = 300,
	SMP_FENCE_ROUNDS = 50,
};

static u32 cpus_online;
static u32 ran[MAX_CPUS];
static u64 counter_added, counter_exchanged, counter_plain;
static struct spinlock shared_lock;

static void count_run(void *unused)
{
	__atomic_fetch_add(&ran[this_cpu()->index], 1, __ATOMIC_SEQ_CST);
}

static void start_up_checks(void)
{
	bool once = true;

	cpus_online = smp_start();
	report_info("%u CPUs", cpus_online);
	report_equal(cpus_online, cpu_count(), "all CPUs that the device tree names start");
	on_all_cpus(count_run, NULL);
	for (u32 i = 0; i < cpus_online; i++)
		once &= ran[i] == 1;
	report(once, "each CPU runs the work that it is given, once");
}

static void add(void *unused)
{
	for (int i = 0; i < SMP_ROUNDS; i++)
		__atomic_fetch_add(&counter_added, 1, __ATOMIC_RELAXED);
}

static void exchange(void *unused)
{
	for (int i = 0; i < SMP_ROUNDS; i++) {
		u64 old = __atomic_load_n(&counter_exchanged, __ATOMIC_RELAXED);

		while (!__atomic_compare_exchange_n(&counter_exchanged, &old, old + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			cpu_relax();
	}
}

static void add_under_lock(void *unused)
{
	for (int i = 0; i < SMP_ROUNDS; i++) {
		spin_lock(&shared_lock);
		*(volatile u64 *)&counter_plain = *(volatile u64 *)&counter_plain + 1;
		spin_unlock(&shared_lock);
	}
}

static void atomicity_checks(void)
{
	on_all_cpus(add, NULL);
	report_equal(counter_added, (u64)SMP_ROUNDS * cpus_online, "atomic additions lose no count");
	on_all_cpus(exchange, NULL);
	report_equal(counter_exchanged, (u64)SMP_ROUNDS * cpus_online, "compare and exchange loses no count");
	on_all_cpus(add_under_lock, NULL);
	report_equal(counter_plain, (u64)SMP_ROUNDS * cpus_online, "a lock keeps CPUs apart");
}

static struct {
	u64 data __attribute__((aligned(64)));
	u64 flag __attribute__((aligned(64)));
	u64 bad __attribute__((aligned(64)));
} message;

static void receive_messages(void *unused)
{
	for (u64 i = 1; i <= SMP_ORDER_ROUNDS; i++) {
		while (__atomic_load_n(&message.flag, __ATOMIC_ACQUIRE) < i)
			cpu_relax();
		if (__atomic_load_n(&message.data, __ATOMIC_RELAXED) < i)
			message.bad++;
	}
}

static struct {
	u64 x __attribute__((aligned(64)));
	u64 y __attribute__((aligned(64)));
	u64 seen_x, seen_y;
} dekker;

static void store_y_load_x(void *unused)
{
	__atomic_store_n(&dekker.y, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	dekker.seen_x = __atomic_load_n(&dekker.x, __ATOMIC_RELAXED);
}

static void order_checks(void)
{
	unsigned both_zero = 0;

	on_cpu_async(1, receive_messages, NULL);
	for (u64 i = 1; i <= SMP_ORDER_ROUNDS; i++) {
		__atomic_store_n(&message.data, i, __ATOMIC_RELAXED);
		__atomic_store_n(&message.flag, i, __ATOMIC_RELEASE);
	}
	on_cpu_wait(1);
	report_equal(message.bad, 0, "who acquires a flag sees the data that were written before its release");

	for (unsigned i = 0; i < SMP_FENCE_ROUNDS; i++) {
		dekker.x = dekker.y = 0;
		on_cpu_async(1, store_y_load_x, NULL);
		__atomic_store_n(&dekker.x, 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		dekker.seen_y = __atomic_load_n(&dekker.y, __ATOMIC_RELAXED);
		on_cpu_wait(1);
		both_zero += dekker.seen_x == 0 && dekker.seen_y == 0;
	}
	report_equal(both_zero, 0, "with full fences a load does not pass an earlier store");
}

static u64 seen_value;

static void read_shared(void *unused)
{
	seen_value = *(volatile u64 *)TEST_BASE;
}

static void fence_shared(void *unused)
{
	translation_fence(TEST_BASE);
}

static void mapping_checks(void)
{
	u64 *first = page_alloc(), *second = page_alloc();

	*first = 0x1111;
	*second = 0x2222;
	map_page(TEST_BASE, (u64)first, PAGE_KERNEL);
	on_cpu(1, fence_shared, NULL);
	on_cpu(1, read_shared, NULL);
	report_equal(seen_value, 0x1111, "another CPU sees a new mapping");
	map_page(TEST_BASE, (u64)second, PAGE_KERNEL);
	on_cpu(1, fence_shared, NULL);
	on_cpu(1, read_shared, NULL);
	report_equal(seen_value, 0x2222, "after its fence it sees a changed one");
}
