/*
 * The L1 hypervisor at EL2. L2 has this CPU's memory, interrupts and devices at their own addresses; what L1 keeps from it is its own memory, calls by SMC and HVC, and the
 * virtio transports, whose accesses it does for it. Arm Architecture Reference Manual (DDI 0487), chapters D1 and D8 (stage 2).
 */
#include "console.h"
#include "fdt.h"
#include "hypervisor.h"
#include "mmio.h"
#include "payload.h"
#include "platform.h"
#include "psci.h"
#include "report.h"
#include "virtio_mmio.h"

#define GIB (1ull << 30)
#define MIB2 (2ull << 20)
#define RAM_BASE GIB
#define RAM_END (3 * GIB)

/* Stage 2 descriptors: block, S2AP read and write, access flag, inner shareable; MemAttr normal write-back or device-nGnRnE. */
#define S2_BLOCK (BIT(0) | 3ull << 6 | 3ull << 8 | BIT(10))
#define S2_NORMAL (0xfull << 2)
#define S2_TABLE 3ull

/* VTCR_EL2: 39-bit addresses from level 1, write-back, inner shareable, 4 KiB, 40 bits out. */
#define VTCR (25ull | 1ull << 6 | 1ull << 8 | 1ull << 10 | 3ull << 12 | 2ull << 16 | BIT(31))

/* The machine's virtio transports; 2 MiB about them are trapped and forwarded. */
#define TRANSPORTS 0xa000000ull
#define TRANSPORT_SIZE 0x200ull

#define SPSR_EL1H_DAIF 0x3c5ull
#define VECTOR_LOWER_SYNCHRONOUS 8

enum {
	EXIT_SMC,
	EXIT_HVC,
	EXIT_MMIO,
};

extern u64 boot_fdt;
extern const u8 l1_vectors[];
_Noreturn void l1_main(u64 level);

static u64 top[512] __attribute__((aligned(4096)));
static u64 devices[512] __attribute__((aligned(4096)));
static u64 ram[512] __attribute__((aligned(4096)));
static struct l2 l2;

static void build_stage_2(void)
{
	for (u64 i = 0; i < 512; i++) {
		u64 memory = RAM_BASE + i * MIB2;

		if (i * MIB2 != TRANSPORTS)
			devices[i] = i * MIB2 | S2_BLOCK;
		if (memory + MIB2 <= l1_start() || memory >= l1_end())
			ram[i] = memory | S2_BLOCK | S2_NORMAL;
	}
	top[0] = (u64)devices | S2_TABLE;
	top[1] = (u64)ram | S2_TABLE;
	top[2] = 2 * GIB | S2_BLOCK | S2_NORMAL;
	write_sysreg(vtcr_el2, VTCR);
	write_sysreg(vttbr_el2, (u64)top);
	dsb();
	asm volatile("tlbi vmalls12e1" : : : "memory");
	dsb();
	isb();
}

static void prepare(u64 entry)
{
	build_stage_2();
	write_sysreg(vbar_el2, (u64)l1_vectors);
	/* Interrupts go to EL1 as they are (IMO and FMO clear). Pointer authentication, where there is any, is not trapped. */
	write_sysreg(hcr_el2, HCR_VM | HCR_TSC | HCR_RW | HCR_APK | HCR_API);
	write_sysreg(cnthctl_el2, 3);
	write_sysreg(cntvoff_el2, 0);
	write_sysreg(cptr_el2, 0x33ff);
	write_sysreg(hstr_el2, 0);
	write_sysreg(vpidr_el2, read_sysreg(midr_el1));
	write_sysreg(vmpidr_el2, read_sysreg(mpidr_el1));
	if (read_sysreg(id_aa64pfr0_el1) >> 24 & 0xf)
		write_sysreg(icc_sre_el2, read_sysreg(icc_sre_el2) | 9);
	/* EL1 starts with the MMU off. */
	write_sysreg(sctlr_el1, SCTLR_RES1);
	write_sysreg(elr_el2, entry);
	write_sysreg(spsr_el2, SPSR_EL1H_DAIF);
	l2.x[0] = boot_fdt;
}

/* DEN 0022, section 5: there is one vCPU, and it is on. */
static u64 power_call(u64 function)
{
	u64 self = read_sysreg(mpidr_el1) & 0xff00ffffff;

	switch ((u32)function) {
	case PSCI_CPU_ON:
		return (u64)(l2.x[1] == self ? PSCI_ALREADY_ON : PSCI_INVALID_PARAMETERS);
	case PSCI_AFFINITY_INFO:
		return l2.x[1] == self ? 0 : (u64)PSCI_INVALID_PARAMETERS;
	case PSCI_SYSTEM_OFF:
		exit_report("EL2");
		break;
	}
	return (u64)psci_call(function, l2.x[1], l2.x[2], l2.x[3]);
}

/* The text that a payload knows this L1 by (suites/aarch64/smoke). */
static void hypervisor_call(void)
{
	static const u32 uid[] = {0x6e756147, 0x74656c74, 0x20314c20, 0x324c4520};

	if ((u32)l2.x[0] != SMCCC_HYPERVISOR_UID) {
		l2.x[0] = (u64)PSCI_NOT_SUPPORTED;
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(uid); i++)
		l2.x[i] = uid[i];
}

static u64 load(u64 address, unsigned size)
{
	switch (size) {
	case 0:
		return mmio_read8(address);
	case 1:
		return *(volatile u16 *)address;
	case 2:
		return mmio_read32(address);
	default:
		return *(volatile u64 *)address;
	}
}

static void store(u64 address, unsigned size, u64 value)
{
	switch (size) {
	case 0:
		mmio_write8(address, (u8)value);
		break;
	case 1:
		*(volatile u16 *)address = (u16)value;
		break;
	case 2:
		mmio_write32(address, (u32)value);
		break;
	default:
		*(volatile u64 *)address = value;
		break;
	}
}

/* A notification of the console device may be the last that is seen of L2: it is how a guest ends with a status. */
static bool ends_guest(u64 address)
{
	u64 base = address & ~(TRANSPORT_SIZE - 1);

	return address - base == VIRTIO_MMIO_QUEUE_NOTIFY && mmio_read32(base + VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_CONSOLE;
}

static void data_abort(u64 esr)
{
	u64 address = (read_sysreg(hpfar_el2) & 0xffffffffff0) << 8 | (read_sysreg(far_el2) & 0xfff);
	unsigned reg = ISS_SRT(esr), size = ISS_SAS(esr);
	u64 value;

	exit_count(EXIT_MMIO, "mmio");
	if (!(esr & ISS_ISV) || address < TRANSPORTS || address >= TRANSPORTS + MIB2)
		abort_test("L2 accesses 0x%lx, which it does not have: esr 0x%lx, elr 0x%lx", address, esr, read_sysreg(elr_el2));
	if (esr & ISS_WNR) {
		if (ends_guest(address))
			exit_report("EL2");
		store(address, size, reg < 31 ? l2.x[reg] : 0);
	} else if (reg < 31) {
		value = load(address, size);
		if (esr & ISS_SSE && size < 3)
			value = (u64)((s64)(value << (64 - (8 << size))) >> (64 - (8 << size)));
		l2.x[reg] = esr & ISS_SF ? value : (u32)value;
	}
	write_sysreg(elr_el2, read_sysreg(elr_el2) + 4);
}

static void handle(u64 vector)
{
	u64 esr = read_sysreg(esr_el2);

	if (vector != VECTOR_LOWER_SYNCHRONOUS)
		abort_test("L2 left through vector %lu: esr 0x%lx, elr 0x%lx", vector, esr, read_sysreg(elr_el2));
	switch (ESR_EC(esr)) {
	case EC_HVC64:
		exit_count(EXIT_HVC, "hvc");
		hypervisor_call();
		break;
	case EC_SMC64:
		/* A trapped SMC returns to itself. */
		exit_count(EXIT_SMC, "smc");
		l2.x[0] = power_call(l2.x[0]);
		write_sysreg(elr_el2, read_sysreg(elr_el2) + 4);
		break;
	case EC_DATA_ABORT_LOWER:
		data_abort(esr);
		break;
	default:
		abort_test("L2 left with esr 0x%lx, elr 0x%lx, far 0x%lx", esr, read_sysreg(elr_el2), read_sysreg(far_el2));
	}
}

void l1_main(u64 level)
{
	if (!fdt_init((const void *)boot_fdt))
		abort_test("no device tree at 0x%lx", boot_fdt);
	console_init();
	if (!psci_init() || level != 2)
		abort_test("the L1 hypervisor was started at EL%lu: QEMU's -machine virt,virtualization=on starts it at EL2", level);
	prepare(payload_load(PAYLOAD_ADDRESS));
	for (;;)
		handle(l2_enter(&l2));
}

/* The library's start-up asks for one; this image starts at l1_entry. */
int main(int argc, char **argv)
{
	return 0;
}
