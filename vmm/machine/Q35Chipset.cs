using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Storage;

namespace Gauntlet.Vmm.Machines;

/// <summary>Q35 and ICH9: the memory controller hub in slot 0 with configuration space in memory, the LPC bridge and SATA in slot 31.</summary>
/// <remarks>
/// Intel 3 Series Express chip set family data sheet, 5.1 (PCIEXBAR 5.1.16, PAM 5.1.20 to 5.1.26, SMRAM and ESMRAMC 5.1.28 and 5.1.29); Intel ICH9 data
/// sheet, 13.1 (PMBASE 13.1.5, ACPI_CNTL 13.1.6). There is no PCI Express port: functions are root complex integrated, or conventional.
/// </remarks>
internal sealed class Q35Chipset : PcChipset
{
    /// <summary>Where firmware puts configuration space.</summary>
    public const ulong EcamAddress = 0xb0000000;

    private const int LpcSlot = 31;
    private const int EcamBaseOffset = 0x60, AttributesOffset = 0x90, SmramOffset = 0x9d, ExtendedSmramOffset = 0x9e;
    private const int PmBaseOffset = 0x40, AcpiControlOffset = 0x44;
    private const byte AcpiEnable = 1 << 7;

    // PCIEXBAR: bit 0 enables, bits 1 and 2 say how much: 256, 128, 64 MiB; bits 28 to 35 are the address.
    private const uint EcamEnable = 1;
    private const ulong EcamAddressMask = 0xff_f000_0000;

    // SMRAM: bit 6 D_OPEN, 5 D_CLS, 4 D_LCK, 3 G_SMRAME; ESMRAMC bits 1, 2 size of TSEG, 0 T_EN.
    private const byte SmramOpen = 1 << 6, SmramLock = 1 << 4, SmramWritable = 0x78, ExtendedSmramWritable = 7;

    private const uint PciWindow = 0xc0000000;

    private readonly Ahci _ahci;
    private readonly PciEcam _ecam;
    private readonly PciFunction _mch;
    private int _ecamRegion = -1;

    public Q35Chipset(PcChipsetParts parts)
        : base(parts, "q35-pcihost")
    {
        var bus = parts.Machine.Bus;
        _mch = new PciFunction(bus, new PciIdentity(0x8086, 0x29c0, 0x06, 0x00) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 });
        SetAttributeRegisters(_mch, AttributesOffset);
        var ecam = parts.IsFirmwareToRun ? 0 : EcamAddress | EcamEnable;
        byte[] writable = [0x07, 0, 0, 0xf0, 0x0f];
        for (var i = 0; i < writable.Length; i++)
            _mch.SetRegister(EcamBaseOffset + i, (byte)(ecam >> (i * 8)), writable[i]);
        _mch.SetRegister(SmramOffset, 0x02, SmramWritable);
        _mch.SetRegister(ExtendedSmramOffset, 0x38, ExtendedSmramWritable);
        _mch.SetHook(new OnWritten(OnHubWritten));
        Host.Add(0, 0, _mch);
        _ecam = new PciEcam(Host);
        parts.Machine.Add(_ecam);

        var lpc = new PciFunction(bus, new PciIdentity(0x8086, 0x2918, 0x06, 0x01, Revision: 2, MultiFunction: true) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 });
        Router = new PciInterruptRouter(lpc, irq => parts.Lines[irq], PirqOf, lines: 8, isRouted: !parts.IsFirmwareToRun);
        var assigned = parts.IsFirmwareToRun ? 0 : AcpiPm.BasePort;
        lpc.SetRegister(PmBaseOffset, (byte)(assigned & 0x80 | 1), 0x80);
        lpc.SetRegister(PmBaseOffset + 1, (byte)(assigned >> 8), 0xff);
        lpc.SetRegister(AcpiControlOffset, parts.IsFirmwareToRun ? (byte)0 : AcpiEnable, AcpiEnable | 7);
        lpc.SetHook(new Both(Router, new OnWritten(() => MapPowerManagement(lpc, PmBaseOffset, AcpiControlOffset, AcpiEnable))));
        Host.Add(LpcSlot, 0, lpc);

        _ahci = new Ahci(bus, parts.Machine.Memory, parts.Machine.Clock, parts.Msi, parts.Resources.AssignMemory(Ahci.MemoryBytes), parts.Resources.AssignPorts(Ahci.IndexBytes));
        Host.Add(LpcSlot, 2, _ahci.Function);
        Router.Connect(_ahci.Function, LpcSlot, pin: 1);
        parts.Machine.Add(_ahci);
    }

    public override PciInterruptRouter Router { get; }

    public override int FirstFreeSlot => 1;

    public override void AddDrive(AtaDrive drive, int? bus, int? unit)
    {
        if (unit is > 0)
            throw new InvalidOperationException($"a SATA port has unit 0 only, not {unit}");
        _ahci.Add(drive, bus);
    }

    public override AcpiPlatform Acpi => new()
    {
        PciWindow = PciWindow,
        InterruptOf = Router.InterruptOf,
        ApicInputOf = Router.ApicInputOf,
        EcamAddress = EcamAddress,
    };

    // As boards wire slots 0 to 24: PIRQE# to PIRQH#, rotating; what is built in has PIRQA# to PIRQD# (ICH9, 10.1.44: D31IR and its kin after reset).
    private static int PirqOf(int slot, int pin) => slot < 25 ? 4 + ((slot + pin - 1) & 3) : pin - 1;

    private void OnHubWritten()
    {
        UpdateAttributes(_mch, AttributesOffset);
        LockSmram();
        MapEcam();
    }

    // 5.1.28: D_LCK closes D_OPEN and keeps all but D_CLS as it is until a reset.
    private void LockSmram()
    {
        var smram = (byte)_mch.Read(SmramOffset, 1);
        var isLocked = (smram & SmramLock) != 0;
        _mch.SetWritable(SmramOffset, isLocked ? (byte)(SmramWritable & 1 << 5) : SmramWritable);
        _mch.SetWritable(ExtendedSmramOffset, isLocked ? (byte)0 : ExtendedSmramWritable);
        if (isLocked && (smram & SmramOpen) != 0)
            _mch.Put(SmramOffset, (byte)(smram & ~SmramOpen));
    }

    private void MapEcam()
    {
        var bus = Parts.Machine.Bus;
        if (_ecamRegion >= 0)
            bus.UnmapMmio(_ecam, _ecamRegion);
        _ecamRegion = -1;
        var low = _mch.Read(EcamBaseOffset, 4);
        var region = (int)(low >> 1 & 3);
        if ((low & EcamEnable) == 0 || region > PciEcam.Buses64Region)
            return;
        var address = (low | (ulong)_mch.Read(EcamBaseOffset + 4, 4) << 32) & EcamAddressMask;
        if (bus.TryMapMmio(_ecam, region, address))
            _ecamRegion = region;
    }

    /// <summary>Two that take part.</summary>
    private sealed class Both(IPciConfigHook first, IPciConfigHook second) : IPciConfigHook
    {
        public bool TryReadConfig(int offset, int size, out uint value) =>
            first.TryReadConfig(offset, size, out value) || second.TryReadConfig(offset, size, out value);

        public void OnConfigWritten(int offset, int size, uint value)
        {
            first.OnConfigWritten(offset, size, value);
            second.OnConfigWritten(offset, size, value);
        }
    }
}
