using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Chardevs;
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
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>One device with everything it needs around it, on a bus of its own, so that it can be driven by address alone.</summary>
internal sealed class Bench
{
    public required IoBus Bus { get; init; }

    public required ManualClock Clock { get; init; }

    /// <summary>What is reset, saved and loaded, in order.</summary>
    public required IReadOnlyList<IDevice> Devices { get; init; }

    /// <summary>RAM that the devices show the guest, where there is some: a machine keeps its content beside their state.</summary>
    public GuestRam? Ram { get; init; }

    /// <summary>First addresses of what is mapped.</summary>
    public IReadOnlyList<IoBus.Mapping> Mappings => Bus.GetMappings();
}

/// <summary>Every device that a machine can have, by name, each on a fresh bench.</summary>
internal static class DeviceCatalogue
{
    /// <summary>A serial port with somebody typing: what comes from outside is not part of its state.</summary>
    public const string BusySerial = "isa-serial on a busy line";

    public static IReadOnlyDictionary<string, Func<Bench>> All { get; } = new Dictionary<string, Func<Bench>>
    {
        ["i8259"] = () => Ports(_ => new I8259(new RecordingLine()), 0x20, 0xa0, 0x4d0),
        ["ioapic and apics"] = NewApics,
        ["isa-serial"] = () => Ports(clock => new Uart16550A(new RecordingLine(), NullSerialBackend.Instance, clock), 0x3f8),
        [BusySerial] = () => Ports(clock => new Uart16550A(new RecordingLine(), new Typist(), clock), 0x3f8),
        ["isa-pit"] = () => Ports(clock => new I8254(new RecordingLine(), clock), 0x40, 0x61),
        ["mc146818rtc"] = () => Ports(clock => new Mc146818(new RecordingLine(), clock), 0x70),
        ["acpi-pm"] = () => Ports(clock => new AcpiPm(new RecordingLine(), clock, new RecordingMachine()), 0x600),
        ["acpi-ged"] = () => Memory(_ => new AcpiGed(new RecordingLine(), new RecordingMachine()), 0xfea00000, 0xfea00200),
        ["i8042"] = () => Ports(_ => new I8042(new RecordingLine(), new RecordingMachine()), 0x60, 0x64, 0x92),
        ["fw_cfg"] = () => Ports(_ => NewFwCfg(), 0x510),
        ["isa-debug-exit"] = () => Ports(_ => new IsaDebugExit(new RecordingMachine(), 4), 0xf4),
        ["pvpanic"] = () => Ports(_ => new PvPanic(new RecordingMachine()), PvPanic.DefaultPort),
        ["pvpanic-pci"] = () => Memory(_ => new PvPanicPci(new RecordingMachine()), 0xfebf1000),
        ["hpet"] = () => Memory(clock => new Hpet(NewLines().GetLine, new RecordingMsi(), clock), 0xfed00000),
        ["edu"] = NewEdu,
        ["e1000"] = () => NewE1000(),
        ["ich9-ahci"] = () => NewAhci(),
        ["pam"] = NewAttributeMap,
        ["piix3-ide"] = () => NewIde(),
        ["pc-testdev"] = NewPcTestDev,
        ["pci-testdev"] = NewPci,
        ["virtio-rng-pci"] = () => NewVirtio((memory, clock) => new VirtioRng(memory, clock, new CountingEntropy())),
        ["virtio-net-pci"] = () => NewVirtio((memory, clock) => new VirtioNet(memory, clock, new ChattyNetwork(), MacAddress.Default(0))),
        ["virtio-serial-pci"] = () => NewVirtio((memory, clock) => NewSerial(memory, clock, NullStreamLink.Instance)),
        ["virtio-serial-pci on a busy line"] = () => NewVirtio((memory, clock) => NewSerial(memory, clock, new BusyStream())),
        ["virtio-vsock-pci"] = () => NewVirtio((memory, clock) => new VirtioVsock(memory, clock, new EchoingVsock(), guestCid: 3)),
        ["virtio-rng-device"] = () => NewVirtioMmio((memory, clock) => new VirtioRng(memory, clock, new CountingEntropy())),
        ["virtio-balloon-pci"] = () => NewVirtio((memory, clock) => new VirtioBalloon(memory, clock)),
        ["virtio-blk-pci"] = () => NewVirtio((memory, clock) => new VirtioBlk(memory, clock, new MemoryImage(1 << 16), "serial")),
    };

    private static Bench Ports(Func<ManualClock, IPortDevice> make, params ushort[] bases)
    {
        var clock = Rig.NewClock();
        var bus = new IoBus();
        var device = make(clock);
        for (var region = 0; region < bases.Length; region++)
            bus.MapPorts(device, region, bases[region]);
        return new Bench { Bus = bus, Clock = clock, Devices = [device] };
    }

    private static VirtioSerial NewSerial(IGuestMemory memory, IClock clock, IStreamLink link)
    {
        var device = new VirtioSerial(memory, clock);
        device.AddPort(null, "", isConsole: true, link);
        device.AddPort(null, "org.example.port", isConsole: false, link);
        return device;
    }

    private static Bench Memory(Func<ManualClock, IMmioDevice> make, params ulong[] bases)
    {
        var clock = Rig.NewClock();
        var bus = new IoBus();
        var device = make(clock);
        for (var region = 0; region < bases.Length; region++)
            bus.MapMmio(device, region, bases[region]);
        return new Bench { Bus = bus, Clock = clock, Devices = [device] };
    }

    private static (RecordingLine[] All, Func<int, IIrqLine> GetLine) NewLines()
    {
        RecordingLine[] lines = [.. Enumerable.Range(0, PcInterruptLines.Count).Select(_ => new RecordingLine())];
        return (lines, gsi => lines[gsi]);
    }

    /// <summary>An IDE controller in PCI slot 1, function 1, with a disk and a CD-ROM, in memory that holds what a guest may have left there.</summary>
    public static Bench NewIde(ArrayMemory? memory = null, IIrqLine? irq = null, AtaDisk? disk = null, AtapiCdRom? cdRom = null)
    {
        var (clock, bus) = (Rig.NewClock(), new IoBus());
        var host = new PciHost(new RecordingMachine());
        var controller = new PiixIde(bus, memory ?? NoisyMemory(), irq ?? new RecordingLine(), new RecordingLine(), busMasterPort: 0xc000);
        controller.Add(disk ?? new AtaDisk(new MemoryImage(1 << 20)), 0, 0);
        controller.Add(cdRom ?? new AtapiCdRom(new MemoryImage(1 << 20, isReadOnly: true)), 0, 1);
        host.Add(1, 1, controller.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        host.Reset();
        controller.Reset();
        return new Bench { Bus = bus, Clock = clock, Devices = [host, controller] };
    }

    /// <summary>A SATA controller in PCI slot 2 with a disk and a CD-ROM, in memory that holds what a guest may have left there.</summary>
    public static Bench NewAhci(ArrayMemory? memory = null, IIrqLine? irq = null, IMsiTarget? msi = null, AtaDisk? disk = null, AtapiCdRom? cdRom = null)
    {
        var (clock, bus) = (Rig.NewClock(), new IoBus());
        var host = new PciHost(new RecordingMachine());
        var controller = new Ahci(bus, memory ?? NoisyMemory(), clock, msi ?? new RecordingMsi(), 0xfe000000, 0xc000);
        controller.Add(disk ?? new AtaDisk(new MemoryImage(1 << 20)), 0);
        controller.Add(cdRom ?? new AtapiCdRom(new MemoryImage(1 << 20, isReadOnly: true)), 1);
        controller.Function.ConnectInterrupt(1, irq ?? new RecordingLine(), 10);
        host.Add(2, 0, controller.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        host.Reset();
        controller.Reset();
        return new Bench { Bus = bus, Clock = clock, Devices = [host, controller] };
    }

    /// <summary>A network controller in PCI slot 2, its registers at 0xfe000000.</summary>
    public static Bench NewE1000(INetworkLink? link = null, ArrayMemory? memory = null, IIrqLine? irq = null)
    {
        var (clock, bus) = (Rig.NewClock(), new IoBus());
        var host = new PciHost(new RecordingMachine());
        var device = new E1000(bus, memory ?? NoisyMemory(), clock, link ?? new ChattyNetwork(), MacAddress.Default(0), 0xfe000000, 0xc000);
        device.Function.ConnectInterrupt(1, irq ?? new RecordingLine(), 10);
        host.Add(2, 0, device.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        host.Reset();
        return new Bench { Bus = bus, Clock = clock, Devices = [host, device] };
    }

    private static Bench NewEdu()
    {
        var (clock, bus) = (Rig.NewClock(), new IoBus());
        var host = new PciHost(new RecordingMachine());
        var device = new Edu(bus, NoisyMemory(), clock, new RecordingMsi(), 0xfe000000);
        host.Add(2, 0, device.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        host.Reset();
        return new Bench { Bus = bus, Clock = clock, Devices = [host, device] };
    }

    private static Bench NewAttributeMap()
    {
        var (clock, bus) = (Rig.NewClock(), new IoBus());
        var shadow = new GuestRam("shadow", AttributeMap.Address, AttributeMap.Bytes);
        var rom = new GuestRam("rom", 0xfffe0000, 0x20000, readOnly: true);
        var memory = new GuestMemory([shadow, rom]);
        var device = new AttributeMap(memory, shadow, rom, isRamAfterReset: false, memory.SetLayout);
        bus.MapMmio(device, 0, AttributeMap.Address);
        return new Bench { Bus = bus, Clock = clock, Devices = [device], Ram = shadow };
    }

    private static FwCfg NewFwCfg()
    {
        var device = new FwCfg(NoisyMemory());
        device.Add(FwCfg.RamSizeKey, 128UL << 20);
        device.AddFile("opt/test", "content"u8.ToArray());
        return device;
    }

    private static Bench NewApics()
    {
        var clock = Rig.NewClock();
        var bus = new IoBus();
        var apicBus = new ApicBus();
        var ioApic = new IoApic(apicBus);
        var first = new LocalApic(0, apicBus, clock, bus.DeviceLock, null);
        var second = new LocalApic(1, apicBus, clock, bus.DeviceLock, null);
        bus.MapMmio(ioApic, 0, IoApic.DefaultAddress);
        bus.MapMmio(first, 0, LocalApic.DefaultAddress);
        bus.MapMmio(second, 0, LocalApic.DefaultAddress + 0x1000);
        return new Bench { Bus = bus, Clock = clock, Devices = [ioApic, first, second] };
    }

    private static Bench NewPcTestDev()
    {
        var clock = Rig.NewClock();
        var bus = new IoBus();
        var device = new PcTestDev(new PcInterruptLines(new I8259(new RecordingLine()), new IoApic(new ApicBus())));
        device.Map(bus);
        return new Bench { Bus = bus, Clock = clock, Devices = [device] };
    }

    private static Bench NewPci()
    {
        var clock = Rig.NewClock();
        var bus = new IoBus();
        var host = new PciHost(new RecordingMachine());
        var device = new PciTestDev();
        host.Add(0, 0, new PciFunction(bus, new PciIdentity(0x8086, 0x1237, 6, 0)));
        host.Add(2, 0, new PciFunction(bus, new PciIdentity(PciTestDev.Vendor, PciTestDev.Device, 0xff, 0), device,
            new PciBar(PciTestDev.MemoryRegion, 0xfebf1000), new PciBar(PciTestDev.IoRegion, 0xc000)));
        bus.MapPorts(host, 0, PciHost.BasePort);
        var ecam = new PciEcam(host);
        for (var region = 0; region < ecam.Regions.Count; region++)
            bus.MapMmio(ecam, region, 0xb0000000 - (ulong)region * 0x10000000);
        host.Reset();
        return new Bench { Bus = bus, Clock = clock, Devices = [host, device, ecam] };
    }

    /// <summary>A virtio device behind PCI slot 2, with rings in its memory that hold what a guest may have left there.</summary>
    public static Bench NewVirtio(Func<IGuestMemory, IClock, VirtioDevice> make, IMsiTarget? msi = null, ArrayMemory? memory = null, IEventDelivery? events = null)
    {
        var clock = Rig.NewClock();
        var bus = new IoBus();
        var host = new PciHost(new RecordingMachine());
        var next = 0xfe000000u;
        var device = make(memory ?? NoisyMemory(), clock);
        var transport = new VirtioPci(device, bus, msi ?? new RecordingMsi(), bytes => (next += (uint)bytes * 4) - (uint)bytes, events);
        host.Add(2, 0, transport.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        host.Reset();
        return new Bench { Bus = bus, Clock = clock, Devices = [host, transport] };
    }

    /// <summary>A virtio device behind registers in memory, at an address of its own.</summary>
    public static Bench NewVirtioMmio(Func<IGuestMemory, IClock, VirtioDevice> make, IIrqLine? line = null, ArrayMemory? memory = null)
    {
        var clock = Rig.NewClock();
        var bus = new IoBus();
        var transport = new VirtioMmio(make(memory ?? NoisyMemory(), clock), line ?? new RecordingLine());
        bus.MapMmio(transport, 0, 0xfeb00000);
        return new Bench { Bus = bus, Clock = clock, Devices = [transport] };
    }

    private static ArrayMemory NoisyMemory()
    {
        var memory = new ArrayMemory(1 << 16);
        new Random(1).NextBytes(memory.Bytes);
        return memory;
    }

    /// <summary>Bytes that count up: the same in every run.</summary>
    private sealed class CountingEntropy : IEntropySource
    {
        public void Fill(Span<byte> destination)
        {
            for (var i = 0; i < destination.Length; i++)
                destination[i] = (byte)i;
        }
    }

    /// <summary>Somebody at the other end who always has the same to say, and takes one byte of each offer.</summary>
    private sealed class BusyStream : IStreamLink
    {
        public bool IsOpen => true;

        public bool HasInput => true;

        public int Send(ReadOnlySpan<byte> bytes) => Math.Min(bytes.Length, 1);

        public int Receive(Span<byte> destination)
        {
            destination.Fill(0x55);
            return destination.Length;
        }

        public void Connect(Action onChange) { }
    }

    /// <summary>Somebody at the other end who has the same frame to send for ever.</summary>
    private sealed class ChattyNetwork : INetworkLink
    {
        public bool IsUp => true;

        public bool CanSend => true;

        public void Send(ReadOnlySpan<byte> frame) { }

        public int Peek(Span<byte> destination)
        {
            destination[..FrameBytes].Fill(0xff);
            return FrameBytes;
        }

        public void Take() { }

        public void Connect(Action onChange) { }

        private const int FrameBytes = 1514;
    }

    /// <summary>Somebody at the other end who always has something to say.</summary>
    private sealed class Typist : ISerialBackend
    {
        private byte _next;

        public void Write(byte value) { }

        public int Read(Span<byte> destination)
        {
            var count = Math.Min(destination.Length, _next % 3);
            for (var i = 0; i < count; i++)
                destination[i] = (byte)(_next + i);
            _next++;
            return count;
        }
    }
}
