using System.Diagnostics;
using Gauntlet.Linux;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// Virtual time that runs with the host's monotonic clock and stands still while the machine is paused. One thread, started when the first
/// timer is armed, calls timers back with the device lock held.
/// </summary>
public sealed class HostClock : IMachineClock
{
    private const int ThreadStackBytes = 256 * 1024;
    private const long NsPerSecond = 1_000_000_000;

    private readonly Lock _deviceLock;
    private readonly TimerQueue _timers;
    private readonly Lock _startLock = new();
    private EventFd? _wake;
    private Thread? _thread;
    private volatile bool _ended;

    // Host time at virtual time 0, while running; virtual time, while paused.
    private long _origin;
    private long _pausedAt;
    private volatile bool _running;

    /// <summary>Made paused at virtual time 0.</summary>
    /// <param name="deviceLock">The machine's.</param>
    /// <param name="startUtc">Time of day at virtual time 0.</param>
    public HostClock(Lock deviceLock, DateTime startUtc)
    {
        _deviceLock = deviceLock;
        _timers = new TimerQueue(WakeThread);
        StartUtc = startUtc;
    }

    public DateTime StartUtc { get; }

    public bool IsRunning => _running;

    public long NowNs => _running ? HostNs() - Volatile.Read(ref _origin) : Volatile.Read(ref _pausedAt);

    public IClockTimer CreateTimer(Action callback) => _timers.Create(callback);

    /// <summary>Time runs. Nothing happens when it does already.</summary>
    public void Resume()
    {
        lock (_deviceLock)
        {
            if (_running)
                return;
            Volatile.Write(ref _origin, HostNs() - _pausedAt);
            _running = true;
            if (_timers.NextDeadline is not null)
                WakeThread();
        }
    }

    /// <summary>Time stands still; no timer fires from here on, one that is firing has finished when this returns.</summary>
    public void Pause()
    {
        lock (_deviceLock)
        {
            if (!_running)
                return;
            Volatile.Write(ref _pausedAt, NowNs);
            _running = false;
        }
    }

    public void SetNow(long ns)
    {
        lock (_deviceLock)
        {
            Volatile.Write(ref _pausedAt, ns);
            Volatile.Write(ref _origin, HostNs() - ns);
        }
    }

    public void Dispose()
    {
        lock (_startLock)
        {
            if (_ended)
                return;
            _ended = true;
            if (_thread is null)
                return;
            _wake!.Signal();
        }
        if (_thread != Thread.CurrentThread)
            _thread.Join();
        _wake.Dispose();
    }

    // By whole seconds and the rest, for the reason that Frequency gives.
    private static long HostNs()
    {
        var (ticks, rate) = (Stopwatch.GetTimestamp(), Stopwatch.Frequency);
        return ticks / rate * NsPerSecond + ticks % rate * NsPerSecond / rate;
    }

    private void WakeThread()
    {
        if (!_running)
            return;
        lock (_startLock)
        {
            if (_ended)
                return;
            if (_thread is null)
            {
                _wake = new EventFd();
                _thread = new Thread(Serve, ThreadStackBytes) { IsBackground = true, Name = "clock" };
                _thread.Start();
            }
            else if (_thread != Thread.CurrentThread)
            {
                _wake!.Signal();
            }
        }
    }

    private void Serve()
    {
        // The default slack would be added to every APIC timer.
        EventFd.UsePreciseTimeouts();
        while (!_ended)
        {
            long? next;
            // The lock is let go after each callback: a timer that is always due must not lock the vCPUs out.
            lock (_deviceLock)
            {
                if (_running && _timers.FireOne(NowNs))
                    continue;
                next = _running ? _timers.NextDeadline : null;
            }
            _wake!.Wait(next - NowNs);
        }
    }
}
