using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 5.3.</summary>
public sealed class VirtioSerialTests
{
    private const ulong Multiport = 2, News = 0x20000, Message = 0x30000, Data = 0x31000;
    private const int ControlReceive = 2, ControlTransmit = 3;
    private const ushort DeviceReady = 0, DeviceAdd = 1, DeviceRemove = 2, PortReady = 3, ConsolePort = 4, PortOpen = 6, PortName = 7;

    private readonly Stream _console = new(), _agent = new();
    private readonly VirtioPciRig _rig;
    private readonly VirtioSerial _device;
    private readonly Dictionary<int, RingDriver> _queues = [];
    private readonly Dictionary<ushort, ulong> _offered = [];
    private int _places;

    public VirtioSerialTests()
    {
        VirtioSerial? device = null;
        _rig = new VirtioPciRig((memory, clock) =>
        {
            device = new VirtioSerial(memory, clock);
            device.AddPort(null, "", isConsole: true, _console);
            device.AddPort(null, "agent.0", isConsole: false, _agent);
            return device;
        });
        _device = device!;
        _console.Connect(_device.Poll);
        _agent.Connect(_device.Poll);
    }

    [Fact]
    public void It_has_room_for_thirty_one_ports()
    {
        Assert.Equal(0x10431af4u, _rig.Config(0));
        Assert.Equal(31u, (uint)_rig.Read(0x2004, 4));
        Assert.Equal(64u, (uint)_rig.Read(0x12, 2));
    }

    [Fact]
    public void A_port_without_a_number_gets_the_first_free_one_and_zero_is_a_consoles()
    {
        var device = new VirtioSerial(_rig.Memory, _rig.Clock);
        device.AddPort(null, "a", isConsole: false, NullStreamLink.Instance);
        device.AddPort(null, "", isConsole: true, NullStreamLink.Instance);
        Assert.Throws<InvalidOperationException>(() => device.AddPort(0, "", isConsole: false, NullStreamLink.Instance));
        Assert.Throws<InvalidOperationException>(() => device.AddPort(1, "", isConsole: false, NullStreamLink.Instance));
        Assert.Throws<InvalidOperationException>(() => device.AddPort(2, "a", isConsole: false, NullStreamLink.Instance));
        for (var i = 2; i < 31; i++)
            device.AddPort(null, $"p{i}", isConsole: false, NullStreamLink.Instance);
        Assert.Throws<InvalidOperationException>(() => device.AddPort(null, "last", isConsole: false, NullStreamLink.Instance));
    }

    [Fact]
    public void A_driver_that_knows_one_port_only_has_the_console()
    {
        Start(0, 0, 1);
        _console.Arrive("in");
        Offer(0, 10);
        Assert.Equal("in", TakeText(0));
        SendText(1, "out");
        Assert.Equal("out", _console.SentText);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_driver_is_told_of_ports_their_names_and_who_is_there(bool packed)
    {
        StartMultiport(packed);
        _agent.IsOpen = true;
        Control(0xffffffff, DeviceReady, 1);
        Assert.Equal([(0u, DeviceAdd, (ushort)1, ""), (1u, DeviceAdd, (ushort)1, "")], TakeNews());
        Control(0, PortReady, 1);
        Assert.Equal([(0u, ConsolePort, (ushort)1, "")], TakeNews());
        Control(1, PortReady, 1);
        Assert.Equal([(1u, PortName, (ushort)1, "agent.0"), (1u, PortOpen, (ushort)1, "")], TakeNews());
        _agent.IsOpen = false;
        _device.Poll();
        Assert.Equal([(1u, PortOpen, (ushort)0, "")], TakeNews());
    }

    [Fact]
    public void A_port_that_comes_or_goes_while_the_driver_runs_is_told_of()
    {
        StartMultiport(packed: false);
        Control(0xffffffff, DeviceReady, 1);
        TakeNews();
        var port = _device.AddPort(null, "late", isConsole: false, NullStreamLink.Instance);
        Assert.Equal(2, port);
        Assert.Equal([(2u, DeviceAdd, (ushort)1, "")], TakeNews());
        _device.RemovePort(port);
        _device.RemovePort(port);
        Assert.Equal([(2u, DeviceRemove, (ushort)1, "")], TakeNews());
        _device.RemovePort(1);
        _device.AddPort(1, "agent.0", isConsole: false, NullStreamLink.Instance);
        Assert.Equal([(1u, DeviceRemove, (ushort)1, ""), (1u, DeviceAdd, (ushort)1, "")], TakeNews());
    }

    [Fact]
    public void News_waits_for_buffers_and_does_not_grow()
    {
        Start(Multiport, ControlReceive, ControlTransmit);
        for (var i = 0; i < 100; i++)
            Control(0, DeviceReady, 1);
        for (var i = 0; i < 8; i++)
            Offer(ControlReceive, 64);
        Assert.Equal(2, TakeNews().Count);
    }

    [Fact]
    public void A_port_gets_its_bytes_once_a_program_has_it_open()
    {
        StartMultiport(packed: false);
        Offer(4, 4);
        Offer(4, 100);
        _agent.Arrive("hello");
        Assert.Null(_queues[4].Take());
        Control(1, PortOpen, 1);
        Assert.Equal("hell", TakeText(4));
        Assert.Equal("o", TakeText(4));
        SendText(5, "answer");
        Assert.Equal("answer", _agent.SentText);
        Assert.Equal("", _console.SentText);
    }

    [Fact]
    public void What_the_host_does_not_take_is_sent_when_it_does_and_once()
    {
        StartMultiport(packed: false);
        _agent.Room = 4;
        SendText(5, "abcdef", isTaken: false);
        Assert.Equal("abcd", _agent.SentText);
        var state = _rig.Transport.SaveToBytes();
        _rig.Transport.LoadFrom(state);
        _agent.Room = 100;
        _device.Poll();
        Assert.NotNull(_queues[5].Take());
        Assert.Equal("abcdef", _agent.SentText);
    }

    [Fact]
    public void Emergency_writes_reach_the_console_before_there_is_a_driver()
    {
        _rig.Write(0x2008, 4, 'x');
        Assert.Equal("x", _console.SentText);
    }

    [Fact]
    public void Ports_that_are_not_there_swallow_what_is_sent()
    {
        Start(Multiport, 63, ControlTransmit);
        SendText(63, "nobody");
        Control(30, PortOpen, 1);
        Control(31, PortOpen, 1);
        Control(1, 99, 1);
        Assert.Equal("", _agent.SentText);
    }

    [Fact]
    public void A_chain_of_gigabytes_is_not_sent_in_one_exit()
    {
        Start(Multiport, 5);
        var chain = Enumerable.Range(0, 15).Select(_ => new Offer(0, 1 << 20, false)).ToList();
        _queues[5].Add(chain);
        _agent.Room = int.MaxValue;
        _rig.Notify(5);
        Assert.InRange(_agent.SentBytes, 1, 16 << 20);
    }

    private void StartMultiport(bool packed)
    {
        StartWith(packed, Multiport, ControlReceive, ControlTransmit, 4, 5);
        for (var i = 0; i < 8; i++)
            Offer(ControlReceive, 64);
    }

    private void Start(ulong features, params int[] queues) => StartWith(false, features, queues);

    private void StartWith(bool packed, ulong features, params int[] queues)
    {
        _rig.Negotiate(features | VirtioFeature.Version1 | (packed ? VirtioFeature.RingPacked : 0));
        // Queue areas by position: the rig's memory has room for few.
        foreach (var queue in queues)
            _queues[queue] = _rig.SetUpQueue(queue, packed, place: _queues.Count);
        _rig.GoLive();
    }

    private void Offer(int queue, uint bytes)
    {
        var at = 0x80000 + (ulong)_places++ * 0x100;
        var id = _queues[queue].Add([new(at, bytes, true)]);
        Assert.True(id >= 0);
        _offered[(ushort)(queue << 8 | id)] = at;
        _rig.Notify(queue);
    }

    private byte[]? Take(int queue)
    {
        if (_queues[queue].Take() is not { } returned)
            return null;
        var at = (int)_offered[(ushort)(queue << 8 | returned.Id)];
        return _rig.Memory.Bytes[at..(at + (int)returned.Written)];
    }

    private string TakeText(int queue) => Encoding.ASCII.GetString(Take(queue)!);

    private List<(uint Id, ushort Event, ushort Value, string Text)> TakeNews()
    {
        var all = new List<(uint, ushort, ushort, string)>();
        while (Take(ControlReceive) is { } bytes)
            all.Add((BinaryPrimitives.ReadUInt32LittleEndian(bytes), BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(4)),
                BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(6)), Encoding.ASCII.GetString(bytes.AsSpan(8))));
        return all;
    }

    private void Control(uint id, ushort what, ushort value)
    {
        var message = _rig.Memory.Bytes.AsSpan((int)Message, 8);
        BinaryPrimitives.WriteUInt32LittleEndian(message, id);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], what);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], value);
        _queues[ControlTransmit].Add([new(Message, 8, false)]);
        _rig.Notify(ControlTransmit);
        Assert.NotNull(_queues[ControlTransmit].Take());
    }

    private void SendText(int queue, string text, bool isTaken = true)
    {
        Encoding.ASCII.GetBytes(text, _rig.Memory.Bytes.AsSpan((int)Data));
        _queues[queue].Add([new(Data, (uint)text.Length, false)]);
        _rig.Notify(queue);
        Assert.Equal(isTaken, _queues[queue].Take() is not null);
    }

    /// <summary>A stream whose other end the test holds.</summary>
    private sealed class Stream : IStreamLink
    {
        private readonly Queue<byte> _waiting = new();
        private readonly StringBuilder _sent = new();
        private Action _onChange = static () => { };

        public bool IsOpen { get; set; }

        public int Room { get; set; } = 4096;

        public long SentBytes { get; private set; }

        public string SentText => _sent.ToString();

        public bool HasInput => _waiting.Count > 0;

        public int Send(ReadOnlySpan<byte> bytes)
        {
            var count = Math.Min(bytes.Length, Room);
            Room -= count;
            SentBytes += count;
            if (SentBytes < 10_000)
                _sent.Append(Encoding.ASCII.GetString(bytes[..count]));
            return count;
        }

        public int Receive(Span<byte> destination)
        {
            var count = 0;
            while (count < destination.Length && _waiting.TryDequeue(out var value))
                destination[count++] = value;
            return count;
        }

        public void Connect(Action onChange) => _onChange = onChange;

        public void Arrive(string text)
        {
            foreach (var letter in text)
                _waiting.Enqueue((byte)letter);
            _onChange();
        }
    }
}
