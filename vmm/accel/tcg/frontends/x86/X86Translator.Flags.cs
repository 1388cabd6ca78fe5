using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// The lazy flags while translating: which CcOp stands, and the cheapest way to a condition from it.
public sealed unsafe partial class X86Translator
{
    private readonly record struct Condition(IrType Type, IrCondition Kind, IrValue A, IrValue B)
    {
        public Condition Inverse() => this with { Kind = Kind.Inverse() };
    }

    /// <summary>Flags follow from cc_dst (and cc_src, cc_src2 where the kind needs them) from here on.</summary>
    private void SetFlags(int kind, IrType type, IrValue dst, IrValue src = default, IrValue src2 = default)
    {
        // cc_src first: dst may be computed from what src aliases, never the other way round.
        if (!src.IsNone && src != X86Globals.CcSrc)
            Move(X86Globals.CcSrc, src);
        if (!src2.IsNone)
            Move(X86Globals.CcSrc2, src2);
        if (dst != X86Globals.CcDst)
            Move(X86Globals.CcDst, dst);
        _cc = kind == CcOp.Flags ? CcOp.Flags : kind + (int)type;
    }

    /// <summary>All status flags in their RFLAGS places.</summary>
    private IrValue ReadFlags()
    {
        if (_cc == CcOp.Flags)
            return X86Globals.CcDst;
        if (_cc == CcOp.Dynamic)
            return CallTemp(X86Helper.FlagsDynamic);
        return CallTemp(X86Helper.Flags, X86Globals.CcDst, X86Globals.CcSrc, X86Globals.CcSrc2, _cc);
    }

    /// <summary>As <see cref="ReadFlags"/>, and keeps them computed for what follows.</summary>
    private IrValue MaterializeFlags()
    {
        var flags = ReadFlags();
        if (_cc != CcOp.Flags)
        {
            SetFlags(CcOp.Flags, IrType.I64, flags);
            SetMarkState(CcOp.Flags);
        }
        return X86Globals.CcDst;
    }

    /// <summary>
    /// What the flags follow from was rewritten, equal in meaning, in the middle of an instruction: a side exit from here on must know. Only
    /// possible before anything of the instruction that can fault; after it, nothing may fault any more.
    /// </summary>
    private void SetMarkState(short state)
    {
        var ops = _ir.Ops;
        for (var i = ops.Length - 1; i >= 0; i--)
        {
            ref var op = ref ops[i];
            if (op.Opcode == IrOpcode.Insn)
            {
                op.State = state;
                return;
            }
            if (IrOpcodes.Has(op.Opcode, IrOperands.SideExit) || op.Opcode == IrOpcode.Call && (X86Helpers.Declarations[op.Helper].Effects & IrEffects.MayFault) != 0)
                return;
        }
    }

    /// <summary>Replaces some status flags; <paramref name="value"/> holds them in place.</summary>
    private void ReplaceFlags(uint mask, IrValue value)
    {
        var flags = MaterializeFlags();
        var kept = Op(IrOpcode.And, IrType.I64, flags, Const(CcOp.Status & ~mask));
        OpTo(X86Globals.CcDst, IrOpcode.Or, IrType.I64, kept, Op(IrOpcode.And, IrType.I64, value, Const(mask)));
    }

    /// <summary>CF as 0 or 1.</summary>
    private IrValue ReadCarry()
    {
        var type = (IrType)(_cc & 3);
        return (_cc & ~3) switch
        {
            CcOp.Add => SetCond(type, IrCondition.BelowUnsigned, X86Globals.CcDst, X86Globals.CcSrc),
            CcOp.Sub => SetCond(type, IrCondition.BelowUnsigned, X86Globals.CcDst, X86Globals.CcSrc),
            CcOp.Logic => Const(0),
            CcOp.Inc or CcOp.Dec => Op(IrOpcode.And, IrType.I64, X86Globals.CcSrc, Const(1)),
            CcOp.Shr => Op(IrOpcode.And, IrType.I64, X86Globals.CcSrc, Const(1)),
            CcOp.Shl => Extract(X86Globals.CcSrc, type.Bits() - 1, 1),
            CcOp.Mul => SetCond(IrType.I64, IrCondition.NotEqual, X86Globals.CcSrc, Const(0)),
            _ => Op(IrOpcode.And, IrType.I64, ReadFlags(), Const(CcOp.CF)),
        };
    }

    /// <summary>A condition by its encoding: 0 = O, 1 = NO, 2 = B … 15 = G.</summary>
    private Condition ConditionOf(int code)
    {
        var condition = PositiveCondition(code >> 1);
        return (code & 1) != 0 ? condition.Inverse() : condition;
    }

    private Condition PositiveCondition(int code)
    {
        const int O = 0, B = 1, Z = 2, BE = 3, S = 4, P = 5, L = 6, LE = 7;
        var type = (IrType)(_cc & 3);
        IrValue dst = X86Globals.CcDst, src = X86Globals.CcSrc, zero = Const(0);
        var kind = _cc < 0 ? _cc : _cc & ~3;
        if (kind == CcOp.Sub)
        {
            switch (code)
            {
                case B:
                    return new Condition(type, IrCondition.BelowUnsigned, dst, src);
                case Z:
                    return new Condition(type, IrCondition.Equal, dst, src);
                case BE:
                    return new Condition(type, IrCondition.BelowOrEqualUnsigned, dst, src);
                case L:
                    return new Condition(type, IrCondition.LessSigned, dst, src);
                case LE:
                    return new Condition(type, IrCondition.LessOrEqualSigned, dst, src);
                case S:
                    return new Condition(type, IrCondition.LessSigned, Op(IrOpcode.Sub, type, dst, src), zero);
            }
        }
        else if (kind is CcOp.Add or CcOp.Adc or CcOp.Logic or CcOp.Inc or CcOp.Dec or CcOp.Shl or CcOp.Shr or CcOp.Mul)
        {
            switch (code)
            {
                case Z:
                    return new Condition(type, IrCondition.Equal, dst, zero);
                case S:
                    return new Condition(type, IrCondition.LessSigned, dst, zero);
                case B when kind == CcOp.Add:
                    return new Condition(type, IrCondition.BelowUnsigned, dst, src);
                case B when kind != CcOp.Adc:
                    return new Condition(IrType.I64, IrCondition.NotEqual, ReadCarry(), zero);
                // OF = CF = 0.
                case BE when kind == CcOp.Logic:
                    return new Condition(type, IrCondition.Equal, dst, zero);
                case L when kind == CcOp.Logic:
                    return new Condition(type, IrCondition.LessSigned, dst, zero);
                case LE when kind == CcOp.Logic:
                    return new Condition(type, IrCondition.LessOrEqualSigned, dst, zero);
                case O when kind == CcOp.Logic:
                    return new Condition(IrType.I64, IrCondition.NotEqual, zero, zero);
            }
        }
        var flags = MaterializeFlags();
        switch (code)
        {
            case O or B or Z or BE or S or P:
                var mask = code switch { O => CcOp.OF, B => CcOp.CF, Z => CcOp.ZF, BE => CcOp.CF | CcOp.ZF, S => CcOp.SF, _ => CcOp.PF };
                return new Condition(IrType.I64, IrCondition.NotEqual, Op(IrOpcode.And, IrType.I64, flags, Const(mask)), zero);
            default:
                // SF is bit 7, OF bit 11.
                var overflow = Op(IrOpcode.Shr, IrType.I64, flags, Const(4));
                var less = Op(IrOpcode.And, IrType.I64, Op(IrOpcode.Xor, IrType.I64, overflow, flags), Const(CcOp.SF));
                if (code == LE)
                    less = Op(IrOpcode.Or, IrType.I64, less, Op(IrOpcode.And, IrType.I64, flags, Const(CcOp.ZF)));
                return new Condition(IrType.I64, IrCondition.NotEqual, less, zero);
        }
    }
}
