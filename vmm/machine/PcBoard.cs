using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Qtest;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Machines;

/// <summary>What a PC is made of.</summary>
public sealed record PcConfig
{
    public PcModel Model { get; init; }

    /// <summary>As after <c>-accel</c>, most wanted first.</summary>
    public required IReadOnlyList<AcceleratorChoice> Accelerators { get; init; }

    /// <summary>1 to 255: an APIC ID of 255 is the broadcast.</summary>
    public int CpuCount { get; init; } = 1;

    public string CpuModel { get; init; } = "qemu64";

    /// <summary>Bytes of RAM, a multiple of 4 KiB, at least 1 MiB.</summary>
    public ulong RamBytes { get; init; } = 128UL << 20;

    /// <summary>COM1 and COM2, as far as there are; at most 2.</summary>
    public IReadOnlyList<ISerialBackend> SerialPorts { get; init; } = [];

    /// <summary>Time of day at the start.</summary>
    public DateTime StartUtc { get; init; }

    /// <summary>An 8254 with port 0x61, as every PC has unless told otherwise.</summary>
    public bool HasPit { get; init; } = true;

    /// <summary>IA-PC event timers, where the 8254 is the machine's own: they can take its place.</summary>
    public bool HasHpet { get; init; }

    /// <summary>Bytes of firmware ROM below 4 GiB; 0: none.</summary>
    public int FirmwareBytes { get; init; }

    /// <summary>Registers start as after power-on, for firmware to set up; else, for a kernel, as firmware leaves them.</summary>
    public bool IsFirmwareToRun { get => field || FirmwareBytes > 0; init; }

    /// <summary>Firmware is told that there is a serial console only.</summary>
    public bool NoGraphic { get; init; }

    /// <summary>Virtual time by executed instructions, 2 to this power nanoseconds each (<see cref="InstructionClock"/>); null: by the host's clock. One vCPU, TCG.</summary>
    public int? InstructionShift { get; init; }

    public bool NoReboot { get; init; }

    public bool NoShutdown { get; init; }

    public PanicResponse PanicResponse { get; init; }
}

/// <summary>
/// A PC: memory map, interrupt wiring, what sits at fixed addresses, and a chip set. Without firmware what it would have set up before it starts a kernel
/// is set up at each reset.
/// </summary>
public sealed class PcBoard : IDisposable
{
    public const int MaxCpus = 255;
    public const ulong MinRamBytes = MemoryMap.OneMiB;

    /// <summary>More than any host has: what is above is a mistyped unit.</summary>
    public const ulong MaxRamBytes = 1UL << 40;

    private const ulong HighRamAddress = 1UL << 32;
    private const string ShadowName = "pc.shadow", FirmwareName = "pc.bios";
    private const byte ResumeAfterReset = 0xfe;
    private const int ShutdownStatusByte = 0xf;

    // Its offset in configuration space; zero decodes nothing (PCI 3.0, 6.2.2).
    private const int PciCommand = 4;

    private const int RtcIrq = 8, KeyboardIrq = 1, PitIrq = 0;

    // COM1, COM2.
    private static readonly ushort[] SerialBases = [0x3f8, 0x2f8];
    private static readonly int[] SerialIrqs = [4, 3];

    private readonly PcConfig _config;
    private readonly I8259? _pic;
    private readonly ApicBus? _apicBus;
    private readonly PciResources _resources;
    private readonly PcChipset _chipset;
    private readonly Hpet? _hpet;
    private readonly AcpiPm _pm;
    private readonly Mc146818 _rtc;

    /// <exception cref="AcceleratorException">None of the accelerators can be had here.</exception>
    /// <exception cref="Linux.LinuxException">The host has no memory for it.</exception>
    public PcBoard(PcConfig config, Action<string> onAcceleratorFallback)
    {
        _config = config;
        var bus = new IoBus();
        // Under qtest time is stepped from outside.
        IMachineClock clock = config switch
        {
            { InstructionShift: { } shift } => new InstructionClock(bus.DeviceLock, config.StartUtc, shift),
            _ when config.Accelerators[0].Name == QtestAccelerator.AcceleratorName => new ManualClock(config.StartUtc, bus.DeviceLock),
            _ => new HostClock(bus.DeviceLock, config.StartUtc),
        };
        var accelerator = AcceleratorFactory.CreateFirst(config.Accelerators, clock, config.CpuCount, onAcceleratorFallback);
        Machine = new Machine(new GuestMemory(LayOut(config)), bus, clock, accelerator)
        {
            Type = config.Model == PcModel.Q35 ? "q35" : "pc",
            NoReboot = config.NoReboot,
            NoShutdown = config.NoShutdown,
            PanicResponse = config.PanicResponse,
        };
        _resources = new PciResources(config.IsFirmwareToRun);

        if (accelerator.IrqChip is { } irqChip)
        {
            Lines = new PcInterruptLines(irqChip);
            Msi = new KernelMsi(irqChip);
        }
        else
        {
            var intr = new Intr();
            _pic = new I8259(intr);
            _apicBus = new ApicBus();
            var ioApic = new IoApic(_apicBus);
            for (var i = 0; i < config.CpuCount; i++)
            {
                var apic = new LocalApic(i, _apicBus, clock, bus.DeviceLock, _pic);
                intr.Targets.Add(apic.Intr);
                Machine.Add(apic);
            }
            Lines = new PcInterruptLines(_pic, ioApic);
            Msi = _apicBus;
            Machine.Add(_pic);
            Machine.Add(ioApic);
            bus.MapPorts(_pic, I8259.MasterRegion, 0x20);
            bus.MapPorts(_pic, I8259.SlaveRegion, 0xa0);
            bus.MapPorts(_pic, I8259.ElcrRegion, 0x4d0);
            bus.MapMmio(ioApic, 0, IoApic.DefaultAddress);
        }
        Msi = new MessageWrites(Msi, Machine.Memory);
        _pm = new AcpiPm(Lines[AcpiTables.SciIrq], clock, Machine, isIch9: config.Model == PcModel.Q35);
        Machine.PowerButton = _pm.PressPowerButton;
        var hasOwnPit = config.HasPit && accelerator.IrqChip is not { HasPit: true };
        if (config.HasHpet && hasOwnPit)
            _hpet = AddHpet(clock);
        if (hasOwnPit)
            AddPit(clock);
        _rtc = AddRtc(clock);
        AddKeyboard();
        FwCfg = AddFwCfg();
        _chipset = AddChipset();
        for (var i = 0; i < config.SerialPorts.Count; i++)
        {
            var uart = new Uart16550A(Lines[SerialIrqs[i]], config.SerialPorts[i], clock);
            Machine.Add(uart);
            bus.MapPorts(uart, 0, SerialBases[i]);
            SerialPorts.Add(uart);
        }
    }

    /// <summary>Owns all that is on the board.</summary>
    public Machine Machine { get; }

    public PcInterruptLines Lines { get; }

    public PciHost Pci => _chipset.Host;

    /// <summary>Where functions' messages go.</summary>
    public IMsiTarget Msi { get; }

    public FwCfg FwCfg { get; }

    /// <summary>COM1, COM2.</summary>
    public List<Uart16550A> SerialPorts { get; } = [];

    /// <summary>How many serial ports there can be.</summary>
    public static int MaxSerialPorts => SerialBases.Length;

    /// <summary>Adds <c>isa-debug-exit</c>.</summary>
    /// <exception cref="InvalidOperationException">Its ports are taken.</exception>
    public void AddDebugExit(ushort basePort, int size)
    {
        var device = new IsaDebugExit(Machine, size);
        Machine.Bus.MapPorts(device, 0, basePort);
        Machine.Add(device);
    }

    /// <summary>Adds <c>pc-testdev</c>.</summary>
    /// <exception cref="InvalidOperationException">There is one already.</exception>
    public void AddPcTestDev()
    {
        var device = new PcTestDev(Lines);
        device.Map(Machine.Bus);
        Machine.Add(device);
    }

    /// <summary>Adds <c>pvpanic</c>.</summary>
    /// <exception cref="InvalidOperationException">Its port is taken.</exception>
    public void AddPvPanic(ushort port)
    {
        var device = new PvPanic(Machine);
        Machine.Bus.MapPorts(device, 0, port);
        Machine.Add(device);
    }

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

    /// <summary>Plugs a drive into the IDE controller.</summary>
    /// <param name="channel">0 or 1; null for the first with room.</param>
    /// <param name="unit">0 or 1; null for the first free.</param>
    /// <exception cref="InvalidOperationException">There is no room, or no controller.</exception>
    public void AddIdeDrive(AtaDrive drive, int? channel = null, int? unit = null)
    {
        if (_chipset.Ide is not { } controller)
            throw new InvalidOperationException("this machine has no IDE bus; use -machine pc, or a virtio disk");
        controller.Add(drive, channel, unit);
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

    /// <summary>Makes the vCPUs and sets what they start with. Last of all, when all devices are there.</summary>
    /// <exception cref="AcceleratorException">The host cannot make them.</exception>
    public void Complete(IBootProgram program)
    {
        if (program is MultibootProgram multiboot)
        {
            FwCfg.Add(FwCfg.KernelAddressKey, (ulong)multiboot.LoadAddress);
            FwCfg.Add(FwCfg.KernelDataKey, multiboot.LoadedBytes.ToArray());
        }
        Machine.CreateVcpus<LocalApic>(_config.CpuCount, _config.CpuModel, i => _apicBus?.Apics[i]);
        Machine.SetBoot(isWake =>
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

    public void Dispose() => Machine.Dispose();

    // What a kernel expects that firmware has done.
    private void ActAsFirmware()
    {
        lock (Machine.Bus.DeviceLock)
        {
            _pic?.InitializeAsFirmware();
            MakePciInterruptsLevelTriggered();
            _apicBus?.Apics[0].EnterVirtualWireMode();
        }
    }

    private void Start(IBootProgram program, ref X86State state)
    {
        if (!_config.IsFirmwareToRun)
            AcpiTables.Write(Machine.Memory, _chipset.Acpi with { CpuCount = _config.CpuCount, HasHpet = _hpet is not null });
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
        if (_pic is null)
            return;
        for (var pirq = 0; pirq < 4; pirq++)
        {
            var irq = PciInterruptRouter.FirmwareRoute(pirq);
            var half = (uint)irq / 8;
            var levels = _pic.ReadPort(I8259.ElcrRegion, half, 1);
            _pic.WritePort(I8259.ElcrRegion, half, 1, levels | 1u << irq % 8);
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

    private Hpet AddHpet(IMachineClock clock)
    {
        var hpet = new Hpet(gsi => Lines[gsi], Msi, clock);
        Machine.Add(hpet);
        Machine.Bus.MapMmio(hpet, 0, AcpiTables.HpetAddress);
        return hpet;
    }

    private void AddPit(IMachineClock clock)
    {
        var pit = new I8254(_hpet?.PitOutput ?? Lines[PitIrq], clock);
        Machine.Add(pit);
        Machine.Bus.MapPorts(pit, I8254.CounterRegion, 0x40);
        Machine.Bus.MapPorts(pit, I8254.PortBRegion, 0x61);
    }

    private Mc146818 AddRtc(IMachineClock clock)
    {
        var rtc = new Mc146818(_hpet?.RtcOutput ?? Lines[RtcIrq], clock, _pm.RtcAlarm);
        SetMemorySizes(rtc, _config.RamBytes, PcChipset.LowRamBytes(_config.Model, _config.RamBytes));
        rtc.SetRam(0x5f, (byte)(_config.CpuCount - 1));
        Machine.Add(rtc);
        Machine.Bus.MapPorts(rtc, 0, 0x70);
        return rtc;
    }

    // The bytes where firmware keeps sizes: 640 KiB; KiB from 1 MiB; 64-KiB units from 16 MiB and, at 0x5b, from 4 GiB.
    private static void SetMemorySizes(Mc146818 rtc, ulong bytes, ulong low)
    {
        Put(0x15, 640, 2);
        var extended = Math.Min((low - MemoryMap.OneMiB) >> 10, 0xffff);
        Put(0x17, extended, 2);
        Put(0x30, extended, 2);
        Put(0x34, low > 16 << 20 ? Math.Min((low - (16 << 20)) >> 16, 0xffff) : 0, 2);
        Put(0x5b, (bytes - low) >> 16, 3);

        void Put(int index, ulong value, int count)
        {
            for (var i = 0; i < count; i++)
                rtc.SetRam(index + i, (byte)(value >> (i * 8)));
        }
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
        var fwCfg = new FwCfg();
        fwCfg.Add(FwCfg.RamSizeKey, _config.RamBytes);
        fwCfg.Add(FwCfg.NoGraphicKey, (ushort)(_config.NoGraphic ? 1 : 0));
        fwCfg.Add(FwCfg.CpuCountKey, (ushort)_config.CpuCount);
        fwCfg.Add(FwCfg.MaxCpusKey, (ushort)_config.CpuCount);
        // Firmware's own console, as there is no display: COM1, when there is one.
        if (_config.FirmwareBytes > 0 && _config.SerialPorts.Count > 0)
            fwCfg.AddFile("etc/sercon-port", BitConverter.GetBytes((ulong)SerialBases[0]));
        Machine.Add(fwCfg);
        Machine.Bus.MapPorts(fwCfg, 0, FwCfg.BasePort);
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
        var chipset = PcChipset.Create(_config.Model, new PcChipsetParts(Machine, Lines, map, _pm, _config.IsFirmwareToRun, _resources.AssignPorts));
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

    /// <summary>Messages to local APICs inside the accelerator.</summary>
    private sealed class KernelMsi(IKernelIrqChip irqChip) : IMsiTarget
    {
        public void SendMsi(ulong address, uint data) => irqChip.SendMsi(address, data);
    }

    /// <summary>INTR, wired to LINT0 of every CPU.</summary>
    private sealed class Intr : IIrqLine
    {
        public List<IIrqLine> Targets { get; } = [];

        public void Set(bool level)
        {
            foreach (var target in Targets)
                target.Set(level);
        }
    }
}
