using Gauntlet.Pipelines.GitTool;
using Gauntlet.Pipelines.Series;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Gate;

/// <summary>
/// Serves the queue of one target: tests each series on top of those before it, several at once, and merges exactly what was tested, in order.
/// </summary>
/// <remarks>
/// <para>Nothing of its state is in memory only: each round reads the target and the queue anew, builds the chain of candidates, and takes one decision about the
/// first of them. Candidates and verdicts that are known already cost nothing, so a round after a crash goes on where the last one stopped.</para>
/// <para>A series is judged only when all that lies below it is merged. One that failed on top of others is left out of the chain, so that those behind are
/// tested without it, and is tested again once it is first: nobody is blamed for another's failure.</para>
/// <para>The target is moved by compare-and-swap, after the intent was written down. If it moved by itself the round begins anew; it is never forced.</para>
/// </remarks>
public sealed class GateRunner(string repository, string target, GateQueue queue, SeriesStore series, GateEnvironment environment, Action<string> log)
{
    private static readonly TimeSpan IdlePeriod = TimeSpan.FromSeconds(2);

    private readonly Git _git = new(repository);
    private readonly Dictionary<TestKey, Task<GateRecord>> _tests = [];
    private readonly Dictionary<TestKey, CancellationTokenSource> _testEnds = [];

    /// <summary>What was tested, by which rules.</summary>
    private readonly record struct TestKey(string Tip, string Pipeline)
    {
        public static TestKey Of(GateCandidate candidate, GatePipeline pipeline) => new(candidate.Tip, pipeline.Hash);
    }

    /// <summary>What was settled, as it happens: entry, record, for reports.</summary>
    public event Action<GateEntry, GateRecord?>? Settled;

    /// <summary>Works until the queue is empty, or for ever.</summary>
    /// <param name="untilEmpty">Return once nothing waits that could be worked on.</param>
    /// <param name="cancellation">Ends it at the next safe point.</param>
    /// <exception cref="UserException">The target cannot be gated: missing, checked out, without a pipeline, or another gate serves it.</exception>
    public async Task RunAsync(bool untilEmpty, CancellationToken cancellation)
    {
        await RefuseCheckedOutAsync(cancellation);
        using var turn = await LockAsync(cancellation);
        GateChain? chain = null;
        MergeMethod? method = null;
        try
        {
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                var tip = await ResolveTargetAsync(cancellation);
                await RecoverAsync(tip, cancellation);
                var waiting = queue.Waiting(repository, target);
                if (waiting.Count == 0 || queue.PausedBy(repository, target) is not null)
                {
                    if (untilEmpty)
                        return;
                    await Task.Delay(IdlePeriod, cancellation);
                    continue;
                }

                var pipeline = await GatePipeline.ReadAsync(_git, tip, cancellation);
                if (chain is null || method != pipeline.Merge)
                {
                    if (chain is null && pipeline.Steps[0].Image is { } image)
                        log(environment.Containers is { } engine ? $"steps run in containers of {image} ({engine.Name})" : $"no container engine answers: steps run in namespaces, not in {image}");
                    chain?.Dispose();
                    (chain, method) = (await GateChain.CreateAsync(repository, tip, series, pipeline.Merge, cancellation), pipeline.Merge);
                }

                if (!await RoundAsync(chain, waiting, tip, pipeline, cancellation))
                {
                    if (untilEmpty)
                        return;
                    await Task.Delay(IdlePeriod, cancellation);
                }
            }
        }
        finally
        {
            foreach (var end in _testEnds.Values)
                await end.CancelAsync();
            await Task.WhenAll(_tests.Values.Select(test => test.ContinueWith(_ => { }, TaskScheduler.Default)));
            chain?.Dispose();
        }
    }

    /// <summary>One round; false when nothing that waits can be worked on.</summary>
    private async Task<bool> RoundAsync(GateChain chain, IReadOnlyList<GateEntry> waiting, string tip, GatePipeline pipeline, CancellationToken cancellation)
    {
        var merged = queue.All(repository, target).Where(entry => entry.State == GateState.Merged).Select(entry => (entry.SeriesId, entry.Version)).ToHashSet();
        var candidates = new List<GateCandidate>();
        var before = new List<GateEntry>();
        var below = tip;
        foreach (var entry in waiting)
        {
            if (candidates.Count >= pipeline.Window)
                break;
            var placement = await chain.PlaceAsync(entry, below, before, merged, cancellation);
            if (placement.Waits is not null)
            {
                queue.Note(entry, placement.Waits);
                continue;
            }

            if (placement.Candidate is not { } candidate)
            {
                // On the target itself the reason is its own; on top of others it may be theirs.
                if (below == tip)
                {
                    Settle(entry, GateState.Failed, placement.Refused!, null);
                    return true;
                }

                queue.Note(entry, $"does not fit on those before it; looked at again when they are settled: {placement.Refused}");
                continue;
            }

            candidates.Add(candidate);
            // Known to fail here: those behind are tested without it. A try run is never below anything.
            if (entry.TryOnly || HasFailed(candidate, pipeline))
                continue;
            before.Add(entry);
            below = candidate.Tip;
        }

        if (candidates.Count == 0)
            return false;
        await CancelOthersAsync(candidates, pipeline);
        foreach (var candidate in candidates)
            StartTest(chain, candidate, pipeline, cancellation);

        // A decision can be taken about every candidate that stands on the target itself; of the others only that they failed is of interest now.
        var tests = candidates.Select(candidate => (candidate, test: _tests[TestKey.Of(candidate, pipeline)])).ToArray();
        await Task.WhenAny(tests.Where(one => one.candidate.Below == tip || !one.test.IsCompleted).Select(one => one.test)).WaitAsync(cancellation);
        foreach (var (candidate, test) in tests.Where(one => one.candidate.Below == tip && one.test.IsCompleted))
        {
            if (await DecideAsync(chain, candidate, await test, tip, pipeline, cancellation))
                break;
        }

        return true;
    }

    private bool HasFailed(GateCandidate candidate, GatePipeline pipeline) =>
        _tests.TryGetValue(TestKey.Of(candidate, pipeline), out var test) && test.IsCompletedSuccessfully && GateSteps.Decisive(test.Result, pipeline) is not null;

    private void StartTest(GateChain chain, GateCandidate candidate, GatePipeline pipeline, CancellationToken cancellation)
    {
        var key = TestKey.Of(candidate, pipeline);
        if (_tests.ContainsKey(key))
            return;
        log($"testing {candidate.Entry} on {candidate.Below[..12]}");
        var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _testEnds[key] = end;
        _tests[key] = Task.Run(() => new GateSteps(queue, series, environment).RunAsync(candidate, chain.Folder, pipeline, end.Token), CancellationToken.None);
    }

    private async Task CancelOthersAsync(IReadOnlyList<GateCandidate> candidates, GatePipeline pipeline)
    {
        var wanted = candidates.Select(candidate => TestKey.Of(candidate, pipeline)).ToHashSet();
        foreach (var (key, test) in _tests.Where(pair => !wanted.Contains(pair.Key)).ToArray())
        {
            await _testEnds[key].CancelAsync();
            await test.ContinueWith(_ => { }, TaskScheduler.Default);
            _testEnds[key].Dispose();
            _tests.Remove(key);
            _testEnds.Remove(key);
        }
    }

    /// <summary>Settles a candidate that stands on the target; true when the target moved.</summary>
    private async Task<bool> DecideAsync(GateChain chain, GateCandidate candidate, GateRecord record, string tip, GatePipeline pipeline, CancellationToken cancellation)
    {
        _tests.Remove(TestKey.Of(candidate, pipeline));
        switch (GateSteps.Decisive(record, pipeline))
        {
            case { Verdict: StepVerdict.Fail } failure:
                Settle(candidate.Entry, GateState.Failed, Describe(candidate, failure), record);
                return false;
            case { } error:
                Settle(candidate.Entry, GateState.Stuck, Describe(candidate, error), record);
                return false;
            default:
                if (!candidate.Entry.TryOnly)
                    return await MergeAsync(chain, candidate, record, tip, cancellation);
                Settle(candidate.Entry, GateState.Tried, "all steps passed; not merged, as asked", record);
                return false;
        }
    }

    private static string Describe(GateCandidate candidate, StepResult result)
    {
        var patch = result.Patch is { } number ? candidate.Patches.First(patch => patch.Number == number) : null;
        return $"step {result.Step}{(patch is null ? "" : $" at patch {patch.Number}, {patch.Title}")}: {result.Reason}";
    }

    private async Task<bool> MergeAsync(GateChain chain, GateCandidate candidate, GateRecord record, string tip, CancellationToken cancellation)
    {
        // First the commits, under a name of their own; then the intent; then the target.
        var keep = $"refs/gauntlet/gate/{candidate.Entry.Id}";
        await _git.RunAsync(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", chain.Folder, $"+{candidate.Tip}:{keep}"], default, cancellation);
        if (!queue.BeginMerge(candidate.Entry.Id, tip, candidate.Tip, record))
            return false;
        var moved = await _git.TryRunAsync(["update-ref", "-m", $"gauntlet gate: merge {candidate.Entry.Id}", target, candidate.Tip, tip], default, CancellationToken.None);
        if (moved.ExitStatus == 0)
            FinishMerge(candidate.Entry, record);
        else
            queue.MergeUndone(candidate.Entry, $"{target} moved meanwhile");
        await _git.TryRunAsync(["update-ref", "-d", keep], default, CancellationToken.None);
        return true;
    }

    /// <summary>A merge that was begun and not ended: the target's history tells what happened.</summary>
    private async Task RecoverAsync(string tip, CancellationToken cancellation)
    {
        foreach (var entry in queue.Waiting(repository, target).Where(entry => entry.State == GateState.Merging))
        {
            var contained = await _git.TryRunAsync(["merge-base", "--is-ancestor", entry.NewTip!, tip], default, cancellation);
            if (contained.ExitStatus == 0)
                FinishMerge(entry, queue.GetRecord(entry.Id));
            else
                queue.MergeUndone(entry, "the gate was stopped before the target was moved");
            await _git.TryRunAsync(["update-ref", "-d", $"refs/gauntlet/gate/{entry.Id}"], default, cancellation);
        }
    }

    private void FinishMerge(GateEntry entry, GateRecord? record)
    {
        queue.Merged(entry);
        log($"merged {entry}");
        entry.State = GateState.Merged;
        Settled?.Invoke(entry, record);
    }

    private void Settle(GateEntry entry, string state, string reason, GateRecord? record)
    {
        if (!queue.Settle(entry, state, reason, record))
            return;
        log($"{state} {entry}: {reason}");
        (entry.State, entry.Reason) = (state, reason);
        Settled?.Invoke(entry, record);
    }

    private async Task<string> ResolveTargetAsync(CancellationToken cancellation)
    {
        var result = await _git.TryRunAsync(["rev-parse", "--verify", "--quiet", target + "^{commit}"], default, cancellation);
        return result.ExitStatus == 0 ? result.Text : throw new UserException($"gating {target}: {repository} has no such branch");
    }

    private async Task RefuseCheckedOutAsync(CancellationToken cancellation)
    {
        var trees = await _git.RunAsync(["worktree", "list", "--porcelain"], default, cancellation);
        string? folder = null;
        foreach (var line in trees.Text.Split('\n'))
        {
            if (line.StartsWith("worktree ", StringComparison.Ordinal))
                folder = line[9..];
            else if (line == "branch " + target)
                throw new UserException($"gating {target}: it is checked out at {folder}, and moving it would leave that work tree behind; gate a bare repository, or check out something else");
        }
    }

    /// <summary>One gate for a repository; the kernel gives the lock back when its process ends, however it ends.</summary>
    private async Task<FileStream> LockAsync(CancellationToken cancellation)
    {
        var folder = (await _git.RunAsync(["rev-parse", "--absolute-git-dir"], default, cancellation)).Text;
        try
        {
            return new FileStream(Path.Combine(folder, "gauntlet-gate.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception)
        {
            throw new UserException($"gating {repository}: another gate serves it ({exception.Message})", ExitCode.Environment, exception);
        }
    }
}
