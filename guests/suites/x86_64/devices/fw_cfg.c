/* The firmware configuration device (QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"). */
#include "fwcfg.h"
#include "io.h"
#include "platform.h"
#include "report.h"
#include "string.h"
#include "timeout.h"

enum {
	DMA_PORT_HIGH = 0x514,
	DMA_PORT_LOW = 0x518,
	ID_TRADITIONAL = 1 << 0,
	ID_DMA = 1 << 1,
	DMA_ERROR = 1 << 0,
	DMA_READ = 1 << 1,
	DMA_SKIP = 1 << 2,
	DMA_SELECT = 1 << 3,
	FILES_MAX = 64,
	WAIT_MS = 5000,
};

/* An entry of the directory, big-endian. */
struct file {
	u32 size;
	u16 select, reserved;
	char name[56];
};

static struct {
	u32 control, length;
	u64 address; /* all three big-endian */
} dma __attribute__((aligned(16)));

static u32 id(void)
{
	u32 value;

	fwcfg_read(FWCFG_ID, &value, sizeof(value));
	return value;
}

static void items(void)
{
	char signature[8];
	u8 beyond[4];
	u16 cpus = fwcfg_read16(FWCFG_NB_CPUS);
	u64 ram = fwcfg_read64(FWCFG_RAM_SIZE);

	fwcfg_read(FWCFG_SIGNATURE, signature, sizeof(signature));
	report(!memcmp(signature, "QEMU", 4), "the signature is \"QEMU\"");
	report(!memcmp(signature + 4, "\0\0\0\0", 4), "what is read beyond an item is zero");
	report(id() & ID_TRADITIONAL, "the ID announces the traditional interface");
	report(cpus >= 1, "there is at least one CPU");
	report(ram >= 16 << 20 && ram % 4096 == 0, "the RAM size is plausible");
	report_equal(fwcfg_read64(FWCFG_RAM_SIZE), ram, "selecting an item again starts it over");
	fwcfg_read(0x3fff, beyond, sizeof(beyond));
	report(!memcmp(beyond, "\0\0\0\0", 4), "an item that does not exist reads as zeros");
	outw(FWCFG_SELECTOR_PORT, FWCFG_SIGNATURE);
	outb(FWCFG_DATA_PORT, 'X');
	fwcfg_read(FWCFG_SIGNATURE, signature, 4);
	report(!memcmp(signature, "QEMU", 4), "a write to the data port changes no item");
}

static void directory(void)
{
	static struct file files[FILES_MAX];
	u32 count;
	bool terminated = true, numbered = true;

	fwcfg_read(FWCFG_FILE_DIR, &count, sizeof(count));
	count = __builtin_bswap32(count);
	report(count <= 0x1000, "the file directory has a plausible count");
	if (count > FILES_MAX)
		count = FILES_MAX;
	outw(FWCFG_SELECTOR_PORT, FWCFG_FILE_DIR);
	for (unsigned i = 0; i < sizeof(count); i++)
		inb(FWCFG_DATA_PORT);
	for (unsigned i = 0; i < count * sizeof(struct file); i++)
		((u8 *)files)[i] = inb(FWCFG_DATA_PORT);
	for (unsigned i = 0; i < count; i++) {
		terminated &= files[i].name[sizeof(files[i].name) - 1] == 0;
		numbered &= __builtin_bswap16(files[i].select) >= 0x20;
	}
	report(terminated, "the names in the directory end with 0");
	report(numbered, "files have selectors from 0x20 up");
}

static u32 dma_run(u32 control, void *to, u32 length)
{
	dma.control = __builtin_bswap32(control);
	dma.length = __builtin_bswap32(length);
	dma.address = __builtin_bswap64((u64)to);
	outl(DMA_PORT_HIGH, __builtin_bswap32((u32)((u64)&dma >> 32)));
	outl(DMA_PORT_LOW, __builtin_bswap32((u32)(u64)&dma));
	wait_until(!(__builtin_bswap32(*(volatile u32 *)&dma.control) & ~DMA_ERROR), WAIT_MS);
	return __builtin_bswap32(*(volatile u32 *)&dma.control);
}

static void direct_memory_access(void)
{
	char text[9] = "????????";
	u32 control;

	if (!(id() & ID_DMA)) {
		report_skip("DMA: the ID does not announce it");
		return;
	}
	report(inl(DMA_PORT_HIGH) == 0x554d4551 && inl(DMA_PORT_LOW) == 0x47464320, "the DMA address reads as \"QEMU CFG\"");
	control = dma_run(DMA_READ | DMA_SELECT | FWCFG_SIGNATURE << 16, text, 4);
	report(control == 0 && !memcmp(text, "QEMU????", 8), "a DMA read moves as many bytes as it says");
	control = dma_run(DMA_SKIP | DMA_SELECT | FWCFG_SIGNATURE << 16, NULL, 2);
	report(control == 0 && inb(FWCFG_DATA_PORT) == 'M', "a DMA skip moves the offset");
	dma_run(DMA_READ | DMA_SELECT | 0x3fffu << 16, text, 4);
	report(!memcmp(text, "\0\0\0\0", 4), "a DMA read of an item that does not exist gives zeros");
}

int main(int argc, char **argv)
{
	if (!fwcfg_present()) {
		report_skip("fw_cfg: no signature at its ports");
		return report_summary();
	}
	items();
	directory();
	direct_memory_access();
	return report_summary();
}
