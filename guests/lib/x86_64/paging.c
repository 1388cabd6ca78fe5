#include "paging.h"

#include "report.h"

#define POOL_PAGES 128

extern u64 boot_pml4[512];

static u8 pool[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned pool_used;

void *page_alloc(void)
{
	if (pool_used == POOL_PAGES)
		abort_test("all %u pages of the pool are in use", POOL_PAGES);
	return pool[pool_used++];
}

u64 *page_entry(u64 virtual, unsigned level)
{
	u64 *table = boot_pml4;

	for (unsigned at = 4;; at--) {
		u64 *entry = &table[virtual >> (12 + 9 * (at - 1)) & 0x1ff];

		if (at == level)
			return entry;
		if (!(*entry & PTE_P))
			*entry = (u64)page_alloc() | PTE_P | PTE_RW | PTE_US;
		table = (u64 *)(*entry & PTE_ADDRESS);
	}
}

void map_page(u64 virtual, u64 physical, u64 flags)
{
	*page_entry(virtual, 1) = physical | flags;
	invlpg(virtual);
}

void map_large_page(u64 virtual, u64 physical, u64 flags)
{
	*page_entry(virtual, 2) = physical | flags | PTE_PS;
	invlpg(virtual);
}

void unmap_page(u64 virtual)
{
	map_page(virtual, 0, 0);
}

void flush_tlb(void)
{
	write_cr3(read_cr3());
}
