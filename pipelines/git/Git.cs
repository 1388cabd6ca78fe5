using System.Diagnostics;
using System.Text;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.GitTool;

/// <summary>What a git command printed.</summary>
/// <param name="ExitStatus">0: success, for most commands.</param>
/// <param name="Output">Standard output, as bytes: names and mails need not be UTF-8.</param>
/// <param name="Error">Standard error.</param>
public sealed record GitResult(int ExitStatus, byte[] Output, string Error)
{
    /// <summary>Output as text, without the last line end.</summary>
    public string Text => Encoding.UTF8.GetString(Output).TrimEnd('\n');
}

/// <summary>
/// Runs git on one repository or none, closed against what a repository or a mail could bring: no hooks, no system or user configuration, no
/// protocol but local files, no prompt, no editor, no pager, no external diff or filter.
/// </summary>
/// <param name="folder">Working directory; null: the temporary folder, for commands that need no repository.</param>
public sealed class Git(string? folder)
{
    /// <summary>Standard output above it ends the command with an error.</summary>
    public const int MaxOutputBytes = 512 << 20;

    private static readonly string[] Closed =
    [
        "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never", "-c", "protocol.file.allow=always",
        "-c", "core.attributesFile=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false",
        "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true", "-c", "submodule.recurse=false", "-c", "am.messageid=false",
    ];

    public string? Folder { get; } = folder;

    /// <summary>Identity for commits that git makes here; patches keep their authors. Null: whatever the repository says.</summary>
    public (string Name, string Address)? Committer { get; init; }

    /// <summary>Author of commits made here that have none of their own; its date is <see cref="AuthorDate"/>. Null: whatever git makes of it.</summary>
    public (string Name, string Address)? Author { get; init; }

    /// <summary>Null: the committer's.</summary>
    public string? AuthorDate { get; init; }

    /// <summary>Committer date of commits that git makes here, so that the same work gives the same commits; null: now.</summary>
    public string? CommitterDate { get; init; }

    /// <summary>Runs it; the caller looks at the status.</summary>
    /// <param name="arguments">After <c>git</c>.</param>
    /// <param name="input">Standard input; empty: closed at once.</param>
    /// <param name="cancellation">Ends git.</param>
    public async Task<GitResult> TryRunAsync(IEnumerable<string> arguments, ReadOnlyMemory<byte> input = default, CancellationToken cancellation = default)
    {
        var start = new ProcessStartInfo("git", [.. Closed, .. arguments])
        {
            WorkingDirectory = Folder ?? Path.GetTempPath(),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
        };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("GIT_", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        start.Environment["GIT_CONFIG_NOSYSTEM"] = "1";
        start.Environment["GIT_CONFIG_GLOBAL"] = "/dev/null";
        start.Environment["GIT_TERMINAL_PROMPT"] = "0";
        start.Environment["GIT_EDITOR"] = "false";
        start.Environment["GIT_PAGER"] = "cat";
        start.Environment["LC_ALL"] = "C.UTF-8";
        if (Committer is var (committerName, address))
        {
            start.Environment["GIT_COMMITTER_NAME"] = committerName;
            start.Environment["GIT_COMMITTER_EMAIL"] = address;
        }

        if (CommitterDate is not null)
            start.Environment["GIT_COMMITTER_DATE"] = CommitterDate;
        if (Author is var (authorName, authorAddress))
        {
            start.Environment["GIT_AUTHOR_NAME"] = authorName;
            start.Environment["GIT_AUTHOR_EMAIL"] = authorAddress;
            if ((AuthorDate ?? CommitterDate) is { } date)
                start.Environment["GIT_AUTHOR_DATE"] = date;
        }

        using var process = StartGit(start);
        try
        {
            var output = ReadBoundedAsync(process.StandardOutput.BaseStream, cancellation);
            var error = process.StandardError.ReadToEndAsync(cancellation);
            await FeedAsync(process, input, cancellation);
            var bytes = await output;
            await process.WaitForExitAsync(cancellation);
            return new GitResult(process.ExitCode, bytes, (await error).TrimEnd());
        }
        catch
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <summary>Runs it and expects success.</summary>
    /// <exception cref="GitException">It failed; the message holds what git said.</exception>
    public async Task<GitResult> RunAsync(IEnumerable<string> arguments, ReadOnlyMemory<byte> input = default, CancellationToken cancellation = default)
    {
        var list = arguments.ToArray();
        var result = await TryRunAsync(list, input, cancellation);
        return result.ExitStatus == 0
            ? result
            : throw new GitException($"git {string.Join(' ', list)} in {Folder ?? "no repository"} failed with status {result.ExitStatus}: {FirstLines(result.Error)}");
    }

    private static Process StartGit(ProcessStartInfo start)
    {
        if (!Directory.Exists(start.WorkingDirectory))
            throw new UserException($"looking for a git repository: there is no folder {start.WorkingDirectory}");
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new UserException("starting git: there is no git on PATH; install the package git", ExitCode.Environment, exception);
        }
    }

    private static async Task FeedAsync(Process process, ReadOnlyMemory<byte> input, CancellationToken cancellation)
    {
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(input, cancellation);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading to the end: its status says why.
        }
    }

    private static async Task<byte[]> ReadBoundedAsync(Stream stream, CancellationToken cancellation)
    {
        var kept = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count; (count = await stream.ReadAsync(buffer, cancellation)) > 0;)
        {
            if (kept.Length + count > MaxOutputBytes)
                throw new GitException($"git printed more than {MaxOutputBytes >> 20} MiB");
            kept.Write(buffer, 0, count);
        }

        return kept.ToArray();
    }

    private static string FirstLines(string text) => string.Join(" / ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(5));
}

/// <summary>A git command failed that should not have.</summary>
public sealed class GitException(string message) : IOException(message);
