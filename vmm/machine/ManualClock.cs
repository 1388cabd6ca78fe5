using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Machines;

/// <summary>A clock that moves only when told: for tests, the fuzzer and qtest. Callbacks run inside <see cref="AdvanceTo"/>.</summary>
public sealed class ManualClock : IMachineClock
{
    /// <summary>A timer that re-arms itself in the past fires at most this often in one advance; the rest waits for the next one.</summary>
    public const int MaxFiringsPerAdvance = 1_000;

    private readonly TimerQueue _timers = new(static () => { });
    private readonly Lock _deviceLock;

    /// <param name="startUtc">Time of day at virtual time 0.</param>
    /// <param name="deviceLock">The machine's; callbacks run with it held.</param>
    public ManualClock(DateTime startUtc, Lock? deviceLock = null)
    {
        StartUtc = startUtc;
        _deviceLock = deviceLock ?? new Lock();
    }

    public long NowNs { get; private set; }

    public DateTime StartUtc { get; }

    /// <summary>True but between the machine's pause and its going on.</summary>
    public bool IsRunning { get; private set; } = true;

    /// <summary>The earliest armed deadline, or null.</summary>
    public long? NextDeadlineNs => _timers.NextDeadline;

    public IClockTimer CreateTimer(Action callback) => _timers.Create(callback);

    /// <summary>Moves on by this many nanoseconds, at least 0.</summary>
    public void Advance(long ns) => AdvanceTo(NowNs > long.MaxValue - ns ? long.MaxValue : NowNs + ns);

    /// <summary>Moves to a time not before now; each timer that is due on the way fires at its own deadline, in order.</summary>
    public void AdvanceTo(long ns)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ns, NowNs);
        lock (_deviceLock)
        {
            for (var fired = 0; fired < MaxFiringsPerAdvance && _timers.NextDeadline is { } deadline && deadline <= ns; fired++)
            {
                NowNs = Math.Max(NowNs, deadline);
                _timers.FireOne(NowNs);
            }
            NowNs = ns;
        }
    }

    /// <summary>Sets the time back or forth without firing anything: a snapshot's load.</summary>
    public void Set(long ns) => NowNs = ns;

    void IMachineClock.SetNow(long ns) => Set(ns);

    // It moves when told only, whether the machine runs or not; what became due in a pause fires now.
    void IMachineClock.Resume()
    {
        IsRunning = true;
        AdvanceTo(NowNs);
    }

    void IMachineClock.Pause()
    {
        lock (_deviceLock)
            IsRunning = false;
    }

    void IDisposable.Dispose() { }
}
