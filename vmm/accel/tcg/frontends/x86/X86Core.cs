using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>One x86-64 CPU as the translator executes it: state, exceptions, paging, segmentation, system registers. One partial file a subject.</summary>
public sealed unsafe partial class X86Core : TranslatingCore
{
    /// <summary>MMU indices: supervisor, supervisor with SMAP enforced, user, user with alignment checks.</summary>
    public const int MmuKernel = 0, MmuKernelSmap = 1, MmuUser = 2, MmuUserAligned = 3;

    public X86Core(VcpuSetup setup, PhysicalMap physical, X86CpuModel model, Func<ulong> readTsc)
        : base(setup.Index, physical, setup.Io, X86CpuState.Size, X86CpuState.OffsetRip, X86CpuState.OffsetCcOp, X86Helpers.Count)
    {
        Setup = setup;
        Model = model;
        _readTsc = readTsc;
        X86Helpers.Fill(Helpers);
        Reset();
    }

    public VcpuSetup Setup { get; }

    public X86CpuModel Model { get; }

    public X86CpuState* S => (X86CpuState*)Base;

    internal bool LongMode => (S->Efer & Control.EferLma) != 0;

    internal bool ProtectedMode => (S->Cr0 & Control.PE) != 0;

    internal bool Virtual8086 => (S->Rflags & Flags.VM) != 0;

    /// <summary>Code runs in 64-bit mode, not only in a compatibility segment of it.</summary>
    internal bool Code64 => LongMode && (Seg(X86Seg.Cs).Attributes & 0x2000) != 0;

    internal int Cpl => S->Cpl;

    internal ref X86SegmentCache Seg(X86Seg seg) => ref S->Seg[(int)seg];

    internal ref ulong Gpr(int index) => ref S->Gpr[index];

    /// <summary>RFLAGS as the guest sees it.</summary>
    public ulong GetRflags() => S->Rflags & ~(ulong)CcOp.Status | CcOp.Compute(S->CcOp, S->CcDst, S->CcSrc, S->CcSrc2) | Flags.Fixed1;

    /// <summary>Sets all of RFLAGS; reserved bits are put right.</summary>
    public void SetRflags(ulong value)
    {
        S->CcOp = CcOp.Flags;
        S->CcDst = value & CcOp.Status;
        S->Rflags = value & (Flags.Poppable | Flags.RF | Flags.VM | Flags.VIF | Flags.VIP) & ~(ulong)CcOp.Status | Flags.Fixed1;
    }

    /// <summary>The mode that the next block is translated for.</summary>
    internal uint ComputeMode()
    {
        var s = S;
        ref var cs = ref Seg(X86Seg.Cs);
        uint mode = (uint)s->Cpl << Mode.CplShift;
        if ((s->Efer & Control.EferLma) != 0 && (cs.Attributes & 0x2000) != 0)
            mode |= 2 | Mode.Stack32;
        else
        {
            mode |= (cs.Attributes & 0x4000) != 0 ? 1u : 0;
            if ((Seg(X86Seg.Ss).Attributes & 0x4000) != 0)
                mode |= Mode.Stack32;
            for (var seg = X86Seg.Es; seg <= X86Seg.Gs; seg++)
                if (IsFlat(Seg(seg), seg == X86Seg.Cs))
                    mode |= 1u << (Mode.FlatShift + (int)seg);
            if (cs.Limit != uint.MaxValue)
                mode |= Mode.CodeLimit;
        }
        if ((s->Cr0 & Control.PE) != 0)
            mode |= Mode.Protected;
        if ((s->Efer & Control.EferLma) != 0)
            mode |= Mode.LongActive;
        if ((s->Rflags & Flags.VM) != 0)
            mode |= Mode.Virtual8086;
        if ((s->Cr4 & Control.SMAP) != 0 && s->Cpl < 3 && (s->Rflags & Flags.AC) == 0)
            mode |= Mode.SmapEnforced;
        if ((s->Rflags & Flags.TF) != 0)
            mode |= Mode.SingleStep;
        if (AlignmentChecked)
            mode |= Mode.AlignmentChecked;
        if ((s->Cr0 & Control.TS) != 0)
            mode |= Mode.TaskSwitched;
        if ((s->Cr0 & Control.EM) != 0)
            mode |= Mode.Emulation;
        if ((s->Cr0 & Control.MP) != 0)
            mode |= Mode.MonitorCoprocessor;
        if ((s->Cr4 & Control.OSFXSR) != 0)
            mode |= Mode.OsFxsr;
        return mode;
    }

    /// <summary>The MMU index of the program's own accesses.</summary>
    internal int MmuIndex => S->Cpl == 3 ? AlignmentChecked ? MmuUserAligned : MmuUser : (S->Cr4 & Control.SMAP) != 0 && (S->Rflags & Flags.AC) == 0 ? MmuKernelSmap : MmuKernel;

    private bool AlignmentChecked => S->Cpl == 3 && (S->Rflags & Flags.AC) != 0 && (S->Cr0 & Control.AM) != 0;

    /// <summary>The MMU index of the CPU's own accesses, to descriptor tables and task state (SDM Vol. 3A, 4.6: implicit supervisor-mode).</summary>
    internal int SystemMmuIndex => (S->Cr4 & Control.SMAP) != 0 ? MmuKernelSmap : MmuKernel;

    /// <summary>To the state after RESET (SDM Vol. 3A, Table 9-1).</summary>
    public void Reset()
    {
        ResetRegisters();
        var fpu = &S->Fpu;
        *fpu = default;
        fpu->Fcw = 0x40;
        fpu->Mxcsr = 0x1f80;
        S->Xcr0 = 1;
        S->Efer = 0;
        S->Star = S->Lstar = S->Cstar = S->Sfmask = S->KernelGsBase = 0;
        S->SysenterCs = S->SysenterEsp = S->SysenterEip = 0;
        S->MtrrDefType = 0;
        S->TscAux = 0;
        S->Pat = 0x0007040600070406;
        S->MiscEnable = 1;
        _mtrrs.AsSpan().Clear();
        TscOffset = 0 - _readTsc();
    }

    /// <summary>After INIT: as after RESET but for what INIT keeps (SDM Vol. 3A, Table 9-1): FPU, MSRs, TSC.</summary>
    internal void ResetRegisters()
    {
        var s = S;
        for (var i = 0; i < 16; i++)
            s->Gpr[i] = 0;
        s->Gpr[2] = Model.Signature;
        SetRflags(0);
        s->Rip = 0xfff0;
        for (var seg = X86Seg.Es; seg <= X86Seg.Tr; seg++)
            Seg(seg) = new X86SegmentCache { Limit = 0xffff, Attributes = seg == X86Seg.Ldtr ? 0x82u : seg == X86Seg.Tr ? 0x8bu : seg == X86Seg.Cs ? 0x9bu : 0x93u };
        Seg(X86Seg.Cs).Selector = 0xf000;
        Seg(X86Seg.Cs).Base = 0xffff0000;
        s->Gdtr = s->Idtr = new X86Table(0, 0xffff);
        s->Cr0 = s->Cr0 & (Control.CD | Control.NW) | Control.ET;
        if (s->Cr0 == Control.ET)
            s->Cr0 |= Control.CD | Control.NW;
        s->Cr2 = s->Cr3 = s->Cr4 = 0;
        s->Efer &= ~(Control.EferLma | Control.EferLme);
        for (var i = 0; i < 6; i++)
            s->Dr[i] = 0;
        s->Dr[6] = 0xffff0ff0;
        s->Dr[7] = 0x400;
        s->Cpl = 0;
        s->InterruptShadow = s->NmiBlocked = 0;
        s->Activity = Index == 0 ? X86Activity.Running : X86Activity.WaitForSipi;
        FlushTlb();
    }

    /// <summary>A start-up IPI: real mode at vector × 4096.</summary>
    internal void StartAt(byte vector)
    {
        Seg(X86Seg.Cs).Selector = (ushort)(vector << 8);
        Seg(X86Seg.Cs).Base = (ulong)vector << 12;
        S->Rip = 0;
        S->Activity = X86Activity.Running;
    }

    /// <summary>The instruction about to run is alone in its block and may overwrite itself: it completes with what it was.</summary>
    internal bool WritesOwnBlock { get; set; }

    protected override bool InvalidatePage(ulong physicalPage) => base.InvalidatePage(physicalPage) && !WritesOwnBlock;

    /// <summary>Drops all translations, linear-addressed caches included.</summary>
    internal void FlushTlb()
    {
        Tlb.Flush();
        Blocks.ClearJumpCache();
        _largePages = false;
    }

    internal void FlushPage(ulong linear)
    {
        if (_largePages)
        {
            FlushTlb();
            return;
        }
        Tlb.FlushPage(linear);
        Blocks.ClearJumpCache();
    }

    /// <summary>Takes requests of other threads that concern memory; on the vCPU's own thread, between blocks.</summary>
    internal void TakeMemoryRequests(int requests)
    {
        if ((requests & RequestFlush) != 0)
        {
            FlushTlb();
            Blocks.Clear();
        }
        while (TryTakeInvalidation(out var page))
            Blocks.InvalidatePage(page, null);
    }

    private static bool IsFlat(in X86SegmentCache seg, bool code)
    {
        if (seg.Base != 0 || seg.Limit != uint.MaxValue || (seg.Attributes & (X86Segment.Unusable | 0x80)) != 0x80)
            return false;
        // Code: readable. Data: writable and not expand-down.
        return (seg.Attributes & 8) != 0 ? code && (seg.Attributes & 2) != 0 : !code && (seg.Attributes & 6) == 2;
    }
}
