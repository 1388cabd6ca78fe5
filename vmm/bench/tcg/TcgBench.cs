using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Gauntlet.Vmm.Bench.Tcg;

/// <summary>gvmm's translator, host code and interpreter, beside QEMU's TCG, on loops of one kind each. Start and end of the process are measured apart and taken off.</summary>
internal static class TcgBench
{
    private const int DefaultRounds = 3, GuestPassed = 1;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private sealed record Subject(string Name, string Program, string Accel)
    {
        public double StartMs { get; set; }
    }

    public static int Run(string[] arguments)
    {
        var rounds = DefaultRounds;
        var wanted = "";
        foreach (var argument in arguments)
        {
            if (int.TryParse(argument, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 1000)
                rounds = number;
            else if (TcgLoop.All().Any(loop => loop.Name.StartsWith(argument, StringComparison.Ordinal)))
                wanted = argument;
            else
            {
                Console.Error.WriteLine($"usage: vmm/bench/run tcg [ROUNDS] [LOOP]: there are {string.Join(", ", TcgLoop.All().Select(loop => loop.Name))}");
                return 2;
            }
        }
        if (Programs.Gvmm("tcg") is not { } gvmm)
            return 3;
        List<Subject> subjects = [new("gvmm x64", gvmm, "tcg,backend=x64"), new("gvmm interp", gvmm, "tcg,backend=interp"), new("QEMU", "qemu-system-x86_64", "tcg")];
        subjects.RemoveAll(subject => Measure(subject, TcgLoop.All().First(), 0) is null);
        foreach (var subject in subjects)
            subject.StartMs = Best(subject, TcgLoop.All().First(), 0, rounds + 2) ?? 0;
        Console.WriteLine($"{"loop",-22}{string.Concat(subjects.Select(subject => $"{subject.Name + " ms",16}"))}{"QEMU / x64",14}{"interp / x64",14}");
        foreach (var loop in TcgLoop.All())
        {
            if (!loop.Name.StartsWith(wanted, StringComparison.Ordinal))
                continue;
            var times = subjects.ToDictionary(subject => subject.Name, subject => Best(subject, loop, loop.Turns, rounds) - subject.StartMs);
            Console.WriteLine($"{loop.Name,-22}{string.Concat(subjects.Select(subject => $"{Text(times[subject.Name], "0"),16}"))}"
                + $"{Ratio(times, "QEMU"),14}{Ratio(times, "gvmm interp"),14}");
        }
        return 0;
    }

    private static string Ratio(Dictionary<string, double?> times, string of) => Text(times.GetValueOrDefault(of) / times.GetValueOrDefault("gvmm x64"), "0.00");

    private static string Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    private static double? Best(Subject subject, TcgLoop loop, int turns, int rounds)
    {
        double? best = null;
        for (var round = 0; round < rounds; round++)
        {
            if (Measure(subject, loop, turns) is { } time && !(time > best))
                best = time;
        }
        return best;
    }

    // Null when it cannot run this guest here; says why.
    private static double? Measure(Subject subject, TcgLoop loop, int turns)
    {
        var image = Path.Combine(Path.GetTempPath(), $"gauntlet-tcg-{Guid.NewGuid():N}.bin");
        File.WriteAllBytes(image, TcgGuest.Assemble(loop, turns));
        try
        {
            var start = new ProcessStartInfo(subject.Program,
                ["-no-reboot", "-nodefaults", "-machine", "pc", "-accel", subject.Accel, "-m", "128", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
                    "-display", "none", "-kernel", image])
            { RedirectStandardError = true };
            if (subject.Name != "QEMU")
            {
                start.ArgumentList.Add("-machine");
                start.ArgumentList.Add("pc,kernel-format=multiboot");
            }
            var began = Stopwatch.GetTimestamp();
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(Limit))
            {
                process.Kill();
                process.WaitForExit();
            }
            var time = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            if (process.ExitCode == GuestPassed)
                return time;
            Console.Error.WriteLine($"{subject.Name}, {loop.Name}: left out, status {process.ExitCode}: {errors.Result.Split('\n')[0]}");
        }
        catch (Win32Exception why)
        {
            Console.Error.WriteLine($"{subject.Name}: left out: {why.Message}");
        }
        finally
        {
            File.Delete(image);
        }
        return null;
    }
}
