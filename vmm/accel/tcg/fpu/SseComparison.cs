using System.Runtime.Intrinsics;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>CMPxx, COMISx, UCOMISx. False: an exception that is not masked, as in <see cref="SseArithmetic"/>.</summary>
public static class SseComparison
{
    /// <summary>CMPPS, CMPPD, CMPSS, CMPSD: all ones where the predicate holds.</summary>
    /// <param name="predicate">The immediate's low three bits: EQ, LT, LE, UNORD, NEQ, NLT, NLE, ORD.</param>
    public static bool Compare(
        SseShape shape, int predicate, Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result)
    {
        var status = new SseStatus(mxcsr);
        if (shape is SseShape.PackedSingle or SseShape.ScalarSingle)
        {
            var elements = shape == SseShape.PackedSingle ? 4 : 1;
            var (x, y, r) = (a.AsUInt32(), b.AsUInt32(), a.AsUInt32());
            for (var i = 0; i < elements; i++)
            {
                ref var context = ref status.Begin();
                var holds = Holds(predicate, SoftFloat.FromSingle(x[i], context), SoftFloat.FromSingle(y[i], context), ref context);
                status.End();
                r = r.WithElement(i, holds ? uint.MaxValue : 0);
            }

            result = r.AsByte();
        }
        else
        {
            var elements = shape == SseShape.PackedDouble ? 2 : 1;
            var (x, y, r) = (a.AsUInt64(), b.AsUInt64(), a.AsUInt64());
            for (var i = 0; i < elements; i++)
            {
                ref var context = ref status.Begin();
                var holds = Holds(predicate, SoftFloat.FromDouble(x[i], context), SoftFloat.FromDouble(y[i], context), ref context);
                status.End();
                r = r.WithElement(i, holds ? ulong.MaxValue : 0);
            }

            result = r.AsByte();
        }

        return status.Conclude(ref mxcsr);
    }

    /// <summary>COMISS, COMISD, UCOMISS, UCOMISD: the answer into ZF, PF and CF; OF, SF and AF become 0.</summary>
    /// <param name="isDouble">SD, else SS.</param>
    /// <param name="quiet">UCOMISx: a quiet NaN is no invalid operation.</param>
    public static bool CompareToFlags(bool isDouble, bool quiet, Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, ref ulong rflags)
    {
        const ulong cf = 1, pf = 4, zf = 0x40, statusFlags = 0x8d5;
        var status = new SseStatus(mxcsr);
        ref var context = ref status.Begin();
        var (x, y) = isDouble
            ? (SoftFloat.FromDouble(a.AsUInt64()[0], context), SoftFloat.FromDouble(b.AsUInt64()[0], context))
            : (SoftFloat.FromSingle(a.AsUInt32()[0], context), SoftFloat.FromSingle(b.AsUInt32()[0], context));
        var order = Order(x, y, quiet, ref context);
        status.End();
        if (!status.Conclude(ref mxcsr))
            return false;
        rflags = rflags & ~statusFlags | order switch
        {
            FloatOrder.Less => cf,
            FloatOrder.Equal => zf,
            FloatOrder.Greater => 0,
            _ => cf | pf | zf,
        };
        return true;
    }

    /// <summary>Predicates 1, 2, 5 and 6 take a quiet NaN for invalid (SDM Vol. 2A, table 3-1).</summary>
    private static bool Holds(int predicate, in SoftFloat a, in SoftFloat b, ref FloatContext context)
    {
        var kind = predicate & 3;
        var order = Order(a, b, quiet: kind is 0 or 3, ref context);
        var holds = kind switch
        {
            0 => order == FloatOrder.Equal,
            1 => order == FloatOrder.Less,
            2 => order is FloatOrder.Less or FloatOrder.Equal,
            _ => order == FloatOrder.Unordered,
        };
        return holds != ((predicate & 4) != 0);
    }

    private static FloatOrder Order(in SoftFloat a, in SoftFloat b, bool quiet, ref FloatContext context)
    {
        if (a.Class == FloatClass.SignalingNaN || b.Class == FloatClass.SignalingNaN || !quiet && (a.IsNaN || b.IsNaN))
            context.Raised |= FloatExceptions.Invalid;
        return SoftFloatArithmetic.Compare(a, b, ref context);
    }
}
