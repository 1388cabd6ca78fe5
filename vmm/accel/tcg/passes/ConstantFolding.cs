using System.Buffers.Binary;
using System.Numerics;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Passes;

/// <summary>
/// Forward over a block: operands that are known become constants, copies are read at their source, and operations on constants alone are computed now.
/// </summary>
public sealed class ConstantFolding
{
    // By global, then temporary. A copy holds while its source's version is the one it was made from.
    private const int Slots = 64 + IrBlock.MaxTemps;

    private struct Fact
    {
        public bool Known;
        public ulong Value;
        public IrValue CopyOf;
        public int CopyVersion;
        public int Version;
    }

    private readonly Fact[] _facts = new Fact[Slots];

    public void Run(IrBlock block, IrGuest guest)
    {
        Array.Clear(_facts);
        foreach (ref var op in block.Ops)
        {
            op.A = Propagate(op.A, block);
            op.B = Propagate(op.B, block);
            op.C = Propagate(op.C, block);
            if (!IrOpcodes.Has(op.Opcode, IrOperands.Effect))
                Fold(ref op, block);
            if (op.Opcode == IrOpcode.Call && (guest.Helpers[op.Helper].Effects & IrEffects.WritesGlobals) != 0)
                for (var i = 0; i < guest.Globals.Length; i++)
                    Define(IrValue.Global(i));
            if (!op.Dst.IsNone)
                Learn(op, block);
        }
    }

    /// <summary>An operation's result for constant operands; false when it cannot be told without running it.</summary>
    public static bool TryEvaluate(in IrOp op, ulong a, ulong b, ulong c, out ulong result)
    {
        var type = op.Type;
        ulong mask = type.Mask(), x = a & mask, y = b & mask;
        var bits = type.Bits();
        switch (op.Opcode)
        {
            case IrOpcode.Mov:
                result = x;
                return true;
            case IrOpcode.Add:
                result = (a + b) & mask;
                return true;
            case IrOpcode.Sub:
                result = (a - b) & mask;
                return true;
            case IrOpcode.Mul:
                result = (a * b) & mask;
                return true;
            case IrOpcode.And:
                result = x & y;
                return true;
            case IrOpcode.Or:
                result = x | y;
                return true;
            case IrOpcode.Xor:
                result = x ^ y;
                return true;
            case IrOpcode.Not:
                result = ~a & mask;
                return true;
            case IrOpcode.Neg:
                result = (0 - a) & mask;
                return true;
            case IrOpcode.Shl when b < (ulong)bits:
                result = x << (int)b & mask;
                return true;
            case IrOpcode.Shr when b < (ulong)bits:
                result = x >> (int)b;
                return true;
            case IrOpcode.Sar when b < (ulong)bits:
                result = (ulong)(type.Signed(a) >> (int)b) & mask;
                return true;
            case IrOpcode.Rol or IrOpcode.Ror:
                {
                    var by = (int)(b & (ulong)(bits - 1));
                    if (op.Opcode == IrOpcode.Ror)
                        by = (bits - by) & (bits - 1);
                    result = by == 0 ? x : (x << by | x >> (bits - by)) & mask;
                    return true;
                }
            case IrOpcode.SignExtend:
                result = (ulong)type.Signed(a);
                return true;
            case IrOpcode.Extract:
                result = a >> (int)(op.Imm & 0xff) & ulong.MaxValue >> (64 - (int)(op.Imm >> 8));
                return true;
            case IrOpcode.Deposit:
                {
                    var field = ulong.MaxValue >> (64 - (int)(op.Imm >> 8)) << (int)(op.Imm & 0xff);
                    result = a & ~field | b << (int)(op.Imm & 0xff) & field;
                    return true;
                }
            case IrOpcode.Lea:
                result = (a + (b << op.Attr) + (ulong)op.Imm) & mask;
                return true;
            case IrOpcode.ByteSwap:
                result = BinaryPrimitives.ReverseEndianness(x) >> (64 - bits);
                return true;
            case IrOpcode.PopCount:
                result = (ulong)BitOperations.PopCount(x);
                return true;
            case IrOpcode.CountLeadingZeros:
                result = (ulong)(BitOperations.LeadingZeroCount(x) - (64 - bits));
                return true;
            case IrOpcode.CountTrailingZeros:
                result = (ulong)Math.Min(bits, BitOperations.TrailingZeroCount(x));
                return true;
            case IrOpcode.SetCond:
                result = op.Cond.Holds(type, a, b) ? 1u : 0;
                return true;
            case IrOpcode.Select:
                result = (a != 0 ? b : c) & mask;
                return true;
            default:
                result = 0;
                return false;
        }
    }

    private static void Fold(ref IrOp op, IrBlock block)
    {
        if (IsConstantOrNone(op.A) && IsConstantOrNone(op.B) && IsConstantOrNone(op.C))
        {
            if (op.Opcode != IrOpcode.Mov && TryEvaluate(op, ValueOf(op.A, block), ValueOf(op.B, block), ValueOf(op.C, block), out var result))
                op = new IrOp { Opcode = IrOpcode.Mov, Type = IrType.I64, Dst = op.Dst, A = block.Constant(result) };
            return;
        }
        if (op.Opcode == IrOpcode.Select && op.A.IsConstant)
            op = new IrOp { Opcode = IrOpcode.Mov, Type = op.Type, Dst = op.Dst, A = block.ValueOf(op.A) != 0 ? op.B : op.C };
        else if (op.B.IsConstant && block.ValueOf(op.B) == 0 && op.Opcode is IrOpcode.Add or IrOpcode.Sub or IrOpcode.Or or IrOpcode.Xor or IrOpcode.Shl or IrOpcode.Shr)
            op = new IrOp { Opcode = IrOpcode.Mov, Type = op.Type, Dst = op.Dst, A = op.A };
        else if (op.Opcode == IrOpcode.Lea && op.B.IsNone && op.Imm == 0)
            op = new IrOp { Opcode = IrOpcode.Mov, Type = op.Type, Dst = op.Dst, A = op.A };
    }

    private IrValue Propagate(IrValue value, IrBlock block)
    {
        if (value.IsNone || value.IsConstant)
            return value;
        ref var fact = ref FactOf(value);
        if (fact.Known)
            return block.Constant(fact.Value);
        return !fact.CopyOf.IsNone && FactOf(fact.CopyOf).Version == fact.CopyVersion ? fact.CopyOf : value;
    }

    private void Learn(in IrOp op, IrBlock block)
    {
        Define(op.Dst);
        if (op.Opcode != IrOpcode.Mov || op.Dst == op.A)
            return;
        ref var fact = ref FactOf(op.Dst);
        if (op.A.IsConstant)
        {
            fact.Known = true;
            fact.Value = block.ValueOf(op.A) & op.Type.Mask();
        }
        else if (op.Type == IrType.I64)
        {
            fact.CopyOf = op.A;
            fact.CopyVersion = FactOf(op.A).Version;
        }
    }

    private void Define(IrValue value)
    {
        ref var fact = ref FactOf(value);
        fact = new Fact { Version = fact.Version + 1 };
    }

    private ref Fact FactOf(IrValue value) => ref _facts[value.IsTemp ? 64 + value.Index : value.Index];

    private static bool IsConstantOrNone(IrValue value) => value.IsNone || value.IsConstant;

    private static ulong ValueOf(IrValue value, IrBlock block) => value.IsNone ? 0 : block.ValueOf(value);
}
