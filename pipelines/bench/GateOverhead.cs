using System.Diagnostics;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.GitTool;
using Gauntlet.Pipelines.Isolation;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Store;

namespace Gauntlet.Pipelines.Bench;

/// <summary>
/// What the gate takes besides the steps' own work: a series of 10 patches on a tree of 10,000 files, from the queue to the moved target, with steps that do nothing.
/// Beside it the bare <c>git am</c> and <c>git update-ref</c> of the same mails on a tree that is checked out already.
/// </summary>
internal static class GateOverhead
{
    private const string Target = "refs/heads/master";

    private static readonly TimeSpan Most = TimeSpan.FromSeconds(1);

    public static async Task<int> RunAsync(string[] args)
    {
        var (files, patches, rounds) = (10_000, 10, 5);
        for (var i = 0; i + 1 < args.Length; i += 2)
        {
            var value = int.TryParse(args[i + 1], out var number) && number > 0 ? number : throw new ArgumentException($"{args[i]} needs a number of 1 or more");
            _ = args[i] switch
            {
                "--files" => files = value,
                "--patches" => patches = value,
                "--rounds" => rounds = value,
                _ => throw new ArgumentException($"unknown option {args[i]}\n{ComparisonOptions.Usage}"),
            };
        }

        var folder = Directory.CreateTempSubdirectory("gauntlet-bench-gate-").FullName;
        try
        {
            var git = await MakeRepositoryAsync(Path.Combine(folder, "repository"), files);
            var mails = await MakeSeriesAsync(git, files, patches);
            var (gate, each, bare) = (new List<TimeSpan>(), new List<TimeSpan>(), new List<TimeSpan>());
            // One after the other in each round, so that a busy host is as busy for all of them.
            for (var round = 0; round < rounds; round++)
            {
                bare.Add(await BareAsync(git, folder, mails));
                gate.Add(await GateAsync(git, Path.Combine(folder, $"store{round}"), mails, "tip"));
                each.Add(await GateAsync(git, Path.Combine(folder, $"store{round}each"), mails, "each"));
            }

            Console.WriteLine($"{patches} patches on {files} files, median of {rounds}:");
            Console.WriteLine($"  git am, git update-ref                {Median(bare).TotalSeconds:F3} s");
            Console.WriteLine($"  gate, one empty step on the tip       {Median(gate).TotalSeconds:F3} s, of which it may take {Most.TotalSeconds:F0}");
            Console.WriteLine($"  gate, one empty step on each patch    {Median(each).TotalSeconds:F3} s: {patches} trees unpacked");
            return Median(gate) < Most ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static TimeSpan Median(List<TimeSpan> times) => times.Order().ElementAt(times.Count / 2);

    private static async Task<Git> MakeRepositoryAsync(string folder, int files)
    {
        Directory.CreateDirectory(folder);
        var git = new Git(folder) { Committer = ("Bench", "bench@example.org"), Author = ("Bench", "bench@example.org") };
        await git.RunAsync(["init", "--quiet", "--initial-branch=master"]);
        for (var i = 0; i < files; i++)
        {
            var path = Path.Combine(folder, PathOf(i));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, ContentOf(i));
        }

        foreach (var (name, each) in ((string, bool)[])[("tip", false), ("each", true)])
            await File.WriteAllTextAsync(Path.Combine(folder, name + ".yaml"), $"schema: 1\nsteps:\n  - build: \"true\"\n    each-patch: {(each ? "true" : "false")}\n");
        await git.RunAsync(["add", "--all"]);
        await git.RunAsync(["commit", "--quiet", "-m", "base"]);
        await git.RunAsync(["gc", "--quiet"]);
        await git.RunAsync(["checkout", "--quiet", "--detach"]);
        return git;
    }

    private static string PathOf(int file) => $"dir{file / 100}/file{file % 100}.c";

    private static string ContentOf(int file) => string.Concat(Enumerable.Range(0, 40).Select(line => $"int variable_{file}_{line};\n"));

    private static async Task<Mail[]> MakeSeriesAsync(Git git, int files, int patches)
    {
        for (var i = 0; i < patches; i++)
        {
            var file = (int)((long)i * files / patches);
            await File.AppendAllTextAsync(Path.Combine(git.Folder!, PathOf(file)), $"int more_{i};\n");
            await git.RunAsync(["commit", "--quiet", "--all", "-m", $"change {i}"]);
        }

        var mails = await MailSource.ReadAsync("master..HEAD", git.Folder, Stream.Null, default);
        await git.RunAsync(["reset", "--quiet", "--hard", Target]);
        return [.. mails];
    }

    private static async Task<TimeSpan> BareAsync(Git git, string folder, Mail[] mails)
    {
        var mbox = Path.Combine(folder, "series.mbox");
        await File.WriteAllBytesAsync(mbox, [.. mails.SelectMany(mail => mail.Raw)]);
        var old = (await git.RunAsync(["rev-parse", Target])).Text;
        await git.RunAsync(["reset", "--quiet", "--hard", old]);
        var watch = Stopwatch.StartNew();
        await git.RunAsync(["am", "--quiet", mbox]);
        await git.RunAsync(["update-ref", "refs/heads/bare", "HEAD"]);
        var time = watch.Elapsed;
        await git.RunAsync(["update-ref", "-d", "refs/heads/bare"]);
        await git.RunAsync(["reset", "--quiet", "--hard", old]);
        return time;
    }

    private static async Task<TimeSpan> GateAsync(Git git, string storeFolder, Mail[] mails, string pipeline)
    {
        // The pipeline is chosen by a commit on the target, which goes away with it.
        var old = (await git.RunAsync(["rev-parse", Target])).Text;
        await git.RunAsync(["reset", "--quiet", "--hard", old]);
        var file = Path.Combine(git.Folder!, GatePipeline.Path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.Copy(Path.Combine(git.Folder!, pipeline + ".yaml"), file, overwrite: true);
        await git.RunAsync(["add", GatePipeline.Path]);
        await git.RunAsync(["commit", "--quiet", "-m", "pipeline"]);
        await git.RunAsync(["update-ref", Target, "HEAD"]);

        using var results = ResultStore.Open(storeFolder);
        var (queue, series) = (new GateQueue(results, "bench"), new SeriesStore(results));
        await series.ImportAsync(mails, default);
        var repository = Path.Combine(git.Folder!, ".git");
        var entry = queue.Enqueue(series.List()[0], repository, Target, 0, tryOnly: false);
        var runner = new GateRunner(repository, Target, queue, series, new GateEnvironment("/bin/false", "/usr", [], new Dictionary<string, string>(), new IsolationLimits()), _ => { });
        var watch = Stopwatch.StartNew();
        await runner.RunAsync(untilEmpty: true, CancellationToken.None);
        var time = watch.Elapsed;
        if (queue.Get(entry.Id) is { State: not GateState.Merged } left)
            throw new InvalidOperationException($"the series was not merged: {left.State}, {left.Reason}");
        await git.RunAsync(["update-ref", Target, old]);
        await git.RunAsync(["reset", "--quiet", "--hard", old]);
        return time;
    }
}
