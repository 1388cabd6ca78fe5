using System.Runtime.CompilerServices;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>What IR calls for what it cannot say itself. In the order of <see cref="X86Helpers"/>' table.</summary>
public enum X86Helper : ushort
{
    Flags, FlagsDynamic, Raise, DebugBreak, Unimplemented, CheckSegment, LoadSegment, ShadowInterrupts, ReadSelector,
    FarJump, FarCall, FarReturn, InterruptReturn, SoftwareInterrupt, Into, Bound, Enter,
    CheckVirtual8086Iopl, ReadRflags, PopFlags, String, Decimal, Divide,
    Atomic, CompareExchange, CompareExchangeDouble,
    RotateFlags, RotateCarry, RotateCarryFlags, DoubleShift, DoubleShiftCarry, DoubleShiftFlags,
    Fence, In, Out, SetDirection, ClearInterruptFlag, SetInterruptFlag, Halt, Cpuid, ReadTsc, ReadTscAux, ReadPerformanceCounter, Hypercall, ReadMsr, WriteMsr,
    ClearTaskSwitched, LoadMachineStatus, ReadSystemValue, LoadTable, LoadSystemSegment, InspectSelector,
    InvalidatePage, InvalidatePcid, SwapGs, CheckFsgsbase, CheckCanonical, SetAlignmentCheck,
    Syscall, Sysret, Sysenter, Sysexit, ReadControl, WriteControl, ReadDebug, WriteDebug,
    LoadVector, StoreVector, Sse, SseFlags, SseToGpr, SseFromGpr, SaveFpu, RestoreFpu, LoadMxcsr, ReadMxcsr, X87Register, X87Memory, X87Wait,
    Mmx, EnterMmx, ReadMmx, MmxToGpr, MmxFromGpr, MmxToVector, MmxFromVector, StoreMmxMasked,
}

/// <summary>The helpers with their effects: thin, each leads to the core's member of the same subject.</summary>
public static unsafe class X86Helpers
{
    /// <param name="expression">Gives the name at compile time: asking the enumeration for 70 of them takes a millisecond of each start.</param>
    private readonly struct Entry(X86Helper helper, IrEffects effects, delegate*<TcgCore, ulong, ulong, ulong, int, ulong> function,
        IrShortcut shortcut = IrShortcut.None, [CallerArgumentExpression(nameof(helper))] string expression = "")
    {
        public readonly X86Helper Helper = helper;
        public readonly IrHelper Declaration = new(expression[(nameof(X86Helper).Length + 1)..], effects, shortcut);
        public readonly delegate*<TcgCore, ulong, ulong, ulong, int, ulong> Function = function;
    }

    private const IrEffects Pure = IrEffects.Pure, Reads = IrEffects.ReadsGlobals, Writes = IrEffects.WritesGlobals, Faults = IrEffects.MayFault | Reads,
        Memory = IrEffects.Memory, All = Faults | Writes | Memory;

    private static readonly Entry[] s_entries =
    [
        new(X86Helper.Flags, Pure, &Flags),
        new(X86Helper.FlagsDynamic, Reads, &FlagsDynamic),
        new(X86Helper.Raise, Faults, &Raise),
        new(X86Helper.DebugBreak, Faults, &DebugBreak),
        new(X86Helper.Unimplemented, Faults, &Unimplemented),
        new(X86Helper.CheckSegment, Faults, &CheckSegment),
        new(X86Helper.LoadSegment, All, &LoadSegment),
        new(X86Helper.ShadowInterrupts, Memory, &ShadowInterrupts),
        new(X86Helper.ReadSelector, Memory, &ReadSelector),
        new(X86Helper.FarJump, All, &FarJump),
        new(X86Helper.FarCall, All, &FarCall),
        new(X86Helper.FarReturn, All, &FarReturn),
        new(X86Helper.InterruptReturn, All, &InterruptReturn),
        new(X86Helper.SoftwareInterrupt, Faults, &SoftwareInterrupt),
        new(X86Helper.Into, Faults, &Into),
        new(X86Helper.Bound, Faults, &Bound),
        new(X86Helper.Enter, All, &Enter),
        new(X86Helper.CheckVirtual8086Iopl, Faults, &CheckVirtual8086Iopl),
        new(X86Helper.ReadRflags, Memory, &ReadRflags),
        new(X86Helper.PopFlags, Reads | Writes | Memory, &PopFlags),
        new(X86Helper.String, All, &String),
        new(X86Helper.Decimal, All, &Decimal),
        new(X86Helper.Divide, All, &Divide),
        new(X86Helper.Atomic, Faults | Memory, &Atomic),
        new(X86Helper.CompareExchange, Faults | Memory, &CompareExchange),
        new(X86Helper.CompareExchangeDouble, All, &CompareExchangeDouble),
        new(X86Helper.RotateFlags, Pure, &RotateFlags),
        new(X86Helper.RotateCarry, Pure, &RotateCarry),
        new(X86Helper.RotateCarryFlags, Pure, &RotateCarryFlags),
        new(X86Helper.DoubleShift, Pure, &DoubleShift),
        new(X86Helper.DoubleShiftCarry, Pure, &DoubleShiftCarry),
        new(X86Helper.DoubleShiftFlags, Pure, &DoubleShiftFlags),
        new(X86Helper.Fence, Memory, &Fence),
        new(X86Helper.In, Faults | Memory, &In),
        new(X86Helper.Out, Faults | Memory, &Out),
        new(X86Helper.SetDirection, Memory, &SetDirection),
        new(X86Helper.ClearInterruptFlag, Faults | Memory, &ClearInterruptFlag),
        new(X86Helper.SetInterruptFlag, Faults | Memory, &SetInterruptFlag),
        new(X86Helper.Halt, Memory, &Halt),
        new(X86Helper.Cpuid, All, &Cpuid),
        new(X86Helper.ReadTsc, All, &ReadTsc),
        new(X86Helper.ReadTscAux, Memory, &ReadTscAux),
        new(X86Helper.ReadPerformanceCounter, All, &ReadPerformanceCounter),
        new(X86Helper.Hypercall, All, &Hypercall),
        new(X86Helper.ReadMsr, All, &ReadMsr),
        new(X86Helper.WriteMsr, All, &WriteMsr),
        new(X86Helper.ClearTaskSwitched, Faults | Memory, &ClearTaskSwitched),
        new(X86Helper.LoadMachineStatus, Faults | Memory, &LoadMachineStatus),
        new(X86Helper.ReadSystemValue, Faults | Memory, &ReadSystemValue),
        new(X86Helper.LoadTable, Faults | Memory, &LoadTable),
        new(X86Helper.LoadSystemSegment, Faults | Memory, &LoadSystemSegment),
        new(X86Helper.InspectSelector, Faults | Memory, &InspectSelector),
        new(X86Helper.InvalidatePage, Faults | Memory, &InvalidatePage),
        new(X86Helper.InvalidatePcid, Faults | Memory, &InvalidatePcid),
        new(X86Helper.SwapGs, All, &SwapGs),
        new(X86Helper.CheckFsgsbase, Faults, &CheckFsgsbase),
        new(X86Helper.CheckCanonical, Faults, &CheckCanonical, IrShortcut.Canonical48),
        new(X86Helper.SetAlignmentCheck, Memory, &SetAlignmentCheck),
        new(X86Helper.Syscall, All, &Syscall),
        new(X86Helper.Sysret, All, &Sysret),
        new(X86Helper.Sysenter, All, &Sysenter),
        new(X86Helper.Sysexit, All, &Sysexit),
        new(X86Helper.ReadControl, Faults | Memory, &ReadControl),
        new(X86Helper.WriteControl, Faults | Memory, &WriteControl),
        new(X86Helper.ReadDebug, Faults | Memory, &ReadDebug),
        new(X86Helper.WriteDebug, Faults | Memory, &WriteDebug),
        new(X86Helper.LoadVector, Faults | Memory, &LoadVector),
        new(X86Helper.StoreVector, Faults | Memory, &StoreVector),
        new(X86Helper.Sse, Faults | Memory, &Sse),
        new(X86Helper.SseFlags, Faults | Memory, &SseFlags),
        new(X86Helper.SseToGpr, Faults | Memory, &SseToGpr),
        new(X86Helper.SseFromGpr, Faults | Memory, &SseFromGpr),
        new(X86Helper.SaveFpu, Faults | Memory, &SaveFpu),
        new(X86Helper.RestoreFpu, Faults | Memory, &RestoreFpu),
        new(X86Helper.LoadMxcsr, Faults | Memory, &LoadMxcsr),
        new(X86Helper.ReadMxcsr, Memory, &ReadMxcsr),
        new(X86Helper.X87Register, All, &X87Register),
        new(X86Helper.X87Memory, Faults | Memory, &X87Memory),
        new(X86Helper.X87Wait, Faults, &X87Wait),
        new(X86Helper.Mmx, Faults | Memory, &Mmx),
        new(X86Helper.EnterMmx, Memory, &EnterMmx),
        new(X86Helper.ReadMmx, Memory, &ReadMmx),
        new(X86Helper.MmxToGpr, Memory, &MmxToGpr),
        new(X86Helper.MmxFromGpr, Memory, &MmxFromGpr),
        new(X86Helper.MmxToVector, Faults | Memory, &MmxToVector),
        new(X86Helper.MmxFromVector, Faults | Memory, &MmxFromVector),
        new(X86Helper.StoreMmxMasked, Faults | Memory, &StoreMmxMasked),
    ];

    public static int Count => s_entries.Length;

    /// <summary>For the IR; names as in the enumeration.</summary>
    public static IrHelper[] Declarations { get; } = Declare();

    internal static void Fill(delegate*<TcgCore, ulong, ulong, ulong, int, ulong>* table)
    {
        foreach (var entry in s_entries)
            table[(int)entry.Helper] = entry.Function;
    }

    private static IrHelper[] Declare()
    {
        var declarations = new IrHelper[s_entries.Length];
        for (var i = 0; i < declarations.Length; i++)
            declarations[i] = s_entries[i].Declaration;
        return declarations;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static X86Core Cpu(TcgCore core) => Unsafe.As<X86Core>(core);

    private static ulong Flags(TcgCore core, ulong a, ulong b, ulong c, int imm) => CcOp.Compute((ulong)imm, a, b, c);

    private static ulong FlagsDynamic(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        var s = Cpu(core).S;
        return CcOp.Compute(s->CcOp, s->CcDst, s->CcSrc, s->CcSrc2);
    }

    private static ulong DebugBreak(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        core.Header->Fault = (int)FaultKind.Debug;
        return 0;
    }

    private static ulong Raise(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).Raise(imm, (int)a);
        return 0;
    }

    private static ulong Unimplemented(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        core.Fatal(Cpu(core).MessageAt(imm));
        return 0;
    }

    private static ulong CheckSegment(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).CheckSegment((X86Seg)(imm & 7), a, imm >> 8, (imm & 0x80) != 0);

    private static ulong LoadSegment(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).TryLoadSegment((X86Seg)imm, (ushort)a);
        return 0;
    }

    private static ulong ShadowInterrupts(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).S->InterruptShadow = 2;

    private static ulong ReadSelector(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Seg((X86Seg)imm).Selector;

    private static ulong FarJump(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).FarJump((ushort)a, b, imm, c);
        return 0;
    }

    private static ulong FarCall(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).FarCall((ushort)a, b, imm, c);
        return 0;
    }

    private static ulong FarReturn(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).FarReturn(imm & 0xff, imm >> 8);
        return 0;
    }

    private static ulong InterruptReturn(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).Iret(imm, a);
        return 0;
    }

    private static ulong SoftwareInterrupt(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).SoftwareInterrupt(imm & 0xff, (EventSource)(imm >> 8), a);

    private static ulong Into(TcgCore core, ulong a, ulong b, ulong c, int imm) =>
        (a & CcOp.OF) != 0 ? Cpu(core).SoftwareInterrupt(Vector.OF, EventSource.Software, b) : 0;

    private static ulong Bound(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        var type = IrTypes.OfBytes(imm);
        if (type.Signed(a) < type.Signed(b) || type.Signed(a) > type.Signed(c))
            Cpu(core).Raise(Vector.BR);
        return 0;
    }

    private static ulong Enter(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Enter((int)a, imm & 0xff, imm >> 8 & 0xff, imm >> 16);

    private static ulong CheckVirtual8086Iopl(TcgCore core, ulong a, ulong b, ulong c, int imm) =>
        Cpu(core).Virtual8086 && (Cpu(core).S->Rflags & X86.Flags.Iopl) != X86.Flags.Iopl ? Cpu(core).RaiseGp() : 0;

    private static ulong ReadRflags(TcgCore core, ulong a, ulong b, ulong c, int imm) =>
        Cpu(core).S->Rflags & ~(ulong)(CcOp.Status | X86.Flags.RF | X86.Flags.VM) | a | X86.Flags.Fixed1;

    private static ulong PopFlags(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).PopFlags(a, imm);

    private static ulong String(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).String(imm);
        return 0;
    }

    private static ulong Decimal(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Decimal((DecimalOp)imm, (byte)a);

    private static ulong Divide(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Divide(a, imm & 0xff, (imm & 0x100) != 0);

    private static ulong Atomic(TcgCore core, ulong a, ulong b, ulong c, int imm) => core.Atomic(a, (AtomicOp)(imm & 0xff), imm >> 8 & 0xff, imm >> 16, b);

    private static ulong CompareExchange(TcgCore core, ulong a, ulong b, ulong c, int imm) => core.AtomicCompareExchange(a, imm >> 8 & 0xff, imm >> 16, b, c);

    private static ulong CompareExchangeDouble(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).CompareExchangeDouble(a, imm & 0xff, imm >> 16, b);

    private static ulong RotateFlags(TcgCore core, ulong a, ulong b, ulong c, int imm) => X86Arithmetic.RotateFlags(a, b, (int)c, imm & 0xff, (imm & 0x100) != 0);

    private static ulong RotateCarry(TcgCore core, ulong a, ulong b, ulong c, int imm) => X86Arithmetic.RotateCarry(a, b, (int)(c & 0xff), imm & 0xff, (imm & 0x100) != 0, out _);

    private static ulong RotateCarryFlags(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        X86Arithmetic.RotateCarry(a, b, (int)(c & 0xff), imm & 0xff, (imm & 0x100) != 0, out var flags);
        return flags;
    }

    private static ulong DoubleShift(TcgCore core, ulong a, ulong b, ulong c, int imm) => X86Arithmetic.DoubleShift(a, b, (int)(c & 0xff), imm & 0xff, (imm & 0x100) != 0, out _);

    private static ulong DoubleShiftCarry(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        X86Arithmetic.DoubleShift(a, b, (int)(c & 0xff), imm & 0xff, (imm & 0x100) != 0, out var carry);
        return carry;
    }

    private static ulong DoubleShiftFlags(TcgCore core, ulong a, ulong b, ulong c, int imm) => X86Arithmetic.DoubleShiftFlags(a, b, imm);

    private static ulong Fence(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Thread.MemoryBarrier();
        return 0;
    }

    private static ulong In(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        if (!Cpu(core).CheckPort((ushort)a, imm))
            return 0;
        Cpu(core).NotePort((ushort)a, imm);
        return core.Io.ReadPort((ushort)a, imm);
    }

    private static ulong Out(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        if (!Cpu(core).CheckPort((ushort)a, imm))
            return 0;
        Cpu(core).NotePort((ushort)a, imm);
        core.Io.WritePort((ushort)a, imm, (uint)(b & IrTypes.OfBytes(imm).Mask()));
        return 0;
    }

    private static ulong SetDirection(TcgCore core, ulong a, ulong b, ulong c, int imm) =>
        Cpu(core).S->Rflags = Cpu(core).S->Rflags & ~(ulong)X86.Flags.DF | (imm != 0 ? X86.Flags.DF : 0);

    private static ulong ClearInterruptFlag(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ChangeInterruptFlag(false);

    private static ulong SetInterruptFlag(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ChangeInterruptFlag(true);

    private static ulong Halt(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).S->Activity = X86Activity.Halted;
        return 0;
    }

    private static ulong Cpuid(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Cpuid();

    private static ulong Hypercall(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Hypercall();

    private static ulong ReadPerformanceCounter(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ReadPerformanceCounter();

    private static ulong ReadTsc(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ReadTsc(imm != 0);

    private static ulong ReadTscAux(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).S->TscAux;

    private static ulong ReadMsr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ReadMsr();

    private static ulong WriteMsr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).WriteMsr();

    private static ulong ClearTaskSwitched(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        var cpu = Cpu(core);
        if (cpu.Cpl != 0)
            return cpu.RaiseGp();
        return cpu.S->Cr0 &= ~Control.TS;
    }

    private static ulong LoadMachineStatus(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).LoadMachineStatus(a);

    private static ulong ReadSystemValue(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ReadSystemValue((SystemValue)imm);

    private static ulong LoadTable(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).LoadTable((ushort)a, b, imm != 0);

    private static ulong LoadSystemSegment(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        var cpu = Cpu(core);
        if (cpu.Cpl != 0)
            return cpu.RaiseGp();
        cpu.TryLoadSystemSegment((X86Seg)imm, (ushort)a);
        return 0;
    }

    private static ulong InspectSelector(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).InspectSelector((ushort)a, imm);

    private static ulong InvalidatePage(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        var cpu = Cpu(core);
        if (cpu.Cpl != 0)
            return cpu.RaiseGp();
        cpu.FlushPage(a);
        return 0;
    }

    private static ulong InvalidatePcid(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).InvalidatePcid(a, b, c);

    private static ulong SwapGs(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        var cpu = Cpu(core);
        if (cpu.Cpl != 0)
            return cpu.RaiseGp();
        (cpu.Seg(X86Seg.Gs).Base, cpu.S->KernelGsBase) = (cpu.S->KernelGsBase, cpu.Seg(X86Seg.Gs).Base);
        return 0;
    }

    private static ulong CheckFsgsbase(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        if ((Cpu(core).S->Cr4 & Control.FSGSBASE) == 0)
            Cpu(core).Raise(Vector.UD);
        return 0;
    }

    private static ulong CheckCanonical(TcgCore core, ulong a, ulong b, ulong c, int imm) => X86Core.IsCanonical(a) ? 0 : Cpu(core).RaiseGp();

    private static ulong SetAlignmentCheck(TcgCore core, ulong a, ulong b, ulong c, int imm) =>
        Cpu(core).S->Rflags = Cpu(core).S->Rflags & ~(ulong)X86.Flags.AC | (imm != 0 ? X86.Flags.AC : 0);

    private static ulong Syscall(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        if ((Cpu(core).S->Efer & Control.EferSce) == 0)
            Cpu(core).Raise(Vector.UD);
        else
            Cpu(core).Syscall(a);
        return 0;
    }

    private static ulong Sysret(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        if ((Cpu(core).S->Efer & Control.EferSce) == 0)
            Cpu(core).Raise(Vector.UD);
        else
            Cpu(core).Sysret(imm != 0);
        return 0;
    }

    private static ulong Sysenter(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).Sysenter();
        return 0;
    }

    private static ulong Sysexit(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).Sysexit(imm != 0);
        return 0;
    }

    private static ulong ReadControl(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ReadControl(imm);

    private static ulong WriteControl(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).WriteControl(imm, a);

    private static ulong ReadDebug(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ReadDebug(imm);

    private static ulong WriteDebug(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).WriteDebug(imm, a);

    private static ulong LoadVector(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).LoadVector(a, imm);

    private static ulong StoreVector(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).StoreVector(a, imm);

    private static ulong Sse(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Sse((int)a, imm, (byte)b);

    private static ulong SseFlags(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).SseCompareFlags((int)a, imm);

    private static ulong SseToGpr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).SseToGpr((int)a, imm, (byte)b);

    private static ulong SseFromGpr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).SseFromGpr((int)a, imm, b, (byte)c);

    private static ulong SaveFpu(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).SaveFpu(a, imm);

    private static ulong RestoreFpu(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).RestoreFpu(a, imm);

    private static ulong LoadMxcsr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).LoadMxcsr((uint)a);

    private static ulong ReadMxcsr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).S->Fpu.Mxcsr;

    private static ulong X87Register(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).X87Register(a, b, imm);

    private static ulong X87Memory(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).X87Memory(a, b, imm);

    private static ulong X87Wait(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        Cpu(core).TryWaitX87();
        return 0;
    }

    private static ulong Mmx(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).Mmx((int)a, imm, (byte)b);

    private static ulong EnterMmx(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).EnterMmx(imm != 0);

    private static ulong ReadMmx(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).ReadMmx(imm);

    private static ulong MmxToGpr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).MmxToGpr((int)a, imm, (byte)b);

    private static ulong MmxFromGpr(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).MmxFromGpr((int)a, imm, b, (byte)c);

    private static ulong MmxToVector(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).MmxToVector((int)a, imm, b != 0);

    private static ulong MmxFromVector(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).MmxFromVector((int)a, imm);

    private static ulong StoreMmxMasked(TcgCore core, ulong a, ulong b, ulong c, int imm) => Cpu(core).StoreMmxMasked(a, imm);
}
