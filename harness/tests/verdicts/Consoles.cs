using System.Text;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Verdicts;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests.Verdicts;

/// <summary>Attempts as tests describe them: what was printed, how it ended.</summary>
internal static class Consoles
{
    public static Job Job(GuestConvention convention = GuestConvention.KvmUnitTests, string? expect = null, string? reject = null) => new()
    {
        Suite = "s",
        Case = "c",
        Cell = new Cell("qemu", "tcg", "x86_64"),
        Image = "/image",
        Convention = convention,
        Expect = expect,
        Reject = reject,
    };

    public static ConsoleMonitor Monitor(Job job, string console)
    {
        var monitor = new ConsoleMonitor(job);
        foreach (var line in console.Split('\n'))
            monitor.Line(line);
        return monitor;
    }

    public static ConsoleReport Report(string console, GuestConvention convention = GuestConvention.KvmUnitTests) => Monitor(Job(convention), console).Finish();

    public static LaunchPlan Plan(bool debugExit = true) => new() { CommandLine = ["/bin/vmm"], WorkingDirectory = "/", DebugExit = debugExit };

    public static AttemptExit Exit(int? status, int? signal = null, LimitHit limit = LimitHit.None, string errors = "") => new(
        status, signal, limit, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), 0, new KeptOutput([], 0), new KeptOutput(Encoding.UTF8.GetBytes(errors), errors.Length), new Dictionary<string, string>());

    public static Judgement Judge(Job job, string console, AttemptExit exit, bool debugExit = true, string? hostKvm = null) =>
        Gauntlet.Harness.Verdicts.Judge.Of(job, Plan(debugExit), exit, Monitor(job, console).Finish(), hostKvm);
}
