using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Triage;

/// <summary>What is read of a directory, of this version, of older ones and of AFL++'s.</summary>
public sealed class FoundFailureTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_name_says_when_its_input_was_found() =>
        Prop.ForAll(ArbMap.Default.ArbFor<(NonNegativeInt, NonNegativeInt, NonNegativeInt)>(), static values =>
        {
            var name = new FindingName(values.Item1.Get % 1_000_000, TimeSpan.FromMilliseconds(values.Item2.Get), values.Item3.Get);
            return FindingName.Parse($"out/crashes/{name}") == name && name.ToString().StartsWith("id:", StringComparison.Ordinal);
        }).Holds();

    [Theory]
    [InlineData("id:000007", 7, null)]
    [InlineData("id:000012,sig:06,src:000003+000001,time:1234,execs:99,op:havoc,rep:2", 12, 1234)]
    [InlineData("id:99999999999999999999,time:99999999999999999999", 0, null)]
    [InlineData("README", 0, null)]
    public void Names_of_older_versions_and_of_afl_fuzz_are_read(string text, int id, int? milliseconds)
    {
        var name = FindingName.Parse($"crashes/{text}");

        Assert.Equal((id, milliseconds), (name.Id, (int?)name.After?.TotalMilliseconds));
    }

    [Fact]
    public void Counts_and_times_go_on_from_one_session_to_the_next()
    {
        for (var session = 1; session <= 3; session++)
        {
            var output = new OutputDirectory(_folder);
            Assert.Equal(TimeSpan.FromSeconds(100 * (session - 1)), output.FuzzedBefore);
            output.Count("one\tfault");
            output.WriteStats(new FuzzStats { StartUnix = 1_000 * session, NowUnix = 1_000 * session + 100 }, "isa-serial");
        }

        Assert.Equal(3, OutputDirectory.ReadCounts(_folder)["one\tfault"]);
        Assert.Equal(["100", "200", "300"], File.ReadLines(Path.Combine(_folder, "plot_data")).Skip(1).Select(static line => line.Split(',')[0]));
        Assert.Equal("isa-serial", OutputDirectory.Target(_folder));
    }

    [Fact]
    public void Workers_of_one_run_are_one_target_whose_buckets_are_counted_together()
    {
        foreach (var (worker, after) in ((int, int)[])[(0, 50), (1, 5)])
        {
            var output = new OutputDirectory(Path.Combine(_folder, "night", "pc", $"worker-{worker:d2}"));
            output.AddCrash([1], "same\nreport\n", TimeSpan.FromSeconds(after), 1);
            output.Count("same");
            output.Count("same");
            output.AddHang([2], "hang\n", TimeSpan.FromSeconds(after + 1));
            output.WriteStats(default, "pc");
        }

        var found = FoundFailures.Read(Path.Combine(_folder, "night"));

        Assert.Equal([("pc", "same", 4L, 5.0), ("pc", "hang", 2L, 6.0)], found.Select(each => (each.Target, each.Signature, each.Count, each.After!.Value.TotalSeconds)));
        Assert.EndsWith("worker-01/crashes/id:000000,time:5000,execs:1", found[0].Inputs[0], StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_of_an_older_version_is_read_by_the_times_of_its_files()
    {
        new OutputDirectory(_folder).AddQueue([]);
        var crash = Path.Combine(_folder, "crashes", "id:000000");
        File.WriteAllBytes(crash, [1]);
        File.WriteAllText(crash + ".txt", "old fault\nits stack\n");

        var failure = Assert.Single(FoundFailures.Read(_folder));

        Assert.Equal(("old fault", "its stack", 1L, null, File.GetLastWriteTimeUtc(crash)), (failure.Signature, failure.Report, failure.Count, failure.After, failure.SeenUtc));
    }

    [Fact]
    public void What_a_campaign_over_QEMUs_devices_found_is_read_with_its_counts()
    {
        var buckets = new QemuBuckets(Path.Combine(_folder, "buckets"));
        var device = new QemuDevice("edu", new QemuCommand("qemu-system-x86_64", "q35", []), [], [], []);
        var binary = new QemuBinary("qemu-system-x86_64", 0, "qemu-system-x86_64");
        buckets.Add(new QemuFailure("assertion a.c: f: x", "the report", false), device, [Operation.Write(AddressSpace.Port, 0x80, 1, 1)], TimeSpan.FromSeconds(44), QemuStanding.Confirmed, binary);
        buckets.Add(new QemuFailure("signal 11", "another", true), device, [], TimeSpan.FromSeconds(45), QemuStanding.Artefact, binary);
        Assert.False(buckets.Claim("assertion a.c: f: x"));
        buckets.Count("assertion a.c: f: x");
        new OutputDirectory(Path.Combine(_folder, "edu")).AddHang([], "hang: no reply to operation 3\n", TimeSpan.FromSeconds(3));

        var found = FoundFailures.Read(_folder);

        Assert.Equal(
            [("edu", "assertion a.c: f: x", FailureMark.Confirmed, 3L), ("edu", "signal 11", FailureMark.Artefact, 1L), ("edu", "hang: QEMU does not answer", FailureMark.Untried, 1L)],
            found.Select(each => (each.Target, each.Signature, each.Mark, each.Count)));
        Assert.Equal(("the report", $"sh {_folder}/buckets/000.sh"), (found[0].Report.Trim(), found[0].Command));
        Assert.Equal(3, new QemuBuckets(Path.Combine(_folder, "buckets")).All[0].Count);
        Assert.All(found[0].Files, path => Assert.True(File.Exists(path)));
        Assert.Equal([".program", ".qtest", ".sh"], found[0].Files.Select(path => Path.GetExtension(path)));
    }

    [Fact]
    public void A_death_that_does_not_come_again_is_tried_a_few_times_and_kept_as_flaky_which_fails_nothing()
    {
        var buckets = new QemuBuckets(Path.Combine(_folder, "buckets"));
        var tries = 0;
        do
        {
            Assert.True(buckets.Claim("now and then"));
            tries++;
        }
        while (buckets.Release("now and then"));
        Assert.False(buckets.Claim("now and then"));
        Assert.InRange(tries, 2, 10);

        var device = new QemuDevice("edu", new QemuCommand("qemu-system-x86_64", "q35", []), [], [], []);
        buckets.Add(new QemuFailure("now and then", "report", false), device, [], TimeSpan.Zero, QemuStanding.Flaky, new QemuBinary("qemu-system-x86_64", 0, "qemu-system-x86_64"));

        Assert.Equal(FailureMark.Flaky, Assert.Single(FoundFailures.Read(_folder)).Mark);
        Assert.False(Assert.Single(new QemuBuckets(Path.Combine(_folder, "buckets")).All).IsFailure);
    }

    [Fact]
    public void A_directory_that_no_fuzzer_wrote_is_refused()
    {
        Assert.Contains("neither queue nor buckets", Assert.Throws<UserException>(() => FoundFailures.Read(_folder)).Message, StringComparison.Ordinal);
        Assert.Contains("no directory", Assert.Throws<UserException>(() => FoundFailures.Read(Path.Combine(_folder, "none"))).Message, StringComparison.Ordinal);
    }

    // As .NET 10 writes them.
    [Theory]
    [InlineData("Stack overflow.\nRepeat 24013 times:\n--------------------------------\n   at Gauntlet.Vmm.B.Pong(Int32)\n   at Gauntlet.Vmm.A.Ping(Int32)\n--------------------------------\n   at Gauntlet.Fuzz.Worker.Program.Main(System.String[])", "stack overflow A.Ping < B.Pong")]
    [InlineData("Stack overflow.\nRepeat 24013 times:\n--------------------------------\n   at Gauntlet.Vmm.A.Ping(Int32)\n   at Gauntlet.Vmm.B.Pong(Int32)\n--------------------------------", "stack overflow A.Ping < B.Pong")]
    [InlineData("Process terminated. bad state 0x1f of 17\n   at System.Environment.FailFast(System.String)\n   at Gauntlet.Vmm.Devices.A+<>c.<Do>b__0(Int32)", "Process terminated. bad state N of N <>c.<Do>b__0")]
    [InlineData("", "process ended with status 134")]
    [InlineData("free(): invalid pointer", "process ended with status 134")]
    public void A_process_that_ended_is_told_by_what_the_runtime_said(string errors, string bucket) => Assert.Equal(bucket, Finding.FromDeath(134, errors).Bucket);
}
