using Gauntlet.Pipelines.GitTool;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Series;

/// <summary>
/// A private work tree to apply patches in: a clone that shares the repository's objects, so that nothing in it can change the repository. Only the files that
/// patches touch are written out (git-sparse-checkout(1)), so that it costs the same on a tree of ten files and of a hundred thousand. Removed when disposed.
/// </summary>
public sealed class ScratchTree : IDisposable
{
    private ScratchTree(string folder, Git git)
    {
        Folder = folder;
        Git = git;
    }

    public string Folder { get; }

    public Git Git { get; }

    /// <summary>The commit that patches go on.</summary>
    public required string Base { get; init; }

    /// <summary>Clones and checks out a commit.</summary>
    /// <param name="repository">Any repository on this machine.</param>
    /// <param name="revision">What to check out.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="present">Files that are written out from the beginning, as patterns of git-sparse-checkout(1); none when not given.</param>
    /// <exception cref="UserException">The repository or the revision does not exist.</exception>
    public static async Task<ScratchTree> CreateAsync(string repository, string revision, CancellationToken cancellation, params string[] present)
    {
        var source = new Git(repository);
        var resolved = await source.TryRunAsync(["rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"], default, cancellation);
        if (resolved.ExitStatus != 0)
            throw new UserException($"preparing a tree to apply to: {repository} is no git repository with a commit {revision}");

        var folder = Directory.CreateTempSubdirectory("gauntlet-scratch-").FullName;
        try
        {
            var root = (await source.RunAsync(["rev-parse", "--absolute-git-dir"], default, cancellation)).Text;
            await new Git(null).RunAsync(["clone", "--quiet", "--shared", "--no-checkout", "--no-tags", "--", root, folder], default, cancellation);
            var git = new Git(folder) { Committer = ("Gauntlet", "gauntlet@localhost") };
            await git.RunAsync(["config", "core.sparseCheckout", "true"], default, cancellation);
            await git.RunAsync(["config", "core.sparseCheckoutCone", "false"], default, cancellation);
            Directory.CreateDirectory(Path.Combine(folder, ".git", "info"));
            await File.WriteAllTextAsync(Path.Combine(folder, ".git", "info", "sparse-checkout"), string.Join('\n', ["!/*", .. present, ""]), cancellation);
            // What is archived of it is what is in the commit, whatever its own attributes say.
            await File.WriteAllTextAsync(Path.Combine(folder, ".git", "info", "attributes"), "* -export-ignore -export-subst\n", cancellation);
            await git.RunAsync(["checkout", "--quiet", "--detach", resolved.Text], default, cancellation);
            return new ScratchTree(folder, git) { Base = resolved.Text };
        }
        catch
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    /// <summary>The commit that is checked out.</summary>
    public async Task<string> HeadAsync(CancellationToken cancellation) => (await Git.RunAsync(["rev-parse", "HEAD"], default, cancellation)).Text;

    /// <summary>Applies one mail with <c>git am</c>; on failure the tree is as before and the result says what git said.</summary>
    public async Task<GitResult> ApplyAsync(byte[] mail, CancellationToken cancellation)
    {
        var (result, _) = await ApplyAsync(Git, [mail], cancellation);
        return result;
    }

    /// <summary>Applies mails in order with <c>git am</c>, with any committer and date; on failure the tree is as before.</summary>
    /// <returns>What git said, and how many mails went in before it failed.</returns>
    public static async Task<(GitResult Result, int Applied)> ApplyAsync(Git git, IReadOnlyList<byte[]> mails, CancellationToken cancellation)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-am-").FullName;
        try
        {
            var files = new List<string>();
            foreach (var mail in mails)
            {
                files.Add(Path.Combine(folder, $"{files.Count:d4}"));
                await File.WriteAllBytesAsync(files[^1], HasCrLfHeader(mail) ? WithoutCr(mail) : mail, cancellation);
            }

            var result = await git.TryRunAsync(["am", "--quiet", "--no-gpg-sign", "--keep-non-patch", "--keep-cr", "--patch-format=mbox", "--", .. files], default, cancellation);
            if (result.ExitStatus == 0)
                return (result, mails.Count);
            // rebase-apply/next counts from one.
            var next = Path.Combine(git.Folder!, ".git", "rebase-apply", "next");
            var applied = File.Exists(next) && int.TryParse(await File.ReadAllTextAsync(next, cancellation), out var number) ? number - 1 : 0;
            await git.TryRunAsync(["am", "--abort"], default, cancellation);
            return (result, Math.Clamp(applied, 0, mails.Count - 1));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Line ends of a mail that was stored as it travelled are CR LF throughout and mean nothing; in any other a CR is the file's own.
    private static bool HasCrLfHeader(byte[] mail) => mail.AsSpan().IndexOf((byte)'\n') is > 0 and var end && mail[end - 1] == '\r';

    private static byte[] WithoutCr(byte[] mail)
    {
        var kept = new MemoryStream(mail.Length);
        for (var i = 0; i < mail.Length; i++)
        {
            if (mail[i] != '\r' || i + 1 == mail.Length || mail[i + 1] != '\n')
                kept.WriteByte(mail[i]);
        }

        return kept.ToArray();
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
