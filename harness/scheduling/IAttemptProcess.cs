using Gauntlet.Harness.Drivers;

namespace Gauntlet.Harness.Scheduling;

/// <summary>Starts VMM processes: in a session and process group of their own, with limits, nothing left behind.</summary>
public interface IAttemptLauncher
{
    /// <summary>Starts the plan's process.</summary>
    /// <exception cref="Gauntlet.Linux.LinuxException">It could not be started; an infra error.</exception>
    IAttemptProcess Start(LaunchPlan plan, AttemptLimits limits);
}

/// <summary>Limits of one attempt. Each is enforced by the kernel or by the harness, and named in the reason when it is hit.</summary>
public sealed record AttemptLimits
{
    /// <summary>Ends as timeout when the process tree has used so much CPU time; null: none.</summary>
    public TimeSpan? CpuTime { get; init; }

    /// <summary>Ends as timeout after so much wall time; null: none.</summary>
    public TimeSpan? WallTime { get; init; }

    /// <summary>Bytes of address space (RLIMIT_AS); null: none.</summary>
    public long? AddressSpaceBytes { get; init; }

    /// <summary>Bytes of any file it writes (RLIMIT_FSIZE).</summary>
    public long FileBytes { get; init; } = 256L << 20;

    /// <summary>Bytes of console and of standard error that are kept, each: half from the start, half from the end.</summary>
    public int OutputBytes { get; init; } = 1 << 20;

    /// <summary>Bytes of output after which it is ended: a guest that prints for ever.</summary>
    public long OutputFloodBytes { get; init; } = 64L << 20;
}

/// <summary>One running VMM process.</summary>
public interface IAttemptProcess : IAsyncDisposable
{
    int ProcessId { get; }

    /// <summary>Console lines as they come, for markers and live display; without line ends, cut at 64 KiB, bytes that are not UTF-8 replaced.</summary>
    event Action<string>? ConsoleLine;

    /// <summary>Waits for the end of the process and of its output.</summary>
    Task<AttemptExit> WaitAsync(CancellationToken cancellation);

    /// <summary>Ends the whole process group and session; returns when all are gone. Safe to call twice.</summary>
    Task KillAsync();
}

/// <summary>Which limit ended a process.</summary>
public enum LimitHit
{
    None,
    CpuTime,
    WallTime,
    Output,
}

/// <summary>How a process ended.</summary>
/// <param name="ExitStatus">0 to 255, or null when a signal ended it.</param>
/// <param name="Signal">That signal, or null.</param>
/// <param name="Limit">The harness ended it for this limit.</param>
/// <param name="Wall">Start to end.</param>
/// <param name="Cpu">User and system time, waited-for children included.</param>
/// <param name="PeakMemoryBytes">VmHWM as last sampled; 0: not known.</param>
/// <param name="Console">Standard output as kept.</param>
/// <param name="StandardError">As kept.</param>
/// <param name="Diagnostics">What was collected before a kill at a limit: registers by vCPU and such; file name to text.</param>
public sealed record AttemptExit(
    int? ExitStatus, int? Signal, LimitHit Limit, TimeSpan Wall, TimeSpan Cpu, long PeakMemoryBytes,
    KeptOutput Console, KeptOutput StandardError, IReadOnlyDictionary<string, string> Diagnostics);

/// <summary>Bytes of an output stream: all of it, or head and tail.</summary>
/// <param name="Bytes">What was kept.</param>
/// <param name="TotalLength">What there was.</param>
public sealed record KeptOutput(byte[] Bytes, long TotalLength)
{
    public bool Truncated => TotalLength > Bytes.Length;
}
