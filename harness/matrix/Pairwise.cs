using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Matrix;

/// <summary>
/// Fewer cells for nearly the same finds: all pairs of axis values instead of the product (Cohen et al., "The AETG System", IEEE TSE 23(7), 1997). Most faults of a combination
/// need two values to meet, not all.
/// </summary>
public static class Pairwise
{
    /// <summary>
    /// Cells in which every pair of axis values meets that meets in any of those given; an axis that a cell leaves out counts as a value. Pairs that meet in cells that run are
    /// covered by such alone; skipped ones are kept only for pairs that nothing here runs, so that their reasons are still told.
    /// </summary>
    /// <param name="cells">As the drivers answered; the result keeps their order.</param>
    public static IReadOnlyList<CellStatus> Reduce(IReadOnlyList<CellStatus> cells)
    {
        var covered = new HashSet<(int First, string? Value, int Second, string? Other)>();
        var chosen = new HashSet<Cell>();
        Cover([.. cells.Where(status => status.SkipReason is null).Select(status => status.Cell)], covered, chosen);
        Cover([.. cells.Where(status => status.SkipReason is not null).Select(status => status.Cell)], covered, chosen);
        return [.. cells.Where(status => chosen.Contains(status.Cell))];
    }

    /// <summary>The pairs of a cell: axis, value, a later axis, its value.</summary>
    public static IEnumerable<(int First, string? Value, int Second, string? Other)> PairsOf(Cell cell)
    {
        string?[] values = [.. CellAxes.Names.Select(cell.Value)];
        for (var first = 0; first < values.Length; first++)
        {
            for (var second = first + 1; second < values.Length; second++)
                yield return (first, values[first], second, values[second]);
        }
    }

    /// <summary>
    /// Greedily: always the cell with the most pairs that are still open, the earliest of equals. A cell's count only falls while others are chosen, so that one which is on top
    /// after a recount is the best, and most are never counted again.
    /// </summary>
    private static void Cover(List<Cell> cells, HashSet<(int, string?, int, string?)> covered, HashSet<Cell> chosen)
    {
        var open = new PriorityQueue<int, (int NegativeCount, int Position)>();
        for (var position = 0; position < cells.Count; position++)
            open.Enqueue(position, (-Open(cells[position]), position));
        while (open.TryDequeue(out var position, out var priority))
        {
            var count = Open(cells[position]);
            if (count == 0)
                continue;
            if (count < -priority.NegativeCount)
            {
                open.Enqueue(position, (-count, position));
                continue;
            }
            covered.UnionWith(PairsOf(cells[position]));
            chosen.Add(cells[position]);
        }

        int Open(Cell cell) => PairsOf(cell).Count(pair => !covered.Contains(pair));
    }
}
