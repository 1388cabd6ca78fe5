using System.Text;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Isolation;
using Gauntlet.Pipelines.Series;
using Gauntlet.Pipelines.Tests.Series;
using Gauntlet.Results.Store;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Gate;

/// <summary>A repository with a pipeline, a store, and a queue: real git, real mails, real isolated steps.</summary>
public sealed class GateFixture : IDisposable
{
    public const string Target = "refs/heads/master";

    /// <summary>A tree is bad when any of its files holds the word BROKEN.</summary>
    public const string Pipeline = "schema: 1\nmerge: merge-commit\nwindow: 3\nsteps:\n  - name: build\n    build: \"! grep -rl --include='*.c' BROKEN .\"\n    each-patch: true\n    timeout: 60s\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-test-gate-").FullName;
    private readonly ResultStore _results;

    private GateFixture(Repository repository)
    {
        Repository = repository;
        StoreFolder = Path.Combine(_folder, "store");
        _results = ResultStore.Open(StoreFolder);
        Series = new SeriesStore(_results);
        Queue = new GateQueue(_results, "maintainer");
    }

    public Repository Repository { get; }

    public string StoreFolder { get; }

    public SeriesStore Series { get; }

    public GateQueue Queue { get; }

    public List<string> Log { get; } = [];

    public string GitFolder => Path.Combine(Repository.Folder, ".git");

    public static async Task<GateFixture> CreateAsync(string pipeline = Pipeline)
    {
        var repository = await Repository.CreateAsync();
        await repository.CommitAsync("pipeline", (GatePipeline.Path, pipeline), ("c.c", "int c;\n"), ("d.c", "int d;\n"));
        await repository.Git.RunAsync(["checkout", "--quiet", "--detach"]);
        return new GateFixture(repository);
    }

    /// <summary>Imports mails and puts their series at the end of the queue.</summary>
    public async Task<GateEntry> EnqueueAsync(string title, Mail[] mails, int priority = 0, bool tryOnly = false)
    {
        await Series.ImportAsync(mails, default);
        return Queue.Enqueue(Series.Find(title), GitFolder, Target, priority, tryOnly);
    }

    /// <summary>A series of one patch that adds a file.</summary>
    public Task<GateEntry> EnqueueFileAsync(string name, string content, int priority = 0, bool tryOnly = false) =>
        EnqueueAsync($"add {name}", [Patch($"[PATCH] add {name}", $"{name}@x", change: NewFile(name, content))], priority, tryOnly);

    public static string NewFile(string name, string content) =>
        $"---\n {name} | 1 +\n 1 file changed, 1 insertion(+)\n\ndiff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{content}\n-- \n2.39\n";

    public async Task RunAsync(CancellationToken cancellation = default) => await NewRunner().RunAsync(untilEmpty: true, cancellation);

    public GateRunner NewRunner(ContainerEngine? containers = null) => new(
        GitFolder, Target, Queue, Series, new GateEnvironment("/bin/false", "/usr", [], new Dictionary<string, string>(), new IsolationLimits { MemoryBytes = 512 << 20, DiskBytes = 64 << 20, Processes = 64 }, containers),
        line =>
        {
            lock (Log)
                Log.Add(line);
        });

    public string StateOf(GateEntry entry) => Queue.Get(entry.Id).State;

    public string? ReasonOf(GateEntry entry) => Queue.Get(entry.Id).Reason;

    /// <summary>Subjects of the target's first-parent history, oldest first.</summary>
    public async Task<string[]> HistoryAsync() =>
        (await Repository.Git.RunAsync(["log", "--first-parent", "--reverse", "--format=%s", Target])).Text.Split('\n');

    public async Task<string> FileAsync(string path) => Encoding.UTF8.GetString((await Repository.Git.RunAsync(["cat-file", "blob", $"{Target}:{path}"])).Output);

    public void Dispose()
    {
        _results.Dispose();
        Repository.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
