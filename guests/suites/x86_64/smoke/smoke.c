/* The least that every other image needs: long mode, console, result lines, a trap and its recovery. */
#include "environment.h"
#include "platform.h"
#include "processor.h"
#include "report.h"
#include "string.h"
#include "trap.h"

static u64 bss_word;
static u64 data_word = 0x0123456789abcdef;

static void undefined(u64 unused)
{
	(void)unused;
	asm volatile("ud2");
}

/* The hypervisor in guests/hypervisors says its name in the first of the leaves that processors leave to hypervisors (SDM volume 2, CPUID, leaf 4000_0000H). */
static void level_2(void)
{
	struct cpuid name = cpuid(0x40000000, 0);

	report(has(CPUID_HYPERVISOR) && name.ebx == 0x6e756147 && name.ecx == 0x74656c74 && name.edx == 0x2020314c, "a hypervisor of ours answers: this guest runs nested");
	report(!(cpuid(0x80000001, 0).ecx >> 2 & 1), "it has no SVM of its own");
}

int main(int argc, char **argv)
{
	struct fault fault;
	char value[8];

	/* SDM volume 3, section 2.2.1: LMA is set by the processor once paging is on with LME. */
	report((rdmsr(MSR_EFER) & (EFER_LME | EFER_LMA)) == (EFER_LME | EFER_LMA), "EFER says that long mode is active");
	report((read_cr0() & (CR0_PE | CR0_PG)) == (CR0_PE | CR0_PG), "CR0 says protected mode and paging");

	/* ELF: what a segment has in memory beyond its file is zero; the rest is as in the file. */
	report_equal(bss_word, 0, "uninitialized data is zero");
	report_equal(data_word, 0x0123456789abcdef, "initialized data is loaded");

	/* SDM volume 2, UD: #UD, a fault: RIP points at the two-byte instruction. */
	report(catch_fault(undefined, 0, &fault) == VECTOR_UD, "UD2 raises vector 6");
	report_equal(*(u16 *)fault.frame.rip, 0x0b0f, "the saved RIP points at UD2");
	report_equal(fault.frame.cs, KERNEL_CS, "the saved CS is the kernel's");

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
