using Gauntlet.Guests.Building;

namespace Gauntlet.Guests.Tests;

/// <summary>The suites on QEMU's TCG: an implementation of the same manuals by others, so that a check that is wrong shows.</summary>
public sealed class SuiteTests(QemuRuns runs) : IClassFixture<QemuRuns>
{
    private const int LeastCpuChecksX86 = 200, LeastCpuChecks = 60;
    private const int Passed = 1, Failed = 3, Skipped = 77;

    private static readonly KnownFailureFile known = KnownFailureFile.Read(GuestTree.Find());

    public static TheoryData<string, string, string> Aarch64Cases() => Cases("aarch64");

    public static TheoryData<string, string, string> RiscV64Cases() => Cases("riscv64");

    public static TheoryData<string, string, string> X64Cases() => Cases("x86_64");

    [QemuTheory("aarch64")]
    [MemberData(nameof(Aarch64Cases))]
    public void Aarch64_guests_do_what_the_manuals_say(string accel, string suite, string name) => Look("aarch64", accel, suite, name);

    [QemuTheory("riscv64")]
    [MemberData(nameof(RiscV64Cases))]
    public void RiscV_guests_do_what_the_manuals_say(string accel, string suite, string name) => Look("riscv64", accel, suite, name);

    [QemuTheory("x86_64")]
    [MemberData(nameof(X64Cases))]
    public void X64_guests_do_what_the_manuals_say(string accel, string suite, string name) => Look("x86_64", accel, suite, name);

    [QemuFact("aarch64")]
    public void The_cpu_suite_of_aarch64_has_dozens_of_checks_that_are_executed() => Assert.InRange(ExecutedCpuChecks("aarch64"), LeastCpuChecks, int.MaxValue);

    [QemuFact("riscv64")]
    public void The_cpu_suite_of_riscv64_has_dozens_of_checks_that_are_executed() => Assert.InRange(ExecutedCpuChecks("riscv64"), LeastCpuChecks, int.MaxValue);

    [QemuFact("x86_64")]
    public void The_cpu_suite_of_x86_64_has_hundreds_of_checks_that_are_executed() => Assert.InRange(ExecutedCpuChecks("x86_64"), LeastCpuChecksX86, int.MaxValue);

    [QemuFact("x86_64")]
    public void Vmexit_measures_every_kind_of_exit_in_nanoseconds()
    {
        var measured = runs["tcg/x86_64/vmexit/vmexit"].Names("MEASURE").Select(line => line.Split(' ')).ToList();
        Assert.All(measured, parts => Assert.True(parts.Length == 3 && ulong.TryParse(parts[1], out _) && parts[2] == "ns", string.Join(' ', parts)));
        Assert.Superset(
            new HashSet<string> { "cpuid", "port-in-unused", "port-out-testdev", "mmio-lapic-read", "cr3-write", "msr-read-apic-base", "hlt-timer", "ipi-wake" },
            measured.Select(parts => parts[0]).ToHashSet());
    }

    [QemuFact("aarch64")]
    public void Below_an_L1_at_EL2_a_guest_is_L2_and_says_so() => IsL2("aarch64", "EL2");

    [QemuFact("riscv64")]
    public void Below_an_L1_in_HS_mode_a_guest_is_L2_and_says_so() => IsL2("riscv64", "the hypervisor extension");

    [QemuFact("x86_64")]
    public void Below_an_L1_by_SVM_a_guest_is_L2_and_says_so() => IsL2("x86_64", "SVM");

    /// <summary>The guest by what only our L1 answers, the L1 by the exits that it counted.</summary>
    private void IsL2(string arch, string extension)
    {
        var run = runs[$"nested/{arch}/smoke/level-2"];
        Assert.Contains("a hypervisor of ours answers: this guest runs nested", run.Names("PASS"));
        var line = Assert.Single(run.Names("INFO"), line => line.StartsWith("nested: ", StringComparison.Ordinal));
        Assert.Matches($"^nested: ran as L2 of {extension}, [1-9][0-9]* exits: [a-z]", line);
    }

    private static TheoryData<string, string, string> Cases(string arch)
    {
        var data = new TheoryData<string, string, string>();
        foreach (var run in QemuRuns.Cases.Where(run => run.Arch == arch))
            data.Add(run.Accel, run.Entry.Suite.Name, run.Entry.Name);
        return data;
    }

    private int ExecutedCpuChecks(string arch) => QemuRuns.Cases.Where(run => run is { Accel: "tcg", Entry.Suite.Name: "cpu" } && run.Arch == arch)
        .DistinctBy(run => (run.Entry.Image, run.Entry.Append)).Sum(run => runs[run.ToString()].Names("PASS", "FAIL").Count);

    private void Look(string arch, string accel, string suite, string name)
    {
        var excused = known.On(arch, suite, name, "qemu", accel);
        if (excused.Contains(null))
            return;
        var run = runs[$"{accel}/{arch}/{suite}/{name}"];
        var unexpected = run.Names("FAIL", "XPASS").Where(check => !excused.Any(pattern => KnownFailureFile.Fits(pattern, check)));
        Assert.True(!unexpected.Any(), $"{suite}/{name}: unexpected: {string.Join("; ", unexpected)}\n{run}");

        // The summary and the status are what the result lines say.
        var status = run.GuestStatus(arch);
        Assert.True(status is Passed or Failed or Skipped, $"{suite}/{name} did not end by itself: {run}");
        var (checks, failures, skips) = (run.Names("PASS", "FAIL", "XFAIL", "XPASS", "KFAIL", "SKIP"), run.Names("FAIL", "XPASS"), run.Names("SKIP"));
        var summary = $"{checks.Count} tests{(failures.Count > 0 ? $", {failures.Count} unexpected failures" : "")}{(skips.Count > 0 ? $", {skips.Count} skipped" : "")}";
        Assert.Equal([summary], run.Names("SUMMARY"));
        Assert.Equal(checks.Count == skips.Count ? Skipped : failures.Count > 0 ? Failed : Passed, status);
        Assert.Equal(checks.Distinct(), checks);
    }
}
