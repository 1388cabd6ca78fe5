using FsCheck.Fluent;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 5.10, from a driver's side.</summary>
public sealed class VirtioVsockTests
{
    private const ulong GuestCid = 42, Buffers = 0x40000, Sent = 0x80000, Events = 0xc0000;
    private const uint BufferBytes = 4096, GuestPort = 1000, HostPort = 80;
    private const int Receive = 0, Transmit = 1, Event = 2;

    private readonly FakeHost _host = new();
    private VirtioVsock _device = null!;
    private VirtioPciRig _rig;
    private RingDriver _receive = null!, _transmit = null!, _events = null!;
    private readonly Dictionary<ushort, ulong> _places = [];
    private uint _forwarded;
    private int _sends;

    public VirtioVsockTests()
    {
        _rig = NewRig();
        Start();
    }

    [Fact]
    public void A_guest_reaches_a_program_of_the_hosts_and_both_talk()
    {
        Send(VsockOperation.Request);
        var stream = _host.Opened[HostPort];
        var response = Next();
        Assert.Equal((VsockOperation.Response, HostPort, GuestPort, 2UL, GuestCid), (response.Operation, response.SourcePort, response.DestinationPort, response.SourceCid, response.DestinationCid));
        Assert.Equal((uint)VsockConnection.BufferBytes, response.BufferBytes);

        Send(VsockOperation.Data, "hello"u8);
        Assert.Equal("hello"u8.ToArray(), stream.Output);
        Say(stream, "who"u8);
        _device.Poll();
        Assert.Equal(("who", VsockOperation.Data), (Text(Next(out var data), data), VsockOperation.Data));
    }

    [Fact]
    public void A_port_where_nobody_is_resets()
    {
        Send(VsockOperation.Request, port: 81);
        var answer = Next();
        Assert.Equal((VsockOperation.Reset, 81u, GuestPort), (answer.Operation, answer.SourcePort, answer.DestinationPort));
    }

    [Fact]
    public void A_program_of_the_hosts_reaches_a_port_of_the_guests()
    {
        var stream = new FakeVsockStream();
        _host.Incoming.Enqueue((GuestPort, stream));
        _device.Poll();
        var request = Next();
        Assert.Equal((VsockOperation.Request, GuestPort), (request.Operation, request.DestinationPort));
        Assert.Null(stream.AcceptedAt);
        Say(stream, "early"u8);
        _device.Poll();
        Assert.Null(TryNext());

        Send(VsockOperation.Response, port: request.SourcePort);
        Assert.Equal(request.SourcePort, stream.AcceptedAt);
        Assert.Equal("early", Text(Next(out var data), data));
    }

    [Fact]
    public void A_guest_that_refuses_ends_the_programs_stream()
    {
        var stream = new FakeVsockStream();
        _host.Incoming.Enqueue((GuestPort, stream));
        _device.Poll();
        Send(VsockOperation.Reset, port: Next().SourcePort);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void The_host_sends_no_more_than_the_guest_has_room_for()
    {
        Send(VsockOperation.Request, room: 10);
        var stream = _host.Opened[HostPort];
        Say(stream, "0123456789abc"u8);
        Assert.Equal(VsockOperation.Response, Next().Operation);
        _device.Poll();
        Assert.Equal("0123456789", Text(Next(out var data), data));
        _device.Poll();
        Assert.Null(TryNext());
        _forwarded = 4;
        Send(VsockOperation.CreditUpdate, room: 10);
        Assert.Equal("abc", Text(Next(out data), data));
        // Counters that cannot be leave no room.
        _forwarded = 0x80000000;
        Send(VsockOperation.CreditUpdate, room: 10);
        Say(stream, "x"u8);
        _device.Poll();
        Assert.Null(TryNext());
    }

    [Fact]
    public void What_a_slow_program_has_not_taken_is_kept_and_the_guest_hears_of_room()
    {
        Send(VsockOperation.Request);
        Assert.Equal(VsockOperation.Response, Next().Operation);
        var stream = _host.Opened[HostPort];
        stream.Room = 0;
        var piece = new byte[2048];
        for (var i = 0; i < 32; i++)
        {
            piece.AsSpan().Fill((byte)i);
            Send(VsockOperation.Data, piece);
        }
        Assert.Empty(stream.Output);
        Assert.Null(TryNext());
        stream.Room = int.MaxValue;
        _device.Poll();
        Assert.Equal(65536, stream.Output.Count);
        Assert.Equal(Enumerable.Range(0, 65536).Select(i => (byte)(i / 2048)), stream.Output);
        var update = Next();
        Assert.Equal((VsockOperation.CreditUpdate, 65536u), (update.Operation, update.Forwarded));
        Send(VsockOperation.CreditRequest);
        Assert.Equal(VsockOperation.CreditUpdate, Next().Operation);
    }

    [Fact]
    public void A_guest_that_sends_more_than_there_is_room_for_is_reset()
    {
        Send(VsockOperation.Request);
        Assert.Equal(VsockOperation.Response, Next().Operation);
        var stream = _host.Opened[HostPort];
        stream.Room = 0;
        for (var i = 0; i < 33; i++)
            Send(VsockOperation.Data, new byte[2048]);
        Assert.Equal(VsockOperation.Reset, Next().Operation);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void Either_end_may_stop_sending_and_a_guest_that_is_done_is_answered()
    {
        Send(VsockOperation.Request);
        Assert.Equal(VsockOperation.Response, Next().Operation);
        var stream = _host.Opened[HostPort];
        stream.IsAtEnd = true;
        _device.Poll();
        var shutdown = Next();
        Assert.Equal((VsockOperation.Shutdown, VsockShutdown.Send), (shutdown.Operation, shutdown.Flags));
        Send(VsockOperation.Data, "last"u8);
        Assert.Equal("last"u8.ToArray(), stream.Output);
        Send(VsockOperation.Shutdown, flags: VsockShutdown.Send);
        Assert.True(stream.IsGuestsEnd);
        Assert.Null(TryNext());
        Send(VsockOperation.Shutdown, flags: VsockShutdown.Both);
        Assert.Equal(VsockOperation.Reset, Next().Operation);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void What_was_sent_before_the_end_is_with_the_program_before_the_guest_is_answered()
    {
        Send(VsockOperation.Request);
        Assert.Equal(VsockOperation.Response, Next().Operation);
        var stream = _host.Opened[HostPort];
        stream.Room = 2;
        Send(VsockOperation.Data, "four"u8);
        Send(VsockOperation.Shutdown, flags: VsockShutdown.Both);
        Assert.Null(TryNext());
        stream.Room = int.MaxValue;
        _device.Poll();
        Assert.Equal("four"u8.ToArray(), stream.Output);
        Assert.Equal(VsockOperation.Reset, Next().Operation);
    }

    [Fact]
    public void A_program_that_is_gone_resets()
    {
        Send(VsockOperation.Request);
        Assert.Equal(VsockOperation.Response, Next().Operation);
        _host.Opened[HostPort].IsGone = true;
        Send(VsockOperation.Data, "x"u8);
        Assert.Equal(VsockOperation.Reset, Next().Operation);
        Assert.True(_host.Opened[HostPort].IsDisposed);
    }

    [Theory]
    [InlineData(VsockOperation.Data)]
    [InlineData(VsockOperation.Response)]
    [InlineData(VsockOperation.CreditUpdate)]
    [InlineData(VsockOperation.Shutdown)]
    [InlineData((VsockOperation)0)]
    [InlineData((VsockOperation)99)]
    internal void What_belongs_to_no_connection_resets(VsockOperation operation)
    {
        Send(operation);
        Assert.Equal(VsockOperation.Reset, Next().Operation);
        Assert.Null(TryNext());
    }

    [Fact]
    public void A_reset_of_no_connection_and_packets_of_other_addresses_are_dropped()
    {
        Send(VsockOperation.Reset);
        Send(VsockOperation.Request, sourceCid: GuestCid + 1);
        Send(VsockOperation.Request, destinationCid: 5);
        Assert.Null(TryNext());
        Assert.Empty(_host.Opened);
        Send(VsockOperation.Request, type: 2);
        var reset = Next();
        Assert.Equal((VsockOperation.Reset, 2), (reset.Operation, reset.Type));
    }

    [Fact]
    public void Answers_that_nobody_takes_hold_the_guests_packets_up_and_lose_none()
    {
        // Until the device takes no more.
        var count = 0;
        while (TrySend(VsockOperation.Data, port: (uint)count))
            count++;
        Assert.InRange(count, 129, 400);
        var answers = 0;
        while (TryNext() is { } answer)
        {
            Assert.Equal((VsockOperation.Reset, (uint)answers), (answer.Operation, answer.SourcePort));
            answers++;
            _rig.Clock.Advance(1);
        }
        Assert.Equal(count, answers);
    }

    [Fact]
    public void A_guest_has_so_many_connections_and_no_more()
    {
        for (var i = 0; i <= VirtioVsock.MaxConnections; i++)
        {
            Send(VsockOperation.Request, guestPort: (uint)i);
            Assert.Equal(i < VirtioVsock.MaxConnections ? VsockOperation.Response : VsockOperation.Reset, Next().Operation);
        }
    }

    [Fact]
    public void A_device_reset_ends_every_stream()
    {
        Send(VsockOperation.Request);
        var stream = _host.Opened[HostPort];
        _rig.Write(0x14, 1, 0);
        Assert.True(stream.IsDisposed);
        Array.Clear(_rig.Memory.Bytes);
        Start();
        Assert.Null(TryNext());
    }

    [Fact]
    public void After_a_restore_the_driver_hears_that_its_connections_are_gone()
    {
        Send(VsockOperation.Request);
        Assert.Equal(VsockOperation.Response, Next().Operation);
        _events.Add([new(Events, 8, true)]);
        _rig.Notify(Event);
        Assert.Null(_events.Take());
        var state = _rig.Transport.SaveToBytes();

        var (device, memory) = (_device, _rig.Memory.Bytes);
        _rig = NewRig();
        memory.CopyTo(_rig.Memory.Bytes, 0);
        _rig.Memory.Bytes.AsSpan((int)Events, 8).Fill(0xff);
        _rig.Transport.LoadFrom(state);
        Assert.Equal(state, _rig.Transport.SaveToBytes());
        _rig.Clock.Advance(1);
        Assert.Equal(1, _rig.Memory.Bytes[(int)((ulong)Event * RingDriver.Spacing + RingDriver.Device) + 2]);
        Assert.Equal([0, 0, 0, 0], _rig.Memory.Bytes.AsSpan((int)Events, 4).ToArray());
        Assert.NotSame(device, _device);
    }

    [Fact]
    public void Whatever_a_guest_sends_nothing_breaks_and_the_next_connection_works()
    {
        var packet = from operation in Gen.Choose(0, 9)
                     from port in Gen.Choose(78, 82)
                     from guestPort in Gen.Choose(1, 3)
                     from claimed in Gen.Frequency((4, Gen.Constant(-1)), (1, Gen.Choose(0, 70_000)))
                     from bytes in Gen.Choose(0, 200)
                     from room in Gen.Elements(0u, 1u, 100u, 65536u, uint.MaxValue)
                     from forwarded in Gen.Elements(0u, 5u, 0x80000000u)
                     from flags in Gen.Choose(0, 7)
                     select (operation, (uint)port, (uint)guestPort, claimed, bytes, room, forwarded, (uint)flags);
        Prop.ForAll(packet.ListOf(40).ToArbitrary(), packets =>
        {
            _rig.Write(0x14, 1, 0);
            Array.Clear(_rig.Memory.Bytes);
            Start();
            _host.Clear();
            foreach (var (operation, port, guestPort, claimed, bytes, room, forwarded, flags) in packets)
            {
                _forwarded = forwarded;
                Send((VsockOperation)operation, new byte[bytes], (VsockShutdown)flags, port, guestPort, room, claimed: claimed < 0 ? null : (uint)claimed);
                if (_host.Opened.TryGetValue(port, out var stream) && !stream.IsDisposed)
                    Say(stream, "noise"u8);
                _device.Poll();
                while (TryNext() is not null)
                {
                }
            }
            _forwarded = 0;
            Send(VsockOperation.Request, guestPort: 7);
            Assert.Equal(VsockOperation.Response, Next().Operation);
        }).Holds();
    }

    private VirtioPciRig NewRig() => new((memory, clock) => _device = new VirtioVsock(memory, clock, _host, GuestCid));

    private void Start()
    {
        _places.Clear();
        _rig.Negotiate(VirtioFeature.Version1);
        _receive = _rig.SetUpQueue(Receive);
        _transmit = _rig.SetUpQueue(Transmit);
        _events = _rig.SetUpQueue(Event);
        _rig.GoLive();
        for (var i = 0; i < 16; i++)
            Offer(Buffers + (ulong)i * BufferBytes);
        _rig.Notify(Receive);
    }

    private void Offer(ulong place) => _places[(ushort)_receive.Add([new(place, BufferBytes, true)])] = place;

    private void Send(
        VsockOperation operation, ReadOnlySpan<byte> data = default, VsockShutdown flags = VsockShutdown.None, uint port = HostPort, uint guestPort = GuestPort, uint room = 65536,
        ulong sourceCid = GuestCid, ulong destinationCid = 2, ushort type = 1, uint? claimed = null) =>
        Assert.True(TrySend(operation, data, flags, port, guestPort, room, sourceCid, destinationCid, type, claimed), "the device keeps what it was given");

    // False when the queue is full: the device holds the guest up.
    private bool TrySend(
        VsockOperation operation, ReadOnlySpan<byte> data = default, VsockShutdown flags = VsockShutdown.None, uint port = HostPort, uint guestPort = GuestPort, uint room = 65536,
        ulong sourceCid = GuestCid, ulong destinationCid = 2, ushort type = 1, uint? claimed = null)
    {
        var place = Sent + (ulong)(_sends++ % 16) * BufferBytes;
        new VsockPacket
        {
            SourceCid = sourceCid,
            DestinationCid = destinationCid,
            SourcePort = guestPort,
            DestinationPort = port,
            Length = claimed ?? (uint)data.Length,
            Type = type,
            Operation = operation,
            Flags = flags,
            BufferBytes = room,
            Forwarded = _forwarded,
        }.Write(_rig.Memory.Bytes.AsSpan((int)place));
        data.CopyTo(_rig.Memory.Bytes.AsSpan((int)place + VsockPacket.Bytes));
        if (_transmit.Add([new(place, VsockPacket.Bytes, false), new(place + VsockPacket.Bytes, (uint)data.Length, false)]) < 0)
            return false;
        _rig.Notify(Transmit);
        _ = _transmit.Take();
        return true;
    }

    private VsockPacket Next() => Next(out _);

    private VsockPacket Next(out byte[] data)
    {
        var packet = TryNext(out data);
        Assert.NotNull(packet);
        return packet.Value;
    }

    private VsockPacket? TryNext() => TryNext(out _);

    // Takes the buffer, and offers it again.
    private VsockPacket? TryNext(out byte[] data)
    {
        data = [];
        if (_receive.Take() is not { } returned)
            return null;
        var place = _places[returned.Id];
        var packet = VsockPacket.Read(_rig.Memory.Bytes.AsSpan((int)place));
        Assert.Equal(returned.Written, VsockPacket.Bytes + packet.Length);
        data = _rig.Memory.Bytes.AsSpan((int)place + VsockPacket.Bytes, (int)packet.Length).ToArray();
        Offer(place);
        _rig.Notify(Receive);
        return packet;
    }

    private static void Say(FakeVsockStream stream, ReadOnlySpan<byte> what)
    {
        foreach (var value in what)
            stream.Input.Enqueue(value);
    }

    private static string Text(VsockPacket packet, byte[] data)
    {
        Assert.Equal(VsockOperation.Data, packet.Operation);
        return System.Text.Encoding.ASCII.GetString(data);
    }

    /// <summary>A host with somebody at port 80.</summary>
    private sealed class FakeHost : IVsockHost
    {
        public Dictionary<uint, FakeVsockStream> Opened { get; } = [];

        public Queue<(uint Port, FakeVsockStream Stream)> Incoming { get; } = new();

        public void Clear() => Opened.Clear();

        public void Connect(Action onChange) { }

        public IVsockStream? TryOpen(uint port) => port == HostPort ? Opened[port] = new FakeVsockStream() : null;

        public IVsockStream? TakeIncoming(out uint port)
        {
            port = 0;
            if (!Incoming.TryDequeue(out var next))
                return null;
            port = next.Port;
            return next.Stream;
        }
    }
}
