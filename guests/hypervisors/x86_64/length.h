/*
 * The length of the instruction that L2 left with, for processors that do not tell the next RIP (CPUID 8000_000AH, EDX.NRIPS; QEMU 7.2 is one).
 */
#pragma once

#include "svm.h"

/* Bytes of an instruction with a two-byte opcode and no operands (CPUID), with its prefixes. Ends the L1 when there is another instruction. */
unsigned instruction_length(const struct vmcb *vmcb, u8 opcode);
