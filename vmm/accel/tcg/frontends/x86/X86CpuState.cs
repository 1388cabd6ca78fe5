using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>A segment register's hidden part as the translator keeps it; the same meaning as <see cref="X86Segment"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct X86SegmentCache
{
    public ulong Base;
    public uint Limit;

    /// <summary>As <see cref="X86Segment.Attributes"/>: descriptor bits 40-55, and bit 16 for unusable.</summary>
    public uint Attributes;
    public ushort Selector;

    public readonly int Dpl => (int)(Attributes >> 5) & 3;

    public readonly bool Present => (Attributes & 0x80) != 0;

    public readonly bool Usable => (Attributes & X86Segment.Unusable) == 0;

    public static X86SegmentCache From(in X86Segment s) => new() { Base = s.Base, Limit = s.Limit, Attributes = s.Attributes, Selector = s.Selector };

    public readonly X86Segment ToSegment() => new(Selector, Base, Limit, Attributes);
}

/// <summary>One x87 data register: 80 bits in 16 bytes, as FXSAVE keeps it.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
public struct X87Register
{
    /// <summary>Bit 63 is the explicit integer bit.</summary>
    public ulong Significand;

    /// <summary>Bit 15 the sign, bits 0-14 the biased exponent.</summary>
    public ushort SignExponent;
}

[InlineArray(8)]
public struct X87Registers
{
    private X87Register _r0;
}

[InlineArray(16)]
public struct XmmRegisters
{
    private Vector128<byte> _xmm0;
}

/// <summary>x87 and SSE state, the fields of FXSAVE's image (SDM Vol. 1, 10.5.1).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct X86FpuState
{
    /// <summary>R0 to R7, the physical registers: ST(i) is R[(TOP + i) &amp; 7].</summary>
    public X87Registers R;
    public XmmRegisters Xmm;

    /// <summary>Control word: exception masks in bits 0-5, precision control 8-9, rounding control 10-11.</summary>
    public ushort Fcw;

    /// <summary>Status word with TOP in bits 11-13.</summary>
    public ushort Fsw;

    /// <summary>Abridged tag word: bit i set when R[i] holds a value.</summary>
    public byte Ftw;

    /// <summary>Opcode of the last x87 instruction, 11 bits.</summary>
    public ushort Fop;
    public ulong Fip, Fdp;
    public ushort Fcs, Fds;
    public uint Mxcsr;
}

/// <summary>Segment registers in encoding order, then the two system segments.</summary>
public enum X86Seg
{
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
    Ldtr,
    Tr,
}

[InlineArray(8)]
public struct X86SegmentCaches
{
    private X86SegmentCache _es;
}

/// <summary>
/// A vCPU's state while the translator runs it, in unmanaged memory: the fixed offsets are what IR globals name and what generated code addresses.
/// The first 64 bytes are <see cref="CoreHeader"/>; temporaries of a block lie behind this structure.
/// </summary>
/// <remarks>
/// The status flags (CF PF AF ZF SF OF) are kept lazily: <see cref="CcOp"/> (a <see cref="CcOp"/> value) tells how to compute them from
/// <see cref="CcDst"/>, <see cref="CcSrc"/> and <see cref="CcSrc2"/>; <see cref="Rflags"/> holds all the other bits of RFLAGS.
/// </remarks>
[StructLayout(LayoutKind.Explicit)]
public unsafe struct X86CpuState
{
    public const int OffsetGpr = 64, OffsetRip = 192, OffsetCcDst = 200, OffsetCcSrc = 208, OffsetCcSrc2 = 216, OffsetCcOp = 224,
        OffsetRflags = 232, OffsetSeg = 240, OffsetFpu = 448;

    [FieldOffset(0)] public CoreHeader Core;
    [FieldOffset(OffsetGpr)] public fixed ulong Gpr[16];
    [FieldOffset(OffsetRip)] public ulong Rip;
    [FieldOffset(OffsetCcDst)] public ulong CcDst;
    [FieldOffset(OffsetCcSrc)] public ulong CcSrc;
    [FieldOffset(OffsetCcSrc2)] public ulong CcSrc2;
    [FieldOffset(OffsetCcOp)] public ulong CcOp;
    [FieldOffset(OffsetRflags)] public ulong Rflags;
    [FieldOffset(OffsetSeg)] public X86SegmentCaches Seg;

    /// <summary>16-byte aligned, so that a host's vector instructions can use it in place.</summary>
    [FieldOffset(OffsetFpu)] public X86FpuState Fpu;

    [FieldOffset(896)] public X86Table Gdtr;
    [FieldOffset(912)] public X86Table Idtr;
    [FieldOffset(928)] public ulong Cr0;
    [FieldOffset(936)] public ulong Cr2;
    [FieldOffset(944)] public ulong Cr3;
    [FieldOffset(952)] public ulong Cr4;
    [FieldOffset(960)] public ulong Efer;
    [FieldOffset(968)] public ulong Star;
    [FieldOffset(976)] public ulong Lstar;
    [FieldOffset(984)] public ulong Cstar;
    [FieldOffset(992)] public ulong Sfmask;
    [FieldOffset(1000)] public ulong KernelGsBase;
    [FieldOffset(1008)] public ulong SysenterCs;
    [FieldOffset(1016)] public ulong SysenterEsp;
    [FieldOffset(1024)] public ulong SysenterEip;
    [FieldOffset(1032)] public ulong Pat;
    [FieldOffset(1040)] public ulong MtrrDefType;
    [FieldOffset(1048)] public ulong TscAux;
    [FieldOffset(1056)] public ulong MiscEnable;
    [FieldOffset(1064)] public fixed ulong Dr[8];
    [FieldOffset(1128)] public uint Pkru;

    /// <summary>0 to 3; the block key's copy of it decides the MMU index of every access.</summary>
    [FieldOffset(1132)] public int Cpl;

    /// <summary>See <see cref="X86State.InterruptShadow"/>.</summary>
    [FieldOffset(1136)] public byte InterruptShadow;
    [FieldOffset(1137)] public byte NmiBlocked;
    [FieldOffset(1138)] public X86Activity Activity;

    /// <summary>PDPTEs that PAE paging loaded at the last MOV to CR3 (SDM Vol. 3A, 4.4.1).</summary>
    [FieldOffset(1144)] public fixed ulong Pdpte[4];

    [FieldOffset(1176)] public ulong Xcr0;

    /// <summary>A memory operand of a vector instruction, where it acts as a register.</summary>
    [FieldOffset(1184)] public Vector128<byte> VectorScratch;

    /// <summary>In bytes; a multiple of 64.</summary>
    public const int Size = 1216;
}
