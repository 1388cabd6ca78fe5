using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Verdicts;

/// <summary>What a console came to, as far as its lines alone tell.</summary>
public sealed record ConsoleReport
{
    public IReadOnlyList<Subtest> Subtests { get; init; } = [];

    /// <summary>By name and unit: <c>cpuid ns</c>.</summary>
    public IReadOnlyDictionary<string, double> Measurements { get; init; } = new Dictionary<string, double>();

    /// <summary>Result lines, those not kept included.</summary>
    public long SubtestCount { get; init; }

    public long Failures { get; init; }

    public long Skips { get; init; }

    public string? FirstFailure { get; init; }

    public string? FirstSkip { get; init; }

    /// <summary>kvm-unit-tests' <c>EXIT: STATUS=n</c>; null: none.</summary>
    public int? ExitStatus { get; init; }

    /// <summary>kvm-unit-tests' <c>SUMMARY:</c>; null: none.</summary>
    public string? Summary { get; init; }

    /// <summary>kvm-unit-tests' <c>ABORT:</c>; null: none.</summary>
    public string? Abort { get; init; }

    /// <summary>Why the VMM was to be ended before its end, with the verdict that this means; null: it wasn't.</summary>
    public Judgement? Ending { get; init; }

    /// <summary>The verdict of the lines as a TAP document; null: the job's convention isn't TAP.</summary>
    public Judgement? Tap { get; init; }

    /// <summary>Answers to a script of qtest; null: a guest was run.</summary>
    public QtestReplies? Qtest { get; init; }

    /// <summary>Console lines that held anything but white space.</summary>
    public long Lines { get; init; }

    /// <summary>The last of them; null: none.</summary>
    public string? LastLine { get; init; }

    /// <summary>What was left out, for people.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}

/// <summary>A verdict and why: one sentence for a person, null only with a pass.</summary>
public readonly record struct Judgement(Verdict Verdict, string? Reason);
