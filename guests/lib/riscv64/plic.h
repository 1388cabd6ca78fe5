/* The platform-level interrupt controller (RISC-V Platform-Level Interrupt Controller Specification 1.0.0), as seen from each hart's supervisor-mode context. */
#pragma once

#include "types.h"

/* Offsets of registers; contexts are those of the device tree's "interrupts-extended". */
#define PLIC_PRIORITY(source) (4ull * (source))
#define PLIC_PENDING(source) (0x1000ull + 4 * ((source) / 32))
#define PLIC_ENABLE(context, source) (0x2000ull + 0x80 * (context) + 4 * ((source) / 32))
#define PLIC_THRESHOLD(context) (0x200000ull + 0x1000 * (context))
#define PLIC_CLAIM(context) (0x200004ull + 0x1000 * (context))

/* Finds it and every hart's context; ends the test when the tree names none. */
void plic_init(void);

u64 plic_base(void);

/* The supervisor-mode context of a CPU, by index. */
u32 plic_context(u32 cpu);

void plic_set_priority(u32 source, u32 priority);
bool plic_is_pending(u32 source);
void plic_enable(u32 cpu, u32 source, bool on);
void plic_set_threshold(u32 cpu, u32 threshold);

/* For this CPU: the source with the highest priority that is pending and enabled, 0 for none; and its completion. */
u32 plic_claim(void);
void plic_complete(u32 source);
