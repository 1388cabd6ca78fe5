using Gauntlet.Fuzz.Targets;

namespace Gauntlet.Fuzz.Engine;

/// <summary>Chooses, of many inputs, few that hit all that the many hit: edges with their counts, in AFL's buckets.</summary>
/// <param name="coverage">Of the woven code under the target.</param>
public sealed class Distiller(IFuzzTarget target, CoverageMap coverage)
{
    private readonly HashSet<int> _covered = [];
    private readonly List<int> _features = [];

    /// <summary>Inputs that failed: they are for triage, and in no corpus.</summary>
    public int Failed { get; private set; }

    /// <summary>Features that are hit by what was taken.</summary>
    public int Covered => _covered.Count;

    /// <summary>What an input hits counts as covered.</summary>
    public void Take(ReadOnlySpan<byte> input)
    {
        if (Measure(input))
            _covered.UnionWith(_features);
    }

    /// <summary>Rarest features first, each by the smallest input that hits it. Numbers of the inputs, ascending.</summary>
    public IReadOnlyList<int> Choose(IReadOnlyList<byte[]> inputs)
    {
        var order = Enumerable.Range(0, inputs.Count).OrderBy(i => inputs[i].Length).ThenBy(i => i).ToList();
        var featuresOf = new int[inputs.Count][];
        var smallest = new Dictionary<int, (int Input, int Hits)>();
        foreach (var i in order)
        {
            featuresOf[i] = Measure(inputs[i]) ? [.. _features] : [];
            foreach (var feature in featuresOf[i])
                smallest[feature] = smallest.TryGetValue(feature, out var known) ? (known.Input, known.Hits + 1) : (i, 1);
        }
        var chosen = new SortedSet<int>();
        foreach (var (feature, (input, _)) in smallest.OrderBy(each => each.Value.Hits).ThenBy(each => each.Key))
        {
            if (_covered.Contains(feature))
                continue;
            chosen.Add(input);
            _covered.UnionWith(featuresOf[input]);
        }
        return [.. chosen];
    }

    private bool Measure(ReadOnlySpan<byte> input)
    {
        coverage.Clear();
        try
        {
            target.Run(input);
        }
        catch (Exception)
        {
            Failed++;
            return false;
        }
        coverage.Collect(_features);
        return true;
    }
}
