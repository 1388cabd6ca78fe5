using System.Buffers.Binary;
using System.Globalization;

namespace Gauntlet.Vmm.Network;

/// <summary>An Ethernet address.</summary>
/// <param name="Bits">48 bits; the first byte on the wire is the highest.</param>
public readonly record struct MacAddress(ulong Bits)
{
    public const int Bytes = 6;

    public static readonly MacAddress Broadcast = new(0xffff_ffff_ffff);

    /// <summary>What QEMU gives a machine's n-th network device, from 0.</summary>
    public static MacAddress Default(int index) => new(0x5254_0012_3456 + (ulong)index);

    /// <summary>A group's address, the broadcast address among them.</summary>
    public bool IsMulticast => (Bits >> 40 & 1) != 0;

    /// <param name="source">At least six bytes.</param>
    public static MacAddress Read(ReadOnlySpan<byte> source) =>
        new((ulong)BinaryPrimitives.ReadUInt16BigEndian(source) << 32 | BinaryPrimitives.ReadUInt32BigEndian(source[2..]));

    /// <param name="destination">At least six bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)(Bits >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(destination[2..], (uint)Bits);
    }

    /// <summary>Six bytes in hexadecimal, with colons or hyphens between them; not a group's address.</summary>
    public static bool TryParse(string text, out MacAddress address)
    {
        address = default;
        var parts = text.Split(':', '-');
        if (parts.Length != Bytes)
            return false;
        ulong bits = 0;
        foreach (var part in parts)
        {
            if (!byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
                return false;
            bits = bits << 8 | value;
        }
        address = new MacAddress(bits);
        return !address.IsMulticast;
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        Write(bytes);
        return string.Create(CultureInfo.InvariantCulture, $"{bytes[0]:x2}:{bytes[1]:x2}:{bytes[2]:x2}:{bytes[3]:x2}:{bytes[4]:x2}:{bytes[5]:x2}");
    }
}
