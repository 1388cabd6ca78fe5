/*
 * 4-level paging (Intel SDM volume 3, section 4.5). The low 4 GiB are mapped to themselves, open to user mode, in 2 MiB pages; suites map their
 * own pages elsewhere, from TEST_BASE up, by tables from a small pool.
 */
#pragma once

#include "processor.h"

#define PAGE_SIZE 4096ull
#define LARGE_PAGE_SIZE (2ull << 20)

#define PTE_P BIT(0)
#define PTE_RW BIT(1)
#define PTE_US BIT(2)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_A BIT(5)
#define PTE_D BIT(6)
#define PTE_PS BIT(7)
#define PTE_G BIT(8)
#define PTE_XD BIT(63)
#define PTE_ADDRESS 0x000ffffffffff000ull

/* Page-fault error code (SDM volume 3, figure 4-12). */
enum {
	PF_P = 1 << 0,
	PF_WR = 1 << 1,
	PF_US = 1 << 2,
	PF_RSVD = 1 << 3,
	PF_ID = 1 << 4,
};

/* The second entry of the top table: nothing is mapped there at the start. */
#define TEST_BASE (1ull << 39)

/* A zeroed page of the pool, which is never given back; ends the test when there is none left. */
void *page_alloc(void);

/*
 * The entry that maps an address: level 1 page table, 2 page directory, 3 page-directory-pointer table, 4 top. Missing tables on the way are made,
 * with P, RW and US. The address must not lie in a larger page than the level's.
 */
u64 *page_entry(u64 virtual, unsigned level);

/* Maps a 4 KiB page; flags are PTE bits. Flushes the address on this CPU. */
void map_page(u64 virtual, u64 physical, u64 flags);

/* Maps a 2 MiB page; PTE_PS is added. */
void map_large_page(u64 virtual, u64 physical, u64 flags);
void unmap_page(u64 virtual);

/* Flushes all that is not global, by CR3. */
void flush_tlb(void);
