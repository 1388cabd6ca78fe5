/*
 * Stage 1 translation of EL1 and EL0: 4 KiB granule, 39-bit addresses, so that the walk starts at level 1 (Arm ARM, chapter D8 "The AArch64 Virtual Memory System
 * Architecture"). The first GiB is mapped to itself as device memory, the second and third, RAM, as normal memory for EL1; the second also at USER_ALIAS, open to EL0.
 * Suites map their own pages from TEST_BASE up, by tables from a small pool.
 */
#pragma once

#include "sysreg.h"

#define PAGE_SIZE 4096ull
#define BLOCK_SIZE (2ull << 20)

#define PTE_VALID BIT(0)
#define PTE_TABLE BIT(1) /* at level 3: page */
#define PTE_NORMAL (0ull << 2) /* index into MAIR_EL1 */
#define PTE_DEVICE (1ull << 2)
#define PTE_USER BIT(6) /* AP[1] */
#define PTE_READ_ONLY BIT(7) /* AP[2] */
#define PTE_SHAREABLE (3ull << 8)
#define PTE_AF BIT(10)
#define PTE_PXN BIT(53)
#define PTE_UXN BIT(54)
#define PTE_ADDRESS 0x0000fffffffff000ull

/* A page of normal memory that EL1 reads and writes. */
#define PAGE_KERNEL (PTE_VALID | PTE_TABLE | PTE_NORMAL | PTE_SHAREABLE | PTE_AF | PTE_UXN)
#define BLOCK_KERNEL (PAGE_KERNEL & ~PTE_TABLE)

/* Memory that EL0 can write is never executable at EL1 (section D8.4.1), so what both run has two addresses. */
#define USER_OFFSET (64ull << 30)
#define USER_ALIAS(pointer) ((u64)(pointer) + USER_OFFSET)

/* Nothing is mapped there at the start. */
#define TEST_BASE (128ull << 30)

/* Turns the MMU on, on this CPU; the first call builds the tables. */
void paging_init(void);

/* A zeroed page of the pool, which is never given back; ends the test when there is none left. */
void *page_alloc(void);

/* The descriptor that maps an address at a level: 1 (1 GiB), 2 (2 MiB), 3 (4 KiB). Missing tables on the way are made. */
u64 *page_descriptor(u64 virtual, unsigned level);

/* Writes the descriptor of a 4 KiB page, or of a 2 MiB block, and invalidates the address in this CPU's TLB. */
void map_page(u64 virtual, u64 physical, u64 flags);
void map_block(u64 virtual, u64 physical, u64 flags);
void unmap_page(u64 virtual);

static inline void tlb_invalidate(u64 virtual)
{
	dsb();
	asm volatile("tlbi vaae1, %0" : : "r"(virtual >> 12) : "memory");
	dsb();
	isb();
}
