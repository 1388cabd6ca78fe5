using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>One buffer of a chain, in guest-physical memory; that it is RAM shows when it is used.</summary>
/// <param name="Address">Of the first byte.</param>
/// <param name="Length">In bytes; may be 0.</param>
public readonly record struct GuestBuffer(ulong Address, uint Length);

/// <summary>
/// What a driver made available at once: buffers that the device reads, then buffers that it writes. Made once for a queue and filled again for each chain.
/// </summary>
/// <remarks>Virtual I/O Device (VIRTIO) 1.2, 2.7.4 (message framing) and 2.7.5: device-readable buffers come before device-writable ones.</remarks>
public sealed class DescriptorChain
{
    // Most have a few.
    private const int FirstBuffers = 8;

    private readonly int _capacity;
    private GuestBuffer[] _buffers;
    private int _count;

    /// <param name="capacity">Most buffers that a chain may have: the queue size (2.7.5.2, 2.7.5.3.1).</param>
    public DescriptorChain(int capacity) => (_capacity, _buffers) = (capacity, []);

    /// <summary>What the ring needs to hand it back: the head's index, or the packed ring's buffer ID.</summary>
    public ushort Id { get; internal set; }

    /// <summary>Entries of the packed ring that it takes; 1 in a split ring.</summary>
    internal int RingEntries { get; set; }

    /// <summary>Buffers that the device reads.</summary>
    public ReadOnlySpan<GuestBuffer> Readable => _buffers.AsSpan(0, ReadableCount);

    /// <summary>Buffers that the device writes.</summary>
    public ReadOnlySpan<GuestBuffer> Writable => _buffers.AsSpan(ReadableCount, _count - ReadableCount);

    /// <summary>Bytes that the device may read.</summary>
    public ulong ReadableBytes { get; private set; }

    /// <summary>Bytes that the device may write.</summary>
    public ulong WritableBytes { get; private set; }

    private int ReadableCount { get; set; }

    /// <summary>Copies from the readable part; false when it is shorter, or not RAM.</summary>
    /// <param name="offset">In bytes from its start.</param>
    public bool TryRead(IGuestMemory memory, ulong offset, Span<byte> destination)
    {
        foreach (var buffer in Readable)
        {
            if (destination.IsEmpty)
                return true;
            if (offset >= buffer.Length)
            {
                offset -= buffer.Length;
                continue;
            }
            var count = (int)Math.Min(buffer.Length - offset, (ulong)destination.Length);
            if (!memory.TryRead(buffer.Address + offset, destination[..count]))
                return false;
            destination = destination[count..];
            offset = 0;
        }
        return destination.IsEmpty;
    }

    /// <summary>Copies to the writable part; false when it is shorter, or not RAM.</summary>
    /// <param name="offset">In bytes from its start.</param>
    public bool TryWrite(IGuestMemory memory, ulong offset, ReadOnlySpan<byte> source)
    {
        foreach (var buffer in Writable)
        {
            if (source.IsEmpty)
                return true;
            if (offset >= buffer.Length)
            {
                offset -= buffer.Length;
                continue;
            }
            var count = (int)Math.Min(buffer.Length - offset, (ulong)source.Length);
            if (!memory.TryWrite(buffer.Address + offset, source[..count]))
                return false;
            source = source[count..];
            offset = 0;
        }
        return source.IsEmpty;
    }

    /// <summary>Becomes the same as another one of the same capacity: for a request that outlives the next chain's arrival.</summary>
    internal void CopyFrom(DescriptorChain other)
    {
        if (_buffers.Length < other._count)
            _buffers = new GuestBuffer[other._buffers.Length];
        other._buffers.AsSpan(0, other._count).CopyTo(_buffers);
        (_count, ReadableCount, ReadableBytes, WritableBytes, RingEntries, Id) =
            (other._count, other.ReadableCount, other.ReadableBytes, other.WritableBytes, other.RingEntries, other.Id);
    }

    internal void Save(StateWriter writer)
    {
        writer.UInt16(Id);
        writer.UInt16((ushort)RingEntries);
        writer.UInt16((ushort)ReadableCount);
        writer.UInt16((ushort)_count);
        foreach (var buffer in _buffers.AsSpan(0, _count))
        {
            writer.UInt64(buffer.Address);
            writer.UInt32(buffer.Length);
        }
    }

    internal void Load(ref StateReader reader)
    {
        Clear();
        Id = reader.UInt16();
        RingEntries = reader.UInt16();
        var (readable, count) = (reader.UInt16(), reader.UInt16());
        if (readable > count || count > _capacity || RingEntries > _capacity)
            throw new StateFormatException($"virtqueue state: a chain of {count} buffers in {RingEntries} entries, where at most {_capacity} were expected");
        for (var i = 0; i < count; i++)
            TryAdd(reader.UInt64(), reader.UInt32(), writable: i >= readable);
    }

    internal void Clear() => (_count, ReadableCount, ReadableBytes, WritableBytes, RingEntries, Id) = (0, 0, 0, 0, 1, 0);

    /// <summary>False when the chain is longer than the queue, or reads after it wrote: the driver is broken.</summary>
    internal bool TryAdd(ulong address, uint length, bool writable)
    {
        if (_count == _capacity || (!writable && ReadableCount != _count))
            return false;
        if (_count == _buffers.Length)
            Array.Resize(ref _buffers, Math.Min(Math.Max(FirstBuffers, _count * 2), _capacity));
        _buffers[_count++] = new GuestBuffer(address, length);
        if (writable)
        {
            WritableBytes += length;
            return true;
        }
        ReadableCount = _count;
        ReadableBytes += length;
        return true;
    }
}
