namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>
/// A working number of 128 significant bits and any exponent, for series. Operations cut off: each is wrong by less than 2 in the last place.
/// </summary>
internal readonly record struct WideFloat(bool Negative, int Exponent, UInt128 Significand)
{
    public static readonly WideFloat Zero = new(false, 0, 0);

    /// <summary>Places worth summing: terms further below change nothing that is kept.</summary>
    public const int UsefulBits = 110;

    private static readonly UInt128 s_top = UInt128.One << 127;

    public bool IsZero => Significand == 0;

    public static WideFloat From(in SoftFloat value)
        => value.IsZero ? Zero : new WideFloat(value.Negative, value.Exponent, (UInt128)value.Significand << 64);

    /// <summary>significand × 2^(exponent − 127), not normalized.</summary>
    public static WideFloat Normalize(bool negative, int exponent, UInt128 significand)
    {
        if (significand == 0)
            return Zero;
        var shift = (int)UInt128.LeadingZeroCount(significand);
        return new WideFloat(negative, exponent - shift, significand << shift);
    }

    public static WideFloat FromInteger(long value) => From(SoftFloat.FromInteger(value));

    public static WideFloat FromDouble(double value) => From(SoftFloat.FromDouble((ulong)BitConverter.DoubleToInt64Bits(value), default));

    public static WideFloat operator -(WideFloat a) => a with { Negative = !a.Negative };

    public static WideFloat operator -(WideFloat a, WideFloat b) => a + -b;

    public static WideFloat operator +(WideFloat a, WideFloat b)
    {
        if (a.IsZero)
            return b;
        if (b.IsZero)
            return a;
        if (CompareMagnitude(a, b) < 0)
            (a, b) = (b, a);
        var distance = a.Exponent - b.Exponent;
        if (a.Negative == b.Negative)
        {
            var added = distance >= 128 ? 0 : b.Significand >> distance;
            var sum = unchecked(a.Significand + added);
            return sum >= a.Significand ? a with { Significand = sum } : new WideFloat(a.Negative, a.Exponent + 1, sum >> 1 | s_top);
        }

        // What falls off below still makes the difference smaller.
        var taken = distance >= 128 ? 1 : distance == 0 ? b.Significand : (b.Significand >> distance) + ((b.Significand << (128 - distance)) != 0 ? 1u : 0u);
        return Normalize(a.Negative, a.Exponent, a.Significand - taken);
    }

    public static WideFloat operator *(WideFloat a, WideFloat b)
    {
        if (a.IsZero || b.IsZero)
            return Zero;
        var (ah, al) = ((ulong)(a.Significand >> 64), (ulong)a.Significand);
        var (bh, bl) = ((ulong)(b.Significand >> 64), (ulong)b.Significand);
        UInt128 middle1 = (UInt128)ah * bl, middle2 = (UInt128)al * bh, low = (UInt128)al * bl;
        var carries = (UInt128)(ulong)middle1 + (ulong)middle2 + (low >> 64);
        var high = (UInt128)ah * bh + (middle1 >> 64) + (middle2 >> 64) + (carries >> 64);
        return Normalize(a.Negative != b.Negative, a.Exponent + b.Exponent + 1, high);
    }

    public static WideFloat operator /(WideFloat a, WideFloat b)
    {
        if (a.IsZero)
            return Zero;
        // One place of quotient at a time: both significands have their top bit, so the first is 0 or 1.
        var rest = a.Significand;
        UInt128 quotient = 0;
        var overflowed = false;
        for (var i = 0; i < 128; i++)
        {
            quotient <<= 1;
            if (overflowed || rest >= b.Significand)
            {
                rest -= b.Significand;
                quotient |= 1;
            }

            overflowed = (rest & s_top) != 0;
            rest <<= 1;
        }

        return Normalize(a.Negative != b.Negative, a.Exponent - b.Exponent, quotient);
    }

    /// <summary>By a small integer above 0.</summary>
    public WideFloat DividedBy(uint divisor)
    {
        if (IsZero)
            return Zero;
        var (quotient, rest) = UInt128.DivRem(Significand, divisor);
        var shift = (int)UInt128.LeadingZeroCount(quotient);
        // The places that the quotient lacks at the bottom come from the rest.
        var low = ((rest << 64) / divisor) >> (64 - shift);
        return new WideFloat(Negative, Exponent - shift, quotient << shift | (shift == 0 ? 0 : low));
    }

    /// <summary>× 2^places.</summary>
    public WideFloat Scaled(int places) => IsZero ? this : this with { Exponent = Exponent + places };

    /// <summary>Of a number from 1 to 4, not negative.</summary>
    public WideFloat SquareRoot()
    {
        // Newton's step doubles the right places of 1/√a: 52, 104, all.
        var inverse = FromDouble(1 / Math.Sqrt(ToDouble()));
        var half = Scaled(-1);
        var threeHalves = FromInteger(3).Scaled(-1);
        for (var i = 0; i < 2; i++)
            inverse *= threeHalves - half * inverse * inverse;
        return this * inverse;
    }

    /// <summary>Rounds to the x87's full precision; the number is taken for one that goes on below its last place.</summary>
    public SoftFloat Round(ref FloatContext context)
        => IsZero ? SoftFloat.Zero(Negative) : SoftFloatRounding.Round(Negative, Exponent, Significand | 1, FloatFormat.Extended, ref context);

    public static int CompareMagnitude(in WideFloat a, in WideFloat b)
        => a.IsZero || b.IsZero ? (a.IsZero ? 0 : 1) - (b.IsZero ? 0 : 1)
            : a.Exponent != b.Exponent ? a.Exponent.CompareTo(b.Exponent) : a.Significand.CompareTo(b.Significand);

    private double ToDouble() => Math.ScaleB((double)(ulong)(Significand >> 64), Exponent - 63);
}
