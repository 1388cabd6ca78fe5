using System.Numerics;
using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>Double extended-precision, packed BCD and what is particular to them (SDM Vol. 1, 4.2.2, 4.7, 8.2).</summary>
public static class Float80
{
    private const int Bias = 16383, MaxBiased = 0x7fff;
    private const ushort SignBit = 0x8000;

    /// <summary>Digits of a packed BCD number.</summary>
    private const int BcdDigits = 18;

    /// <summary>Bytes of a packed BCD number and of an m80 operand.</summary>
    public const int Bytes = 10;

    public static SoftFloat Unpack(in X87Register register)
    {
        var negative = (register.SignExponent & SignBit) != 0;
        var biased = register.SignExponent & MaxBiased;
        var significand = register.Significand;
        if (biased == 0)
        {
            if (significand == 0)
                return SoftFloat.Zero(negative);
            // Denormals, and pseudo-denormals, which have the integer bit and the same exponent.
            var shift = BitOperations.LeadingZeroCount(significand);
            return new SoftFloat(negative, FloatClass.Finite, 1 - Bias - shift, significand << shift, IsDenormal: true);
        }

        if ((significand & SoftFloat.IntegerBit) == 0)
            return new SoftFloat(negative, FloatClass.Unsupported, 0, significand);
        if (biased != MaxBiased)
            return new SoftFloat(negative, FloatClass.Finite, biased - Bias, significand);
        if (significand == SoftFloat.IntegerBit)
            return SoftFloat.Infinity(negative);
        return new SoftFloat(negative, (significand & SoftFloat.QuietBit) != 0 ? FloatClass.QuietNaN : FloatClass.SignalingNaN, 0, significand);
    }

    /// <summary>The value must have been rounded to a precision of the x87.</summary>
    public static X87Register Pack(in SoftFloat value)
    {
        var sign = value.Negative ? SignBit : (ushort)0;
        return value.Class switch
        {
            FloatClass.Zero => new X87Register { SignExponent = sign },
            FloatClass.Finite when value.Exponent > -Bias => new X87Register
            {
                SignExponent = (ushort)(sign | value.Exponent + Bias),
                Significand = value.Significand,
            },
            FloatClass.Finite => new X87Register { SignExponent = sign, Significand = value.Significand >> (1 - Bias - value.Exponent) },
            FloatClass.Infinity => new X87Register { SignExponent = (ushort)(sign | MaxBiased), Significand = SoftFloat.IntegerBit },
            _ => new X87Register { SignExponent = (ushort)(sign | MaxBiased), Significand = value.Significand | SoftFloat.IntegerBit },
        };
    }

    /// <summary>18 decimal digits, two a byte, lowest first, and a sign byte. Digits above 9 are undefined by the manual; here each counts its value.</summary>
    public static SoftFloat FromBcd(ReadOnlySpan<byte> bytes)
    {
        long value = 0;
        for (var i = BcdDigits / 2 - 1; i >= 0; i--)
            value = value * 100 + (bytes[i] >> 4) * 10 + (bytes[i] & 15);
        return SoftFloat.FromInteger(value) with { Negative = (bytes[9] & 0x80) != 0 };
    }

    /// <summary>Rounds to an integer and writes it; false when it has more than 18 digits or is no number: an invalid operation.</summary>
    public static bool TryToBcd(in SoftFloat value, Span<byte> bytes, ref FloatContext context)
    {
        const long limit = 1_000_000_000_000_000_000;
        var trial = context;
        if (!SoftFloatRounding.TryRoundToInteger(value, 64, ref trial, out var integer) || integer is <= -limit or >= limit)
            return false;
        context = trial;
        var rest = Math.Abs(integer);
        for (var i = 0; i < BcdDigits / 2; i++)
        {
            var pair = (int)(rest % 100);
            bytes[i] = (byte)(pair / 10 << 4 | pair % 10);
            rest /= 100;
        }

        bytes[9] = value.Negative ? (byte)0x80 : (byte)0;
        return true;
    }

    /// <summary>Packed BCD indefinite (SDM Vol. 1, 4.7).</summary>
    public static void WriteBcdIndefinite(Span<byte> bytes)
    {
        bytes[..Bytes].Clear();
        (bytes[7], bytes[8], bytes[9]) = (0xc0, 0xff, 0xff);
    }

    /// <summary>Which NaN an operation with at least one delivers, and whether it is invalid (SDM Vol. 1, table 4-7).</summary>
    public static SoftFloat PropagateNaN(in SoftFloat a, in SoftFloat b, ref FloatContext context)
    {
        context.RoundedUp = false;
        if (a.Class == FloatClass.Unsupported || b.Class == FloatClass.Unsupported)
            return SoftFloatArithmetic.Invalid(ref context);
        if (a.Class == FloatClass.SignalingNaN || b.Class == FloatClass.SignalingNaN)
            context.Raised |= FloatExceptions.Invalid;
        if (!b.IsNaN)
            return a.Quieted();
        if (!a.IsNaN)
            return b.Quieted();
        // A quiet one before a signaling one, then the larger significand, then the positive.
        if (a.Class != b.Class)
            return a.Class == FloatClass.QuietNaN ? a : b;
        if (a.Significand != b.Significand)
            return (a.Significand > b.Significand ? a : b).Quieted();
        return (a.Negative ? b : a).Quieted();
    }
}
