using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Ethernet;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// A PC: memory map, interrupt wiring, what sits at fixed addresses, and a chip set. Without firmware what it would have set up before it starts a kernel
/// is set up at each reset.
/// </summary>
public sealed class PcBoard : X86Board
{
    private const string ShadowName = "pc.shadow", FirmwareName = "pc.bios";
    private const byte ResumeAfterReset = 0xfe;
    private const int ShutdownStatusByte = 0xf;

    // Its offset in configuration space; zero decodes nothing (PCI 3.0, 6.2.2).
    private const int PciCommand = 4;

    private const int KeyboardIrq = 1;

    private readonly PcConfig _config;
    private readonly PciResources _resources;
    private readonly PcChipset _chipset;
    private readonly Hpet? _hpet;
    private readonly AcpiPm _pm;
    private readonly Mc146818 _rtc;
    private readonly SmbiosTables _smbios;

    /// <exception cref="AcceleratorException">None of the accelerators can be had here.</exception>
    /// <exception cref="Linux.LinuxException">The host has no memory for it.</exception>
    public PcBoard(PcConfig config, Action<string> onAcceleratorFallback)
        : base(config, config.Model == PcModel.Q35 ? "q35" : "pc", LayOut(config), hasPic: true, onAcceleratorFallback)
    {
        _config = config;
        _resources = new PciResources(config.IsFirmwareToRun);
        _pm = new AcpiPm(Lines[AcpiTables.SciIrq], Machine.Clock, Machine, isIch9: config.Model == PcModel.Q35);
        Machine.PowerButton = _pm.PressPowerButton;
        if (config.HasHpet && HasOwnPit)
            _hpet = AddHpet();
        if (HasOwnPit)
            AddPit(_hpet?.PitOutput ?? PitLine);
        _rtc = AddRtc(_hpet?.RtcOutput ?? RtcLine, _pm.RtcAlarm, LowRamBytes);
        AddKeyboard();
        _smbios = NewSmbios(LowRamBytes);
        FwCfg = AddFwCfg();
        _chipset = AddChipset();
        AddSerialPorts();
    }

    private ulong LowRamBytes => PcChipset.LowRamBytes(_config.Model, _config.RamBytes);

    public PciHost Pci => _chipset.Host;

    public override FwCfg FwCfg { get; }

    /// <summary>Adds <c>pvpanic-pci</c>.</summary>
    /// <param name="slot">1 to 31; null for the first free one.</param>
    /// <exception cref="InvalidOperationException">The slot is taken, or none is free.</exception>
    public void AddPvPanicPci(int? slot = null)
    {
        var device = new PvPanicPci(Machine);
        Plug(new PciFunction(Machine.Bus, new PciIdentity(PvPanicPci.Vendor, PvPanicPci.Device, 0x08, 0x80, Revision: 1) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 },
            device, new PciBar(0, _resources.AssignMemory(16))), slot, hasInterrupt: false);
        Machine.Add(device);
    }

    /// <summary>Adds <c>pci-testdev</c>.</summary>
    /// <param name="slot">1 to 31; null for the first free one.</param>
    /// <exception cref="InvalidOperationException">The slot is taken, or none is free.</exception>
    public void AddPciTestDev(int? slot = null)
    {
        var device = new PciTestDev();
        Plug(new PciFunction(Machine.Bus, new PciIdentity(PciTestDev.Vendor, PciTestDev.Device, 0xff, 0), device,
            new PciBar(PciTestDev.MemoryRegion, _resources.AssignMemory(PciTestDev.MemoryBytes)),
            new PciBar(PciTestDev.IoRegion, _resources.AssignPorts(PciTestDev.IoBytes))), slot, hasInterrupt: false);
        Machine.Add(device);
    }

    /// <summary>Plugs a drive into the controller that is built in: IDE on a pc, SATA on a q35.</summary>
    /// <param name="bus">Null for the first with room.</param>
    /// <param name="unit">On that bus; null for the first free.</param>
    /// <exception cref="InvalidOperationException">There is no room, or no such bus or unit.</exception>
    public void AddIdeDrive(AtaDrive drive, int? bus = null, int? unit = null) => _chipset.AddDrive(drive, bus, unit);

    /// <summary>Adds <c>edu</c>.</summary>
    /// <param name="slot">1 to 31; null for the first free one.</param>
    /// <param name="addressMask">Which address bits its DMA drives.</param>
    /// <exception cref="InvalidOperationException">The slot is taken, or none is free.</exception>
    public void AddEdu(int? slot = null, ulong addressMask = (1UL << Edu.AddressBits) - 1)
    {
        var device = new Edu(Machine.Bus, Machine.Memory, Machine.Clock, Msi, _resources.AssignMemory(Edu.RegionBytes), addressMask);
        Plug(device.Function, slot, hasInterrupt: true);
        Machine.Add(device);
    }

    /// <summary>Adds <c>e1000</c>.</summary>
    /// <param name="slot">1 to 31; null for the first free one.</param>
    /// <exception cref="InvalidOperationException">The slot is taken, or none is free.</exception>
    public E1000 AddE1000(INetworkLink link, MacAddress address, int? slot = null)
    {
        var device = new E1000(Machine.Bus, Machine.Memory, Machine.Clock, link, address, _resources.AssignMemory(E1000.MemoryBytes), _resources.AssignPorts(E1000.IoBytes));
        Plug(device.Function, slot, hasInterrupt: true);
        Machine.Add(device);
        return device;
    }

    /// <summary>Puts a virtio device behind a PCI function.</summary>
    /// <param name="slot">1 to 31; null for the first free one.</param>
    /// <param name="usesEvents">Its notifications and messages are events, where the accelerator has them.</param>
    /// <exception cref="InvalidOperationException">The slot is taken, or none is free.</exception>
    public VirtioPci AddVirtio(VirtioDevice device, int? slot = null, bool usesEvents = false)
    {
        var transport = new VirtioPci(device, Machine.Bus, Msi, _resources.AssignMemory, usesEvents ? Machine.Accelerator.Events : null);
        Plug(transport.Function, slot, hasInterrupt: true);
        Machine.Add(transport);
        return transport;
    }

    /// <summary>Pulls a virtio device: its registers are gone at once, and what it had under way. While the machine stands still.</summary>
    public void RemoveVirtio(VirtioPci transport)
    {
        lock (Machine.Bus.DeviceLock)
        {
            transport.Reset();
            transport.Function.Write(PciCommand, 2, 0);
            Pci.Remove(transport.Function);
            Machine.Remove(transport);
        }
        transport.Dispose();
    }

    public override void Complete(IBootProgram program)
    {
        if (program is MultibootProgram multiboot)
        {
            FwCfg.Add(FwCfg.KernelAddressKey, (ulong)multiboot.LoadAddress);
            FwCfg.Add(FwCfg.KernelDataKey, multiboot.LoadedBytes.ToArray());
        }
        CreateVcpus(isWake =>
        {
            if (!_config.IsFirmwareToRun)
                ActAsFirmware();
            if (isWake)
                _pm.NoteWake();
            Machine.Vcpus[0].GetState(out var state);
            if (isWake && !_config.IsFirmwareToRun)
                EnterWakingVector(ref state);
            else if (isWake)
                _rtc.SetRam(ShutdownStatusByte, ResumeAfterReset);
            else
                Start(program, ref state);
            Machine.Vcpus[0].SetState(in state);
        });
    }

    // What a kernel expects that firmware has done.
    private void ActAsFirmware()
    {
        lock (Machine.Bus.DeviceLock)
        {
            InitializeInterruptsAsFirmware();
            MakePciInterruptsLevelTriggered();
        }
    }

    private void Start(IBootProgram program, ref X86State state)
    {
        if (!_config.IsFirmwareToRun)
        {
            AcpiTables.Write(Machine.Memory, _chipset.Acpi with { CpuCount = _config.CpuCount, HasHpet = _hpet is not null, Nodes = _config.Nodes, LowRamBytes = LowRamBytes });
            _smbios.Write(Machine.Memory);
        }
        program.Start(Machine.Memory, ref state);
    }

    // ACPI Specification 6.4, 16.3.2 and table 5.15: in real mode, with the vector's address in CS and IP.
    private void EnterWakingVector(ref X86State state)
    {
        var vector = AcpiTables.WakingVectorOf(Machine.Memory);
        state.Cs = state.Cs with { Selector = (ushort)(vector >> 4), Base = vector & ~0xfUL };
        state.Rip = vector & 0xf;
    }

    // As firmware does before anything shares them; a kernel irqchip has the same ports inside, out of reach from here.
    private void MakePciInterruptsLevelTriggered()
    {
        if (Pic is null)
            return;
        for (var pirq = 0; pirq < 4; pirq++)
        {
            var irq = PciInterruptRouter.FirmwareRoute(pirq);
            var half = (uint)irq / 8;
            var levels = Pic.ReadPort(I8259.ElcrRegion, half, 1);
            Pic.WritePort(I8259.ElcrRegion, half, 1, levels | 1u << irq % 8);
        }
    }

    private static List<GuestRam> LayOut(PcConfig config)
    {
        var low = PcChipset.LowRamBytes(config.Model, config.RamBytes);
        var layout = new List<GuestRam>
        {
            new("pc.conventional", 0, MemoryMap.ConventionalEnd),
            new(ShadowName, AttributeMap.Address, AttributeMap.Bytes),
        };
        if (low > MemoryMap.OneMiB)
            layout.Add(new GuestRam("pc.ram", MemoryMap.OneMiB, low - MemoryMap.OneMiB));
        if (config.FirmwareBytes > 0)
            layout.Add(new GuestRam(FirmwareName, HighRamAddress - (ulong)config.FirmwareBytes, (ulong)config.FirmwareBytes, readOnly: true));
        if (config.RamBytes > low)
            layout.Add(new GuestRam("pc.ram-high", HighRamAddress, config.RamBytes - low));
        return layout;
    }

    private Hpet AddHpet()
    {
        var hpet = new Hpet(gsi => Lines[gsi], Msi, Machine.Clock);
        Machine.Add(hpet);
        Machine.Bus.MapMmio(hpet, 0, AcpiTables.HpetAddress);
        return hpet;
    }

    private void AddKeyboard()
    {
        var keyboard = new I8042(Lines[KeyboardIrq], Machine);
        Machine.Add(keyboard);
        Machine.Bus.MapPorts(keyboard, I8042.DataRegion, 0x60);
        Machine.Bus.MapPorts(keyboard, I8042.CommandRegion, 0x64);
        Machine.Bus.MapPorts(keyboard, I8042.SystemControlRegion, 0x92);
    }

    private FwCfg AddFwCfg()
    {
        var fwCfg = AddFwCfg(_config.NoGraphic);
        // Firmware's own console, as there is no display: COM1, when there is one.
        if (_config.FirmwareBytes > 0 && _config.SerialPorts.Count > 0)
            fwCfg.AddFile("etc/sercon-port", BitConverter.GetBytes((ulong)FirstSerial.Port));
        // Where the structures are is for firmware to fill in.
        fwCfg.AddFile("etc/smbios/smbios-anchor", _smbios.Entry21(address: 0));
        fwCfg.AddFile("etc/smbios/smbios-tables", _smbios.Structures);
        return fwCfg;
    }

    private PcChipset AddChipset()
    {
        GuestRam? shadow = null, rom = null;
        foreach (var run in Machine.Memory.Backing)
        {
            if (run.Name == ShadowName)
                shadow = run;
            else if (run.Name == FirmwareName)
                rom = run;
        }
        var map = new AttributeMap(Machine.Memory, shadow!, rom, !_config.IsFirmwareToRun, Machine.SetMemoryLayout);
        var chipset = PcChipset.Create(_config.Model, new PcChipsetParts(Machine, Lines, map, _pm, _config.IsFirmwareToRun, _resources, Msi));
        Machine.Add(map);
        Machine.Bus.MapMmio(map, 0, AttributeMap.Address);
        Machine.Add(_pm);
        Machine.Add(chipset.Host);
        Machine.Bus.MapPorts(chipset.Host, 0, PciHost.BasePort);
        return chipset;
    }

    private void Plug(PciFunction function, int? wanted, bool hasInterrupt)
    {
        var slot = wanted ?? Pci.FindFreeSlot(_chipset.FirstFreeSlot);
        if (slot < 0)
            throw new InvalidOperationException("all 32 PCI slots are taken");
        Pci.Add(slot, 0, function);
        if (hasInterrupt)
            _chipset.Router.Connect(function, slot, pin: 1);
    }
}
