/* Entry points of the 256 vectors, and the recovery from an expected fault. */
#include "layout.h"

	.text
	.macro trap_entry vector
	.balign 16
	/* Vectors that push an error code: SDM volume 3, table 6-1; 21 is #CP; 29 and 30 are AMD's #VC and #SX. */
	.if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30)
	push $0
	.endif
	.if \vector < 128
	push $\vector
	.else
	push $(\vector - 256)
	.endif
	jmp trap_common
	.endm

	.balign 16
	.globl trap_entries
trap_entries:
	.set vector_number, 0
	.rept 256
	trap_entry vector_number
	.set vector_number, vector_number + 1
	.endr

trap_common:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	cld
	call trap_dispatch
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	add $16, %rsp
	iretq

/* void call_recoverable(void (*code)(u64), u64 argument): trap_dispatch comes back to call_recovered with the stack as it is kept here. */
	.globl call_recoverable, call_recovered
call_recoverable:
	pushfq
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %gs:CPU_RECOVERY_RSP
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
call_recovered:
	movq $0, %gs:CPU_RECOVERY_RSP
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	popfq
	ret

/* void enter_user(struct user_entry *): {code, argument, rflags, stack top}. Comes back only through trap_dispatch. */
	.globl enter_user
enter_user:
	mov 24(%rdi), %rax
	sub $8, %rax
	movq $user_return, (%rax)
	push $USER_DS
	push %rax
	push 16(%rdi)
	push $USER_CS
	push (%rdi)
	mov 8(%rdi), %rdi
	iretq

/* Where user code returns to. An exception leads on to ring 0, and not INT n: emulators that lack INT n are many. */
	.globl user_return
user_return:
	ud2
