using System.Diagnostics;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Fuzz.Worker;

namespace Gauntlet.Fuzz.Campaigns;

/// <summary>What a campaign came to for one target.</summary>
/// <param name="Known">Buckets that the directory had before.</param>
/// <param name="New">Buckets of this campaign, hangs among them.</param>
/// <param name="Regressions">Inputs that once failed and fail again.</param>
public sealed record CampaignOutcome(string Target, FuzzProgress Last, TimeSpan Spent, IReadOnlyList<string> Known, IReadOnlyList<string> New, IReadOnlyList<string> Regressions)
{
    public bool IsBad => New.Count + Regressions.Count > 0;
}

/// <summary>
/// Fuzzes many targets for a given time: what once failed first, then a turn for each, then turns for those whose last turn found most edges a second. Directories are
/// gone on from, so that a night begins where the last one ended.
/// </summary>
public sealed class Campaign(CampaignFile file, ulong seed, Action<string> say)
{
    // So much new in so little time is as much as one edge more in a minute: what has found nothing is tried again now and then.
    private const double Hope = 1.0 / 60;

    private readonly Stopwatch _watch = new();
    private readonly Lock _lock = new();

    /// <returns>One a target, in the order of the file.</returns>
    public async Task<IReadOnlyList<CampaignOutcome>> RunAsync(CancellationToken cancellation)
    {
        var states = file.Targets.Select((target, number) => new State(target, Path.Combine(file.Output, target.Name), seed + (ulong)number * 1_000)).ToList();
        foreach (var state in states)
            state.Regressions.AddRange(Replayed(state.Target.Name));
        _watch.Start();
        await Task.WhenAll(Enumerable.Range(0, file.Workers).Select(_ => WorkAsync(states, cancellation)));
        return [.. states.Select(state => state.Outcome)];
    }

    private async Task WorkAsync(List<State> states, CancellationToken cancellation)
    {
        while (file.Time - _watch.Elapsed is var left && left > TimeSpan.Zero && Take(states) is { } state)
        {
            var most = state.Target.Most - state.Spent ?? file.Slice;
            var slice = new[] { left, most, file.Slice }.Min();
            var turn = Stopwatch.StartNew();
            var before = state.Last.Edges;
            state.Last = await FuzzSession.RunAsync(
                new FuzzRequest(state.Target.Name, state.Path) { Seed = state.Seed++, Time = slice }, static _ => { }, cancellation);
            lock (_lock)
            {
                // The first turn's edges are all new, and tell nothing of the next.
                state.Worth = (state.Turns++ == 0 ? 0 : state.Last.Edges - before) / turn.Elapsed.TotalSeconds + Hope;
                state.Spent += turn.Elapsed;
                state.IsBusy = false;
                say($"{(long)_watch.Elapsed.TotalSeconds,6} s  {state.Target.Name,-16} {state.Last.Execs,10} runs {state.Last.Edges,6}/{state.Last.EdgesTotal} edges {state.Last.Crashes,3} crashes {state.Last.Hangs,3} hangs");
            }
        }
    }

    private State? Take(List<State> states)
    {
        lock (_lock)
        {
            var next = states.Where(state => !state.IsBusy && (state.Target.Most is not { } most || state.Spent < most))
                .OrderBy(state => Math.Min(state.Turns, 1)).ThenByDescending(state => state.Worth / (1 + state.Spent / file.Time)).FirstOrDefault();
            next?.IsBusy = true;
            return next;
        }
    }

    private IEnumerable<string> Replayed(string name)
    {
        var folder = file.Regressions is { } root ? Path.Combine(root, name) : null;
        if (folder is null || !Directory.Exists(folder))
            yield break;
        using var target = TargetCatalogue.Create(name);
        foreach (var path in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            if (Replay.Run(target, Replay.Load(path, target.Grammar)) is { } finding)
                yield return $"{Path.GetFileName(path)}: {finding.Bucket}";
        }
    }

    private sealed class State
    {
        private readonly List<string> _known;

        public State(CampaignTarget target, string path, ulong seed)
        {
            (Target, Path, Seed) = (target, path, seed);
            _known = Failures();
        }

        public CampaignTarget Target { get; }

        public string Path { get; }

        public ulong Seed { get; set; }

        public int Turns { get; set; }

        /// <summary>New edges a second, in the last turn.</summary>
        public double Worth { get; set; }

        public TimeSpan Spent { get; set; }

        public bool IsBusy { get; set; }

        public FuzzProgress Last { get; set; }

        public List<string> Regressions { get; } = [];

        public CampaignOutcome Outcome => new(Target.Name, Last, Spent, _known, [.. Failures().Except(_known)], Regressions);

        // Hangs have no bucket of their own: each is one.
        private List<string> Failures()
        {
            var output = new OutputDirectory(Path);
            return [.. output.Buckets().Concat(output.Inputs("hangs").Select(hang => $"hang {System.IO.Path.GetFileName(hang)}")).Distinct()];
        }
    }
}
