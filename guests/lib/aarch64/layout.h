/* Numbers that C and assembly share. */
#pragma once

#define MAX_CPUS	8
#define CPU_STACK_SIZE	8192

/* Offsets in struct cpu and struct trap_frame, checked where they are declared. */
#define CPU_RECOVERY_SP	8
#define FRAME_SP_EL0	248
#define FRAME_ELR	256
#define FRAME_ESR	272
#define FRAME_VECTOR	288
#define FRAME_SIZE	304
