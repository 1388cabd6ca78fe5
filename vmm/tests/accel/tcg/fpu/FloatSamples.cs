using System.Buffers.Binary;

namespace Gauntlet.Vmm.Tests.Accel.Tcg.Fpu;

/// <summary>Operands where arithmetic is interesting: the edges of each format, near neighbours, every kind of encoding.</summary>
public static class FloatSamples
{
    public static uint Single(Random random) => (uint)Bits(random, 23, 8);

    public static ulong Double(Random random) => Bits(random, 52, 11);

    /// <summary>Ten bytes, unsupported encodings included.</summary>
    public static byte[] Extended(Random random)
    {
        var significand = Fraction(random, 64);
        var sign = random.Next(2) << 15;
        var exponent = random.Next(10) switch
        {
            0 => 0,
            1 => 0x7fff,
            2 => random.Next(1, 0x7fff),
            3 => 0x7ffe - random.Next(3),
            4 => 1 + random.Next(70),
            5 => 16383 + random.Next(-70, 70),
            _ => 16383 + random.Next(-3, 66),
        };
        if (exponent == 0 && random.Next(2) == 0)
            significand = 0;
        else if (exponent == 0x7fff && random.Next(2) == 0)
            significand = 1UL << 63;
        else if (exponent != 0 && random.Next(30) != 0)
            significand |= 1UL << 63;
        var bytes = new byte[10];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, significand);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), (ushort)(sign | exponent));
        return bytes;
    }

    /// <summary>A finite number in the format's ordinary range, with a bounded exponent.</summary>
    public static byte[] Ordinary(Random random, int minExponent, int maxExponent)
    {
        var bytes = new byte[10];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Fraction(random, 64) | 1UL << 63);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), (ushort)(random.Next(2) << 15 | 16383 + random.Next(minExponent, maxExponent + 1)));
        return bytes;
    }

    private static ulong Bits(Random random, int fractionBits, int exponentBits)
    {
        var max = (1 << exponentBits) - 1;
        var exponent = random.Next(8) switch
        {
            0 => 0,
            1 => max,
            2 => random.Next(max),
            3 => 1 + random.Next(3),
            4 => max - 1 - random.Next(3),
            _ => max / 2 + random.Next(-fractionBits - 2, fractionBits + 12),
        };
        var fraction = Fraction(random, fractionBits);
        if (exponent is 0 || exponent == max)
            fraction = random.Next(2) == 0 ? 0 : fraction;
        return (ulong)random.Next(2) << (fractionBits + exponentBits) | (ulong)Math.Clamp(exponent, 0, max) << fractionBits | fraction;
    }

    /// <summary>Few bits at the ends, long runs, or anything.</summary>
    private static ulong Fraction(Random random, int bits)
    {
        var mask = ulong.MaxValue >> (64 - bits);
        return mask & random.Next(5) switch
        {
            0 => 0,
            1 => mask - (ulong)random.Next(4),
            2 => (ulong)random.Next(4),
            3 => (ulong)random.NextInt64() << random.Next(bits),
            _ => (ulong)random.NextInt64() << 1 | (uint)random.Next(2),
        };
    }
}
