using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// MMX, and the instructions of SSE and SSE2 that have MMX registers for operands (SDM Vol. 1, chapter 9 and 10.4.4).
public sealed unsafe partial class X86Translator
{
    private bool TranslateMmx(Mnemonic mnemonic)
    {
        if (_instruction.Encoding != EncodingKind.Legacy || mnemonic is not (Mnemonic.Emms or Mnemonic.Cvtpi2ps or Mnemonic.Cvtpi2pd) && !UsesMmx()
            || !X86Core.ImplementsMmx(mnemonic))
            return false;
        if (!AllAdvertised() || UsesVectors() && (_mode & Mode.OsFxsr) == 0)
        {
            Undefined();
            return true;
        }
        if (!FpuAvailable(true))
            return true;
        // The forms that leave the x87 alone (SDM Vol. 2A, CVTPI2PD; of CVTPI2PS the manual does not say so, processors do).
        var keepsX87 = mnemonic is (Mnemonic.Cvtpi2ps or Mnemonic.Cvtpi2pd) && IsMemory(1);
        if (!keepsX87)
            Call(X86Helper.X87Wait);
        MmxInstruction(mnemonic, keepsX87);
        return true;
    }

    private void MmxInstruction(Mnemonic mnemonic, bool keepsX87)
    {
        switch (mnemonic)
        {
            case Mnemonic.Emms:
                Call(X86Helper.EnterMmx, imm: 1);
                return;
            case Mnemonic.Movq or Mnemonic.Movd or Mnemonic.Movntq when IsMemory(0):
                {
                    var size = _instruction.MemorySize.GetSize();
                    Store(EffectiveAddress(size, true), IrTypes.OfBytes(size), CallTemp(X86Helper.ReadMmx, imm: MmxIndex(1)));
                    // Only now: a store that faults changes nothing.
                    Call(X86Helper.EnterMmx);
                    return;
                }
            case Mnemonic.Maskmovq:
                {
                    var addressBytes = _instruction.Op0Kind == OpKind.MemorySegDI ? 2 : _instruction.Op0Kind == OpKind.MemorySegEDI ? 4 : 8;
                    var address = Segmented(SegOf(MemorySegment), Clean(Gpr(7), IrTypes.OfBytes(addressBytes)), 0, 8, true);
                    Call(X86Helper.StoreMmxMasked, a: Whole(address), imm: MmxIndex(1) | MmxIndex(2) << 8 | address.Attributes << 24);
                    return;
                }
            case Mnemonic.Cvtpi2ps or Mnemonic.Cvtpi2pd or Mnemonic.Movq2dq:
                Call(X86Helper.MmxToVector, a: Const((ulong)(VectorIndex(_instruction.Op0Register) | MmxSource(1) << 8)), b: Const(keepsX87 ? 1u : 0), imm: (int)mnemonic);
                return;
            case Mnemonic.Cvtps2pi or Mnemonic.Cvttps2pi or Mnemonic.Cvtpd2pi or Mnemonic.Cvttpd2pi or Mnemonic.Movdq2q:
                Call(X86Helper.MmxFromVector, a: Const((ulong)(MmxIndex(0) | VectorSource(1, _instruction.MemorySize.GetSize()) << 8)), imm: (int)mnemonic);
                return;
        }
        if (_instruction.Op0Kind == OpKind.Register && _instruction.Op0Register.IsGPR())
        {
            WriteRegister(_instruction.Op0Register, CallTemp(X86Helper.MmxToGpr, Const((ulong)MmxIndex(1)), LastImmediate(), imm: (int)mnemonic));
            return;
        }
        if (_instruction.Op1Kind == OpKind.Register && _instruction.Op1Register.IsGPR() || mnemonic == Mnemonic.Pinsrw)
        {
            var size = mnemonic == Mnemonic.Pinsrw ? 2 : SizeOfOperand(1);
            Call(X86Helper.MmxFromGpr, a: Const((ulong)MmxIndex(0)), b: Clean(ReadOperand(1, size), IrTypes.OfBytes(size)), c: LastImmediate(), imm: (int)mnemonic);
            return;
        }
        // Shifts by an immediate have no source register: the count is the immediate.
        var source = IsImmediate(_instruction.Op1Kind) ? X86Core.ImmediateShift : MmxSource(1);
        Call(X86Helper.Mmx, a: Const((ulong)(MmxIndex(0) | source << 8)), b: LastImmediate(), imm: (int)mnemonic);
    }

    private int MmxIndex(int operand) => _instruction.GetOpRegister(operand) - Register.MM0;

    /// <summary>The number of the MMX register that holds an operand, or of the scratch vector register after a load.</summary>
    private int MmxSource(int operand)
    {
        if (!IsMemory(operand))
            return MmxIndex(operand);
        LoadVector(Scratch, _instruction.MemorySize.GetSize(), false);
        return Scratch;
    }
}
