/*
 * The L1 hypervisor by SVM. L2 has this CPU's memory, interrupts and devices at their own addresses; what L1 keeps from it is its own memory, CPUID, SVM itself, and the ports by
 * which a guest ends. AMD64 Architecture Programmer's Manual, volume 2 (24593), chapter 15.
 */
#include "io.h"
#include "length.h"
#include "paging.h"
#include "payload.h"
#include "platform.h"
#include "report.h"
#include "svm.h"

#define MIB2 (2ull << 20)
#define GIB (1ull << 30)
#define MULTIBOOT_LOADER_MAGIC 0x2badb002
#define EXIT_PORT 0xf4 /* isa-debug-exit */
#define L1_TABLES 2

#define CODE32 0xc9b /* G, D, present, code, read, accessed */
#define DATA32 0xc93
#define TSS32_BUSY 0x8b
#define LDT 0x82

/* CPUID: leaf 1, ECX; leaf 8000_0001H, ECX. */
#define ECX_HYPERVISOR (1u << 31)
#define ECX_OSXSAVE (1u << 27)
#define ECX_SVM (1u << 2)
#define CR4_OSXSAVE BIT(18)

enum {
	EXIT_CPUID,
	EXIT_PORTS,
	EXIT_SVM,
};

extern u32 multiboot_info_address;

static struct vmcb guest, host;
static u8 host_save[4096] __attribute__((aligned(4096)));
static u8 io_permissions[3 * 4096] __attribute__((aligned(4096)));
static u64 nested_pml4[512] __attribute__((aligned(4096))), nested_pdpt[512] __attribute__((aligned(4096)));
static u64 nested_pd[4][512] __attribute__((aligned(4096))), nested_pt[L1_TABLES][512] __attribute__((aligned(4096)));
static struct l2 l2 = {.vmcb = &guest, .host = &host};

/* Section 15.25: the nested table, identity for 4 GiB; around L1 in small pages, for the boot loader's data lie right behind it. */
static void build_nested_tables(void)
{
	const u64 flags = PTE_P | PTE_RW | PTE_US;
	unsigned tables = 0;

	nested_pml4[0] = (u64)nested_pdpt | flags;
	for (u64 i = 0; i < 4; i++)
		nested_pdpt[i] = (u64)nested_pd[i] | flags;
	for (u64 at = 0; at < 4 * GIB; at += MIB2) {
		u64 *entry = &nested_pd[at / GIB][at / MIB2 % 512];

		*entry = at | flags | PTE_PS;
		if (at + MIB2 <= l1_start() || at >= l1_end())
			continue;
		if (tables == L1_TABLES)
			abort_test("the L1 hypervisor lies over more than %u MiB", 2 * L1_TABLES);
		for (u64 i = 0; i < 512; i++)
			if (at + i * PAGE_SIZE < l1_start() || at + i * PAGE_SIZE >= l1_end())
				nested_pt[tables][i] = (at + i * PAGE_SIZE) | flags;
		*entry = (u64)nested_pt[tables++] | flags;
	}
}

/* Multiboot Specification 0.6.96, section 3.2 "Machine state". */
static void build_guest(u64 entry)
{
	struct vmcb_segment data = {.selector = 0x10, .attributes = DATA32, .limit = 0xffffffff};

	guest.cs = (struct vmcb_segment){.selector = 8, .attributes = CODE32, .limit = 0xffffffff};
	guest.ds = guest.es = guest.ss = guest.fs = guest.gs = data;
	guest.tr = (struct vmcb_segment){.attributes = TSS32_BUSY, .limit = 0xffff};
	guest.ldtr = (struct vmcb_segment){.attributes = LDT, .limit = 0xffff};
	guest.cr0 = CR0_PE | CR0_ET;
	guest.dr6 = 0xffff0ff0;
	guest.dr7 = 0x400;
	guest.rflags = RFLAGS_FIXED;
	guest.pat = rdmsr(MSR_PAT);
	guest.rip = entry;
	guest.rax = MULTIBOOT_LOADER_MAGIC;
	l2.rbx = multiboot_info_address;

	guest.intercept1 = INTERCEPT_CPUID | INTERCEPT_IOIO_PROT;
	guest.intercept2 = INTERCEPT2_ALL_SVM;
	io_permissions[EXIT_PORT / 8] |= 1 << EXIT_PORT % 8;
	guest.iopm_base = (u64)io_permissions;
	guest.asid = 1;
	guest.nested_paging = 1;
	guest.nested_cr3 = (u64)nested_pml4;
}

static void advance(u8 opcode)
{
	guest.rip = guest.next_rip ? guest.next_rip : guest.rip + instruction_length(&guest, opcode);
}

static void emulate_cpuid(void)
{
	u32 leaf = (u32)guest.rax;
	struct cpuid r = cpuid(leaf, (u32)l2.rcx);

	if (leaf == 1) {
		r.ecx = ((r.ecx | ECX_HYPERVISOR) & ~ECX_OSXSAVE) | (guest.cr4 & CR4_OSXSAVE ? ECX_OSXSAVE : 0);
	} else if (leaf == 0x40000000) {
		/* "GauntletL1  ", as suites/x86_64/smoke knows it. */
		r = (struct cpuid){.eax = 0x40000000, .ebx = 0x6e756147, .ecx = 0x74656c74, .edx = 0x2020314c};
	} else if (leaf == 0x80000001) {
		r.ecx &= ~ECX_SVM;
	} else if (leaf == 0x8000000a) {
		r = (struct cpuid){0};
	}
	guest.rax = r.eax;
	l2.rbx = r.ebx;
	l2.rcx = r.ecx;
	l2.rdx = r.edx;
	advance(0xa2);
}

/* The only port: a guest's end. What it reads there is as without L1. */
static void emulate_port(void)
{
	u64 info = guest.exit_info1;

	if (IOIO_STRING & info)
		abort_test("L2 uses a string instruction on port 0x%x", IOIO_PORT(info));
	if (info & IOIO_IN) {
		u32 value = inl(IOIO_PORT(info));

		guest.rax = IOIO_SIZE(info) == 4 ? value : IOIO_SIZE(info) == 2 ? (guest.rax & ~0xffffull) | (u16)value : (guest.rax & ~0xffull) | (u8)value;
	} else {
		exit_report("SVM");
		outl(IOIO_PORT(info), (u32)guest.rax & (u32)((1ull << 8 * IOIO_SIZE(info)) - 1));
	}
	guest.rip = guest.exit_info2;
}

static void handle(void)
{
	switch (guest.exit_code) {
	case VMEXIT_CPUID:
		exit_count(EXIT_CPUID, "cpuid");
		emulate_cpuid();
		break;
	case VMEXIT_IOIO:
		exit_count(EXIT_PORTS, "port");
		emulate_port();
		break;
	case VMEXIT_VMRUN ... VMEXIT_SKINIT:
		/* CPUID says that L2 has no SVM. */
		exit_count(EXIT_SVM, "svm");
		guest.event_injection = EVENT_EXCEPTION_UD;
		break;
	case VMEXIT_NPF:
		abort_test("L2 accesses 0x%lx, which it does not have: error 0x%lx, rip 0x%lx", guest.exit_info2, guest.exit_info1, guest.rip);
	default:
		abort_test("L2 left with code 0x%lx, info 0x%lx 0x%lx, rip 0x%lx", guest.exit_code, guest.exit_info1, guest.exit_info2, guest.rip);
	}
}

int main(int argc, char **argv)
{
	if (!(cpuid(0x80000001, 0).ecx & ECX_SVM) || !(cpuid(0x8000000a, 0).edx & 1))
		abort_test("this CPU has no SVM with nested paging: QEMU's -cpu qemu64,+svm,+npt has");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, (u64)host_save);
	build_nested_tables();
	build_guest(payload_load(PAYLOAD_ADDRESS));
	for (;;) {
		/* VMRUN needs it (section 15.5.1), and L2, which has no SVM, may have cleared it. */
		guest.efer |= EFER_SVME;
		l2_enter(&l2);
		guest.event_injection = 0;
		handle();
	}
}
