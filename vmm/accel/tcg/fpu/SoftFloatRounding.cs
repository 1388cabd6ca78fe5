namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>From an exact or sticky result to a number of a format, with its exceptions.</summary>
public static class SoftFloatRounding
{
    /// <summary>What unmasked overflow and underflow shift a register's exponent by.</summary>
    private const int UnmaskedBias = 24576;

    /// <summary>Rounds to a format (SDM Vol. 1, 4.8.4, 4.9.1.4 to 4.9.1.6). Tininess is detected after rounding.</summary>
    /// <param name="exponent">Of the leading bit.</param>
    /// <param name="significand">Not 0, aligned to the top; bit 0 set too when bits below it were lost.</param>
    public static SoftFloat Round(bool negative, int exponent, UInt128 significand, in FloatFormat format, ref FloatContext context)
    {
        context.RoundedUp = false;
        var (rounded, carried, inexact, up) = RoundTo(significand, format.Precision, negative, context.Rounding);
        var roundedExponent = exponent + (carried ? 1 : 0);
        if (roundedExponent < format.MinExponent)
            return RoundTiny(negative, exponent, significand, (rounded, roundedExponent, inexact, up), format, ref context);

        if (roundedExponent > format.MaxExponent)
        {
            context.Raised |= FloatExceptions.Overflow;
            var isMasked = (context.Masked & FloatExceptions.Overflow) != 0;
            if (!isMasked && context.BiasUnmasked)
                return Deliver(negative, roundedExponent - UnmaskedBias, rounded, inexact, up, ref context);
            // Unmasked, nobody gets the result, and it is as inexact as it would be with any exponent (SDM Vol. 1, 4.9.1.4).
            if (isMasked || inexact)
                context.Raised |= FloatExceptions.Precision;
            return Overflowed(negative, format, ref context);
        }

        return Deliver(negative, roundedExponent, rounded, inexact, up, ref context);
    }

    /// <summary>A number of at most 64 bits.</summary>
    public static SoftFloat Round(in SoftFloat value, in FloatFormat format, ref FloatContext context)
        => value.Class == FloatClass.Finite ? Round(value.Negative, value.Exponent, (UInt128)value.Significand << 64, format, ref context) : value;

    /// <summary>To an integral value (FRNDINT, ROUNDSD); inexact is raised unless the caller takes it back.</summary>
    public static SoftFloat RoundToIntegral(in SoftFloat value, ref FloatContext context)
    {
        context.RoundedUp = false;
        if (value.Class != FloatClass.Finite || value.Exponent >= 63)
            return value;
        var (rounded, carried, inexact, up) = RoundTo((UInt128)value.Significand << 64, value.Exponent + 1, value.Negative, context.Rounding);
        if (inexact)
            context.Raised |= FloatExceptions.Precision;
        context.RoundedUp = inexact && up;
        return rounded == 0
            ? SoftFloat.Zero(value.Negative)
            : new SoftFloat(value.Negative, FloatClass.Finite, Math.Max(value.Exponent, -1) + (carried ? 1 : 0), rounded);
    }

    /// <summary>To an integer of a width; false when it does not fit, is infinite or no number: an invalid operation, with nothing else raised.</summary>
    public static bool TryRoundToInteger(in SoftFloat value, int bits, ref FloatContext context, out long integer)
    {
        integer = 0;
        if (value.IsZero)
            return true;
        if (value.Class != FloatClass.Finite || value.Exponent >= bits)
            return false;
        var trial = context;
        var rounded = RoundToIntegral(value, ref trial);
        var limit = 1UL << (bits - 1);
        var magnitude = rounded.IsZero ? 0 : rounded.Exponent > 63 ? ulong.MaxValue : rounded.Significand >> (63 - rounded.Exponent);
        if (magnitude > (value.Negative ? limit : limit - 1))
            return false;
        context = trial;
        integer = value.Negative ? (long)(0 - magnitude) : (long)magnitude;
        return true;
    }

    private static SoftFloat Deliver(bool negative, int exponent, ulong significand, bool inexact, bool up, ref FloatContext context)
    {
        if (inexact)
            context.Raised |= FloatExceptions.Precision;
        context.RoundedUp = inexact && up;
        return new SoftFloat(negative, FloatClass.Finite, exponent, significand);
    }

    private static SoftFloat RoundTiny(
        bool negative, int exponent, UInt128 exact, (ulong Significand, int Exponent, bool Inexact, bool Up) unbounded, in FloatFormat format, ref FloatContext context)
    {
        if ((context.Masked & FloatExceptions.Underflow) == 0)
        {
            context.Raised |= FloatExceptions.Underflow;
            if (context.BiasUnmasked)
                return Deliver(negative, unbounded.Exponent + UnmaskedBias, unbounded.Significand, unbounded.Inexact, unbounded.Up, ref context);
            // As with overflow.
            if (unbounded.Inexact)
                context.Raised |= FloatExceptions.Precision;
            context.RoundedUp = false;
            return SoftFloat.Zero(negative);
        }
        else if (context.FlushToZero)
        {
            context.Raised |= FloatExceptions.Underflow | FloatExceptions.Precision;
            return SoftFloat.Zero(negative);
        }

        // The leading bit lies below the smallest normal number's: that many bits fewer are left. None: below the last place; fewer: far below it.
        var precision = format.Precision - (format.MinExponent - exponent);
        var lastPlace = format.MinExponent - (format.Precision - 1);
        var (rounded, carried, inexact, up) = precision >= 0
            ? RoundTo(exact, precision, negative, context.Rounding)
            : RoundTo(1, 0, negative, context.Rounding);
        if (inexact)
            context.Raised |= FloatExceptions.Underflow | FloatExceptions.Precision;
        context.RoundedUp = inexact && up;
        if (rounded == 0)
            return SoftFloat.Zero(negative);
        return new SoftFloat(negative, FloatClass.Finite, precision > 0 ? exponent + (carried ? 1 : 0) : lastPlace, rounded);
    }

    /// <summary>The answer to masked overflow (SDM Vol. 1, table 4-11).</summary>
    private static SoftFloat Overflowed(bool negative, in FloatFormat format, ref FloatContext context)
    {
        var toInfinity = context.Rounding switch
        {
            FloatRounding.Nearest => true,
            FloatRounding.Up => !negative,
            FloatRounding.Down => negative,
            _ => false,
        };
        context.RoundedUp = toInfinity;
        return toInfinity
            ? SoftFloat.Infinity(negative)
            : new SoftFloat(negative, FloatClass.Finite, format.MaxExponent, ulong.MaxValue << (64 - format.Precision));
    }

    /// <summary>
    /// Keeps the upper bits of a significand; <paramref name="precision"/> 0 or below: the result is 0 or, rounded up, one in the place above the top.
    /// </summary>
    /// <returns>Aligned to the top again (Carried: one exponent higher); 0 only for precision 0 and below.</returns>
    private static (ulong Significand, bool Carried, bool Inexact, bool Up) RoundTo(UInt128 significand, int precision, bool negative, FloatRounding rounding)
    {
        if (precision < 0)
            (significand, precision) = (1, 0);
        var kept = precision == 0 ? 0 : (ulong)(significand >> 64) & ulong.MaxValue << (64 - precision);
        var rest = significand - ((UInt128)kept << 64);
        if (rest == 0)
            return (kept, false, false, false);
        var half = UInt128.One << (127 - precision);
        var unit = precision == 0 ? 0 : 1UL << (64 - precision);
        var up = rounding switch
        {
            FloatRounding.Nearest => rest > half || rest == half && (kept & unit) != 0,
            FloatRounding.Down => negative,
            FloatRounding.Up => !negative,
            _ => false,
        };
        if (!up)
            return (kept, false, true, false);
        if (precision == 0)
            return (SoftFloat.IntegerBit, true, true, true);
        var sum = unchecked(kept + unit);
        return sum < kept ? (SoftFloat.IntegerBit, true, true, true) : (sum, false, true, true);
    }
}
