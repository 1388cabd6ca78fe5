using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Worker;

namespace Gauntlet.Fuzz.Bench;

/// <summary>Edges that each power schedule has reached after the same number of runs: the same figures on every host, however busy it is.</summary>
internal static class ScheduleBench
{
    private const int Seeds = 3;

    private static readonly string[] UsualTargets = ["ahci", "e1000", "virtio-blk", "fw_cfg"];

    /// <param name="arguments">--execs N: runs of each; names of targets.</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var execs = 200_000L;
        var names = new List<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == "--execs" && i + 1 < arguments.Count && long.TryParse(arguments[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var given))
                (execs, i) = (given, i + 1);
            else
                names.Add(arguments[i]);
        }
        Console.WriteLine($"edges, mean of {Seeds} seeds after {execs} runs");
        Console.WriteLine($"{"target",-16} {string.Join(' ', Enum.GetNames<PowerSchedule>().Select(static name => $"{name.ToLowerInvariant(),9}"))}");
        foreach (var name in names.Count > 0 ? names : [.. UsualTargets])
        {
            var folder = Directory.CreateTempSubdirectory("gauntlet-schedule-bench-").FullName;
            try
            {
                var woven = Path.Combine(folder, "woven");
                WovenFolder.Create(woven, TargetCatalogue.UnderTest(name), []);
                var means = new List<double>();
                foreach (var schedule in Enum.GetValues<PowerSchedule>())
                {
                    var edges = 0;
                    for (var seed = 1; seed <= Seeds; seed++)
                    {
                        var request = new FuzzRequest(name, Path.Combine(folder, $"{schedule}-{seed}")) { Execs = execs, Seed = (ulong)seed, Schedule = schedule, Woven = woven };
                        edges += (await FuzzSession.RunAsync(request, static _ => { }, CancellationToken.None)).Edges;
                    }
                    means.Add((double)edges / Seeds);
                }
                Console.WriteLine($"{name,-16} {string.Join(' ', means.Select(static mean => mean.ToString("0.0", CultureInfo.InvariantCulture).PadLeft(9)))}");
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
        return 0;
    }
}
