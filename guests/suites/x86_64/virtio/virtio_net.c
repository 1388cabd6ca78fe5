/*
 * A virtio network device behind PCI (Virtual I/O Device 1.2, section 5.1).
 *
 *   (nothing)   sends frames, whoever is at the other end
 *   echo        sends numbered frames and wants each of them back, in order: at the other end is somebody who returns what comes
 *   bench       sends frames for a while, then counts those that come back
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
	RECEIVE = 0,
	TRANSMIT = 1,
	HEADER = 12,
	FRAME = 64,
	BUFFER = 2048,
	FRAMES = 200,
	WAIT_MS = 20000,
	BENCH_MS = 1000,
	IDLE_MS = 300,
};

static struct virtio_pci net;
static u8 sent[VIRTIO_CHAINS][HEADER + FRAME] __attribute__((aligned(64)));
static u8 received[VIRTIO_CHAINS][BUFFER] __attribute__((aligned(64)));

/* Offers the buffer of a place; the chain that comes free is the place that is next, so that both stay the same. */
static void offer(u32 place)
{
	struct virtio_pci_buffer buffer = {.data = received[place], .size = BUFFER, .device_writes = true};

	virtio_pci_add(&net, RECEIVE, &buffer, 1);
}

static void send(u32 place, u32 number)
{
	struct virtio_pci_buffer buffer = {.data = sent[place], .size = sizeof(sent[place])};
	u8 *frame = sent[place] + HEADER;

	memset(sent[place], 0, sizeof(sent[place]));
	memset(frame, 0xff, 6);
	frame[6] = 2;
	frame[12] = 0x88;
	frame[13] = 0xb5; /* for local experiments (IEEE 802) */
	memcpy(frame + 14, &number, sizeof(number));
	virtio_pci_add(&net, TRANSMIT, &buffer, 1);
}

static u32 number_of(u32 place)
{
	u32 number;

	memcpy(&number, received[place] + HEADER + 14, sizeof(number));
	return number;
}

static void offer_all(void)
{
	for (u32 i = 0; i < VIRTIO_CHAINS; i++)
		offer(i);
	virtio_pci_notify(&net, RECEIVE);
}

static void send_checks(void)
{
	u32 length, used = 0;

	for (u32 i = 0; i < VIRTIO_CHAINS; i++)
		send(i, i);
	virtio_pci_notify(&net, TRANSMIT);
	while (used < VIRTIO_CHAINS && wait_until(virtio_pci_used(&net, TRANSMIT, &length) >= 0, WAIT_MS))
		used++;
	report_equal(used, VIRTIO_CHAINS, "the device takes all frames");
	report_equal(length, 0, "and says that it wrote nothing");
}

static void echo(void)
{
	u32 length, wrong = 0, back = 0;

	offer_all();
	for (; back < FRAMES; back++) {
		int place;

		send(0, back);
		virtio_pci_notify(&net, TRANSMIT);
		if (!wait_until((place = virtio_pci_used(&net, RECEIVE, &length)) >= 0, WAIT_MS) ||
		    !wait_until(virtio_pci_used(&net, TRANSMIT, &(u32){0}) >= 0, WAIT_MS))
			break;
		wrong += length != HEADER + FRAME || number_of((u32)place) != back;
		offer((u32)place);
		virtio_pci_notify(&net, RECEIVE);
	}
	report_equal(back, FRAMES, "every frame comes back");
	report_equal(wrong, 0, "whole and in order");
}

static void bench(void)
{
	struct timeout end = timeout_ms(BENCH_MS), idle;
	u64 started = rdtsc(), done = 0, back = 0, last;
	u32 length;
	int place;

	offer_all();
	for (u32 i = 0; i < VIRTIO_CHAINS; i++)
		send(i, i);
	virtio_pci_notify(&net, TRANSMIT);
	last = started;
	/* One of each kind in a turn: a device that answers at once must not keep the clock from being looked at. */
	while (!timed_out(&end)) {
		if ((place = virtio_pci_used(&net, TRANSMIT, &length)) >= 0) {
			done++;
			send((u32)place, (u32)done);
			virtio_pci_notify(&net, TRANSMIT);
		}
		if ((place = virtio_pci_used(&net, RECEIVE, &length)) >= 0) {
			back++;
			last = rdtsc();
			offer((u32)place);
			virtio_pci_notify(&net, RECEIVE);
		}
	}
	measure("transmit", done * 1000000000ull / tsc_to_ns(rdtsc() - started), "per-second");
	for (idle = timeout_ms(IDLE_MS); !timed_out(&idle);) {
		while ((place = virtio_pci_used(&net, RECEIVE, &length)) >= 0) {
			back++;
			last = rdtsc();
			offer((u32)place);
			virtio_pci_notify(&net, RECEIVE);
			idle = timeout_ms(IDLE_MS);
		}
	}
	if (back)
		measure("receive", back * 1000000000ull / tsc_to_ns(last - started), "per-second");
	report(done > 0, "frames were sent");
}

int main(int argc, char **argv)
{
	if (!virtio_pci_find(&net, VIRTIO_TYPE_NET)) {
		report_skip("all: no virtio network device");
		return report_summary();
	}
	if (!report(virtio_pci_start(&net, 0, 2), "the device takes the features and its queues"))
		return report_summary();
	if (argc < 2)
		send_checks();
	else if (!strcmp(argv[1], "echo"))
		echo();
	else if (!strcmp(argv[1], "bench"))
		bench();
	else
		abort_test("there is no test %s", argv[1]);
	return report_summary();
}
