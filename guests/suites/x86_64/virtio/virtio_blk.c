/*
 * A virtio disk behind PCI (Virtual I/O Device 1.2, section 5.2): what it must do, and on request what a host checks afterwards.
 *
 *   (nothing)     requests and their errors, on the first sectors
 *   write SEED    fills the disk with sectors that tell where they are and whose seed they are of, and flushes
 *   verify SEED   reads it back
 *   load SEED     writes and reads at random places, flushing now and then, until the machine is ended
 *   bench         4 KiB reads at random places, one and many at a time
 */
#include "arguments.h"
#include "io.h"
#include "platform.h"
#include "processor.h"
#include "report.h"
#include "string.h"
#include "timeout.h"
#include "tsc.h"
#include "virtio_pci.h"

enum {
	SECTOR = 512,
	BLOCK = 4096,
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_GET_ID = 8,
	T_UNKNOWN = 0x7ffffff0,
	S_OK = 0,
	S_IOERR = 1,
	S_UNSUPP = 2,
	ID_BYTES = 20,
	WAIT_MS = 20000,
	BENCH_MS = 1000,
	MANY = 32,
};

#define F_FLUSH (1ull << 9)

struct header {
	u32 type, reserved;
	u64 sector;
};

static struct virtio_pci disk;
static struct header headers[VIRTIO_CHAINS];
static volatile u8 statuses[VIRTIO_CHAINS];
static u8 data[VIRTIO_CHAINS][BLOCK] __attribute__((aligned(4096)));
static u64 capacity, random_state;

/* Makes a request available with the header, data and status of place number `place`. */
static bool add(u32 place, u32 type, u64 sector, u32 size)
{
	struct virtio_pci_buffer buffers[] = {
		{.data = &headers[place], .size = sizeof(headers[place])},
		{.data = data[place], .size = size, .device_writes = type != T_OUT},
		{.data = (void *)&statuses[place], .size = 1, .device_writes = true},
	};

	headers[place] = (struct header){.type = type, .sector = sector};
	statuses[place] = 0xff;
	if (size)
		return virtio_pci_add(&disk, 0, buffers, 3) >= 0;
	buffers[1] = buffers[2];
	return virtio_pci_add(&disk, 0, buffers, 2) >= 0;
}

/* One request by itself. Its status, or 0xff when the device does not answer. */
static u8 request(u32 type, u64 sector, u32 size, u32 *length)
{
	if (!add(0, type, sector, size))
		return 0xff;
	virtio_pci_notify(&disk, 0);
	return wait_until(virtio_pci_used(&disk, 0, length) >= 0, WAIT_MS) ? statuses[0] : 0xff;
}

static u64 next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Words that no other sector and no other seed has. */
static void fill(u8 *block, u64 sector, u64 seed)
{
	u64 *words = (u64 *)block;

	for (u32 i = 0; i < BLOCK / sizeof(u64); i++)
		words[i] = (seed << 48) ^ ((sector + i / (SECTOR / sizeof(u64))) * 0x9e3779b97f4a7c15ull) ^ (i % (SECTOR / sizeof(u64)));
}

static bool is_filled(const u8 *block, u64 sector, u64 seed)
{
	static u8 expected[BLOCK] __attribute__((aligned(16)));

	fill(expected, sector, seed);
	return !memcmp(block, expected, BLOCK);
}

static void check(void)
{
	u32 length = 0;

	fill(data[0], 8, 1);
	report_equal(request(T_OUT, 8, BLOCK, &length), S_OK, "a write succeeds");
	report_equal(length, 1, "and the device says that it wrote the status byte");
	memset(data[0], 0, BLOCK);
	report_equal(request(T_IN, 8, BLOCK, &length), S_OK, "a read succeeds");
	report_equal(length, BLOCK + 1, "and the device says that it wrote the data and the status byte");
	report(is_filled(data[0], 8, 1), "what was written is read");
	report_equal(request(T_FLUSH, 0, 0, &length), S_OK, "a flush succeeds");
	report_equal(request(T_IN, capacity, SECTOR, &length), S_IOERR, "a read behind the end is an I/O error");
	report_equal(request(T_IN, UINT64_MAX, SECTOR, &length), S_IOERR, "and so is one of the last sector that can be named");
	report_equal(request(T_UNKNOWN, 0, SECTOR, &length), S_UNSUPP, "a request of an unknown type is unsupported");
	report_equal(request(T_GET_ID, 0, ID_BYTES, &length), S_OK, "the device tells its ID");
	for (u32 i = 0; i < MANY; i++)
		add(i, T_OUT, i % (capacity / 8) * 8, BLOCK);
	virtio_pci_notify(&disk, 0);
	for (u32 i = 0; i < MANY; i++)
		wait_until(virtio_pci_used(&disk, 0, &length) >= 0, WAIT_MS);
	for (u32 i = 1; i < MANY; i++)
		statuses[0] |= statuses[i];
	report_equal(statuses[0], S_OK, "many writes under way at once succeed");
	report(virtio_pci_start(&disk, F_FLUSH, 1) && request(T_IN, 0, BLOCK, &length) == S_OK, "after a reset the disk works as before");
}

static void write_all(u64 seed)
{
	u32 length;

	for (u64 sector = 0; sector + BLOCK / SECTOR <= capacity; sector += BLOCK / SECTOR) {
		fill(data[0], sector, seed);
		if (request(T_OUT, sector, BLOCK, &length) != S_OK)
			abort_test("writing sector %lu: status %u", sector, statuses[0]);
	}
	report_equal(request(T_FLUSH, 0, 0, &length), S_OK, "the disk is written with seed %lu", seed);
}

static void verify_all(u64 seed)
{
	u32 length;
	u64 wrong = 0;

	for (u64 sector = 0; sector + BLOCK / SECTOR <= capacity; sector += BLOCK / SECTOR) {
		memset(data[0], 0xee, BLOCK);
		if (request(T_IN, sector, BLOCK, &length) != S_OK)
			abort_test("reading sector %lu: status %u", sector, statuses[0]);
		wrong += !is_filled(data[0], sector, seed);
	}
	report_equal(wrong, 0, "the disk reads as it was written with seed %lu", seed);
}

static _Noreturn void load(u64 seed)
{
	u32 length, flushed = 0;

	random_state = seed + 1;
	report_info("load begins");
	for (u32 round = 0;; round++) {
		u32 busy = 0;

		for (; busy < MANY; busy++) {
			u64 random = next_random(), sector = (random >> 8) % (capacity / 8) * 8;

			fill(data[busy], sector, seed);
			add(busy, random & 1 ? T_OUT : T_IN, sector, BLOCK);
		}
		if (round % 8 == 7)
			add(busy++, T_FLUSH, 0, 0);
		virtio_pci_notify(&disk, 0);
		for (; busy; busy--)
			if (!wait_until(virtio_pci_used(&disk, 0, &length) >= 0, WAIT_MS))
				abort_test("the disk answers no more");
		if (round % 8 == 7 && ++flushed % 2 == 0)
			report_info("flushed %u times", flushed);
	}
}

static void bench(const char *name, u32 depth)
{
	struct timeout end = timeout_ms(BENCH_MS);
	u64 started = rdtsc(), done = 0;
	u32 length;

	random_state = 0x1234567;
	for (u32 i = 0; i < depth; i++)
		add(i, T_IN, next_random() % (capacity / 8) * 8, BLOCK);
	virtio_pci_notify(&disk, 0);
	while (!timed_out(&end)) {
		int chain = virtio_pci_used(&disk, 0, &length);

		if (chain < 0)
			continue;
		/* The buffers that a chain's first descriptor names are those of the place that comes free. */
		done++;
		add((u32)chain, T_IN, next_random() % (capacity / 8) * 8, BLOCK);
		virtio_pci_notify(&disk, 0);
	}
	measure(name, done * 1000000000ull / tsc_to_ns(rdtsc() - started), "per-second");
	for (u32 i = 0; i < depth; i++)
		wait_until(virtio_pci_used(&disk, 0, &length) >= 0, WAIT_MS);
}

int main(int argc, char **argv)
{
	u64 seed = 0;

	if (!virtio_pci_find(&disk, VIRTIO_TYPE_BLOCK)) {
		report_skip("all: no virtio disk");
		return report_summary();
	}
	if (!report(virtio_pci_start(&disk, F_FLUSH, 1), "the device takes the features and a queue"))
		return report_summary();
	capacity = virtio_pci_config32(&disk, 0) | (u64)virtio_pci_config32(&disk, 4) << 32;
	if (!report(capacity >= 16, "the disk has room for the checks"))
		return report_summary();
	if (argc > 2 && !parse_u64(argv[2], &seed))
		abort_test("the seed %s is not a number", argv[2]);
	if (argc < 2)
		check();
	else if (!strcmp(argv[1], "write"))
		write_all(seed);
	else if (!strcmp(argv[1], "verify"))
		verify_all(seed);
	else if (!strcmp(argv[1], "load"))
		load(seed);
	else if (!strcmp(argv[1], "bench")) {
		bench("read-4k-depth-1", 1);
		bench("read-4k-depth-32", MANY);
	} else
		abort_test("there is no test %s", argv[1]);
	return report_summary();
}
