using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Harness.Suites;

namespace Gauntlet.Fuzz.Bench;

/// <summary>Plants each bug of <c>bugs/</c> alone in gvmm and tells how long the fuzzer takes to find it, on one core.</summary>
internal static class BugBench
{
    private const string Assembly = "Gauntlet.Vmm.dll";
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(20);

    /// <param name="Name">Of the patch, without <c>.patch</c>.</param>
    /// <param name="Target">That has to find it: the patch's line <c>Target:</c>.</param>
    /// <param name="Class">The patch's line <c>Class:</c>.</param>
    private sealed record Bug(string Name, string Path, string Target, string Class);

    /// <returns>0 when at least nine of ten were found.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var limit = TimeSpan.FromSeconds(60);
        var names = new List<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == "--time" && i + 1 < arguments.Count && double.TryParse(arguments[i + 1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
                (limit, i) = (TimeSpan.FromSeconds(seconds), i + 1);
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
            var times = new List<double>();
            Console.WriteLine($"{"bug",-32} {"target",-14} {"found after",12}  class");
            foreach (var bug in bugs)
            {
                Run("git", ["-C", tree, "checkout", "--quiet", "."]);
                Run("git", ["-C", tree, "apply", bug.Path]);
                var program = Build(tree, Path.Combine(folder, "program"));
                var found = await TimeToFindAsync(bug, program, Path.Combine(folder, bug.Name), limit);
                if (found is { } time)
                    times.Add(time.TotalSeconds);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{bug.Name,-32} {bug.Target,-14} {(found is { } after ? $"{after.TotalSeconds:0.00} s" : "not found"),12}  {bug.Class}"));
            }

            times.Sort();
            var median = times.Count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", median {times[times.Count / 2]:0.00} s");
            Console.WriteLine($"{times.Count} of {bugs.Count} found within {limit.TotalSeconds:0} s{median}");
            return times.Count * 10 >= bugs.Count * 9 ? 0 : 1;
        }
        finally
        {
            if (Directory.Exists(tree))
                Run("git", ["-C", root, "worktree", "remove", "--force", tree]);
            Directory.Delete(folder, recursive: true);
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

    // From the first program on; weaving is not counted, the worker's start is.
    private static async Task<TimeSpan?> TimeToFindAsync(Bug bug, string program, string folder, TimeSpan limit)
    {
        var woven = folder + ".woven";
        WovenFolder.Create(woven, TargetCatalogue.UnderTest(bug.Target), [], program);
        var output = new OutputDirectory(folder);
        using var ending = new CancellationTokenSource();
        var watch = Stopwatch.StartNew();
        var session = FuzzSession.RunAsync(new FuzzRequest(bug.Target, folder) { Time = limit, Woven = woven }, static _ => { }, ending.Token);
        TimeSpan? found = null;
        while (found is null && !session.IsCompleted)
        {
            await Task.WhenAny(session, Task.Delay(LookPeriod));
            if (output.Inputs("crashes").Count + output.Inputs("hangs").Count > 0)
                found = watch.Elapsed;
        }

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

    private static void Run(string program, IReadOnlyList<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {error.Result}{output.Result}");
    }
}
