/* Pieces of code that are expected to fault at one known instruction. */
#pragma once

#include "report.h"
#include "trap.h"

/*
 * A function for catch_fault: the preparation, then the one instruction that is to fault, whose address is in R10. Its argument is in RDI; RAX, RCX
 * and RDX are free.
 */
#define SNIPPET(name, preparation, instruction)                                                                                             \
	static void name(u64 argument)                                                                                                      \
	{                                                                                                                                   \
		asm volatile(preparation "\n\tleaq 1f(%%rip), %%r10\n1:\t" instruction                                                      \
			     :                                                                                                              \
			     : "D"(argument)                                                                                                \
			     : "rax", "rcx", "rdx", "rsi", "r10", "r11", "cc", "memory");                                                   \
	}

/* The same for run_user; it returns 0. */
#define USER_SNIPPET(name, preparation, instruction)                                                                                        \
	static u64 name(u64 argument)                                                                                                       \
	{                                                                                                                                   \
		asm volatile(preparation "\n\tleaq 1f(%%rip), %%r10\n1:\t" instruction                                                      \
			     :                                                                                                              \
			     : "D"(argument)                                                                                                \
			     : "rax", "rcx", "rdx", "rsi", "r10", "r11", "cc", "memory");                                                   \
		return 0;                                                                                                                   \
	}

/* Whether the vector and its error code are as expected and the saved RIP points at the instruction; tells what was found if not. */
static inline bool is_fault(const struct fault *fault, int vector, u64 error_code)
{
	if (fault->vector == vector && fault->frame.error_code == error_code && fault->frame.rip == fault->frame.r10)
		return true;
	if (fault->vector == NO_FAULT)
		report_info("no fault, expected vector %d", vector);
	else
		report_info("vector %d, error code 0x%lx, RIP at instruction + %ld; expected vector %d, error code 0x%lx", fault->vector,
			    fault->frame.error_code, (s64)(fault->frame.rip - fault->frame.r10), vector, error_code);
	return false;
}

static inline bool faults(void (*code)(u64), u64 argument, int vector, u64 error_code)
{
	struct fault fault;

	catch_fault(code, argument, &fault);
	return is_fault(&fault, vector, error_code);
}

static inline bool user_faults(u64 (*code)(u64), u64 argument, int vector, u64 error_code)
{
	struct fault fault;

	run_user(code, argument, 0, &fault);
	return is_fault(&fault, vector, error_code);
}
