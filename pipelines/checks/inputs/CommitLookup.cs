namespace Gauntlet.Pipelines.Checks.Inputs;

/// <summary>Asks a repository for commits, for each once. Several threads may ask.</summary>
internal sealed class CommitLookup
{
    /// <summary>Commits that a run asks for, each of which starts git; more are taken to be there.</summary>
    private const int MaxLookups = 1000;

    private readonly GitCommits _git;
    private readonly Dictionary<string, bool> _known = [];

    private CommitLookup(GitCommits git) => _git = git;

    /// <summary>
    /// The lookup that options lead to; null when there is no repository. checkpatch.pl knows no commit then, and with <see cref="CheckOptions.Legacy"/> neither do we.
    /// </summary>
    public static Predicate<string>? In(CheckOptions options)
    {
        if (options.Legacy && !Path.Exists(Environment.GetEnvironmentVariable("GIT_DIR") ?? ".git"))
            return _ => false;
        var repository = new Lazy<CommitLookup?>(() => new GitCommits(options.Folder) is var git && git.IsRepository() ? new CommitLookup(git) : null);
        return options.Tree || options.Legacy ? id => repository.Value?.Has(id) != false : null;
    }

    private bool Has(string id)
    {
        lock (_known)
        {
            if (!_known.TryGetValue(id, out var known))
                _known[id] = known = _known.Count >= MaxLookups || _git.HasCommit(id);
            return known;
        }
    }
}
