using System.Diagnostics;
using System.Text;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Inputs;

/// <summary>Patches out of a git repository: a range's commits, or what is staged.</summary>
/// <param name="folder">Any folder of the repository.</param>
internal sealed class GitCommits(string folder)
{
    /// <summary>How git shows a commit, whatever the user's configuration says.</summary>
    private static readonly string[] s_show =
    [
        "-c", "diff.renamelimit=0", "-c", "diff.renames=True", "-c", "diff.algorithm=histogram", "-c", "core.quotePath=true", "-c", "color.ui=never",
        "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "log.showSignature=false",
    ];

    /// <summary>A range's commits, oldest first, merges left out.</summary>
    public IEnumerable<PatchInput> OfRange(string range, CheckOptions options)
    {
        if (range.StartsWith('-'))
            throw new CheckException($"cannot check {range}: a range of commits does not begin with a dash");
        var log = ByteText.Decode(Run(
            [.. s_show, "log", "--reverse", "--no-merges", "--no-mailmap", "--no-color", "--no-decorate", "--no-notes", "--format=medium", "--no-ext-diff", "--no-textconv", "--patch-with-stat", range, "--"],
            $"cannot list the commits of {range}"));
        var starts = CommitStarts(log);
        if (starts.Count == 0)
            throw new CheckException($"no commits in {range}: is its end newer than its start?");
        for (var i = 0; i < starts.Count; i++)
        {
            var end = i + 1 < starts.Count ? starts[i + 1] - 1 : log.Length;
            var text = log[starts[i]..end];
            var hash = text.AsSpan("commit ".Length, Math.Min(40, text.Length - "commit ".Length)).ToString();
            var name = $"{hash[..Math.Min(12, hash.Length)]} ({Subject(text)})";
            var many = starts.Count > 1 && options.Quiet == 0;
            var announcement = many ? $"{i + 1}/{starts.Count} Checking commit {name}" : null;
            yield return new PatchInput(hash, many ? $"Patch {i + 1}/{starts.Count}" : "Commit " + name, announcement, WholeFile: false, () => ByteText.Encode(text));
        }
    }

    /// <summary>What <c>git commit</c> would commit now.</summary>
    public PatchInput Staged()
    {
        byte[] Read() => Run([.. s_show, "diff", "--cached", "--no-color", "--no-ext-diff", "--no-textconv", "--patch-with-stat"], "cannot show what is staged");
        return new PatchInput("staged changes", "What is staged", null, WholeFile: false, Read);
    }

    public bool IsRepository() => TryRun(["rev-parse", "--git-dir"], out _) is not null;

    /// <summary>A commit's subject; empty when there is no such commit.</summary>
    public string SubjectOf(string id) =>
        TryRun(["log", "-1", "--no-show-signature", "--format=%s", "--end-of-options", id], out _) is { } subject ? Encoding.UTF8.GetString(subject).TrimEnd('\n') : "";

    /// <summary>Whether there is a commit of this name.</summary>
    public bool HasCommit(string id) => TryRun(["rev-parse", "--quiet", "--verify", "--end-of-options", id + "^{commit}"], out _) is not null;

    /// <summary>A file as a commit has it; null when it has none.</summary>
    public string? FileAt(string commit, string path)
    {
        var bytes = TryRun(["cat-file", "blob", $"{commit}:{path}"], out _);
        return bytes is null ? null : Encoding.UTF8.GetString(bytes);
    }

    /// <summary>The commit that a range's patches are judged by: the one before its first.</summary>
    public static string BaseOf(string range)
    {
        var dots = range.IndexOf("..", StringComparison.Ordinal);
        return dots > 0 ? range[..dots] : "HEAD";
    }

    private static List<int> CommitStarts(string log)
    {
        var starts = new List<int>();
        for (var at = 0; at < log.Length;)
        {
            if (log.AsSpan(at).StartsWith("commit "))
                starts.Add(at);
            var end = log.IndexOf('\n', at);
            at = end < 0 ? log.Length : end + 1;
        }
        return starts;
    }

    private static string Subject(string text)
    {
        var blank = text.IndexOf("\n\n", StringComparison.Ordinal);
        if (blank < 0)
            return "";
        var start = blank + 2;
        var end = text.IndexOf('\n', start);
        var words = new StringBuilder();
        // As %s does: the first paragraph's lines in one.
        while (start < text.Length)
        {
            var line = text[start..(end < 0 ? text.Length : end)].Trim(' ');
            if (line.Length == 0 || end < 0)
                break;
            words.Append(words.Length > 0 ? " " : "").Append(line);
            start = end + 1;
            end = text.IndexOf('\n', start);
        }
        return words.ToString();
    }

    private byte[] Run(string[] arguments, string doing)
    {
        var output = TryRun(arguments, out var error);
        return output ?? throw new CheckException($"{doing}: {error}");
    }

    private byte[]? TryRun(string[] arguments, out string error)
    {
        var start = new ProcessStartInfo("git", ["-C", folder, "--no-pager", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        try
        {
            using var git = Process.Start(start)!;
            var errors = git.StandardError.ReadToEndAsync();
            using var bytes = new MemoryStream();
            git.StandardOutput.BaseStream.CopyTo(bytes);
            git.WaitForExit();
            error = errors.GetAwaiter().GetResult().Trim();
            return git.ExitCode == 0 ? bytes.ToArray() : null;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new CheckException($"cannot run git: {e.Message}", CheckException.Environment);
        }
    }
}
