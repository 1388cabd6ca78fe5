using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>Which way a drive moves data, and how the host moves it.</summary>
internal enum AtaTransfer : byte
{
    None,

    /// <summary>From the drive, by the data register.</summary>
    PioIn,
    PioOut,

    /// <summary>From the drive, by a DMA engine that is still to be started.</summary>
    DmaIn,
    DmaOut,
}

/// <summary>Where a drive's data goes when the host moves it by DMA.</summary>
internal interface IAtaDma
{
    /// <summary>Moves all of it; false when the engine has no more memory, or none at all.</summary>
    bool TryMove(Span<byte> data, bool toMemory);
}

/// <summary>
/// One ATA or ATAPI drive: the registers of its task file, and the data that a command moves, block by block. What commands there are is the drive's own
/// business.
/// </summary>
/// <remarks>
/// ATA/ATAPI-7 volume 1 (T13 1532D), 5.2 (registers), 6.2 (48-bit addressing: each register has the value before), 6.9 (signatures); volume 2, 5 to 9 (which
/// register says what during a command). Commands are carried out at once: a drive is seen busy only while the host cannot, and its user wants that tried
/// again.
/// </remarks>
public abstract class AtaDrive
{
    /// <summary>The status register's bits.</summary>
    public const byte Busy = 0x80, Ready = 0x40, DeviceFault = 0x20, SeekComplete = 0x10, DataRequest = 8, Failed = 1;

    /// <summary>The device register's bits.</summary>
    public const byte SelectSecond = 0x10, LbaMode = 0x40;

    protected const byte Aborted = 4, IdNotFound = 0x10, Uncorrectable = 0x40, DiagnosticPassed = 1;

    /// <summary>The longest piece that is moved at once.</summary>
    protected const int BufferBytes = 64 * 1024;

    private const long MaxTransferBytes = 1L << 40;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _position, _length, _blockBytes;
    private long _wanted;
    private byte _command;
    private Held _held;

    // What is to be tried again.
    private enum Held : byte
    {
        Nothing,
        Command,
        Block,
        Dma,
    }

    /// <summary>The task file; of count and address the value written before, too.</summary>
    protected byte Feature { get; private set; }

    protected byte PreviousFeature { get; private set; }

    protected byte Error { get; set; }

    protected byte Count { get; set; }

    protected byte LbaLow { get; set; }

    protected byte LbaMid { get; set; }

    protected byte LbaHigh { get; set; }

    protected byte PreviousCount { get; private set; }

    protected byte PreviousLbaLow { get; private set; }

    protected byte PreviousLbaMid { get; private set; }

    protected byte PreviousLbaHigh { get; private set; }

    protected byte Device { get; private set; }

    /// <summary>The status register; reading it here does not answer the interrupt.</summary>
    public byte Status { get; protected set; }

    /// <summary>The drive asks for attention.</summary>
    public bool IsInterrupting { get; private set; }

    internal AtaTransfer Transfer { get; private set; }

    /// <summary>Bytes that the command still moves beside what is in the buffer.</summary>
    protected long Remaining { get; private set; }

    /// <summary>A command waits until the machine goes on, and is tried again.</summary>
    internal bool IsHeld => _held != Held.Nothing;

    /// <summary>Told of each interrupt, and of a command that waits for a DMA engine.</summary>
    internal IAtaHost? Host { get; set; }

    /// <summary>The name of the device model: <c>ide-hd</c>.</summary>
    public abstract string TypeName { get; }

    /// <summary>A register of the command block, 1 to 7, as the host reads it; of count and address the value before while the host asks for it.</summary>
    internal byte Read(int register, bool previous) => register switch
    {
        1 => Error,
        2 => previous ? PreviousCount : Count,
        3 => previous ? PreviousLbaLow : LbaLow,
        4 => previous ? PreviousLbaMid : LbaMid,
        5 => previous ? PreviousLbaHigh : LbaHigh,
        6 => (byte)(Device | 0xa0),
        _ => Status,
    };

    /// <summary>A register of the command block, 1 to 6, as the host writes it.</summary>
    internal void Write(int register, byte value)
    {
        // While data is moved the host has no business there (volume 1, 5.2).
        switch (register)
        {
            case 1:
                (PreviousFeature, Feature) = (Feature, value);
                break;
            case 2:
                (PreviousCount, Count) = (Count, value);
                break;
            case 3:
                (PreviousLbaLow, LbaLow) = (LbaLow, value);
                break;
            case 4:
                (PreviousLbaMid, LbaMid) = (LbaMid, value);
                break;
            case 5:
                (PreviousLbaHigh, LbaHigh) = (LbaHigh, value);
                break;
            default:
                Device = value;
                break;
        }
    }

    /// <summary>The command register: whatever went on before is over.</summary>
    internal void Execute(byte command)
    {
        AnswerInterrupt();
        StopTransfer();
        Error = 0;
        Status = Ready | SeekComplete;
        _command = command;
        OnCommand(command);
    }

    /// <summary>As <see cref="Execute"/>, a command that names its place in a queue.</summary>
    internal virtual void ExecuteQueued(byte command) => Execute(command);

    /// <summary>Tries again what was held back.</summary>
    internal void Retry()
    {
        var held = _held;
        _held = Held.Nothing;
        switch (held)
        {
            case Held.Command:
                Status = Ready | SeekComplete;
                OnCommand(_command);
                break;
            case Held.Block when Transfer == AtaTransfer.PioIn:
                OfferBlock();
                break;
            case Held.Block:
                OnBlockWritten();
                break;
            case Held.Dma:
                Status = Ready | SeekComplete | DataRequest;
                Host?.OnDmaWanted(this);
                break;
            default:
                break;
        }
    }

    /// <summary>Forgets what was held back, for a host that gives the command anew.</summary>
    internal void LetGo()
    {
        if (!IsHeld)
            return;
        StopTransfer();
        Status = Ready | SeekComplete;
    }

    /// <summary>Two or four bytes of the data register; zeros when there are none.</summary>
    internal uint ReadData(int size)
    {
        if (Transfer != AtaTransfer.PioIn || IsHeld)
            return 0;
        uint value = 0;
        for (var i = 0; i < size && _position < _length; i++)
            value |= (uint)_buffer[_position++] << (i * 8);
        if (_position == _length)
            OnBlockRead();
        return value;
    }

    /// <summary>Two or four bytes of the data register; nothing happens when none are wanted.</summary>
    internal void WriteData(int size, uint value)
    {
        if (Transfer != AtaTransfer.PioOut || IsHeld)
            return;
        for (var i = 0; i < size && _position < _length; i++)
            _buffer[_position++] = (byte)(value >> (i * 8));
        if (_position == _length)
            OnBlockWritten();
    }

    /// <summary>Bytes of the block that the data register offers, or asks for.</summary>
    internal int OfferedBytes => _length;

    /// <summary>Moves that block at once, as a host does that has no data register; false, and the command is over, when it has less memory.</summary>
    internal bool TryMoveBlock(IAtaDma dma)
    {
        var isIn = Transfer == AtaTransfer.PioIn;
        if (!dma.TryMove(_buffer.AsSpan(_position, _length - _position), isIn))
        {
            StopTransfer();
            Status = Ready | SeekComplete;
            return false;
        }
        _position = _length;
        if (isIn)
            OnBlockRead();
        else
            OnBlockWritten();
        return true;
    }

    /// <summary>The host has read the status register.</summary>
    internal void AnswerInterrupt()
    {
        IsInterrupting = false;
        Host?.OnInterruptChanged(this);
    }

    /// <summary>The DMA engine is started: moves all data of the command, unless it is held back. False when it had less memory than there is data.</summary>
    internal bool MoveByDma(IAtaDma dma)
    {
        var toMemory = Transfer == AtaTransfer.DmaIn;
        while (Remaining > 0)
        {
            var piece = _buffer.AsSpan(0, (int)Math.Min(Remaining, BufferBytes));
            if (toMemory && !Produce(piece))
            {
                EndDma();
                return true;
            }
            if (!dma.TryMove(piece, toMemory))
            {
                StopTransfer();
                Status = Ready | SeekComplete;
                return false;
            }
            if (!toMemory && !Consume(piece))
            {
                EndDma();
                return true;
            }
            Remaining -= piece.Length;
        }
        Complete();
        return true;
    }

    /// <summary>Interrupts, for what both drives of a channel did together.</summary>
    internal void AskForAttention() => Interrupt();

    /// <summary>RESET, by the line or by software: the signature by which the host tells what this is.</summary>
    internal void ResetHard()
    {
        Diagnose();
        (Feature, PreviousFeature, PreviousCount, PreviousLbaLow, PreviousLbaMid, PreviousLbaHigh) = (0, 0, 0, 0, 0, 0);
        OnReset();
    }

    /// <summary>As <see cref="ResetHard"/>, but that settings stay: EXECUTE DEVICE DIAGNOSTIC.</summary>
    internal void Diagnose()
    {
        StopTransfer();
        IsInterrupting = false;
        Error = DiagnosticPassed;
        Device = 0;
        SetSignature();
    }

    internal virtual void Save(StateWriter writer)
    {
        foreach (var register in (ReadOnlySpan<byte>)[Feature, PreviousFeature, Error, Count, LbaLow, LbaMid, LbaHigh, PreviousCount, PreviousLbaLow, PreviousLbaMid, PreviousLbaHigh, Device, Status, (byte)Transfer])
            writer.Byte(register);
        writer.Bool(IsInterrupting);
        writer.Int64(Remaining);
        writer.Int32(_blockBytes);
        writer.Int32(_position);
        writer.Bytes(_buffer.AsSpan(0, _length));
        writer.Int64(_wanted);
        writer.Byte(_command);
        writer.Byte((byte)_held);
    }

    internal virtual void Load(ref StateReader reader)
    {
        (Feature, PreviousFeature, Error, Count, LbaLow, LbaMid, LbaHigh) = (reader.Byte(), reader.Byte(), reader.Byte(), reader.Byte(), reader.Byte(), reader.Byte(), reader.Byte());
        (PreviousCount, PreviousLbaLow, PreviousLbaMid, PreviousLbaHigh) = (reader.Byte(), reader.Byte(), reader.Byte(), reader.Byte());
        (Device, Status) = (reader.Byte(), reader.Byte());
        var transfer = reader.Byte();
        IsInterrupting = reader.Bool();
        (Remaining, _blockBytes, _position) = (reader.Int64(), reader.Int32(), reader.Int32());
        var content = reader.Bytes(BufferBytes);
        content.CopyTo(_buffer);
        _length = content.Length;
        _wanted = reader.Int64();
        _command = reader.Byte();
        var held = reader.Byte();
        if (transfer > (byte)AtaTransfer.DmaOut || Remaining is < 0 or > MaxTransferBytes || _blockBytes is < 1 or > BufferBytes && transfer != 0 || _position < 0 || _position > _length
            || (held != 0 && held != (byte)HeldDuring((AtaTransfer)transfer)) || _wanted < Remaining || _wanted > MaxTransferBytes)
            throw new StateFormatException($"{TypeName}: a transfer of kind {transfer}, {Remaining} of {_wanted} bytes in blocks of {_blockBytes}, at {_position} of {_length}, held back as {held}");
        (Transfer, _held) = ((AtaTransfer)transfer, (Held)held);
    }

    /// <summary>Carries a command out, or starts to.</summary>
    protected abstract void OnCommand(byte command);

    /// <summary>Sets what a reset sets: count, address and status.</summary>
    protected abstract void SetSignature();

    /// <summary>Settings to their defaults.</summary>
    protected abstract void OnReset();

    /// <summary>The command's next bytes for the host; false when the medium cannot be read.</summary>
    protected abstract bool Produce(Span<byte> destination);

    /// <summary>The command's next bytes from the host; false when the medium cannot be written.</summary>
    protected abstract bool Consume(ReadOnlySpan<byte> source);

    /// <summary>What is written to the data register is a command packet.</summary>
    protected virtual bool TakesPacket => false;

    /// <summary>Carries a command packet out, or starts to.</summary>
    protected virtual void OnPacket(ReadOnlySpan<byte> packet) { }

    /// <summary>Before a block of so many bytes is offered to, or asked of, the host.</summary>
    protected virtual void OnBlock(int bytes) { }

    /// <summary>All data was moved.</summary>
    private protected abstract void OnTransferred(AtaTransfer transfer);

    /// <summary>So many bytes were moved by DMA that are moved once more.</summary>
    protected virtual void OnRewound(long bytes) { }

    /// <summary>Keeps the command, which moves no data, or the piece of data that <see cref="Produce"/> or <see cref="Consume"/> is at, until the machine goes on.</summary>
    /// <param name="command">What is tried again, when it moves no data.</param>
    protected void HoldBack(byte command)
    {
        _held = HeldDuring(Transfer);
        if (_held == Held.Command)
            _command = command;
        Status = Busy | Ready;
    }

    /// <summary>The medium could not be read or written: fails the command.</summary>
    protected abstract void OnTransferFailed();

    protected void Interrupt()
    {
        IsInterrupting = true;
        Host?.OnInterruptChanged(this);
    }

    /// <summary>The command is done, and says so.</summary>
    protected void Succeed()
    {
        Status = Ready | SeekComplete;
        Interrupt();
    }

    /// <summary>The command has failed, for these bits of the error register.</summary>
    protected void Fail(byte error)
    {
        StopTransfer();
        Error = error;
        Status = Ready | SeekComplete | Failed;
        Interrupt();
    }

    /// <summary>Answers a sector's address.</summary>
    /// <param name="isWide">With 48 bits: the upper ones are in the registers' other values; else in the device register.</param>
    protected void SetAddress(long sector, bool isWide)
    {
        (LbaLow, LbaMid, LbaHigh) = ((byte)sector, (byte)(sector >> 8), (byte)(sector >> 16));
        if (isWide)
            (PreviousLbaLow, PreviousLbaMid, PreviousLbaHigh) = ((byte)(sector >> 24), (byte)(sector >> 32), (byte)(sector >> 40));
        else
            Device = (byte)((Device & 0xf0) | (byte)(sector >> 24 & 0xf));
    }

    /// <summary>Starts to move data by the data register.</summary>
    /// <param name="blockBytes">As much as is moved for one interrupt, at most <see cref="BufferBytes"/>.</param>
    private protected void StartPio(AtaTransfer transfer, long bytes, int blockBytes)
    {
        (Transfer, Remaining, _wanted, _blockBytes) = (transfer, bytes, bytes, blockBytes);
        if (transfer == AtaTransfer.PioIn)
            OfferBlock();
        else
            AskForBlock();
    }

    /// <summary>Starts to move data by a DMA engine, once that is started.</summary>
    private protected void StartDma(AtaTransfer transfer, long bytes)
    {
        (Transfer, Remaining, _wanted, _blockBytes) = (transfer, bytes, bytes, BufferBytes);
        Status = Ready | SeekComplete | DataRequest;
        Host?.OnDmaWanted(this);
    }

    private void OfferBlock()
    {
        var bytes = (int)Math.Min(_blockBytes, Remaining);
        if (!Produce(_buffer.AsSpan(0, bytes)))
        {
            FailUnlessHeld();
            return;
        }
        (_position, _length) = (0, bytes);
        Remaining -= bytes;
        Status = Ready | SeekComplete | DataRequest;
        OnBlock(bytes);
        Interrupt();
    }

    private void AskForBlock()
    {
        var bytes = (int)Math.Min(_blockBytes, Remaining);
        (_position, _length) = (0, bytes);
        Remaining -= bytes;
        Status = Ready | SeekComplete | DataRequest;
        OnBlock(bytes);
    }

    private void OnBlockRead()
    {
        if (Remaining > 0)
            OfferBlock();
        else
            Complete();
    }

    private void OnBlockWritten()
    {
        var block = _buffer.AsSpan(0, _length);
        if (TakesPacket)
        {
            StopTransfer();
            OnPacket(block);
        }
        else if (!Consume(block))
        {
            FailUnlessHeld();
        }
        else if (Remaining == 0)
        {
            Complete();
        }
        else
        {
            AskForBlock();
            Interrupt();
        }
    }

    private static Held HeldDuring(AtaTransfer transfer) => transfer switch
    {
        AtaTransfer.None => Held.Command,
        AtaTransfer.PioIn or AtaTransfer.PioOut => Held.Block,
        _ => Held.Dma,
    };

    private void FailUnlessHeld()
    {
        if (!IsHeld)
            OnTransferFailed();
    }

    // What is held back starts anew, as the table of regions does.
    private void EndDma()
    {
        if (IsHeld)
        {
            OnRewound(_wanted - Remaining);
            Remaining = _wanted;
        }
        else
        {
            OnTransferFailed();
        }
    }

    private void Complete()
    {
        var transfer = Transfer;
        StopTransfer();
        Status = Ready | SeekComplete;
        OnTransferred(transfer);
    }

    private void StopTransfer() => (Transfer, Remaining, _wanted, _position, _length, _held) = (AtaTransfer.None, 0, 0, 0, 0, Held.Nothing);
}

/// <summary>What a drive is plugged into.</summary>
internal interface IAtaHost
{
    /// <summary>The drive asks for attention, or has been answered.</summary>
    void OnInterruptChanged(AtaDrive drive);

    /// <summary>A command waits for its data to be moved by DMA.</summary>
    void OnDmaWanted(AtaDrive drive);

    /// <summary>It is a Serial ATA one, and takes queued commands.</summary>
    bool HasQueue => false;
}
