/* Ring 3: what it may not do, and how it enters ring 0. Intel SDM volume 3, chapter 5 "Protection", section 5.9 "Privileged Instructions". */
#include "cpu.h"
#include "platform.h"
#include "snippet.h"

#define IDT_ERROR(vector) ((u64)(vector) << 3 | 2)

static u8 table_register[16];
static u64 words[2];

USER_SNIPPET(cli, "", "cli")
USER_SNIPPET(sti, "", "sti")
USER_SNIPPET(hlt, "", "hlt")
USER_SNIPPET(in_al, "mov $0x3f8, %%edx", "inb %%dx, %%al")
USER_SNIPPET(out_al, "mov $0x80, %%edx", "outb %%al, %%dx")
USER_SNIPPET(in_immediate, "", "inl $0x80, %%eax")
USER_SNIPPET(lgdt, "", "lgdt (%%rdi)")
USER_SNIPPET(lidt, "", "lidt (%%rdi)")
USER_SNIPPET(lldt, "xor %%eax, %%eax", "lldt %%ax")
USER_SNIPPET(ltr, "mov $0x78, %%eax", "ltr %%ax")
USER_SNIPPET(lmsw, "mov $1, %%eax", "lmsw %%ax")
USER_SNIPPET(clts, "", "clts")
USER_SNIPPET(read_cr0_user, "", "mov %%cr0, %%rax")
USER_SNIPPET(write_cr0_user, "", "mov %%rax, %%cr0")
USER_SNIPPET(read_cr3_user, "", "mov %%cr3, %%rax")
USER_SNIPPET(write_cr4_user, "", "mov %%rax, %%cr4")
USER_SNIPPET(read_cr8_user, "", "mov %%cr8, %%rax")
USER_SNIPPET(read_dr0_user, "", "mov %%dr0, %%rax")
USER_SNIPPET(write_dr7_user, "", "mov %%rax, %%dr7")
USER_SNIPPET(rdmsr_user, "mov $0xc0000080, %%ecx", "rdmsr")
USER_SNIPPET(wrmsr_user, "mov $0xc0000080, %%ecx", "wrmsr")
USER_SNIPPET(invlpg_user, "", "invlpg (%%rdi)")
USER_SNIPPET(invd, "", "invd")
USER_SNIPPET(wbinvd, "", "wbinvd")
USER_SNIPPET(swapgs, "", "swapgs")
USER_SNIPPET(sysret, "", "sysretq")
USER_SNIPPET(rdpmc, "xor %%ecx, %%ecx", "rdpmc")
USER_SNIPPET(rdtsc_user, "", "rdtsc")
USER_SNIPPET(cpuid_user, "push %%rbx; xor %%eax, %%eax; cpuid; pop %%rbx", "nop")
USER_SNIPPET(smsw, "", "smsw %%eax")
USER_SNIPPET(sgdt, "", "sgdt (%%rdi)")
USER_SNIPPET(sidt, "", "sidt (%%rdi)")
USER_SNIPPET(sldt, "", "sldt %%eax")
USER_SNIPPET(str, "", "str %%eax")
USER_SNIPPET(int_0x60, "", "int $0x60")
USER_SNIPPET(load_ds_kernel, "mov $0x10, %%eax", "mov %%eax, %%ds")
USER_SNIPPET(load_ss_null, "mov $3, %%eax", "mov %%eax, %%ss")
USER_SNIPPET(load_ss_rpl0, "mov $0x28, %%eax", "mov %%eax, %%ss")
/* JMP m16:64 at RAX */
USER_SNIPPET(far_jump_kernel, "pushq $8; pushq %%rdi; mov %%rsp, %%rax", ".byte 0x48, 0xff, 0x28")
USER_SNIPPET(far_return_kernel, "pushq $8; pushq %%rdi", "lretq")
USER_SNIPPET(iret_kernel, "pushq $0x10; pushq %%rsp; pushq $2; pushq $8; pushq %%rdi", "iretq")
USER_SNIPPET(misaligned, "", "movl 1(%%rdi), %%eax")
USER_SNIPPET(aligned_user, "", "movl 4(%%rdi), %%eax")

static const struct {
	const char *name;
	u64 (*code)(u64);
} privileged[] = {
	{"CLI", cli},
	{"STI", sti},
	{"HLT", hlt},
	{"IN AL, DX", in_al},
	{"OUT DX, AL", out_al},
	{"IN EAX, imm8", in_immediate},
	{"LGDT", lgdt},
	{"LIDT", lidt},
	{"LLDT", lldt},
	{"LTR", ltr},
	{"LMSW", lmsw},
	{"CLTS", clts},
	{"MOV from CR0", read_cr0_user},
	{"MOV to CR0", write_cr0_user},
	{"MOV from CR3", read_cr3_user},
	{"MOV to CR4", write_cr4_user},
	{"MOV from CR8", read_cr8_user},
	{"MOV from DR0", read_dr0_user},
	{"MOV to DR7", write_dr7_user},
	{"RDMSR", rdmsr_user},
	{"WRMSR", wrmsr_user},
	{"INVLPG", invlpg_user},
	{"INVD", invd},
	{"WBINVD", wbinvd},
	{"SWAPGS", swapgs},
	{"SYSRET", sysret},
};

static u64 identity(u64 argument)
{
	return argument + 1;
}

static u64 code_segment(u64 unused)
{
	u64 cs;

	asm volatile("mov %%cs, %0" : "=r"(cs));
	return cs;
}

static u64 popf_all(u64 unused)
{
	u64 flags;

	asm volatile("pushfq; orq $0x3200, (%%rsp); popfq; pushfq; popq %0" : "=r"(flags) : : "cc", "memory");
	return flags;
}

static void entry_and_return(void)
{
	struct fault fault;
	u64 rsp0 = this_tss()->rsp[0];

	report(run_user(identity, 41, 0, &fault) == NO_FAULT && fault.value == 42, "ring 3 code runs");
	report(fault.frame.cs == USER_CS && fault.frame.ss == USER_DS, "the frame of an exception in ring 3 holds its CS and SS");
	run_user(code_segment, 0, 0, &fault);
	report_equal(fault.value & 3, 3, "the CPL is 3 in ring 3");
	/* The frame lies right below RSP0: five words of the processor, of which the first pushed is SS. */
	report_equal(fault.frame_address + sizeof(fault.frame), rsp0, "an entry from ring 3 uses the stack at TSS.RSP0");
	/* SDM volume 2, POPF: below IOPL neither IF nor IOPL changes, without a fault. */
	report(run_user(popf_all, 0, 0, &fault) == NO_FAULT && !(fault.value & (RFLAGS_IF | RFLAGS_IOPL)), "POPF in ring 3 changes neither IF nor IOPL");
}

static void io(void)
{
	struct {
		struct tss tss;
		u8 map[0x100 / 8 + 1];
	} __attribute__((packed, aligned(16))) permitted = {.tss = *this_tss()};
	struct fault fault;

	/* SDM volume 1, section 19.5.1: with CPL at or below IOPL. */
	report(run_user(out_al, 0, RFLAGS_IOPL, &fault) == NO_FAULT, "OUT in ring 3 with IOPL 3 is executed");
	report(run_user(cli, 0, RFLAGS_IOPL, &fault) == NO_FAULT, "CLI in ring 3 with IOPL 3 is executed");

	/* Section 19.5.2: a port whose bits in the map are clear may be used. */
	permitted.tss.io_map_base = sizeof(struct tss);
	permitted.map[0x80 / 8] = 0;
	permitted.map[sizeof(permitted.map) - 1] = 0xff;
	load_tss(GDT_SPARE, &permitted.tss, sizeof(permitted) - 1);
	report(run_user(out_al, 0, 0, &fault) == NO_FAULT, "OUT in ring 3 to a port that the I/O map permits is executed");
	permitted.map[0x80 / 8] = 1;
	report(user_faults(out_al, 0, VECTOR_GP, 0), "OUT in ring 3 to a port that the I/O map denies raises #GP(0)");
	permitted.map[0x80 / 8] = 8;
	report(user_faults(in_immediate, 0, VECTOR_GP, 0), "a 4-byte IN of which the map denies one port raises #GP(0)");
	report(user_faults(in_al, 0, VECTOR_GP, 0), "a port beyond the map is denied");
	load_tss(GDT_TSS, this_tss(), sizeof(struct tss) - 1);
}

static void segments(void)
{
	report(user_faults(load_ds_kernel, 0, VECTOR_GP, KERNEL_DS), "loading DS with a DPL 0 segment in ring 3 raises #GP with the selector");
	report(user_faults(load_ss_null, 0, VECTOR_GP, 0), "loading SS with a null selector in ring 3 raises #GP(0)");
	report(user_faults(load_ss_rpl0, 0, VECTOR_GP, USER_DS & ~3), "loading SS with an RPL other than the CPL raises #GP with the selector");
	report(user_faults(far_jump_kernel, (u64)hlt, VECTOR_GP, KERNEL_CS), "a far JMP from ring 3 to ring 0 code raises #GP with the selector");
	report(user_faults(far_return_kernel, (u64)hlt, VECTOR_GP, KERNEL_CS), "a far RET from ring 3 to ring 0 code raises #GP with the selector");
	report(user_faults(iret_kernel, (u64)hlt, VECTOR_GP, KERNEL_CS), "IRET from ring 3 to ring 0 code raises #GP with the selector");
}

/* SDM volume 3, section 6.15, #AC: CR0.AM, RFLAGS.AC and CPL 3 together. */
static void alignment(void)
{
	struct fault fault;
	u64 cr0 = read_cr0();

	write_cr0(cr0 | CR0_AM);
	run_user(misaligned, (u64)words, RFLAGS_AC, &fault);
	report(is_fault(&fault, VECTOR_AC, 0), "a misaligned access in ring 3 with CR0.AM and RFLAGS.AC raises #AC(0)");
	report(run_user(aligned_user, (u64)words, RFLAGS_AC, &fault) == NO_FAULT, "an aligned access in ring 3 with CR0.AM and RFLAGS.AC is executed");
	report(run_user(misaligned, (u64)words, 0, &fault) == NO_FAULT, "a misaligned access with RFLAGS.AC clear is executed");
	write_cr0(cr0 & ~CR0_AM);
	report(run_user(misaligned, (u64)words, RFLAGS_AC, &fault) == NO_FAULT, "a misaligned access with CR0.AM clear is executed");
	write_cr0(cr0);
}

/* SDM volume 3, section 6.12.1.2: INT n looks at the gate's DPL, an exception does not. */
static void software_interrupts(void)
{
	struct fault fault;

	trap_set_gate(0x60, 3, true);
	report(run_user(int_0x60, 0, 0, &fault) == 0x60, "a gate with DPL 3 is open to ring 3");
	trap_set_gate(0x60, 0, true);
	report(user_faults(int_0x60, 0, VECTOR_GP, IDT_ERROR(0x60)), "INT n through a gate with DPL 0 raises #GP with the gate's index");
	report(user_faults(hlt, 0, VECTOR_GP, 0), "an exception goes through a gate with DPL 0");
}

int main(int argc, char **argv)
{
	struct fault fault;

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	for (unsigned i = 0; i < ARRAY_SIZE(privileged); i++)
		report(user_faults(privileged[i].code, (u64)table_register, VECTOR_GP, 0), "%s in ring 3 raises #GP(0)", privileged[i].name);

	report(user_faults(rdpmc, 0, VECTOR_GP, 0), "RDPMC in ring 3 with CR4.PCE clear raises #GP(0)");
	report(run_user(rdtsc_user, 0, 0, &fault) == NO_FAULT, "RDTSC in ring 3 with CR4.TSD clear is executed");
	write_cr4(read_cr4() | CR4_TSD);
	report(user_faults(rdtsc_user, 0, VECTOR_GP, 0), "RDTSC in ring 3 with CR4.TSD set raises #GP(0)");
	write_cr4(read_cr4() & ~CR4_TSD);
	report(run_user(cpuid_user, 0, 0, &fault) == NO_FAULT, "CPUID is open to ring 3");
	report(run_user(smsw, 0, 0, &fault) == NO_FAULT, "SMSW is open to ring 3");
	report(run_user(sgdt, (u64)table_register, 0, &fault) == NO_FAULT, "SGDT is open to ring 3");
	report(run_user(sidt, (u64)table_register, 0, &fault) == NO_FAULT, "SIDT is open to ring 3");
	report(run_user(sldt, 0, 0, &fault) == NO_FAULT, "SLDT is open to ring 3");
	report(run_user(str, 0, 0, &fault) == NO_FAULT, "STR is open to ring 3");
	entry_and_return();
	io();
	segments();
	alignment();
	software_interrupts();
	return report_summary();
}
