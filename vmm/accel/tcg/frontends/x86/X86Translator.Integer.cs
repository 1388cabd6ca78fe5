using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// General-purpose instructions (SDM Vol. 1, 5.1): arithmetic, logic, moves, shifts, bits.
public sealed unsafe partial class X86Translator
{
    private enum Alu
    {
        Add,
        Or,
        Adc,
        Sbb,
        And,
        Sub,
        Xor,
        Cmp,
    }

    private bool IsMemory(int operand) => _instruction.GetOpKind(operand) == OpKind.Memory;

    private IrValue Copy(IrValue value)
    {
        var dst = Temp();
        Move(dst, value);
        return dst;
    }

    private void Arithmetic(Alu alu)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var carry = alu is Alu.Adc or Alu.Sbb ? ReadCarry() : IrValue.None;
        if (!IsMemory(0))
        {
            var b = ReadOperand(1, size);
            var register = _instruction.Op0Register;
            var a = ReadRegister(register);
            // Straight into the register where its whole width is written.
            var whole = size >= 4;
            var result = alu == Alu.Cmp ? IrValue.None : whole ? Gpr(NameOf(register).Index) : Temp();
            Compute(alu, type, a, b, carry, result);
            if (alu != Alu.Cmp && !whole)
                WriteRegister(register, result);
            return;
        }
        var source = ReadOperand(1, size);
        var address = EffectiveAddress(size, alu != Alu.Cmp);
        if (_instruction.HasLockPrefix)
        {
            var operand = source;
            if (alu is Alu.Adc or Alu.Sbb)
                operand = Op(IrOpcode.Add, type, source, carry);
            var kind = alu switch
            {
                Alu.Add or Alu.Adc => AtomicOp.Add,
                Alu.Sub or Alu.Sbb => AtomicOp.Sub,
                Alu.Or => AtomicOp.Or,
                Alu.And => AtomicOp.And,
                _ => AtomicOp.Xor,
            };
            var old = Atomic(kind, address, size, operand);
            Compute(alu, type, old, source, carry, Temp());
            return;
        }
        var value = Load(address, type);
        if (alu == Alu.Cmp)
        {
            Compute(alu, type, value, source, carry, IrValue.None);
            return;
        }
        // The store may fault: the flags change only after it.
        var stored = Temp();
        ComputeValue(alu, type, value, source, carry, stored);
        Store(address, type, stored);
        FlagsOf(alu, type, value, source, carry, stored);
    }

    private void Compute(Alu alu, IrType type, IrValue a, IrValue b, IrValue carry, IrValue result)
    {
        switch (alu)
        {
            case Alu.Cmp or Alu.Sub:
                FlagsOf(Alu.Cmp, type, a, b, carry, result);
                if (alu == Alu.Sub)
                    OpTo(result, IrOpcode.Sub, type, X86Globals.CcDst, X86Globals.CcSrc);
                break;
            case Alu.Sbb:
                FlagsOf(alu, type, a, b, carry, result);
                OpTo(result, IrOpcode.Sub, type, Op(IrOpcode.Sub, type, X86Globals.CcDst, X86Globals.CcSrc), X86Globals.CcSrc2);
                break;
            case Alu.Add or Alu.Adc:
                // The operand may be the register that the result goes to.
                Move(X86Globals.CcSrc, b);
                ComputeValue(alu, type, a, X86Globals.CcSrc, carry, result);
                FlagsOf(alu, type, a, X86Globals.CcSrc, carry, result);
                break;
            default:
                ComputeValue(alu, type, a, b, carry, result);
                FlagsOf(alu, type, a, b, carry, result);
                break;
        }
    }

    private void ComputeValue(Alu alu, IrType type, IrValue a, IrValue b, IrValue carry, IrValue result)
    {
        switch (alu)
        {
            case Alu.Adc:
                OpTo(result, IrOpcode.Add, type, Op(IrOpcode.Add, type, a, b), carry);
                break;
            case Alu.Sbb:
                OpTo(result, IrOpcode.Sub, type, Op(IrOpcode.Sub, type, a, b), carry);
                break;
            default:
                var opcode = alu switch { Alu.Add => IrOpcode.Add, Alu.Or => IrOpcode.Or, Alu.And => IrOpcode.And, Alu.Sub => IrOpcode.Sub, _ => IrOpcode.Xor };
                OpTo(result, opcode, type, a, b);
                break;
        }
    }

    private void FlagsOf(Alu alu, IrType type, IrValue a, IrValue b, IrValue carry, IrValue result)
    {
        switch (alu)
        {
            case Alu.Add:
                SetFlags(CcOp.Add, type, result, b);
                break;
            case Alu.Adc:
                SetFlags(CcOp.Adc, type, result, b, carry);
                break;
            case Alu.Cmp or Alu.Sub:
                SetFlags(CcOp.Sub, type, a, b);
                break;
            case Alu.Sbb:
                SetFlags(CcOp.Sbb, type, a, b, carry);
                break;
            default:
                SetFlags(CcOp.Logic, type, result);
                break;
        }
    }

    private IrValue Atomic(AtomicOp op, in Address address, int size, IrValue value) =>
        CallTemp(X86Helper.Atomic, Whole(address), value, imm: (int)op | size << 8 | address.Attributes << 16);

    private void Test()
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        IrValue a = ReadOperand(0, size), b = ReadOperand(1, size);
        OpTo(X86Globals.CcDst, IrOpcode.And, type, a, b);
        SetFlags(CcOp.Logic, type, X86Globals.CcDst);
    }

    private void IncrementDecrement(bool increment)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var carry = ReadCarry();
        IrValue result;
        if (!IsMemory(0))
        {
            var register = _instruction.Op0Register;
            result = size >= 4 ? Gpr(NameOf(register).Index) : Temp();
            OpTo(result, increment ? IrOpcode.Add : IrOpcode.Sub, type, ReadRegister(register), Const(1));
            if (size < 4)
                WriteRegister(register, result);
        }
        else
        {
            var address = EffectiveAddress(size, true);
            if (_instruction.HasLockPrefix)
                result = Op(increment ? IrOpcode.Add : IrOpcode.Sub, type, Atomic(increment ? AtomicOp.Add : AtomicOp.Sub, address, size, Const(1)), Const(1));
            else
            {
                result = Op(increment ? IrOpcode.Add : IrOpcode.Sub, type, Load(address, type), Const(1));
                Store(address, type, result);
            }
        }
        SetFlags(increment ? CcOp.Inc : CcOp.Dec, type, result, carry);
    }

    private void Negate()
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        if (!IsMemory(0))
        {
            var old = Copy(ReadRegister(_instruction.Op0Register));
            WriteRegister(_instruction.Op0Register, Unary(IrOpcode.Neg, type, old));
            SetFlags(CcOp.Sub, type, Const(0), old);
            return;
        }
        var address = EffectiveAddress(size, true);
        IrValue value;
        if (_instruction.HasLockPrefix)
            value = Atomic(AtomicOp.Neg, address, size, Const(0));
        else
        {
            value = Load(address, type);
            Store(address, type, Unary(IrOpcode.Neg, type, value));
        }
        SetFlags(CcOp.Sub, type, Const(0), value);
    }

    private void Complement()
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        if (!IsMemory(0))
        {
            WriteRegister(_instruction.Op0Register, Unary(IrOpcode.Not, type, ReadRegister(_instruction.Op0Register)));
            return;
        }
        var address = EffectiveAddress(size, true);
        if (_instruction.HasLockPrefix)
            Atomic(AtomicOp.Xor, address, size, Const(ulong.MaxValue));
        else
            Store(address, type, Unary(IrOpcode.Not, type, Load(address, type)));
    }

    private void MoveOperands()
    {
        var size = SizeOfOperand(0);
        if (!IsMemory(0) && IsMemory(1) && size >= 4)
        {
            LoadTo(Gpr(NameOf(_instruction.Op0Register).Index), EffectiveAddress(size, false), IrTypes.OfBytes(size), false);
            return;
        }
        WriteOperand(0, ReadOperand(1, size), size);
    }

    private void MoveExtended(bool signed)
    {
        int size = SizeOfOperand(0), from = SizeOfOperand(1);
        var type = IrTypes.OfBytes(from);
        if (from == size)
            MoveOperands();
        else if (IsMemory(1))
        {
            var value = Temp();
            LoadTo(value, EffectiveAddress(from, false), type, signed);
            WriteRegister(_instruction.Op0Register, value);
        }
        else
        {
            var value = ReadRegister(_instruction.Op1Register);
            WriteRegister(_instruction.Op0Register, signed ? Unary(IrOpcode.SignExtend, type, value) : Clean(value, type));
        }
    }

    private void LoadEffectiveAddressInstruction()
    {
        var (value, displacement) = Offset();
        WriteRegister(_instruction.Op0Register, Whole(new Address(value, displacement, 0)));
    }

    private void Exchange()
    {
        var size = SizeOfOperand(0);
        var memory = IsMemory(0) ? 0 : IsMemory(1) ? 1 : -1;
        if (memory < 0)
        {
            var a = Copy(ReadRegister(_instruction.Op0Register));
            var b = Copy(ReadRegister(_instruction.Op1Register));
            WriteRegister(_instruction.Op0Register, b);
            WriteRegister(_instruction.Op1Register, a);
            return;
        }
        // XCHG with memory is locked whether it says so or not.
        var register = _instruction.GetOpRegister(1 - memory);
        var old = Atomic(AtomicOp.Exchange, EffectiveAddress(size, true), size, ReadRegister(register));
        WriteRegister(register, old);
    }

    private void ExchangeAdd()
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var source = Copy(ReadRegister(_instruction.Op1Register));
        IrValue old, sum;
        if (IsMemory(0))
        {
            var address = EffectiveAddress(size, true);
            if (_instruction.HasLockPrefix)
            {
                old = Atomic(AtomicOp.Add, address, size, source);
                sum = Op(IrOpcode.Add, type, old, source);
            }
            else
            {
                old = Load(address, type);
                sum = Op(IrOpcode.Add, type, old, source);
                Store(address, type, sum);
            }
            WriteRegister(_instruction.Op1Register, old);
        }
        else
        {
            old = Copy(ReadRegister(_instruction.Op0Register));
            sum = Op(IrOpcode.Add, type, old, source);
            WriteRegister(_instruction.Op1Register, old);
            WriteRegister(_instruction.Op0Register, sum);
        }
        SetFlags(CcOp.Add, type, sum, source);
    }

    private void CompareExchange()
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var replacement = ReadRegister(_instruction.Op1Register);
        var accumulator = Copy(Gpr(0));
        IrValue old;
        if (IsMemory(0))
        {
            var address = EffectiveAddress(size, true);
            old = CallTemp(X86Helper.CompareExchange, Whole(address), accumulator, replacement, size << 8 | address.Attributes << 16);
            // On success the accumulator is rewritten with itself, but a 32-bit one must keep its upper half.
            var equal = SetCond(type, IrCondition.Equal, old, accumulator);
            var merged = Merge(accumulator, old, size);
            SelectTo(Gpr(0), IrType.I64, equal, accumulator, merged);
        }
        else
        {
            old = Copy(ReadRegister(_instruction.Op0Register));
            var equal = SetCond(type, IrCondition.Equal, old, accumulator);
            var name = NameOf(_instruction.Op0Register);
            var newValue = Copy(replacement);
            SelectTo(Gpr(0), IrType.I64, equal, Gpr(0), Merge(accumulator, old, size));
            // After RAX, so that a destination of RAX itself gets what CMPXCHG stores there. A destination that is not exchanged keeps its upper
            // half too, as CPUs have it.
            var gpr = Gpr(name.Index);
            var written = name.High ? Temp() : Merge(gpr, newValue, size);
            if (name.High)
                Emit(new IrOp { Opcode = IrOpcode.Deposit, Type = IrType.I64, Dst = written, A = gpr, B = newValue, Imm = 8 | 8 << 8 });
            SelectTo(gpr, IrType.I64, equal, written, gpr);
        }
        SetFlags(CcOp.Sub, type, accumulator, old);
    }

    /// <summary>A register's old whole value with its low bytes replaced, as a write of that size does.</summary>
    private IrValue Merge(IrValue whole, IrValue low, int size)
    {
        if (size >= 4)
            return Clean(low, IrTypes.OfBytes(size));
        var dst = Temp();
        Emit(new IrOp { Opcode = IrOpcode.Deposit, Type = IrType.I64, Dst = dst, A = whole, B = low, Imm = size * 8 << 8 });
        return dst;
    }

    private void Multiply(bool signed)
    {
        // MUL and IMUL with one operand: AX, DX:AX, EDX:EAX or RDX:RAX.
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var extend = signed ? IrOpcode.SignExtend : IrOpcode.Mov;
        var b = ReadOperand(0, size);
        if (size == 8)
        {
            var source = Copy(b);
            var high = Op(signed ? IrOpcode.MulHighS : IrOpcode.MulHighU, IrType.I64, Gpr(0), source);
            OpTo(Gpr(0), IrOpcode.Mul, IrType.I64, Gpr(0), source);
            Move(Gpr(2), high);
            var lost = signed ? Op(IrOpcode.Sub, IrType.I64, high, Op(IrOpcode.Sar, IrType.I64, Gpr(0), Const(63))) : high;
            SetFlags(CcOp.Mul, type, Gpr(0), lost);
            return;
        }
        var product = Op(IrOpcode.Mul, IrType.I64, Unary(extend, type, b), Unary(extend, type, Gpr(0)));
        if (size == 1)
            WriteRegister(Register.AX, product);
        else
        {
            WriteGpr(0, product, size);
            WriteGpr(2, Op(IrOpcode.Shr, IrType.I64, product, Const((ulong)size * 8)), size);
        }
        SetFlags(CcOp.Mul, type, product, Op(IrOpcode.Sub, IrType.I64, product, Unary(extend, type, product)));
    }

    private void MultiplySigned()
    {
        if (_instruction.OpCount == 1)
        {
            Multiply(true);
            return;
        }
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var two = _instruction.OpCount == 2;
        IrValue a = ReadOperand(two ? 0 : 1, size), b = ReadOperand(two ? 1 : 2, size);
        if (size == 8)
        {
            var high = Op(IrOpcode.MulHighS, IrType.I64, a, b);
            var low = Op(IrOpcode.Mul, IrType.I64, a, b);
            WriteRegister(_instruction.Op0Register, low);
            SetFlags(CcOp.Mul, type, low, Op(IrOpcode.Sub, IrType.I64, high, Op(IrOpcode.Sar, IrType.I64, low, Const(63))));
            return;
        }
        var product = Op(IrOpcode.Mul, IrType.I64, Unary(IrOpcode.SignExtend, type, a), Unary(IrOpcode.SignExtend, type, b));
        WriteRegister(_instruction.Op0Register, product);
        SetFlags(CcOp.Mul, type, product, Op(IrOpcode.Sub, IrType.I64, product, Unary(IrOpcode.SignExtend, type, product)));
    }

    private void Divide(bool signed)
    {
        var size = SizeOfOperand(0);
        Call(X86Helper.Divide, a: ReadOperand(0, size), imm: size | (signed ? 0x100 : 0));
    }

    private void Shift(IrOpcode opcode)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var countMask = size == 8 ? 63u : 31;
        var rotate = opcode is IrOpcode.Rol or IrOpcode.Ror;
        var fixedCount = _instruction.GetOpKind(1) != OpKind.Register;
        var count = fixedCount ? (uint)_instruction.GetImmediate(1) & countMask : 0;
        var address = IsMemory(0) ? EffectiveAddress(size, true) : default;
        if (fixedCount && count == 0)
        {
            // Flags stay; a register of 32 bits still clears its upper half, memory is still written.
            var same = IsMemory(0) ? Load(address, type) : ReadRegister(_instruction.Op0Register);
            WriteBack(address, same, type);
            return;
        }
        var value = IsMemory(0) ? Load(address, type) : Copy(ReadRegister(_instruction.Op0Register));
        if (rotate)
        {
            var by = fixedCount ? Const(count) : Op(IrOpcode.And, IrType.I64, Gpr(1), Const(countMask));
            var rotated = Op(opcode, type, value, Op(IrOpcode.And, IrType.I64, by, Const((uint)type.Bits() - 1)));
            WriteBack(address, rotated, type);
            var flags = MaterializeFlags();
            Call(X86Helper.RotateFlags, X86Globals.CcDst, rotated, flags, by, size | (opcode == IrOpcode.Ror ? 0x100 : 0));
            return;
        }
        if (opcode == IrOpcode.Sar)
            value = Unary(IrOpcode.SignExtend, type, value);
        else if (opcode == IrOpcode.Shr)
            value = Clean(value, type);
        var kind = opcode == IrOpcode.Shl ? CcOp.Shl : CcOp.Shr;
        // At 64 bits, because 8 and 16-bit operands shift by up to 31.
        if (fixedCount)
        {
            var before = count == 1 ? value : Op(opcode, IrType.I64, value, Const(count - 1));
            var result = Op(opcode, IrType.I64, before, Const(1));
            WriteBack(address, result, type);
            SetFlags(kind, type, result, before);
            return;
        }
        var amount = Op(IrOpcode.And, IrType.I64, Gpr(1), Const(countMask));
        var shifted = Op(opcode, IrType.I64, value, amount);
        var previous = Op(opcode, IrType.I64, value, Op(IrOpcode.And, IrType.I64, Op(IrOpcode.Sub, IrType.I64, amount, Const(1)), Const(63)));
        WriteBack(address, shifted, type);
        // A count of 0 leaves the flags as they are: what they follow from is known at run time only.
        if (_cc != CcOp.Dynamic)
            Move(X86Globals.CcOp, Const((ulong)_cc));
        SelectTo(X86Globals.CcDst, IrType.I64, amount, shifted, X86Globals.CcDst);
        SelectTo(X86Globals.CcSrc, IrType.I64, amount, previous, X86Globals.CcSrc);
        SelectTo(X86Globals.CcOp, IrType.I64, amount, Const((ulong)(kind + (int)type)), X86Globals.CcOp);
        _cc = CcOp.Dynamic;
    }

    private void WriteBack(in Address address, IrValue value, IrType type)
    {
        if (IsMemory(0))
            Store(address, type, value);
        else
            WriteRegister(_instruction.Op0Register, value);
    }

    private void RotateThroughCarry(bool right)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var address = IsMemory(0) ? EffectiveAddress(size, true) : default;
        var value = IsMemory(0) ? Load(address, type) : ReadRegister(_instruction.Op0Register);
        var count = ReadOperand(1, 1);
        var flags = Copy(ReadFlags());
        var imm = size | (right ? 0x100 : 0);
        var result = CallTemp(X86Helper.RotateCarry, value, flags, count, imm);
        var newFlags = CallTemp(X86Helper.RotateCarryFlags, value, flags, count, imm);
        WriteBack(address, result, type);
        SetFlags(CcOp.Flags, IrType.I64, newFlags);
    }

    private void DoubleShift(bool right)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var address = IsMemory(0) ? EffectiveAddress(size, true) : default;
        var value = IsMemory(0) ? Load(address, type) : Copy(ReadRegister(_instruction.Op0Register));
        var source = Copy(ReadRegister(_instruction.Op1Register));
        var count = ReadOperand(2, 1);
        var imm = size | (right ? 0x100 : 0);
        var result = CallTemp(X86Helper.DoubleShift, value, source, count, imm);
        var carry = CallTemp(X86Helper.DoubleShiftCarry, value, source, count, imm);
        var flags = Copy(ReadFlags());
        WriteBack(address, result, type);
        var amount = Op(IrOpcode.And, IrType.I64, count, Const(size == 8 ? 63u : 31));
        // Before: CF in bit 0, the operand's sign in bit 1.
        var computed = CallTemp(X86Helper.DoubleShiftFlags, result, carry, imm: size);
        var merged = Temp();
        SelectTo(merged, IrType.I64, amount, computed, flags);
        SetFlags(CcOp.Flags, IrType.I64, merged);
    }

    private enum BitOp
    {
        Test,
        Set,
        Reset,
        Complement,
    }

    private void BitTest(BitOp op)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var immediate = _instruction.GetOpKind(1) != OpKind.Register;
        var index = immediate ? Const(_instruction.GetImmediate(1) & (uint)(size * 8 - 1)) : Copy(ReadRegister(_instruction.Op1Register));
        var bit = Op(IrOpcode.And, IrType.I64, index, Const((uint)size * 8 - 1));
        var mask = Op(IrOpcode.Shl, IrType.I64, Const(1), bit);
        IrValue value;
        if (!IsMemory(0))
        {
            value = Copy(ReadRegister(_instruction.Op0Register));
            if (op != BitOp.Test)
                WriteRegister(_instruction.Op0Register, Changed(op, value, mask));
        }
        else
        {
            var (offset, displacement) = Offset();
            if (!immediate)
            {
                // The register's index reaches beyond the operand, in both directions.
                var signed = size == 8 ? index : Unary(IrOpcode.SignExtend, type, index);
                var words = Op(IrOpcode.Sar, IrType.I64, signed, Const((ulong)(3 + (int)type)));
                var moved = Temp();
                Emit(new IrOp { Opcode = IrOpcode.Lea, Type = IrTypes.OfBytes(AddressSize()), Dst = moved, A = offset, B = words, Attr = (byte)type, Imm = displacement });
                (offset, displacement) = (moved, 0);
            }
            var address = Segmented(SegOf(MemorySegment), offset, displacement, size, op != BitOp.Test);
            if (_instruction.HasLockPrefix && op != BitOp.Test)
            {
                value = op switch
                {
                    BitOp.Set => Atomic(AtomicOp.Or, address, size, mask),
                    BitOp.Reset => Atomic(AtomicOp.And, address, size, Unary(IrOpcode.Not, IrType.I64, mask)),
                    _ => Atomic(AtomicOp.Xor, address, size, mask),
                };
            }
            else
            {
                value = Load(address, type);
                if (op != BitOp.Test)
                    Store(address, type, Changed(op, value, mask));
            }
        }
        // ZF is unaffected, the others are undefined: all but CF stay.
        ReplaceFlags(CcOp.CF, Op(IrOpcode.And, IrType.I64, Op(IrOpcode.Shr, IrType.I64, Clean(value, type), bit), Const(1)));
    }

    private IrValue Changed(BitOp op, IrValue value, IrValue mask) => op switch
    {
        BitOp.Set => Op(IrOpcode.Or, IrType.I64, value, mask),
        BitOp.Reset => Op(IrOpcode.And, IrType.I64, value, Unary(IrOpcode.Not, IrType.I64, mask)),
        _ => Op(IrOpcode.Xor, IrType.I64, value, mask),
    };

    private void BitScan(bool reverse)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var source = Copy(ReadOperand(1, size));
        var found = reverse
            ? Op(IrOpcode.Sub, IrType.I64, Const((uint)size * 8 - 1), Unary(IrOpcode.CountLeadingZeros, type, source))
            : Unary(IrOpcode.CountTrailingZeros, type, source);
        // With a source of 0 the destination stays, upper half included, on every CPU there is.
        var name = NameOf(_instruction.Op0Register);
        SelectTo(Gpr(name.Index), IrType.I64, Clean(source, type), Merge(Gpr(name.Index), found, size), Gpr(name.Index));
        SetFlags(CcOp.Logic, type, source);
    }

    private void CountZeros(bool leading)
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var source = Copy(ReadOperand(1, size));
        var count = Unary(leading ? IrOpcode.CountLeadingZeros : IrOpcode.CountTrailingZeros, type, source);
        WriteRegister(_instruction.Op0Register, count);
        // CF: the source was 0; ZF: the result is.
        var flags = Op(IrOpcode.Or, IrType.I64,
            SetCond(type, IrCondition.Equal, source, Const(0)),
            Op(IrOpcode.Shl, IrType.I64, SetCond(IrType.I64, IrCondition.Equal, count, Const(0)), Const(6)));
        SetFlags(CcOp.Flags, IrType.I64, flags);
    }

    private void PopulationCount()
    {
        var size = SizeOfOperand(0);
        var type = IrTypes.OfBytes(size);
        var source = Copy(ReadOperand(1, size));
        WriteRegister(_instruction.Op0Register, Unary(IrOpcode.PopCount, type, source));
        SetFlags(CcOp.Flags, IrType.I64, Op(IrOpcode.Shl, IrType.I64, SetCond(type, IrCondition.Equal, source, Const(0)), Const(6)));
    }

    private void ByteSwap()
    {
        var name = NameOf(_instruction.Op0Register);
        // BSWAP of 16 bits is undefined; CPUs clear the register.
        if (name.Size == 2)
            WriteRegister(_instruction.Op0Register, Const(0));
        else
            OpTo(Gpr(name.Index), IrOpcode.ByteSwap, IrTypes.OfBytes(name.Size), Gpr(name.Index), IrValue.None);
    }

    private void MoveSwapped()
    {
        if (!_core.Model.Has(X86Feature.Movbe))
        {
            Undefined();
            return;
        }
        var size = SizeOfOperand(0);
        WriteOperand(0, Unary(IrOpcode.ByteSwap, IrTypes.OfBytes(size), ReadOperand(1, size)), size);
    }

    private void ConditionalMove()
    {
        var size = SizeOfOperand(0);
        // The source is read whether it is used or not.
        var source = Copy(ReadOperand(1, size));
        var condition = ConditionOf((int)_instruction.ConditionCode - 1);
        var chosen = Temp();
        var taken = SetCond(condition.Type, condition.Kind, condition.A, condition.B);
        SelectTo(chosen, IrType.I64, taken, source, ReadRegister(_instruction.Op0Register));
        WriteRegister(_instruction.Op0Register, chosen);
    }

    private void SetByte()
    {
        var condition = ConditionOf((int)_instruction.ConditionCode - 1);
        WriteOperand(0, SetCond(condition.Type, condition.Kind, condition.A, condition.B), 1);
    }

    private void SignExtendAccumulator(int from)
    {
        var type = IrTypes.OfBytes(from);
        WriteGpr(0, Unary(IrOpcode.SignExtend, type, Gpr(0)), from * 2);
    }

    private void SignIntoDx(int size) =>
        WriteGpr(2, Op(IrOpcode.Sar, IrType.I64, Unary(IrOpcode.SignExtend, IrTypes.OfBytes(size), Gpr(0)), Const(63)), size);

    /// <summary>DAA and its kin: a helper works on AL, AH and the flags.</summary>
    private void Decimal(DecimalOp op, int imm = 0)
    {
        MaterializeFlags();
        Call(X86Helper.Decimal, a: Const((ulong)imm), imm: (int)op);
    }
}
