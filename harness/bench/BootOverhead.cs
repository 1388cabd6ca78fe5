using System.Diagnostics;
using System.Text.RegularExpressions;
using Gauntlet.Guests.Images;
using Gauntlet.Harness.Booting;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
using Gauntlet.Harness.Scheduling;

namespace Gauntlet.Harness.Bench;

/// <summary>What <c>gauntlet boot</c> adds to a boot that it measures: Debian's kernel to power-off, against the bare command, in turn.</summary>
internal static class BootOverhead
{
    private const double Wanted = 0.03;

    public static async Task<bool> MeasureAsync(int rounds)
    {
        using var folder = new BenchFolder();
        using var launcher = new AttemptLauncher();
        var (kernel, initramfs) = await new LinuxRecipe { Architecture = DebianArchitecture.Of("x86_64") }.BuildAsync(DebianPackages.ForUser(), default);
        await File.WriteAllBytesAsync(folder["initramfs"], initramfs);
        var machine = new BootMachine { Arch = "x86_64", Accel = "tcg", Kernel = kernel.Image, Initrd = folder["initramfs"] };
        var program = ProgramFinder.InPath("qemu-system-x86_64");
        if (program is null)
        {
            Console.WriteLine("boot: qemu-system-x86_64 is not installed");
            return false;
        }
        var goal = new BootGoal(new Regex($"^{LinuxRecipe.DoneMarker} 0"), ToPowerOff: true, TimeSpan.FromMinutes(2));
        var runner = new BootRunner(launcher);
        var command = machine.CommandLine(program, interactive: false);
        var (bare, ours) = (new List<(double Wall, double Cpu)>(), new List<(double Wall, double Cpu)>());
        for (var round = 0; round <= rounds; round++)
        {
            // Which of the two goes first alternates: the host's CPUs grow warm and cold.
            var (first, second) = round % 2 == 0 ? (await BareAsync(command), await OursAsync()) : await SwappedAsync();
            // The first of all fills the page cache.
            if (round == 0)
                continue;
            bare.Add(first);
            ours.Add(second);
        }
        var (wall, cpu) = (Median(ours, time => time.Wall) / Median(bare, time => time.Wall) - 1, Median(ours, time => time.Cpu) / Median(bare, time => time.Cpu) - 1);
        Console.WriteLine(
            $"boot of {kernel.Name} to power-off ({rounds} in turn, medians): bare command {Median(bare, time => time.Wall):0} ms, {Median(bare, time => time.Cpu):0} ms of CPU;"
            + $" gauntlet boot {Median(ours, time => time.Wall):0} ms ({wall:+0.0%;-0.0%}), {Median(ours, time => time.Cpu):0} ms of CPU ({cpu:+0.0%;-0.0%}); wanted at most {Wanted:0%}");
        return wall <= Wanted && cpu <= Wanted;

        async Task<((double Wall, double Cpu), (double Wall, double Cpu))> SwappedAsync()
        {
            var our = await OursAsync();
            return (await BareAsync(command), our);
        }

        async Task<(double Wall, double Cpu)> OursAsync()
        {
            var (clock, before) = (Stopwatch.GetTimestamp(), Cpu());
            var boot = await runner.RunAsync(machine, program, goal, default);
            return boot.Outcome == BootOutcome.Booted ? (Stopwatch.GetElapsedTime(clock).TotalMilliseconds, Cpu() - before) : throw new InvalidOperationException(boot.Reason);
        }
    }

    private static async Task<(double Wall, double Cpu)> BareAsync(IReadOnlyList<string> command)
    {
        var (clock, before) = (Stopwatch.GetTimestamp(), Cpu());
        using var process = Process.Start(new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync(), process.WaitForExitAsync());
        return (Stopwatch.GetElapsedTime(clock).TotalMilliseconds, Cpu() - before);
    }

    /// <summary>Of this process and what it has waited for, in milliseconds: what is added on this side counts too.</summary>
    private static double Cpu() => ProcessTree.Sample(Environment.ProcessId).Cpu.TotalMilliseconds;

    private static double Median(List<(double Wall, double Cpu)> times, Func<(double Wall, double Cpu), double> of)
    {
        var sorted = times.Select(of).Order().ToList();
        return sorted[sorted.Count / 2];
    }
}
