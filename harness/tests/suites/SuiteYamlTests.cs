using FsCheck.Fluent;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Suites;

public sealed class SuiteYamlTests
{
    private static Suite Parse(string text) => SuiteYaml.Parse(text, "/t/cpu/suite.yaml", new SuiteContext { MaxSmp = 8 });

    [Fact]
    public void EveryKeyIsRead()
    {
        var suite = Parse("""
            schema: 1
            name: cpu
            arch: x86_64
            timeout: 30s
            environment: true
            cases:
              - name: flags
                image: ../images/flags.elf
                smp: max
                memory: 64
                append: "add sub"
                args: ["-device", "pc-testdev", "-drive", "file={folder}/disk"]
                groups: [fast]
                machine: pc
                accel: "kvm|tcg"
                timeout: 1m
                check: ["/sys/x=Y"]
                initrd: rootfs.cpio
                skip: "why"
              - name: linux
                image: /abs/vmlinuz
                convention: marker
                expect: "^login:"
                reject: "panic"
            """);
        Assert.Equal(("cpu", "x86_64", true), (suite.Name, suite.Arch, suite.WantsEnvironmentFile));
        var flags = suite.Cases[0];
        Assert.Equal(("flags", "/t/images/flags.elf", 8, true), (flags.Name, flags.Image, flags.Smp, flags.SmpIsMaximum));
        Assert.Equal((64, "add sub", "pc", "kvm|tcg"), (flags.MemoryMiB, flags.Append, flags.Machine, flags.Accel));
        Assert.Equal(["-device", "pc-testdev", "-drive", "file=/t/cpu/disk"], flags.VmmArguments);
        Assert.Equal(TimeSpan.FromMinutes(1), flags.Timeout);
        Assert.Equal(["/sys/x=Y"], flags.Checks);
        Assert.Equal(("/t/cpu/rootfs.cpio", "why", GuestConvention.KvmUnitTests), (flags.Initrd, flags.SkipReason, flags.Convention));
        Assert.Equal("/t/cpu/suite.yaml:7", flags.Source);
        var linux = suite.Cases[1];
        Assert.Equal((GuestConvention.Marker, "^login:", "panic"), (linux.Convention, linux.Expect, linux.Reject));
        Assert.Equal((1, TimeSpan.FromSeconds(30)), (linux.Smp, linux.Timeout));
    }

    [Theory]
    [InlineData("name: a\narch: x\ncases: [{name: b, image: c}]", ":1:", "'schema'")]
    [InlineData("schema: 2\nname: a\narch: x\ncases: [{name: b, image: c}]", ":1:", "schema 2")]
    [InlineData("schema: 1\narch: x\ncases: [{name: b, image: c}]", ":1:", "'name'")]
    [InlineData("schema: 1\nname: a\narch: x\ncases: []", ":4:", "at least one")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b", ":5:", "'image'")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n  - name: b\n    image: d", ":7:", "unique")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    imgae: c", ":6:", "'imgae'")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    smp: 0", ":7:", "from 1 to 4096")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    timeout: -3", ":7:", "seconds")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    convention: tapp", ":7:", "one of")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    convention: marker", ":7:", "'expect'")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    convention: marker\n    expect: '(a)\\1'", ":8:", "regular expression")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    expect: x", ":7:", "marker")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    check: [nothing]", ":7:", "path=value")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    image: c\n    qtest: d", ":7:", "either 'image'")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    qtest: d\n    append: e", ":7:", "'append' is for guests")]
    [InlineData("schema: 1\nname: a\narch: x\ncases:\n  - name: b\n    qtest: d\n    convention: tap", ":7:", "'convention' is for guests")]
    public void MistakesNameTheLineAndWhatWasExpected(string text, string line, string expected)
    {
        var error = Assert.Throws<UserException>(() => Parse(text));
        Assert.StartsWith("/t/cpu/suite.yaml" + line, error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void AQtestScriptStandsInPlaceOfAnImageAndItsMistakesAreToldWithItsOwnLine()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("suite.yaml", "schema: 1\nname: a\narch: x86_64\nenvironment: true\ncases: [{name: b, qtest: s/000.qtest, machine: q35}, {name: gone, qtest: gone.qtest}]\n");
        folder.Write("s/000.qtest", "inb 0x70\n");
        var suite = SuiteYaml.Load(path, new SuiteContext());
        Assert.Equal((GuestConvention.Qtest, folder["s/000.qtest"]), (suite.Cases[0].Convention, suite.Cases[0].Image));

        folder.Write("s/000.qtest", "inb 0x70\ninb 0x70000\n");
        Assert.StartsWith($"{folder["s/000.qtest"]}:2:", Assert.Throws<UserException>(() => SuiteYaml.Load(path, new SuiteContext())).Message);
    }

    [Fact]
    public void EveryInTreeSuiteCanBeReadAndItsImagesAreThere()
    {
        var context = new SuiteContext { MaxSmp = 2, TreeRoot = SourceTree.Require() };
        var suites = SuiteLoader.LoadInTree(null, context);
        Assert.Contains(suites, suite => suite is { Name: "smoke", Arch: "x86_64" });
        Assert.All(suites, suite => Assert.Equal(Path.GetFileName(Path.GetDirectoryName(suite.Source)), suite.Name));
        Assert.Equal("vmexit", SuiteLoader.Load("vmexit", context).Name);
        Assert.Contains("x86_64/smoke", Assert.Throws<UserException>(() => SuiteLoader.Load("smoke", context)).Message);
        Assert.Equal("riscv64", SuiteLoader.Load("smoke", context with { Arch = "riscv64" }).Arch);
        Assert.Equal(["aarch64", "x86_64"], SuiteLoader.LoadFor("smoke", ["aarch64", "x86_64", "s390x"], context).Select(suite => suite.Arch));
        Assert.Equal("smoke", SuiteLoader.Load("x86_64/smoke", context).Name);
        var error = Assert.Throws<UserException>(() => SuiteLoader.Load("smok", context));
        Assert.Contains("x86_64/smoke", error.Message);
    }

    [Fact]
    public void NoTextEverThrowsAnythingButAMessageForTheUser()
    {
        const string Whole = "schema: 1\nname: a\narch: x86_64\ntimeout: 3s\ncases:\n  - name: b\n    image: c\n    args: [x, \"y\"]\n    check: [/a=b]\n    smp: 2\n";
        var mutations = from at in Gen.Choose(0, Whole.Length - 1)
                        from length in Gen.Choose(0, 6)
                        from text in Gen.Elements("", "\0", "[", "{", "\"", ": ", "\n", "\t", "- ", "&a", "*a", "!!int", "é", "%", "|", "99999999999")
                        select Whole.Remove(at, Math.Min(length, Whole.Length - at)).Insert(at, text);
        Prop.ForAll(mutations.ToArbitrary(), text =>
        {
            try
            {
                return Parse(text).Cases.Count > 0;
            }
            catch (UserException e)
            {
                return e.Message.StartsWith("/t/cpu/suite.yaml:", StringComparison.Ordinal);
            }
        }).Holds(1000);
    }
}
