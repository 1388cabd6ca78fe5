/* Numbers that C and assembly share. */
#pragma once

#define MAX_CPUS	8
#define CPU_STACK_SIZE	8192

/* Offsets in struct cpu and struct trap_frame, checked where they are declared. */
#define CPU_RECOVERY_SP	8
#define CPU_TRAP_SP	16
#define CPU_SCRATCH	24
#define FRAME_SEPC	256
#define FRAME_SSTATUS	264
#define FRAME_SCAUSE	272
#define FRAME_STVAL	280
#define FRAME_SIZE	288
