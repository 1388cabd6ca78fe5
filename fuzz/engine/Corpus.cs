namespace Gauntlet.Fuzz.Engine;

/// <summary>An input that found something.</summary>
/// <param name="Id">In the order of finding, from 0.</param>
/// <param name="Input">Never changed.</param>
/// <param name="Edges">That it hits.</param>
public sealed record CorpusEntry(int Id, byte[] Input, int[] Edges)
{
    /// <summary>How often it was mutated.</summary>
    public int Picks { get; internal set; }

    /// <summary>Its small steps were tried.</summary>
    public bool IsStepped { get; internal set; }

    /// <summary>The smallest input for some edge.</summary>
    public bool Favoured { get; internal set; }
}

/// <summary>What was found, and whose turn it is.</summary>
/// <remarks>
/// The shortest entry of each edge is favoured, as in AFL; how many mutations a turn has falls with the turns an entry had, and rises where it hits an edge that
/// few entries hit (the idea of AFLFast's and FairFuzz's schedules).
/// </remarks>
public sealed class Corpus(int edges)
{
    private const int BaseEnergy = 48, MostEnergy = 1_024, RareEntries = 2, SkipOrdinary = 8;

    private readonly List<CorpusEntry> _entries = [];
    private readonly CorpusEntry?[] _best = new CorpusEntry?[edges];
    private readonly int[] _entriesOfEdge = new int[edges];
    private int _next;

    public IReadOnlyList<CorpusEntry> Entries => _entries;

    /// <summary>How many are favoured now.</summary>
    public int Favoured { get; private set; }

    public CorpusEntry Add(byte[] input, IReadOnlyList<int> hit)
    {
        var entry = new CorpusEntry(_entries.Count, input, [.. hit]);
        _entries.Add(entry);
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

    /// <summary>How many mutations its turn has.</summary>
    public int EnergyOf(CorpusEntry entry)
    {
        var energy = BaseEnergy * (entry.Favoured ? 4 : 1) / (1 + int.Log2(entry.Picks + 1));
        foreach (var edge in entry.Edges)
        {
            if (_entriesOfEdge[edge] <= RareEntries)
                return Math.Min(energy * 4, MostEnergy);
        }
        return Math.Max(energy, 1);
    }
}
