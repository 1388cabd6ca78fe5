using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// The table of all instructions: each mnemonic and the method that translates it.
public sealed unsafe partial class X86Translator
{
    private void TranslateInstruction()
    {
        // LOCK where the encoding does not allow it is invalid to the decoder already.
        var mnemonic = _instruction.Mnemonic;
        switch (mnemonic)
        {
            case Mnemonic.Mov when IsSystemRegister(0) || IsSystemRegister(1):
                MoveSystemRegister();
                break;
            case Mnemonic.Mov when _instruction.Op0Kind == OpKind.Register && _instruction.Op0Register.IsSegmentRegister():
                if (_instruction.Op0Register == Register.CS)
                    Undefined();
                else
                    LoadSegment(SegOf(_instruction.Op0Register), Copy(ReadOperand(1, 2)));
                break;
            case Mnemonic.Mov when _instruction.Op1Kind == OpKind.Register && _instruction.Op1Register.IsSegmentRegister():
                {
                    var selector = CallTemp(X86Helper.ReadSelector, imm: (int)SegOf(_instruction.Op1Register));
                    if (IsMemory(0))
                        Store(EffectiveAddress(2, true), IrType.I16, selector);
                    else
                        WriteRegister(_instruction.Op0Register, selector);
                    break;
                }
            case Mnemonic.Mov:
                MoveOperands();
                break;
            case Mnemonic.Add:
                Arithmetic(Alu.Add);
                break;
            case Mnemonic.Or:
                Arithmetic(Alu.Or);
                break;
            case Mnemonic.Adc:
                Arithmetic(Alu.Adc);
                break;
            case Mnemonic.Sbb:
                Arithmetic(Alu.Sbb);
                break;
            case Mnemonic.And:
                Arithmetic(Alu.And);
                break;
            case Mnemonic.Sub:
                Arithmetic(Alu.Sub);
                break;
            case Mnemonic.Xor:
                Arithmetic(Alu.Xor);
                break;
            case Mnemonic.Cmp:
                Arithmetic(Alu.Cmp);
                break;
            case Mnemonic.Test:
                Test();
                break;
            case Mnemonic.Inc:
                IncrementDecrement(true);
                break;
            case Mnemonic.Dec:
                IncrementDecrement(false);
                break;
            case Mnemonic.Neg:
                Negate();
                break;
            case Mnemonic.Not:
                Complement();
                break;
            case Mnemonic.Lea:
                LoadEffectiveAddressInstruction();
                break;
            case Mnemonic.Movzx:
                MoveExtended(false);
                break;
            case Mnemonic.Movsx or Mnemonic.Movsxd:
                MoveExtended(true);
                break;
            case Mnemonic.Xchg:
                Exchange();
                break;
            case Mnemonic.Xadd:
                ExchangeAdd();
                break;
            case Mnemonic.Cmpxchg:
                CompareExchange();
                break;
            case Mnemonic.Cmpxchg8b:
                CompareExchangeDouble(8);
                break;
            case Mnemonic.Cmpxchg16b:
                if (_core.Model.Has(X86Feature.Cx16))
                    CompareExchangeDouble(16);
                else
                    Undefined();
                break;
            case Mnemonic.Mul:
                Multiply(false);
                break;
            case Mnemonic.Imul:
                MultiplySigned();
                break;
            case Mnemonic.Div:
                Divide(false);
                break;
            case Mnemonic.Idiv:
                Divide(true);
                break;
            case Mnemonic.Shl or Mnemonic.Sal:
                Shift(IrOpcode.Shl);
                break;
            case Mnemonic.Shr:
                Shift(IrOpcode.Shr);
                break;
            case Mnemonic.Sar:
                Shift(IrOpcode.Sar);
                break;
            case Mnemonic.Rol:
                Shift(IrOpcode.Rol);
                break;
            case Mnemonic.Ror:
                Shift(IrOpcode.Ror);
                break;
            case Mnemonic.Rcl:
                RotateThroughCarry(false);
                break;
            case Mnemonic.Rcr:
                RotateThroughCarry(true);
                break;
            case Mnemonic.Shld:
                DoubleShift(false);
                break;
            case Mnemonic.Shrd:
                DoubleShift(true);
                break;
            case Mnemonic.Bt:
                BitTest(BitOp.Test);
                break;
            case Mnemonic.Bts:
                BitTest(BitOp.Set);
                break;
            case Mnemonic.Btr:
                BitTest(BitOp.Reset);
                break;
            case Mnemonic.Btc:
                BitTest(BitOp.Complement);
                break;
            case Mnemonic.Bsf:
                BitScan(false);
                break;
            case Mnemonic.Bsr:
                BitScan(true);
                break;
            case Mnemonic.Tzcnt:
                // Without the feature the prefix means nothing.
                if (_core.Model.Has(X86Feature.Bmi1))
                    CountZeros(false);
                else
                    BitScan(false);
                break;
            case Mnemonic.Lzcnt:
                if (_core.Model.Has(X86Feature.Abm))
                    CountZeros(true);
                else
                    BitScan(true);
                break;
            case Mnemonic.Popcnt:
                if (_core.Model.Has(X86Feature.Popcnt))
                    PopulationCount();
                else
                    Undefined();
                break;
            case Mnemonic.Bswap:
                ByteSwap();
                break;
            case Mnemonic.Movbe:
                MoveSwapped();
                break;
            case >= Mnemonic.Cmova and <= Mnemonic.Cmovs when _instruction.ConditionCode != ConditionCode.None:
                ConditionalMove();
                break;
            case >= Mnemonic.Seta and <= Mnemonic.Sets when _instruction.ConditionCode != ConditionCode.None:
                SetByte();
                break;
            case Mnemonic.Cbw:
                SignExtendAccumulator(1);
                break;
            case Mnemonic.Cwde:
                SignExtendAccumulator(2);
                break;
            case Mnemonic.Cdqe:
                SignExtendAccumulator(4);
                break;
            case Mnemonic.Cwd:
                SignIntoDx(2);
                break;
            case Mnemonic.Cdq:
                SignIntoDx(4);
                break;
            case Mnemonic.Cqo:
                SignIntoDx(8);
                break;
            case Mnemonic.Daa:
                Decimal(DecimalOp.Daa);
                break;
            case Mnemonic.Das:
                Decimal(DecimalOp.Das);
                break;
            case Mnemonic.Aaa:
                Decimal(DecimalOp.Aaa);
                break;
            case Mnemonic.Aas:
                Decimal(DecimalOp.Aas);
                break;
            case Mnemonic.Aam:
                Decimal(DecimalOp.Aam, _instruction.Immediate8);
                break;
            case Mnemonic.Aad:
                Decimal(DecimalOp.Aad, _instruction.Immediate8);
                break;
            case Mnemonic.Salc:
                WriteRegister(Register.AL, Unary(IrOpcode.Neg, IrType.I64, ReadCarry()));
                break;
            case Mnemonic.Nop or Mnemonic.Pause or Mnemonic.Endbr32 or Mnemonic.Endbr64 or Mnemonic.Prefetchnta or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1
                or Mnemonic.Prefetcht2 or Mnemonic.Prefetch or Mnemonic.Prefetchw or Mnemonic.Reservednop or Mnemonic.Fnop:
                break;
            case Mnemonic.Mfence or Mnemonic.Lfence or Mnemonic.Sfence:
                Call(X86Helper.Fence);
                break;
            case Mnemonic.Clflush:
                Load(EffectiveAddress(1, false), IrType.I8);
                break;
            case Mnemonic.Jmp when _instruction.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32 || IsFarPointer():
                FarTransfer(false);
                break;
            case Mnemonic.Jmp:
                JumpNear();
                break;
            case Mnemonic.Call when _instruction.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32 || IsFarPointer():
                FarTransfer(true);
                break;
            case Mnemonic.Call:
                CallNear();
                break;
            case Mnemonic.Ret:
                ReturnNear(_instruction.Code switch { Code.Retnw or Code.Retnw_imm16 => 2, Code.Retnd or Code.Retnd_imm16 => 4, _ => 8 });
                break;
            case Mnemonic.Retf:
                FarReturn();
                break;
            case Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Iretq:
                InterruptReturn();
                break;
            case Mnemonic.Jcxz:
                JumpByCounter(2, false, null);
                break;
            case Mnemonic.Jecxz:
                JumpByCounter(4, false, null);
                break;
            case Mnemonic.Jrcxz:
                JumpByCounter(8, false, null);
                break;
            case Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne:
                {
                    var size = _instruction.Code switch
                    {
                        Code.Loop_rel8_16_CX or Code.Loop_rel8_32_CX or Code.Loope_rel8_16_CX or Code.Loope_rel8_32_CX
                            or Code.Loopne_rel8_16_CX or Code.Loopne_rel8_32_CX => 2,
                        Code.Loop_rel8_16_RCX or Code.Loop_rel8_64_RCX or Code.Loope_rel8_16_RCX or Code.Loope_rel8_64_RCX
                            or Code.Loopne_rel8_16_RCX or Code.Loopne_rel8_64_RCX => 8,
                        _ => 4,
                    };
                    JumpByCounter(size, true, mnemonic == Mnemonic.Loop ? null : mnemonic == Mnemonic.Loope);
                    break;
                }
            case var _ when _instruction.FlowControl == FlowControl.ConditionalBranch && _instruction.ConditionCode != ConditionCode.None:
                JumpConditional(ConditionOf((int)_instruction.ConditionCode - 1));
                break;
            case Mnemonic.Push:
                PushInstruction();
                break;
            case Mnemonic.Pop:
                PopInstruction();
                break;
            case Mnemonic.Pusha:
                PushAll(2);
                break;
            case Mnemonic.Pushad:
                PushAll(4);
                break;
            case Mnemonic.Popa:
                PopAll(2);
                break;
            case Mnemonic.Popad:
                PopAll(4);
                break;
            case Mnemonic.Pushf:
                PushFlags(2);
                break;
            case Mnemonic.Pushfd:
                PushFlags(4);
                break;
            case Mnemonic.Pushfq:
                PushFlags(8);
                break;
            case Mnemonic.Popf:
                PopFlags(2);
                break;
            case Mnemonic.Popfd:
                PopFlags(4);
                break;
            case Mnemonic.Popfq:
                PopFlags(8);
                break;
            case Mnemonic.Enter:
                EnterFrame();
                break;
            case Mnemonic.Leave:
                LeaveFrame();
                break;
            case Mnemonic.Lds:
                LoadFarPointer(X86Seg.Ds);
                break;
            case Mnemonic.Les:
                LoadFarPointer(X86Seg.Es);
                break;
            case Mnemonic.Lss:
                LoadFarPointer(X86Seg.Ss);
                break;
            case Mnemonic.Lfs:
                LoadFarPointer(X86Seg.Fs);
                break;
            case Mnemonic.Lgs:
                LoadFarPointer(X86Seg.Gs);
                break;
            case Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsq:
            case Mnemonic.Movsd when _instruction.Code == Code.Movsd_m32_m32:
                String(StringOp.Move);
                break;
            case Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Stosq:
                String(StringOp.Store);
                break;
            case Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd or Mnemonic.Lodsq:
                String(StringOp.Load);
                break;
            case Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsq:
            case Mnemonic.Cmpsd when _instruction.Code == Code.Cmpsd_m32_m32:
                String(StringOp.Compare);
                break;
            case Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd or Mnemonic.Scasq:
                String(StringOp.Scan);
                break;
            case Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd:
                String(StringOp.In);
                break;
            case Mnemonic.Outsb or Mnemonic.Outsw or Mnemonic.Outsd:
                String(StringOp.Out);
                break;
            case Mnemonic.Xlatb:
                TableLookup();
                break;
            case Mnemonic.In:
                InPort();
                break;
            case Mnemonic.Out:
                OutPort();
                break;
            case Mnemonic.Clc:
                ReplaceFlags(CcOp.CF, Const(0));
                break;
            case Mnemonic.Stc:
                ReplaceFlags(CcOp.CF, Const(CcOp.CF));
                break;
            case Mnemonic.Cmc:
                OpTo(X86Globals.CcDst, IrOpcode.Xor, IrType.I64, MaterializeFlags(), Const(CcOp.CF));
                break;
            case Mnemonic.Cld:
                Call(X86Helper.SetDirection, imm: 0);
                break;
            case Mnemonic.Std:
                Call(X86Helper.SetDirection, imm: 1);
                break;
            case Mnemonic.Lahf:
                Emit(new IrOp
                {
                    Opcode = IrOpcode.Deposit,
                    Type = IrType.I64,
                    Dst = Gpr(0),
                    A = Gpr(0),
                    B = Op(IrOpcode.Or, IrType.I64, ReadFlags(), Const(2)),
                    Imm = 8 | 8 << 8,
                });
                break;
            case Mnemonic.Sahf:
                ReplaceFlags(CcOp.CF | CcOp.PF | CcOp.AF | CcOp.ZF | CcOp.SF, Extract(Gpr(0), 8, 8));
                break;
            case Mnemonic.Int:
                SoftwareInterrupt(_instruction.Immediate8, EventSource.Software);
                break;
            case Mnemonic.Int3:
                SoftwareInterrupt(Vector.BP, EventSource.Software);
                break;
            case Mnemonic.Int1:
                SoftwareInterrupt(Vector.DB, EventSource.PrivilegedSoftware);
                break;
            case Mnemonic.Into:
                Call(X86Helper.Into, a: Copy(ReadFlags()), b: NextPc);
                break;
            case Mnemonic.Bound:
                {
                    var size = SizeOfOperand(0);
                    var address = EffectiveAddress(size * 2, false);
                    var type = IrTypes.OfBytes(size);
                    Call(X86Helper.Bound, a: ReadRegister(_instruction.Op0Register), b: Load(address, type), c: Load(Plus(address, size), type), imm: size);
                    break;
                }
            case Mnemonic.Arpl:
                AdjustRpl();
                break;
            default:
                if (!TranslateSystemInstruction(mnemonic) && !TranslateMmx(mnemonic) && !TranslateSse(mnemonic) && !TranslateX87(mnemonic))
                    NotImplemented();
                break;
        }
    }

    private bool IsFarPointer() => _instruction.Op0Kind == OpKind.Memory && _instruction.MemorySize is MemorySize.SegPtr16 or MemorySize.SegPtr32 or MemorySize.SegPtr64;

    private bool IsSystemRegister(int operand) =>
        _instruction.GetOpKind(operand) == OpKind.Register && _instruction.GetOpRegister(operand) is var r && (r.IsCR() || r.IsDR() || r.IsTR());

    private void CompareExchangeDouble(int size)
    {
        MaterializeFlags();
        var address = EffectiveAddress(size, true);
        Call(X86Helper.CompareExchangeDouble, X86Globals.CcDst, Whole(address), X86Globals.CcDst, imm: size | address.Attributes << 16);
    }

    private void TableLookup()
    {
        var size = _instruction.MemoryBase switch { Register.BX => 2, Register.EBX => 4, _ => 8 };
        var offset = Op(IrOpcode.Add, IrTypes.OfBytes(size), Gpr(3), Clean(Gpr(0), IrType.I8));
        WriteRegister(Register.AL, Load(Segmented(SegOf(MemorySegment), offset, 0, 1, false), IrType.I8));
    }
}
