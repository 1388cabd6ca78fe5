using System.Globalization;
using System.Text;

namespace Gauntlet.Vmm.Tracing;

/// <summary>Where events go. From any thread.</summary>
public interface ITraceSink : IDisposable
{
    /// <param name="id">The event's, the same each time.</param>
    /// <param name="nanoseconds">The host's monotonic clock.</param>
    /// <param name="values">One for each field.</param>
    void Write(int id, TraceEvent what, long nanoseconds, ReadOnlySpan<TraceValue> values);
}

/// <summary>One line an event: <c>PID@SECONDS.MICROSECONDS:name field value …</c>, as QEMU's log back end.</summary>
/// <param name="writer">Its own from here on.</param>
public sealed class LogTraceSink(TextWriter writer) : ITraceSink
{
    private readonly Lock _gate = new();
    private readonly StringBuilder _line = new();

    public void Write(int id, TraceEvent what, long nanoseconds, ReadOnlySpan<TraceValue> values)
    {
        lock (_gate)
        {
            _line.Clear();
            _line.Append(CultureInfo.InvariantCulture, $"{Environment.ProcessId}@{nanoseconds / 1_000_000_000}.{nanoseconds / 1000 % 1_000_000:d6}:");
            what.Append(_line, values);
            writer.WriteLine(_line);
            writer.Flush();
        }
    }

    public void Dispose()
    {
        lock (_gate)
            writer.Dispose();
    }
}
