using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>One ATA channel: two drives that share registers, an interrupt and a bus master.</summary>
/// <remarks>
/// ATA/ATAPI-7 volume 2 (T13 1532D), 4 (both drives take every write, the selected one answers), 9.2 (software reset), 9.10 (diagnostics, which leave
/// drive 0 selected); what a missing drive answers: 9.16.1.
/// </remarks>
internal sealed class IdeChannel(IIrqLine irq, BusMasterIde busMaster) : IAtaHost
{
    public const int DriveCount = 2;

    private const int DataRegister = 0, DeviceRegister = 6, CommandRegister = 7;
    private const byte NoInterrupt = 2, SoftwareReset = 4, PreviousContent = 0x80, ExecuteDiagnostic = 0x90;

    private readonly AtaDrive?[] _drives = new AtaDrive?[DriveCount];
    private byte _control;
    private bool _second, _isRaised;

    public BusMasterIde BusMaster => busMaster;

    public IEnumerable<AtaDrive> Drives
    {
        get
        {
            foreach (var drive in _drives)
            {
                if (drive is not null)
                    yield return drive;
            }
        }
    }

    private AtaDrive? Selected => _drives[_second ? 1 : 0];

    private bool IsInReset => (_control & SoftwareReset) != 0;

    /// <summary>Plugs a drive in.</summary>
    /// <param name="unit">0 or 1.</param>
    /// <returns>False when there is one.</returns>
    public bool TryAdd(int unit, AtaDrive drive)
    {
        if (_drives[unit] is not null)
            return false;
        _drives[unit] = drive;
        drive.Host = this;
        return true;
    }

    /// <summary>A register of the command block.</summary>
    /// <param name="offset">0 to 7.</param>
    public uint Read(uint offset, int size)
    {
        if (offset == DataRegister)
            return size == 1 ? 0 : Selected?.ReadData(size) ?? 0;
        uint value = 0;
        for (var i = 0; i < size; i++)
            value |= (uint)ReadRegister((int)offset + i) << (i * 8);
        return value;
    }

    /// <summary>A register of the command block.</summary>
    /// <param name="offset">0 to 7.</param>
    public void Write(uint offset, int size, uint value)
    {
        if (offset == DataRegister)
        {
            if (size > 1)
                Selected?.WriteData(size, value);
            return;
        }
        for (var i = 0; i < size; i++)
            WriteRegister((int)offset + i, (byte)(value >> (i * 8)));
    }

    /// <summary>The alternate status register: does not answer an interrupt.</summary>
    public byte ReadAlternateStatus() => IsInReset ? AtaDrive.Busy : Selected?.Status ?? 0;

    /// <summary>The device control register.</summary>
    public void WriteControl(byte value)
    {
        var wasInReset = IsInReset;
        _control = value;
        if (wasInReset && !IsInReset)
            ResetDrives();
        UpdateLine();
    }

    public void OnInterruptChanged(AtaDrive drive)
    {
        if (ReferenceEquals(drive, Selected))
            UpdateLine();
    }

    public void OnDmaWanted(AtaDrive drive) => busMaster.Run(drive);

    /// <summary>The bus master's command register: starts, or stops, the transfer.</summary>
    public void WriteBusMasterCommand(byte value)
    {
        var wasStarted = (busMaster.Command & BusMasterIde.Start) != 0;
        busMaster.Command = (byte)(value & (BusMasterIde.Start | BusMasterIde.ToMemory));
        if ((value & BusMasterIde.Start) == 0)
        {
            busMaster.Status &= unchecked((byte)~BusMasterIde.Active);
        }
        else if (!wasStarted)
        {
            busMaster.Status |= BusMasterIde.Active;
            busMaster.Run(Selected);
        }
    }

    public void Reset()
    {
        _control = 0;
        busMaster.Reset();
        ResetDrives();
        UpdateLine();
    }

    public void Save(StateWriter writer)
    {
        writer.Byte(_control);
        writer.Bool(_second);
        writer.Bool(_isRaised);
        busMaster.Save(writer);
        foreach (var drive in _drives)
            drive?.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        _control = reader.Byte();
        _second = reader.Bool();
        _isRaised = reader.Bool();
        busMaster.Load(ref reader);
        foreach (var drive in _drives)
            drive?.Load(ref reader);
        UpdateLine();
    }

    private byte ReadRegister(int register)
    {
        if (IsInReset)
            return AtaDrive.Busy;
        if (Selected is not { } drive)
            // Drive 0 answers for a drive 1 that is not there, but with an empty status.
            return register == CommandRegister ? (byte)0 : _drives[0]?.Read(register, (_control & PreviousContent) != 0) ?? 0;
        var value = drive.Read(register, (_control & PreviousContent) != 0);
        if (register == DeviceRegister)
            value = (byte)((value & ~AtaDrive.SelectSecond) | (_second ? AtaDrive.SelectSecond : 0));
        if (register == CommandRegister)
            drive.AnswerInterrupt();
        return value;
    }

    private void WriteRegister(int register, byte value)
    {
        if (IsInReset)
            return;
        // A write of the command block ends the reading of previous values (volume 1, 6.2).
        _control &= unchecked((byte)~PreviousContent);
        if (register == CommandRegister)
        {
            WriteCommand(value);
            return;
        }
        if (register == DeviceRegister)
            _second = (value & AtaDrive.SelectSecond) != 0;
        foreach (var drive in _drives)
            drive?.Write(register, value);
        if (register == DeviceRegister)
            UpdateLine();
    }

    private void WriteCommand(byte command)
    {
        if (command != ExecuteDiagnostic)
        {
            Selected?.Execute(command);
            return;
        }
        _second = false;
        foreach (var drive in _drives)
            drive?.Diagnose();
        _drives[0]?.AskForAttention();
    }

    private void ResetDrives()
    {
        _second = false;
        foreach (var drive in _drives)
            drive?.ResetHard();
    }

    // The bus master notes an interrupt when it comes, not that there is one.
    private void UpdateLine()
    {
        var wasRaised = _isRaised;
        _isRaised = Selected is { IsInterrupting: true } && (_control & NoInterrupt) == 0 && !IsInReset;
        if (_isRaised && !wasRaised)
            busMaster.Status |= BusMasterIde.InterruptStatus;
        irq.Set(_isRaised);
    }
}
