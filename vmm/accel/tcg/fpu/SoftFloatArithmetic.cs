namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>How two numbers compare.</summary>
public enum FloatOrder
{
    Less,
    Equal,
    Greater,
    Unordered,
}

/// <summary>
/// The basic operations of IEEE 754 on numbers, infinities and zeros, correctly rounded, with x86's exceptions. NaNs and unsupported encodings are the
/// caller's: x87 and SSE choose between two NaNs in different ways.
/// </summary>
public static class SoftFloatArithmetic
{
    /// <summary>a + b.</summary>
    public static SoftFloat Add(in SoftFloat a, in SoftFloat b, in FloatFormat format, ref FloatContext context)
    {
        context.RoundedUp = false;
        if (a.Class == FloatClass.Infinity || b.Class == FloatClass.Infinity)
        {
            if (a.Class == b.Class && a.Negative != b.Negative)
                return Invalid(ref context);
            NoteDenormals(a, b, ref context);
            return a.Class == FloatClass.Infinity ? a : b;
        }

        NoteDenormals(a, b, ref context);
        if (a.IsZero && b.IsZero)
            return SoftFloat.Zero(a.Negative == b.Negative ? a.Negative : context.Rounding == FloatRounding.Down);
        if (a.IsZero)
            return SoftFloatRounding.Round(b, format, ref context);
        if (b.IsZero)
            return SoftFloatRounding.Round(a, format, ref context);

        var (large, small) = a.Exponent >= b.Exponent ? (a, b) : (b, a);
        // One place above the top for a carry.
        var x = (UInt128)large.Significand << 63;
        var y = ShiftRightSticky((UInt128)small.Significand << 63, large.Exponent - small.Exponent);
        var negative = large.Negative;
        UInt128 sum;
        if (a.Negative == b.Negative)
        {
            sum = x + y;
        }
        else if (x >= y)
        {
            sum = x - y;
        }
        else
        {
            sum = y - x;
            negative = !negative;
        }

        if (sum == 0)
            return SoftFloat.Zero(context.Rounding == FloatRounding.Down);
        var shift = (int)UInt128.LeadingZeroCount(sum);
        return SoftFloatRounding.Round(negative, large.Exponent + 1 - shift, sum << shift, format, ref context);
    }

    /// <summary>a − b.</summary>
    public static SoftFloat Subtract(in SoftFloat a, in SoftFloat b, in FloatFormat format, ref FloatContext context)
        => Add(a, b.Negated(), format, ref context);

    /// <summary>a × b.</summary>
    public static SoftFloat Multiply(in SoftFloat a, in SoftFloat b, in FloatFormat format, ref FloatContext context)
    {
        context.RoundedUp = false;
        var negative = a.Negative != b.Negative;
        if (a.Class == FloatClass.Infinity || b.Class == FloatClass.Infinity)
        {
            if (a.IsZero || b.IsZero)
                return Invalid(ref context);
            NoteDenormals(a, b, ref context);
            return SoftFloat.Infinity(negative);
        }

        NoteDenormals(a, b, ref context);
        if (a.IsZero || b.IsZero)
            return SoftFloat.Zero(negative);
        var product = (UInt128)a.Significand * b.Significand;
        var shift = (int)UInt128.LeadingZeroCount(product);
        return SoftFloatRounding.Round(negative, a.Exponent + b.Exponent + 1 - shift, product << shift, format, ref context);
    }

    /// <summary>a ÷ b.</summary>
    public static SoftFloat Divide(in SoftFloat a, in SoftFloat b, in FloatFormat format, ref FloatContext context)
    {
        context.RoundedUp = false;
        var negative = a.Negative != b.Negative;
        if (a.Class == b.Class && a.Class is FloatClass.Infinity or FloatClass.Zero)
            return Invalid(ref context);
        if (a.Class == FloatClass.Infinity)
        {
            NoteDenormals(a, b, ref context);
            return SoftFloat.Infinity(negative);
        }

        if (b.IsZero)
        {
            context.Raised |= FloatExceptions.DivideByZero;
            return SoftFloat.Infinity(negative);
        }

        NoteDenormals(a, b, ref context);
        if (a.IsZero || b.Class == FloatClass.Infinity)
            return SoftFloat.Zero(negative);

        // 63 or 64 bits of quotient, then 62 more.
        var (high, rest) = UInt128.DivRem((UInt128)a.Significand << 63, b.Significand);
        var (low, last) = UInt128.DivRem(rest << 62, b.Significand);
        var quotient = high << 62 | low;
        var shift = (int)UInt128.LeadingZeroCount(quotient);
        quotient = quotient << shift | (last != 0 ? 1u : 0u);
        return SoftFloatRounding.Round(negative, a.Exponent - b.Exponent + 2 - shift, quotient, format, ref context);
    }

    /// <summary>√a.</summary>
    public static SoftFloat SquareRoot(in SoftFloat a, in FloatFormat format, ref FloatContext context)
    {
        context.RoundedUp = false;
        if (a.IsZero)
            return a;
        if (a.Negative)
            return Invalid(ref context);
        if (a.Class == FloatClass.Infinity)
            return a;
        NoteDenormals(a, a, ref context);
        var odd = (a.Exponent & 1) != 0;
        var radicand = (UInt128)a.Significand << (odd ? 64 : 63);
        var root = IntegerSquareRoot(radicand);
        var rest = radicand - (UInt128)root * root;
        // The next place is 1 when the rest passes root + 1/4, that is root; it can never lie halfway.
        var significand = (UInt128)root << 64 | (rest > root ? UInt128.One << 63 : 0) | (rest != 0 ? 1u : 0u);
        return SoftFloatRounding.Round(false, a.Exponent >> 1, significand, format, ref context);
    }

    /// <summary>Compares, NaNs and unsupported encodings as unordered; raises nothing but denormal.</summary>
    public static FloatOrder Compare(in SoftFloat a, in SoftFloat b, ref FloatContext context)
    {
        if (a.Class >= FloatClass.QuietNaN || b.Class >= FloatClass.QuietNaN)
            return FloatOrder.Unordered;
        NoteDenormals(a, b, ref context);
        if (a.IsZero && b.IsZero)
            return FloatOrder.Equal;
        var difference = Sign(a) - Sign(b);
        if (difference != 0)
            return difference < 0 ? FloatOrder.Less : FloatOrder.Greater;
        var magnitudes = (a.Class, a.Exponent, a.Significand).CompareTo((b.Class, b.Exponent, b.Significand));
        if (magnitudes == 0)
            return FloatOrder.Equal;
        return magnitudes < 0 != a.Negative ? FloatOrder.Less : FloatOrder.Greater;
    }

    /// <summary>Raises denormal when an operand is.</summary>
    public static void NoteDenormals(in SoftFloat a, in SoftFloat b, ref FloatContext context)
    {
        if (a.IsDenormal || b.IsDenormal)
            context.Raised |= FloatExceptions.Denormal;
    }

    /// <summary>Raises invalid; the indefinite NaN.</summary>
    public static SoftFloat Invalid(ref FloatContext context)
    {
        context.Raised |= FloatExceptions.Invalid;
        return SoftFloat.Indefinite;
    }

    private static int Sign(in SoftFloat value) => value.IsZero ? 0 : value.Negative ? -1 : 1;

    private static UInt128 ShiftRightSticky(UInt128 value, int count)
    {
        if (count == 0)
            return value;
        if (count >= 128)
            return 1;
        return value >> count | ((value << (128 - count)) != 0 ? 1u : 0u);
    }

    /// <summary>Rounded down, of a number of 127 or 128 bits.</summary>
    internal static ulong IntegerSquareRoot(UInt128 value)
    {
        // The host's root is right in 52 bits; one step of Newton's makes it right but for the last place.
        var estimate = (UInt128)(ulong)Math.Min(Math.Sqrt((double)value), 18446744073709549568.0);
        estimate = (estimate + value / estimate) >> 1;
        if (estimate > ulong.MaxValue)
            estimate = ulong.MaxValue;
        while (estimate * estimate > value)
            estimate--;
        while (estimate < ulong.MaxValue && (estimate + 1) * (estimate + 1) <= value)
            estimate++;
        return (ulong)estimate;
    }
}
