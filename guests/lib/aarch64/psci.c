#include "psci.h"

#include "fdt.h"
#include "string.h"

static const char *method;

bool psci_init(void)
{
	method = fdt_text(fdt_by_name("psci"), "method");
	return method;
}

const char *psci_method(void)
{
	return method;
}

s64 psci_call(u64 function, u64 a, u64 b, u64 c)
{
	register u64 x0 asm("x0") = function;
	register u64 x1 asm("x1") = a;
	register u64 x2 asm("x2") = b;
	register u64 x3 asm("x3") = c;

	if (method && !strcmp(method, "smc"))
		asm volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory", "x4", "x5", "x6", "x7");
	else
		asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory", "x4", "x5", "x6", "x7");
	/* 32-bit functions return 32 bits. */
	return function & BIT(30) ? (s64)x0 : (s32)x0;
}

struct smccc_result smccc_hvc(u64 function)
{
	register u64 x0 asm("x0") = function;
	register u64 x1 asm("x1") = 0;
	register u64 x2 asm("x2") = 0;
	register u64 x3 asm("x3") = 0;

	asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory", "x4", "x5", "x6", "x7");
	return (struct smccc_result){{x0, x1, x2, x3}};
}
