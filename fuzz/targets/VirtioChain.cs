using System.Buffers.Binary;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Targets;

/// <summary>A descriptor chain in the making: what the device is to read and write, each in a buffer of its own, and what fills those.</summary>
internal sealed class VirtioChain(List<Operation> program, ulong buffers)
{
    public const int MostDescriptors = 8, DescriptorBytes = 16;
    public const ushort Next = 1, DeviceWrites = 2, Indirect = 4;

    private const ulong BuffersApart = 0x400;

    private readonly byte[] _table = new byte[MostDescriptors * DescriptorBytes];

    public int Count { get; private set; }

    /// <summary>Address, length, flags, next of each, little endian (VIRTIO 1.2, 2.7.5).</summary>
    public Span<byte> Table => _table.AsSpan(0, Count * DescriptorBytes);

    /// <summary>Bytes for the device, laid in memory; empty: whatever is there.</summary>
    public void Out(ReadOnlySpan<byte> data, int length)
    {
        if (!data.IsEmpty && Count < MostDescriptors)
            program.Add(Operation.WriteMemory(At, data[..Math.Min(data.Length, Operation.MaxDataBytes)]));
        Add(At, (uint)length, 0);
    }

    public void Out(ReadOnlySpan<byte> data) => Out(data, data.Length);

    public void In(uint length) => Add(At, length, DeviceWrites);

    private ulong At => buffers + (ulong)Count * BuffersApart;

    private void Add(ulong address, uint length, ushort flags)
    {
        if (Count == MostDescriptors)
            return;
        if (Count > 0)
            _table[(Count - 1) * DescriptorBytes + 12] |= (byte)Next;
        Count++;
        var entry = Table[^DescriptorBytes..];
        BinaryPrimitives.WriteUInt64LittleEndian(entry, address);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], flags);
    }
}
