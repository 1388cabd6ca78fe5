/*
 * Checks of virtio devices behind the MMIO transport, for the machines that have it. Virtual I/O Device (VIRTIO) 1.2. What the architecture adds is how an interrupt is
 * counted: virtio_interrupts_open(device) makes each count in virtio_interrupts and acknowledges it at the device, until virtio_interrupts_close(device).
 */
#pragma once

#include "mmio.h"
#include "report.h"
#include "string.h"
#include "timeout.h"
#include "virtio_mmio.h"

enum {
	VIRTIO_WAIT_MS = 5000,
	SECTOR = 512,

	/* Section 5.2. */
	BLOCK_T_IN = 0,
	BLOCK_T_OUT = 1,
	BLOCK_T_GET_ID = 8,
	BLOCK_T_UNKNOWN = 0x7ffffff0,
	BLOCK_S_OK = 0,
	BLOCK_S_IOERR = 1,
	BLOCK_S_UNSUPP = 2,
	BLOCK_ID_BYTES = 20,
};

struct block_header {
	u32 type, reserved;
	u64 sector;
};

static volatile u32 virtio_interrupts;
static void virtio_interrupts_open(const struct virtio_device *device);
static void virtio_interrupts_close(const struct virtio_device *device);
static u8 sectors[2 * SECTOR] __attribute__((aligned(16)));
static volatile u8 block_status;
static struct block_header block_header;

static bool transfer(struct virtio_device *device, const struct virtio_buffer *buffers, u32 count, u32 *length)
{
	virtio_submit(device, 0, buffers, count);
	return wait_until(virtio_used(device, 0, length), VIRTIO_WAIT_MS);
}

/* One request: header, data, status (section 5.2.6). Returns the status, or 0xff when the device does not answer. */
static u8 block_request(struct virtio_device *device, u32 type, u64 sector, void *data, u32 size, u32 *length)
{
	bool in = type != BLOCK_T_OUT;
	struct virtio_buffer buffers[] = {
		{.data = &block_header, .size = sizeof(block_header)},
		{.data = data, .size = size, .device_writes = in},
		{.data = (void *)&block_status, .size = 1, .device_writes = true},
	};

	block_header = (struct block_header){.type = type, .sector = sector};
	block_status = 0xff;
	if (!transfer(device, buffers, ARRAY_SIZE(buffers), length))
		return 0xff;
	return block_status;
}

static void fill(u8 *data, u8 seed)
{
	for (u32 i = 0; i < SECTOR; i++)
		data[i] = (u8)(seed + i * 7);
}

static bool is_filled(const u8 *data, u8 seed)
{
	for (u32 i = 0; i < SECTOR; i++)
		if (data[i] != (u8)(seed + i * 7))
			return false;
	return true;
}

/* Sections 4.2.2 and 3.1: what every device behind this transport does. */
static void virtio_transport_checks(struct virtio_device *device)
{
	u32 version = virtio_read(device, VIRTIO_MMIO_VERSION);

	report(version == 1 || version == 2, "the transport's version is 1 or 2");
	virtio_reset(device);
	report_equal(virtio_read(device, VIRTIO_MMIO_STATUS), 0, "after a reset the status is 0");
	report_equal(virtio_read(device, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "and no interrupt is pending");
	virtio_write(device, VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	report_equal(virtio_read(device, VIRTIO_MMIO_STATUS), VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER, "the status reads as written");
	virtio_write(device, VIRTIO_MMIO_QUEUE_SEL, 0);
	report(virtio_read(device, VIRTIO_MMIO_QUEUE_NUM_MAX) >= VIRTQ_SIZE, "queue 0 has room for 8 descriptors at least");
	virtio_write(device, VIRTIO_MMIO_QUEUE_SEL, 7);
	report_equal(virtio_read(device, VIRTIO_MMIO_QUEUE_NUM_MAX), 0, "a queue that is not there has a size of 0");
	virtio_write(device, VIRTIO_MMIO_QUEUE_SEL, 0);
}

static void virtio_block_checks(u32 interrupt_cell)
{
	struct virtio_device device;
	u64 capacity;
	u32 length = 0, before;

	report_prefix_push("block");
	if (!virtio_find(&device, VIRTIO_ID_BLOCK, interrupt_cell)) {
		report_skip("all: no virtio-blk-device");
		report_prefix_pop();
		return;
	}
	virtio_transport_checks(&device);
	report(virtio_start(&device, 0, 1), "the device takes the features and a queue");
	report(virtio_read(&device, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_DRIVER_OK, "and is live");
	capacity = virtio_read(&device, VIRTIO_MMIO_CONFIG) | (u64)virtio_read(&device, VIRTIO_MMIO_CONFIG + 4) << 32;
	report(capacity >= 2, "its capacity is two sectors at least");

	fill(sectors, 3);
	report_equal(block_request(&device, BLOCK_T_OUT, 1, sectors, SECTOR, &length), BLOCK_S_OK, "a write of a sector succeeds");
	report_equal(length, 1, "and the device says that it wrote the status byte");
	memset(sectors, 0, sizeof(sectors));
	report_equal(block_request(&device, BLOCK_T_IN, 1, sectors, SECTOR, &length), BLOCK_S_OK, "a read of a sector succeeds");
	report_equal(length, SECTOR + 1, "and the device says that it wrote the data and the status byte");
	report(is_filled(sectors, 3), "what was written is read");
	fill(sectors, 9);
	block_request(&device, BLOCK_T_OUT, 0, sectors, SECTOR, &length);
	memset(sectors, 0, sizeof(sectors));
	report(block_request(&device, BLOCK_T_IN, 0, sectors, 2 * SECTOR, &length) == BLOCK_S_OK && is_filled(sectors, 9) && is_filled(sectors + SECTOR, 3),
	       "one request reads two sectors");
	report_equal(block_request(&device, BLOCK_T_IN, capacity, sectors, SECTOR, &length), BLOCK_S_IOERR, "a read behind the end is an I/O error");
	report_equal(block_request(&device, BLOCK_T_IN, UINT64_MAX, sectors, SECTOR, &length), BLOCK_S_IOERR, "and so is one of the last sector that can be named");
	report_equal(block_request(&device, BLOCK_T_UNKNOWN, 0, sectors, SECTOR, &length), BLOCK_S_UNSUPP, "a request of an unknown type is unsupported");
	report_equal(block_request(&device, BLOCK_T_GET_ID, 0, sectors, BLOCK_ID_BYTES, &length), BLOCK_S_OK, "the device tells its ID");

	/* Section 4.2.2: bit 0 of InterruptStatus is a used buffer, until InterruptACK. */
	report_equal(virtio_read(&device, VIRTIO_MMIO_INTERRUPT_STATUS) & 1, 1, "InterruptStatus says that buffers were used");
	virtio_write(&device, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	report_equal(virtio_read(&device, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptACK clears it");
	before = virtio_interrupts;
	virtio_interrupts_open(&device);
	block_request(&device, BLOCK_T_IN, 0, sectors, SECTOR, &length);
	report(wait_until(virtio_interrupts > before, VIRTIO_WAIT_MS), "a used buffer interrupts");
	virtio_interrupts_close(&device);
	virtio_reset(&device);
	report_equal(virtio_read(&device, VIRTIO_MMIO_STATUS), 0, "a reset ends it");
	report_prefix_pop();
}

static void virtio_rng_checks(u32 interrupt_cell)
{
	static u8 bytes[2][64];
	struct virtio_device device;
	struct virtio_buffer buffer = {.data = bytes[0], .size = sizeof(bytes[0]), .device_writes = true};
	u32 length = 0, zeros = 0;

	report_prefix_push("rng");
	if (!virtio_find(&device, VIRTIO_ID_RNG, interrupt_cell)) {
		report_skip("all: no virtio-rng-device");
		report_prefix_pop();
		return;
	}
	virtio_transport_checks(&device);
	report(virtio_start(&device, 0, 1), "the device takes the features and a queue");
	/* Section 5.4.6: it writes one byte at least. */
	report(transfer(&device, &buffer, 1, &length), "the device answers a request");
	report(length >= 1 && length <= sizeof(bytes[0]), "it says that it wrote one byte at least, and no more than the buffer holds");
	for (u32 i = 0; i < length && i < sizeof(bytes[0]); i++)
		zeros += bytes[0][i] == 0;
	report(zeros < length || length < 8, "what it wrote is not all zeros");
	buffer.data = bytes[1];
	report(transfer(&device, &buffer, 1, &length) && (length < 8 || memcmp(bytes[0], bytes[1], 8)), "a second request brings other bytes");
	virtio_reset(&device);
	report_prefix_pop();
}
