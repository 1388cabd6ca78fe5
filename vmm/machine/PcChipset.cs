using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Storage;

namespace Gauntlet.Vmm.Machines;

/// <summary>The kinds of PC, by the names of <c>-machine</c>.</summary>
public enum PcModel
{
    /// <summary>440FX and PIIX.</summary>
    Pc,

    /// <summary>Q35 and ICH9.</summary>
    Q35,
}

/// <summary>What a board gives its chip set.</summary>
/// <param name="Shadow">The host bridge drives it.</param>
/// <param name="Pm">The power management registers, mapped where the chip set's registers say.</param>
/// <param name="IsFirmwareToRun">Registers start as after power-on; else as firmware leaves them.</param>
/// <param name="Resources">What firmware gives.</param>
/// <param name="Msi">Where functions' messages go.</param>
internal sealed record PcChipsetParts(Machine Machine, PcInterruptLines Lines, AttributeMap Shadow, AcpiPm Pm, bool IsFirmwareToRun, PciResources Resources, IMsiTarget Msi);

/// <summary>
/// What differs between PCs: the host bridge, the bridge with interrupt routing and power management, what else is built in, and how much RAM is below 4 GiB.
/// </summary>
internal abstract class PcChipset
{
    protected PcChipset(PcChipsetParts parts, string hostName)
    {
        Parts = parts;
        Host = new PciHost(parts.Machine, hostName);
    }

    /// <summary>The way to configuration space, with the functions that are built in.</summary>
    public PciHost Host { get; }

    public abstract PciInterruptRouter Router { get; }

    /// <summary>Where a device without a wish is put at first.</summary>
    public abstract int FirstFreeSlot { get; }

    /// <summary>Plugs a drive into the controller that is built in.</summary>
    /// <param name="bus">Null for the first with room.</param>
    /// <param name="unit">On that bus; null for the first free.</param>
    /// <exception cref="InvalidOperationException">There is no room, or no such bus or unit.</exception>
    public abstract void AddDrive(AtaDrive drive, int? bus, int? unit);

    /// <summary>What its ACPI tables tell.</summary>
    public abstract AcpiPlatform Acpi { get; }

    protected PcChipsetParts Parts { get; }

    public static PcChipset Create(PcModel model, PcChipsetParts parts) => model == PcModel.Q35 ? new Q35Chipset(parts) : new PiixChipset(parts);

    /// <summary>Where RAM below 4 GiB ends.</summary>
    /// <remarks>A 440FX leaves devices the space from 3.5 GiB, a Q35 that from 2.75 GiB, with the configuration space at its start; a PC with more RAM has a whole number of GiB there and the rest from 4 GiB.</remarks>
    /// <param name="bytes">All RAM.</param>
    public static ulong LowRamBytes(PcModel model, ulong bytes)
    {
        var (limit, split) = model == PcModel.Q35 ? (Q35Chipset.EcamAddress, 0x80000000UL) : (0xe0000000UL, 0xc0000000UL);
        return bytes >= limit ? split : bytes;
    }

    /// <summary>Has a bridge's registers say where the power management registers are.</summary>
    /// <param name="enableOffset">The byte with the bit that lets them be decoded.</param>
    /// <param name="baseOffset">Of the base address register, 16 bits.</param>
    protected void MapPowerManagement(PciFunction bridge, int baseOffset, int enableOffset, byte enableBit)
    {
        var bus = Parts.Machine.Bus;
        bus.UnmapPorts(Parts.Pm, 0);
        // Bits below the size are fixed; bit 0 tells that it is in port space.
        var address = bridge.Read(baseOffset, 2) & ~((uint)Parts.Pm.Regions[0].Length - 1);
        if (address != 0 && (bridge.Read(enableOffset, 1) & enableBit) != 0)
            bus.TryMapPorts(Parts.Pm, 0, (ushort)address);
    }

    /// <summary>The attribute map's registers of a host bridge, kept in step with the map itself.</summary>
    /// <param name="first">Where PAM0 is.</param>
    protected void SetAttributeRegisters(PciFunction host, int first)
    {
        for (var i = 0; i < AttributeMap.RegisterCount; i++)
        {
            var afterFirmware = i == 0 ? AttributeMap.AllRamFirst : AttributeMap.AllRam;
            host.SetRegister(first + i, Parts.IsFirmwareToRun ? (byte)0 : afterFirmware, AttributeMap.Writable);
        }
    }

    protected void UpdateAttributes(PciFunction host, int first)
    {
        Span<byte> registers = stackalloc byte[AttributeMap.RegisterCount];
        for (var i = 0; i < registers.Length; i++)
            registers[i] = (byte)host.Read(first + i, 1);
        Parts.Shadow.Update(registers);
    }

    /// <summary>A bridge's registers that do something, written.</summary>
    protected sealed class OnWritten(Action action) : IPciConfigHook
    {
        public bool TryReadConfig(int offset, int size, out uint value)
        {
            value = 0;
            return false;
        }

        public void OnConfigWritten(int offset, int size, uint value) => action();
    }
}
