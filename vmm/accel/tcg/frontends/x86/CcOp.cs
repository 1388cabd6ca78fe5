namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>
/// How the six status flags follow from cc_dst, cc_src and cc_src2. Values of sized kinds come in fours: 8, 16, 32, 64 bits, in this order;
/// add the size's binary logarithm in bytes to the first.
/// </summary>
public static class CcOp
{
    /// <summary>Only known at run time: the global cc_op holds it.</summary>
    public const int Dynamic = -1;

    /// <summary>cc_dst is the flags themselves, at their places in RFLAGS.</summary>
    public const int Flags = 0;

    /// <summary>dst = result, src = second operand.</summary>
    public const int Add = 4;

    /// <summary>dst = result, src = second operand, src2 = carry in.</summary>
    public const int Adc = 8;

    /// <summary>dst = first operand, src = second: SUB, CMP, NEG (from 0).</summary>
    public const int Sub = 12;

    /// <summary>dst = first operand, src = second, src2 = borrow in.</summary>
    public const int Sbb = 16;

    /// <summary>dst = result; CF = OF = AF = 0.</summary>
    public const int Logic = 20;

    /// <summary>dst = result, src = CF as before.</summary>
    public const int Inc = 24;

    /// <summary>dst = result, src = CF as before.</summary>
    public const int Dec = 28;

    /// <summary>dst = result, src = operand shifted by one less: CF is its top bit.</summary>
    public const int Shl = 32;

    /// <summary>dst = result, src = operand shifted by one less: CF is its lowest bit. SHR and SAR.</summary>
    public const int Shr = 36;

    /// <summary>dst = low half of the product, src = 0 or, when the product does not fit, anything else.</summary>
    public const int Mul = 40;

    public const uint CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800, Status = CF | PF | AF | ZF | SF | OF;

    /// <summary>The status flags at their places in RFLAGS.</summary>
    public static uint Compute(ulong op, ulong dst, ulong src, ulong src2)
    {
        if (op < 4)
            return (uint)dst & Status;
        var shift = 64 - (8 << (int)(op & 3));
        // Operands at the top of 64 bits: carries and signs are then the same for every size.
        ulong d = dst << shift, s = src << shift;
        return (int)(op & ~3ul) switch
        {
            Add => Sum(d - s, s, d, d < s, dst, dst - src ^ src),
            Adc => Sum((dst - src - src2) << shift, s, d, src2 != 0 ? d <= s : d < s, dst, dst - src - src2 ^ src),
            Sub => Difference(d, s, d - s, d < s, dst - src, dst ^ src),
            Sbb => Difference(d, s, (dst - src - src2) << shift, src2 != 0 ? d <= s : d < s, dst - src - src2, dst ^ src),
            Logic => Result(d, dst),
            Inc => Result(d, dst) | (uint)(src & 1) | (d == 1ul << 63 ? OF : 0) | ((dst & 0xf) == 0 ? AF : 0),
            Dec => Result(d, dst) | (uint)(src & 1) | (d == (ulong.MaxValue >> 1 >> shift << shift) ? OF : 0) | ((dst & 0xf) == 0xf ? AF : 0),
            Shl => Result(d, dst) | (uint)(s >> 63) | ((d ^ s) >> 63 != 0 ? OF : 0),
            Shr => Result(d, dst) | (uint)(src & 1) | ((d ^ s) >> 63 != 0 ? OF : 0),
            _ => Result(d, dst) | (src != 0 ? CF | OF : 0),
        };
    }

    /// <summary>CF alone: 0 or 1.</summary>
    public static uint ComputeCarry(ulong op, ulong dst, ulong src, ulong src2) => Compute(op, dst, src, src2) & CF;

    private static uint Sum(ulong a, ulong b, ulong result, bool carry, ulong low, ulong halfCarry) =>
        Result(result, low) | (carry ? CF : 0) | ((uint)(halfCarry ^ low) & AF) | (((a ^ result) & (b ^ result)) >> 63 != 0 ? OF : 0);

    private static uint Difference(ulong a, ulong b, ulong result, bool borrow, ulong low, ulong halfCarry) =>
        Result(result, low) | (borrow ? CF : 0) | ((uint)(halfCarry ^ low) & AF) | (((a ^ b) & (a ^ result)) >> 63 != 0 ? OF : 0);

    private static uint Result(ulong atTop, ulong low) =>
        (atTop == 0 ? ZF : 0) | (atTop >> 63 != 0 ? SF : 0) | ((System.Numerics.BitOperations.PopCount((uint)low & 0xff) & 1) == 0 ? PF : 0);
}
