using System.Buffers.Binary;
using Gauntlet.Vmm.State;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>A CD-ROM drive: packet commands by PIO or DMA, with an image of 2048-byte blocks in it, or empty.</summary>
/// <remarks>
/// ATA/ATAPI-7 volume 1 (T13 1532D), 6.18 and 6.24 (PACKET), volume 2, 5.8 (byte count limit, interrupt reason); MMC-3 (T10 1363-D), 5 and 6; SPC-2
/// (T10 1236-D), 7.3 (INQUIRY), 7.20 (REQUEST SENSE).
/// </remarks>
public sealed class AtapiCdRom : AtaDrive, IDisposable
{
    public const int BlockBytes = 2048;

    private const int PacketBytes = 12, MaxReplyBytes = 1024, SenseBytes = 18, FramesPerSecond = 75, LeadInFrames = 150;

    // The count register during a packet command: 0 command, 1 to the host.
    private const byte ReasonCommand = 1, ReasonToHost = 2;

    // Sense keys, and additional codes with their qualifiers.
    private const byte NoSense = 0, NotReady = 2, MediumError = 3, IllegalRequest = 5;
    private const ushort InvalidCommand = 0x2000, BlockOutOfRange = 0x2100, InvalidField = 0x2400, NoMedium = 0x3a00, UnrecoveredRead = 0x1100;

    private readonly IBlockImage? _image;
    private readonly BlockErrors _errors;
    private readonly byte[] _reply = new byte[MaxReplyBytes];
    private int _replyLength;

    // Where the command reads next, in bytes; else the reply is sent, from here.
    private bool _isRead;
    private long _at;
    private bool _usesDma;
    private Phase _phase;
    private byte _senseKey;
    private ushort _senseCode;

    private enum Phase : byte
    {
        /// <summary>A command that has no packet.</summary>
        Plain,

        /// <summary>A packet is to be written.</summary>
        Packet,

        /// <summary>The packet's data is to be read.</summary>
        Data,
    }

    /// <param name="image">What is in the drive, the drive's own from here on; null when nothing is.</param>
    /// <param name="errors">What is done about errors of the host; null: the guest is told.</param>
    public AtapiCdRom(IBlockImage? image, BlockErrors? errors = null)
    {
        (_image, _errors) = (image, errors ?? new BlockErrors());
        ResetHard();
    }

    public override string TypeName => "ide-cd";

    protected override bool TakesPacket => _phase == Phase.Packet;

    private long Blocks => (_image?.Bytes ?? 0) / BlockBytes;

    public void Dispose() => _image?.Dispose();

    internal override void Save(StateWriter writer)
    {
        base.Save(writer);
        writer.Bytes(_reply.AsSpan(0, _replyLength));
        writer.Bool(_isRead);
        writer.Int64(_at);
        writer.Bool(_usesDma);
        writer.Byte((byte)_phase);
        writer.Byte(_senseKey);
        writer.UInt16(_senseCode);
    }

    internal override void Load(ref StateReader reader)
    {
        base.Load(ref reader);
        var reply = reader.Bytes(MaxReplyBytes);
        reply.CopyTo(_reply);
        _replyLength = reply.Length;
        _isRead = reader.Bool();
        _at = reader.Int64();
        _usesDma = reader.Bool();
        var phase = reader.Byte();
        _phase = (Phase)phase;
        (_senseKey, _senseCode) = (reader.Byte(), reader.UInt16());
        if (_at < 0 || phase > (byte)Phase.Data)
            throw new StateFormatException($"{TypeName}: phase {phase}, {_at} bytes from the start");
    }

    // 6.9.1: by this the host tells a packet drive. It is not ready for other commands before it has been identified, or sent a packet.
    protected override void SetSignature()
    {
        (Count, LbaLow, LbaMid, LbaHigh) = (1, 1, 0x14, 0xeb);
        Status = SeekComplete;
    }

    protected override void OnReset() =>
        (_replyLength, _isRead, _at, _usesDma, _phase, _senseKey, _senseCode) = (0, false, 0, false, Phase.Plain, NoSense, 0);

    protected override void OnCommand(byte command)
    {
        _phase = Phase.Plain;
        switch (command)
        {
            case 0xa0:
                _usesDma = (Feature & 1) != 0;
                _phase = Phase.Packet;
                StartPio(AtaTransfer.PioOut, PacketBytes, PacketBytes);
                Count = ReasonCommand;
                break;
            case 0xa1:
                _isRead = false;
                _at = 0;
                _replyLength = 512;
                Identify(_reply.AsSpan(0, _replyLength));
                StartPio(AtaTransfer.PioIn, _replyLength, _replyLength);
                break;
            case 0x08:
                // DEVICE RESET has no interrupt.
                Diagnose();
                OnReset();
                break;
            case 0xec:
                SetSignature();
                Fail(Aborted);
                break;
            case 0xef or 0xe0 or 0xe1 or 0xe2 or 0xe3 or 0xe6 or 0xe7:
                Succeed();
                break;
            case 0xe5:
                Count = 0xff;
                Succeed();
                break;
            default:
                Fail(Aborted);
                break;
        }
    }

    protected override bool Produce(Span<byte> destination)
    {
        if (!_isRead)
        {
            var left = (int)Math.Clamp(_replyLength - _at, 0, destination.Length);
            _reply.AsSpan((int)Math.Min(_at, _replyLength), left).CopyTo(destination);
            destination[left..].Clear();
            _at += destination.Length;
            return true;
        }
        if (_image is null || _at < 0 || _at > _image.Bytes - destination.Length || !TryRead(destination))
        {
            SetSense(MediumError, UnrecoveredRead);
            return false;
        }
        _at += destination.Length;
        return true;
    }

    // True too when the host could not, and nobody is to know.
    private bool TryRead(Span<byte> destination)
    {
        if (_image!.TryRead(_at, destination))
            return true;
        destination.Clear();
        var action = _errors.Note(isWrite: false);
        if (action == BlockErrorAction.Stop)
            HoldBack(0);
        return action == BlockErrorAction.Ignore;
    }

    protected override void OnRewound(long bytes) => _at -= bytes;

    // No packet command here takes data.
    protected override bool Consume(ReadOnlySpan<byte> source) => false;

    // Volume 2, 5.8: where the host looks how much there is.
    protected override void OnBlock(int bytes)
    {
        if (_phase != Phase.Data)
            return;
        (LbaMid, LbaHigh) = ((byte)bytes, (byte)(bytes >> 8));
        Count = ReasonToHost;
    }

    private protected override void OnTransferred(AtaTransfer transfer)
    {
        // What is no packet's data needs no word that it was read.
        if (_phase != Phase.Data)
            return;
        Count = ReasonCommand | ReasonToHost;
        Interrupt();
    }

    protected override void OnTransferFailed() => Refuse(_senseKey, _senseCode);

    protected override void OnPacket(ReadOnlySpan<byte> packet)
    {
        _phase = Phase.Data;
        Status = Ready | SeekComplete;
        var operation = packet[0];
        if (operation is not 0x03)
            SetSense(NoSense, 0);
        switch (operation)
        {
            case 0x00:
                if (HasMedium())
                    Done();
                break;
            case 0x03:
                RequestSense(packet);
                break;
            case 0x12:
                Inquire(packet);
                break;
            case 0x1b or 0x1e or 0xbb or 0x2f:
                // Start and stop, the lock, speed, verify: nothing to do.
                Done();
                break;
            case 0x25:
                ReadCapacity();
                break;
            case 0x28:
                Read(BinaryPrimitives.ReadUInt32BigEndian(packet[2..]), BinaryPrimitives.ReadUInt16BigEndian(packet[7..]));
                break;
            case 0xa8:
                Read(BinaryPrimitives.ReadUInt32BigEndian(packet[2..]), BinaryPrimitives.ReadUInt32BigEndian(packet[6..]));
                break;
            case 0xbe:
                ReadCd(packet);
                break;
            case 0x2b:
                if (HasMedium())
                    Done();
                break;
            case 0x43:
                ReadToc(packet);
                break;
            case 0x46:
                GetConfiguration(packet);
                break;
            case 0x4a:
                GetEventStatus(packet);
                break;
            case 0x5a:
                ModeSense(packet);
                break;
            case 0xbd:
                Reply(new byte[8], BinaryPrimitives.ReadUInt16BigEndian(packet[8..]));
                break;
            default:
                Refuse(IllegalRequest, InvalidCommand);
                break;
        }
    }

    private void SetSense(byte key, ushort code) => (_senseKey, _senseCode) = (key, code);

    private void Done()
    {
        Count = ReasonCommand | ReasonToHost;
        Succeed();
    }

    private void Refuse(byte key, ushort code)
    {
        SetSense(key, code);
        Count = ReasonCommand | ReasonToHost;
        Fail((byte)(key << 4 | Aborted));
    }

    private bool HasMedium()
    {
        if (_image is not null)
            return true;
        Refuse(NotReady, NoMedium);
        return false;
    }

    // As much as the host has room for.
    private void Reply(ReadOnlySpan<byte> reply, int allocation)
    {
        _replyLength = Math.Min(reply.Length, allocation);
        if (_replyLength == 0)
        {
            Done();
            return;
        }
        reply[.._replyLength].CopyTo(_reply);
        (_isRead, _at) = (false, 0);
        Send(_replyLength);
    }

    private void Read(uint block, uint count)
    {
        if (!HasMedium())
            return;
        if (count == 0)
        {
            Done();
            return;
        }
        if (block + (long)count > Blocks)
        {
            Refuse(IllegalRequest, BlockOutOfRange);
            return;
        }
        (_isRead, _at) = (true, (long)block * BlockBytes);
        Send((long)count * BlockBytes);
    }

    // Volume 2, 5.8: the limit that the host has set, even unless all fits; 0 and odd ffff are the most there can be.
    private void Send(long bytes)
    {
        if (_usesDma)
        {
            StartDma(AtaTransfer.DmaIn, bytes);
            return;
        }
        var limit = LbaMid | LbaHigh << 8;
        if (limit is 0 or 0xffff)
            limit = 0xfffe;
        if (limit < bytes)
            limit = Math.Max(limit & ~1, 2);
        StartPio(AtaTransfer.PioIn, bytes, limit);
    }

    private void RequestSense(ReadOnlySpan<byte> packet)
    {
        Span<byte> sense = stackalloc byte[SenseBytes];
        sense.Clear();
        (sense[0], sense[2], sense[7]) = (0x70, _senseKey, SenseBytes - 8);
        BinaryPrimitives.WriteUInt16BigEndian(sense[12..], _senseCode);
        SetSense(NoSense, 0);
        Reply(sense, packet[4]);
    }

    private void Inquire(ReadOnlySpan<byte> packet)
    {
        Span<byte> data = stackalloc byte[36];
        data.Fill((byte)' ');
        // A CD-ROM device, removable, ATAPI.
        ReadOnlySpan<byte> header = [5, 0x80, 0, 0x21, 31, 0, 0, 0];
        header.CopyTo(data);
        "GAUNTLET"u8.CopyTo(data[8..]);
        "GVMM CD-ROM"u8.CopyTo(data[16..]);
        "1.0"u8.CopyTo(data[32..]);
        Reply(data, BinaryPrimitives.ReadUInt16BigEndian(packet[3..]));
    }

    private void ReadCapacity()
    {
        if (!HasMedium())
            return;
        Span<byte> data = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(data, (uint)Math.Max(Blocks - 1, 0));
        BinaryPrimitives.WriteUInt32BigEndian(data[4..], BlockBytes);
        Reply(data, data.Length);
    }

    // MMC-3, 6.19: user data of mode 1 only; nothing asked for is nothing sent.
    private void ReadCd(ReadOnlySpan<byte> packet)
    {
        var count = (uint)packet[6] << 16 | BinaryPrimitives.ReadUInt16BigEndian(packet[7..]);
        if ((packet[9] & 0xf8) == 0)
            Done();
        else if ((packet[9] & 0xf8) == 0x10)
            Read(BinaryPrimitives.ReadUInt32BigEndian(packet[2..]), count);
        else
            Refuse(IllegalRequest, InvalidField);
    }

    // MMC-3, 6.25: one session with one data track, and its lead-out.
    private void ReadToc(ReadOnlySpan<byte> packet)
    {
        if (!HasMedium())
            return;
        var (isMsf, format) = ((packet[1] & 2) != 0, packet[9] >> 6 == 0 ? packet[2] & 0xf : packet[9] >> 6);
        var allocation = BinaryPrimitives.ReadUInt16BigEndian(packet[7..]);
        var startTrack = packet[6];
        var bytes = new List<byte> { 0, 0, 1, 1 };
        switch (format)
        {
            case 0 when startTrack is <= 1 or 0xaa:
                if (startTrack <= 1)
                    AddTrack(1, 0);
                AddTrack(0xaa, Blocks);
                break;
            case 1:
                AddTrack(1, 0);
                break;
            default:
                Refuse(IllegalRequest, InvalidField);
                return;
        }
        bytes[1] = (byte)(bytes.Count - 2);
        Reply([.. bytes], allocation);

        void AddTrack(byte number, long block)
        {
            bytes.AddRange([0, 0x14, number, 0]);
            var frames = block + LeadInFrames;
            if (isMsf)
                bytes.AddRange([0, (byte)(frames / FramesPerSecond / 60), (byte)(frames / FramesPerSecond % 60), (byte)(frames % FramesPerSecond)]);
            else
                bytes.AddRange([(byte)(block >> 24), (byte)(block >> 16), (byte)(block >> 8), (byte)block]);
        }
    }

    // MMC-3, 6.6: the profile list alone, with CD-ROM, which is the current one when something is in the drive.
    private void GetConfiguration(ReadOnlySpan<byte> packet)
    {
        var current = (byte)(_image is null ? 0 : 1);
        byte[] data = [0, 0, 0, 12, 0, 0, 0, (byte)(current * 8), 0, 0, 3, 4, 0, 8, current, 0];
        Reply(data, BinaryPrimitives.ReadUInt16BigEndian(packet[7..]));
    }

    // MMC-3, 6.7: asked for only, and of media changes only, of which there are none.
    private void GetEventStatus(ReadOnlySpan<byte> packet)
    {
        const byte MediaClass = 4, MediaClassBit = 1 << MediaClass;
        if ((packet[1] & 1) == 0)
        {
            Refuse(IllegalRequest, InvalidField);
            return;
        }
        byte[] data = (packet[4] & MediaClassBit) != 0
            ? [0, 6, MediaClass, MediaClassBit, 0, (byte)(_image is null ? 0 : 2), 0, 0]
            : [0, 2, 0x80, MediaClassBit];
        Reply(data, BinaryPrimitives.ReadUInt16BigEndian(packet[7..]));
    }

    // MMC-3, 5.5.4 and 5.5.10: error recovery, and what the drive can do.
    private void ModeSense(ReadOnlySpan<byte> packet)
    {
        byte[] recovery = [0x01, 6, 0, 5, 0, 0, 0, 0];
        byte[] capabilities = [0x2a, 18, 0, 0, 0x71, 0x60, 0x29, 0, 2, 0xc2, 0, 2, 0, 0, 2, 0xc2, 0, 0, 0, 0];
        byte[]? pages = (packet[2] & 0x3f) switch
        {
            0x01 => recovery,
            0x2a => capabilities,
            0x3f => [.. recovery, .. capabilities],
            _ => null,
        };
        if (pages is null || packet[2] >> 6 == 1 || packet[2] >> 6 == 3)
        {
            Refuse(IllegalRequest, InvalidField);
            return;
        }
        byte[] reply = [0, (byte)(pages.Length + 6), (byte)(_image is null ? 0x70 : 1), 0, 0, 0, 0, 0, .. pages];
        Reply(reply, BinaryPrimitives.ReadUInt16BigEndian(packet[7..]));
    }

    private static void Identify(Span<byte> data)
    {
        data.Clear();
        var words = new AtaIdentity(data);
        // A packet drive, CD-ROM, removable, packets of 12 bytes within 50 µs.
        words[0] = 0x85c0;
        words.SetText(10, 20, "");
        words.SetText(23, 8, "1.0");
        words.SetText(27, 40, "GVMM CD-ROM");
        // DMA, LBA, IORDY.
        words[49] = 1 << 8 | 1 << 9 | 1 << 11;
        words[53] = 6;
        words.SetTransferModes(0);
        words[80] = 0x1e;
        words[82] = 1 << 14 | 1 << 9 | 1 << 4;
        words[85] = 1 << 14 | 1 << 9 | 1 << 4;
    }
}
