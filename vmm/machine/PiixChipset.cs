using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Storage;

namespace Gauntlet.Vmm.Machines;

/// <summary>440FX and PIIX: the host bridge in slot 0, in slot 1 the ISA bridge, IDE and power management.</summary>
/// <remarks>Intel 82441FX data sheet, 3.2; 82371SB (PIIX3), 2.2; 82371AB (PIIX4), 7.1.</remarks>
internal sealed class PiixChipset : PcChipset
{
    private const int AttributesOffset = 0x59, SmramOffset = 0x72;
    private const int PmBaseOffset = 0x40, PmEnableOffset = 0x80, DeviceActivityB = 0x58;
    private const byte PmEnable = 1;
    private const uint PciWindow = 0xe0000000;

    private readonly PiixIde _ide;

    public PiixChipset(PcChipsetParts parts)
        : base(parts, "i440FX-pcihost")
    {
        var bus = parts.Machine.Bus;
        var host = new PciFunction(bus, new PciIdentity(0x8086, 0x1237, 0x06, 0x00, Revision: 2) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 });
        SetAttributeRegisters(host, AttributesOffset);
        // SMRAM (3.2.23): kept; there is no system management mode to see it.
        host.SetRegister(SmramOffset, 0x02, 0x7f);
        host.SetHook(new OnWritten(() => UpdateAttributes(host, AttributesOffset)));
        Host.Add(0, 0, host);

        var isa = new PciFunction(bus, new PciIdentity(0x8086, 0x7000, 0x06, 0x01, MultiFunction: true));
        Router = new PciInterruptRouter(isa, irq => parts.Lines[irq], static (slot, pin) => (slot - 1 + pin - 1) & 3, isRouted: !parts.IsFirmwareToRun);
        Host.Add(1, 0, isa);

        _ide = new PiixIde(bus, parts.Machine.Memory, parts.Lines[PiixIde.PrimaryIrq], parts.Lines[PiixIde.SecondaryIrq], parts.Resources.AssignPorts(PiixIde.BusMasterBytes));
        Host.Add(1, 1, _ide.Function);
        parts.Machine.Add(_ide);

        var pm = new PciFunction(bus, new PciIdentity(0x8086, 0x7113, 0x06, 0x80, Revision: 3));
        var assigned = parts.IsFirmwareToRun ? 0 : AcpiPm.BasePort;
        pm.SetRegister(PmBaseOffset, (byte)(assigned & 0xc0 | 1), 0xc0);
        pm.SetRegister(PmBaseOffset + 1, (byte)(assigned >> 8), 0xff);
        pm.SetRegister(PmEnableOffset, parts.IsFirmwareToRun ? (byte)0 : PmEnable, PmEnable);
        // DEVACTB bit 25, APMC_EN (PIIX4, 7.1.15): set, it tells firmware that system management mode is set up; there is none.
        pm.SetConstant(DeviceActivityB + 3, 2);
        pm.SetHook(new OnWritten(() => MapPowerManagement(pm, PmBaseOffset, PmEnableOffset, PmEnable)));
        Host.Add(1, 3, pm);
    }

    public override PciInterruptRouter Router { get; }

    public override int FirstFreeSlot => 2;

    public override void AddDrive(AtaDrive drive, int? bus, int? unit) => _ide.Add(drive, bus, unit);

    public override AcpiPlatform Acpi => new() { PciWindow = PciWindow, InterruptOf = Router.InterruptOf };
}
