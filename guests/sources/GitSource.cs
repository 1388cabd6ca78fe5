using System.Security.Cryptography;
using System.Text;
using Gauntlet.Guests.Images;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Sources;

/// <summary>Sources at a revision: the tree that a build is of.</summary>
/// <param name="Commit">Whole; null: a tree with changes that are not committed.</param>
/// <param name="Tree">git's object name of the tree: equal for equal sources.</param>
public sealed record SourceRevision(string? Commit, string Tree)
{
    /// <summary>For people.</summary>
    public override string ToString() => Commit is null ? $"uncommitted {Tree[..12]}" : Commit[..12];
}

/// <summary>
/// A git checkout whose revisions are built. It is only read: what is built is a copy, and what is being edited stays as it is. A folder that is no checkout, as a
/// distribution's source package, has no revisions but the files as they are: their objects go to a repository elsewhere.
/// </summary>
/// <param name="folder">Any folder in it.</param>
/// <param name="trees">Where repositories for folders without one are kept; null: in the user's cache folder.</param>
public sealed class GitSource(string folder, string? trees = null)
{
    private const string Hint = "Install it: apt-get install git";

    // Of git, where the folder has no repository of its own.
    private IReadOnlyDictionary<string, string>? _elsewhere;

    public string Folder => folder;

    /// <summary>A commit, tag, branch, <c>HEAD~3</c>; null or empty: the files as they are, also uncommitted and untracked ones that are not ignored.</summary>
    /// <exception cref="UserException">There is no such revision, or this is no checkout.</exception>
    public async Task<SourceRevision> ResolveAsync(string? revision, CancellationToken cancellation)
    {
        if (_elsewhere is null && await TryAsync(["rev-parse", "--git-dir"], cancellation) is null)
            _elsewhere = await ElsewhereAsync(cancellation);
        if (string.IsNullOrEmpty(revision))
            return await AsItIsAsync(cancellation);
        var commit = await TryAsync(["rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"], cancellation)
            ?? throw new UserException($"'{revision}' is no revision of the git checkout {folder}.");
        return new SourceRevision(commit, await LineAsync(["rev-parse", commit + "^{tree}"], cancellation));
    }

    /// <summary>Writes a revision's files to a folder, without a repository.</summary>
    public async Task ExtractAsync(SourceRevision revision, string target, CancellationToken cancellation)
    {
        Directory.CreateDirectory(target);
        var archive = Path.Combine(target, ".archive.tar");
        try
        {
            await RunAsync(["archive", "--format=tar", "-o", archive, revision.Tree], cancellation);
            await ExternalTool.RunAsync(["tar", "-x", "-f", archive, "-C", target], "Install it: apt-get install tar", cancellation);
        }
        finally
        {
            File.Delete(archive);
        }
    }

    /// <summary>Lines of a git command.</summary>
    public async Task<IReadOnlyList<string>> LinesAsync(IReadOnlyList<string> arguments, CancellationToken cancellation) =>
        Encoding.UTF8.GetString(await RunAsync(arguments, cancellation)).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    // By an index of its own: the user's keeps what is staged there.
    private async Task<SourceRevision> AsItIsAsync(CancellationToken cancellation)
    {
        var index = Path.Combine(Path.GetTempPath(), $"gauntlet-index-{Guid.NewGuid():n}");
        var variables = new Dictionary<string, string> { ["GIT_INDEX_FILE"] = index };
        try
        {
            var top = await LineAsync(["rev-parse", "--show-toplevel"], cancellation);
            var head = await TryAsync(["rev-parse", "--verify", "--quiet", "HEAD"], cancellation);
            if (head is not null)
                await RunAsync(["read-tree", "HEAD"], cancellation, variables);
            await RunAsync(["-C", top, "add", "--all", "."], cancellation, variables);
            var tree = Encoding.UTF8.GetString(await RunAsync(["write-tree"], cancellation, variables)).Trim();
            var clean = head is not null && await LineAsync(["rev-parse", "HEAD^{tree}"], cancellation) == tree;
            return new SourceRevision(clean ? head : null, tree);
        }
        finally
        {
            File.Delete(index);
        }
    }

    private async Task<IReadOnlyDictionary<string, string>> ElsewhereAsync(CancellationToken cancellation)
    {
        var full = Path.GetFullPath(folder);
        var repository = Path.Combine(trees ?? UserCache.Folder("trees"), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(full)))[..16]);
        if (!Directory.Exists(repository))
            await ExternalTool.RunAsync(["git", "init", "--quiet", "--bare", Directory.CreateDirectory(repository).FullName], Hint, cancellation);
        return new Dictionary<string, string> { ["GIT_DIR"] = repository, ["GIT_WORK_TREE"] = full };
    }

    private async Task<string?> TryAsync(IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        if (!Directory.Exists(folder))
            throw new UserException($"There is no folder '{folder}' to take sources from.");
        try
        {
            return await LineAsync(arguments, cancellation);
        }
        catch (UserException e) when (e.Message.Contains("ended with status", StringComparison.Ordinal))
        {
            return null;
        }
    }

    private async Task<string> LineAsync(IReadOnlyList<string> arguments, CancellationToken cancellation) => Encoding.UTF8.GetString(await RunAsync(arguments, cancellation)).Trim();

    private async Task<byte[]> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellation, IReadOnlyDictionary<string, string>? variables = null) =>
        await ExternalTool.RunAsync(
            ["git", "-C", folder, .. arguments], Hint, cancellation, variables: new Dictionary<string, string>((_elsewhere ?? new Dictionary<string, string>()).Concat(variables ?? new Dictionary<string, string>())));
}
