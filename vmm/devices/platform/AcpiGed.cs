using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Platform;

/// <summary>
/// ACPI without fixed hardware: the generic event device, whose one interrupt stands for all events, and the sleep and reset registers of the
/// hardware-reduced profile.
/// </summary>
/// <remarks>
/// ACPI Specification 6.4, 5.6.9 (interrupt-signaled events), 4.8.3.6 (RESET_REG), 4.8.3.7 (SLEEP_CONTROL_REG, SLEEP_STATUS_REG); the event register as
/// QEMU, docs/specs/acpi_hw_reduced_hotplug.rst, has it: reading tells which events there were, and answers them. Of the events there is the power button.
/// </remarks>
public sealed class AcpiGed : IMmioDevice, IResettable, ISaveable
{
    public const int EventRegion = 0, SleepRegion = 1;

    /// <summary>Bytes of the sleep and reset registers, and where each is.</summary>
    public const int SleepBytes = 3, SleepControlOffset = 0, SleepStatusOffset = 1, ResetOffset = 2;

    /// <summary>What the reset register takes.</summary>
    public const byte ResetValue = 0x42;

    /// <summary>SLP_TYPx for S5, as the DSDT's <c>\_S5</c> says.</summary>
    public const int SoftOffSleepType = 5;

    /// <summary>The event register's bit for the power button.</summary>
    public const uint PowerButtonEvent = 2;

    private const byte SleepEnable = 1 << 5, SleepTypeMask = 7;
    private const int SleepTypeShift = 2;

    private readonly IIrqLine _line;
    private readonly IMachineControl _machine;
    private uint _events;

    public AcpiGed(IIrqLine line, IMachineControl machine) => (_line, _machine) = (line, machine);

    public string Name => "acpi-ged";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("events", AddressSpace.Mmio, 4, [new("EVENTS", 0, 4, RegisterAccess.Read | RegisterAccess.ReadSideEffect, 0, "1 power button; reading answers")]),
        new("sleep", AddressSpace.Mmio, SleepBytes,
        [
            new("SLEEP_CONTROL_REG", SleepControlOffset, 1, RegisterAccess.ReadWrite, 0, "2-4 SLP_TYP, 5 SLP_EN"),
            new("SLEEP_STATUS_REG", SleepStatusOffset, 1, RegisterAccess.ReadWrite, 0, "7 WAK_STS: never, as nothing sleeps"),
            new("RESET_REG", ResetOffset, 1, RegisterAccess.Write, null, "0x42 resets"),
        ]),
    ];

    public int StateVersion => 1;

    /// <summary>Somebody presses the power button.</summary>
    public void PressPowerButton() => SetEvents(_events | PowerButtonEvent);

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        if (region != EventRegion || offset != 0 || size < sizeof(uint))
            return 0;
        var events = _events;
        SetEvents(0);
        return events;
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if (region != SleepRegion)
            return;
        switch (offset)
        {
            case SleepControlOffset when (value & SleepEnable) != 0 && ((int)value >> SleepTypeShift & SleepTypeMask) == SoftOffSleepType:
                _machine.RequestPowerOff();
                break;
            case ResetOffset when (byte)value == ResetValue:
                _machine.RequestReset();
                break;
            default:
                break;
        }
    }

    public void Reset() => SetEvents(0);

    public void Save(StateWriter writer) => writer.UInt32(_events);

    public void Load(ref StateReader reader) => SetEvents(reader.UInt32() & PowerButtonEvent);

    private void SetEvents(uint events)
    {
        _events = events;
        _line.Set(events != 0);
    }
}
