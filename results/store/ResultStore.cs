using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Store;

/// <summary>The store on either engine: one body of SQL. Start with <see cref="Open(string?)"/>.</summary>
public sealed class ResultStore : IStore
{
    /// <summary>Results read in one go while streaming a run's.</summary>
    private const int PageLength = 200;

    /// <summary>Runs that <see cref="GetTimings"/> looks back, and passes of a job it takes the median of.</summary>
    private const int TimingRuns = 50, TimingSamples = 9;

    private readonly TimeProvider clock;
    private readonly RunOwner owner;
    private readonly ArtifactShelf artifacts;

    internal ResultStore(StoreDatabase database, IArtifactStorage storage, TimeProvider clock, RunOwner owner)
    {
        Database = database;
        this.clock = clock;
        this.owner = owner;
        artifacts = new ArtifactShelf(database, storage, clock);
    }

    /// <summary>The database under it, where other rooms register and use tables of their own.</summary>
    public StoreDatabase Database { get; }

    public string Location => Database.Location;

    /// <summary>The store's folder; null when it is a server.</summary>
    public string? Folder => (Database as SqliteDatabase)?.Folder;

    /// <summary>Opens a store, making it when there is none.</summary>
    /// <param name="location">
    /// A folder, or <c>postgres://user:password@host/database</c>; null: <c>gauntlet</c> in the user's data folder (<c>$XDG_DATA_HOME</c>, else <c>~/.local/share</c>).
    /// </param>
    /// <exception cref="StoreException">It cannot be opened or made, is not a store, or is a newer Gauntlet's.</exception>
    /// <exception cref="UserException">The location is malformed.</exception>
    public static ResultStore Open(string? location = null) => Open(location, TimeProvider.System, RunOwner.Current);

    internal static ResultStore Open(string? location, TimeProvider clock, RunOwner owner)
    {
        if (location is { Length: 0 })
            throw new UserException("The location of the results store is empty. Name a folder, or postgres://user:password@host/database.");
        location ??= DefaultFolder();
        if (!PostgresLocation.Fits(location) && location.Contains("://", StringComparison.Ordinal))
            throw new UserException($"The results store '{location}' is neither a folder nor postgres://…, which are the kinds there are.");

        StoreDatabase database = PostgresLocation.Fits(location) ? new PostgresDatabase(PostgresLocation.Parse(location)) : new SqliteDatabase(location);
        try
        {
            database.Register(ResultsSchema.Schema);
            IArtifactStorage storage = database is SqliteDatabase sqlite ? new FolderArtifacts(sqlite.Folder) : new DatabaseArtifacts(database);
            return new ResultStore(database, storage, clock, owner);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>The folder that is taken when none is named (XDG Base Directory Specification).</summary>
    /// <exception cref="StoreException">There is no home folder.</exception>
    public static string DefaultFolder()
    {
        // The specification has relative paths ignored.
        if (Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } data && Path.IsPathFullyQualified(data))
            return Path.Combine(data, "gauntlet");
        if (Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } home)
            return Path.Combine(home, ".local", "share", "gauntlet");
        throw new StoreException("There is no place for results: neither HOME nor XDG_DATA_HOME is set. Name a folder with --results.");
    }

    public void BeginRun(Run run, IReadOnlyList<Job> jobs)
    {
        var positions = new HashSet<(string, int)>();
        foreach (var job in jobs)
        {
            if (!positions.Add((StoredRecord.Text(job.Key), job.Repetition)))
                throw new StoreException($"The job {job.Key} (repetition {job.Repetition}) is in the run twice. Give suites of the same name different names.");
        }

        Database.Write("begin a run", transaction =>
        {
            var previous = transaction.First<RunRow>(RunRow.Select + " WHERE id = @Id", new { run.Id });
            var all = jobs.ToList();
            if (previous is not null)
            {
                RefuseUnlessStopped(previous);
                all.AddRange(WithResults(transaction, previous.Seq).Where(job => !positions.Contains((StoredRecord.Text(job.Key), job.Repetition))));
                transaction.Execute("DELETE FROM jobs WHERE run_seq = @Seq", new { previous.Seq });
            }

            var values = new
            {
                run.Id,
                state = RunRow.Name(RunState.Running),
                started = StoredRecord.Time(run.StartedUtc),
                branch = run.Branch is null ? null : StoredRecord.Text(run.Branch),
                record = StoredRecord.Write(run),
                owner.Host,
                owner.Boot,
                owner.Namespace,
                owner.ProcessId,
                owner.ProcessStart,
            };
            transaction.Execute(
                """
                INSERT INTO runs (id, state, started_utc, branch, record, owner_host, owner_boot, owner_namespace, owner_pid, owner_start)
                VALUES (@Id, @state, @started, @branch, @record, @Host, @Boot, @Namespace, @ProcessId, @ProcessStart)
                ON CONFLICT (id) DO UPDATE SET state = excluded.state, started_utc = excluded.started_utc, finished_utc = NULL, branch = excluded.branch,
                    record = excluded.record, owner_host = excluded.owner_host, owner_boot = excluded.owner_boot,
                    owner_namespace = excluded.owner_namespace, owner_pid = excluded.owner_pid, owner_start = excluded.owner_start
                """,
                values);
            var seq = SeqOf(transaction, run.Id);
            transaction.InsertMany("jobs (run_seq, job_key, repetition, position, record)", all.Select((job, position) =>
                new object?[] { seq, StoredRecord.Text(job.Key), (long)job.Repetition, (long)position, StoredRecord.Write(job) }));
        });
    }

    public void AddResult(string runId, JobResult result) => Database.Write("store a result", transaction =>
    {
        var key = StoredRecord.Text(result.Job.Key);
        var last = result.Attempts.Count > 0 ? result.Attempts[^1] : null;
        var values = new
        {
            seq = SeqOf(transaction, runId),
            key,
            repetition = (long)result.Job.Repetition,
            verdict = result.Verdict.Name(),
            flaky = result.Flaky ? 1L : 0L,
            cpu = last?.CpuSeconds ?? 0.0,
            wall = last?.WallSeconds ?? 0.0,
            record = StoredRecord.Write(result),
            job = StoredRecord.Write(result.Job),
        };
        transaction.Execute("DELETE FROM results WHERE run_seq = @seq AND job_key = @key AND repetition = @repetition", values);
        transaction.Execute(
            """
            INSERT INTO results (run_seq, job_key, repetition, verdict, flaky, cpu_seconds, wall_seconds, record)
            VALUES (@seq, @key, @repetition, @verdict, @flaky, @cpu, @wall, @record)
            """,
            values);

        // A job that was not announced is one more, at the end.
        transaction.Execute(
            """
            INSERT INTO jobs (run_seq, job_key, repetition, position, record)
            SELECT @seq, @key, @repetition, (SELECT coalesce(max(position) + 1, 0) FROM jobs WHERE run_seq = @seq), @job
            WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE run_seq = @seq AND job_key = @key AND repetition = @repetition)
            """,
            values);
        transaction.InsertMany(
            "result_artifacts (run_seq, job_key, repetition, sha256)",
            result.Attempts.SelectMany(a => a.Artifacts).Select(a => a.Sha256).Distinct().Select(sha256 => new object?[] { values.seq, key, values.repetition, sha256 }));
    });

    public void EndRun(string runId, RunState state, DateTime finishedUtc)
    {
        if (state is not (RunState.Finished or RunState.Cancelled))
            throw new ArgumentOutOfRangeException(nameof(state), state, "A run ends as finished or cancelled.");
        Database.Write("end a run", transaction => transaction.Execute(
            "UPDATE runs SET state = @state, finished_utc = @finished WHERE seq = @seq",
            new { state = RunRow.Name(state), finished = StoredRecord.Time(finishedUtc), seq = SeqOf(transaction, runId) }));
    }

    public Artifact PutArtifact(string name, Stream content, bool truncated = false) => artifacts.Put(name, content, truncated);

    public Stream? OpenArtifact(string sha256) => artifacts.Open(sha256);

    public IReadOnlyList<Run> ListRuns(RunFilter filter)
    {
        SettleInterrupted();
        var where = (filter.Branch is null ? "" : " AND branch = @branch") + (filter.State is null ? "" : " AND state = @state");
        var rows = Database.Read("list runs", read => read.Query<RunRow>(
            $"{RunRow.Select} WHERE 1 = 1{where} ORDER BY seq DESC LIMIT @limit",
            new
            {
                branch = filter.Branch is null ? null : StoredRecord.Text(filter.Branch),
                state = filter.State is { } state ? RunRow.Name(state) : null,
                limit = (long)filter.Limit,
            }));
        return rows.ConvertAll(row => row.ToRun(Location));
    }

    public Run? FindRun(string idOrPrefix)
    {
        SettleInterrupted();
        const string latest = "latest";
        var rows = Database.Read("find a run", read =>
        {
            if (idOrPrefix == latest || idOrPrefix.StartsWith(latest + "~", StringComparison.Ordinal))
            {
                var back = idOrPrefix == latest ? "0" : idOrPrefix[(latest.Length + 1)..];
                return ushort.TryParse(back, out var skip) ? read.Query<RunRow>($"{RunRow.Select} ORDER BY seq DESC LIMIT 1 OFFSET @skip", new { skip = (long)skip }) : [];
            }

            var prefix = StoredRecord.Text(idOrPrefix);
            var exact = read.Query<RunRow>($"{RunRow.Select} WHERE id = @prefix", new { prefix });
            return exact.Count > 0 || prefix.Length == 0 ? exact : read.Query<RunRow>($"{RunRow.Select} WHERE substr(id, 1, length(@prefix)) = @prefix ORDER BY seq DESC", new { prefix });
        });
        return rows.Count switch
        {
            0 => null,
            1 => rows[0].ToRun(Location),
            _ => throw new UserException($"'{idOrPrefix}' is the beginning of {rows.Count} runs, {rows[0].Id} and {rows[1].Id} among them. Give more of the id."),
        };
    }

    public IReadOnlyList<Job> GetJobs(string runId) => Database.Read("read a run's jobs", read => read
        .Query<string>("SELECT record FROM jobs WHERE run_seq = @seq ORDER BY position", new { seq = SeqOf(read, runId) })
        .ConvertAll(record => StoredRecord.ReadJob(record, Location)));

    public IEnumerable<JobResult> GetResults(string runId)
    {
        // Pages instead of one open cursor: a slow reader then holds up neither checkpoints nor pruning.
        var seq = Database.Read("read a run's results", read => SeqOf(read, runId));
        for (long after = -1; ;)
        {
            var page = Database.Read("read a run's results", read => read.Query<ResultRow>(
                """
                SELECT j.position AS Position, r.record AS Record
                FROM results r JOIN jobs j ON j.run_seq = r.run_seq AND j.job_key = r.job_key AND j.repetition = r.repetition
                WHERE r.run_seq = @seq AND j.position > @after ORDER BY j.position LIMIT @PageLength
                """,
                new { seq, after, PageLength = (long)PageLength }));
            foreach (var row in page)
                yield return StoredRecord.ReadResult(row.Record, Location);
            if (page.Count < PageLength)
                yield break;
            after = page[^1].Position;
        }
    }

    public IReadOnlyList<HistoryEntry> GetHistory(string jobKey, int limit) => Database.Read("read a job's history", read => read
        .Query<HistoryRow>(
            """
            SELECT u.id AS RunId, u.started_utc AS Started, u.branch AS Branch, u.record AS Run, r.verdict AS Verdict, r.flaky AS Flaky,
                r.cpu_seconds AS CpuSeconds, r.wall_seconds AS WallSeconds
            FROM results r JOIN runs u ON u.seq = r.run_seq WHERE r.job_key = @key ORDER BY r.run_seq DESC, r.repetition DESC LIMIT @limit
            """,
            new { key = StoredRecord.Text(jobKey), limit = (long)limit })
        .ConvertAll(row => row.ToEntry(Location)));

    public IReadOnlyDictionary<string, JobTiming> GetTimings()
    {
        var samples = Database.Read("read past timings", read => read.Query<TimingRow>(
            """
            SELECT job_key AS JobKey, cpu_seconds AS CpuSeconds, wall_seconds AS WallSeconds FROM (
                SELECT job_key, cpu_seconds, wall_seconds, row_number() OVER (PARTITION BY job_key ORDER BY run_seq DESC, repetition DESC) AS age
                FROM results WHERE verdict IN ('pass', 'known-fail') AND run_seq IN (SELECT seq FROM runs ORDER BY seq DESC LIMIT @TimingRuns)) AS recent
            WHERE age <= @TimingSamples
            """,
            new { TimingRuns = (long)TimingRuns, TimingSamples = (long)TimingSamples }));
        return samples.GroupBy(s => s.JobKey, StringComparer.Ordinal).ToDictionary(
            group => group.Key,
            group => new JobTiming(Median(group.Select(s => s.CpuSeconds)), Median(group.Select(s => s.WallSeconds)), group.Count()),
            StringComparer.Ordinal);
    }

    public PruneReport Prune(PruneOptions options)
    {
        SettleInterrupted();
        var report = Database.Write("prune", transaction =>
        {
            Database.LockArtifacts(transaction, exclusive: true);
            var runs = transaction.Query<RunRow>($"{RunRow.Select} ORDER BY seq DESC");
            var deadline = options.OlderThan is { } age ? StoredRecord.Time(clock.GetUtcNow().UtcDateTime - age) : null;
            var doomed = runs
                .Where((run, newer) => run.State != RunRow.Name(RunState.Running)
                    && (options.KeepRuns is not null || deadline is not null)
                    && newer >= (options.KeepRuns ?? 0)
                    && (deadline is null || string.CompareOrdinal(run.StartedUtc, deadline) < 0))
                .ToList();
            foreach (var run in doomed)
            {
                artifacts.NoteRelease(transaction, run.Seq);
                transaction.Execute("DELETE FROM runs WHERE seq = @Seq", new { run.Seq });
            }

            var (count, bytes) = artifacts.Prune(transaction, options.DryRun);
            if (options.DryRun)
                transaction.RollBack();
            return new PruneReport(doomed.Count, count, bytes);
        });
        if (!options.DryRun)
            Database.ReleaseSpace();
        return report;
    }

    public void Dispose() => Database.Dispose();

    /// <summary>Half of the samples are at most this; of an even number the mean of the middle two.</summary>
    private static double Median(IEnumerable<double> samples)
    {
        var sorted = samples.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private long SeqOf(StoreTransaction transaction, string runId) =>
        transaction.First<long?>("SELECT seq FROM runs WHERE id = @id", new { id = StoredRecord.Text(runId) })
        ?? throw new StoreException($"The results store {Location} has no run {runId}; it was pruned, or is in another store.");

    private List<Job> WithResults(StoreTransaction transaction, long seq) => transaction
        .Query<string>(
            """
            SELECT j.record FROM jobs j JOIN results r ON r.run_seq = j.run_seq AND r.job_key = j.job_key AND r.repetition = j.repetition
            WHERE j.run_seq = @seq ORDER BY j.position
            """,
            new { seq })
        .ConvertAll(record => StoredRecord.ReadJob(record, Location));

    private void RefuseUnlessStopped(RunRow run)
    {
        if (run.State == RunRow.Name(RunState.Finished))
            throw new StoreException($"The run {run.Id} in the results store {Location} is finished and cannot be continued. Start a new one.");
        if (run.State == RunRow.Name(RunState.Running) && !run.Owner.IsGone())
            throw new StoreException($"The run {run.Id} in the results store {Location} is being written by process {run.OwnerPid} on {run.OwnerHost.Split(' ')[0]}. Wait for its end, or end it.");
    }

    /// <summary>Runs whose process is gone become interrupted, for good where the store can be written.</summary>
    private void SettleInterrupted()
    {
        var running = Database.Read("look for interrupted runs", read => read.Query<RunRow>($"{RunRow.Select} WHERE state = 'running'"));
        foreach (var run in running.Where(run => run.Owner.IsGone()))
        {
            // Its owner is named too: in the meantime somebody may have continued it.
            Database.Write("mark a run as interrupted", transaction => transaction.Execute(
                "UPDATE runs SET state = 'interrupted' WHERE seq = @Seq AND state = 'running' AND owner_pid = @OwnerPid AND owner_start = @OwnerStart AND owner_boot = @OwnerBoot", run));
        }
    }
}
