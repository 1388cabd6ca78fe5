using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Memory;

public sealed class GuestMemoryTests : IDisposable
{
    private const ulong Low = 0, LowBytes = 0x3000, Adjacent = 0x3000, Rom = 0x10000, High = 0x1_0000_0000;

    private readonly GuestMemory _memory = new(
    [
        new GuestRam("high", High, 0x1000),
        new GuestRam("low", Low, LowBytes),
        new GuestRam("adjacent", Adjacent, 0x1000),
        new GuestRam("rom", Rom, 0x1000, readOnly: true),
    ]);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void What_is_written_is_read_across_two_adjacent_runs()
    {
        var bytes = new byte[0x2000];
        Random.Shared.NextBytes(bytes);
        Assert.True(_memory.TryWrite(0x2000, bytes));
        var read = new byte[bytes.Length];
        Assert.True(_memory.TryRead(0x2000, read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData(0x3fffUL, 2)]
    [InlineData(0x4000UL, 1)]
    [InlineData(Rom, 1)]
    [InlineData(0xfffUL + High, 2)]
    [InlineData(ulong.MaxValue, 2)]
    [InlineData(ulong.MaxValue, 1)]
    public void A_write_that_leaves_writable_ram_is_refused_and_changes_nothing(ulong address, int length)
    {
        var bytes = new byte[length];
        Array.Fill(bytes, (byte)0xaa);
        Assert.False(_memory.TryWrite(address, bytes));
        var last = new byte[1];
        Assert.True(_memory.TryRead(0x3fff, last));
        Assert.Equal(0, last[0]);
        var pages = new List<ulong>();
        _memory.CollectDirtyPages(pages);
        Assert.Empty(pages);
    }

    [Fact]
    public void Rom_takes_bytes_from_its_loader_only()
    {
        Assert.True(_memory.TryLoad(Rom, [1, 2, 3]));
        Assert.False(_memory.TryWrite(Rom, [9]));
        var read = new byte[3];
        Assert.True(_memory.TryRead(Rom, read));
        Assert.Equal([1, 2, 3], read);
    }

    [Fact]
    public void Every_page_that_a_device_wrote_is_told_once()
    {
        Assert.True(_memory.TryWrite(0x0fff, [1, 2]));
        _memory.MarkDirty(High + 0xfff, 1);
        var pages = new List<ulong>();
        _memory.CollectDirtyPages(pages);
        Assert.Equal([0x0000UL, 0x1000, High], pages);
        pages.Clear();
        _memory.CollectDirtyPages(pages);
        Assert.Empty(pages);
    }

    [Fact]
    public void A_span_ends_with_its_run_and_is_empty_where_no_ram_is()
    {
        Assert.Equal(0x1000, _memory.GetSpan(0x2000, int.MaxValue).Length);
        Assert.True(_memory.GetSpan(0x8000, 16).IsEmpty);
        Assert.True(_memory.GetSpan(0, 0).IsEmpty);
    }

    [Fact]
    public void An_observer_hears_of_each_write()
    {
        var observer = new Observer();
        _memory.SetObserver(observer);
        _memory.TryWrite(0x1234, [1, 2, 3]);
        _memory.TryClear(0x2000, 0x1800);
        _memory.TryWrite(0x8000, [1]);
        Assert.Equal([(0x1234UL, 3UL), (0x2000UL, 0x1800UL)], observer.Writes);
    }

    [Fact]
    public void Runs_that_overlap_or_pass_the_end_are_refused()
    {
        using var first = new GuestRam("first", 0x1000, 0x2000);
        using var second = new GuestRam("second", 0x2000, 0x1000);
        using var last = new GuestRam("last", ulong.MaxValue - 0xfff, 0x2000);
        Assert.Throws<ArgumentException>(() => new GuestMemory([first, second]));
        Assert.Throws<ArgumentException>(() => new GuestMemory([last]));
        Assert.Throws<ArgumentException>(() => new GuestMemory([]));
    }

    private sealed class Observer : IGuestMemoryObserver
    {
        public List<(ulong, ulong)> Writes { get; } = [];

        public void OnGuestMemoryWritten(ulong address, ulong length) => Writes.Add((address, length));
    }
}
