using Gauntlet.Results.Records;

namespace Gauntlet.Results.Store;

/// <summary>What a run came to.</summary>
/// <param name="Verdicts">How many results of each verdict there are so far.</param>
/// <param name="Flaky">Results whose attempts did not agree.</param>
public sealed record RunOverview(IReadOnlyDictionary<Verdict, int> Verdicts, int Flaky)
{
    public static RunOverview Empty { get; } = new(new Dictionary<Verdict, int>(), 0);

    public int Results => Verdicts.Values.Sum();
}

/// <summary>One past result, without its record.</summary>
/// <param name="RunId">Where; runs come oldest first.</param>
/// <param name="Revision">Of the tree under test, where known.</param>
public sealed record PastVerdict(string RunId, string? Revision, string JobKey, Verdict Verdict, bool Flaky);

/// <summary>Questions across many runs, answered without reading records.</summary>
public static class RunOverviews
{
    /// <summary>The overview of each run that is there.</summary>
    public static IReadOnlyDictionary<string, RunOverview> GetOverviews(this ResultStore store, IReadOnlyCollection<string> runIds)
    {
        var rows = store.Database.Read("sum up runs", read => runIds.SelectMany(id => read.Query<CountRow>(
            """
            SELECT u.id AS RunId, r.verdict AS Verdict, count(*) AS Results, cast(sum(r.flaky) AS BIGINT) AS Flaky
            FROM results r JOIN runs u ON u.seq = r.run_seq WHERE u.id = @id GROUP BY u.id, r.verdict
            """,
            new { id })).ToList());
        return rows.GroupBy(row => row.RunId, StringComparer.Ordinal).ToDictionary(
            run => run.Key,
            run => new RunOverview(run.ToDictionary(row => Parse(row.Verdict, store), row => (int)row.Results), (int)run.Sum(row => row.Flaky)),
            StringComparer.Ordinal);
    }

    /// <summary>All verdicts of the newest runs, oldest run first.</summary>
    /// <param name="runs">How many runs to look back.</param>
    /// <param name="branch">Only runs of this branch; null: all.</param>
    public static IReadOnlyList<PastVerdict> GetPastVerdicts(this ResultStore store, int runs, string? branch)
    {
        var revisions = store.ListRuns(new RunFilter(runs, branch)).Reverse().ToList();
        return store.Database.Read("read past verdicts", read => revisions.SelectMany(run => read
            .Query<VerdictRow>(
                "SELECT r.job_key AS JobKey, r.verdict AS Verdict, r.flaky AS Flaky FROM results r JOIN runs u ON u.seq = r.run_seq WHERE u.id = @Id ORDER BY r.job_key, r.repetition",
                new { run.Id })
            .Select(row => new PastVerdict(run.Id, run.Revision, row.JobKey, Parse(row.Verdict, store), row.Flaky != 0))).ToList());
    }

    /// <summary>Results of one job in one run, by repetition; none when it has none there.</summary>
    public static IReadOnlyList<JobResult> GetResults(this ResultStore store, string runId, string jobKey) => store.Database.Read("read a job's results", read => read
        .Query<string>(
            "SELECT r.record FROM results r JOIN runs u ON u.seq = r.run_seq WHERE u.id = @runId AND r.job_key = @key ORDER BY r.repetition",
            new { runId, key = StoredRecord.Text(jobKey) })
        .ConvertAll(record => StoredRecord.ReadResult(record, store.Location)));

    /// <summary>Keys of jobs that have results, in order.</summary>
    public static IReadOnlyList<string> GetJobKeys(this ResultStore store) =>
        store.Database.Read("read the jobs' names", read => read.Query<string>("SELECT DISTINCT job_key FROM results ORDER BY job_key"));

    private static Verdict Parse(string name, ResultStore store) => Verdicts.TryParse(name, out var verdict)
        ? verdict
        : throw new StoreException($"The results store {store.Location} holds the unknown verdict '{name}'. A newer Gauntlet wrote it: update, or name another store.");

    private sealed class CountRow
    {
        public string RunId { get; set; } = "";

        public string Verdict { get; set; } = "";

        public long Results { get; set; }

        public long Flaky { get; set; }
    }

    private sealed class VerdictRow
    {
        public string JobKey { get; set; } = "";

        public string Verdict { get; set; } = "";

        public long Flaky { get; set; }
    }
}
