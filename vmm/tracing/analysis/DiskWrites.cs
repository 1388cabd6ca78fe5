namespace Gauntlet.Vmm.Tracing.Analysis;

/// <summary>A write to a disk.</summary>
/// <param name="Offset">In bytes, as <paramref name="Bytes"/>.</param>
/// <param name="Started">In nanoseconds, as <paramref name="Ended"/>.</param>
public sealed record DiskWrite(string Disk, ulong Offset, ulong Bytes, long Started, long Ended)
{
    /// <summary>The first byte behind it.</summary>
    public ulong End => Offset + Bytes;
}

/// <summary>Two writes that have bytes in common.</summary>
/// <param name="AtOnce">The second began before the first was done: which one lasts is chance.</param>
public sealed record WriteOverlap(DiskWrite First, DiskWrite Second, bool AtOnce);

/// <summary>Writes to disks, and which of them overlap within a range.</summary>
public sealed class DiskWrites
{
    private const int MaxWrites = 1 << 22;

    private readonly List<DiskWrite> _writes = [];
    private readonly string? _disk;
    private readonly ulong _start, _end;

    /// <param name="disk">Only this one; null: all.</param>
    /// <param name="start">First byte of the range.</param>
    /// <param name="bytes">Its length; the range may pass the end of all disks.</param>
    public DiskWrites(string? disk = null, ulong start = 0, ulong bytes = ulong.MaxValue)
    {
        (_disk, _start) = (disk, start);
        _end = bytes > ulong.MaxValue - start ? ulong.MaxValue : start + bytes;
    }

    /// <summary>Those that touch the range.</summary>
    public int Count => _writes.Count;

    /// <exception cref="TraceFormatException">More than can be kept, or one past the end of what 64 bits address.</exception>
    public void Add(TraceRecord record)
    {
        if (record.What != TraceEvents.BlockWrite && record.What != TraceEvents.BlockWriteZeroes)
            return;
        var (offset, bytes) = (record.Values[1].Number, record.Values[2].Number);
        if (offset + bytes < offset)
            throw new TraceFormatException($"a write of {bytes} bytes at {offset} passes the end of any disk");
        var write = new DiskWrite(record.Values[0].Text ?? "", offset, bytes, record.Nanoseconds - (long)record.Values[4].Number, record.Nanoseconds);
        if ((_disk is not null && write.Disk != _disk) || write.Bytes == 0 || write.End <= _start || write.Offset >= _end)
            return;
        if (_writes.Count == MaxWrites)
            throw new TraceFormatException($"more than {MaxWrites} writes; name a disk or a range");
        _writes.Add(write);
    }

    /// <summary>Pairs of writes that overlap inside the range.</summary>
    /// <param name="most">So many are listed; all are counted.</param>
    /// <param name="total">How many there are.</param>
    /// <returns>By time of the second of each.</returns>
    public IReadOnlyList<WriteOverlap> Overlaps(int most, out long total)
    {
        total = 0;
        var found = new List<WriteOverlap>();
        foreach (var disk in _writes.GroupBy(write => write.Disk))
        {
            // Those that reach beyond the offset that the sweep is at, by their end; all cut to the range.
            var open = new PriorityQueue<DiskWrite, ulong>();
            foreach (var write in disk.OrderBy(StartOf).ThenBy(write => write.Ended))
            {
                while (open.TryPeek(out _, out var end) && end <= StartOf(write))
                    open.Dequeue();
                total += open.Count;
                if (found.Count < most)
                {
                    foreach (var (other, _) in open.UnorderedItems)
                    {
                        if (found.Count < most)
                            found.Add(Pair(other, write));
                    }
                }
                open.Enqueue(write, Math.Min(write.End, _end));
            }
        }
        return [.. found.OrderBy(pair => pair.Second.Ended)];
    }

    private ulong StartOf(DiskWrite write) => Math.Max(write.Offset, _start);

    private static WriteOverlap Pair(DiskWrite one, DiskWrite other)
    {
        var (first, second) = one.Ended <= other.Ended ? (one, other) : (other, one);
        return new WriteOverlap(first, second, second.Started < first.Ended);
    }
}
