/* Start-up in C: the boot hart goes to main, the others to their work. */
#include "arguments.h"
#include "console.h"
#include "cpu.h"
#include "environment.h"
#include "fdt.h"
#include "mmio.h"
#include "paging.h"
#include "platform.h"
#include "plic.h"
#include "printf.h"
#include "report.h"
#include "sbi.h"
#include "smp.h"
#include "timer.h"

/* The test finisher of SiFive's boards: a write of this powers off. */
#define FINISHER_PASS 0x5555

extern u64 boot_fdt, boot_hart;
void cpu_start(u32 index);

/* kvm-unit-tests' way on RISC-V: the status is on the console, the process's is 0 in any case. */
void exit(int code)
{
	u64 address, size;

	printf("\nEXIT: STATUS=%d\n", code << 1 | 1);
	if (fdt_reg(fdt_by_compatible(FDT_NONE, "sifive,test0"), 0, &address, &size))
		mmio_write32(address, FINISHER_PASS);
	sbi_call(SBI_SRST, SBI_SRST_RESET, SBI_SRST_SHUTDOWN, 0, 0, 0);
	for (;;)
		asm volatile("wfi");
}

static int read_device_tree(char ***argv)
{
	int chosen;
	u64 start, end;

	if (!fdt_init((const void *)boot_fdt))
		abort_test("no device tree at 0x%lx", boot_fdt);
	console_init();
	timer_init();
	smp_init(boot_hart);
	plic_init();
	chosen = fdt_by_name("chosen");
	start = fdt_number(chosen, "linux,initrd-start", 0);
	end = fdt_number(chosen, "linux,initrd-end", 0);
	if (start < end)
		environment_init((const char *)start, end - start);
	return arguments_split("guest", fdt_text(chosen, "bootargs"), argv);
}

/* From start.S, on each hart. */
void cpu_start(u32 index)
{
	struct cpu *cpu = &cpus[index];
	char **argv;
	int argc;

	cpu->self = cpu;
	asm volatile("mv tp, %0; csrw sscratch, tp" : : "r"(cpu) : "memory");
	csr_clear(sstatus, SSTATUS_SIE | SSTATUS_SUM | SSTATUS_MXR);
	csr_set(sstatus, SSTATUS_FS_INITIAL);
	trap_load();
	paging_init();
	if (index)
		smp_work();
	cpu->hart = boot_hart;
	argc = read_device_tree(&argv);
	cpu->online = true;
	exit(main(argc, argv));
}
