/*
 * Exceptions and interrupts: handlers by vector, and running a piece of code that is expected to fault.
 *
 *	static void divide(u64 unused) { asm volatile("xor %%ecx, %%ecx; divl %%ecx" ...); }
 *	struct fault fault;
 *	report(catch_fault(divide, 0, &fault) == VECTOR_DE, "a division by zero raises #DE");
 */
#pragma once

#include "processor.h"

/* What the entry code pushes, lowest address first; the processor pushes the part from error_code on (SDM volume 3, section 6.14.2). */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rdx, rcx, rbx, rax;
	u64 vector;
	u64 error_code; /* 0 where the exception has none */
	u64 rip, cs, rflags, rsp, ss;
};

struct fault {
	struct trap_frame frame;
	u64 frame_address; /* where it was pushed */
	u64 cr2; /* as the handler found it */
	u64 value; /* RAX when user code returned without a fault */
	int vector; /* or NO_FAULT */
};

#define NO_FAULT (-1)

typedef void (*trap_handler)(struct trap_frame *);

/* Sets the handler of a vector on all CPUs, or takes it away with NULL. A handler sees the frame by reference and may change it. */
void trap_set_handler(u8 vector, trap_handler handler);

/* The stack that a vector is handled on: 0 the current one, or one of TSS.IST 1 to 3 (SDM volume 3, section 6.14.5). */
void trap_set_ist(u8 vector, unsigned ist);

/* Descriptor privilege level of a vector's gate, and whether it is present. The gates as set up are present with DPL 0. */
void trap_set_gate(u8 vector, unsigned dpl, bool present);

/*
 * Calls code(argument) and returns the vector that it raised, or NO_FAULT when it returned. A vector with a handler of its own does not count.
 * Callee-saved registers, RFLAGS and the stack are put back; control and segment registers are the caller's to restore. Does not nest.
 */
int catch_fault(void (*code)(u64), u64 argument, struct fault *fault);

/*
 * The same in ring 3, on a small stack of its own; RFLAGS as given (RFLAGS_IF off keeps interrupts away). The image is open to user mode as it is
 * mapped at the start. What the code returns in RAX is fault->value.
 */
int run_user(u64 (*code)(u64), u64 argument, u64 rflags, struct fault *fault);

/* Set up by start-up: the gates, and this CPU's table register. */
void trap_init(void);
void trap_load(void);
