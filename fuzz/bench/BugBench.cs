using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Harness.Measuring;
using Gauntlet.Harness.Suites;

namespace Gauntlet.Fuzz.Bench;

/// <summary>Plants each bug of <c>bugs/</c> alone in gvmm and tells how long the fuzzer takes to find it, in seconds of one core.</summary>
internal static class BugBench
{
    private const string Assembly = "Gauntlet.Vmm.dll";
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(20);

    // On a host that has little time for it, a finder gets its time later, but not for ever.
    private const int MostWaiting = 8;

    /// <param name="Name">Of the patch, without <c>.patch</c>.</param>
    /// <param name="Target">That has to find it: the patch's line <c>Target:</c>.</param>
    /// <param name="Class">The patch's line <c>Class:</c>.</param>
    private sealed record Bug(string Name, string Path, string Target, string Class);

    /// <summary>A way to find bugs: given a bug, a program with it, a folder of its own and a limit, how long it took.</summary>
    private sealed record Finder(string Name, Func<Bug, string, string, TimeSpan, Task<TimeSpan?>> Find)
    {
        public List<TimeSpan?> Times { get; } = [];

        public int Found => Times.Count(time => time is not null);

        /// <summary>Of all bugs; null when it lies among those that were not found.</summary>
        public TimeSpan? Median => Times.OrderBy(time => time ?? TimeSpan.MaxValue).ElementAtOrDefault(Times.Count / 2);
    }

    /// <param name="arguments">
    /// --time SECONDS, --peers: AFL++ and random programs too; --schedules: the power schedules beside each other; --results FILE: a line for each bug as soon as it is measured, and those that it has are not measured again;
    /// names of bugs.
    /// </param>
    /// <returns>0 when at least nine of ten were found.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var limit = TimeSpan.FromSeconds(60);
        var names = new List<string>();
        var (hasPeers, hasSchedules) = (false, false);
        string? results = null;
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == "--time" && i + 1 < arguments.Count && double.TryParse(arguments[i + 1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
                (limit, i) = (TimeSpan.FromSeconds(seconds), i + 1);
            else if (arguments[i] == "--results" && i + 1 < arguments.Count)
                (results, i) = (arguments[i + 1], i + 1);
            else if (arguments[i] == "--peers")
                hasPeers = true;
            else if (arguments[i] == "--schedules")
                hasSchedules = true;
            else
                names.Add(arguments[i]);
        }

        var root = SourceTree.Require();
        var bugs = Directory.GetFiles(Path.Combine(root, "fuzz/bench/bugs"), "*.patch").Order(StringComparer.Ordinal).Select(Read)
            .Where(bug => names.Count == 0 || names.Contains(bug.Name)).ToList();
        if (bugs.Count == 0)
        {
            Console.Error.WriteLine("no bug of that name: see fuzz/bench/bugs");
            return 2;
        }

        var folder = Directory.CreateTempSubdirectory("gauntlet-bug-bench-").FullName;
        var tree = Path.Combine(folder, "tree");
        try
        {
            Run("git", ["-C", root, "worktree", "add", "--quiet", "--detach", tree]);
            List<Finder> finders = hasSchedules ? [.. Enum.GetValues<PowerSchedule>().Select(schedule => new Finder(schedule.ToString().ToLowerInvariant(), (bug, program, own, longest) => TimeToFindAsync(bug, program, own, longest, isBlind: false, schedule)))] : [new("ours", FindAsync)];
            if (hasPeers)
                finders.AddRange([new("AFL++", FindByAflAsync), new("random", FindBlindAsync)]);
            var known = results is not null && File.Exists(results) ? File.ReadAllLines(results).Select(static line => line.Split('\t')).Where(words => words.Length == finders.Count + 1).ToDictionary(static words => words[0]) : [];
            Console.WriteLine($"{"bug",-34} {"target",-14} {string.Join(' ', finders.Select(finder => $"{finder.Name,12}"))}  class");
            foreach (var bug in bugs)
            {
                if (known.TryGetValue(bug.Name, out var words))
                {
                    for (var i = 0; i < finders.Count; i++)
                        finders[i].Times.Add(double.TryParse(words[i + 1], NumberStyles.Float, CultureInfo.InvariantCulture, out var took) ? TimeSpan.FromSeconds(took) : null);
                }
                else
                {
                    await MeasureAsync(bug, finders, tree, folder, limit);
                    if (results is not null)
                        File.AppendAllText(results, $"{bug.Name}\t{string.Join('\t', finders.Select(static finder => finder.Times[^1] is { } time ? time.TotalSeconds.ToString("0.00", CultureInfo.InvariantCulture) : "-"))}\n");
                }
                Console.WriteLine($"{bug.Name,-34} {bug.Target,-14} {string.Join(' ', finders.Select(finder => $"{Seconds(finder.Times[^1]),12}"))}  {bug.Class}");
            }
            foreach (var finder in finders)
                Console.WriteLine($"{finder.Name,-7} {finder.Found} of {bugs.Count} found within {limit.TotalSeconds:0} s, median {Seconds(finder.Median)}");
            return finders[0].Found * 10 >= bugs.Count * 9 ? 0 : 1;
        }
        finally
        {
            if (Directory.Exists(tree))
                Run("git", ["-C", root, "worktree", "remove", "--force", tree]);
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task MeasureAsync(Bug bug, List<Finder> finders, string tree, string folder, TimeSpan limit)
    {
        Run("git", ["-C", tree, "checkout", "--quiet", "."]);
        Run("git", ["-C", tree, "apply", bug.Path]);
        var program = Build(tree, Path.Combine(folder, "program"));
        foreach (var finder in finders)
        {
            var own = Path.Combine(folder, $"{bug.Name}-{finder.Name}");
            finder.Times.Add(await finder.Find(bug, program, own, limit));
            if (Directory.Exists(own))
                Directory.Delete(own, recursive: true);
        }
    }

    private static Bug Read(string path)
    {
        var lines = File.ReadAllLines(path);
        return new Bug(Path.GetFileNameWithoutExtension(path), path, Header("Target: "), Header("Class: "));

        string Header(string name) => lines.FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?[name.Length..]
            ?? throw new InvalidDataException($"{path} has no line '{name.Trim()}'");
    }

    // This program's own files with the tree's gvmm in the place of ours: nothing else depends on what a patch of a device changes.
    private static string Build(string tree, string program)
    {
        Run("dotnet", ["build", Path.Combine(tree, "vmm/Gauntlet.Vmm.csproj"), "-c", "Release", "-p:RunAnalyzers=false", "-v", "quiet", "-nologo"]);
        Directory.CreateDirectory(program);
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory, "*.dll"))
            File.Copy(file, Path.Combine(program, Path.GetFileName(file)), overwrite: true);
        File.Copy(Directory.GetFiles(Path.Combine(tree, ".artifacts/bin/Gauntlet.Vmm"), Assembly, SearchOption.AllDirectories)[0], Path.Combine(program, Assembly), overwrite: true);
        return program;
    }

    private static string Seconds(TimeSpan? time) => time is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known.TotalSeconds:0.00} s") : "not found";

    private static Task<TimeSpan?> FindAsync(Bug bug, string program, string folder, TimeSpan limit) => TimeToFindAsync(bug, program, folder, limit, isBlind: false);

    private static Task<TimeSpan?> FindBlindAsync(Bug bug, string program, string folder, TimeSpan limit) => TimeToFindAsync(bug, program, folder, limit, isBlind: true);

    // From the first program on; weaving is not counted, the worker's start is.
    private static async Task<TimeSpan?> TimeToFindAsync(Bug bug, string program, string folder, TimeSpan limit, bool isBlind, PowerSchedule? schedule = null)
    {
        var woven = folder + ".woven";
        WovenFolder.Create(woven, TargetCatalogue.UnderTest(bug.Target), [], program);
        var output = new OutputDirectory(folder);
        using var ending = new CancellationTokenSource();
        var session = FuzzSession.RunAsync(new FuzzRequest(bug.Target, folder) { Woven = woven, IsBlind = isBlind, Schedule = schedule }, static _ => { }, ending.Token);
        var found = await WaitAsync(limit, session, () => output.Inputs("crashes").Count + output.Inputs("hangs").Count > 0);
        await ending.CancelAsync();
        try
        {
            await session;
        }
        catch (OperationCanceledException)
        {
        }
        Directory.Delete(woven, recursive: true);
        return found;
    }

    // Its start and its weaving are not counted, as not ours.
    private static async Task<TimeSpan?> FindByAflAsync(Bug bug, string program, string folder, TimeSpan limit)
    {
        using var afl = new AflRun(bug.Target, program, folder);
        while (!afl.IsUnderWay && !afl.Ended.IsCompleted)
            await Task.WhenAny(afl.Ended, Task.Delay(LookPeriod));
        return await WaitAsync(limit, afl.Ended, () => afl.HasFound);
    }

    /// <summary>The time of a core that all processes below this one took until something was found: what else the host does changes little.</summary>
    private static async Task<TimeSpan?> WaitAsync(TimeSpan limit, Task session, Func<bool> isFound)
    {
        var (before, watch) = (Cpu(), Stopwatch.StartNew());
        while (!session.IsCompleted && Cpu() - before < limit && watch.Elapsed < limit * MostWaiting)
        {
            await Task.WhenAny(session, Task.Delay(LookPeriod));
            if (isFound())
                return Cpu() - before;
        }
        return isFound() ? Cpu() - before : null;
    }

    private static TimeSpan Cpu() => ProcessTree.Sample(Environment.ProcessId).Cpu;

    private static void Run(string program, IReadOnlyList<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {error.Result}{output.Result}");
    }
}
