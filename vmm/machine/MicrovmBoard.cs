using System.Globalization;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// A microvm: a kernel is started directly, on a machine with virtio devices behind registers in memory, without PCI and without what only old systems need.
/// </summary>
/// <remarks>
/// QEMU, docs/system/i386/microvm.rst; addresses as there. With ACPI it is of the hardware-reduced profile, and virtio devices are in its tables; without,
/// there is an MP table, and virtio devices are told by the kernel's command line (Linux, drivers/virtio/virtio_mmio.c: <c>virtio_mmio.device=</c>).
/// </remarks>
public sealed class MicrovmBoard : X86Board
{
    /// <summary>How many virtio devices there can be.</summary>
    public const int MaxVirtio = 8;

    private const uint VirtioAddress = 0xfeb00000, EventAddress = 0xfea00000, SleepAddress = 0xfea00200;
    private const int EventIrq = 9;
    private const ulong LowRamLimit = 0xc0000000, TablesAddress = 0xf0000;

    // With ACPI those that no ISA device can have; without, those below 16 that none has.
    private static readonly int[] AcpiVirtioIrqs = [16, 17, 18, 19, 20, 21, 22, 23];
    private static readonly int[] IsaVirtioIrqs = [5, 6, 7, 10, 11, 12, 14, 15];

    private readonly MicrovmConfig _config;
    private readonly SmbiosTables _smbios;
    private readonly List<VirtioMmioPlace> _virtio = [];

    /// <exception cref="AcceleratorException">None of the accelerators can be had here.</exception>
    /// <exception cref="Linux.LinuxException">The host has no memory for it.</exception>
    public MicrovmBoard(MicrovmConfig config, Action<string> onAcceleratorFallback)
        : base(config, "microvm", LayOut(config.RamBytes), config.HasPic, onAcceleratorFallback)
    {
        _config = config;
        if (HasOwnPit)
            AddPit(PitLine);
        if (config.HasRtc)
            AddRtc(RtcLine, UnconnectedIrqLine.Instance, LowRamBytes(config.RamBytes));
        FwCfg = AddFwCfg(noGraphic: true);
        _smbios = NewSmbios(LowRamBytes(config.RamBytes));
        if (config.HasAcpi)
            AddEventDevice();
        AddSerialPorts();
    }

    public override FwCfg FwCfg { get; }

    /// <summary>Where virtio devices are, in the order in which they were added.</summary>
    public IReadOnlyList<VirtioMmioPlace> VirtioPlaces => _virtio;

    /// <summary>Puts a virtio device behind registers in memory.</summary>
    /// <exception cref="InvalidOperationException">There are <see cref="MaxVirtio"/> already.</exception>
    public VirtioMmio AddVirtio(VirtioDevice device)
    {
        if (_virtio.Count == MaxVirtio)
            throw new InvalidOperationException($"a microvm has room for {MaxVirtio} virtio devices");
        var irq = (_config.HasAcpi ? AcpiVirtioIrqs : IsaVirtioIrqs)[_virtio.Count];
        var place = new VirtioMmioPlace(VirtioAddress + (uint)(_virtio.Count * VirtioMmio.RegionBytes), irq);
        var transport = new VirtioMmio(device, Lines[irq]);
        Machine.Bus.MapMmio(transport, 0, place.Address);
        Machine.Add(transport);
        _virtio.Add(place);
        return transport;
    }

    public override void Complete(IBootProgram program)
    {
        if (!_config.HasAcpi && program is IKernelArguments kernel)
        {
            foreach (var place in _virtio)
                kernel.AppendArgument(string.Create(CultureInfo.InvariantCulture, $"virtio_mmio.device={VirtioMmio.RegionBytes}@0x{place.Address:x}:{place.Irq}"));
        }
        CreateVcpus(_ =>
        {
            lock (Machine.Bus.DeviceLock)
            {
                InitializeInterruptsAsFirmware();
                MakeVirtioInterruptsLevelTriggered();
            }
            Describe();
            Machine.Vcpus[0].GetState(out var state);
            program.Start(Machine.Memory, ref state);
            Machine.Vcpus[0].SetState(in state);
        });
    }

    private void Describe()
    {
        _smbios.Write(Machine.Memory);
        if (!_config.HasAcpi)
        {
            MpTable.Write(Machine.Memory, _config.CpuCount, IsaVirtioIrqs);
            return;
        }
        ReducedAcpiTables.Write(Machine.Memory, new ReducedPlatform
        {
            CpuCount = _config.CpuCount,
            HasPic = _config.HasPic,
            HasRtc = _config.HasRtc,
            Serial = _config.SerialPorts.Count > 0 ? FirstSerial : null,
            EventAddress = EventAddress,
            SleepAddress = SleepAddress,
            EventIrq = EventIrq,
            Virtio = _virtio,
            Nodes = _config.Nodes,
            LowRamBytes = LowRamBytes(_config.RamBytes),
        });
    }

    // For a kernel that has the PIC alone.
    private void MakeVirtioInterruptsLevelTriggered()
    {
        if (Pic is null || _config.HasAcpi)
            return;
        foreach (var irq in IsaVirtioIrqs)
        {
            var half = (uint)irq / 8;
            Pic.WritePort(I8259.ElcrRegion, half, 1, Pic.ReadPort(I8259.ElcrRegion, half, 1) | 1u << irq % 8);
        }
    }

    private void AddEventDevice()
    {
        var device = new AcpiGed(Lines[EventIrq], Machine);
        Machine.Bus.MapMmio(device, AcpiGed.EventRegion, EventAddress);
        Machine.Bus.MapMmio(device, AcpiGed.SleepRegion, SleepAddress);
        Machine.Add(device);
        Machine.PowerButton = device.PressPowerButton;
    }

    private static ulong LowRamBytes(ulong bytes) => Math.Min(bytes, LowRamLimit);

    private static List<GuestRam> LayOut(ulong bytes)
    {
        var layout = new List<GuestRam>
        {
            new("microvm.conventional", 0, MemoryMap.ConventionalEnd),
            new("microvm.tables", TablesAddress, MemoryMap.OneMiB - TablesAddress),
        };
        var low = LowRamBytes(bytes);
        if (low > MemoryMap.OneMiB)
            layout.Add(new GuestRam("microvm.ram", MemoryMap.OneMiB, low - MemoryMap.OneMiB));
        if (bytes > low)
            layout.Add(new GuestRam("microvm.ram-high", HighRamAddress, bytes - low));
        return layout;
    }
}
