using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>
/// The local APIC's timer (SDM Vol. 3A, 11.5.4): one-shot, periodic and TSC-deadline. Its input clock is 1 GHz, and so is the time-stamp counter that
/// deadlines are compared with: a tick is a nanosecond of virtual time.
/// </summary>
internal sealed class LocalApicTimer
{
    public const uint OneShot = 0, Periodic = 1, TscDeadline = 2;

    // A guest that asks for a shorter period gets this one: the host has other things to do.
    private const long MinPeriodNs = 10_000;

    private readonly IClock _clock;
    private readonly IClockTimer _timer;
    private readonly Action _onExpiry;
    private uint _mode, _initialCount, _divideRegister;
    private long _startNs;
    private ulong _deadline;
    private uint _frozenCount;
    private bool _counting;

    public LocalApicTimer(IClock clock, Action onExpiry)
    {
        _clock = clock;
        _onExpiry = onExpiry;
        _timer = clock.CreateTimer(Expire);
    }

    public uint InitialCount => _mode == TscDeadline ? 0 : _initialCount;

    /// <summary>Bits 0, 1 and 3 as written.</summary>
    public uint DivideRegister => _divideRegister;

    /// <summary>IA32_TSC_DEADLINE: 0 when not armed or in another mode.</summary>
    public ulong Deadline => _mode == TscDeadline ? _deadline : 0;

    /// <summary>What is left of the initial count.</summary>
    public uint CurrentCount
    {
        get
        {
            if (_mode == TscDeadline || !_counting)
                return _mode == TscDeadline ? 0 : _frozenCount;
            var ticks = Math.Max(_clock.NowNs - _startNs, 0) / Divisor;
            if (_mode == Periodic)
                return (uint)(_initialCount - ticks % _initialCount);
            return ticks >= _initialCount ? 0 : (uint)(_initialCount - ticks);
        }
    }

    private long Divisor => (_divideRegister & 0xb) switch
    {
        0x0 => 2,
        0x1 => 4,
        0x2 => 8,
        0x3 => 16,
        0x8 => 32,
        0x9 => 64,
        0xa => 128,
        _ => 1,
    };

    /// <summary>A write of the LVT's mode: to or from TSC-deadline disarms, between the others the count goes on.</summary>
    public void SetMode(uint mode)
    {
        if (mode == _mode)
            return;
        if ((mode == TscDeadline) != (_mode == TscDeadline))
            Stop();
        ExpireIfDue();
        var current = CurrentCount;
        _mode = mode;
        if (_counting)
            Restart(current);
    }

    public void WriteInitialCount(uint value)
    {
        if (_mode == TscDeadline)
            return;
        _initialCount = value;
        _frozenCount = 0;
        _counting = value != 0;
        _startNs = _clock.NowNs;
        ArmCount();
    }

    public void WriteDivide(uint value)
    {
        ExpireIfDue();
        var current = CurrentCount;
        _divideRegister = value & 0xb;
        if (_counting)
            Restart(current);
    }

    public void WriteDeadline(ulong tsc)
    {
        if (_mode != TscDeadline)
            return;
        _deadline = tsc;
        if (tsc == 0)
            _timer.Cancel();
        else if (tsc <= (ulong)Math.Max(_clock.NowNs, 0))
        {
            // The write itself is when the interrupt comes, not some time after it.
            _timer.Cancel();
            Expire();
        }
        else
            _timer.Arm((long)Math.Min(tsc, long.MaxValue));
    }

    public void Reset()
    {
        Stop();
        (_mode, _divideRegister) = (OneShot, 0);
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_mode);
        writer.UInt32(_initialCount);
        writer.UInt32(_divideRegister);
        writer.Int64(_startNs);
        writer.UInt64(_deadline);
        writer.UInt32(_frozenCount);
        writer.Bool(_counting);
    }

    public void Load(ref StateReader reader)
    {
        _timer.Cancel();
        _mode = Math.Min(reader.UInt32(), TscDeadline);
        _initialCount = reader.UInt32();
        _divideRegister = reader.UInt32() & 0xb;
        _startNs = reader.Int64();
        _deadline = reader.UInt64();
        _frozenCount = reader.UInt32();
        _counting = reader.Bool() && _initialCount != 0;
        // A start outside what a running machine can have would overflow the arithmetic on it.
        _startNs = Math.Clamp(_startNs, -(1L << 62), 1L << 62);
        if (_mode == TscDeadline && _deadline != 0)
            _timer.Arm((long)Math.Min(_deadline, long.MaxValue));
        else
            ArmCount();
    }

    private void Stop()
    {
        _timer.Cancel();
        (_initialCount, _deadline, _frozenCount, _counting) = (0, 0, 0, false);
    }

    // Goes on from a count, at what is now the divisor: the start that would have led here.
    private void Restart(uint current)
    {
        _startNs = _clock.NowNs - (_initialCount - current) * Divisor;
        ArmCount();
    }

    private void ArmCount()
    {
        if (!_counting || _mode == TscDeadline)
        {
            _timer.Cancel();
            return;
        }
        var period = _initialCount * Divisor;
        var next = _startNs + period;
        if (_mode == Periodic)
        {
            var now = _clock.NowNs;
            if (next <= now)
                next = now + period - (now - _startNs) % period;
            next = Math.Max(next, now + Math.Min(MinPeriodNs, Math.Max(period, MinPeriodNs)));
        }
        _timer.Arm(next);
    }

    // The guest may read that the count is at its end before the clock's thread has come to tell: it stays there.
    private void ExpireIfDue()
    {
        if (_mode != OneShot || !_counting || CurrentCount != 0)
            return;
        _timer.Cancel();
        Expire();
    }

    private void Expire()
    {
        if (_mode == Periodic)
            ArmCount();
        else if (_mode == OneShot)
            (_counting, _frozenCount) = (false, 0);
        else
            _deadline = 0;
        _onExpiry();
    }
}
