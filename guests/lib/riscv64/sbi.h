/* Calls of the RISC-V Supervisor Binary Interface (1.0.0). */
#pragma once

#include "types.h"

enum {
	SBI_BASE = 0x10,
	SBI_BASE_SPEC_VERSION = 0,
	SBI_BASE_IMPLEMENTATION_ID = 1,
	SBI_BASE_IMPLEMENTATION_VERSION = 2,
	SBI_BASE_PROBE_EXTENSION = 3,
	SBI_BASE_MVENDORID = 4,

	SBI_TIMER = 0x54494d45,
	SBI_TIMER_SET = 0,

	SBI_IPI = 0x735049,
	SBI_IPI_SEND = 0,

	SBI_RFENCE = 0x52464e43,
	SBI_RFENCE_FENCE_I = 0,
	SBI_RFENCE_SFENCE_VMA = 1,

	SBI_HSM = 0x48534d,
	SBI_HSM_START = 0,
	SBI_HSM_STOP = 1,
	SBI_HSM_STATUS = 2,
	SBI_HSM_STARTED = 0,
	SBI_HSM_STOPPED = 1,

	SBI_SRST = 0x53525354,
	SBI_SRST_RESET = 0,
	SBI_SRST_SHUTDOWN = 0,
};

enum {
	SBI_SUCCESS = 0,
	SBI_ERR_FAILED = -1,
	SBI_ERR_NOT_SUPPORTED = -2,
	SBI_ERR_INVALID_PARAM = -3,
	SBI_ERR_ALREADY_AVAILABLE = -6,
};

struct sbi_result {
	s64 error, value;
};

static inline struct sbi_result sbi_call(u64 extension, u64 function, u64 a, u64 b, u64 c, u64 d)
{
	register u64 a0 asm("a0") = a;
	register u64 a1 asm("a1") = b;
	register u64 a2 asm("a2") = c;
	register u64 a3 asm("a3") = d;
	register u64 a6 asm("a6") = function;
	register u64 a7 asm("a7") = extension;

	asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
	return (struct sbi_result){(s64)a0, (s64)a1};
}
