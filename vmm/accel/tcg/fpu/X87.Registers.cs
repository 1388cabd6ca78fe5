using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>Instructions on registers alone: ModRM from C0 up.</summary>
public static partial class X87
{
    /// <summary>
    /// log2 10, log2 e, π, log10 2, ln 2, with 128 bits, bit 127 set: FLDL2T and its relatives round them by the rounding control (SDM Vol. 1, 8.3.8).
    /// </summary>
    private static readonly (int Exponent, UInt128 Significand)[] Constants =
    [
        (1, new UInt128(0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4d)),
        (0, new UInt128(0xb8aa3b295c17f0bb, 0xbe87fed0691d3e89)),
        (1, new UInt128(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1)),
        (-2, new UInt128(0x9a209a84fbcff798, 0x8f8959ac0b7c9178)),
        (-1, new UInt128(0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af)),
    ];

    /// <summary>Executes an instruction whose ModRM names registers only.</summary>
    /// <param name="opcode">0xd8 to 0xdf.</param>
    /// <param name="modRm">0xc0 to 0xff.</param>
    /// <param name="rax">FNSTSW AX writes its low 16 bits.</param>
    /// <param name="rflags">FCMOVcc reads CF, ZF and PF; FCOMI and its relatives write all status flags.</param>
    /// <returns>False: there is no such instruction (#UD).</returns>
    public static bool ExecuteRegister(ref X86FpuState s, int opcode, int modRm, ref ulong rax, ref ulong rflags)
    {
        var i = modRm & 7;
        var row = modRm >> 3 & 7;
        switch (opcode)
        {
            case 0xd8:
                if (row is 2 or 3)
                {
                    if (CompareRegisters(ref s, i, quiet: false) && row == 3)
                        Pop(ref s);
                    return true;
                }

                BetweenRegisters(ref s, (Operation)row, 0, i, pop: false);
                return true;
            case 0xd9:
                return ExecuteD9(ref s, modRm);
            case 0xda:
                if (modRm == 0xe9)
                {
                    PopBoth(ref s, CompareRegisters(ref s, 1, quiet: true));
                    return true;
                }

                return row < 4 && Move(ref s, i, Condition(row, rflags));
            case 0xdb:
                return ExecuteDB(ref s, modRm, ref rflags);
            case 0xdc or 0xde:
                return ExecuteToRegister(ref s, opcode, modRm);
            case 0xdd:
                return ExecuteDD(ref s, row, i);
            case 0xdf:
                return ExecuteDF(ref s, modRm, ref rax, ref rflags);
            default:
                return false;
        }
    }

    private static bool ExecuteD9(ref X86FpuState s, int modRm)
    {
        var i = modRm & 7;
        switch (modRm)
        {
            case < 0xc8:
                if (!IsEmpty(s, i))
                    PushRaw(ref s, s.R[Top(s) + i & 7]);
                else if (StackFaulted(ref s, overflow: false))
                    PushIndefinite(ref s);
                return true;
            case < 0xd0:
                Exchange(ref s, i);
                return true;
            case 0xd0:
                return true;
            case >= 0xd8 and < 0xe0:
                StoreToRegister(ref s, i, pop: true);
                return true;
            case 0xe0 or 0xe1:
                ChangeSign(ref s, absolute: modRm == 0xe1);
                return true;
            case 0xe4:
                Compare(ref s, 0, SoftFloat.Zero(false), quiet: false);
                return true;
            case 0xe5:
                Examine(ref s);
                return true;
            case 0xe8:
                Push(ref s, SoftFloat.One);
                return true;
            case >= 0xe9 and <= 0xed:
                PushConstant(ref s, Constants[modRm - 0xe9]);
                return true;
            case 0xee:
                Push(ref s, SoftFloat.Zero(false));
                return true;
            case 0xf0:
                OfTop(ref s, X87Transcendental.PowerOfTwoMinusOne);
                return true;
            case 0xf1:
                OfTopTwo(ref s, X87Transcendental.YLog2X);
                return true;
            case 0xf2:
                Trigonometric(ref s, Angle.Tangent);
                return true;
            case 0xf3:
                OfTopTwo(ref s, X87Transcendental.ArcTangent);
                return true;
            case 0xf4:
                Extract(ref s);
                return true;
            case 0xf5 or 0xf8:
                Remainder(ref s, toNearest: modRm == 0xf5);
                return true;
            case 0xf6 or 0xf7:
                SetCondition(ref s, C1, 0);
                SetTop(ref s, Top(s) + (modRm == 0xf7 ? 1 : -1));
                return true;
            case 0xf9:
                OfTopTwo(ref s, X87Transcendental.YLog2XPlusOne);
                return true;
            case 0xfa:
                OfTop(ref s, SoftFloatArithmetic.SquareRoot);
                return true;
            case 0xfb:
                Trigonometric(ref s, Angle.SineAndCosine);
                return true;
            case 0xfc:
                OfTop(ref s, RoundToInteger);
                return true;
            case 0xfd:
                Scale(ref s);
                return true;
            case 0xfe:
                Trigonometric(ref s, Angle.Sine);
                return true;
            case 0xff:
                Trigonometric(ref s, Angle.Cosine);
                return true;
            default:
                return false;
        }
    }

    private static bool ExecuteDB(ref X86FpuState s, int modRm, ref ulong rflags)
    {
        var i = modRm & 7;
        switch (modRm)
        {
            case < 0xe0:
                return Move(ref s, i, !Condition(modRm >> 3 & 7, rflags));
            case 0xe2:
                ClearExceptions(ref s);
                return true;
            case 0xe3:
                Initialize(ref s);
                return true;
            case 0xe0 or 0xe1 or 0xe4:
                // FENI, FDISI, FSETPM: of the 8087 and 287, nothing since.
                return true;
            case >= 0xe8 and < 0xf8:
                CompareToFlags(ref s, i, quiet: modRm < 0xf0, ref rflags);
                return true;
            default:
                return false;
        }
    }

    /// <summary>DC and DE: the result goes to ST(i), and DE pops. The bit that tells a reversed operation means the opposite here (SDM Vol. 2D, table B-39).</summary>
    private static bool ExecuteToRegister(ref X86FpuState s, int opcode, int modRm)
    {
        var i = modRm & 7;
        var row = modRm >> 3 & 7;
        var pop = opcode == 0xde;
        if (row is 2 or 3)
        {
            if (pop && row == 3)
            {
                if (modRm != 0xd9)
                    return false;
                PopBoth(ref s, CompareRegisters(ref s, 1, quiet: false));
                return true;
            }

            // Undocumented names of FCOM and FCOMP.
            if (CompareRegisters(ref s, i, quiet: false) && (row == 3 || pop))
                Pop(ref s);
            return true;
        }

        BetweenRegisters(ref s, row >= 4 ? (Operation)(row ^ 1) : (Operation)row, i, 0, pop);
        return true;
    }

    private static bool ExecuteDD(ref X86FpuState s, int row, int i)
    {
        switch (row)
        {
            case 0:
                s.Ftw &= (byte)~(1 << (Top(s) + i & 7));
                return true;
            case 1:
                Exchange(ref s, i);
                return true;
            case 2 or 3:
                StoreToRegister(ref s, i, pop: row == 3);
                return true;
            case 4 or 5:
                if (CompareRegisters(ref s, i, quiet: true) && row == 5)
                    Pop(ref s);
                return true;
            default:
                return false;
        }
    }

    private static bool ExecuteDF(ref X86FpuState s, int modRm, ref ulong rax, ref ulong rflags)
    {
        var i = modRm & 7;
        switch (modRm >> 3 & 7)
        {
            case 0:
                // FFREEP, undocumented but used.
                s.Ftw &= (byte)~(1 << (Top(s) + i & 7));
                Pop(ref s);
                return true;
            case 1:
                Exchange(ref s, i);
                return true;
            case 2 or 3:
                StoreToRegister(ref s, i, pop: true);
                return true;
            case 4 when i == 0:
                rax = rax & ~0xffffUL | s.Fsw;
                return true;
            case 5 or 6:
                if (CompareToFlags(ref s, i, quiet: modRm < 0xf0, ref rflags))
                    Pop(ref s);
                return true;
            default:
                return false;
        }
    }

    private static void PopBoth(ref X86FpuState s, bool popped)
    {
        if (!popped)
            return;
        Pop(ref s);
        Pop(ref s);
    }

    /// <summary>FCMOVcc's conditions in their encoding's order: below, equal, below or equal, unordered.</summary>
    private static bool Condition(int row, ulong rflags)
    {
        const ulong cf = 1, pf = 4, zf = 0x40;
        return (rflags & row switch { 0 => cf, 1 => zf, 2 => cf | zf, _ => pf }) != 0;
    }

    private static bool Move(ref X86FpuState s, int i, bool taken)
    {
        if (IsEmpty(s, 0) || IsEmpty(s, i))
        {
            // Whether the condition holds or not: so do CPUs.
            if (StackFaulted(ref s, overflow: false))
                Set(ref s, 0, SoftFloat.Indefinite);
            return true;
        }

        SetCondition(ref s, C1, 0);
        if (taken)
            SetRaw(ref s, 0, s.R[Top(s) + i & 7]);
        return true;
    }

    private static void Exchange(ref X86FpuState s, int i)
    {
        if (IsEmpty(s, 0) || IsEmpty(s, i))
        {
            if (!StackFaulted(ref s, overflow: false))
                return;
            if (IsEmpty(s, 0))
                Set(ref s, 0, SoftFloat.Indefinite);
            if (IsEmpty(s, i))
                Set(ref s, i, SoftFloat.Indefinite);
        }
        else
        {
            SetCondition(ref s, C1, 0);
        }

        var (top, other) = (s.R[Top(s)], s.R[Top(s) + i & 7]);
        SetRaw(ref s, 0, other);
        SetRaw(ref s, i, top);
    }

    private static void StoreToRegister(ref X86FpuState s, int i, bool pop)
    {
        if (IsEmpty(s, 0))
        {
            if (!StackFaulted(ref s, overflow: false))
                return;
            Set(ref s, i, SoftFloat.Indefinite);
        }
        else
        {
            SetCondition(ref s, C1, 0);
            SetRaw(ref s, i, s.R[Top(s)]);
        }

        if (pop)
            Pop(ref s);
    }

    /// <summary>FCHS and FABS: bits, no arithmetic; NaNs too.</summary>
    private static void ChangeSign(ref X86FpuState s, bool absolute)
    {
        if (IsEmpty(s, 0))
        {
            if (StackFaulted(ref s, overflow: false))
                Set(ref s, 0, SoftFloat.Indefinite);
            return;
        }

        SetCondition(ref s, C1, 0);
        ref var value = ref s.R[Top(s)];
        value.SignExponent = (ushort)(absolute ? value.SignExponent & 0x7fff : value.SignExponent ^ 0x8000);
    }

    private static void PushIndefinite(ref X86FpuState s)
    {
        SetTop(ref s, Top(s) - 1);
        Set(ref s, 0, SoftFloat.Indefinite);
    }

    private static void PushConstant(ref X86FpuState s, (int Exponent, UInt128 Significand) constant)
    {
        // Rounded as the rounding control says, but not to the precision control, and without an exception.
        var context = Context(s);
        Push(ref s, SoftFloatRounding.Round(false, constant.Exponent, constant.Significand, FloatFormat.Extended, ref context));
    }
}
