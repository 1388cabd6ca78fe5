namespace Gauntlet.Harness.Matrix;

/// <summary>
/// Axes to combinations, as GitHub Actions does it for <c>strategy.matrix</c> (its workflow syntax, "jobs.&lt;job_id&gt;.strategy.matrix"): the product of the axes, without those that
/// an <c>exclude</c> entry matches, then each <c>include</c> entry adds its further keys to every original combination whose axes it doesn't contradict, or is a
/// combination of its own when there is none.
/// </summary>
public static class MatrixExpansion
{
    /// <summary>Combinations that a matrix may have.</summary>
    public const int MaxCombinations = 4096;

    /// <summary>Combinations in a stable order: the last axis varies fastest, then the added ones as written.</summary>
    /// <param name="axes">Names with their values, in order; an axis without values leaves no product.</param>
    /// <param name="exclude">Each entry drops every combination that has all its values.</param>
    /// <param name="include">See above.</param>
    /// <exception cref="ArgumentException">There are more than <see cref="MaxCombinations"/>.</exception>
    public static IReadOnlyList<IReadOnlyDictionary<string, string>> Expand(
        IReadOnlyList<KeyValuePair<string, IReadOnlyList<string>>> axes,
        IReadOnlyList<IReadOnlyDictionary<string, string>> exclude,
        IReadOnlyList<IReadOnlyDictionary<string, string>> include)
    {
        var product = new List<Dictionary<string, string>>();
        if (axes.Count > 0)
        {
            product.Add([]);
            foreach (var (name, values) in axes)
            {
                if ((long)product.Count * values.Count > MaxCombinations)
                    throw new ArgumentException($"the axes have more than {MaxCombinations} combinations");
                product = [.. product.SelectMany(head => values.Select(value => new Dictionary<string, string>(head) { [name] = value }))];
            }
        }

        product.RemoveAll(combination => exclude.Any(entry => entry.Count > 0 && entry.All(pair => combination.GetValueOrDefault(pair.Key) == pair.Value)));

        // What an include entry may not contradict is the combination as the axes made it; what an earlier entry added may be overwritten.
        var axisNames = axes.Select(axis => axis.Key).ToHashSet();
        var added = new List<Dictionary<string, string>>();
        foreach (var entry in include)
        {
            var fits = product.FindAll(combination => entry.All(pair => !axisNames.Contains(pair.Key) || combination[pair.Key] == pair.Value));
            foreach (var combination in fits)
            {
                foreach (var (key, value) in entry)
                    combination[key] = value;
            }

            if (fits.Count == 0)
                added.Add(new Dictionary<string, string>(entry));
        }

        return product.Count + added.Count <= MaxCombinations
            ? [.. product, .. added]
            : throw new ArgumentException($"there are more than {MaxCombinations} combinations");
    }
}
