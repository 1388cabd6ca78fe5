using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Gauntlet.Vmm.Tracing;

/// <summary>Writes <see cref="SimpleTrace"/>: an event's mapping before its first record.</summary>
public sealed class SimpleTraceSink : ITraceSink
{
    private const int BufferBytes = 64 * 1024;

    private readonly Lock _gate = new();
    private readonly Stream _stream;
    private readonly ArrayBufferWriter<byte> _buffer = new(BufferBytes);
    private readonly HashSet<int> _named = [];
    private bool _ended;

    /// <param name="stream">Its own from here on. What cannot be written any more is lost.</param>
    public SimpleTraceSink(Stream stream)
    {
        _stream = stream;
        UInt64(SimpleTrace.HeaderId);
        UInt64(SimpleTrace.Magic);
        UInt64(SimpleTrace.Version);
    }

    public void Write(int id, TraceEvent what, long nanoseconds, ReadOnlySpan<TraceValue> values)
    {
        lock (_gate)
        {
            if (_ended)
                return;
            if (_named.Add(id))
            {
                UInt64(SimpleTrace.MappingRecord);
                UInt64((ulong)id);
                Text(what.Name);
            }
            UInt64(SimpleTrace.EventRecord);
            var start = _buffer.WrittenCount;
            UInt64((ulong)id);
            UInt64((ulong)nanoseconds);
            var length = _buffer.WrittenCount;
            UInt32(0);
            UInt32((uint)Environment.ProcessId);
            for (var i = 0; i < what.Fields.Count; i++)
            {
                if (what.Fields[i].Type == TraceFieldType.Text)
                    Text(values[i].Text ?? "");
                else
                    UInt64(values[i].Number);
            }
            PatchLength(length, (uint)(_buffer.WrittenCount - start));
            if (_buffer.WrittenCount > BufferBytes / 2)
                WriteOut();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_ended)
                return;
            WriteOut();
            _ended = true;
            _stream.Dispose();
        }
    }

    private void WriteOut()
    {
        try
        {
            _stream.Write(_buffer.WrittenSpan);
        }
        catch (IOException)
        {
            // The disk is full or the reader of a pipe is gone: a guest is not to suffer for it.
            _ended = true;
        }
        _buffer.ResetWrittenCount();
    }

    private void PatchLength(int at, uint value)
    {
        // The buffer is this object's own: what was written may still be changed.
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsMemory(_buffer.WrittenMemory).Span;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[at..], value);
    }

    private void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.GetSpan(sizeof(ulong)), value);
        _buffer.Advance(sizeof(ulong));
    }

    private void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(sizeof(uint)), value);
        _buffer.Advance(sizeof(uint));
    }

    private void Text(string text)
    {
        Span<byte> bytes = stackalloc byte[SimpleTrace.MaxTextBytes];
        // What is longer is cut, at a character's end.
        Encoding.UTF8.GetEncoder().Convert(text, bytes, flush: true, out _, out var count, out _);
        UInt32((uint)count);
        _buffer.Write(bytes[..count]);
    }
}
