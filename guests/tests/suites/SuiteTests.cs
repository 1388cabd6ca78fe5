using Gauntlet.Guests.Building;

namespace Gauntlet.Guests.Tests;

/// <summary>The suites on QEMU's TCG: an implementation of the same manuals by others, so that a check that is wrong shows.</summary>
public sealed class SuiteTests(QemuRuns runs) : IClassFixture<QemuRuns>
{
    private const int LeastCpuChecks = 200;
    private const int Passed = 1, Failed = 3, Skipped = 77;

    private static readonly KnownFailureFile known = KnownFailureFile.Read(GuestTree.Find());

    public static TheoryData<string, string> Cases()
    {
        var data = new TheoryData<string, string>();
        foreach (var entry in QemuRuns.Cases)
            data.Add(entry.Suite, entry.Name);
        return data;
    }

    [QemuTheory]
    [MemberData(nameof(Cases))]
    public void No_check_fails_but_those_that_QEMU_is_known_to_fail(string suite, string name)
    {
        var run = runs[$"{suite}/{name}"];
        var excused = known.On(suite, name, "qemu", "tcg");
        if (excused.Contains(null))
            return;
        var unexpected = run.Names("FAIL", "XPASS").Where(check => !excused.Any(pattern => KnownFailureFile.Fits(pattern, check)));
        Assert.True(!unexpected.Any(), $"{suite}/{name}: unexpected: {string.Join("; ", unexpected)}\n{run}");
        Assert.True(run.Status is Passed or Failed or Skipped, $"{suite}/{name} did not end by itself: {run}");
    }

    [QemuTheory]
    [MemberData(nameof(Cases))]
    public void The_summary_and_the_status_are_what_the_result_lines_say(string suite, string name)
    {
        if (known.On(suite, name, "qemu", "tcg").Contains(null))
            return;
        var run = runs[$"{suite}/{name}"];
        var (checks, failures, skips) = (run.Names("PASS", "FAIL", "XFAIL", "XPASS", "KFAIL", "SKIP"), run.Names("FAIL", "XPASS"), run.Names("SKIP"));
        var summary = $"{checks.Count} tests{(failures.Count > 0 ? $", {failures.Count} unexpected failures" : "")}{(skips.Count > 0 ? $", {skips.Count} skipped" : "")}";
        Assert.Equal([summary], run.Names("SUMMARY"));
        Assert.Equal(checks.Count == skips.Count ? Skipped : failures.Count > 0 ? Failed : Passed, run.Status);
        Assert.Equal(checks.Distinct(), checks);
    }

    [QemuFact]
    public void The_cpu_suite_has_hundreds_of_checks_that_are_executed()
    {
        var executed = QemuRuns.Cases.Where(entry => entry.Suite == "cpu").DistinctBy(entry => (entry.Image, entry.Append))
            .Sum(entry => runs[entry.ToString()].Names("PASS", "FAIL").Count);
        Assert.InRange(executed, LeastCpuChecks, int.MaxValue);
    }

    [QemuFact]
    public void Vmexit_measures_every_kind_of_exit_in_nanoseconds()
    {
        var measured = runs["vmexit/vmexit"].Names("MEASURE").Select(line => line.Split(' ')).ToList();
        Assert.All(measured, parts => Assert.True(parts.Length == 3 && ulong.TryParse(parts[1], out _) && parts[2] == "ns", string.Join(' ', parts)));
        Assert.Superset(
            new HashSet<string> { "cpuid", "port-in-unused", "port-out-testdev", "mmio-lapic-read", "cr3-write", "msr-read-apic-base", "hlt-timer", "ipi-wake" },
            measured.Select(parts => parts[0]).ToHashSet());
    }
}
