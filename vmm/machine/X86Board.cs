using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Qtest;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// What all boards for x86 have in common: the machine itself, interrupt controllers, the ISA devices that may be there, and what a vCPU starts with.
/// </summary>
public abstract class X86Board : IDisposable
{
    public const int MaxCpus = 255;
    public const ulong MinRamBytes = MemoryMap.OneMiB;

    /// <summary>More than any host has: what is above is a mistyped unit.</summary>
    public const ulong MaxRamBytes = 1UL << 40;

    /// <summary>Where RAM goes on that has no room below the devices.</summary>
    protected const ulong HighRamAddress = 1UL << 32;

    private const int RtcIrq = 8, PitIrq = 0;

    // COM1 to COM4, of which every other one shares an interrupt.
    private static readonly ushort[] SerialBases = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
    private static readonly int[] SerialIrqs = [4, 3, 4, 3];

    private readonly X86Config _config;
    private readonly ApicBus? _apicBus;
    private readonly PicOutput? _picOutput;

    /// <param name="type">As after <c>-machine</c>.</param>
    /// <param name="hasPic">An 8259 pair, unless the accelerator has one inside.</param>
    /// <exception cref="AcceleratorException">None of the accelerators can be had here.</exception>
    /// <exception cref="Linux.LinuxException">The host has no memory for it.</exception>
    private protected X86Board(X86Config config, string type, IReadOnlyList<GuestRam> layout, bool hasPic, Action<string> onAcceleratorFallback)
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
        Machine = new Machine(new GuestMemory(layout), bus, clock, accelerator)
        {
            Type = type,
            NoReboot = config.NoReboot,
            NoShutdown = config.NoShutdown,
            PanicResponse = config.PanicResponse,
        };
        if (accelerator.IrqChip is { } irqChip)
            Msi = new KernelMsi(irqChip);
        else
            Msi = _apicBus = new ApicBus();
        if (accelerator.IrqChip is { Split: null } all)
        {
            Lines = new PcInterruptLines(all);
        }
        else
        {
            var intr = new Intr();
            Pic = hasPic ? new I8259(intr) : null;
            var ioApic = new IoApic(_apicBus ?? (IApicMessages)new KernelApics(accelerator.IrqChip!, bus.DeviceLock));
            if (_apicBus is not null)
                AddLocalApics(_apicBus, intr);
            else if (Pic is not null)
                intr.Targets.Add(_picOutput = new PicOutput(Pic, bus.DeviceLock));
            Lines = new PcInterruptLines(Pic, ioApic);
            if (Pic is not null)
                AddPic(Pic);
            Machine.Add(ioApic);
            bus.MapMmio(ioApic, 0, IoApic.DefaultAddress);
        }
        Msi = new MessageWrites(Msi, Machine.Memory);
    }

    /// <summary>Owns all that is on the board.</summary>
    public Machine Machine { get; }

    public PcInterruptLines Lines { get; }

    /// <summary>Where functions' messages go.</summary>
    public IMsiTarget Msi { get; }

    public abstract FwCfg FwCfg { get; }

    /// <summary>COM1, COM2.</summary>
    public List<Uart16550A> SerialPorts { get; } = [];

    /// <summary>How many serial ports there can be.</summary>
    public static int MaxSerialPorts => SerialBases.Length;

    /// <summary>COM1's ports, and interrupt.</summary>
    internal static (ushort Port, int Irq) FirstSerial => (SerialBases[0], SerialIrqs[0]);

    /// <summary>The machine's own 8259 pair; null when there is none, or the accelerator has one inside.</summary>
    private protected I8259? Pic { get; }

    /// <summary>Whether the 8254 is the machine's own to model.</summary>
    private protected bool HasOwnPit => _config.HasPit && Machine.Accelerator.IrqChip is not { HasPit: true };

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

    /// <summary>Makes the vCPUs and sets what they start with. Last of all, when all devices are there.</summary>
    /// <exception cref="AcceleratorException">The host cannot make them.</exception>
    /// <exception cref="BootException">The program cannot be told what it must know of this machine.</exception>
    public abstract void Complete(IBootProgram program);

    public void Dispose() => Machine.Dispose();

    /// <param name="afterReset">As <see cref="Machine.SetBoot"/> takes it.</param>
    private protected void CreateVcpus(Action<bool> afterReset)
    {
        Machine.CreateVcpus<LocalApic>(_config.CpuCount, _config.CpuModel, i => _apicBus?.Apics[i], _picOutput);
        Machine.SetBoot(afterReset);
    }

    /// <summary>What a kernel expects that firmware has done to the interrupt controllers.</summary>
    private protected void InitializeInterruptsAsFirmware()
    {
        Pic?.InitializeAsFirmware();
        _apicBus?.Apics[0].EnterVirtualWireMode();
    }

    private protected void AddPit(IIrqLine output)
    {
        var pit = new I8254(output, Machine.Clock);
        Machine.Add(pit);
        Machine.Bus.MapPorts(pit, I8254.CounterRegion, 0x40);
        Machine.Bus.MapPorts(pit, I8254.PortBRegion, 0x61);
    }

    private protected IIrqLine PitLine => Lines[PitIrq];

    private protected IIrqLine RtcLine => Lines[RtcIrq];

    /// <param name="lowRamBytes">Of RAM below 4 GiB.</param>
    private protected Mc146818 AddRtc(IIrqLine output, IIrqLine alarm, ulong lowRamBytes)
    {
        var rtc = new Mc146818(output, Machine.Clock, alarm);
        SetMemorySizes(rtc, _config.RamBytes, lowRamBytes);
        rtc.SetRam(0x5f, (byte)(_config.CpuCount - 1));
        Machine.Add(rtc);
        Machine.Bus.MapPorts(rtc, 0, 0x70);
        return rtc;
    }

    /// <param name="lowRamBytes">Of RAM below 4 GiB.</param>
    private protected SmbiosTables NewSmbios(ulong lowRamBytes) => new(new SmbiosContent
    {
        Product = Machine.Type,
        Uuid = _config.Uuid,
        CpuCount = _config.CpuCount,
        RamBytes = _config.RamBytes,
        LowRamBytes = lowRamBytes,
        Fields = _config.SmbiosFields,
        OemStrings = _config.OemStrings,
    });

    private protected void AddSerialPorts()
    {
        var lines = new Dictionary<int, SharedIrqLine>();
        for (var i = 0; i < _config.SerialPorts.Count; i++)
        {
            var irq = SerialIrqs[i];
            if (!lines.TryGetValue(irq, out var line))
                lines[irq] = line = new SharedIrqLine(Lines[irq]);
            var uart = new Uart16550A(line.NewEnd(), _config.SerialPorts[i], Machine.Clock);
            Machine.Add(uart);
            Machine.Bus.MapPorts(uart, 0, SerialBases[i]);
            SerialPorts.Add(uart);
        }
    }

    private protected FwCfg AddFwCfg(bool noGraphic)
    {
        var fwCfg = new FwCfg(Machine.Memory);
        fwCfg.Add(FwCfg.RamSizeKey, _config.RamBytes);
        fwCfg.Add(FwCfg.NoGraphicKey, (ushort)(noGraphic ? 1 : 0));
        fwCfg.Add(FwCfg.CpuCountKey, (ushort)_config.CpuCount);
        fwCfg.Add(FwCfg.MaxCpusKey, (ushort)_config.CpuCount);
        if (_config.Nodes.Count > 0)
            fwCfg.Add(FwCfg.NumaKey, Numa.FirmwareItem(_config.Nodes, _config.CpuCount));
        Machine.Add(fwCfg);
        Machine.Bus.MapPorts(fwCfg, 0, FwCfg.BasePort);
        return fwCfg;
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

    private void AddLocalApics(ApicBus bus, Intr intr)
    {
        for (var i = 0; i < _config.CpuCount; i++)
        {
            var apic = new LocalApic(i, bus, Machine.Clock, Machine.Bus.DeviceLock, Pic);
            intr.Targets.Add(apic.Intr);
            Machine.Add(apic);
        }
    }

    private void AddPic(I8259 pic)
    {
        Machine.Add(pic);
        Machine.Bus.MapPorts(pic, I8259.MasterRegion, 0x20);
        Machine.Bus.MapPorts(pic, I8259.SlaveRegion, 0xa0);
        Machine.Bus.MapPorts(pic, I8259.ElcrRegion, 0x4d0);
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
