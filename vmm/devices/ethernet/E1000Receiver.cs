using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>An 82540EM's receive ring: puts frames into the buffers of its descriptors.</summary>
/// <remarks>Intel, Software Developer's Manual, 3.2.2 (receive data storage), 3.2.3 (descriptors), 3.2.6 (ring), 13.4.22 (RCTL); checksums: <see cref="E1000ReceiveChecksum"/>.</remarks>
internal sealed class E1000Receiver(IGuestMemory memory, E1000Registers registers)
{
    private const int DescriptorBytes = 16, ChecksumBytes = 4, MinFrameBytes = 60, TagOffset = 12, TagBytes = 4;

    // The longest frame without a tag, with its checksum; what the device takes at all.
    private const int StandardBytes = 1522 - ChecksumBytes, LongestBytes = 16384 - ChecksumBytes;

    private const uint Enable = 2, LongPackets = 1 << 5, StripChecksum = 1 << 26, LargeBuffers = 1 << 25, VlanMode = 1 << 30;
    private const int SizeShift = 16, ThresholdShift = 8;
    private const byte Done = 1, EndOfPacket = 2, HasTag = 8, PassedInexact = 0x80;

    private readonly byte[] _frame = new byte[EthernetFrame.MaxBytes];

    /// <summary>What became of a frame.</summary>
    public enum Result
    {
        /// <summary>It is in memory.</summary>
        Stored,

        /// <summary>It is none that the driver wants.</summary>
        Dropped,

        /// <summary>It waits for more buffers.</summary>
        NoBuffers,
    }

    /// <summary>The driver takes frames.</summary>
    public bool IsEnabled => (registers[E1000Registers.ReceiveControl] & Enable) != 0 && Entries > 0;

    /// <summary>No more buffers are left than the driver wants to be told of.</summary>
    public bool IsShort => Free <= Entries >> (int)((registers[E1000Registers.ReceiveControl] >> ThresholdShift & 3) + 1);

    private uint Entries => registers[E1000Registers.ReceiveLength] / DescriptorBytes;

    private uint Free
    {
        get
        {
            var (head, tail) = (registers[E1000Registers.ReceiveHead], registers[E1000Registers.ReceiveTail]);
            return head >= Entries || tail >= Entries ? 0 : tail >= head ? tail - head : Entries - head + tail;
        }
    }

    private int BufferBytes
    {
        get
        {
            var control = registers[E1000Registers.ReceiveControl];
            var size = (int)(control >> SizeShift & 3);
            return (control & LargeBuffers) != 0 && size != 0 ? 32768 >> size : 2048 >> size;
        }
    }

    /// <summary>Takes a frame, if the driver wants it and has room.</summary>
    public Result Take(ReadOnlySpan<byte> frame)
    {
        var control = registers[E1000Registers.ReceiveControl];
        var longest = (control & LongPackets) != 0 ? LongestBytes : StandardBytes;
        if (frame.Length < EthernetFrame.HeaderBytes || frame.Length > longest || !E1000Filter.Passes(registers, frame, out var isInexact))
            return Result.Dropped;
        var (checksums, errors) = E1000ReceiveChecksum.Check(registers[E1000Registers.ReceiveChecksum], frame, E1000Filter.TryGetTag(registers, frame, out _));
        var status = (byte)(Done | checksums | (isInexact ? PassedInexact : 0));
        var length = Prepare(frame, ref status, out var tag);
        var size = BufferBytes;
        var needed = (length + size - 1) / size;
        if (needed > Free)
            return needed >= Entries ? Result.Dropped : Result.NoBuffers;
        for (var at = 0; at < length; at += size)
        {
            var piece = _frame.AsSpan(at, Math.Min(size, length - at));
            Store(piece, tag, at + size >= length ? (byte)(status | EndOfPacket) : status, errors);
        }
        registers.Count(E1000Registers.TotalReceived);
        registers.Count(E1000Registers.GoodReceived);
        registers.CountBytes(E1000Registers.GoodOctetsReceived, frame.Length);
        return Result.Stored;
    }

    // As it goes to memory: padded, without its tag where that is taken out, with a place for the checksum, which nobody computes here.
    private int Prepare(ReadOnlySpan<byte> frame, ref byte status, out ushort tag)
    {
        tag = 0;
        var length = frame.Length;
        if ((registers[E1000Registers.Control] & VlanMode) != 0 && E1000Filter.TryGetTag(registers, frame, out tag))
        {
            status |= HasTag;
            frame[..TagOffset].CopyTo(_frame);
            frame[(TagOffset + TagBytes)..].CopyTo(_frame.AsSpan(TagOffset));
            length -= TagBytes;
        }
        else
        {
            frame.CopyTo(_frame);
        }
        if (length < MinFrameBytes)
        {
            _frame.AsSpan(length, MinFrameBytes - length).Clear();
            length = MinFrameBytes;
        }
        if ((registers[E1000Registers.ReceiveControl] & StripChecksum) != 0)
            return length;
        _frame.AsSpan(length, ChecksumBytes).Clear();
        return length + ChecksumBytes;
    }

    private void Store(ReadOnlySpan<byte> piece, ushort tag, byte status, byte errors)
    {
        var head = registers[E1000Registers.ReceiveHead];
        var address = (registers[E1000Registers.ReceiveBase] | (ulong)registers[E1000Registers.ReceiveBaseHigh] << 32) + (ulong)head * DescriptorBytes;
        registers[E1000Registers.ReceiveHead] = head + 1 >= Entries ? 0 : head + 1;
        Span<byte> descriptor = stackalloc byte[DescriptorBytes];
        if (!memory.TryRead(address, descriptor))
            return;
        // A buffer that is no RAM keeps nothing: the driver's own loss.
        _ = memory.TryWrite(BinaryPrimitives.ReadUInt64LittleEndian(descriptor), piece);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[8..], (ushort)piece.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[10..], 0);
        (descriptor[12], descriptor[13]) = (status, errors);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], tag);
        _ = memory.TryWrite(address + 8, descriptor[8..]);
    }
}
