using Gauntlet.Fuzz.Targets.Cpu;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Ethernet;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Fuzz.Targets;

/// <summary>A target by name.</summary>
/// <param name="Name">As typed on the command line.</param>
/// <param name="Does">Half a sentence.</param>
/// <param name="Create">Makes a new one.</param>
/// <param name="Under">Beginnings of the full names of the types under test: their coverage guides, and a map as small as they are is quick to clear and compare.</param>
public sealed record TargetEntry(string Name, string Does, Func<IFuzzTarget> Create, params IReadOnlyCollection<string> Under);

/// <summary>Every in-process target. A device of gvmm is one line here.</summary>
public static class TargetCatalogue
{
    private const string Vmm = "Gauntlet.Vmm.";

    private static readonly DateTime Start = new(2026, 2, 28, 23, 59, 58, DateTimeKind.Utc);

    public static IReadOnlyList<TargetEntry> All { get; } =
    [
        new("i8259", "interrupt controllers and ELCR", () => Ports((_, line) => new I8259(line), 0x20, 0xa0, 0x4d0), Vmm + "Devices.Interrupt.I8259"),
        new("apic", "IOAPIC and two local APICs", NewApics, Vmm + "Devices.Interrupt."),
        new("isa-serial", "16550A UART", () => Ports((clock, line) => new Uart16550A(line, NullSerialBackend.Instance, clock), 0x3f8), Vmm + "Devices.Serial."),
        new("isa-pit", "8254 timer and port B", () => Ports((clock, line) => new I8254(line, clock), 0x40, 0x61), Vmm + "Devices.Timer.I8254"),
        new("mc146818rtc", "real-time clock", () => Ports((clock, line) => new Mc146818(line, clock), 0x70), Vmm + "Devices.Timer.Mc146818"),
        new("acpi-pm", "ACPI PM1a and PM timer", () => Ports((clock, line) => new AcpiPm(line, clock, NoMachine.Instance), 0x600), Vmm + "Devices.Platform.AcpiPm"),
        new("acpi-ged", "ACPI events, sleep and reset without fixed hardware", NewEventDevice, Vmm + "Devices.Platform.AcpiGed"),
        new("i8042", "keyboard controller and port 0x92", () => Ports((_, line) => new I8042(line, NoMachine.Instance), 0x60, 0x64, 0x92), Vmm + "Devices.Platform.I8042"),
        new("fw_cfg", "firmware configuration and its DMA", NewFwCfg, Vmm + "Devices.Platform.FwCfg"),
        new("isa-debug-exit", "exit port", () => Ports((_, _) => new IsaDebugExit(NoMachine.Instance, 4), 0xf4), Vmm + "Devices.Test.IsaDebugExit"),
        new("pvpanic", "panic port", () => Ports((_, _) => new PvPanic(NoMachine.Instance), PvPanic.DefaultPort), Vmm + "Devices.Test.PvPanic"),
        new("pc-testdev", "kvm-unit-tests' device", NewPcTestDev, Vmm + "Devices.Test.", Vmm + "Devices.Interrupt."),
        new("pci-testdev", "PCI configuration and a function with BARs", NewPci, Vmm + "Devices.Pci."),
        new("virtio-rng", "entropy device, its queue, PCI", VirtioTargets.NewRng, Vmm + "Devices.Virtio.", Vmm + "Devices.Pci."),
        new("virtio-blk", "block device, its queue, PCI", () => VirtioTargets.NewBlk(), Vmm + "Devices.Virtio.", Vmm + "Devices.Pci."),
        new("virtio-net", "network device, its queues, PCI", VirtioTargets.NewNet, Vmm + "Devices.Virtio.", Vmm + "Devices.Pci."),
        new("virtio-serial", "console device with two ports, its queues, PCI", VirtioTargets.NewSerial, Vmm + "Devices.Virtio.", Vmm + "Devices.Pci."),
        new("virtio-balloon", "memory balloon, its queues, PCI", VirtioTargets.NewBalloon, Vmm + "Devices.Virtio.", Vmm + "Devices.Pci."),
        new("virtio-vsock", "socket device, its queues, PCI", VirtioTargets.NewVsock, Vmm + "Devices.Virtio.", Vmm + "Devices.Pci."),
        new("virtio-mmio", "block device, its queue, the transport in memory space", () => VirtioTargets.NewBlk(isMmio: true), Vmm + "Devices.Virtio."),
        new("cpu", "instructions: interpreter, host code, the host's CPU", () => new CpuTarget(), Vmm + "Accel.Tcg."),
        new("piix3-ide", "IDE controller with a disk, a CD-ROM and bus masters", NewIde, Vmm + "Devices.Storage."),
        new("ahci", "SATA controller with a disk and a CD-ROM", NewAhci, Vmm + "Devices.Storage."),
        new("e1000", "82540EM network controller and its rings", NewE1000, Vmm + "Devices.Ethernet."),
        new("edu", "educational device: DMA, MSI", NewEdu, Vmm + "Devices.Test.Edu", Vmm + "Devices.Pci."),
        new("hpet", "high precision event timers", NewHpet, Vmm + "Devices.Timer.Hpet"),
        new("q35", "the whole board with a Q35 and an ICH9", () => NewBoard(PcModel.Q35), Vmm + "Devices.", Vmm + "Bus.", Vmm + "Memory.", Vmm + "Machines.Q35"),
        new("microvm", "the whole board of a microvm, with a virtio device behind registers in memory", NewMicrovm, Vmm + "Devices.", Vmm + "Bus.", Vmm + "Memory."),
        new("pc", "the whole board: every device, RAM, interrupt wiring", () => NewBoard(PcModel.Pc), Vmm + "Devices.", Vmm + "Bus.", Vmm + "Memory."),
        .. ParserTargets.All,
        .. ProtocolTargets.All,
    ];

    /// <summary>What of the assemblies is woven for a target; of one that is not in the catalogue, the bus's.</summary>
    public static IReadOnlyCollection<string> UnderTest(string name) => All.FirstOrDefault(entry => entry.Name == name)?.Under ?? [Vmm + "Bus."];

    /// <summary>By name, or <c>FILE.dll!TYPE</c>: a public type in an assembly beside this program, with a constructor without parameters.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static IFuzzTarget Create(string name)
    {
        if (All.FirstOrDefault(entry => entry.Name == name) is { } found)
            return found.Create();
        if (name.Split('!') is [var file, var type])
        {
            var path = Path.Combine(AppContext.BaseDirectory, file);
            if (File.Exists(path) && System.Reflection.Assembly.LoadFrom(path).GetType(type) is { } loaded && Activator.CreateInstance(loaded) is IFuzzTarget target)
                return target;
        }
        throw new UserException($"\"{name}\" is no fuzz target: `gauntlet fuzz list` shows what there is");
    }

    private static DeviceTarget Ports(Func<ManualClock, SampledLine, IPortDevice> make, params ReadOnlySpan<ushort> bases)
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var clock = new ManualClock(Start, bus.DeviceLock);
        var device = make(clock, line);
        for (var region = 0; region < bases.Length; region++)
            bus.MapPorts(device, region, bases[region]);
        return new DeviceTarget(bus, [device], [line], clock);
    }

    private static DeviceTarget NewFwCfg()
    {
        var bus = new IoBus();
        var memory = new GuestMemory([new GuestRam("ram", 0, 1 << 16)]);
        var device = new FwCfg(memory);
        device.Add(FwCfg.RamSizeKey, 128UL << 20);
        device.AddFile("opt/test", "content"u8.ToArray());
        bus.MapPorts(device, 0, FwCfg.BasePort);
        return new DeviceTarget(bus, [device], [], memory: memory, owner: memory);
    }

    private static DeviceTarget NewApics()
    {
        var bus = new IoBus();
        var clock = new ManualClock(Start, bus.DeviceLock);
        var apicBus = new ApicBus();
        var ioApic = new IoApic(apicBus);
        var first = new LocalApic(0, apicBus, clock, bus.DeviceLock, null);
        var second = new LocalApic(1, apicBus, clock, bus.DeviceLock, null);
        bus.MapMmio(ioApic, 0, IoApic.DefaultAddress);
        bus.MapMmio(first, 0, LocalApic.DefaultAddress);
        bus.MapMmio(second, 0, LocalApic.DefaultAddress + 0x1000);
        return new DeviceTarget(bus, [ioApic, first, second], [], clock);
    }

    private static DeviceTarget NewPcTestDev()
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var (pic, ioApic) = (new I8259(line), new IoApic(new ApicBus()));
        var device = new PcTestDev(new PcInterruptLines(pic, ioApic));
        device.Map(bus);
        return new DeviceTarget(bus, [pic, ioApic, device], [line]);
    }

    private static DeviceTarget NewPci()
    {
        var bus = new IoBus();
        var host = new PciHost(NoMachine.Instance);
        var device = new PciTestDev();
        host.Add(0, 0, new PciFunction(bus, new PciIdentity(0x8086, 0x1237, 6, 0)));
        host.Add(2, 0, new PciFunction(bus, new PciIdentity(PciTestDev.Vendor, PciTestDev.Device, 0xff, 0), device,
            new PciBar(PciTestDev.MemoryRegion, 0xfebf1000), new PciBar(PciTestDev.IoRegion, 0xc000)));
        bus.MapPorts(host, 0, PciHost.BasePort);
        host.Reset();
        return new DeviceTarget(bus, [host, device], []);
    }

    private static DeviceTarget NewHpet()
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var clock = new ManualClock(Start, bus.DeviceLock);
        var device = new Hpet(_ => line, NoMessages.Instance, clock);
        bus.MapMmio(device, 0, 0xfed00000);
        return new DeviceTarget(bus, [device], [line], clock);
    }

    private static DeviceTarget NewIde()
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var memory = new GuestMemory([new GuestRam("ram", 0, 1 << 20)]);
        var host = new PciHost(NoMachine.Instance);
        var controller = new PiixIde(bus, memory, line, line, busMasterPort: 0xc000);
        controller.Add(new AtaDisk(new MemoryImage(1 << 20)), 0, 0);
        controller.Add(new AtapiCdRom(new MemoryImage(1 << 20, isReadOnly: true)), 0, 1);
        host.Add(1, 1, controller.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        return new DeviceTarget(bus, [host, controller], [line], memory: memory, owner: memory);
    }

    private static DeviceTarget NewAhci()
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var clock = new ManualClock(Start, bus.DeviceLock);
        var memory = new GuestMemory([new GuestRam("ram", 0, 1 << 20)]);
        var host = new PciHost(NoMachine.Instance);
        var image = new MemoryImage(1 << 20);
        var controller = new Ahci(bus, memory, clock, NoMessages.Instance, DmaPrograms.Registers, 0xc000);
        controller.Add(new AtaDisk(image), 0);
        controller.Add(new AtapiCdRom(new MemoryImage(1 << 20, isReadOnly: true)), 1);
        controller.Function.ConnectInterrupt(1, line, 10);
        host.Add(2, 0, controller.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        return new DeviceTarget(bus, [host, controller], [line], clock, memory, memory, DmaPrograms.AppendAhci, () => image.Content.Clear());
    }

    private static DeviceTarget NewE1000()
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var clock = new ManualClock(Start, bus.DeviceLock);
        var memory = new GuestMemory([new GuestRam("ram", 0, 1 << 20)]);
        var host = new PciHost(NoMachine.Instance);
        var device = new E1000(bus, memory, clock, NullNetworkLink.Instance, MacAddress.Default(0), DmaPrograms.Registers, 0xc000);
        device.Function.ConnectInterrupt(1, line, 10);
        host.Add(2, 0, device.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        return new DeviceTarget(bus, [host, device], [line], clock, memory, memory, DmaPrograms.AppendE1000);
    }

    private static DeviceTarget NewEdu()
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var clock = new ManualClock(Start, bus.DeviceLock);
        var memory = new GuestMemory([new GuestRam("ram", 0, 1 << 16)]);
        var host = new PciHost(NoMachine.Instance);
        var device = new Edu(bus, memory, clock, NoMessages.Instance, 0xfe000000);
        device.Function.ConnectInterrupt(1, line, 10);
        host.Add(2, 0, device.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        return new DeviceTarget(bus, [host, device], [line], clock, memory, memory);
    }

    // Its clock is the host's, which stands still while the machine has not run.
    private static DeviceTarget NewBoard(PcModel model)
    {
        var board = new PcBoard(
            new PcConfig
            {
                Model = model,
                Accelerators = [new AcceleratorChoice("tcg", new Dictionary<string, string>())],
                RamBytes = 2 << 20,
                SerialPorts = [NullSerialBackend.Instance, NullSerialBackend.Instance],
                StartUtc = Start,
            },
            static _ => { });
        board.AddPcTestDev();
        board.AddPciTestDev();
        board.AddDebugExit(0x501, 4);
        return new DeviceTarget(board.Machine.Bus, board.Machine.Devices, [], memory: board.Machine.Memory, owner: board);
    }

    private static DeviceTarget NewEventDevice()
    {
        var (bus, line) = (new IoBus(), new SampledLine());
        var device = new AcpiGed(line, NoMachine.Instance);
        bus.MapMmio(device, AcpiGed.EventRegion, 0xfea00000);
        bus.MapMmio(device, AcpiGed.SleepRegion, 0xfea00200);
        return new DeviceTarget(bus, [device], [line]);
    }

    private static DeviceTarget NewMicrovm()
    {
        var board = new MicrovmBoard(
            new MicrovmConfig { Accelerators = [new AcceleratorChoice("tcg", new Dictionary<string, string>())], RamBytes = 2 << 20, SerialPorts = [NullSerialBackend.Instance], StartUtc = Start },
            static _ => { });
        board.AddVirtio(new VirtioRng(board.Machine.Memory, board.Machine.Clock, CountingEntropy.Instance));
        return new DeviceTarget(board.Machine.Bus, board.Machine.Devices, [], memory: board.Machine.Memory, owner: board);
    }
}
