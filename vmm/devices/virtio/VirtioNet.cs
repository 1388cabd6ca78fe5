using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Network device: one pair of queues, mergeable receive buffers, a control queue for the receive filter and the address, the link's status.</summary>
/// <remarks>VIRTIO 1.2, 5.1. No offloads: every frame is whole, and the header before it (5.1.6) says nothing but how many buffers it lies in.</remarks>
public sealed class VirtioNet : VirtioDevice, IDisposable
{
    private const ulong Mac = 1UL << 5, MergeableBuffers = 1UL << 15, Status = 1UL << 16, ControlQueue = 1UL << 17, ControlRx = 1UL << 18,
        ControlVlan = 1UL << 19, ControlRxExtra = 1UL << 20, ControlMacAddress = 1UL << 23;

    private const int ReceiveQueue = 0, TransmitQueue = 1, ControlQueueIndex = 2, QueueCount = 3;

    // struct virtio_net_config, as far as it is used.
    private const int StatusOffset = 6, ConfigurationLength = 8;
    private const ushort LinkUp = 1;

    // struct virtio_net_hdr; num_buffers is there always, since VERSION_1 is.
    private const int HeaderBytes = 12, BufferCountOffset = 10;

    private const byte ClassRx = 0, ClassMac = 1, ClassVlan = 2;
    private const byte SetTable = 0, SetAddress = 1, AddVlan = 0, DeleteVlan = 1;
    private const byte Ok = 0, Error = 1;
    private const int CommandBytes = 2;

    private readonly INetworkLink _link;
    private readonly MacAddress _permanent;
    private readonly ReceiveFilter _filter = new();
    private readonly UsedChain[] _used = new UsedChain[QueueSize];
    private readonly DescriptorChain _first = new(QueueSize);

    // A frame on its way to the guest behind its header, and one on its way from there.
    private readonly byte[] _incoming = new byte[HeaderBytes + EthernetFrame.MaxBytes];
    private readonly byte[] _outgoing = new byte[EthernetFrame.MaxBytes];
    private bool _isLinkUp;

    /// <param name="link">Its end of the cable.</param>
    /// <param name="address">Its own; not a group's.</param>
    public VirtioNet(IGuestMemory memory, IClock clock, INetworkLink link, MacAddress address)
        : base(memory, clock, QueueCount)
    {
        (_link, _permanent) = (link, address);
        _isLinkUp = link.IsUp;
        _filter.Reset(address);
    }

    private enum Delivery
    {
        Done,

        /// <summary>It waits for the driver's next buffers.</summary>
        NoBuffers,
    }

    public override string TypeName => "virtio-net";

    public override ushort TypeId => 1;

    public override (byte Base, byte Sub) PciClass => (2, 0);

    public override ulong DeviceFeatures => Mac | MergeableBuffers | Status | ControlQueue | ControlRx | ControlVlan | ControlRxExtra | ControlMacAddress;

    public override int ConfigurationBytes => ConfigurationLength;

    public override IReadOnlyList<Register> ConfigurationRegisters { get; } =
    [
        new("mac_low", 0, 4, RegisterAccess.Read, null, "the first four bytes of the address"),
        new("mac_high", 4, 2, RegisterAccess.Read),
        new("status", StatusOffset, 2, RegisterAccess.Read, null, "bit 0: the link is up"),
    ];

    public override byte ReadConfiguration(int offset)
    {
        Span<byte> fields = stackalloc byte[ConfigurationLength];
        _filter.Address.Write(fields);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[StatusOffset..], _isLinkUp ? LinkUp : (ushort)0);
        return fields[offset];
    }

    /// <summary>Looks at the link: frames that came, room for those to be sent, whether it is up. With the device lock held.</summary>
    public void Poll()
    {
        if (_isLinkUp != _link.IsUp)
        {
            _isLinkUp = !_isLinkUp;
            if (IsLive && (NegotiatedFeatures & Status) != 0)
                SignalConfiguration();
        }
        Receive();
        if (IsLive && Queues[TransmitQueue].IsEnabled)
            OnNotified(TransmitQueue);
    }

    /// <summary>Tells the switches where the device is, by a frame that its driver knows nothing of. With the device lock held.</summary>
    public void Announce()
    {
        Span<byte> frame = stackalloc byte[ReverseArp.FrameBytes];
        ReverseArp.Write(frame, _filter.Address);
        if (_link.CanSend)
            _link.Send(frame);
    }

    public void Dispose() => (_link as IDisposable)?.Dispose();

    protected override void OnStart()
    {
        _filter.HasVlanFilter = (NegotiatedFeatures & ControlVlan) != 0;
        Receive();
    }

    protected override void OnReset() => _filter.Reset(_permanent);

    protected override void OnNotified(int queue)
    {
        if (queue == ReceiveQueue)
            Receive();
        else if (queue != TransmitQueue || _link.CanSend)
            Serve(queue);
    }

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        if (queue == ControlQueueIndex)
        {
            var status = Control(ring.Chain);
            ring.Push(ring.Chain.TryWrite(Memory, 0, [status]) ? 1u : 0u);
            return true;
        }
        Transmit(ring.Chain);
        ring.Push(0);
        // What does not fit now is served when the link says that there is room again.
        return _link.CanSend;
    }

    protected override void SaveType(StateWriter writer)
    {
        _filter.Save(writer);
        writer.Bool(_isLinkUp);
    }

    protected override void LoadType(ref StateReader reader)
    {
        _filter.Load(ref reader);
        _isLinkUp = reader.Bool();
    }

    private void Transmit(DescriptorChain chain)
    {
        // 5.1.6.2: what has no frame behind its header, or more than any frame, is nothing that can be sent.
        if (chain.ReadableBytes is <= HeaderBytes or > HeaderBytes + EthernetFrame.MaxBytes)
            return;
        var frame = _outgoing.AsSpan(0, (int)chain.ReadableBytes - HeaderBytes);
        if (chain.TryRead(Memory, HeaderBytes, frame))
            _link.Send(frame);
    }

    // At most a ring's worth in one go, as with every queue.
    private void Receive()
    {
        var ring = Queues[ReceiveQueue];
        if (!IsLive || !ring.IsEnabled)
            return;
        var handled = 0;
        for (; handled < QueueSize; handled++)
        {
            var length = _link.Peek(_incoming.AsSpan(HeaderBytes));
            if (length == 0)
                break;
            if (handled == 0)
                ring.SetNotification(wanted: false);
            if (_filter.Passes(_incoming.AsSpan(HeaderBytes, length)) && Deliver(ring, HeaderBytes + length) == Delivery.NoBuffers)
            {
                ring.SetNotification(wanted: true);
                // The driver may have been faster.
                if (Deliver(ring, HeaderBytes + length) == Delivery.NoBuffers)
                    break;
            }
            _link.Take();
        }
        if (handled == QueueSize)
            Postpone(ReceiveQueue);
        Signal(ReceiveQueue);
    }

    // 5.1.6.4: into one chain, or with mergeable buffers into as many as it takes; a frame that no ring of this driver's holds is dropped.
    private Delivery Deliver(Virtqueue ring, int length)
    {
        var start = ring.Position;
        var mergeable = (NegotiatedFeatures & MergeableBuffers) != 0;
        var packet = _incoming.AsSpan(0, length);
        packet[..HeaderBytes].Clear();
        int count = 0, written = 0;
        while (written < length)
        {
            var isOverlong = count == (mergeable ? ring.State.Size : 1);
            if (isOverlong || !ring.TryPop())
            {
                if (!ring.IsBroken)
                    ring.Rewind(start);
                return isOverlong || ring.IsBroken ? Delivery.Done : Delivery.NoBuffers;
            }
            if (count == 0)
                _first.CopyFrom(ring.Chain);
            var piece = packet.Slice(written, (int)Math.Min(ring.Chain.WritableBytes, (ulong)(length - written)));
            // What is not RAM keeps nothing: the driver's own loss.
            _ = ring.Chain.TryWrite(Memory, 0, piece);
            _used[count++] = new UsedChain(ring.Chain.Id, ring.Chain.RingEntries, (uint)piece.Length);
            written += piece.Length;
        }
        Span<byte> buffers = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(buffers, (ushort)count);
        _ = _first.TryWrite(Memory, BufferCountOffset, buffers);
        ring.Push(_used.AsSpan(0, count));
        return Delivery.Done;
    }

    private byte Control(DescriptorChain chain)
    {
        Span<byte> command = stackalloc byte[CommandBytes];
        if (!chain.TryRead(Memory, 0, command))
            return Error;
        return (command[0], command[1]) switch
        {
            (ClassRx, < ReceiveFilter.ModeCount) => SetMode(chain, command[1]),
            (ClassMac, SetTable) => SetTables(chain),
            (ClassMac, SetAddress) => ChangeAddress(chain),
            (ClassVlan, AddVlan or DeleteVlan) => ChangeVlan(chain, command[1] == AddVlan),
            _ => Error,
        };
    }

    private byte SetMode(DescriptorChain chain, byte mode)
    {
        Span<byte> on = stackalloc byte[1];
        if (chain.ReadableBytes != CommandBytes + 1 || !chain.TryRead(Memory, CommandBytes, on))
            return Error;
        _filter.SetMode(mode, on[0] != 0);
        return Ok;
    }

    // 5.1.6.5.2: two tables, each a count and that many addresses, unicast first. Both are checked before either is set.
    private byte SetTables(DescriptorChain chain)
    {
        Span<byte> unicast = stackalloc byte[ReceiveFilter.MaxAddresses * MacAddress.Bytes], multicast = stackalloc byte[ReceiveFilter.MaxAddresses * MacAddress.Bytes];
        ulong at = CommandBytes;
        if (!TryReadTable(chain, ref at, unicast, out var unicastCount, out var unicastKept)
            || !TryReadTable(chain, ref at, multicast, out var multicastCount, out var multicastKept)
            || at != chain.ReadableBytes)
            return Error;
        _filter.SetTable(isMulticast: false, unicastCount, unicast[..unicastKept]);
        _filter.SetTable(isMulticast: true, multicastCount, multicast[..multicastKept]);
        return Ok;
    }

    private bool TryReadTable(DescriptorChain chain, ref ulong at, Span<byte> addresses, out uint count, out int kept)
    {
        Span<byte> entries = stackalloc byte[sizeof(uint)];
        kept = 0;
        var isRead = chain.TryRead(Memory, at, entries);
        count = BinaryPrimitives.ReadUInt32LittleEndian(entries);
        if (!isRead)
            return false;
        at += sizeof(uint);
        var bytes = (ulong)count * MacAddress.Bytes;
        // Of a table that does not fit none is kept: all of its kind pass.
        kept = count <= ReceiveFilter.MaxAddresses ? (int)bytes : 0;
        if (bytes > chain.ReadableBytes - at || !chain.TryRead(Memory, at, addresses[..kept]))
            return false;
        at += bytes;
        return true;
    }

    private byte ChangeAddress(DescriptorChain chain)
    {
        Span<byte> address = stackalloc byte[MacAddress.Bytes];
        if (chain.ReadableBytes != CommandBytes + MacAddress.Bytes || !chain.TryRead(Memory, CommandBytes, address))
            return Error;
        _filter.Address = MacAddress.Read(address);
        return Ok;
    }

    private byte ChangeVlan(DescriptorChain chain, bool passes)
    {
        Span<byte> vlan = stackalloc byte[sizeof(ushort)];
        if (chain.ReadableBytes != CommandBytes + sizeof(ushort) || !chain.TryRead(Memory, CommandBytes, vlan))
            return Error;
        var id = BinaryPrimitives.ReadUInt16LittleEndian(vlan);
        if (id > 0xfff)
            return Error;
        _filter.SetVlan(id, passes);
        return Ok;
    }
}
