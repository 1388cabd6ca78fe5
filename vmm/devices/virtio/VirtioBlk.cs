using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Block device: reads, writes, flush, discard, write zeroes, and the serial number.</summary>
/// <remarks>
/// VIRTIO 1.2, 5.2. A request is a 16-byte header that the device reads, data, and a status byte that ends the writable part (5.2.6). One without room for a
/// status breaks the queue, as there is no other way to tell.
/// </remarks>
public sealed class VirtioBlk : VirtioDevice, IDisposable
{
    public const int SectorBytes = 512;

    /// <summary>Longest serial number (5.2.6, VIRTIO_BLK_T_GET_ID).</summary>
    public const int MaxSerialBytes = 20;

    private const ulong SegmentMax = 1UL << 2, ReadOnly = 1UL << 5, BlockSize = 1UL << 6, Flush = 1UL << 9, Discard = 1UL << 13, WriteZeroes = 1UL << 14;

    private const uint TypeIn = 0, TypeOut = 1, TypeFlush = 4, TypeGetId = 8, TypeDiscard = 11, TypeWriteZeroes = 13;
    private const byte StatusOk = 0, StatusIoError = 1, StatusUnsupported = 2;
    private const int HeaderBytes = 16, RangeBytes = 16, MaxRanges = 1;
    private const int PieceBytes = 64 * 1024;
    private const uint FlagUnmap = 1;

    // Of a discard or write zeroes: 1 GiB, so that one exit's work has an end.
    private const uint MaxRangeSectors = 1 << 21;

    private readonly IBlockImage _image;
    private readonly byte[] _serial = new byte[MaxSerialBytes];
    private readonly byte[] _configuration = new byte[60];

    // A copy lies between image and guest memory: the host's read must not end in ROM, nor change while it is written.
    private readonly byte[] _piece = new byte[PieceBytes];

    /// <param name="image">The disk; the device's own from here on.</param>
    /// <param name="serial">At most <see cref="MaxSerialBytes"/> bytes.</param>
    public VirtioBlk(IGuestMemory memory, IClock clock, IBlockImage image, string serial = "")
        : base(memory, clock, queueCount: 1)
    {
        _image = image;
        Encoding.UTF8.GetBytes(serial, _serial);
        var fields = _configuration.AsSpan();
        BinaryPrimitives.WriteInt64LittleEndian(fields, image.Bytes / SectorBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[12..], QueueSize - 2);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[20..], SectorBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[36..], MaxRangeSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[40..], MaxRanges);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[44..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[48..], MaxRangeSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[52..], MaxRanges);
        fields[56] = 1;
    }

    public override string TypeName => "virtio-blk";

    public override ushort TypeId => 2;

    public override (byte Base, byte Sub) PciClass => (1, 0);

    public override ulong DeviceFeatures => SegmentMax | BlockSize | Flush | (_image.IsReadOnly ? ReadOnly : Discard | WriteZeroes);

    public override int ConfigurationBytes => _configuration.Length;

    public override IReadOnlyList<Register> ConfigurationRegisters { get; } =
    [
        new("capacity", 0, 8, RegisterAccess.Read, null, "in 512-byte sectors"),
        new("size_max", 8, 4, RegisterAccess.Read, 0),
        new("seg_max", 12, 4, RegisterAccess.Read),
        new("geometry", 16, 4, RegisterAccess.Read, 0),
        new("blk_size", 20, 4, RegisterAccess.Read, SectorBytes),
        new("max_discard_sectors", 36, 4, RegisterAccess.Read, MaxRangeSectors),
        new("max_discard_seg", 40, 4, RegisterAccess.Read, MaxRanges),
        new("discard_sector_alignment", 44, 4, RegisterAccess.Read, 1),
        new("max_write_zeroes_sectors", 48, 4, RegisterAccess.Read, MaxRangeSectors),
        new("max_write_zeroes_seg", 52, 4, RegisterAccess.Read, MaxRanges),
        new("write_zeroes_may_unmap", 56, 1, RegisterAccess.Read, 1),
    ];

    public override byte ReadConfiguration(int offset) => _configuration[offset];

    public void Dispose() => _image.Dispose();

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        var chain = ring.Chain;
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (chain.WritableBytes == 0 || !chain.TryRead(Memory, 0, header))
        {
            ring.Push(0);
            return true;
        }
        var type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        var room = chain.WritableBytes - 1;
        ulong written = 0;
        var status = type switch
        {
            TypeIn => Read(chain, sector, room, out written),
            TypeOut => Write(chain, sector),
            TypeFlush => _image.TryFlush() ? StatusOk : StatusIoError,
            TypeGetId => GetId(chain, room, out written),
            TypeDiscard or TypeWriteZeroes => Ranges(chain, isDiscard: type == TypeDiscard),
            _ => StatusUnsupported,
        };
        chain.TryWrite(Memory, room, [status]);
        // 2.7.8.2: so many bytes from the start; the status is behind all data.
        ring.Push((uint)Math.Min(status == StatusOk && written == room ? room + 1 : written, uint.MaxValue));
        return true;
    }

    private byte Read(DescriptorChain chain, ulong sector, ulong bytes, out ulong written)
    {
        written = 0;
        if (!IsInside(sector, bytes))
            return StatusIoError;
        var offset = (long)sector * SectorBytes;
        while (written < bytes)
        {
            var piece = _piece.AsSpan(0, (int)Math.Min(bytes - written, PieceBytes));
            if (!_image.TryRead(offset, piece) || !chain.TryWrite(Memory, written, piece))
                return StatusIoError;
            (offset, written) = (offset + piece.Length, written + (ulong)piece.Length);
        }
        return StatusOk;
    }

    private byte Write(DescriptorChain chain, ulong sector)
    {
        var bytes = chain.ReadableBytes - HeaderBytes;
        if (_image.IsReadOnly || !IsInside(sector, bytes))
            return StatusIoError;
        var offset = (long)sector * SectorBytes;
        for (ulong done = 0; done < bytes;)
        {
            var piece = _piece.AsSpan(0, (int)Math.Min(bytes - done, PieceBytes));
            if (!chain.TryRead(Memory, HeaderBytes + done, piece) || !_image.TryWrite(offset, piece))
                return StatusIoError;
            (offset, done) = (offset + piece.Length, done + (ulong)piece.Length);
        }
        return StatusOk;
    }

    private byte GetId(DescriptorChain chain, ulong room, out ulong written)
    {
        written = Math.Min(room, MaxSerialBytes);
        return chain.TryWrite(Memory, 0, _serial.AsSpan(0, (int)written)) ? StatusOk : StatusIoError;
    }

    // 5.2.6: struct virtio_blk_discard_write_zeroes; an unknown flag, and UNMAP on a discard, are unsupported.
    private byte Ranges(DescriptorChain chain, bool isDiscard)
    {
        var bytes = chain.ReadableBytes - HeaderBytes;
        if (_image.IsReadOnly || bytes == 0 || bytes % RangeBytes != 0)
            return StatusIoError;
        if (bytes / RangeBytes > MaxRanges)
            return StatusUnsupported;
        Span<byte> range = stackalloc byte[RangeBytes];
        if (!chain.TryRead(Memory, HeaderBytes, range))
            return StatusIoError;
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(range);
        var sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
        if ((flags & ~FlagUnmap) != 0 || (isDiscard && flags != 0))
            return StatusUnsupported;
        if (sectors > MaxRangeSectors || !IsInside(sector, (ulong)sectors * SectorBytes))
            return StatusIoError;
        if (sectors == 0)
            return StatusOk;
        var (offset, length) = ((long)sector * SectorBytes, (long)sectors * SectorBytes);
        var done = isDiscard ? _image.TryDiscard(offset, length) : _image.TryWriteZeroes(offset, length, (flags & FlagUnmap) != 0);
        return done ? StatusOk : StatusIoError;
    }

    private bool IsInside(ulong sector, ulong bytes)
    {
        var size = (ulong)_image.Bytes;
        return bytes % SectorBytes == 0 && sector <= size / SectorBytes && bytes <= size - sector * SectorBytes;
    }
}
