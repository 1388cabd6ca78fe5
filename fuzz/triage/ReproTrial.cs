using System.Globalization;
using System.Text;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Bisecting;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Verdicts;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Triage;

/// <summary>Builds <c>gauntlet</c> at a commit and tells whether its <c>gauntlet fuzz repro TARGET INPUT</c> fails there.</summary>
/// <param name="source">Of the program.</param>
/// <param name="input">Path of the input.</param>
/// <param name="repetitions">At each commit: good is what never fails.</param>
public sealed class ReproTrial(VmmSource source, BuildCache builds, IAttemptLauncher launcher, string target, string input, int repetitions)
{
    // A finding is what takes 2 s of the processor; the rest is for a program that is compiled as it runs.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private const long MaxResidentBytes = 4L << 30;

    /// <summary>Skipped is a commit that says nothing of the input: it cannot be built, or has no such target.</summary>
    public async Task<(StepVerdict Verdict, string? Reason)> TryAsync(string commit, CancellationToken cancellation)
    {
        string program;
        try
        {
            (program, _) = await source.BuildAsync(commit, QemuStyleDriver.HostArch, builds, cancellation);
        }
        catch (UserException e)
        {
            return (StepVerdict.Skipped, e.Message);
        }

        List<string?> failures = [];
        for (var repetition = 0; repetition < repetitions; repetition++)
        {
            var (verdict, reason) = await RunAsync(program, cancellation);
            if (verdict == StepVerdict.Skipped)
                return (verdict, reason);
            if (verdict == StepVerdict.Bad)
                failures.Add(reason);
        }

        return failures.Count == 0 ? (StepVerdict.Good, null)
            : failures.Count == repetitions ? (StepVerdict.Bad, failures[0])
            : (StepVerdict.Flaky, string.Create(CultureInfo.InvariantCulture, $"failed {failures.Count} of {repetitions} times: {failures[0]}"));
    }

    private async Task<(StepVerdict Verdict, string? Reason)> RunAsync(string program, CancellationToken cancellation)
    {
        var plan = new LaunchPlan { CommandLine = [program, "fuzz", "repro", target, input], WorkingDirectory = Path.GetTempPath(), TimeLimitByCpu = true };
        var limits = new AttemptLimits { CpuTime = Longest, WallTime = Longest, ForgiveDelays = true, ResidentBytes = MaxResidentBytes };
        await using var process = launcher.Start(plan, limits);
        return Judge(await process.WaitAsync(cancellation));
    }

    /// <summary>From how the command ended, and what it said.</summary>
    internal static (StepVerdict Verdict, string? Reason) Judge(AttemptExit exit)
    {
        // Each operation with its reply, then what is wrong: its bucket, and the report of several lines.
        var said = Lines(exit.Console).FirstOrDefault(line => !line.Contains("  # ", StringComparison.Ordinal));
        var complaint = Lines(exit.StandardError).LastOrDefault();
        return exit switch
        {
            { Limit: LimitHit.CpuTime or LimitHit.WallTime } => (StepVerdict.Bad, $"does not end within {Longest.TotalSeconds} s"),
            { Limit: LimitHit.Memory } => (StepVerdict.Bad, "takes more memory than a run may"),
            { Limit: LimitHit.Output } => (StepVerdict.Bad, "prints without end"),
            { Signal: { } signal } when SignalName.IsFault(signal) => (StepVerdict.Bad, $"its process dies of {SignalName.Of(signal)}{(Lines(exit.StandardError).FirstOrDefault() is { } first ? $": {first}" : "")}"),
            { Signal: { } signal } => (StepVerdict.Skipped, $"ended from outside, by {SignalName.Of(signal)}"),
            { ExitStatus: ExitCode.Success } => (StepVerdict.Good, null),
            { ExitStatus: ExitCode.Failure } when said is not null => (StepVerdict.Bad, said),
            _ => (StepVerdict.Skipped, complaint ?? string.Create(CultureInfo.InvariantCulture, $"ended with status {exit.ExitStatus}")),
        };
    }

    private static IEnumerable<string> Lines(KeptOutput output) =>
        Encoding.UTF8.GetString(output.Bytes).Split('\n').Select(line => line.TrimEnd()).Where(line => line.Length > 0);
}
