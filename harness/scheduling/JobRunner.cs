using System.Globalization;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Suites;
using Gauntlet.Harness.Verdicts;
using Gauntlet.Linux;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Scheduling;

/// <summary>How jobs are attempted.</summary>
public sealed record JobRunnerOptions
{
    /// <summary>Further attempts of a job that failed, timed out or crashed. If a later one passes, the job is flaky.</summary>
    public int Retries { get; init; }

    /// <summary>Further attempts of a job for which the host or the harness was at fault; they count for nothing.</summary>
    public int InfraRetries { get; init; } = 1;

    /// <summary>End guests that make no progress before their time limit.</summary>
    public bool WatchForStalls { get; init; } = true;

    /// <summary>VMMs keep the host's network.</summary>
    public bool Network { get; init; }

    /// <summary>The host fact <c>kvm</c>; null: not known.</summary>
    public string? HostKvm { get; init; }

    /// <summary>When attempts started, for people; how long they took never comes from it, for it may jump.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>Runs one job: attempts of it until it is judged for good, what each left kept as artifacts.</summary>
/// <param name="artifacts">Where those are kept; only <see cref="IStore.PutArtifact"/> is used.</param>
public sealed class JobRunner(DriverRegistry drivers, IAttemptLauncher launcher, IStore artifacts, JobRunnerOptions options)
{
    /// <summary>A guest is looked at for a stall when its console was silent for so much CPU time, and its limit is at least thrice that.</summary>
    private static readonly TimeSpan StallWatchAfter = TimeSpan.FromSeconds(4);

    /// <summary>Beyond what a plan says that its VMM needs, in bytes: what one gone wild is ended at.</summary>
    private const long MemoryMargin = 1L << 30;

    /// <exception cref="OperationCanceledException">Cancelled; its processes are gone.</exception>
    /// <exception cref="StoreException">What it left could not be kept.</exception>
    public async Task<JobResult> RunAsync(Job job, JobLoad? load, CancellationToken cancellation)
    {
        if (job.SkipReason is { } skip)
            return new JobResult { Job = job, Verdict = Verdict.Skip, Reason = skip };
        if (drivers.Find(job.Cell.Vmm) is not { } driver)
            return new JobResult { Job = job, Verdict = Verdict.Skip, Reason = $"there is no driver for the VMM '{job.Cell.Vmm}'" };
        var attempts = new List<Attempt>();
        var (retries, infraRetries) = (options.Retries, options.InfraRetries);
        while (true)
        {
            Attempt attempt;
            try
            {
                attempt = await AttemptAsync(driver, job, attempts.Count + 1, load, cancellation);
            }
            catch (CannotRunException e)
            {
                return new JobResult { Job = job, Verdict = Verdict.Skip, Reason = e.Message, Attempts = attempts };
            }
            attempts.Add(attempt);
            var again = attempt.Verdict == Verdict.InfraError ? infraRetries-- > 0 : attempt.Verdict.IsFailure() && retries-- > 0;
            if (!again)
                return Sum(job, attempts);
        }
    }

    /// <summary>The last attempt decides. Attempts for which the host was at fault agree with all.</summary>
    private static JobResult Sum(Job job, List<Attempt> attempts)
    {
        var last = attempts[^1];
        var judged = attempts.Where(attempt => attempt.Verdict != Verdict.InfraError).Select(attempt => attempt.Verdict).Distinct().ToList();
        var flaky = judged.Count > 1;
        var first = attempts.Find(attempt => attempt.Verdict.IsFailure());
        var reason = flaky && last.Verdict == Verdict.Pass && first is not null
            ? string.Create(CultureInfo.InvariantCulture, $"flaky: passed in attempt {last.Number}; attempt {first.Number} was {first.Verdict.Name()}: {first.Reason}")
            : last.Reason;
        return new JobResult { Job = job, Verdict = last.Verdict, Reason = reason, Flaky = flaky, Attempts = attempts };
    }

    private async Task<Attempt> AttemptAsync(IVmmDriver driver, Job job, int number, JobLoad? load, CancellationToken cancellation)
    {
        var started = options.Clock.GetUtcNow();
        LaunchPlan? plan = null;
        try
        {
            using var scratch = ScratchFolder.Create();
            var settled = JobAtLaunch.Settle(EnvironmentShelf.Place(job), scratch.Path, started);
            plan = await driver.PlanAsync(settled, scratch.Path, cancellation);
            plan = plan with { Network = plan.Network || options.Network };
            try
            {
                return await RunProcessAsync(plan, job, number, started, load, cancellation);
            }
            finally
            {
                if (plan.QmpSocket is not null)
                    File.Delete(plan.QmpSocket);
            }
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException or UserException)
        {
            return new Attempt
            {
                Number = number,
                CommandLine = plan?.CommandLine ?? [],
                StartedUtc = started.UtcDateTime,
                Verdict = Verdict.InfraError,
                Reason = $"the VMM could not be started: {e.Message}",
            };
        }
    }

    private async Task<Attempt> RunProcessAsync(LaunchPlan plan, Job job, int number, DateTimeOffset started, JobLoad? load, CancellationToken cancellation)
    {
        var monitor = new ConsoleMonitor(job, plan.QtestCommands);
        var decided = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look()
        {
            if (monitor.EndReason is not null)
                decided.TrySetResult();
        }

        AttemptExit exit;
        await using (var process = launcher.Start(
            plan, Limits(job, plan),
            line =>
            {
                monitor.Line(line);
                Look();
            },
            line =>
            {
                monitor.ErrorLine(line);
                Look();
            }))
        {
            if (load is not null)
                load.Process = process;
            using var cancelled = cancellation.Register(() => decided.TrySetResult());
            var ending = process.WaitAsync(CancellationToken.None);
            await Task.WhenAny(ending, decided.Task);
            if (plan.QtestCommands is not null && !ending.IsCompleted)
                await Task.WhenAny(ending, Task.Delay(QtestMachine.Settling, cancellation));
            if (!ending.IsCompleted)
                await process.KillAsync();
            cancellation.ThrowIfCancellationRequested();
            exit = await ending;
        }

        var console = monitor.Finish();
        var judgement = Judge.Of(job, plan, exit, console, plan.L1 is null ? options.HostKvm : null);
        return new Attempt
        {
            Number = number,
            CommandLine = plan.CommandLine,
            // The scratch folder is gone: a command that is repeated by hand has another.
            Environment = plan.Environment.Where(variable => variable.Key != "TMPDIR").ToDictionary(),
            StartedUtc = started.UtcDateTime,
            WallSeconds = exit.Wall.TotalSeconds,
            CpuSeconds = exit.Cpu.TotalSeconds,
            PeakMemoryBytes = exit.PeakMemoryBytes,
            ExitStatus = exit.ExitStatus,
            Signal = exit.Signal,
            Verdict = judgement.Verdict,
            Reason = Where(exit) is { } place && judgement.Verdict == Verdict.Timeout ? $"{judgement.Reason}; {place}" : judgement.Reason,
            TimeLimitKind = plan.TimeLimitByCpu ? "cpu" : "wall",
            Subtests = console.Subtests,
            Measurements = console.Measurements,
            Artifacts = Keep(exit),
        };
    }

    private AttemptLimits Limits(Job job, LaunchPlan plan)
    {
        var time = job.TimeoutSeconds > 0 ? TimeSpan.FromSeconds(job.TimeoutSeconds) : (TimeSpan?)null;
        return new AttemptLimits
        {
            WallTime = time,
            ForgiveDelays = plan.TimeLimitByCpu,
            CpuTime = plan.TimeLimitByCpu ? time * Math.Max(1, plan.BusyThreads) : null,
            ResidentBytes = plan.MemoryBytes > 0 ? plan.MemoryBytes + MemoryMargin : null,
            StallWatchAfter = options.WatchForStalls && plan.QmpSocket is not null && time >= StallWatchAfter * 3 ? StallWatchAfter : null,
        };
    }

    /// <summary>Where the first vCPU that was not halted was, for the reason.</summary>
    private static string? Where(AttemptExit exit)
    {
        if (!exit.Diagnostics.TryGetValue("where.txt", out var where))
            return null;
        var lines = where.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return lines.FirstOrDefault(line => !line.EndsWith("halted", StringComparison.Ordinal)) ?? lines.FirstOrDefault();
    }

    private List<Artifact> Keep(AttemptExit exit)
    {
        var kept = new List<Artifact> { Put("console.log", exit.Console) };
        if (exit.StandardError.TotalLength > 0)
            kept.Add(Put("stderr.log", exit.StandardError));
        foreach (var (name, text) in exit.Diagnostics)
        {
            using var content = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text));
            kept.Add(artifacts.PutArtifact(name, content));
        }
        return kept;

        Artifact Put(string name, KeptOutput output)
        {
            using var content = new MemoryStream(output.Bytes);
            return artifacts.PutArtifact(name, content, output.Truncated);
        }
    }
}
