/* void l2_enter(struct l2 *): to L2 by VMRUN, and back by its next exit, which puts RAX and RSP back. Offsets are those of struct l2. */
#define L2_VMCB	112
#define L2_HOST	120

	.text
	.globl l2_enter
l2_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdi
	mov L2_HOST(%rdi), %rax
	vmsave %rax
	mov L2_VMCB(%rdi), %rax
	vmload %rax
	mov 0(%rdi), %rbx
	mov 8(%rdi), %rcx
	mov 16(%rdi), %rdx
	mov 24(%rdi), %rsi
	mov 40(%rdi), %rbp
	mov 48(%rdi), %r8
	mov 56(%rdi), %r9
	mov 64(%rdi), %r10
	mov 72(%rdi), %r11
	mov 80(%rdi), %r12
	mov 88(%rdi), %r13
	mov 96(%rdi), %r14
	mov 104(%rdi), %r15
	mov 32(%rdi), %rdi
	vmrun %rax
	vmsave %rax
	push %rdi
	mov 8(%rsp), %rdi
	mov %rbx, 0(%rdi)
	mov %rcx, 8(%rdi)
	mov %rdx, 16(%rdi)
	mov %rsi, 24(%rdi)
	mov %rbp, 40(%rdi)
	mov %r8, 48(%rdi)
	mov %r9, 56(%rdi)
	mov %r10, 64(%rdi)
	mov %r11, 72(%rdi)
	mov %r12, 80(%rdi)
	mov %r13, 88(%rdi)
	mov %r14, 96(%rdi)
	mov %r15, 104(%rdi)
	pop 32(%rdi)
	mov L2_HOST(%rdi), %rax
	vmload %rax
	pop %rdi
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
