/* The other CPUs: started, and given work. */
#pragma once

#include "types.h"

/* CPUs that the machine has, not more than MAX_CPUS. */
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

/* The loop of the CPUs that wait for work; interrupts are enabled only while they sleep. */
_Noreturn void smp_work(void);

/* Waits until CPUs 1 to count - 1 are online; ends the test when they do not come. */
void smp_wait_online(u32 count);

/* The architecture's part: gets CPU index out of its sleep; lets this CPU be got out of it, and puts it online. */
void smp_wake(u32 index);
void smp_enter(void);
