/* The local APIC in xAPIC mode (Intel SDM volume 3, chapter 10) and the I/O APIC (82093AA data sheet). */
#pragma once

#include "io.h"
#include "types.h"

#define LAPIC_BASE 0xfee00000ull
#define IOAPIC_BASE 0xfec00000ull

/* Offsets of the registers (SDM volume 3, table 10-1). */
enum {
	LAPIC_ID = 0x20,
	LAPIC_VERSION = 0x30,
	LAPIC_TPR = 0x80,
	LAPIC_APR = 0x90,
	LAPIC_PPR = 0xa0,
	LAPIC_EOI = 0xb0,
	LAPIC_LDR = 0xd0,
	LAPIC_DFR = 0xe0,
	LAPIC_SVR = 0xf0,
	LAPIC_ISR = 0x100,
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_ICR_LOW = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_PERFORMANCE = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
};

/* Interrupt command register, low half (SDM volume 3, figure 10-12). */
enum {
	ICR_FIXED = 0 << 8,
	ICR_LOWEST_PRIORITY = 1 << 8,
	ICR_NMI = 4 << 8,
	ICR_INIT = 5 << 8,
	ICR_STARTUP = 6 << 8,
	ICR_LOGICAL = 1 << 11,
	ICR_PENDING = 1 << 12,
	ICR_ASSERT = 1 << 14,
	ICR_SELF = 1 << 18,
	ICR_ALL = 2 << 18,
	ICR_ALL_BUT_SELF = 3 << 18,
};

enum {
	SVR_ENABLE = 1 << 8,
	SPURIOUS_VECTOR = 0xff,
	LVT_MASKED = 1 << 16,
	LVT_EXTINT = 7 << 8,
	LVT_TIMER_PERIODIC = 1 << 17,
	LVT_TIMER_DEADLINE = 2 << 17,
	TIMER_DIVIDE_BY_1 = 0xb,
	TIMER_DIVIDE_BY_16 = 0x3,
};

static inline u32 lapic_read(u32 offset)
{
	return mmio_read32(LAPIC_BASE + offset);
}

static inline void lapic_write(u32 offset, u32 value)
{
	mmio_write32(LAPIC_BASE + offset, value);
}

/* Software-enables this CPU's APIC; all its local vectors stay as they are. */
void lapic_enable(void);

static inline void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

static inline u32 lapic_id(void)
{
	return lapic_read(LAPIC_ID) >> 24;
}

/* Writes the interrupt command register and waits until the IPI is sent. destination: an APIC ID, or a logical one with ICR_LOGICAL. */
void lapic_send_ipi(u32 destination, u32 command);

/* Whether a vector's bit is set in one of the 256-bit registers LAPIC_ISR, LAPIC_TMR, LAPIC_IRR. */
bool lapic_vector_bit(u32 offset, u8 vector);

/* Index registers of the I/O APIC. */
enum {
	IOAPIC_ID = 0,
	IOAPIC_VERSION = 1,
	IOAPIC_ARBITRATION = 2,
	IOAPIC_REDIRECTION = 0x10,
};

/* Redirection entry bits (82093AA, section 3.2.4). */
#define IOAPIC_ENTRY_LOGICAL BIT(11)
#define IOAPIC_ENTRY_ACTIVE_LOW BIT(13)
#define IOAPIC_ENTRY_REMOTE_IRR BIT(14)
#define IOAPIC_ENTRY_LEVEL BIT(15)
#define IOAPIC_ENTRY_MASKED BIT(16)
#define IOAPIC_ENTRY_DESTINATION(id) ((u64)(id) << 56)

u32 ioapic_read(u8 index);
void ioapic_write(u8 index, u32 value);
u64 ioapic_read_entry(u8 pin);

/* Masks the pin while the two halves are written. */
void ioapic_write_entry(u8 pin, u64 entry);
