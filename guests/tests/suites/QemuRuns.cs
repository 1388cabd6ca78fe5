using System.Diagnostics;
using System.Globalization;
using Gauntlet.Guests.Building;

namespace Gauntlet.Guests.Tests;

/// <summary>Every case that runs on TCG, run once on QEMU, as many at a time as there are processors; tests look at what came of them.</summary>
public sealed class QemuRuns : IAsyncLifetime
{
    internal const string Program = "qemu-system-x86_64";

    /// <summary>Ends a run that hangs. The slowest takes two seconds on an idle host; much more than this machine is ever busy.</summary>
    private static readonly TimeSpan longest = TimeSpan.FromSeconds(120);

    private static readonly string[] commonArguments =
    [
        "--no-reboot", "-nodefaults", "-global", "kvm-pit.lost_tick_policy=discard", "-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
        "-display", "none", "-serial", "stdio", "-device", "pci-testdev", "-machine", "accel=tcg",
    ];

    private readonly Dictionary<string, QemuRun> runs = [];

    internal static IReadOnlyList<SuiteFile.CaseEntry> Cases { get; } =
        [.. SuiteFile.All(GuestTree.Find()).SelectMany(suite => suite.Cases).Where(entry => entry.RunsOn("tcg"))];

    internal QemuRun this[string name] => runs[name];

    public async Task InitializeAsync()
    {
        if (Host.NoQemu is not null)
            return;
        using var folder = new TemporaryFolder();
        var environment = folder.Write("environment", "QEMU_ACCEL=tcg\n");
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount };
        await Parallel.ForEachAsync(Cases, options, async (entry, cancellation) =>
        {
            var run = await RunAsync(entry, environment, cancellation);
            lock (runs)
                runs.Add(entry.ToString(), run);
        });
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private static async Task<QemuRun> RunAsync(SuiteFile.CaseEntry entry, string environment, CancellationToken cancellation)
    {
        IEnumerable<string> append = entry.Append is { } text ? ["-append", text] : [];
        var start = new ProcessStartInfo(
            Program,
            [.. commonArguments, "-kernel", entry.Image, "-smp", entry.Smp == "max" ? "2" : entry.Smp, "-initrd", environment, .. append, .. entry.Args])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var limit = entry.Timeout is { } seconds ? TimeSpan.FromSeconds(int.Parse(seconds.TrimEnd('s'), CultureInfo.InvariantCulture)) : longest;
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var errors = process.StandardError.ReadToEndAsync(cancellation);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        end.CancelAfter(limit);
        var ended = true;
        try
        {
            await process.WaitForExitAsync(end.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            ended = false;
            process.Kill();
            await process.WaitForExitAsync(cancellation);
        }
        return new QemuRun(await output, await errors, ended ? process.ExitCode : null);
    }
}

/// <param name="Status">The process's; null: it had to be ended.</param>
internal sealed record QemuRun(string Console, string Errors, int? Status)
{
    private IEnumerable<string> Lines => Console.Split('\n').Select(line => line.TrimEnd('\r'));

    public IReadOnlyList<string> Names(params string[] verdicts) =>
        [.. from line in Lines from verdict in verdicts where line.StartsWith(verdict + ": ", StringComparison.Ordinal) select line[(verdict.Length + 2)..]];

    public override string ToString() => $"status {Status?.ToString(CultureInfo.InvariantCulture) ?? "none, it hung"}\n{Errors}\n{Console}";
}
