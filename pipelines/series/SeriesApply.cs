using Gauntlet.Pipelines.GitTool;

namespace Gauntlet.Pipelines.Series;

/// <summary>How applying went.</summary>
/// <param name="Base">The commit below.</param>
/// <param name="Tip">The commit on top; null when a patch did not apply.</param>
/// <param name="FailedPatch">The patch that did not; null: all did.</param>
/// <param name="Reason">Why, for a person.</param>
public sealed record ApplyResult(string Base, string? Tip, SeriesPatch? FailedPatch, string? Reason);

/// <summary>Applies a version, and what it depends on, in a scratch tree.</summary>
public static class SeriesApply
{
    /// <param name="store">Where the mails are.</param>
    /// <param name="version">What to apply.</param>
    /// <param name="all">All versions, for its dependencies.</param>
    /// <param name="tree">At the commit to apply on; afterwards at the tip.</param>
    /// <param name="addTrailers">Trailers that reviewers gave, and that count, go into the commit messages.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<ApplyResult> RunAsync(
        SeriesStore store, SeriesVersion version, IReadOnlyList<SeriesVersion> all, ScratchTree tree, bool addTrailers, CancellationToken cancellation)
    {
        if (version.Problems.Count > 0)
            return new ApplyResult(tree.Base, null, null, string.Join("; ", version.Problems));
        if (version.Missing.ToArray() is { Length: > 0 } missing)
            return new ApplyResult(tree.Base, null, null, $"incomplete: {string.Join(", ", missing.Select(number => $"{number}/{version.Total}"))} did not arrive");
        var prerequisites = SeriesDependency.Resolve(version, all);
        if (prerequisites.Blocked is not null)
            return new ApplyResult(tree.Base, null, null, prerequisites.Blocked);

        var below = tree.Base;
        foreach (var step in prerequisites.Before.Append(version))
        {
            below = await tree.HeadAsync(cancellation);
            if (await ApplyPatchesAsync(store, step, tree.Git, cancellation) is { } failure)
                return new ApplyResult(below, null, failure.Patch, failure.Reason);
            if (addTrailers)
                await ReviewedCommits.RewriteAsync(tree.Git, step, below, cancellation);
        }

        return new ApplyResult(below, await tree.HeadAsync(cancellation), null, null);
    }

    /// <summary>Applies the patches of one version; null when all went in, else the first that did not. The tree is then as before.</summary>
    public static async Task<(SeriesPatch Patch, string Reason)?> ApplyPatchesAsync(SeriesStore store, SeriesVersion version, Git git, CancellationToken cancellation)
    {
        if (version.Patches.Count == 0)
            return null;
        var (result, applied) = await ScratchTree.ApplyAsync(git, [.. version.Patches.Select(patch => store.ReadMail(patch.MailSha256))], cancellation);
        return result.ExitStatus == 0 ? null : (version.Patches[applied], Explain(version, version.Patches[applied], result.Error, result.Text));
    }

    /// <summary>What <c>git am</c> said, in one line.</summary>
    public static string Explain(SeriesVersion step, SeriesPatch patch, string error, string output)
    {
        var said = (error + "\n" + output).Split('\n')
            .Where(line => line.StartsWith("error:", StringComparison.Ordinal) || line.StartsWith("fatal:", StringComparison.Ordinal) || line.StartsWith("Patch ", StringComparison.Ordinal))
            .Take(4);
        return $"patch {patch.Number}/{step.Total} of {step}, {patch.Title}, does not apply: {string.Join("; ", said)}";
    }
}
