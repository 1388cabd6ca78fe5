using System.Buffers.Binary;
using FsCheck.Fluent;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 5.1.</summary>
public sealed class VirtioNetTests
{
    private const int ReceiveQueue = 0, TransmitQueue = 1, ControlQueue = 2, HeaderBytes = 12;
    private const ulong Buffers = 0x20000, Command = 0x60000, Ack = 0x61000, MergeableBuffers = 1UL << 15, Status = 1UL << 16, ControlVlan = 1UL << 19;
    private const byte Ok = 0, Error = 1;

    private readonly Cable _cable = new();
    private readonly VirtioPciRig _rig;
    private readonly VirtioNet _net;
    private RingDriver _receive = null!, _transmit = null!, _control = null!;
    private int _offered;

    public VirtioNetTests()
    {
        VirtioNet? net = null;
        _rig = new VirtioPciRig((memory, clock) => net = new VirtioNet(memory, clock, _cable, MacAddress.Default(0)));
        _net = net!;
        _cable.Connect(_net.Poll);
        Start(packed: false, features: 0);
    }

    [Fact]
    public void It_tells_its_address_and_that_the_link_is_up()
    {
        Assert.Equal(0x10411af4u, _rig.Config(0));
        Assert.Equal(0x12005452u, (uint)_rig.Read(0x2000, 4));
        Assert.Equal(0x5634u, (uint)_rig.Read(0x2004, 2));
        Assert.Equal(1u, (uint)_rig.Read(0x2006, 2));
    }

    [Fact]
    public void It_announces_its_address_by_a_reverse_arp_request()
    {
        _net.Announce();
        var frame = Assert.Single(_cable.Sent);
        Assert.Equal("ffffffffffff525400123456803500010800060400035254001234560000000052540012345600000000", Convert.ToHexStringLower(frame[..42]));
        Assert.Equal((60, 0), (frame.Length, frame[42..].Sum(padding => padding)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_the_driver_sends_goes_out_as_it_is_without_its_header(bool packed)
    {
        Start(packed, 0);
        Place(Buffers, HeaderBytes, 0xee);
        Place(Buffers + 0x100, 40, 1);
        Place(Buffers + 0x200, 20, 2);
        Assert.True(_transmit.Add([new(Buffers, HeaderBytes, false), new(Buffers + 0x100, 40, false), new(Buffers + 0x200, 20, false)]) >= 0);
        _rig.Notify(TransmitQueue);
        var frame = Assert.Single(_cable.Sent);
        Assert.Equal([.. Enumerable.Repeat((byte)1, 40), .. Enumerable.Repeat((byte)2, 20)], frame);
        Assert.Equal(0u, _transmit.Take()!.Value.Written);
    }

    [Theory]
    [InlineData(HeaderBytes)]
    [InlineData(HeaderBytes + EthernetFrame.MaxBytes + 1)]
    [InlineData(3)]
    public void What_is_no_frame_is_given_back_and_not_sent(int bytes)
    {
        _transmit.Add([new(Buffers, (uint)bytes, false)]);
        _rig.Notify(TransmitQueue);
        Assert.NotNull(_transmit.Take());
        Assert.Empty(_cable.Sent);
    }

    [Fact]
    public void Frames_that_the_host_has_no_room_for_stay_in_the_ring_until_it_has()
    {
        _cable.Room = 1;
        for (var i = 0; i < 3; i++)
            _transmit.Add([new(Buffers, HeaderBytes + 60, false)]);
        _rig.Notify(TransmitQueue);
        Assert.NotNull(_transmit.Take());
        Assert.Null(_transmit.Take());
        _cable.Room = 5;
        _net.Poll();
        Assert.NotNull(_transmit.Take());
        Assert.NotNull(_transmit.Take());
        Assert.Equal(3, _cable.Sent.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_frame_is_put_behind_a_header_into_one_buffer(bool packed)
    {
        Start(packed, 0);
        Offer(2000);
        var frame = Frame(300);
        _cable.Deliver(frame);
        var returned = _receive.Take()!.Value;
        Assert.Equal((uint)(HeaderBytes + 300), returned.Written);
        Assert.Equal(new byte[] { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 }, Read(Buffers, HeaderBytes));
        Assert.Equal(frame, Read(Buffers + HeaderBytes, 300));
        Assert.True(_rig.Intx.Level);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_frame_waits_until_there_are_buffers_and_no_half_of_it_is_seen(bool packed)
    {
        Start(packed, MergeableBuffers);
        Offer(100);
        var frame = Frame(250);
        _cable.Deliver(frame);
        Assert.Null(_receive.Take());
        Offer(100);
        _rig.Notify(ReceiveQueue);
        Assert.Null(_receive.Take());
        Offer(100);
        _rig.Notify(ReceiveQueue);
        Assert.Equal(100u, _receive.Take()!.Value.Written);
        Assert.Equal(100u, _receive.Take()!.Value.Written);
        Assert.Equal(62u, _receive.Take()!.Value.Written);
        Assert.Equal(3, BinaryPrimitives.ReadUInt16LittleEndian(Read(Buffers + 10, 2)));
        Assert.Equal(frame, (byte[])[.. Read(Buffers + HeaderBytes, 88), .. Read(Buffers + 0x1000, 100), .. Read(Buffers + 0x2000, 62)]);
    }

    [Fact]
    public void A_frame_that_one_buffer_cannot_hold_is_dropped_and_the_next_one_comes()
    {
        Offer(100);
        _cable.Deliver(Frame(500));
        _cable.Deliver(Frame(60));
        Assert.Equal(72u, _receive.Take()!.Value.Written);
        Assert.Null(_receive.Take());
    }

    [Fact]
    public void A_frame_that_the_whole_ring_cannot_hold_is_dropped_and_the_next_one_comes()
    {
        Start(packed: false, MergeableBuffers);
        for (var i = 0; i < 16; i++)
            Offer(20);
        _cable.Deliver(Frame(500));
        _cable.Deliver(Frame(14));
        Assert.Equal(20u, _receive.Take()!.Value.Written);
        Assert.Equal(6u, _receive.Take()!.Value.Written);
        Assert.Null(_receive.Take());
    }

    [Fact]
    public void Frames_come_before_the_driver_is_there_and_wait_for_it()
    {
        _rig.Write(0x14, 1, 0);
        _cable.Deliver(Frame(60));
        Assert.Single(_cable.Waiting);
        Start(packed: false, features: 0);
        Offer(2000);
        _rig.Notify(ReceiveQueue);
        Assert.Equal(72u, _receive.Take()!.Value.Written);
    }

    [Fact]
    public void The_receive_modes_decide_which_frames_come_through()
    {
        for (var i = 0; i < 8; i++)
            Offer(2000);
        byte[] other = Frame(60, to: 0x525400000001), group = Frame(60, to: 0x010000000001), all = Frame(60, to: 0xffffffffffff), own = Frame(60, to: 0x525400123456);
        Assert.True(Comes(other));
        SetMode(0, false);
        Assert.False(Comes(other));
        Assert.False(Comes(group));
        Assert.True(Comes(all));
        Assert.True(Comes(own));
        SetMode(1, true);
        Assert.True(Comes(group));
        SetMode(2, true);
        Assert.True(Comes(other));
        SetMode(3, true);
        Assert.False(Comes(group));
        SetMode(4, true);
        Assert.False(Comes(own));
        SetMode(5, true);
        Assert.False(Comes(all));
    }

    [Fact]
    public void The_tables_let_addresses_through_and_too_many_let_all()
    {
        for (var i = 0; i < 8; i++)
            Offer(2000);
        SetMode(0, false);
        byte[] other = Frame(60, to: 0x525400000001), group = Frame(60, to: 0x010000000001);
        Assert.Equal(Ok, Send(1, 0, [1, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]));
        Assert.True(Comes(other));
        Assert.True(Comes(group));
        Assert.Equal(Ok, Send(1, 0, [0, 0, 0, 0, 0, 0, 0, 0]));
        Assert.False(Comes(other));
        var many = new byte[4 + 65 * 6 + 4];
        many[0] = 65;
        Assert.Equal(Ok, Send(1, 0, many));
        Assert.True(Comes(other));
        Assert.False(Comes(group));
    }

    [Fact]
    public void The_driver_sets_an_address_of_its_own_until_the_next_reset()
    {
        Assert.Equal(Ok, Send(1, 1, [2, 0, 0, 0, 0, 7]));
        Assert.Equal(2u, (uint)_rig.Read(0x2000, 4));
        Assert.Equal(0x0700u, (uint)_rig.Read(0x2004, 2));
        _rig.Write(0x14, 1, 0);
        Assert.Equal(0x12005452u, (uint)_rig.Read(0x2000, 4));
    }

    [Fact]
    public void Once_vlans_are_told_apart_only_those_come_that_were_added()
    {
        Start(packed: false, ControlVlan);
        for (var i = 0; i < 8; i++)
            Offer(2000);
        SetMode(0, false);
        var tagged = Frame(60, to: 0x525400123456);
        BinaryPrimitives.WriteUInt32BigEndian(tagged.AsSpan(12), 0x8100_0005);
        Assert.False(Comes(tagged));
        Assert.Equal(Ok, Send(2, 0, [5, 0]));
        Assert.True(Comes(tagged));
        Assert.Equal(Ok, Send(2, 1, [5, 0]));
        Assert.False(Comes(tagged));
        Assert.Equal(Error, Send(2, 0, [0, 0x10]));
    }

    [Theory]
    [InlineData(0, 0, new byte[] { })]
    [InlineData(0, 0, new byte[] { 1, 1 })]
    [InlineData(0, 6, new byte[] { 1 })]
    [InlineData(1, 0, new byte[] { 2, 0, 0, 0, 1, 2, 3, 4, 5, 6 })]
    [InlineData(1, 0, new byte[] { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 })]
    [InlineData(1, 0, new byte[] { 0, 0, 0, 0, 0, 0, 0, 0, 1 })]
    [InlineData(1, 1, new byte[] { 1, 2, 3 })]
    [InlineData(9, 0, new byte[] { })]
    public void A_control_command_that_is_not_one_is_an_error(byte type, byte command, byte[] data) => Assert.Equal(Error, Send(type, command, data));

    [Fact]
    public void The_driver_is_told_when_the_link_goes_down()
    {
        Start(packed: false, Status);
        _cable.IsUp = false;
        _net.Poll();
        Assert.Equal(0u, (uint)_rig.Read(0x2006, 2));
        Assert.True(_rig.Intx.Level);
        Assert.Equal(3u, (uint)_rig.Read(0x1000, 1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Any_frames_come_whole_and_in_order_through_any_buffers(bool packed)
    {
        var step = from bytes in Gen.Choose(14, 900)
                   from room in Gen.Choose(13, 400)
                   from offer in Gen.Choose(0, 3)
                   select (bytes, room, offer);
        Prop.ForAll(step.ListOf(40).ToArbitrary(), steps =>
        {
            _cable.Waiting.Clear();
            Start(packed, MergeableBuffers);
            var (sent, got) = (new List<byte[]>(), new List<byte[]>());
            var places = new Dictionary<ushort, ulong>();
            var partial = new List<byte>();
            var (slot, left) = (0, 0);
            void Collect()
            {
                while (_receive.Take() is { } returned)
                {
                    var bytes = Read(places[returned.Id], (int)returned.Written);
                    if (left == 0)
                    {
                        left = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(10));
                        bytes = bytes[HeaderBytes..];
                    }
                    partial.AddRange(bytes);
                    if (--left > 0)
                        continue;
                    got.Add([.. partial]);
                    partial.Clear();
                }
            }
            foreach (var (bytes, room, offer) in steps)
            {
                for (var i = 0; i < offer; i++)
                {
                    var at = Buffers + (ulong)(slot++ % 64) * 0x400;
                    var id = _receive.Add([new(at, 13, true), new(at + 13, (uint)room, true)]);
                    if (id >= 0)
                        places[(ushort)id] = at;
                }
                _rig.Notify(ReceiveQueue);
                Collect();
                sent.Add(Frame(bytes, fill: (byte)sent.Count));
                _cable.Deliver(sent[^1]);
                Collect();
            }
            // What the driver never had enough buffers for is still to come, or was more than its whole ring holds.
            sent.RemoveAll(frame => !got.Any(other => other.AsSpan().SequenceEqual(frame)));
            Assert.Equal(sent, got);
            Assert.Equal(0, left);
        }).Holds(40);
    }

    private void Start(bool packed, ulong features)
    {
        _offered = 0;
        _rig.Negotiate(features | VirtioFeature.Version1 | (packed ? VirtioFeature.RingPacked : 0));
        Array.Clear(_rig.Memory.Bytes);
        _receive = _rig.SetUpQueue(ReceiveQueue, packed);
        _transmit = _rig.SetUpQueue(TransmitQueue, packed);
        _control = _rig.SetUpQueue(ControlQueue, packed);
        _rig.GoLive();
    }

    // In places of their own, a page apart from the first on.
    private void Offer(uint bytes) => Assert.True(_receive.Add([new(Buffers + (ulong)_offered++ * 0x1000, bytes, true)]) >= 0);

    private bool Comes(byte[] frame)
    {
        _cable.Deliver(frame);
        return _receive.Take() is not null;
    }

    private void SetMode(byte mode, bool on) => Assert.Equal(Ok, Send(0, mode, [on ? (byte)1 : (byte)0]));

    private byte Send(byte type, byte command, byte[] data)
    {
        byte[] all = [type, command, .. data];
        all.CopyTo(_rig.Memory.Bytes, (int)Command);
        _rig.Memory.Bytes[Ack] = 0xff;
        _control.Add([new(Command, (uint)all.Length, false), new(Ack, 1, true)]);
        _rig.Notify(ControlQueue);
        Assert.NotNull(_control.Take());
        return _rig.Memory.Bytes[Ack];
    }

    private static byte[] Frame(int bytes, ulong to = 0x525400123456, byte fill = 0x5a)
    {
        var frame = new byte[bytes];
        frame.AsSpan().Fill(fill);
        new MacAddress(to).Write(frame);
        return frame;
    }

    private void Place(ulong at, int bytes, byte value) => _rig.Memory.Bytes.AsSpan((int)at, bytes).Fill(value);

    private byte[] Read(ulong at, int bytes) => _rig.Memory.Bytes.AsSpan((int)at, bytes).ToArray();

    /// <summary>A cable whose other end the test holds.</summary>
    private sealed class Cable : INetworkLink
    {
        private Action _onChange = static () => { };

        public Queue<byte[]> Waiting { get; } = [];

        public List<byte[]> Sent { get; } = [];

        public int Room { get; set; } = int.MaxValue;

        public bool IsUp { get; set; } = true;

        public bool CanSend => Sent.Count < Room;

        public void Send(ReadOnlySpan<byte> frame) => Sent.Add(frame.ToArray());

        public int Peek(Span<byte> destination)
        {
            if (Waiting.Count == 0)
                return 0;
            Waiting.Peek().CopyTo(destination);
            return Waiting.Peek().Length;
        }

        public void Take() => Waiting.Dequeue();

        public void Connect(Action onChange) => _onChange = onChange;

        public void Deliver(byte[] frame)
        {
            Waiting.Enqueue(frame);
            _onChange();
        }
    }
}
