/* SYSCALL and SYSRET, SYSENTER and SYSEXIT. Intel SDM volume 2, each under its name; volume 3, section 5.8.7 and 5.8.8. */
#include "cpu.h"
#include "platform.h"
#include "snippet.h"

/* The entry in LSTAR: saves what it finds, then returns by SYSRET to RCX with RFLAGS from R11. RSP is still the user's. */
void syscall_entry(void);
asm(".text\n"
    "syscall_entry:\n\t"
    "mov %rcx, seen_rcx(%rip)\n\t"
    "mov %r11, seen_r11(%rip)\n\t"
    "mov %rsp, seen_rsp(%rip)\n\t"
    "mov %cs, %eax\n\t"
    "mov %rax, seen_cs(%rip)\n\t"
    "mov %ss, %eax\n\t"
    "mov %rax, seen_ss(%rip)\n\t"
    "pushfq\n\t"
    "pop %rax\n\t"
    "mov %rax, seen_rflags(%rip)\n\t"
    "sysretq\n"
    /* SYSENTER keeps no return address: RDX and RCX carry RIP and RSP for SYSEXIT. */
    "sysenter_entry:\n\t"
    "mov %rsp, seen_rsp(%rip)\n\t"
    "mov %cs, %eax\n\t"
    "mov %rax, seen_cs(%rip)\n\t"
    "pushfq\n\t"
    "pop %rax\n\t"
    "mov %rax, seen_rflags(%rip)\n\t"
    ".byte 0x48, 0x0f, 0x35\n" /* SYSEXIT with a 64-bit operand size */
);
void sysenter_entry(void);
#define NON_CANONICAL 0x0000800000000000ull

/* Where the two vendors' manuals differ, a processor is held to its own. */
static bool is_amd(void)
{
	return cpuid(0, 0).ebx == 0x68747541 /* "Auth" */ || cpuid(0, 0).ebx == 0x6f677948 /* "Hygo" */;
}

/* What the entries found. */
u64 seen_rcx, seen_r11, seen_rsp, seen_cs, seen_ss, seen_rflags;

static u8 kernel_stack[512] __attribute__((aligned(16)));

USER_SNIPPET(user_syscall, "", "syscall")
USER_SNIPPET(user_sysenter, "leaq 2f(%%rip), %%rdx; mov %%rsp, %%rcx", "sysenter; 2:")
SNIPPET(kernel_sysexit, "mov $0x0000800000000000, %%rdx; mov %%rsp, %%rcx", ".byte 0x48, 0x0f, 0x35")
SNIPPET(kernel_sysret, "mov $0x0000800000000000, %%rcx; mov $2, %%r11d", "sysretq")

/* Does a SYSCALL with all it leaves behind: the segment registers and flags after the SYSRET. */
struct after {
	u64 rip, rcx, r11, cs, ss, rflags, expected_rip;
};

static u64 syscall_and_look(u64 argument)
{
	struct after *after = (struct after *)argument;

	asm volatile("leaq 1f(%%rip), %%rax; mov %%rax, 48(%%rdi)\n\t"
		     "pushq $0x8d7; popfq\n\t" /* all status flags */
		     "syscall\n1:\t"
		     "pushfq; popq 40(%%rdi); mov %%rcx, 8(%%rdi); mov %%r11, 16(%%rdi)\n\t"
		     "mov %%cs, %%eax; mov %%rax, 24(%%rdi); mov %%ss, %%eax; mov %%rax, 32(%%rdi)"
		     :
		     : "D"(after)
		     : "rax", "rcx", "r11", "cc", "memory");
	return 0;
}

static void syscall_sysret(void)
{
	struct after after = {0};
	struct fault fault;

	wrmsr(MSR_STAR, (u64)KERNEL_CS << 32 | (u64)(USER_CS32 & ~3) << 48);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_SYSCALL_MASK, RFLAGS_CF | RFLAGS_IF | RFLAGS_DF);

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
	report(user_faults(user_syscall, 0, VECTOR_UD, 0), "SYSCALL with EFER.SCE clear raises #UD");
	report(faults(kernel_sysret, 0, VECTOR_UD, 0), "SYSRET with EFER.SCE clear raises #UD");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);

	report(run_user(syscall_and_look, (u64)&after, 0, &fault) == NO_FAULT, "SYSCALL from ring 3 and SYSRET come back");
	report_equal(seen_rcx, after.expected_rip, "SYSCALL saves the RIP of the next instruction in RCX");
	report_equal(seen_r11, 0x8d7, "SYSCALL saves RFLAGS in R11");
	report_equal(seen_rflags & (RFLAGS_STATUS | RFLAGS_IF | RFLAGS_DF), 0x8d4, "SYSCALL clears the flags in FMASK, and no other");
	report_equal(seen_cs, KERNEL_CS, "SYSCALL loads CS from STAR bits 47 to 32");
	report_equal(seen_ss, KERNEL_CS + 8, "SYSCALL loads SS with STAR bits 47 to 32, plus 8");
	report(seen_rsp > 0x100000 && seen_rsp != this_tss()->rsp[0], "SYSCALL leaves RSP as it is");
	report_equal(after.rcx, after.expected_rip, "SYSRET goes to RCX");
	report_equal(after.rflags & (RFLAGS_STATUS | RFLAGS_IF), 0x8d5, "SYSRET loads RFLAGS from R11");
	report_equal(after.cs, USER_CS, "SYSRET to 64-bit mode loads CS with STAR bits 63 to 48, plus 16, RPL 3");
	report_equal(after.ss, USER_DS, "SYSRET loads SS with STAR bits 63 to 48, plus 8, RPL 3");

	/* Intel's processors look at RCX before the privilege changes; AMD's fault at the target, in ring 3 (APM volume 3, SYSRET). */
	catch_fault(kernel_sysret, 0, &fault);
	if (is_amd())
		report(fault.vector == VECTOR_GP && fault.frame.rip == NON_CANONICAL, "SYSRET to a non-canonical RCX raises #GP at the target");
	else
		report(is_fault(&fault, VECTOR_GP, 0), "SYSRET to a non-canonical RCX raises #GP(0) in ring 0");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
}

static void sysenter_sysexit(void)
{
	struct fault fault;

	/* APM volume 3, SYSENTER and SYSEXIT: undefined in long mode. */
	if (is_amd()) {
		report(user_faults(user_sysenter, 0, VECTOR_UD, 0), "SYSENTER in long mode raises #UD");
		report(faults(kernel_sysexit, 0, VECTOR_UD, 0), "SYSEXIT in long mode raises #UD");
		return;
	}
	wrmsr(MSR_SYSENTER_CS, 0);
	report(user_faults(user_sysenter, 0, VECTOR_GP, 0), "SYSENTER with a null SYSENTER_CS raises #GP(0)");
	report(faults(kernel_sysexit, 0, VECTOR_GP, 0), "SYSEXIT with a null SYSENTER_CS raises #GP(0)");
	/* SYSEXIT takes CS from SYSENTER_CS + 32 and SS from + 40 for a 64-bit target: descriptors that fit this order stand in the spare slots. */
	gdt[GDT_SPARE / 8] = gdt[KERNEL_CS / 8];
	gdt[GDT_SPARE / 8 + 1] = gdt[KERNEL_DS / 8];
	gdt[GDT_SPARE / 8 + 4] = gdt[USER_CS / 8];
	gdt[GDT_SPARE / 8 + 5] = gdt[USER_DS / 8];
	wrmsr(MSR_SYSENTER_CS, GDT_SPARE);
	wrmsr(MSR_SYSENTER_EIP, (u64)sysenter_entry);
	wrmsr(MSR_SYSENTER_ESP, (u64)kernel_stack + sizeof(kernel_stack));
	report(run_user(user_sysenter, 0, RFLAGS_IF, &fault) == NO_FAULT, "SYSENTER from ring 3 and SYSEXIT come back");
	report_equal(fault.frame.cs, GDT_SPARE + 32 + 3, "SYSEXIT to 64-bit mode loads CS with SYSENTER_CS + 32, RPL 3");
	report_equal(fault.frame.ss, GDT_SPARE + 40 + 3, "SYSEXIT to 64-bit mode loads SS with SYSENTER_CS + 40, RPL 3");
	report_equal(seen_cs, GDT_SPARE, "SYSENTER loads CS from SYSENTER_CS");
	report_equal(seen_rsp, (u64)kernel_stack + sizeof(kernel_stack), "SYSENTER loads RSP from SYSENTER_ESP");
	report_equal(seen_rflags & RFLAGS_IF, 0, "SYSENTER clears IF");
	report(faults(kernel_sysexit, 0, VECTOR_GP, 0), "SYSEXIT to a non-canonical RDX raises #GP(0)");
	wrmsr(MSR_SYSENTER_CS, 0);
}

int main(int argc, char **argv)
{
	if (has(CPUID_SYSCALL))
		syscall_sysret();
	else
		report_skip("SYSCALL: not announced by CPUID");
	if (has(CPUID_SEP))
		sysenter_sysexit();
	else
		report_skip("SYSENTER: not announced by CPUID");
	return report_summary();
}
