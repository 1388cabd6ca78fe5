namespace Gauntlet.Vmm.Network;

/// <summary>
/// The host's end of a network device's cable, by the names of QEMU's <c>-netdev</c>. Frames go through two queues, so that the device never waits for the host: one
/// thread sends, one receives, and a sender that is faster than its reader is held back.
/// </summary>
/// <param name="id">As after <c>id=</c>.</param>
public abstract class NetworkBackend(string id) : INetworkLink, IDisposable
{
    /// <summary>Of frames, in each direction.</summary>
    public const int QueueBytes = 256 * 1024;

    private const int ThreadStackBytes = 256 * 1024;

    private readonly FrameQueue _toHost = new(QueueBytes), _toGuest = new(QueueBytes);
    private readonly List<FrameDump> _dumps = [];
    private Action _onChange = static () => { };
    private bool _isUp, _isRoomWanted;
    private int _threads;

    public string Id { get; } = id;

    /// <summary>Where it leads, for people: <c>socket: connected to unix:/tmp/net</c>.</summary>
    public abstract string Description { get; }

    /// <summary>A device has it.</summary>
    public bool IsTaken { get; private set; }

    public bool IsUp => Volatile.Read(ref _isUp);

    public bool CanSend
    {
        get
        {
            if (_toHost.HasRoom)
                return true;
            // The wish comes before the second look, as the sender looks for it after it made room.
            Volatile.Write(ref _isRoomWanted, true);
            Thread.MemoryBarrier();
            return _toHost.HasRoom;
        }
    }

    protected bool IsEnded { get; private set; }

    public void Connect(Action onChange) => (_onChange, IsTaken) = (onChange, true);

    /// <summary>All frames from here on are written there too. Before <see cref="Start"/>.</summary>
    public void Add(FrameDump dump) => _dumps.Add(dump);

    /// <summary>Begins to receive and to send; the device is connected.</summary>
    public void Start()
    {
        _threads = 2;
        StartThread("in", Receive);
        StartThread("out", SendAll);
    }

    public void Send(ReadOnlySpan<byte> frame)
    {
        if (IsUp)
            _ = _toHost.TryAdd(frame);
    }

    public int Peek(Span<byte> destination) => _toGuest.Peek(destination);

    public void Take() => _toGuest.Remove();

    public virtual void Dispose()
    {
        IsEnded = true;
        _toHost.Close();
        _toGuest.Close();
        foreach (var dump in _dumps)
            dump.Dispose();
        if (_threads == 0)
            Close();
    }

    /// <summary>Closes what frames came and went by; neither thread runs any more.</summary>
    protected abstract void Close();

    /// <summary>Receives until the other end is gone for good; on a thread of its own.</summary>
    protected abstract void Receive();

    /// <summary>Sends frames from <see cref="TakeForHost"/> until it says that there are no more; on a thread of its own.</summary>
    protected abstract void SendAll();

    /// <summary>Waits for the next frame that the guest sent; its length, 0 at the end.</summary>
    protected int TakeForHost(Span<byte> destination)
    {
        var length = _toHost.Take(destination);
        NoteForHost(destination[..length]);
        return length;
    }

    /// <summary>As <see cref="TakeForHost"/>, without waiting; 0 as well when there is none, or it is longer than the destination.</summary>
    protected int TryTakeForHost(Span<byte> destination)
    {
        if (destination.Length < EthernetFrame.MaxBytes || _toHost.IsEmpty)
            return 0;
        return TakeForHost(destination);
    }

    /// <summary>A frame for the guest came; waits while it takes none. False at the end.</summary>
    protected bool Deliver(ReadOnlySpan<byte> frame)
    {
        foreach (var dump in _dumps)
            dump.Add(frame);
        if (!_toGuest.Add(frame))
            return false;
        _onChange();
        return true;
    }

    /// <summary>Somebody is at the other end, or no more.</summary>
    protected void SetUp(bool isUp)
    {
        Volatile.Write(ref _isUp, isUp);
        _onChange();
    }

    private void StartThread(string direction, Action run) => new Thread(() =>
    {
        run();
        if (Interlocked.Decrement(ref _threads) == 0)
            Close();
    }, ThreadStackBytes)
    { IsBackground = true, Name = $"netdev {Id} {direction}" }.Start();

    private void NoteForHost(ReadOnlySpan<byte> frame)
    {
        if (frame.IsEmpty)
            return;
        foreach (var dump in _dumps)
            dump.Add(frame);
        Thread.MemoryBarrier();
        if (!Volatile.Read(ref _isRoomWanted) || !_toHost.HasRoom)
            return;
        Volatile.Write(ref _isRoomWanted, false);
        _onChange();
    }
}
