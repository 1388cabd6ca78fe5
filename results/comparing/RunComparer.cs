using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Results.Comparing;

/// <summary>Compares a run with an earlier one, or with what a branch last came to; jobs by their key, then their subtests by name.</summary>
public sealed class RunComparer(IStore store)
{
    /// <summary>Runs of a baseline branch that are looked at for jobs which its newest does not have: people run parts.</summary>
    private const int BaselineRuns = 10;

    /// <summary>Past results of a job that timings are taken from.</summary>
    private const int HistoryLength = 60;

    /// <summary>The differences between two runs.</summary>
    public RunDiff Compare(Run before, Run after) => Compare(before, after, Fold(store.GetResults(before.Id)), Fold(store.GetResults(after.Id)), gone: null);

    /// <summary>The differences between two values of an axis, in one run or in two: each job is compared with its counterpart.</summary>
    /// <param name="before">May be the same run as the later.</param>
    /// <param name="pairing">Reads it: gets the cells of both sides.</param>
    public RunDiff CompareCells(Run before, Run after, Func<IReadOnlyCollection<Cell>, IReadOnlyCollection<Cell>, CellPairing> pairing)
    {
        var earlier = store.GetResults(before.Id).ToList();
        var later = before.Id == after.Id ? earlier : store.GetResults(after.Id).ToList();
        var cellsBefore = CellsOf(earlier);
        var pair = pairing(cellsBefore, before.Id == after.Id ? cellsBefore : CellsOf(later));
        var (then, now) = (earlier.Where(result => pair.IsBefore(result.Job.Cell)), later.Where(result => pair.IsAfter(result.Job.Cell)));
        return Compare(before, after, Fold(then, pair.KeyAfter), Fold(now), gone: null) with { Pairing = pair };
    }

    private static HashSet<Cell> CellsOf(IEnumerable<JobResult> results) => [.. results.Select(result => result.Job.Cell)];

    /// <summary>The differences from a branch: each job is compared with its newest result there. Null when the branch has no run that has ended.</summary>
    public RunDiff? CompareWithBranch(string branch, Run after)
    {
        var runs = store.ListRuns(new RunFilter(BaselineRuns + 1, branch)).Where(run => run.Id != after.Id && run.State != RunState.Running).Take(BaselineRuns).ToList();
        if (runs.Count == 0)
            return null;

        var wanted = store.GetJobs(after.Id).Select(job => job.Key).ToHashSet(StringComparer.Ordinal);
        var baseline = Fold(store.GetResults(runs[0].Id));
        var gone = baseline.Keys.ToHashSet(StringComparer.Ordinal);
        foreach (var run in runs.Skip(1))
        {
            if (wanted.IsSubsetOf(baseline.Keys))
                break;
            foreach (var (key, outcome) in Fold(store.GetResults(run.Id)))
                baseline.TryAdd(key, outcome);
        }

        return Compare(runs[0], after, baseline, Fold(store.GetResults(after.Id)), gone);
    }

    /// <param name="gone">Keys that are reported when the later run lacks them; null: all.</param>
    private RunDiff Compare(Run beforeRun, Run afterRun, Dictionary<string, Outcome> before, Dictionary<string, Outcome> after, HashSet<string>? gone)
    {
        var changes = new List<Change>();
        int compared = 0, notReached = 0;
        foreach (var (key, now) in after)
        {
            if (!before.TryGetValue(key, out var then))
            {
                changes.Add(new Change(now.Verdict.IsFailure() ? ChangeKind.NewlyFailing : ChangeKind.New, key, null, null, now.Verdict, now.Reason));
                continue;
            }

            compared++;
            if (Classify(then.Verdict, now.Verdict) is { } kind)
                changes.Add(new Change(kind, key, null, then.Verdict, now.Verdict, now.Reason));
            if (now.Flaky && !then.Flaky)
                changes.Add(new Change(ChangeKind.NewlyFlaky, key, null, then.Verdict, now.Verdict, now.Reason));
            if (then.Verdict.WasExecuted() && now.Verdict.WasExecuted())
                notReached += CompareSubtests(key, then, now, changes);
            if (then.Verdict == Verdict.Pass && now.Verdict == Verdict.Pass && CompareTimings(then.JobKey, key, beforeRun, afterRun) is { } timing && (timing.IsSlower || timing.IsFaster))
                changes.Add(new Change(timing.IsSlower ? ChangeKind.Slower : ChangeKind.Faster, key, null, Verdict.Pass, Verdict.Pass, null, timing));
        }

        foreach (var (key, then) in before)
        {
            if (!after.ContainsKey(key) && (gone is null || gone.Contains(key)))
                changes.Add(new Change(ChangeKind.Gone, then.JobKey, null, then.Verdict, null, then.Reason));
        }

        return new RunDiff(beforeRun, afterRun, changes.OrderBy(change => change.Kind).ToList(), compared, notReached);
    }

    private static int CompareSubtests(string key, Outcome then, Outcome now, List<Change> changes)
    {
        foreach (var (name, subtest) in now.Subtests)
        {
            Verdict? was = then.Subtests.TryGetValue(name, out var earlier) ? earlier.Verdict : null;
            var kind = was is { } verdict ? Classify(verdict, subtest.Verdict) : subtest.Verdict.IsFailure() ? ChangeKind.NewlyFailing : ChangeKind.New;

            // A case that never ran so far, or grew out of a crash, has only new subtests; the job's own line says enough.
            if (kind is { } found && !(found == ChangeKind.New && then.Subtests.Count == 0))
                changes.Add(new Change(found, key, name, was, subtest.Verdict, subtest.Detail));
        }

        var missing = then.Subtests.Where(subtest => !now.Subtests.ContainsKey(subtest.Key)).ToList();
        if (now.Verdict is Verdict.Crash or Verdict.Timeout)
            return missing.Count;
        changes.AddRange(missing.Select(subtest => new Change(ChangeKind.Gone, key, subtest.Key, subtest.Value.Verdict, null, subtest.Value.Detail)));
        return 0;
    }

    /// <summary>Null: nothing to tell.</summary>
    private static ChangeKind? Classify(Verdict before, Verdict after)
    {
        if (after.IsFailure())
            return before.IsFailure() ? ChangeKind.StillFailing : ChangeKind.NewlyFailing;
        return (before, after) switch
        {
            (Verdict.InfraError, Verdict.InfraError) => null,
            (_, Verdict.InfraError) => ChangeKind.NotJudged,
            (Verdict.Skip, Verdict.Skip) => null,
            (_, Verdict.Skip) => ChangeKind.NewlySkipped,
            (Verdict.Skip, _) => ChangeKind.NoLongerSkipped,
            (Verdict.KnownFail, Verdict.Pass) => ChangeKind.Fixed,
            _ => before.IsFailure() && after == Verdict.Pass ? ChangeKind.Fixed : null,
        };
    }

    /// <summary>
    /// Before: passes up to the earlier run, on its branch. After: passes of the later run, and those before it of the same branch and revision. Of cells only what these two
    /// runs came to: under a name such as gvmm@HEAD an earlier run had something else.
    /// </summary>
    private TimingComparison? CompareTimings(string keyBefore, string key, Run before, Run after)
    {
        var history = store.GetHistory(key, HistoryLength);
        if (keyBefore != key)
            return TimingComparison.Of(Passes(store.GetHistory(keyBefore, HistoryLength).Where(entry => entry.RunId == before.Id)), Passes(history.Where(entry => entry.RunId == after.Id)));
        var past = history.SkipWhile(entry => entry.RunId != before.Id).Where(entry => entry.Branch == before.Branch).ToList();
        if (past.Count == 0)
            past = history.Where(entry => entry.Branch == before.Branch && entry.RunId != after.Id).ToList();

        var earlier = past.Select(entry => entry.RunId).ToHashSet(StringComparer.Ordinal);
        var present = history.Where(entry => entry.RunId == after.Id
            || (after.Revision is not null && entry.Revision == after.Revision && entry.Branch == after.Branch && !earlier.Contains(entry.RunId)));
        return TimingComparison.Of(Passes(past), Passes(present));
    }

    private static List<double> Passes(IEnumerable<HistoryEntry> entries) => entries.Where(entry => entry.Verdict == Verdict.Pass).Select(entry => entry.CpuSeconds).ToList();

    /// <summary>One outcome for each job: of its repetitions the worst that was executed.</summary>
    /// <param name="keyOf">What it is joined on; null: its key.</param>
    private static Dictionary<string, Outcome> Fold(IEnumerable<JobResult> results, Func<Job, string>? keyOf = null)
    {
        var outcomes = new Dictionary<string, Outcome>(StringComparer.Ordinal);
        foreach (var result in results)
        {
            var key = keyOf?.Invoke(result.Job) ?? result.Job.Key;
            if (!outcomes.TryGetValue(key, out var earlier))
                outcomes[key] = Outcome.Of(result);
            else
                outcomes[key] = (Worse(result.Verdict, earlier.Verdict) ? Outcome.Of(result) : earlier) with { Flaky = earlier.Flaky || result.Flaky || Disagree(result.Verdict, earlier.Verdict) };
        }

        return outcomes;
    }

    private static bool Worse(Verdict verdict, Verdict than) =>
        verdict.WasExecuted() == than.WasExecuted() ? Reports.VerdictSymbol.Worst([verdict, than]) == verdict && verdict != than : verdict.WasExecuted();

    private static bool Disagree(Verdict one, Verdict other) => one.WasExecuted() && other.WasExecuted() && one.IsFailure() != other.IsFailure();

    private sealed record Outcome(string JobKey, Verdict Verdict, string? Reason, bool Flaky, IReadOnlyDictionary<string, Subtest> Subtests)
    {
        public static Outcome Of(JobResult result)
        {
            var subtests = new Dictionary<string, Subtest>(StringComparer.Ordinal);
            var count = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var subtest in result.Attempts.Count > 0 ? result.Attempts[^1].Subtests : [])
            {
                var number = count[subtest.Name] = count.GetValueOrDefault(subtest.Name) + 1;
                subtests.TryAdd(number == 1 ? subtest.Name : $"{subtest.Name} ({number})", subtest);
            }

            return new Outcome(result.Job.Key, result.Verdict, result.Reason, result.Flaky, subtests);
        }
    }
}
