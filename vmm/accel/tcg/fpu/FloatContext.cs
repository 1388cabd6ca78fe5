namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>Rounding control, encoded as in FCW bits 10-11 and MXCSR bits 13-14 (SDM Vol. 1, table 4-8).</summary>
public enum FloatRounding : byte
{
    Nearest = 0,
    Down = 1,
    Up = 2,
    Zero = 3,
}

/// <summary>The six floating-point exceptions, at their places in FSW, FCW and MXCSR (SDM Vol. 1, 4.9.1).</summary>
[Flags]
public enum FloatExceptions : byte
{
    None = 0,
    Invalid = 1,
    Denormal = 2,
    DivideByZero = 4,
    Overflow = 8,
    Underflow = 16,
    Precision = 32,
    All = 63,
}

/// <summary>How an operation rounds and answers exceptions, and which it raised. One for each operation, or one for a row of them whose flags add up.</summary>
public struct FloatContext
{
    public FloatRounding Rounding;

    /// <summary>Those answered with a default result. Of those not here, overflow and underflow differ in their result, see <see cref="BiasUnmasked"/>.</summary>
    public FloatExceptions Masked;

    /// <summary>MXCSR.DAZ: denormal operands count as zeros of their sign, without an exception.</summary>
    public bool DenormalsAreZeros;

    /// <summary>MXCSR.FZ: with underflow masked, a tiny result is a zero of its sign.</summary>
    public bool FlushToZero;

    /// <summary>x87: unmasked overflow and underflow give the result with its exponent shifted by 24576 (SDM Vol. 1, 8.5.4, 8.5.5).</summary>
    public bool BiasUnmasked;

    /// <summary>So far.</summary>
    public FloatExceptions Raised;

    /// <summary>The last rounding made the magnitude larger: C1 of the x87.</summary>
    public bool RoundedUp;

    /// <summary>Any that is not masked.</summary>
    public readonly bool HasUnmasked => (Raised & ~Masked) != 0;
}

/// <summary>A binary format to round to.</summary>
/// <param name="Precision">Significant bits, the integer bit with them; 2 to 64.</param>
/// <param name="MinExponent">Of the smallest normal number.</param>
/// <param name="MaxExponent">Of the largest finite number.</param>
public readonly record struct FloatFormat(int Precision, int MinExponent, int MaxExponent)
{
    public static readonly FloatFormat Single = new(24, -126, 127), Double = new(53, -1022, 1023), Extended = new(64, -16382, 16383);

    /// <summary>A register of the x87 with the precision that FCW bits 8-9 ask for (SDM Vol. 1, 8.1.5.2); the reserved value counts as 64 bits.</summary>
    public static FloatFormat OfPrecisionControl(int control) => control switch
    {
        0 => Extended with { Precision = 24 },
        2 => Extended with { Precision = 53 },
        _ => Extended,
    };
}
