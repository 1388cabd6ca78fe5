/* What each CPU keeps, behind its TPIDR_EL1. */
#pragma once

#include "layout.h"
#include "sysreg.h"
#include "trap.h"

struct cpu {
	struct cpu *self;
	u64 recovery_sp; /* 0: no fault is expected */
	struct fault *fault;
	u64 mpidr; /* affinity fields only */
	u32 index; /* 0 is the boot CPU; the others by their place in the device tree */
	bool online;
	/* Work handed over by on_cpu: taken when it is set, cleared when it is done. */
	void (*volatile work)(void *);
	void *work_argument;
};

_Static_assert(offsetof(struct cpu, recovery_sp) == CPU_RECOVERY_SP, "assembly uses the offset");

extern struct cpu cpus[MAX_CPUS];

/* Reads the CPUs from the device tree. */
void smp_init(void);

static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;

	asm volatile("mrs %0, tpidr_el1" : "=r"(cpu));
	return cpu;
}

#define MPIDR_AFFINITY 0xff00ffffffull

static inline void interrupts_enable(void)
{
	asm volatile("msr daifclr, #2" : : : "memory");
	isb();
}

static inline void interrupts_disable(void)
{
	asm volatile("msr daifset, #2" : : : "memory");
	isb();
}

/* Sleeps until an interrupt is pending, takes it, and comes back with interrupts off. */
static inline void interrupts_wait(void)
{
	asm volatile("wfi" : : : "memory");
	interrupts_enable();
	interrupts_disable();
}
