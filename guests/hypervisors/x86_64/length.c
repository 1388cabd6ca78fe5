#include "length.h"

#include "paging.h"
#include "report.h"

enum {
	LONGEST_INSTRUCTION = 15,
	SEGMENT_LONG = 1 << 9, /* L, in a VMCB's attributes */
	LINEAR_LEVELS_LONG = 4,
	LINEAR_LEVELS_PAE = 3,
};

/* What a linear address of L2 is in memory, by L2's own tables; memory is the same for L1 and L2. Presence is sure: L2 has just fetched there. */
static u64 physical(const struct vmcb *vmcb, u64 linear)
{
	bool long_mode = vmcb->efer & EFER_LMA, pae = vmcb->cr4 & CR4_PAE;
	u64 table = vmcb->cr3 & PTE_ADDRESS;

	if (!(vmcb->cr0 & CR0_PG))
		return linear;
	if (!pae) {
		u32 entry = ((u32 *)table)[linear >> 22 & 0x3ff];

		if (entry & PTE_PS && vmcb->cr4 & CR4_PSE)
			return (entry & 0xffc00000) | (linear & 0x3fffff);
		entry = ((u32 *)(u64)(entry & 0xfffff000))[linear >> 12 & 0x3ff];
		return (entry & 0xfffff000) | (linear & 0xfff);
	}
	if (!long_mode)
		table = vmcb->cr3 & 0xffffffe0;
	for (unsigned level = long_mode ? LINEAR_LEVELS_LONG : LINEAR_LEVELS_PAE;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		u64 entry = ((u64 *)table)[linear >> shift & (level == LINEAR_LEVELS_PAE && !long_mode ? 3 : 0x1ff)];

		table = entry & PTE_ADDRESS;
		if (level == 1 || (entry & PTE_PS && level < LINEAR_LEVELS_LONG && (level == 2 || long_mode)))
			return (table & ~((1ull << shift) - 1)) | (linear & ((1ull << shift) - 1));
	}
}

/* Legacy prefixes (AMD64 Architecture Programmer's Manual, volume 3, section 1.2.1), and in 64-bit mode REX. */
static bool is_prefix(const struct vmcb *vmcb, u8 byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66:
	case 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return vmcb->efer & EFER_LMA && vmcb->cs.attributes & SEGMENT_LONG && (byte & 0xf0) == 0x40;
	}
}

unsigned instruction_length(const struct vmcb *vmcb, u8 opcode)
{
	u64 rip = vmcb->rip + (vmcb->cs.attributes & SEGMENT_LONG ? 0 : vmcb->cs.base);
	unsigned length = 0;

	while (length < LONGEST_INSTRUCTION - 1 && is_prefix(vmcb, *(u8 *)physical(vmcb, rip + length)))
		length++;
	if (*(u8 *)physical(vmcb, rip + length) != 0x0f || *(u8 *)physical(vmcb, rip + length + 1) != opcode)
		abort_test("L2 left at 0x%lx, where no instruction 0x0f 0x%02x is", rip, opcode);
	return length + 2;
}
