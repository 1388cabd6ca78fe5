using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Port I/O, interrupt flag and system instructions (SDM Vol. 3A, 2.8), and the table of all instructions.
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
                if (!TranslateSystemInstruction(mnemonic) && !TranslateSse(mnemonic) && !TranslateX87(mnemonic))
                    NotImplemented();
                break;
        }
    }

    private bool TranslateSystemInstruction(Mnemonic mnemonic)
    {
        switch (mnemonic)
        {
            case Mnemonic.Cli:
                Call(X86Helper.ClearInterruptFlag);
                break;
            case Mnemonic.Sti:
                Call(X86Helper.SetInterruptFlag);
                LeaveToNext();
                break;
            case Mnemonic.Hlt:
                if (!Privileged())
                    break;
                Call(X86Helper.Halt);
                LeaveToNext();
                break;
            case Mnemonic.Cpuid:
                Call(X86Helper.Cpuid);
                break;
            case Mnemonic.Rdtsc:
                Call(X86Helper.ReadTsc);
                break;
            case Mnemonic.Rdtscp:
                if (_core.Model.Has(X86Feature.Rdtscp))
                    Call(X86Helper.ReadTsc, imm: 1);
                else
                    Undefined();
                break;
            case Mnemonic.Rdpid:
                if (_core.Model.Has(X86Feature.Rdpid))
                    WriteGpr(NameOf(_instruction.Op0Register).Index, CallTemp(X86Helper.ReadTscAux), 8);
                else
                    Undefined();
                break;
            case Mnemonic.Rdpmc:
                GeneralProtection();
                break;
            case Mnemonic.Rdmsr:
                Call(X86Helper.ReadMsr);
                break;
            case Mnemonic.Wrmsr:
                Call(X86Helper.WriteMsr);
                LeaveToNext();
                break;
            case Mnemonic.Clts:
                Call(X86Helper.ClearTaskSwitched);
                LeaveToNext();
                break;
            case Mnemonic.Lmsw:
                Call(X86Helper.LoadMachineStatus, a: ReadOperand(0, 2));
                LeaveToNext();
                break;
            case Mnemonic.Smsw:
                StoreSystemValue(SystemValue.MachineStatus, IsMemory(0) ? 2 : SizeOfOperand(0));
                break;
            case Mnemonic.Sldt:
                if (ProtectedOnly())
                    StoreSystemValue(SystemValue.LdtSelector, IsMemory(0) ? 2 : SizeOfOperand(0));
                break;
            case Mnemonic.Str:
                if (ProtectedOnly())
                    StoreSystemValue(SystemValue.TaskSelector, IsMemory(0) ? 2 : SizeOfOperand(0));
                break;
            case Mnemonic.Sgdt:
                StoreTable(0);
                break;
            case Mnemonic.Sidt:
                StoreTable(1);
                break;
            case Mnemonic.Lgdt:
                LoadTable(0);
                break;
            case Mnemonic.Lidt:
                LoadTable(1);
                break;
            case Mnemonic.Lldt:
                if (ProtectedOnly())
                {
                    Call(X86Helper.LoadSystemSegment, a: ReadOperand(0, 2), imm: (int)X86Seg.Ldtr);
                    LeaveToNext();
                }
                break;
            case Mnemonic.Ltr:
                if (ProtectedOnly())
                {
                    Call(X86Helper.LoadSystemSegment, a: ReadOperand(0, 2), imm: (int)X86Seg.Tr);
                    LeaveToNext();
                }
                break;
            case Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw:
                if (ProtectedOnly())
                    InspectSelector(mnemonic);
                break;
            case Mnemonic.Invlpg:
                Call(X86Helper.InvalidatePage, a: Whole(InvlpgAddress()));
                LeaveToNext();
                break;
            case Mnemonic.Invpcid:
                if (!_core.Model.Has(X86Feature.Invpcid) || !IsProtected)
                {
                    Undefined();
                    break;
                }
                {
                    var address = EffectiveAddress(16, false);
                    Call(X86Helper.InvalidatePcid, a: ReadRegister(_instruction.Op0Register), b: Load(address, IrType.I64), c: Load(Plus(address, 8), IrType.I64));
                    LeaveToNext();
                }
                break;
            case Mnemonic.Invd or Mnemonic.Wbinvd:
                Privileged();
                break;
            case Mnemonic.Swapgs:
                if (Is64)
                    Call(X86Helper.SwapGs);
                else
                    Undefined();
                break;
            case Mnemonic.Rdfsbase or Mnemonic.Rdgsbase or Mnemonic.Wrfsbase or Mnemonic.Wrgsbase:
                SegmentBaseInstruction(mnemonic);
                break;
            case Mnemonic.Clac or Mnemonic.Stac:
                if (!_core.Model.Has(X86Feature.Smap) || Cpl != 0)
                    Undefined();
                else
                {
                    Call(X86Helper.SetAlignmentCheck, imm: mnemonic == Mnemonic.Stac ? 1 : 0);
                    LeaveToNext();
                }
                break;
            case Mnemonic.Syscall:
                SyncFlags();
                Call(X86Helper.Syscall, a: NextPc);
                Leave();
                break;
            case Mnemonic.Sysret or Mnemonic.Sysretq:
                SyncFlags();
                Call(X86Helper.Sysret, imm: mnemonic == Mnemonic.Sysretq ? 1 : 0);
                Leave();
                break;
            // CPUID says AMD, whose long mode has neither (AMD APM Vol. 2, 6.1.2).
            case Mnemonic.Sysenter or Mnemonic.Sysexit or Mnemonic.Sysexitq when (_mode & Mode.LongActive) != 0:
                Undefined();
                break;
            case Mnemonic.Sysenter:
                SyncFlags();
                Call(X86Helper.Sysenter);
                Leave();
                break;
            case Mnemonic.Sysexit or Mnemonic.Sysexitq:
                SyncFlags();
                Call(X86Helper.Sysexit, imm: mnemonic == Mnemonic.Sysexitq ? 1 : 0);
                Leave();
                break;
            case Mnemonic.Ud0 or Mnemonic.Ud1 or Mnemonic.Ud2:
                Undefined();
                break;
            case Mnemonic.Xgetbv or Mnemonic.Xsetbv:
                // XSAVE is not advertised: CR4.OSXSAVE cannot be set.
                Undefined();
                break;
            default:
                return false;
        }
        return true;
    }

    private bool IsFarPointer() => _instruction.Op0Kind == OpKind.Memory && _instruction.MemorySize is MemorySize.SegPtr16 or MemorySize.SegPtr32 or MemorySize.SegPtr64;

    private bool IsSystemRegister(int operand) =>
        _instruction.GetOpKind(operand) == OpKind.Register && _instruction.GetOpRegister(operand) is var r && (r.IsCR() || r.IsDR() || r.IsTR());

    /// <summary>#GP(0) outside CPL 0; false: the block has ended.</summary>
    private bool Privileged()
    {
        if (Cpl == 0)
            return true;
        GeneralProtection();
        return false;
    }

    /// <summary>#UD in real and virtual-8086 mode; false: the block has ended.</summary>
    private bool ProtectedOnly()
    {
        if (!IsReal)
            return true;
        Undefined();
        return false;
    }

    private void CompareExchangeDouble(int size)
    {
        MaterializeFlags();
        var address = EffectiveAddress(size, true);
        Call(X86Helper.CompareExchangeDouble, X86Globals.CcDst, Whole(address), X86Globals.CcDst, imm: size | address.Attributes << 16);
    }

    private void MoveSystemRegister()
    {
        if (!Privileged())
            return;
        bool toSystem = IsSystemRegister(0);
        var system = toSystem ? _instruction.Op0Register : _instruction.Op1Register;
        var general = toSystem ? _instruction.Op1Register : _instruction.Op0Register;
        if (system.IsTR())
        {
            Undefined();
            return;
        }
        var size = Is64 ? 8 : 4;
        var isControl = system.IsCR();
        var index = isControl ? system - Register.CR0 : system - Register.DR0;
        if (isControl && index is not (0 or 2 or 3 or 4 or 8))
        {
            Undefined();
            return;
        }
        if (toSystem)
        {
            var value = Clean(ReadRegister(general), IrTypes.OfBytes(size));
            Call(isControl ? X86Helper.WriteControl : X86Helper.WriteDebug, a: value, imm: index);
            LeaveToNext();
        }
        else
            WriteGpr(NameOf(general).Index, CallTemp(isControl ? X86Helper.ReadControl : X86Helper.ReadDebug, imm: index), size);
    }

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

    /// <summary>INVLPG's operand is not accessed: no limit check, and a page that is not there is fine.</summary>
    private Address InvlpgAddress()
    {
        var (value, displacement) = Offset();
        var seg = SegOf(_instruction.MemorySegment);
        return Is64 && seg is not (X86Seg.Fs or X86Seg.Gs)
            ? new Address(value, displacement, 0)
            : new Address(Op(IrOpcode.Add, Is64 ? IrType.I64 : IrType.I32, X86Globals.SegmentBase(seg), Whole(new Address(value, displacement, 0))), 0, 0);
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

    private void TableLookup()
    {
        var size = _instruction.MemoryBase switch { Register.BX => 2, Register.EBX => 4, _ => 8 };
        var offset = Op(IrOpcode.Add, IrTypes.OfBytes(size), Gpr(3), Clean(Gpr(0), IrType.I8));
        WriteRegister(Register.AL, Load(Segmented(SegOf(_instruction.MemorySegment), offset, 0, 1, false), IrType.I8));
    }

    private void InPort()
    {
        var size = NameSize(_instruction.Op0Register);
        var port = _instruction.Op1Kind == OpKind.Register ? Gpr(2) : Const(_instruction.Immediate8);
        WriteRegister(_instruction.Op0Register, CallTemp(X86Helper.In, port, imm: size));
        // An interrupt that the access caused is taken before the next instruction.
        LeaveToNext();
    }

    private void OutPort()
    {
        var size = NameSize(_instruction.Op1Register);
        var port = _instruction.Op0Kind == OpKind.Register ? Gpr(2) : Const(_instruction.Immediate8);
        Call(X86Helper.Out, a: port, b: ReadRegister(_instruction.Op1Register), imm: size);
        LeaveToNext();
    }
}
