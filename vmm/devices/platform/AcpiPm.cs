using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Platform;

/// <summary>
/// ACPI fixed hardware: PM1a event and control registers and the power management timer, at the offsets that a PIIX4 has them.
/// </summary>
/// <remarks>
/// ACPI Specification 6.4, 4.8.3 (PM1 event, PM1 control, PM timer); Intel 82371AB (PIIX4) data sheet, 7.1. The timer counts 24 bits. There is no legacy
/// mode: SCI_EN is set from reset on, as the FADT says with SMI_CMD 0. Of the sleep types only S5, soft off, does anything.
/// </remarks>
public sealed class AcpiPm : IPortDevice, IResettable, ISaveable
{
    /// <summary>Where the registers are mapped; the FADT says so.</summary>
    public const ushort BasePort = 0x600;

    /// <summary>Offsets in the region.</summary>
    public const ushort EventOffset = 0, ControlOffset = 4, TimerOffset = 8;

    /// <summary>SLP_TYP for S5, as the DSDT's <c>\_S5</c> would say.</summary>
    public const int SoftOffSleepType = 0;

    private const int TimerBits = 24;

    private const ushort TimerStatus = 1, TimerEnable = 1;
    private const ushort StatusBits = 0x8f31, EnableBits = 0x4721;
    private const ushort SciEnable = 1, SleepEnable = 1 << 13, ControlBits = 0x1c03;

    private static readonly Frequency _timerClock = new(3_579_545);

    private readonly IIrqLine _sci;
    private readonly IClock _clock;
    private readonly IMachineControl _machine;
    private readonly IClockTimer _overflow;
    private ushort _status, _enable, _control;
    private long _statusTicks;

    public AcpiPm(IIrqLine sci, IClock clock, IMachineControl machine)
    {
        (_sci, _clock, _machine) = (sci, clock, machine);
        _overflow = clock.CreateTimer(Update);
        Reset();
    }

    public string Name => "acpi-pm";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("pm", AddressSpace.Port, 12,
        [
            new("PM1_STS", 0, 2, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0),
            new("PM1_EN", 2, 2, RegisterAccess.ReadWrite, 0),
            new("PM1_CNT", 4, 2, RegisterAccess.ReadWrite, SciEnable, "10-12 SLP_TYP, 13 SLP_EN"),
            new("PM_TMR", 8, 4, RegisterAccess.Read, null, "3.579545 MHz, 24 bits"),
        ]),
    ];

    public int StateVersion => 1;

    public uint ReadPort(int region, uint offset, int size)
    {
        NoteOverflow();
        var registers = (ulong)_status | (ulong)_enable << 16 | (ulong)_control << 32;
        if (offset < TimerOffset)
            return (uint)(registers >> (int)(offset * 8));
        return (uint)(Ticks() & ((1 << TimerBits) - 1)) >> (int)((offset - TimerOffset) * 8);
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        NoteOverflow();
        // Byte by byte: the registers are narrower than an access may be, and may be written in parts.
        for (var i = 0; i < size; i++)
            WriteByte(offset + (uint)i, (byte)(value >> (i * 8)));
        Update();
    }

    public void Reset()
    {
        (_status, _enable, _control) = (0, 0, SciEnable);
        _statusTicks = Ticks();
        Update();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt16(_status);
        writer.UInt16(_enable);
        writer.UInt16(_control);
        writer.Int64(_statusTicks);
    }

    public void Load(ref StateReader reader)
    {
        _status = (ushort)(reader.UInt16() & StatusBits);
        _enable = (ushort)(reader.UInt16() & EnableBits);
        _control = (ushort)((reader.UInt16() & ControlBits) | SciEnable);
        _statusTicks = Math.Clamp(reader.Int64(), 0, long.MaxValue / 2);
        UpdateLine();
    }

    private long Ticks() => _timerClock.TicksAt(_clock.NowNs);

    // 4.8.3.1.1: TMR_STS is set when the timer's most significant bit changes.
    private void NoteOverflow()
    {
        var ticks = Ticks();
        if (ticks >> (TimerBits - 1) != _statusTicks >> (TimerBits - 1))
            _status |= TimerStatus;
        _statusTicks = ticks;
    }

    private void WriteByte(uint offset, byte value)
    {
        switch (offset)
        {
            case 0 or 1:
                _status &= (ushort)~((value << (int)(offset * 8)) & StatusBits);
                break;
            case 2 or 3:
                _enable = (ushort)(Replace(_enable, offset - 2, value) & EnableBits);
                break;
            case 4 or 5:
                var written = Replace(_control, offset - 4, value);
                _control = (ushort)((written & ControlBits) | SciEnable);
                if (offset == 5 && (written & SleepEnable) != 0 && (_control >> 10 & 7) == SoftOffSleepType)
                    _machine.RequestPowerOff();
                break;
            default:
                break;
        }
    }

    private static ushort Replace(ushort register, uint index, byte value) =>
        (ushort)((register & ~(0xff << (int)(index * 8))) | value << (int)(index * 8));

    private void Update()
    {
        NoteOverflow();
        UpdateLine();
    }

    private void UpdateLine()
    {
        _sci.Set((_status & _enable & EnableBits) != 0);
        if ((_enable & TimerEnable) == 0 || (_status & TimerStatus) != 0)
        {
            _overflow.Cancel();
            return;
        }
        var next = ((_statusTicks >> (TimerBits - 1)) + 1) << (TimerBits - 1);
        _overflow.Arm(_timerClock.NsAt(next));
    }
}
