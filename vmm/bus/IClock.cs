namespace Gauntlet.Vmm.Bus;

/// <summary>
/// Virtual time: nanoseconds since the machine's first start, standing still while it is paused. The only clock that a device may
/// read. Under a fuzzer or instruction counting it is stepped by hand, and can jump far forward at once.
/// </summary>
public interface IClock
{
    /// <summary>Nanoseconds, never negative, never going back while a machine runs; a snapshot's load may set it back.</summary>
    long NowNs { get; }

    /// <summary>False while the machine is paused.</summary>
    bool IsRunning { get; }

    /// <summary>Makes a timer that calls back under the machine's device lock. Made once, when the device is made.</summary>
    IClockTimer CreateTimer(Action callback);

    /// <summary>Wall-clock time of day at virtual time 0, for an RTC to start from; fixed by <c>-rtc base=</c> or the fuzzer.</summary>
    DateTime StartUtc { get; }
}

/// <summary>A one-shot timer on virtual time.</summary>
public interface IClockTimer
{
    /// <summary>Calls back once when <see cref="IClock.NowNs"/> reaches the deadline (at once, but not re-entrantly, if it has); re-arming replaces.</summary>
    void Arm(long deadlineNs);

    /// <summary>Never calls back until armed again.</summary>
    void Cancel();

    /// <summary>The deadline, or null when not armed.</summary>
    long? DeadlineNs { get; }
}

/// <summary>Virtual time by the instructions that the one vCPU executes; its timers fire between two of its blocks, on its thread.</summary>
public interface IInstructionClock : IClock
{
    /// <summary>The vCPU gives itself here once.</summary>
    /// <param name="instructions">How many it has executed.</param>
    /// <param name="wake">Makes it look at the time: a timer was armed. From any thread.</param>
    void Connect(Func<long> instructions, Action wake);

    /// <summary>A timer is due, or was until it was cancelled. Cheap: asked after every block.</summary>
    bool IsDue { get; }

    /// <summary>Fires what is due. Without the device lock.</summary>
    void FireDue();

    /// <summary>The vCPU has nothing to do: time goes on to the next timer at once, which fires; false when none is armed. Without the device lock.</summary>
    bool SkipToNext();
}

/// <summary>A machine's clock, as the machine drives it.</summary>
public interface IMachineClock : IClock, IDisposable
{
    /// <summary>Time runs. Nothing happens when it does already.</summary>
    void Resume();

    /// <summary>Time stands still; no timer fires from here on, one that is firing has finished when this returns.</summary>
    void Pause();

    /// <summary>Sets the time without firing anything: a snapshot's load, in a pause.</summary>
    void SetNow(long ns);
}
