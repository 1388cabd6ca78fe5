using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Console device with several ports: byte streams between guest and host, some of them consoles, each found by its name.</summary>
/// <remarks>
/// VIRTIO 1.2, 5.3. What is to be told of the ports is kept as a set for each one, not as a queue of messages: a driver that asks for it time and again and takes nothing
/// makes nothing grow. A driver without MULTIPORT has port 0 alone.
/// </remarks>
public sealed class VirtioSerial : VirtioDevice, IDisposable
{
    /// <summary>Port 0 to 30, as QEMU has: two queues for each and two for control.</summary>
    public const int MaxPorts = 31;

    /// <summary>In bytes.</summary>
    public const int MaxNameBytes = 255;

    private const ulong Multiport = 1UL << 1, EmergencyWrite = 1UL << 2;

    // struct virtio_console_config: cols, rows, max_nr_ports, emerg_wr.
    private const int MaxPortsOffset = 4, EmergencyOffset = 8, ConfigurationLength = 12;

    // struct virtio_console_control.
    private const int ControlBytes = 8;
    private const ushort DeviceReady = 0, DeviceAdd = 1, DeviceRemove = 2, PortReady = 3, ConsolePort = 4, PortOpen = 6, PortName = 7;

    private const int ControlReceive = 2, ControlTransmit = 3;

    // Of a chain in one go, so that one exit's work has an end.
    private const int PieceBytes = 64 * 1024;

    private readonly VirtioSerialPort?[] _ports = new VirtioSerialPort?[MaxPorts];
    private readonly byte[] _piece = new byte[PieceBytes];

    // Ports that are gone, by bit, of which the driver has not been told.
    private uint _gone;

    public VirtioSerial(IGuestMemory memory, IClock clock)
        : base(memory, clock, (MaxPorts + 1) * 2)
    {
    }

    public override string TypeName => "virtio-serial";

    public override ushort TypeId => 3;

    public override (byte Base, byte Sub) PciClass => (7, 0x80);

    public override ulong DeviceFeatures => Multiport | EmergencyWrite;

    public override int ConfigurationBytes => ConfigurationLength;

    public override IReadOnlyList<Register> ConfigurationRegisters { get; } =
    [
        new("cols", 0, 2, RegisterAccess.Read, 0),
        new("rows", 2, 2, RegisterAccess.Read, 0),
        new("max_nr_ports", MaxPortsOffset, 4, RegisterAccess.Read, MaxPorts),
        new("emerg_wr", EmergencyOffset, 4, RegisterAccess.Write),
    ];

    /// <summary>Adds a port; a driver that is there already is told. With the device lock held.</summary>
    /// <param name="wanted">Its number; null: the first free one, of which 0 is a console's.</param>
    /// <param name="name">At most <see cref="MaxNameBytes"/>; empty: none.</param>
    /// <param name="link">Its end of the stream; the caller connects it to <see cref="Poll"/>.</param>
    /// <returns>Its number.</returns>
    /// <exception cref="InvalidOperationException">The number is taken or too high, none is free, or the name is another port's or too long.</exception>
    public int AddPort(int? wanted, string name, bool isConsole, IStreamLink link)
    {
        var id = wanted ?? Array.IndexOf(_ports, null, isConsole && _ports[0] is null ? 0 : 1);
        if (id is < 0 or >= MaxPorts)
            throw new InvalidOperationException(wanted is null ? $"all {MaxPorts} ports are taken" : $"there is no port {id}, but 0 to {MaxPorts - 1}");
        if (_ports[id] is not null)
            throw new InvalidOperationException($"port {id} is taken");
        if (Encoding.UTF8.GetByteCount(name) > MaxNameBytes)
            throw new InvalidOperationException($"a port's name has at most {MaxNameBytes} bytes");
        foreach (var other in _ports)
        {
            if (name.Length > 0 && other?.Name == name)
                throw new InvalidOperationException($"port {other.Id} has the name '{name}' already");
        }
        _ports[id] = new VirtioSerialPort(id, name, isConsole, link) { News = IsLive ? PortNews.Add : PortNews.None };
        TellNews();
        return id;
    }

    /// <summary>Takes a port out, of which its driver is told. With the device lock held.</summary>
    public void RemovePort(int id)
    {
        if (_ports[id] is not { } port)
            return;
        (port.Link as IDisposable)?.Dispose();
        _ports[id] = null;
        if (!IsLive || !IsMultiport)
            return;
        _gone |= 1u << id;
        TellNews();
    }

    public override byte ReadConfiguration(int offset) => offset == MaxPortsOffset ? (byte)MaxPorts : (byte)0;

    // 5.3.4: what is written there goes out on the console even before there is a driver.
    public override void WriteConfiguration(int offset, byte value)
    {
        if (offset == EmergencyOffset)
            _ = _ports[0]?.Link.Send([value]);
    }

    /// <summary>Looks at the host's ends: bytes that came, room for those to be sent, who came or went. With the device lock held.</summary>
    public void Poll()
    {
        if (!IsLive)
            return;
        foreach (var port in _ports)
        {
            if (port is null)
                continue;
            NoteHost(port);
            Receive(port);
            if (Queues[TransmitQueueOf(port.Id)].IsEnabled)
                Serve(TransmitQueueOf(port.Id));
        }
        TellNews();
    }

    public void Dispose()
    {
        foreach (var port in _ports)
            (port?.Link as IDisposable)?.Dispose();
    }

    protected override void OnStart() => Poll();

    protected override void OnReset()
    {
        _gone = 0;
        foreach (var port in _ports)
            port?.Reset();
    }

    protected override void OnQueueReset(int queue)
    {
        if (PortOf(queue) is { } port && queue == TransmitQueueOf(port.Id))
            port.Sent = 0;
    }

    protected override void OnNotified(int queue)
    {
        if (queue == ControlReceive)
            TellNews();
        else if (queue != ControlTransmit && (queue & 1) == 0)
            Receive(PortOf(queue));
        else
            Serve(queue);
    }

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        if (queue == ControlTransmit)
        {
            HandleControl(ring.Chain);
            ring.Push(0);
            TellNews();
            return true;
        }
        if (PortOf(queue) is not { } port)
        {
            // Nobody's: a port that does not exist sends nothing.
            ring.Push(0);
            return true;
        }
        return Transmit(port, ring);
    }

    protected override void SaveType(StateWriter writer)
    {
        writer.UInt32(_gone);
        foreach (var port in _ports)
            port?.Save(writer);
    }

    protected override void LoadType(ref StateReader reader)
    {
        _gone = reader.UInt32() & (1u << MaxPorts) - 1;
        foreach (var port in _ports)
            port?.Load(ref reader);
    }

    // 5.3.2: port 0, control, port 1 and so on, the receive queue first.
    private static int ReceiveQueueOf(int port) => port == 0 ? 0 : 2 + port * 2;

    private static int TransmitQueueOf(int port) => ReceiveQueueOf(port) + 1;

    private VirtioSerialPort? PortOf(int queue) => queue < ControlReceive ? _ports[0] : queue <= ControlTransmit ? null : _ports[(queue - 2) / 2];

    private bool IsMultiport => (NegotiatedFeatures & Multiport) != 0;

    private bool Transmit(VirtioSerialPort port, Virtqueue ring)
    {
        var chain = ring.Chain;
        var left = port.Sent < chain.ReadableBytes ? chain.ReadableBytes - port.Sent : 0;
        var piece = _piece.AsSpan(0, (int)Math.Min(left, PieceBytes));
        var sent = chain.TryRead(Memory, port.Sent, piece) ? port.Link.Send(piece) : -1;
        if (sent < 0 || (ulong)sent == left)
        {
            port.Sent = 0;
            ring.Push(0);
            return true;
        }
        // The rest follows at once, or when the link says that there is room.
        port.Sent += (uint)sent;
        ring.PutBack();
        return sent == piece.Length;
    }

    private void Receive(VirtioSerialPort? port)
    {
        if (port is null || !IsLive || (IsMultiport && !port.IsGuestOpen))
            return;
        var queue = ReceiveQueueOf(port.Id);
        var ring = Queues[queue];
        var handled = 0;
        while (handled < QueueSize && port.Link.HasInput)
        {
            if (!ring.TryPop())
            {
                ring.SetNotification(wanted: true);
                if (!ring.TryPop())
                    break;
            }
            handled++;
            var count = port.Link.Receive(_piece.AsSpan(0, (int)Math.Min(ring.Chain.WritableBytes, PieceBytes)));
            // What is not RAM keeps nothing: the driver's own loss.
            _ = ring.Chain.TryWrite(Memory, 0, _piece.AsSpan(0, count));
            ring.Push((uint)count);
        }
        if (handled == QueueSize)
            Postpone(queue);
        Signal(queue);
    }

    private void HandleControl(DescriptorChain chain)
    {
        Span<byte> message = stackalloc byte[ControlBytes];
        if (!chain.TryRead(Memory, 0, message))
            return;
        var id = BinaryPrimitives.ReadUInt32LittleEndian(message);
        var value = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]);
        var port = id < MaxPorts ? _ports[id] : null;
        switch (BinaryPrimitives.ReadUInt16LittleEndian(message[4..]))
        {
            case DeviceReady when value == 1:
                foreach (var each in _ports)
                {
                    if (each is not null)
                        each.News |= PortNews.Add;
                }
                break;
            case PortReady when port is not null && value == 1:
                port.IsReady = true;
                port.News |= (port.IsConsole ? PortNews.Console : 0) | (port.Name.Length > 0 ? PortNews.Name : 0);
                NoteHost(port);
                break;
            case PortOpen when port is not null:
                port.IsGuestOpen = value != 0;
                Receive(port);
                break;
            default:
                break;
        }
    }

    // 5.3.6.2: the driver of a port that it has taken hears when somebody comes to its other end or goes.
    private void NoteHost(VirtioSerialPort port)
    {
        if (!port.IsReady || port.IsHostOpen == port.Link.IsOpen)
            return;
        port.IsHostOpen = port.Link.IsOpen;
        port.News |= PortNews.Open;
    }

    private void TellNews()
    {
        var ring = Queues[ControlReceive];
        if (!IsLive || !ring.IsEnabled || !IsMultiport)
            return;
        // First who went: another may have come to its place.
        while (_gone != 0 && TryPopControl(ring))
        {
            var id = BitOperations.TrailingZeroCount(_gone);
            _gone &= _gone - 1;
            Tell(id, DeviceRemove, 1, "", ring);
        }
        foreach (var port in _ports)
        {
            while (port is { News: not PortNews.None } && _gone == 0 && TryPopControl(ring))
            {
                var next = port.News & (PortNews)(-(int)port.News);
                port.News &= ~next;
                Tell(port, next, ring);
            }
        }
        Signal(ControlReceive);
    }

    private static bool TryPopControl(Virtqueue ring)
    {
        if (ring.TryPop())
            return true;
        ring.SetNotification(wanted: true);
        return ring.TryPop();
    }

    private void Tell(VirtioSerialPort port, PortNews news, Virtqueue ring)
    {
        var (code, value) = news switch
        {
            PortNews.Add => (DeviceAdd, 1),
            PortNews.Console => (ConsolePort, 1),
            PortNews.Name => (PortName, 1),
            _ => (PortOpen, port.IsHostOpen ? 1 : 0),
        };
        Tell(port.Id, code, value, news == PortNews.Name ? port.Name : "", ring);
    }

    private void Tell(int id, ushort code, int value, string name, Virtqueue ring)
    {
        Span<byte> message = stackalloc byte[ControlBytes + MaxNameBytes];
        BinaryPrimitives.WriteInt32LittleEndian(message, id);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], code);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], (ushort)value);
        var length = ControlBytes + Encoding.UTF8.GetBytes(name, message[ControlBytes..]);
        ring.Push(ring.Chain.TryWrite(Memory, 0, message[..length]) ? (uint)length : 0);
    }
}
