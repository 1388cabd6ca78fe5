/* What each CPU keeps, behind its GS base; the tables that its segment registers point to. */
#pragma once

#include "trap.h"

struct cpu {
	struct cpu *self;
	u64 recovery_rsp; /* 0: no fault is expected */
	struct fault *fault;
	u32 index; /* 0 is the boot CPU; the others by the order in which they started */
	u32 apic_id;
	bool online;
	/* Work handed over by on_cpu: taken when it is set, cleared when it is done. */
	void (*volatile work)(void *);
	void *work_argument;
};

_Static_assert(offsetof(struct cpu, recovery_rsp) == CPU_RECOVERY_RSP, "assembly uses the offset");

extern struct cpu cpus[MAX_CPUS];

static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;

	asm volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* A descriptor of 8 bytes (SDM volume 3, section 3.4.5); the TSS takes two (section 7.2.3). */
extern u64 gdt[GDT_SIZE / 8];

/* The task-state segment in 64-bit mode (SDM volume 3, figure 7-11). */
struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 io_map_base; /* beyond the segment's limit there is no I/O permission map: ring 3 may use no port */
} __attribute__((packed));

struct tss *this_tss(void);

/* Fills the two descriptor slots at selector with an available TSS and loads it into the task register. */
void load_tss(u16 selector, const struct tss *tss, u32 limit);

struct descriptor_pointer {
	u16 limit;
	u64 base;
} __attribute__((packed));

/* Gives this CPU its tables, stacks and control bits; index below MAX_CPUS. */
void cpu_init(u32 index);
