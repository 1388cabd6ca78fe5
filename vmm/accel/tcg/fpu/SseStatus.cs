namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>MXCSR while an instruction works on its elements (SDM Vol. 1, 10.2.3).</summary>
internal struct SseStatus
{
    public const uint Flags = 0x3f, DenormalsAreZeros = 1 << 6, FlushToZero = 1 << 15;
    private const int MaskShift = 7, RoundingShift = 13;
    private const uint PrecisionFlag = 0x20, PrecisionMask = 0x1000, RoundingControl = 0x6000;

    private FloatContext _context;
    private FloatExceptions _all;

    public SseStatus(uint mxcsr)
    {
        _context = new FloatContext
        {
            Rounding = (FloatRounding)(mxcsr >> RoundingShift & 3),
            Masked = (FloatExceptions)(mxcsr >> MaskShift) & FloatExceptions.All,
            DenormalsAreZeros = (mxcsr & DenormalsAreZeros) != 0,
            FlushToZero = (mxcsr & FlushToZero) != 0,
        };
        HostMayCompute = (mxcsr & (PrecisionFlag | PrecisionMask | RoundingControl)) == (PrecisionFlag | PrecisionMask);
    }

    /// <summary>
    /// With normal operands and result, an operation can raise nothing but the inexact exception; here that would change nothing, and the host rounds as the guest wants.
    /// </summary>
    public readonly bool HostMayCompute { get; }

    /// <summary>The context for one element, without flags.</summary>
    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public ref FloatContext Begin()
    {
        _context.Raised = FloatExceptions.None;
        return ref _context;
    }

    /// <summary>After an element: gathers its flags.</summary>
    public void End() => _all |= _context.Raised;

    /// <summary>
    /// Sets MXCSR's flags; false when one of them is not masked. An unmasked exception of an operand keeps all results from being computed,
    /// and so their flags from being set (SDM Vol. 1, 11.5.3).
    /// </summary>
    public readonly bool Conclude(ref uint mxcsr)
    {
        const FloatExceptions before = FloatExceptions.Invalid | FloatExceptions.Denormal | FloatExceptions.DivideByZero;
        var raised = _all;
        if ((raised & before & ~_context.Masked) != 0)
            raised &= before;
        mxcsr |= (uint)raised;
        return (raised & ~_context.Masked) == 0;
    }
}
