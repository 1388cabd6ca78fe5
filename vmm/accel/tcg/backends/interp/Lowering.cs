using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.Interp;

/// <summary>Turns an IR block into the interpreter's operations, in the block cache's arena.</summary>
public sealed unsafe class Lowering(IrGuest guest, int tempOffset) : IDisposable
{
    // Slots behind the temporaries: constants that an operation cannot hold, and where results that nobody wants go.
    private const int ScratchA = IrBlock.MaxTemps, ScratchB = IrBlock.MaxTemps + 1, ScratchC = IrBlock.MaxTemps + 2, Nowhere = IrBlock.MaxTemps + 3;

    private const int MaxOps = IrBlock.MaxOps * 4;

    private InterpOp* _ops = (InterpOp*)NativeMemory.Alloc(MaxOps, (nuint)sizeof(InterpOp));
    private readonly InstructionMark[] _marks = new InstructionMark[IrBlock.MaxOps];
    private int _count, _markCount;
    private ulong _target0, _target1;

    /// <summary>Makes the block's code; the caller fills in key, addresses and adds it.</summary>
    public TranslatedBlock* Lower(IrBlock ir, BlockCache cache)
    {
        _count = _markCount = 0;
        _target0 = _target1 = 0;
        foreach (ref readonly var op in ir.Ops)
            Lower(op, ir);
        var bytes = sizeof(TranslatedBlock) + _count * sizeof(InterpOp) + _markCount * sizeof(InstructionMark);
        var block = (TranslatedBlock*)cache.Allocate(bytes);
        block->Code = block + 1;
        block->Marks = (InstructionMark*)((InterpOp*)block->Code + _count);
        NativeMemory.Copy(_ops, block->Code, (nuint)(_count * sizeof(InterpOp)));
        for (var i = 0; i < _markCount; i++)
            block->Marks[i] = _marks[i];
        block->Instructions = _markCount;
        block->Target0 = _target0;
        block->Target1 = _target1;
        block->SecondPage = TranslatedBlock.NoPage;
        return block;
    }

    /// <summary>The slot that stands for an operand that is not there.</summary>
    internal static int NowhereOffset(int tempOffset) => tempOffset + Nowhere * sizeof(ulong);

    /// <summary>Makes an invalid block leave for the lookup when it is entered.</summary>
    public static void MakeStub(TranslatedBlock* block) => ((InterpOp*)block->Code)->Code = InterpCode.Stub;

    public void Dispose()
    {
        NativeMemory.Free(_ops);
        _ops = null;
    }

    private void Lower(in IrOp op, IrBlock ir)
    {
        switch (op.Opcode)
        {
            case IrOpcode.Insn:
                _marks[_markCount++] = new InstructionMark { Pc = (ulong)op.Imm, FirstOp = _count, State = op.State };
                break;
            case >= IrOpcode.Add and <= IrOpcode.Ror when op.Opcode is not (IrOpcode.MulHighS or IrOpcode.MulHighU):
                Binary(op, ir);
                break;
            case IrOpcode.MulHighS or IrOpcode.MulHighU:
                {
                    var code = (op.Opcode == IrOpcode.MulHighS ? InterpCode.MulHighS32 : InterpCode.MulHighU32) + (op.Type == IrType.I64 ? 1 : 0);
                    int a = Slot(op.A, ir, ScratchA), b = Slot(op.B, ir, ScratchB);
                    if (op.Type < IrType.I32)
                        throw new NotSupportedException("mulhs and mulhu work at i32 and i64");
                    Emit(code, op.Dst, a, b);
                    break;
                }
            case IrOpcode.Mov:
                if (op.A.IsConstant)
                    Emit(InterpCode.MovI, op.Dst, 0, 0, (long)(ir.ValueOf(op.A) & op.Type.Mask()));
                else
                    Emit(InterpCode.Mov8 + (int)op.Type, op.Dst, Slot(op.A, ir, ScratchA), 0);
                break;
            case IrOpcode.Not or IrOpcode.Neg or IrOpcode.SignExtend or IrOpcode.PopCount or IrOpcode.CountLeadingZeros or IrOpcode.CountTrailingZeros:
                Emit(Unary(op.Opcode) + (int)op.Type, op.Dst, Slot(op.A, ir, ScratchA), 0);
                break;
            case IrOpcode.ByteSwap:
                Emit(InterpCode.ByteSwap16 + ((int)op.Type - 1), op.Dst, Slot(op.A, ir, ScratchA), 0);
                break;
            case IrOpcode.Extract:
                Emit(InterpCode.Extract, op.Dst, Slot(op.A, ir, ScratchA), (int)(op.Imm & 0xff), (long)(ulong.MaxValue >> (64 - (int)(op.Imm >> 8))));
                break;
            case IrOpcode.Deposit:
                {
                    int a = Slot(op.A, ir, ScratchA), b = Slot(op.B, ir, ScratchB);
                    var code = op.Imm switch { 0x800 => InterpCode.DepositByte0, 0x808 => InterpCode.DepositByte1, 0x1000 => InterpCode.DepositWord, _ => InterpCode.Deposit };
                    Emit(code, op.Dst, a, b, op.Imm);
                    break;
                }
            case IrOpcode.Lea:
                LoadEffectiveAddress(op, ir);
                break;
            case IrOpcode.SetCond:
                Compare(InterpCode.SetCondEq32RR, op, ir, false).Dst = Destination(op.Dst);
                break;
            case IrOpcode.ExitIf:
                {
                    ref var exit = ref Compare(InterpCode.ExitIfEq32RR, op, ir, true);
                    exit.Dst = (ushort)op.State;
                    exit.Attr = op.Attr;
                    SetTarget(op);
                    break;
                }
            case IrOpcode.Select:
                {
                    int a = Slot(op.A, ir, ScratchA), b = Slot(op.B, ir, ScratchB), c = Slot(op.C, ir, ScratchC);
                    Emit(InterpCode.Select, op.Dst, a, b).C = (ushort)c;
                    if (op.Type != IrType.I64)
                        Emit(InterpCode.Mov8 + (int)op.Type, op.Dst, Destination(op.Dst), 0);
                    break;
                }
            case IrOpcode.Load or IrOpcode.LoadSigned:
                {
                    var (a, displacement) = Address(op, ir);
                    var code = op.Opcode == IrOpcode.LoadSigned && op.Type != IrType.I64 ? InterpCode.LoadSigned8 : InterpCode.Load8;
                    ref var load = ref Emit(code + (int)op.Type, op.Dst, a, (op.Attr & TcgCore.MmuIndexMask) << SoftTlb.TableShift, (uint)displacement);
                    load.Attr = op.Attr;
                    break;
                }
            case IrOpcode.Store:
                {
                    var (a, displacement) = Address(op, ir);
                    var b = Slot(op.B, ir, ScratchB);
                    ref var store = ref Emit(InterpCode.Store8 + (int)op.Type, IrValue.None, a, b, (uint)displacement);
                    store.Dst = (ushort)((op.Attr & TcgCore.MmuIndexMask) << SoftTlb.TableShift);
                    store.Attr = op.Attr;
                    break;
                }
            case IrOpcode.Call:
                {
                    int a = Slot(op.A, ir, ScratchA), b = Slot(op.B, ir, ScratchB), c = Slot(op.C, ir, ScratchC);
                    var code = (guest.Helpers[op.Helper].Effects & IrEffects.MayFault) != 0 ? InterpCode.CallMayFault : InterpCode.Call;
                    ref var call = ref Emit(code, op.Dst, a, b, (uint)op.Imm);
                    call.C = (ushort)c;
                    call.Attr = op.Helper;
                    break;
                }
            case IrOpcode.Goto:
                Emit(InterpCode.Goto, IrValue.None, 0, 0).Attr = op.Attr;
                _ops[_count - 1].Dst = (ushort)op.State;
                SetTarget(op);
                break;
            case IrOpcode.GotoPc or IrOpcode.Leave:
                Emit(op.Opcode == IrOpcode.GotoPc ? InterpCode.GotoPc : InterpCode.Leave, IrValue.None, 0, 0).Dst = (ushort)op.State;
                break;
            default:
                throw new NotSupportedException($"the interpreter has no {op.Opcode}");
        }
    }

    private void Binary(in IrOp op, IrBlock ir)
    {
        var (valueA, valueB) = (op.A, op.B);
        if (valueA.IsConstant && !valueB.IsConstant && IrOpcodes.IsCommutative(op.Opcode))
            (valueA, valueB) = (valueB, valueA);
        var family = op.Opcode switch
        {
            IrOpcode.Add => InterpCode.Add8RR,
            IrOpcode.Sub => InterpCode.Sub8RR,
            IrOpcode.Mul => InterpCode.Mul8RR,
            IrOpcode.And => InterpCode.And8RR,
            IrOpcode.Or => InterpCode.Or8RR,
            IrOpcode.Xor => InterpCode.Xor8RR,
            IrOpcode.Shl => InterpCode.Shl8RR,
            IrOpcode.Shr => InterpCode.Shr8RR,
            IrOpcode.Sar => InterpCode.Sar8RR,
            IrOpcode.Rol => InterpCode.Rol8RR,
            _ => InterpCode.Ror8RR,
        };
        var code = family + 2 * (int)op.Type;
        var a = Slot(valueA, ir, ScratchA);
        if (valueB.IsConstant)
            Emit(code + 1, op.Dst, a, 0, (long)ir.ValueOf(valueB));
        else
            Emit(code, op.Dst, a, Slot(valueB, ir, ScratchB));
    }

    private static InterpCode Unary(IrOpcode opcode) => opcode switch
    {
        IrOpcode.Not => InterpCode.Not8,
        IrOpcode.Neg => InterpCode.Neg8,
        IrOpcode.SignExtend => InterpCode.SignExtend8,
        IrOpcode.PopCount => InterpCode.PopCount8,
        IrOpcode.CountLeadingZeros => InterpCode.CountLeadingZeros8,
        _ => InterpCode.CountTrailingZeros8,
    };

    private void LoadEffectiveAddress(in IrOp op, IrBlock ir)
    {
        var width = (int)op.Type - 1;
        if (op.B.IsNone)
        {
            Emit(InterpCode.LeaA16 + width, op.Dst, Slot(op.A, ir, ScratchA), 0, op.Imm);
            return;
        }
        int a = Slot(op.A, ir, ScratchA), b = Slot(op.B, ir, ScratchB);
        var fits = op.Imm == (int)op.Imm;
        if (!fits)
        {
            Emit(InterpCode.MovI, IrValue.None, 0, 0, op.Imm).Dst = SlotOfTemp(ScratchC);
            EmitRaw(InterpCode.Add64RR, SlotOfTemp(ScratchA), a, SlotOfTemp(ScratchC));
            a = SlotOfTemp(ScratchA);
        }
        Emit(InterpCode.LeaAB16 + width, op.Dst, a, b, fits ? (uint)op.Imm : 0).C = op.Attr;
    }

    /// <summary>A comparison at 32 or 64 bits; narrower operands are extended first, as the condition's sign asks.</summary>
    private ref InterpOp Compare(InterpCode family, in IrOp op, IrBlock ir, bool shortImmediate)
    {
        var wide = op.Type == IrType.I64;
        var narrow = op.Type < IrType.I32;
        var signed = op.Cond is IrCondition.LessSigned or IrCondition.NotLessSigned or IrCondition.LessOrEqualSigned or IrCondition.GreaterSigned;
        var extend = (signed ? InterpCode.SignExtend8 : InterpCode.Mov8) + (int)op.Type;
        int a = Slot(op.A, ir, ScratchA), b = 0;
        if (narrow)
        {
            EmitRaw(extend, SlotOfTemp(ScratchA), a, 0);
            a = SlotOfTemp(ScratchA);
        }
        long immediate = 0;
        var hasImmediate = op.B.IsConstant;
        if (hasImmediate)
        {
            var value = ir.ValueOf(op.B);
            immediate = signed || op.Type == IrType.I32 ? op.Type.Signed(value) : (long)(value & op.Type.Mask());
            if (shortImmediate && immediate != (int)immediate)
                hasImmediate = false;
        }
        if (!hasImmediate)
        {
            b = Slot(op.B, ir, ScratchB);
            if (narrow)
            {
                EmitRaw(extend, SlotOfTemp(ScratchB), b, 0);
                b = SlotOfTemp(ScratchB);
            }
        }
        const int Conditions = 10;
        var code = family + (wide ? 2 * Conditions : 0) + (hasImmediate ? Conditions : 0) + (int)op.Cond;
        return ref Emit(code, IrValue.None, a, b, hasImmediate ? shortImmediate ? (uint)immediate : immediate : 0);
    }

    private (int Slot, int Displacement) Address(in IrOp op, IrBlock ir)
    {
        if (op.A.IsConstant)
        {
            EmitRaw(InterpCode.MovI, SlotOfTemp(ScratchA), 0, 0).Imm = (long)(ir.ValueOf(op.A) + (ulong)op.Imm);
            return (SlotOfTemp(ScratchA), 0);
        }
        var a = Slot(op.A, ir, ScratchA);
        if (op.Imm == (int)op.Imm)
            return (a, (int)op.Imm);
        EmitRaw(InterpCode.LeaA64, SlotOfTemp(ScratchA), a, 0).Imm = op.Imm;
        return (SlotOfTemp(ScratchA), 0);
    }

    private void SetTarget(in IrOp op)
    {
        if (op.Attr == 0)
            _target0 = (ulong)op.Imm;
        else
            _target1 = (ulong)op.Imm;
    }

    /// <summary>The slot of a value; a constant is put into the scratch slot first.</summary>
    private int Slot(IrValue value, IrBlock ir, int scratch)
    {
        if (value.IsGlobal)
            return guest.Globals[value.Index].Offset;
        if (value.IsTemp)
            return SlotOfTemp(value.Index);
        if (value.IsNone)
            return SlotOfTemp(Nowhere);
        EmitRaw(InterpCode.MovI, SlotOfTemp(scratch), 0, 0).Imm = (long)ir.ValueOf(value);
        return SlotOfTemp(scratch);
    }

    private ushort SlotOfTemp(int index) => (ushort)(tempOffset + index * sizeof(ulong));

    private ushort Destination(IrValue value) => (ushort)(value.IsNone ? SlotOfTemp(Nowhere) : value.IsGlobal ? guest.Globals[value.Index].Offset : SlotOfTemp(value.Index));

    private ref InterpOp Emit(InterpCode code, IrValue dst, int a, int b, long immediate = 0)
    {
        ref var op = ref EmitRaw(code, Destination(dst), a, b);
        op.Imm = immediate;
        return ref op;
    }

    private ref InterpOp EmitRaw(InterpCode code, ushort dst, int a, int b)
    {
        if (_count == MaxOps)
            throw new InvalidOperationException($"a block takes more than {MaxOps} operations of the interpreter");
        ref var op = ref _ops[_count++];
        op = new InterpOp { Code = code, Dst = dst, A = (ushort)a, B = (ushort)b };
        return ref op;
    }
}
