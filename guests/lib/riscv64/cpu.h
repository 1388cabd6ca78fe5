/* What each hart keeps, behind its tp register (in sscratch too, for traps from user mode). */
#pragma once

#include "csr.h"
#include "layout.h"
#include "trap.h"

struct cpu {
	struct cpu *self;
	u64 recovery_sp; /* 0: no fault is expected */
	u64 trap_sp; /* the stack for traps from user mode */
	u64 scratch; /* the entry code's */
	struct fault *fault;
	u64 hart; /* its ID */
	u32 index; /* 0 is the boot hart; the others by their place in the device tree */
	bool online;
	/* Work handed over by on_cpu: taken when it is set, cleared when it is done. */
	void (*volatile work)(void *);
	void *work_argument;
};

_Static_assert(offsetof(struct cpu, recovery_sp) == CPU_RECOVERY_SP && offsetof(struct cpu, trap_sp) == CPU_TRAP_SP && offsetof(struct cpu, scratch) == CPU_SCRATCH,
	       "assembly uses the offsets");

extern struct cpu cpus[MAX_CPUS];

/* Reads the harts from the device tree; boot is the ID of this one. */
void smp_init(u64 boot);

static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;

	asm volatile("mv %0, tp" : "=r"(cpu));
	return cpu;
}

static inline void interrupts_enable(void)
{
	csr_set(sstatus, SSTATUS_SIE);
}

static inline void interrupts_disable(void)
{
	csr_clear(sstatus, SSTATUS_SIE);
}

/* Sleeps until an interrupt that sie enables is pending, takes it, and comes back with interrupts off. */
static inline void interrupts_wait(void)
{
	asm volatile("wfi" : : : "memory");
	interrupts_enable();
	interrupts_disable();
}
