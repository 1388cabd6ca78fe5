/* Secure Virtual Machine: the VMCB and what goes with it. AMD64 Architecture Programmer's Manual, volume 2 (24593), chapter 15 and appendices B and C. */
#pragma once

#include "types.h"

#define PAYLOAD_ADDRESS 0x7000000ull

#define MSR_VM_HSAVE_PA 0xc0010117
#define EFER_SVME BIT(12)

/* Appendix B, table B-1. */
enum {
	INTERCEPT_CPUID = 1 << 18,
	INTERCEPT_IOIO_PROT = 1 << 27,
	INTERCEPT2_ALL_SVM = 0x7f, /* VMRUN (which must be), VMMCALL, VMLOAD, VMSAVE, STGI, CLGI, SKINIT */
};

/* Appendix C. */
enum {
	VMEXIT_CPUID = 0x72,
	VMEXIT_IOIO = 0x7b,
	VMEXIT_VMRUN = 0x80,
	VMEXIT_SKINIT = 0x86,
	VMEXIT_NPF = 0x400,
};

#define EVENT_EXCEPTION_UD (BIT(31) | 3 << 8 | 6)

/* EXITINFO1 of VMEXIT_IOIO (section 15.10.2). */
#define IOIO_IN BIT(0)
#define IOIO_STRING BIT(2)
#define IOIO_SIZE(info) ((info) >> 4 & 7)
#define IOIO_PORT(info) ((u16)((info) >> 16))

struct vmcb_segment {
	u16 selector, attributes;
	u32 limit;
	u64 base;
};

struct vmcb {
	u16 intercept_cr_read, intercept_cr_write, intercept_dr_read, intercept_dr_write;
	u32 intercept_exceptions, intercept1, intercept2;
	u8 reserved0[0x40 - 0x14];
	u64 iopm_base, msrpm_base, tsc_offset;
	u32 asid;
	u8 tlb_control, reserved1[3];
	u64 v_interrupt, interrupt_shadow, exit_code, exit_info1, exit_info2, exit_interrupt, nested_paging;
	u8 reserved2[0xa8 - 0x98];
	u64 event_injection, nested_cr3, lbr, clean, next_rip;
	u8 reserved3[0x400 - 0xd0];

	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved4[0x4cb - 0x4a0];
	u8 cpl;
	u32 reserved5;
	u64 efer;
	u8 reserved6[0x548 - 0x4d8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u8 reserved7[0x5d8 - 0x580];
	u64 rsp, s_cet, ssp, isst, rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	u8 reserved8[0x668 - 0x648];
	u64 pat;
	u8 reserved9[0x1000 - 0x670];
} __attribute__((packed, aligned(4096)));

_Static_assert(offsetof(struct vmcb, exit_code) == 0x70 && offsetof(struct vmcb, event_injection) == 0xa8 && offsetof(struct vmcb, next_rip) == 0xc8 &&
		       offsetof(struct vmcb, efer) == 0x4d0 && offsetof(struct vmcb, rip) == 0x578 && offsetof(struct vmcb, rax) == 0x5f8 && offsetof(struct vmcb, cr2) == 0x640 &&
		       sizeof(struct vmcb) == 0x1000,
	       "the layout is the processor's");

/* L2's registers that the VMCB has not, while L1 runs. */
struct l2 {
	u64 rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	struct vmcb *vmcb, *host;
};

/* Runs L2 until it exits. host takes what VMSAVE keeps of L1. */
void l2_enter(struct l2 *l2);
