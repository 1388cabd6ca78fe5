/*
 * The L1 hypervisor in HS mode, by the hypervisor extension. L2 has this hart's memory and devices at their own addresses; what L1 keeps from it is its own memory, the
 * firmware's calls, and, so that interrupts can be passed on, the PLIC. Privileged Architecture (20211203), chapter 8.
 */
#include "cpu.h"
#include "hypervisor.h"
#include "mmio.h"
#include "paging.h"
#include "payload.h"
#include "platform.h"
#include "report.h"
#include "sbi.h"
#include "trap.h"

/* What SBI_BASE_IMPLEMENTATION_ID says, so that a payload can tell (suites/riscv64/smoke). */
#define GAUNTLET_L1_ID 0x4c314c31

#define GIB (1ull << 30)
#define MIB2 (2ull << 20)
#define RAM_BASE (2 * GIB)
#define HGATP_SV39X4 (8ull << 60)
#define G_STAGE (0xdfull) /* V R W X U A D */
#define G_TABLE 1ull
#define G_PPN(physical) ((physical) >> 12 << 10)

/* Trapped and forwarded: the test finisher and the clock beside it, for the last word; the PLIC. */
#define FINISHER 0x100000ull
#define FINISHER_END 0x102000ull
#define PLIC 0xc000000ull
#define PLIC_END 0xc600000ull

enum {
	EXIT_SBI,
	EXIT_MMIO,
	EXIT_TIMER,
	EXIT_EXTERNAL,
	EXIT_INSTRUCTION,
};

extern u64 boot_fdt, boot_hart;

static u64 root[2048] __attribute__((aligned(16384)));
static u64 devices[512] __attribute__((aligned(4096)));
static u64 ram[512] __attribute__((aligned(4096)));
static struct l2 l2;

static void read_hstatus(u64 unused)
{
	hcsr_read(HSTATUS);
}

/* Section 8.5: G-stage translation, which is as Sv39 with a root of four pages and U on every leaf. */
static void build_g_stage(void)
{
	for (u64 i = 0; i < 512; i++) {
		u64 device = i * MIB2, memory = RAM_BASE + i * MIB2;
		bool trapped = device == 0 || (device >= PLIC && device < PLIC_END);

		if (!trapped)
			devices[i] = G_PPN(device) | G_STAGE;
		if (memory + MIB2 <= l1_start() || memory >= l1_end())
			ram[i] = G_PPN(memory) | G_STAGE;
	}
	root[0] = G_PPN((u64)devices) | G_TABLE;
	root[1] = G_PPN(GIB) | G_STAGE;
	root[2] = G_PPN((u64)ram) | G_TABLE;
	hcsr_write(HGATP, HGATP_SV39X4 | (u64)root >> 12);
	hfence_gvma();
}

static void prepare(u64 entry)
{
	struct fault fault;

	if (catch_fault(read_hstatus, 0, &fault) != NO_FAULT)
		abort_test("this hart has no hypervisor extension: QEMU's -cpu rv64,h=true has");
	build_g_stage();
	/* To VS mode: what a supervisor handles itself. ECALL from VS mode and guest page faults are L1's. */
	hcsr_write(HEDELEG, 0x1ff | BIT(CAUSE_INSTRUCTION_PAGE_FAULT) | BIT(CAUSE_LOAD_PAGE_FAULT) | BIT(CAUSE_STORE_PAGE_FAULT));
	hcsr_write(HIDELEG, VS_SOFTWARE | VS_TIMER | VS_EXTERNAL);
	hcsr_write(HCOUNTEREN, 0xffffffff);
	csr_write(scounteren, 0xffffffff);
	hcsr_write(HTIMEDELTA, 0);
	hcsr_write(HVIP, 0);
	hcsr_write(VSATP, 0);
	l2.pc = entry;
	l2.hstatus = hcsr_read(HSTATUS) | HSTATUS_SPV | HSTATUS_SPVP;
	l2.sstatus = (csr_read(sstatus) | SSTATUS_SPP) & ~SSTATUS_SPIE;
	l2.x[10] = boot_hart;
	l2.x[11] = boot_fdt;
	csr_write(sie, BIT(INTERRUPT_EXTERNAL));
}

/* As the hart would have raised it in VS mode: section 8.6, and 4.1.1 for the stack of sstatus. */
static void inject(u64 cause, u64 value)
{
	u64 status = hcsr_read(VSSTATUS);

	hcsr_write(VSCAUSE, cause);
	hcsr_write(VSTVAL, value);
	hcsr_write(VSEPC, l2.pc);
	status = (status & ~(SSTATUS_SPIE | SSTATUS_SPP)) | (status & SSTATUS_SIE ? SSTATUS_SPIE : 0) | (l2.sstatus & SSTATUS_SPP);
	hcsr_write(VSSTATUS, status & ~SSTATUS_SIE);
	l2.sstatus |= SSTATUS_SPP;
	l2.pc = hcsr_read(VSTVEC) & ~3ull;
}

/* The physical external interrupt is L2's while the PLIC asserts it; masked meanwhile, or L2 would never run. */
static void pass_external(void)
{
	if (csr_read(sip) & BIT(INTERRUPT_EXTERNAL)) {
		hcsr_set(HVIP, VS_EXTERNAL);
		csr_clear(sie, BIT(INTERRUPT_EXTERNAL));
	} else {
		hcsr_clear(HVIP, VS_EXTERNAL);
		csr_set(sie, BIT(INTERRUPT_EXTERNAL));
	}
}

static struct sbi_result hart_state(u64 function, u64 hart)
{
	if (function == SBI_HSM_STATUS && hart == boot_hart)
		return (struct sbi_result){SBI_SUCCESS, SBI_HSM_STARTED};
	/* There is one vCPU: no other hart exists. */
	return (struct sbi_result){function == SBI_HSM_START && hart == boot_hart ? SBI_ERR_ALREADY_AVAILABLE : SBI_ERR_INVALID_PARAM, 0};
}

static struct sbi_result firmware_call(u64 extension, u64 function, const u64 *a)
{
	if (extension == SBI_BASE && function == SBI_BASE_IMPLEMENTATION_ID)
		return (struct sbi_result){SBI_SUCCESS, GAUNTLET_L1_ID};
	switch (extension) {
	case SBI_TIMER:
		hcsr_clear(HVIP, VS_TIMER);
		csr_set(sie, BIT(INTERRUPT_TIMER));
		return sbi_call(extension, function, a[0], 0, 0, 0);
	case SBI_IPI:
		if (a[1] == UINT64_MAX || (boot_hart >= a[1] && boot_hart - a[1] < 64 && a[0] >> (boot_hart - a[1]) & 1))
			hcsr_set(HVIP, VS_SOFTWARE);
		return (struct sbi_result){SBI_SUCCESS, 0};
	case SBI_RFENCE:
		asm volatile("fence.i");
		hfence_vvma();
		return (struct sbi_result){SBI_SUCCESS, 0};
	case SBI_HSM:
		return hart_state(function, a[0]);
	case SBI_SRST:
		exit_report("the hypervisor extension");
		break;
	}
	return sbi_call(extension, function, a[0], a[1], a[2], a[3]);
}

/* A load or store as L2's instruction says (Unprivileged ISA, sections 2.6 and 16.3). */
struct access {
	bool store, is_signed;
	unsigned size, reg, length;
};

static bool decode(u64 pc, struct access *access)
{
	u64 instruction = fetch_half(pc);
	unsigned funct3 = instruction >> 13 & 7;

	if ((instruction & 3) != 3) {
		access->length = 2;
		access->is_signed = true;
		access->reg = 8 + (instruction >> 2 & 7);
		access->store = funct3 >= 5;
		/* C.LW, C.LD, C.SW, C.SD. */
		access->size = (funct3 & 3) == 2 ? 4 : 8;
		return (instruction & 3) == 0 && (funct3 == 2 || funct3 == 3 || funct3 == 6 || funct3 == 7);
	}
	instruction |= fetch_half(pc + 2) << 16;
	funct3 = instruction >> 12 & 7;
	access->length = 4;
	access->store = (instruction & 0x7f) == 0x23;
	access->is_signed = !(funct3 & 4);
	access->size = 1u << (funct3 & 3);
	access->reg = access->store ? instruction >> 20 & 31 : instruction >> 7 & 31;
	return access->store || (instruction & 0x7f) == 0x03;
}

static u64 load(u64 address, const struct access *access)
{
	switch (access->size) {
	case 1:
		return access->is_signed ? (u64)(s8)*(volatile u8 *)address : *(volatile u8 *)address;
	case 2:
		return access->is_signed ? (u64)(s16)*(volatile u16 *)address : *(volatile u16 *)address;
	case 4:
		return access->is_signed ? (u64)(s32)mmio_read32(address) : mmio_read32(address);
	default:
		return *(volatile u64 *)address;
	}
}

static void store(u64 address, const struct access *access, u64 value)
{
	switch (access->size) {
	case 1:
		*(volatile u8 *)address = (u8)value;
		break;
	case 2:
		*(volatile u16 *)address = (u16)value;
		break;
	case 4:
		mmio_write32(address, (u32)value);
		break;
	default:
		*(volatile u64 *)address = value;
		break;
	}
}

/* What the memory behind an access is not there for becomes an access fault of L2's. */
static void guest_page_fault(u64 cause, u64 stval)
{
	u64 address = hcsr_read(HTVAL) << 2 | (stval & 3);
	bool finisher = address >= FINISHER && address < FINISHER_END;
	struct access access;

	exit_count(EXIT_MMIO, "mmio");
	if (cause == CAUSE_GUEST_INSTRUCTION_FAULT || !(finisher || (address >= PLIC && address < PLIC_END)) || !decode(l2.pc, &access)) {
		inject(cause == CAUSE_GUEST_INSTRUCTION_FAULT ? CAUSE_INSTRUCTION_ACCESS : cause == CAUSE_GUEST_LOAD_FAULT ? CAUSE_LOAD_ACCESS : CAUSE_STORE_ACCESS, stval);
		return;
	}
	if (finisher && access.store && address < FINISHER + PAGE_SIZE)
		exit_report("the hypervisor extension");
	if (access.store)
		store(address, &access, access.reg ? l2.x[access.reg] : 0);
	else if (access.reg)
		l2.x[access.reg] = load(address, &access);
	pass_external();
	l2.pc += access.length;
}

static void handle(u64 cause, u64 stval)
{
	struct sbi_result result;

	switch (cause) {
	case SCAUSE_INTERRUPT | INTERRUPT_TIMER:
		exit_count(EXIT_TIMER, "timer");
		csr_clear(sie, BIT(INTERRUPT_TIMER));
		hcsr_set(HVIP, VS_TIMER);
		break;
	case SCAUSE_INTERRUPT | INTERRUPT_EXTERNAL:
		exit_count(EXIT_EXTERNAL, "external");
		pass_external();
		break;
	case CAUSE_ECALL_VS:
		exit_count(EXIT_SBI, "sbi");
		result = firmware_call(l2.x[17], l2.x[16], &l2.x[10]);
		l2.x[10] = (u64)result.error;
		l2.x[11] = (u64)result.value;
		l2.pc += 4;
		break;
	case CAUSE_VIRTUAL_INSTRUCTION:
		/* Section 8.2: what would have been allowed in HS mode; L2 has none of its own. */
		exit_count(EXIT_INSTRUCTION, "virtual-instruction");
		inject(CAUSE_ILLEGAL_INSTRUCTION, stval);
		break;
	case CAUSE_GUEST_INSTRUCTION_FAULT:
	case CAUSE_GUEST_LOAD_FAULT:
	case CAUSE_GUEST_STORE_FAULT:
		guest_page_fault(cause, stval);
		break;
	default:
		abort_test("L2 left with scause 0x%lx, stval 0x%lx, pc 0x%lx", cause, stval, l2.pc);
	}
}

int main(int argc, char **argv)
{
	prepare(payload_load(PAYLOAD_ADDRESS));
	for (;;) {
		csr_write(sepc, l2.pc);
		csr_write(sstatus, l2.sstatus);
		hcsr_write(HSTATUS, l2.hstatus);
		l2_enter(&l2);
		l2.pc = csr_read(sepc);
		l2.sstatus = csr_read(sstatus);
		l2.hstatus = hcsr_read(HSTATUS);
		handle(csr_read(scause), csr_read(stval));
	}
}
