using Gauntlet.Guests.Sources;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Bisecting;

/// <summary>What a commit came to.</summary>
public enum StepVerdict
{
    Good,
    Bad,

    /// <summary>It could not be built, or the host was at fault: it says nothing.</summary>
    Skipped,

    /// <summary>Its repetitions did not agree. Searched on as bad: what fails at times is not good.</summary>
    Flaky,
}

/// <summary>One commit that was tried.</summary>
/// <param name="Commit">Whole.</param>
/// <param name="Subject">Its title.</param>
/// <param name="Reason">Why it is not good.</param>
/// <param name="Left">Commits that could be the first bad one before it was tried.</param>
public sealed record BisectStep(string Commit, string Subject, StepVerdict Verdict, string? Reason, int Left);

/// <summary>What a search ended with.</summary>
/// <param name="Candidates">The first bad commit; several where skipped ones hide it.</param>
/// <param name="Steps">In the order tried.</param>
public sealed record BisectResult(IReadOnlyList<string> Candidates, IReadOnlyList<BisectStep> Steps)
{
    /// <summary>One commit, and nothing on the way that makes it doubtful.</summary>
    public bool Certain => Candidates.Count == 1 && Steps.All(step => step.Verdict != StepVerdict.Flaky);
}

/// <summary>
/// Finds the first bad commit between a good and a bad one. Which commit is tried next is git's own choice (git-rev-list(1), <c>--bisect-all</c>), so that histories with
/// merges are halved as git bisect does.
/// </summary>
/// <param name="tryCommit">Builds and runs one.</param>
/// <param name="told">Gets each step as it is done.</param>
public sealed class BisectSearch(GitSource source, Func<string, CancellationToken, Task<(StepVerdict Verdict, string? Reason)>> tryCommit, Action<BisectStep>? told = null)
{
    private readonly List<BisectStep> _steps = [];

    /// <exception cref="UserException">A revision does not exist, the ends are not good and bad, or not one before the other.</exception>
    public async Task<BisectResult> RunAsync(string good, string bad, CancellationToken cancellation)
    {
        var first = await CommitAsync(good, cancellation);
        var last = await CommitAsync(bad, cancellation);
        var between = (await source.LinesAsync(["rev-list", last, "^" + first], cancellation)).Count;
        if (between == 0 || (await source.LinesAsync(["merge-base", "--all", first, last], cancellation)).All(commit => commit != first))
            throw new UserException($"The good revision {good} is no ancestor of the bad one {bad}: there is nothing between them to search.");
        await ExpectAsync(first, StepVerdict.Good, "--good", good, between, cancellation);
        await ExpectAsync(last, StepVerdict.Bad, "--bad", bad, between, cancellation);
        var goods = new List<string> { first };
        var skipped = new HashSet<string>();
        while (true)
        {
            // Farthest from both ends first; with how far in parentheses behind it.
            var order = (await source.LinesAsync(["rev-list", "--bisect-all", last, .. goods.Select(commit => "^" + commit)], cancellation)).Select(line => line.Split(' ')[0]).ToList();
            var next = order.Find(commit => commit != last && !skipped.Contains(commit));
            if (next is null)
                return new BisectResult([.. order.Where(commit => commit == last || skipped.Contains(commit)).OrderBy(commit => commit == last ? 1 : 0)], _steps);
            switch (await StepAsync(next, order.Count, cancellation))
            {
                case StepVerdict.Good:
                    goods.Add(next);
                    break;
                case StepVerdict.Skipped:
                    skipped.Add(next);
                    break;
                default:
                    last = next;
                    break;
            }
        }
    }

    private async Task ExpectAsync(string commit, StepVerdict wanted, string option, string named, int left, CancellationToken cancellation)
    {
        var verdict = await StepAsync(commit, left, cancellation);
        var fits = verdict == wanted || (wanted == StepVerdict.Bad && verdict == StepVerdict.Flaky);
        if (!fits)
            throw new UserException($"The revision of {option}, {named}, is {verdict.ToString().ToLowerInvariant()}{(_steps[^1].Reason is { } reason ? $": {reason}" : "")}. A search needs one that is {wanted.ToString().ToLowerInvariant()}.", ExitCode.Failure);
    }

    private async Task<StepVerdict> StepAsync(string commit, int left, CancellationToken cancellation)
    {
        var (verdict, reason) = await tryCommit(commit, cancellation);
        var step = new BisectStep(commit, await SubjectAsync(commit, cancellation), verdict, reason, left);
        _steps.Add(step);
        told?.Invoke(step);
        return verdict;
    }

    private async Task<string> CommitAsync(string revision, CancellationToken cancellation) =>
        (await source.ResolveAsync(revision, cancellation)).Commit ?? throw new UserException($"'{revision}' is no commit.");

    private async Task<string> SubjectAsync(string commit, CancellationToken cancellation) =>
        (await source.LinesAsync(["log", "-1", "--format=%s", commit], cancellation)).FirstOrDefault() ?? "";
}
