using System.Buffers.Binary;

namespace Gauntlet.Vmm.Network;

/// <summary>Frames on their way from one thread to another, first in first out, in a ring of bytes that never grows.</summary>
public sealed class FrameQueue
{
    private const int LengthBytes = sizeof(int);

    private readonly object _gate = new();
    private readonly byte[] _ring;
    private int _head, _used;
    private bool _closed;

    /// <param name="bytes">Room for frames and four bytes for each; more than one frame of the longest kind needs.</param>
    public FrameQueue(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, EthernetFrame.MaxBytes + LengthBytes);
        _ring = new byte[bytes];
    }

    /// <summary>Whether the longest frame fits.</summary>
    public bool HasRoom
    {
        get
        {
            lock (_gate)
                return Fits(EthernetFrame.MaxBytes);
        }
    }

    public bool IsEmpty
    {
        get
        {
            lock (_gate)
                return _used == 0;
        }
    }

    /// <summary>Puts a frame in; false when there is no room, or the queue is closed.</summary>
    public bool TryAdd(ReadOnlySpan<byte> frame)
    {
        lock (_gate)
        {
            if (_closed || !Fits(frame.Length))
                return false;
            Append(frame);
            return true;
        }
    }

    /// <summary>Puts a frame in, waiting for room; false when the queue is closed.</summary>
    public bool Add(ReadOnlySpan<byte> frame)
    {
        lock (_gate)
        {
            while (!_closed && !Fits(frame.Length))
                Monitor.Wait(_gate);
            if (_closed)
                return false;
            Append(frame);
            return true;
        }
    }

    /// <summary>Copies the first frame and leaves it; its length, 0 when there is none.</summary>
    public int Peek(Span<byte> destination)
    {
        lock (_gate)
            return _used == 0 ? 0 : CopyFirst(destination);
    }

    /// <summary>Takes the first frame out.</summary>
    public void Remove()
    {
        lock (_gate)
        {
            if (_used == 0)
                return;
            Span<byte> length = stackalloc byte[LengthBytes];
            CopyOut(_head, length);
            var whole = LengthBytes + BinaryPrimitives.ReadInt32LittleEndian(length);
            _head = (_head + whole) % _ring.Length;
            _used -= whole;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits for a frame and takes it out; its length, 0 when the queue is closed.</summary>
    public int Take(Span<byte> destination)
    {
        lock (_gate)
        {
            while (!_closed && _used == 0)
                Monitor.Wait(_gate);
            if (_closed)
                return 0;
            var length = CopyFirst(destination);
            Remove();
            return length;
        }
    }

    /// <summary>Nothing goes in or is waited for from here on.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }
    }

    private bool Fits(int length) => length > 0 && LengthBytes + length <= _ring.Length - _used;

    private void Append(ReadOnlySpan<byte> frame)
    {
        Span<byte> length = stackalloc byte[LengthBytes];
        BinaryPrimitives.WriteInt32LittleEndian(length, frame.Length);
        CopyIn(length);
        CopyIn(frame);
        Monitor.PulseAll(_gate);
    }

    private int CopyFirst(Span<byte> destination)
    {
        Span<byte> prefix = stackalloc byte[LengthBytes];
        CopyOut(_head, prefix);
        var length = BinaryPrimitives.ReadInt32LittleEndian(prefix);
        CopyOut((_head + LengthBytes) % _ring.Length, destination[..length]);
        return length;
    }

    private void CopyIn(ReadOnlySpan<byte> source)
    {
        var at = (_head + _used) % _ring.Length;
        var first = Math.Min(source.Length, _ring.Length - at);
        source[..first].CopyTo(_ring.AsSpan(at));
        source[first..].CopyTo(_ring);
        _used += source.Length;
    }

    private void CopyOut(int at, Span<byte> destination)
    {
        var first = Math.Min(destination.Length, _ring.Length - at);
        _ring.AsSpan(at, first).CopyTo(destination);
        _ring.AsSpan(0, destination.Length - first).CopyTo(destination[first..]);
    }
}
