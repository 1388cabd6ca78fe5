using FsCheck.Fluent;
using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Suites;

public sealed class UnittestsCfgTests
{
    private static readonly Dictionary<string, string> FourCpus = new() { ["MAX_SMP"] = "4", ["ENVIRON_DEFAULT"] = "yes" };

    private static Suite Parse(string text, Dictionary<string, string>? variables = null) =>
        UnittestsCfg.Parse(text, "x86/unittests.cfg", "/kut/x86", "x86_64", variables ?? FourCpus);

    private static TestCase Only(string text, Dictionary<string, string>? variables = null) => Assert.Single(Parse(text, variables).Cases);

    [Fact]
    public void EveryKeyIsRead()
    {
        var testCase = Only("""
            # a comment
            [svm]
              file = svm.flat
            smp = 2
            test_args = "-a -b"
            qemu_params = -cpu max,+svm -m 4g
            arch = x86_64
            machine = q35
            accel = kvm|tcg
            groups = svm nested
            timeout = 2m
            check = /a=Y /b=1
            disabled_if = [[ "$TARGET" != qemu ]]
            kvmtool_params = --mem 256
            """);
        Assert.Equal("svm", testCase.Name);
        Assert.Equal("/kut/x86/svm.flat", testCase.Image);
        Assert.Equal(2, testCase.Smp);
        Assert.Equal("-a -b", testCase.Append);
        Assert.Equal(["-cpu", "max,+svm"], testCase.VmmArguments);
        Assert.Equal(4096, testCase.MemoryMiB);
        Assert.Equal("x86_64", testCase.Arch);
        Assert.Equal("q35", testCase.Machine);
        Assert.Equal("kvm|tcg", testCase.Accel);
        Assert.Equal(["svm", "nested"], testCase.Groups);
        Assert.Equal(TimeSpan.FromMinutes(2), testCase.Timeout);
        Assert.Equal(["/a=Y", "/b=1"], testCase.Checks);
        Assert.Equal("[[ \"$TARGET\" != qemu ]]", testCase.DisabledIf);
        Assert.Null(testCase.SkipReason);
        Assert.Equal("x86/unittests.cfg:2", testCase.Source);
    }

    [Fact]
    public void DefaultsAreOneCpuAndNothingElse()
    {
        var testCase = Only("[a]\nfile = a.flat\n");
        Assert.Equal(1, testCase.Smp);
        Assert.Null(testCase.Append);
        Assert.Null(testCase.MemoryMiB);
        Assert.Null(testCase.Timeout);
        Assert.Empty(testCase.VmmArguments);
        Assert.Empty(testCase.Groups);
    }

    [Fact]
    public void TheOldNameOfQemuParamsMeansTheSameAndTheLastOneHolds()
    {
        var suite = Parse("[a]\nfile = a.flat\nqemu_params = -one\nextra_params=-two\n");
        Assert.Equal(["-two"], suite.Cases[0].VmmArguments);
        Assert.Contains(suite.Notes, note => note.StartsWith("x86/unittests.cfg:4:", StringComparison.Ordinal) && note.Contains("line 3"));
    }

    [Fact]
    public void KvmtoolTakesItsOwnParameters()
    {
        var variables = new Dictionary<string, string>(FourCpus) { ["TARGET"] = "kvmtool" };
        var testCase = Only("[a]\nfile = a.flat\nqemu_params = -m 256\nkvmtool_params = --mem 256\n", variables);
        Assert.Equal(["--mem", "256"], testCase.VmmArguments);
        Assert.Null(testCase.MemoryMiB);
    }

    [Theory]
    [InlineData("$MAX_SMP", 4, true)]
    [InlineData("${MAX_SMP}", 4, true)]
    [InlineData("$((($MAX_SMP < 8)?$MAX_SMP:8))", 4, true)]
    [InlineData("$((($MAX_SMP < 3)?$MAX_SMP:3))", 3, true)]
    [InlineData("2", 2, false)]
    public void SmpMayBeReckonedFromTheHosts(string text, int smp, bool maximum)
    {
        var testCase = Only($"[a]\nfile = a.flat\nsmp = {text}\n");
        Assert.Equal((smp, maximum), (testCase.Smp, testCase.SmpIsMaximum));
    }

    [Fact]
    public void TopologyGoesToTheVmmAsItIs()
    {
        var testCase = Only("[a]\nfile = a.flat\nsmp = 8,threads=4\n");
        Assert.Equal(8, testCase.Smp);
        Assert.Equal(["-smp", "8,threads=4"], testCase.VmmArguments);
    }

    [Fact]
    public void TheTimeOfLaunchIsLeftForTheLaunch()
    {
        Assert.Equal("10000000 $(date +%s)", Only("[a]\nfile = a.flat\ntest_args = \"10000000 `date +%s`\"\n").Append);
        Assert.Equal("date=$(date +%s)", Only("[a]\nfile = a.flat\ntest_args = \"date=$(date +%s)\"\n").Append);
        Assert.Equal("10000000 1700000000", LaunchTime.Expand("10000000 $(date +%s)", DateTimeOffset.FromUnixTimeSeconds(1700000000)));
    }

    [Theory]
    [InlineData("test_args = `cat /etc/passwd`", "cat /etc/passwd")]
    [InlineData("qemu_params = -m 1 | tee x", "'|'")]
    [InlineData("qemu_params = -m $(nproc)", "nproc")]
    [InlineData("test_args = 'open", "unterminated '")]
    public void WhatNeedsAShellIsASkipThatSaysSo(string line, string reason)
    {
        var testCase = Only($"[a]\nfile = a.flat\n{line}\n");
        Assert.Contains("needs a shell", testCase.SkipReason);
        Assert.Contains(reason, testCase.SkipReason);
    }

    [Fact]
    public void TripleQuotesSpanLinesAndABackslashJoinsThem()
    {
        var testCase = Only("[a]\nfile = a.flat\nqemu_params = \"\"\"-cpu max,x=on \\\n-device foo,\\\nid=1 \\\n\"\"\"\nsmp = 3\n");
        Assert.Equal(["-cpu", "max,x=on", "-device", "foo,id=1"], testCase.VmmArguments);
        Assert.Equal(3, testCase.Smp);
        var error = Assert.Throws<UserException>(() => Parse("[a]\nfile = a.flat\nqemu_params = \"\"\"-cpu max\n[b]\n"));
        Assert.StartsWith("x86/unittests.cfg:3:", error.Message);
    }

    [Fact]
    public void OnlyALeadingHashIsACommentAndATrailingOneIsTold()
    {
        var suite = Parse("[a]\nfile = a.flat\nsmp = 2 # two\ntest_args = x\n#smp = 9\n");
        Assert.Equal(2, suite.Cases[0].Smp);
        Assert.Equal("x", suite.Cases[0].Append);
        Assert.Contains(suite.Notes, note => note.StartsWith("x86/unittests.cfg:3:", StringComparison.Ordinal));
    }

    [Fact]
    public void UnquotedFurtherArgumentsGoWhereTheShellPutsThem()
    {
        var suite = Parse("[a]\nfile = a.flat\ntest_args = one two\nqemu_params = -x\n");
        Assert.Equal("one", suite.Cases[0].Append);
        Assert.Equal(["two", "-x"], suite.Cases[0].VmmArguments);
        Assert.Contains(suite.Notes, note => note.Contains("test_args = \"one two\""));
    }

    [Fact]
    public void TestsOfOneNameAreTwoCases()
    {
        var suite = Parse("[a]\nfile = a.flat\n[a]\nfile = b.flat\n");
        Assert.Equal(["a", "a#2"], suite.Cases.Select(testCase => testCase.Name));
        Assert.Contains(suite.Notes, note => note.Contains("x86/unittests.cfg:3"));
    }

    [Fact]
    public void UnknownLinesAreIgnoredButTold()
    {
        var suite = Parse("file = early.flat\n[a]\nfile = a.flat\nflie = b.flat\nwhat is this\n");
        Assert.Equal("/kut/x86/a.flat", suite.Cases[0].Image);
        Assert.Equal(3, suite.Notes.Count);
    }

    [Theory]
    [InlineData("[a]\nfile = a.flat\nsmp = many\n", "x86/unittests.cfg:3:", "vCPUs")]
    [InlineData("[a]\nfile = a.flat\nsmp = 0\n", "x86/unittests.cfg:3:", "vCPUs")]
    [InlineData("[a]\nfile = a.flat\ntimeout = soon\n", "x86/unittests.cfg:3:", "seconds")]
    [InlineData("[a]\nfile = a.flat\naccel = (kvm\n", "x86/unittests.cfg:3:", "regular expression")]
    [InlineData("# nothing\n", "x86/unittests.cfg:1:", "[name]")]
    public void MistakesNameTheLineAndWhatWasExpected(string text, string position, string expected)
    {
        var error = Assert.Throws<UserException>(() => Parse(text));
        Assert.StartsWith(position, error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void TimeoutAndCheckOfTheEnvironmentBeatTheFile()
    {
        var variables = new Dictionary<string, string>(FourCpus) { ["TIMEOUT"] = "0", ["CHECK"] = "/c=1" };
        var testCase = Only("[a]\nfile = a.flat\ntimeout = 10\ncheck = /d=2\n", variables);
        Assert.Equal(TimeSpan.Zero, testCase.Timeout);
        Assert.Equal(["/c=1"], testCase.Checks);
    }

    [Fact]
    public void MemoryInQemusUnitsBecomesMebibytes()
    {
        Assert.Equal(2560, Only("[a]\nfile = a.flat\nqemu_params = -m 2560\n").MemoryMiB);
        Assert.Equal(1024, Only("[a]\nfile = a.flat\nqemu_params = -m 1G\n").MemoryMiB);
        var topology = Only("[a]\nfile = a.flat\nqemu_params = -m 1g,slots=2\n");
        Assert.Null(topology.MemoryMiB);
        Assert.Equal(["-m", "1g,slots=2"], topology.VmmArguments);
    }

    [Fact]
    public void ArchitecturesAreSpelledAsTheKernelDoes() => Assert.Equal("aarch64", Only("[a]\nfile = a.flat\narch = arm64\n").Arch);

    [Fact]
    public void NoTextEverThrowsAnythingButAMessageForTheUser()
    {
        var fragments = new[]
        {
            "[a]\n", "[", "]", "\n", "file = a.flat\n", "smp = $((", "smp = ", "2", "))", "$MAX_SMP", "\"\"\"", "qemu_params = ", "test_args = ", "\"", "'", "`", "\\",
            "$(", ")", "{", "}", ",", "#", " ", "\0", "\r", "é", "timeout = ", "9999999999999999999", "accel = ", "(", "disabled_if = [[", "?", ":", "-", "<", "/", "%", "0",
            "check = ", "=",
        };
        Prop.ForAll(Gen.Elements(fragments).ListOf().Select(parts => string.Concat(parts)).ToArbitrary(), text =>
        {
            try
            {
                var suite = Parse(text);
                return suite.Cases.Select(testCase => testCase.Name).Distinct().Count() == suite.Cases.Count;
            }
            catch (UserException e)
            {
                return e.Message.StartsWith("x86/unittests.cfg:", StringComparison.Ordinal);
            }
        }).Holds(1000);
    }

    [Fact]
    public void ACheckoutTellsItsArchitectureByConfigMak()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.mak", "ARCH=arm64\nTEST_DIR=arm\nTARGET=qemu\nENVIRON_DEFAULT=yes\n");
        folder.Write("arm/unittests.cfg", "[a]\nfile = a.flat\n");
        foreach (var path in new[] { folder.Path, folder["arm"], folder["arm/unittests.cfg"] })
        {
            var suite = SuiteLoader.Load(path, new SuiteContext());
            Assert.Equal(("kvm-unit-tests/arm", "aarch64"), (suite.Name, suite.Arch));
            Assert.Equal(folder["arm/a.flat"], suite.Cases[0].Image);
            Assert.True(suite.WantsEnvironmentFile);
            Assert.Equal("qemu", suite.Variables["TARGET"]);
        }
    }

    [Fact]
    public void ImagesBesideTheFileNeedNoCheckout()
    {
        using var folder = new TemporaryFolder();
        folder.Write("x86/unittests.cfg", "[a]\nfile = a.flat\n");
        folder.Write("elsewhere/unittests.cfg", "[a]\nfile = a.flat\n");
        Assert.Equal("x86_64", SuiteLoader.Load(folder["x86"], new SuiteContext()).Arch);
        var error = Assert.Throws<UserException>(() => SuiteLoader.Load(folder["elsewhere"], new SuiteContext()));
        Assert.Contains("--arch", error.Message);
        Assert.Equal("riscv64", SuiteLoader.Load(folder["elsewhere"], new SuiteContext { Arch = "riscv64" }).Arch);
    }

    [Fact]
    public void ABinaryFileIsRefused()
    {
        using var folder = new TemporaryFolder();
        folder.Write("x86/unittests.cfg", [.. "[a]\n"u8, 0xff, 0xfe, 0x80]);
        var error = Assert.Throws<UserException>(() => SuiteLoader.Load(folder["x86"], new SuiteContext()));
        Assert.Contains("not a text file", error.Message);
    }
}
