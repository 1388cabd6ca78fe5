using System.Runtime.Intrinsics;
using Gauntlet.Vmm.Accel.Tcg.Fpu;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// SSE and SSE2 on integers and bits, by .NET's portable vectors. Floating point is in X86Core.SseFloat.cs.
public sealed unsafe partial class X86Core
{
    /// <summary>Whether <see cref="Sse"/> and its kin know the instruction.</summary>
    internal static bool ImplementsSse(Mnemonic mnemonic)
    {
        uint mxcsr = 0x1f80;
        return TrySse(mnemonic, default, default, 0, out _) || TrySseFloat(mnemonic, default, default, 0, ref mxcsr, out _) != FloatOutcome.Unknown
            || IsMove(mnemonic);
    }

    private static bool IsMove(Mnemonic mnemonic) => mnemonic is
        Mnemonic.Movntdq or Mnemonic.Movntps or Mnemonic.Movntpd or Mnemonic.Lddqu or Mnemonic.Movd or Mnemonic.Maskmovdqu
        or Mnemonic.Ucomiss or Mnemonic.Ucomisd or Mnemonic.Comiss or Mnemonic.Comisd or Mnemonic.Cvtsi2ss or Mnemonic.Cvtsi2sd
        or Mnemonic.Cvtss2si or Mnemonic.Cvtsd2si or Mnemonic.Cvttss2si or Mnemonic.Cvttsd2si
        or Mnemonic.Movmskps or Mnemonic.Movmskpd or Mnemonic.Pmovmskb or Mnemonic.Pextrw or Mnemonic.Pinsrw;

    /// <param name="registers">Destination, source &lt;&lt; 8.</param>
    internal ulong Sse(int registers, int mnemonic, byte imm)
    {
        ref var destination = ref VectorRegister(registers & 0xff);
        var source = VectorRegister(registers >> 8);
        if (TrySse((Mnemonic)mnemonic, destination, source, imm, out var result))
        {
            destination = result;
            return 0;
        }
        switch (TrySseFloat((Mnemonic)mnemonic, destination, source, imm, ref S->Fpu.Mxcsr, out result))
        {
            case FloatOutcome.Done:
                destination = result;
                break;
            case FloatOutcome.Unmasked:
                RaiseSimd();
                break;
            default:
                Fatal($"{(Mnemonic)mnemonic} is not implemented by the translator");
                break;
        }
        return 0;
    }

    /// <summary>COMISx, UCOMISx: the status flags.</summary>
    internal ulong SseCompareFlags(int registers, int mnemonic)
    {
        ulong flags = 0;
        var quiet = (Mnemonic)mnemonic is Mnemonic.Ucomiss or Mnemonic.Ucomisd;
        var isDouble = (Mnemonic)mnemonic is Mnemonic.Ucomisd or Mnemonic.Comisd;
        if (!SseComparison.CompareToFlags(isDouble, quiet, VectorRegister(registers & 0xff), VectorRegister(registers >> 8), ref S->Fpu.Mxcsr, ref flags))
            RaiseSimd();
        return flags & CcOp.Status;
    }

    internal ulong SseToGpr(int registers, int mnemonic, byte imm)
    {
        var source = VectorRegister(registers & 0xff);
        switch ((Mnemonic)mnemonic)
        {
            case Mnemonic.Movd or Mnemonic.Movq:
                return source.AsUInt64()[0];
            case Mnemonic.Movmskps:
                return source.AsSingle().ExtractMostSignificantBits();
            case Mnemonic.Movmskpd:
                return source.AsDouble().ExtractMostSignificantBits();
            case Mnemonic.Pmovmskb:
                return source.ExtractMostSignificantBits();
            case Mnemonic.Pextrw:
                return source.AsUInt16()[imm & 7];
            default:
                var isDouble = (Mnemonic)mnemonic is Mnemonic.Cvtsd2si or Mnemonic.Cvttsd2si;
                var truncate = (Mnemonic)mnemonic is Mnemonic.Cvttss2si or Mnemonic.Cvttsd2si;
                if (!SseConversion.ToInteger(isDouble, registers >> 8 == 8 ? 64 : 32, truncate, source, ref S->Fpu.Mxcsr, out var integer))
                    RaiseSimd();
                return (ulong)integer;
        }
    }

    internal ulong SseFromGpr(int registers, int mnemonic, ulong value, byte imm)
    {
        ref var destination = ref VectorRegister(registers & 0xff);
        switch ((Mnemonic)mnemonic)
        {
            case Mnemonic.Movd:
                destination = Vector128.Create((uint)value, 0u, 0u, 0u).AsByte();
                break;
            case Mnemonic.Movq:
                destination = Vector128.Create(value, 0ul).AsByte();
                break;
            case Mnemonic.Pinsrw:
                destination = destination.AsUInt16().WithElement(imm & 7, (ushort)value).AsByte();
                break;
            default:
                var integer = registers >> 8 == 8 ? (long)value : (int)value;
                if (SseConversion.FromInteger((Mnemonic)mnemonic == Mnemonic.Cvtsi2sd, integer, destination, ref S->Fpu.Mxcsr, out var result))
                    destination = result;
                else
                    RaiseSimd();
                break;
        }
        return 0;
    }

    private static bool TrySse(Mnemonic mnemonic, Vector128<byte> d, Vector128<byte> s, byte imm, out Vector128<byte> result)
    {
        Vector128<ushort> dw = d.AsUInt16(), sw = s.AsUInt16();
        Vector128<uint> dd = d.AsUInt32(), sd = s.AsUInt32();
        Vector128<ulong> dq = d.AsUInt64(), sq = s.AsUInt64();
        switch (mnemonic)
        {
            case Mnemonic.Movaps or Mnemonic.Movapd or Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqa or Mnemonic.Movdqu:
                result = s;
                return true;
            case Mnemonic.Movss:
                result = dd.WithElement(0, sd[0]).AsByte();
                return true;
            case Mnemonic.Movsd or Mnemonic.Movlps or Mnemonic.Movlpd:
                result = dq.WithElement(0, sq[0]).AsByte();
                return true;
            case Mnemonic.Movq:
                result = Vector128.Create(sq[0], 0).AsByte();
                return true;
            case Mnemonic.Movhps or Mnemonic.Movhpd or Mnemonic.Movlhps or Mnemonic.Unpcklpd or Mnemonic.Punpcklqdq:
                result = dq.WithElement(1, sq[0]).AsByte();
                return true;
            case Mnemonic.Movhlps:
                result = dq.WithElement(0, sq[1]).AsByte();
                return true;
            case Mnemonic.Unpckhpd or Mnemonic.Punpckhqdq:
                result = Vector128.Create(dq[1], sq[1]).AsByte();
                return true;
            case Mnemonic.Andps or Mnemonic.Andpd or Mnemonic.Pand:
                result = d & s;
                return true;
            case Mnemonic.Andnps or Mnemonic.Andnpd or Mnemonic.Pandn:
                result = ~d & s;
                return true;
            case Mnemonic.Orps or Mnemonic.Orpd or Mnemonic.Por:
                result = d | s;
                return true;
            case Mnemonic.Xorps or Mnemonic.Xorpd or Mnemonic.Pxor:
                result = d ^ s;
                return true;
            case Mnemonic.Paddb:
                result = d + s;
                return true;
            case Mnemonic.Paddw:
                result = (dw + sw).AsByte();
                return true;
            case Mnemonic.Paddd:
                result = (dd + sd).AsByte();
                return true;
            case Mnemonic.Paddq:
                result = (dq + sq).AsByte();
                return true;
            case Mnemonic.Psubb:
                result = d - s;
                return true;
            case Mnemonic.Psubw:
                result = (dw - sw).AsByte();
                return true;
            case Mnemonic.Psubd:
                result = (dd - sd).AsByte();
                return true;
            case Mnemonic.Psubq:
                result = (dq - sq).AsByte();
                return true;
            case Mnemonic.Paddsb:
                result = Vector128.AddSaturate(d.AsSByte(), s.AsSByte()).AsByte();
                return true;
            case Mnemonic.Paddsw:
                result = Vector128.AddSaturate(d.AsInt16(), s.AsInt16()).AsByte();
                return true;
            case Mnemonic.Paddusb:
                result = Vector128.AddSaturate(d, s);
                return true;
            case Mnemonic.Paddusw:
                result = Vector128.AddSaturate(dw, sw).AsByte();
                return true;
            case Mnemonic.Psubsb:
                result = Vector128.SubtractSaturate(d.AsSByte(), s.AsSByte()).AsByte();
                return true;
            case Mnemonic.Psubsw:
                result = Vector128.SubtractSaturate(d.AsInt16(), s.AsInt16()).AsByte();
                return true;
            case Mnemonic.Psubusb:
                result = Vector128.SubtractSaturate(d, s);
                return true;
            case Mnemonic.Psubusw:
                result = Vector128.SubtractSaturate(dw, sw).AsByte();
                return true;
            case Mnemonic.Pmullw:
                result = (dw * sw).AsByte();
                return true;
            case Mnemonic.Pmulhw:
                result = Words(dw, sw, (a, b) => (ushort)((short)a * (short)b >> 16));
                return true;
            case Mnemonic.Pmulhuw:
                result = Words(dw, sw, (a, b) => (ushort)(a * b >> 16));
                return true;
            case Mnemonic.Pmuludq:
                result = Vector128.Create((ulong)dd[0] * sd[0], (ulong)dd[2] * sd[2]).AsByte();
                return true;
            case Mnemonic.Pmaddwd:
                {
                    var r = default(Vector128<int>);
                    for (var i = 0; i < 4; i++)
                        r = r.WithElement(i, (short)dw[2 * i] * (short)sw[2 * i] + (short)dw[2 * i + 1] * (short)sw[2 * i + 1]);
                    result = r.AsByte();
                    return true;
                }
            case Mnemonic.Pavgb:
                result = Bytes(d, s, (a, b) => (byte)(a + b + 1 >> 1));
                return true;
            case Mnemonic.Pavgw:
                result = Words(dw, sw, (a, b) => (ushort)(a + b + 1 >> 1));
                return true;
            case Mnemonic.Pminub:
                result = Vector128.Min(d, s);
                return true;
            case Mnemonic.Pmaxub:
                result = Vector128.Max(d, s);
                return true;
            case Mnemonic.Pminsw:
                result = Vector128.Min(d.AsInt16(), s.AsInt16()).AsByte();
                return true;
            case Mnemonic.Pmaxsw:
                result = Vector128.Max(d.AsInt16(), s.AsInt16()).AsByte();
                return true;
            case Mnemonic.Psadbw:
                {
                    ulong low = 0, high = 0;
                    for (var i = 0; i < 8; i++)
                    {
                        low += (ulong)Math.Abs(d[i] - s[i]);
                        high += (ulong)Math.Abs(d[i + 8] - s[i + 8]);
                    }
                    result = Vector128.Create(low, high).AsByte();
                    return true;
                }
            case Mnemonic.Pcmpeqb:
                result = Vector128.Equals(d, s);
                return true;
            case Mnemonic.Pcmpeqw:
                result = Vector128.Equals(dw, sw).AsByte();
                return true;
            case Mnemonic.Pcmpeqd:
                result = Vector128.Equals(dd, sd).AsByte();
                return true;
            case Mnemonic.Pcmpgtb:
                result = Vector128.GreaterThan(d.AsSByte(), s.AsSByte()).AsByte();
                return true;
            case Mnemonic.Pcmpgtw:
                result = Vector128.GreaterThan(d.AsInt16(), s.AsInt16()).AsByte();
                return true;
            case Mnemonic.Pcmpgtd:
                result = Vector128.GreaterThan(d.AsInt32(), s.AsInt32()).AsByte();
                return true;
            case Mnemonic.Packsswb:
                result = Vector128.NarrowWithSaturation(d.AsInt16(), s.AsInt16()).AsByte();
                return true;
            case Mnemonic.Packssdw:
                result = Vector128.NarrowWithSaturation(d.AsInt32(), s.AsInt32()).AsByte();
                return true;
            case Mnemonic.Packuswb:
                {
                    var r = default(Vector128<byte>);
                    for (var i = 0; i < 8; i++)
                        r = r.WithElement(i, (byte)Math.Clamp((int)(short)dw[i], 0, 255)).WithElement(i + 8, (byte)Math.Clamp((int)(short)sw[i], 0, 255));
                    result = r;
                    return true;
                }
            case Mnemonic.Punpcklbw:
                result = Interleave(d, s, 0);
                return true;
            case Mnemonic.Punpckhbw:
                result = Interleave(d, s, 8);
                return true;
            case Mnemonic.Punpcklwd:
                result = Vector128.Create(dw[0], sw[0], dw[1], sw[1], dw[2], sw[2], dw[3], sw[3]).AsByte();
                return true;
            case Mnemonic.Punpckhwd:
                result = Vector128.Create(dw[4], sw[4], dw[5], sw[5], dw[6], sw[6], dw[7], sw[7]).AsByte();
                return true;
            case Mnemonic.Punpckldq or Mnemonic.Unpcklps:
                result = Vector128.Create(dd[0], sd[0], dd[1], sd[1]).AsByte();
                return true;
            case Mnemonic.Punpckhdq or Mnemonic.Unpckhps:
                result = Vector128.Create(dd[2], sd[2], dd[3], sd[3]).AsByte();
                return true;
            case Mnemonic.Pshufd:
                result = Vector128.Create(sd[imm & 3], sd[imm >> 2 & 3], sd[imm >> 4 & 3], sd[imm >> 6]).AsByte();
                return true;
            case Mnemonic.Pshuflw:
                result = Vector128.Create(sw[imm & 3], sw[imm >> 2 & 3], sw[imm >> 4 & 3], sw[imm >> 6], sw[4], sw[5], sw[6], sw[7]).AsByte();
                return true;
            case Mnemonic.Pshufhw:
                result = Vector128.Create(sw[0], sw[1], sw[2], sw[3], sw[4 + (imm & 3)], sw[4 + (imm >> 2 & 3)], sw[4 + (imm >> 4 & 3)], sw[4 + (imm >> 6)]).AsByte();
                return true;
            case Mnemonic.Shufps:
                result = Vector128.Create(dd[imm & 3], dd[imm >> 2 & 3], sd[imm >> 4 & 3], sd[imm >> 6]).AsByte();
                return true;
            case Mnemonic.Shufpd:
                result = Vector128.Create(dq[imm & 1], sq[imm >> 1 & 1]).AsByte();
                return true;
            case Mnemonic.Movddup:
                result = Vector128.Create(sq[0], sq[0]).AsByte();
                return true;
            case Mnemonic.Movsldup:
                result = Vector128.Create(sd[0], sd[0], sd[2], sd[2]).AsByte();
                return true;
            case Mnemonic.Movshdup:
                result = Vector128.Create(sd[1], sd[1], sd[3], sd[3]).AsByte();
                return true;
            case Mnemonic.Psllw or Mnemonic.Psrlw or Mnemonic.Psraw or Mnemonic.Pslld or Mnemonic.Psrld or Mnemonic.Psrad or Mnemonic.Psllq or Mnemonic.Psrlq:
                result = ShiftVector(mnemonic, d, sq[0]);
                return true;
            case Mnemonic.Pslldq:
                result = imm > 15 ? default : FromWide(ToWide(d) << (8 * imm));
                return true;
            case Mnemonic.Psrldq:
                result = imm > 15 ? default : FromWide(ToWide(d) >> (8 * imm));
                return true;
            default:
                result = default;
                return false;
        }
    }

    private static Vector128<byte> ShiftVector(Mnemonic mnemonic, Vector128<byte> d, ulong count)
    {
        var by = (int)Math.Min(count, 64);
        return mnemonic switch
        {
            Mnemonic.Psllw => by > 15 ? default : (d.AsUInt16() << by).AsByte(),
            Mnemonic.Psrlw => by > 15 ? default : (d.AsUInt16() >>> by).AsByte(),
            Mnemonic.Psraw => (d.AsInt16() >> Math.Min(by, 15)).AsByte(),
            Mnemonic.Pslld => by > 31 ? default : (d.AsUInt32() << by).AsByte(),
            Mnemonic.Psrld => by > 31 ? default : (d.AsUInt32() >>> by).AsByte(),
            Mnemonic.Psrad => (d.AsInt32() >> Math.Min(by, 31)).AsByte(),
            Mnemonic.Psllq => by > 63 ? default : (d.AsUInt64() << by).AsByte(),
            _ => by > 63 ? default : (d.AsUInt64() >>> by).AsByte(),
        };
    }

    private static Vector128<byte> Words(Vector128<ushort> a, Vector128<ushort> b, Func<ushort, ushort, ushort> each)
    {
        var r = default(Vector128<ushort>);
        for (var i = 0; i < 8; i++)
            r = r.WithElement(i, each(a[i], b[i]));
        return r.AsByte();
    }

    private static Vector128<byte> Bytes(Vector128<byte> a, Vector128<byte> b, Func<byte, byte, byte> each)
    {
        var r = default(Vector128<byte>);
        for (var i = 0; i < 16; i++)
            r = r.WithElement(i, each(a[i], b[i]));
        return r;
    }

    private static Vector128<byte> Interleave(Vector128<byte> a, Vector128<byte> b, int from)
    {
        var r = default(Vector128<byte>);
        for (var i = 0; i < 8; i++)
            r = r.WithElement(2 * i, a[from + i]).WithElement(2 * i + 1, b[from + i]);
        return r;
    }

    private static UInt128 ToWide(Vector128<byte> v) => new(v.AsUInt64()[1], v.AsUInt64()[0]);

    private static Vector128<byte> FromWide(UInt128 v) => Vector128.Create((ulong)v, (ulong)(v >> 64)).AsByte();
}
