using Gauntlet.Pipelines.GitTool;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Series;

/// <summary>What was prepared for sending.</summary>
/// <param name="Tag">The annotated tag that keeps this version with its cover letter.</param>
/// <param name="Version">Its number.</param>
/// <param name="Folder">Where the mails are.</param>
/// <param name="Mails">Their files, in order; the first is the cover letter when there is more than one patch.</param>
public sealed record PublishedSeries(string Tag, int Version, string Folder, IReadOnlyList<string> Mails);

/// <summary>Numbers the next version of a topic, keeps it as a tag and writes its mails, ready for <c>git send-email</c>.</summary>
public static class SeriesPublish
{
    /// <param name="repository">Where the commits are.</param>
    /// <param name="topic">Name of the series; its tags are <c>series/TOPIC/vN</c>.</param>
    /// <param name="range">Commits, <c>base..tip</c>.</param>
    /// <param name="title">Cover letter's subject.</param>
    /// <param name="cover">Cover letter's text.</param>
    /// <param name="folder">Where the mails go; made when missing, refused when it holds mails.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="UserException">The topic's name, the range or the folder cannot be used.</exception>
    public static async Task<PublishedSeries> RunAsync(
        string repository, string topic, string range, string title, string cover, string folder, CancellationToken cancellation)
    {
        var git = new Git(repository);
        if ((await git.TryRunAsync(["check-ref-format", $"refs/tags/series/{topic}/v1"], default, cancellation)).ExitStatus != 0)
            throw new UserException($"publishing '{topic}': that cannot be part of a tag's name; use letters, digits and dashes");
        if (range.Split("..") is not [{ Length: > 0 } lower, { Length: > 0 } upper])
            throw new UserException($"publishing '{range}': expected base..tip");
        var tip = await ResolveAsync(upper);
        var start = await ResolveAsync(lower);
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new UserException($"writing the mails to {folder}: the folder is not empty");

        var tags = (await git.RunAsync(["tag", "--list", $"series/{topic}/v*"], default, cancellation)).Text.Split('\n');
        var version = tags.Select(tag => int.TryParse(tag.AsSpan(tag.LastIndexOf('v') + 1), out var number) ? number : 0).Max() + 1;
        var name = $"series/{topic}/v{version}";

        Directory.CreateDirectory(folder);
        var count = int.Parse((await git.RunAsync(["rev-list", "--count", $"{start}..{tip}"], default, cancellation)).Text);
        if (count == 0)
            throw new UserException($"publishing {range}: there is no commit in it");
        await git.RunAsync(
            [
                "format-patch", "--quiet", "--thread=shallow", "--from", $"--reroll-count={version}", $"--base={start}", "--output-directory", Path.GetFullPath(folder),
                count > 1 ? "--cover-letter" : "--no-cover-letter", "--no-signature", $"{start}..{tip}",
            ],
            default, cancellation);
        var mails = Directory.EnumerateFiles(folder, "*.patch").Order(StringComparer.Ordinal).ToArray();
        if (count > 1)
            await FillCoverAsync(mails[0], title, cover, cancellation);
        await git.RunAsync(["tag", "--annotate", "--cleanup=verbatim", "--message", $"{title}\n\n{cover}\n", name, tip], default, cancellation);
        return new PublishedSeries(name, version, folder, mails);

        async Task<string> ResolveAsync(string revision)
        {
            var result = await git.TryRunAsync(["rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"], default, cancellation);
            return result.ExitStatus == 0 ? result.Text : throw new UserException($"publishing {range}: {repository} has no commit {revision}");
        }
    }

    private static async Task FillCoverAsync(string file, string title, string cover, CancellationToken cancellation)
    {
        var text = await File.ReadAllTextAsync(file, cancellation);
        text = text.Replace("*** SUBJECT HERE ***", title, StringComparison.Ordinal).Replace("*** BLURB HERE ***", cover, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, text, cancellation);
    }
}
