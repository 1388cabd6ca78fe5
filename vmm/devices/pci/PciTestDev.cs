using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// QEMU's PCI test device, 1b36:0005: counts writes to one offset of its memory BAR or its I/O BAR, to measure what an access costs.
/// </summary>
/// <remarks>
/// QEMU, docs/specs/pci-testdev.rst. Both BARs begin with a header {test u8, width u8, reserved u16, offset u32, data u32, count u32, name};
/// writing a number to its first byte starts that test and sets its count to 0. Three tests a BAR: plain, any data, matching data.
/// </remarks>
public sealed class PciTestDev : IPortDevice, IMmioDevice, IResettable, ISaveable
{
    public const int MemoryRegion = 0, IoRegion = 1;
    public const int MemoryBytes = 4096, IoBytes = 256;
    public const ushort Vendor = 0x1b36, Device = 0x0005;

    private const int TestsPerBar = 3;
    private const byte AccessWidth = 1, MatchingData = 0xfa;
    private const int HeaderNameOffset = 16, CountOffset = 12;

    private readonly byte[][] _headers = new byte[2 * TestsPerBar][];
    private int _current = -1;

    public PciTestDev()
    {
        ReadOnlySpan<string> kinds = ["no-eventfd", "wildcard-eventfd", "datamatch-eventfd"];
        for (var i = 0; i < _headers.Length; i++)
        {
            var isMemory = i < TestsPerBar;
            var name = System.Text.Encoding.ASCII.GetBytes($"{(isMemory ? "mmio" : "portio")}-{kinds[i % TestsPerBar]}");
            var header = _headers[i] = new byte[HeaderNameOffset + name.Length + 1];
            header[0] = (byte)(i % TestsPerBar);
            header[1] = AccessWidth;
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), (uint)((isMemory ? MemoryBytes : IoBytes) / 2 + i % TestsPerBar));
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), MatchingData);
            name.CopyTo(header, HeaderNameOffset);
        }
    }

    public string Name => "pci-testdev";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("memory", AddressSpace.Mmio, MemoryBytes, HeaderRegisters),
        new("io", AddressSpace.Port, IoBytes, HeaderRegisters),
    ];

    public int StateVersion => 1;

    private static Register[] HeaderRegisters =>
    [
        new("TEST", 0, 1, RegisterAccess.ReadWrite, 0, "writing starts a test"),
        new("WIDTH", 1, 1, RegisterAccess.Read, 0),
        new("OFFSET", 4, 4, RegisterAccess.Read, 0),
        new("DATA", 8, 4, RegisterAccess.Read, 0),
        new("COUNT", CountOffset, 4, RegisterAccess.Read, 0),
        new("NAME", HeaderNameOffset, 1, RegisterAccess.Read),
    ];

    public uint ReadPort(int region, uint offset, int size) => (uint)Read(offset, size);

    public void WritePort(int region, uint offset, int size, uint value) => Write(isMemory: false, offset, value);

    public ulong ReadMmio(int region, ulong offset, int size) => Read(offset, size);

    public void WriteMmio(int region, ulong offset, int size, ulong value) => Write(isMemory: true, offset, (uint)value);

    public void Reset()
    {
        _current = -1;
        foreach (var header in _headers)
            header.AsSpan(CountOffset, 4).Clear();
    }

    public void Save(StateWriter writer)
    {
        writer.Int32(_current);
        foreach (var header in _headers)
            writer.UInt32(BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(CountOffset)));
    }

    public void Load(ref StateReader reader)
    {
        _current = Math.Clamp(reader.Int32(), -1, _headers.Length - 1);
        foreach (var header in _headers)
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(CountOffset), reader.UInt32());
    }

    private ulong Read(ulong offset, int size)
    {
        if (_current < 0 || offset + (ulong)size > (ulong)_headers[_current].Length)
            return 0;
        ulong value = 0;
        for (var i = 0; i < size; i++)
            value |= (ulong)_headers[_current][(int)offset + i] << (i * 8);
        return value;
    }

    private void Write(bool isMemory, ulong offset, uint value)
    {
        if (offset == 0)
        {
            var test = (byte)value;
            _current = test < TestsPerBar ? test + (isMemory ? 0 : TestsPerBar) : -1;
            if (_current >= 0)
                _headers[_current].AsSpan(CountOffset, 4).Clear();
            return;
        }
        if (_current < 0)
            return;
        var header = _headers[_current].AsSpan();
        if (offset != BinaryPrimitives.ReadUInt32LittleEndian(header[4..]))
            return;
        if (header[0] == TestsPerBar - 1 && (byte)value != MatchingData)
            return;
        var count = header[CountOffset..];
        BinaryPrimitives.WriteUInt32LittleEndian(count, BinaryPrimitives.ReadUInt32LittleEndian(count) + 1);
    }
}
