using System.Buffers.Binary;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>Intel PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual, as a driver sees it.</summary>
public sealed class E1000Tests
{
    private const ulong Base = 0xfe000000;
    private const uint TransmitRing = 0x1000, ReceiveRing = 0x2000, Buffers = 0x8000;
    private const int Entries = 16;
    private const uint TransmitDone = 1, TransmitEmpty = 2, LinkChanged = 4, ReceiveShort = 1 << 4, Overrun = 1 << 6, ReceiveDone = 1 << 7;

    private readonly ArrayMemory _memory = new(1 << 18);
    private readonly RecordingLine _pin = new();
    private readonly Cable _cable = new();
    private readonly Bench _bench;
    private readonly Vmm.Devices.Ethernet.E1000 _device;
    private uint _transmitTail;

    public E1000Tests()
    {
        _bench = DeviceCatalogue.NewE1000(_cable, _memory, _pin);
        _device = (Vmm.Devices.Ethernet.E1000)_bench.Devices[1];
        _bench.Bus.WritePort(0xcf8, 4, 0x80001004);
        _bench.Bus.WritePort(0xcfc, 2, 7);
        Set(0x3800, TransmitRing);
        Set(0x3808, Entries * 16);
        Set(0x0400, 2);
        Set(0x2800, ReceiveRing);
        Set(0x2808, Entries * 16);
        for (var i = 0; i < Entries; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(_memory.Bytes.AsSpan((int)ReceiveRing + i * 16), Buffers + 0x10000 + (uint)i * 2048);
    }

    [Fact]
    public void The_eeprom_has_the_address_and_sums_to_baba_by_word_and_by_bit()
    {
        var words = Enumerable.Range(0, 64).Select(ByWord).ToArray();
        Assert.Equal([0x5452, 0x1200, 0x5634], words[..3].Select(word => (int)word));
        Assert.Equal(0xbaba, (ushort)words.Sum(word => word));
        Assert.Equal(words, Enumerable.Range(0, 64).Select(ByBit));
        Assert.Equal((0x12005452u, 0x80005634u), (Get(0x5400), Get(0x5404)));

        ushort ByWord(int word)
        {
            Set(0x14, (uint)word << 8 | 1);
            Assert.Equal(1u << 4, Get(0x14) & 1 << 4);
            return (ushort)(Get(0x14) >> 16);
        }

        // Start bit, 10b, six bits of address; then 16 clocks.
        ushort ByBit(int word)
        {
            Set(0x10, 0x40);
            Assert.Equal(0x1c0u, Get(0x10) & 0x1c0);
            for (var bit = 8; bit >= 0; bit--)
                Clock((0x180 | word) >> bit & 1);
            ushort value = 0;
            for (var bit = 0; bit < 16; bit++)
                value = (ushort)(value << 1 | Clock(0));
            Set(0x10, 0);
            return value;
        }

        int Clock(int dataIn)
        {
            var pins = 0x42u | (dataIn != 0 ? 4u : 0);
            Set(0x10, pins);
            Set(0x10, pins | 1);
            var dataOut = (int)(Get(0x10) >> 3 & 1);
            Set(0x10, pins);
            return dataOut;
        }
    }

    [Fact]
    public void The_transceiver_is_found_and_its_link_is_the_cables()
    {
        Assert.Equal((0x0141, 0x0c20), (Mdi(2), Mdi(3)));
        Assert.Equal((4, 2u), (Mdi(1) & 4, Get(8) & 2));
        Set(0xd0, LinkChanged);
        _cable.IsUp = false;
        _device.Poll();
        Assert.Equal((0, 0u, true), (Mdi(1) & 4, Get(8) & 2, _pin.Level));
        Assert.Equal(LinkChanged, Get(0xc0));
        Assert.False(_pin.Level);
        Set(0x20, 2u << 21 | 2 << 26);
        Assert.Equal(1u << 30, Get(0x20) & 1 << 30);

        int Mdi(int register)
        {
            Set(0x20, (uint)register << 16 | 1 << 21 | 2 << 26);
            Assert.Equal(1u << 28, Get(0x20) & (1 << 28 | 1 << 30));
            return (ushort)Get(0x20);
        }
    }

    [Fact]
    public void A_frame_of_several_descriptors_goes_out_whole_and_is_reported_where_asked()
    {
        Put(Buffers, Enumerable.Range(0, 40).Select(i => (byte)i).ToArray());
        Put(Buffers + 0x100, Enumerable.Range(40, 30).Select(i => (byte)i).ToArray());
        Transmit(Buffers, 40, 0);
        Transmit(Buffers + 0x100, 30, 9 << 24);
        Assert.Equal(Enumerable.Range(0, 70).Select(i => (byte)i), Assert.Single(_cable.Sent));
        Assert.Equal((0, 1), (_memory.Bytes[TransmitRing + 12], _memory.Bytes[TransmitRing + 16 + 12]));
        Assert.Equal(TransmitDone | TransmitEmpty, Get(0xc0));
        Assert.Equal((2u, 1u, 70u, 0u), (Get(0x3810), Get(0x4080), Get(0x4090), Get(0x4080)));
    }

    [Fact]
    public void Checksums_are_put_where_the_context_says()
    {
        var frame = TcpFrame(payload: 5);
        Put(Buffers, frame);
        Context(headerBytes: 0, most: 0, tucmd: 3);
        Data(Buffers, frame.Length, 9, popts: 3);
        var sent = Assert.Single(_cable.Sent);
        Assert.Equal(0xffff, OnesSum(sent[14..34], 0));
        Assert.Equal(0xffff, OnesSum(sent[34..], PseudoHeader(sent, sent.Length - 34)));
    }

    [Fact]
    public void A_legacy_descriptor_has_a_checksum_of_its_own()
    {
        var frame = new byte[64];
        frame.AsSpan(20).Fill(0x11);
        frame[40] = frame[41] = 0;
        Put(Buffers, frame);
        // CSO 40, CSS 20: IC, EOP.
        Transmit(Buffers, frame.Length, 40u << 16 | 5 << 24, (ulong)20 << 8);
        Assert.Equal(0xffff, OnesSum(Assert.Single(_cable.Sent)[20..], 0));
    }

    [Fact]
    public void A_tcp_packet_is_cut_into_segments_with_headers_of_their_own()
    {
        var frame = TcpFrame(payload: 2500);
        // Without the length, as drivers leave it.
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(50), (ushort)OnesSum([], PseudoHeader(frame, 0)));
        frame[47] = 0x19;
        Put(Buffers, frame);
        Context(headerBytes: 54, most: 1000, tucmd: 7);
        Data(Buffers, frame.Length, 0xd, popts: 3);
        Assert.Equal([1054, 1054, 554], _cable.Sent.Select(sent => sent.Length));
        var payload = 0;
        for (var i = 0; i < 3; i++)
        {
            var sent = _cable.Sent[i];
            Assert.Equal(sent.Length - 14, BinaryPrimitives.ReadUInt16BigEndian(sent.AsSpan(16)));
            Assert.Equal(0x1234 + i, BinaryPrimitives.ReadUInt16BigEndian(sent.AsSpan(18)));
            Assert.Equal(0x01020304u + (uint)payload, BinaryPrimitives.ReadUInt32BigEndian(sent.AsSpan(38)));
            Assert.Equal(i == 2 ? 0x19 : 0x10, sent[47]);
            Assert.Equal(0xffff, OnesSum(sent[14..34], 0));
            Assert.Equal(0xffff, OnesSum(sent[34..], PseudoHeader(sent, sent.Length - 34)));
            Assert.Equal(frame[(54 + payload)..(54 + payload + sent.Length - 54)], sent[54..]);
            payload += sent.Length - 54;
        }
        Assert.Equal(2500, payload);
    }

    [Fact]
    public void Tags_are_put_in_and_taken_out()
    {
        Set(0, Get(0) | 1 << 30);
        Put(Buffers, new byte[64]);
        Transmit(Buffers, 64, 0x49u << 24, (ulong)0x0123 << 16);
        var sent = Assert.Single(_cable.Sent);
        Assert.Equal((68, 0x81, 0x00, 0x01, 0x23), (sent.Length, sent[12], sent[13], sent[14], sent[15]));
        Enable(1 << 3 | 1 << 26, 8);
        _cable.Waiting.Enqueue(sent);
        _device.Poll();
        Assert.Equal((64, 8, 0x0123), (Length(0), Status(0) & 8, BinaryPrimitives.ReadUInt16LittleEndian(_memory.Bytes.AsSpan((int)ReceiveRing + 14))));
    }

    [Theory]
    [InlineData("525400123456", 0u, true)]
    [InlineData("525400123457", 0u, false)]
    [InlineData("525400123457", 1u << 3, true)]
    [InlineData("ffffffffffff", 1u << 15, true)]
    [InlineData("ffffffffffff", 0u, false)]
    [InlineData("01005e000001", 1u << 4, true)]
    [InlineData("01005e000001", 0u, false)]
    [InlineData("01005e0000fb", 0u, true)]
    public void Frames_pass_by_address_mode_and_hash(string destination, uint modes, bool passes)
    {
        // 01:00:5e:00:00:fb with RCTL.MO 0: bits 47 to 36.
        Set(0x5200 + 0xfb0 / 32 * 4, 1u << 0xfb0 % 32);
        Enable(modes, 8);
        Arrive(destination, 60);
        Assert.Equal(passes, Status(0) != 0);
        Assert.Empty(_cable.Waiting);
    }

    [Fact]
    public void A_frame_lies_in_as_many_buffers_as_it_takes_with_room_for_its_checksum()
    {
        Enable(1 << 3 | 3 << 16, 15);
        Arrive("525400123456", 600);
        Assert.Equal((256, 256, 92), (Length(0), Length(1), Length(2)));
        Assert.Equal((5, 5, 7), (Status(0), Status(1), Status(2)));
        Assert.Equal(3u, Get(0x2810));
        Assert.Equal(ReceiveDone, Get(0xc0));
    }

    [Theory]
    [InlineData(0x000u, "", 0x04, 0x00)]
    [InlineData(0x300u, "", 0x60, 0x00)]
    [InlineData(0x100u, "", 0x40, 0x00)]
    [InlineData(0x200u, "", 0x20, 0x00)]
    [InlineData(0x300u, "data", 0x60, 0x20)]
    [InlineData(0x300u, "header", 0x60, 0x40)]
    [InlineData(0x300u, "fragment", 0x40, 0x00)]
    [InlineData(0x300u, "protocol", 0x40, 0x00)]
    [InlineData(0x300u, "length", 0x04, 0x00)]
    [InlineData(0x300u, "type", 0x04, 0x00)]
    [InlineData(0x300u, "tag", 0x60, 0x00)]
    public void A_received_packets_checksums_are_told_where_the_driver_asks_for_them(uint control, string change, int status, int errors)
    {
        var frame = TcpFrame(payload: 101);
        // The field has the pseudo header's sum, so that the sum of all is what goes there.
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(50), (ushort)~OnesSum(frame[34..], 0));
        switch (change)
        {
            case "data":
                frame[150] ^= 1;
                break;
            case "fragment":
                frame[21] = 9;
                break;
            case "protocol":
                frame[23] = 1;
                break;
            case "length":
                frame[16] = 1;
                break;
            case "type":
                frame[13] = 6;
                break;
            case "tag":
                frame = [.. frame[..12], 0x81, 0, 0, 7, .. frame[12..]];
                break;
        }
        var header = change == "tag" ? 18 : 14;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(header + 10), (ushort)~OnesSum(frame[header..(header + 20)], 0));
        if (change == "header")
            frame[22]--;
        Set(0x5000, control);
        Enable(1 << 3 | 1 << 26, 8);
        _cable.Waiting.Enqueue(frame);
        _device.Poll();
        Assert.Equal((status, errors), (Status(0) & 0x64, _memory.Bytes[ReceiveRing + 13]));
    }

    [Theory]
    [InlineData(0, 0x20, 0x00)]
    [InlineData(1, 0x20, 0x20)]
    [InlineData(-1, 0x04, 0x00)]
    public void Of_a_packet_by_IPv6_it_is_the_one_inside_and_none_where_UDP_has_none(int change, int status, int errors)
    {
        const int udpBytes = 8 + 33;
        var frame = new byte[54 + udpBytes];
        (frame[12], frame[13], frame[14], frame[19], frame[20], frame[23], frame[39]) = (0x86, 0xdd, 0x60, udpBytes, 17, 0xfe, 0xfd);
        frame.AsSpan(62).Fill(0x3c);
        var sum = (ushort)~OnesSum(frame[54..], (uint)OnesSum(frame[22..54], 17 + udpBytes));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(60), change < 0 ? (ushort)0 : (ushort)(sum + change));
        Set(0x5000, 0x300);
        Enable(1 << 3 | 1 << 26, 8);
        _cable.Waiting.Enqueue(frame);
        _device.Poll();
        Assert.Equal((status, errors), (Status(0) & 0x64, _memory.Bytes[ReceiveRing + 13]));
    }

    [Fact]
    public void A_frame_waits_for_buffers_and_the_driver_is_told()
    {
        Enable(1 << 3, 0);
        Arrive("525400123456", 60);
        Assert.Equal(Overrun, Get(0xc0));
        Assert.Single(_cable.Waiting);
        Set(0x2818, 4);
        Assert.Empty(_cable.Waiting);
        Assert.Equal(ReceiveDone | ReceiveShort, Get(0xc0));
        Assert.Equal(64, Length(0));
    }

    [Fact]
    public void Interrupts_come_no_more_often_than_itr_says()
    {
        Set(0xc4, 1000);
        Set(0xd0, LinkChanged);
        Set(0xc8, LinkChanged);
        Assert.True(_pin.Level);
        Assert.Equal(LinkChanged, Get(0xc0));
        Set(0xc8, LinkChanged);
        Assert.False(_pin.Level);
        _bench.Clock.Advance(1000 * 256);
        Assert.Equal((true, 2), (_pin.Level, _pin.Edges));
    }

    [Fact]
    public void What_is_sent_comes_back_in_loopback()
    {
        Enable(3 << 6 | 1 << 3 | 1 << 26, 8);
        Put(Buffers, Enumerable.Repeat((byte)0x42, 100).ToArray());
        Transmit(Buffers, 100, 9 << 24);
        Assert.Empty(_cable.Sent);
        Assert.Equal((100, 0x42), (Length(0), _memory.Bytes[Buffers + 0x10000]));
    }

    [Fact]
    public void Rings_that_lead_nowhere_and_packets_without_end_send_nothing_and_end()
    {
        Set(0x3800, 0xffffff00);
        Set(0x3804, uint.MaxValue);
        Set(0x3818, 15);
        Assert.Equal(15u, Get(0x3810));
        Set(0x3800, TransmitRing);
        Set(0x3804, 0);
        Set(0x3810, 0);
        Set(0x3818, 0);
        _transmitTail = 0;
        for (var i = 0; i < 15; i++)
            Transmit(Buffers, 0xffff, 0);
        Transmit(Base, 100, 9 << 24);
        Assert.Empty(_cable.Sent);
        Put(Buffers, new byte[60]);
        Transmit(Buffers, 60, 9 << 24);
        Assert.Single(_cable.Sent);
        Set(0x3810, 0xffff);
        Set(0x3818, 3);
        Assert.Single(_cable.Sent);
    }

    [Theory]
    [InlineData((uint)Entries)]
    [InlineData(0xffffu)]
    public void A_tail_outside_the_ring_names_no_descriptors(uint tail)
    {
        Set(0x3818, tail);
        _bench.Clock.Advance(1_000_000);
        Assert.Equal(0u, Get(0x3810));
        Set(0x3818, 2);
        Assert.Equal(2u, Get(0x3810));
    }

    [Fact]
    public void A_long_ring_is_left_and_gone_on_with_in_virtual_time()
    {
        Set(0x3800, 0);
        Set(0x3808, 0x10000);
        _memory.Bytes.AsSpan().Clear();
        Set(0x3818, 0xfff);
        Assert.InRange(Get(0x3810), 1u, 0xffeu);
        while (Get(0x3810) is var head and not 0xfff)
        {
            _bench.Clock.Advance(1);
            Assert.True(Get(0x3810) > head);
        }
    }

    [Fact]
    public void A_reset_clears_what_was_set_up()
    {
        Set(0xd0, uint.MaxValue);
        Set(0xc8, LinkChanged);
        Set(0, 1 << 26);
        Assert.Equal((0u, 0u, 0u, false), (Get(0xd0), Get(0xc0), Get(0x3808), _pin.Level));
        Assert.Equal(0x80005634u, Get(0x5404));
    }

    private sealed class Cable : INetworkLink
    {
        public List<byte[]> Sent { get; } = [];

        public Queue<byte[]> Waiting { get; } = new();

        public bool IsUp { get; set; } = true;

        public bool CanSend => true;

        public void Send(ReadOnlySpan<byte> frame) => Sent.Add(frame.ToArray());

        public int Peek(Span<byte> destination)
        {
            if (!Waiting.TryPeek(out var frame))
                return 0;
            frame.CopyTo(destination);
            return frame.Length;
        }

        public void Take() => Waiting.Dequeue();

        public void Connect(Action onChange) { }
    }

    private uint Get(uint offset) => (uint)_bench.Bus.ReadMmio(Base + offset, 4);

    private void Set(uint offset, uint value) => _bench.Bus.WriteMmio(Base + offset, 4, value);

    private void Put(uint address, byte[] bytes) => bytes.CopyTo(_memory.Bytes, address);

    private void Enable(uint modes, uint tail)
    {
        Set(0x2818, tail);
        Set(0x0100, 2 | modes);
    }

    private void Arrive(string destination, int bytes)
    {
        var frame = new byte[bytes];
        Convert.FromHexString(destination).CopyTo(frame, 0);
        _cable.Waiting.Enqueue(frame);
        _device.Poll();
    }

    private int Length(int entry) => BinaryPrimitives.ReadUInt16LittleEndian(_memory.Bytes.AsSpan((int)ReceiveRing + entry * 16 + 8));

    private int Status(int entry) => _memory.Bytes[(int)ReceiveRing + entry * 16 + 12];

    private void PutDescriptor(ulong low, ulong high)
    {
        var entry = _memory.Bytes.AsSpan((int)(TransmitRing + _transmitTail * 16), 16);
        BinaryPrimitives.WriteUInt64LittleEndian(entry, low);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], high);
        _transmitTail = (_transmitTail + 1) % Entries;
        Set(0x3818, _transmitTail);
    }

    private void Transmit(ulong address, int bytes, uint command, ulong upper = 0) => PutDescriptor(address, (uint)bytes | command | upper << 32);

    // IP at 14, TCP at 34.
    private void Context(int headerBytes, int most, ulong tucmd) =>
        PutDescriptor(14 | 24 << 8 | 33 << 16 | (ulong)34 << 32 | (ulong)50 << 40, (tucmd | 0x20) << 24 | (ulong)headerBytes << 40 | (ulong)most << 48);

    private void Data(ulong address, int bytes, ulong command, ulong popts) => PutDescriptor(address, (uint)bytes | 1 << 20 | (command | 0x20) << 24 | popts << 40);

    private static byte[] TcpFrame(int payload)
    {
        var frame = new byte[54 + payload];
        (frame[12], frame[14], frame[22], frame[23]) = (0x08, 0x45, 64, 6);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), (ushort)(40 + payload));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(18), 0x1234);
        (frame[26], frame[29], frame[30], frame[33]) = (10, 1, 10, 2);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(38), 0x01020304);
        frame[46] = 0x50;
        for (var i = 0; i < payload; i++)
            frame[54 + i] = (byte)(i * 7);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(50), (ushort)OnesSum([], PseudoHeader(frame, 20 + payload)));
        return frame;
    }

    private static uint PseudoHeader(byte[] frame, int length) => (uint)OnesSum(frame[26..34], 6 + (uint)length);

    private static int OnesSum(byte[] bytes, uint sum)
    {
        for (var i = 0; i < bytes.Length; i++)
            sum += (uint)bytes[i] << (i % 2 == 0 ? 8 : 0);
        while (sum > 0xffff)
            sum = (sum & 0xffff) + (sum >> 16);
        return (int)sum;
    }
}
