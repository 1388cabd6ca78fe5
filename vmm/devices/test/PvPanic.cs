using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Test;

/// <summary>What a guest tells of its own panic by: one byte.</summary>
/// <remarks>QEMU, docs/specs/pvpanic.rst. Reading tells which events are known; writing bit 0 says that the system panicked, bit 1 that it loads another kernel for that.</remarks>
internal static class PvPanicEvents
{
    public const byte Panicked = 1, CrashLoaded = 2, Known = Panicked | CrashLoaded;

    public static IReadOnlyList<Register> Registers => [new("EVENTS", 0, 1, RegisterAccess.ReadWrite, Known, "0 panicked, 1 crash kernel loaded")];

    public static void Tell(IMachineControl machine, byte events)
    {
        if ((events & Panicked) != 0)
            machine.NotePanic(isHandled: false);
        else if ((events & CrashLoaded) != 0)
            machine.NotePanic(isHandled: true);
    }
}

/// <summary>QEMU's <c>pvpanic</c> on the ISA bus: one port.</summary>
public sealed class PvPanic : IPortDevice
{
    public const ushort DefaultPort = 0x505;

    private readonly IMachineControl _machine;

    public PvPanic(IMachineControl machine) => _machine = machine;

    public string Name => "pvpanic";

    public IReadOnlyList<RegisterMap> Regions { get; } = [new("events", AddressSpace.Port, 1, PvPanicEvents.Registers)];

    public uint ReadPort(int region, uint offset, int size) => PvPanicEvents.Known;

    public void WritePort(int region, uint offset, int size, uint value) => PvPanicEvents.Tell(_machine, (byte)value);
}

/// <summary>QEMU's <c>pvpanic-pci</c>, 1b36:0011: the same byte in memory, at the start of BAR 0.</summary>
public sealed class PvPanicPci : IMmioDevice
{
    public const ushort Vendor = 0x1b36, Device = 0x0011;

    // QEMU's region has two bytes, of which one is used.
    private const int RegionBytes = 2;

    private readonly IMachineControl _machine;

    public PvPanicPci(IMachineControl machine) => _machine = machine;

    public string Name => "pvpanic-pci";

    public IReadOnlyList<RegisterMap> Regions { get; } = [new("events", AddressSpace.Mmio, RegionBytes, PvPanicEvents.Registers)];

    public ulong ReadMmio(int region, ulong offset, int size) => offset == 0 ? PvPanicEvents.Known : 0u;

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if (offset == 0)
            PvPanicEvents.Tell(_machine, (byte)value);
    }
}
