using Gauntlet.Harness.Drivers;

namespace Gauntlet.Harness.Scheduling;

/// <summary>Starts VMM processes: in a session of their own, with limits, nothing left behind.</summary>
public interface IAttemptLauncher
{
    /// <summary>Starts the plan's process.</summary>
    /// <param name="onConsoleLine">
    /// Gets the lines of standard output as they come, for markers and live display, on a thread of the attempt's own: without line ends, cut at 64 KiB,
    /// bytes that are not UTF-8 replaced. It must return soon; while it runs, nothing of this attempt is read.
    /// </param>
    /// <param name="onErrorLine">The same of standard error.</param>
    /// <exception cref="Gauntlet.Linux.LinuxException">It could not be started; an infra error.</exception>
    IAttemptProcess Start(LaunchPlan plan, AttemptLimits limits, Action<string>? onConsoleLine = null, Action<string>? onErrorLine = null);
}

/// <summary>Limits of one attempt. Each is enforced by the kernel or by the harness, and named in the reason when it is hit.</summary>
public sealed record AttemptLimits
{
    /// <summary>Ends as timeout when the process tree has used so much CPU time; null: none.</summary>
    public TimeSpan? CpuTime { get; init; }

    /// <summary>Ends as timeout after so much wall time; null: none.</summary>
    public TimeSpan? WallTime { get; init; }

    /// <summary>
    /// Time in which the process was ready to run but the host's CPUs were busy with others does not count as <see cref="WallTime"/>: what would have
    /// passed on an idle host does not time out on a busy one. Ten times <see cref="WallTime"/> ends it all the same.
    /// </summary>
    public bool ForgiveDelays { get; init; }

    /// <summary>
    /// Bytes of memory resident in all its processes together, by sampling; null: none. Not RLIMIT_AS: translators and managed VMMs reserve far more
    /// address space than they ever touch.
    /// </summary>
    public long? ResidentBytes { get; init; }

    /// <summary>
    /// After so much CPU time without a console line the guest's progress is watched, and it is ended when there provably is none (see
    /// <see cref="StallWatch"/>) instead of at its time limit; null: never.
    /// </summary>
    public TimeSpan? StallWatchAfter { get; init; }

    /// <summary>Bytes of any file it writes (RLIMIT_FSIZE).</summary>
    public long FileBytes { get; init; } = 256L << 20;

    /// <summary>Bytes of console and of standard error that are kept, each: half from the start, half from the end.</summary>
    public int OutputBytes { get; init; } = 1 << 20;

    /// <summary>Bytes of output after which it is ended: a guest that prints for ever.</summary>
    public long OutputFloodBytes { get; init; } = 256L << 20;
}

/// <summary>One running VMM process.</summary>
public interface IAttemptProcess : IAsyncDisposable
{
    /// <summary>The VMM's; 0 until it has been executed.</summary>
    int ProcessId { get; }

    /// <summary>CPUs it has kept busy lately, or would have on an idle host, 0.0 up, by sampling; its declared <see cref="LaunchPlan.BusyThreads"/> until that is known.</summary>
    double BusyCpus { get; }

    /// <summary>Waits for the end of the process and of its output.</summary>
    /// <exception cref="Gauntlet.Linux.LinuxException">The program could not be executed; an infra error.</exception>
    Task<AttemptExit> WaitAsync(CancellationToken cancellation);

    /// <summary>Ends the process and all that it started; returns when all are gone. Safe to call twice.</summary>
    Task KillAsync();
}

/// <summary>Which limit ended a process.</summary>
public enum LimitHit
{
    None,
    CpuTime,
    WallTime,

    /// <summary>More console or standard error than <see cref="AttemptLimits.OutputFloodBytes"/>.</summary>
    Output,

    /// <summary>More than <see cref="AttemptLimits.ResidentBytes"/>.</summary>
    Memory,

    /// <summary>The guest was seen to make no progress; a time limit that was not waited for.</summary>
    Stalled,
}

/// <summary>How a process ended.</summary>
/// <param name="ExitStatus">0 to 255, or null when a signal ended it.</param>
/// <param name="Signal">That signal, or null.</param>
/// <param name="Limit">The harness ended it for this limit.</param>
/// <param name="Wall">Start to end, as the supervisor beside it measured.</param>
/// <param name="Cpu">User and system time, waited-for children included.</param>
/// <param name="PeakMemoryBytes">Peak resident set of its largest process; 0: not known.</param>
/// <param name="Console">Standard output as kept.</param>
/// <param name="StandardError">As kept.</param>
/// <param name="Diagnostics">What was collected before a kill at a limit: registers by vCPU and such; file name to text.</param>
public sealed record AttemptExit(
    int? ExitStatus, int? Signal, LimitHit Limit, TimeSpan Wall, TimeSpan Cpu, long PeakMemoryBytes,
    KeptOutput Console, KeptOutput StandardError, IReadOnlyDictionary<string, string> Diagnostics)
{
    /// <summary>It was ended by <see cref="IAttemptProcess.KillAsync"/>: because the console had settled the verdict, or the run was cancelled.</summary>
    public bool KilledByCaller { get; init; }

    /// <summary>When its first byte of standard output came, as <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/> counts; 0: never.</summary>
    public long FirstOutputTimestamp { get; init; }

    /// <summary>What failed below the VMM, so that nothing can be said of it: the L1 that it ran in; null: nothing.</summary>
    public string? InfraFault { get; init; }

    /// <summary>What isolation this host did not permit; null: nothing is missing.</summary>
    public string? IsolationNote { get; init; }
}

/// <summary>Bytes of an output stream: all of it, or head and tail.</summary>
/// <param name="Bytes">What was kept.</param>
/// <param name="TotalLength">What there was.</param>
public sealed record KeptOutput(byte[] Bytes, long TotalLength)
{
    public bool Truncated => TotalLength > Bytes.Length;
}
