namespace Gauntlet.Vmm.Tracing.Analysis;

/// <summary>A request that a device took and did not give back by the end of the trace.</summary>
/// <param name="Nanoseconds">When it was taken.</param>
public sealed record OpenRequest(string Device, uint Queue, uint Id, long Nanoseconds);

/// <summary>Follows requests on virtqueues: which ones stay open, and how long the others took.</summary>
public sealed class QueueRequests
{
    // More than all queues of all devices can hold.
    private const int MaxOpen = 1 << 20;

    private readonly Dictionary<(string Device, uint Queue, uint Id), long> _open = [];
    private readonly SortedDictionary<string, LatencyHistogram> _latencies = new(StringComparer.Ordinal);

    /// <summary>Taken again without having been given back: a device puts back what it cannot serve yet. The last time counts.</summary>
    public long TakenAgain { get; private set; }

    /// <summary>Given back without having been taken in this trace.</summary>
    public long NeverTaken { get; private set; }

    /// <summary>Void by a reset of their queue, device or machine.</summary>
    public long GivenUp { get; private set; }

    /// <summary>By device, from taking to giving back.</summary>
    public IReadOnlyDictionary<string, LatencyHistogram> Latencies => _latencies;

    /// <summary>The oldest first.</summary>
    public IReadOnlyList<OpenRequest> Open =>
        [.. _open.Select(pair => new OpenRequest(pair.Key.Device, pair.Key.Queue, pair.Key.Id, pair.Value)).OrderBy(request => request.Nanoseconds).ThenBy(request => request.Id)];

    /// <exception cref="TraceFormatException">More open at once than any machine has.</exception>
    public void Add(TraceRecord record)
    {
        if (record.What is null)
            return;
        if (record.What == TraceEvents.Machine)
        {
            if (record.Values[0].Text == "RESET")
                GiveUp(_ => true);
        }
        else if (record.Name.EndsWith("_queue_pop", StringComparison.Ordinal))
        {
            var key = KeyOf(record);
            if (_open.ContainsKey(key))
                TakenAgain++;
            _open[key] = record.Nanoseconds;
            if (_open.Count > MaxOpen)
                throw new TraceFormatException($"more than {MaxOpen} requests are open at once");
        }
        else if (record.Name.EndsWith("_queue_push", StringComparison.Ordinal))
        {
            Close(record);
        }
        else if (record.Name.EndsWith("_queue_reset", StringComparison.Ordinal))
        {
            var (device, queue, _) = KeyOf(record);
            GiveUp(key => key.Device == device && key.Queue == queue);
        }
    }

    private void Close(TraceRecord record)
    {
        var key = KeyOf(record);
        if (!_open.Remove(key, out var taken))
        {
            NeverTaken++;
            return;
        }
        if (!_latencies.TryGetValue(key.Device, out var histogram))
            _latencies[key.Device] = histogram = new LatencyHistogram();
        histogram.Add(record.Nanoseconds - taken);
    }

    private void GiveUp(Func<(string Device, uint Queue, uint Id), bool> which)
    {
        foreach (var key in _open.Keys.Where(which).ToArray())
        {
            _open.Remove(key);
            GivenUp++;
        }
    }

    private static (string Device, uint Queue, uint Id) KeyOf(TraceRecord record) =>
        (record.Values[0].Text ?? "", (uint)record.Values[1].Number, record.Values.Count > 2 ? (uint)record.Values[2].Number : 0);
}
