using FsCheck.Fluent;
using Gauntlet.Vmm.Tracing;
using Gauntlet.Vmm.Tracing.Analysis;

namespace Gauntlet.Vmm.Tests.Tracing;

public sealed class TraceAnalysisTests
{
    [Fact]
    public void A_request_that_no_device_gives_back_is_told_with_its_queue_and_time()
    {
        var requests = new QueueRequests();
        Pop(requests, 10, "virtio-blk-pci[0]", 0, 7);
        Pop(requests, 20, "virtio-blk-pci[0]", 0, 8);
        Pop(requests, 30, "virtio-net-pci[0]", 1, 7);
        Push(requests, 1_020, "virtio-blk-pci[0]", 0, 8);
        Push(requests, 2_000, "virtio-blk-pci[0]", 0, 99);
        Assert.Equal([new OpenRequest("virtio-blk-pci[0]", 0, 7, 10), new OpenRequest("virtio-net-pci[0]", 1, 7, 30)], requests.Open);
        Assert.Equal((1, 0), (requests.NeverTaken, requests.TakenAgain));
        Assert.Equal(1, requests.Latencies["virtio-blk-pci[0]"].Count);
        Assert.Equal(1_000, requests.Latencies["virtio-blk-pci[0]"].Longest);
    }

    [Fact]
    public void A_reset_voids_what_was_taken_from_its_queue_or_from_all()
    {
        var requests = new QueueRequests();
        Pop(requests, 1, "a", 0, 1);
        Pop(requests, 2, "a", 1, 2);
        Pop(requests, 3, "b", 0, 3);
        requests.Add(Record(TraceEvents.QueueReset("virtio"), 4, "a", 0));
        Assert.Equal(["a", "b"], requests.Open.Select(request => request.Device));
        requests.Add(Record(TraceEvents.Machine, 5, "RESET"));
        Assert.Empty(requests.Open);
        Assert.Equal(3, requests.GivenUp);
    }

    [Fact]
    public void A_latency_lies_in_the_bucket_of_its_power_of_two()
    {
        var histogram = new LatencyHistogram();
        foreach (var nanoseconds in (long[])[0, 999, 1_000, 1_999, 2_000, 1_024_000, long.MaxValue])
            histogram.Add(nanoseconds);
        Assert.Equal((2, 2, 1, 1), (histogram.Buckets[0], histogram.Buckets[1], histogram.Buckets[2], histogram.Buckets[11]));
        Assert.Equal(1, histogram.Buckets[^1]);
        Assert.Equal((7, 0, long.MaxValue), (histogram.Count, histogram.Shortest, histogram.Longest));
        Assert.Equal(2, histogram.BelowMicroseconds(0.5));
    }

    /// <summary>Against the definition: two writes to one disk with a byte of the range in common.</summary>
    [Fact]
    public void Overlapping_writes_are_all_found_and_no_others()
    {
        var write = from disk in Gen.Elements("hd0", "hd1") from offset in Gen.Choose(0, 40) from bytes in Gen.Choose(0, 9) from end in Gen.Choose(10, 99) from took in Gen.Choose(0, 9) select (disk, offset, bytes, end, took);
        var range = from start in Gen.Choose(0, 40) from bytes in Gen.Choose(0, 20) select (start, bytes);
        Prop.ForAll(write.ListOf().ToArbitrary(), range.ToArbitrary(), (list, only) =>
        {
            var writes = new DiskWrites(null, (ulong)only.start, (ulong)only.bytes);
            foreach (var (disk, offset, bytes, end, took) in list)
                writes.Add(Record(TraceEvents.BlockWrite, end, disk, (ulong)offset, (ulong)bytes, 1, (ulong)took));
            var expected = 0;
            for (var i = 0; i < list.Count; i++)
            {
                for (var j = 0; j < i; j++)
                {
                    var first = Math.Max(Math.Max(list[i].offset, list[j].offset), only.start);
                    var last = Math.Min(Math.Min(list[i].offset + list[i].bytes, list[j].offset + list[j].bytes), only.start + only.bytes);
                    expected += list[i].disk == list[j].disk && first < last ? 1 : 0;
                }
            }
            var found = writes.Overlaps(int.MaxValue, out var total);
            Assert.Equal((expected, expected), (total, found.Count));
            Assert.All(found, pair => Assert.Equal(pair.Second.Started < pair.First.Ended, pair.AtOnce));
            Assert.All(writes.Overlaps(1, out _), pair => Assert.True(pair.First.Ended <= pair.Second.Ended));
        }).Holds();
    }

    [Fact]
    public void The_busiest_registers_come_first()
    {
        var summary = new TraceSummary(new DiskWrites());
        for (var i = 0; i < 3; i++)
            summary.Add(Record(TraceEvents.RegisterWrite("isa-serial"), i, "isa-serial[0]", "uart.THR", 0UL, 1, 65UL));
        summary.Add(Record(TraceEvents.RegisterRead("isa-serial"), 9, "isa-serial[0]", "uart.LSR", 5UL, 1, 0x60UL));
        Assert.Equal([new RegisterCount("isa-serial[0]", "uart.THR", 0, 3), new RegisterCount("isa-serial[0]", "uart.LSR", 1, 0)], summary.Registers);
        Assert.Equal((4, 9), (summary.Records, summary.Nanoseconds));
    }

    private static void Pop(QueueRequests requests, long time, string device, int queue, int id) => requests.Add(Record(TraceEvents.QueuePop("virtio"), time, device, queue, id));

    private static void Push(QueueRequests requests, long time, string device, int queue, int id) => requests.Add(Record(TraceEvents.QueuePush("virtio"), time, device, queue, id, 0));

    private static TraceRecord Record(TraceEvent what, long time, params TraceValue[] values) => new(what, what.Name, time, 1, values);
}
