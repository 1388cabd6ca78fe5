using System.Text;
using FsCheck.Fluent;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Tests.Store;

/// <summary>What holds of a store on either engine.</summary>
[Collection(StoreCollection.Name)]
public sealed class StoreTests(PostgresServer server) : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly SteppedClock clock = new();

    public void Dispose() => folder.Dispose();

    [Theory, OnSqlite, OnPostgres]
    public void Results_come_back_as_they_were_and_in_the_order_of_their_jobs(Engine engine)
    {
        using var store = Open(engine);
        var number = 0;
        Prop.ForAll(RecordGenerators.Results.ToArbitrary(), results =>
        {
            var id = $"run-{number++}";
            store.BeginRun(Samples.Run(id), results.Select(r => r.Job).ToList());
            foreach (var result in results.Reverse())
                store.AddResult(id, result);

            Assert.Equivalent(results.Select(r => r.Job), store.GetJobs(id), strict: true);
            Assert.Equivalent(results, store.GetResults(id).ToList(), strict: true);
        }).Holds(30);
    }

    [Theory, OnSqlite, OnPostgres]
    public void A_run_of_many_jobs_is_streamed_whole(Engine engine)
    {
        using var store = Open(engine);
        var jobs = Enumerable.Range(0, 1001).Select(i => Samples.Job($"case-{i}")).ToList();
        store.BeginRun(Samples.Run("a"), jobs);
        foreach (var job in jobs.Where((_, i) => i % 3 != 0))
            store.AddResult("a", Samples.Result(job, Verdict.Pass));

        Assert.Equal(jobs.Where((_, i) => i % 3 != 0).Select(j => j.Key), store.GetResults("a").Select(r => r.Job.Key));
    }

    [Theory, OnSqlite, OnPostgres]
    public void A_run_is_running_until_it_is_ended(Engine engine)
    {
        using var store = Open(engine);
        var run = Samples.Run("a", "main") with { Revision = "abc", Host = new Dictionary<string, string> { ["kernel"] = "6.1" } };
        store.BeginRun(run, []);
        Assert.Equivalent(run, store.FindRun("a"), strict: true);

        store.EndRun("a", RunState.Finished, Samples.Noon.AddMinutes(1));
        Assert.Equivalent(run with { State = RunState.Finished, FinishedUtc = Samples.Noon.AddMinutes(1) }, store.FindRun("a"), strict: true);
    }

    [Theory, OnSqlite, OnPostgres]
    public void Runs_are_found_by_id_by_a_unique_beginning_and_from_the_latest_backwards(Engine engine)
    {
        using var store = Open(engine);
        foreach (var id in new[] { "20261120-1", "20261120-10", "20261121-1" })
            store.BeginRun(Samples.Run(id), []);

        Assert.Equal("20261120-1", store.FindRun("20261120-1")!.Id);
        Assert.Equal("20261121-1", store.FindRun("20261121")!.Id);
        Assert.Equal("20261121-1", store.FindRun("latest")!.Id);
        Assert.Equal("20261120-1", store.FindRun("latest~2")!.Id);
        Assert.Null(store.FindRun("latest~3"));
        Assert.Null(store.FindRun("latest~x"));
        Assert.Null(store.FindRun(""));
        Assert.Null(store.FindRun("2027"));
        Assert.Null(store.FindRun("%"));
        Assert.Contains("3 runs", Assert.Throws<UserException>(() => store.FindRun("2026")).Message);
    }

    [Theory, OnSqlite, OnPostgres]
    public void A_clock_that_jumps_backwards_does_not_reorder_runs(Engine engine)
    {
        using var store = Open(engine);
        store.BeginRun(Samples.Run("z", started: Samples.Noon), []);
        store.BeginRun(Samples.Run("a", started: Samples.Noon.AddYears(-3)), []);

        Assert.Equal(["a", "z"], store.ListRuns(new RunFilter()).Select(r => r.Id));
        Assert.Equal("a", store.FindRun("latest")!.Id);
    }

    [Theory, OnSqlite, OnPostgres]
    public void Runs_are_listed_by_branch_and_state_up_to_a_limit(Engine engine)
    {
        using var store = Open(engine);
        foreach (var (id, branch) in new[] { ("a", "main"), ("b", "topic"), ("c", "main"), ("d", "main") })
        {
            store.BeginRun(Samples.Run(id, branch), []);
            if (id != "d")
                store.EndRun(id, RunState.Finished, Samples.Noon);
        }

        Assert.Equal(["d", "c", "a"], store.ListRuns(new RunFilter(Branch: "main")).Select(r => r.Id));
        Assert.Equal(["c", "a"], store.ListRuns(new RunFilter(Branch: "main", State: RunState.Finished)).Select(r => r.Id));
        Assert.Equal(["d", "c"], store.ListRuns(new RunFilter(Limit: 2)).Select(r => r.Id));
    }

    [Theory, OnSqlite, OnPostgres]
    public void The_same_job_again_replaces_its_result(Engine engine)
    {
        using var store = Open(engine);
        var jobs = new[] { Samples.Job("a"), Samples.Job("b"), Samples.Job("a") with { Repetition = 2 } };
        store.BeginRun(Samples.Run("r"), jobs);
        foreach (var job in jobs)
            store.AddResult("r", Samples.Result(job, Verdict.Fail));
        store.AddResult("r", Samples.Result(jobs[0], Verdict.Pass));

        Assert.Equal([("a", 1, Verdict.Pass), ("b", 1, Verdict.Fail), ("a", 2, Verdict.Fail)], store.GetResults("r").Select(r => (r.Job.Case, r.Job.Repetition, r.Verdict)));
    }

    [Theory, OnSqlite, OnPostgres]
    public void A_job_that_was_not_announced_comes_last(Engine engine)
    {
        using var store = Open(engine);
        store.BeginRun(Samples.Run("r"), [Samples.Job("a")]);
        store.AddResult("r", Samples.Result(Samples.Job("extra"), Verdict.Pass));
        store.AddResult("r", Samples.Result(Samples.Job("a"), Verdict.Pass));

        Assert.Equal(["a", "extra"], store.GetResults("r").Select(r => r.Job.Case));
    }

    [Theory, OnSqlite, OnPostgres]
    public void A_job_twice_in_one_run_is_refused(Engine engine)
    {
        using var store = Open(engine);
        var error = Assert.Throws<StoreException>(() => store.BeginRun(Samples.Run("r"), [Samples.Job("a"), Samples.Job("a")]));
        Assert.Contains("smoke/a @ qemu/tcg/x86_64", error.Message);
        Assert.Null(store.FindRun("r"));
    }

    [Theory, OnSqlite, OnPostgres]
    public void Writing_to_a_run_that_is_not_there_says_so(Engine engine)
    {
        using var store = Open(engine);
        Assert.Contains("no run nope", Assert.Throws<StoreException>(() => store.AddResult("nope", Samples.Result(Samples.Job("a"), Verdict.Pass))).Message);
        Assert.Contains("no run nope", Assert.Throws<StoreException>(() => store.EndRun("nope", RunState.Finished, Samples.Noon)).Message);
        Assert.Contains("no run nope", Assert.Throws<StoreException>(() => store.GetResults("nope").ToList()).Message);
    }

    [Theory, OnSqlite, OnPostgres]
    public void A_run_whose_process_is_gone_is_interrupted_and_can_be_continued(Engine engine)
    {
        var location = Location(engine);
        var gone = RunOwner.Current with { ProcessStart = RunOwner.Current.ProcessStart + 1 };
        using (var owner = ResultStore.Open(location, clock, gone))
        {
            owner.BeginRun(Samples.Run("r"), [Samples.Job("a"), Samples.Job("b"), Samples.Job("dropped")]);
            owner.AddResult("r", Samples.Result(Samples.Job("a"), Verdict.Pass));
            owner.AddResult("r", Samples.Result(Samples.Job("dropped"), Verdict.Pass));
        }

        using var store = Open(location);
        Assert.Equal(RunState.Interrupted, store.FindRun("r")!.State);
        Assert.Equal(["r"], store.ListRuns(new RunFilter(State: RunState.Interrupted)).Select(r => r.Id));

        store.BeginRun(Samples.Run("r"), [Samples.Job("new"), Samples.Job("b"), Samples.Job("a")]);
        Assert.Equal(RunState.Running, store.FindRun("r")!.State);
        store.AddResult("r", Samples.Result(Samples.Job("b"), Verdict.Fail));
        store.EndRun("r", RunState.Finished, Samples.Noon);

        Assert.Equal(["new", "b", "a", "dropped"], store.GetJobs("r").Select(j => j.Case));
        Assert.Equal(["b", "a", "dropped"], store.GetResults("r").Select(r => r.Job.Case));
        Assert.Contains("finished", Assert.Throws<StoreException>(() => store.BeginRun(Samples.Run("r"), [])).Message);
    }

    [Theory, OnSqlite, OnPostgres]
    public void A_run_of_a_live_process_or_of_another_host_is_nobody_elses(Engine engine)
    {
        using var store = Open(engine);
        store.BeginRun(Samples.Run("mine"), []);
        Assert.Contains($"process {Environment.ProcessId}", Assert.Throws<StoreException>(() => store.BeginRun(Samples.Run("mine"), [])).Message);

        var location = Location(engine);
        using (var elsewhere = ResultStore.Open(location, clock, RunOwner.Current with { Host = "elsewhere 1234", Boot = "x", ProcessId = 1 }))
            elsewhere.BeginRun(Samples.Run("theirs"), []);
        using (var rebooted = ResultStore.Open(location, clock, RunOwner.Current with { Boot = "x" }))
            rebooted.BeginRun(Samples.Run("before reboot"), []);
        using var here = Open(location);
        Assert.Equal(RunState.Running, here.FindRun("theirs")!.State);
        Assert.Equal(RunState.Interrupted, here.FindRun("before reboot")!.State);
    }

    [Theory, OnSqlite, OnPostgres]
    public void Artifacts_of_any_size_come_back_and_are_kept_once(Engine engine)
    {
        using var store = Open(engine);
        var text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 200_000).Select(i => $"line {i}\n")));
        foreach (var bytes in new[] { [], [7], Samples.Bytes(1, 5000), text[..5000], text[..(1 << 20)], text, Samples.Bytes(2, (1 << 20) + 1), Samples.Bytes(3, 3 << 20) })
        {
            var artifact = store.PutArtifact("console.log", new Dripping(bytes), truncated: true);
            Assert.Equal(new Artifact("console.log", Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), bytes.Length, true), artifact);
            Assert.Equal(artifact with { Name = "other" }, store.PutArtifact("other", new MemoryStream(bytes), truncated: true));
            using var back = store.OpenArtifact(artifact.Sha256)!;
            var read = new MemoryStream();
            back.CopyTo(read);
            Assert.True(bytes.AsSpan().SequenceEqual(read.ToArray()));
        }

        Assert.Equal(8, store.Database.Read("count", read => read.First<long>("SELECT count(*) FROM artifacts")));
        Assert.Null(store.OpenArtifact(new string('0', 64)));
    }

    [Theory, OnSqlite, OnPostgres]
    public void Text_that_compresses_is_kept_compressed(Engine engine)
    {
        using var store = Open(engine);
        store.PutArtifact("a", new MemoryStream(new byte[100_000]));
        Assert.InRange(store.Database.Read("look", read => read.First<long>("SELECT stored_length FROM artifacts")), 1, 10_000);
    }

    [Theory, OnSqlite, OnPostgres]
    public void History_is_the_newest_first_with_what_compares_it(Engine engine)
    {
        using var store = Open(engine);
        for (var i = 1; i <= 3; i++)
        {
            store.BeginRun(Samples.Run($"r{i}", "main", Samples.Noon.AddDays(i)) with { Revision = $"rev{i}" }, []);
            store.AddResult($"r{i}", Samples.Result(Samples.Job("a"), i == 2 ? Verdict.Timeout : Verdict.Pass, i) with { Flaky = i == 3 });
            store.AddResult($"r{i}", Samples.Result(Samples.Job("a", Samples.Kvm), Verdict.Fail));
        }

        Assert.Equal(
            [
                new HistoryEntry("r3", Samples.Noon.AddDays(3), "main", "rev3", Verdict.Pass, true, 3, 6),
                new HistoryEntry("r2", Samples.Noon.AddDays(2), "main", "rev2", Verdict.Timeout, false, 2, 4),
            ],
            store.GetHistory(Samples.Job("a").Key, 2));
        Assert.Empty(store.GetHistory("nope", 2));
    }

    [Theory, OnSqlite, OnPostgres]
    public void Timings_are_the_median_of_recent_passes(Engine engine)
    {
        using var store = Open(engine);
        foreach (var (cpu, i) in new double[] { 1, 9, 2, 100 }.Select((cpu, i) => (cpu, i)))
        {
            store.BeginRun(Samples.Run($"r{i}"), []);
            store.AddResult($"r{i}", Samples.Result(Samples.Job("a"), cpu > 50 ? Verdict.Timeout : Verdict.Pass, cpu));
        }

        store.AddResult("r0", Samples.Result(Samples.Job("failing"), Verdict.Fail));
        Assert.Equal(new Dictionary<string, JobTiming> { [Samples.Job("a").Key] = new(2, 4, 3) }, store.GetTimings());
    }

    [Theory, OnSqlite, OnPostgres]
    public void Pruning_removes_old_runs_with_the_artifacts_that_only_they_had(Engine engine)
    {
        using var store = Open(engine);
        Artifact Put(int seed) => store.PutArtifact("console.log", new MemoryStream(Samples.Bytes(seed)));
        var shared = Put(0);
        for (var i = 1; i <= 4; i++)
        {
            store.BeginRun(Samples.Run($"r{i}", started: clock.GetUtcNow().UtcDateTime.AddDays(i - 10)), []);
            store.AddResult($"r{i}", Samples.Result(Samples.Job("a"), Verdict.Pass, shared, Put(i)));
            store.EndRun($"r{i}", RunState.Finished, Samples.Noon);
        }

        Assert.Equal(new PruneReport(0, 0, 0), store.Prune(new PruneOptions()));
        Assert.Equal(new PruneReport(2, 2, 200), store.Prune(new PruneOptions(KeepRuns: 2, DryRun: true)));
        Assert.Equal(4, store.ListRuns(new RunFilter()).Count);
        Assert.Equal(new PruneReport(2, 2, 200), store.Prune(new PruneOptions(KeepRuns: 1, OlderThan: TimeSpan.FromDays(7.5))));
        Assert.Equal(["r4", "r3"], store.ListRuns(new RunFilter()).Select(r => r.Id));
        Assert.Null(store.OpenArtifact(Samples.Hash(1)));
        Assert.NotNull(store.OpenArtifact(Samples.Hash(3)));
        Assert.NotNull(store.OpenArtifact(shared.Sha256));
        Assert.DoesNotContain(store.GetHistory(Samples.Job("a").Key, 10), h => h.RunId == "r1");
        Assert.Equal(new PruneReport(2, 3, 300), store.Prune(new PruneOptions(KeepRuns: 0)));
    }

    [Theory, OnSqlite, OnPostgres]
    public void Pruning_leaves_live_runs_and_what_they_are_about_to_refer_to(Engine engine)
    {
        using var store = Open(engine);
        store.BeginRun(Samples.Run("old"), []);
        store.AddResult("old", Samples.Result(Samples.Job("a"), Verdict.Pass, store.PutArtifact("a", new MemoryStream(Samples.Bytes(1)))));
        store.EndRun("old", RunState.Finished, Samples.Noon);
        store.BeginRun(Samples.Run("live"), []);
        var again = store.PutArtifact("a", new MemoryStream(Samples.Bytes(1)));

        Assert.Equal(new PruneReport(1, 0, 0), store.Prune(new PruneOptions(KeepRuns: 0)));
        store.AddResult("live", Samples.Result(Samples.Job("a"), Verdict.Pass, again));
        Assert.Equal(["live"], store.ListRuns(new RunFilter()).Select(r => r.Id));
        Assert.NotNull(store.OpenArtifact(again.Sha256));
    }

    [Theory, OnSqlite, OnPostgres]
    public void What_nothing_ever_referred_to_goes_only_after_a_while(Engine engine)
    {
        using var store = Open(engine);
        store.PutArtifact("a", new MemoryStream(Samples.Bytes(1)));
        Assert.Equal(0, store.Prune(new PruneOptions()).Artifacts);
        clock.Now += TimeSpan.FromHours(2);
        Assert.Equal(1, store.Prune(new PruneOptions()).Artifacts);
    }

    [Theory, OnSqlite, OnPostgres]
    public void Another_subject_keeps_tables_and_artifacts_in_the_same_store(Engine engine)
    {
        var first = new StoreSchema("gate", ["CREATE TABLE gate_queue (place {identity}, name TEXT NOT NULL, evidence TEXT, bytes BYTEA)"], "SELECT evidence FROM gate_queue WHERE evidence IS NOT NULL");
        var second = first with { Migrations = [.. first.Migrations, "ALTER TABLE gate_queue ADD COLUMN weight DOUBLE PRECISION NOT NULL DEFAULT 1.5"] };
        var location = Location(engine);
        using (var store = Open(location))
        {
            store.Database.Register(first);
            var evidence = store.PutArtifact("e", new MemoryStream(Samples.Bytes(1)));
            store.Database.Write("enqueue", t =>
            {
                t.Execute("INSERT INTO gate_queue (name, evidence, bytes) VALUES ('x', @Sha256, @bytes)", new { evidence.Sha256, bytes = new byte[] { 1, 2 } });
            });
            Assert.Throws<InvalidOperationException>(() => store.Database.Write("enqueue", t =>
            {
                t.Execute("INSERT INTO gate_queue (name) VALUES ('undone')");
                throw new InvalidOperationException();
            }));
        }

        using var later = Open(location);
        later.Database.Register(second);
        later.Database.Register(second);
        Assert.Equal([("x", 1.5)], later.Database.Read("look", t => t.Query<(string, double)>("SELECT name, weight FROM gate_queue ORDER BY place")));

        // Kept although this process's results do not know of it.
        clock.Now += TimeSpan.FromHours(2);
        Assert.Equal(0, later.Prune(new PruneOptions(KeepRuns: 0)).Artifacts);

        var error = Assert.Throws<StoreException>(() => later.Database.Register(first));
        Assert.Contains("newer Gauntlet", error.Message);
        Assert.Contains("'gate' have version 2, this program knows 1", error.Message);
    }

    [Theory, OnSqlite, OnPostgres]
    public async Task Threads_and_stores_write_at_once(Engine engine)
    {
        var location = Location(engine);
        using var one = Open(location);
        using var other = Open(location);
        one.BeginRun(Samples.Run("r"), []);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            var store = thread % 2 == 0 ? one : other;
            for (var i = 0; i < 25; i++)
            {
                var artifact = store.PutArtifact("same", new MemoryStream(Samples.Bytes(i)));
                store.AddResult("r", Samples.Result(Samples.Job($"{thread}-{i}"), Verdict.Pass, artifact));
            }
        })));
        Assert.Equal(100, one.GetResults("r").Count());
    }

    private ResultStore Open(Engine engine) => Open(Location(engine));

    private ResultStore Open(string location) => ResultStore.Open(location, clock, RunOwner.Current);

    private string Location(Engine engine) => engine == Engine.Sqlite ? folder[Guid.NewGuid().ToString("N")] : server.NewLocation();

    /// <summary>A stream that gives a few bytes at a time, as pipes do.</summary>
    private sealed class Dripping(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 65_521)]);

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 65_521));
    }

    private sealed class SteppedClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = Samples.Noon;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
