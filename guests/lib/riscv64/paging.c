#include "paging.h"

#include "report.h"

#define POOL_PAGES 64
#define GIB (1ull << 30)
#define RAM_BASE (2 * GIB)
#define PTE_PPN(physical) ((physical) >> 12 << 10)

static u64 top[512] __attribute__((aligned(4096)));
static u8 pool[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned pool_used;

void *page_alloc(void)
{
	if (pool_used == POOL_PAGES)
		abort_test("all %u pages of the pool are in use", POOL_PAGES);
	return pool[pool_used++];
}

void paging_init(void)
{
	if (!top[0]) {
		for (u64 i = 0; i < 4; i++)
			top[i] = PTE_PPN(i * GIB) | PAGE_KERNEL | PTE_X;
		top[(USER_OFFSET + RAM_BASE) / GIB] = PTE_PPN(RAM_BASE) | PAGE_KERNEL | PTE_X | PTE_U;
	}
	csr_write(satp, SATP_SV39 | (u64)top >> 12);
	asm volatile("sfence.vma" : : : "memory");
}

u64 *page_entry(u64 virtual, unsigned level)
{
	u64 *table = top;

	for (unsigned at = 2;; at--) {
		u64 *entry = &table[virtual >> (12 + 9 * at) & 0x1ff];

		if (at == level)
			return entry;
		if (!(*entry & PTE_V))
			*entry = PTE_PPN((u64)page_alloc()) | PTE_V;
		table = (u64 *)(*entry >> 10 << 12);
	}
}

void map_page(u64 virtual, u64 physical, u64 flags)
{
	*page_entry(virtual, 0) = PTE_PPN(physical) | flags;
	sfence_vma(virtual);
}

void map_megapage(u64 virtual, u64 physical, u64 flags)
{
	*page_entry(virtual, 1) = PTE_PPN(physical) | flags;
	sfence_vma(virtual);
}

void unmap_page(u64 virtual)
{
	map_page(virtual, 0, 0);
}
