using System.Text.Json.Serialization;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Comparing;

/// <summary>What became of a job or a subtest between two runs; in the order in which people want to hear of it.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ChangeKind>))]
public enum ChangeKind
{
    /// <summary>Fails, and did not: it passed, was skipped, or was not there.</summary>
    [JsonStringEnumMemberName("newly-failing")]
    NewlyFailing,

    /// <summary>Failed, perhaps as known, and passes.</summary>
    [JsonStringEnumMemberName("fixed")]
    Fixed,

    /// <summary>Its attempts no longer agree.</summary>
    [JsonStringEnumMemberName("newly-flaky")]
    NewlyFlaky,

    /// <summary>Was executed, and is skipped.</summary>
    [JsonStringEnumMemberName("newly-skipped")]
    NewlySkipped,

    /// <summary>Was skipped, and passes.</summary>
    [JsonStringEnumMemberName("no-longer-skipped")]
    NoLongerSkipped,

    /// <summary>Takes more CPU time, beyond noise; see <see cref="TimingComparison"/>.</summary>
    [JsonStringEnumMemberName("slower")]
    Slower,

    /// <summary>Takes less.</summary>
    [JsonStringEnumMemberName("faster")]
    Faster,

    /// <summary>Was not there, and does not fail.</summary>
    [JsonStringEnumMemberName("new")]
    New,

    /// <summary>Is not there any more.</summary>
    [JsonStringEnumMemberName("gone")]
    Gone,

    /// <summary>Could not be judged for an infra error on one side.</summary>
    [JsonStringEnumMemberName("not-judged")]
    NotJudged,

    /// <summary>Failed and fails.</summary>
    [JsonStringEnumMemberName("still-failing")]
    StillFailing,
}

/// <summary>One difference.</summary>
/// <param name="JobKey">What was compared (<see cref="Job.Key"/>).</param>
/// <param name="Subtest">The subtest that it is about, with <c> (2)</c> when its name comes a second time; null: the job.</param>
/// <param name="Before">Null: it was not there.</param>
/// <param name="After">Null: it is not there.</param>
/// <param name="Reason">What the later one says, or the earlier when there is no later.</param>
/// <param name="Timing">For slower and faster.</param>
public sealed record Change(ChangeKind Kind, string JobKey, string? Subtest, Verdict? Before, Verdict? After, string? Reason = null, TimingComparison? Timing = null);

/// <summary>The differences between two runs.</summary>
/// <param name="Before">The earlier run; of a baseline branch its newest.</param>
/// <param name="Changes">By kind, then in the order of the later run.</param>
/// <param name="Compared">Jobs that both have.</param>
/// <param name="NotReached">Subtests that are missing because their case crashed or timed out before it came to them.</param>
public sealed record RunDiff(Run Before, Run After, IReadOnlyList<Change> Changes, int Compared, int NotReached)
{
    /// <summary>The two values of an axis that were compared; null: like was compared with like.</summary>
    public CellPairing? Pairing { get; init; }

    /// <summary>Something fails that did not.</summary>
    public bool NewlyFails => Changes.Any(change => change.Kind == ChangeKind.NewlyFailing);

    public IEnumerable<Change> Of(ChangeKind kind) => Changes.Where(change => change.Kind == kind);
}

public static class ChangeKinds
{
    /// <summary>As in JSON, and read aloud: <c>newly failing</c>.</summary>
    public static string Title(this ChangeKind kind) => kind switch
    {
        ChangeKind.NewlyFailing => "newly failing",
        ChangeKind.Fixed => "fixed",
        ChangeKind.NewlyFlaky => "newly flaky",
        ChangeKind.NewlySkipped => "newly skipped",
        ChangeKind.NoLongerSkipped => "no longer skipped",
        ChangeKind.Slower => "slower",
        ChangeKind.Faster => "faster",
        ChangeKind.New => "new",
        ChangeKind.Gone => "gone",
        ChangeKind.NotJudged => "not judged (infra error)",
        ChangeKind.StillFailing => "still failing",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };
}
