using System.Text.Json.Serialization;

namespace Gauntlet.Pipelines.Series;

/// <summary>One patch's place in a version of a series.</summary>
/// <param name="Number">1 or more.</param>
/// <param name="Title">Subject without its brackets.</param>
/// <param name="MessageId">Of the mail that carries it.</param>
/// <param name="From">Who sent that mail.</param>
/// <param name="MailSha256">The mail's bytes in the store.</param>
/// <param name="PatchId">As <c>git patch-id --stable</c> names the change; null when git finds none in it.</param>
/// <param name="TakenFromVersion">With a partial reroll: the earlier version it stands in from; null: it was sent in this one.</param>
public sealed record SeriesPatch(int Number, string Title, string MessageId, string? From, string MailSha256, string? PatchId = null, int? TakenFromVersion = null);

/// <summary>What a version says it stands on.</summary>
/// <param name="BaseCommit">From <c>base-commit:</c>.</param>
/// <param name="BasedOn">Message identifiers from <c>Based-on:</c>.</param>
/// <param name="PrerequisitePatchIds">From <c>prerequisite-patch-id:</c>.</param>
public sealed record SeriesDependencies(string? BaseCommit, IReadOnlyList<string> BasedOn, IReadOnlyList<string> PrerequisitePatchIds)
{
    public static readonly SeriesDependencies None = new(null, [], []);
}

/// <summary>One version of a patch series: what somebody asks to have merged.</summary>
public sealed record SeriesVersion
{
    public int Schema { get; init; } = 1;

    /// <summary>Of the series, the same for all its versions: the first mail's identifier without brackets.</summary>
    public required string SeriesId { get; init; }

    /// <summary>1 or more.</summary>
    public required int Version { get; init; }

    /// <summary>Cover letter's title, or the first patch's.</summary>
    public required string Title { get; init; }

    /// <summary>Who sent it.</summary>
    public string? Author { get; init; }

    /// <summary>Latest date of its mails.</summary>
    public DateTimeOffset? Date { get; init; }

    /// <summary>How many patches it should have.</summary>
    public required int Total { get; init; }

    /// <summary>Those that arrived, in order.</summary>
    public required IReadOnlyList<SeriesPatch> Patches { get; init; }

    public string? CoverMessageId { get; init; }

    public string? CoverSha256 { get; init; }

    public SeriesDependencies Dependencies { get; init; } = SeriesDependencies.None;

    /// <summary>From replies, good and rejected.</summary>
    public IReadOnlyList<CollectedTrailer> Trailers { get; init; } = [];

    /// <summary>What is wrong with it: a person reads each, and a version with any is not applied.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>What it is joined by.</summary>
    [JsonIgnore]
    public (string SeriesId, int Version) Key => (SeriesId, Version);

    /// <summary>Patch numbers that have not arrived.</summary>
    [JsonIgnore]
    public IEnumerable<int> Missing => Enumerable.Range(1, Math.Max(Total, 0)).Except(Patches.Select(patch => patch.Number));

    /// <summary><c>complete</c>, <c>incomplete</c> or <c>blocked</c>.</summary>
    [JsonIgnore]
    public string State => Problems.Count > 0 ? "blocked" : Missing.Any() ? "incomplete" : "complete";

    /// <summary>How people name it: <c>some-title v2</c>.</summary>
    public override string ToString() => $"{Title} v{Version}";
}

/// <summary>What an import made of a pile of mails.</summary>
/// <param name="Versions">Each version of each series.</param>
/// <param name="Quarantined">Mails that must not be used, with the reason.</param>
/// <param name="Neither">Mails that are neither cover letter, patch nor reply.</param>
public sealed record AssembledMails(IReadOnlyList<SeriesVersion> Versions, IReadOnlyList<QuarantinedMail> Quarantined, int Neither);

/// <param name="Name">Message identifier or source.</param>
/// <param name="Reason">For a person.</param>
public sealed record QuarantinedMail(string Name, string Reason);
