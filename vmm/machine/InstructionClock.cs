using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// Virtual time that goes by the instructions which the machine's one vCPU has executed (<c>-icount</c>): the same guest sees the same times at the same
/// instructions, however fast the host is. While the vCPU waits in HLT, time goes to the next timer at once.
/// </summary>
/// <remarks>
/// Instructions are counted by whole blocks of translated code, when one is entered; a fault within a block takes back what was not executed, but never time
/// that somebody has seen. No thread of its own: the vCPU fires timers between two blocks. What comes from outside (console input, a network) comes when it comes.
/// </remarks>
public sealed class InstructionClock : IMachineClock, IInstructionClock
{
    /// <summary>An instruction takes 2 to this power nanoseconds, at most.</summary>
    public const int MaxShift = 10;

    private readonly Lock _deviceLock;
    private readonly TimerQueue _timers;
    private readonly int _shift;
    private Func<long> _instructions = static () => 0;
    private Action _wake = static () => { };

    // Virtual time at instruction 0; the latest that was read; the earliest deadline, or one that was cancelled since.
    private long _origin, _seen, _next = long.MaxValue;

    /// <param name="deviceLock">The machine's.</param>
    /// <param name="startUtc">Time of day at virtual time 0.</param>
    /// <param name="shift">An instruction takes 2^shift nanoseconds; 0 to <see cref="MaxShift"/>.</param>
    public InstructionClock(Lock deviceLock, DateTime startUtc, int shift)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)shift, (uint)MaxShift, nameof(shift));
        _deviceLock = deviceLock;
        _shift = shift;
        _timers = new TimerQueue(OnEarlierArmed);
        StartUtc = startUtc;
    }

    public DateTime StartUtc { get; }

    public long NowNs
    {
        get
        {
            var now = Volatile.Read(ref _origin) + (_instructions() << _shift);
            var seen = Volatile.Read(ref _seen);
            if (now <= seen)
                return seen;
            Volatile.Write(ref _seen, now);
            return now;
        }
    }

    public bool IsRunning { get; private set; }

    public bool IsDue => NowNs >= Volatile.Read(ref _next);

    public void Connect(Func<long> instructions, Action wake) => (_instructions, _wake) = (instructions, wake);

    public IClockTimer CreateTimer(Action callback) => _timers.Create(callback);

    public void FireDue()
    {
        lock (_deviceLock)
        {
            // Those of now, once each: one that arms itself again for now waits for the next block.
            for (var left = _timers.Count; left > 0 && _timers.FireOne(NowNs); left--)
            {
            }
            Volatile.Write(ref _next, _timers.NextDeadline ?? long.MaxValue);
        }
    }

    public bool SkipToNext()
    {
        lock (_deviceLock)
        {
            if (_timers.NextDeadline is not { } deadline)
                return false;
            Volatile.Write(ref _origin, _origin + Math.Max(deadline - NowNs, 0));
        }
        FireDue();
        return true;
    }

    public void SetNow(long ns)
    {
        lock (_deviceLock)
        {
            Volatile.Write(ref _origin, ns - (_instructions() << _shift));
            Volatile.Write(ref _seen, ns);
            Volatile.Write(ref _next, _timers.NextDeadline ?? long.MaxValue);
        }
    }

    // A vCPU that executes nothing makes no time pass.
    void IMachineClock.Resume() => IsRunning = true;

    void IMachineClock.Pause() => IsRunning = false;

    void IDisposable.Dispose() { }

    private void OnEarlierArmed()
    {
        Volatile.Write(ref _next, _timers.NextDeadline ?? long.MaxValue);
        _wake();
    }
}
