namespace Gauntlet.Vmm.Chardevs;

/// <summary>Keeps the newest bytes that the machine sent, or QMP's <c>ringbuf-write</c>, for <c>ringbuf-read</c>.</summary>
public sealed class RingBufChardev : Chardev
{
    public const int DefaultBytes = 64 * 1024, MaxBytes = 64 * 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly byte[] _buffer;
    private int _head, _count;

    /// <param name="bytes">A power of two, at most 64 MiB.</param>
    public RingBufChardev(string id, int bytes)
        : base(id, "ringbuf") => _buffer = new byte[bytes];

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            foreach (var value in bytes)
            {
                _buffer[(_head + _count) & (_buffer.Length - 1)] = value;
                if (_count < _buffer.Length)
                    _count++;
                else
                    _head = (_head + 1) & (_buffer.Length - 1);
            }
        }
    }

    public override void Start() => User?.OnConnected();

    /// <summary>Takes out the oldest bytes, at most this many.</summary>
    public byte[] Take(int most)
    {
        lock (_gate)
        {
            var taken = new byte[Math.Min(most, _count)];
            for (var i = 0; i < taken.Length; i++)
                taken[i] = _buffer[(_head + i) & (_buffer.Length - 1)];
            _head = (_head + taken.Length) & (_buffer.Length - 1);
            _count -= taken.Length;
            return taken;
        }
    }
}
