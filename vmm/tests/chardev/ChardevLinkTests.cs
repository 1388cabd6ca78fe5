using FsCheck.Fluent;
using Gauntlet.Vmm.Chardevs;

namespace Gauntlet.Vmm.Tests.Chardevs;

public sealed class ChardevLinkTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_byte_queue_keeps_order_and_bound()
    {
        Prop.ForAll(Gen.Choose(-40, 40).ListOf(80).ToArbitrary(), steps =>
        {
            var (queue, model, next) = (new ByteQueue(37), new Queue<byte>(), 0);
            foreach (var step in steps)
            {
                if (step >= 0)
                {
                    var bytes = Enumerable.Range(next, step).Select(value => (byte)value).ToArray();
                    var added = queue.TryAdd(bytes);
                    Assert.Equal(Math.Min(step, 37 - model.Count), added);
                    foreach (var value in bytes.Take(added))
                        model.Enqueue(value);
                    next += added;
                }
                else
                {
                    var taken = new byte[-step];
                    var count = queue.TryTake(taken);
                    Assert.Equal(Math.Min(-step, model.Count), count);
                    for (var i = 0; i < count; i++)
                        Assert.Equal(model.Dequeue(), taken[i]);
                }
                Assert.Equal(37 - model.Count, queue.Room);
            }
        }).Holds();
    }

    [Fact]
    public async Task A_slow_reader_never_makes_the_device_wait_and_loses_nothing()
    {
        using var slow = new SlowChardev();
        using var link = new ChardevLink(slow);
        var room = new SemaphoreSlim(0);
        link.Connect(() => room.Release());
        var sent = 0;
        for (int count; (count = link.Send(new byte[10_000])) == 10_000;)
            sent += count;
        Assert.InRange(sent, 50_000, 80_000);
        // Whoever reads now lets the rest through, and the device hears of it.
        slow.Reading.Set();
        Assert.True(await room.WaitAsync(Limit));
        Assert.Equal(1, link.Send([1]));
    }

    [Fact]
    public void What_was_sent_is_out_when_it_is_closed()
    {
        using var chardev = new RingBufChardev("r", 65536);
        using (var link = new ChardevLink(chardev))
            Assert.Equal(5, link.Send("hello"u8));
        Assert.Equal("hello"u8.ToArray(), chardev.Take(100));
    }

    [Fact]
    public async Task A_sender_waits_for_a_device_that_takes_nothing()
    {
        using var chardev = new NullChardev("n");
        using var link = new ChardevLink(chardev);
        var sender = Task.Run(() => link.OnReceived(new byte[200_000]));
        var buffer = new byte[1000];
        for (var got = 0; got < 200_000; got += link.Receive(buffer))
            await Task.Yield();
        await sender.WaitAsync(Limit);
        Assert.False(link.HasInput);
    }

    private sealed class SlowChardev() : Chardev("slow", "slow")
    {
        public ManualResetEventSlim Reading { get; } = new();

        public override void Write(ReadOnlySpan<byte> bytes) => Reading.Wait(Limit);

        public override void Start() { }
    }
}
