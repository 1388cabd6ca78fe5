using System.Diagnostics;
using System.Text.RegularExpressions;
using Gauntlet.Guests.Images;
using Gauntlet.Harness.Booting;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
using Gauntlet.Harness.Scheduling;

namespace Gauntlet.Harness.Bench;

/// <summary>What <c>gauntlet boot</c> adds to a boot that it measures: Debian's kernel on QEMU's TCG until its first program speaks, against the bare command, in turn.</summary>
internal sealed class BootOverhead : IDisposable
{
    private const double Wanted = 0.03;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    private readonly BenchFolder _folder = new();
    private readonly AttemptLauncher _launcher = new();

    public void Dispose()
    {
        _launcher.Dispose();
        _folder.Dispose();
    }

    /// <summary>Measures an architecture.</summary>
    /// <param name="pairs">Of boots, one by the bare command and one by ours.</param>
    /// <returns>Both wall time and CPU time are within what is wanted.</returns>
    public async Task<bool> MeasureAsync(string arch, int pairs)
    {
        if (ProgramFinder.InPath($"qemu-system-{arch}") is not { } program)
        {
            Console.WriteLine($"boot: qemu-system-{arch} is not installed");
            return false;
        }

        var (kernel, initramfs) = await new LinuxRecipe { Architecture = DebianArchitecture.Of(arch) }.BuildAsync(DebianPackages.ForUser(), default);
        await File.WriteAllBytesAsync(_folder[$"initramfs-{arch}"], initramfs);
        var machine = new BootMachine { Arch = arch, Accel = "tcg", Kernel = kernel.Image, Initrd = _folder[$"initramfs-{arch}"] };
        var (bare, ours) = (new List<Cost>(), new List<Cost>());
        // The first pair fills the page cache, and compiles what runs here.
        for (var pair = 0; pair <= pairs; pair++)
        {
            // Which of the two goes first alternates: the host's CPUs grow warm and cold.
            var first = pair % 2 == 0 ? await BareAsync(machine, program) : default;
            var second = await OursAsync(machine, program);
            if (pair % 2 != 0)
                first = await BareAsync(machine, program);
            if (pair == 0)
                continue;
            bare.Add(first);
            ours.Add(second);
        }

        var (wall, cpu) = (MedianRatio(cost => cost.Wall), MedianRatio(cost => cost.Cpu));
        Console.WriteLine(
            $"boot of {kernel.Name} on {arch} to user space, {pairs} pairs in turn: bare command {Median(bare, cost => cost.Wall):0} ms, {Median(bare, cost => cost.Cpu):0} ms of CPU (medians);"
            + $" gauntlet boot {Median(ours, cost => cost.Wall):0} ms ({wall - 1:+0.0%;-0.0%}), {Median(ours, cost => cost.Cpu):0} ms of CPU ({cpu - 1:+0.0%;-0.0%}; medians of the pairs' ratios); wanted at most +{Wanted:0%}");
        return wall <= 1 + Wanted && cpu <= 1 + Wanted;

        // What the host does besides changes more slowly than a pair takes.
        double MedianRatio(Func<Cost, double> of) => Median(bare.Zip(ours, (one, other) => of(other) / of(one)));
    }

    private async Task<Cost> OursAsync(BootMachine machine, string program)
    {
        var before = Cpu();
        var boot = await new BootRunner(_launcher).RunAsync(machine, program, new BootGoal(new Regex(Regex.Escape(LinuxRecipe.UserSpaceMarker)), ToPowerOff: false, s_limit), default);
        return boot.Outcome == BootOutcome.Booted ? new(boot.Timeline.Marker!.Value, Cpu() - before) : throw new InvalidOperationException(boot.Reason);
    }

    /// <summary>The least that anybody does who waits for a line: reads, and ends the process.</summary>
    private static async Task<Cost> BareAsync(BootMachine machine, string program)
    {
        var command = machine.CommandLine(program, interactive: false);
        var (clock, before) = (Stopwatch.GetTimestamp(), Cpu());
        using var process = Process.Start(new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains(LinuxRecipe.UserSpaceMarker, StringComparison.Ordinal))
                break;
        }

        var wall = Stopwatch.GetElapsedTime(clock).TotalMilliseconds;
        process.Kill();
        await Task.WhenAll(errors, process.WaitForExitAsync());
        return new(wall, Cpu() - before);
    }

    /// <summary>Of this process and what it has waited for, in milliseconds: what is added on this side counts too.</summary>
    private static double Cpu() => ProcessTree.Sample(Environment.ProcessId).Cpu.TotalMilliseconds;

    private static double Median(IEnumerable<Cost> costs, Func<Cost, double> of) => Median(costs.Select(of));

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Of a boot, in milliseconds.</summary>
    /// <param name="Wall">From before the start until the line came: what <c>gauntlet boot</c> shows.</param>
    /// <param name="Cpu">Until the VMM is gone, of the one who waits too.</param>
    private readonly record struct Cost(double Wall, double Cpu);
}
