using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Control transfer, stack and string instructions.
public sealed unsafe partial class X86Translator
{
    private void JumpNear()
    {
        var kind = _instruction.Op0Kind;
        if (kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64)
        {
            Goto(_instruction.NearBranchTarget, 0);
            return;
        }
        var size = SizeOfOperand(0);
        var target = Clean(ReadOperand(0, size), IrTypes.OfBytes(size));
        CheckTarget(target);
        GotoPc(target);
    }

    /// <summary>A near transfer to an address that is not canonical faults at the transfer, before anything changes (SDM Vol. 2, JMP).</summary>
    private void CheckTarget(IrValue target)
    {
        if (Is64)
            Call(X86Helper.CheckCanonical, a: target);
    }

    private void JumpConditional(Condition condition)
    {
        var target = _instruction.NearBranchTarget;
        if (IsAlone)
        {
            var chosen = Temp();
            SelectTo(chosen, IrType.I64, SetCond(condition.Type, condition.Kind, condition.A, condition.B), Const(target), NextPc);
            Leave(chosen);
            return;
        }
        Emit(new IrOp
        {
            Opcode = IrOpcode.ExitIf,
            Type = condition.Type,
            Cond = condition.Kind,
            A = condition.A,
            B = condition.B,
            Attr = 0,
            Imm = (long)target,
            State = (short)_cc,
        });
        Goto(_nextPc, 1);
    }

    /// <summary>LOOP, LOOPE, LOOPNE and JCXZ: by a counter of the address size.</summary>
    private void JumpByCounter(int size, bool decrement, bool? zero)
    {
        var type = IrTypes.OfBytes(size);
        // The condition is computed before the counter changes, because it may need the flags.
        var flag = zero is { } wanted ? ConditionOf(wanted ? 4 : 5) : default;
        var holds = zero is null ? IrValue.None : SetCond(flag.Type, flag.Kind, flag.A, flag.B);
        var counter = Op(IrOpcode.Sub, type, Gpr(1), Const(decrement ? 1u : 0));
        if (decrement)
            WriteGpr(1, counter, size);
        var live = SetCond(type, decrement ? IrCondition.NotEqual : IrCondition.Equal, counter, Const(0));
        if (!holds.IsNone)
            live = Op(IrOpcode.And, IrType.I64, live, holds);
        JumpConditional(new Condition(IrType.I64, IrCondition.NotEqual, live, Const(0)));
    }

    private void CallNear()
    {
        var kind = _instruction.Op0Kind;
        if (kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64)
        {
            Push(NextPc, kind == OpKind.NearBranch16 ? 2 : kind == OpKind.NearBranch32 ? 4 : 8);
            Goto(_instruction.NearBranchTarget, 0);
            return;
        }
        var size = SizeOfOperand(0);
        var target = Clean(ReadOperand(0, size), IrTypes.OfBytes(size));
        CheckTarget(target);
        Push(NextPc, size);
        GotoPc(target);
    }

    private void ReturnNear(int size)
    {
        var target = ReadStack(size);
        CheckTarget(target);
        MoveStackPointer(size + (_instruction.OpCount > 0 ? _instruction.Immediate16 : 0));
        GotoPc(target);
    }

    private void PushInstruction()
    {
        var kind = _instruction.Op0Kind;
        int size;
        IrValue value;
        if (kind == OpKind.Register && _instruction.Op0Register.IsSegmentRegister())
        {
            size = _instruction.StackPointerIncrement == -2 ? 2 : Is64 ? 8 : 4;
            value = CallTemp(X86Helper.ReadSelector, imm: (int)SegOf(_instruction.Op0Register));
        }
        else
        {
            size = -_instruction.StackPointerIncrement;
            value = IsImmediate(kind) ? Const(_instruction.GetImmediate(0)) : ReadOperand(0, size);
        }
        Push(value, size);
    }

    private void PopInstruction()
    {
        var size = _instruction.StackPointerIncrement;
        var value = ReadStack(size);
        var kind = _instruction.Op0Kind;
        if (kind == OpKind.Register && _instruction.Op0Register.IsSegmentRegister())
        {
            LoadSegment(SegOf(_instruction.Op0Register), value, size);
            return;
        }
        if (kind == OpKind.Register)
        {
            MoveStackPointer(size);
            WriteRegister(_instruction.Op0Register, value);
            return;
        }
        // An address through RSP is computed after the pop (SDM Vol. 2, POP); the store may fault, so RSP goes back until it is done.
        var old = Copy(Gpr(4));
        if (NameIs(_instruction.MemoryBase, 4) || NameIs(_instruction.MemoryIndex, 4))
        {
            var moved = MovedStackPointer(size);
            var merged = Merge(old, moved, StackPointerSize);
            Move(Gpr(4), merged);
            var address = EffectiveAddressValue(size);
            Move(Gpr(4), old);
            Store(address, IrTypes.OfBytes(size), value);
        }
        else
            Store(EffectiveAddress(size, true), IrTypes.OfBytes(size), value);
        MoveStackPointer(size);
    }

    private static bool NameIs(Register register, int index) => register != Register.None && register is not (Register.RIP or Register.EIP) && NameOf(register).Index == index;

    private Address EffectiveAddressValue(int size)
    {
        var address = EffectiveAddress(size, true);
        return address with { Base = Copy(Whole(address)), Displacement = 0 };
    }

    private void PushAll(int size)
    {
        // All or nothing: the stack pointer moves after the last store.
        for (var i = 0; i < 8; i++)
            Store(Segmented(X86Seg.Ss, MovedStackPointer(-size * (i + 1)), 0, size, true), IrTypes.OfBytes(size), Gpr(i));
        MoveStackPointer(-size * 8);
    }

    private void PopAll(int size)
    {
        var values = new IrValue[8];
        for (var i = 0; i < 8; i++)
            values[i] = ReadStack(size, size * (7 - i));
        for (var i = 0; i < 8; i++)
            if (i != 4)
                WriteGpr(i, values[i], size);
        MoveStackPointer(size * 8);
    }

    private void EnterFrame()
    {
        var size = _instruction.Code == Code.Enterw_imm16_imm8 ? 2 : Is64 ? 8 : 4;
        int bytes = _instruction.Immediate16, level = _instruction.Immediate8_2nd & 31;
        if (level != 0 || bytes != 0)
        {
            Call(X86Helper.Enter, a: Const((ulong)bytes), imm: size | level << 8 | StackPointerSize << 16);
            return;
        }
        var frame = MovedStackPointer(-size);
        Store(Is64 ? new Address(frame, 0, (byte)(Mmu | TcgCore.StackAccess)) : Segmented(X86Seg.Ss, frame, 0, size, true), IrTypes.OfBytes(size), Gpr(5));
        MoveStackPointer(-size - bytes);
        WriteGpr(5, frame, size);
    }

    private void LeaveFrame()
    {
        var size = _instruction.Code == Code.Leavew ? 2 : Is64 ? 8 : 4;
        var frame = Clean(Gpr(5), IrTypes.OfBytes(StackPointerSize));
        var old = Load(Segmented(X86Seg.Ss, frame, 0, size, false), IrTypes.OfBytes(size));
        var moved = Temp();
        Emit(new IrOp { Opcode = IrOpcode.Lea, Type = IrTypes.OfBytes(StackPointerSize), Dst = moved, A = frame, Imm = size });
        WriteGpr(4, moved, StackPointerSize);
        WriteGpr(5, old, size);
    }

    private void PushFlags(int size)
    {
        if (IsVirtual8086)
        {
            // IOPL below 3: #GP.
            Call(X86Helper.CheckVirtual8086Iopl);
        }
        var status = ReadFlags();
        Push(CallTemp(X86Helper.ReadRflags, status), size);
    }

    private void PopFlags(int size)
    {
        var value = ReadStack(size);
        // A helper, because IOPL decides what changes; nothing faults after it.
        Call(X86Helper.CheckVirtual8086Iopl);
        MaterializeFlags();
        Call(X86Helper.PopFlags, a: value, imm: size);
        MoveStackPointer(size);
        _cc = CcOp.Flags;
        LeaveToNext();
    }

    private void LoadSegment(X86Seg seg, IrValue selector, int pop = 0)
    {
        Call(X86Helper.LoadSegment, a: selector, imm: (int)seg);
        if (pop != 0)
            MoveStackPointer(pop);
        if (seg == X86Seg.Ss)
            Call(X86Helper.ShadowInterrupts);
        // Flatness and stack width are in the block's mode; in 64-bit mode only SS's shadow counts.
        if (!Is64 || seg == X86Seg.Ss)
            LeaveToNext();
    }

    private void LoadFarPointer(X86Seg seg)
    {
        var size = SizeOfOperand(0);
        var address = EffectiveAddress(size + 2, false);
        var offset = Load(address, IrTypes.OfBytes(size));
        var selector = Load(Plus(address, size), IrType.I16);
        Call(X86Helper.LoadSegment, a: selector, imm: (int)seg);
        WriteRegister(_instruction.Op0Register, offset);
        if (seg == X86Seg.Ss)
            Call(X86Helper.ShadowInterrupts);
        if (!Is64 || seg == X86Seg.Ss)
            LeaveToNext();
    }

    private void FarTransfer(bool call)
    {
        IrValue selector, offset;
        int size;
        if (_instruction.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32)
        {
            size = _instruction.Op0Kind == OpKind.FarBranch16 ? 2 : 4;
            selector = Const(_instruction.FarBranchSelector);
            offset = Const(size == 2 ? _instruction.FarBranch16 : _instruction.FarBranch32);
        }
        else
        {
            size = _instruction.MemorySize switch { MemorySize.SegPtr16 => 2, MemorySize.SegPtr32 => 4, _ => 8 };
            var address = EffectiveAddress(size + 2, false);
            offset = Load(address, IrTypes.OfBytes(size));
            selector = Load(Plus(address, size), IrType.I16);
        }
        Call(call ? X86Helper.FarCall : X86Helper.FarJump, a: selector, b: offset, c: NextPc, imm: size);
        Leave();
    }

    private void FarReturn()
    {
        var size = _instruction.Code switch { Code.Retfw or Code.Retfw_imm16 => 2, Code.Retfd or Code.Retfd_imm16 => 4, _ => 8 };
        Call(X86Helper.FarReturn, imm: size | (_instruction.OpCount > 0 ? _instruction.Immediate16 << 8 : 0));
        Leave();
    }

    private void InterruptReturn()
    {
        SyncFlags();
        Call(X86Helper.InterruptReturn, a: NextPc, imm: _instruction.Mnemonic switch { Mnemonic.Iret => 2, Mnemonic.Iretd => 4, _ => 8 });
        _cc = CcOp.Dynamic;
        Leave();
    }

    /// <summary>Puts what the flags follow from into the state, for helpers that read or replace all of RFLAGS.</summary>
    private void SyncFlags()
    {
        if (_cc != CcOp.Dynamic)
            Move(X86Globals.CcOp, Const((ulong)_cc));
        _cc = CcOp.Dynamic;
        SetMarkState(IrOp.NoState);
    }

    private void SoftwareInterrupt(int vector, EventSource source)
    {
        Call(X86Helper.SoftwareInterrupt, a: NextPc, imm: vector | (int)source << 8);
        Leave(Const(_pc));
    }

    private void String(StringOp op)
    {
        var size = op switch
        {
            _ when _instruction.MemorySize != MemorySize.Unknown => _instruction.MemorySize.GetSize(),
            _ => 1,
        };
        Register sourceSegment = Register.DS;
        var addressSize = 0;
        for (var i = 0; i < _instruction.OpCount; i++)
        {
            switch (_instruction.GetOpKind(i))
            {
                case OpKind.MemorySegSI or OpKind.MemorySegESI or OpKind.MemorySegRSI:
                    sourceSegment = MemorySegment;
                    addressSize = _instruction.GetOpKind(i) switch { OpKind.MemorySegSI => 2, OpKind.MemorySegESI => 4, _ => 8 };
                    break;
                case OpKind.MemoryESDI or OpKind.MemoryESEDI or OpKind.MemoryESRDI:
                    addressSize = _instruction.GetOpKind(i) switch { OpKind.MemoryESDI => 2, OpKind.MemoryESEDI => 4, _ => 8 };
                    break;
            }
        }
        var repeat = _instruction.HasRepnePrefix ? 2 : _instruction.HasRepPrefix ? 1 : 0;
        var imm = (int)op | int.TrailingZeroCount(size) << 8 | addressSize << 12 | repeat << 16 | (int)SegOf(sourceSegment) << 20 | (IsAlone ? 1 << 24 : 0);
        if (op is StringOp.Compare or StringOp.Scan)
        {
            // The helper leaves operands of a comparison; without an iteration the flags stay.
            SyncFlags();
            Call(X86Helper.String, imm: imm);
        }
        else
            Call(X86Helper.String, imm: imm);
        if (repeat != 0 || op is StringOp.In or StringOp.Out)
            LeaveToNext();
    }
}
