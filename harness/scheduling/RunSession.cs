using System.Globalization;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Nesting;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Harness.Scheduling;

/// <summary>Watches a run; called from any thread, one call at a time.</summary>
public interface IRunObserver
{
    void Started(Job job);

    void Ended(JobResult result);
}

/// <summary>Time after which a run starts nothing more.</summary>
/// <param name="Spent">It is over.</param>
/// <param name="Cells">In the order of their worth: the first is run to its end whatever it takes, for a run that does nothing keeps no budget either.</param>
/// <param name="Reason">Said of jobs that were not started.</param>
public sealed record TimeBudget(Func<bool> Spent, IReadOnlyList<Cell> Cells, string Reason);

/// <summary>How a run is carried through.</summary>
public sealed record RunSessionOptions
{
    public required HostBudget Budget { get; init; }

    /// <summary>Ends the run at the first failure.</summary>
    public bool FailFast { get; init; }

    /// <summary>See <see cref="JobOrder.Arrange"/>.</summary>
    public int? Seed { get; init; }

    /// <summary>Null: it takes as long as it takes.</summary>
    public TimeBudget? Time { get; init; }

    public KnownFailures KnownFailures { get; init; } = KnownFailures.None;

    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>Carries a run through: its jobs side by side, every result in the store as soon as there is one.</summary>
public sealed class RunSession(IStore store, JobRunner runner, RunSessionOptions options, IRunObserver observer)
{
    private readonly Lock _gate = new();
    private readonly List<JobResult> _results = [];

    /// <summary>Runs the jobs.</summary>
    /// <param name="run">Its record; begun here, or begun again when it was interrupted.</param>
    /// <param name="jobs">All of its jobs.</param>
    /// <param name="done">Results that an interrupted run already has; their jobs are not run again.</param>
    /// <returns>How it ended, and every result in the order of the jobs.</returns>
    /// <exception cref="StoreException">The store failed; what it had stays, and no process is left.</exception>
    public async Task<(RunState State, IReadOnlyList<JobResult> Results)> RunAsync(
        Run run, IReadOnlyList<Job> jobs, IReadOnlyList<JobResult> done, CancellationToken cancellation)
    {
        var timings = store.GetTimings();
        store.BeginRun(run, jobs);
        _results.AddRange(done);
        var doneAlready = done.Select(result => (result.Job.Key, result.Job.Repetition)).ToHashSet();
        var open = jobs.Where(job => !doneAlready.Contains((job.Key, job.Repetition))).ToList();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            foreach (var job in open.Where(job => job.SkipReason is not null))
                Take(run, await runner.RunAsync(job, null, stop.Token), stop);
            await new Scheduler(options.Budget, (job, load, token) => RunOneAsync(run, job, load, stop, token)).RunAsync(
                JobOrder.Arrange([.. open.Where(job => job.SkipReason is null)], timings, options.Seed, options.Time?.Cells ?? []),
                job => new JobLoad(job.Smp, Memory(job)), stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Whether it was the user or the first failure: what was done until then is kept.
        }
        MarkRepetitions(run);
        var state = stop.IsCancellationRequested ? RunState.Cancelled : RunState.Finished;
        store.EndRun(run.Id, state, options.Clock.GetUtcNow().UtcDateTime);
        var position = jobs.Index().ToDictionary(pair => (pair.Item.Key, pair.Item.Repetition), pair => pair.Index);
        return (state, [.. _results.OrderBy(result => position.GetValueOrDefault((result.Job.Key, result.Job.Repetition), int.MaxValue))]);
    }

    private async Task RunOneAsync(Run run, Job job, JobLoad load, CancellationTokenSource stop, CancellationToken cancellation)
    {
        if (options.Time is { } time && job.Cell != time.Cells[0] && time.Spent())
            job = job with { SkipReason = time.Reason };
        else
        {
            lock (_gate)
                observer.Started(job);
        }
        try
        {
            Take(run, await runner.RunAsync(job, load, cancellation), stop);
        }
        catch (StoreException)
        {
            // Nothing more can be kept: the others are ended too, and then this is told.
            await stop.CancelAsync();
            throw;
        }
    }

    private void Take(Run run, JobResult result, CancellationTokenSource stop)
    {
        result = options.KnownFailures.Apply(result, run.Host, DateOnly.FromDateTime(options.Clock.GetLocalNow().DateTime));
        store.AddResult(run.Id, result);
        lock (_gate)
        {
            _results.Add(result);
            observer.Ended(result);
        }
        if (options.FailFast && result.Verdict.IsFailure())
            stop.Cancel();
    }

    /// <summary>A job whose repetitions differ is flaky in all of them.</summary>
    private void MarkRepetitions(Run run)
    {
        foreach (var repetitions in _results.GroupBy(result => result.Job.Key).ToList())
        {
            if (repetitions.Select(result => result.Verdict).Where(verdict => verdict != Verdict.InfraError).Distinct().Count() < 2)
                continue;
            foreach (var result in repetitions.Where(result => !result.Flaky).ToList())
            {
                var flaky = result with { Flaky = true };
                _results[_results.IndexOf(result)] = flaky;
                store.AddResult(run.Id, flaky);
            }
        }
    }

    /// <summary>What a job may need before its plan is made: its guest's RAM by the arguments, and a VMM's own.</summary>
    private static long Memory(Job job) => QemuCommandLine.MemoryBytes(
        job.MemoryMiB is { } memory ? ["-m", memory.ToString(CultureInfo.InvariantCulture), .. job.VmmArguments] : job.VmmArguments)
        + (job.Cell.Accel == L1Supply.Accel ? L1Supply.LeastMemoryBytes : 0);
}
