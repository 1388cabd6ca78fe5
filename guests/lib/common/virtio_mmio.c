#include "virtio_mmio.h"

#include "fdt.h"
#include "mmio.h"
#include "string.h"

enum {
	DESC_F_NEXT = 1,
	DESC_F_WRITE = 2,
	LEGACY_PAGE = 4096,
	QUEUE_BYTES = 2 * LEGACY_PAGE,
	DEVICES_MAX = 3,
	MODERN = 2,
};

struct desc {
	u64 address;
	u32 length;
	u16 flags, next;
};

struct avail {
	u16 flags, index, ring[VIRTQ_SIZE];
};

struct used {
	u16 flags, index;
	struct {
		u32 id, length;
	} ring[VIRTQ_SIZE];
};

/* The legacy layout (section 2.7.2) serves the other version as well: descriptors and the available ring in one page, the used ring in the next. */
static u8 memory[DEVICES_MAX][VIRTQ_QUEUES_MAX][QUEUE_BYTES] __attribute__((aligned(4096)));
static u32 devices;

static u8 *ring(const struct virtio_device *device, u32 queue)
{
	return device->rings + queue * QUEUE_BYTES;
}

static struct avail *avail_of(const struct virtio_device *device, u32 queue)
{
	return (struct avail *)(ring(device, queue) + VIRTQ_SIZE * sizeof(struct desc));
}

static struct used *used_of(const struct virtio_device *device, u32 queue)
{
	return (struct used *)(ring(device, queue) + LEGACY_PAGE);
}

u32 virtio_read(const struct virtio_device *device, u32 offset)
{
	return mmio_read32(device->base + offset);
}

void virtio_write(const struct virtio_device *device, u32 offset, u32 value)
{
	mmio_write32(device->base + offset, value);
}

bool virtio_find(struct virtio_device *device, u32 id, u32 interrupt_cell)
{
	u64 size;

	memset(device, 0, sizeof(*device));
	for (int node = FDT_NONE; (node = fdt_by_compatible(node, "virtio,mmio")) != FDT_NONE;) {
		if (!fdt_reg(node, 0, &device->base, &size) || virtio_read(device, VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC ||
		    virtio_read(device, VIRTIO_MMIO_DEVICE_ID) != id)
			continue;
		device->id = id;
		device->version = virtio_read(device, VIRTIO_MMIO_VERSION);
		device->interrupt = fdt_cell(node, "interrupts", interrupt_cell, 0);
		if (devices == DEVICES_MAX)
			return false;
		device->rings = memory[devices++][0];
		return true;
	}
	return false;
}

void virtio_reset(struct virtio_device *device)
{
	virtio_write(device, VIRTIO_MMIO_STATUS, 0);
	while (virtio_read(device, VIRTIO_MMIO_STATUS))
		;
}

static u64 device_features(const struct virtio_device *device)
{
	u64 features;

	virtio_write(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	features = (u64)virtio_read(device, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	virtio_write(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return features | virtio_read(device, VIRTIO_MMIO_DEVICE_FEATURES);
}

static void write_address(const struct virtio_device *device, u32 offset, const void *address)
{
	virtio_write(device, offset, (u32)(uintptr_t)address);
	virtio_write(device, offset + 4, (u32)((u64)(uintptr_t)address >> 32));
}

static bool start_queue(struct virtio_device *device, u32 queue)
{
	memset(ring(device, queue), 0, QUEUE_BYTES);
	device->next_used[queue] = 0;
	virtio_write(device, VIRTIO_MMIO_QUEUE_SEL, queue);
	if (virtio_read(device, VIRTIO_MMIO_QUEUE_NUM_MAX) < VIRTQ_SIZE)
		return false;
	virtio_write(device, VIRTIO_MMIO_QUEUE_NUM, VIRTQ_SIZE);
	if (device->version < MODERN) {
		virtio_write(device, VIRTIO_MMIO_QUEUE_ALIGN, LEGACY_PAGE);
		virtio_write(device, VIRTIO_MMIO_QUEUE_PFN, (u32)((uintptr_t)ring(device, queue) / LEGACY_PAGE));
		return true;
	}
	write_address(device, VIRTIO_MMIO_QUEUE_DESC_LOW, ring(device, queue));
	write_address(device, VIRTIO_MMIO_QUEUE_DRIVER_LOW, avail_of(device, queue));
	write_address(device, VIRTIO_MMIO_QUEUE_DEVICE_LOW, used_of(device, queue));
	virtio_write(device, VIRTIO_MMIO_QUEUE_READY, 1);
	return true;
}

/* Section 3.1.1 "Driver Requirements: Device Initialization". */
bool virtio_start(struct virtio_device *device, u64 wanted, u32 queues)
{
	u32 status = VIRTIO_STATUS_ACKNOWLEDGE;

	virtio_reset(device);
	virtio_write(device, VIRTIO_MMIO_STATUS, status);
	status |= VIRTIO_STATUS_DRIVER;
	virtio_write(device, VIRTIO_MMIO_STATUS, status);
	device->features = device_features(device) & (wanted | (device->version < MODERN ? 0 : VIRTIO_F_VERSION_1));
	virtio_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	virtio_write(device, VIRTIO_MMIO_DRIVER_FEATURES, (u32)device->features);
	if (device->version < MODERN) {
		virtio_write(device, VIRTIO_MMIO_GUEST_PAGE_SIZE, LEGACY_PAGE);
	} else {
		virtio_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		virtio_write(device, VIRTIO_MMIO_DRIVER_FEATURES, (u32)(device->features >> 32));
		status |= VIRTIO_STATUS_FEATURES_OK;
		virtio_write(device, VIRTIO_MMIO_STATUS, status);
		if (!(virtio_read(device, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK))
			return false;
	}
	for (u32 queue = 0; queue < queues; queue++)
		if (!start_queue(device, queue))
			return false;
	virtio_write(device, VIRTIO_MMIO_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
	return true;
}

void virtio_submit(struct virtio_device *device, u32 queue, const struct virtio_buffer *buffers, u32 count)
{
	volatile struct desc *table = (struct desc *)ring(device, queue);
	volatile struct avail *avail = avail_of(device, queue);

	for (u32 i = 0; i < count; i++) {
		table[i].address = (uintptr_t)buffers[i].data;
		table[i].length = buffers[i].size;
		table[i].flags = (u16)((buffers[i].device_writes ? DESC_F_WRITE : 0) | (i + 1 < count ? DESC_F_NEXT : 0));
		table[i].next = (u16)(i + 1);
	}
	avail->ring[avail->index % VIRTQ_SIZE] = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	avail->index++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	virtio_write(device, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool virtio_used(struct virtio_device *device, u32 queue, u32 *length)
{
	volatile struct used *used = used_of(device, queue);

	if (used->index == device->next_used[queue])
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*length = used->ring[device->next_used[queue] % VIRTQ_SIZE].length;
	device->next_used[queue]++;
	return true;
}
