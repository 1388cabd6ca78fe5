using System.Diagnostics;

namespace Gauntlet.Vmm.Tracing;

/// <summary>An event that is wanted, at the place where it happens. Who holds null tells nothing and pays nothing but the look.</summary>
public sealed class TracePoint
{
    private readonly int _id;
    private readonly TraceEvent _what;
    private readonly ITraceSink _sink;

    internal TracePoint(int id, TraceEvent what, ITraceSink sink) => (_id, _what, _sink) = (id, what, sink);

    /// <param name="values">One for each field.</param>
    public void Write(params ReadOnlySpan<TraceValue> values) => _sink.Write(_id, _what, Tracer.NowNs, values);
}

/// <summary>The events of one machine: all that are declared, and points for those that are wanted.</summary>
public sealed class Tracer(TracePatterns patterns, ITraceSink sink) : IDisposable
{
    private readonly List<TraceEvent> _declared = [];

    /// <summary>In the order of declaration.</summary>
    public IReadOnlyList<TraceEvent> Declared => _declared;

    /// <summary>Time as events have it: the host's monotonic clock.</summary>
    public static long NowNs => (long)Stopwatch.GetElapsedTime(0).TotalNanoseconds;

    /// <summary>Declares an event, once more if it is declared already, and gives a point when it is wanted.</summary>
    public TracePoint? Declare(TraceEvent what)
    {
        var id = _declared.FindIndex(known => known.Name == what.Name);
        if (id < 0)
        {
            id = _declared.Count;
            _declared.Add(what);
        }
        return patterns.IsWanted(what.Name) ? new TracePoint(id, what, sink) : null;
    }

    /// <summary>The patterns without a <c>*</c> that name nothing.</summary>
    public IEnumerable<string> Unknown => patterns.All.Where(pattern =>
        !pattern.Contains('*', StringComparison.Ordinal) && !_declared.Exists(known => known.Name == pattern.TrimStart('-')));

    public void Dispose() => sink.Dispose();
}
