#include "trap.h"

#include "cpu.h"
#include "platform.h"
#include "printf.h"
#include "report.h"

#define GATE_INTERRUPT 0x8e00 /* present, DPL 0, 64-bit interrupt gate (SDM volume 3, figure 6-8) */
#define GATE_ENTRY_SIZE 16
#define USER_STACK_SIZE 4096
#define BACKTRACE_DEPTH 16

struct gate {
	u16 offset_low, selector, attributes, offset_middle;
	u32 offset_high, reserved;
};

struct user_entry {
	u64 (*code)(u64);
	u64 argument, rflags, stack_top;
};

extern u8 image_start[], image_end[];
extern const u8 trap_entries[256][GATE_ENTRY_SIZE];
void call_recoverable(void (*code)(u64), u64 argument);
void call_recovered(void);
void enter_user(u64 entry);
void user_return(void);
void trap_dispatch(struct trap_frame *frame);

static struct gate idt[256] __attribute__((aligned(16)));
static trap_handler handlers[256];
static u8 user_stack[USER_STACK_SIZE] __attribute__((aligned(16)));

void trap_init(void)
{
	for (int vector = 0; vector < 256; vector++) {
		u64 entry = (u64)trap_entries[vector];

		idt[vector] = (struct gate){
			.offset_low = (u16)entry,
			.selector = KERNEL_CS,
			.attributes = GATE_INTERRUPT,
			.offset_middle = (u16)(entry >> 16),
			.offset_high = (u32)(entry >> 32),
		};
	}
	/* A double fault's stack may be what was at fault. */
	trap_set_ist(VECTOR_DF, 1);
}

void trap_load(void)
{
	struct descriptor_pointer pointer = {.limit = sizeof(idt) - 1, .base = (u64)idt};

	asm volatile("lidt %0" : : "m"(pointer));
}

void trap_set_handler(u8 vector, trap_handler handler)
{
	__atomic_store_n(&handlers[vector], handler, __ATOMIC_SEQ_CST);
}

void trap_set_ist(u8 vector, unsigned ist)
{
	idt[vector].attributes = (idt[vector].attributes & ~7) | (ist & 7);
}

void trap_set_gate(u8 vector, unsigned dpl, bool present)
{
	idt[vector].attributes = (idt[vector].attributes & 0x1fff) | (dpl & 3) << 13 | (present ? 0x8000 : 0);
}

static void recover(struct cpu *cpu, struct trap_frame *frame, int vector)
{
	struct fault *fault = cpu->fault;

	fault->frame = *frame;
	fault->frame_address = (u64)frame;
	fault->cr2 = read_cr2();
	fault->value = frame->rax;
	fault->vector = vector;
	frame->rip = (u64)call_recovered;
	frame->cs = KERNEL_CS;
	frame->rflags = RFLAGS_FIXED;
	frame->rsp = cpu->recovery_rsp;
	frame->ss = KERNEL_DS;
	cpu->recovery_rsp = 0;
}

static _Noreturn void unexpected(struct cpu *cpu, struct trap_frame *frame)
{
	u64 *rbp = (u64 *)frame->rbp;

	printf("unexpected vector %lu on CPU %u: error code 0x%lx\n", frame->vector, cpu->index, frame->error_code);
	printf("rip %016lx cs %04lx rflags %08lx ss:rsp %04lx:%016lx\n", frame->rip, frame->cs, frame->rflags, frame->ss, frame->rsp);
	printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", frame->rax, frame->rbx, frame->rcx, frame->rdx);
	printf("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", frame->rsi, frame->rdi, frame->rbp, frame->r8);
	printf("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", frame->r9, frame->r10, frame->r11, frame->r12);
	printf("r13 %016lx r14 %016lx r15 %016lx\n", frame->r13, frame->r14, frame->r15);
	printf("cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx\n", read_cr0(), read_cr2(), read_cr3(), read_cr4());
	printf("stack:");
	for (int depth = 0; depth < BACKTRACE_DEPTH && rbp > (u64 *)image_start && rbp < (u64 *)image_end; depth++) {
		printf(" %lx", rbp[1]);
		rbp = (u64 *)rbp[0];
	}
	printf("\n");
	abort_test("unexpected vector %lu", frame->vector);
}

void trap_dispatch(struct trap_frame *frame)
{
	struct cpu *cpu = this_cpu();

	frame->vector &= 0xff;
	if (handlers[frame->vector])
		handlers[frame->vector](frame);
	else if (!cpu->recovery_rsp)
		unexpected(cpu, frame);
	else
		recover(cpu, frame, frame->rip == (u64)user_return ? NO_FAULT : (int)frame->vector);
}

int catch_fault(void (*code)(u64), u64 argument, struct fault *fault)
{
	this_cpu()->fault = fault;
	fault->vector = NO_FAULT;
	call_recoverable(code, argument);
	return fault->vector;
}

int run_user(u64 (*code)(u64), u64 argument, u64 rflags, struct fault *fault)
{
	struct user_entry entry = {
		.code = code,
		.argument = argument,
		.rflags = rflags | RFLAGS_FIXED,
		.stack_top = (u64)user_stack + USER_STACK_SIZE,
	};

	return catch_fault(enter_user, (u64)&entry, fault);
}
