using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Linux;

namespace Gauntlet.Fuzz.Worker;

/// <summary>The worker: an engine on woven assemblies. Started by <see cref="FuzzSession"/>, never by people.</summary>
public static class Program
{
    /// <summary>Ended by its own watchdog: the input that it left hangs.</summary>
    public const int HangStatus = 71;

    /// <summary>Before a target's name: a worker for afl-fuzz.</summary>
    internal const string AflWorker = "afl-worker";

    /// <summary>Ended because whoever started it did.</summary>
    internal const int OrphanStatus = 72;

    /// <remarks>An engine lives as long as standard input is open, which says nothing.</remarks>
    /// <param name="arguments">Target, output directory, seed, milliseconds or -1, runs or -1, milliseconds that one run may take, longest input, shared directory or nothing, anything for a run without guidance, power schedule.</param>
    public static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case [AflWorker, var driven]:
                AflServer.Work(driven);
                return 0;
            case [CorpusTools.DistilWorker, var distilled, var taken, var candidates]:
                CorpusTools.Work(distilled, taken, candidates);
                return 0;
            case [ReplayProcess.Worker, var replayed, var longest]:
                ReplayProcess.Work(replayed, TimeSpan.FromMilliseconds(Number(longest)));
                return 0;
            case ["afl", var served]:
                return AflServer.Serve(served);
        }
        if (arguments is not [var name, var folder, var seed, var milliseconds, var execs, var hang, var inputBytes, var shared, var blind, var schedule] || !Enum.TryParse(schedule, out PowerSchedule power))
        {
            Console.Error.WriteLine("this is a part of gauntlet: use `gauntlet fuzz`");
            return 2;
        }
        EndWithStarter();
        var output = new OutputDirectory(folder);
        using var coverage = new CoverageMap(WovenFolder.Edges);
        using var target = TargetCatalogue.Create(name);
        using var current = new CurrentRun(output.CurrentInput);
        Watchdog.Start(() => (current.Generation, current.IsRunning), TimeSpan.FromMilliseconds(Number(hang)));
        var budget = new FuzzBudget(
            ulong.Parse(seed, CultureInfo.InvariantCulture),
            Number(milliseconds) < 0 ? null : TimeSpan.FromMilliseconds(Number(milliseconds)),
            Number(execs) < 0 ? null : Number(execs),
            (int)Number(inputBytes),
            shared.Length == 0 ? null : shared)
        { IsBlind = blind.Length > 0, Schedule = power };
        new FuzzEngine(target, name, output, current, budget, WovenFolder.Edges, coverage, stats => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{stats.Execs} {stats.ExecsPerSecond:0} {stats.Edges} {stats.EdgesTotal} {stats.Corpus} {output.Crashes} {output.Hangs}"))).Run();
        return 0;
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    // Whoever started this may have been killed; two workers in one directory would lose each other's finds.
    private static void EndWithStarter() => new Thread(static () =>
    {
        using var input = Console.OpenStandardInput();
        while (input.ReadByte() >= 0)
        {
        }
        Descriptors.ExitNow(OrphanStatus);
    })
    { IsBackground = true, Name = "starter" }.Start();
}
