using System.Buffers.Binary;

namespace Gauntlet.Vmm.Boot;

/// <summary>Resource descriptors, of which a device's <c>_CRS</c> is made.</summary>
/// <remarks>ACPI Specification 6.4, 6.4.2 (small), 6.4.3 (large).</remarks>
internal static class AcpiResources
{
    /// <summary>A list of descriptors, with its end tag (6.4.2.9).</summary>
    public static byte[] Of(params ReadOnlySpan<byte[]> descriptors)
    {
        var bytes = new List<byte>();
        foreach (var descriptor in descriptors)
            bytes.AddRange(descriptor);
        bytes.AddRange([0x79, 0]);
        return [.. bytes];
    }

    /// <summary>Fixed memory, writable (6.4.3.4).</summary>
    public static byte[] Memory(uint address, uint length)
    {
        var bytes = new byte[12];
        (bytes[0], bytes[1], bytes[3]) = (0x86, 9, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), address);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), length);
        return bytes;
    }

    /// <summary>A global system interrupt, level triggered, active high, not shared (6.4.3.6).</summary>
    public static byte[] Interrupt(int gsi)
    {
        byte[] bytes = [0x89, 6, 0, 1, 1, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(5), (uint)gsi);
        return bytes;
    }

    /// <summary>An ISA interrupt, edge triggered, active high (6.4.2.1).</summary>
    public static byte[] IsaInterrupt(int irq)
    {
        byte[] bytes = [0x22, 0, 0];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(1), (ushort)(1 << irq));
        return bytes;
    }

    /// <summary>Ports, all 16 address bits decoded (6.4.2.5).</summary>
    public static byte[] Ports(ushort first, byte count) => [0x47, 1, (byte)first, (byte)(first >> 8), (byte)first, (byte)(first >> 8), 1, count];
}
