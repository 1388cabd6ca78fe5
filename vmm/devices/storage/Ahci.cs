using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>The ICH9's SATA controller as an AHCI host bus adapter of six ports, by pin or MSI.</summary>
/// <remarks>
/// AHCI 1.3.1, 2.1 (configuration), 2.4 (index and data pair), 3.1 (global registers), 10.4.3 (reset), 10.6.2 (interrupts); Intel ICH9 data sheet, 15.1.
/// No port multipliers, staggered spin-up or power management.
/// </remarks>
public sealed class Ahci : IMmioDevice, IPortDevice, IResettable, IResumable, ISaveable, IPciConfigHook, IDisposable
{
    public const int MemoryRegion = 0, IndexRegion = 1;
    public const int MemoryBytes = 4096, IndexBytes = 32;
    public const int PortCount = 6;

    internal const int PortsOffset = 0x100;

    private const uint CapabilitiesOffset = 0, ControlOffset = 4, InterruptOffset = 8, ImplementedOffset = 0xc, VersionOffset = 0x10;
    private const uint IndexOffset = 0x10, DataOffset = 0x14;
    private const int MemoryBar = 5, IndexBar = 4;

    // CAP: 64-bit addresses, native command queuing, generation 1, AHCI only, 32 slots, six ports. VS: 1.3.
    private const uint Capabilities = 1u << 31 | 1 << 30 | 1 << 20 | 1 << 18 | (AhciPort.SlotCount - 1) << 8 | (PortCount - 1);
    private const uint Version = 0x00010300, Implemented = (1 << PortCount) - 1;

    // GHC.
    private const uint HostReset = 1, InterruptEnable = 2, AhciEnable = 1u << 31;

    // ICH9, 15.1.25 and 15.1.26: MAP says how the ports are used, PCS switches them on, which an AHCI driver does and which changes nothing here.
    private const int MapOffset = 0x90, PortEnableOffset = 0x92;
    private const byte AhciMode = 0x40;

    // SATA capability: revision 1.0; the pair is at doubleword 4 of BAR 4.
    private const byte SataCapability = 0x12;

    // More data than this in one go, and the rest waits for the next moment of virtual time.
    private const uint BytesAtOnce = 4 << 20;

    private readonly AhciPort[] _ports = new AhciPort[PortCount];
    private readonly Msi _msi;
    private readonly IClock _clock;
    private readonly IClockTimer _continue;
    private uint _control, _index;

    /// <summary>Makes the function; the caller puts it into a slot.</summary>
    /// <param name="assigned">What firmware gives the registers in memory, and the index and data pair; 0 for none.</param>
    public Ahci(IoBus bus, IGuestMemory memory, IClock clock, IMsiTarget msi, uint assigned, uint assignedPorts)
    {
        _clock = clock;
        _continue = clock.CreateTimer(Run);
        Function = new PciFunction(bus, new PciIdentity(0x8086, 0x2922, 0x01, 0x06, Interface: 1, Revision: 2) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 },
            this, new PciBar(IndexRegion, assignedPorts) { Index = IndexBar }, new PciBar(MemoryRegion, assigned) { Index = MemoryBar });
        _msi = new Msi(Function, msi, vectors: 1, isMaskable: false);
        Function.AddCapability(SataCapability, [0x10, 0, 0x48, 0, 0, 0], []);
        Function.SetConstant(MapOffset, AhciMode);
        Function.SetRegister(PortEnableOffset, 0, (byte)Implemented);
        Function.SetHook(this);
        for (var i = 0; i < PortCount; i++)
            _ports[i] = new AhciPort(memory, () => Function.IsBusMaster, OnInterruptChanged);
        Reset();
    }

    public string Name => "ich9-ahci";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("hba", AddressSpace.Mmio, MemoryBytes,
        [
            new("CAP", CapabilitiesOffset, 4, RegisterAccess.Read, Capabilities),
            new("GHC", ControlOffset, 4, RegisterAccess.ReadWrite, AhciEnable, "0 reset, 1 interrupts"),
            new("IS", InterruptOffset, 4, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0),
            new("PI", ImplementedOffset, 4, RegisterAccess.Read, Implemented),
            new("VS", VersionOffset, 4, RegisterAccess.Read, Version),
            .. Enumerable.Range(0, PortCount).SelectMany(AhciPort.RegistersOf),
        ]),
        new("index", AddressSpace.Port, IndexBytes,
        [
            new("INDEX", IndexOffset, 4, RegisterAccess.ReadWrite, 0, "offset of a register in memory"),
            new("DATA", DataOffset, 4),
        ]),
    ];

    public PciFunction Function { get; }

    public int StateVersion => 2;

    /// <summary>Plugs a drive in.</summary>
    /// <param name="port">0 to 5; null for the first free.</param>
    /// <exception cref="InvalidOperationException">There is one already, or there is no such port.</exception>
    public void Add(AtaDrive drive, int? port)
    {
        for (var i = 0; i < PortCount; i++)
        {
            if ((port ?? i) == i && _ports[i].TryAdd(drive))
            {
                // Its reset, so that the first thing to be seen of it is its signature.
                _ports[i].Reset();
                return;
            }
        }
        throw new InvalidOperationException(port is { } which ? $"there is no free port {which} of the SATA controller, which has {PortCount}" : $"all {PortCount} ports of the SATA controller are taken");
    }

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        // Whole doublewords inside; what is asked for of them outside.
        var at = (uint)offset & ~3u;
        var value = ReadRegister(at) | (size > 4 || (offset & 3) + (ulong)size > 4 ? (ulong)ReadRegister(at + 4) << 32 : 0);
        return value >> (int)((offset & 3) * 8);
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        // 3: software writes doublewords; anything narrower is not defined, and does nothing.
        if ((offset & 3) != 0 || size < 4)
            return;
        WriteRegister((uint)offset, (uint)value);
        if (size == 8)
            WriteRegister((uint)offset + 4, (uint)(value >> 32));
        Run();
    }

    public uint ReadPort(int region, uint offset, int size) => offset switch
    {
        IndexOffset => _index,
        DataOffset when size == 4 => ReadRegister(_index),
        _ => 0,
    };

    public void WritePort(int region, uint offset, int size, uint value)
    {
        if (size != 4)
            return;
        if (offset == IndexOffset)
            _index = value & (MemoryBytes - 4);
        else if (offset == DataOffset)
            WriteMmio(MemoryRegion, _index, 4, value);
    }

    public bool TryReadConfig(int offset, int size, out uint value)
    {
        value = 0;
        return false;
    }

    public void OnConfigWritten(int offset, int size, uint value)
    {
        _msi.OnConfigWritten();
        UpdatePin();
    }

    public void OnResume()
    {
        foreach (var port in _ports)
            port.Drive?.LetGo();
        Run();
    }

    public void Reset()
    {
        (_control, _index) = (AhciEnable, 0);
        _continue.Cancel();
        foreach (var port in _ports)
            port.Reset();
        _msi.Reset();
        OnInterruptChanged();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_control);
        writer.UInt32(_index);
        _msi.Save(writer);
        foreach (var port in _ports)
            port.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        _control = (reader.UInt32() & InterruptEnable) | AhciEnable;
        _index = reader.UInt32() & (MemoryBytes - 4);
        _msi.Load(ref reader);
        foreach (var port in _ports)
            port.Load(ref reader);
        UpdatePin();
        // What was put off is still to do.
        if (Array.Exists(_ports, static port => port.HasWork))
            _continue.Arm(_clock.NowNs);
        else
            _continue.Cancel();
    }

    public void Dispose()
    {
        foreach (var port in _ports)
            (port.Drive as IDisposable)?.Dispose();
    }

    private bool IsInterrupting => (_control & InterruptEnable) != 0 && InterruptStatus != 0;

    // A port's bit is there as long as it has something enabled to tell, and comes back when it is cleared before that.
    private uint InterruptStatus
    {
        get
        {
            uint status = 0;
            for (var i = 0; i < PortCount; i++)
                status |= _ports[i] is { IsInterrupting: true } ? 1u << i : 0;
            return status;
        }
    }

    private uint ReadRegister(uint offset)
    {
        if (offset >= PortsOffset)
        {
            var port = (offset - PortsOffset) / AhciPort.RegisterBytes;
            return port < PortCount ? _ports[port].Read((offset - PortsOffset) % AhciPort.RegisterBytes) : 0;
        }
        return offset switch
        {
            CapabilitiesOffset => Capabilities,
            ControlOffset => _control,
            InterruptOffset => InterruptStatus,
            ImplementedOffset => Implemented,
            VersionOffset => Version,
            _ => 0,
        };
    }

    private void WriteRegister(uint offset, uint value)
    {
        if (offset >= PortsOffset)
        {
            var port = (offset - PortsOffset) / AhciPort.RegisterBytes;
            if (port < PortCount)
                _ports[port].Write((offset - PortsOffset) % AhciPort.RegisterBytes, value);
        }
        else if (offset == ControlOffset && (value & HostReset) != 0)
        {
            _control = AhciEnable;
            foreach (var port in _ports)
                port.ResetByHost();
        }
        else if (offset == ControlOffset)
        {
            _control = (value & InterruptEnable) | AhciEnable;
            OnInterruptChanged();
        }
        else if (offset == InterruptOffset)
        {
            OnInterruptChanged();
        }
    }

    private void Run()
    {
        uint moved = 0;
        foreach (var port in _ports)
        {
            while (port.HasWork)
            {
                if (moved > BytesAtOnce)
                {
                    _continue.Arm(_clock.NowNs);
                    return;
                }
                moved += port.RunNext();
            }
        }
    }

    private void OnInterruptChanged()
    {
        // While the ports are being made.
        if (_ports[PortCount - 1] is null)
            return;
        UpdatePin();
        if (IsInterrupting)
            _msi.Signal(0);
    }

    // PCI Local Bus Specification 3.0, 6.8.1.3: with messages on, the pin is silent.
    private void UpdatePin() => Function.SetInterrupt(IsInterrupting && !_msi.IsEnabled);
}
