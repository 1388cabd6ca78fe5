using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>An 82540EM's transmit ring: puts frames together from descriptors, fills checksums in, cuts TCP packets into segments.</summary>
/// <remarks>
/// Intel, Software Developer's Manual, 3.3 (descriptors: 3.3.3 legacy, 3.3.6 context, 3.3.7 data), 3.4 (ring), 3.5 (segmentation), 3.5.4 to 3.5.8 (what is
/// changed in each segment's headers).
/// </remarks>
internal sealed class E1000Transmitter(IGuestMemory memory, E1000Registers registers)
{
    private const int DescriptorBytes = 16, StatusOffset = 12, MaxSegmentHeader = 255;

    // More than any packet has: a header of 255 bytes and 64 KiB.
    private const int MaxPacketBytes = EthernetFrame.MaxBytes + MaxSegmentHeader;

    private const uint Enable = 2, VlanMode = 1 << 30;

    // DCMD, or CMD of a legacy descriptor, as bits of the second half.
    private const ulong EndOfPacket = 1UL << 24, InsertChecksum = 1UL << 26, Segment = 1UL << 26, ReportStatus = 1UL << 27, Extended = 1UL << 29, InsertVlan = 1UL << 30;
    private const int TypeShift = 20;

    // POPTS.
    private const ulong IpChecksum = 1UL << 40, TransportChecksum = 1UL << 41;

    // TUCMD, in a context.
    private const ulong IsTcp = 1UL << 24, IsIpV4 = 1UL << 25;

    private const byte Done = 1;
    private const int IpLengthOffset = 2, IpIdOffset = 4, Ip6LengthOffset = 4, Ip6HeaderBytes = 40, TcpSequenceOffset = 4, TcpFlagsOffset = 13, UdpLengthOffset = 4;
    private const byte FinAndPush = 9;
    private const int TagOffset = 12, TagBytes = 4;

    private readonly byte[] _packet = new byte[MaxPacketBytes];
    private readonly byte[] _frame = new byte[MaxPacketBytes + TagBytes];
    private int _length;
    private bool _isOverlong;
    private ulong _contextLow, _contextHigh, _options;

    /// <summary>Takes each frame.</summary>
    public required Action<ReadOnlyMemory<byte>> OnFrame { get; init; }

    /// <summary>Frames that were given on since it was last set to 0.</summary>
    public int FrameCount { get; set; }

    /// <summary>There is a descriptor to be looked at. A tail outside the ring, which the head would chase for ever, names none.</summary>
    public bool HasWork => (registers[E1000Registers.TransmitControl] & Enable) != 0
        && registers[E1000Registers.TransmitHead] is var head && registers[E1000Registers.TransmitTail] is var tail && head != tail && head < Entries && tail < Entries;

    private uint Entries => registers[E1000Registers.TransmitLength] / DescriptorBytes;

    /// <summary>Carries the descriptor at the head out.</summary>
    /// <returns>Whether its status was to be told.</returns>
    public bool RunNext()
    {
        var head = registers[E1000Registers.TransmitHead];
        var address = (registers[E1000Registers.TransmitBase] | (ulong)registers[E1000Registers.TransmitBaseHigh] << 32) + (ulong)head * DescriptorBytes;
        registers[E1000Registers.TransmitHead] = head + 1 >= Entries ? 0 : head + 1;
        Span<byte> descriptor = stackalloc byte[DescriptorBytes];
        // What is no RAM is no descriptor: it is gone past.
        if (!memory.TryRead(address, descriptor))
            return false;
        var (low, high) = (BinaryPrimitives.ReadUInt64LittleEndian(descriptor), BinaryPrimitives.ReadUInt64LittleEndian(descriptor[8..]));
        var isExtended = (high & Extended) != 0;
        if (isExtended && (high >> TypeShift & 0xf) == 0)
            (_contextLow, _contextHigh) = (low, high);
        else
            AddData(low, high, isExtended);
        if ((high & ReportStatus) == 0)
            return false;
        _ = memory.TryWrite(address + StatusOffset, [(byte)(descriptor[StatusOffset] | Done)]);
        return true;
    }

    public void Reset() => (_length, _isOverlong, _contextLow, _contextHigh, _options) = (0, false, 0, 0, 0);

    public void Save(StateWriter writer)
    {
        writer.Bytes(_packet.AsSpan(0, _length));
        writer.Bool(_isOverlong);
        writer.UInt64(_contextLow);
        writer.UInt64(_contextHigh);
        writer.UInt64(_options);
    }

    public void Load(ref StateReader reader)
    {
        var packet = reader.Bytes(MaxPacketBytes);
        packet.CopyTo(_packet);
        _length = packet.Length;
        _isOverlong = reader.Bool();
        (_contextLow, _contextHigh, _options) = (reader.UInt64(), reader.UInt64(), reader.UInt64());
    }

    private void AddData(ulong address, ulong descriptor, bool isExtended)
    {
        // The first data descriptor's options are the packet's (3.3.7).
        if (_length == 0 && !_isOverlong)
            _options = descriptor;
        var bytes = (int)(descriptor & (isExtended ? 0xfffffu : 0xffffu));
        if (bytes > MaxPacketBytes - _length)
            _isOverlong = true;
        else if (memory.TryRead(address, _packet.AsSpan(_length, bytes)))
            _length += bytes;
        else
            _isOverlong = true;
        if ((descriptor & EndOfPacket) == 0)
            return;
        if (!_isOverlong && _length > 0)
            SendPacket(descriptor, isExtended);
        (_length, _isOverlong) = (0, false);
    }

    private void SendPacket(ulong last, bool isExtended)
    {
        var tag = (last & InsertVlan) != 0 && (registers[E1000Registers.Control] & VlanMode) != 0 ? (ushort)(last >> 48) : (ushort?)null;
        if (!isExtended)
        {
            // CSO and CSS.
            if ((last & InsertChecksum) != 0)
                PutChecksum(_packet.AsSpan(0, _length), (int)(last >> 40 & 0xff), 0, (int)(last >> 16 & 0xff));
            Send(_packet.AsSpan(0, _length), tag);
        }
        else if ((last & Segment) != 0)
        {
            SendSegments(tag);
        }
        else
        {
            PutChecksums(_packet.AsSpan(0, _length));
            Send(_packet.AsSpan(0, _length), tag);
        }
    }

    // The context: where checksums begin (CSS), go (CSO) and end (CSE; 0: the packet's end), of IP and of what IP carries.
    private void PutChecksums(Span<byte> packet)
    {
        if ((_options & TransportChecksum) != 0)
            PutChecksum(packet, (int)(_contextLow >> 32 & 0xff), (int)(_contextLow >> 48), (int)(_contextLow >> 40 & 0xff));
        if ((_options & IpChecksum) != 0)
            PutChecksum(packet, (int)(_contextLow & 0xff), (int)(_contextLow >> 16 & 0xffff), (int)(_contextLow >> 8 & 0xff));
    }

    private static void PutChecksum(Span<byte> packet, int start, int last, int at)
    {
        var end = last == 0 ? packet.Length : Math.Min(last + 1, packet.Length);
        if (start < end && at + 2 <= packet.Length)
            BinaryPrimitives.WriteUInt16BigEndian(packet[at..], (ushort)~InternetChecksum.Sum(packet[start..end], 0));
    }

    private void SendSegments(ushort? tag)
    {
        var header = (int)(_contextHigh >> 40 & 0xff);
        var most = (int)(_contextHigh >> 48);
        var (ip, transport) = ((int)(_contextLow & 0xff), (int)(_contextLow >> 32 & 0xff));
        // What is no packet that can be cut is dropped.
        if (most == 0 || header == 0 || header >= _length || !HasHeaders(ip, transport, header))
            return;
        var payload = _length - header;
        for (int done = 0, index = 0; done < payload; index++)
        {
            var bytes = Math.Min(most, payload - done);
            var frame = _frame.AsSpan(0, header + bytes);
            _packet.AsSpan(0, header).CopyTo(frame);
            _packet.AsSpan(header + done, bytes).CopyTo(frame[header..]);
            PrepareSegment(frame, ip, transport, done, index, isLast: done + bytes == payload);
            PutChecksums(frame);
            Give(frame.Length, tag);
            done += bytes;
        }
    }

    private bool HasHeaders(int ip, int transport, int header)
    {
        var ipBytes = (_contextHigh & IsIpV4) != 0 ? 20 : Ip6HeaderBytes;
        var transportBytes = (_contextHigh & IsTcp) != 0 ? 20 : 8;
        return ip + ipBytes <= header && transport + transportBytes <= header;
    }

    private void PrepareSegment(Span<byte> frame, int ip, int transport, int done, int index, bool isLast)
    {
        if ((_contextHigh & IsIpV4) != 0)
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + IpLengthOffset)..], (ushort)(frame.Length - ip));
            Add16(frame[(ip + IpIdOffset)..], index);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + Ip6LengthOffset)..], (ushort)(frame.Length - ip - Ip6HeaderBytes));
        }
        var length = frame.Length - transport;
        if ((_contextHigh & IsTcp) != 0)
        {
            var sequence = frame[(transport + TcpSequenceOffset)..];
            BinaryPrimitives.WriteUInt32BigEndian(sequence, BinaryPrimitives.ReadUInt32BigEndian(sequence) + (uint)done);
            if (!isLast)
                frame[transport + TcpFlagsOffset] &= unchecked((byte)~FinAndPush);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(transport + UdpLengthOffset)..], (ushort)length);
        }
        // 3.5.7: the driver left the pseudo header's sum there, without the length, which differs from one to the next.
        var at = (int)(_contextLow >> 40 & 0xff);
        if ((_options & TransportChecksum) != 0 && at + 2 <= frame.Length)
            BinaryPrimitives.WriteUInt16BigEndian(frame[at..], (ushort)InternetChecksum.Sum([], BinaryPrimitives.ReadUInt16BigEndian(frame[at..]) + (uint)length));
    }

    private static void Add16(Span<byte> field, int value) => BinaryPrimitives.WriteUInt16BigEndian(field, (ushort)(BinaryPrimitives.ReadUInt16BigEndian(field) + value));

    private void Send(ReadOnlySpan<byte> packet, ushort? tag)
    {
        packet.CopyTo(_frame);
        Give(packet.Length, tag);
    }

    private void Give(int length, ushort? tag)
    {
        if (tag is { } value && length >= TagOffset)
        {
            _frame.AsSpan(TagOffset, length - TagOffset).CopyTo(_frame.AsSpan(TagOffset + TagBytes));
            BinaryPrimitives.WriteUInt16BigEndian(_frame.AsSpan(TagOffset), (ushort)registers[E1000Registers.VlanType]);
            BinaryPrimitives.WriteUInt16BigEndian(_frame.AsSpan(TagOffset + 2), value);
            length += TagBytes;
        }
        FrameCount++;
        if (length < EthernetFrame.HeaderBytes || length > EthernetFrame.MaxBytes)
            return;
        registers.Count(E1000Registers.TotalTransmitted);
        registers.Count(E1000Registers.GoodTransmitted);
        registers.CountBytes(E1000Registers.GoodOctetsTransmitted, length);
        OnFrame(_frame.AsMemory(0, length));
    }
}
