/*
 * Segment registers, descriptors and far transfers in ring 0. Intel SDM volume 3, sections 3.4 and 5.2 to 5.8; volume 2, MOV, LAR, LSL, VERR, LTR,
 * far JMP, CALL, RET, IRET.
 */
#include "cpu.h"
#include "platform.h"
#include "snippet.h"

#define SLOT(n) (GDT_SPARE + 8 * (n))

/* Descriptors (SDM volume 3, figure 3-8), base 0, limit 4 GiB - 1 unless the name says otherwise. */
#define PRESENT BIT(47)
#define READ_ONLY_DATA 0x00cf91000000ffffull
#define DATA_NOT_PRESENT 0x00cf13000000ffffull
#define EXECUTE_ONLY_CODE 0x00af99000000ffffull
#define CODE64_NOT_PRESENT 0x00af1b000000ffffull
#define CODE64_CONFORMING 0x00af9f000000ffffull
#define CODE_L_AND_D 0x00ef9b000000ffffull
#define DATA_LIMIT_4K 0x0040930000000fffull
#define LDT_DESCRIPTOR 0x0000820000000000ull
#define CALL_GATE 0x00008c0000000000ull

SNIPPET(load_ds, "", "mov %%edi, %%ds")
SNIPPET(load_es, "", "mov %%edi, %%es")
SNIPPET(load_fs, "", "mov %%edi, %%fs")
SNIPPET(load_ss, "", "mov %%edi, %%ss")
SNIPPET(load_tr, "", "ltr %%di")
SNIPPET(load_ldt, "", "lldt %%di")
SNIPPET(far_jump, "pushq %%rdi; pushq %%rax; mov %%rsp, %%rax", ".byte 0x48, 0xff, 0x28") /* JMP m16:64 at RAX */
SNIPPET(far_call, "pushq %%rdi; leaq ring0_far_target(%%rip), %%rax; pushq %%rax; mov %%rsp, %%rax", ".byte 0x48, 0xff, 0x18; addq $16, %%rsp")
SNIPPET(far_return, "pushq %%rdi; leaq 2f(%%rip), %%rax; pushq %%rax", "lretq; 2:")
SNIPPET(iret_to, "pushq $0x10; pushq %%rsp; pushq $2; pushq %%rdi; leaq 2f(%%rip), %%rax; pushq %%rax", "iretq; 2:")
SNIPPET(read_es_beyond, "", "movl %%es:(%%rdi), %%eax")

/* Where far calls go: counts, and returns far. */
asm(".text\n"
    "ring0_far_target:\n\t"
    "mov %cs, %eax\n\t"
    "mov %eax, far_target_cs(%rip)\n\t"
    "lretq\n");
u32 far_target_cs;

/* Goes to 32-bit code and back: there 0x40 is INC EAX and not a REX prefix, the stack is ESP, and ES has a limit. */
void compatibility_probe(u64 offset);
u32 compatibility_result, compatibility_esp;
asm(".text\n"
    "compatibility_probe:\n\t"
    "push %rbx\n\t"
    "push %rbp\n\t"
    "mov %rdi, %rbx\n\t"
    "mov %rsp, %rbp\n\t"
    "pushq $0x18\n\t" /* KERNEL_CS32 */
    "leaq 1f(%rip), %rax\n\t"
    "pushq %rax\n\t"
    "lretq\n"
    ".code32\n"
    "1:\tmov $0x10, %eax\n\t"
    "mov %eax, %ds\n\t"
    "mov $0x10, %eax\n\t"
    ".byte 0x40\n\t"
    "nop\n\t"
    "mov %eax, compatibility_result\n\t"
    "push %ecx\n\t"
    "mov %esp, compatibility_esp\n\t"
    "pop %ecx\n\t"
    "movb %es:(%ebx), %al\n\t"
    "ljmp $8, $2f\n"
    ".code64\n"
    "2:\tmov %rbp, %rsp\n\t"
    "pop %rbp\n\t"
    "pop %rbx\n\t"
    "ret\n"
    "gate_target:\n\t"
    "ud2\n");
void gate_target(void);

static void put(unsigned slot, u64 descriptor)
{
	gdt[SLOT(slot) / 8] = descriptor;
}

static void data_segments(void)
{
	struct fault fault;

	report(catch_fault(load_ds, 0, &fault) == NO_FAULT, "a null selector may be loaded into DS");
	/* SDM volume 2, MOV: in 64-bit mode below ring 3 SS may be null when its RPL is the CPL. */
	report(catch_fault(load_ss, 0, &fault) == NO_FAULT, "a null selector may be loaded into SS in ring 0");
	asm volatile("mov %0, %%ss" : : "r"(KERNEL_DS));
	report(faults(load_ds, GDT_SIZE, VECTOR_GP, GDT_SIZE), "a selector beyond the GDT's limit raises #GP with the selector");
	report(faults(load_ds, GDT_SIZE | 3, VECTOR_GP, GDT_SIZE), "the error code of a selector has no RPL");
	asm volatile("lldt %w0" : : "r"(0));
	report(faults(load_ds, SLOT(0) | 4, VECTOR_GP, SLOT(0) | 4), "a selector of a null LDT raises #GP with TI set");
	put(0, DATA_NOT_PRESENT);
	report(faults(load_ds, SLOT(0), VECTOR_NP, SLOT(0)), "loading DS with a segment that is not present raises #NP with the selector");
	report(faults(load_ss, SLOT(0), VECTOR_SS, SLOT(0)), "loading SS with a segment that is not present raises #SS with the selector");
	put(0, EXECUTE_ONLY_CODE);
	report(faults(load_es, SLOT(0), VECTOR_GP, SLOT(0)), "loading ES with execute-only code raises #GP with the selector");
	put(0, READ_ONLY_DATA);
	report(catch_fault(load_es, SLOT(0), &fault) == NO_FAULT, "loading ES with read-only data is allowed");
	report(faults(load_ss, SLOT(0), VECTOR_GP, SLOT(0)), "loading SS with read-only data raises #GP with the selector");
	report(faults(load_ss, USER_DS & ~3, VECTOR_GP, USER_DS & ~3), "loading SS with a DPL 3 segment in ring 0 raises #GP with the selector");
	report(faults(load_ss, KERNEL_DS | 3, VECTOR_GP, KERNEL_DS), "loading SS with RPL 3 in ring 0 raises #GP with the selector");
	report(faults(load_fs, GDT_TSS, VECTOR_GP, GDT_TSS), "loading FS with a system descriptor raises #GP with the selector");
	put(1, READ_ONLY_DATA);
	asm volatile("mov %0, %%es" : : "r"(SLOT(1)));
	report(gdt[SLOT(1) / 8] == READ_ONLY_DATA, "loading a segment whose accessed bit is set changes no descriptor");
	put(1, READ_ONLY_DATA & ~BIT(40));
	asm volatile("mov %0, %%es" : : "r"(SLOT(1)));
	report(gdt[SLOT(1) / 8] & BIT(40), "loading a segment sets the accessed bit of its descriptor");
	/* SDM volume 3, section 5.3.1: limits are not checked in 64-bit mode. */
	put(1, DATA_LIMIT_4K);
	asm volatile("mov %0, %%es" : : "r"(SLOT(1)));
	report(catch_fault(read_es_beyond, (u64)gdt, &fault) == NO_FAULT, "the limit of ES is not checked in 64-bit mode");
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %1, %%fs" : : "r"(KERNEL_DS), "r"(0));
}

static void fs_base_from_descriptor(void)
{
	static u64 value = 0x55aa;
	u64 base = (u64)&value, read;

	put(0, 0x00cf93000000ffffull | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56);
	asm volatile("mov %1, %%fs; movq %%fs:0, %0" : "=r"(read) : "r"(SLOT(0)));
	report_equal(read, 0x55aa, "loading FS takes the 32-bit base of its descriptor");
	report_equal(rdmsr(MSR_FS_BASE), base, "the FS base MSR shows the descriptor's base");
	asm volatile("mov %0, %%fs" : : "r"(0));
}

static void descriptor_queries(void)
{
	u64 rights, limit;
	bool zf, readable, writable;

	put(0, DATA_LIMIT_4K);
	asm volatile("lar %2, %k0; setz %1" : "=r"(rights), "=q"(zf) : "r"(SLOT(0)) : "cc");
	report(zf && (rights & 0x00f0ff00) == 0x00409300, "LAR gives the access rights of a descriptor");
	asm volatile("lsl %2, %k0; setz %1" : "=r"(limit), "=q"(zf) : "r"(SLOT(0)) : "cc");
	report(zf && limit == 0xfff, "LSL gives a limit in bytes");
	put(0, READ_ONLY_DATA);
	asm volatile("lsl %2, %k0; setz %1" : "=r"(limit), "=q"(zf) : "r"(SLOT(0)) : "cc");
	report(zf && limit == 0xffffffff, "LSL scales a limit in pages");
	asm volatile("verr %w2; setz %0; verw %w2; setz %1" : "=&q"(readable), "=&q"(writable) : "r"(SLOT(0)) : "cc");
	report(readable && !writable, "VERR and VERW tell read-only data");
	asm volatile("lar %1, %%eax; setz %0" : "=q"(zf) : "r"(0) : "rax", "cc");
	report(!zf, "LAR of a null selector clears ZF");
	asm volatile("lar %1, %%eax; setz %0" : "=q"(zf) : "r"(GDT_SIZE) : "rax", "cc");
	report(!zf, "LAR of a selector beyond the GDT clears ZF");
}

static void system_segments(void)
{
	u16 selector;
	struct fault fault;

	asm volatile("str %0" : "=r"(selector));
	report_equal(selector, GDT_TSS, "STR gives the selector of LTR");
	report_equal(gdt[GDT_TSS / 8] >> 40 & 0xf, 0xb, "LTR marks the TSS busy");
	report(faults(load_tr, GDT_TSS, VECTOR_GP, GDT_TSS), "LTR of a busy TSS raises #GP with the selector");
	report(faults(load_tr, KERNEL_DS, VECTOR_GP, KERNEL_DS), "LTR of a data segment raises #GP with the selector");
	report(faults(load_tr, 0, VECTOR_GP, 0), "LTR of a null selector raises #GP(0)");
	put(0, 0x0000090000000067ull);
	put(1, 0);
	report(faults(load_tr, SLOT(0), VECTOR_NP, SLOT(0)), "LTR of a TSS that is not present raises #NP with the selector");

	put(0, LDT_DESCRIPTOR | ((u64)gdt & 0xffffff) << 16 | ((u64)gdt >> 24 & 0xff) << 56 | (GDT_SPARE - 1));
	put(1, 0);
	report(catch_fault(load_ldt, SLOT(0), &fault) == NO_FAULT, "LLDT loads a table");
	asm volatile("sldt %0" : "=r"(selector));
	report_equal(selector, SLOT(0), "SLDT gives the selector of LLDT");
	report(catch_fault(load_es, KERNEL_DS | 4, &fault) == NO_FAULT, "a selector with TI set is looked up in the LDT");
	report(faults(load_es, SLOT(0) | 4, VECTOR_GP, SLOT(0) | 4), "a selector beyond the LDT's limit raises #GP with TI set");
	asm volatile("mov %0, %%es; lldt %w1" : : "r"(KERNEL_DS), "r"(0));
	report(faults(load_ldt, KERNEL_DS, VECTOR_GP, KERNEL_DS), "LLDT of a data segment raises #GP with the selector");
}

static void far_transfers(void)
{
	struct fault fault;

	put(0, CODE64_CONFORMING);
	report(catch_fault(far_call, SLOT(0), &fault) == NO_FAULT && far_target_cs == SLOT(0), "a far CALL loads CS, a far RET restores it");
	report(faults(far_jump, 0, VECTOR_GP, 0), "a far JMP to a null selector raises #GP(0)");
	report(faults(far_jump, KERNEL_DS, VECTOR_GP, KERNEL_DS), "a far JMP to a data segment raises #GP with the selector");
	report(faults(far_jump, USER_CS & ~3, VECTOR_GP, USER_CS & ~3), "a far JMP to DPL 3 code in ring 0 raises #GP with the selector");
	put(1, CODE64_NOT_PRESENT);
	report(faults(far_jump, SLOT(1), VECTOR_NP, SLOT(1)), "a far JMP to code that is not present raises #NP with the selector");
	put(1, CODE_L_AND_D);
	report(faults(far_jump, SLOT(1), VECTOR_GP, SLOT(1)), "a far JMP to code with L and D set raises #GP with the selector");
	report(faults(far_return, KERNEL_DS, VECTOR_GP, KERNEL_DS), "a far RET to a data segment raises #GP with the selector");
	report(faults(iret_to, KERNEL_DS, VECTOR_GP, KERNEL_DS), "IRET to a data segment raises #GP with the selector");
	report(faults(iret_to, 0, VECTOR_GP, 0), "IRET to a null selector raises #GP(0)");

	/* A 64-bit call gate of two slots (SDM volume 3, figure 5-9). */
	put(2, CALL_GATE | ((u64)gate_target & 0xffff) | (u64)KERNEL_CS << 16 | ((u64)gate_target >> 16 & 0xffff) << 48);
	put(3, (u64)gate_target >> 32);
	report(catch_fault(far_call, SLOT(2), &fault) == VECTOR_UD && fault.frame.rip == (u64)gate_target, "a far CALL through a gate goes to the gate's address");
	gdt[SLOT(2) / 8] &= ~PRESENT;
	report(faults(far_call, SLOT(2), VECTOR_NP, SLOT(2)), "a far CALL through a gate that is not present raises #NP with the selector");
}

/* SDM volume 3, section 5.2.1: in compatibility mode segmentation works as in 32-bit protected mode. */
static void compatibility_mode(void)
{
	struct fault fault;
	u64 rsp;

	asm volatile("mov %%rsp, %0" : "=r"(rsp));
	report(catch_fault(compatibility_probe, (u64)gdt, &fault) == NO_FAULT, "32-bit code runs in a segment with L clear and D set");
	report_equal(compatibility_result, 0x11, "0x40 is INC EAX in a 32-bit segment");
	report(compatibility_esp < (u32)rsp && compatibility_esp % 8 == 4, "PUSH in a 32-bit segment takes four bytes");
	put(0, DATA_LIMIT_4K);
	asm volatile("mov %0, %%es" : : "r"(SLOT(0)));
	report(catch_fault(compatibility_probe, 0xfff, &fault) == NO_FAULT, "the last byte of a segment may be read in compatibility mode");
	report(catch_fault(compatibility_probe, 0x1000, &fault) == VECTOR_GP && fault.frame.error_code == 0 && fault.frame.cs == KERNEL_CS32,
	       "a read beyond the limit of ES raises #GP(0) in compatibility mode");
	asm volatile("mov %0, %%es" : : "r"(0));
	report(catch_fault(compatibility_probe, 0, &fault) == VECTOR_GP, "a read by a null ES raises #GP(0) in compatibility mode");
	asm volatile("mov %0, %%es" : : "r"(KERNEL_DS));
}

int main(int argc, char **argv)
{
	data_segments();
	fs_base_from_descriptor();
	descriptor_queries();
	system_segments();
	far_transfers();
	compatibility_mode();
	return report_summary();
}
