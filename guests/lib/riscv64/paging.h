/*
 * Sv39 (Privileged Architecture, section 4.4). The low 4 GiB are mapped to themselves for supervisor mode, the first GiB of RAM (at 2 GiB) also at USER_ALIAS, open to user
 * mode. Suites map their own pages from TEST_BASE up, by tables from a small pool.
 */
#pragma once

#include "csr.h"

#define PAGE_SIZE 4096ull
#define MEGAPAGE_SIZE (2ull << 20)

#define PTE_V BIT(0)
#define PTE_R BIT(1)
#define PTE_W BIT(2)
#define PTE_X BIT(3)
#define PTE_U BIT(4)
#define PTE_G BIT(5)
#define PTE_A BIT(6)
#define PTE_D BIT(7)
#define PTE_RWX (PTE_R | PTE_W | PTE_X)

/* A page that supervisor mode reads and writes. */
#define PAGE_KERNEL (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D)

#define SATP_SV39 (8ull << 60)

/* Supervisor mode never executes pages of user mode (section 4.3.1), so what both run has two addresses. */
#define USER_OFFSET (64ull << 30)
#define USER_ALIAS(pointer) ((u64)(pointer) + USER_OFFSET)

/* Nothing is mapped there at the start. */
#define TEST_BASE (128ull << 30)

/* Turns translation on, on this hart; the first call builds the tables. */
void paging_init(void);

/* A zeroed page of the pool, which is never given back; ends the test when there is none left. */
void *page_alloc(void);

/* The entry that maps an address at a level: 0 (4 KiB), 1 (2 MiB), 2 (1 GiB). Missing tables on the way are made. */
u64 *page_entry(u64 virtual, unsigned level);

/* Writes the entry of a page at a level and fences its address on this hart. */
void map_page(u64 virtual, u64 physical, u64 flags);
void map_megapage(u64 virtual, u64 physical, u64 flags);
void unmap_page(u64 virtual);

static inline void sfence_vma(u64 virtual)
{
	asm volatile("sfence.vma %0, zero" : : "r"(virtual) : "memory");
}
