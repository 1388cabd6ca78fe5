/*
 * Virtio devices behind the MMIO transport (Virtual I/O Device 1.2, section 4.2), of version 2 and of the legacy version 1 (section 4.2.4), which is what QEMU's
 * transports are without force-legacy=off. Split virtqueues (section 2.7), polled, one chain at a time in a queue.
 */
#pragma once

#include "types.h"

/* Register offsets (section 4.2.2). */
enum {
	VIRTIO_MMIO_MAGIC_VALUE = 0x000,
	VIRTIO_MMIO_VERSION = 0x004,
	VIRTIO_MMIO_DEVICE_ID = 0x008,
	VIRTIO_MMIO_VENDOR_ID = 0x00c,
	VIRTIO_MMIO_DEVICE_FEATURES = 0x010,
	VIRTIO_MMIO_DEVICE_FEATURES_SEL = 0x014,
	VIRTIO_MMIO_DRIVER_FEATURES = 0x020,
	VIRTIO_MMIO_DRIVER_FEATURES_SEL = 0x024,
	VIRTIO_MMIO_GUEST_PAGE_SIZE = 0x028, /* legacy */
	VIRTIO_MMIO_QUEUE_SEL = 0x030,
	VIRTIO_MMIO_QUEUE_NUM_MAX = 0x034,
	VIRTIO_MMIO_QUEUE_NUM = 0x038,
	VIRTIO_MMIO_QUEUE_ALIGN = 0x03c, /* legacy */
	VIRTIO_MMIO_QUEUE_PFN = 0x040, /* legacy */
	VIRTIO_MMIO_QUEUE_READY = 0x044,
	VIRTIO_MMIO_QUEUE_NOTIFY = 0x050,
	VIRTIO_MMIO_INTERRUPT_STATUS = 0x060,
	VIRTIO_MMIO_INTERRUPT_ACK = 0x064,
	VIRTIO_MMIO_STATUS = 0x070,
	VIRTIO_MMIO_QUEUE_DESC_LOW = 0x080,
	VIRTIO_MMIO_QUEUE_DRIVER_LOW = 0x090,
	VIRTIO_MMIO_QUEUE_DEVICE_LOW = 0x0a0,
	VIRTIO_MMIO_CONFIG_GENERATION = 0x0fc,
	VIRTIO_MMIO_CONFIG = 0x100,
};

#define VIRTIO_MMIO_MAGIC 0x74726976u /* "virt" */

/* Device IDs (section 5). */
enum {
	VIRTIO_ID_BLOCK = 2,
	VIRTIO_ID_CONSOLE = 3,
	VIRTIO_ID_RNG = 4,
};

/* Device status (section 2.1). */
enum {
	VIRTIO_STATUS_ACKNOWLEDGE = 1,
	VIRTIO_STATUS_DRIVER = 2,
	VIRTIO_STATUS_DRIVER_OK = 4,
	VIRTIO_STATUS_FEATURES_OK = 8,
	VIRTIO_STATUS_DEVICE_NEEDS_RESET = 64,
	VIRTIO_STATUS_FAILED = 128,
};

#define VIRTIO_F_VERSION_1 BIT(32)

#define VIRTQ_SIZE 8
#define VIRTQ_QUEUES_MAX 2

struct virtio_device {
	u64 base;
	u32 version, id, interrupt;
	u64 features; /* negotiated */
	u16 next_used[VIRTQ_QUEUES_MAX];
	u8 *rings; /* 8 KiB a queue */
};

struct virtio_buffer {
	void *data;
	u32 size;
	bool device_writes;
};

/* The first transport in the device tree with a device of that ID behind it. interrupt is the cell at interrupt_cell of its "interrupts". */
bool virtio_find(struct virtio_device *device, u32 id, u32 interrupt_cell);

/* Resets the device and takes it as far as DRIVER_OK with those of the wanted features that it has, and its first queues. False when it refuses. */
bool virtio_start(struct virtio_device *device, u64 wanted, u32 queues);
void virtio_reset(struct virtio_device *device);

/* Makes one chain of at most VIRTQ_SIZE buffers available and tells the device, without waiting. */
void virtio_submit(struct virtio_device *device, u32 queue, const struct virtio_buffer *buffers, u32 count);

/* True once the device has used the chain; then *length is what it says to have written. */
bool virtio_used(struct virtio_device *device, u32 queue, u32 *length);

u32 virtio_read(const struct virtio_device *device, u32 offset);
void virtio_write(const struct virtio_device *device, u32 offset, u32 value);
