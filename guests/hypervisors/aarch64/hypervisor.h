/* EL2: registers' bits (Arm Architecture Reference Manual, DDI 0487, chapter D17) and the switch to EL1 and back. */
#pragma once

#include "sysreg.h"

#define PAYLOAD_ADDRESS 0x44000000ull

#define HCR_VM BIT(0)
#define HCR_TSC BIT(19)
#define HCR_RW BIT(31)
#define HCR_APK BIT(40)
#define HCR_API BIT(41)

/* ISS of a data abort with a valid syndrome (ESR_EL2). */
#define ISS_ISV BIT(24)
#define ISS_SAS(iss) ((iss) >> 22 & 3)
#define ISS_SSE BIT(21)
#define ISS_SRT(iss) ((iss) >> 16 & 31)
#define ISS_SF BIT(15)

/* L2's registers while L1 runs. */
struct l2 {
	u64 x[31];
	u64 host_sp;
};

/* Runs L2 until it comes to EL2; which is told by the vector, 8 for a synchronous exception of the lower level. */
u64 l2_enter(struct l2 *l2);
