using System.CommandLine;
using FsCheck.Fluent;
using Gauntlet.Fuzz.Commands;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>What was found, as cases of a suite.</summary>
public sealed class SuiteFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-suite-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string SuitePath => Path.Combine(_folder, SuiteYaml.FileName);

    [Fact]
    public void A_bucket_becomes_a_case_and_what_is_there_stays()
    {
        var first = new SuiteCase(SuiteFile.NameOf(0, "assertion hw/i386/intel_iommu.c: vtd_mem_write: size == 4"), Script("000.qtest"), "q35", ["-device", "intel-iommu"], "size == 4");
        SuiteFile.Add(_folder, "fuzz-qemu", "qemu", first);
        File.AppendAllText(SuitePath, "  # known: reported\n    groups: [nodefault]");
        SuiteFile.Add(_folder, "other", "qemu", new SuiteCase("001-b", Script("001.qtest"), "pc", [], "b\nc: \u001b[2J") { MemoryMiB = 2 });
        SuiteFile.Add(_folder, "other", "qemu", first with { Arguments = [] });

        var suite = SuiteYaml.Load(SuitePath, new SuiteContext());

        Assert.Equal(("fuzz-qemu", "x86_64"), (suite.Name, suite.Arch));
        Assert.Equal(["000-assertion-hw-i386-intel-iommu-c-vtd-mem-write-size-4", "001-b"], suite.Cases.Select(entry => entry.Name));
        Assert.Equal(("q35", Path.Combine(_folder, "000.qtest"), GuestConvention.Qtest), (suite.Cases[0].Machine, suite.Cases[0].Image, suite.Cases[0].Convention));
        Assert.Equal(["-device", "intel-iommu"], suite.Cases[0].VmmArguments);
        Assert.Equal(["nodefault"], suite.Cases[0].Groups);
        Assert.Equal(2, suite.Cases[1].MemoryMiB);
        Assert.DoesNotContain('\u001b', File.ReadAllText(SuitePath));
        Assert.DoesNotContain(".tmp", Directory.EnumerateFiles(_folder).Select(Path.GetExtension));
    }

    [Theory]
    [InlineData("schema: 1\ncases: [{name: a, image: b}]\n")]
    [InlineData("schema: [\n")]
    public void A_suite_that_cannot_be_added_to_stays_as_it_is(string text)
    {
        File.WriteAllText(SuitePath, text);

        var error = Assert.Throws<UserException>(() => SuiteFile.Add(_folder, "s", "qemu", new SuiteCase("c", Script("000.qtest"), "pc", [], "c")));

        Assert.StartsWith(SuitePath, error.Message, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(SuitePath));
    }

    [Fact]
    public void Whatever_a_bucket_and_its_options_hold_they_are_read_as_they_were()
    {
        Script("000.qtest");
        var text = Gen.ListOf(Gen.Elements("a", "Z", "9", " ", "\"", "\\", "'", "#", ": ", "- ", "{", "\n", "\r", "\t", "\0", "é", "\u2028", "\u0085", "🐧")).Select(static pieces => string.Concat(pieces));
        Prop.ForAll(text.ToArbitrary(), Gen.ListOf(text).ToArbitrary(), (bucket, options) =>
        {
            File.Delete(SuitePath);
            SuiteFile.Add(_folder, "s", "qemu", new SuiteCase(SuiteFile.NameOf(7, bucket), "000.qtest", "q35", [.. options], bucket));
            var read = Assert.Single(SuiteYaml.Load(SuitePath, new SuiteContext()).Cases);
            return read.Name == SuiteFile.NameOf(7, bucket) && read.VmmArguments.SequenceEqual(options);
        }).Holds();
    }

    [Fact]
    public void A_bucket_of_QEMU_is_written_unless_only_qtest_brings_it_about()
    {
        var folder = Path.Combine(_folder, "edu night", "buckets");
        var buckets = new QemuBuckets(folder);
        var device = new QemuDevice("edu", new QemuCommand("qemu", "q35", ["-device", "edu"]), [], [], []);
        var binary = new QemuBinary("qemu", 0, "qemu");
        var program = ProgramText.Parse("program 1\nwritel 0xe0000098 0x3f\n");
        buckets.Add(new QemuFailure("hardware error: EDU", "", false), device, program, default, QemuStanding.Confirmed, binary);
        buckets.Add(new QemuFailure("SIGSEGV current_cpu", "", true), device, program, default, QemuStanding.Artefact, binary);
        // Another session goes on.
        new QemuBuckets(folder).Add(new QemuFailure("AddressSanitizer SEGV", "", false), device, program, default, QemuStanding.OnlySanitizer, binary);

        var suite = SuiteYaml.Load(Path.Combine(folder, SuiteYaml.FileName), new SuiteContext());

        Assert.Equal("fuzz-edu-night", suite.Name);
        Assert.Equal(["000-hardware-error-edu", "002-addresssanitizer-segv"], suite.Cases.Select(entry => entry.Name));
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "000.qtest")), QtestFile.Read(suite.Cases[0].Image).Text);
    }

    [Fact]
    public void A_suite_that_somebody_broke_does_not_end_a_campaign_and_the_report_says_so()
    {
        var buckets = new QemuBuckets(_folder);
        File.WriteAllText(SuitePath, "schema: [\n");
        buckets.Add(
            new QemuFailure("hardware error: EDU", "", false), new QemuDevice("edu", new QemuCommand("qemu", "q35", []), [], [], []), ProgramText.Parse("program 1\ninb 0x70\n"), default,
            QemuStanding.Confirmed, new QemuBinary("qemu", 0, "qemu"));

        Assert.Contains("no case of suite.yaml", File.ReadAllText(Path.Combine(_folder, "000.txt")), StringComparison.Ordinal);
        Assert.Single(new QemuBuckets(_folder).All);
    }

    [Fact]
    public void A_bucket_of_a_machine_in_process_keeps_its_case_and_script_when_its_number_becomes_anothers()
    {
        var script = Path.Combine(_folder, Script("000.qtest"));
        Assert.Contains("case a-a-b-", BoardCase.Keep("pc", "A a < b", script), StringComparison.Ordinal);
        File.WriteAllText(script, "inb 0x70\n");
        Assert.Contains("case b-", BoardCase.Keep("pc", "B", script), StringComparison.Ordinal);
        Assert.Null(BoardCase.Keep("isa-serial", "B", script));

        var suite = SuiteYaml.Load(SuitePath, new SuiteContext());

        Assert.Equal(["writeq 0xfed900a0 0x800", "inb 0x70"], suite.Cases.Select(entry => Assert.Single(QtestFile.Read(entry.Image).Commands)));
        File.WriteAllText(script, "# not in qtest: snapshot\n");
        Assert.Contains("no case of suite.yaml", BoardCase.Keep("pc", "C", script), StringComparison.Ordinal);
        Assert.Equal(2, SuiteYaml.Load(SuitePath, new SuiteContext()).Cases.Count);
    }

    [Fact]
    public async Task Programs_of_a_machine_are_exported_as_a_suite_and_those_of_a_device_alone_are_not()
    {
        var (from, to) = (Directory.CreateDirectory(Path.Combine(_folder, "from")).FullName, Path.Combine(_folder, "to"));
        File.WriteAllText(Path.Combine(from, "a"), "program 1\nsnapshot\noutb 0x70 0\ninb 0x71\n");
        File.WriteAllText(Path.Combine(from, "b"), "program 1\nsnapshot\n");

        Assert.Equal((ExitCode.Success, true), await ExportAsync("pc", from, to, "1 inputs have no operation"));
        var suite = SuiteYaml.Load(Path.Combine(to, SuiteYaml.FileName), new SuiteContext());
        var only = Assert.Single(suite.Cases);
        Assert.Equal(("fuzz-pc", "a", "pc", 2), (suite.Name, only.Name, only.Machine, only.MemoryMiB));
        Assert.Equal(["outb 0x70 0x0", "inb 0x71"], QtestFile.Read(only.Image).Commands);

        await Assert.ThrowsAsync<UserException>(() => ExportAsync("isa-serial", from, to, ""));
    }

    private static async Task<(int Code, bool Said)> ExportAsync(string target, string from, string to, string words)
    {
        var said = new StringWriter();
        var commands = new FuzzCommands().CreateCommands(new Output(said, said, live: false, colour: false)).Single();
        var code = await commands.Parse(["export", target, from, to, "--form", "suite"]).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        return (code, said.ToString().Contains(words, StringComparison.Ordinal));
    }

    private string Script(string name)
    {
        File.WriteAllText(Path.Combine(_folder, name), "writeq 0xfed900a0 0x800\n");
        return name;
    }
}
