using Gauntlet.Terminal;

namespace Gauntlet.Harness.Bisecting;

/// <summary>What a step came to.</summary>
public enum StepVerdict
{
    Good,
    Bad,

    /// <summary>It could not be built or booted, or the host was at fault: it says nothing.</summary>
    Skipped,

    /// <summary>Its repetitions did not agree. Searched on as bad: what fails at times is not good.</summary>
    Flaky,
}

/// <summary>One step that was tried.</summary>
/// <param name="Name">A commit, whole; a kernel as it was named.</param>
/// <param name="Subject">A commit's title; else empty.</param>
/// <param name="Reason">Why it is not good.</param>
/// <param name="Left">Steps that could be the first bad one before it was tried.</param>
public sealed record BisectStep(string Name, string Subject, StepVerdict Verdict, string? Reason, int Left);

/// <summary>What a search ended with.</summary>
/// <param name="Candidates">The first bad step; several where skipped ones hide it.</param>
/// <param name="Steps">In the order tried.</param>
public sealed record BisectResult(IReadOnlyList<string> Candidates, IReadOnlyList<BisectStep> Steps)
{
    /// <summary>One, and nothing on the way that makes it doubtful.</summary>
    public bool Certain => Candidates.Count == 1 && Steps.All(step => step.Verdict != StepVerdict.Flaky);
}

/// <summary>Finds the first bad step between a good and a bad one.</summary>
/// <param name="tryStep">Builds and runs one.</param>
/// <param name="told">Gets each step as it is done.</param>
public sealed class BisectSearch(BisectHistory history, Func<string, CancellationToken, Task<(StepVerdict Verdict, string? Reason)>> tryStep, Action<BisectStep>? told = null)
{
    private readonly List<BisectStep> _steps = [];

    /// <exception cref="UserException">An end does not exist, the ends are not good and bad, or not one before the other.</exception>
    public async Task<BisectResult> RunAsync(string good, string bad, CancellationToken cancellation)
    {
        var first = await history.FindAsync(good, cancellation);
        var last = await history.FindAsync(bad, cancellation);
        var between = await history.CountAsync(first, last, cancellation);
        await ExpectAsync(first, StepVerdict.Good, good, between, cancellation);
        await ExpectAsync(last, StepVerdict.Bad, bad, between, cancellation);
        var goods = new List<string> { first };
        var skipped = new HashSet<string>();
        while (true)
        {
            var order = await history.OpenAsync(last, goods, cancellation);
            var next = order.FirstOrDefault(step => step != last && !skipped.Contains(step));
            if (next is null)
                return new BisectResult([.. order.Where(step => step == last || skipped.Contains(step)).OrderBy(step => step == last ? 1 : 0)], _steps);
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

    private async Task ExpectAsync(string step, StepVerdict wanted, string named, int left, CancellationToken cancellation)
    {
        var verdict = await StepAsync(step, left, cancellation);
        var fits = verdict == wanted || (wanted == StepVerdict.Bad && verdict == StepVerdict.Flaky);
        if (!fits)
        {
            var reason = _steps[^1].Reason is { } why ? $": {why}" : "";
            throw new UserException($"{named}, given as --{Text(wanted)}, is {Text(verdict)}{reason}. A search needs a {history.Noun} there that is {Text(wanted)}.", ExitCode.Failure);
        }
    }

    private static string Text(StepVerdict verdict) => verdict.ToString().ToLowerInvariant();

    private async Task<StepVerdict> StepAsync(string name, int left, CancellationToken cancellation)
    {
        var (verdict, reason) = await tryStep(name, cancellation);
        var step = new BisectStep(name, await history.SubjectAsync(name, cancellation), verdict, reason, left);
        _steps.Add(step);
        told?.Invoke(step);
        return verdict;
    }
}
