using System.Globalization;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Comparing;

/// <summary>One entry of a known-failure list: it holds where all that it names match.</summary>
public sealed record KnownFailure
{
    /// <summary>Pattern on the suite's name.</summary>
    public required string Suite { get; init; }

    /// <summary>Pattern on the case's name.</summary>
    public required string Case { get; init; }

    /// <summary>Pattern on names of subtests that fail; null: the case itself does.</summary>
    public string? Subtest { get; init; }

    /// <summary>Patterns by axis of the cell, see <see cref="CellAxes.Names"/>, of which one set must match; an axis that a cell leaves open is the empty text. Empty: every cell.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, string>> Cells { get; init; } = [];

    /// <summary>Patterns by host fact (<see cref="Run.Host"/>); a fact that the host lacks is the empty text.</summary>
    public IReadOnlyDictionary<string, string> Host { get; init; } = new Dictionary<string, string>();

    /// <summary>What is at fault.</summary>
    public required string Reason { get; init; }

    /// <summary>Who takes the entry out again.</summary>
    public required string Owner { get; init; }

    /// <summary>From this day on it no longer excuses; null: never.</summary>
    public DateOnly? Expires { get; init; }

    /// <summary>It fails only at times, so that a pass is no news.</summary>
    public bool Intermittent { get; init; }

    /// <summary>It brings down what is below the VMM, so that an infra error is this failure too.</summary>
    public bool Infra { get; init; }

    /// <summary>Where it is written, for messages: <c>matrices/known-failures.yaml:12</c>.</summary>
    public required string Source { get; init; }

    public bool Expired(DateOnly today) => Expires <= today;

    /// <summary>It speaks of this job, its date and its subtests apart.</summary>
    public bool Concerns(Job job, IReadOnlyDictionary<string, string> host) =>
        Wildcard.Matches(Suite, job.Suite) && Wildcard.Matches(Case, job.Case)
        && (Cells.Count == 0 || Cells.Any(cell => cell.All(axis => Wildcard.Matches(axis.Value, job.Cell.Value(axis.Key) ?? ""))))
        && Host.All(fact => Wildcard.Matches(fact.Value, host.GetValueOrDefault(fact.Key, "")));

    /// <summary>For a result's reason: <c>why (owner, until 2027-06-30; known-failures.yaml:12)</c>.</summary>
    public override string ToString() =>
        $"{Reason} ({Owner}{(Expires is { } day ? ", until " + day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) : "")}; {Source})";
}
