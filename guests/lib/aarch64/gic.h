/*
 * The interrupt controller: GICv2 (IHI 0048) or GICv3 with system registers (IHI 0069), whichever the device tree names. Interrupt IDs: 0 to 15 SGI, 16 to 31 PPI,
 * 32 up SPI; those below 32 are banked, and mean this CPU's.
 */
#pragma once

#include "types.h"

#define GIC_SPI 32
#define GIC_SPECIAL 1020 /* from here on: no interrupt (IHI 0048, section 3.2.5) */

/* Distributor offsets (IHI 0048, table 4-1); with GICv3 those below 32 are at the same offsets in the redistributor's SGI frame. */
enum {
	GICD_CTLR = 0x000,
	GICD_TYPER = 0x004,
	GICD_IIDR = 0x008,
	GICD_IGROUPR = 0x080,
	GICD_ISENABLER = 0x100,
	GICD_ICENABLER = 0x180,
	GICD_ISPENDR = 0x200,
	GICD_ICPENDR = 0x280,
	GICD_ISACTIVER = 0x300,
	GICD_ICACTIVER = 0x380,
	GICD_IPRIORITYR = 0x400,
	GICD_ITARGETSR = 0x800,
	GICD_ICFGR = 0xc00,
	GICD_SGIR = 0xf00,
	GICD_IROUTER = 0x6000,
};

#define GIC_PRIORITY_DEFAULT 0xa0
#define GIC_PRIORITY_LOWEST 0xf0 /* as a mask: everything of a higher priority is signalled */

/* Finds it and turns its distributor on; ends the test when the tree names none. And this CPU's part. */
void gic_init(void);
void gic_init_cpu(void);

/* 2 or 3. */
u32 gic_version(void);

/* A register of the distributor; and the bank that holds an ID's registers: the distributor, or this CPU's redistributor. */
u64 gic_distributor(void);
u64 gic_bank(u32 id);

void gic_enable(u32 id);
void gic_disable(u32 id);
void gic_set_pending(u32 id);
void gic_clear_pending(u32 id);
bool gic_is_pending(u32 id);
bool gic_is_active(u32 id);

/* 0 is the highest. */
void gic_set_priority(u32 id, u8 priority);
u8 gic_priority(u32 id);
void gic_set_priority_mask(u8 mask);
u8 gic_running_priority(void);

/* Edge-triggered, or level-sensitive. */
void gic_set_edge(u32 id, bool edge);

/* The CPU, by index, that an SPI goes to. */
void gic_set_target(u32 id, u32 cpu);

void gic_send_sgi(u32 cpu, u32 id);

/* Reads the acknowledge register: the highest pending ID, which becomes active, or one from GIC_SPECIAL up. And ends it. */
u32 gic_acknowledge(void);
void gic_end(u32 id);
