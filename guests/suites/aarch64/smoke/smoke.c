/* The least that every other image needs: EL1, the MMU, console, result lines, an exception and its recovery. */
#include "cpu.h"
#include "environment.h"
#include "paging.h"
#include "platform.h"
#include "psci.h"
#include "report.h"
#include "string.h"
#include "waiting.h"

static u64 bss_word;
static u64 data_word = 0x0123456789abcdef;

static void undefined(u64 unused)
{
	asm volatile("udf #0");
}

static u64 add_one(u64 value)
{
	return value + 1;
}

/* The hypervisor in guests/hypervisors answers the call UID of SMCCC (DEN 0028, section 6.2) with a text; nothing else does. */
static void call_hypervisor(u64 result)
{
	*(struct smccc_result *)result = smccc_hvc(SMCCC_HYPERVISOR_UID);
}

static void level_2(void)
{
	static const u32 expected[] = {0x6e756147, 0x74656c74, 0x20314c20, 0x324c4520};
	struct smccc_result result = {0};
	struct fault fault;
	bool same = catch_fault(call_hypervisor, (u64)&result, &fault) == NO_FAULT;

	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
		same &= result.x[i] == expected[i];
	report(same, "a hypervisor of ours answers: this guest runs nested");
}

int main(int argc, char **argv)
{
	struct fault fault;
	char value[8];

	/* Arm ARM, CurrentEL: bits 3 and 2. */
	report_equal(read_sysreg(currentel) >> 2, 1, "CurrentEL says EL1");
	report_equal(read_sysreg(sctlr_el1) & (SCTLR_M | SCTLR_C | SCTLR_I), SCTLR_M | SCTLR_C | SCTLR_I, "SCTLR_EL1 says MMU and caches on");

	/* ELF: what a segment has in memory beyond its file is zero; the rest is as in the file. */
	report_equal(bss_word, 0, "uninitialized data is zero");
	report_equal(data_word, 0x0123456789abcdef, "initialized data is loaded");

	/* Arm ARM, UDF: an undefined instruction has EC 0, and the preferred return address is its own (section D1.3.2). */
	report_equal((u64)catch_fault(undefined, 0, &fault), EC_UNKNOWN, "UDF raises an exception of class 0");
	report_equal(*(u32 *)fault.frame.elr, 0, "ELR_EL1 points at UDF");
	report_equal(fault.frame.vector, VECTOR_CURRENT_SPX, "it comes through the vector of the current level with SP_EL1");
	report(run_user(add_one, 41, PSR_DAIF, &fault) == NO_FAULT && fault.value == 42, "code runs at EL0 and comes back");
	report(psci_call(PSCI_VERSION, 0, 0, 0) >= 2, "PSCI is of version 0.2 at least");
	report(counter_hz() >= 1000000, "CNTFRQ_EL0 tells the counter's frequency, 1 MHz at least");

	for (int i = 1; i < argc; i++)
		report_info("argument %d: %s", i, argv[i]);
	if (argc > 1 && !strcmp(argv[1], "arguments"))
		report(argc == 3 && !strcmp(argv[2], "second"), "the command line arrives split at spaces");
	if (argc > 1 && !strcmp(argv[1], "nested"))
		level_2();
	if (environment_get("QEMU_ACCEL", value, sizeof(value)))
		report_info("accelerator: %s", value);
	return report_summary();
}
