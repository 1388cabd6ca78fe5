namespace Gauntlet.Vmm.Chardevs;

/// <summary>Bytes on their way from one thread to another, in a ring that never grows.</summary>
public sealed class ByteQueue(int bytes)
{
    private readonly object _gate = new();
    private readonly byte[] _ring = new byte[bytes];
    private int _head, _count;
    private bool _closed;

    /// <summary>How many fit in.</summary>
    public int Room
    {
        get
        {
            lock (_gate)
                return _ring.Length - _count;
        }
    }

    public bool IsEmpty
    {
        get
        {
            lock (_gate)
                return _count == 0;
        }
    }

    /// <summary>Puts in what fits; how many that were.</summary>
    public int TryAdd(ReadOnlySpan<byte> source)
    {
        lock (_gate)
        {
            if (_closed)
                return 0;
            var count = Math.Min(source.Length, _ring.Length - _count);
            var at = (_head + _count) % _ring.Length;
            var first = Math.Min(count, _ring.Length - at);
            source[..first].CopyTo(_ring.AsSpan(at));
            source[first..count].CopyTo(_ring);
            _count += count;
            if (count > 0)
                Monitor.PulseAll(_gate);
            return count;
        }
    }

    /// <summary>Waits until something fits in; false when it is closed.</summary>
    public bool WaitForRoom()
    {
        lock (_gate)
        {
            while (!_closed && _count == _ring.Length)
                Monitor.Wait(_gate);
            return !_closed;
        }
    }

    /// <summary>Takes out what is there, as much as fits; 0 when nothing is.</summary>
    public int TryTake(Span<byte> destination)
    {
        lock (_gate)
        {
            var count = Math.Min(destination.Length, _count);
            var first = Math.Min(count, _ring.Length - _head);
            _ring.AsSpan(_head, first).CopyTo(destination);
            _ring.AsSpan(0, count - first).CopyTo(destination[first..]);
            _head = (_head + count) % _ring.Length;
            _count -= count;
            if (count > 0)
                Monitor.PulseAll(_gate);
            return count;
        }
    }

    /// <summary>As <see cref="TryTake"/>, waiting for the first byte; 0 when it is closed and empty.</summary>
    public int Take(Span<byte> destination)
    {
        lock (_gate)
        {
            while (!_closed && _count == 0)
                Monitor.Wait(_gate);
            return TryTake(destination);
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
}
