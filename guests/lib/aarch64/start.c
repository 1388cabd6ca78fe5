/* Start-up in C: the boot CPU goes to main, the others to their work. */
#include "arguments.h"
#include "console.h"
#include "cpu.h"
#include "environment.h"
#include "fdt.h"
#include "gic.h"
#include "paging.h"
#include "platform.h"
#include "printf.h"
#include "psci.h"
#include "report.h"
#include "smp.h"
#include "timeout.h"
#include "virtio_mmio.h"

enum {
	CONSOLE_TRANSMIT_QUEUE = 1, /* port 0's (Virtual I/O Device 1.2, section 5.3.2) */
	EXIT_TIMEOUT_MS = 2000,
};

extern u64 boot_fdt;
void cpu_start(u32 index);

/* kvm-unit-tests' way to a VMM's process status: the text "3q" on a virtio console ends QEMU's character device "testdev" with status (3 << 1) | 1. */
static void exit_by_console(int code)
{
	struct virtio_device device;
	char text[16];
	u32 length;
	struct virtio_buffer buffer = {.data = text, .size = (u32)snprintf(text, sizeof(text), "%dq", code)};

	if (!virtio_find(&device, VIRTIO_ID_CONSOLE, 1) || !virtio_start(&device, 0, 2))
		return;
	virtio_submit(&device, CONSOLE_TRANSMIT_QUEUE, &buffer, 1);
	wait_until(virtio_used(&device, CONSOLE_TRANSMIT_QUEUE, &length), EXIT_TIMEOUT_MS);
}

void exit(int code)
{
	printf("\nEXIT: STATUS=%d\n", code << 1 | 1);
	exit_by_console(code);
	psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
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
	if (!psci_init())
		abort_test("the device tree has no /psci");
	smp_init();
	chosen = fdt_by_name("chosen");
	start = fdt_number(chosen, "linux,initrd-start", 0);
	end = fdt_number(chosen, "linux,initrd-end", 0);
	if (start < end)
		environment_init((const char *)start, end - start);
	return arguments_split("guest", fdt_text(chosen, "bootargs"), argv);
}

/* From start.S, on each CPU. */
void cpu_start(u32 index)
{
	struct cpu *cpu = &cpus[index];
	char **argv;
	int argc;

	cpu->self = cpu;
	cpu->index = index;
	write_sysreg(tpidr_el1, (u64)cpu);
	trap_load();
	paging_init();
	if (index) {
		gic_init_cpu();
		smp_work();
	}
	argc = read_device_tree(&argv);
	gic_init();
	gic_init_cpu();
	cpu->online = true;
	exit(main(argc, argv));
}
