#include "trap.h"

#include "cpu.h"
#include "paging.h"
#include "platform.h"
#include "printf.h"
#include "report.h"

#define USER_STACK_SIZE 4096

struct user_entry {
	u64 code, argument, stack_top, return_address;
};

_Static_assert(offsetof(struct trap_frame, sepc) == FRAME_SEPC && offsetof(struct trap_frame, sstatus) == FRAME_SSTATUS && offsetof(struct trap_frame, scause) == FRAME_SCAUSE &&
		       offsetof(struct trap_frame, stval) == FRAME_STVAL && sizeof(struct trap_frame) == FRAME_SIZE,
	       "assembly uses the offsets");

extern const u8 trap_entry[];
void call_recoverable(void (*code)(u64), u64 argument);
void call_recovered(void);
void enter_user(u64 entry);
void user_return(void);
void trap_dispatch(struct trap_frame *frame);

static interrupt_handler handlers[INTERRUPTS_MAX];
static u8 user_stack[USER_STACK_SIZE] __attribute__((aligned(16)));

void trap_load(void)
{
	csr_write(stvec, (u64)trap_entry);
}

void trap_set_interrupt(u32 cause, interrupt_handler handler)
{
	__atomic_store_n(&handlers[cause], handler, __ATOMIC_SEQ_CST);
}

static void recover(struct cpu *cpu, struct trap_frame *frame)
{
	struct fault *fault = cpu->fault;

	fault->frame = *frame;
	fault->value = frame->x[10];
	fault->cause = !(frame->sstatus & SSTATUS_SPP) && frame->sepc == USER_ALIAS(user_return) ? NO_FAULT : (int)frame->scause;
	frame->sepc = (u64)call_recovered;
	frame->sstatus = (frame->sstatus | SSTATUS_SPP) & ~SSTATUS_SPIE;
	frame->x[4] = (u64)cpu;
}

static _Noreturn void unexpected(struct cpu *cpu, struct trap_frame *frame)
{
	printf("unexpected trap on hart %lu: scause %lx stval %016lx\n", cpu->hart, frame->scause, frame->stval);
	printf("sepc %016lx sstatus %016lx\n", frame->sepc, frame->sstatus);
	for (int i = 1; i < 31; i += 3)
		printf("x%-2d %016lx x%-2d %016lx x%-2d %016lx\n", i, frame->x[i], i + 1, frame->x[i + 1], i + 2, frame->x[i + 2]);
	printf("x31 %016lx\n", frame->x[31]);
	abort_test("unexpected trap, scause 0x%lx", frame->scause);
}

void trap_dispatch(struct trap_frame *frame)
{
	struct cpu *cpu = this_cpu();
	u64 cause = frame->scause & ~SCAUSE_INTERRUPT;

	if (frame->scause & SCAUSE_INTERRUPT && cause < INTERRUPTS_MAX && handlers[cause])
		handlers[cause]();
	else if (!(frame->scause & SCAUSE_INTERRUPT) && cpu->recovery_sp)
		recover(cpu, frame);
	else
		unexpected(cpu, frame);
}

int catch_fault(void (*code)(u64), u64 argument, struct fault *fault)
{
	this_cpu()->fault = fault;
	fault->cause = NO_FAULT;
	call_recoverable(code, argument);
	return fault->cause;
}

int run_user(u64 (*code)(u64), u64 argument, struct fault *fault)
{
	struct user_entry entry = {
		.code = USER_ALIAS(code),
		.argument = argument,
		.stack_top = USER_ALIAS(user_stack) + USER_STACK_SIZE,
		.return_address = USER_ALIAS(user_return),
	};

	return catch_fault(enter_user, (u64)&entry, fault);
}
