using System.Buffers.Binary;
using System.Text;

namespace Gauntlet.Vmm.Tracing;

/// <summary>One happening, as a file has it.</summary>
/// <param name="What">Null for an event that is not one of <see cref="TraceEvents"/>: another program's.</param>
/// <param name="Nanoseconds">The writer's monotonic clock.</param>
/// <param name="Values">One for each field of <paramref name="What"/>.</param>
public sealed record TraceRecord(TraceEvent? What, string Name, long Nanoseconds, uint Process, IReadOnlyList<TraceValue> Values);

/// <summary>A file that is no trace, or a broken one: where, and what was found.</summary>
public sealed class TraceFormatException(string message) : Exception(message);

/// <summary>Reads <see cref="SimpleTrace"/> from start to end. A file that ends inside a record, as a killed process leaves it, ends before that record.</summary>
public sealed class SimpleTraceReader
{
    private const int MaxRecordBytes = 64 * 1024, MaxEvents = 65536;

    private readonly Stream _stream;
    private readonly Dictionary<ulong, (string Name, TraceEvent? What)> _names = [];
    private readonly byte[] _record = new byte[MaxRecordBytes];
    private long _position;

    /// <exception cref="TraceFormatException">It has not the header of a trace of version 4.</exception>
    public SimpleTraceReader(Stream stream)
    {
        _stream = stream;
        if (!TryFill(24) || UInt64(0) != SimpleTrace.HeaderId || UInt64(8) != SimpleTrace.Magic)
            throw new TraceFormatException("not a simpletrace file: it does not begin with the header's two marks; gvmm writes one with -trace PATTERN,file=FILE");
        if (UInt64(16) != SimpleTrace.Version)
            throw new TraceFormatException($"a simpletrace file of version {UInt64(16)}, where {SimpleTrace.Version} was expected");
    }

    /// <summary>The file ended inside a record.</summary>
    public bool IsCut { get; private set; }

    /// <summary>Null at the end.</summary>
    /// <exception cref="TraceFormatException">A record that no writer makes.</exception>
    public TraceRecord? Read()
    {
        while (true)
        {
            var at = _position;
            if (!TryFill(8))
                return null;
            switch (UInt64(0))
            {
                case SimpleTrace.MappingRecord:
                    if (!TryReadMapping(at))
                        return null;
                    break;
                case SimpleTrace.EventRecord:
                    if (TryReadEvent(at, out var record))
                        return record;
                    return null;
                case var other:
                    throw new TraceFormatException($"byte {at}: a record of type 0x{other:x}, where 0 (a name) or 1 (an event) was expected");
            }
        }
    }

    private bool TryReadMapping(long at)
    {
        if (!TryFill(12))
            return Cut();
        var (id, length) = (UInt64(0), UInt32(8));
        if (length > SimpleTrace.MaxTextBytes || _names.Count == MaxEvents)
            throw new TraceFormatException($"byte {at}: a name of {length} bytes, where at most {SimpleTrace.MaxTextBytes} were expected, or more than {MaxEvents} names");
        if (!TryFill((int)length))
            return Cut();
        var name = Encoding.UTF8.GetString(_record.AsSpan(0, (int)length));
        _names[id] = (name, TraceEvents.Find(name));
        return true;
    }

    private bool TryReadEvent(long at, out TraceRecord? record)
    {
        record = null;
        if (!TryFill(SimpleTrace.EventHeaderBytes))
            return Cut();
        var (id, nanoseconds, length, process) = (UInt64(0), (long)UInt64(8), UInt32(16), UInt32(20));
        if (length is < SimpleTrace.EventHeaderBytes or > MaxRecordBytes)
            throw new TraceFormatException($"byte {at}: an event of {length} bytes, where {SimpleTrace.EventHeaderBytes} to {MaxRecordBytes} were expected");
        var left = (int)length - SimpleTrace.EventHeaderBytes;
        if (!TryFill(left))
            return Cut();
        if (id == SimpleTrace.Dropped)
        {
            record = new TraceRecord(null, "dropped", nanoseconds, process, []);
            return true;
        }
        if (!_names.TryGetValue(id, out var known))
            throw new TraceFormatException($"byte {at}: event {id}, which no record before it names");
        record = new TraceRecord(known.What, known.Name, nanoseconds, process, known.What is null ? [] : Fields(known.What, left, at));
        return true;
    }

    private TraceValue[] Fields(TraceEvent what, int length, long at)
    {
        var values = new TraceValue[what.Fields.Count];
        var offset = 0;
        for (var i = 0; i < values.Length; i++)
        {
            if (what.Fields[i].Type != TraceFieldType.Text)
            {
                values[i] = offset + 8 <= length ? UInt64(offset) : throw Short();
                offset += 8;
                continue;
            }
            var size = offset + 4 <= length ? UInt32(offset) : throw Short();
            offset += 4;
            if (size > length - offset)
                throw Short();
            values[i] = Encoding.UTF8.GetString(_record.AsSpan(offset, (int)size));
            offset += (int)size;
        }
        return values;

        TraceFormatException Short() => new($"byte {at}: {what.Name} has {length} bytes of fields, too few for what it is declared with");
    }

    private bool Cut()
    {
        IsCut = true;
        return false;
    }

    private bool TryFill(int count)
    {
        var got = _stream.ReadAtLeast(_record.AsSpan(0, count), count, throwOnEndOfStream: false);
        _position += got;
        if (got > 0 && got < count)
            IsCut = true;
        return got == count;
    }

    private ulong UInt64(int at) => BinaryPrimitives.ReadUInt64LittleEndian(_record.AsSpan(at));

    private uint UInt32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(_record.AsSpan(at));
}
