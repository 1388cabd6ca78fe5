using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>How many of each verdict.</summary>
public sealed class VerdictCounts
{
    private readonly int[] counts = new int[VerdictSymbol.WorstFirst.Count];

    public VerdictCounts()
    {
    }

    public VerdictCounts(IEnumerable<Verdict> verdicts)
    {
        foreach (var verdict in verdicts)
            Add(verdict);
    }

    public int this[Verdict verdict] => counts[(int)verdict];

    public int Total => counts.Sum();

    public int Failures => VerdictSymbol.WorstFirst.Where(v => v.IsFailure()).Sum(v => this[v]);

    public int Executed => VerdictSymbol.WorstFirst.Where(v => v.WasExecuted()).Sum(v => this[v]);

    /// <summary>Those that there are, worst first.</summary>
    public IEnumerable<(Verdict Verdict, int Count)> Present => VerdictSymbol.WorstFirst.Where(v => this[v] > 0).Select(v => (v, this[v]));

    public void Add(Verdict verdict) => counts[(int)verdict]++;

    /// <summary><c>1 crash, 2 fail, 30 pass</c>; <c>nothing</c> when there is nothing.</summary>
    public override string ToString() => Total == 0 ? "nothing" : string.Join(", ", Present.Select(p => $"{p.Count} {p.Verdict.Name()}"));
}
