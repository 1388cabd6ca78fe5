/*
 * Exceptions and interrupts: handlers by interrupt ID, and running a piece of code that is expected to fault.
 *
 *	static void undefined(u64 unused) { asm volatile("udf #0"); }
 *	struct fault fault;
 *	report(catch_fault(undefined, 0, &fault) == EC_UNKNOWN, "UDF raises an exception with EC 0");
 */
#pragma once

#include "types.h"

/* What the entry code keeps. */
struct trap_frame {
	u64 x[31];
	u64 sp_el0;
	u64 elr, spsr, esr, far;
	u64 vector; /* entry of the vector table, 0 to 15 (Arm ARM, table D1-7) */
	u64 padding;
};

enum {
	VECTOR_CURRENT_SP0 = 0,
	VECTOR_CURRENT_SPX = 4,
	VECTOR_LOWER_A64 = 8,
	VECTOR_SYNCHRONOUS = 0, /* added to the above */
	VECTOR_IRQ = 1,
	VECTOR_FIQ = 2,
	VECTOR_SERROR = 3,
};

struct fault {
	struct trap_frame frame;
	u64 value; /* X0 when user code returned without a fault */
	int class; /* ESR_EL1.EC, or NO_FAULT */
};

#define NO_FAULT (-1)

typedef void (*interrupt_handler)(u32 id);

/* Sets the handler of an interrupt ID below INTERRUPTS_MAX on all CPUs, or takes it away with NULL. It is called between acknowledge and end of interrupt. */
#define INTERRUPTS_MAX 128
void trap_set_interrupt(u32 id, interrupt_handler handler);

/*
 * Calls code(argument) and returns the exception class that it raised, or NO_FAULT when it returned. Callee-saved registers and the stack are put back, PSTATE.DAIF is all
 * masked after a fault; system registers are the caller's to restore. Does not nest.
 */
int catch_fault(void (*code)(u64), u64 argument, struct fault *fault);

/*
 * The same at EL0, on a small stack of its own, with PSTATE as given (the mode is EL0t). The code runs at an alias of the image that is open to EL0 (paging.h), and may call
 * nothing that is not there too. What it returns in X0 is fault->value.
 */
int run_user(u64 (*code)(u64), u64 argument, u64 pstate, struct fault *fault);

/* Set up by start-up: this CPU's VBAR_EL1. */
void trap_load(void);
