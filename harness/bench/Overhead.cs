using System.Diagnostics;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Store;

namespace Gauntlet.Harness.Bench;

/// <summary>What Gauntlet adds to a case: from the start of an attempt to its stored result, against the bare command line, in turn.</summary>
internal static class Overhead
{
    private const int Rounds = 60;

    private static readonly TimeSpan Wanted = TimeSpan.FromMilliseconds(10);

    public static async Task<bool> MeasureAsync(string checkout)
    {
        using var folder = new BenchFolder();
        using var store = ResultStore.Open(folder["store"]);
        using var launcher = new AttemptLauncher();
        var context = SuiteContext.ForProcess();
        var suite = SuiteLoader.Load(checkout, context);
        var drivers = DriverRegistry.For([], launcher);
        var cell = new Gauntlet.Results.Records.Cell("qemu", "tcg", suite.Arch);
        var status = (await drivers.AskAsync([cell], default))[0];
        // A short case that passes: what is added shows most.
        var job = JobMaker.Make(suite, status, new JobOptions { KernelRelease = JobOptions.HostKernelRelease() })
            .FirstOrDefault(candidate => candidate.Case is "setjmp" or "selftest-setup" or "selftest" && candidate.SkipReason is null);
        if (job is null)
        {
            Console.WriteLine($"overhead: {checkout} has no short case that can run here{(status.SkipReason is null ? "" : $": {status.SkipReason}")}");
            return false;
        }
        var runner = new JobRunner(drivers, launcher, store, new JobRunnerOptions());
        var run = new Gauntlet.Results.Records.Run
        {
            Id = "overhead",
            StartedUtc = DateTime.UtcNow,
            State = Gauntlet.Results.Records.RunState.Running,
            CommandLine = "bench",
            JobCount = Rounds,
        };
        store.BeginRun(run, [job]);
        var first = await runner.RunAsync(job, null, default);
        // What a person would type: without the socket that the harness looks into the guest by.
        var command = first.Attempts[^1].CommandLine.ToList();
        if (command.IndexOf("-qmp") is >= 0 and var at)
            command.RemoveRange(at, 2);
        var (bare, ours) = (new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            var clock = Stopwatch.GetTimestamp();
            await RunBareAsync(command);
            bare.Add(Stopwatch.GetElapsedTime(clock).TotalMilliseconds);
            clock = Stopwatch.GetTimestamp();
            store.AddResult(run.Id, await runner.RunAsync(job, null, default));
            ours.Add(Stopwatch.GetElapsedTime(clock).TotalMilliseconds);
        }
        var added = Median(ours) - Median(bare);
        Console.WriteLine($"overhead of a case ({job.Case}, {Rounds} in turn, medians): bare command {Median(bare):0.0} ms, gauntlet to the stored result {Median(ours):0.0} ms: {added:+0.0;-0.0} ms, wanted at most {Wanted.TotalMilliseconds:0} ms");
        return added <= Wanted.TotalMilliseconds;
    }

    private static async Task RunBareAsync(IReadOnlyList<string> commandLine)
    {
        using var process = Process.Start(new ProcessStartInfo(commandLine[0], commandLine.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync(), process.WaitForExitAsync());
    }

    private static double Median(List<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted[sorted.Count / 2];
    }
}
