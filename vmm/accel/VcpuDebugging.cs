namespace Gauntlet.Vmm.Accel;

/// <summary>What a debugger wants the guest to stop at.</summary>
public enum BreakpointKind
{
    /// <summary>Execution, by an INT3 (0xcc) that the debugger puts there.</summary>
    Software,

    /// <summary>Execution, with nothing written to guest memory.</summary>
    Hardware,

    /// <summary>Writes to a range.</summary>
    Write,

    /// <summary>Reads of a range.</summary>
    Read,

    /// <summary>Reads and writes.</summary>
    Access,
}

/// <summary>A breakpoint or watchpoint. A class, as all that lists are made of.</summary>
/// <param name="Address">Linear.</param>
/// <param name="Length">Of a watched range in bytes, at least 1.</param>
public sealed record Breakpoint(BreakpointKind Kind, ulong Address, int Length)
{
    /// <summary>Whether it is about data.</summary>
    public bool IsWatchpoint => Kind is BreakpointKind.Write or BreakpointKind.Read or BreakpointKind.Access;
}

/// <summary>
/// A vCPU that can be debugged from outside, beside whatever the guest does with its own debug registers. All of it only while the vCPU is not running.
/// </summary>
public interface IDebuggableVcpu
{
    /// <summary>How many points, software breakpoints apart, it can have at once.</summary>
    int HardwareBreakpoints { get; }

    /// <summary>
    /// From the next <see cref="IVcpu.Run"/> on: stops (<see cref="VcpuStop.Debug"/>) before an instruction with a breakpoint, after an access to a watched
    /// range, and after each instruction while stepping.
    /// </summary>
    /// <param name="step">One instruction. Interrupts wait meanwhile, where the accelerator can hold them.</param>
    /// <param name="points">All that there are; they replace the ones before.</param>
    /// <returns>False: it cannot watch for all of these at once; nothing has changed.</returns>
    bool TrySetDebugging(bool step, IReadOnlyList<Breakpoint> points);

    /// <summary>What the last <see cref="VcpuStop.Debug"/> met; null for a step.</summary>
    Breakpoint? PointMet { get; }
}
