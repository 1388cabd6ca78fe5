/* ACPI tables and the power-management timer. ACPI Specification 6.5, sections 5.2.5 to 5.2.9 (tables) and 4.8.3.3 (timer). */
#include "io.h"
#include "pit.h"
#include "platform.h"
#include "report.h"
#include "string.h"
#include "timeout.h"

enum {
	BIOS_START = 0xe0000,
	BIOS_END = 0x100000,
	RSDP_ALIGNMENT = 16,
	RSDP_V1_SIZE = 20,
	FADT_PM_TIMER_BLOCK = 76,
	FADT_PM_TIMER_LENGTH = 91,
	FADT_FLAGS = 112,
	FADT_TMR_VAL_EXT = 1 << 8,
	PM_TIMER_HZ = 3579545,
	WAIT_MS = 5000,
};

struct table {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision, creator_id, creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	u8 checksum;
	char oem_id[6];
	u8 revision;
	u32 rsdt;
} __attribute__((packed));

static u8 sum(const void *data, size_t size)
{
	u8 total = 0;

	for (size_t i = 0; i < size; i++)
		total += ((const u8 *)data)[i];
	return total;
}

static const struct rsdp *find_rsdp(void)
{
	for (u64 at = BIOS_START; at < BIOS_END; at += RSDP_ALIGNMENT)
		if (!memcmp((const void *)at, "RSD PTR ", 8) && sum((const void *)at, RSDP_V1_SIZE) == 0)
			return (const struct rsdp *)at;
	return NULL;
}

static const u8 *find_fadt(const struct table *rsdt)
{
	const u32 *entries = (const u32 *)(rsdt + 1);

	for (unsigned i = 0; i < (rsdt->length - sizeof(*rsdt)) / sizeof(u32); i++)
		if (!memcmp((const void *)(u64)entries[i], "FACP", 4))
			return (const u8 *)(u64)entries[i];
	return NULL;
}

static void timer(u16 port, u32 mask)
{
	u32 first = inl(port) & mask, ticks = 0;
	bool plausible = false;

	report(wait_until((inl(port) & mask) != first, WAIT_MS), "the timer counts");
	first = inl(port);
	report_equal(first & ~mask, 0, "bits that the timer does not have are zero");
	/* A host that is busy can stretch one measurement, but not shorten it; of some tries one is undisturbed. */
	for (unsigned i = 0; i < 3 && !plausible; i++) {
		pit2_start(PIT_HZ / 25);
		first = inl(port);
		wait_until(pit2_expired(), WAIT_MS);
		ticks = (inl(port) - first) & mask;
		plausible = ticks >= PM_TIMER_HZ / 25 * 9 / 10 && ticks <= PM_TIMER_HZ / 25 * 3 / 2;
	}
	if (!plausible)
		report_info("%u ticks in 40 ms, %u expected", ticks, PM_TIMER_HZ / 25);
	report(plausible, "the timer runs at 3.579545 MHz against the PIT");
	outl(port, 0);
	report(wait_until((inl(port) & mask) != 0, WAIT_MS), "the timer cannot be written");
}

int main(int argc, char **argv)
{
	const struct rsdp *rsdp = find_rsdp();
	const struct table *rsdt;
	const u8 *fadt;

	report(rsdp, "an RSDP with a good checksum is between 0xe0000 and 0xfffff");
	if (!rsdp)
		return report_summary();
	rsdt = (const struct table *)(u64)rsdp->rsdt;
	report(!memcmp(rsdt->signature, "RSDT", 4) && sum(rsdt, rsdt->length) == 0, "the RSDP points to an RSDT with a good checksum");
	fadt = find_fadt(rsdt);
	report(fadt, "the RSDT lists a FADT");
	if (!fadt)
		return report_summary();
	report_equal(sum(fadt, ((const struct table *)fadt)->length), 0, "the checksum of the FADT is good");
	report_equal(fadt[FADT_PM_TIMER_LENGTH], 4, "the FADT gives a PM timer of four bytes");
	timer((u16)*(const u32 *)(fadt + FADT_PM_TIMER_BLOCK), *(const u32 *)(fadt + FADT_FLAGS) & FADT_TMR_VAL_EXT ? 0xffffffff : 0xffffff);
	return report_summary();
}
