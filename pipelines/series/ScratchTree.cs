using Gauntlet.Pipelines.GitTool;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Series;

/// <summary>
/// A private work tree to apply patches in: a clone that shares the repository's objects, so that it costs a checkout and nothing more, and nothing in it can
/// change the repository. Removed when disposed.
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
    /// <exception cref="UserException">The repository or the revision does not exist.</exception>
    public static async Task<ScratchTree> CreateAsync(string repository, string revision, CancellationToken cancellation)
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
    public Task<GitResult> ApplyAsync(byte[] mail, CancellationToken cancellation) => ApplyAsync(Git, mail, cancellation);

    /// <summary>As <see cref="ApplyAsync(byte[], CancellationToken)"/>, with another committer or date on the same folder.</summary>
    public static async Task<GitResult> ApplyAsync(Git git, byte[] mail, CancellationToken cancellation)
    {
        var result = await git.TryRunAsync(["am", "--quiet", "--no-gpg-sign", "--keep-non-patch", HasCrLfHeader(mail) ? "--no-keep-cr" : "--keep-cr"], mail, cancellation);
        if (result.ExitStatus != 0)
            await git.TryRunAsync(["am", "--abort"], default, cancellation);
        return result;
    }

    // Line ends of a mail that was stored as it travelled are CR LF throughout and mean nothing; in any other a CR is the file's own.
    private static bool HasCrLfHeader(byte[] mail) => mail.AsSpan().IndexOf((byte)'\n') is > 0 and var end && mail[end - 1] == '\r';

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
