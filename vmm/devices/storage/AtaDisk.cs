using System.Buffers.Binary;
using Gauntlet.Vmm.State;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>A hard disk: PIO, multiple and DMA transfers with 28 and 48 address bits or cylinders, flush, and trim; as a Serial ATA one, queued transfers.</summary>
/// <remarks>
/// ATA/ATAPI-7 volume 1 (T13 1532D), 6.17 (IDENTIFY DEVICE), 6.50 (SET FEATURES), and each command's section; ATA8-ACS, 7.10 (DATA SET MANAGEMENT);
/// Serial ATA 2.6, 13.6 (native command queuing). A queued command is over before the next one comes, so that the queue only shows in how the end of each is told.
/// </remarks>
public sealed class AtaDisk : AtaDrive, IDisposable
{
    public const int SectorBytes = 512;

    /// <summary>Longest serial number and firmware revision, in bytes (6.17, words 10 to 19 and 23 to 26).</summary>
    public const int MaxSerialBytes = 20, MaxRevisionBytes = 8;

    private const int MaxMultiple = 16, SectorsOf28Bits = 256, SectorsOf48Bits = 65536;
    private const long Lba28Limit = 1L << 28;
    private const int DefaultHeads = 16, DefaultSectorsPerTrack = 63, MaxCylinders = 16383;
    private const int TrimRangeBytes = 8, TrimCountShift = 48;
    private const byte ReadLog = 0x2f, ReadQueued = 0x60, WriteQueued = 0x61, FlushCache = 0xe7, ForceUnitAccess = 0x80;
    private const int QueueDepth = 32;

    private readonly IBlockImage _image;
    private readonly string _serial, _revision;
    private readonly BlockErrors _errors;

    // What the command moves, and where it is on the disk next, in bytes.
    private Content _content;
    private long _at;
    private byte _multiple, _heads, _sectorsPerTrack, _transferMode;
    private bool _hasWriteCache;

    // While a command is started that names its place in the queue; whether what it writes lasts before it is done.
    private bool _isQueued, _isForced;

    // Why a queued command failed: nothing else is carried out until that was read.
    private byte[]? _queuedError;

    private enum Content : byte
    {
        Sectors,
        Identity,
        TrimRanges,
        LogDirectory,
        QueuedErrors,
    }

    /// <param name="image">The disk's content; the drive's own from here on.</param>
    /// <param name="serial">At most <see cref="MaxSerialBytes"/> ASCII characters.</param>
    /// <param name="revision">At most <see cref="MaxRevisionBytes"/> ASCII characters.</param>
    /// <param name="errors">What is done about errors of the host; null: the guest is told.</param>
    public AtaDisk(IBlockImage image, string serial = "", string revision = "1.0", BlockErrors? errors = null)
    {
        (_image, _serial, _revision, _errors) = (image, serial, revision, errors ?? new BlockErrors());
        ResetHard();
    }

    public override string TypeName => "ide-hd";

    /// <summary>In sectors.</summary>
    public long Sectors => _image.Bytes / SectorBytes;

    public void Dispose() => _image.Dispose();

    internal override void Save(StateWriter writer)
    {
        base.Save(writer);
        writer.Byte((byte)_content);
        writer.Int64(_at);
        foreach (var setting in (ReadOnlySpan<byte>)[_multiple, _heads, _sectorsPerTrack, _transferMode])
            writer.Byte(setting);
        writer.Bool(_hasWriteCache);
        writer.Bool(_isForced);
        writer.Bytes(_queuedError ?? []);
    }

    internal override void Load(ref StateReader reader)
    {
        base.Load(ref reader);
        var content = reader.Byte();
        _content = (Content)content;
        _at = reader.Int64();
        (_multiple, _heads, _sectorsPerTrack, _transferMode) = (reader.Byte(), reader.Byte(), reader.Byte(), reader.Byte());
        (_hasWriteCache, _isForced) = (reader.Bool(), reader.Bool());
        var queuedError = reader.Bytes(AtaLogs.PageBytes);
        _queuedError = queuedError.Length == AtaLogs.PageBytes ? queuedError.ToArray() : null;
        if (content > (byte)Content.QueuedErrors || _multiple > MaxMultiple || _heads is 0 or > DefaultHeads || _sectorsPerTrack is 0)
            throw new StateFormatException($"{TypeName}: {_multiple} sectors a block, {_heads} heads, {_sectorsPerTrack} sectors a track");
    }

    protected override void SetSignature()
    {
        (Count, LbaLow, LbaMid, LbaHigh) = (1, 1, 0, 0);
        Status = Ready | SeekComplete;
    }

    protected override void OnReset()
    {
        (_multiple, _heads, _sectorsPerTrack, _transferMode, _hasWriteCache, _content, _at) = (0, DefaultHeads, DefaultSectorsPerTrack, 0, true, Content.Sectors, 0);
        (_isForced, _queuedError) = (false, null);
    }

    internal override void ExecuteQueued(byte command)
    {
        _isQueued = true;
        Execute(command);
        _isQueued = false;
        if ((Status & Failed) != 0)
            _queuedError ??= AtaLogs.QueuedErrorOf(this);
    }

    protected override void OnCommand(byte command)
    {
        (_content, _isForced) = (Content.Sectors, false);
        // 13.6.4.3: until the error is read, or the drive is reset.
        if (_queuedError is not null && command != ReadLog)
        {
            Fail(Aborted);
            return;
        }
        switch (command)
        {
            case ReadQueued when _isQueued:
                MoveQueued(AtaTransfer.DmaIn);
                break;
            case WriteQueued when _isQueued:
                MoveQueued(AtaTransfer.DmaOut);
                break;
            case ReadLog:
                OfferLog();
                break;
            case 0x20 or 0x21:
                Move(AtaTransfer.PioIn, isWide: false, 1);
                break;
            case 0x24:
                Move(AtaTransfer.PioIn, isWide: true, 1);
                break;
            case 0xc4:
                Move(AtaTransfer.PioIn, isWide: false, _multiple);
                break;
            case 0x29:
                Move(AtaTransfer.PioIn, isWide: true, _multiple);
                break;
            case 0x30 or 0x31 or 0x3c:
                Move(AtaTransfer.PioOut, isWide: false, 1);
                break;
            case 0x34:
                Move(AtaTransfer.PioOut, isWide: true, 1);
                break;
            case 0xc5:
                Move(AtaTransfer.PioOut, isWide: false, _multiple);
                break;
            case 0x39 or 0xce:
                Move(AtaTransfer.PioOut, isWide: true, _multiple);
                break;
            case 0xc8 or 0xc9:
                Move(AtaTransfer.DmaIn, isWide: false, 1);
                break;
            case 0x25:
                Move(AtaTransfer.DmaIn, isWide: true, 1);
                break;
            case 0xca or 0xcb:
                Move(AtaTransfer.DmaOut, isWide: false, 1);
                break;
            case 0x35 or 0x3d:
                Move(AtaTransfer.DmaOut, isWide: true, 1);
                break;
            case 0x40 or 0x41 or 0x42:
                Verify(isWide: command == 0x42);
                break;
            case 0x06:
                Trim();
                break;
            case FlushCache or 0xea:
                Flush();
                break;
            case 0xec:
                _content = Content.Identity;
                StartPio(AtaTransfer.PioIn, SectorBytes, SectorBytes);
                break;
            case 0xef:
                SetFeatures();
                break;
            case 0xc6:
                SetMultiple();
                break;
            case 0x91:
                SetGeometry();
                break;
            case 0xf8 or 0x27:
                ReadNativeMax(isWide: command == 0x27);
                break;
            case 0xe5 or 0x98:
                // Active or idle.
                Count = 0xff;
                Succeed();
                break;
            case (>= 0x10 and <= 0x1f) or (>= 0x70 and <= 0x7f) or 0xe0 or 0xe1 or 0xe2 or 0xe3 or 0xe6 or (>= 0x94 and <= 0x97) or 0x99:
                // Recalibrate, seek, power: nothing moves and nothing sleeps.
                Succeed();
                break;
            default:
                Fail(Aborted);
                break;
        }
    }

    protected override bool Produce(Span<byte> destination)
    {
        if (_content == Content.Identity)
        {
            Identify(destination);
            return true;
        }
        if (_content is Content.LogDirectory or Content.QueuedErrors)
        {
            WriteLog(destination);
            return true;
        }
        if (!IsInside(_at, destination.Length))
            return false;
        if (!_image.TryRead(_at, destination))
        {
            if (!GoesOn(isWrite: false))
                return false;
            destination.Clear();
        }
        _at += destination.Length;
        return true;
    }

    protected override bool Consume(ReadOnlySpan<byte> source)
    {
        if (_content == Content.TrimRanges)
            return TrimRanges(source);
        if (_image.IsReadOnly || !IsInside(_at, source.Length) || (!_image.TryWrite(_at, source) && !GoesOn(isWrite: true)))
            return false;
        _at += source.Length;
        return true;
    }

    // What is written without a cache lasts before the command is done.
    private protected override void OnTransferred(AtaTransfer transfer)
    {
        if (transfer is AtaTransfer.PioOut or AtaTransfer.DmaOut && (!_hasWriteCache || _isForced))
            Flush();
        else if (transfer != AtaTransfer.PioIn)
            Interrupt();
    }

    protected override void OnTransferFailed() => Fail(_content == Content.TrimRanges ? Aborted : Uncorrectable);

    protected override void OnRewound(long bytes)
    {
        if (_content == Content.Sectors)
            _at -= bytes;
    }

    // The host could not. False: the command has failed, or is held back.
    private bool GoesOn(bool isWrite, byte command = 0)
    {
        switch (_errors.Note(isWrite))
        {
            case BlockErrorAction.Ignore:
                return true;
            case BlockErrorAction.Stop:
                HoldBack(command);
                return false;
            default:
                return false;
        }
    }

    private bool IsInside(long offset, long bytes) => offset >= 0 && bytes <= _image.Bytes && offset <= _image.Bytes - bytes;

    private void Move(AtaTransfer transfer, bool isWide, int blockSectors)
    {
        // Multiple transfers are off until they are set up (6.34).
        if (blockSectors == 0 || (transfer is AtaTransfer.PioOut or AtaTransfer.DmaOut && _image.IsReadOnly))
        {
            Fail(Aborted);
            return;
        }
        if (!TryGetRange(isWide, out _at, out var bytes))
        {
            Fail(IdNotFound);
            return;
        }
        if (transfer is AtaTransfer.PioIn or AtaTransfer.PioOut)
            StartPio(transfer, bytes, blockSectors * SectorBytes);
        else
            StartDma(transfer, bytes);
    }

    // 13.6.3.1: the sector count is where features are elsewhere, the place in the queue where that is.
    private void MoveQueued(AtaTransfer transfer)
    {
        if ((Device & LbaMode) == 0 || (transfer == AtaTransfer.DmaOut && _image.IsReadOnly))
        {
            Fail(Aborted);
            return;
        }
        if (!TryGetRange(isWide: true, PreviousFeature << 8 | Feature, out _at, out var bytes))
        {
            Fail(IdNotFound);
            return;
        }
        _isForced = transfer == AtaTransfer.DmaOut && (Device & ForceUnitAccess) != 0;
        StartDma(transfer, bytes);
    }

    // ATA/ATAPI-7, 6.24: the log, the first page of it, and how many.
    private void OfferLog()
    {
        var (page, count) = (PreviousLbaMid << 8 | LbaMid, PreviousCount << 8 | Count);
        if (LbaLow is not (AtaLogs.Directory or AtaLogs.QueuedErrors) || page != 0 || count != 1)
        {
            Fail(Aborted);
            return;
        }
        _content = LbaLow == AtaLogs.Directory ? Content.LogDirectory : Content.QueuedErrors;
        StartPio(AtaTransfer.PioIn, AtaLogs.PageBytes, AtaLogs.PageBytes);
    }

    private void WriteLog(Span<byte> page)
    {
        if (_content == Content.LogDirectory)
        {
            AtaLogs.WriteDirectory(page);
            return;
        }
        if (_queuedError is { } error)
            error.CopyTo(page);
        else
            AtaLogs.WriteNoQueuedError(page);
        _queuedError = null;
    }

    private bool TryGetRange(bool isWide, out long offset, out long bytes) =>
        TryGetRange(isWide, isWide ? PreviousCount << 8 | Count : Count, out offset, out bytes);

    // A count of 0 is the most there can be (volume 1, 6.2). False when it is not all on the disk.
    private bool TryGetRange(bool isWide, long count, out long offset, out long bytes)
    {
        if (count == 0)
            count = isWide ? SectorsOf48Bits : SectorsOf28Bits;
        bytes = count * SectorBytes;
        long sector;
        if (isWide)
        {
            sector = (long)LbaLow | (long)LbaMid << 8 | (long)LbaHigh << 16 | (long)PreviousLbaLow << 24 | (long)PreviousLbaMid << 32 | (long)PreviousLbaHigh << 40;
        }
        else if ((Device & LbaMode) != 0)
        {
            sector = (uint)(LbaLow | LbaMid << 8 | LbaHigh << 16 | (Device & 0xf) << 24);
        }
        else
        {
            var (cylinder, head) = (LbaMid | LbaHigh << 8, Device & 0xf);
            offset = -1;
            if (LbaLow == 0 || LbaLow > _sectorsPerTrack || head >= _heads)
                return false;
            sector = ((long)cylinder * _heads + head) * _sectorsPerTrack + LbaLow - 1;
        }
        offset = sector * SectorBytes;
        return IsInside(offset, bytes);
    }

    private void Verify(bool isWide)
    {
        if (TryGetRange(isWide, out _, out _))
            Succeed();
        else
            Fail(IdNotFound);
    }

    private void Flush()
    {
        if (_image.IsReadOnly || _image.TryFlush() || GoesOn(isWrite: true, FlushCache))
            Succeed();
        else if (!IsHeld)
            Fail(Aborted);
    }

    // ATA8-ACS, 7.10: bit 0 of the feature register; so many blocks of ranges come by DMA. Word 105 says that there is one at most, so that the count's
    // value before does not matter, which not all drivers write.
    private void Trim()
    {
        var blocks = (int)Count;
        if ((Feature & 1) == 0 || _image.IsReadOnly || blocks == 0)
        {
            Fail(Aborted);
            return;
        }
        _content = Content.TrimRanges;
        StartDma(AtaTransfer.DmaOut, (long)blocks * SectorBytes);
    }

    // Each a sector in 48 bits and a count in 16, of which 0 is an unused one. What is not on the disk fails the command.
    private bool TrimRanges(ReadOnlySpan<byte> ranges)
    {
        for (; ranges.Length >= TrimRangeBytes; ranges = ranges[TrimRangeBytes..])
        {
            var range = BinaryPrimitives.ReadUInt64LittleEndian(ranges);
            var (offset, bytes) = ((long)(range & (1UL << TrimCountShift) - 1) * SectorBytes, (long)(range >> TrimCountShift) * SectorBytes);
            if (bytes == 0)
                continue;
            if (!IsInside(offset, bytes))
                return false;
            _image.TryDiscard(offset, bytes);
        }
        return true;
    }

    private void SetFeatures()
    {
        switch (Feature)
        {
            case 0x02:
                _hasWriteCache = true;
                break;
            case 0x82:
                _hasWriteCache = false;
                Flush();
                return;
            case 0x03 when Count >> 3 is 0 or 1 || (Count >> 3 == 4 && (Count & 7) <= 2) || (Count >> 3 == 8 && (Count & 7) <= 5):
                // PIO, multiword DMA 0 to 2, Ultra DMA 0 to 5: all the same speed here.
                _transferMode = Count;
                break;
            case 0x05 or 0x85 or 0x42 or 0xc2 or 0xaa or 0x55 or 0x66 or 0xcc:
                break;
            default:
                Fail(Aborted);
                return;
        }
        Succeed();
    }

    private void SetMultiple()
    {
        if (Count > MaxMultiple || (Count & (Count - 1)) != 0)
        {
            Fail(Aborted);
            return;
        }
        _multiple = Count;
        Succeed();
    }

    // INITIALIZE DEVICE PARAMETERS (ATA-5, 8.16): sectors a track, and the highest head.
    private void SetGeometry()
    {
        if (Count == 0)
        {
            Fail(Aborted);
            return;
        }
        (_sectorsPerTrack, _heads) = (Count, (byte)((Device & 0xf) + 1));
        Succeed();
    }

    private void ReadNativeMax(bool isWide)
    {
        var last = Sectors - 1;
        if (!isWide)
            last = Math.Min(last, Lba28Limit - 1);
        SetAddress(last, isWide);
        Succeed();
    }

    private void Identify(Span<byte> data)
    {
        data.Clear();
        var cylinders = (int)Math.Min(Sectors / (DefaultHeads * DefaultSectorsPerTrack), MaxCylinders);
        var current = (int)Math.Min(Sectors / (_heads * _sectorsPerTrack), ushort.MaxValue);
        var words = new AtaIdentity(data);
        words[0] = 1 << 6;
        // Word 5 is retired, and was the bytes of a sector.
        (words[1], words[3], words[5], words[6]) = (cylinders, DefaultHeads, SectorBytes, DefaultSectorsPerTrack);
        words.SetText(10, 20, _serial);
        words.SetText(23, 8, _revision);
        words.SetText(27, 40, "GVMM HARDDISK");
        words[47] = 0x8000 | MaxMultiple;
        // LBA, DMA, IORDY.
        words[49] = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11;
        words[50] = 1 << 14;
        words[53] = 7;
        (words[54], words[55], words[56]) = (current, _heads, _sectorsPerTrack);
        words.SetDouble(57, (uint)(current * _heads * _sectorsPerTrack));
        words[59] = _multiple == 0 ? 0 : 1 << 8 | _multiple;
        words.SetDouble(60, (uint)Math.Min(Sectors, Lba28Limit - 1));
        words.SetTransferModes(_transferMode);
        // DATA SET MANAGEMENT reads back no certain data.
        (words[69], words[105], words[169]) = (0, _image.IsReadOnly ? 0 : 1, _image.IsReadOnly ? 0 : 1);
        // 13.2.1: 32 places; native queuing, generation 1.
        if (Host is { HasQueue: true })
            (words[75], words[76]) = (QueueDepth - 1, 1 << 8 | 1 << 1);
        words[80] = 0xf0;
        words[81] = 0;
        var cache = 1 << 5;
        (words[82], words[83], words[84]) = (cache, 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10, 1 << 14 | 1 << 5);
        (words[85], words[86], words[87]) = (_hasWriteCache ? cache : 0, 1 << 13 | 1 << 12 | 1 << 10, 1 << 14 | 1 << 5);
        // Device 0, by jumper; passed; cable of 80 wires.
        words[93] = 1 << 14 | 1 << 13 | 1 | 1 << 3 | 1 << 1;
        words.SetDouble(100, (uint)Sectors);
        words.SetDouble(102, (uint)(Sectors >> 32));
    }
}
