namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// What a debugger outside the guest asks for. Code runs as always: blocks end before a breakpoint, and accesses to watched pages, alone, take the slow path.
public sealed unsafe partial class X86Core
{
    private ulong[] _debuggerBreakpoints = [];
    private Breakpoint[] _debuggerWatchpoints = [];

    /// <summary>Set while a block of several instructions runs: one that touches watched memory starts over, alone, so that the stop can follow it.</summary>
    internal bool MayRestartAlone { get; set; }

    /// <summary>The watchpoint that was met since it was last cleared.</summary>
    internal Breakpoint? WatchpointMet { get; set; }

    /// <summary>Replaces all breakpoints and watchpoints; translations go. On the vCPU's own thread, or while it is not running.</summary>
    internal void SetDebuggerPoints(IReadOnlyList<Breakpoint> points)
    {
        var breakpoints = new List<ulong>();
        var watchpoints = new List<Breakpoint>();
        foreach (var point in points)
        {
            if (point.IsWatchpoint)
                watchpoints.Add(point);
            else
                breakpoints.Add(point.Address);
        }
        if (watchpoints.Count == 0 && _debuggerWatchpoints.Length == 0 && breakpoints.SequenceEqual(_debuggerBreakpoints))
            return;
        (_debuggerBreakpoints, _debuggerWatchpoints) = ([.. breakpoints], [.. watchpoints]);
        TakeMemoryRequests(RequestFlush);
    }

    /// <summary>Whether a debugger wants to stop before the instruction at this linear address.</summary>
    internal bool IsBreakpoint(ulong linear)
    {
        foreach (var breakpoint in _debuggerBreakpoints)
        {
            if (breakpoint == linear)
                return true;
        }
        return false;
    }

    private bool IsWatchedByDebugger(ulong page)
    {
        foreach (var point in _debuggerWatchpoints)
        {
            if (Overlaps(point, page, 0x1000))
                return true;
        }
        return false;
    }

    /// <summary>False: the instruction starts over, alone; <see cref="CoreHeader.Fault"/> is set.</summary>
    private bool NoteForDebugger(ulong linear, int size, MemoryAccess access)
    {
        foreach (var point in _debuggerWatchpoints)
        {
            if (!Overlaps(point, linear, (ulong)size) || point.Kind == (access == MemoryAccess.Write ? BreakpointKind.Read : BreakpointKind.Write))
                continue;
            if (MayRestartAlone)
            {
                Header->Fault = (int)FaultKind.RestartAlone;
                return false;
            }
            WatchpointMet ??= point;
        }
        return true;
    }

    // By distance, so that neither end may wrap around.
    private static bool Overlaps(Breakpoint point, ulong address, ulong size) =>
        address - point.Address < (ulong)point.Length || point.Address - address < size;
}
