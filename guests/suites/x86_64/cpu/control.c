/*
 * Control registers and MSRs take only values that are valid. Intel SDM volume 3, section 2.5 "Control Registers"; volume 2, MOV to control register,
 * WRMSR. With the argument "fatal", those after which an emulator that lets them through can hardly go on.
 */
#include "platform.h"
#include "snippet.h"
#include "string.h"

#define NON_CANONICAL 0x0000800000000000ull

SNIPPET(read_msr, "mov %%edi, %%ecx", "rdmsr")
SNIPPET(write_fs_base, "mov $0xc0000100, %%ecx; mov %%edi, %%eax; mov %%rdi, %%rdx; shr $32, %%rdx", "wrmsr")
SNIPPET(write_lstar, "mov $0xc0000082, %%ecx; mov %%edi, %%eax; mov %%rdi, %%rdx; shr $32, %%rdx", "wrmsr")
SNIPPET(write_pat, "mov $0x277, %%ecx; mov %%edi, %%eax; mov %%rdi, %%rdx; shr $32, %%rdx", "wrmsr")
SNIPPET(write_efer, "mov $0xc0000080, %%ecx; mov %%edi, %%eax; mov %%rdi, %%rdx; shr $32, %%rdx", "wrmsr")
SNIPPET(mov_cr0, "", "mov %%rdi, %%cr0")
SNIPPET(mov_cr3, "", "mov %%rdi, %%cr3")
SNIPPET(mov_cr4, "", "mov %%rdi, %%cr4")
SNIPPET(mov_cr8, "", "mov %%rdi, %%cr8")
SNIPPET(mov_dr7, "", "mov %%rdi, %%dr7")

/* What was let through must not disturb the checks that follow. */
static bool cr0_faults(u64 value)
{
	u64 cr0 = read_cr0();
	bool pass = faults(mov_cr0, value, VECTOR_GP, 0);

	write_cr0(cr0);
	return pass;
}

static bool cr4_faults(u64 value)
{
	u64 cr4 = read_cr4();
	bool pass = faults(mov_cr4, value, VECTOR_GP, 0);

	write_cr4(cr4);
	return pass;
}

static bool efer_faults(u64 value)
{
	u64 efer = rdmsr(MSR_EFER);
	bool pass = faults(write_efer, value, VECTOR_GP, 0);

	wrmsr(MSR_EFER, efer);
	return pass;
}

static int fatal(void)
{
	report(cr4_faults(read_cr4() | BIT(31)), "setting a reserved bit of the lower half of CR4 raises #GP(0)");
	report(cr4_faults(read_cr4() | BIT(40)), "setting a bit of the upper half of CR4 raises #GP(0)");
	report(faults(mov_cr3, read_cr3() | BIT(62), VECTOR_GP, 0), "setting a reserved bit of CR3 raises #GP(0)");
	report(cr0_faults(read_cr0() & ~CR0_PE), "clearing CR0.PE with CR0.PG set raises #GP(0)");
	report(cr4_faults(read_cr4() & ~CR4_PAE), "clearing CR4.PAE in long mode raises #GP(0)");
	return report_summary();
}

static void registers(void)
{
	u64 cr0 = read_cr0();
	struct fault fault;

	report(cr0_faults((cr0 | CR0_NW) & ~CR0_CD), "setting CR0.NW with CR0.CD clear raises #GP(0)");
	report(cr0_faults(cr0 | BIT(32)), "setting a bit of the upper half of CR0 raises #GP(0)");
	/* SDM volume 3, section 2.5: ET is 1 and cannot be changed; other reserved bits of the lower half are ignored. */
	write_cr0(cr0 & ~CR0_ET);
	report_equal(read_cr0() & CR0_ET, CR0_ET, "CR0.ET stays set");
	write_cr0(cr0 | CR0_AM | CR0_TS);
	report_equal(read_cr0(), cr0 | CR0_AM | CR0_TS, "CR0 reads as it was written");
	write_cr0(cr0);


	/* SDM volume 3, section 10.8.6: CR8 is the task priority, bits 7 to 4 of the local APIC's TPR. */
	report(faults(mov_cr8, 16, VECTOR_GP, 0), "setting a reserved bit of CR8 raises #GP(0)");
	write_cr8(0xf);
	report_equal(read_cr8(), 0xf, "CR8 keeps four bits");
	write_cr8(0);
	report(faults(mov_dr7, BIT(32) | BIT(10), VECTOR_GP, 0), "setting a bit of the upper half of DR7 raises #GP(0)");

	/* SDM volume 2, SMSW, LMSW: the low 16 bits of CR0; LMSW sets PE to TS, and cannot clear PE. */
	asm volatile("lmsw %w0" : : "r"(CR0_TS | CR0_MP));
	report(read_cr0() == (cr0 | CR0_TS), "LMSW sets TS and does not clear PE");
	write_cr0(cr0);
	report(catch_fault(read_msr, MSR_EFER, &fault) == NO_FAULT, "RDMSR of EFER does not fault");
}

static void msrs(void)
{
	u64 pat = rdmsr(MSR_PAT), lstar = rdmsr(MSR_LSTAR);

	report(faults(read_msr, 0xc000ffff, VECTOR_GP, 0), "RDMSR of an MSR that does not exist raises #GP(0)");
	report(faults(write_fs_base, NON_CANONICAL, VECTOR_GP, 0), "WRMSR of a non-canonical FS base raises #GP(0)");
	report(faults(write_lstar, NON_CANONICAL, VECTOR_GP, 0), "WRMSR of a non-canonical LSTAR raises #GP(0)");
	wrmsr(MSR_LSTAR, lstar);
	wrmsr(MSR_FS_BASE, 0);
	report(efer_faults(rdmsr(MSR_EFER) | BIT(63)), "WRMSR of a reserved bit of EFER raises #GP(0)");
	report(efer_faults(rdmsr(MSR_EFER) & ~EFER_LME), "clearing EFER.LME while paging is on raises #GP(0)");

	/* SDM volume 3, table 11-12: the state of PAT after reset; section 11.12.4: encodings 2, 3 and above 7 are reserved. */
	report_equal(pat, 0x0007040600070406, "PAT has its value of the reset");
	report(faults(write_pat, 0x0007040600070402, VECTOR_GP, 0), "WRMSR of a reserved memory type in PAT raises #GP(0)");
	wrmsr(MSR_PAT, pat);

	wrmsr(MSR_STAR, 0x0123456789abcdef);
	report_equal(rdmsr(MSR_STAR), 0x0123456789abcdef, "STAR reads as it was written");
	wrmsr(MSR_LSTAR, 0xffff800012345678);
	report_equal(rdmsr(MSR_LSTAR), 0xffff800012345678, "LSTAR reads as it was written");
	wrmsr(MSR_LSTAR, lstar);
	wrmsr(MSR_SYSCALL_MASK, 0x47700);
	report_equal(rdmsr(MSR_SYSCALL_MASK), 0x47700, "FMASK reads as it was written");
	wrmsr(MSR_KERNEL_GS_BASE, 0xffff900000000000);
	report_equal(rdmsr(MSR_KERNEL_GS_BASE), 0xffff900000000000, "KERNEL_GS_BASE reads as it was written");
	wrmsr(MSR_SYSENTER_EIP, 0xffff800000001000);
	report_equal(rdmsr(MSR_SYSENTER_EIP), 0xffff800000001000, "SYSENTER_EIP has 64 bits");
	wrmsr(MSR_SYSENTER_CS, 0x1234);
	report_equal(rdmsr(MSR_SYSENTER_CS), 0x1234, "SYSENTER_CS reads as it was written");
	wrmsr(MSR_SYSENTER_CS, 0);

	/* SDM volume 3, section 10.4.4: bit 8 says that this is the bootstrap processor, bit 11 that the APIC is enabled; the base is at 4 KiB << 12. */
	report_equal(rdmsr(MSR_APIC_BASE) & 0xfffffd00, 0xfee00900, "IA32_APIC_BASE: at 0xfee00000, enabled, bootstrap processor");
}

static void segment_bases(void)
{
	u64 words[2] = {0x1111, 0x2222}, value, gs = rdmsr(MSR_GS_BASE), kernel_gs = rdmsr(MSR_KERNEL_GS_BASE), swapped;

	wrmsr(MSR_FS_BASE, (u64)words);
	asm volatile("movq %%fs:8, %0" : "=r"(value));
	report_equal(value, 0x2222, "an FS override adds the FS base");
	wrmsr(MSR_FS_BASE, 0xffffffffffff0000);
	asm volatile("movq %%fs:(%1), %0" : "=r"(value) : "r"((u64)words + 0x10000));
	report_equal(value, 0x1111, "the sum of FS base and offset wraps at 64 bits");
	wrmsr(MSR_FS_BASE, 0);
	/* SDM volume 2, SWAPGS. Between the two no trap may come: trap handlers use GS. */
	wrmsr(MSR_KERNEL_GS_BASE, (u64)words);
	asm volatile("swapgs; movq %%gs:0, %0; swapgs; movq %%gs:0, %1" : "=&r"(value), "=&r"(swapped));
	report(value == 0x1111 && swapped == gs, "SWAPGS exchanges the GS base and KERNEL_GS_BASE");
	wrmsr(MSR_KERNEL_GS_BASE, kernel_gs);
	asm volatile("movq %%ds:(%1), %0" : "=r"(value) : "r"(words));
	report_equal(value, 0x1111, "a DS override has no effect in 64-bit mode");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "fatal"))
		return fatal();
	registers();
	msrs();
	segment_bases();
	return report_summary();
}
