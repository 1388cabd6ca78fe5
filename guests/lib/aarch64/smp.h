/* The other CPUs: started, and given work. */
#pragma once

#include "types.h"

/* CPUs that the device tree names, not more than MAX_CPUS. */
u32 cpu_count(void);

/* Starts all other CPUs and waits for them; ends the test when they do not come. Returns the number of CPUs online. */
u32 smp_start(void);

/* Runs a function on CPU index (not this one), and waits for its end; ends the test when it does not come. */
void on_cpu(u32 index, void (*work)(void *), void *argument);

/* Lets it start, without waiting; and waits for CPU index to be done. */
void on_cpu_async(u32 index, void (*work)(void *), void *argument);
void on_cpu_wait(u32 index);

/* Runs a function on all CPUs at the same time, this one included, and waits for all. */
void on_all_cpus(void (*work)(void *), void *argument);

/* Reads the CPUs from the device tree. The loop of the CPUs that wait for work; interrupts are enabled only while they sleep. */
void smp_init(void);
_Noreturn void smp_work(void);
