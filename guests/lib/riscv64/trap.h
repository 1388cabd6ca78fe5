/*
 * Traps: handlers of interrupts by their cause, and running a piece of code that is expected to fault.
 *
 *	static void illegal(u64 unused) { asm volatile("unimp"); }
 *	struct fault fault;
 *	report(catch_fault(illegal, 0, &fault) == CAUSE_ILLEGAL_INSTRUCTION, "UNIMP raises an illegal-instruction exception");
 */
#pragma once

#include "types.h"

/* What the entry code keeps. x[0] is unused. */
struct trap_frame {
	u64 x[32];
	u64 sepc, sstatus, scause, stval;
};

struct fault {
	struct trap_frame frame;
	u64 value; /* a0 when user code returned without a fault */
	int cause; /* scause, or NO_FAULT */
};

#define NO_FAULT (-1)

typedef void (*interrupt_handler)(void);

/* Sets the handler of an interrupt cause (INTERRUPT_SOFTWARE, …) on all harts, or takes it away with NULL. It has to make what interrupts cease. */
#define INTERRUPTS_MAX 16
void trap_set_interrupt(u32 cause, interrupt_handler handler);

/*
 * Calls code(argument) and returns the exception that it raised, or NO_FAULT when it returned. Callee-saved registers and the stack are put back, interrupts are off after a
 * fault; other registers are the caller's to restore. Does not nest.
 */
int catch_fault(void (*code)(u64), u64 argument, struct fault *fault);

/*
 * The same in user mode, on a small stack of its own. The code runs at an alias of the image that is open to user mode (paging.h), and may call nothing that is not there
 * too. What it returns in a0 is fault->value.
 */
int run_user(u64 (*code)(u64), u64 argument, struct fault *fault);

/* Set up by start-up: this hart's stvec. */
void trap_load(void);
