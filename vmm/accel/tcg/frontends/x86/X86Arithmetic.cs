using System.Numerics;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>DAA and its kin.</summary>
public enum DecimalOp
{
    Daa,
    Das,
    Aaa,
    Aas,
    Aam,
    Aad,
}

/// <summary>Integer operations whose flags take more than the lazy kinds can say (SDM Vol. 2). Sizes in bytes.</summary>
internal static class X86Arithmetic
{
    /// <summary>RFLAGS' status bits after ROL or ROR: CF and OF change when the masked count is not 0.</summary>
    public static ulong RotateFlags(ulong result, ulong flags, int count, int size, bool right)
    {
        if (count == 0)
            return flags;
        var bits = size * 8;
        ulong top = result >> (bits - 1) & 1, carry = right ? top : result & 1;
        var overflow = right ? top ^ result >> (bits - 2) & 1 : top ^ carry;
        return flags & ~(ulong)(CcOp.CF | CcOp.OF) | carry | (overflow != 0 ? CcOp.OF : 0);
    }

    /// <summary>RCL and RCR: a rotation of size × 8 + 1 bits with CF as the topmost.</summary>
    public static ulong RotateCarry(ulong value, ulong flags, int count, int size, bool right, out ulong newFlags)
    {
        var bits = size * 8;
        var type = IrTypes.OfBytes(size);
        value &= type.Mask();
        count &= size == 8 ? 63 : 31;
        if (size < 4)
            count %= bits + 1;
        var carry = flags & CcOp.CF;
        newFlags = flags;
        if (count == 0)
            return value;
        for (var i = 0; i < count; i++)
            if (right)
            {
                var next = value & 1;
                value = value >> 1 | carry << (bits - 1);
                carry = next;
            }
            else
            {
                var next = value >> (bits - 1) & 1;
                value = (value << 1 | carry) & type.Mask();
                carry = next;
            }
        // OF is defined for a count of 1: the sign changed (RCR), or the sign is not CF (RCL).
        var overflow = right ? (value >> (bits - 1) ^ value >> (bits - 2)) & 1 : value >> (bits - 1) & 1 ^ carry;
        newFlags = flags & ~(ulong)(CcOp.CF | CcOp.OF) | carry | (overflow != 0 ? CcOp.OF : 0);
        return value;
    }

    /// <summary>SHLD and SHRD. <paramref name="carry"/>: CF in bit 0, the old operand's sign in bit 1.</summary>
    public static ulong DoubleShift(ulong value, ulong source, int count, int size, bool right, out ulong carry)
    {
        var bits = size * 8;
        var mask = IrTypes.OfBytes(size).Mask();
        value &= mask;
        source &= mask;
        count &= size == 8 ? 63 : 31;
        carry = value >> (bits - 1) << 1;
        if (count == 0)
            return value;
        // 16-bit operands shift by up to 31: beyond 16 the result is not defined; CPUs go round with the operand again.
        var wide = right ? (UInt128)source << bits | value : (UInt128)value << bits | source;
        if (right)
        {
            if (size == 2)
                wide |= (UInt128)value << 32;
            carry |= (ulong)(wide >> (count - 1)) & 1;
            return (ulong)(wide >> count) & mask;
        }
        if (size == 2)
        {
            wide = wide << 16 | value;
            carry |= (ulong)(wide >> (48 - count)) & 1;
            return (ulong)(wide << count >> 32) & mask;
        }
        carry |= (ulong)(wide >> (2 * bits - count)) & 1;
        return (ulong)(wide << count >> bits) & mask;
    }

    public static ulong DoubleShiftFlags(ulong result, ulong carry, int size)
    {
        var flags = ResultFlags(result, size) | (uint)(carry & 1);
        return (carry >> 1 & 1) != (result >> (size * 8 - 1) & 1) ? flags | CcOp.OF : flags;
    }

    /// <summary>SF, ZF and PF of a result.</summary>
    public static uint ResultFlags(ulong result, int size)
    {
        var value = result & IrTypes.OfBytes(size).Mask();
        return (value == 0 ? CcOp.ZF : 0) | (value >> (size * 8 - 1) != 0 ? CcOp.SF : 0) | ((BitOperations.PopCount((uint)value & 0xff) & 1) == 0 ? CcOp.PF : 0);
    }

    /// <summary>Works on AX and the flags; false: AAM by zero, #DE.</summary>
    public static bool Decimal(DecimalOp op, byte imm, ref ushort ax, ref uint flags)
    {
        byte al = (byte)ax, ah = (byte)(ax >> 8);
        bool af = (flags & CcOp.AF) != 0, cf = (flags & CcOp.CF) != 0;
        switch (op)
        {
            case DecimalOp.Daa or DecimalOp.Das:
                {
                    var old = al;
                    var newCarry = false;
                    if ((al & 0xf) > 9 || af)
                    {
                        newCarry = cf || (op == DecimalOp.Daa ? al > 0xf9 : al < 6);
                        al = (byte)(op == DecimalOp.Daa ? al + 6 : al - 6);
                        af = true;
                    }
                    else
                        af = false;
                    if (old > 0x99 || cf)
                    {
                        al = (byte)(op == DecimalOp.Daa ? al + 0x60 : al - 0x60);
                        newCarry = true;
                    }
                    flags = ResultFlags(al, 1) | (af ? CcOp.AF : 0) | (newCarry ? CcOp.CF : 0);
                    break;
                }
            case DecimalOp.Aaa or DecimalOp.Aas:
                {
                    var adjust = (al & 0xf) > 9 || af;
                    if (adjust)
                        ax = (ushort)(op == DecimalOp.Aaa ? ax + 0x106 : ax - 0x106);
                    (al, ah) = ((byte)(ax & 0xf), (byte)(ax >> 8));
                    flags = flags & ~(CcOp.AF | CcOp.CF) | (adjust ? CcOp.AF | CcOp.CF : 0);
                    break;
                }
            case DecimalOp.Aam:
                if (imm == 0)
                    return false;
                (ah, al) = ((byte)(al / imm), (byte)(al % imm));
                flags = ResultFlags(al, 1);
                break;
            default:
                (ah, al) = (0, (byte)(al + ah * imm));
                flags = ResultFlags(al, 1);
                break;
        }
        ax = (ushort)(ah << 8 | al);
        return true;
    }
}
