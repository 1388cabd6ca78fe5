using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>Operations of two operands; the values are the opcodes 0F 58 to 0F 5F of ADDPS and its relatives.</summary>
public enum SseOperation : byte
{
    Add = 0x58,
    Multiply = 0x59,
    Subtract = 0x5c,
    Minimum = 0x5d,
    Divide = 0x5e,
    Maximum = 0x5f,
}

/// <summary>The shape of an instruction's operands: PS, PD, SS, SD.</summary>
public enum SseShape : byte
{
    PackedSingle,
    PackedDouble,
    ScalarSingle,
    ScalarDouble,
}

/// <summary>
/// SSE's floating-point arithmetic with MXCSR's rounding, flags and masks (SDM Vol. 1, chapters 10 and 11). Every function here returns false when an exception
/// occurred that is not masked: MXCSR has its flags, the result is not to be used, and the guest gets #XM (or #UD, without CR4.OSXMMEXCPT).
/// </summary>
/// <remarks>
/// The host's own arithmetic serves where it cannot differ: rounding to nearest, the inexact flag already set, operands and result normal numbers. Everything else
/// goes through <see cref="SoftFloatArithmetic"/>.
/// </remarks>
public static class SseArithmetic
{
    /// <summary>ADDxx, SUBxx, MULxx, DIVxx, MINxx, MAXxx: a is the destination's old value, whose upper elements a scalar operation keeps.</summary>
    public static bool Compute(
        SseOperation operation, SseShape shape, Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        result = a;
        if (shape is SseShape.PackedSingle or SseShape.ScalarSingle)
        {
            var elements = shape == SseShape.PackedSingle ? 4 : 1;
            var (x, y, r) = (a.AsUInt32(), b.AsUInt32(), a.AsUInt32());
            for (var i = 0; i < elements; i++)
                r = r.WithElement(i, Single(operation, x[i], y[i], ref status));
            result = r.AsByte();
        }
        else
        {
            var elements = shape == SseShape.PackedDouble ? 2 : 1;
            var (x, y, r) = (a.AsUInt64(), b.AsUInt64(), a.AsUInt64());
            for (var i = 0; i < elements; i++)
                r = r.WithElement(i, Double(operation, x[i], y[i], ref status));
            result = r.AsByte();
        }

        return status.Conclude(ref mxcsr);
    }

    /// <summary>SQRTxx; a is the destination's old value, b the source.</summary>
    public static bool SquareRoot(SseShape shape, Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        result = a;
        if (shape is SseShape.PackedSingle or SseShape.ScalarSingle)
        {
            var elements = shape == SseShape.PackedSingle ? 4 : 1;
            var (y, r) = (b.AsUInt32(), a.AsUInt32());
            for (var i = 0; i < elements; i++)
                r = r.WithElement(i, SingleRoot(y[i], ref status));
            result = r.AsByte();
        }
        else
        {
            var elements = shape == SseShape.PackedDouble ? 2 : 1;
            var (y, r) = (b.AsUInt64(), a.AsUInt64());
            for (var i = 0; i < elements; i++)
                r = r.WithElement(i, DoubleRoot(y[i], ref status));
            result = r.AsByte();
        }

        return status.Conclude(ref mxcsr);
    }

    /// <summary>HADDPS, HADDPD, HSUBPS, HSUBPD: neighbours of a, then of b.</summary>
    /// <param name="operation">Add or Subtract.</param>
    /// <param name="isDouble">PD, else PS.</param>
    public static bool Horizontal(
        SseOperation operation, bool isDouble, Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        if (isDouble)
        {
            var (x, y) = (a.AsUInt64(), b.AsUInt64());
            result = Vector128.Create(Double(operation, x[0], x[1], ref status), Double(operation, y[0], y[1], ref status)).AsByte();
        }
        else
        {
            var (x, y) = (a.AsUInt32(), b.AsUInt32());
            result = Vector128.Create(
                Single(operation, x[0], x[1], ref status), Single(operation, x[2], x[3], ref status),
                Single(operation, y[0], y[1], ref status), Single(operation, y[2], y[3], ref status)).AsByte();
        }

        return status.Conclude(ref mxcsr);
    }

    /// <summary>ADDSUBPS, ADDSUBPD: even elements subtracted, odd ones added.</summary>
    public static bool AddSubtract(bool isDouble, Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        if (isDouble)
        {
            var (x, y) = (a.AsUInt64(), b.AsUInt64());
            result = Vector128.Create(Double(SseOperation.Subtract, x[0], y[0], ref status), Double(SseOperation.Add, x[1], y[1], ref status)).AsByte();
        }
        else
        {
            var (x, y, r) = (a.AsUInt32(), b.AsUInt32(), a.AsUInt32());
            for (var i = 0; i < 4; i++)
                r = r.WithElement(i, Single((i & 1) == 0 ? SseOperation.Subtract : SseOperation.Add, x[i], y[i], ref status));
            result = r.AsByte();
        }

        return status.Conclude(ref mxcsr);
    }

    /// <summary>One binary32 operation.</summary>
    internal static uint Single(SseOperation operation, uint a, uint b, ref SseStatus status)
    {
        if (status.HostMayCompute && IsNormalSingle(a) && IsNormalSingle(b))
        {
            var (x, y) = (BitConverter.UInt32BitsToSingle(a), BitConverter.UInt32BitsToSingle(b));
            var r = BitConverter.SingleToUInt32Bits(operation switch
            {
                SseOperation.Add => x + y,
                SseOperation.Subtract => x - y,
                SseOperation.Multiply => x * y,
                SseOperation.Divide => x / y,
                SseOperation.Minimum => x < y ? x : y,
                _ => x > y ? x : y,
            });
            if (IsWellNormalSingle(r))
                return r;
        }

        ref var context = ref status.Begin();
        var (wideA, wideB) = (SoftFloat.FromSingle(a, context), SoftFloat.FromSingle(b, context));
        if (operation is SseOperation.Minimum or SseOperation.Maximum)
        {
            var chosen = SecondIsChosen(operation, wideA, wideB, ref context) ? (b, wideB) : (a, wideA);
            status.End();
            return chosen.Item2.IsZero ? chosen.Item1 & 0x80000000 : chosen.Item1;
        }

        var result = Soft(operation, wideA, wideB, FloatFormat.Single, ref context).ToSingle();
        status.End();
        return result;
    }

    /// <summary>One binary64 operation.</summary>
    internal static ulong Double(SseOperation operation, ulong a, ulong b, ref SseStatus status)
    {
        if (status.HostMayCompute && IsNormalDouble(a) && IsNormalDouble(b))
        {
            var (x, y) = (BitConverter.UInt64BitsToDouble(a), BitConverter.UInt64BitsToDouble(b));
            var r = BitConverter.DoubleToUInt64Bits(operation switch
            {
                SseOperation.Add => x + y,
                SseOperation.Subtract => x - y,
                SseOperation.Multiply => x * y,
                SseOperation.Divide => x / y,
                SseOperation.Minimum => x < y ? x : y,
                _ => x > y ? x : y,
            });
            if (IsWellNormalDouble(r))
                return r;
        }

        ref var context = ref status.Begin();
        var (wideA, wideB) = (SoftFloat.FromDouble(a, context), SoftFloat.FromDouble(b, context));
        if (operation is SseOperation.Minimum or SseOperation.Maximum)
        {
            var chosen = SecondIsChosen(operation, wideA, wideB, ref context) ? (b, wideB) : (a, wideA);
            status.End();
            return chosen.Item2.IsZero ? chosen.Item1 & 0x8000000000000000 : chosen.Item1;
        }

        var result = Soft(operation, wideA, wideB, FloatFormat.Double, ref context).ToDouble();
        status.End();
        return result;
    }

    /// <summary>Which NaN an operation with at least one delivers: the first operand's before the second's (SDM Vol. 1, table 4-7).</summary>
    internal static SoftFloat PropagateNaN(in SoftFloat a, in SoftFloat b, ref FloatContext context)
    {
        if (a.Class == FloatClass.SignalingNaN || b.Class == FloatClass.SignalingNaN)
            context.Raised |= FloatExceptions.Invalid;
        return (a.IsNaN ? a : b).Quieted();
    }

    private static SoftFloat Soft(SseOperation operation, in SoftFloat a, in SoftFloat b, in FloatFormat format, ref FloatContext context)
    {
        if (a.IsNaN || b.IsNaN)
            return PropagateNaN(a, b, ref context);
        return operation switch
        {
            SseOperation.Add => SoftFloatArithmetic.Add(a, b, format, ref context),
            SseOperation.Subtract => SoftFloatArithmetic.Subtract(a, b, format, ref context),
            SseOperation.Multiply => SoftFloatArithmetic.Multiply(a, b, format, ref context),
            SseOperation.Divide => SoftFloatArithmetic.Divide(a, b, format, ref context),
            _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, "no such operation"),
        };
    }

    /// <summary>MINxx and MAXxx give the second operand for any NaN and for two zeros (SDM Vol. 2B, MINPS).</summary>
    private static bool SecondIsChosen(SseOperation operation, in SoftFloat a, in SoftFloat b, ref FloatContext context)
    {
        if (a.IsNaN || b.IsNaN)
        {
            context.Raised |= FloatExceptions.Invalid;
            return true;
        }

        var order = SoftFloatArithmetic.Compare(a, b, ref context);
        return order != (operation == SseOperation.Minimum ? FloatOrder.Less : FloatOrder.Greater);
    }

    private static uint SingleRoot(uint b, ref SseStatus status)
    {
        if (status.HostMayCompute && IsNormalSingle(b) && b >> 31 == 0)
            return BitConverter.SingleToUInt32Bits(MathF.Sqrt(BitConverter.UInt32BitsToSingle(b)));
        ref var context = ref status.Begin();
        var result = SoftRoot(SoftFloat.FromSingle(b, context), FloatFormat.Single, ref context).ToSingle();
        status.End();
        return result;
    }

    private static ulong DoubleRoot(ulong b, ref SseStatus status)
    {
        if (status.HostMayCompute && IsNormalDouble(b) && b >> 63 == 0)
            return BitConverter.DoubleToUInt64Bits(Math.Sqrt(BitConverter.UInt64BitsToDouble(b)));
        ref var context = ref status.Begin();
        var result = SoftRoot(SoftFloat.FromDouble(b, context), FloatFormat.Double, ref context).ToDouble();
        status.End();
        return result;
    }

    private static SoftFloat SoftRoot(in SoftFloat value, in FloatFormat format, ref FloatContext context)
        => value.IsNaN ? PropagateNaN(value, value, ref context) : SoftFloatArithmetic.SquareRoot(value, format, ref context);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsNormalSingle(uint bits) => (bits >> 23 & 0xff) - 1 < 0xfe;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsNormalDouble(ulong bits) => (bits >> 52 & 0x7ff) - 1 < 0x7fe;

    // The smallest normal numbers are left out: one may have been rounded up to from below, which is an underflow.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsWellNormalSingle(uint bits) => (bits >> 23 & 0xff) - 2 < 0xfd;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsWellNormalDouble(ulong bits) => (bits >> 52 & 0x7ff) - 2 < 0x7fd;
}
