/* The least that every other image needs: supervisor mode, paging, console, result lines, an exception and its recovery. */
#include "cpu.h"
#include "environment.h"
#include "paging.h"
#include "platform.h"
#include "report.h"
#include "sbi.h"
#include "string.h"
#include "waiting.h"

/* The SBI implementation ID that the hypervisor in guests/hypervisors answers with; the specification gives out small numbers only. */
#define GAUNTLET_L1_ID 0x4c314c31

static u64 bss_word;
static u64 data_word = 0x0123456789abcdef;

static void illegal(u64 unused)
{
	asm volatile("unimp");
}

static u64 add_one(u64 value)
{
	return value + 1;
}

int main(int argc, char **argv)
{
	struct fault fault;
	char value[8];

	/* Privileged Architecture, section 4.1.11. */
	report_equal(csr_read(satp) >> 60, 8, "satp says Sv39");
	/* Section 4.1.1: UXL 2 is 64 bits. */
	report_equal((csr_read(sstatus) & SSTATUS_UXL) >> 32, 2, "sstatus says that user mode has 64 bits");

	/* ELF: what a segment has in memory beyond its file is zero; the rest is as in the file. */
	report_equal(bss_word, 0, "uninitialized data is zero");
	report_equal(data_word, 0x0123456789abcdef, "initialized data is loaded");

	/* Table 4.2, and section 4.1.7: sepc is the address of the instruction. UNIMP is 16 bits of zeros. */
	report_equal((u64)catch_fault(illegal, 0, &fault), CAUSE_ILLEGAL_INSTRUCTION, "UNIMP raises an illegal-instruction exception");
	report_equal(*(u16 *)fault.frame.sepc, 0, "sepc points at UNIMP");
	report(fault.frame.sstatus & SSTATUS_SPP, "sstatus.SPP says that it came from supervisor mode");
	report(run_user(add_one, 41, &fault) == NO_FAULT && fault.value == 42, "code runs in user mode and comes back");
	report(sbi_call(SBI_BASE, SBI_BASE_SPEC_VERSION, 0, 0, 0, 0).value >= 2, "SBI is of version 0.2 at least");
	report(counter_hz() >= 1000000, "the time counter runs at 1 MHz at least");

	for (int i = 1; i < argc; i++)
		report_info("argument %d: %s", i, argv[i]);
	if (argc > 1 && !strcmp(argv[1], "arguments"))
		report(argc == 3 && !strcmp(argv[2], "second"), "the command line arrives split at spaces");
	if (argc > 1 && !strcmp(argv[1], "nested"))
		report_equal((u64)sbi_call(SBI_BASE, SBI_BASE_IMPLEMENTATION_ID, 0, 0, 0, 0).value, GAUNTLET_L1_ID, "a hypervisor of ours answers: this guest runs nested");
	if (environment_get("QEMU_ACCEL", value, sizeof(value)))
		report_info("accelerator: %s", value);
	return report_summary();
}
