using System.Runtime.CompilerServices;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>Between the translator's state and the one that all accelerators share.</summary>
internal static unsafe class X86StateTransfer
{
    public static void Save(X86Core core, out X86State state)
    {
        var s = core.S;
        state = default;
        for (var i = 0; i < 16; i++)
            state.Gpr[i] = s->Gpr[i];
        state.Rip = s->Rip;
        state.Rflags = core.GetRflags();
        state.Es = core.Seg(X86Seg.Es).ToSegment();
        state.Cs = core.Seg(X86Seg.Cs).ToSegment();
        state.Ss = core.Seg(X86Seg.Ss).ToSegment();
        state.Ds = core.Seg(X86Seg.Ds).ToSegment();
        state.Fs = core.Seg(X86Seg.Fs).ToSegment();
        state.Gs = core.Seg(X86Seg.Gs).ToSegment();
        state.Ldtr = core.Seg(X86Seg.Ldtr).ToSegment();
        state.Tr = core.Seg(X86Seg.Tr).ToSegment();
        (state.Gdtr, state.Idtr) = (s->Gdtr, s->Idtr);
        (state.Cr0, state.Cr2, state.Cr3, state.Cr4, state.Efer) = (s->Cr0, s->Cr2, s->Cr3, s->Cr4, s->Efer);
        state.Cr8 = core.ReadControl(8);
        state.ApicBase = core.ApicBase;
        (state.Star, state.Lstar, state.Cstar, state.Sfmask, state.KernelGsBase) = (s->Star, s->Lstar, s->Cstar, s->Sfmask, s->KernelGsBase);
        (state.SysenterCs, state.SysenterEsp, state.SysenterEip) = (s->SysenterCs, s->SysenterEsp, s->SysenterEip);
        (state.Pat, state.MtrrDefType, state.TscAux, state.MiscEnable) = (s->Pat, s->MtrrDefType, s->TscAux, s->MiscEnable);
        state.Tsc = core.Tsc;
        for (var i = 0; i < 8; i++)
            state.Dr[i] = s->Dr[i];
        fixed (byte* image = state.Fxsave)
            X86FxsaveImage.Write(s->Fpu, new Span<byte>(image, X86FxsaveImage.Size), true);
        state.Activity = s->Activity;
        state.InterruptShadow = s->InterruptShadow != 0;
        state.NmiBlocked = s->NmiBlocked != 0;
    }

    public static void Load(X86Core core, in X86State state)
    {
        var s = core.S;
        for (var i = 0; i < 16; i++)
            s->Gpr[i] = state.Gpr[i];
        s->Rip = state.Rip;
        core.SetRflags(state.Rflags);
        core.Seg(X86Seg.Es) = X86SegmentCache.From(state.Es);
        core.Seg(X86Seg.Cs) = X86SegmentCache.From(state.Cs);
        core.Seg(X86Seg.Ss) = X86SegmentCache.From(state.Ss);
        core.Seg(X86Seg.Ds) = X86SegmentCache.From(state.Ds);
        core.Seg(X86Seg.Fs) = X86SegmentCache.From(state.Fs);
        core.Seg(X86Seg.Gs) = X86SegmentCache.From(state.Gs);
        core.Seg(X86Seg.Ldtr) = X86SegmentCache.From(state.Ldtr);
        core.Seg(X86Seg.Tr) = X86SegmentCache.From(state.Tr);
        (s->Gdtr, s->Idtr) = (state.Gdtr, state.Idtr);
        (s->Cr0, s->Cr2, s->Cr3, s->Cr4, s->Efer) = (state.Cr0 | Control.ET, state.Cr2, state.Cr3, state.Cr4, state.Efer);
        core.ApicBase = state.ApicBase;
        core.WriteControl(8, state.Cr8 & 15);
        (s->Star, s->Lstar, s->Cstar, s->Sfmask, s->KernelGsBase) = (state.Star, state.Lstar, state.Cstar, state.Sfmask, state.KernelGsBase);
        (s->SysenterCs, s->SysenterEsp, s->SysenterEip) = (state.SysenterCs, state.SysenterEsp, state.SysenterEip);
        (s->Pat, s->MtrrDefType, s->TscAux, s->MiscEnable) = (state.Pat, state.MtrrDefType, state.TscAux, state.MiscEnable);
        core.TscOffset += state.Tsc - core.Tsc;
        for (var i = 0; i < 8; i++)
            s->Dr[i] = state.Dr[i];
        fixed (byte* image = state.Fxsave)
            X86FxsaveImage.Read(ref s->Fpu, new ReadOnlySpan<byte>(image, X86FxsaveImage.Size), true);
        // The privilege level is SS's (SDM Vol. 3A, 5.5); in real mode it is 0, in virtual-8086 mode 3.
        s->Cpl = (s->Cr0 & Control.PE) == 0 ? 0 : (s->Rflags & Flags.VM) != 0 ? 3 : core.Seg(X86Seg.Ss).Dpl;
        s->Activity = state.Activity;
        s->InterruptShadow = state.InterruptShadow ? (byte)1 : (byte)0;
        s->NmiBlocked = state.NmiBlocked ? (byte)1 : (byte)0;
        core.FlushTlb();
        if ((s->Cr0 & Control.PG) != 0 && (s->Cr4 & Control.PAE) != 0 && !core.LongMode)
            core.TryLoadPdptes(s->Cr3);
    }
}

/// <summary>FXSAVE's 512-byte image (SDM Vol. 1, 10.5.1): ST0 first there, the physical registers in the state.</summary>
/// <remarks>By pointers: what the framework has to read and write a span is generic, and would be compiled for each type at each start.</remarks>
internal static unsafe class X86FxsaveImage
{
    /// <summary>In bytes.</summary>
    public const int Size = 512;

    /// <summary>Bits of MXCSR that may be set: MXCSR_MASK.</summary>
    public const uint MxcsrMask = 0xffff;

    private const int RegistersOffset = 32, XmmOffset = 160, RegisterBytes = 16, WrittenBytes = 416;

    /// <param name="image">At least <see cref="Size"/> bytes.</param>
    /// <param name="wide">64-bit instruction and data pointers, XMM8 to 15.</param>
    public static void Write(in X86FpuState fpu, Span<byte> image, bool wide)
    {
        image[..Size][..WrittenBytes].Clear();
        fixed (byte* p = image)
        fixed (X86FpuState* state = &fpu)
        {
            *(ushort*)p = state->Fcw;
            *(ushort*)(p + 2) = state->Fsw;
            // The abridged tag word is by physical register too.
            p[4] = state->Ftw;
            *(ushort*)(p + 6) = state->Fop;
            if (wide)
            {
                *(ulong*)(p + 8) = state->Fip;
                *(ulong*)(p + 16) = state->Fdp;
            }
            else
            {
                *(uint*)(p + 8) = (uint)state->Fip;
                *(ushort*)(p + 12) = state->Fcs;
                *(uint*)(p + 16) = (uint)state->Fdp;
                *(ushort*)(p + 20) = state->Fds;
            }
            *(uint*)(p + 24) = state->Mxcsr;
            *(uint*)(p + 28) = MxcsrMask;
            var registers = (X87Register*)&state->R;
            var top = state->Fsw >> 11 & 7;
            for (var i = 0; i < 8; i++)
            {
                var register = registers + ((top + i) & 7);
                *(ulong*)(p + RegistersOffset + RegisterBytes * i) = register->Significand;
                *(ushort*)(p + RegistersOffset + RegisterBytes * i + 8) = register->SignExponent;
            }
            Unsafe.CopyBlockUnaligned(p + XmmOffset, &state->Xmm, (uint)(wide ? 16 : 8) * RegisterBytes);
        }
    }

    /// <param name="image">At least <see cref="Size"/> bytes.</param>
    /// <param name="wide">As for <see cref="Write"/>.</param>
    public static void Read(ref X86FpuState fpu, ReadOnlySpan<byte> image, bool wide)
    {
        image = image[..Size];
        fixed (byte* p = image)
        fixed (X86FpuState* state = &fpu)
        {
            state->Fcw = *(ushort*)p;
            state->Fsw = *(ushort*)(p + 2);
            state->Ftw = p[4];
            state->Fop = (ushort)(*(ushort*)(p + 6) & 0x7ff);
            state->Fip = wide ? *(ulong*)(p + 8) : *(uint*)(p + 8);
            state->Fdp = wide ? *(ulong*)(p + 16) : *(uint*)(p + 16);
            if (!wide)
            {
                state->Fcs = *(ushort*)(p + 12);
                state->Fds = *(ushort*)(p + 20);
            }
            state->Mxcsr = *(uint*)(p + 24) & MxcsrMask;
            var registers = (X87Register*)&state->R;
            var top = state->Fsw >> 11 & 7;
            for (var i = 0; i < 8; i++)
            {
                var register = registers + ((top + i) & 7);
                register->Significand = *(ulong*)(p + RegistersOffset + RegisterBytes * i);
                register->SignExponent = *(ushort*)(p + RegistersOffset + RegisterBytes * i + 8);
            }
            Unsafe.CopyBlockUnaligned(&state->Xmm, p + XmmOffset, (uint)(wide ? 16 : 8) * RegisterBytes);
        }
    }
}
