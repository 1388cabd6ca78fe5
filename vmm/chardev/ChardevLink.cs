namespace Gauntlet.Vmm.Chardevs;

/// <summary>A device's end of a chardev: between them are two queues and a thread that writes, so that the device never waits for a slow reader.</summary>
public sealed class ChardevLink : IStreamLink, IChardevUser, IDisposable
{
    private const int QueueBytes = 64 * 1024, PieceBytes = 4096, ThreadStackBytes = 128 * 1024;

    private readonly Chardev _chardev;
    private readonly ByteQueue _toHost = new(QueueBytes), _toGuest = new(QueueBytes);
    private Action _onChange = static () => { };
    private Thread? _writer;
    private bool _isOpen, _isRoomWanted;

    /// <exception cref="InvalidOperationException">Somebody has the chardev already.</exception>
    public ChardevLink(Chardev chardev)
    {
        _chardev = chardev;
        chardev.Attach(this);
    }

    public bool IsOpen => Volatile.Read(ref _isOpen);

    public bool HasInput => !_toGuest.IsEmpty;

    public void Connect(Action onChange) => _onChange = onChange;

    public int Send(ReadOnlySpan<byte> bytes)
    {
        var sent = _toHost.TryAdd(bytes);
        if (sent > 0)
            StartWriter();
        if (sent == bytes.Length)
            return sent;
        // The wish comes before the second try, as the writer looks for it after it made room.
        Volatile.Write(ref _isRoomWanted, true);
        Thread.MemoryBarrier();
        return sent + _toHost.TryAdd(bytes[sent..]);
    }

    public int Receive(Span<byte> destination) => _toGuest.TryTake(destination);

    public void OnConnected()
    {
        Volatile.Write(ref _isOpen, true);
        _onChange();
    }

    public void OnReceived(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty && _toGuest.WaitForRoom())
        {
            bytes = bytes[_toGuest.TryAdd(bytes)..];
            _onChange();
        }
    }

    public void OnDisconnected()
    {
        Volatile.Write(ref _isOpen, false);
        _onChange();
    }

    /// <summary>Ends when everything that was sent is out, or the chardev waits for a reader: then with the process.</summary>
    public void Dispose()
    {
        _toHost.Close();
        _toGuest.Close();
        _writer?.Join(EndLimit);
    }

    private static readonly TimeSpan EndLimit = TimeSpan.FromMilliseconds(500);

    private void StartWriter()
    {
        if (_writer is not null)
            return;
        _writer = new Thread(WriteAll, ThreadStackBytes) { IsBackground = true, Name = $"chardev {_chardev.Id} out" };
        _writer.Start();
    }

    private void WriteAll()
    {
        var piece = new byte[PieceBytes];
        for (int count; (count = _toHost.Take(piece)) > 0;)
        {
            _chardev.Write(piece.AsSpan(0, count));
            Thread.MemoryBarrier();
            if (!Volatile.Read(ref _isRoomWanted))
                continue;
            Volatile.Write(ref _isRoomWanted, false);
            _onChange();
        }
    }
}
