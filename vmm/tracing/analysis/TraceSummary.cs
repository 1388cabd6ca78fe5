namespace Gauntlet.Vmm.Tracing.Analysis;

/// <summary>How often a register was accessed.</summary>
public sealed record RegisterCount(string Device, string Register, long Reads, long Writes)
{
    public long Total => Reads + Writes;
}

/// <summary>All analyses over one trace.</summary>
public sealed class TraceSummary(DiskWrites writes)
{
    private const int MaxNames = 1 << 16;

    private readonly SortedDictionary<string, long> _events = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Device, string Register), (long Reads, long Writes)> _registers = [];
    private readonly SortedDictionary<string, LatencyHistogram> _disks = new(StringComparer.Ordinal);

    public long Records { get; private set; }

    /// <summary>From the first record to the last, in nanoseconds.</summary>
    public long Nanoseconds => Records == 0 ? 0 : _last - _first;

    public IReadOnlyDictionary<string, long> Events => _events;

    public QueueRequests Requests { get; } = new();

    public DiskWrites Writes => writes;

    /// <summary>What disks took for each request, by disk.</summary>
    public IReadOnlyDictionary<string, LatencyHistogram> DiskLatencies => _disks;

    /// <summary>The busiest first.</summary>
    public IEnumerable<RegisterCount> Registers => _registers
        .Select(pair => new RegisterCount(pair.Key.Device, pair.Key.Register, pair.Value.Reads, pair.Value.Writes))
        .OrderByDescending(count => count.Total).ThenBy(count => count.Device, StringComparer.Ordinal).ThenBy(count => count.Register, StringComparer.Ordinal);

    private long _first = long.MaxValue, _last = long.MinValue;

    /// <exception cref="TraceFormatException">More different names than any machine has.</exception>
    public void Add(TraceRecord record)
    {
        Records++;
        (_first, _last) = (Math.Min(_first, record.Nanoseconds), Math.Max(_last, record.Nanoseconds));
        _events[record.Name] = _events.GetValueOrDefault(record.Name) + 1;
        Requests.Add(record);
        writes.Add(record);
        if (record.What is { } what)
        {
            if (record.Name.StartsWith("block_", StringComparison.Ordinal))
                AddDisk(record);
            else if (what.Fields.Count == 5)
                AddRegister(record);
        }
        if (_registers.Count > MaxNames || _disks.Count > MaxNames)
            throw new TraceFormatException($"more than {MaxNames} registers or disks");
    }

    private void AddDisk(TraceRecord record)
    {
        var disk = record.Values[0].Text ?? "";
        if (!_disks.TryGetValue(disk, out var histogram))
            _disks[disk] = histogram = new LatencyHistogram();
        histogram.Add((long)Math.Min(record.Values[4].Number, long.MaxValue));
    }

    private void AddRegister(TraceRecord record)
    {
        var key = (record.Values[0].Text ?? "", record.Values[1].Text ?? "");
        var (reads, writes) = _registers.GetValueOrDefault(key);
        _registers[key] = record.Name.EndsWith("_read", StringComparison.Ordinal) ? (reads + 1, writes) : (reads, writes + 1);
    }
}
