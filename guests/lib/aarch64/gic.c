#include "gic.h"

#include "cpu.h"
#include "fdt.h"
#include "mmio.h"
#include "report.h"

enum {
	/* GICv2's CPU interface. */
	GICC_CTLR = 0x00,
	GICC_PMR = 0x04,
	GICC_BPR = 0x08,
	GICC_IAR = 0x0c,
	GICC_EOIR = 0x10,
	GICC_RPR = 0x14,

	/* GICv3's redistributor: two frames of 64 KiB for each CPU. */
	GICR_TYPER = 0x08,
	GICR_WAKER = 0x14,
	GICR_FRAME = 0x10000,
	GICR_STRIDE = 0x20000,
	GICR_WAKER_PROCESSOR_SLEEP = 2,
	GICR_WAKER_CHILDREN_ASLEEP = 4,
	GICR_TYPER_LAST = 1 << 4,

	GICD_CTLR_GROUPS = 3, /* EnableGrp0, EnableGrp1 */
	GICD_CTLR_ARE = 1 << 4,
};

static u32 version;
static u64 distributor, cpu_interface, redistributors;
static u64 redistributor[MAX_CPUS];
static u8 interface_bit[MAX_CPUS]; /* GICv2: as GICD_ITARGETSR names CPUs */

u32 gic_version(void)
{
	return version;
}

u64 gic_distributor(void)
{
	return distributor;
}

u64 gic_bank(u32 id)
{
	return version == 3 && id < GIC_SPI ? redistributor[this_cpu()->index] + GICR_FRAME : distributor;
}

void gic_init(void)
{
	int node = fdt_by_compatible(FDT_NONE, "arm,cortex-a15-gic");
	u64 size;

	version = 2;
	if (node == FDT_NONE) {
		node = fdt_by_compatible(FDT_NONE, "arm,gic-v3");
		version = 3;
	}
	if (!fdt_reg(node, 0, &distributor, &size) || !fdt_reg(node, 1, version == 2 ? &cpu_interface : &redistributors, &size))
		abort_test("the device tree names neither a GICv2 nor a GICv3");
	mmio_write32(distributor + GICD_CTLR, GICD_CTLR_GROUPS | (version == 3 ? GICD_CTLR_ARE : 0));
}

static u64 find_redistributor(void)
{
	u64 mpidr = read_sysreg(mpidr_el1);
	u32 affinity = (u32)(mpidr & 0xffffff) | (u32)(mpidr >> 32 & 0xff) << 24;

	for (u64 at = redistributors;; at += GICR_STRIDE) {
		if (mmio_read32(at + GICR_TYPER + 4) == affinity)
			return at;
		if (mmio_read32(at + GICR_TYPER) & GICR_TYPER_LAST)
			abort_test("no redistributor has this CPU's affinity 0x%x", affinity);
	}
}

static void init_redistributor(u64 base)
{
	mmio_write32(base + GICR_WAKER, mmio_read32(base + GICR_WAKER) & ~(u32)GICR_WAKER_PROCESSOR_SLEEP);
	while (mmio_read32(base + GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP)
		;
	/* All in group 1, which is signalled as IRQ and acknowledged by ICC_IAR1_EL1. */
	mmio_write32(base + GICR_FRAME + GICD_IGROUPR, 0xffffffff);
	write_sysreg(icc_sre_el1, read_sysreg(icc_sre_el1) | 1);
	write_sysreg(icc_bpr1_el1, 0);
	write_sysreg(icc_igrpen1_el1, 1);
}

void gic_init_cpu(void)
{
	u32 index = this_cpu()->index;

	if (version == 3) {
		redistributor[index] = find_redistributor();
		init_redistributor(redistributor[index]);
	} else {
		/* A banked register that holds the reader's own bit (IHI 0048, section 4.3.12); with one CPU it may read as zero. */
		interface_bit[index] = mmio_read8(distributor + GICD_ITARGETSR);
		mmio_write32(cpu_interface + GICC_BPR, 0);
		mmio_write32(cpu_interface + GICC_CTLR, 1);
	}
	gic_set_priority_mask(GIC_PRIORITY_LOWEST);
	for (u32 id = 0; id < GIC_SPI; id++)
		gic_set_priority(id, GIC_PRIORITY_DEFAULT);
}

static u64 bit_register(u32 offset, u32 id)
{
	return gic_bank(id) + offset + 4 * (id / 32);
}

static void set_bit(u32 offset, u32 id)
{
	mmio_write32(bit_register(offset, id), 1u << id % 32);
}

void gic_enable(u32 id)
{
	if (id >= GIC_SPI && version == 3) {
		u64 group = bit_register(GICD_IGROUPR, id);

		mmio_write32(group, mmio_read32(group) | 1u << id % 32);
	}
	if (id >= GIC_SPI)
		gic_set_target(id, 0);
	gic_set_priority(id, GIC_PRIORITY_DEFAULT);
	set_bit(GICD_ISENABLER, id);
}

void gic_disable(u32 id)
{
	set_bit(GICD_ICENABLER, id);
}

void gic_set_pending(u32 id)
{
	set_bit(GICD_ISPENDR, id);
}

void gic_clear_pending(u32 id)
{
	set_bit(GICD_ICPENDR, id);
}

bool gic_is_pending(u32 id)
{
	return mmio_read32(bit_register(GICD_ISPENDR, id)) >> id % 32 & 1;
}

bool gic_is_active(u32 id)
{
	return mmio_read32(bit_register(GICD_ISACTIVER, id)) >> id % 32 & 1;
}

void gic_set_priority(u32 id, u8 priority)
{
	mmio_write8(gic_bank(id) + GICD_IPRIORITYR + id, priority);
}

u8 gic_priority(u32 id)
{
	return mmio_read8(gic_bank(id) + GICD_IPRIORITYR + id);
}

void gic_set_priority_mask(u8 mask)
{
	if (version == 3)
		write_sysreg(icc_pmr_el1, mask);
	else
		mmio_write32(cpu_interface + GICC_PMR, mask);
}

u8 gic_running_priority(void)
{
	return (u8)(version == 3 ? read_sysreg(icc_rpr_el1) : mmio_read32(cpu_interface + GICC_RPR));
}

void gic_set_edge(u32 id, bool edge)
{
	u64 at = gic_bank(id) + GICD_ICFGR + 4 * (id / 16);
	u32 mask = 2u << 2 * (id % 16);

	mmio_write32(at, edge ? mmio_read32(at) | mask : mmio_read32(at) & ~mask);
}

void gic_set_target(u32 id, u32 cpu)
{
	u64 mpidr = cpus[cpu].mpidr;

	if (version == 2) {
		mmio_write8(distributor + GICD_ITARGETSR + id, interface_bit[cpu]);
		return;
	}
	mmio_write32(distributor + GICD_IROUTER + 8 * id, (u32)mpidr & 0xffffff);
	mmio_write32(distributor + GICD_IROUTER + 8 * id + 4, (u32)(mpidr >> 32));
}

void gic_send_sgi(u32 cpu, u32 id)
{
	u64 mpidr = cpus[cpu].mpidr;

	/* What was written before is seen by who takes the interrupt. */
	dsb();
	if (version == 2)
		mmio_write32(distributor + GICD_SGIR, (u32)(interface_bit[cpu] ? interface_bit[cpu] : 1) << 16 | id);
	else
		write_sysreg(icc_sgi1r_el1, (mpidr >> 32 & 0xff) << 48 | (mpidr >> 16 & 0xff) << 32 | (u64)id << 24 | (mpidr >> 8 & 0xff) << 16 | BIT(mpidr & 0xf));
}

u32 gic_acknowledge(void)
{
	u32 id = version == 3 ? (u32)read_sysreg(icc_iar1_el1) : mmio_read32(cpu_interface + GICC_IAR);

	dsb();
	/* GICv2 tells the sender of an SGI in bits 12 to 10. */
	return id & (version == 3 ? 0xffffff : 0x3ff);
}

void gic_end(u32 id)
{
	if (version == 3)
		write_sysreg(icc_eoir1_el1, id);
	else
		mmio_write32(cpu_interface + GICC_EOIR, id);
}
