using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests.Matrix;

public sealed class JobMakerTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string image;

    public JobMakerTests() => image = folder.Write("x86/a.flat", "image");

    public void Dispose() => folder.Dispose();

    private static CellStatus Status(string accel = "tcg", string? machine = null, string? why = null) => new(new Cell("qemu", accel, "x86_64", Machine: machine), why, "7.2.22");

    private Suite Suite(string keys, Dictionary<string, string>? variables = null) => UnittestsCfg.Parse(
        $"[a]\nfile = a.flat\n{keys}\n", folder["x86/unittests.cfg"], folder["x86"], "x86_64", variables ?? new() { ["MAX_SMP"] = "2", ["ENVIRON_DEFAULT"] = "yes" });

    private Job Make(string keys, CellStatus? status = null, JobOptions? options = null, Dictionary<string, string>? variables = null) =>
        Assert.Single(JobMaker.Make(Suite(keys, variables), status ?? Status(), options ?? new JobOptions()));

    [Fact]
    public void AJobCarriesAllThatTheCaseSays()
    {
        var job = Make("smp = 2\ntest_args = \"x y\"\nqemu_params = -cpu max -m 1g\ngroups = g h\ntimeout = 30");
        Assert.Equal(("kvm-unit-tests/x86", "a", image), (job.Suite, job.Case, job.Image));
        Assert.Equal((2, "x y", 1024, 30.0), (job.Smp, job.Append, job.MemoryMiB, job.TimeoutSeconds));
        Assert.Equal(["-cpu", "max"], job.VmmArguments);
        Assert.Equal(["g", "h"], job.Groups);
        Assert.Null(job.SkipReason);
    }

    [Fact]
    public void TimeLimitsAreTheUsersThenTheCasesThenNinetySeconds()
    {
        Assert.Equal(90, Make("").TimeoutSeconds);
        Assert.Equal(0, Make("timeout = 0").TimeoutSeconds);
        Assert.Equal(5, Make("timeout = 10", options: new JobOptions { Timeout = TimeSpan.FromSeconds(5) }).TimeoutSeconds);
    }

    [Fact]
    public void ASuiteForAnotherArchitectureMakesNoJobs() =>
        Assert.Empty(JobMaker.Make(Suite(""), new CellStatus(new Cell("qemu", "tcg", "aarch64"), null, null), new JobOptions()));

    [Fact]
    public void AQtestScriptRunsInCellsOfTcgWithoutWhatGuestsGet()
    {
        var script = folder.Write("s.qtest", "inb 0x70\n");
        var suite = SuiteYaml.Parse(
            "schema: 1\nname: a\narch: x86_64\nenvironment: true\ncases: [{name: b, qtest: s.qtest, machine: q35}, {name: gone, qtest: gone.qtest}]\n", folder["suite.yaml"],
            new SuiteContext { Variables = new Dictionary<string, string> { ["ENVIRON_DEFAULT"] = "yes", ["KVM_UNIT_TESTS_ENV"] = image } });
        var jobs = JobMaker.Make(suite, Status(), new JobOptions());
        Assert.Equal((script, GuestConvention.Qtest, null, null, null), (jobs[0].Image, jobs[0].Convention, jobs[0].Initrd, jobs[0].EnvironmentFile, jobs[0].SkipReason));
        Assert.Equal(["-machine", "q35"], jobs[0].VmmArguments);
        Assert.Contains("gone.qtest is not there", jobs[1].SkipReason, StringComparison.Ordinal);
        foreach (var accel in (string[])["kvm", "nested", "nested-linux"])
            Assert.Contains($"no guest code for {accel}", JobMaker.Make(suite, Status(accel), new JobOptions())[0].SkipReason, StringComparison.Ordinal);
    }

    [Fact]
    public void NestedACaseWithSeveralCpusIsSkipped()
    {
        Assert.Equal("the L1 has one vCPU", Make("smp = 2", Status("nested")).SkipReason);
        Assert.Null(Make("smp = 1", Status("nested")).SkipReason);
        Assert.Null(Make("smp = 2").SkipReason);
    }

    [Fact]
    public void InAnL1CasesForKvmRunAndGetTheTimeThatAnEmulatedVmmTakes()
    {
        var l1 = Status("nested-linux");
        Assert.Null(Make("accel = kvm", l1).SkipReason);
        Assert.Equal("accel tcg only, this cell has nested-linux", Make("accel = tcg", l1).SkipReason);
        Assert.Null(Make("smp = 2", l1).SkipReason);
        Assert.Equal(300, Make("timeout = 30", l1).TimeoutSeconds);
        Assert.Equal(5, Make("timeout = 30", l1, new JobOptions { Timeout = TimeSpan.FromSeconds(5) }).TimeoutSeconds);
        // The guest is told of KVM, and not of a kernel that it does not run on.
        var environment = Make("", l1, new JobOptions { KernelRelease = "9.9.9-host" }).EnvironmentFile;
        Assert.Contains("QEMU_ACCEL=kvm\n", environment, StringComparison.Ordinal);
        Assert.DoesNotContain("9.9.9", environment, StringComparison.Ordinal);
    }

    [Fact]
    public void AHostsFileSaysNothingOfAnL1() =>
        Assert.StartsWith($"{image}=image is asked of this host's kernel", Make($"check = {image}=image", Status("nested-linux")).SkipReason, StringComparison.Ordinal);

    [Fact]
    public void AGroupTakesOnlyItsCasesAndNodefaultOnes()
    {
        Assert.Empty(JobMaker.Make(Suite("groups = apic"), Status(), new JobOptions { Group = "svm" }));
        Assert.Null(Make("groups = svm nodefault", options: new JobOptions { Group = "svm" }).SkipReason);
        Assert.Contains("nodefault", Make("groups = svm nodefault").SkipReason);
        Assert.Null(Make("groups = svm nodefault", options: new JobOptions { All = true }).SkipReason);
    }

    // The order in which kvm-unit-tests' runner looks: with all of these wrong it names the first, with that right the next.
    [Fact]
    public void ReasonsComeInTheRunnersOrder()
    {
        string[] keys =
        [
            "groups = pv-host nodefault", "groups = nodefault", "arch = i386", "machine = q35", "accel = kvm", "disabled_if = [[ \"$TARGET\" != qemu ]]", "check = /nowhere=1", "test_args = `id`",
            "file = missing.flat", "",
        ];
        string?[] reasons = ["gen-se-header", "manual run only", "i386 only", "machine q35 only", "accel kvm only", "disabled because", "/nowhere not equal to 1", "needs a shell", "missing.flat is not there", "no such host"];
        for (var first = 0; first < keys.Length; first++)
        {
            // Of two "groups" the last would hold.
            var job = Make(string.Join('\n', keys.Skip(first).Where((_, index) => first > 0 || index != 1)), Status(machine: "pc", why: "no such host"));
            Assert.Contains(reasons[first]!, job.SkipReason);
        }
    }

    [Theory]
    [InlineData("kvm", "kvm", true)]
    [InlineData("kvm", "tcg", false)]
    [InlineData("kvm|tcg", "tcg", true)]
    [InlineData("k", "kvm", false)]
    [InlineData("tcg,thread=single", "tcg", false)]
    public void AccelIsAnExpressionOnTheWholeName(string accel, string cell, bool runs) => Assert.Equal(runs, Make($"accel = {accel}", Status(cell)).SkipReason is null);

    [Fact]
    public void PropertiesOfTheEnvironmentsAccelGoToTheMachine()
    {
        var variables = new Dictionary<string, string> { ["ACCEL"] = "tcg,thread=single" };
        var job = Make("accel = tcg,thread=single\nqemu_params = -x", variables: variables);
        Assert.Null(job.SkipReason);
        Assert.Equal(["-machine", "thread=single", "-x"], job.VmmArguments);
        Assert.Equal(["-x"], Make("qemu_params = -x", Status("kvm"), variables: variables).VmmArguments);
    }

    [Fact]
    public void MachineIsChosenWhereTheCellLeavesItOpen()
    {
        Assert.Equal(["-machine", "q35"], Make("machine = q35").VmmArguments);
        Assert.Empty(Make("machine = q35", Status(machine: "q35")).VmmArguments);
    }

    [Fact]
    public void CheckComparesWhatTheFileHolds()
    {
        var path = folder.Write("parameter", "Y\n");
        Assert.Null(Make($"check = {path}=Y").SkipReason);
        Assert.Contains("it holds Y", Make($"check = {path}=Y {path}=N").SkipReason);
        Assert.Contains("no such file", Make($"check = {folder["nothing"]}=N").SkipReason);
    }

    [Fact]
    public void DisabledIfIsEvaluatedInTheCell()
    {
        Assert.NotNull(Make("disabled_if = [[ \"$ACCEL\" = tcg ]] && [[ \"$CONFIG_EFI\" != y ]]").SkipReason);
        Assert.Null(Make("disabled_if = [[ \"$ACCEL\" = tcg ]]", Status("kvm")).SkipReason);
        Assert.Contains("needs a shell", Make("disabled_if = grep -q vmx /proc/cpuinfo").SkipReason);
    }

    [Fact]
    public void TheEnvironmentFileTellsTheVmmAndTheKernel()
    {
        var job = Make("", options: new JobOptions { KernelRelease = "6.1.0-18-amd64" });
        Assert.Equal(
            "TARGET=\nQEMU_ACCEL=tcg\nQEMU_VERSION_STRING=QEMU emulator version 7.2.22\nQEMU_MAJOR=7\nQEMU_MINOR=2\nQEMU_MICRO=22\nKERNEL_VERSION_STRING=6.1.0-18-amd64\n"
            + "KERNEL_VERSION=6\nKERNEL_PATCHLEVEL=1\nKERNEL_SUBLEVEL=0\nKERNEL_EXTRAVERSION=18\nERRATA_FORCE=y\n",
            job.EnvironmentFile);
        var settled = JobAtLaunch.Settle(job, folder.Path, DateTimeOffset.UnixEpoch);
        Assert.Equal(job.EnvironmentFile, File.ReadAllText(settled.Initrd!));
    }

    [Fact]
    public void ErrataFollowTheHostsKernelExceptUnderTcg()
    {
        var errata = folder.Write("errata.txt", "# comment\n9e3f7a296940 : 4.9 : old\n8c58be34494b : 6.2 : new\n7b6b46311a85:6.1:same\n");
        var variables = new Dictionary<string, string> { ["ENVIRON_DEFAULT"] = "yes", ["ERRATATXT"] = errata, ["ERRATA_6c7a5dce22b3"] = "n" };
        var options = new JobOptions { KernelRelease = "6.1.0-18-amd64" };
        var lines = Make("", Status("kvm"), options, variables).EnvironmentFile!.Split('\n');
        Assert.Contains("ERRATA_9e3f7a296940=y", lines);
        Assert.Contains("ERRATA_8c58be34494b=n", lines);
        Assert.Contains("ERRATA_7b6b46311a85=y", lines);
        Assert.Contains("ERRATA_6c7a5dce22b3=n", lines);
        Assert.DoesNotContain("ERRATA_FORCE=y", lines);
        Assert.Contains("ERRATA_FORCE=y", Make("", Status("kvm"), options with { All = true }, variables).EnvironmentFile!.Split('\n'));
    }
}
