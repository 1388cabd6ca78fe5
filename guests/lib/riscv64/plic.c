#include "plic.h"

#include "cpu.h"
#include "fdt.h"
#include "mmio.h"
#include "report.h"

static u64 base;
static u32 contexts[MAX_CPUS];

/* The CPU whose interrupt controller has a phandle. */
static int cpu_of(u32 phandle)
{
	u32 controller = 0;

	for (int node = FDT_NONE; (node = fdt_by_device_type(node, "cpu")) != FDT_NONE;) {
		int below = fdt_by_compatible(node, "riscv,cpu-intc");
		u64 hart = fdt_number(node, "reg", 0);

		controller = fdt_cell(below, "phandle", 0, 0);
		for (int i = 0; controller == phandle && i < MAX_CPUS; i++)
			if (cpus[i].hart == hart && (i == 0 || cpus[i].index))
				return i;
	}
	return -1;
}

void plic_init(void)
{
	int node = fdt_by_compatible(FDT_NONE, "riscv,plic0");
	u64 size;

	if (!fdt_reg(node, 0, &base, &size))
		abort_test("the device tree names no PLIC");
	/* Pairs of a hart's interrupt controller and the interrupt there: 9 for supervisor mode, 11 for machine mode. */
	for (u32 context = 0;; context++) {
		u32 phandle = fdt_cell(node, "interrupts-extended", 2 * context, 0);
		int cpu;

		if (!phandle)
			break;
		if (fdt_cell(node, "interrupts-extended", 2 * context + 1, 0) == INTERRUPT_EXTERNAL && (cpu = cpu_of(phandle)) >= 0)
			contexts[cpu] = context;
	}
}

u64 plic_base(void)
{
	return base;
}

u32 plic_context(u32 cpu)
{
	return contexts[cpu];
}

void plic_set_priority(u32 source, u32 priority)
{
	mmio_write32(base + PLIC_PRIORITY(source), priority);
}

bool plic_is_pending(u32 source)
{
	return mmio_read32(base + PLIC_PENDING(source)) >> source % 32 & 1;
}

void plic_enable(u32 cpu, u32 source, bool on)
{
	u64 at = base + PLIC_ENABLE(contexts[cpu], source);
	u32 bit = 1u << source % 32;

	mmio_write32(at, on ? mmio_read32(at) | bit : mmio_read32(at) & ~bit);
}

void plic_set_threshold(u32 cpu, u32 threshold)
{
	mmio_write32(base + PLIC_THRESHOLD(contexts[cpu]), threshold);
}

u32 plic_claim(void)
{
	return mmio_read32(base + PLIC_CLAIM(contexts[this_cpu()->index]));
}

void plic_complete(u32 source)
{
	mmio_write32(base + PLIC_CLAIM(contexts[this_cpu()->index]), source);
}
