using System.Runtime.Intrinsics;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>
/// Conversions between integers and the two formats, and rounding to integral values. False: an exception that is not masked, as in <see cref="SseArithmetic"/>.
/// Forms with MMX operands use the low halves of the packed ones.
/// </summary>
public static class SseConversion
{
    /// <summary>CVTSI2SS, CVTSI2SD: into the low element of a.</summary>
    public static bool FromInteger(bool isDouble, long value, Vector128<byte> a, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        ref var context = ref status.Begin();
        var wide = SoftFloat.FromInteger(value);
        result = isDouble
            ? a.AsUInt64().WithElement(0, SoftFloatRounding.Round(wide, FloatFormat.Double, ref context).ToDouble()).AsByte()
            : a.AsUInt32().WithElement(0, SoftFloatRounding.Round(wide, FloatFormat.Single, ref context).ToSingle()).AsByte();
        status.End();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTSS2SI, CVTSD2SI, CVTTSS2SI, CVTTSD2SI.</summary>
    /// <param name="bits">32 or 64, the integer's; out of range: the most negative, and invalid.</param>
    /// <param name="truncate">The forms with two T's, whatever MXCSR says.</param>
    public static bool ToInteger(bool isDouble, int bits, bool truncate, Vector128<byte> b, ref uint mxcsr, out long result)
    {
        var status = new SseStatus(mxcsr);
        result = ToInteger(isDouble ? null : b.AsUInt32()[0], b.AsUInt64()[0], bits, truncate, ref status);
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTSS2SD: the low element of b into that of a.</summary>
    public static bool SingleToDouble(Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        result = a.AsUInt64().WithElement(0, Widen(b.AsUInt32()[0], ref status)).AsByte();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTSD2SS: the low element of b into that of a.</summary>
    public static bool DoubleToSingle(Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        result = a.AsUInt32().WithElement(0, Narrow(b.AsUInt64()[0], ref status)).AsByte();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTPS2PD: the two low elements.</summary>
    public static bool PackedSingleToDouble(Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        var x = b.AsUInt32();
        result = Vector128.Create(Widen(x[0], ref status), Widen(x[1], ref status)).AsByte();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTPD2PS: into the low half, the upper half zero.</summary>
    public static bool PackedDoubleToSingle(Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        var x = b.AsUInt64();
        result = Vector128.Create(Narrow(x[0], ref status), Narrow(x[1], ref status), 0, 0).AsByte();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTDQ2PS, and CVTPI2PS in its low half.</summary>
    public static bool PackedIntegerToSingle(Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        var (x, r) = (b.AsInt32(), Vector128<uint>.Zero);
        for (var i = 0; i < 4; i++)
        {
            ref var context = ref status.Begin();
            r = r.WithElement(i, SoftFloatRounding.Round(SoftFloat.FromInteger(x[i]), FloatFormat.Single, ref context).ToSingle());
            status.End();
        }

        result = r.AsByte();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTDQ2PD, CVTPI2PD: exact, so that nothing can be raised.</summary>
    public static Vector128<byte> PackedIntegerToDouble(Vector128<byte> b)
        => Vector128.Create((double)b.AsInt32()[0], b.AsInt32()[1]).AsByte();

    /// <summary>CVTPS2DQ, CVTTPS2DQ; CVTPS2PI and CVTTPS2PI with only the two low elements.</summary>
    public static bool PackedSingleToInteger(bool truncate, int elements, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        var (x, r) = (b.AsUInt32(), Vector128<int>.Zero);
        for (var i = 0; i < elements; i++)
            r = r.WithElement(i, (int)ToInteger(x[i], 0, 32, truncate, ref status));
        result = r.AsByte();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>CVTPD2DQ, CVTTPD2DQ and the PI forms: into the low half, the upper half zero.</summary>
    public static bool PackedDoubleToInteger(bool truncate, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        var (x, r) = (b.AsUInt64(), Vector128<int>.Zero);
        for (var i = 0; i < 2; i++)
            r = r.WithElement(i, (int)ToInteger(null, x[i], 32, truncate, ref status));
        result = r.AsByte();
        return status.Conclude(ref mxcsr);
    }

    /// <summary>ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD.</summary>
    /// <param name="control">The immediate: bits 0-1 rounding, bit 2 MXCSR's rounding instead, bit 3 no inexact exception (SDM Vol. 2B, table 4-18).</param>
    public static bool RoundToIntegral(SseShape shape, int control, Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        if (shape is SseShape.PackedSingle or SseShape.ScalarSingle)
        {
            var r = a.AsUInt32();
            for (var i = 0; i < (shape == SseShape.PackedSingle ? 4 : 1); i++)
            {
                ref var context = ref status.Begin();
                var rounded = Integral(SoftFloat.FromSingle(b.AsUInt32()[i], context), control, ref context);
                status.End();
                r = r.WithElement(i, rounded.ToSingle());
            }

            result = r.AsByte();
        }
        else
        {
            var r = a.AsUInt64();
            for (var i = 0; i < (shape == SseShape.PackedDouble ? 2 : 1); i++)
            {
                ref var context = ref status.Begin();
                var rounded = Integral(SoftFloat.FromDouble(b.AsUInt64()[i], context), control, ref context);
                status.End();
                r = r.WithElement(i, rounded.ToDouble());
            }

            result = r.AsByte();
        }

        return status.Conclude(ref mxcsr);
    }

    /// <summary>
    /// RCPSS, RCPPS, RSQRTSS, RSQRTPS of one element: no flags, denormals count as zeros (SDM Vol. 2B, RCPPS). Relative error at most 1.5 × 2^-12;
    /// here the true value cut to 12 places, the same on every host.
    /// </summary>
    public static uint Approximate(uint bits, bool squareRoot)
    {
        const uint sign = 0x80000000, infinity = 0x7f800000, indefinite = 0xffc00000, quiet = 0x00400000, minNormal = 0x00800000, places = 0xfffff800;
        var magnitude = bits & ~sign;
        if (magnitude > infinity)
            return bits | quiet;
        if (magnitude < minNormal)
            return bits & sign | infinity;
        if (squareRoot && bits != magnitude)
            return indefinite;
        if (magnitude == infinity)
            return bits & sign;
        var value = (double)BitConverter.UInt32BitsToSingle(bits);
        var result = BitConverter.SingleToUInt32Bits((float)(squareRoot ? 1 / Math.Sqrt(value) : 1 / value));
        return (result & ~sign) < minNormal ? result & sign : result & places;
    }

    private static SoftFloat Integral(in SoftFloat value, int control, ref FloatContext context)
    {
        const int useMxcsr = 4, suppressInexact = 8;
        if (value.IsNaN)
            return SseArithmetic.PropagateNaN(value, value, ref context);
        var rounding = context.Rounding;
        if ((control & useMxcsr) == 0)
            context.Rounding = (FloatRounding)(control & 3);
        var result = SoftFloatRounding.RoundToIntegral(value, ref context);
        context.Rounding = rounding;
        if ((control & suppressInexact) != 0)
            context.Raised &= ~FloatExceptions.Precision;
        return result;
    }

    private static long ToInteger(uint? single, ulong @double, int bits, bool truncate, ref SseStatus status)
    {
        ref var context = ref status.Begin();
        var value = single is { } s ? SoftFloat.FromSingle(s, context) : SoftFloat.FromDouble(@double, context);
        var rounding = context.Rounding;
        if (truncate)
            context.Rounding = FloatRounding.Zero;
        if (!SoftFloatRounding.TryRoundToInteger(value, bits, ref context, out var result))
        {
            context.Raised |= FloatExceptions.Invalid;
            result = long.MinValue >> (64 - bits);
        }

        context.Rounding = rounding;
        status.End();
        return result;
    }

    private static ulong Widen(uint bits, ref SseStatus status)
    {
        ref var context = ref status.Begin();
        var value = SoftFloat.FromSingle(bits, context);
        if (value.IsNaN)
            value = SseArithmetic.PropagateNaN(value, value, ref context);
        else
            SoftFloatArithmetic.NoteDenormals(value, value, ref context);
        status.End();
        return value.ToDouble();
    }

    private static uint Narrow(ulong bits, ref SseStatus status)
    {
        ref var context = ref status.Begin();
        var value = SoftFloat.FromDouble(bits, context);
        if (value.IsNaN)
        {
            value = SseArithmetic.PropagateNaN(value, value, ref context);
        }
        else
        {
            SoftFloatArithmetic.NoteDenormals(value, value, ref context);
            value = SoftFloatRounding.Round(value, FloatFormat.Single, ref context);
        }

        status.End();
        return value.ToSingle();
    }
}
