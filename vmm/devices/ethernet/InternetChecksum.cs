using System.Buffers.Binary;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>The checksum of IP, TCP and UDP (RFC 1071).</summary>
internal static class InternetChecksum
{
    /// <summary>A sum of ones' complement, of 16 bits, high byte first; an odd byte at the end counts as one with a zero behind.</summary>
    /// <param name="sum">What it goes on from; not only 16 bits of it count.</param>
    public static uint Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (; bytes.Length >= 2; bytes = bytes[2..])
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
        if (bytes.Length == 1)
            sum += (uint)bytes[0] << 8;
        while (sum > ushort.MaxValue)
            sum = (sum & ushort.MaxValue) + (sum >> 16);
        return sum;
    }
}
