using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>
/// A vCPU's architectural state between KVM's structures and <see cref="X86State"/>. Only while the vCPU is not in KVM_RUN: the kernel would make the caller wait.
/// </summary>
internal sealed unsafe class KvmRegisters
{
    private const uint
        Ia32Tsc = 0x10, Ia32SysenterCs = 0x174, Ia32SysenterEsp = 0x175, Ia32SysenterEip = 0x176, Ia32MiscEnable = 0x1a0, Ia32Pat = 0x277,
        Ia32MtrrDefType = 0x2ff, Ia32Star = 0xc0000081, Ia32Lstar = 0xc0000082, Ia32Cstar = 0xc0000083, Ia32Fmask = 0xc0000084,
        Ia32KernelGsBase = 0xc0000102, Ia32TscAux = 0xc0000103;

    /// <summary>Set last, so that the time it takes to set the others is not lost on it.</summary>
    private static readonly uint[] StateMsrs =
    [
        Ia32SysenterCs, Ia32SysenterEsp, Ia32SysenterEip, Ia32MiscEnable, Ia32Pat, Ia32MtrrDefType,
        Ia32Star, Ia32Lstar, Ia32Cstar, Ia32Fmask, Ia32KernelGsBase, Ia32TscAux, Ia32Tsc,
    ];

    private const uint MxcsrOffset = 24, MxcsrMaskOffset = 28, FxsaveAvailableOffset = 416;

    /// <summary>XSTATE_BV bits 0 and 1: x87 and SSE state are in the area, not in their initial configuration.</summary>
    private const ulong XstateLegacy = 3;

    private readonly SafeFileHandle _vcpu;
    private readonly int _index;
    private readonly bool _hasXsave, _hasXcrs;

    /// <summary>Those of <see cref="StateMsrs"/> that this vCPU has: which depends on its CPUID and on the host.</summary>
    private readonly uint[] _msrs;

    private readonly KvmLapicState? _initialLapic;
    private readonly KvmXcrs _initialXcrs;

    /// <param name="hasLapic">The local APIC is KVM's.</param>
    public KvmRegisters(SafeFileHandle vcpu, int index, KvmSystem system, bool hasLapic)
    {
        _vcpu = vcpu;
        _index = index;
        _hasXsave = system.Check(KvmCap.Xsave) != 0;
        _hasXcrs = system.Check(KvmCap.Xcrs) != 0;
        _msrs = OfferedMsrs();
        if (hasLapic)
        {
            KvmLapicState lapic;
            Call(KvmRequest.GetLapic, &lapic, "read the local APIC");
            _initialLapic = lapic;
        }

        if (_hasXcrs)
        {
            fixed (KvmXcrs* xcrs = &_initialXcrs)
                Call(KvmRequest.GetXcrs, xcrs, "read XCR0");
        }
    }

    /// <exception cref="AcceleratorException">KVM refuses.</exception>
    public void Get(out X86State state)
    {
        state = default;
        KvmRegs regs;
        Call(KvmRequest.GetRegs, &regs, "read the general registers");
        state.Gpr[0] = regs.Rax;
        state.Gpr[1] = regs.Rcx;
        state.Gpr[2] = regs.Rdx;
        state.Gpr[3] = regs.Rbx;
        state.Gpr[4] = regs.Rsp;
        state.Gpr[5] = regs.Rbp;
        state.Gpr[6] = regs.Rsi;
        state.Gpr[7] = regs.Rdi;
        state.Gpr[8] = regs.R8;
        state.Gpr[9] = regs.R9;
        state.Gpr[10] = regs.R10;
        state.Gpr[11] = regs.R11;
        state.Gpr[12] = regs.R12;
        state.Gpr[13] = regs.R13;
        state.Gpr[14] = regs.R14;
        state.Gpr[15] = regs.R15;
        state.Rip = regs.Rip;
        state.Rflags = regs.Rflags;

        KvmSregs sregs;
        Call(KvmRequest.GetSregs, &sregs, "read the system registers");
        state.Es = FromKvm(sregs.Es);
        state.Cs = FromKvm(sregs.Cs);
        state.Ss = FromKvm(sregs.Ss);
        state.Ds = FromKvm(sregs.Ds);
        state.Fs = FromKvm(sregs.Fs);
        state.Gs = FromKvm(sregs.Gs);
        state.Ldtr = FromKvm(sregs.Ldt);
        state.Tr = FromKvm(sregs.Tr);
        state.Gdtr = new X86Table(sregs.Gdt.Base, sregs.Gdt.Limit);
        state.Idtr = new X86Table(sregs.Idt.Base, sregs.Idt.Limit);
        state.Cr0 = sregs.Cr0;
        state.Cr2 = sregs.Cr2;
        state.Cr3 = sregs.Cr3;
        state.Cr4 = sregs.Cr4;
        state.Cr8 = sregs.Cr8;
        state.Efer = sregs.Efer;
        state.ApicBase = sregs.ApicBase;

        KvmDebugRegs debug;
        Call(KvmRequest.GetDebugRegs, &debug, "read the debug registers");
        for (var i = 0; i < 4; i++)
            state.Dr[i] = debug.Db[i];
        state.Dr[6] = debug.Dr6;
        state.Dr[7] = debug.Dr7;

        GetFloatingPoint(ref state);
        foreach (var msr in _msrs)
        {
            if (TryGetMsr(msr, out var value))
                MsrField(ref state, msr) = value;
        }

        KvmMpState activity;
        Call(KvmRequest.GetMpState, &activity, "read whether it runs");
        state.Activity = activity switch
        {
            KvmMpState.Halted => X86Activity.Halted,
            KvmMpState.Uninitialized or KvmMpState.InitReceived => X86Activity.WaitForSipi,
            _ => X86Activity.Running,
        };

        KvmVcpuEvents events;
        Call(KvmRequest.GetVcpuEvents, &events, "read its pending events");
        state.InterruptShadow = events.InterruptShadow != 0;
        state.NmiBlocked = events.NmiMasked != 0;
    }

    /// <summary>Replaces what <see cref="X86State"/> holds; what was on its way into the guest (an exception, an interrupt) is dropped.</summary>
    /// <param name="isReset">The local APIC, XCR0 and the extended (AVX) state go back to what they were at the vCPU's birth too.</param>
    /// <exception cref="AcceleratorException">KVM refuses: the state is not one that a processor can be in.</exception>
    public void Set(in X86State state, bool isReset)
    {
        if (isReset && _initialLapic is { } lapic)
            Call(KvmRequest.SetLapic, &lapic, "reset the local APIC");
        if (isReset && _hasXcrs)
        {
            fixed (KvmXcrs* xcrs = &_initialXcrs)
                Call(KvmRequest.SetXcrs, xcrs, "reset XCR0");
        }

        var sregs = new KvmSregs
        {
            Es = ToKvm(state.Es),
            Cs = ToKvm(state.Cs),
            Ss = ToKvm(state.Ss),
            Ds = ToKvm(state.Ds),
            Fs = ToKvm(state.Fs),
            Gs = ToKvm(state.Gs),
            Ldt = ToKvm(state.Ldtr),
            Tr = ToKvm(state.Tr),
            Gdt = new KvmDtable { Base = state.Gdtr.Base, Limit = state.Gdtr.Limit },
            Idt = new KvmDtable { Base = state.Idtr.Base, Limit = state.Idtr.Limit },
            Cr0 = state.Cr0,
            Cr2 = state.Cr2,
            Cr3 = state.Cr3,
            Cr4 = state.Cr4,
            Cr8 = state.Cr8,
            Efer = state.Efer,
            ApicBase = state.ApicBase,
        };
        Call(KvmRequest.SetSregs, &sregs, "set the system registers");

        var regs = new KvmRegs
        {
            Rax = state.Gpr[0],
            Rcx = state.Gpr[1],
            Rdx = state.Gpr[2],
            Rbx = state.Gpr[3],
            Rsp = state.Gpr[4],
            Rbp = state.Gpr[5],
            Rsi = state.Gpr[6],
            Rdi = state.Gpr[7],
            R8 = state.Gpr[8],
            R9 = state.Gpr[9],
            R10 = state.Gpr[10],
            R11 = state.Gpr[11],
            R12 = state.Gpr[12],
            R13 = state.Gpr[13],
            R14 = state.Gpr[14],
            R15 = state.Gpr[15],
            Rip = state.Rip,
            Rflags = state.Rflags,
        };
        Call(KvmRequest.SetRegs, &regs, "set the general registers");

        var debug = new KvmDebugRegs { Dr6 = state.Dr[6], Dr7 = state.Dr[7] };
        for (var i = 0; i < 4; i++)
            debug.Db[i] = state.Dr[i];
        Call(KvmRequest.SetDebugRegs, &debug, "set the debug registers");

        SetFloatingPoint(state, isReset);
        SetMsrs(state);

        var activity = state.Activity switch
        {
            X86Activity.Halted => KvmMpState.Halted,
            X86Activity.WaitForSipi => _initialLapic is null ? KvmMpState.Runnable : KvmMpState.Uninitialized,
            _ => KvmMpState.Runnable,
        };
        if (_initialLapic is not null)
            Call(KvmRequest.SetMpState, &activity, "set whether it runs");

        var events = new KvmVcpuEvents
        {
            Flags = KvmVcpuEvents.ValidNmiPending | KvmVcpuEvents.ValidShadow,
            InterruptShadow = state.InterruptShadow ? KvmVcpuEvents.ShadowSti : (byte)0,
            NmiMasked = state.NmiBlocked ? (byte)1 : (byte)0,
        };
        Call(KvmRequest.SetVcpuEvents, &events, "set its pending events");
    }

    private void GetFloatingPoint(ref X86State state)
    {
        fixed (byte* fxsave = state.Fxsave)
        {
            if (_hasXsave)
            {
                KvmXsave xsave;
                Call(KvmRequest.GetXsave, &xsave, "read the x87 and SSE registers");
                new ReadOnlySpan<byte>(xsave.Legacy, (int)FxsaveAvailableOffset).CopyTo(new Span<byte>(fxsave, (int)FxsaveAvailableOffset));
                return;
            }

            KvmFpu fpu;
            Call(KvmRequest.GetFpu, &fpu, "read the x87 and SSE registers");
            *(ushort*)fxsave = fpu.Fcw;
            *(ushort*)(fxsave + 2) = fpu.Fsw;
            fxsave[4] = fpu.Ftwx;
            *(ushort*)(fxsave + 6) = fpu.LastOpcode;
            *(ulong*)(fxsave + 8) = fpu.LastIp;
            *(ulong*)(fxsave + 16) = fpu.LastDp;
            *(uint*)(fxsave + MxcsrOffset) = fpu.Mxcsr;
            new ReadOnlySpan<byte>(fpu.Fpr, 128).CopyTo(new Span<byte>(fxsave + 32, 128));
            new ReadOnlySpan<byte>(fpu.Xmm, 256).CopyTo(new Span<byte>(fxsave + 160, 256));
        }
    }

    private void SetFloatingPoint(in X86State state, bool isReset)
    {
        fixed (byte* fxsave = state.Fxsave)
        {
            if (_hasXsave)
            {
                // The rest of the area, AVX and what follows it, is not in X86State and stays, except at a reset.
                KvmXsave xsave;
                Call(KvmRequest.GetXsave, &xsave, "read the extended registers");
                var mxcsrMask = *(uint*)(xsave.Legacy + MxcsrMaskOffset);
                new ReadOnlySpan<byte>(fxsave, (int)FxsaveAvailableOffset).CopyTo(new Span<byte>(xsave.Legacy, (int)FxsaveAvailableOffset));
                *(uint*)(xsave.Legacy + MxcsrMaskOffset) = mxcsrMask;
                xsave.XstateBv = isReset ? XstateLegacy : xsave.XstateBv | XstateLegacy;
                Call(KvmRequest.SetXsave, &xsave, "set the x87 and SSE registers");
                return;
            }

            var fpu = new KvmFpu
            {
                Fcw = *(ushort*)fxsave,
                Fsw = *(ushort*)(fxsave + 2),
                Ftwx = fxsave[4],
                LastOpcode = *(ushort*)(fxsave + 6),
                LastIp = *(ulong*)(fxsave + 8),
                LastDp = *(ulong*)(fxsave + 16),
                Mxcsr = *(uint*)(fxsave + MxcsrOffset),
            };
            new ReadOnlySpan<byte>(fxsave + 32, 128).CopyTo(new Span<byte>(fpu.Fpr, 128));
            new ReadOnlySpan<byte>(fxsave + 160, 256).CopyTo(new Span<byte>(fpu.Xmm, 256));
            Call(KvmRequest.SetFpu, &fpu, "set the x87 and SSE registers");
        }
    }

    private uint[] OfferedMsrs()
    {
        var offered = new uint[StateMsrs.Length];
        var count = 0;
        foreach (var msr in StateMsrs)
        {
            if (TryGetMsr(msr, out _))
                offered[count++] = msr;
        }

        var msrs = new uint[count];
        Array.Copy(offered, msrs, count);
        return msrs;
    }

    private bool TryGetMsr(uint msr, out ulong value)
    {
        var buffer = new MsrList { Count = 1 };
        buffer.Entry.Index = msr;
        var got = Libc.ioctl(_vcpu, KvmRequest.GetMsrs, &buffer);
        value = buffer.Entry.Data;
        return got == 1;
    }

    private void SetMsrs(in X86State state)
    {
        var copy = state;
        foreach (var msr in _msrs)
        {
            var buffer = new MsrList { Count = 1 };
            buffer.Entry.Index = msr;
            buffer.Entry.Data = MsrField(ref copy, msr);
            if (Libc.ioctl(_vcpu, KvmRequest.SetMsrs, &buffer) == 1)
                continue;
            // A host whose value cannot be changed is no obstacle when nothing is to change.
            if (!TryGetMsr(msr, out var now) || now != buffer.Entry.Data)
                throw new AcceleratorException($"KVM cannot set MSR 0x{msr:x} of vCPU {_index} to 0x{buffer.Entry.Data:x}: the value is not one that this processor takes");
        }
    }

    private static ref ulong MsrField(ref X86State state, uint msr)
    {
        switch (msr)
        {
            case Ia32Tsc: return ref state.Tsc;
            case Ia32SysenterCs: return ref state.SysenterCs;
            case Ia32SysenterEsp: return ref state.SysenterEsp;
            case Ia32SysenterEip: return ref state.SysenterEip;
            case Ia32MiscEnable: return ref state.MiscEnable;
            case Ia32Pat: return ref state.Pat;
            case Ia32MtrrDefType: return ref state.MtrrDefType;
            case Ia32Star: return ref state.Star;
            case Ia32Lstar: return ref state.Lstar;
            case Ia32Cstar: return ref state.Cstar;
            case Ia32Fmask: return ref state.Sfmask;
            case Ia32KernelGsBase: return ref state.KernelGsBase;
            default: return ref state.TscAux;
        }
    }

    private static X86Segment FromKvm(in KvmSegment s)
        => new(s.Selector, s.Base, s.Limit,
            s.Type & 15u | (s.S & 1u) << 4 | (s.Dpl & 3u) << 5 | (s.Present & 1u) << 7
            | (s.Avl & 1u) << 12 | (s.L & 1u) << 13 | (s.Db & 1u) << 14 | (s.G & 1u) << 15
            | (s.Unusable != 0 ? X86Segment.Unusable : 0));

    private static KvmSegment ToKvm(X86Segment s) => new()
    {
        Selector = s.Selector,
        Base = s.Base,
        Limit = s.Limit,
        Type = (byte)(s.Attributes & 15),
        S = Bit(s.Attributes, 4),
        Dpl = (byte)(s.Attributes >> 5 & 3),
        Present = Bit(s.Attributes, 7),
        Avl = Bit(s.Attributes, 12),
        L = Bit(s.Attributes, 13),
        Db = Bit(s.Attributes, 14),
        G = Bit(s.Attributes, 15),
        Unusable = (s.Attributes & X86Segment.Unusable) != 0 ? (byte)1 : (byte)0,
    };

    private static byte Bit(uint value, int bit) => (byte)(value >> bit & 1);

    private void Call(nuint request, void* argument, string doing)
    {
        if (Libc.ioctl(_vcpu, request, argument) < 0)
            throw new AcceleratorException($"KVM cannot {doing} of vCPU {_index}: {KvmSystem.ErrorText()}");
    }

    /// <summary>struct kvm_msrs with one entry.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MsrList
    {
        public uint Count, Padding;
        public KvmMsrEntry Entry;
    }
}
