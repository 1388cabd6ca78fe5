#include "trap.h"

#include "cpu.h"
#include "gic.h"
#include "paging.h"
#include "platform.h"
#include "printf.h"
#include "report.h"

#define USER_STACK_SIZE 4096

struct user_entry {
	u64 code, argument, pstate, stack_top, return_address;
};

_Static_assert(offsetof(struct trap_frame, sp_el0) == FRAME_SP_EL0 && offsetof(struct trap_frame, elr) == FRAME_ELR && offsetof(struct trap_frame, esr) == FRAME_ESR &&
		       offsetof(struct trap_frame, vector) == FRAME_VECTOR && sizeof(struct trap_frame) == FRAME_SIZE,
	       "assembly uses the offsets");

extern const u8 trap_vectors[];
void call_recoverable(void (*code)(u64), u64 argument);
void call_recovered(void);
void enter_user(u64 entry);
void user_return(void);
void trap_dispatch(struct trap_frame *frame);

static interrupt_handler handlers[INTERRUPTS_MAX];
static u8 user_stack[USER_STACK_SIZE] __attribute__((aligned(16)));

void trap_load(void)
{
	write_sysreg(vbar_el1, (u64)trap_vectors);
}

void trap_set_interrupt(u32 id, interrupt_handler handler)
{
	__atomic_store_n(&handlers[id], handler, __ATOMIC_SEQ_CST);
}

static void recover(struct cpu *cpu, struct trap_frame *frame)
{
	struct fault *fault = cpu->fault;

	fault->frame = *frame;
	fault->value = frame->x[0];
	fault->class = frame->vector >= VECTOR_LOWER_A64 && frame->elr == USER_ALIAS(user_return) ? NO_FAULT : (int)ESR_EC(frame->esr);
	frame->elr = (u64)call_recovered;
	frame->spsr = PSR_EL1H | PSR_DAIF;
}

static _Noreturn void unexpected(struct cpu *cpu, struct trap_frame *frame)
{
	printf("unexpected exception through vector %lu on CPU %u: esr %08lx (class 0x%x) far %016lx\n", frame->vector, cpu->index, frame->esr, ESR_EC(frame->esr), frame->far);
	printf("elr %016lx spsr %08lx sp_el0 %016lx sp %016lx\n", frame->elr, frame->spsr, frame->sp_el0, (u64)(frame + 1));
	for (int i = 0; i < 30; i += 3)
		printf("x%-2d %016lx x%-2d %016lx x%-2d %016lx\n", i, frame->x[i], i + 1, frame->x[i + 1], i + 2, frame->x[i + 2]);
	printf("x30 %016lx\n", frame->x[30]);
	abort_test("unexpected exception, vector %lu, class 0x%x", frame->vector, ESR_EC(frame->esr));
}

static void interrupt(struct cpu *cpu, struct trap_frame *frame)
{
	u32 id = gic_acknowledge();

	if (id >= GIC_SPECIAL)
		return;
	if (id >= INTERRUPTS_MAX || !handlers[id]) {
		printf("interrupt %u has no handler\n", id);
		unexpected(cpu, frame);
	}
	handlers[id](id);
	gic_end(id);
}

void trap_dispatch(struct trap_frame *frame)
{
	struct cpu *cpu = this_cpu();

	if (frame->vector % 4 == VECTOR_IRQ)
		interrupt(cpu, frame);
	else if (frame->vector % 4 == VECTOR_SYNCHRONOUS && cpu->recovery_sp)
		recover(cpu, frame);
	else
		unexpected(cpu, frame);
}

int catch_fault(void (*code)(u64), u64 argument, struct fault *fault)
{
	this_cpu()->fault = fault;
	fault->class = NO_FAULT;
	call_recoverable(code, argument);
	return fault->class;
}

int run_user(u64 (*code)(u64), u64 argument, u64 pstate, struct fault *fault)
{
	struct user_entry entry = {
		.code = USER_ALIAS(code),
		.argument = argument,
		.pstate = (pstate & ~(u64)PSR_MODE_MASK) | PSR_EL0T,
		.stack_top = USER_ALIAS(user_stack) + USER_STACK_SIZE,
		.return_address = USER_ALIAS(user_return),
	};

	return catch_fault(enter_user, (u64)&entry, fault);
}
