using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Series;

/// <summary>What changed from one version of a series to another, as <c>git range-diff</c> tells it.</summary>
public static class SeriesDiff
{
    /// <summary>Applies both in one scratch tree and compares them patch by patch.</summary>
    /// <exception cref="UserException">One of them does not apply.</exception>
    public static async Task<string> RunAsync(
        SeriesStore store, SeriesVersion before, SeriesVersion after, string repository, string revision, CancellationToken cancellation)
    {
        var all = store.List();
        using var tree = await ScratchTree.CreateAsync(repository, revision, cancellation);
        var first = await ApplyAsync(before);
        await tree.Git.RunAsync(["checkout", "--quiet", "--detach", tree.Base], default, cancellation);
        var second = await ApplyAsync(after);
        return (await tree.Git.RunAsync(["range-diff", "--no-color", "--creation-factor=95", $"{first.Base}..{first.Tip}", $"{second.Base}..{second.Tip}"], default, cancellation)).Text;

        async Task<ApplyResult> ApplyAsync(SeriesVersion version)
        {
            var start = version.Dependencies.BaseCommit is { } commit && (await tree.Git.TryRunAsync(["cat-file", "-e", commit + "^{commit}"], default, cancellation)).ExitStatus == 0
                ? commit
                : tree.Base;
            await tree.Git.RunAsync(["checkout", "--quiet", "--detach", start], default, cancellation);
            var result = await SeriesApply.RunAsync(store, version, all, tree, addTrailers: false, cancellation);
            return result.Tip is not null ? result : throw new UserException($"comparing {before} with {after}: {result.Reason}", ExitCode.Failure);
        }
    }
}
