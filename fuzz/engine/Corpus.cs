namespace Gauntlet.Fuzz.Engine;

/// <summary>An input that found something.</summary>
/// <param name="Id">In the order of finding, from 0.</param>
/// <param name="Input">Never changed.</param>
/// <param name="Edges">That it hits.</param>
/// <param name="Path">Of <see cref="CoverageMap.Hash"/>: the same for runs that do the same.</param>
/// <param name="Depth">Mutations between it and an input that nothing was mutated for, which has 1.</param>
public sealed record CorpusEntry(int Id, byte[] Input, int[] Edges, ulong Path, int Depth)
{
    /// <summary>How often it was mutated.</summary>
    public int Picks { get; internal set; }

    /// <summary>Its small steps were tried.</summary>
    public bool IsStepped { get; internal set; }

    /// <summary>The smallest input for some edge.</summary>
    public bool Favoured { get; internal set; }

    /// <summary>How many times the others had their turns when it was found, less those that it had since: it catches up.</summary>
    public int Handicap { get; internal set; }
}

/// <summary>What was found, and whose turn it is: the shortest entry of each edge is favoured, as in AFL.</summary>
/// <param name="edges">More than any entry's.</param>
/// <param name="schedule">How many mutations a turn has.</param>
public sealed class Corpus(int edges, PowerSchedule schedule = Corpus.UsualSchedule)
{
    /// <summary>Where nothing else is asked for.</summary>
    public const PowerSchedule UsualSchedule = PowerSchedule.Rare;

    /// <summary>More mutations no turn has.</summary>
    public const int MostEnergy = 1_600;

    private const int RareBaseEnergy = 48, RareEntries = 2, SkipOrdinary = 8;

    // Runs are counted by some bits of their path, as in AFL++.
    private const int PathCounters = 1 << 18;

    private readonly List<CorpusEntry> _entries = [];
    private readonly CorpusEntry?[] _best = new CorpusEntry?[edges];
    private readonly int[] _entriesOfEdge = new int[edges];
    private readonly uint[] _runsOfPath = schedule == PowerSchedule.Fast ? new uint[PathCounters] : [];
    private long _edgesOfAll;
    private int _next;

    public IReadOnlyList<CorpusEntry> Entries => _entries;

    /// <summary>How many are favoured now.</summary>
    public int Favoured { get; private set; }

    /// <summary><see cref="CountRun"/> wants to know of every run.</summary>
    public bool CountsRuns => _runsOfPath.Length > 0;

    /// <summary>A run took this path.</summary>
    public void CountRun(ulong path)
    {
        ref var runs = ref _runsOfPath[path % PathCounters];
        runs += runs < uint.MaxValue ? 1u : 0;
    }

    /// <param name="hit">Edges.</param>
    /// <param name="parent">That it was mutated from; null for none.</param>
    public CorpusEntry Add(byte[] input, IReadOnlyList<int> hit, ulong path = 0, CorpusEntry? parent = null)
    {
        var entry = new CorpusEntry(_entries.Count, input, [.. hit], path, (parent?.Depth ?? 0) + 1) { Handicap = _entries.Count == 0 ? 0 : _next / _entries.Count };
        _entries.Add(entry);
        _edgesOfAll += entry.Edges.Length;
        foreach (var edge in entry.Edges)
        {
            _entriesOfEdge[edge]++;
            if (_best[edge] is not { } best || best.Input.Length > input.Length)
                _best[edge] = entry;
        }
        foreach (var each in _entries)
            each.Favoured = false;
        foreach (var best in _best)
            best?.Favoured = true;
        Favoured = _entries.Count(each => each.Favoured);
        return entry;
    }

    /// <summary>The next in turn; those that are not favoured come seldom.</summary>
    public CorpusEntry Pick(FuzzRandom random)
    {
        while (true)
        {
            var entry = _entries[_next++ % _entries.Count];
            if (entry.Favoured || random.OneIn(SkipOrdinary))
                return entry;
        }
    }

    /// <summary>How many mutations its next turn has, 1 to <see cref="MostEnergy"/>.</summary>
    public int EnergyOf(CorpusEntry entry) => Math.Clamp((int)Math.Round(schedule switch
    {
        PowerSchedule.Explore => Exploring(entry),
        PowerSchedule.Fast => Exploring(entry) * OfFrequency(entry),
        _ => OfRarest(entry),
    }), 1, MostEnergy);

    /// <summary>The entry has had a turn.</summary>
    public static void TakeTurn(CorpusEntry entry)
    {
        entry.Picks++;
        entry.Handicap -= entry.Handicap >= 4 ? 4 : Math.Min(entry.Handicap, 1);
    }

    // AFL++ 4, calculate_score: 100 are a hundred mutations.
    private double Exploring(CorpusEntry entry)
    {
        var (mean, size) = ((double)_edgesOfAll / _entries.Count, (double)entry.Edges.Length);
        var ofSize = size * 0.3 > mean ? 3 : size * 0.5 > mean ? 2 : size * 0.75 > mean ? 1.5 : size * 3 < mean ? 0.25 : size * 2 < mean ? 0.5 : size * 1.5 < mean ? 0.75 : 1;
        var ofHandicap = entry.Handicap switch { >= 4 => 4, > 0 => 2, _ => 1 };
        var ofDepth = entry.Depth switch { <= 3 => 1, <= 7 => 2, <= 13 => 3, <= 25 => 4, _ => 5 };
        return 100 * ofSize * ofHandicap * ofDepth;
    }

    // AFL++ 4, calculate_score, FAST: by the logarithm of how many runs took the entry's path. The first turn is everybody's.
    private double OfFrequency(CorpusEntry entry)
    {
        if (entry.Picks == 0)
            return 1;
        var factor = uint.Log2(Math.Max(_runsOfPath[entry.Path % PathCounters], 1)) switch
        {
            <= 1 => 4,
            <= 3 => 3,
            4 => 2,
            5 => 1,
            6 => entry.Favoured ? 1 : 0.8,
            7 => entry.Favoured ? 1 : 0.6,
            _ => entry.Favoured ? 1 : 0.4,
        };
        return entry.Favoured ? factor * 1.15 : factor;
    }

    // How many runs hit an edge nobody counts, as it would cost as much as a run; how many entries do is known.
    private double OfRarest(CorpusEntry entry)
    {
        var energy = RareBaseEnergy * (entry.Favoured ? 4 : 1) / (1 + int.Log2(entry.Picks + 1));
        foreach (var edge in entry.Edges)
        {
            if (_entriesOfEdge[edge] <= RareEntries)
                return energy * 4;
        }
        return energy;
    }
}
