using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Vector registers in memory: loads, stores, FXSAVE, MXCSR.
public sealed unsafe partial class X86Core
{
    /// <summary>Number of <see cref="X86CpuState.VectorScratch"/>.</summary>
    internal const int ScratchVector = 16;

    internal ref Vector128<byte> VectorRegister(int index) => ref index == ScratchVector ? ref S->VectorScratch : ref S->Fpu.Xmm[index];

    /// <param name="imm">Register, size &lt;&lt; 8, aligned &lt;&lt; 16, access attributes &lt;&lt; 24.</param>
    internal ulong LoadVector(ulong linear, int imm)
    {
        int size = imm >> 8 & 0xff, attributes = (int)((uint)imm >> 24);
        if ((imm & 1 << 16) != 0 && (linear & 15) != 0)
            return RaiseGp();
        ulong low, high = 0;
        if (!Load(linear, Math.Min(size, 8), attributes, &low) || size > 8 && !Load(linear + 8, 8, attributes, &high))
            return 0;
        VectorRegister(imm & 0xff) = Vector128.Create(low, high).AsByte();
        return 0;
    }

    /// <param name="imm">As for <see cref="LoadVector"/>; bit 17: the upper half; bit 18: MASKMOVDQU with the mask register in bits 20-23.</param>
    internal ulong StoreVector(ulong linear, int imm)
    {
        int size = imm >> 8 & 0xff, attributes = (int)((uint)imm >> 24);
        var value = VectorRegister(imm & 0xff).AsUInt64();
        if ((imm & 1 << 18) != 0)
        {
            StoreMasked(linear, value.AsByte(), VectorRegister(imm >> 20 & 15), attributes);
            return 0;
        }
        if ((imm & 1 << 16) != 0 && (linear & 15) != 0)
            return RaiseGp();
        if (size <= 8)
            Store(linear, size, attributes, (imm & 1 << 17) != 0 ? value[1] : value[0]);
        else if (Probe(linear, 16, MemoryAccess.Write, attributes) && Store(linear, 8, attributes, value[0]))
            Store(linear + 8, 8, attributes, value[1]);
        return 0;
    }

    /// <summary>The bytes whose mask has its top bit set; false after a fault, with none stored.</summary>
    private bool StoreMasked(ulong linear, Vector128<byte> value, Vector128<byte> mask, int attributes)
    {
        for (var i = 0; i < 16; i++)
            if ((mask[i] & 0x80) != 0 && !Probe(linear + (uint)i, 1, MemoryAccess.Write, attributes))
                return false;
        for (var i = 0; i < 16; i++)
            if ((mask[i] & 0x80) != 0 && !Store(linear + (uint)i, 1, attributes, value[i]))
                return false;
        return true;
    }

    /// <param name="imm">Bit 0: the 64-bit form; bit 1: in 64-bit mode, with all sixteen registers.</param>
    internal ulong SaveFpu(ulong linear, int imm)
    {
        if ((linear & 15) != 0)
            return RaiseGp();
        var attributes = MmuIndex;
        var bytes = stackalloc byte[X86FxsaveImage.Size];
        var image = new Span<byte>(bytes, X86FxsaveImage.Size);
        // Bytes 416 to 511 are the program's own and stay.
        X86FxsaveImage.Write(S->Fpu, image, (imm & 1) != 0);
        if ((imm & 2) != 0)
            for (var i = 8; i < 16; i++)
                Unsafe.WriteUnaligned(bytes + 160 + 16 * i, S->Fpu.Xmm[i]);
        if (!Probe(linear, 416, MemoryAccess.Write, attributes))
            return 0;
        for (var i = 0; i < 416; i += 8)
            if (!Store(linear + (uint)i, 8, attributes, Unsafe.ReadUnaligned<ulong>(bytes + i)))
                return 0;
        return 0;
    }

    internal ulong RestoreFpu(ulong linear, int imm)
    {
        if ((linear & 15) != 0)
            return RaiseGp();
        var attributes = MmuIndex;
        var bytes = stackalloc byte[X86FxsaveImage.Size];
        var image = new Span<byte>(bytes, X86FxsaveImage.Size);
        image.Clear();
        for (var i = 0; i < 416; i += 8)
            if (!Load(linear + (uint)i, 8, attributes, (ulong*)(bytes + i)))
                return 0;
        if ((Unsafe.ReadUnaligned<uint>(bytes + 24) & ~X86FxsaveImage.MxcsrMask) != 0)
            return RaiseGp();
        X86FxsaveImage.Read(ref S->Fpu, image, (imm & 1) != 0);
        if ((imm & 2) != 0)
            for (var i = 8; i < 16; i++)
                S->Fpu.Xmm[i] = Unsafe.ReadUnaligned<Vector128<byte>>(bytes + 160 + 16 * i);
        return 0;
    }

    internal ulong LoadMxcsr(uint value)
    {
        if ((value & ~X86FxsaveImage.MxcsrMask) != 0)
            return RaiseGp();
        S->Fpu.Mxcsr = value;
        return 0;
    }
}
