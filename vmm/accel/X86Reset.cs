using System.Buffers.Binary;

namespace Gauntlet.Vmm.Accel;

/// <summary>The state that RESET, INIT and a start-up IPI leave a processor in.</summary>
public static class X86Reset
{
    /// <summary>MSR 0x1b after RESET: enabled, at 0xfee00000; bit 8 is added for the bootstrap processor.</summary>
    public const ulong ApicBaseEnabled = 0xfee00800, ApicBaseBootstrap = 0x100;

    private const uint PresentDataAttributes = 0x93, PresentCodeAttributes = 0x9b, LdtAttributes = 0x82, BusyTssAttributes = 0x8b;

    /// <summary>After RESET (SDM Vol. 3A, table 10-1): the bootstrap processor at 0xfffffff0, the others waiting for a start-up IPI.</summary>
    /// <param name="signature">CPUID leaf 1 EAX, which RESET leaves in EDX.</param>
    public static unsafe X86State PowerUp(bool bootstrap, uint signature)
    {
        var state = new X86State
        {
            Rip = 0xfff0,
            Rflags = 2,
            Es = Data(),
            Cs = new X86Segment(0xf000, 0xffff0000, 0xffff, PresentCodeAttributes),
            Ss = Data(),
            Ds = Data(),
            Fs = Data(),
            Gs = Data(),
            Ldtr = new X86Segment(0, 0, 0xffff, LdtAttributes),
            Tr = new X86Segment(0, 0, 0xffff, BusyTssAttributes),
            Gdtr = new X86Table(0, 0xffff),
            Idtr = new X86Table(0, 0xffff),
            Cr0 = 0x60000010,
            ApicBase = ApicBaseEnabled | (bootstrap ? ApicBaseBootstrap : 0),
            Pat = 0x0007040600070406,
            MiscEnable = 1,
            Activity = bootstrap ? X86Activity.Running : X86Activity.WaitForSipi,
        };
        state.Gpr[2] = signature;
        state.Dr[6] = 0xffff0ff0;
        state.Dr[7] = 0x400;
        var fxsave = new Span<byte>(state.Fxsave, 512);
        BinaryPrimitives.WriteUInt16LittleEndian(fxsave, 0x40);
        // RESET marks the registers valid (tag word 5555h: zero); FXSAVE's abridged form has a 1 for each register that is not empty.
        fxsave[4] = 0xff;
        BinaryPrimitives.WriteUInt32LittleEndian(fxsave[24..], 0x1f80);
        return state;
    }

    /// <summary>What INIT changes (SDM Vol. 3A, table 10-1): as after RESET, but x87, SSE, MSRs, the TSC and CR0's cache bits stay. Then it waits for a start-up IPI.</summary>
    /// <param name="state">Before, changed in place.</param>
    /// <param name="bootstrap">The bootstrap processor does not wait: it starts at 0xfffffff0 again.</param>
    public static unsafe void Init(ref X86State state, bool bootstrap, uint signature)
    {
        var old = state;
        state = PowerUp(bootstrap, signature);
        state.Cr0 = 0x10 | old.Cr0 & 0x60000000;
        state.ApicBase = old.ApicBase;
        state.Star = old.Star;
        state.Lstar = old.Lstar;
        state.Cstar = old.Cstar;
        state.Sfmask = old.Sfmask;
        state.KernelGsBase = old.KernelGsBase;
        state.SysenterCs = old.SysenterCs;
        state.SysenterEsp = old.SysenterEsp;
        state.SysenterEip = old.SysenterEip;
        state.Pat = old.Pat;
        state.MtrrDefType = old.MtrrDefType;
        state.Tsc = old.Tsc;
        state.TscAux = old.TscAux;
        state.MiscEnable = old.MiscEnable;
        fixed (byte* fxsave = state.Fxsave)
            new ReadOnlySpan<byte>(old.Fxsave, 512).CopyTo(new Span<byte>(fxsave, 512));
    }

    /// <summary>A start-up IPI (SDM Vol. 3A, 9.4.4.1): real mode at vector × 4096.</summary>
    public static void StartUp(ref X86State state, byte vector)
    {
        state.Cs = state.Cs with { Selector = (ushort)(vector << 8), Base = (ulong)vector << 12 };
        state.Rip = 0;
        state.Activity = X86Activity.Running;
    }

    private static X86Segment Data() => new(0, 0, 0xffff, PresentDataAttributes);
}
