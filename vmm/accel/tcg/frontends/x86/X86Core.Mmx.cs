using System.Runtime.Intrinsics;
using Gauntlet.Vmm.Accel.Tcg.Fpu;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// MMX: the registers are the significands of the x87's, by physical number. What the instructions compute is what SSE2 does in the low halves.
public sealed unsafe partial class X86Core
{
    /// <summary>In place of a source register: the count is the immediate.</summary>
    internal const int ImmediateShift = 0xff;

    private const ushort TopOfStack = 7 << 11;

    /// <summary>Whether <see cref="Mmx"/> and its kin know the instruction.</summary>
    internal static bool ImplementsMmx(Mnemonic mnemonic) =>
        mnemonic is Mnemonic.Emms or Mnemonic.Movd or Mnemonic.Movntq or Mnemonic.Maskmovq or Mnemonic.Pmovmskb or Mnemonic.Pextrw or Mnemonic.Pinsrw
            or Mnemonic.Movdq2q or Mnemonic.Movq2dq or Mnemonic.Cvtpi2ps or Mnemonic.Cvtpi2pd
            or Mnemonic.Cvtps2pi or Mnemonic.Cvttps2pi or Mnemonic.Cvtpd2pi or Mnemonic.Cvttpd2pi
        || TryMmx(mnemonic, default, default, 0, out _);

    /// <summary>What every MMX instruction does to the x87: TOP is 0, and all registers valid, or with EMMS all empty (SDM Vol. 3A, table 12-1).</summary>
    internal ulong EnterMmx(bool empty)
    {
        S->Fpu.Fsw &= unchecked((ushort)~TopOfStack);
        S->Fpu.Ftw = empty ? (byte)0 : (byte)0xff;
        return 0;
    }

    internal ulong ReadMmx(int index) => S->Fpu.R[index].Significand;

    /// <param name="registers">Destination, source &lt;&lt; 8 (<see cref="ScratchVector"/> and <see cref="ImmediateShift"/> too).</param>
    internal ulong Mmx(int registers, int mnemonic, byte imm)
    {
        var destination = registers & 7;
        var source = (registers >> 8) switch { ImmediateShift => imm, var index => MmxOperand(index) };
        if (TryMmx((Mnemonic)mnemonic, Half(ReadMmx(destination)), Half(source), imm, out var result))
            WriteMmx(destination, result);
        else
            Fatal($"{(Mnemonic)mnemonic} is not implemented by the translator");
        return 0;
    }

    /// <summary>MOVD, MOVQ, PMOVMSKB, PEXTRW to a general register.</summary>
    internal ulong MmxToGpr(int source, int mnemonic, byte imm)
    {
        EnterMmx(false);
        var value = ReadMmx(source);
        return (Mnemonic)mnemonic switch
        {
            Mnemonic.Pmovmskb => Half(value).ExtractMostSignificantBits(),
            Mnemonic.Pextrw => (ushort)(value >> (imm & 3) * 16),
            _ => value,
        };
    }

    /// <summary>MOVD, MOVQ and PINSRW from a general register, or PINSRW from memory.</summary>
    internal ulong MmxFromGpr(int destination, int mnemonic, ulong value, byte imm)
    {
        var at = (imm & 3) * 16;
        WriteMmx(destination, (Mnemonic)mnemonic == Mnemonic.Pinsrw ? ReadMmx(destination) & ~(0xfffful << at) | (value & 0xffff) << at : value);
        return 0;
    }

    /// <summary>MOVQ2DQ, CVTPI2PS, CVTPI2PD.</summary>
    /// <param name="registers">XMM destination, MMX source &lt;&lt; 8.</param>
    internal ulong MmxToVector(int registers, int mnemonic, bool keepsX87)
    {
        ref var destination = ref VectorRegister(registers & 0xff);
        var source = Half(MmxOperand(registers >> 8));
        switch ((Mnemonic)mnemonic)
        {
            case Mnemonic.Movq2dq:
                destination = source;
                break;
            case Mnemonic.Cvtpi2pd:
                destination = SseConversion.PackedIntegerToDouble(source);
                break;
            default:
                // The two upper elements are zero here: exact, so that they raise nothing.
                if (!SseConversion.PackedIntegerToSingle(source, ref S->Fpu.Mxcsr, out var singles))
                {
                    RaiseSimd();
                    return 0;
                }
                destination = destination.AsUInt64().WithElement(0, singles.AsUInt64()[0]).AsByte();
                break;
        }
        return keepsX87 ? 0 : EnterMmx(false);
    }

    /// <summary>MOVDQ2Q, CVT(T)PS2PI, CVT(T)PD2PI.</summary>
    /// <param name="registers">MMX destination, XMM source &lt;&lt; 8.</param>
    internal ulong MmxFromVector(int registers, int mnemonic)
    {
        var source = VectorRegister(registers >> 8);
        Vector128<byte> result;
        var done = (Mnemonic)mnemonic switch
        {
            Mnemonic.Cvtps2pi or Mnemonic.Cvttps2pi => SseConversion.PackedSingleToInteger((Mnemonic)mnemonic == Mnemonic.Cvttps2pi, 2, source, ref S->Fpu.Mxcsr, out result),
            Mnemonic.Cvtpd2pi or Mnemonic.Cvttpd2pi => SseConversion.PackedDoubleToInteger((Mnemonic)mnemonic == Mnemonic.Cvttpd2pi, source, ref S->Fpu.Mxcsr, out result),
            _ => Same(source, out result),
        };
        if (done)
            WriteMmx(registers & 7, result.AsUInt64()[0]);
        else
            RaiseSimd();
        return 0;

        static bool Same(Vector128<byte> value, out Vector128<byte> same)
        {
            same = value;
            return true;
        }
    }

    /// <summary>MASKMOVQ.</summary>
    /// <param name="imm">Value's register, mask's &lt;&lt; 8, access attributes &lt;&lt; 24.</param>
    internal ulong StoreMmxMasked(ulong linear, int imm)
    {
        // The upper half of the mask is zero: nothing is stored there.
        if (StoreMasked(linear, Half(ReadMmx(imm & 7)), Half(ReadMmx(imm >> 8 & 7)), (int)((uint)imm >> 24)))
            EnterMmx(false);
        return 0;
    }

    private ulong MmxOperand(int index) => index == ScratchVector ? S->VectorScratch.AsUInt64()[0] : ReadMmx(index);

    // Bits 64 to 79 of a register that is written become ones.
    private void WriteMmx(int index, ulong value)
    {
        EnterMmx(false);
        S->Fpu.R[index] = new X87Register { Significand = value, SignExponent = 0xffff };
    }

    private static Vector128<byte> Half(ulong value) => Vector128.Create(value, 0ul).AsByte();

    private static bool TryMmx(Mnemonic mnemonic, Vector128<byte> d, Vector128<byte> s, byte imm, out ulong result)
    {
        Vector128<byte> wide;
        switch (mnemonic)
        {
            case Mnemonic.Packsswb or Mnemonic.Packssdw or Mnemonic.Packuswb:
                // Both operands narrow into one half.
                TrySse(mnemonic, Vector128.Create(d.AsUInt64()[0], s.AsUInt64()[0]).AsByte(), default, imm, out wide);
                result = wide.AsUInt64()[0];
                return true;
            case Mnemonic.Punpckhbw or Mnemonic.Punpckhwd or Mnemonic.Punpckhdq:
                // The upper half of what the low halves interleave to.
                TrySse(mnemonic switch { Mnemonic.Punpckhbw => Mnemonic.Punpcklbw, Mnemonic.Punpckhwd => Mnemonic.Punpcklwd, _ => Mnemonic.Punpckldq }, d, s, imm, out wide);
                result = wide.AsUInt64()[1];
                return true;
            case Mnemonic.Pshufw:
                TrySse(Mnemonic.Pshuflw, d, s, imm, out wide);
                result = wide.AsUInt64()[0];
                return true;
            case Mnemonic.Movd:
                result = s.AsUInt64()[0];
                return true;
            default:
                var known = TrySse(mnemonic, d, s, imm, out wide);
                result = wide.AsUInt64()[0];
                return known;
        }
    }
}
