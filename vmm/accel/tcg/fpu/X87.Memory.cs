using System.Buffers.Binary;
using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>Instructions with a memory operand.</summary>
public static partial class X87
{
    /// <summary>Bytes of the memory operand of opcode D8 to DF with a reg field of ModRM; 0 when there is no such instruction.</summary>
    /// <param name="wide">The operand size is 32 or 64 bits: only the environment's and the whole state's formats depend on it.</param>
    /// <param name="isStore">The operand is written, not read.</param>
    public static int OperandBytes(int opcode, int reg, bool wide, out bool isStore)
    {
        isStore = (opcode, reg) switch
        {
            (0xd9, 2 or 3 or 6 or 7) => true,
            (0xdb or 0xdf, 1 or 2 or 3) => true,
            (0xdb, 7) or (0xdf, 6 or 7) => true,
            (0xdd, 1 or 2 or 3 or 6 or 7) => true,
            _ => false,
        };
        return (opcode, reg) switch
        {
            (0xd8 or 0xda, _) => 4,
            (0xd9, 1) => 0,
            (0xd9, 0 or 2 or 3) => 4,
            (0xd9, 4 or 6) => EnvironmentBytes(wide),
            (0xd9, _) => 2,
            (0xdb, 4 or 6) => 0,
            (0xdb, 5 or 7) => Float80.Bytes,
            (0xdb, _) => 4,
            (0xdc, _) => 8,
            (0xdd, 5) => 0,
            (0xdd, 4 or 6) => EnvironmentBytes(wide) + 8 * Float80.Bytes,
            (0xdd, 7) => 2,
            (0xdd, _) => 8,
            (0xde, _) => 2,
            (0xdf, 4 or 6) => Float80.Bytes,
            (0xdf, 5 or 7) => 8,
            _ => 2,
        };
    }

    /// <summary>Instructions that do not wait for pending exceptions: FNSTENV, FNSTCW, FNSAVE, FNSTSW; for register forms FNINIT, FNCLEX and FNSTSW AX.</summary>
    public static bool IsNonWaiting(int opcode, int modRm) => modRm >= 0xc0
        ? (opcode, modRm) is (0xdb, >= 0xe0 and <= 0xe4) or (0xdf, 0xe0)
        : (opcode, modRm >> 3 & 7) is (0xd9, 6 or 7) or (0xdd, 6 or 7);

    /// <summary>Executes an instruction that reads memory.</summary>
    /// <param name="operand">As many bytes as <see cref="OperandBytes"/> says.</param>
    /// <param name="realMode">Real-address or virtual-8086 mode: the environment holds linear addresses.</param>
    public static void Load(ref X86FpuState s, int opcode, int reg, ReadOnlySpan<byte> operand, bool wide, bool realMode)
    {
        var context = Context(s);
        switch (opcode, reg)
        {
            case (0xd8, _):
                WithOperand(ref s, (Operation)reg, SoftFloat.FromSingle(BinaryPrimitives.ReadUInt32LittleEndian(operand), context));
                break;
            case (0xdc, _):
                WithOperand(ref s, (Operation)reg, SoftFloat.FromDouble(BinaryPrimitives.ReadUInt64LittleEndian(operand), context));
                break;
            case (0xda, _):
                WithOperand(ref s, (Operation)reg, SoftFloat.FromInteger(BinaryPrimitives.ReadInt32LittleEndian(operand)));
                break;
            case (0xde, _):
                WithOperand(ref s, (Operation)reg, SoftFloat.FromInteger(BinaryPrimitives.ReadInt16LittleEndian(operand)));
                break;
            case (0xd9, 0):
                LoadConverted(ref s, SoftFloat.FromSingle(BinaryPrimitives.ReadUInt32LittleEndian(operand), context));
                break;
            case (0xdd, 0):
                LoadConverted(ref s, SoftFloat.FromDouble(BinaryPrimitives.ReadUInt64LittleEndian(operand), context));
                break;
            case (0xd9, 4):
                LoadEnvironment(ref s, operand, wide, realMode);
                break;
            case (0xd9, 5):
                LoadControl(ref s, BinaryPrimitives.ReadUInt16LittleEndian(operand));
                break;
            case (0xdb, 0):
                Push(ref s, SoftFloat.FromInteger(BinaryPrimitives.ReadInt32LittleEndian(operand)));
                break;
            case (0xdb, 5):
                PushRaw(ref s, ReadRegister(operand));
                break;
            case (0xdd, 4):
                Restore(ref s, operand, wide, realMode);
                break;
            case (0xdf, 0):
                Push(ref s, SoftFloat.FromInteger(BinaryPrimitives.ReadInt16LittleEndian(operand)));
                break;
            case (0xdf, 4):
                Push(ref s, Float80.FromBcd(operand));
                break;
            case (0xdf, 5):
                Push(ref s, SoftFloat.FromInteger(BinaryPrimitives.ReadInt64LittleEndian(operand)));
                break;
            default:
                throw new ArgumentException($"x87 opcode {opcode:x2} /{reg} reads no memory");
        }
    }

    /// <summary>Executes an instruction that writes memory; false: an exception that is not masked, nothing is to be written.</summary>
    /// <param name="operand">Room for as many bytes as <see cref="OperandBytes"/> says.</param>
    public static bool Store(ref X86FpuState s, int opcode, int reg, Span<byte> operand, bool wide, bool realMode)
    {
        const bool chop = true;
        switch (opcode, reg)
        {
            case (0xd9, 2 or 3):
                return StoreFloat(ref s, FloatFormat.Single, operand, pop: reg == 3);
            case (0xdd, 2 or 3):
                return StoreFloat(ref s, FloatFormat.Double, operand, pop: reg == 3);
            case (0xd9, 6):
                StoreEnvironment(ref s, operand, wide, realMode);
                return true;
            case (0xd9, 7):
                BinaryPrimitives.WriteUInt16LittleEndian(operand, s.Fcw);
                return true;
            case (0xdb, 1):
                return StoreInteger(ref s, 4, operand, pop: true, chop);
            case (0xdb, 2 or 3):
                return StoreInteger(ref s, 4, operand, pop: reg == 3);
            case (0xdb, 7):
                return StoreExtended(ref s, operand);
            case (0xdd, 1):
                return StoreInteger(ref s, 8, operand, pop: true, chop);
            case (0xdd, 6):
                Save(ref s, operand, wide, realMode);
                return true;
            case (0xdd, 7):
                BinaryPrimitives.WriteUInt16LittleEndian(operand, s.Fsw);
                return true;
            case (0xdf, 1):
                return StoreInteger(ref s, 2, operand, pop: true, chop);
            case (0xdf, 2 or 3):
                return StoreInteger(ref s, 2, operand, pop: reg == 3);
            case (0xdf, 6):
                return StoreBcd(ref s, operand);
            case (0xdf, 7):
                return StoreInteger(ref s, 8, operand, pop: true);
            default:
                throw new ArgumentException($"x87 opcode {opcode:x2} /{reg} writes no memory");
        }
    }

    /// <summary>FLD m32, m64: a conversion, which quiets a signaling NaN and notes a denormal.</summary>
    private static void LoadConverted(ref X86FpuState s, in SoftFloat value)
    {
        if (!IsEmpty(s, 7))
        {
            Push(ref s, value);
            return;
        }

        var context = Context(s);
        var loaded = value;
        if (value.IsNaN)
            loaded = Float80.PropagateNaN(value, value, ref context);
        else
            SoftFloatArithmetic.NoteDenormals(value, value, ref context);
        // A denormal is loaded even when its exception is not masked.
        if (Conclude(ref s, ref context) || !value.IsNaN)
            Push(ref s, loaded);
    }

    private static bool StoreFloat(ref X86FpuState s, in FloatFormat format, Span<byte> operand, bool pop)
    {
        var result = SoftFloat.Indefinite;
        if (IsEmpty(s, 0))
        {
            if (!StackFaulted(ref s, overflow: false))
                return false;
        }
        else
        {
            var context = Context(s, toRegister: false);
            var value = Get(s, 0);
            result = value.Class >= FloatClass.QuietNaN ? Float80.PropagateNaN(value, value, ref context) : SoftFloatRounding.Round(value, format, ref context);
            // A result out of range has no shifted form in memory (SDM Vol. 1, 8.5.4): unmasked, nothing is stored.
            var outOfRange = context.Raised & (FloatExceptions.Overflow | FloatExceptions.Underflow) & ~context.Masked;
            if (outOfRange != 0)
            {
                context.Raised = outOfRange;
                context.RoundedUp = false;
            }

            if (!Conclude(ref s, ref context) || outOfRange != 0)
                return false;
        }

        if (format == FloatFormat.Single)
            BinaryPrimitives.WriteUInt32LittleEndian(operand, result.ToSingle());
        else
            BinaryPrimitives.WriteUInt64LittleEndian(operand, result.ToDouble());
        if (pop)
            Pop(ref s);
        return true;
    }

    private static bool StoreInteger(ref X86FpuState s, int bytes, Span<byte> operand, bool pop, bool chop = false)
    {
        // Integer indefinite (SDM Vol. 1, table 4-1): the most negative.
        var integer = long.MinValue >> (64 - bytes * 8);
        if (IsEmpty(s, 0))
        {
            if (!StackFaulted(ref s, overflow: false))
                return false;
        }
        else
        {
            var context = Context(s, toRegister: false);
            if (chop)
                context.Rounding = FloatRounding.Zero;
            if (SoftFloatRounding.TryRoundToInteger(Get(s, 0), bytes * 8, ref context, out var value))
                integer = value;
            else
                context.Raised |= FloatExceptions.Invalid;
            if (!Conclude(ref s, ref context))
                return false;
        }

        for (var i = 0; i < bytes; i++)
            operand[i] = (byte)(integer >> (i * 8));
        if (pop)
            Pop(ref s);
        return true;
    }

    private static bool StoreExtended(ref X86FpuState s, Span<byte> operand)
    {
        var value = s.R[Top(s)];
        if (IsEmpty(s, 0))
        {
            if (!StackFaulted(ref s, overflow: false))
                return false;
            value = Float80.Pack(SoftFloat.Indefinite);
        }
        else
        {
            SetCondition(ref s, C1, 0);
        }

        WriteRegister(operand, value);
        Pop(ref s);
        return true;
    }

    private static bool StoreBcd(ref X86FpuState s, Span<byte> operand)
    {
        if (IsEmpty(s, 0))
        {
            if (!StackFaulted(ref s, overflow: false))
                return false;
            Float80.WriteBcdIndefinite(operand);
        }
        else
        {
            var context = Context(s, toRegister: false);
            if (!Float80.TryToBcd(Get(s, 0), operand, ref context))
            {
                context.Raised |= FloatExceptions.Invalid;
                Float80.WriteBcdIndefinite(operand);
            }

            if (!Conclude(ref s, ref context))
                return false;
        }

        Pop(ref s);
        return true;
    }

    private static X87Register ReadRegister(ReadOnlySpan<byte> bytes) => new()
    {
        Significand = BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        SignExponent = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]),
    };

    private static void WriteRegister(Span<byte> bytes, in X87Register value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value.Significand);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[8..], value.SignExponent);
    }
}
