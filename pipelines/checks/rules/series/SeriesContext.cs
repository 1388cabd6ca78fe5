namespace Gauntlet.Pipelines.Checks.Rules.Series;

/// <summary>What the rules of a series ask about the tree that it is for.</summary>
internal sealed record SeriesContext
{
    /// <summary>The subject of a commit of the repository, empty when it has no such commit; null when there is no repository.</summary>
    public Func<string, string>? SubjectOf { get; init; }

    /// <summary>Who looks after which files, before the series; null when the tree does not say.</summary>
    public Maintainers? Maintainers { get; init; }
}
