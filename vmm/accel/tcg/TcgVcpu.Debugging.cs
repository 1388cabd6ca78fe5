using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg;

public sealed unsafe partial class TcgVcpu : IDebuggableVcpu
{
    private Breakpoint[] _points = [];
    private bool _isDebugged, _steps, _advanced;

    public int HardwareBreakpoints => int.MaxValue;

    public Breakpoint? PointMet { get; private set; }

    // The guest's interrupts wait while it is stepped through: a step would always end in a handler. One that halts is woken by them only.
    private bool HoldsInterrupts => _steps && _core.S->Activity != X86Activity.Halted;

    private ulong CodeBase => (_core.ComputeMode() & Mode.CodeSize) == 2 ? 0 : _core.Seg(X86Seg.Cs).Base;

    public bool TrySetDebugging(bool step, IReadOnlyList<Breakpoint> points)
    {
        _core.SetDebuggerPoints(points);
        _core.WatchpointMet = null;
        _points = [.. points];
        (_steps, _isDebugged) = (step, step || points.Count > 0);
        return true;
    }

    /// <summary>Before a block: whether its first instruction has a breakpoint that the block would not look for.</summary>
    private bool MeetsBreakpoint(uint mode)
    {
        _advanced = true;
        var isAlone = (mode & (Mode.Alone | Mode.SingleStep)) != 0;
        _core.MayRestartAlone = !isAlone;
        // A step goes on from where it stands, breakpoint or not; what starts over was looked at before.
        if (!isAlone || _steps || _alone)
            return false;
        var linear = _core.S->Rip + CodeBase;
        if (!_core.IsBreakpoint(linear))
            return false;
        PointMet = PointAt(linear);
        return true;
    }

    /// <summary>After a block.</summary>
    private bool StopsForDebugger()
    {
        _core.MayRestartAlone = false;
        var met = _core.WatchpointMet;
        _core.WatchpointMet = null;
        if (met is null && !(_steps && _advanced))
            return false;
        PointMet = met;
        return true;
    }

    private Breakpoint? PointAt(ulong linear) => Array.Find(_points, point => !point.IsWatchpoint && point.Address == linear);
}
