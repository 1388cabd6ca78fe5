using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Descriptor tables, system segments and selectors (SDM Vol. 3A, 2.4 and 5.10), and the bases of FS and GS.
public sealed unsafe partial class X86Translator
{
    private void StoreSystemValue(SystemValue which, int size) => WriteOperand(0, CallTemp(X86Helper.ReadSystemValue, imm: (int)which), size);

    private void StoreTable(int which)
    {
        var size = Is64 ? 8 : 4;
        var address = EffectiveAddress(2 + size, true);
        var limit = CallTemp(X86Helper.ReadSystemValue, imm: (int)SystemValue.GdtLimit + which);
        Store(address, IrType.I16, limit);
        Store(Plus(address, 2), IrTypes.OfBytes(size), CallTemp(X86Helper.ReadSystemValue, imm: (int)SystemValue.GdtBase + which));
    }

    private void LoadTable(int which)
    {
        if (!Privileged())
            return;
        var size = Is64 ? 8 : 4;
        var address = EffectiveAddress(2 + size, false);
        var limit = Load(address, IrType.I16);
        var start = Load(Plus(address, 2), IrTypes.OfBytes(size));
        // A 16-bit operand size keeps 24 bits of the base.
        if (_instruction.Code is Code.Lgdt_m1632_16 or Code.Lidt_m1632_16)
            start = Op(IrOpcode.And, IrType.I64, start, Const(0xffffff));
        Call(X86Helper.LoadTable, a: limit, b: start, imm: which);
    }

    private void InspectSelector(Mnemonic mnemonic)
    {
        var source = mnemonic is Mnemonic.Lar or Mnemonic.Lsl ? 1 : 0;
        var selector = Clean(ReadOperand(source, 2), IrType.I16);
        var op = mnemonic switch { Mnemonic.Lar => 0, Mnemonic.Lsl => 1, Mnemonic.Verr => 2, _ => 3 };
        // Bit 32: the selector is fine.
        var result = CallTemp(X86Helper.InspectSelector, selector, imm: op);
        var valid = Extract(result, 32, 1);
        if (source == 1)
        {
            var chosen = Temp();
            SelectTo(chosen, IrType.I64, valid, result, ReadRegister(_instruction.Op0Register));
            var name = NameOf(_instruction.Op0Register);
            var merged = Merge(Gpr(name.Index), chosen, name.Size);
            SelectTo(Gpr(name.Index), IrType.I64, valid, merged, Gpr(name.Index));
        }
        ReplaceFlags(CcOp.ZF, Op(IrOpcode.Shl, IrType.I64, valid, Const(6)));
    }

    private void AdjustRpl()
    {
        if (IsReal)
        {
            Undefined();
            return;
        }
        var address = IsMemory(0) ? EffectiveAddress(2, true) : default;
        var destination = Clean(IsMemory(0) ? Load(address, IrType.I16) : ReadRegister(_instruction.Op0Register), IrType.I16);
        var rpl = Op(IrOpcode.And, IrType.I64, ReadRegister(_instruction.Op1Register), Const(3));
        var lower = SetCond(IrType.I64, IrCondition.BelowUnsigned, Op(IrOpcode.And, IrType.I64, destination, Const(3)), rpl);
        var raised = Op(IrOpcode.Or, IrType.I64, Op(IrOpcode.And, IrType.I64, destination, Const(0xfffc)), rpl);
        var result = Temp();
        SelectTo(result, IrType.I64, lower, raised, destination);
        WriteBack(address, result, IrType.I16);
        ReplaceFlags(CcOp.ZF, Op(IrOpcode.Shl, IrType.I64, lower, Const(6)));
    }

    private void SegmentBaseInstruction(Mnemonic mnemonic)
    {
        var size = SizeOfOperand(0);
        var seg = X86Globals.SegmentBase(mnemonic is Mnemonic.Rdfsbase or Mnemonic.Wrfsbase ? X86Seg.Fs : X86Seg.Gs);
        Call(X86Helper.CheckFsgsbase);
        if (mnemonic is Mnemonic.Rdfsbase or Mnemonic.Rdgsbase)
        {
            WriteRegister(_instruction.Op0Register, seg);
            return;
        }
        var value = Clean(ReadRegister(_instruction.Op0Register), IrTypes.OfBytes(size));
        if (size == 8)
            Call(X86Helper.CheckCanonical, a: value);
        Move(seg, value);
    }
}
