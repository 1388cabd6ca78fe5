using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Verdicts;

/// <summary>
/// Keeps a guest's result lines within bounds: a guest may print millions. All are counted; the first <see cref="MaxKept"/> are kept, and of the failures
/// beyond them so many more, since a failure is what people look for.
/// </summary>
public sealed class SubtestCollector
{
    public const int MaxKept = 20_000;

    /// <summary>Failures that are kept beyond <see cref="MaxKept"/>.</summary>
    public const int MaxLateFailures = 1_000;

    public const int MaxNameLength = 512;
    public const int MaxDetailLength = 2048;

    private readonly List<Subtest> kept = [];
    private int lateFailures;

    public IReadOnlyList<Subtest> Kept => kept;

    /// <summary>Result lines seen, those not kept included.</summary>
    public long Total { get; private set; }

    public long Failures { get; private set; }

    public long Skips { get; private set; }

    /// <summary>The first failure's name; null: none.</summary>
    public string? FirstFailure { get; private set; }

    /// <summary>The first skip's name or, better, its reason; null: none.</summary>
    public string? FirstSkip { get; private set; }

    public void Add(string name, Verdict verdict, string? detail = null)
    {
        Total++;
        name = ConsoleText.Shorten(name, MaxNameLength);
        detail = string.IsNullOrEmpty(detail) ? null : ConsoleText.Shorten(detail, MaxDetailLength);
        if (verdict.IsFailure())
        {
            Failures++;
            FirstFailure ??= name;
        }
        else if (verdict == Verdict.Skip)
        {
            Skips++;
            // A reason is one line; diagnostics may have several.
            FirstSkip ??= detail?.Split('\n')[0] ?? name;
        }

        if (kept.Count < MaxKept || (verdict.IsFailure() && lateFailures++ < MaxLateFailures))
            kept.Add(new Subtest(name, verdict, detail));
    }

    /// <summary>What to tell of lines that weren't kept; null: all were.</summary>
    public string? Note => Total > kept.Count ? $"{Total - kept.Count} of {Total} result lines are not kept: at most {MaxKept} are, and {MaxLateFailures} failures beyond" : null;
}
