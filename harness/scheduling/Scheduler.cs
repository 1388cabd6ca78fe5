using System.Runtime.ExceptionServices;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// Runs jobs side by side within a budget. A job counts as many CPUs as it has vCPUs until it has run for a moment, then as many as it keeps busy: a guest
/// with four vCPUs of which three are halted does not leave CPUs idle.
/// </summary>
/// <param name="budget">What all jobs together may take.</param>
/// <param name="run">Runs one job to its end; its load is told of the process it starts. It throws only at cancellation.</param>
public sealed class Scheduler(HostBudget budget, Func<Job, JobLoad, CancellationToken, Task> run)
{
    /// <summary>How often running jobs are looked at again while others wait.</summary>
    private static readonly TimeSpan Recheck = TimeSpan.FromMilliseconds(200);

    /// <summary>
    /// How often one that does not fit yet may be passed by: by a later job that starts before it, or by a CPU that stays free for a <see cref="Recheck"/>. Then it
    /// starts as soon as a <see cref="LeastShare"/> is free and shares it: to let that idle until it has all of its own may take as long as the longest case, and to put it off for
    /// ever is no better.
    /// </summary>
    private const int MaxPassings = 16;

    /// <summary>CPUs.</summary>
    private const double LeastShare = 0.5;

    /// <summary>A load may exceed the budget by so much: busy is rarely exactly one.</summary>
    private const double Tolerance = 0.15;

    private readonly Dictionary<Task, JobLoad> _running = [];

    /// <summary>
    /// Starts jobs in their order and returns when all have ended. When cancelled, or when one throws, no more are started, those that run are cancelled and waited
    /// for, and then it throws.
    /// </summary>
    public async Task RunAsync(IReadOnlyList<Job> jobs, Func<Job, JobLoad> load, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var waiting = new LinkedList<Waiting>(jobs.Select(job => new Waiting(job, load(job))));
        Exception? failure = null;
        while (true)
        {
            if (!stop.IsCancellationRequested)
                StartWhatFits(waiting, stop.Token);
            if (_running.Count == 0)
                break;
            var ended = Task.WhenAny(_running.Keys);
            if (waiting.Count > 0 && !stop.IsCancellationRequested)
            {
                if (await Task.WhenAny(ended, Task.Delay(Recheck, CancellationToken.None)) != ended && UsedCpus() + LeastShare <= budget.Cpus + Tolerance)
                    waiting.First!.Value.PassedBy++;
            }
            else
            {
                await ended;
            }
            foreach (var task in _running.Keys.Where(task => task.IsCompleted).ToList())
            {
                _running.Remove(task);
                if (!task.IsFaulted)
                    continue;
                failure ??= task.Exception.InnerException;
                await stop.CancelAsync();
            }
        }
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
        cancellation.ThrowIfCancellationRequested();
    }

    private void StartWhatFits(LinkedList<Waiting> waiting, CancellationToken cancellation)
    {
        for (var node = waiting.First; node is not null;)
        {
            var (candidate, head) = (node, waiting.First!.Value);
            node = node.Next;
            if (Fits(candidate.Value))
            {
                waiting.Remove(candidate);
                if (candidate.Value != head)
                    head.PassedBy++;
                var (job, load) = (candidate.Value.Job, candidate.Value.Load);
                _running.Add(Task.Run(() => run(job, load, cancellation), CancellationToken.None), load);
            }
            if (head.PassedBy >= MaxPassings || UsedCpus() >= budget.Cpus)
                return;
        }
    }

    private bool Fits(Waiting job)
    {
        if (_running.Count == 0)
            return true;
        var cpus = job.PassedBy >= MaxPassings ? LeastShare : job.Load.Cpus(budget.Cpus);
        return UsedCpus() + cpus <= budget.Cpus + Tolerance && _running.Values.Sum(load => load.MemoryBytes) + job.Load.MemoryBytes <= budget.MemoryBytes;
    }

    private double UsedCpus() => _running.Values.Sum(load => load.Cpus(budget.Cpus));

    private sealed class Waiting(Job job, JobLoad load)
    {
        public Job Job { get; } = job;

        public JobLoad Load { get; } = load;

        public int PassedBy { get; set; }
    }
}
