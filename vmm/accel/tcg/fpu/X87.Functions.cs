using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>The transcendental instructions' handling of the stack; what they compute is <see cref="X87Transcendental"/>'s.</summary>
public static partial class X87
{
    private enum Angle
    {
        Sine,
        Cosine,
        Tangent,
        SineAndCosine,
    }

    /// <summary>A function of ST(1) and ST(0).</summary>
    private delegate SoftFloat Binary(in SoftFloat y, in SoftFloat x, ref FloatContext context);

    /// <summary>The result replaces ST(1), ST(0) is popped.</summary>
    private static void OfTopTwo(ref X86FpuState s, Binary function)
    {
        if (IsEmpty(s, 0) || IsEmpty(s, 1))
        {
            if (!StackFaulted(ref s, overflow: false))
                return;
            Set(ref s, 1, SoftFloat.Indefinite);
            Pop(ref s);
            return;
        }

        var context = Context(s);
        var (y, x) = (Get(s, 1), Get(s, 0));
        var result = y.Class >= FloatClass.QuietNaN || x.Class >= FloatClass.QuietNaN
            ? Float80.PropagateNaN(y, x, ref context)
            : function(y, x, ref context);
        if (!Conclude(ref s, ref context))
            return;
        Set(ref s, 1, result);
        Pop(ref s);
    }

    /// <summary>FSIN, FCOS, FPTAN, FSINCOS. Beyond ±2^63 the operand stays and C2 is set.</summary>
    private static void Trigonometric(ref X86FpuState s, Angle what)
    {
        const int maxExponent = 62;
        var pushes = what is Angle.Tangent or Angle.SineAndCosine;
        SetCondition(ref s, C2, 0);
        if (IsEmpty(s, 0) || pushes && !IsEmpty(s, 7))
        {
            if (!StackFaulted(ref s, overflow: !IsEmpty(s, 0)))
                return;
            Set(ref s, 0, SoftFloat.Indefinite);
            if (pushes)
                PushIndefinite(ref s);
            return;
        }

        var context = Context(s);
        var x = Get(s, 0);
        if (x.Class == FloatClass.Finite && x.Exponent > maxExponent)
        {
            SetCondition(ref s, C1 | C2, C2);
            return;
        }

        SoftFloat first, second = SoftFloat.One;
        if (x.Class >= FloatClass.QuietNaN)
        {
            first = second = Float80.PropagateNaN(x, x, ref context);
        }
        else if (x.Class == FloatClass.Infinity)
        {
            first = second = SoftFloatArithmetic.Invalid(ref context);
        }
        else
        {
            switch (what)
            {
                case Angle.Sine:
                    first = X87Transcendental.Sine(x, ref context);
                    break;
                case Angle.Cosine:
                    first = X87Transcendental.Cosine(x, ref context);
                    break;
                case Angle.Tangent:
                    first = X87Transcendental.Tangent(x, ref context);
                    break;
                default:
                    first = X87Transcendental.Sine(x, ref context);
                    second = X87Transcendental.Cosine(x, ref context);
                    break;
            }
        }

        if (!Conclude(ref s, ref context))
            return;
        Set(ref s, 0, first);
        if (!pushes)
            return;
        SetTop(ref s, Top(s) - 1);
        Set(ref s, 0, second);
    }
}
