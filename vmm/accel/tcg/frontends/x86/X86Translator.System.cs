using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Port I/O, interrupt flag and system instructions (SDM Vol. 3A, 2.8).
public sealed unsafe partial class X86Translator
{
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
            case Mnemonic.Vmcall or Mnemonic.Vmmcall:
                Call(X86Helper.Hypercall);
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
                Call(X86Helper.ReadPerformanceCounter);
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
                // Before the operand is read, here and below.
                if (!Privileged())
                    break;
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
                if (ProtectedOnly() && Privileged())
                {
                    Call(X86Helper.LoadSystemSegment, a: ReadOperand(0, 2), imm: (int)X86Seg.Ldtr);
                    LeaveToNext();
                }
                break;
            case Mnemonic.Ltr:
                if (ProtectedOnly() && Privileged())
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

    /// <summary>INVLPG's operand is not accessed: no limit check, and a page that is not there is fine.</summary>
    private Address InvlpgAddress()
    {
        var (value, displacement) = Offset();
        var seg = SegOf(MemorySegment);
        return Is64 && seg is not (X86Seg.Fs or X86Seg.Gs)
            ? new Address(value, displacement, 0)
            : new Address(Op(IrOpcode.Add, Is64 ? IrType.I64 : IrType.I32, X86Globals.SegmentBase(seg), Whole(new Address(value, displacement, 0))), 0, 0);
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
