using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Platform;

/// <summary>
/// ACPI fixed hardware: PM1a event and control registers and the power management timer, as a PIIX4's function 3 or an ICH9's LPC bridge have them;
/// the power button, sleep and what wakes from it.
/// </summary>
/// <remarks>
/// ACPI Specification 6.4, 4.8.2 (power button, RTC alarm), 4.8.3 (PM1 event, PM1 control, PM timer); Intel 82371AB (PIIX4) data sheet, 7.1; Intel ICH9
/// data sheet, 13.8.3. The timer counts 24 bits. There is no legacy mode: SCI_EN is set from reset on, as the FADT says with SMI_CMD 0. Of the sleep
/// types S3, suspend to RAM, and S5, soft off, do something.
/// </remarks>
public sealed class AcpiPm : IPortDevice, IResettable, ISaveable
{
    /// <summary>Where firmware maps the registers; the FADT says so.</summary>
    public const ushort BasePort = 0x600;

    /// <summary>Offsets in the region.</summary>
    public const ushort EventOffset = 0, ControlOffset = 4, TimerOffset = 8;

    /// <summary>SLP_TYP for S5 and S3, as the DSDT's <c>\_Sx</c> say.</summary>
    public const int SoftOffSleepType = 0, SuspendSleepType = 1;

    private const int TimerBits = 24;
    private const int PiixBytes = 64, Ich9Bytes = 128;

    private const ushort TimerStatus = 1, TimerEnable = 1, PowerButtonStatus = 1 << 8, RtcStatus = 1 << 10, WakeStatus = 1 << 15;
    private const ushort StatusBits = 0x8f31, EnableBits = 0x4721, WakeCauses = PowerButtonStatus | RtcStatus;
    private const ushort SciEnable = 1, SleepEnable = 1 << 13, ControlBits = 0x1c03;

    // ICH9, 13.8.3.13: bit 5, APMC_EN. Set, it tells firmware that system management mode is set up; there is none.
    private const uint SmiEnableOffset = 0x30, SmiEnable = 1 << 5;

    private static readonly Frequency _timerClock = new(3_579_545);

    private readonly IIrqLine _sci;
    private readonly IClock _clock;
    private readonly IMachineControl _machine;
    private readonly IClockTimer _overflow;
    private readonly bool _isIch9;
    private ushort _status, _enable, _control;
    private long _statusTicks;

    // What asked for a wake-up, for the guest to find afterwards.
    private ushort _wakeCause;

    public AcpiPm(IIrqLine sci, IClock clock, IMachineControl machine, bool isIch9 = false)
    {
        (_sci, _clock, _machine, _isIch9) = (sci, clock, machine, isIch9);
        RtcAlarm = new AlarmLine(this);
        _overflow = clock.CreateTimer(Update);
        Regions =
        [
            new("pm", AddressSpace.Port, (ulong)(isIch9 ? Ich9Bytes : PiixBytes),
            [
                new("PM1_STS", 0, 2, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0, "0 timer, 8 power button, 10 RTC, 15 wake"),
                new("PM1_EN", 2, 2, RegisterAccess.ReadWrite, 0),
                new("PM1_CNT", 4, 2, RegisterAccess.ReadWrite, SciEnable, "10-12 SLP_TYP, 13 SLP_EN"),
                new("PM_TMR", 8, 4, RegisterAccess.Read, null, "3.579545 MHz, 24 bits"),
                .. isIch9 ? (ReadOnlySpan<Register>)[new("SMI_EN", SmiEnableOffset, 4, RegisterAccess.Read, SmiEnable)] : [],
            ]),
        ];
        Reset();
    }

    public string Name => "acpi-pm";

    public IReadOnlyList<RegisterMap> Regions { get; }

    public int StateVersion => 2;

    /// <summary>The RTC's alarm (4.8.2.4): an event, and a cause to wake up.</summary>
    public IIrqLine RtcAlarm { get; }

    /// <summary>Somebody presses the power button (4.8.2.2): an event, and a cause to wake up.</summary>
    public void PressPowerButton() => NoteEvent(PowerButtonStatus);

    /// <summary>After the reset with which a sleeping machine starts again: the guest finds that it slept, and why it was woken.</summary>
    public void NoteWake()
    {
        _status |= (ushort)(WakeStatus | _wakeCause);
        _wakeCause = 0;
        UpdateLine();
    }

    public uint ReadPort(int region, uint offset, int size)
    {
        NoteOverflow();
        var registers = (ulong)_status | (ulong)_enable << 16 | (ulong)_control << 32;
        return offset switch
        {
            < TimerOffset => (uint)(registers >> (int)(offset * 8)),
            < TimerOffset + 4 => (uint)(Ticks() & ((1 << TimerBits) - 1)) >> (int)((offset - TimerOffset) * 8),
            >= SmiEnableOffset and < SmiEnableOffset + 4 when _isIch9 => SmiEnable >> (int)((offset - SmiEnableOffset) * 8),
            _ => 0,
        };
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
        writer.UInt16(_wakeCause);
        writer.Int64(_statusTicks);
    }

    public void Load(ref StateReader reader)
    {
        _status = (ushort)(reader.UInt16() & StatusBits);
        _enable = (ushort)(reader.UInt16() & EnableBits);
        _control = (ushort)((reader.UInt16() & ControlBits) | SciEnable);
        _wakeCause = (ushort)(reader.UInt16() & WakeCauses);
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

    // What is not enabled wakes nobody, but for the button (4.8.2.2.1.1). A machine that is awake does not care.
    private void NoteEvent(ushort status)
    {
        _status |= status;
        Update();
        if ((status & (_enable | PowerButtonStatus)) == 0)
            return;
        _wakeCause = status;
        _machine.RequestWake();
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
                if (offset == 5 && (written & SleepEnable) != 0)
                    Sleep(_control >> 10 & 7);
                break;
            default:
                break;
        }
    }

    private void Sleep(int type)
    {
        if (type == SoftOffSleepType)
        {
            _machine.RequestPowerOff();
        }
        else if (type == SuspendSleepType)
        {
            _wakeCause = 0;
            _machine.RequestSuspend();
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

    private sealed class AlarmLine(AcpiPm pm) : IIrqLine
    {
        private bool _level;

        public void Set(bool level)
        {
            if (level && !_level)
                pm.NoteEvent(RtcStatus);
            _level = level;
        }
    }
}
