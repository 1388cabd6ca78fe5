namespace Gauntlet.Results.Records;

/// <summary>One VMM process, from command line to verdict. Everything needed to run it again by hand is here.</summary>
public sealed record Attempt
{
    public int Schema { get; init; } = 1;

    /// <summary>1, then one more for each retry of the same job.</summary>
    public int Number { get; init; } = 1;

    /// <summary>The program and its arguments, as executed.</summary>
    public required IReadOnlyList<string> CommandLine { get; init; }

    /// <summary>Variables that were set for it besides the inherited ones.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    public string? WorkingDirectory { get; init; }

    /// <summary>Start, UTC.</summary>
    public required DateTime StartedUtc { get; init; }

    /// <summary>Wall time in seconds.</summary>
    public double WallSeconds { get; init; }

    /// <summary>User and system time of the process and its children, in seconds.</summary>
    public double CpuSeconds { get; init; }

    /// <summary>Peak resident set in bytes (VmHWM); 0: not known.</summary>
    public long PeakMemoryBytes { get; init; }

    /// <summary>Process status 0 to 255; null when a signal ended it or it never started.</summary>
    public int? ExitStatus { get; init; }

    /// <summary>The signal that ended it.</summary>
    public int? Signal { get; init; }

    public required Verdict Verdict { get; init; }

    /// <summary>Why: one sentence for a person. Always there when the verdict is not a pass.</summary>
    public string? Reason { get; init; }

    /// <summary><c>cpu</c> or <c>wall</c>: what its time limit was judged by.</summary>
    public string TimeLimitKind { get; init; } = "wall";

    /// <summary>The result lines of the guest.</summary>
    public IReadOnlyList<Subtest> Subtests { get; init; } = [];

    /// <summary>Numbers that the guest or the harness measured, by name with the unit: <c>cpuid ns</c>.</summary>
    public IReadOnlyDictionary<string, double> Measurements { get; init; } = new Dictionary<string, double>();

    /// <summary>Console, standard error, QMP log, register dump, by file name.</summary>
    public IReadOnlyList<Artifact> Artifacts { get; init; } = [];
}

/// <summary>One result line of a guest.</summary>
/// <param name="Name">As printed, without the verdict word; with report prefixes.</param>
/// <param name="Verdict">Pass, Fail, Skip, KnownFail (XFAIL, KFAIL) or UnexpectedPass (XPASS).</param>
/// <param name="Detail">What else the line said.</param>
public sealed record Subtest(string Name, Verdict Verdict, string? Detail = null);

/// <summary>Bytes that an attempt left, kept once by content.</summary>
/// <param name="Name">File name: <c>console.log</c>, <c>stderr.log</c>, <c>qmp.log</c>, <c>registers.txt</c>.</param>
/// <param name="Sha256">Lower-case hexadecimal.</param>
/// <param name="Length">Bytes kept.</param>
/// <param name="Truncated">The source had more than its limit; what is kept is its head and tail.</param>
public sealed record Artifact(string Name, string Sha256, long Length, bool Truncated = false);

/// <summary>What became of a job: its last attempt decides, earlier ones are kept.</summary>
public sealed record JobResult
{
    public required Job Job { get; init; }

    public required Verdict Verdict { get; init; }

    public string? Reason { get; init; }

    /// <summary>Its attempts did not agree: passed only on a retry, or differed between repetitions.</summary>
    public bool Flaky { get; init; }

    public IReadOnlyList<Attempt> Attempts { get; init; } = [];
}
