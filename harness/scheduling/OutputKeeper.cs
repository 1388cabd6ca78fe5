namespace Gauntlet.Harness.Scheduling;

/// <summary>Keeps an output stream whole up to a size, beyond it its head and its tail: bounded memory for an unbounded guest.</summary>
public sealed class OutputKeeper
{
    private const int FirstAllocation = 4096;

    private readonly int _headCapacity, _tailCapacity;
    private byte[] _head = new byte[FirstAllocation];
    private byte[] _tail = [];
    private int _headLength;
    private long _tailTotal;

    /// <param name="capacity">Bytes kept, 2 or more: half of them from the start, half from the end.</param>
    public OutputKeeper(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 2);
        _headCapacity = capacity - capacity / 2;
        _tailCapacity = capacity / 2;
    }

    /// <summary>Bytes seen.</summary>
    public long TotalLength => _headLength + _tailTotal;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        var toHead = Math.Min(bytes.Length, _headCapacity - _headLength);
        if (toHead > 0)
        {
            if (_headLength + toHead > _head.Length)
                Array.Resize(ref _head, Math.Min(_headCapacity, Math.Max(_head.Length * 2, _headLength + toHead)));
            bytes[..toHead].CopyTo(_head.AsSpan(_headLength));
            _headLength += toHead;
        }
        AppendTail(bytes[toHead..]);
    }

    /// <summary>What is kept so far.</summary>
    public KeptOutput Take()
    {
        var tailLength = (int)Math.Min(_tailTotal, _tailCapacity);
        var kept = new byte[_headLength + tailLength];
        _head.AsSpan(0, _headLength).CopyTo(kept);
        var tail = kept.AsSpan(_headLength);
        if (_tailTotal <= _tailCapacity)
        {
            _tail.AsSpan(0, tailLength).CopyTo(tail);
        }
        else
        {
            var oldest = (int)(_tailTotal % _tailCapacity);
            _tail.AsSpan(oldest).CopyTo(tail);
            _tail.AsSpan(0, oldest).CopyTo(tail[(_tailCapacity - oldest)..]);
        }
        return new KeptOutput(kept, TotalLength);
    }

    /// <summary>A ring once it is full; only allocated for those few streams that outgrow the head.</summary>
    private void AppendTail(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return;
        if (_tail.Length == 0)
            _tail = new byte[_tailCapacity];
        _tailTotal += bytes.Length;
        if (bytes.Length > _tailCapacity)
            bytes = bytes[^_tailCapacity..];
        var at = (int)((_tailTotal - bytes.Length) % _tailCapacity);
        var first = Math.Min(bytes.Length, _tailCapacity - at);
        bytes[..first].CopyTo(_tail.AsSpan(at));
        bytes[first..].CopyTo(_tail);
    }
}
