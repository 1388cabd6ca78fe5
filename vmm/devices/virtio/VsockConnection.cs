using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>
/// One stream between a port of the host's and one of the guest's: the bytes that the guest sent and the host's program has not taken, and how much each side may send.
/// </summary>
/// <remarks>VIRTIO 1.2, 5.10.6.3 (buffer space management): counters are free running, and what was sent and not forwarded must fit the other side's buffer.</remarks>
internal sealed class VsockConnection(uint hostPort, uint guestPort, IVsockStream stream) : IDisposable
{
    /// <summary>Room for what the guest sends ahead of the host's program.</summary>
    public const int BufferBytes = 64 * 1024;

    // Allocated when it is needed: most programs take what comes at once.
    private byte[] _buffer = [];
    private int _head, _count;
    private bool _isEnded, _isGone;
    private uint _guestBufferBytes, _guestForwarded, _sent, _toldForwarded;

    public uint HostPort => hostPort;

    public uint GuestPort => guestPort;

    /// <summary>Data may flow: whoever was asked has accepted.</summary>
    public bool IsEstablished { get; set; }

    /// <summary>To be told to the guest, in the order of the numbers; data comes after it.</summary>
    public VsockNews News { get; set; }

    /// <summary>What the guest does no more.</summary>
    public VsockShutdown GuestShutdown { get; private set; }

    /// <summary>What the guest was told that the host does no more.</summary>
    public VsockShutdown HostShutdown { get; set; }

    /// <summary>The program sends no more.</summary>
    public bool IsAtEnd { get; set; }

    public IVsockStream Stream => stream;

    /// <summary>Bytes that the program has taken so far, free running.</summary>
    public uint Forwarded { get; private set; }

    /// <summary>Bytes that the guest has room for now.</summary>
    public uint GuestRoom
    {
        get
        {
            var underWay = _sent - _guestForwarded;
            return underWay < _guestBufferBytes ? _guestBufferBytes - underWay : 0;
        }
    }

    /// <summary>All that the guest sent is with the program.</summary>
    public bool IsDrained => _count == 0;

    public void NoteCredit(in VsockPacket packet) => (_guestBufferBytes, _guestForwarded) = (packet.BufferBytes, packet.Forwarded);

    public void NoteSent(int bytes) => _sent += (uint)bytes;

    public void NoteTold() => _toldForwarded = Forwarded;

    /// <summary>The guest has said what it does no more. False: the program is gone.</summary>
    public bool NoteShutdown(VsockShutdown what)
    {
        GuestShutdown |= what & VsockShutdown.Both;
        return TryForward();
    }

    /// <summary>Takes the guest's next bytes; false when they are more than it was told that there is room for.</summary>
    public bool TryAdd(ReadOnlySpan<byte> data)
    {
        if (data.Length > BufferBytes - _count)
            return false;
        if (_count == 0)
        {
            // Past the buffer, as long as the program keeps up.
            var taken = Take(data);
            if (taken < 0)
                return true;
            data = data[taken..];
        }
        if (data.IsEmpty)
            return true;
        if (_buffer.Length == 0)
            _buffer = new byte[BufferBytes];
        var at = (_head + _count) % BufferBytes;
        var first = Math.Min(data.Length, BufferBytes - at);
        data[..first].CopyTo(_buffer.AsSpan(at));
        data[first..].CopyTo(_buffer);
        _count += data.Length;
        return true;
    }

    /// <summary>Gives the program what waits for it. False: it is gone.</summary>
    public bool TryForward()
    {
        while (_count > 0)
        {
            var taken = Take(_buffer.AsSpan(_head, Math.Min(_count, BufferBytes - _head)));
            if (taken <= 0)
                return taken == 0;
            _head = (_head + taken) % BufferBytes;
            _count -= taken;
        }
        if ((GuestShutdown & VsockShutdown.Send) != 0 && !_isEnded)
        {
            _isEnded = true;
            stream.EndSending();
        }
        return !_isGone;
    }

    public void Dispose() => stream.Dispose();

    private int Take(ReadOnlySpan<byte> data)
    {
        var taken = data.IsEmpty ? 0 : stream.Send(data);
        if (taken < 0)
        {
            _isGone = true;
            return taken;
        }
        Forwarded += (uint)taken;
        // Told when half of the room that the guest knows of is gone, so that it need not wait for the rest.
        if (IsEstablished && Forwarded - _toldForwarded >= BufferBytes / 2)
            News |= VsockNews.Credit;
        return taken;
    }
}

/// <summary>What is to be told of a connection.</summary>
[Flags]
internal enum VsockNews : byte
{
    None = 0,
    Request = 1,
    Response = 2,
    Credit = 4,
    Shutdown = 8,

    /// <summary>It is no more.</summary>
    Reset = 16,
}
