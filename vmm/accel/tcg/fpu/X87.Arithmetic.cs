using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>Basic arithmetic, comparisons and their relatives.</summary>
public static partial class X87
{
    /// <summary>The operations of the reg field of D8, DA, DC and DE.</summary>
    private enum Operation
    {
        Add,
        Multiply,
        Compare,
        ComparePop,
        Subtract,
        SubtractReversed,
        Divide,
        DivideReversed,
    }

    /// <summary>ST(destination) := ST(destination) op source; reversed operations the other way round.</summary>
    private static void Arithmetic(ref X86FpuState s, Operation operation, int destination, in SoftFloat source)
    {
        var context = Context(s);
        var a = Get(s, destination);
        var result = Compute(operation, a, source, Precision(s), ref context);
        if (Conclude(ref s, ref context))
            Set(ref s, destination, result);
    }

    private static SoftFloat Compute(Operation operation, in SoftFloat a, in SoftFloat b, in FloatFormat format, ref FloatContext context)
    {
        if (a.Class >= FloatClass.QuietNaN || b.Class >= FloatClass.QuietNaN)
            return Float80.PropagateNaN(a, b, ref context);
        return operation switch
        {
            Operation.Add => SoftFloatArithmetic.Add(a, b, format, ref context),
            Operation.Multiply => SoftFloatArithmetic.Multiply(a, b, format, ref context),
            Operation.Subtract => SoftFloatArithmetic.Subtract(a, b, format, ref context),
            Operation.SubtractReversed => SoftFloatArithmetic.Subtract(b, a, format, ref context),
            Operation.Divide => SoftFloatArithmetic.Divide(a, b, format, ref context),
            _ => SoftFloatArithmetic.Divide(b, a, format, ref context),
        };
    }

    /// <summary>An operation with ST(0) and a memory operand, or a comparison with it.</summary>
    private static void WithOperand(ref X86FpuState s, Operation operation, in SoftFloat operand)
    {
        if (operation is Operation.Compare or Operation.ComparePop)
        {
            if (Compare(ref s, 0, operand, quiet: false) && operation == Operation.ComparePop)
                Pop(ref s);
            return;
        }

        if (!IsEmpty(s, 0))
            Arithmetic(ref s, operation, 0, operand);
        else if (StackFaulted(ref s, overflow: false))
            Set(ref s, 0, SoftFloat.Indefinite);
    }

    /// <summary>An operation between two registers, the result into ST(destination).</summary>
    private static void BetweenRegisters(ref X86FpuState s, Operation operation, int destination, int source, bool pop)
    {
        bool done;
        if (IsEmpty(s, destination) || IsEmpty(s, source))
        {
            done = StackFaulted(ref s, overflow: false);
            if (done)
                Set(ref s, destination, SoftFloat.Indefinite);
        }
        else
        {
            var context = Context(s);
            var result = Compute(operation, Get(s, destination), Get(s, source), Precision(s), ref context);
            done = Conclude(ref s, ref context);
            if (done)
                Set(ref s, destination, result);
        }

        if (done && pop)
            Pop(ref s);
    }

    /// <summary>FCOM (any NaN is invalid) or FUCOM (only a signaling one) of ST(0) with a value; false: an unmasked exception, nothing is popped.</summary>
    private static bool Compare(ref X86FpuState s, int first, in SoftFloat other, bool quiet)
    {
        if (IsEmpty(s, first))
        {
            SetCondition(ref s, C0 | C2 | C3, C0 | C2 | C3);
            return StackFaulted(ref s, overflow: false);
        }

        var order = Order(ref s, Get(s, first), other, quiet, out var stored);
        var codes = order switch
        {
            FloatOrder.Less => C0,
            FloatOrder.Equal => C3,
            FloatOrder.Greater => (ushort)0,
            _ => (ushort)(C0 | C2 | C3),
        };
        // Told even when an exception is not masked; only the pop is left out then.
        SetCondition(ref s, C0 | C2 | C3, codes);
        return stored;
    }

    private static bool CompareRegisters(ref X86FpuState s, int other, bool quiet)
    {
        if (!IsEmpty(s, 0) && !IsEmpty(s, other))
            return Compare(ref s, 0, Get(s, other), quiet);
        SetCondition(ref s, C0 | C2 | C3, C0 | C2 | C3);
        return StackFaulted(ref s, overflow: false);
    }

    /// <summary>FCOMI and FUCOMI: the answer into ZF, PF and CF.</summary>
    private static bool CompareToFlags(ref X86FpuState s, int other, bool quiet, ref ulong rflags)
    {
        const ulong cf = 1, pf = 4, af = 0x10, zf = 0x40, sf = 0x80, of = 0x800;
        bool stored;
        FloatOrder order;
        if (IsEmpty(s, 0) || IsEmpty(s, other))
        {
            order = FloatOrder.Unordered;
            stored = StackFaulted(ref s, overflow: false);
        }
        else
        {
            order = Order(ref s, Get(s, 0), Get(s, other), quiet, out stored);
        }

        if (stored)
        {
            rflags = rflags & ~(cf | pf | af | zf | sf | of) | order switch
            {
                FloatOrder.Less => cf,
                FloatOrder.Equal => zf,
                FloatOrder.Greater => 0,
                _ => cf | pf | zf,
            };
        }

        return stored;
    }

    private static FloatOrder Order(ref X86FpuState s, in SoftFloat a, in SoftFloat b, bool quiet, out bool stored)
    {
        var context = Context(s);
        var invalid = quiet
            ? a.Class >= FloatClass.SignalingNaN || b.Class >= FloatClass.SignalingNaN
            : a.Class >= FloatClass.QuietNaN || b.Class >= FloatClass.QuietNaN;
        if (invalid)
            context.Raised |= FloatExceptions.Invalid;
        var order = SoftFloatArithmetic.Compare(a, b, ref context);
        stored = Conclude(ref s, ref context);
        return order;
    }

    /// <summary>A function of ST(0) alone, into ST(0).</summary>
    private delegate SoftFloat Unary(in SoftFloat a, in FloatFormat format, ref FloatContext context);

    private static void OfTop(ref X86FpuState s, Unary function)
    {
        if (IsEmpty(s, 0))
        {
            if (StackFaulted(ref s, overflow: false))
                Set(ref s, 0, SoftFloat.Indefinite);
            return;
        }

        var context = Context(s);
        var a = Get(s, 0);
        var result = a.Class >= FloatClass.QuietNaN ? Float80.PropagateNaN(a, a, ref context) : function(a, Precision(s), ref context);
        if (Conclude(ref s, ref context))
            Set(ref s, 0, result);
    }

    private static SoftFloat RoundToInteger(in SoftFloat a, in FloatFormat format, ref FloatContext context)
    {
        SoftFloatArithmetic.NoteDenormals(a, a, ref context);
        return SoftFloatRounding.RoundToIntegral(a, ref context);
    }

    /// <summary>FXAM: the class of ST(0) into C3, C2, C0, its sign into C1 (SDM Vol. 2A, FXAM).</summary>
    private static void Examine(ref X86FpuState s)
    {
        var raw = s.R[Top(s)];
        var value = Get(s, 0);
        var codes = IsEmpty(s, 0) ? C3 | C0
            : value.Class switch
            {
                FloatClass.Unsupported => 0,
                FloatClass.QuietNaN or FloatClass.SignalingNaN => C0,
                FloatClass.Infinity => C2 | C0,
                FloatClass.Zero => C3,
                _ => value.IsDenormal ? C3 | C2 : C2,
            };
        SetCondition(ref s, C0 | C1 | C2 | C3, (ushort)(codes | ((raw.SignExponent & 0x8000) != 0 ? C1 : 0)));
    }

    /// <summary>FXTRACT: the exponent in place of ST(0), then the significand pushed.</summary>
    private static void Extract(ref X86FpuState s)
    {
        if (IsEmpty(s, 0) || !IsEmpty(s, 7))
        {
            if (!StackFaulted(ref s, overflow: !IsEmpty(s, 0)))
                return;
            Set(ref s, 0, SoftFloat.Indefinite);
            SetTop(ref s, Top(s) - 1);
            Set(ref s, 0, SoftFloat.Indefinite);
            return;
        }

        var context = Context(s);
        var a = Get(s, 0);
        SoftFloat exponent, significand;
        if (a.Class >= FloatClass.QuietNaN)
        {
            exponent = significand = Float80.PropagateNaN(a, a, ref context);
        }
        else if (a.Class == FloatClass.Infinity)
        {
            (exponent, significand) = (SoftFloat.Infinity(false), a);
        }
        else if (a.IsZero)
        {
            context.Raised |= FloatExceptions.DivideByZero;
            (exponent, significand) = (SoftFloat.Infinity(true), a);
        }
        else
        {
            SoftFloatArithmetic.NoteDenormals(a, a, ref context);
            (exponent, significand) = (SoftFloat.FromInteger(a.Exponent), a with { Exponent = 0, IsDenormal = false });
        }

        if (!Conclude(ref s, ref context))
            return;
        Set(ref s, 0, exponent);
        SetTop(ref s, Top(s) - 1);
        Set(ref s, 0, significand);
    }

    /// <summary>FSCALE: ST(0) × 2 to the power of ST(1) cut to an integer.</summary>
    private static void Scale(ref X86FpuState s)
    {
        if (IsEmpty(s, 0) || IsEmpty(s, 1))
        {
            if (StackFaulted(ref s, overflow: false))
                Set(ref s, 0, SoftFloat.Indefinite);
            return;
        }

        var context = Context(s);
        var result = Scaled(Get(s, 0), Get(s, 1), ref context);
        if (Conclude(ref s, ref context))
            Set(ref s, 0, result);
    }

    private const int SmallestDenormalExponent = -16445;

    private static SoftFloat Scaled(in SoftFloat a, in SoftFloat power, ref FloatContext context)
    {
        // Beyond this every number overflows or underflows, and the sum of exponents still fits.
        const int farthest = 0x10000;
        if (a.Class >= FloatClass.QuietNaN || power.Class >= FloatClass.QuietNaN)
            return Float80.PropagateNaN(a, power, ref context);
        if (power.Class == FloatClass.Infinity)
        {
            if (power.Negative ? a.Class == FloatClass.Infinity : a.IsZero)
                return SoftFloatArithmetic.Invalid(ref context);
            SoftFloatArithmetic.NoteDenormals(a, power, ref context);
            return power.Negative ? SoftFloat.Zero(a.Negative) : SoftFloat.Infinity(a.Negative);
        }

        SoftFloatArithmetic.NoteDenormals(a, power, ref context);
        // By nothing at all the host gives the number back as it is, tiny or not; by a fraction it rounds.
        if (a.Class != FloatClass.Finite || power.IsZero)
            return a;
        if (power.Exponent < 0)
            return SoftFloatRounding.Round(a, FloatFormat.Extended, ref context);
        var magnitude = power.Exponent >= 16 ? farthest : (int)(power.Significand >> (63 - power.Exponent));
        var exponent = a.Exponent + (power.Negative ? -magnitude : magnitude);
        var result = SoftFloatRounding.Round(a with { Exponent = exponent, IsDenormal = false }, FloatFormat.Extended, ref context);
        // Massive overflow and underflow: out of range even with the shifted exponent (SDM Vol. 1, 8.5.4, 8.5.5).
        if (result.Class == FloatClass.Finite && (result.Exponent > FloatFormat.Extended.MaxExponent || result.Exponent < SmallestDenormalExponent))
        {
            context.Raised |= FloatExceptions.Precision;
            context.RoundedUp = result.Exponent > 0;
            return result.Exponent > 0 ? SoftFloat.Infinity(a.Negative) : SoftFloat.Zero(a.Negative);
        }

        return result;
    }

    /// <summary>FPREM (quotient cut) and FPREM1 (quotient to nearest) in steps of at most 63 places; the quotient's low bits into C0, C3, C1 (SDM Vol. 2A).</summary>
    private static void Remainder(ref X86FpuState s, bool toNearest)
    {
        if (IsEmpty(s, 0) || IsEmpty(s, 1))
        {
            SetCondition(ref s, C2, 0);
            if (StackFaulted(ref s, overflow: false))
                Set(ref s, 0, SoftFloat.Indefinite);
            return;
        }

        var context = Context(s);
        var result = RemainderOf(Get(s, 0), Get(s, 1), toNearest, ref context, out var quotient, out var partial);
        if (!Conclude(ref s, ref context))
            return;
        Set(ref s, 0, result);
        var codes = partial ? C2 : (quotient & 4) != 0 ? C0 : 0;
        if (!partial)
            codes |= ((quotient & 2) != 0 ? C3 : 0) | ((quotient & 1) != 0 ? C1 : 0);
        SetCondition(ref s, C0 | C1 | C2 | C3, (ushort)codes);
    }

    private static SoftFloat RemainderOf(in SoftFloat a, in SoftFloat b, bool toNearest, ref FloatContext context, out ulong quotient, out bool partial)
    {
        quotient = 0;
        partial = false;
        if (a.Class >= FloatClass.QuietNaN || b.Class >= FloatClass.QuietNaN)
            return Float80.PropagateNaN(a, b, ref context);
        if (a.Class == FloatClass.Infinity || b.IsZero)
            return SoftFloatArithmetic.Invalid(ref context);
        SoftFloatArithmetic.NoteDenormals(a, b, ref context);
        if (a.IsZero || b.Class == FloatClass.Infinity)
            return a.Class == FloatClass.Finite ? SoftFloatRounding.Round(a, FloatFormat.Extended, ref context) : a;

        var distance = a.Exponent - b.Exponent;
        // Less than half of the divisor: it is the remainder already.
        if (distance < -1 || distance < 0 && !toNearest)
            return SoftFloatRounding.Round(a, FloatFormat.Extended, ref context);
        partial = distance >= 64;
        // A step too long for one go takes between 32 and 63 places off, a multiple of the full quotient's tail.
        var places = partial ? 32 + distance % 32 : distance;
        if (places < 0)
        {
            // Only FPREM1 comes here, with |a| between a quarter of |b| and all of it; twice as large as half: one more.
            return Nearest(a, b, places, a.Significand, ref quotient, ref context);
        }

        UInt128 dividend = (UInt128)a.Significand << places;
        var rest = (ulong)(dividend % b.Significand);
        quotient = (ulong)(dividend / b.Significand);
        var exponent = a.Exponent - places;
        if (partial || !toNearest)
            return Normalized(a.Negative, exponent, rest, ref context);
        return Nearest(a, b, 0, rest, ref quotient, ref context);
    }

    /// <summary>Takes one more divisor off when the rest is more than half of it, or half with an odd quotient.</summary>
    private static SoftFloat Nearest(in SoftFloat a, in SoftFloat b, int places, ulong rest, ref ulong quotient, ref FloatContext context)
    {
        // All in units of b's last place, halved once when a lies one place below.
        var divisor = (UInt128)b.Significand << -places;
        var exponent = b.Exponent + places;
        var twice = (UInt128)rest << 1;
        if (twice < divisor || twice == divisor && (quotient & 1) == 0)
            return Normalized(a.Negative, exponent, rest, ref context);
        quotient++;
        return Normalized(!a.Negative, exponent, divisor - rest, ref context);
    }

    private static SoftFloat Normalized(bool negative, int exponent, UInt128 significand, ref FloatContext context)
    {
        if (significand == 0)
            return SoftFloat.Zero(negative);
        var shift = (int)UInt128.LeadingZeroCount(significand);
        return SoftFloatRounding.Round(negative, exponent + 64 - shift, significand << shift, FloatFormat.Extended, ref context);
    }
}
