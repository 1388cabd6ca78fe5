namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>
/// F2XM1, FYL2X, FYL2XP1, FSIN, FCOS, FPTAN, FPATAN. Series with 128 bits, so that the result is the correctly rounded one except where the exact value lies
/// within some 2^-40 of a last place from a rounding boundary: better than the 1 ulp that the manual promises (SDM Vol. 1, 8.3.10).
/// </summary>
/// <remarks>
/// Angles are reduced by the 66-bit π that the processors use (SDM Vol. 1, 8.3.8), so that results agree with theirs for large angles too.
/// No operand is a NaN or unsupported.
/// </remarks>
public static class X87Transcendental
{
    /// <summary>π × 2^64, 66 bits.</summary>
    private static readonly UInt128 s_pi66 = new(0x3, 0x243f6a8885a308d3);

    private static readonly WideFloat s_ln2 = new(false, -1, new UInt128(0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af));
    private static readonly WideFloat s_log2e = new(false, 0, new UInt128(0xb8aa3b295c17f0bb, 0xbe87fed0691d3e89));
    private static readonly WideFloat s_pi = new(false, 1, new UInt128(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1));
    private static readonly WideFloat s_one = WideFloat.FromInteger(1);

    /// <summary>√2, of which only a few places matter.</summary>
    private const ulong SquareRootOfTwo = 0xb504f333f9de6484;

    /// <summary>F2XM1: 2^x − 1. Outside −1 to 1 the result is undefined; x is given back.</summary>
    public static SoftFloat PowerOfTwoMinusOne(in SoftFloat x, in FloatFormat format, ref FloatContext context)
    {
        context.RoundedUp = false;
        if (x.Class == FloatClass.Infinity)
            return x.Negative ? SoftFloat.One.Negated() : x;
        SoftFloatArithmetic.NoteDenormals(x, x, ref context);
        if (x.IsZero || x.Exponent > 0 || x.Exponent == 0 && x.Significand != SoftFloat.IntegerBit)
            return x;
        // Told for exact results too, as the processors do.
        context.Raised |= FloatExceptions.Precision;
        if (x.Exponent == 0)
            return x.Negative ? x with { Exponent = -1 } : x;

        var t = WideFloat.From(x) * s_ln2;
        var (sum, term) = (t, t);
        for (uint k = 2; term.Exponent > sum.Exponent - WideFloat.UsefulBits; k++)
        {
            term = (term * t).DividedBy(k);
            sum += term;
        }

        return sum.Round(ref context);
    }

    /// <summary>FYL2X: y × log2 x.</summary>
    public static SoftFloat YLog2X(in SoftFloat y, in SoftFloat x, ref FloatContext context)
    {
        context.RoundedUp = false;
        if (x.Negative && !x.IsZero)
            return SoftFloatArithmetic.Invalid(ref context);
        if (x.IsZero)
        {
            if (y.IsZero)
                return SoftFloatArithmetic.Invalid(ref context);
            if (y.Class == FloatClass.Finite)
                context.Raised |= FloatExceptions.DivideByZero;
            return SoftFloat.Infinity(!y.Negative);
        }

        var isOne = x.Class == FloatClass.Finite && x.Exponent == 0 && x.Significand == SoftFloat.IntegerBit;
        if (x.Class == FloatClass.Infinity ? y.IsZero : y.Class == FloatClass.Infinity && isOne)
            return SoftFloatArithmetic.Invalid(ref context);
        SoftFloatArithmetic.NoteDenormals(x, y, ref context);
        var logarithmIsNegative = x.Class == FloatClass.Finite && x.Exponent < 0;
        if (x.Class == FloatClass.Infinity || y.Class == FloatClass.Infinity)
            return SoftFloat.Infinity(y.Negative != logarithmIsNegative);
        if (y.IsZero || isOne)
            return SoftFloat.Zero(y.Negative != logarithmIsNegative);
        context.Raised |= FloatExceptions.Precision;
        if (x.Significand == SoftFloat.IntegerBit)
            return SoftFloatArithmetic.Multiply(y with { IsDenormal = false }, SoftFloat.FromInteger(x.Exponent), FloatFormat.Extended, ref context);

        return (WideFloat.From(y) * Log2(WideFloat.From(x))).Round(ref context);
    }

    /// <summary>FYL2XP1: y × log2(x + 1).</summary>
    public static SoftFloat YLog2XPlusOne(in SoftFloat y, in SoftFloat x, ref FloatContext context)
    {
        context.RoundedUp = false;
        var invalid = x.IsZero ? y.Class == FloatClass.Infinity
            : x.Class == FloatClass.Infinity ? x.Negative || y.IsZero
            : x.Negative && x.Exponent >= 0;
        if (invalid)
            return SoftFloatArithmetic.Invalid(ref context);
        SoftFloatArithmetic.NoteDenormals(x, y, ref context);
        var negative = x.Negative != y.Negative;
        if (x.Class == FloatClass.Infinity || y.Class == FloatClass.Infinity)
            return SoftFloat.Infinity(negative);
        if (x.IsZero || y.IsZero)
            return SoftFloat.Zero(negative);

        var wide = WideFloat.From(x);
        var logarithm = x.Exponent < -2
            ? AreaTangentSeries(wide / (s_one.Scaled(1) + wide)).Scaled(1) * s_log2e
            : Log2(s_one + wide);
        return (WideFloat.From(y) * logarithm).Round(ref context);
    }

    /// <summary>FPATAN: the angle of the point (x, y), −π to π.</summary>
    public static SoftFloat ArcTangent(in SoftFloat y, in SoftFloat x, ref FloatContext context)
    {
        context.RoundedUp = false;
        SoftFloatArithmetic.NoteDenormals(x, y, ref context);
        WideFloat angle;
        if (y.IsZero || x.Class == FloatClass.Infinity && y.Class != FloatClass.Infinity)
        {
            if (!x.Negative)
                return SoftFloat.Zero(y.Negative);
            angle = s_pi;
        }
        else if (x.IsZero || y.Class == FloatClass.Infinity && x.Class != FloatClass.Infinity)
        {
            angle = s_pi.Scaled(-1);
        }
        else if (y.Class == FloatClass.Infinity)
        {
            angle = x.Negative ? s_pi.Scaled(-1) + s_pi.Scaled(-2) : s_pi.Scaled(-2);
        }
        else
        {
            var (wideX, wideY) = (WideFloat.From(x) with { Negative = false }, WideFloat.From(y) with { Negative = false });
            var steep = WideFloat.CompareMagnitude(wideY, wideX) > 0;
            // A quotient that is exact leaves an exact power of two behind only for a tiny angle, whose tangent is not exact either.
            angle = ArcTangentSeries(steep ? wideX / wideY : wideY / wideX);
            if (steep)
                angle = s_pi.Scaled(-1) - angle;
            if (x.Negative)
                angle = s_pi - angle;
        }

        return (angle with { Negative = y.Negative }).Round(ref context);
    }

    /// <summary>FSIN; |x| below 2^63.</summary>
    public static SoftFloat Sine(in SoftFloat x, ref FloatContext context)
    {
        context.RoundedUp = false;
        SoftFloatArithmetic.NoteDenormals(x, x, ref context);
        if (x.IsZero)
            return x;
        var (quadrant, rest) = Reduce(x);
        var value = (quadrant & 1) == 0 ? SineSeries(rest) : CosineSeries(rest);
        return (value with { Negative = value.Negative != ((quadrant & 2) != 0) != x.Negative }).Round(ref context);
    }

    /// <summary>FCOS; |x| below 2^63.</summary>
    public static SoftFloat Cosine(in SoftFloat x, ref FloatContext context)
    {
        context.RoundedUp = false;
        SoftFloatArithmetic.NoteDenormals(x, x, ref context);
        if (x.IsZero)
            return SoftFloat.One;
        var (quadrant, rest) = Reduce(x);
        var value = (quadrant & 1) == 0 ? CosineSeries(rest) : SineSeries(rest);
        return (value with { Negative = value.Negative != ((quadrant + 1 & 2) != 0) }).Round(ref context);
    }

    /// <summary>FPTAN; |x| below 2^63.</summary>
    public static SoftFloat Tangent(in SoftFloat x, ref FloatContext context)
    {
        context.RoundedUp = false;
        SoftFloatArithmetic.NoteDenormals(x, x, ref context);
        if (x.IsZero)
            return x;
        var (quadrant, rest) = Reduce(x);
        var (sine, cosine) = (SineSeries(rest), CosineSeries(rest));
        var value = (quadrant & 1) == 0 ? sine / cosine : -(cosine / sine);
        return (value with { Negative = value.Negative != x.Negative }).Round(ref context);
    }

    /// <summary>|x| as quadrant × π/2 + rest, the rest between −π/4 and π/4.</summary>
    private static (int Quadrant, WideFloat Angle) Reduce(in SoftFloat x)
    {
        if (x.Exponent < -1)
            return (0, WideFloat.From(x) with { Negative = false });
        // In units of 2^-65, of which π/2 has as many as π has of 2^-64.
        var units = (UInt128)x.Significand << (x.Exponent + 2);
        var (quotient, rest) = UInt128.DivRem(units, s_pi66);
        var negative = rest << 1 > s_pi66;
        if (negative)
        {
            rest = s_pi66 - rest;
            quotient++;
        }

        return ((int)(quotient & 3), WideFloat.Normalize(negative, 127 - 65, rest));
    }

    private static WideFloat SineSeries(in WideFloat x) => Alternating(x, x, firstDivisor: 2);

    private static WideFloat CosineSeries(in WideFloat x) => Alternating(s_one, x, firstDivisor: 1);

    /// <summary>first − first·x²/(n(n+1)) + …, n from the first divisor in steps of two.</summary>
    private static WideFloat Alternating(in WideFloat first, in WideFloat x, uint firstDivisor)
    {
        var (sum, term, square) = (first, first, x * x);
        if (x.IsZero)
            return sum;
        for (var n = firstDivisor; ; n += 2)
        {
            term = -(term * square).DividedBy(n * (n + 1));
            sum += term;
            if (term.Exponent < sum.Exponent - WideFloat.UsefulBits)
                return sum;
        }
    }

    /// <summary>log2 of a number above 0 that is not a power of two.</summary>
    private static WideFloat Log2(in WideFloat x)
    {
        var exponent = x.Exponent;
        var mantissa = x with { Exponent = 0 };
        if ((ulong)(x.Significand >> 64) > SquareRootOfTwo)
        {
            mantissa = mantissa.Scaled(-1);
            exponent++;
        }

        var logarithm = AreaTangentSeries((mantissa - s_one) / (mantissa + s_one)).Scaled(1) * s_log2e;
        return WideFloat.FromInteger(exponent) + logarithm;
    }

    /// <summary>artanh x = x + x³/3 + x⁵/5 + …, |x| below 0.2.</summary>
    private static WideFloat AreaTangentSeries(in WideFloat x) => OddSeries(x, alternating: false);

    /// <summary>arctan x, x from 0 to 1: twice halved, arctan x = 2 arctan(x / (1 + √(1 + x²))), then the series.</summary>
    private static WideFloat ArcTangentSeries(WideFloat x)
    {
        const int halvings = 2, smallExponent = -3;
        var halved = 0;
        for (; halved < halvings && x.Exponent > smallExponent; halved++)
            x /= s_one + (s_one + x * x).SquareRoot();
        return OddSeries(x, alternating: true).Scaled(halved);
    }

    private static WideFloat OddSeries(in WideFloat x, bool alternating)
    {
        if (x.IsZero)
            return x;
        var (sum, power, square) = (x, x, x * x);
        if (alternating)
            square = -square;
        for (uint n = 3; ; n += 2)
        {
            power *= square;
            var term = power.DividedBy(n);
            sum += term;
            if (term.Exponent < sum.Exponent - WideFloat.UsefulBits)
                return sum;
        }
    }
}
