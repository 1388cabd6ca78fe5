using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Gdb;

/// <summary>The breakpoints and watchpoints that gdb has set, and what every vCPU does about them. While the machine stands still.</summary>
/// <remarks>
/// Software breakpoints take what debug registers are left, and only then an INT3 in guest memory: code that is loaded or copied later keeps its
/// breakpoints, and a KVM that cannot stop at an INT3 (one that emulates much) still has four.
/// </remarks>
internal sealed class GdbBreakpoints(Machine machine, GdbMemory memory)
{
    /// <summary>A debugger that goes mad must not fill memory.</summary>
    public const int Most = 1024;

    private readonly List<Breakpoint> _points = [];
    private List<Breakpoint> _arranged = [];

    /// <summary>False: it cannot be watched for, or there is no memory to put it.</summary>
    public bool TryAdd(in X86State state, Breakpoint point)
    {
        if (_points.Contains(point))
            return true;
        if (_points.Count == Most)
            return false;
        _points.Add(point);
        if (TryArrange(state))
            return true;
        _points.RemoveAt(_points.Count - 1);
        TryArrange(state);
        return false;
    }

    public void Remove(in X86State state, Breakpoint point)
    {
        if (_points.Remove(point))
            TryArrange(state);
    }

    public void Clear()
    {
        _points.Clear();
        // Nothing is put anywhere, so that no address is looked up.
        TryArrange(default);
    }

    /// <summary>Whether gdb asked for a software breakpoint there, whatever it became.</summary>
    public bool IsSoftware(ulong address) => _points.Exists(point => point.Kind == BreakpointKind.Software && point.Address == address);

    /// <summary>Tells every vCPU what to stop at, before it goes on.</summary>
    /// <param name="stepping">Those that execute one instruction.</param>
    /// <returns>False: some vCPU cannot watch for all of these.</returns>
    public bool TryApply(IReadOnlyList<IVcpu> stepping)
    {
        foreach (var vcpu in machine.Vcpus)
        {
            if (vcpu is IDebuggableVcpu debugged && !debugged.TrySetDebugging(stepping.Contains(vcpu), _arranged))
                return false;
        }
        return true;
    }

    private bool TryArrange(in X86State state)
    {
        var free = (machine.Vcpus[0] as IDebuggableVcpu)?.HardwareBreakpoints ?? 0;
        var arranged = new List<Breakpoint>();
        foreach (var point in _points)
        {
            if (point.Kind == BreakpointKind.Software)
                continue;
            arranged.Add(point);
            free--;
        }
        var planted = new List<ulong>();
        foreach (var point in _points)
        {
            if (point.Kind != BreakpointKind.Software)
                continue;
            if (free > 0)
            {
                arranged.Add(point with { Kind = BreakpointKind.Hardware });
                free--;
            }
            else
            {
                arranged.Add(point);
                planted.Add(point.Address);
            }
        }
        _arranged = arranged;
        return TryApply([]) && memory.TryPlant(state, planted);
    }
}
