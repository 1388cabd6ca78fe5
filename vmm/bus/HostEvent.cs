namespace Gauntlet.Vmm.Bus;

/// <summary>
/// The way of what happens on the host into a device: a frame that came, a disk request that is done. Runs the device's action with the device lock held while
/// virtual time runs; what happens while it stands still waits until it goes on, so that a paused machine does not change.
/// </summary>
public sealed class HostEvent
{
    private readonly Lock _deviceLock;
    private readonly IClock _clock;
    private readonly Action _action;
    private readonly IClockTimer _onResume;

    /// <param name="deviceLock">The machine's.</param>
    /// <param name="action">Looks for what there is to do: several events may come as one.</param>
    public HostEvent(Lock deviceLock, IClock clock, Action action)
    {
        (_deviceLock, _clock, _action) = (deviceLock, clock, action);
        _onResume = clock.CreateTimer(action);
    }

    /// <summary>Something happened. From any thread of the host that holds no lock which the action takes.</summary>
    public void Raise()
    {
        lock (_deviceLock)
        {
            if (_clock.IsRunning)
                _action();
            else
                _onResume.Arm(_clock.NowNs);
        }
    }
}
