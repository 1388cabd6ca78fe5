using Gauntlet.Guests.Sources;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Bisecting;

/// <summary>What a search goes through, from a good end to a bad one. A step's name is the same wherever it is spoken of.</summary>
public abstract class BisectHistory
{
    /// <summary>What a step is, for messages.</summary>
    public abstract string Noun { get; }

    /// <summary>The step that a user names.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public abstract Task<string> FindAsync(string named, CancellationToken cancellation);

    /// <summary>Steps that could be the first bad one.</summary>
    /// <exception cref="UserException">The good one is not before the bad one.</exception>
    public abstract Task<int> CountAsync(string good, string bad, CancellationToken cancellation);

    /// <summary>The steps that are neither good nor behind the bad one, itself among them, in the order in which they are worth trying.</summary>
    /// <param name="goods">One or more.</param>
    public abstract Task<IReadOnlyList<string>> OpenAsync(string bad, IReadOnlyCollection<string> goods, CancellationToken cancellation);

    /// <summary>What is said of a step besides its name; empty: nothing.</summary>
    public abstract Task<string> SubjectAsync(string step, CancellationToken cancellation);

    /// <summary>A line that presents a step that was found.</summary>
    public abstract Task<string> PresentAsync(string step, CancellationToken cancellation);
}

/// <summary>Commits. Which is tried next is git's own choice (git-rev-list(1), <c>--bisect-all</c>), so that histories with merges are halved as git bisect does.</summary>
public sealed class CommitHistory(GitSource source) : BisectHistory
{
    public override string Noun => "commit";

    public override async Task<string> FindAsync(string named, CancellationToken cancellation) =>
        (await source.ResolveAsync(named, cancellation)).Commit ?? throw new UserException($"'{named}' is no commit.");

    public override async Task<int> CountAsync(string good, string bad, CancellationToken cancellation)
    {
        var between = (await source.LinesAsync(["rev-list", bad, "^" + good], cancellation)).Count;
        if (between == 0 || (await source.LinesAsync(["merge-base", "--all", good, bad], cancellation)).All(commit => commit != good))
            throw new UserException($"The good revision {good[..12]} is no ancestor of the bad one {bad[..12]}: there is nothing between them to search.");
        return between;
    }

    // Farthest from both ends first; with how far in parentheses behind it.
    public override async Task<IReadOnlyList<string>> OpenAsync(string bad, IReadOnlyCollection<string> goods, CancellationToken cancellation) =>
        [.. (await source.LinesAsync(["rev-list", "--bisect-all", bad, .. goods.Select(commit => "^" + commit)], cancellation)).Select(line => line.Split(' ')[0])];

    public override async Task<string> SubjectAsync(string step, CancellationToken cancellation) =>
        (await source.LinesAsync(["log", "-1", "--format=%s", step], cancellation)).FirstOrDefault() ?? "";

    public override async Task<string> PresentAsync(string step, CancellationToken cancellation) =>
        (await source.LinesAsync(["log", "-1", "--format=%h %an, %as: %s", step], cancellation)).FirstOrDefault() ?? step;
}

/// <summary>An order that the user gives, such as kernels by their age.</summary>
/// <param name="noun">See <see cref="BisectHistory.Noun"/>.</param>
/// <param name="steps">Oldest first, none twice.</param>
public sealed class ListedHistory(string noun, IReadOnlyList<string> steps) : BisectHistory
{
    public override string Noun => noun;

    public override Task<string> FindAsync(string named, CancellationToken cancellation) =>
        steps.Contains(named) ? Task.FromResult(named) : throw new UserException($"'{named}' is none of the {noun}s: {string.Join(", ", steps)}.");

    public override Task<int> CountAsync(string good, string bad, CancellationToken cancellation) =>
        Position(good) < Position(bad) ? Task.FromResult(Position(bad) - Position(good))
            : throw new UserException($"The good {noun} {good} does not come before the bad one {bad}: there is nothing between them to search.");

    public override Task<IReadOnlyList<string>> OpenAsync(string bad, IReadOnlyCollection<string> goods, CancellationToken cancellation)
    {
        var first = goods.Max(Position) + 1;
        var count = Position(bad) + 1 - first;
        return Task.FromResult<IReadOnlyList<string>>(
            [.. Enumerable.Range(0, count).OrderByDescending(index => Math.Min(index + 1, count - index - 1)).Select(index => steps[first + index])]);
    }

    public override Task<string> SubjectAsync(string step, CancellationToken cancellation) => Task.FromResult("");

    public override Task<string> PresentAsync(string step, CancellationToken cancellation) => Task.FromResult(step);

    private int Position(string step) => steps.Index().First(entry => entry.Item == step).Index;
}
