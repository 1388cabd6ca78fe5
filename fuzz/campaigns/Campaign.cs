using System.Diagnostics;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Campaigns;

/// <summary>What a campaign came to for one target.</summary>
/// <param name="Known">Buckets that the directory had before, or the results store.</param>
/// <param name="New">The other buckets, hangs among them.</param>
/// <param name="Regressions">Inputs that once failed and fail again.</param>
public sealed record CampaignOutcome(string Target, FuzzProgress Last, TimeSpan Spent, IReadOnlyList<string> Known, IReadOnlyList<string> New, IReadOnlyList<string> Regressions)
{
    public bool IsBad => New.Count + Regressions.Count > 0;
}

/// <summary>
/// Fuzzes many targets for a given time: what once failed first, then a turn for each, then turns for those whose last turn found most edges a second. Directories are
/// gone on from, so that a night begins where the last one ended.
/// </summary>
/// <param name="file">What, and for how long.</param>
/// <param name="seed">Of all that is random.</param>
/// <param name="say">Given lines for people.</param>
/// <param name="findings">What earlier campaigns found, wherever they ran; null: only the directory counts.</param>
public sealed class Campaign(CampaignFile file, ulong seed, Action<string> say, FindingStore? findings = null)
{
    // So much new in so little time is as much as one edge more in a minute: what has found nothing is tried again now and then.
    private const double Hope = 1.0 / 60;

    private readonly Stopwatch _watch = new();
    private readonly Lock _lock = new();
    private QemuBinary? _qemu;

    /// <returns>One a target, in the order of the file.</returns>
    public async Task<IReadOnlyList<CampaignOutcome>> RunAsync(CancellationToken cancellation)
    {
        var states = file.Targets.Select((target, number) => new State(target, Path.Combine(file.Output, target.FolderName), seed + (ulong)number * 1_000, findings?.Known(target.Name) ?? [])).ToList();
        foreach (var state in states.Where(state => state.Target.QemuDevice is null))
            state.Regressions.AddRange(Replayed(state.Target.Name));
        if (file.Targets.Any(target => target.QemuDevice is not null))
        {
            try
            {
                _qemu = await QemuBinary.FindAsync(file.Qemu, file.PlainQemu, cancellation);
            }
            catch (UserException exception)
            {
                // Another host may have it: the rest goes on without.
                say($"skip QEMU's devices: {exception.Message.Split('\n')[0]}");
                states.ForEach(state => state.IsOut = state.Target.QemuDevice is not null);
            }
        }
        _watch.Start();
        await Task.WhenAll(Enumerable.Range(0, file.Workers).Select(_ => WorkAsync(states, cancellation)));
        states.ForEach(state => state.Qemu?.Dispose());
        foreach (var state in states)
            findings?.Record(state.Target.Name, state.Failures(), DateTime.UtcNow);
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
            if (state.Target.QemuDevice is not null)
            {
                try
                {
                    state.Last = await Task.Run(() => FuzzQemu(state, slice, cancellation), cancellation);
                }
                catch (UserException exception)
                {
                    say($"skip {state.Target.Name}: {exception.Message.Split('\n')[0]}");
                    state.IsOut = true;
                    continue;
                }
            }
            else
            {
                // Weaving is work too, and not to be in the way of the others.
                var request = new FuzzRequest(state.Target.Name, state.Path) { Seed = state.Seed++, Time = slice };
                state.Last = await Task.Run(() => FuzzSession.RunAsync(request, static _ => { }, cancellation), cancellation);
            }
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

    // What it shows counts as edges: events, pairs of them, what registers read.
    private FuzzProgress FuzzQemu(State state, TimeSpan slice, CancellationToken cancellation)
    {
        var output = new OutputDirectory(state.Path);
        state.Qemu ??= new QemuFuzzer(QemuDevice.Probe(_qemu!.Program, state.Target.Machine, state.Target.QemuDevice!), output, new QemuBuckets(State.BucketsOf(state.Path)), state.Seed, _qemu);
        state.Qemu.Run(slice, () => _watch.Elapsed, bucket => say($"NEW {bucket.Device} {bucket.Signature}"), cancellation);
        var at = state.Qemu.Progress;
        return new FuzzProgress(at.Programs, (long)(at.Programs / Math.Max(at.Seconds, 0.1)), at.Features, at.Features, at.Corpus, state.Failures().Count, at.Hangs);
    }

    private State? Take(List<State> states)
    {
        lock (_lock)
        {
            var next = states.Where(state => state is { IsBusy: false, IsOut: false } && (state.Target.Most is not { } most || state.Spent < most))
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
        // What once ended its process may do it again, and the night goes on.
        using var process = new ReplayProcess(name);
        foreach (var path in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            if (process.Run(Replay.Load(path, target.Grammar)) is { } finding)
                yield return $"{Path.GetFileName(path)}: {finding.Bucket}";
        }
    }

    private sealed class State
    {
        private readonly List<string> _known;

        public State(CampaignTarget target, string path, ulong seed, IReadOnlyCollection<string> known)
        {
            (Target, Path, Seed) = (target, path, seed);
            _known = [.. Failures().Union(known)];
        }

        public QemuFuzzer? Qemu { get; set; }

        public static string BucketsOf(string path) => System.IO.Path.Combine(path, "buckets");

        public CampaignTarget Target { get; }

        public string Path { get; }

        public ulong Seed { get; set; }

        public int Turns { get; set; }

        /// <summary>New edges a second, in the last turn.</summary>
        public double Worth { get; set; }

        public TimeSpan Spent { get; set; }

        public bool IsBusy { get; set; }

        /// <summary>It cannot be fuzzed on this host.</summary>
        public bool IsOut { get; set; }

        public FuzzProgress Last { get; set; }

        public List<string> Regressions { get; } = [];

        public CampaignOutcome Outcome => new(Target.Name, Last, Spent, _known, [.. Failures().Except(_known)], Regressions);

        // Hangs have no bucket of their own: each is one.
        public List<string> Failures()
        {
            if (Target.QemuDevice is not null)
                return [.. new QemuBuckets(BucketsOf(Path)).All.Where(bucket => bucket.IsFailure).Select(bucket => bucket.Signature + bucket.Remark)];
            var output = new OutputDirectory(Path);
            return [.. output.Buckets().Concat(output.Inputs("hangs").Select(hang => $"hang {System.IO.Path.GetFileName(hang)}")).Distinct()];
        }
    }
}
