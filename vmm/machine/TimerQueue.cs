using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// The timers of one clock, by deadline. Arming, cancelling and firing happen with the machine's device lock held; that lock is the
/// queue's. Arming allocates nothing once the queue has grown to the number of timers.
/// </summary>
internal sealed class TimerQueue(Action earlierArmed)
{
    private readonly List<Timer> _armed = [];

    /// <summary>How many are armed.</summary>
    public int Count => _armed.Count;

    /// <summary>The earliest deadline, or null when nothing is armed.</summary>
    public long? NextDeadline
    {
        get
        {
            long? next = null;
            foreach (var timer in _armed)
            {
                if (next is null || timer.Deadline < next)
                    next = timer.Deadline;
            }
            return next;
        }
    }

    public IClockTimer Create(Action callback) => new Timer(this, callback);

    /// <summary>Fires the earliest timer if its deadline has come; false when there was none.</summary>
    public bool FireOne(long now)
    {
        Timer? first = null;
        foreach (var timer in _armed)
        {
            if (timer.Deadline <= now && (first is null || timer.Deadline < first.Deadline))
                first = timer;
        }
        if (first is null)
            return false;
        _armed.Remove(first);
        first.Callback();
        return true;
    }

    private void NoteEarlier() => earlierArmed();

    private sealed class Timer(TimerQueue queue, Action callback) : IClockTimer
    {
        public long Deadline;

        public Action Callback => callback;

        public long? DeadlineNs => queue._armed.Contains(this) ? Deadline : null;

        public void Arm(long deadlineNs)
        {
            var earliest = queue.NextDeadline;
            Deadline = deadlineNs;
            if (!queue._armed.Contains(this))
                queue._armed.Add(this);
            if (earliest is null || deadlineNs < earliest)
                queue.NoteEarlier();
        }

        public void Cancel() => queue._armed.Remove(this);
    }
}
