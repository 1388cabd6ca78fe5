using System.Diagnostics;
using System.Text.RegularExpressions;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Harness.Bench;

/// <summary>A verdict and why, and how long the VMM ran, all its attempts together.</summary>
internal sealed record Told(string Verdict, string? Reason, TimeSpan VmmTime);

/// <summary>Runs kvm-unit-tests on QEMU's TCG: by its own runner, and by Gauntlet.</summary>
internal static partial class Peers
{
    /// <summary>PASS, FAIL, SKIP or TIMEOUT (a FAIL by timeout) by test, as its own runner says.</summary>
    /// <param name="logs">Folder for its logs, so that the checkout stays as it is.</param>
    /// <param name="names">Only these; none: all.</param>
    public static (TimeSpan Wall, IReadOnlyDictionary<string, string> Verdicts) RunTestsScript(string checkout, int jobs, string logs, IReadOnlyList<string> names)
    {
        var start = new ProcessStartInfo("/bin/bash", ["./run_tests.sh", "-j", $"{jobs}", .. names]) { WorkingDirectory = checkout, RedirectStandardOutput = true };
        start.Environment["ACCEL"] = "tcg";
        start.Environment["unittest_log_dir"] = logs;
        // Without this every test is a skip where QEMU has no riscv64 -cpu max, before 8.2; Gauntlet asks QEMU.
        if (KutConfiguration.Read(Path.Combine(checkout, KutConfiguration.FileName)).GetValueOrDefault("ARCH") == "riscv64" && Environment.GetEnvironmentVariable("TARGET_CPU_OVERRIDE") is null)
            start.Environment["TARGET_CPU_OVERRIDE"] = "rv64";
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        var verdicts = new Dictionary<string, string>();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (ResultLine().Match(Colours().Replace(line, "")) is { Success: true } match)
                verdicts[match.Groups[2].Value] = match.Groups[1].Value == "FAIL" && match.Groups[3].Value.Contains("timeout; duration", StringComparison.Ordinal) ? "TIMEOUT" : match.Groups[1].Value;
        }
        process.WaitForExit();
        return (clock.Elapsed, verdicts);
    }

    /// <summary>Gauntlet's verdicts by case, from a store of its own, without any history.</summary>
    public static (TimeSpan Wall, IReadOnlyDictionary<string, Told> Verdicts) RunGauntlet(string gauntlet, string checkout, int jobs, string store, IReadOnlyList<string> names)
    {
        var start = new ProcessStartInfo(
            gauntlet, ["run", "--vmm", "qemu", "--accel", "tcg", "--suite", checkout, "--results", store, "-j", $"{jobs}", .. names])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        var wall = clock.Elapsed;
        if (process.ExitCode is not (0 or 1))
            throw new InvalidOperationException($"gauntlet run ended with {process.ExitCode}: {error.Result}");
        using var results = ResultStore.Open(store);
        return (wall, results.GetResults(results.FindRun("latest")!.Id).ToDictionary(result => result.Job.Case, result => new Told(result.Verdict.Name(), result.Reason, TimeSpan.FromSeconds(result.Attempts.Sum(attempt => attempt.WallSeconds)))));
    }

    [GeneratedRegex(@"^(PASS|FAIL|SKIP) (\S+) ?(.*)$")]
    private static partial Regex ResultLine();

    [GeneratedRegex(@"\x1b\[[0-9;]*m")]
    private static partial Regex Colours();
}
