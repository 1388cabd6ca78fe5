using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;

namespace Gauntlet.Results.Tests.Store;

/// <summary>What happens to a store when the host fails it: each ends in words, and what was stored stays.</summary>
[Collection(StoreCollection.Name)]
public sealed class FaultTests(PostgresServer server) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory, OnSqlite, OnPostgres]
    public async Task A_killed_process_leaves_an_interrupted_run_with_every_result_it_had_reported(Engine engine)
    {
        var location = engine == Engine.Sqlite ? folder["store"] : server.NewLocation();
        const int reported = 5;
        using var writer = Command.StartSelf("write", location, "r", "100000");
        for (var i = 0; i < reported; i++)
            Assert.Equal($"{i}", await writer.StandardOutput.ReadLineAsync());
        using var store = ResultStore.Open(location);
        Assert.Equal(RunState.Running, store.FindRun("r")!.State);
        Assert.Contains($"process {writer.Id}", Assert.Throws<StoreException>(() => store.BeginRun(Samples.Run("r"), [])).Message);

        writer.Kill();
        await writer.WaitForExitAsync();
        Assert.Equal(RunState.Interrupted, store.FindRun("r")!.State);
        var results = store.GetResults("r").ToList();
        Assert.InRange(results.Count, reported, 100_000);
        foreach (var (result, i) in results.Take(reported).Select((r, i) => (r, i)))
        {
            Assert.Equal($"case-{i}", result.Job.Case);
            using var artifact = store.OpenArtifact(result.Attempts[0].Artifacts[0].Sha256)!;
            var bytes = new MemoryStream();
            artifact.CopyTo(bytes);
            Assert.Equal(Samples.Bytes(i), bytes.ToArray());
        }

        // It can be continued.
        store.BeginRun(Samples.Run("r"), store.GetJobs("r"));
        store.AddResult("r", Samples.Result(Samples.Job("case-99999"), Verdict.Pass));
        store.EndRun("r", RunState.Finished, Samples.Noon);
        Assert.Equal(results.Count + 1, store.GetResults("r").Count());
    }

    [Theory, OnSqlite, OnPostgres]
    public async Task Two_processes_write_one_store_at_once(Engine engine)
    {
        var location = engine == Engine.Sqlite ? folder["store"] : server.NewLocation();
        const int count = 60;

        // Neither waits for the other to make the store.
        using var one = Command.StartSelf("write", location, "one", $"{count}");
        using var other = Command.StartSelf("write", location, "other", $"{count}");
        foreach (var writer in new[] { one, other })
            writer.StandardInput.Close();
        foreach (var writer in new[] { one, other })
        {
            var error = writer.StandardError.ReadToEndAsync();
            await writer.StandardOutput.ReadToEndAsync();
            await writer.WaitForExitAsync();
            Assert.Equal((0, ""), (writer.ExitCode, await error));
        }

        using var store = ResultStore.Open(location);
        Assert.All(store.ListRuns(new RunFilter()), run => Assert.Equal(RunState.Finished, run.State));
        Assert.Equal((count, count), (store.GetResults("one").Count(), store.GetResults("other").Count()));

        // The same bytes from both are there once.
        Assert.Equal(count, store.Database.Read("count", read => read.First<long>("SELECT count(*) FROM artifacts")));
    }

    [TmpfsFact]
    public void A_full_disk_is_said_and_nothing_that_was_stored_is_lost()
    {
        using var disk = new SmallDisk(folder["disk"], "4m");
        using var store = ResultStore.Open(disk.Path);
        store.BeginRun(Samples.Run("r"), []);
        var stored = new List<Artifact>();
        void FillWithArtifacts()
        {
            for (var i = 0; ; i++)
            {
                var artifact = store.PutArtifact("console.log", new MemoryStream(Samples.Bytes(i, 50_000)));
                store.AddResult("r", Samples.Result(Samples.Job($"case-{i}"), Verdict.Pass, artifact));
                stored.Add(artifact);
            }
        }

        var error = Assert.Throws<StoreException>(FillWithArtifacts);
        Assert.Contains(disk.Path, error.Message);
        Assert.Contains("the disk is full. Free some space", error.Message);
        Assert.NotEmpty(stored);

        // Also when it is the database that has no room.
        void FillWithResults()
        {
            for (var i = 0; ; i++)
                store.AddResult("r", Samples.Result(Samples.Job(new string('x', 10_000) + i), Verdict.Pass));
        }

        error = Assert.Throws<StoreException>(FillWithResults);
        Assert.Contains("the disk is full. Free some space", error.Message);
        Assert.Equal(stored.Count, store.GetResults("r").Count(r => r.Job.Case.StartsWith("case-", StringComparison.Ordinal)));
        foreach (var artifact in stored)
            store.OpenArtifact(artifact.Sha256)!.Dispose();

        disk.Remount("size=16m");
        store.AddResult("r", Samples.Result(Samples.Job("with room again"), Verdict.Pass));
        store.EndRun("r", RunState.Finished, Samples.Noon);
        Assert.Equal("ok", store.Database.Read("check", read => read.First<string>("PRAGMA integrity_check")));
    }

    [TmpfsFact]
    public void A_read_only_disk_is_said()
    {
        using var disk = new SmallDisk(folder["disk"], "8m");
        using (var store = ResultStore.Open(disk.Path))
            store.BeginRun(Samples.Run("r"), []);
        disk.Remount("ro");
        var error = Assert.Throws<StoreException>(() =>
        {
            using var store = ResultStore.Open(disk.Path);
            store.BeginRun(Samples.Run("s"), []);
        });
        Assert.Contains(disk.Path, error.Message);
        Assert.Contains("read-only", error.Message);
    }

    [Fact]
    public void What_is_not_a_database_is_left_alone_and_named()
    {
        Directory.CreateDirectory(folder["store"]);
        folder.Write("store/results.db", new string('x', 5000));
        var error = Assert.Throws<StoreException>(() => ResultStore.Open(folder["store"]));
        Assert.Contains("results.db there is not a SQLite database. Move it away", error.Message);
        Assert.Equal(new string('x', 5000), File.ReadAllText(folder["store/results.db"]));
    }

    [Fact]
    public void Somebody_elses_database_is_left_alone_and_named()
    {
        Directory.CreateDirectory(folder["store"]);
        using (var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={folder["store/results.db"]};Pooling=false"))
        {
            other.Open();
            using var create = other.CreateCommand();
            create.CommandText = "CREATE TABLE bookmarks (url TEXT)";
            create.ExecuteNonQuery();
        }

        Assert.Contains("not a results store: it holds the table 'bookmarks'", Assert.Throws<StoreException>(() => ResultStore.Open(folder["store"])).Message);
    }

    [Fact]
    public void A_damaged_database_is_said_where_it_is_read()
    {
        using (var store = ResultStore.Open(folder["store"]))
        {
            store.BeginRun(Samples.Run("r"), []);
            for (var i = 0; i < 200; i++)
                store.AddResult("r", Samples.Result(Samples.Job($"case-{i}"), Verdict.Pass));
        }

        // All but the first pages, which hold the tables' definitions.
        using (var file = File.OpenWrite(folder["store/results.db"]))
        {
            file.Position = 8 * 4096;
            file.Write(Samples.Bytes(1, (int)(file.Length - file.Position)));
        }

        var error = Assert.Throws<StoreException>(() =>
        {
            using var store = ResultStore.Open(folder["store"]);
            store.ListRuns(new RunFilter());
            store.GetResults("r").ToList();
        });
        Assert.Contains("its file is damaged. Keep a copy of results.db", error.Message);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(100_000)]
    public void A_damaged_artifact_is_not_taken_for_the_real_one(int length)
    {
        using var store = ResultStore.Open(folder["store"]);
        var artifact = store.PutArtifact("console.log", new MemoryStream(new byte[length]));
        var file = Directory.GetFiles(folder["store/artifacts"], artifact.Sha256 + "*", SearchOption.AllDirectories).Single();
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);

        using var stream = store.OpenArtifact(artifact.Sha256)!;
        Assert.Contains("is damaged", Assert.Throws<StoreException>(() => stream.CopyTo(Stream.Null)).Message);
        File.Delete(file);
        Assert.Null(store.OpenArtifact(artifact.Sha256));

        // The same bytes again make it whole.
        store.PutArtifact("console.log", new MemoryStream(new byte[length]));
        using var back = store.OpenArtifact(artifact.Sha256)!;
        back.CopyTo(Stream.Null);
    }

    [Fact]
    public void A_file_where_the_folder_should_be_is_said()
    {
        folder.Write("store", "");
        Assert.Contains(folder["store"], Assert.Throws<StoreException>(() => ResultStore.Open(folder["store"])).Message);
    }

    [PostgresFact]
    public void A_server_that_refuses_or_is_not_there_is_said_without_the_password()
    {
        var nowhere = Assert.Throws<StoreException>(() => ResultStore.Open($"postgres://u:secret@/db?host={Uri.EscapeDataString(folder.Path)}"));
        Assert.Contains("Check that the server runs", nowhere.Message);
        Assert.DoesNotContain("secret", nowhere.Message);

        var missing = Assert.Throws<StoreException>(() => ResultStore.Open(server.NewLocation().Replace("/postgres?", "/nope?")));
        Assert.Contains("Create it first (createdb)", missing.Message);
    }

    /// <summary>A file system of a few MiB.</summary>
    private sealed class SmallDisk : IDisposable
    {
        public SmallDisk(string path, string size)
        {
            Path = path;
            Directory.CreateDirectory(path);
            Command.Run("mount", "-t", "tmpfs", "-o", $"size={size}", "gauntlet-test", path);
        }

        public string Path { get; }

        public void Remount(string options) => Command.Run("mount", "-o", "remount," + options, Path);

        public void Dispose() => Command.Run("umount", "-l", Path);
    }
}

/// <summary>Needs to mount a small file system.</summary>
public sealed class TmpfsFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> Why = new(Try);

    public TmpfsFactAttribute() => Skip = Why.Value;

    private static string? Try()
    {
        if (Environment.UserName != "root")
            return "mounting a small tmpfs takes root";
        using var folder = new TemporaryFolder();
        try
        {
            Command.Run("mount", "-t", "tmpfs", "-o", "size=64k", "gauntlet-test", folder.Path);
            Command.Run("umount", folder.Path);
            return null;
        }
        catch (InvalidOperationException e)
        {
            return $"a tmpfs cannot be mounted here: {e.Message.Trim()}";
        }
    }
}

/// <summary>Needs a PostgreSQL server.</summary>
public sealed class PostgresFactAttribute : FactAttribute
{
    public PostgresFactAttribute() => Skip = PostgresServer.Missing;
}
