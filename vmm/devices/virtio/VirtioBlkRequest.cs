using System.Buffers.Binary;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>One request to a <see cref="VirtioBlk"/>, carried out on whichever thread: it touches its own chain, the image and guest memory.</summary>
/// <remarks>
/// VIRTIO 1.2, 5.2.6: a 16-byte header that the device reads, data, and a status byte that ends the writable part. A chain without room for a status is given back with
/// nothing written, as there is no other way to tell.
/// </remarks>
internal sealed class VirtioBlkRequest(VirtioBlk device) : BlockTask
{
    private const uint TypeIn = 0, TypeOut = 1, TypeFlush = 4, TypeGetId = 8, TypeDiscard = 11, TypeWriteZeroes = 13;
    private const byte StatusOk = 0, StatusIoError = 1, StatusUnsupported = 2;
    private const int HeaderBytes = 16, RangeBytes = 16, SectorBytes = VirtioBlk.SectorBytes;
    private const uint FlagUnmap = 1;

    // Of zeros in one call: a reset need not wait for more.
    private const long ZeroPieceBytes = 16 << 20;

    /// <summary>Filled before it is submitted.</summary>
    public DescriptorChain Chain { get; } = new(VirtioDevice.QueueSize);

    /// <summary>Bytes written to the chain's writable part, once it is done.</summary>
    public uint Written { get; private set; }

    /// <summary>The host's disk could not do it: nobody has been told, until <see cref="EndFailed"/>.</summary>
    public bool HasHostFailed { get; private set; }

    /// <summary>It changes the disk, or makes changes last.</summary>
    public bool IsWrite { get; private set; }

    // The data that the driver gave room for.
    private ulong _room;

    /// <summary>Carries it out here and now if it is a read, of one piece at most, that need not wait for the host's disk; false: nothing has happened yet.</summary>
    public bool TryExecuteNow()
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        // A chain without room for a status is told of in Execute.
        var room = Chain.WritableBytes - 1;
        if (room > VirtioBlk.PieceBytes || !Chain.TryRead(device.GuestMemory, 0, header) || BinaryPrimitives.ReadUInt32LittleEndian(header) != TypeIn)
            return false;
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        var piece = device.Piece[..(int)room];
        if (!IsInside(sector, room) || !device.Image.TryReadNow((long)sector * SectorBytes, piece))
            return false;
        var isWhole = Chain.TryWrite(device.GuestMemory, 0, piece);
        Finish(isWhole ? StatusOk : StatusIoError, room, isWhole ? room : 0);
        return true;
    }

    public override void Execute()
    {
        (Written, HasHostFailed) = (0, false);
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (Chain.WritableBytes == 0 || !Chain.TryRead(device.GuestMemory, 0, header))
            return;
        var type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        var room = Chain.WritableBytes - 1;
        (_room, IsWrite) = (room, type != TypeIn);
        ulong written = 0;
        var status = type switch
        {
            TypeIn => Read(sector, room, out written),
            TypeOut => Write(sector),
            TypeFlush => ByHost(device.Image.TryFlush()) ? StatusOk : StatusIoError,
            TypeGetId => GetId(room, out written),
            TypeDiscard or TypeWriteZeroes => Ranges(isDiscard: type == TypeDiscard),
            _ => StatusUnsupported,
        };
        if (!IsCancelled && !HasHostFailed)
            Finish(status, room, written);
    }

    /// <summary>Tells the driver of what the host could not do.</summary>
    /// <param name="asDone">As if it had done it.</param>
    public void EndFailed(bool asDone) => Finish(asDone ? StatusOk : StatusIoError, _room, asDone ? _room : 0);

    private bool ByHost(bool isDone)
    {
        HasHostFailed |= !isDone;
        return isDone;
    }

    private void Finish(byte status, ulong room, ulong written)
    {
        Chain.TryWrite(device.GuestMemory, room, [status]);
        // 2.7.8.2: so many bytes from the start; the status is behind all data.
        Written = (uint)Math.Min(status == StatusOk && written == room ? room + 1 : written, uint.MaxValue);
    }

    private byte Read(ulong sector, ulong bytes, out ulong written)
    {
        written = 0;
        if (!IsInside(sector, bytes))
            return StatusIoError;
        var offset = (long)sector * SectorBytes;
        while (written < bytes && !IsCancelled)
        {
            var piece = device.Piece[..(int)Math.Min(bytes - written, VirtioBlk.PieceBytes)];
            if (!ByHost(device.Image.TryRead(offset, piece)) || !Chain.TryWrite(device.GuestMemory, written, piece))
                return StatusIoError;
            (offset, written) = (offset + piece.Length, written + (ulong)piece.Length);
        }
        return StatusOk;
    }

    private byte Write(ulong sector)
    {
        var bytes = Chain.ReadableBytes - HeaderBytes;
        if (device.Image.IsReadOnly || !IsInside(sector, bytes))
            return StatusIoError;
        var offset = (long)sector * SectorBytes;
        for (ulong done = 0; done < bytes && !IsCancelled;)
        {
            var piece = device.Piece[..(int)Math.Min(bytes - done, VirtioBlk.PieceBytes)];
            if (!Chain.TryRead(device.GuestMemory, HeaderBytes + done, piece) || !ByHost(device.Image.TryWrite(offset, piece)))
                return StatusIoError;
            (offset, done) = (offset + piece.Length, done + (ulong)piece.Length);
        }
        return StatusOk;
    }

    private byte GetId(ulong room, out ulong written)
    {
        written = Math.Min(room, VirtioBlk.MaxSerialBytes);
        return Chain.TryWrite(device.GuestMemory, 0, device.Serial[..(int)written]) ? StatusOk : StatusIoError;
    }

    // 5.2.6: struct virtio_blk_discard_write_zeroes; an unknown flag, and UNMAP on a discard, are unsupported.
    private byte Ranges(bool isDiscard)
    {
        var bytes = Chain.ReadableBytes - HeaderBytes;
        if (device.Image.IsReadOnly || bytes == 0 || bytes % RangeBytes != 0)
            return StatusIoError;
        if (bytes / RangeBytes > VirtioBlk.MaxRanges)
            return StatusUnsupported;
        Span<byte> range = stackalloc byte[RangeBytes];
        if (!Chain.TryRead(device.GuestMemory, HeaderBytes, range))
            return StatusIoError;
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(range);
        var sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
        if ((flags & ~FlagUnmap) != 0 || (isDiscard && flags != 0))
            return StatusUnsupported;
        if (sectors > VirtioBlk.MaxRangeSectors || !IsInside(sector, (ulong)sectors * SectorBytes))
            return StatusIoError;
        if (sectors == 0)
            return StatusOk;
        var (offset, length) = ((long)sector * SectorBytes, (long)sectors * SectorBytes);
        return ByHost(isDiscard ? device.Image.TryDiscard(offset, length) : TryWriteZeroes(offset, length, (flags & FlagUnmap) != 0)) ? StatusOk : StatusIoError;
    }

    private bool TryWriteZeroes(long offset, long length, bool mayUnmap)
    {
        for (var left = length; left > 0 && !IsCancelled;)
        {
            var piece = Math.Min(left, ZeroPieceBytes);
            if (!device.Image.TryWriteZeroes(offset, piece, mayUnmap))
                return false;
            (offset, left) = (offset + piece, left - piece);
        }
        return true;
    }

    private bool IsInside(ulong sector, ulong bytes)
    {
        var size = (ulong)device.Image.Bytes;
        return bytes % SectorBytes == 0 && sector <= size / SectorBytes && bytes <= size - sector * SectorBytes;
    }
}
