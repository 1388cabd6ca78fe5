using System.ComponentModel;
using System.Globalization;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;

namespace Gauntlet.Vmm.Bench.Exits;

/// <summary>
/// Both loops serve the same guests in turns, a short round each, so that what else the host does meets both. The figure is the median over the rounds of
/// the ratio within a round.
/// </summary>
public static class ExitBench
{
    private const int DefaultRounds = 41, TurnsPerRound = 5000, WarmUpTurns = 100_000;

    public static int Run(string[] args)
    {
        var rounds = DefaultRounds;
        if (args.Length > 1 || args.Length == 1 && (!int.TryParse(args[0], CultureInfo.InvariantCulture, out rounds) || rounds < 1))
        {
            Console.Error.WriteLine("exits: ROUNDS is a number above 0");
            return 2;
        }

        if (KvmAccelerator.WhyUnusable() is { } why)
        {
            Console.Error.WriteLine($"exits: {why}");
            return 3;
        }

        var folder = Directory.CreateTempSubdirectory("gauntlet-exits-");
        try
        {
            var program = CLoop.Build(folder.FullName);
            Console.WriteLine($"{"exit",-10} {"gvmm ns",10} {"C ns",10} {"ratio",7} {"ratio (clock)",13}   CPU time; medians of {rounds} rounds of {TurnsPerRound}");
            foreach (var kind in Enum.GetValues<ExitKind>())
                Measure(kind, program, rounds);
            return 0;
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or IOException or AcceleratorException)
        {
            Console.Error.WriteLine($"exits: {e.Message}");
            return 3;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Measure(ExitKind kind, string program, int rounds)
    {
        using var gvmm = new GvmmLoop(kind);
        using var bare = new CLoop(program, kind);
        gvmm.Measure(WarmUpTurns);
        bare.Measure(WarmUpTurns);
        var ours = new TurnTime[rounds];
        var theirs = new TurnTime[rounds];
        for (var i = 0; i < rounds; i++)
        {
            // Who goes first changes, so that neither always follows the other's caches.
            if (i % 2 == 0)
                ours[i] = gvmm.Measure(TurnsPerRound);
            theirs[i] = bare.Measure(TurnsPerRound);
            if (i % 2 != 0)
                ours[i] = gvmm.Measure(TurnsPerRound);
        }

        var (cpu, clock) = (Median(ours.Zip(theirs, (a, b) => a.CpuNs / b.CpuNs)), Median(ours.Zip(theirs, (a, b) => a.ClockNs / b.ClockNs)));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{kind,-10} {Median(ours.Select(t => t.CpuNs)),10:F0} {Median(theirs.Select(t => t.CpuNs)),10:F0} {cpu,7:F3} {clock,13:F3}"));
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What one turn of a guest's loop took, in nanoseconds: on the clock, and of the vCPU thread's CPU time, which a busy host disturbs less.</summary>
public readonly record struct TurnTime(double ClockNs, double CpuNs);
