using Gauntlet.Linux;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>KVM_GUESTDBG_*: what KVM_SET_GUEST_DEBUG turns on.</summary>
[Flags]
internal enum GuestDebugControl : uint
{
    None = 0,
    Enable = 1,
    SingleStep = 2,

    /// <summary>INT3 exits instead of reaching the guest.</summary>
    UseSoftwareBreakpoints = 0x10000,

    /// <summary>The debug registers given here count, not the guest's.</summary>
    UseHardwareBreakpoints = 0x20000,
    InjectDb = 0x40000,
    InjectBp = 0x80000,

    /// <summary>No interrupts while stepping; Linux 5.16.</summary>
    BlockIrq = 0x100000,
}

// Debugging from outside: Documentation/virt/kvm/api.rst, KVM_SET_GUEST_DEBUG.
internal sealed unsafe partial class KvmVcpu : IDebuggableVcpu
{
    private const int DebugRegisters = 4;

    // DR6 (SDM Vol. 3B, 17.2.3).
    private const ulong SingleStepMet = 1 << 14;

    private readonly bool _canHoldInterrupts;
    private readonly Breakpoint?[] _inRegisters = new Breakpoint?[DebugRegisters];
    private Breakpoint[] _points = [];
    private KvmGuestDebug _debug;

    public int HardwareBreakpoints => DebugRegisters;

    public Breakpoint? PointMet { get; private set; }

    public bool TrySetDebugging(bool step, IReadOnlyList<Breakpoint> points)
    {
        var debug = new KvmGuestDebug();
        if (step || points.Count > 0)
            debug.Control = GuestDebugControl.Enable | GuestDebugControl.UseSoftwareBreakpoints;
        if (step)
            debug.Control |= GuestDebugControl.SingleStep | (_canHoldInterrupts ? GuestDebugControl.BlockIrq : GuestDebugControl.None);
        var used = new Breakpoint?[DebugRegisters];
        var count = 0;
        foreach (var point in points)
        {
            if (point.Kind == BreakpointKind.Software)
                continue;
            if (count == DebugRegisters || !TryEncode(point, count, out var control))
                return false;
            debug.Control |= GuestDebugControl.UseHardwareBreakpoints;
            debug.Registers[count] = point.Address;
            debug.Registers[7] |= control;
            used[count++] = point;
        }
        if (debug.Registers[7] != 0)
            debug.Registers[7] |= 0x400;
        if (!TryCall(debug))
            return false;
        _debug = debug;
        _points = [.. points];
        used.CopyTo(_inRegisters, 0);
        return true;
    }

    /// <summary>DR7's bits for one of its registers: enabled, condition and length (SDM Vol. 3B, 17.2.4).</summary>
    private static bool TryEncode(Breakpoint point, int register, out ulong control)
    {
        control = 0;
        // There is no condition for reads alone.
        var condition = point.Kind switch { BreakpointKind.Hardware => 0, BreakpointKind.Write => 1, BreakpointKind.Access => 3, _ => -1 };
        var length = point.Kind == BreakpointKind.Hardware ? 0 : point.Length switch { 1 => 0, 2 => 1, 4 => 3, 8 => 2, _ => -1 };
        if (condition < 0 || length < 0 || (point.IsWatchpoint && (point.Address & (ulong)(point.Length - 1)) != 0))
            return false;
        control = 2UL << (register * 2) | (ulong)(condition | length << 2) << (16 + register * 4);
        return true;
    }

    private bool TryCall(KvmGuestDebug debug) => Libc.ioctl(_handle, KvmRequest.SetGuestDebug, &debug) == 0;

    /// <summary>Null: it was the guest's own, and it has got it back.</summary>
    private VcpuStop? AfterDebugExit()
    {
        const uint breakpointVector = 3;
        _log.Add(KvmExit.Debug, _run->DebugPc);
        PointMet = null;
        if (_run->DebugException == breakpointVector)
        {
            var pc = _run->DebugPc;
            PointMet = Array.Find(_points, point => point.Kind == BreakpointKind.Software && point.Address == pc);
            return PointMet is not null ? VcpuStop.Debug : GiveBack(GuestDebugControl.InjectBp);
        }
        for (var i = 0; i < DebugRegisters; i++)
        {
            if ((_run->DebugDr6 >> i & 1) != 0 && _inRegisters[i] is { } point)
                PointMet = point;
        }
        var stepped = (_run->DebugDr6 & SingleStepMet) != 0 && (_debug.Control & GuestDebugControl.SingleStep) != 0;
        return PointMet is not null || stepped ? VcpuStop.Debug : GiveBack(GuestDebugControl.InjectDb);
    }

    private VcpuStop? GiveBack(GuestDebugControl exception)
    {
        var debug = _debug;
        debug.Control |= GuestDebugControl.Enable | exception;
        return TryCall(debug) ? null : Fail($"KVM does not give vCPU {Index} back its own debug exception: {KvmSystem.ErrorText()}", KvmExit.Debug, _run->DebugPc);
    }
}
