using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>One base address register: which region of the device it maps.</summary>
/// <param name="Region">The device's region number; its length must be a power of two.</param>
/// <param name="Assigned">The address that the firmware gave it; a reset gives it again.</param>
public sealed record PciBar(int Region, uint Assigned);

/// <summary>What a PCI function is, for its configuration header (PCI Local Bus Specification 3.0, 6.1).</summary>
public readonly record struct PciIdentity(ushort Vendor, ushort Device, byte BaseClass, byte SubClass, byte Interface = 0, byte Revision = 0, bool MultiFunction = false);

/// <summary>
/// The configuration space of one PCI function: a type 0 header with base address registers that move the device's regions on the bus.
/// </summary>
/// <remarks>PCI Local Bus Specification 3.0, 6.2.1 to 6.2.5. A BAR that the guest puts onto something else answers nowhere until it is moved away.</remarks>
public sealed class PciFunction
{
    public const int ConfigBytes = 256;

    private const int CommandOffset = 4, BarOffset = 0x10, BarCount = 6;
    private const ushort CommandIo = 1, CommandMemory = 2, CommandWritable = 0x0547;
    private const int CacheLineOffset = 0xc, LatencyOffset = 0xd, InterruptLineOffset = 0x3c;
    private const uint BarIoBit = 1, BarIoMask = ~3u, BarMemoryMask = ~0xfu;

    private readonly byte[] _config = new byte[ConfigBytes];
    private readonly IoBus _bus;
    private readonly IDevice? _device;
    private readonly PciBar[] _bars;
    private readonly bool[] _mapped;

    /// <param name="bus">Where regions are mapped.</param>
    /// <param name="identity">For the header.</param>
    /// <param name="device">Whose regions the BARs are; null for a function without.</param>
    /// <param name="bars">In order, at most 6.</param>
    public PciFunction(IoBus bus, PciIdentity identity, IDevice? device = null, params PciBar[] bars)
    {
        (_bus, _device, _bars) = (bus, device, bars);
        _mapped = new bool[bars.Length];
        Put16(0, identity.Vendor);
        Put16(2, identity.Device);
        _config[8] = identity.Revision;
        _config[9] = identity.Interface;
        _config[0xa] = identity.SubClass;
        _config[0xb] = identity.BaseClass;
        _config[0xe] = (byte)(identity.MultiFunction ? 0x80 : 0);
    }

    /// <summary>Sets a byte of the device-specific part, which reads back and cannot be written.</summary>
    /// <param name="offset">0x40 to 0xff.</param>
    public void SetConstant(int offset, byte value)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(offset, 0x40);
        _config[offset] = value;
    }

    /// <summary>Reads 1, 2 or 4 bytes inside one aligned doubleword.</summary>
    public uint Read(int offset, int size)
    {
        var word = BinaryPrimitives.ReadUInt32LittleEndian(_config.AsSpan(offset & ~3)) >> ((offset & 3) * 8);
        return word & (uint.MaxValue >> (32 - size * 8));
    }

    /// <summary>Writes 1, 2 or 4 bytes inside one aligned doubleword; read-only bits stay.</summary>
    public void Write(int offset, int size, uint value)
    {
        for (var i = 0; i < size; i++)
            WriteByte(offset + i, (byte)(value >> (i * 8)));
        if (offset < BarOffset + BarCount * 4)
            Remap();
    }

    /// <summary>To what the firmware leaves: decoding on, BARs at their assigned addresses.</summary>
    public void Reset()
    {
        UnmapAll();
        Put16(CommandOffset, _bars.Length > 0 ? (ushort)(CommandIo | CommandMemory) : (ushort)0);
        (_config[CacheLineOffset], _config[LatencyOffset], _config[InterruptLineOffset]) = (0, 0, 0);
        for (var i = 0; i < _bars.Length; i++)
            PutBar(i, _bars[i].Assigned);
        Remap();
    }

    public void Save(StateWriter writer) => writer.Bytes(_config);

    public void Load(ref StateReader reader)
    {
        var config = reader.Bytes(ConfigBytes);
        if (config.Length != ConfigBytes)
            throw new StateFormatException($"PCI configuration space of {config.Length} bytes, where {ConfigBytes} were expected");
        // Through the write path, so that identity and read-only bits stay what they are.
        for (var offset = 0; offset < ConfigBytes; offset++)
            WriteByte(offset, config[offset]);
        Remap();
    }

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
            case CacheLineOffset or LatencyOffset or InterruptLineOffset:
                _config[offset] = value;
                break;
            case >= BarOffset and < BarOffset + BarCount * 4:
                var bar = (offset - BarOffset) / 4;
                if (bar >= _bars.Length)
                    break;
                var shift = (offset & 3) * 8;
                PutBar(bar, (GetBar(bar) & ~(0xffu << shift)) | (uint)value << shift);
                break;
            default:
                break;
        }
    }

    private RegisterMap RegionOf(int bar) => _device!.Regions[_bars[bar].Region];

    private uint GetBar(int bar) => BinaryPrimitives.ReadUInt32LittleEndian(_config.AsSpan(BarOffset + bar * 4));

    // Address bits below the size read as 0: that is how its size is found out (6.2.5.1).
    private void PutBar(int bar, uint value)
    {
        var region = RegionOf(bar);
        var size = (uint)region.Length;
        var (mask, type) = region.Space == AddressSpace.Port ? (BarIoMask, BarIoBit) : (BarMemoryMask, 0u);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(BarOffset + bar * 4), (value & mask & ~(size - 1)) | type);
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
        var command = Read(CommandOffset, 2);
        for (var i = 0; i < _bars.Length; i++)
        {
            var region = RegionOf(i);
            var address = GetBar(i);
            if (region.Space == AddressSpace.Port)
            {
                address &= BarIoMask;
                _mapped[i] = (command & CommandIo) != 0 && address + region.Length <= 0x10000 && address != 0
                    && _bus.TryMapPorts((IPortDevice)_device!, _bars[i].Region, (ushort)address);
            }
            else
            {
                address &= BarMemoryMask;
                _mapped[i] = (command & CommandMemory) != 0 && address + region.Length <= 1UL << 32 && address != 0
                    && _bus.TryMapMmio((IMmioDevice)_device!, _bars[i].Region, address);
            }
        }
    }
}
