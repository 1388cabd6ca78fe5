using System.Diagnostics;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;

namespace Gauntlet.Fuzz.Engine;

/// <summary>How long and from where an engine runs.</summary>
/// <param name="Seed">The same seed, target and number of runs give the same run in an empty directory.</param>
/// <param name="Time">Null for no limit.</param>
/// <param name="Execs">Null for no limit.</param>
/// <param name="InputBytes">Longest input that is made.</param>
/// <param name="Shared">A directory whose other parts' finds are taken over, about once a second; null: none.</param>
public sealed record FuzzBudget(ulong Seed, TimeSpan? Time, long? Execs, int InputBytes = Mutator.MaxInputBytes, string? Shared = null)
{
    /// <summary>How many mutations an input has in its turn.</summary>
    public PowerSchedule Schedule { get; init; } = Corpus.UsualSchedule;

    /// <summary>Coverage guides nothing: random inputs only, for comparison.</summary>
    public bool IsBlind { get; init; }
}

/// <summary>Drives one target in this process, guided by the coverage of the woven code under it.</summary>
public sealed class FuzzEngine
{
    /// <summary>A run that allocates more than this is a finding.</summary>
    public const long MaxRunBytes = 64 << 20;

    private const int DeterministicBytes = 64, ComparisonsTried = 64, MostCrashBuckets = 256;
    private const long MostRunsUnlooked = 1_024;

    // Making finds small and trying their neighbours: so many runs, and one of so many. Where a run takes a millisecond nothing else would be done for minutes.
    private const long FreeRefinements = 1_024, RefinementShare = 2;

    // Steps in which an input grows from nothing, where the target knows how; or in more when nothing guides.
    private const int MostStepsAnew = 4, MostBlindSteps = 16;

    // Ways to make an input where the target has a form: those that find something are used more.
    private const int Anew = 0, ByForm = 1, ByBytes = 2, FirstWeight = 16, Reward = 4, MostWeight = 256;

    private static readonly long StatsTicks = Stopwatch.Frequency;
    private static readonly TimeSpan LooksApart = TimeSpan.FromMilliseconds(1);

    private readonly IFuzzTarget _target;
    private readonly string _name;
    private readonly OutputDirectory _output;
    private readonly CurrentRun _current;
    private readonly FuzzBudget _budget;
    private readonly CoverageMap _coverage;
    private readonly Corpus _corpus;
    private readonly FuzzRandom _random;
    private readonly Mutator _mutator;
    private readonly IInputForm? _form;
    private readonly Action<FuzzStats> _progress;
    private readonly int _edges;
    private readonly long _mostExecs;
    private readonly HashSet<string> _buckets = [];
    private readonly List<int> _hit = [];
    private readonly int[] _ways = [FirstWeight, FirstWeight, FirstWeight];
    private readonly long _startUnix = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    private readonly long _startTicks = Stopwatch.GetTimestamp();
    private long _execs, _refinements, _nextLook, _lookEvery = 1, _lastLook, _nextStats, _allocated, _lastFind;
    private readonly Dictionary<string, int> _takenFrom = [];
    private readonly IReadOnlyList<SourceBlock> _sources = WovenFolder.Sources();
    private bool _isTimeOver, _isShareDue;
    // That mutations are made of; null for what is made of nothing.
    private CorpusEntry? _parent;
    private int _edgesWritten;
    private int _cycles, _picked;

    public FuzzEngine(IFuzzTarget target, string name, OutputDirectory output, CurrentRun current, FuzzBudget budget, int edges, CoverageMap coverage, Action<FuzzStats> progress)
    {
        (_target, _name, _output, _current, _budget, _edges, _coverage, _progress) = (target, name, output, current, budget, edges, coverage, progress);
        _corpus = new Corpus(coverage.Length, budget.Schedule);
        _random = new FuzzRandom(budget.Seed);
        _mutator = new Mutator(_random, target.Grammar, budget.InputBytes, WovenFolder.Words());
        _form = target.Form;
        _mostExecs = budget.Execs ?? long.MaxValue;
        _lastFind = _startUnix;
    }

    /// <summary>Distinct failures of this process.</summary>
    public IReadOnlyCollection<string> Buckets => _buckets;

    /// <summary>Runs until the budget is spent.</summary>
    public void Run()
    {
        // What was found before is not reported again; nor run, as it may have ended a process.
        _buckets.UnionWith(_output.Buckets());
        var kept = _output.Inputs("queue").Select(File.ReadAllBytes).ToList();
        foreach (var input in kept)
        {
            if (Execute(input) && _coverage.TakeNew(_hit))
                _corpus.Add(input, _hit, _coverage.Hash());
        }
        Try([]);
        foreach (var seed in _target.Seeds)
            Try(seed);
        if (_corpus.Entries.Count == 0)
            _corpus.Add([], []);
        while (!IsSpent && _budget.IsBlind)
            Execute(MakeAnew(MostBlindSteps));
        while (!IsSpent)
        {
            if (_isShareDue)
                TakeFromOthers();
            var entry = _corpus.Pick(_random);
            (_picked, _parent) = (entry.Id, entry);
            if (!entry.IsStepped && MayRefine)
                TrySmallSteps(entry);
            var energy = _corpus.EnergyOf(entry);
            Corpus.TakeTurn(entry);
            for (var left = energy; left > 0 && !IsSpent; left--)
            {
                var other = _corpus.Entries[_random.Below(_corpus.Entries.Count)];
                var way = ChooseWay();
                var found = way switch
                {
                    Anew => TryWithoutParent(MakeAnew(MostStepsAnew)),
                    ByForm => Try(_form!.Mutate(_random, entry.Input, other.Input, _budget.InputBytes)),
                    _ => Try(_mutator.Mutate(entry.Input, other.Input)),
                };
                if (!found)
                    continue;
                _ways[way] = Math.Min(_ways[way] + Reward, MostWeight);
                if (way == ByBytes)
                    _mutator.Succeeded();
            }
            _cycles += entry.Id == _corpus.Entries.Count - 1 ? 1 : 0;
        }
        WriteStats();
    }

    private bool IsSpent => _isTimeOver || _mostExecs <= _execs;

    private bool MayRefine => _refinements < FreeRefinements + _execs / RefinementShare;

    private int ChooseWay()
    {
        if (_form is null)
            return ByBytes;
        var at = _random.Below(_ways[Anew] + _ways[ByForm] + _ways[ByBytes]);
        return at < _ways[Anew] ? Anew : at < _ways[Anew] + _ways[ByForm] ? ByForm : ByBytes;
    }

    // What the mutations make of nothing, or of one of the target's own inputs.
    private byte[] MakeAnew(int mostSteps)
    {
        var chosen = _random.Below(_target.Seeds.Count + 1);
        var input = chosen < _target.Seeds.Count ? _target.Seeds[chosen] : [];
        for (var left = 1 + _random.Below(mostSteps); left > 0; left--)
            input = (_form is not null && _random.OneIn(2) ? _form.Mutate(_random, input, [], _budget.InputBytes) : _mutator.Mutate(input, [])).ToArray();
        return input;
    }

    private void TrySmallSteps(CorpusEntry entry)
    {
        entry.IsStepped = true;
        CoverageRuntime.StartRecording();
        Execute(entry.Input);
        var comparisons = CoverageRuntime.StopRecording().ToArray().Distinct().Take(ComparisonsTried);
        foreach (var (seen, wanted) in comparisons)
        {
            _mutator.Learn((ulong)wanted);
            foreach (var made in Mutator.Replace(entry.Input, seen, wanted))
            {
                if (IsSpent)
                    return;
                _refinements++;
                Try(made);
            }
        }
        for (var at = 0; at < Math.Min(entry.Input.Length, DeterministicBytes); at++)
        {
            foreach (var flip in (byte[])[1, 2, 4, 8, 16, 32, 64, 128, 0xff])
            {
                if (IsSpent)
                    return;
                var made = (byte[])entry.Input.Clone();
                made[at] ^= flip;
                _refinements++;
                Try(made);
            }
        }
    }

    // True when it found something new.
    private bool Try(ReadOnlySpan<byte> input)
    {
        if (!Execute(input) || !_coverage.TakeNew(_hit))
            return false;
        var (edges, path) = (_hit.ToArray(), _coverage.Hash());
        var trimmed = Trim(input.ToArray());
        _corpus.Add(trimmed, edges, path, _parent);
        _output.AddQueue(trimmed);
        _lastFind = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        return true;
    }

    private bool TryWithoutParent(ReadOnlySpan<byte> input)
    {
        var parent = _parent;
        _parent = null;
        var found = Try(input);
        _parent = parent;
        return found;
    }

    private byte[] Trim(byte[] input)
    {
        Execute(input);
        var wanted = _coverage.Hash();
        for (var run = Math.Max(input.Length / 4, 1); run >= 1; run /= 2)
        {
            for (var at = 0; at < input.Length;)
            {
                if (!MayRefine || IsSpent)
                    return input;
                _refinements++;
                byte[] shorter = [.. input.AsSpan(0, at), .. input.AsSpan(Math.Min(at + run, input.Length))];
                if (Execute(shorter) && _coverage.Hash() == wanted)
                    input = shorter;
                else
                    at += run;
            }
        }
        return input;
    }

    // False when the run failed; the failure is then written.
    private bool Execute(ReadOnlySpan<byte> input)
    {
        _execs++;
        if (_execs >= _nextLook)
            LookAtTheClock();
        _coverage.Clear();
        _current.Begin(input);
        Finding? finding = null;
        try
        {
            _target.Run(input);
            var before = _allocated;
            _allocated = GC.GetAllocatedBytesForCurrentThread();
            if (_allocated - before is > MaxRunBytes and var bytes)
                throw OracleException.Allocation(bytes, MaxRunBytes);
        }
        catch (Exception exception)
        {
            finding = Finding.From(exception);
        }
        // The watchdog looks at the target's time, not at a disk's.
        _current.End();
        if (finding is null)
        {
            if (_corpus.CountsRuns)
                _corpus.CountRun(_coverage.Hash());
            return true;
        }
        // Those that were not kept are not counted either: a target that fails in ever new ways must not fill memory.
        if (_buckets.Count < MostCrashBuckets && _buckets.Add(finding.Bucket))
            _output.AddCrash(input, $"{finding.Bucket}\n{finding.Report}\n", _output.FuzzedBefore + Stopwatch.GetElapsedTime(_startTicks), _execs);
        if (_buckets.Contains(finding.Bucket))
            _output.Count(finding.Bucket);
        return false;
    }

    // Often enough to end in time and to tell once a second, but not at every run: a millisecond of runs lies between.
    private void LookAtTheClock()
    {
        var now = Stopwatch.GetTimestamp();
        var apart = Stopwatch.GetElapsedTime(_lastLook, now);
        _lookEvery = apart < LooksApart ? Math.Min(_lookEvery * 2, MostRunsUnlooked) : Math.Max(_lookEvery / 2, 1);
        (_lastLook, _nextLook) = (now, _execs + _lookEvery);
        _isTimeOver = _budget.Time is { } time && Stopwatch.GetElapsedTime(_startTicks) >= time;
        if (now < _nextStats)
            return;
        _nextStats = now + StatsTicks;
        _isShareDue = _budget.Shared is not null;
        WriteStats();
        // That was not the target's.
        _allocated = GC.GetAllocatedBytesForCurrentThread();
    }

    // What is new to this worker too goes into its own queue, so that each directory is whole.
    private void TakeFromOthers()
    {
        _isShareDue = false;
        foreach (var part in OutputDirectory.Parts(_budget.Shared!))
        {
            if (part == _output.Folder)
                continue;
            var next = _takenFrom.GetValueOrDefault(part);
            while (!IsSpent && OutputDirectory.Queued(part, next) is { } input)
            {
                next++;
                TryWithoutParent(input);
            }
            _takenFrom[part] = next;
        }
    }

    private void WriteStats()
    {
        var seconds = Stopwatch.GetElapsedTime(_startTicks).TotalSeconds;
        var stats = new FuzzStats(_startUnix, DateTimeOffset.UtcNow.ToUnixTimeSeconds(), _lastFind, _execs, seconds > 0 ? _execs / seconds : 0, _cycles, _picked,
            _corpus.Entries.Count, _corpus.Favoured, _corpus.Entries.Count(entry => entry.Picks == 0), _corpus.Entries.Count(entry => entry is { Picks: 0, Favoured: true }), _coverage.EdgesSeen, _edges);
        _output.WriteStats(stats, _name, _budget.Schedule);
        if (_sources.Count > 0 && _coverage.EdgesSeen != _edgesWritten)
            _output.WriteSources(SourceFile.From(_sources, _coverage.IsSeen));
        _edgesWritten = _coverage.EdgesSeen;
        _progress(stats);
    }
}
