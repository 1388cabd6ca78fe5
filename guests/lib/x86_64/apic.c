#include "apic.h"

#include "processor.h"

enum {
	IOAPIC_REGSEL = 0x00,
	IOAPIC_WIN = 0x10,
};

void lapic_enable(void)
{
	lapic_write(LAPIC_SVR, SVR_ENABLE | SPURIOUS_VECTOR);
}

void lapic_send_ipi(u32 destination, u32 command)
{
	lapic_write(LAPIC_ICR_HIGH, destination << 24);
	lapic_write(LAPIC_ICR_LOW, command);
	while (lapic_read(LAPIC_ICR_LOW) & ICR_PENDING)
		pause();
}

bool lapic_vector_bit(u32 offset, u8 vector)
{
	return lapic_read(offset + vector / 32 * 16) >> vector % 32 & 1;
}

u32 ioapic_read(u8 index)
{
	mmio_write32(IOAPIC_BASE + IOAPIC_REGSEL, index);
	return mmio_read32(IOAPIC_BASE + IOAPIC_WIN);
}

void ioapic_write(u8 index, u32 value)
{
	mmio_write32(IOAPIC_BASE + IOAPIC_REGSEL, index);
	mmio_write32(IOAPIC_BASE + IOAPIC_WIN, value);
}

u64 ioapic_read_entry(u8 pin)
{
	return (u64)ioapic_read(IOAPIC_REDIRECTION + 2 * pin + 1) << 32 | ioapic_read(IOAPIC_REDIRECTION + 2 * pin);
}

void ioapic_write_entry(u8 pin, u64 entry)
{
	ioapic_write(IOAPIC_REDIRECTION + 2 * pin, IOAPIC_ENTRY_MASKED);
	ioapic_write(IOAPIC_REDIRECTION + 2 * pin + 1, (u32)(entry >> 32));
	ioapic_write(IOAPIC_REDIRECTION + 2 * pin, (u32)entry);
}
