using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// SSE to SSE3 (SDM Vol. 1, chapters 10-12): operands are fetched here, the helpers work on the registers in place.
public sealed unsafe partial class X86Translator
{
    /// <summary>Number of <see cref="X86CpuState.VectorScratch"/> among the vector registers.</summary>
    private const int Scratch = X86Core.ScratchVector;

    private bool TranslateSse(Mnemonic mnemonic)
    {
        if (_instruction.Encoding != EncodingKind.Legacy)
            return false;
        switch (mnemonic)
        {
            case Mnemonic.Fxsave or Mnemonic.Fxsave64 or Mnemonic.Fxrstor or Mnemonic.Fxrstor64:
                if (!FpuAvailable(false))
                    return true;
                Call(mnemonic is Mnemonic.Fxsave or Mnemonic.Fxsave64 ? X86Helper.SaveFpu : X86Helper.RestoreFpu,
                    a: Whole(EffectiveAddress(512, mnemonic is Mnemonic.Fxsave or Mnemonic.Fxsave64)),
                    imm: (mnemonic is Mnemonic.Fxsave64 or Mnemonic.Fxrstor64 ? 1 : 0) | (Is64 ? 2 : 0));
                return true;
            case Mnemonic.Ldmxcsr:
                if (SseAvailable())
                    Call(X86Helper.LoadMxcsr, a: Load(EffectiveAddress(4, false), IrType.I32));
                return true;
            case Mnemonic.Stmxcsr:
                if (SseAvailable())
                    Store(EffectiveAddress(4, true), IrType.I32, CallTemp(X86Helper.ReadMxcsr));
                return true;
            case Mnemonic.Movnti:
                MoveOperands();
                return true;
        }
        if (UsesMmx() || !UsesVectors() && mnemonic is not (Mnemonic.Cvtss2si or Mnemonic.Cvtsd2si or Mnemonic.Cvttss2si or Mnemonic.Cvttsd2si))
            return false;
        if (!X86Core.ImplementsSse(mnemonic))
            return false;
        if (!AllAdvertised())
        {
            Undefined();
            return true;
        }
        if (!SseAvailable())
            return true;
        SseInstruction(mnemonic);
        return true;
    }

    private bool UsesVectors()
    {
        for (var i = 0; i < _instruction.OpCount; i++)
            if (_instruction.GetOpKind(i) == OpKind.Register && _instruction.GetOpRegister(i).IsXMM())
                return true;
        return false;
    }

    private bool UsesMmx()
    {
        for (var i = 0; i < _instruction.OpCount; i++)
            if (_instruction.GetOpKind(i) == OpKind.Register && _instruction.GetOpRegister(i).IsMM())
                return true;
        return false;
    }

    /// <summary>#UD or #NM where the control registers say so (SDM Vol. 3A, 13.1); false: the block has ended.</summary>
    private bool SseAvailable()
    {
        if ((_mode & Mode.Emulation) != 0 || (_mode & Mode.OsFxsr) == 0)
            Undefined();
        else if ((_mode & Mode.TaskSwitched) != 0)
            RaiseHere(Vector.NM);
        else
            return true;
        return false;
    }

    /// <summary>#NM for x87, MMX (#UD when emulated) and FXSAVE; false: the block has ended.</summary>
    private bool FpuAvailable(bool mmx)
    {
        if (mmx && (_mode & Mode.Emulation) != 0)
            Undefined();
        else if ((_mode & (Mode.Emulation | Mode.TaskSwitched)) != 0)
            RaiseHere(Vector.NM);
        else
            return true;
        return false;
    }

    private static int VectorIndex(Register register) => register - Register.XMM0;

    private void SseInstruction(Mnemonic mnemonic)
    {
        switch (mnemonic)
        {
            case Mnemonic.Movaps or Mnemonic.Movapd or Mnemonic.Movdqa or Mnemonic.Movntdq or Mnemonic.Movntps or Mnemonic.Movntpd when IsMemory(0) || IsMemory(1):
                MoveVector(16, true);
                return;
            case Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqu or Mnemonic.Lddqu when IsMemory(0) || IsMemory(1):
                MoveVector(16, false);
                return;
            case Mnemonic.Movss when IsMemory(0) || IsMemory(1):
                MoveVector(4, false);
                return;
            case Mnemonic.Movsd or Mnemonic.Movq when IsMemory(0) || IsMemory(1):
                MoveVector(8, false);
                return;
            case Mnemonic.Movd when IsMemory(0) || IsMemory(1):
                MoveVector(4, false);
                return;
            case Mnemonic.Movlps or Mnemonic.Movlpd when IsMemory(0):
                StoreVector(_instruction.Op1Register, 8, false, false);
                return;
            case Mnemonic.Movhps or Mnemonic.Movhpd when IsMemory(0):
                StoreVector(_instruction.Op1Register, 8, false, true);
                return;
        }
        var destination = _instruction.Op0Register;
        // From or to a general register.
        if (_instruction.Op0Kind == OpKind.Register && destination.IsGPR())
        {
            var source = VectorSource(1, _instruction.MemorySize.GetSize());
            WriteRegister(destination, CallTemp(X86Helper.SseToGpr, Const((ulong)(source | NameSize(destination) << 8)), LastImmediate(), imm: (int)mnemonic));
            return;
        }
        if (_instruction.OpCount > 1 && (_instruction.GetOpKind(1) == OpKind.Register && _instruction.Op1Register.IsGPR()
            || mnemonic is Mnemonic.Pinsrw or Mnemonic.Cvtsi2ss or Mnemonic.Cvtsi2sd))
        {
            var size = mnemonic == Mnemonic.Pinsrw ? 2 : SizeOfOperand(1);
            Call(X86Helper.SseFromGpr, a: Const((ulong)(VectorIndex(destination) | size << 8)), b: ReadOperand(1, size), c: LastImmediate(), imm: (int)mnemonic);
            return;
        }
        if (mnemonic is Mnemonic.Ucomiss or Mnemonic.Ucomisd or Mnemonic.Comiss or Mnemonic.Comisd)
        {
            var compared = VectorSource(1, _instruction.MemorySize.GetSize());
            var compareFlags = CallTemp(X86Helper.SseFlags, Const((ulong)(VectorIndex(destination) | compared << 8)), imm: (int)mnemonic);
            SetFlags(CcOp.Flags, IrType.I64, compareFlags);
            return;
        }
        if (mnemonic == Mnemonic.Maskmovdqu)
        {
            var address = Segmented(SegOf(MemorySegment), Clean(Gpr(7), IrTypes.OfBytes(_instruction.Op0Kind == OpKind.MemorySegDI ? 2 : _instruction.Op0Kind == OpKind.MemorySegEDI ? 4 : 8)), 0, 16, true);
            Call(X86Helper.StoreVector, a: Whole(address), imm: VectorIndex(_instruction.Op1Register) | VectorIndex(_instruction.Op2Register) << 20 | 1 << 18 | address.Attributes << 24);
            return;
        }
        if (_instruction.OpCount == 2 && _instruction.Op1Kind == OpKind.Immediate8 && mnemonic is not (Mnemonic.Pslldq or Mnemonic.Psrldq))
        {
            // Shifts by an immediate take their count from a register, as the others do.
            Call(X86Helper.SseFromGpr, a: Const(Scratch | 8 << 8), b: Const(_instruction.Immediate8), c: Const(0), imm: (int)Mnemonic.Movq);
            Call(X86Helper.Sse, a: Const((ulong)(VectorIndex(destination) | Scratch << 8)), b: Const(0), imm: (int)mnemonic);
            return;
        }
        var operand = _instruction.OpCount > 1 && !IsImmediate(_instruction.GetOpKind(1)) ? VectorSource(1, _instruction.MemorySize.GetSize()) : 0;
        Call(X86Helper.Sse, a: Const((ulong)(VectorIndex(destination) | operand << 8)), b: LastImmediate(), imm: (int)mnemonic);
    }

    private IrValue LastImmediate()
    {
        var last = _instruction.OpCount - 1;
        return IsImmediate(_instruction.GetOpKind(last)) ? Const(_instruction.GetImmediate(last)) : Const(0);
    }

    /// <summary>The number of the register that holds an operand: its own, or the scratch one after a load. Full-width operands must be aligned.</summary>
    private int VectorSource(int operand, int size)
    {
        if (!IsMemory(operand))
            return VectorIndex(_instruction.GetOpRegister(operand));
        LoadVector(Scratch, size, size == 16);
        return Scratch;
    }

    private void MoveVector(int size, bool aligned)
    {
        if (IsMemory(0))
            StoreVector(_instruction.Op1Register, size, aligned, false);
        else
            LoadVector(VectorIndex(_instruction.Op0Register), size, aligned);
    }

    private void LoadVector(int index, int size, bool aligned)
    {
        var address = EffectiveAddress(size, false);
        Call(X86Helper.LoadVector, a: Whole(address), imm: index | size << 8 | (aligned ? 1 << 16 : 0) | address.Attributes << 24);
    }

    private void StoreVector(Register register, int size, bool aligned, bool high)
    {
        var address = EffectiveAddress(size, true);
        Call(X86Helper.StoreVector, a: Whole(address), imm: VectorIndex(register) | size << 8 | (aligned ? 1 << 16 : 0) | (high ? 1 << 17 : 0) | address.Attributes << 24);
    }
}
