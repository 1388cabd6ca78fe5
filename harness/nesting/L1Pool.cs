using Gauntlet.Harness.Scheduling;

namespace Gauntlet.Harness.Nesting;

/// <summary>L1s that run: a case gets one that is idle, or a new one; afterwards it serves the next.</summary>
internal sealed class L1Pool(IAttemptLauncher launcher) : IDisposable
{
    /// <summary>Idle ones that are kept when another kind is asked for: each has its memory.</summary>
    private const int MostIdle = 2;

    private readonly Lock _gate = new();
    private readonly List<L1Machine> _idle = [];
    private bool _closed;

    /// <exception cref="L1Exception">A new one does not come up.</exception>
    public async Task<L1Machine> RentAsync(L1Spec spec, CancellationToken cancellation)
    {
        L1Machine? found;
        List<L1Machine> surplus = [];
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            found = _idle.Find(machine => machine.Spec == spec);
            if (found is not null)
                _idle.Remove(found);
            else if (_idle.Count >= MostIdle)
                (surplus, _) = (_idle[..], _idle.RemoveAll(_ => true));
        }
        foreach (var machine in surplus)
            await machine.DisposeAsync();
        return found ?? await L1Machine.StartAsync(launcher, spec, cancellation);
    }

    public async Task ReturnAsync(L1Machine machine)
    {
        lock (_gate)
        {
            if (machine.IsFit && !_closed)
            {
                _idle.Add(machine);
                return;
            }
        }
        await machine.DisposeAsync();
    }

    public void Dispose()
    {
        List<L1Machine> idle;
        lock (_gate)
        {
            _closed = true;
            idle = [.. _idle];
            _idle.Clear();
        }
        foreach (var machine in idle)
            machine.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}
