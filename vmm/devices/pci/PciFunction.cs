using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>One base address register: which region of the device it maps.</summary>
/// <param name="Region">The device's region number; its length must be a power of two.</param>
/// <param name="Assigned">The address that the firmware gave it, which a reset gives it again; 0: none, firmware is still to run.</param>
public sealed record PciBar(int Region, ulong Assigned)
{
    /// <summary>Which register it is, 0 to 5; null for the one behind the one before.</summary>
    public int? Index { get; init; }

    /// <summary>Memory anywhere in the address space: takes two registers.</summary>
    public bool Is64Bit { get; init; }

    /// <summary>Memory that reads without side effects.</summary>
    public bool IsPrefetchable { get; init; }
}

/// <summary>What a PCI function is, for its configuration header (PCI Local Bus Specification 3.0, 6.1).</summary>
public readonly record struct PciIdentity(ushort Vendor, ushort Device, byte BaseClass, byte SubClass, byte Interface = 0, byte Revision = 0, bool MultiFunction = false)
{
    /// <summary>Subsystem vendor ID and subsystem ID.</summary>
    public ushort SubsystemVendor { get; init; }

    public ushort Subsystem { get; init; }
}

/// <summary>A device that takes part in accesses to its own configuration space: a bridge's routing registers, a window in a capability.</summary>
public interface IPciConfigHook
{
    /// <summary>True when the device answers a read of 1, 2 or 4 bytes itself.</summary>
    bool TryReadConfig(int offset, int size, out uint value);

    /// <summary>After a write, with what was written; the space holds what stuck of it.</summary>
    void OnConfigWritten(int offset, int size, uint value);
}

/// <summary>
/// The configuration space of one PCI function: a type 0 header with base address registers that move the device's regions on the bus, an interrupt
/// pin, and capabilities.
/// </summary>
/// <remarks>
/// PCI Local Bus Specification 3.0, 6.2.1 to 6.2.5, 6.7 (capabilities), 2.2.6 (INTx). A BAR that the guest puts onto something else answers nowhere
/// until it is moved away.
/// </remarks>
public sealed class PciFunction
{
    public const int ConfigBytes = 256;

    private const int CommandOffset = 4, StatusOffset = 6, BarOffset = 0x10, BarCount = 6, CapabilitiesOffset = 0x34, InterruptPinOffset = 0x3d;
    private const ushort CommandIo = 1, CommandMemory = 2, CommandMaster = 4, CommandWritable = 0x0547, CommandNoInterrupt = 1 << 10;
    private const byte StatusInterrupt = 1 << 3, StatusCapabilities = 1 << 4;
    private const int CacheLineOffset = 0xc, LatencyOffset = 0xd, InterruptLineOffset = 0x3c;
    private const int FirstCapability = 0x40;

    // What no processor reaches: 52 address bits and more.
    private const ulong MaxAddress = (1UL << 52) - 1;
    private const uint BarIoBit = 1, Bar64Bits = 4, BarPrefetchable = 8;
    private const ulong BarIoMask = 0xfffffffc, BarMemoryMask = ~0xfUL;

    private readonly byte[] _config = new byte[ConfigBytes];

    // Bits that a guest may write, and what a reset puts there; BARs and the command register have rules of their own.
    private readonly byte[] _writable = new byte[ConfigBytes];
    private readonly byte[] _resetValues = new byte[ConfigBytes];

    // Bits that are writable at some time: what saved state may set, whatever is locked at the moment.
    private readonly byte[] _everWritable = new byte[ConfigBytes];
    private readonly IoBus _bus;
    private readonly IDevice? _device;
    private readonly PciBar[] _bars;

    // For each register the BAR that it belongs to, -1 for none; for each BAR its first register, and whether its region is on the bus.
    private readonly int[] _barAt = [-1, -1, -1, -1, -1, -1];
    private readonly int[] _barIndex;
    private readonly bool[] _mapped;
    private IIrqLine _intx = UnconnectedIrqLine.Instance;
    private IPciConfigHook? _hook;
    private int _lastCapability = CapabilitiesOffset;
    private int _capabilitiesEnd = FirstCapability;
    private bool _interrupt;

    /// <param name="bus">Where regions are mapped.</param>
    /// <param name="identity">For the header.</param>
    /// <param name="device">Whose regions the BARs are; null for a function without.</param>
    /// <param name="bars">In order, at most 6 registers.</param>
    public PciFunction(IoBus bus, PciIdentity identity, IDevice? device = null, params PciBar[] bars)
    {
        (_bus, _device, _bars) = (bus, device, bars);
        _mapped = new bool[bars.Length];
        _barIndex = new int[bars.Length];
        var next = 0;
        for (var i = 0; i < bars.Length; i++)
        {
            _barIndex[i] = bars[i].Index ?? next;
            next = _barIndex[i] + (bars[i].Is64Bit ? 2 : 1);
            _barAt.AsSpan(_barIndex[i]..next).Fill(i);
        }
        Put16(0, identity.Vendor);
        Put16(2, identity.Device);
        _config[8] = identity.Revision;
        _config[9] = identity.Interface;
        _config[0xa] = identity.SubClass;
        _config[0xb] = identity.BaseClass;
        _config[0xe] = (byte)(identity.MultiFunction ? 0x80 : 0);
        Put16(0x2c, identity.SubsystemVendor);
        Put16(0x2e, identity.Subsystem);
        (_writable[CacheLineOffset], _writable[LatencyOffset], _writable[InterruptLineOffset]) = (0xff, 0xff, 0xff);
    }

    /// <summary>What the BARs map; null for a function without.</summary>
    public IDevice? Device => _device;

    /// <summary>In the order of their registers.</summary>
    public IReadOnlyList<PciBar> Bars => _bars;

    /// <summary>The guest lets the function reach memory, for DMA and messages (6.2.2, bit 2 of the command register).</summary>
    public bool IsBusMaster => (_config[CommandOffset] & CommandMaster) != 0;

    /// <summary>Where a region of the device is on the bus, in memory or port space; null while it is not.</summary>
    public ulong? AddressOf(int region)
    {
        for (var i = 0; i < _bars.Length; i++)
        {
            if (_bars[i].Region == region && _mapped[i])
                return GetBar(i) & (RegionOf(i).Space == AddressSpace.Port ? BarIoMask : BarMemoryMask);
        }
        return null;
    }

    /// <summary>Wires the interrupt pin. Once, when the function is put into its slot.</summary>
    /// <param name="pin">1 for INTA# to 4 for INTD#.</param>
    /// <param name="firmwareLine">What firmware writes to the interrupt line register: the interrupt that a guest without other knowledge expects.</param>
    public void ConnectInterrupt(byte pin, IIrqLine line, byte firmwareLine)
    {
        _intx = line;
        _config[InterruptPinOffset] = pin;
        _resetValues[InterruptLineOffset] = firmwareLine;
    }

    /// <summary>Has the device take part in accesses to this space. Once.</summary>
    public void SetHook(IPciConfigHook hook) => _hook = hook;

    /// <summary>Sets a byte of the device-specific part, which reads back and cannot be written.</summary>
    /// <param name="offset">0x40 to 0xff.</param>
    public void SetConstant(int offset, byte value) => SetRegister(offset, value, writable: 0);

    /// <summary>Sets what a byte of the device-specific part is after reset, and which of its bits can be written.</summary>
    /// <param name="offset">0x40 to 0xff.</param>
    public void SetRegister(int offset, byte value, byte writable)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(offset, FirstCapability);
        _config[offset] = _resetValues[offset] = value;
        _writable[offset] = _everWritable[offset] = writable;
    }

    /// <summary>Changes which bits of a byte of the device-specific part can be written, as a lock bit does; what it holds stays.</summary>
    /// <param name="offset">0x40 to 0xff.</param>
    public void SetWritable(int offset, byte writable)
    {
        _writable[offset] = writable;
        _everWritable[offset] |= writable;
    }

    /// <summary>Changes what a byte of the device-specific part reads as until the guest writes it or a reset.</summary>
    /// <param name="offset">0x40 to 0xff.</param>
    public void Put(int offset, byte value) => _config[offset] = value;

    /// <summary>Adds a capability to the list and returns where it is.</summary>
    /// <param name="id">The capability's ID (PCI Code and ID Assignment Specification, 2).</param>
    /// <param name="body">What follows ID and pointer.</param>
    /// <param name="writable">For each byte of the body the bits that a guest can write; shorter means none from there on.</param>
    /// <exception cref="InvalidOperationException">It does not fit behind what is there.</exception>
    public int AddCapability(byte id, ReadOnlySpan<byte> body, ReadOnlySpan<byte> writable)
    {
        var at = _capabilitiesEnd;
        if (at + 2 + body.Length > ConfigBytes)
            throw new InvalidOperationException($"PCI capability 0x{id:x2} of {body.Length + 2} bytes does not fit at 0x{at:x}");
        SetConstant(at, id);
        for (var i = 0; i < body.Length; i++)
            SetRegister(at + 2 + i, body[i], i < writable.Length ? writable[i] : (byte)0);
        var pointer = _lastCapability == CapabilitiesOffset ? CapabilitiesOffset : _lastCapability + 1;
        _config[pointer] = _resetValues[pointer] = (byte)at;
        _lastCapability = at;
        _capabilitiesEnd = (at + 2 + body.Length + 3) & ~3;
        _config[StatusOffset] |= StatusCapabilities;
        return at;
    }

    /// <summary>Drives the interrupt pin; the guest may have it disconnected.</summary>
    public void SetInterrupt(bool level)
    {
        _interrupt = level;
        _config[StatusOffset] = (byte)(level ? _config[StatusOffset] | StatusInterrupt : _config[StatusOffset] & ~StatusInterrupt);
        _intx.Set(level && (Command & CommandNoInterrupt) == 0);
    }

    /// <summary>Reads 1, 2 or 4 bytes; what crosses a doubleword comes byte by byte, and what is beyond the space as zeros.</summary>
    public uint Read(int offset, int size)
    {
        if ((offset & 3) + size > 4)
            return ReadApart(offset, size);
        if (_hook is not null && _hook.TryReadConfig(offset, size, out var value))
            return value;
        var word = BinaryPrimitives.ReadUInt32LittleEndian(_config.AsSpan(offset & ~3)) >> ((offset & 3) * 8);
        return word & (uint.MaxValue >> (32 - size * 8));
    }

    /// <summary>Writes 1, 2 or 4 bytes; read-only bits stay, and what crosses a doubleword goes byte by byte.</summary>
    public void Write(int offset, int size, uint value)
    {
        if ((offset & 3) + size > 4)
        {
            for (var i = 0; i < size && offset + i < ConfigBytes; i++)
                Write(offset + i, 1, (byte)(value >> (i * 8)));
            return;
        }
        for (var i = 0; i < size; i++)
            WriteByte(offset + i, (byte)(value >> (i * 8)));
        if (offset < BarOffset + BarCount * 4)
            Remap();
        if (offset < StatusOffset)
            SetInterrupt(_interrupt);
        _hook?.OnConfigWritten(offset, size, value);
    }

    /// <summary>To what the firmware leaves: decoding on, BARs at their assigned addresses.</summary>
    public void Reset()
    {
        UnmapAll();
        Put16(CommandOffset, Array.Exists(_bars, static bar => bar.Assigned != 0) ? (ushort)(CommandIo | CommandMemory) : (ushort)0);
        for (var offset = 0; offset < FirstCapability; offset++)
        {
            if (_writable[offset] != 0)
                _config[offset] = _resetValues[offset];
        }
        _resetValues.AsSpan(FirstCapability).CopyTo(_config.AsSpan(FirstCapability));
        for (var i = 0; i < _bars.Length; i++)
            PutBar(i, _bars[i].Assigned);
        Remap();
        SetInterrupt(false);
        _hook?.OnConfigWritten(0, 0, 0);
    }

    public void Save(StateWriter writer)
    {
        writer.Bytes(_config);
        writer.Bool(_interrupt);
    }

    public void Load(ref StateReader reader)
    {
        var config = reader.Bytes(ConfigBytes);
        if (config.Length != ConfigBytes)
            throw new StateFormatException($"PCI configuration space of {config.Length} bytes, where {ConfigBytes} were expected");
        // A checkpoint's restore seldom finds it changed, and mapping takes the most time of all.
        if (config.SequenceEqual(_config))
        {
            SetInterrupt(reader.Bool());
            return;
        }
        // Through the write path, so that identity and read-only bits stay what they are.
        for (var offset = 0; offset < FirstCapability; offset++)
            WriteByte(offset, config[offset]);
        for (var offset = FirstCapability; offset < ConfigBytes; offset++)
            _config[offset] = (byte)((_config[offset] & ~_everWritable[offset]) | (config[offset] & _everWritable[offset]));
        Remap();
        SetInterrupt(reader.Bool());
        _hook?.OnConfigWritten(0, 0, 0);
    }

    private ushort Command => BinaryPrimitives.ReadUInt16LittleEndian(_config.AsSpan(CommandOffset));

    private void WriteByte(int offset, byte value)
    {
        switch (offset)
        {
            case CommandOffset:
                _config[offset] = (byte)(value & CommandWritable);
                break;
            case CommandOffset + 1:
                _config[offset] = (byte)(value & CommandWritable >> 8);
                break;
            case >= BarOffset and < BarOffset + BarCount * 4:
                var bar = _barAt[(offset - BarOffset) / 4];
                if (bar < 0)
                    break;
                var shift = (offset - BarOffset - _barIndex[bar] * 4) * 8;
                PutBar(bar, (GetBar(bar) & ~(0xffUL << shift)) | (ulong)value << shift);
                break;
            default:
                _config[offset] = (byte)((_config[offset] & ~_writable[offset]) | (value & _writable[offset]));
                break;
        }
    }

    private uint ReadApart(int offset, int size)
    {
        uint value = 0;
        for (var i = 0; i < size && offset + i < ConfigBytes; i++)
            value |= Read(offset + i, 1) << (i * 8);
        return value;
    }

    private RegisterMap RegionOf(int bar) => _device!.Regions[_bars[bar].Region];

    private Span<byte> BarBytes(int bar) => _config.AsSpan(BarOffset + _barIndex[bar] * 4, _bars[bar].Is64Bit ? 8 : 4);

    private ulong GetBar(int bar) =>
        _bars[bar].Is64Bit ? BinaryPrimitives.ReadUInt64LittleEndian(BarBytes(bar)) : BinaryPrimitives.ReadUInt32LittleEndian(BarBytes(bar));

    // Address bits below the size read as 0: that is how its size is found out (6.2.5.1).
    private void PutBar(int bar, ulong value)
    {
        var region = RegionOf(bar);
        var isPort = region.Space == AddressSpace.Port;
        var type = isPort ? BarIoBit : (_bars[bar].Is64Bit ? Bar64Bits : 0) | (_bars[bar].IsPrefetchable ? BarPrefetchable : 0);
        value = (value & (isPort ? BarIoMask : BarMemoryMask) & ~(region.Length - 1)) | type;
        if (_bars[bar].Is64Bit)
            BinaryPrimitives.WriteUInt64LittleEndian(BarBytes(bar), value);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(BarBytes(bar), (uint)value);
    }

    private void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_config.AsSpan(offset), value);

    private void UnmapAll()
    {
        for (var i = 0; i < _bars.Length; i++)
        {
            if (!_mapped[i])
                continue;
            if (RegionOf(i).Space == AddressSpace.Port)
                _bus.UnmapPorts((IPortDevice)_device!, _bars[i].Region);
            else
                _bus.UnmapMmio((IMmioDevice)_device!, _bars[i].Region);
            _mapped[i] = false;
        }
    }

    private void Remap()
    {
        UnmapAll();
        for (var i = 0; i < _bars.Length; i++)
        {
            var region = RegionOf(i);
            if (region.Space == AddressSpace.Port)
            {
                var port = GetBar(i) & BarIoMask;
                _mapped[i] = (Command & CommandIo) != 0 && port + region.Length <= 0x10000 && port != 0
                    && _bus.TryMapPorts((IPortDevice)_device!, _bars[i].Region, (ushort)port);
                continue;
            }
            // All ones, as while its size is asked for, would be at the end of the address space.
            var address = GetBar(i) & BarMemoryMask;
            var last = address + (region.Length - 1);
            _mapped[i] = (Command & CommandMemory) != 0 && address != 0 && last <= (_bars[i].Is64Bit ? MaxAddress : uint.MaxValue)
                && _bus.TryMapMmio((IMmioDevice)_device!, _bars[i].Region, address);
        }
    }
}
