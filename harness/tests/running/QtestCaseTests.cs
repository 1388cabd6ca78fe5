using Gauntlet.Harness.Tests.Drivers;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Running;

/// <summary>Scripts of qtest as cases of a suite, on the VMMs that are installed.</summary>
public sealed class QtestCaseTests : IDisposable
{
    // The clock's seconds, and a status register; the last is QEMU's fault in 7.2: an assertion at a write of eight bytes to the remapping unit's registers.
    private const string Suite = """
        schema: 1
        name: found
        arch: x86_64
        timeout: 60s
        cases:
          - {name: rtc, qtest: rtc.qtest}
          - {name: q35, qtest: rtc.qtest, machine: q35}
          - {name: microvm, qtest: rtc.qtest, machine: microvm, memory: 32}
          - {name: timer, qtest: timer.qtest}
          - {name: iommu, qtest: iommu.qtest, machine: q35, args: ["-device", "intel-iommu"]}

        """;

    private readonly TemporaryFolder _folder = new();

    public QtestCaseTests()
    {
        _folder.Write("suite.yaml", Suite);
        _folder.Write("rtc.qtest", "# seconds\noutb 0x70 0\ninb 0x71\n");
        _folder.Write("timer.qtest", "outb 0x43 0x34\nclock_step 1000000\ninb 0x40\n");
        _folder.Write("iommu.qtest", "writeq 0xfed900a0 0x800\n");
    }

    public void Dispose() => _folder.Dispose();

    [QemuFact]
    public async Task QEMU_passes_what_it_outlives_and_crashes_at_what_it_dies_of()
    {
        var (code, results) = await RunAsync("qemu");
        Assert.Equal(ExitCode.Failure, code);
        foreach (var name in (string[])["rtc", "q35", "microvm", "timer"])
            Assert.Equal((name, Verdict.Pass, null), (name, results[name].Verdict, results[name].Reason));
        var command = results["rtc"].Attempts[0].CommandLine;
        Assert.Equal(("/bin/sh", "-c"), (command[0], command[1]));
        Assert.Contains("-bios", command);
        // Later versions have it mended.
        if (results["iommu"].Verdict == Verdict.Crash)
            Assert.Contains("Assertion `size == 4' failed", results["iommu"].Reason, StringComparison.Ordinal);
        else
            Assert.Equal(Verdict.Pass, results["iommu"].Verdict);
    }

    [GvmmFact]
    public async Task Gvmm_passes_what_it_has_and_skips_what_it_has_not()
    {
        var (code, results) = await RunAsync("gvmm");
        Assert.Equal(ExitCode.Success, code);
        foreach (var name in (string[])["rtc", "q35", "microvm", "timer"])
            Assert.Equal((name, Verdict.Pass, null), (name, results[name].Verdict, results[name].Reason));
        Assert.Contains("-accel qtest", string.Join(' ', results["timer"].Attempts[0].CommandLine), StringComparison.Ordinal);
        Assert.Equal(Verdict.Skip, results["iommu"].Verdict);
        Assert.Contains("is not a valid device model name", results["iommu"].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_VMM_that_is_declared_by_a_command_skips_it()
    {
        using var bench = new Bench("exit 0");
        bench.Write("suite/s.qtest", "inb 0x70\n");
        var suite = bench.Write("suite/suite.yaml", "schema: 1\nname: made\narch: x86_64\ncases: [{name: a, qtest: s.qtest}]\n");
        await Bench.InvokeAsync("run", "--matrix", bench.Matrix, "--suite", suite, "--results", bench.Results);
        var result = Assert.Single(bench.LatestResults()).Value;
        Assert.Equal(Verdict.Skip, result.Verdict);
        Assert.Contains("this case is a qtest script", result.Reason, StringComparison.Ordinal);
    }

    private async Task<(int Code, IReadOnlyDictionary<string, JobResult> Results)> RunAsync(string vmm)
    {
        var (code, _) = await Bench.InvokeAsync("run", "--suite", _folder["suite.yaml"], "--vmm", vmm, "--accel", "tcg", "--results", _folder["results"]);
        using var store = ResultStore.Open(_folder["results"]);
        return (code, store.GetResults(store.FindRun("latest")!.Id).ToDictionary(result => result.Job.Case));
    }
}

/// <summary>Needs gvmm, built beside the tests.</summary>
public sealed class GvmmFactAttribute : FactAttribute
{
    public GvmmFactAttribute()
    {
        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        if (!File.Exists(Path.Combine(here, "..", "..", "gvmm", Path.GetFileName(here), "gvmm")))
            Skip = "gvmm is not built beside the tests (dotnet build vmm/gvmm)";
    }
}
