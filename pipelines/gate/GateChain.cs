using Gauntlet.Pipelines.GitTool;
using Gauntlet.Pipelines.Series;

namespace Gauntlet.Pipelines.Gate;

/// <summary>How putting an entry on a commit went.</summary>
/// <param name="Candidate">What would be merged; null when it could not be put there.</param>
/// <param name="Refused">It cannot be merged there, for this reason, which is the series' own.</param>
/// <param name="Waits">It has to wait, for this reason.</param>
public readonly record struct Placement(GateCandidate? Candidate, string? Refused = null, string? Waits = null);

/// <summary>
/// Builds what would be merged: each series on top of those before it. The same entry on the same commit gives the same commits, whenever it is built, since
/// the committer and the dates are fixed: so what was tested can be merged after a crash, too.
/// </summary>
public sealed class GateChain : IDisposable
{
    private readonly SeriesStore _series;
    private readonly MergeMethod _merge;
    private readonly ScratchTree _scratch;
    private readonly Dictionary<(long Entry, string Below), Placement> _built = [];

    private GateChain(SeriesStore series, MergeMethod merge, ScratchTree scratch)
    {
        _series = series;
        _merge = merge;
        _scratch = scratch;
    }

    /// <summary>Where the candidates' commits are.</summary>
    public string Folder => _scratch.Folder;

    public static async Task<GateChain> CreateAsync(string repository, string commit, SeriesStore series, MergeMethod merge, CancellationToken cancellation) =>
        new(series, merge, await ScratchTree.CreateAsync(repository, commit, cancellation));

    /// <summary>Puts an entry on a commit.</summary>
    /// <param name="entry">Whose series.</param>
    /// <param name="below">The target, or the candidate before it.</param>
    /// <param name="before">Entries that are part of <paramref name="below"/> but not merged yet.</param>
    /// <param name="merged">Message identifiers of series that the target holds.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<Placement> PlaceAsync(GateEntry entry, string below, IReadOnlyList<GateEntry> before, IReadOnlySet<(string, long)> merged, CancellationToken cancellation)
    {
        var all = _series.List();
        if (all.FirstOrDefault(known => known.SeriesId == entry.SeriesId && known.Version == entry.Version) is not { } version)
            return new Placement(null, Refused: "its mails are not in the store any more");
        if (version.Problems.Count > 0)
            return new Placement(null, Refused: string.Join("; ", version.Problems));
        if (version.Missing.ToArray() is { Length: > 0 } missing)
            return new Placement(null, Waits: $"incomplete: {string.Join(", ", missing.Select(number => $"{number}/{version.Total}"))} did not arrive");
        var prerequisites = SeriesDependency.Resolve(version, all);
        if (prerequisites.Blocked is not null)
            return new Placement(null, Waits: prerequisites.Blocked);
        foreach (var needed in prerequisites.Before)
        {
            if (!merged.Contains((needed.SeriesId, needed.Version)) && !before.Any(other => other.SeriesId == needed.SeriesId && other.Version == needed.Version))
                return new Placement(null, Waits: $"it is based on {needed}, which is not merged and not before it in the queue");
        }

        if (_built.TryGetValue((entry.Id, below), out var known_))
            return known_;
        var placement = await BuildAsync(entry, version, below, cancellation);
        _built[(entry.Id, below)] = placement;
        return placement;
    }

    public void Dispose() => _scratch.Dispose();

    private async Task<Placement> BuildAsync(GateEntry entry, SeriesVersion version, string below, CancellationToken cancellation)
    {
        var git = new Git(_scratch.Folder) { Committer = ("Gauntlet", "gauntlet@localhost"), CommitterDate = entry.EnqueuedUtc };
        await git.RunAsync(["checkout", "--quiet", "--force", "--detach", below], default, cancellation);
        await git.RunAsync(["clean", "-ffdxq"], default, cancellation);

        if (await SeriesApply.ApplyPatchesAsync(_series, version, git, cancellation) is { } failure)
            return new Placement(null, Refused: failure.Reason);
        var commits = await ReviewedCommits.RewriteAsync(git, version, below, cancellation);
        var patches = version.Patches.Zip(commits, (patch, commit) => new GatedPatch(patch.Number, patch.Title, patch.MessageId, patch.MailSha256, patch.PatchId, commit.Commit, commit.Tree)).ToArray();
        if (patches.Length == 0 || patches[^1].Commit == below)
            return new Placement(null, Refused: "it changes nothing on top of what is there: it is merged already, or empty");
        var tip = _merge == MergeMethod.FastForward ? patches[^1].Commit : await MergeAsync(git, version, below, patches[^1], cancellation);
        return new Placement(new GateCandidate(entry, below, tip, patches[^1].Tree, patches));
    }

    private static async Task<string> MergeAsync(Git git, SeriesVersion version, string below, GatedPatch last, CancellationToken cancellation)
    {
        var message = $"Merge {Printable.Line(version.ToString())}\n\n{string.Concat(version.Patches.Select(patch => $"  {Printable.Line(patch.Title)}\n"))}\nMessage-Id: {Printable.Line(version.CoverMessageId ?? version.Patches[0].MessageId)}\n";
        // The merge's author is the gate too, and its date fixed as the commits' are.
        var author = new Git(git.Folder) { Committer = git.Committer, CommitterDate = git.CommitterDate, Author = git.Committer };
        return (await author.RunAsync(["commit-tree", last.Tree, "-p", below, "-p", last.Commit, "-F", "-"], System.Text.Encoding.UTF8.GetBytes(message), cancellation)).Text;
    }
}
