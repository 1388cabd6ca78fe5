using FsCheck.Fluent;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Tests.Network;

public sealed class FrameQueueTests
{
    private const int Bytes = EthernetFrame.MaxBytes + 1000;

    [Fact]
    public void It_is_a_queue_of_bounded_bytes()
    {
        var step = Gen.OneOf(Gen.Choose(1, 30_000), Gen.Constant(0), Gen.Constant(EthernetFrame.MaxBytes));
        Prop.ForAll(step.ListOf(60).ToArbitrary(), steps =>
        {
            var (queue, model, used) = (new FrameQueue(Bytes), new Queue<byte[]>(), 0);
            var buffer = new byte[EthernetFrame.MaxBytes];
            for (var i = 0; i < steps.Count; i++)
            {
                if (steps[i] > 0)
                {
                    var frame = new byte[steps[i]];
                    frame.AsSpan().Fill((byte)i);
                    var fits = used + 4 + frame.Length <= Bytes;
                    Assert.Equal(fits, queue.TryAdd(frame));
                    if (!fits)
                        continue;
                    model.Enqueue(frame);
                    used += 4 + frame.Length;
                }
                else if (model.TryDequeue(out var expected))
                {
                    Assert.Equal(expected.Length, queue.Peek(buffer));
                    Assert.True(expected.AsSpan().SequenceEqual(buffer.AsSpan(0, expected.Length)));
                    queue.Remove();
                    used -= 4 + expected.Length;
                }
                else
                {
                    Assert.Equal(0, queue.Peek(buffer));
                }
                Assert.Equal(used + 4 + EthernetFrame.MaxBytes <= Bytes, queue.HasRoom);
            }
        }).Holds(50);
    }

    [Fact]
    public async Task Whoever_waits_comes_back_when_it_is_closed()
    {
        var (empty, full) = (new FrameQueue(Bytes), new FrameQueue(Bytes));
        Assert.True(full.TryAdd(new byte[Bytes - 4]));
        var taker = Task.Run(() => empty.Take(new byte[EthernetFrame.MaxBytes]));
        var adder = Task.Run(() => full.Add(new byte[10]));
        empty.Close();
        full.Close();
        Assert.Equal(0, await taker);
        Assert.False(await adder);
    }
}
