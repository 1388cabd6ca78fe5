using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Socket device: streams between programs in the guest and programs on the host, by ports.</summary>
/// <remarks>
/// <para>VIRTIO 1.2, 5.10. Streams only. What is to be told of a connection is kept as a set with it, and of those that never were in a list with an end: while that is full the
/// guest's packets wait, so that a driver that asks and takes no answers makes nothing grow.</para>
/// <para>A connection does not outlive a snapshot: its other end is a process of this host. The driver is told by a transport reset (5.10.6.7).</para>
/// </remarks>
public sealed class VirtioVsock : VirtioDevice, IDisposable
{
    /// <summary>The host's own address (5.10.4).</summary>
    public const ulong HostCid = 2;

    /// <summary>Addresses that a guest can have; those below are reserved, the one above is nobody.</summary>
    public const ulong MinGuestCid = 3, MaxGuestCid = 0xfffffffe;

    /// <summary>At once.</summary>
    public const int MaxConnections = 256;

    private const int ReceiveQueue = 0, TransmitQueue = 1, EventQueue = 2, QueueCount = 3, ConfigurationLength = 8;
    private const ulong StreamFeature = 1;
    private const uint TransportReset = 0;

    // Of data in a packet; drivers of ours and Linux's have buffers of 4 to 64 KiB.
    private const int MaxDataBytes = 64 * 1024;

    // Answers to packets of no connection.
    private const int MaxResets = 128;

    // Ports of the host's for those who connect from it, far from those that anybody listens at.
    private const uint FirstHostPort = 1u << 30;

    private readonly IVsockHost _host;
    private readonly ulong _guestCid;
    private readonly List<VsockConnection> _connections = [];
    private readonly Queue<VsockPacket> _resets = new();
    private readonly byte[] _packet = new byte[VsockPacket.Bytes + MaxDataBytes];
    private uint _nextHostPort = FirstHostPort;
    private int _nextTurn;
    private bool _isHeldUp, _isTransportReset;

    /// <param name="host">The caller connects it to <see cref="Poll"/>.</param>
    /// <param name="guestCid">The guest's address, <see cref="MinGuestCid"/> to <see cref="MaxGuestCid"/>.</param>
    public VirtioVsock(IGuestMemory memory, IClock clock, IVsockHost host, ulong guestCid)
        : base(memory, clock, QueueCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(guestCid, MinGuestCid);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(guestCid, MaxGuestCid);
        (_host, _guestCid) = (host, guestCid);
    }

    public override string TypeName => "virtio-vsock";

    public override ushort TypeId => 19;

    public override (byte Base, byte Sub) PciClass => (7, 0x80);

    public override ulong DeviceFeatures => StreamFeature;

    public override int ConfigurationBytes => ConfigurationLength;

    public override IReadOnlyList<Register> ConfigurationRegisters { get; } = [new("guest_cid", 0, 8, RegisterAccess.Read)];

    public override byte ReadConfiguration(int offset) => (byte)(_guestCid >> (offset * 8));

    /// <summary>Looks at the host's programs: who came, bytes that came, room for more. With the device lock held.</summary>
    public void Poll()
    {
        if (!IsLive)
            return;
        while (_connections.Count < MaxConnections && _host.TakeIncoming(out var port) is { } stream)
            _connections.Add(new VsockConnection(NextHostPort(), port, stream) { News = VsockNews.Request });
        foreach (var connection in _connections)
        {
            if (!connection.TryForward() || (!connection.IsEstablished && connection.Stream.IsHungUp))
                connection.News |= VsockNews.Reset;
            EndIfDone(connection);
        }
        Receive();
    }

    public void Dispose()
    {
        DropAll();
        (_host as IDisposable)?.Dispose();
    }

    protected override void OnStart() => Poll();

    protected override void OnReset()
    {
        DropAll();
        (_isHeldUp, _isTransportReset, _nextTurn, _nextHostPort) = (false, false, 0, FirstHostPort);
    }

    protected override void OnNotified(int queue)
    {
        switch (queue)
        {
            case ReceiveQueue:
                Receive();
                break;
            case TransmitQueue:
                Serve(TransmitQueue);
                Receive();
                break;
            default:
                TellTransportReset();
                break;
        }
    }

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        if (_resets.Count == MaxResets)
        {
            // Until the driver takes answers.
            ring.PutBack();
            _isHeldUp = true;
            return false;
        }
        var chain = ring.Chain;
        Span<byte> header = stackalloc byte[VsockPacket.Bytes];
        if (chain.TryRead(Memory, 0, header))
        {
            var packet = VsockPacket.Read(header);
            // 5.10.6.1: nobody else is reached through here, and nobody else sends.
            if (packet.SourceCid == _guestCid && packet.DestinationCid == HostCid)
                Take(in packet, chain);
        }
        ring.Push(0);
        return true;
    }

    protected override ulong QueuesUnderWay => _isTransportReset || _connections.Count > 0 ? 1UL << EventQueue : 0;

    protected override void SaveType(StateWriter writer) => writer.Bool(_isTransportReset || _connections.Count > 0);

    protected override void LoadType(ref StateReader reader) => _isTransportReset = reader.Bool();

    private void Take(in VsockPacket packet, DescriptorChain chain)
    {
        var connection = Find(packet.DestinationPort, packet.SourcePort);
        if (packet.Type != VsockPacket.TypeStream)
        {
            Refuse(in packet);
            return;
        }
        connection?.NoteCredit(in packet);
        switch (packet.Operation)
        {
            case VsockOperation.Request when connection is null:
                Open(in packet);
                break;
            case VsockOperation.Response when connection is { IsEstablished: false }:
                connection.IsEstablished = true;
                connection.Stream.NoteAccepted(connection.HostPort);
                break;
            case VsockOperation.Reset:
                if (connection is not null)
                    Drop(connection);
                break;
            case VsockOperation.Shutdown when connection is { IsEstablished: true }:
                if (!connection.NoteShutdown(packet.Flags))
                    connection.News |= VsockNews.Reset;
                EndIfDone(connection);
                break;
            case VsockOperation.Data when connection is { IsEstablished: true } && (connection.GuestShutdown & VsockShutdown.Send) == 0:
                Forward(connection, in packet, chain);
                break;
            case VsockOperation.CreditUpdate when connection is { IsEstablished: true }:
                break;
            case VsockOperation.CreditRequest when connection is { IsEstablished: true }:
                connection.News |= VsockNews.Credit;
                break;
            default:
                // 5.10.6.5: what fits no connection's state ends it.
                Refuse(in packet);
                if (connection is not null)
                    Drop(connection);
                break;
        }
    }

    private void Open(in VsockPacket packet)
    {
        var stream = _connections.Count < MaxConnections ? _host.TryOpen(packet.DestinationPort) : null;
        if (stream is null)
        {
            Refuse(in packet);
            return;
        }
        var connection = new VsockConnection(packet.DestinationPort, packet.SourcePort, stream) { IsEstablished = true, News = VsockNews.Response };
        connection.NoteCredit(in packet);
        _connections.Add(connection);
    }

    private void Forward(VsockConnection connection, in VsockPacket packet, DescriptorChain chain)
    {
        var data = _packet.AsSpan(0, (int)Math.Min(packet.Length, MaxDataBytes));
        // More than a packet has, more than the chain has, or more than the guest was told that there is room for.
        if (packet.Length > MaxDataBytes || !chain.TryRead(Memory, VsockPacket.Bytes, data) || !connection.TryAdd(data) || !connection.TryForward())
            connection.News |= VsockNews.Reset;
    }

    // 5.10.6.6: a guest that neither sends nor receives waits for the answer, which comes when the program has all that was sent.
    private static void EndIfDone(VsockConnection connection)
    {
        if (connection.GuestShutdown == VsockShutdown.Both && connection.IsDrained)
            connection.News |= VsockNews.Reset;
    }

    private void Refuse(in VsockPacket packet)
    {
        if (packet.Operation != VsockOperation.Reset)
            _resets.Enqueue(new VsockPacket { SourcePort = packet.DestinationPort, DestinationPort = packet.SourcePort, Type = packet.Type, Operation = VsockOperation.Reset });
    }

    // Tells the driver what there is to tell, in turns, for as long as it offers buffers.
    private void Receive()
    {
        var ring = Queues[ReceiveQueue];
        if (!IsLive || !ring.IsEnabled)
            return;
        var handled = 0;
        while (handled < QueueSize)
        {
            if (!ring.TryPop())
            {
                ring.SetNotification(wanted: true);
                if (!ring.TryPop())
                    break;
            }
            var length = NextPacket((int)Math.Min(ring.Chain.WritableBytes, (ulong)_packet.Length));
            if (length == 0)
            {
                ring.PutBack();
                break;
            }
            handled++;
            // What is not RAM keeps nothing: the driver's own loss.
            ring.Push(ring.Chain.TryWrite(Memory, 0, _packet.AsSpan(0, length)) ? (uint)length : 0);
        }
        if (handled == QueueSize)
            Postpone(ReceiveQueue);
        Signal(ReceiveQueue);
        if (_isHeldUp && _resets.Count < MaxResets && IsLive && Queues[TransmitQueue].IsEnabled)
        {
            _isHeldUp = false;
            Postpone(TransmitQueue);
        }
    }

    // Into the packet; its length, 0 when there is nothing to tell. A buffer without room for a header takes one all the same, cut off.
    private int NextPacket(int room)
    {
        if (_resets.TryDequeue(out var reset))
            return WritePacket(reset with { SourceCid = HostCid, DestinationCid = _guestCid }, room);
        for (var turn = 0; turn < _connections.Count; turn++)
        {
            var index = (_nextTurn + turn) % _connections.Count;
            var length = NextPacket(_connections[index], room);
            if (length == 0)
                continue;
            _nextTurn = index + 1;
            return length;
        }
        return 0;
    }

    private int NextPacket(VsockConnection connection, int room)
    {
        if ((connection.News & VsockNews.Reset) != 0)
        {
            Drop(connection);
            return Tell(connection, VsockOperation.Reset, room);
        }
        if ((connection.News & VsockNews.Request) != 0)
        {
            connection.News &= ~VsockNews.Request;
            return Tell(connection, VsockOperation.Request, room);
        }
        if ((connection.News & VsockNews.Response) != 0)
        {
            connection.News &= ~VsockNews.Response;
            return Tell(connection, VsockOperation.Response, room);
        }
        if ((connection.News & VsockNews.Credit) != 0)
        {
            connection.News &= ~VsockNews.Credit;
            return Tell(connection, VsockOperation.CreditUpdate, room);
        }
        return connection.IsEstablished ? NextData(connection, room) : 0;
    }

    private int NextData(VsockConnection connection, int room)
    {
        var most = (int)Math.Min((uint)Math.Max(room - VsockPacket.Bytes, 0), connection.GuestRoom);
        if (connection.IsAtEnd || (connection.GuestShutdown & VsockShutdown.Receive) != 0 || most == 0)
            return 0;
        var count = connection.Stream.Receive(_packet.AsSpan(VsockPacket.Bytes, most));
        if (count < 0)
            return 0;
        if (count > 0)
        {
            connection.NoteSent(count);
            return Tell(connection, VsockOperation.Data, room, count);
        }
        connection.IsAtEnd = true;
        connection.HostShutdown = connection.Stream.IsHungUp ? VsockShutdown.Both : VsockShutdown.Send;
        return Tell(connection, VsockOperation.Shutdown, room);
    }

    private int Tell(VsockConnection connection, VsockOperation operation, int room, int data = 0)
    {
        connection.NoteTold();
        return WritePacket(new VsockPacket
        {
            SourceCid = HostCid,
            DestinationCid = _guestCid,
            SourcePort = connection.HostPort,
            DestinationPort = connection.GuestPort,
            Length = (uint)data,
            Type = VsockPacket.TypeStream,
            Operation = operation,
            Flags = operation == VsockOperation.Shutdown ? connection.HostShutdown : VsockShutdown.None,
            BufferBytes = VsockConnection.BufferBytes,
            Forwarded = connection.Forwarded,
        }, room);
    }

    private int WritePacket(VsockPacket packet, int room)
    {
        packet.Write(_packet);
        // At least a byte: what was told must not be told again.
        return Math.Max(1, Math.Min(room, VsockPacket.Bytes + (int)packet.Length));
    }

    private void TellTransportReset()
    {
        var ring = Queues[EventQueue];
        if (!_isTransportReset || !IsLive || !ring.IsEnabled || !ring.TryPop())
            return;
        _isTransportReset = false;
        Span<byte> id = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(id, TransportReset);
        ring.Push(ring.Chain.TryWrite(Memory, 0, id) ? (uint)id.Length : 0);
        Signal(EventQueue);
    }

    private VsockConnection? Find(uint hostPort, uint guestPort)
    {
        foreach (var connection in _connections)
        {
            if (connection.HostPort == hostPort && connection.GuestPort == guestPort)
                return connection;
        }
        return null;
    }

    // Free running; one that is taken by whatever port of the guest's is passed over.
    private uint NextHostPort()
    {
        do
            _nextHostPort = _nextHostPort == uint.MaxValue ? FirstHostPort : _nextHostPort + 1;
        while (_connections.Exists(connection => connection.HostPort == _nextHostPort));
        return _nextHostPort;
    }

    private void Drop(VsockConnection connection)
    {
        _connections.Remove(connection);
        connection.Dispose();
    }

    private void DropAll()
    {
        foreach (var connection in _connections)
            connection.Dispose();
        _connections.Clear();
        _resets.Clear();
    }
}
