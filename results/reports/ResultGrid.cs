using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>Results as a grid: a row for each suite, a column for each cell, both in the order in which the run has them.</summary>
public sealed class ResultGrid
{
    private readonly Dictionary<(string Suite, Cell Cell), VerdictCounts> fields = [];

    public ResultGrid(IEnumerable<JobResult> results)
    {
        var suites = new List<string>();
        var cells = new List<Cell>();
        var seenSuites = new HashSet<string>(StringComparer.Ordinal);
        var seenCells = new HashSet<Cell>();
        foreach (var result in results)
        {
            if (seenSuites.Add(result.Job.Suite))
                suites.Add(result.Job.Suite);
            if (seenCells.Add(result.Job.Cell))
                cells.Add(result.Job.Cell);
            if (!fields.TryGetValue((result.Job.Suite, result.Job.Cell), out var counts))
                fields[(result.Job.Suite, result.Job.Cell)] = counts = new VerdictCounts();
            counts.Add(result.Verdict);
            Total.Add(result.Verdict);
            if (result.Flaky)
                Flaky++;
        }

        Suites = suites;
        Cells = cells;
    }

    public IReadOnlyList<string> Suites { get; }

    public IReadOnlyList<Cell> Cells { get; }

    public VerdictCounts Total { get; } = new();

    /// <summary>Results whose attempts did not agree.</summary>
    public int Flaky { get; }

    /// <summary>Null when the suite has no job in the cell.</summary>
    public VerdictCounts? this[string suite, Cell cell] => fields.GetValueOrDefault((suite, cell));
}
