using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

// Operations that only compute. 8 and 16 bits are computed in 32 where the low bits come out the same, then zero-extended.
internal sealed unsafe partial class X64Generator
{
    private static int WorkingSize(IrType type) => type == IrType.I64 ? 8 : 4;

    private void Narrow(IrType type, X64Register register)
    {
        if (type < IrType.I32)
            _asm.MoveZeroExtended(type.Bytes(), register, register);
    }

    private void Copy(in IrOp op, int* uses)
    {
        if (op.A.IsConstant)
        {
            var value = _ir.ValueOf(op.A) & op.Type.Mask();
            if (op.Dst.IsGlobal && uses[3] == Never && Fits32(value))
            {
                // Nobody reads it here: straight to the state.
                Forget(KeyOf(op.Dst));
                _asm.StoreImmediate(8, State, _slots[KeyOf(op.Dst)], (int)value);
            }
            else
                _asm.MoveImmediate(Result(op, uses), value);
            return;
        }
        var a = Use(op.A, uses[0], Scratch);
        if (op.Type == IrType.I64)
        {
            Replace(op, uses, a);
            return;
        }
        var dst = op.Dst == op.A || op.A.IsTemp && uses[0] == Never ? Replace(op, uses, a) : Result(op, uses);
        _asm.MoveZeroExtended(op.Type.Bytes(), dst, a);
    }

    private void Arithmetic(in IrOp op, int* uses)
    {
        var operation = op.Opcode switch
        {
            IrOpcode.Add => X64Alu.Add,
            IrOpcode.Sub => X64Alu.Sub,
            IrOpcode.And => X64Alu.And,
            IrOpcode.Or => X64Alu.Or,
            _ => X64Alu.Xor,
        };
        var size = WorkingSize(op.Type);
        var a = Use(op.A, uses[0], Scratch);
        if (op.B.IsConstant)
        {
            var value = _ir.ValueOf(op.B) & op.Type.Mask();
            // A mask without upper half clears it by itself.
            if (operation == X64Alu.And && value == (uint)value)
                size = 4;
            if (size == 4 || Fits32(value))
            {
                _asm.Alu(operation, size, Replace(op, uses, a), (int)value);
            }
            else
            {
                _asm.MoveImmediate(Scratch2, value);
                _asm.Alu(operation, size, Replace(op, uses, a), Scratch2);
            }
        }
        else if (op.B.IsGlobal && uses[1] == Never && !IsInRegister(op.B))
            _asm.Alu(operation, size, Replace(op, uses, a), State, _slots[KeyOf(op.B)]);
        else
        {
            var b = Use(op.B, uses[1], Scratch2);
            _asm.Alu(operation, size, Replace(op, uses, a), b);
        }
        Narrow(op.Type, RegisterOf(op.Dst));
    }

    private X64Register RegisterOf(IrValue value) => (X64Register)_registerOf[KeyOf(value)];

    private void Multiply(in IrOp op, int* uses)
    {
        X64Register a = Use(op.A, uses[0], Scratch), b = Use(op.B, uses[1], Scratch2);
        var dst = Replace(op, uses, a);
        _asm.Multiply(WorkingSize(op.Type), dst, b);
        Narrow(op.Type, dst);
    }

    private void MultiplyHigh(in IrOp op, int* uses)
    {
        if (op.Type < IrType.I32)
            throw new NotSupportedException("mulhs and mulhu work at i32 and i64");
        X64Register a = Use(op.A, uses[0], Scratch), b = Use(op.B, uses[1], Scratch2);
        var size = WorkingSize(op.Type);
        var dst = Result(op, uses);
        if (a != Scratch)
            _asm.Move(size, Scratch, a);
        _asm.Unary(op.Opcode == IrOpcode.MulHighS ? X64Unary.Imul : X64Unary.Mul, size, b);
        _asm.Move(size, dst, Scratch3);
    }

    private void Shift(in IrOp op, int* uses)
    {
        var operation = op.Opcode switch
        {
            IrOpcode.Shl => X64Shift.Shl,
            IrOpcode.Shr => X64Shift.Shr,
            IrOpcode.Sar => X64Shift.Sar,
            IrOpcode.Rol => X64Shift.Rol,
            _ => X64Shift.Ror,
        };
        var bits = op.Type.Bits();
        // Rotating a part of a register is what the host does too; shifts need the right bits above.
        var size = operation is X64Shift.Rol or X64Shift.Ror ? op.Type.Bytes() : WorkingSize(op.Type);
        var a = Use(op.A, uses[0], Scratch);
        var b = X64Register.Rcx;
        if (!op.B.IsConstant)
            b = Use(op.B, uses[1], Scratch2);
        var dst = Replace(op, uses, a);
        if (op.Type < IrType.I32 && operation == X64Shift.Shr)
            Narrow(op.Type, dst);
        else if (op.Type < IrType.I32 && operation == X64Shift.Sar)
            _asm.MoveSignExtended(op.Type.Bytes(), dst, dst);
        if (op.B.IsConstant)
        {
            var count = (int)_ir.ValueOf(op.B) & (bits - 1);
            if (count != 0)
                _asm.Shift(operation, size, dst, count);
            else if (op.Type == IrType.I32)
                _asm.Move(4, dst, dst);
        }
        else
        {
            if (b != Scratch2)
                _asm.Move(4, Scratch2, b);
            // A shift by 0 leaves the register, upper half included, as it was.
            if (op.Type == IrType.I32)
                _asm.Move(4, dst, dst);
            _asm.ShiftByCl(operation, size, dst);
        }
        Narrow(op.Type, dst);
    }

    private void Negate(in IrOp op, int* uses)
    {
        var dst = Replace(op, uses, Use(op.A, uses[0], Scratch));
        _asm.Unary(op.Opcode == IrOpcode.Not ? X64Unary.Not : X64Unary.Neg, WorkingSize(op.Type), dst);
        Narrow(op.Type, dst);
    }

    private void SignExtend(in IrOp op, int* uses)
    {
        var a = Use(op.A, uses[0], Scratch);
        if (op.Type == IrType.I64)
        {
            Replace(op, uses, a);
            return;
        }
        _asm.MoveSignExtended(op.Type.Bytes(), Result(op, uses), a);
    }

    private void Extract(in IrOp op, int* uses)
    {
        int position = (int)(op.Imm & 0xff), length = (int)(op.Imm >> 8);
        var a = Use(op.A, uses[0], Scratch);
        if (position == 0 && length is 8 or 16 or 32)
        {
            _asm.MoveZeroExtended(length / 8, Result(op, uses), a);
            return;
        }
        var dst = Replace(op, uses, a);
        if (position != 0)
            _asm.Shift(X64Shift.Shr, 8, dst, position);
        if (position + length == 64)
            return;
        if (length is 8 or 16 or 32)
            _asm.MoveZeroExtended(length / 8, dst, dst);
        else if (length < 32)
            _asm.Alu(X64Alu.And, 4, dst, (1 << length) - 1);
        else
        {
            _asm.MoveImmediate(Scratch2, ulong.MaxValue >> (64 - length));
            _asm.Alu(X64Alu.And, 8, dst, Scratch2);
        }
    }

    private void Deposit(in IrOp op, int* uses)
    {
        int position = (int)(op.Imm & 0xff), length = (int)(op.Imm >> 8);
        if (position == 0 && length is 8 or 16)
        {
            X64Register into = Use(op.A, uses[0], Scratch), part = Use(op.B, uses[1], Scratch2);
            _asm.Move(length / 8, Replace(op, uses, into), part);
            return;
        }
        var mask = ulong.MaxValue >> (64 - length) << position;
        var a = Use(op.A, uses[0], Scratch2);
        // The part is made in RAX, so that the operands' registers stay; a constant to put it into is in RCX, and moves before RCX is used again.
        if (op.B.IsConstant)
            _asm.MoveImmediate(Scratch, _ir.ValueOf(op.B) << position & mask);
        else
        {
            _asm.Move(8, Scratch, Use(op.B, uses[1], Scratch));
            if (position != 0)
                _asm.Shift(X64Shift.Shl, 8, Scratch, position);
            AndMask(Scratch, mask);
        }
        var dst = Replace(op, uses, a);
        AndMask(dst, ~mask);
        _asm.Alu(X64Alu.Or, 8, dst, Scratch);
    }

    private void AndMask(X64Register register, ulong mask)
    {
        if (mask == (uint)mask)
            _asm.Alu(X64Alu.And, 4, register, (int)mask);
        else if (Fits32(mask))
            _asm.Alu(X64Alu.And, 8, register, (int)mask);
        else
        {
            _asm.MoveImmediate(Scratch3, mask);
            _asm.Alu(X64Alu.And, 8, register, Scratch3);
        }
    }

    private void LoadEffectiveAddress(in IrOp op, int* uses)
    {
        var size = WorkingSize(op.Type);
        IrValue a = op.A, b = op.B;
        var displacement = (ulong)op.Imm;
        if (b.IsConstant)
        {
            displacement += _ir.ValueOf(b) << op.Attr;
            b = IrValue.None;
        }
        if (a.IsConstant)
        {
            displacement += _ir.ValueOf(a);
            a = IrValue.None;
        }
        if (size == 4)
            displacement = (ulong)(int)displacement;
        var x = a.IsNone ? Scratch : Use(a, uses[0], Scratch);
        var y = b.IsNone ? Scratch2 : Use(b, uses[1], Scratch2);
        var dst = Result(op, uses);
        if (a.IsNone)
        {
            _asm.MoveImmediate(Scratch, displacement);
            if (b.IsNone)
                _asm.Move(size, dst, Scratch);
            else
                _asm.LeaIndexed(size, dst, Scratch, y, op.Attr, 0);
        }
        else if (!Fits32(displacement))
        {
            _asm.MoveImmediate(Scratch, displacement);
            _asm.Alu(X64Alu.Add, 8, Scratch, x);
            if (b.IsNone)
                _asm.Move(size, dst, Scratch);
            else
                _asm.LeaIndexed(size, dst, Scratch, y, op.Attr, 0);
        }
        else if (b.IsNone)
            _asm.Lea(size, dst, x, (int)displacement);
        else
            _asm.LeaIndexed(size, dst, x, y, op.Attr, (int)displacement);
        Narrow(op.Type, dst);
    }

    private void ByteSwap(in IrOp op, int* uses)
    {
        var dst = Replace(op, uses, Use(op.A, uses[0], Scratch));
        if (op.Type == IrType.I16)
            _asm.Shift(X64Shift.Rol, 2, dst, 8);
        else
            _asm.ByteSwap(WorkingSize(op.Type), dst);
        Narrow(op.Type, dst);
    }

    private void CountBits(in IrOp op, int* uses)
    {
        var a = Use(op.A, uses[0], Scratch);
        var dst = Result(op, uses);
        var bits = op.Type.Bits();
        if (bits < 64)
            _asm.MoveZeroExtended(bits / 8, Scratch, a);
        else if (a != Scratch)
            _asm.Move(8, Scratch, a);
        switch (op.Opcode)
        {
            case IrOpcode.PopCount:
                _asm.PopCount(8, dst, Scratch);
                break;
            case IrOpcode.CountTrailingZeros when bits < 64:
                _asm.BitSet(8, Scratch, bits);
                _asm.BitScanForward(8, dst, Scratch);
                break;
            case IrOpcode.CountTrailingZeros:
                _asm.BitScanForward(8, dst, Scratch);
                _asm.MoveImmediate(Scratch2, 64);
                _asm.MoveIf(X64Condition.Equal, 8, dst, Scratch2);
                break;
            case IrOpcode.CountLeadingZeros when bits < 64:
                // The highest set bit of 2a + 1 is one above a's.
                _asm.LeaIndexed(8, Scratch, Scratch, Scratch, 0, 1);
                _asm.BitScanReverse(8, Scratch, Scratch);
                _asm.MoveImmediate(dst, (ulong)bits);
                _asm.Alu(X64Alu.Sub, 8, dst, Scratch);
                break;
            default:
                _asm.BitScanReverse(8, Scratch, Scratch);
                _asm.MoveImmediate(Scratch2, ulong.MaxValue);
                _asm.MoveIf(X64Condition.Equal, 8, Scratch, Scratch2);
                _asm.MoveImmediate(dst, 63);
                _asm.Alu(X64Alu.Sub, 8, dst, Scratch);
                break;
        }
    }

    private void SetCondition(in IrOp op, int* uses)
    {
        var a = CompareOperands(op, uses, out var b);
        var dst = Result(op, uses);
        Compare(op, a, b);
        _asm.SetCondition(HostCondition(op.Cond), Scratch);
        _asm.MoveZeroExtended(1, dst, Scratch);
    }

    private void Select(in IrOp op, int* uses)
    {
        X64Register a = Use(op.A, uses[0], Scratch), b = Use(op.B, uses[1], Scratch2), c = Use(op.C, uses[2], Scratch3);
        var dst = Result(op, uses);
        _asm.Test(8, a, a);
        _asm.Move(8, dst, c);
        _asm.MoveIf(X64Condition.NotEqual, 8, dst, b);
        if (op.Type != IrType.I64)
            _asm.MoveZeroExtended(op.Type.Bytes(), dst, dst);
    }

    // Not a pair: the framework's tuples of our types are compiled at each start.
    private X64Register CompareOperands(in IrOp op, int* uses, out X64Register b)
    {
        var a = Use(op.A, uses[0], Scratch);
        b = Scratch2;
        if (!op.B.IsConstant)
            b = Use(op.B, uses[1], Scratch2);
        else if (op.Type == IrType.I64 && !Fits32(_ir.ValueOf(op.B)))
            _asm.MoveImmediate(Scratch2, _ir.ValueOf(op.B));
        return a;
    }

    /// <summary>Sets the host's flags; the operands are where <see cref="CompareOperands"/> put them.</summary>
    private void Compare(in IrOp op, X64Register a, X64Register b)
    {
        var size = op.Type.Bytes();
        if (!op.B.IsConstant || size == 8 && !Fits32(_ir.ValueOf(op.B)))
        {
            _asm.Alu(X64Alu.Cmp, size, a, b);
            return;
        }
        var value = (int)op.Type.Signed(_ir.ValueOf(op.B));
        if (value == 0)
            _asm.Test(size, a, a);
        else
            _asm.Alu(X64Alu.Cmp, size, a, value);
    }

    private static X64Condition HostCondition(IrCondition condition) => condition switch
    {
        IrCondition.Equal => X64Condition.Equal,
        IrCondition.NotEqual => X64Condition.NotEqual,
        IrCondition.BelowUnsigned => X64Condition.Below,
        IrCondition.NotBelowUnsigned => X64Condition.AboveOrEqual,
        IrCondition.LessSigned => X64Condition.Less,
        IrCondition.NotLessSigned => X64Condition.GreaterOrEqual,
        IrCondition.BelowOrEqualUnsigned => X64Condition.BelowOrEqual,
        IrCondition.AboveUnsigned => X64Condition.Above,
        IrCondition.LessOrEqualSigned => X64Condition.LessOrEqual,
        _ => X64Condition.Greater,
    };
}
