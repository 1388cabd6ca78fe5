using Gauntlet.Pipelines.GitTool;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Series;

/// <summary>
/// Where mails come from: an mbox, a maildir, a public-inbox clone, a folder of <c>.patch</c> and <c>.eml</c> files, one such file, standard input, a range of commits, or a branch.
/// </summary>
public static class MailSource
{
    /// <summary>Mails that one import reads; more end in an error that says so.</summary>
    public const int MaxMails = 200_000;

    /// <summary>Reads all mails of several sources, one after the other; the rest as <see cref="ReadAsync"/>.</summary>
    public static async Task<IReadOnlyList<Mail>> ReadAllAsync(IEnumerable<string> sources, string? repository, Stream standardInput, CancellationToken cancellation)
    {
        var mails = new List<Mail>();
        foreach (var source in sources)
        {
            mails.AddRange(await ReadAsync(source, repository, standardInput, cancellation));
            Bound(mails.Count, source);
        }

        return mails;
    }

    /// <summary>Reads all mails of a source, in its order.</summary>
    /// <param name="source">A path, <c>-</c>, or a range <c>base..tip</c> or a branch of <paramref name="repository"/>.</param>
    /// <param name="repository">The git repository that a range is of.</param>
    /// <param name="standardInput">What <c>-</c> reads.</param>
    /// <param name="cancellation">Ends reading.</param>
    /// <exception cref="UserException">There is no such source, or it is none of these.</exception>
    public static async Task<IReadOnlyList<Mail>> ReadAsync(string source, string? repository, Stream standardInput, CancellationToken cancellation)
    {
        if (source == "-")
        {
            var buffer = new MemoryStream();
            await standardInput.CopyToAsync(buffer, cancellation);
            return await SplitMboxAsync(buffer.ToArray(), "standard input", cancellation);
        }

        if (Directory.Exists(source))
        {
            if (Directory.Exists(Path.Combine(source, "cur")) || Directory.Exists(Path.Combine(source, "new")))
                return await SplitFilesAsync(source, "maildir", [source], cancellation);
            return await IsPublicInboxAsync(source, cancellation)
                ? await ReadPublicInboxAsync(source, cancellation)
                : ReadFolder(source);
        }

        if (File.Exists(source))
        {
            var bytes = ReadFile(source);
            return bytes.AsSpan().StartsWith("From "u8)
                ? await SplitMboxAsync(bytes, Path.GetFileName(source), cancellation)
                : [new Mail(bytes, source)];
        }

        if (source.Contains("..", StringComparison.Ordinal))
            return await ReadRangeAsync(source, repository, cancellation);
        if (await BranchRangeAsync(source, repository, cancellation) is { } range)
            return await ReadRangeAsync(range, repository, cancellation);
        throw new UserException($"reading patches from '{source}': it is no file, no folder, no range of commits (base..tip) and no branch with a branch to compare with");
    }

    /// <summary>What a branch has beyond the one that it follows: its upstream, else the remote's main branch, else the local one.</summary>
    private static async Task<string?> BranchRangeAsync(string branch, string? repository, CancellationToken cancellation)
    {
        var git = new Git(repository ?? Environment.CurrentDirectory);
        if ((await git.TryRunAsync(["rev-parse", "--verify", "--quiet", "--end-of-options", $"refs/heads/{branch}"], default, cancellation)).ExitStatus != 0)
            return null;
        foreach (var below in (string[])[$"{branch}@{{upstream}}", "refs/remotes/origin/HEAD", "refs/heads/master", "refs/heads/main"])
        {
            if (below == $"refs/heads/{branch}")
                continue;
            var start = await git.TryRunAsync(["merge-base", below, $"refs/heads/{branch}"], default, cancellation);
            if (start.ExitStatus == 0)
                return $"{start.Text}..refs/heads/{branch}";
        }

        return null;
    }

    private static async Task<IReadOnlyList<Mail>> SplitMboxAsync(byte[] mbox, string name, CancellationToken cancellation)
    {
        if (mbox.Length == 0)
            return [];
        if (!mbox.AsSpan().StartsWith("From "u8))
            return [new Mail(mbox, name)];
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(file, mbox, cancellation);
            return await SplitFilesAsync(name, "mail", [file], cancellation);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary><c>git mailsplit</c> knows mboxes and maildirs.</summary>
    private static async Task<IReadOnlyList<Mail>> SplitFilesAsync(string name, string kind, string[] paths, CancellationToken cancellation)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-split-");
        try
        {
            // --keep-cr: what the sender sent decides, not this tool; a CRLF patch is then seen as one.
            var absolute = paths.Select(Path.GetFullPath);
            var result = await new Git(null).TryRunAsync(["mailsplit", "-b", "--keep-cr", "-d8", "-o" + folder.FullName, "--", .. absolute], default, cancellation);
            if (result.ExitStatus != 0)
                throw new UserException($"reading {kind} {name}: git mailsplit found no mails in it ({result.Error.Trim()})");
            var files = folder.GetFiles();
            Bound(files.Length, name);
            return [.. files.OrderBy(file => file.Name, StringComparer.Ordinal).Select((file, index) => new Mail(ReadFile(file.FullName), $"{name}, mail {index + 1}"))];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Mail[] ReadFolder(string folder)
    {
        var files = Directory.EnumerateFiles(folder)
            .Where(file => Path.GetExtension(file) is ".patch" or ".eml" or ".diff" or ".mbox" or ".txt")
            .Order(StringComparer.Ordinal)
            .ToArray();
        if (files.Length == 0)
            throw new UserException($"reading patches from {folder}: it is no maildir and no public-inbox clone, and holds no .patch or .eml file");
        Bound(files.Length, folder);
        return [.. files.Select(file => new Mail(ReadFile(file), file))];
    }

    // public-inbox v2: one commit a mail, the mail in the file "m" (public-inbox-v2-format(5)).
    private static async Task<bool> IsPublicInboxAsync(string folder, CancellationToken cancellation) =>
        (await new Git(folder).TryRunAsync(["cat-file", "-e", "HEAD:m"], default, cancellation)).ExitStatus == 0;

    private static async Task<IReadOnlyList<Mail>> ReadPublicInboxAsync(string folder, CancellationToken cancellation)
    {
        var git = new Git(folder);
        var commits = (await git.RunAsync(["rev-list", "--reverse", $"--max-count={MaxMails + 1}", "HEAD", "--", "m"], default, cancellation)).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Bound(commits.Length, folder);
        var input = System.Text.Encoding.ASCII.GetBytes(string.Concat(commits.Select(commit => commit + ":m\n")));
        var output = (await git.RunAsync(["cat-file", "--batch"], input, cancellation)).Output;
        var mails = new List<Mail>();
        var position = 0;
        foreach (var commit in commits)
        {
            // "<sha> blob <size>\n<bytes>\n", or "<name> missing\n" for a mail that was removed.
            var lineEnd = output.AsSpan(position).IndexOf((byte)'\n');
            var words = System.Text.Encoding.ASCII.GetString(output, position, lineEnd).Split(' ');
            position += lineEnd + 1;
            if (words is not [_, "blob", var size])
                continue;
            var length = int.Parse(size);
            mails.Add(new Mail(output.AsSpan(position, length).ToArray(), $"{folder} {commit[..12]}"));
            position += length + 1;
        }

        return mails;
    }

    private static async Task<IReadOnlyList<Mail>> ReadRangeAsync(string range, string? repository, CancellationToken cancellation)
    {
        // An identity for the Message-IDs that format-patch makes up, so that a repository without one can be read.
        var git = new Git(repository ?? Environment.CurrentDirectory) { Committer = ("Gauntlet", "gauntlet@localhost") };
        // One sender for all, as git send-email would: the newest commit's author. Other authors are then named inside their patches.
        var sender = await git.TryRunAsync(["log", "-1", "--format=%an <%ae>", "--end-of-options", range], default, cancellation);
        var result = await git.TryRunAsync(["format-patch", "--stdout", "--thread=shallow", "--no-signature", "--from=" + sender.Text, "--end-of-options", range], default, cancellation);
        if (result.ExitStatus != 0)
            throw new UserException($"reading the commits {range}: git said: {result.Error}");
        return result.Output.Length == 0
            ? throw new UserException($"reading the commits {range}: the range is empty")
            : await SplitMboxAsync(result.Output, range, cancellation);
    }

    private static byte[] ReadFile(string path)
    {
        var length = new FileInfo(path).Length;
        return length <= Mail.MaxBytes
            ? File.ReadAllBytes(path)
            : throw new UserException($"reading {path}: {length >> 20} MiB where a mail or mbox has at most {Mail.MaxBytes >> 20}");
    }

    private static void Bound(int count, string name)
    {
        if (count > MaxMails)
            throw new UserException($"reading {name}: more than {MaxMails} mails; import a part of it");
    }
}
