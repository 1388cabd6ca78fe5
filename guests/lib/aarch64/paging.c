#include "paging.h"

#include "report.h"

#define POOL_PAGES 64
#define GIB (1ull << 30)

/* MAIR_EL1: 0 normal, write-back, allocating; 1 device-nGnRnE. */
#define MAIR 0x00ffull

/* TCR_EL1: T0SZ 25, inner and outer write-back, inner shareable, no walks of TTBR1. */
#define TCR_T0SZ 25ull
#define TCR_IRGN0_WB (1ull << 8)
#define TCR_ORGN0_WB (1ull << 10)
#define TCR_SH0_INNER (3ull << 12)
#define TCR_EPD1 BIT(23)
#define TCR_IPS_SHIFT 32

static u64 top[512] __attribute__((aligned(4096)));
static u8 pool[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned pool_used;

void *page_alloc(void)
{
	if (pool_used == POOL_PAGES)
		abort_test("all %u pages of the pool are in use", POOL_PAGES);
	return pool[pool_used++];
}

static void build(void)
{
	top[0] = PTE_VALID | PTE_DEVICE | PTE_AF | PTE_UXN | PTE_PXN;
	top[1] = GIB | BLOCK_KERNEL;
	top[2] = 2 * GIB | BLOCK_KERNEL;
	top[USER_OFFSET / GIB + 1] = GIB | (BLOCK_KERNEL & ~PTE_UXN) | PTE_USER;
}

void paging_init(void)
{
	u64 physical_size = read_sysreg(id_aa64mmfr0_el1) & 0xf;

	if (!top[0])
		build();
	/* 48 bits are the most that this format takes (5). */
	if (physical_size > 5)
		physical_size = 5;
	write_sysreg(mair_el1, MAIR);
	write_sysreg(tcr_el1, TCR_T0SZ | TCR_IRGN0_WB | TCR_ORGN0_WB | TCR_SH0_INNER | TCR_EPD1 | physical_size << TCR_IPS_SHIFT);
	write_sysreg(ttbr0_el1, (u64)top);
	dsb();
	asm volatile("tlbi vmalle1" : : : "memory");
	dsb();
	isb();
	write_sysreg(sctlr_el1, SCTLR_RES1 | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA | SCTLR_SA0 | SCTLR_NTWI | SCTLR_NTWE);
}

u64 *page_descriptor(u64 virtual, unsigned level)
{
	u64 *table = top;

	for (unsigned at = 1;; at++) {
		u64 *entry = &table[virtual >> (39 - 9 * at) & 0x1ff];

		if (at == level)
			return entry;
		if (!(*entry & PTE_VALID))
			*entry = (u64)page_alloc() | PTE_VALID | PTE_TABLE;
		table = (u64 *)(*entry & PTE_ADDRESS);
	}
}

void map_page(u64 virtual, u64 physical, u64 flags)
{
	*page_descriptor(virtual, 3) = physical | flags;
	tlb_invalidate(virtual);
}

void map_block(u64 virtual, u64 physical, u64 flags)
{
	*page_descriptor(virtual, 2) = physical | flags;
	tlb_invalidate(virtual);
}

void unmap_page(u64 virtual)
{
	map_page(virtual, 0, 0);
}
