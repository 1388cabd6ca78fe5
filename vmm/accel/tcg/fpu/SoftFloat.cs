namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>What kind of number a <see cref="SoftFloat"/> is.</summary>
public enum FloatClass : byte
{
    Zero,
    Finite,
    Infinity,
    QuietNaN,
    SignalingNaN,

    /// <summary>x87 only: an encoding without meaning, such as an unnormal (SDM Vol. 1, 8.2.2). Every operation on it is invalid.</summary>
    Unsupported,
}

/// <summary>A floating-point number taken apart, the same for all formats.</summary>
/// <param name="Negative">The sign bit, of zeros and NaNs too.</param>
/// <param name="Class">Which of the others count.</param>
/// <param name="Exponent">Finite: of the leading bit; the value is Significand × 2^(Exponent − 63).</param>
/// <param name="Significand">Finite and NaN: aligned to the top, bit 63 set; of a NaN bit 62 tells quiet from signaling.</param>
/// <param name="IsDenormal">It was encoded as a denormal number.</param>
public readonly record struct SoftFloat(bool Negative, FloatClass Class, int Exponent, ulong Significand, bool IsDenormal = false)
{
    public const ulong IntegerBit = 1UL << 63, QuietBit = 1UL << 62;

    /// <summary>QNaN floating-point indefinite: the answer to a masked invalid operation (SDM Vol. 1, 4.8.3.7).</summary>
    public static readonly SoftFloat Indefinite = new(true, FloatClass.QuietNaN, 0, IntegerBit | QuietBit);

    public static readonly SoftFloat One = new(false, FloatClass.Finite, 0, IntegerBit);

    public bool IsNaN => Class is FloatClass.QuietNaN or FloatClass.SignalingNaN;

    public bool IsZero => Class == FloatClass.Zero;

    public static SoftFloat Zero(bool negative) => new(negative, FloatClass.Zero, 0, 0);

    public static SoftFloat Infinity(bool negative) => new(negative, FloatClass.Infinity, 0, 0);

    /// <summary>The NaN that an operation delivers for this one.</summary>
    public SoftFloat Quieted() => this with { Class = FloatClass.QuietNaN, Significand = Significand | QuietBit };

    public SoftFloat Negated() => this with { Negative = !Negative };

    /// <summary>An integer, exactly.</summary>
    public static SoftFloat FromInteger(long value)
    {
        if (value == 0)
            return Zero(false);
        var magnitude = value < 0 ? 0 - (ulong)value : (ulong)value;
        var shift = System.Numerics.BitOperations.LeadingZeroCount(magnitude);
        return new SoftFloat(value < 0, FloatClass.Finite, 63 - shift, magnitude << shift);
    }

    public static SoftFloat FromSingle(uint bits, in FloatContext context) => FromBits(bits, 23, 8, context.DenormalsAreZeros);

    public static SoftFloat FromDouble(ulong bits, in FloatContext context) => FromBits(bits, 52, 11, context.DenormalsAreZeros);

    /// <summary>To an IEEE format's bits. The value must have been rounded to it.</summary>
    public uint ToSingle() => (uint)ToBits(23, 8);

    /// <summary>To an IEEE format's bits. The value must have been rounded to it.</summary>
    public ulong ToDouble() => ToBits(52, 11);

    private static SoftFloat FromBits(ulong bits, int fractionBits, int exponentBits, bool denormalsAreZeros)
    {
        var negative = (bits >> (fractionBits + exponentBits) & 1) != 0;
        var maxBiased = (1 << exponentBits) - 1;
        var bias = maxBiased >> 1;
        var biased = (int)(bits >> fractionBits) & maxBiased;
        var fraction = bits << (63 - fractionBits) & ~IntegerBit;
        if (biased == maxBiased)
        {
            if (fraction == 0)
                return Infinity(negative);
            return new SoftFloat(negative, (fraction & QuietBit) != 0 ? FloatClass.QuietNaN : FloatClass.SignalingNaN, 0, fraction | IntegerBit);
        }

        if (biased != 0)
            return new SoftFloat(negative, FloatClass.Finite, biased - bias, fraction | IntegerBit);
        if (fraction == 0 || denormalsAreZeros)
            return Zero(negative);
        var shift = System.Numerics.BitOperations.LeadingZeroCount(fraction);
        return new SoftFloat(negative, FloatClass.Finite, 1 - bias - shift, fraction << shift, IsDenormal: true);
    }

    private ulong ToBits(int fractionBits, int exponentBits)
    {
        var maxBiased = (1UL << exponentBits) - 1;
        var bias = (int)(maxBiased >> 1);
        var sign = Negative ? 1UL << (fractionBits + exponentBits) : 0;
        var fraction = (Significand & ~IntegerBit) >> (63 - fractionBits);
        switch (Class)
        {
            case FloatClass.Zero:
                return sign;
            case FloatClass.Finite when Exponent >= 1 - bias:
                return sign | (ulong)(Exponent + bias) << fractionBits | fraction;
            case FloatClass.Finite:
                return sign | Significand >> (63 - fractionBits) + (1 - bias - Exponent);
            case FloatClass.Infinity:
                return sign | maxBiased << fractionBits;
            default:
                return sign | maxBiased << fractionBits | fraction;
        }
    }
}
