using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>One port of an AHCI controller, with a drive or none: its registers, and the commands of its list.</summary>
/// <remarks>
/// AHCI 1.3.1, 3.3 (registers), 4.2.1 (received FISes), 4.2.2 (command list), 5.3 (state machine, whose commands here are over at once). Serial ATA 2.6,
/// 10.3 (FISes). After an error of the task file the port goes on with the next command, as QEMU's does, where 5.3.14 would wait for a restart; after one of a
/// queued command it waits. No FISes of DMA set-up are kept.
/// </remarks>
internal sealed class AhciPort : IAtaHost
{
    public const int RegisterBytes = 0x80;
    public const int SlotCount = 32;

    private const uint ListOffset = 0x00, ListUpperOffset = 0x04, FisOffset = 0x08, FisUpperOffset = 0x0c, InterruptOffset = 0x10, EnableOffset = 0x14, CommandOffset = 0x18,
        TaskFileOffset = 0x20, SignatureOffset = 0x24, SataStatusOffset = 0x28, SataControlOffset = 0x2c, SataErrorOffset = 0x30, ActiveOffset = 0x34, IssueOffset = 0x38;

    // PxCMD.
    private const uint Start = 1, SpinUp = 2, PowerOn = 4, ListOverride = 8, FisEnable = 0x10, FisRunning = 1 << 14, ListRunning = 1 << 15, CommandWritable = Start | FisEnable;
    private const int SlotShift = 8;

    // PxIS.
    private const uint RegisterFis = 1, PioSetupFis = 2, DeviceBitsFis = 8, PortChange = 1 << 6, Overflow = 1 << 24, BusFatal = 1 << 29, TaskFileError = 1 << 30, InterruptBits = 0xfdc000ff;

    // PxSSTS: a device, generation 1, active. PxSERR: DIAG.X.
    private const uint LinkUp = 0x113, Exchanged = 1 << 26;
    private const uint DetectionMask = 0xf, ComReset = 1, SataControlWritable = 0xfff;
    private const uint NoTaskFile = 0x7f, NoSignature = uint.MaxValue;
    private const uint BusyAndRequest = 0x88;

    private const int HeaderBytes = 32, CountOffset = 4, CommandFisBytes = 20, PacketOffset = 0x40, PacketBytes = 12, TableOffset = 0x80;
    private const byte HostToDevice = 0x27, DeviceToHost = 0x34, PioSetup = 0x5f, DeviceBits = 0xa1, IsCommand = 0x80, PortMask = 0xf, InterruptFlag = 0x40, ToHostFlag = 0x20, SoftwareReset = 4, Packet = 0xa0, ReadQueued = 0x60, WriteQueued = 0x61;
    private const uint PioSetupAt = 0x20, DeviceToHostAt = 0x40, DeviceBitsAt = 0x58;
    private const int DeviceBitsBytes = 8, TagShift = 3;

    // What a FIS of device bits has of the status register (Serial ATA 2.6, 10.3.6).
    private const byte DeviceBitsStatus = 0x77;

    private readonly IGuestMemory _memory;
    private readonly Func<bool> _isBusMaster;
    private readonly AhciTransfer _transfer;
    private readonly Action _onInterrupt;
    private ulong _list, _fis;
    private uint _interrupts, _enabled, _command, _taskFile, _signature, _sataControl, _sataError, _active, _issued;
    private bool _isInSoftwareReset, _owesSignature;

    // Nothing goes on until the port is started again.
    private bool _isFatal;

    /// <param name="onInterrupt">Told of each change of what asks for an interrupt.</param>
    public AhciPort(IGuestMemory memory, Func<bool> isBusMaster, Action onInterrupt)
    {
        (_memory, _isBusMaster, _onInterrupt) = (memory, isBusMaster, onInterrupt);
        _transfer = new AhciTransfer(memory, isBusMaster);
    }

    public AtaDrive? Drive { get; private set; }

    /// <summary>Something asks for an interrupt that is enabled.</summary>
    public bool IsInterrupting => (Interrupts & _enabled) != 0;

    /// <summary>A command waits, and nothing keeps it from being carried out.</summary>
    public bool HasWork => (_command & Start) != 0 && _issued != 0 && !_isFatal && Drive is { IsHeld: false };

    // 3.3.5: PCS is DIAG.X.
    private uint Interrupts => _interrupts | ((_sataError & Exchanged) != 0 ? PortChange : 0);

    /// <summary>Plugs a drive in; false when there is one.</summary>
    public bool TryAdd(AtaDrive drive)
    {
        if (Drive is not null)
            return false;
        Drive = drive;
        drive.Host = this;
        return true;
    }

    public static IEnumerable<Register> RegistersOf(int port)
    {
        var at = (uint)(Ahci.PortsOffset + port * RegisterBytes);
        return
        [
            new($"P{port}CLB", at + ListOffset, 4, RegisterAccess.ReadWrite, 0),
            new($"P{port}CLBU", at + ListUpperOffset, 4, RegisterAccess.ReadWrite, 0),
            new($"P{port}FB", at + FisOffset, 4, RegisterAccess.ReadWrite, 0),
            new($"P{port}FBU", at + FisUpperOffset, 4, RegisterAccess.ReadWrite, 0),
            new($"P{port}IS", at + InterruptOffset, 4, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0),
            new($"P{port}IE", at + EnableOffset, 4, RegisterAccess.ReadWrite, 0),
            new($"P{port}CMD", at + CommandOffset, 4, RegisterAccess.ReadWrite, SpinUp | PowerOn, "0 start, 3 override, 4 FIS receive, 14 and 15 running"),
            new($"P{port}TFD", at + TaskFileOffset, 4, RegisterAccess.Read, NoTaskFile),
            new($"P{port}SIG", at + SignatureOffset, 4, RegisterAccess.Read, NoSignature),
            new($"P{port}SSTS", at + SataStatusOffset, 4, RegisterAccess.Read),
            new($"P{port}SCTL", at + SataControlOffset, 4, RegisterAccess.ReadWrite, 0, "0-3 DET: 1 then 0 resets"),
            new($"P{port}SERR", at + SataErrorOffset, 4, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0),
            new($"P{port}SACT", at + ActiveOffset, 4, RegisterAccess.ReadWrite, 0),
            new($"P{port}CI", at + IssueOffset, 4, RegisterAccess.ReadWrite, 0),
        ];
    }

    public uint Read(uint offset) => offset switch
    {
        ListOffset => (uint)_list,
        ListUpperOffset => (uint)(_list >> 32),
        FisOffset => (uint)_fis,
        FisUpperOffset => (uint)(_fis >> 32),
        InterruptOffset => Interrupts,
        EnableOffset => _enabled,
        CommandOffset => _command | SpinUp | PowerOn | ((_command & Start) != 0 ? ListRunning : 0) | ((_command & FisEnable) != 0 ? FisRunning : 0),
        TaskFileOffset => _taskFile,
        SignatureOffset => _signature,
        SataStatusOffset => Drive is null ? 0 : LinkUp,
        SataControlOffset => _sataControl,
        SataErrorOffset => _sataError,
        ActiveOffset => _active,
        IssueOffset => _issued,
        _ => 0,
    };

    public void Write(uint offset, uint value)
    {
        switch (offset)
        {
            case ListOffset:
                _list = (_list & ~(ulong)uint.MaxValue) | (value & ~0x3ffu);
                break;
            case ListUpperOffset:
                _list = (uint)_list | (ulong)value << 32;
                break;
            case FisOffset:
                _fis = (_fis & ~(ulong)uint.MaxValue) | (value & ~0xffu);
                break;
            case FisUpperOffset:
                _fis = (uint)_fis | (ulong)value << 32;
                break;
            case InterruptOffset:
                _interrupts &= ~value;
                _onInterrupt();
                break;
            case EnableOffset:
                _enabled = value & InterruptBits;
                _onInterrupt();
                break;
            case CommandOffset:
                WriteCommand(value);
                break;
            case SataControlOffset:
                WriteSataControl(value & SataControlWritable);
                break;
            case SataErrorOffset:
                _sataError &= ~value;
                _onInterrupt();
                break;
            // Bits are only set by software, and only while the list is being processed (3.3.13, 3.3.14).
            case ActiveOffset when (_command & Start) != 0:
                _active |= value;
                break;
            case IssueOffset when (_command & Start) != 0:
                _issued |= value;
                break;
            default:
                break;
        }
    }

    /// <summary>Carries out the waiting command of the lowest slot.</summary>
    /// <returns>How many bytes of data were moved.</returns>
    public uint RunNext()
    {
        var slot = System.Numerics.BitOperations.TrailingZeroCount(_issued);
        _command = (_command & CommandWritable) | (uint)slot << SlotShift;
        Span<byte> header = stackalloc byte[HeaderBytes];
        var at = _list + (uint)(slot * HeaderBytes);
        if (!TryRead(at, header))
        {
            Fail();
            return 0;
        }
        var table = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]) & ~0x7fUL;
        Span<byte> fis = stackalloc byte[CommandFisBytes], packet = stackalloc byte[PacketBytes], moved = stackalloc byte[sizeof(uint)];
        if (!TryRead(table, fis) || !TryRead(table + PacketOffset, packet))
        {
            Fail();
            return 0;
        }
        _transfer.Start(table + TableOffset, BinaryPrimitives.ReadUInt16LittleEndian(header[2..]));
        var isForDrive = fis[0] == HostToDevice && (fis[1] & PortMask) == 0;
        if (isForDrive && (fis[1] & IsCommand) != 0 && fis[2] is ReadQueued or WriteQueued && Drive is AtaDisk)
        {
            RunQueued(fis, 1u << slot);
            return _transfer.MovedBytes;
        }
        var isAnswered = isForDrive && CarryOut(fis, packet);
        if (_transfer.HasFailed)
        {
            Fail();
            return _transfer.MovedBytes;
        }
        // The slot stays issued, and is carried out anew.
        if (Drive!.IsHeld)
            return _transfer.MovedBytes;
        BinaryPrimitives.WriteUInt32LittleEndian(moved, _transfer.MovedBytes);
        _ = _memory.TryWrite(at + CountOffset, moved);
        // Cleared before the FIS that tells of it, so that whoever is interrupted by that finds it cleared.
        _issued &= ~(1u << slot);
        if (isAnswered)
            SendRegisters();
        return _transfer.MovedBytes;
    }

    public void Reset()
    {
        (_list, _fis, _enabled, _interrupts, _command, _sataControl, _sataError, _active, _issued) = (0, 0, 0, 0, 0, 0, 0, 0, 0);
        ResetDrive();
    }

    /// <summary>As <see cref="Reset"/>, but that addresses stay: the controller's own reset (10.4.3).</summary>
    public void ResetByHost()
    {
        (_enabled, _interrupts, _command, _sataControl, _sataError, _active, _issued) = (0, 0, 0, 0, 0, 0, 0);
        ResetDrive();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt64(_list);
        writer.UInt64(_fis);
        foreach (var register in (ReadOnlySpan<uint>)[_interrupts, _enabled, _command, _taskFile, _signature, _sataControl, _sataError, _active, _issued])
            writer.UInt32(register);
        writer.Bool(_isInSoftwareReset);
        writer.Bool(_owesSignature);
        writer.Bool(_isFatal);
        Drive?.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        (_list, _fis) = (reader.UInt64() & ~0x3ffUL, reader.UInt64() & ~0xffUL);
        (_interrupts, _enabled, _command) = (reader.UInt32() & InterruptBits, reader.UInt32() & InterruptBits, reader.UInt32() & (CommandWritable | (SlotCount - 1) << SlotShift));
        (_taskFile, _signature, _sataControl, _sataError) = (reader.UInt32(), reader.UInt32(), reader.UInt32() & SataControlWritable, reader.UInt32());
        (_active, _issued) = (reader.UInt32(), reader.UInt32());
        (_isInSoftwareReset, _owesSignature, _isFatal) = (reader.Bool(), reader.Bool(), reader.Bool());
        Drive?.Load(ref reader);
    }

    bool IAtaHost.HasQueue => true;

    // Interrupts are the port's, by FISes.
    void IAtaHost.OnInterruptChanged(AtaDrive drive) { }

    // False: less memory than data.
    void IAtaHost.OnDmaWanted(AtaDrive drive)
    {
        if (!drive.MoveByDma(_transfer) && !_transfer.HasFailed)
            _interrupts |= Overflow;
    }

    private void WriteCommand(uint value)
    {
        var wasStarted = (_command & Start) != 0;
        if ((value & ListOverride) != 0 && !wasStarted)
            _taskFile &= ~BusyAndRequest;
        _command = (_command & ~CommandWritable) | (value & CommandWritable);
        if ((value & Start) == 0)
        {
            // 3.3.7: stopped, nothing is issued, and errors are over.
            (_active, _issued, _isFatal) = (0, 0, false);
            Drive?.LetGo();
            _command &= CommandWritable;
        }
        PaySignature();
    }

    private void WriteSataControl(uint value)
    {
        var wasInReset = (_sataControl & DetectionMask) == ComReset;
        _sataControl = value;
        if (!wasInReset || (value & DetectionMask) == ComReset || Drive is null)
            return;
        ResetDrive();
        _sataError |= Exchanged;
        PaySignature();
        _onInterrupt();
    }

    private void ResetDrive()
    {
        (_taskFile, _signature, _isInSoftwareReset, _isFatal) = (NoTaskFile, NoSignature, false, false);
        Drive?.ResetHard();
        _owesSignature = Drive is not null;
        _onInterrupt();
    }

    // The drive's first FIS comes when there is a place for it.
    private void PaySignature()
    {
        if (!_owesSignature || (_command & FisEnable) == 0 || Drive is not { } drive)
            return;
        _owesSignature = false;
        _signature = (uint)(drive.Read(2, false) | drive.Read(3, false) << 8 | drive.Read(4, false) << 16) | (uint)drive.Read(5, false) << 24;
        SendRegisters();
    }

    // Sets the task file and runs the command; false where no FIS is the answer.
    private bool CarryOut(ReadOnlySpan<byte> fis, ReadOnlySpan<byte> packet)
    {
        var drive = Drive!;
        if ((fis[1] & IsCommand) == 0)
        {
            var isReset = (fis[15] & SoftwareReset) != 0;
            var isOver = _isInSoftwareReset && !isReset;
            _isInSoftwareReset = isReset;
            if (isOver)
                drive.ResetHard();
            return isOver;
        }
        SetRegisters(drive, fis);
        drive.Execute(fis[2]);
        if (fis[2] == Packet && drive.Transfer == AtaTransfer.PioOut)
        {
            SendPioSetup(PacketBytes, toHost: false, interrupts: false);
            for (var i = 0; i < PacketBytes; i += sizeof(uint))
                drive.WriteData(sizeof(uint), BinaryPrimitives.ReadUInt32LittleEndian(packet[i..]));
        }
        for (var isFirst = true; drive is { IsHeld: false, Transfer: AtaTransfer.PioIn or AtaTransfer.PioOut }; isFirst = false)
        {
            var toHost = drive.Transfer == AtaTransfer.PioIn;
            SendPioSetup(drive.OfferedBytes, toHost, interrupts: toHost || !isFirst);
            if (drive.TryMoveBlock(_transfer))
                continue;
            if (!_transfer.HasFailed)
                _interrupts |= Overflow;
            break;
        }
        return true;
    }

    // Each register has the value before, too.
    private static void SetRegisters(AtaDrive drive, ReadOnlySpan<byte> fis)
    {
        for (var register = 1; register <= 5; register++)
        {
            var (now, before) = register switch
            {
                1 => (fis[3], fis[11]),
                2 => (fis[12], fis[13]),
                _ => (fis[register + 1], fis[register + 5]),
            };
            drive.Write(register, before);
            drive.Write(register, now);
        }
        drive.Write(6, fis[7]);
    }

    // 5.6.4.2 and Serial ATA 2.6, 13.6.3: the drive takes the command, and the slot is free; then it moves the data; then it tells by the command's place in
    // the queue that it is done. After an error nothing goes on until the port is started again, and the drive has told why (6.2.2.2).
    private void RunQueued(ReadOnlySpan<byte> fis, uint slotBit)
    {
        var drive = Drive!;
        SetRegisters(drive, fis);
        var tagBit = 1u << (drive.Read(2, false) >> TagShift);
        _issued &= ~slotBit;
        _taskFile = AtaDrive.Ready | AtaDrive.SeekComplete;
        Span<byte> registers = stackalloc byte[CommandFisBytes];
        PutRegisters(registers, DeviceToHost, flags: 0);
        (registers[2], registers[3]) = (AtaDrive.Ready | AtaDrive.SeekComplete, 0);
        Send(DeviceToHostAt, registers);
        drive.ExecuteQueued(fis[2]);
        // The slot is issued again, and carried out anew.
        if (drive.IsHeld)
        {
            _issued |= slotBit;
            return;
        }
        drive.AnswerInterrupt();
        if (_transfer.HasFailed)
        {
            Fail();
            return;
        }
        var hasFailed = (drive.Status & AtaDrive.Failed) != 0;
        _active &= hasFailed ? _active : ~tagBit;
        SendDeviceBits(drive, hasFailed ? 0 : tagBit);
    }

    // 10.3.6: status and error, and which places of the queue are done.
    private void SendDeviceBits(AtaDrive drive, uint done)
    {
        Span<byte> fis = stackalloc byte[DeviceBitsBytes];
        (fis[0], fis[1], fis[2], fis[3]) = (DeviceBits, InterruptFlag, (byte)(drive.Status & DeviceBitsStatus), drive.Read(1, false));
        BinaryPrimitives.WriteUInt32LittleEndian(fis[4..], done);
        _taskFile = (_taskFile & ~(uint)DeviceBitsStatus & 0xff) | fis[2] | (uint)fis[3] << 8;
        _interrupts |= DeviceBitsFis;
        if (done == 0)
        {
            _interrupts |= TaskFileError;
            _isFatal = true;
        }
        Send(DeviceBitsAt, fis);
    }

    // A FIS of the drive's registers (Serial ATA 2.6, 10.3.5), which are the task file from here on.
    private void SendRegisters()
    {
        var drive = Drive!;
        Span<byte> fis = stackalloc byte[CommandFisBytes];
        PutRegisters(fis, DeviceToHost, InterruptFlag);
        _taskFile = (uint)(drive.Read(7, false) | drive.Read(1, false) << 8);
        _interrupts |= RegisterFis;
        if ((drive.Status & AtaDrive.Failed) != 0)
            _interrupts |= TaskFileError;
        drive.AnswerInterrupt();
        Send(DeviceToHostAt, fis);
    }

    // 10.3.11: before a block of data; its status afterwards and length at the end. As on a parallel bus, the first block that a drive asks for interrupts nobody.
    private void SendPioSetup(int bytes, bool toHost, bool interrupts)
    {
        Span<byte> fis = stackalloc byte[CommandFisBytes];
        PutRegisters(fis, PioSetup, (byte)((interrupts ? InterruptFlag : 0) | (toHost ? ToHostFlag : 0)));
        fis[15] = AtaDrive.Ready | AtaDrive.SeekComplete;
        BinaryPrimitives.WriteUInt16LittleEndian(fis[16..], (ushort)Math.Min(bytes, ushort.MaxValue));
        if (interrupts)
            _interrupts |= PioSetupFis;
        Send(PioSetupAt, fis);
    }

    private void PutRegisters(Span<byte> fis, byte type, byte flags)
    {
        var drive = Drive!;
        fis.Clear();
        (fis[0], fis[1], fis[2], fis[3]) = (type, flags, drive.Read(7, false), drive.Read(1, false));
        for (var register = 3; register <= 5; register++)
            (fis[register + 1], fis[register + 5]) = (drive.Read(register, false), drive.Read(register, true));
        (fis[7], fis[12], fis[13]) = (drive.Read(6, false), drive.Read(2, false), drive.Read(2, true));
    }

    private void Send(uint offset, ReadOnlySpan<byte> fis)
    {
        if ((_command & FisEnable) != 0 && !(_isBusMaster() && _memory.TryWrite(_fis + offset, fis)))
            Fail();
        else
            _onInterrupt();
    }

    private bool TryRead(ulong address, Span<byte> destination) => _isBusMaster() && _memory.TryRead(address, destination);

    // 6.1.1: a bus error is fatal, and nothing goes on until the port is started again.
    private void Fail()
    {
        _isFatal = true;
        _interrupts |= BusFatal;
        _onInterrupt();
    }
}
