/*
 * Exceptions that ring 0 can raise, each with its vector, error code and saved RIP. Intel SDM volume 3, section 6.15 "Exception and Interrupt
 * Reference". Undefined opcodes are in opcodes.c, control registers in control.c, floating point in fpexceptions.c, page
 * faults in paging.c, debug exceptions in debug.c, ring 3 in privilege.c, descriptors in segments.c.
 */
#include "cpu.h"
#include "platform.h"
#include "snippet.h"

#define NON_CANONICAL 0x0000800000000000ull

/* The error code of a fault that names a gate (SDM volume 3, figure 6-7): index, IDT, and EXT when
 * what was being delivered is no INT n, INT3 or INTO. */
#define IDT_ERROR(vector) ((u64)(vector) << 3 | 2)
#define EXT 1

SNIPPET(ud2, "", "ud2")
SNIPPET(read_memory, "", "movl (%%rdi), %%eax")
SNIPPET(write_memory, "", "movl %%eax, (%%rdi)")
SNIPPET(jump, "", "jmp *%%rdi")
SNIPPET(read_stack, "mov %%rbp, %%r11; mov %%rdi, %%rbp", "movl (%%rbp), %%eax")
SNIPPET(push_stack, "mov %%rsp, %%r11; mov %%rdi, %%rsp", "pushq %%rax")
SNIPPET(too_long, "", ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90")
SNIPPET(longest, "", ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90")
SNIPPET(iret_non_canonical, "pushq $0x10; pushq %%rsp; pushq $2; pushq $8; pushq %%rdi", "iretq")
SNIPPET(iret_nt, "pushq $0x10; pushq %%rsp; pushq $2; pushq $8; pushq %%rdi; pushq $0x4002; popfq", "iretq")

/* General protection: SDM volume 3, section 6.15, and "64-Bit Mode Exceptions" of each instruction in volume 2. */
static void general_protection(void)
{
	struct fault fault;

	report(faults(read_memory, NON_CANONICAL, VECTOR_GP, 0), "a read from a non-canonical address raises #GP(0)");
	report(faults(write_memory, NON_CANONICAL - 1 + (1ull << 63), VECTOR_GP, 0), "a write to a non-canonical address raises #GP(0)");
	report(faults(jump, NON_CANONICAL, VECTOR_GP, 0), "a jump to a non-canonical address raises #GP(0) at the jump");
	report(faults(too_long, 0, VECTOR_GP, 0), "an instruction of 16 bytes raises #GP(0)");
	report(catch_fault(longest, 0, &fault) == NO_FAULT, "an instruction of 15 bytes is executed");
	report(faults(iret_non_canonical, NON_CANONICAL, VECTOR_GP, 0), "IRET to a non-canonical address raises #GP(0)");
	report(faults(iret_nt, (u64)ud2, VECTOR_GP, 0), "IRET with NT set raises #GP(0) in long mode");
}

/* A memory operand by RSP or RBP, and the stack's own accesses: #SS instead of #GP. The handler needs another stack then. */
static void stack_fault(void)
{
	trap_set_ist(VECTOR_SS, 2);
	report(faults(read_stack, NON_CANONICAL, VECTOR_SS, 0), "a read by RBP from a non-canonical address raises #SS(0)");
	report(faults(push_stack, NON_CANONICAL + 8, VECTOR_SS, 0), "PUSH to a non-canonical address raises #SS(0)");
	trap_set_ist(VECTOR_SS, 0);
}

SNIPPET(int_0x60, "", "int $0x60")
SNIPPET(int_0x60_marked_behind, "leaq 2f(%%rip), %%rax", "int $0x60; 2: mov %%rax, %%rax")

static void gates(void)
{
	struct descriptor_pointer full, small;
	struct fault fault;

	trap_set_gate(VECTOR_UD, 0, false);
	report(faults(ud2, 0, VECTOR_NP, IDT_ERROR(VECTOR_UD) | EXT), "an exception through a gate that is not present raises #NP with EXT set");
	trap_set_gate(VECTOR_UD, 0, true);

	/* SDM volume 3, table 6-5: a contributory exception (#NP) while another (#GP) is delivered gives #DF, whose error code is 0. */
	trap_set_gate(VECTOR_GP, 0, false);
	catch_fault(read_memory, NON_CANONICAL, &fault);
	trap_set_gate(VECTOR_GP, 0, true);
	report(fault.vector == VECTOR_DF && fault.frame.error_code == 0, "#NP while #GP is delivered gives #DF(0)");

	report(catch_fault(int_0x60_marked_behind, 0, &fault) == 0x60 && fault.frame.rip == fault.frame.rax,
	       "INT n raises vector n and saves the RIP behind it");
	trap_set_gate(0x60, 0, false);
	report(faults(int_0x60, 0, VECTOR_NP, IDT_ERROR(0x60)), "INT n through a gate that is not present raises #NP with IDT set, EXT clear");
	trap_set_gate(0x60, 0, true);

	asm volatile("sidt %0" : "=m"(full));
	small = (struct descriptor_pointer){.limit = 0x60 * 16 + 14, .base = full.base};
	asm volatile("lidt %0" : : "m"(small));
	report(faults(int_0x60, 0, VECTOR_GP, IDT_ERROR(0x60)), "INT n with a gate not wholly within the IDT's limit raises #GP");
	asm volatile("lidt %0" : : "m"(full));
}

int main(int argc, char **argv)
{
	general_protection();
	stack_fault();
	gates();
	return report_summary();
}
