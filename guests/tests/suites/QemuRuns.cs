using System.Diagnostics;
using System.Globalization;
using Gauntlet.Guests.Building;

namespace Gauntlet.Guests.Tests;

/// <summary>Every case that runs on TCG, alone and below our L1 hypervisors, run once on QEMU, as many at a time as there are processors; tests look at what came of them.</summary>
public sealed class QemuRuns : IAsyncLifetime
{
    /// <summary>Ends a run that hangs. The slowest takes two seconds on an idle host; much more than this machine is ever busy.</summary>
    private static readonly TimeSpan longest = TimeSpan.FromSeconds(120);

    private readonly Dictionary<string, QemuRun> runs = [];

    internal static IReadOnlyList<QemuCase> Cases { get; } =
    [
        .. from suite in SuiteFile.All(GuestTree.Find())
           from entry in suite.Cases
           from accel in QemuMachine.Accels
           where entry.RunsOn(accel) && (accel == "tcg" || (entry.Smp == "1" && IsLookedAtNested(suite)))
           select new QemuCase(entry, accel),
    ];

    /// <summary>All that is short, for each exit of L2 costs two on TCG; a run of the matrix has the rest.</summary>
    private static bool IsLookedAtNested(SuiteFile suite) => suite.Arch != "x86_64" || suite.Name is "smoke" or "cpu";

    internal QemuRun this[string name] => runs[name];

    public async Task InitializeAsync()
    {
        using var folder = new TemporaryFolder();
        var environment = folder.Write("environment", "QEMU_ACCEL=tcg\n");
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount };
        await Parallel.ForEachAsync(Cases.Where(entry => Host.NoQemu(entry.Arch) is null), options, async (entry, cancellation) =>
        {
            var run = await RunAsync(entry, environment, cancellation);
            lock (runs)
                runs.Add(entry.ToString(), run);
        });
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private static async Task<QemuRun> RunAsync(QemuCase run, string environment, CancellationToken cancellation)
    {
        var entry = run.Entry;
        IEnumerable<string> append = entry.Append is { } text ? ["-append", text] : [];
        IEnumerable<string> initrd = entry.Suite.Environment ? ["-initrd", environment] : [];
        var start = new ProcessStartInfo(
            QemuMachine.Program(run.Arch),
            [.. QemuMachine.Arguments(run), "-smp", entry.Smp == "max" ? "2" : entry.Smp, .. initrd, .. append, .. entry.Arguments])
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
    private const string StatusLine = "EXIT: STATUS=";

    private IEnumerable<string> Lines => Console.Split('\n').Select(line => line.TrimEnd('\r'));

    public IReadOnlyList<string> Names(params string[] verdicts) =>
        [.. from line in Lines from verdict in verdicts where line.StartsWith(verdict + ": ", StringComparison.Ordinal) select line[(verdict.Length + 2)..]];

    /// <summary>The guest's exit code as <c>(code &lt;&lt; 1) | 1</c>: on RISC-V it is on the console, and the process's status is 0 for all; null: it has none.</summary>
    public int? GuestStatus(string arch) => arch != "riscv64" || Status != 0
        ? Status
        : Lines.Where(line => line.StartsWith(StatusLine, StringComparison.Ordinal)).Select(line => int.Parse(line[StatusLine.Length..], CultureInfo.InvariantCulture))
            .Cast<int?>().SingleOrDefault();

    public override string ToString() => $"status {Status?.ToString(CultureInfo.InvariantCulture) ?? "none, it hung"}\n{Errors}\n{Console}";
}
