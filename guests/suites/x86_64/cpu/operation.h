/* One instruction as a function on registers: what the arithmetic cases' tables hold. */
#pragma once

#include "processor.h"

/* RAX, RCX and RDX as they go in and come out; flags: RFLAGS before and, of the status flags, after. */
struct operands {
	u64 rax, rcx, rdx, flags;
};

typedef void (*operation)(struct operands *);

#define OPERATION(name, instruction)                                                                                                        \
	static void name(struct operands *o)                                                                                                \
	{                                                                                                                                   \
		u64 flags = o->flags | RFLAGS_FIXED;                                                                                        \
		asm volatile("pushq %3\n\tpopfq\n\t" instruction "\n\tpushfq\n\tpopq %3"                                                    \
			     : "+a"(o->rax), "+c"(o->rcx), "+d"(o->rdx), "+S"(flags)                                                        \
			     :                                                                                                              \
			     : "cc", "memory");                                                                                             \
		o->flags = flags & RFLAGS_STATUS;                                                                                           \
	}

/* The four operand sizes of "op destination, source" and of "op destination". */
#define OPERATION_BINARY(op)                                                                                                                \
	OPERATION(op##8, #op "b %%cl, %%al")                                                                                                \
	OPERATION(op##16, #op "w %%cx, %%ax")                                                                                               \
	OPERATION(op##32, #op "l %%ecx, %%eax")                                                                                             \
	OPERATION(op##64, #op "q %%rcx, %%rax")
#define OPERATION_UNARY(op)                                                                                                                 \
	OPERATION(op##8, #op "b %%al")                                                                                                      \
	OPERATION(op##16, #op "w %%ax")                                                                                                     \
	OPERATION(op##32, #op "l %%eax")                                                                                                    \
	OPERATION(op##64, #op "q %%rax")

/* Short names for tables. */
enum {
	CF = RFLAGS_CF,
	PF = RFLAGS_PF,
	AF = RFLAGS_AF,
	ZF = RFLAGS_ZF,
	SF = RFLAGS_SF,
	OF = RFLAGS_OF,
};
