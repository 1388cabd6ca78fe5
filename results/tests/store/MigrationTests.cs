using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;
using Microsoft.Data.Sqlite;

namespace Gauntlet.Results.Tests.Store;

/// <summary>Stores of earlier versions. Their tables are spelled here as they once were, not taken from the program.</summary>
public sealed class MigrationTests : IDisposable
{
    private const string Version1 =
        """
        CREATE TABLE schema_versions (name TEXT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, artifact_references TEXT, applied_utc TEXT NOT NULL);
        INSERT INTO schema_versions VALUES ('results', 1, 'SELECT sha256 FROM result_artifacts', '2026-11-20T12:00:00.0000000Z');
        CREATE TABLE runs (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, started_utc TEXT NOT NULL, finished_utc TEXT,
            branch TEXT, record TEXT NOT NULL, owner_host TEXT NOT NULL, owner_boot TEXT NOT NULL, owner_namespace TEXT NOT NULL, owner_pid BIGINT NOT NULL, owner_start BIGINT NOT NULL);
        CREATE INDEX runs_branch ON runs (branch, seq);
        CREATE TABLE jobs (run_seq BIGINT NOT NULL REFERENCES runs (seq) ON DELETE CASCADE, job_key TEXT NOT NULL, repetition BIGINT NOT NULL, position BIGINT NOT NULL,
            record TEXT NOT NULL, PRIMARY KEY (run_seq, job_key, repetition));
        CREATE INDEX jobs_position ON jobs (run_seq, position);
        CREATE TABLE results (run_seq BIGINT NOT NULL REFERENCES runs (seq) ON DELETE CASCADE, job_key TEXT NOT NULL, repetition BIGINT NOT NULL, verdict TEXT NOT NULL,
            flaky BIGINT NOT NULL, cpu_seconds DOUBLE PRECISION NOT NULL, wall_seconds DOUBLE PRECISION NOT NULL, record TEXT NOT NULL, PRIMARY KEY (run_seq, job_key, repetition));
        CREATE INDEX results_history ON results (job_key, run_seq);
        CREATE TABLE artifacts (sha256 TEXT NOT NULL PRIMARY KEY, length BIGINT NOT NULL, stored_length BIGINT NOT NULL, compressed BIGINT NOT NULL, last_seq BIGINT NOT NULL, last_put_utc TEXT NOT NULL);
        CREATE TABLE result_artifacts (run_seq BIGINT NOT NULL, job_key TEXT NOT NULL, repetition BIGINT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (run_seq, job_key, repetition, sha256),
            FOREIGN KEY (run_seq, job_key, repetition) REFERENCES results (run_seq, job_key, repetition) ON DELETE CASCADE);
        CREATE INDEX result_artifacts_sha256 ON result_artifacts (sha256);

        INSERT INTO runs VALUES (7, 'old', 'finished', '2026-11-20T12:00:00.0000000Z', '2026-11-20T12:01:00.0000000Z', 'main',
            '{"schema":1,"id":"old","startedUtc":"2026-11-20T12:00:00Z","state":"running","commandLine":"gauntlet run","branch":"main","revision":"abc","host":{"kernel":"6.1"},"jobCount":1}',
            'h', 'b', 'n', 1, 1);
        INSERT INTO jobs VALUES (7, 'smoke/a @ qemu/tcg/x86_64', 1, 0,
            '{"schema":1,"suite":"smoke","case":"a","cell":{"vmm":"qemu","accel":"tcg","arch":"x86_64"},"image":"/a","vmmArguments":[],"smp":1,"timeoutSeconds":90,"convention":"kvm-unit-tests","groups":[],"environment":{},"repetition":1}');
        INSERT INTO results VALUES (7, 'smoke/a @ qemu/tcg/x86_64', 1, 'pass', 1, 1.5, 2.5,
            '{"job":{"schema":1,"suite":"smoke","case":"a","cell":{"vmm":"qemu","accel":"tcg","arch":"x86_64"},"image":"/a","smp":1,"timeoutSeconds":90,"convention":"kvm-unit-tests"},"verdict":"pass","flaky":true,"attempts":[{"schema":1,"number":1,"commandLine":["q"],"startedUtc":"2026-11-20T12:00:00Z","wallSeconds":2.5,"cpuSeconds":1.5,"exitStatus":1,"verdict":"pass","subtests":[{"name":"s","verdict":"pass"}]}]}');
        """;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_store_of_version_1_is_brought_forward_with_all_that_it_holds()
    {
        MakeVersion1();
        using var store = ResultStore.Open(folder.Path);

        Assert.Equal(2, store.Database.Read("look", read => read.First<long>("SELECT version FROM schema_versions WHERE name = 'results'")));
        Assert.Equal("results_overview", store.Database.Read("look", read => read.First<string>("SELECT name FROM sqlite_master WHERE name = 'results_overview'")));
        var run = store.FindRun("old")!;
        Assert.Equal((RunState.Finished, "abc", Samples.Noon.AddMinutes(1)), (run.State, run.Revision, run.FinishedUtc));
        var result = Assert.Single(store.GetResults("old"));
        Assert.Equal((Verdict.Pass, true, "s"), (result.Verdict, result.Flaky, result.Attempts[0].Subtests[0].Name));
        Assert.Equal(new HistoryEntry("old", Samples.Noon, "main", "abc", Verdict.Pass, true, 1.5, 2.5), Assert.Single(store.GetHistory(Samples.Job("a").Key, 5)));

        store.BeginRun(Samples.Run("new"), []);
        Assert.Equal(["new", "old"], store.ListRuns(new RunFilter()).Select(r => r.Id));
    }

    [Fact]
    public void A_store_of_a_newer_program_is_refused_and_left_as_it_is()
    {
        MakeVersion1();
        Execute("UPDATE schema_versions SET version = 99");
        var error = Assert.Throws<StoreException>(() => ResultStore.Open(folder.Path));
        Assert.Contains("was written by a newer Gauntlet: its tables 'results' have version 99, this program knows 2. Update Gauntlet", error.Message);
    }

    [Fact]
    public void A_record_of_a_newer_program_is_refused()
    {
        MakeVersion1();
        Execute("UPDATE results SET record = replace(record, '\"schema\":1,\"number\"', '\"schema\":9,\"number\"')");
        using var store = ResultStore.Open(folder.Path);
        Assert.Contains("in format 9; this program reads up to 1", Assert.Throws<StoreException>(() => store.GetResults("old").ToList()).Message);
    }

    [Fact]
    public void A_record_that_is_no_record_is_refused()
    {
        MakeVersion1();
        Execute("UPDATE results SET record = '{\"job\":7}'");
        using var store = ResultStore.Open(folder.Path);
        Assert.Contains("holds a result that cannot be read", Assert.Throws<StoreException>(() => store.GetResults("old").ToList()).Message);
    }

    [Fact]
    public void A_migration_that_fails_leaves_the_version_that_was()
    {
        using var store = ResultStore.Open(folder.Path);
        var good = new StoreSchema("gate", ["CREATE TABLE gate_queue (name TEXT)"]);
        store.Database.Register(good);
        Assert.Throws<StoreException>(() => store.Database.Register(good with { Migrations = [.. good.Migrations, "CREATE TABLE gate_more (name TEXT); CREATE TABLE gate_queue (name TEXT)"] }));
        Assert.Equal(1, store.Database.Read("look", read => read.First<long>("SELECT version FROM schema_versions WHERE name = 'gate'")));
        Assert.Equal(0, store.Database.Read("look", read => read.First<long>("SELECT count(*) FROM sqlite_master WHERE name = 'gate_more'")));
    }

    private void MakeVersion1()
    {
        Execute("PRAGMA journal_mode = WAL");
        Execute(Version1);
    }

    private void Execute(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={folder["results.db"]};Pooling=false");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
