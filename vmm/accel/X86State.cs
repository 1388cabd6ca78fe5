using System.Runtime.CompilerServices;

namespace Gauntlet.Vmm.Accel;

/// <summary>One segment register with its hidden part (SDM Vol. 3A, 3.4.3), or LDTR/TR.</summary>
/// <param name="Selector">The visible part.</param>
/// <param name="Base">Linear address.</param>
/// <param name="Limit">In bytes, granularity applied: the last valid offset.</param>
/// <param name="Attributes">Type, S, DPL, P in bits 0-7 and AVL, L, D/B, G in bits 12-15, as descriptor bits 40-55 hold them; bit 16: unusable.</param>
public readonly record struct X86Segment(ushort Selector, ulong Base, uint Limit, uint Attributes)
{
    /// <summary>Attribute bit for a segment that cannot be used (null selector).</summary>
    public const uint Unusable = 1u << 16;
}

/// <summary>GDTR or IDTR.</summary>
public readonly record struct X86Table(ulong Base, ushort Limit);

[InlineArray(16)]
public struct X86Gprs
{
    private ulong _rax;
}

/// <summary>Whether and how a vCPU executes.</summary>
public enum X86Activity : byte
{
    Running,
    Halted,
    WaitForSipi,
}

/// <summary>
/// A vCPU's architectural state, the same for every accelerator: what boot code sets, dumps print and snapshots carry.
/// General registers are in encoding order: RAX RCX RDX RBX RSP RBP RSI RDI R8-R15.
/// </summary>
public unsafe struct X86State
{
    public X86Gprs Gpr;
    public ulong Rip, Rflags;
    public X86Segment Es, Cs, Ss, Ds, Fs, Gs, Ldtr, Tr;
    public X86Table Gdtr, Idtr;
    public ulong Cr0, Cr2, Cr3, Cr4, Cr8, Efer;
    public ulong ApicBase;
    public ulong Star, Lstar, Cstar, Sfmask, KernelGsBase, SysenterCs, SysenterEsp, SysenterEip, Pat, MtrrDefType, Tsc, TscAux, MiscEnable;
    public fixed ulong Dr[8];

    /// <summary>x87 and SSE state in FXSAVE64's layout (SDM Vol. 1, 10.5.1).</summary>
    public fixed byte Fxsave[512];

    public X86Activity Activity;

    /// <summary>Interrupts are held off for one instruction: after STI or MOV SS.</summary>
    public bool InterruptShadow;
    public bool NmiBlocked;
}
