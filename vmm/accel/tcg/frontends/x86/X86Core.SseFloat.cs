using System.Runtime.Intrinsics;
using Gauntlet.Vmm.Accel.Tcg.Fpu;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// SSE to SSE3 on floating point: which of Fpu's functions an instruction is.
public sealed unsafe partial class X86Core
{
    private enum FloatOutcome
    {
        /// <summary>No such instruction here.</summary>
        Unknown,
        Done,

        /// <summary>An exception that MXCSR does not mask.</summary>
        Unmasked,
    }

    /// <summary>#XM, or #UD while the operating system has not said that it handles it.</summary>
    private void RaiseSimd() => Raise((S->Cr4 & Control.OSXMMEXCPT) != 0 ? Vector.XM : Vector.UD);

    private static FloatOutcome TrySseFloat(Mnemonic mnemonic, Vector128<byte> d, Vector128<byte> s, byte imm, ref uint mxcsr, out Vector128<byte> result)
    {
        var (operation, shape) = mnemonic switch
        {
            Mnemonic.Addps => (SseOperation.Add, SseShape.PackedSingle),
            Mnemonic.Addpd => (SseOperation.Add, SseShape.PackedDouble),
            Mnemonic.Addss => (SseOperation.Add, SseShape.ScalarSingle),
            Mnemonic.Addsd => (SseOperation.Add, SseShape.ScalarDouble),
            Mnemonic.Subps => (SseOperation.Subtract, SseShape.PackedSingle),
            Mnemonic.Subpd => (SseOperation.Subtract, SseShape.PackedDouble),
            Mnemonic.Subss => (SseOperation.Subtract, SseShape.ScalarSingle),
            Mnemonic.Subsd => (SseOperation.Subtract, SseShape.ScalarDouble),
            Mnemonic.Mulps => (SseOperation.Multiply, SseShape.PackedSingle),
            Mnemonic.Mulpd => (SseOperation.Multiply, SseShape.PackedDouble),
            Mnemonic.Mulss => (SseOperation.Multiply, SseShape.ScalarSingle),
            Mnemonic.Mulsd => (SseOperation.Multiply, SseShape.ScalarDouble),
            Mnemonic.Divps => (SseOperation.Divide, SseShape.PackedSingle),
            Mnemonic.Divpd => (SseOperation.Divide, SseShape.PackedDouble),
            Mnemonic.Divss => (SseOperation.Divide, SseShape.ScalarSingle),
            Mnemonic.Divsd => (SseOperation.Divide, SseShape.ScalarDouble),
            Mnemonic.Minps => (SseOperation.Minimum, SseShape.PackedSingle),
            Mnemonic.Minpd => (SseOperation.Minimum, SseShape.PackedDouble),
            Mnemonic.Minss => (SseOperation.Minimum, SseShape.ScalarSingle),
            Mnemonic.Minsd => (SseOperation.Minimum, SseShape.ScalarDouble),
            Mnemonic.Maxps => (SseOperation.Maximum, SseShape.PackedSingle),
            Mnemonic.Maxpd => (SseOperation.Maximum, SseShape.PackedDouble),
            Mnemonic.Maxss => (SseOperation.Maximum, SseShape.ScalarSingle),
            Mnemonic.Maxsd => (SseOperation.Maximum, SseShape.ScalarDouble),
            _ => (default(SseOperation), default(SseShape)),
        };
        if (operation != default)
            return Outcome(SseArithmetic.Compute(operation, shape, d, s, ref mxcsr, out result));
        switch (mnemonic)
        {
            case Mnemonic.Sqrtps or Mnemonic.Sqrtpd or Mnemonic.Sqrtss or Mnemonic.Sqrtsd:
                shape = mnemonic switch
                {
                    Mnemonic.Sqrtps => SseShape.PackedSingle,
                    Mnemonic.Sqrtpd => SseShape.PackedDouble,
                    Mnemonic.Sqrtss => SseShape.ScalarSingle,
                    _ => SseShape.ScalarDouble,
                };
                return Outcome(SseArithmetic.SquareRoot(shape, d, s, ref mxcsr, out result));
            case Mnemonic.Cmpps or Mnemonic.Cmppd or Mnemonic.Cmpss or Mnemonic.Cmpsd:
                shape = mnemonic switch
                {
                    Mnemonic.Cmpps => SseShape.PackedSingle,
                    Mnemonic.Cmppd => SseShape.PackedDouble,
                    Mnemonic.Cmpss => SseShape.ScalarSingle,
                    _ => SseShape.ScalarDouble,
                };
                return Outcome(SseComparison.Compare(shape, imm & 7, d, s, ref mxcsr, out result));
            case Mnemonic.Haddps or Mnemonic.Haddpd or Mnemonic.Hsubps or Mnemonic.Hsubpd:
                return Outcome(SseArithmetic.Horizontal(mnemonic is Mnemonic.Haddps or Mnemonic.Haddpd ? SseOperation.Add : SseOperation.Subtract,
                    mnemonic is Mnemonic.Haddpd or Mnemonic.Hsubpd, d, s, ref mxcsr, out result));
            case Mnemonic.Addsubps or Mnemonic.Addsubpd:
                return Outcome(SseArithmetic.AddSubtract(mnemonic == Mnemonic.Addsubpd, d, s, ref mxcsr, out result));
            case Mnemonic.Cvtss2sd:
                return Outcome(SseConversion.SingleToDouble(d, s, ref mxcsr, out result));
            case Mnemonic.Cvtsd2ss:
                return Outcome(SseConversion.DoubleToSingle(d, s, ref mxcsr, out result));
            case Mnemonic.Cvtps2pd:
                return Outcome(SseConversion.PackedSingleToDouble(s, ref mxcsr, out result));
            case Mnemonic.Cvtpd2ps:
                return Outcome(SseConversion.PackedDoubleToSingle(s, ref mxcsr, out result));
            case Mnemonic.Cvtdq2ps:
                return Outcome(SseConversion.PackedIntegerToSingle(s, ref mxcsr, out result));
            case Mnemonic.Cvtdq2pd:
                result = SseConversion.PackedIntegerToDouble(s);
                return FloatOutcome.Done;
            case Mnemonic.Cvtps2dq or Mnemonic.Cvttps2dq:
                return Outcome(SseConversion.PackedSingleToInteger(mnemonic == Mnemonic.Cvttps2dq, 4, s, ref mxcsr, out result));
            case Mnemonic.Cvtpd2dq or Mnemonic.Cvttpd2dq:
                return Outcome(SseConversion.PackedDoubleToInteger(mnemonic == Mnemonic.Cvttpd2dq, s, ref mxcsr, out result));
            case Mnemonic.Rcpps or Mnemonic.Rsqrtps or Mnemonic.Rcpss or Mnemonic.Rsqrtss:
                {
                    var elements = mnemonic is Mnemonic.Rcpps or Mnemonic.Rsqrtps ? 4 : 1;
                    var values = d.AsUInt32();
                    for (var i = 0; i < elements; i++)
                        values = values.WithElement(i, SseConversion.Approximate(s.AsUInt32()[i], mnemonic is Mnemonic.Rsqrtps or Mnemonic.Rsqrtss));
                    result = values.AsByte();
                    return FloatOutcome.Done;
                }
            default:
                result = default;
                return FloatOutcome.Unknown;
        }
    }

    private static FloatOutcome Outcome(bool done) => done ? FloatOutcome.Done : FloatOutcome.Unmasked;
}
