using FsCheck.Fluent;
using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 2.7 and 2.8: what a queue promises to its driver, and what a driver cannot do to it.</summary>
public sealed class VirtqueueTests
{
    private const ushort Size = 8;
    private const int MemoryBytes = 0x10000;
    private const ulong Data = 0xa000;

    private readonly ArrayMemory _memory = new(MemoryBytes);

    public static TheoryData<bool> Forms => [false, true];

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_chain_arrives_as_it_was_offered_and_goes_back_with_what_was_written(bool packed)
    {
        var (queue, driver) = NewQueue(packed);
        Assert.False(queue.TryPop());
        "request"u8.CopyTo(_memory.Bytes.AsSpan((int)Data));
        var id = driver.Add([new(Data, 4, false), new(Data + 4, 3, false), new(Data + 0x100, 2, true), new(Data + 0x200, 8, true)]);
        Assert.True(queue.TryPop());
        Assert.Equal(7UL, queue.Chain.ReadableBytes);
        Assert.Equal(10UL, queue.Chain.WritableBytes);
        var request = new byte[5];
        Assert.True(queue.Chain.TryRead(_memory, 2, request));
        Assert.Equal("quest"u8.ToArray(), request);
        Assert.False(queue.Chain.TryRead(_memory, 3, request));
        Assert.True(queue.Chain.TryWrite(_memory, 1, "answer"u8));
        Assert.Equal((byte)'a', _memory.Bytes[Data + 0x101]);
        Assert.Equal((byte)'n', _memory.Bytes[Data + 0x200]);
        queue.Push(7);
        Assert.Equal(new Returned((ushort)id, 7), driver.Take());
        Assert.Null(driver.Take());
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Whatever_a_driver_offers_comes_out_in_order_for_ever(bool packed)
    {
        var chain = from readable in Gen.Choose(0, 3)
                    from writable in Gen.Choose(readable == 0 ? 1 : 0, 3)
                    from indirect in Gen.Elements(true, false)
                    select (readable, writable, indirect);
        var rounds = from chains in chain.ListOf()
                     from give in Gen.Choose(1, 5)
                     select (chains, give);
        Prop.ForAll(rounds.ListOf(30).ToArbitrary(), all =>
        {
            Array.Clear(_memory.Bytes);
            var (queue, driver) = NewQueue(packed);
            var expected = new Queue<(int Id, int Readable, int Writable)>();
            foreach (var (chains, give) in all)
            {
                foreach (var (readable, writable, indirect) in chains)
                {
                    var offers = Enumerable.Range(0, readable + writable).Select(i => new Offer(Data + (ulong)i * 16, (uint)i + 1, i >= readable)).ToList();
                    var id = driver.Add(offers, indirect);
                    if (id >= 0)
                        expected.Enqueue((id, readable, writable));
                }
                for (var i = 0; i < give && queue.TryPop(); i++)
                {
                    var (id, readable, writable) = expected.Dequeue();
                    Assert.Equal((id, readable, writable), (queue.Chain.Id, queue.Chain.Readable.Length, queue.Chain.Writable.Length));
                    queue.Push((uint)i);
                    Assert.Equal(new Returned((ushort)id, (uint)i), driver.Take());
                }
                Assert.False(queue.IsBroken);
            }
        }).Holds(60);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Random_bytes_in_a_ring_end_in_a_broken_queue_or_in_bounded_work(bool packed) => Prop.ForAll(
        ArbMap.Default.GeneratorFor<int>().ToArbitrary(), ArbMap.Default.GeneratorFor<bool>().ToArbitrary(), (seed, eventIndex) =>
        {
            var random = new Random(seed);
            random.NextBytes(_memory.Bytes);
            var (queue, _) = NewQueue(packed, eventIndex);
            // Flags and addresses that look like a driver's get further than noise.
            for (var i = 0; i < Size; i++)
            {
                var at = (int)RingDriver.Descriptors + i * 16;
                BitConverter.TryWriteBytes(_memory.Bytes.AsSpan(at), (ulong)random.Next(0, MemoryBytes * 2));
                BitConverter.TryWriteBytes(_memory.Bytes.AsSpan(at + (packed ? 14 : 12)), (ushort)(random.Next(0, 8) | (random.Next(0, 4) << 7)));
            }
            BitConverter.TryWriteBytes(_memory.Bytes.AsSpan((int)RingDriver.Driver + 2), (ushort)random.Next(0, 12));
            for (var i = 0; i < 4 * Size; i++)
            {
                queue.SetNotification(random.Next(2) == 0);
                if (queue.TryPop())
                {
                    Assert.InRange(queue.Chain.Readable.Length + queue.Chain.Writable.Length, 0, Size);
                    queue.Push((uint)random.Next());
                }
                queue.TakeInterruptWish();
            }
        }).Holds();

    [Fact]
    public void A_loop_of_descriptors_breaks_the_queue()
    {
        var (queue, driver) = NewQueue(packed: false);
        var id = driver.Add([new(Data, 1, false), new(Data, 1, false)]);
        // The last one points back at the first.
        var last = RingDriver.Descriptors + BitConverter.ToUInt16(_memory.Bytes, (int)RingDriver.Descriptors + id * 16 + 14) * 16UL;
        BitConverter.TryWriteBytes(_memory.Bytes.AsSpan((int)last + 12), (ushort)1);
        BitConverter.TryWriteBytes(_memory.Bytes.AsSpan((int)last + 14), (ushort)id);
        Assert.False(queue.TryPop());
        Assert.True(queue.IsBroken);
    }

    [Fact]
    public void An_available_index_that_jumps_ahead_of_the_ring_breaks_the_queue()
    {
        var (queue, driver) = NewQueue(packed: false);
        driver.Add([new(Data, 1, false)]);
        BitConverter.TryWriteBytes(_memory.Bytes.AsSpan((int)RingDriver.Driver + 2), (ushort)(Size + 1));
        Assert.False(queue.TryPop());
        Assert.True(queue.IsBroken);
        // And for good: what the driver writes now is not looked at.
        BitConverter.TryWriteBytes(_memory.Bytes.AsSpan((int)RingDriver.Driver + 2), (ushort)1);
        Assert.False(queue.TryPop());
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_buffer_to_read_behind_one_to_write_breaks_the_queue(bool packed)
    {
        var (queue, driver) = NewQueue(packed);
        driver.Add([new(Data, 1, true), new(Data, 1, false)]);
        Assert.False(queue.TryPop());
        Assert.True(queue.IsBroken);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void An_indirect_table_that_is_not_whole_entries_breaks_the_queue(bool packed)
    {
        var (queue, driver) = NewQueue(packed);
        var id = driver.Add([new(Data, 1, false)], indirect: true);
        BitConverter.TryWriteBytes(_memory.Bytes.AsSpan((int)RingDriver.Descriptors + (packed ? 0 : id * 16) + 8), 17u);
        Assert.False(queue.TryPop());
        Assert.True(queue.IsBroken);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Buffers_outside_of_ram_are_taken_but_not_reached(bool packed)
    {
        var (queue, driver) = NewQueue(packed);
        driver.Add([new(ulong.MaxValue - 2, 8, false), new(MemoryBytes - 1, uint.MaxValue, true)]);
        Assert.True(queue.TryPop());
        Assert.False(queue.Chain.TryRead(_memory, 0, new byte[8]));
        Assert.False(queue.Chain.TryWrite(_memory, 0, new byte[8]));
        Assert.Equal((ulong)uint.MaxValue, queue.Chain.WritableBytes);
    }

    [Fact]
    public void With_event_index_an_interrupt_comes_when_the_used_index_passes_the_wish()
    {
        var (queue, split) = NewQueue(packed: false, eventIndex: true);
        var driver = (SplitDriver)split;
        driver.SetUsedEvent(2);
        var told = new List<bool>();
        for (var i = 0; i < 5; i++)
        {
            driver.Add([new(Data, 1, true)]);
            Assert.True(queue.TryPop());
            queue.Push(0);
            told.Add(queue.TakeInterruptWish());
            driver.Take();
        }
        Assert.Equal([false, false, true, false, false], told);
    }

    [Fact]
    public void Without_event_index_the_drivers_flag_silences_interrupts()
    {
        var (queue, split) = NewQueue(packed: false);
        var driver = (SplitDriver)split;
        foreach (var silent in (bool[])[true, false])
        {
            driver.SetNoInterrupt(silent);
            driver.Add([new(Data, 1, true)]);
            Assert.True(queue.TryPop());
            queue.Push(0);
            Assert.Equal(!silent, queue.TakeInterruptWish());
            Assert.False(queue.TakeInterruptWish());
            driver.Take();
        }
    }

    [Theory]
    [InlineData(false, 0, false)]
    [InlineData(false, 6, false)]
    [InlineData(false, 16, false)]
    [InlineData(false, 4, true)]
    [InlineData(true, 6, true)]
    [InlineData(true, 0, false)]
    public void A_split_ring_has_a_power_of_two_of_entries_a_packed_one_any_number(bool packed, ushort size, bool enabled)
    {
        var queue = new Virtqueue(_memory, Size);
        queue.SetFormat(packed, eventIndex: false);
        queue.State.Size = size;
        Assert.Equal(enabled, queue.TryEnable());
    }

    private (Virtqueue Queue, RingDriver Driver) NewQueue(bool packed, bool eventIndex = false)
    {
        var queue = new Virtqueue(_memory, Size);
        queue.SetFormat(packed, eventIndex);
        (queue.State.Descriptors, queue.State.Driver, queue.State.Device) = (RingDriver.Descriptors, RingDriver.Driver, RingDriver.Device);
        Assert.True(queue.TryEnable());
        return (queue, packed ? new PackedDriver(_memory, Size) : new SplitDriver(_memory, Size));
    }
}
