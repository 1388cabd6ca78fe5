using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>Guest memory from address 0 in an array, without the mappings that thousands of benches would use up.</summary>
internal sealed class ArrayMemory(int bytes) : IGuestMemory
{
    public byte[] Bytes { get; } = new byte[bytes];

    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!Contains(address, destination.Length))
            return false;
        Bytes.AsSpan((int)address, destination.Length).CopyTo(destination);
        return true;
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!Contains(address, source.Length))
            return false;
        source.CopyTo(Bytes.AsSpan((int)address));
        return true;
    }

    public Span<byte> GetSpan(ulong address, int maxLength) =>
        address < (ulong)Bytes.Length ? Bytes.AsSpan((int)address, (int)Math.Min((ulong)maxLength, (ulong)Bytes.Length - address)) : [];

    public void MarkDirty(ulong address, ulong length) { }

    private bool Contains(ulong address, int length) => address <= (ulong)Bytes.Length && (ulong)length <= (ulong)Bytes.Length - address;
}
