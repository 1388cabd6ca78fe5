/* Interrupts as they come: handlers that only keep an order of vectors, for tests to look at. */
#pragma once

#include "processor.h"
#include "trap.h"

#define TAKEN_MAX 16

static struct {
	volatile u32 count;
	volatile u8 vectors[TAKEN_MAX];
} taken;

/* Runs in the handler after the vector is kept; a test's end of interrupt. */
static void (*taken_action)(u8 vector);

static inline void take(struct trap_frame *frame)
{
	if (taken.count < TAKEN_MAX)
		taken.vectors[taken.count] = (u8)frame->vector;
	taken.count++;
	if (taken_action)
		taken_action((u8)frame->vector);
}

static inline void taken_start(u8 first, u8 last, void (*action)(u8 vector))
{
	taken.count = 0;
	taken_action = action;
	for (unsigned vector = first; vector <= last; vector++)
		trap_set_handler((u8)vector, take);
}

/* Exactly one interrupt since the start, of this vector. */
static inline bool taken_once(u8 vector)
{
	return taken.count == 1 && taken.vectors[0] == vector;
}

/* Two, in this order. */
static inline bool taken_both(u8 first, u8 second)
{
	return taken.count == 2 && taken.vectors[0] == first && taken.vectors[1] == second;
}
