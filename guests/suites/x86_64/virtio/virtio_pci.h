/*
 * Virtio devices behind PCI's modern interface (Virtual I/O Device 1.2, section 4.1), split virtqueues (section 2.7), polled. Many chains of up to three buffers may be
 * under way in a queue.
 */
#pragma once

#include "io.h"
#include "string.h"
#include "types.h"

/* Device types (section 5). */
enum {
	VIRTIO_TYPE_NET = 1,
	VIRTIO_TYPE_BLOCK = 2,
};

#define VIRTIO_QUEUES_MAX 2
#define VIRTIO_CHAINS 64 /* under way in a queue */
#define VIRTIO_CHAIN_BUFFERS 3

struct virtio_queue {
	void *rings;
	u64 notify;
	u16 next_used, chains_free;
	u16 free[VIRTIO_CHAINS];
};

struct virtio_pci {
	u64 common, notify, isr, config;
	u32 notify_multiplier;
	struct virtio_queue queues[VIRTIO_QUEUES_MAX];
};

struct virtio_pci_buffer {
	void *data;
	u32 size;
	bool device_writes;
};

enum {
	CONFIG_ADDRESS = 0xcf8,
	CONFIG_DATA = 0xcfc,
	SLOTS = 32,

	/* PCI Local Bus Specification 3.0, section 6.1. */
	PCI_ID = 0x00,
	PCI_COMMAND = 0x04,
	PCI_BAR0 = 0x10,
	PCI_SUBSYSTEM = 0x2c,
	PCI_CAPABILITIES = 0x34,
	COMMAND_MEMORY = 2,
	COMMAND_MASTER = 4,
	COMMAND_NO_INTX = 1 << 10,
	VENDOR_CAPABILITY = 9,

	/* Section 4.1.2. */
	VIRTIO_VENDOR = 0x1af4,
	TRANSITIONAL_FIRST = 0x1000,
	MODERN_FIRST = 0x1040,
	MODERN_LAST = 0x107f,

	/* cfg_type (section 4.1.4). */
	CAP_COMMON = 1,
	CAP_NOTIFY = 2,
	CAP_ISR = 3,
	CAP_DEVICE = 4,

	/* struct virtio_pci_common_cfg (section 4.1.4.3). */
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	DEVICE_STATUS = 20,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,

	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,

	DESC_F_NEXT = 1,
	DESC_F_WRITE = 2,
	NO_INTERRUPT = 1,
	NO_NOTIFY = 1,
	/* A power of two with room for all chains. */
	ENTRIES = 256,
};

#define VERSION_1 (1ull << 32)

struct desc {
	u64 address;
	u32 length;
	u16 flags, next;
};

struct rings {
	struct desc desc[ENTRIES];
	u16 avail_flags, avail_index, avail[ENTRIES], used_event;
	u16 padding;
	u16 used_flags, used_index;
	struct {
		u32 id, length;
	} used[ENTRIES];
	u16 avail_event;
} __attribute__((aligned(16)));

static struct rings all_rings[2 * VIRTIO_QUEUES_MAX];
static u32 rings_taken;

static u32 config_read(u32 slot, u32 offset)
{
	outl(CONFIG_ADDRESS, 1u << 31 | slot << 11 | (offset & ~3u));
	return inl(CONFIG_DATA) >> ((offset & 3) * 8);
}

static void config_write(u32 slot, u32 offset, u32 value)
{
	outl(CONFIG_ADDRESS, 1u << 31 | slot << 11 | offset);
	outl(CONFIG_DATA, value);
}

static u8 read8(u64 address)
{
	return *(volatile u8 *)address;
}

static u16 read16(u64 address)
{
	return *(volatile u16 *)address;
}

static void write8(u64 address, u8 value)
{
	*(volatile u8 *)address = value;
}

static void write16(u64 address, u16 value)
{
	*(volatile u16 *)address = value;
}

static void write64(u64 address, const volatile void *value)
{
	mmio_write32(address, (u32)(u64)value);
	mmio_write32(address + 4, (u32)((u64)value >> 32));
}

/* Where a capability's structure is; 0 for a BAR in port space or above what is mapped. */
static u64 structure(u32 slot, u32 capability)
{
	u32 bar = config_read(slot, capability + 4) & 0xff;
	u32 low = config_read(slot, PCI_BAR0 + bar * 4);

	if (low & 1)
		return 0;
	if ((low & 6) == 4 && config_read(slot, PCI_BAR0 + bar * 4 + 4))
		return 0;
	return (low & ~0xfull) + config_read(slot, capability + 8);
}

static bool find_structures(struct virtio_pci *device, u32 slot)
{
	for (u32 at = config_read(slot, PCI_CAPABILITIES) & 0xfc; at; at = config_read(slot, at + 1) & 0xfc) {
		if ((config_read(slot, at) & 0xff) != VENDOR_CAPABILITY)
			continue;
		switch (config_read(slot, at + 3) & 0xff) {
		case CAP_COMMON:
			device->common = structure(slot, at);
			break;
		case CAP_NOTIFY:
			device->notify = structure(slot, at);
			device->notify_multiplier = config_read(slot, at + 16);
			break;
		case CAP_ISR:
			device->isr = structure(slot, at);
			break;
		case CAP_DEVICE:
			device->config = structure(slot, at);
			break;
		default:
			break;
		}
	}
	return device->common && device->notify && device->isr && device->config;
}

/* The first function of PCI bus 0 that is a device of that type, decoding memory and a bus master. False when there is none. */
static bool virtio_pci_find(struct virtio_pci *device, u32 type)
{
	memset(device, 0, sizeof(*device));
	for (u32 slot = 0; slot < SLOTS; slot++) {
		u32 id = config_read(slot, PCI_ID), found;

		if ((id & 0xffff) != VIRTIO_VENDOR || id >> 16 < TRANSITIONAL_FIRST || id >> 16 > MODERN_LAST)
			continue;
		found = id >> 16 >= MODERN_FIRST ? (id >> 16) - MODERN_FIRST : config_read(slot, PCI_SUBSYSTEM) >> 16;
		if (found != type || !find_structures(device, slot))
			continue;
		config_write(slot, PCI_COMMAND, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
		return true;
	}
	return false;
}

static bool start_queue(struct virtio_pci *device, u32 index)
{
	struct virtio_queue *queue = &device->queues[index];
	struct rings *rings = queue->rings;

	if (!rings) {
		if (rings_taken == sizeof(all_rings) / sizeof(all_rings[0]))
			return false;
		rings = queue->rings = &all_rings[rings_taken++];
	}
	memset(rings, 0, sizeof(*rings));
	rings->avail_flags = NO_INTERRUPT;
	queue->next_used = 0;
	queue->chains_free = VIRTIO_CHAINS;
	for (u32 i = 0; i < VIRTIO_CHAINS; i++)
		queue->free[i] = (u16)(VIRTIO_CHAINS - 1 - i);
	write16(device->common + QUEUE_SELECT, (u16)index);
	if (read16(device->common + QUEUE_SIZE) < ENTRIES)
		return false;
	write16(device->common + QUEUE_SIZE, ENTRIES);
	write64(device->common + QUEUE_DESC, rings->desc);
	write64(device->common + QUEUE_DRIVER, &rings->avail_flags);
	write64(device->common + QUEUE_DEVICE, &rings->used_flags);
	queue->notify = device->notify + (u64)read16(device->common + QUEUE_NOTIFY_OFF) * device->notify_multiplier;
	write16(device->common + QUEUE_ENABLE, 1);
	return true;
}

/* Resets the device and takes it as far as DRIVER_OK with VERSION_1 and those of the wanted features that it has, and its first queues, without interrupts. */
static bool virtio_pci_start(struct virtio_pci *device, u64 wanted, u32 queues)
{
	u8 status = STATUS_ACKNOWLEDGE;
	u64 features;

	write8(device->common + DEVICE_STATUS, 0);
	while (read8(device->common + DEVICE_STATUS))
		;
	write8(device->common + DEVICE_STATUS, status);
	status |= STATUS_DRIVER;
	write8(device->common + DEVICE_STATUS, status);
	mmio_write32(device->common + DEVICE_FEATURE_SELECT, 1);
	features = (u64)mmio_read32(device->common + DEVICE_FEATURE) << 32;
	mmio_write32(device->common + DEVICE_FEATURE_SELECT, 0);
	features |= mmio_read32(device->common + DEVICE_FEATURE);
	features &= wanted | VERSION_1;
	mmio_write32(device->common + DRIVER_FEATURE_SELECT, 0);
	mmio_write32(device->common + DRIVER_FEATURE, (u32)features);
	mmio_write32(device->common + DRIVER_FEATURE_SELECT, 1);
	mmio_write32(device->common + DRIVER_FEATURE, (u32)(features >> 32));
	status |= STATUS_FEATURES_OK;
	write8(device->common + DEVICE_STATUS, status);
	if (!(read8(device->common + DEVICE_STATUS) & STATUS_FEATURES_OK))
		return false;
	for (u32 i = 0; i < queues; i++)
		if (!start_queue(device, i))
			return false;
	write8(device->common + DEVICE_STATUS, status | STATUS_DRIVER_OK);
	return true;
}

/* Makes a chain available, without telling the device. Returns its number, below VIRTIO_CHAINS, or -1 when none is free. */
static int virtio_pci_add(struct virtio_pci *device, u32 index, const struct virtio_pci_buffer *buffers, u32 count)
{
	struct virtio_queue *queue = &device->queues[index];
	struct rings *rings = queue->rings;
	u32 chain, head;

	if (!queue->chains_free)
		return -1;
	chain = queue->free[--queue->chains_free];
	head = chain * VIRTIO_CHAIN_BUFFERS;
	for (u32 i = 0; i < count; i++) {
		rings->desc[head + i].address = (u64)buffers[i].data;
		rings->desc[head + i].length = buffers[i].size;
		rings->desc[head + i].flags = (u16)((buffers[i].device_writes ? DESC_F_WRITE : 0) | (i + 1 < count ? DESC_F_NEXT : 0));
		rings->desc[head + i].next = (u16)(head + i + 1);
	}
	rings->avail[rings->avail_index % ENTRIES] = (u16)head;
	__atomic_store_n(&rings->avail_index, (u16)(rings->avail_index + 1), __ATOMIC_RELEASE);
	return (int)chain;
}

/* Tells the device of what was added, unless it said that it need not be told. */
static void virtio_pci_notify(struct virtio_pci *device, u32 index)
{
	struct rings *rings = device->queues[index].rings;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&rings->used_flags, __ATOMIC_RELAXED) & NO_NOTIFY))
		write16(device->queues[index].notify, (u16)index);
}

/* The number of a chain that the device has used, and frees it; -1 when there is none. *length is what the device says to have written. */
static int virtio_pci_used(struct virtio_pci *device, u32 index, u32 *length)
{
	struct virtio_queue *queue = &device->queues[index];
	struct rings *rings = queue->rings;
	u16 chain;

	if (__atomic_load_n(&rings->used_index, __ATOMIC_ACQUIRE) == queue->next_used)
		return -1;
	*length = rings->used[queue->next_used % ENTRIES].length;
	chain = (u16)(rings->used[queue->next_used % ENTRIES].id / VIRTIO_CHAIN_BUFFERS);
	queue->next_used++;
	queue->free[queue->chains_free++] = chain;
	return chain;
}

static inline u32 virtio_pci_config32(const struct virtio_pci *device, u32 offset)
{
	return mmio_read32(device->config + offset);
}
