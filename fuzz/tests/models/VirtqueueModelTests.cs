using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>VIRTIO 1.2, 2.7 and 2.8: whatever a driver that keeps the rules and a device do in turn, the ring reads as both must find it.</summary>
public sealed class VirtqueueModelTests
{
    private const int MostEntries = 8, Runs = 200;

    private enum Kind
    {
        Add,
        AddIndirect,
        Take,
        PutBack,
        GiveBack,
        GiveAllBack,
        SetWish,
        TakeWish,
        AskForNotifications,
        RefuseNotifications,
        Collect,
        Restore,
    }

    // What the numbers are for is the kind's.
    private readonly record struct Step(Kind Kind, int First, int Second);

    private static Gen<Step> AnyStep { get; } =
        from kind in Gen.Frequency(
            (4, Gen.Constant(Kind.Add)), (2, Gen.Constant(Kind.AddIndirect)), (5, Gen.Constant(Kind.Take)), (1, Gen.Constant(Kind.PutBack)), (4, Gen.Constant(Kind.GiveBack)),
            (1, Gen.Constant(Kind.GiveAllBack)), (2, Gen.Constant(Kind.SetWish)), (3, Gen.Constant(Kind.TakeWish)), (1, Gen.Constant(Kind.AskForNotifications)),
            (1, Gen.Constant(Kind.RefuseNotifications)), (3, Gen.Constant(Kind.Collect)), (1, Gen.Constant(Kind.Restore)))
        from first in Gen.Choose(0, 11)
        from second in Gen.Choose(0, 11)
        select new Step(kind, first, second);

    private static Gen<Step[]> AnySteps { get; } = AnyStep.ArrayOf().Resize(150);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_split_ring_reads_as_the_specification_says_after_any_steps(bool eventIndex) =>
        // Indices that pass 65535 on the way, too.
        Prop.ForAll(Gen.Elements<ushort>(1, 2, 4, MostEntries).ToArbitrary(), Gen.Elements<ushort>(0, 65_500, ushort.MaxValue).ToArbitrary(), AnySteps.ToArbitrary(), (size, start, steps) =>
        {
            using var memory = NewMemory();
            var queue = NewQueue(memory, packed: false, eventIndex, size);
            (queue.State.Available, queue.State.Used, queue.State.SignalledUsed) = (start, start, start);
            Run(steps, memory, queue, new SplitRingModel(memory, size, eventIndex, start), packed: false, eventIndex, size);
        }).Holds(Runs);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_packed_ring_reads_as_the_specification_says_after_any_steps(bool eventIndex) =>
        Prop.ForAll(Gen.Choose(1, MostEntries).ToArbitrary(), AnySteps.ToArbitrary(), (entries, steps) =>
        {
            var size = (ushort)entries;
            using var memory = NewMemory();
            Run(steps, memory, NewQueue(memory, packed: true, eventIndex, size), new PackedRingModel(memory, size, eventIndex), packed: true, eventIndex, size);
        }).Holds(Runs);

    private static void Run(Step[] steps, GuestMemory memory, Virtqueue queue, RingModel model, bool packed, bool eventIndex, ushort size)
    {
        // The one that was taken last, for as long as it can be put back.
        Offered? last = null;
        foreach (var (kind, first, second) in steps)
        {
            switch (kind)
            {
                case Kind.Add or Kind.AddIndirect:
                    model.Add(NewChain(first, second, size), kind == Kind.AddIndirect);
                    break;
                case Kind.Take:
                    last = model.Take();
                    Assert.Equal(last is not null, queue.TryPop());
                    CheckChain(last, queue.Chain);
                    break;
                case Kind.PutBack when last is not null:
                    model.PutBack();
                    queue.PutBack();
                    last = null;
                    break;
                case Kind.GiveBack when model.UnderWay.Count > 0:
                    var chain = model.UnderWay[first % model.UnderWay.Count];
                    last = chain == last ? null : last;
                    var written = (uint)second * 100;
                    queue.Push(chain.Id, chain.Entries, written);
                    model.GiveBack(chain, written);
                    break;
                case Kind.GiveAllBack:
                    // The driver sees all at once.
                    Offered[] all = [.. model.UnderWay];
                    queue.Push([.. all.Select((each, i) => new UsedChain(each.Id, each.Entries, (uint)i))]);
                    for (var i = 0; i < all.Length; i++)
                        model.GiveBack(all[i], (uint)i);
                    last = null;
                    break;
                case Kind.SetWish:
                    model.SetWish(first, second - 2);
                    break;
                case Kind.TakeWish:
                    var isWished = queue.TakeInterruptWish();
                    Assert.Equal(model.TakeWish() ?? isWished, isWished);
                    break;
                case Kind.AskForNotifications or Kind.RefuseNotifications:
                    queue.SetNotification(kind == Kind.AskForNotifications);
                    model.SetNotification(kind == Kind.AskForNotifications);
                    break;
                case Kind.Collect:
                    model.Collect();
                    break;
                case Kind.Restore:
                    var saved = new StateWriter();
                    queue.Save(saved);
                    queue = NewQueue(memory, packed, eventIndex, size);
                    var reader = new StateReader(saved.Written);
                    queue.Load(ref reader);
                    last = null;
                    break;
            }
            Assert.False(queue.IsBroken);
            Assert.Equal(model.EntriesUnderWay, queue.EntriesUnderWay);
            model.CheckMemory();
        }
    }

    private static GuestMemory NewMemory() => new([new GuestRam("ram", 0, 1 << 16)]);

    private static Virtqueue NewQueue(GuestMemory memory, bool packed, bool eventIndex, ushort size)
    {
        var queue = new Virtqueue(memory, MostEntries);
        queue.SetFormat(packed, eventIndex);
        (queue.State.Size, queue.State.Descriptors, queue.State.Driver, queue.State.Device) = (size, RingModel.Descriptors, RingModel.Driver, RingModel.Device);
        Assert.True(queue.TryEnable());
        return queue;
    }

    // Buffers to read, then buffers to write, at least one of them: no more than a queue has entries (2.7.5.3.1).
    private static List<Offer> NewChain(int readable, int writable, int size)
    {
        const ulong Buffers = 0x8000;
        var (readables, writables) = (readable % 4, writable % 4);
        var chain = new List<Offer>();
        for (var i = 0; i < Math.Clamp(readables + writables, 1, size); i++)
            chain.Add(new Offer(Buffers + (ulong)(i * 0x100 + readable * 0x10), (uint)(writable * 8 + i), i >= readables));
        return chain;
    }

    private static void CheckChain(Offered? expected, DescriptorChain chain)
    {
        if (expected is null)
            return;
        Assert.Equal((expected.Id, expected.Entries), (chain.Id, chain.RingEntries));
        Assert.Equal([.. expected.Buffers.Where(buffer => !buffer.Writable).Select(buffer => new GuestBuffer(buffer.Address, buffer.Length))], chain.Readable.ToArray());
        Assert.Equal([.. expected.Buffers.Where(buffer => buffer.Writable).Select(buffer => new GuestBuffer(buffer.Address, buffer.Length))], chain.Writable.ToArray());
    }
}
