using System.Text;
using Gauntlet.Pipelines.GitTool;

namespace Gauntlet.Pipelines.Series;

/// <summary>A commit of a series that was applied.</summary>
/// <param name="Commit">Its name.</param>
/// <param name="Tree">Of its files.</param>
public readonly record struct AppliedCommit(string Commit, string Tree);

/// <summary>Puts what reviewers gave into the messages of a series' commits. Trees, authors and their dates stay: the commits are made anew without touching a file.</summary>
public static class ReviewedCommits
{
    /// <summary>Rewrites the commits from <paramref name="below"/> to HEAD, one a patch, and leaves HEAD at the last.</summary>
    /// <returns>The commits, in the order of the patches.</returns>
    /// <exception cref="GitException">There are not as many commits as patches: a mail held more than one.</exception>
    public static async Task<IReadOnlyList<AppliedCommit>> RewriteAsync(Git git, SeriesVersion version, string below, CancellationToken cancellation)
    {
        var log = (await git.RunAsync(["log", "--reverse", "-z", "--date=raw", "--format=%H%x00%T%x00%an%x00%ae%x00%ad%x00%B", $"{below}..HEAD"], default, cancellation)).Output;
        var fields = Encoding.UTF8.GetString(log).Split('\0');
        var count = fields.Length / FieldsOfCommit;
        if (count != version.Patches.Count)
            throw new GitException($"applying {version}: {version.Patches.Count} mails made {count} commits; a mail holds a second one behind a \"From \" line");

        var commits = new List<AppliedCommit>();
        var parent = below;
        var rewritten = false;
        for (var i = 0; i < count; i++)
        {
            var (commit, tree, name, address, date, message) = (
                fields[i * FieldsOfCommit].Trim('\n'), fields[i * FieldsOfCommit + 1], fields[i * FieldsOfCommit + 2], fields[i * FieldsOfCommit + 3], fields[i * FieldsOfCommit + 4], fields[i * FieldsOfCommit + 5]);
            var trailers = TrailersOf(version, version.Patches[i].Number);
            if (trailers.Length > 0 || rewritten)
            {
                rewritten = true;
                var text = Encoding.UTF8.GetBytes(message.TrimEnd('\n') + "\n");
                if (trailers.Length > 0)
                    text = (await git.RunAsync(["interpret-trailers", "--no-divider", "--if-exists", "addIfDifferent", .. trailers.SelectMany(trailer => new[] { "--trailer", trailer })], text, cancellation)).Output;
                var author = new Git(git.Folder) { Committer = git.Committer, CommitterDate = git.CommitterDate, Author = (name, address), AuthorDate = date };
                commit = (await author.RunAsync(["commit-tree", tree, "-p", parent, "-F", "-"], text, cancellation)).Text;
            }

            commits.Add(new AppliedCommit(commit, tree));
            parent = commit;
        }

        if (rewritten)
            await git.RunAsync(["update-ref", "--no-deref", "HEAD", parent], default, cancellation);
        return commits;
    }

    private const int FieldsOfCommit = 6;

    private static string[] TrailersOf(SeriesVersion version, int number) =>
    [
        .. version.Trailers
            .Where(trailer => trailer.Rejected is null && trailer.Key != "Nacked-by" && (trailer.Number is null || trailer.Number == number))
            .Select(trailer => trailer.ToString()).Distinct(),
    ];
}
