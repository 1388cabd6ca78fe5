using System.Diagnostics;
using FsCheck.Fluent;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Suites;

public sealed class ImageTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static byte[] Elf(byte machine, bool wide = true, bool multiboot = false)
    {
        var image = new byte[256];
        "\x7fELF"u8.CopyTo(image);
        (image[4], image[5], image[18]) = (wide ? (byte)2 : (byte)1, 1, machine);
        if (multiboot)
            new byte[] { 0x02, 0xb0, 0xad, 0x1b, 0, 0, 0, 0, 0xfe, 0x4f, 0x52, 0xe4 }.CopyTo(image, 64);
        return image;
    }

    private static byte[] At(int offset, ReadOnlySpan<byte> magic)
    {
        var image = new byte[1024];
        magic.CopyTo(image.AsSpan(offset));
        return image;
    }

    [Fact]
    public void FirstBytesTellTheArchitecture()
    {
        Assert.Equal(new ImageFile("x86_64", IsMultiboot: true), ImageFile.Inspect(Elf(3, wide: false, multiboot: true)));
        Assert.Equal(new ImageFile("x86_64"), ImageFile.Inspect(Elf(62)));
        Assert.Equal(new ImageFile("aarch64"), ImageFile.Inspect(Elf(183)));
        Assert.Equal(new ImageFile("riscv64"), ImageFile.Inspect(Elf(243)));
        Assert.Equal(new ImageFile("riscv32"), ImageFile.Inspect(Elf(243, wide: false)));
        Assert.Equal(new ImageFile("x86_64", IsLinux: true), ImageFile.Inspect(At(0x202, "HdrS"u8)));
        Assert.Equal(new ImageFile("aarch64", IsLinux: true), ImageFile.Inspect(At(0x38, "ARM\x64"u8)));
        Assert.Equal(new ImageFile("riscv64", IsLinux: true), ImageFile.Inspect(At(0x38, "RSC\x05"u8)));
        Assert.Equal(default, ImageFile.Inspect([]));
    }

    [Fact]
    public void NoBytesThrow() => Prop.ForAll<byte[]>(bytes => ImageFile.Inspect(bytes ?? []).Arch is null or { Length: > 0 }).Holds();

    [Fact]
    public void AFolderOfImagesIsASuiteInTheOrderOfNames()
    {
        folder.Write("mine/b.flat", Elf(3, wide: false, multiboot: true));
        folder.Write("mine/a.elf", Elf(3, wide: false, multiboot: true));
        folder.Write("mine/README", "not an image");
        var suite = SuiteLoader.Load(folder["mine"], new SuiteContext());
        Assert.Equal(("mine", "x86_64", true), (suite.Name, suite.Arch, suite.WantsEnvironmentFile));
        Assert.Equal(["a", "b"], suite.Cases.Select(testCase => testCase.Name));
        Assert.All(suite.Cases, testCase => Assert.Equal(GuestConvention.KvmUnitTests, testCase.Convention));
    }

    [Fact]
    public void OneImageIsASuiteOfOneCase()
    {
        var suite = SuiteLoader.Load(folder.Write("selftest.elf", Elf(243)), new SuiteContext());
        Assert.Equal(("selftest", "riscv64"), (suite.Name, suite.Arch));
        Assert.Equal("selftest", Assert.Single(suite.Cases).Name);
        Assert.False(suite.WantsEnvironmentFile);
    }

    [Fact]
    public void WhatIsNoSuiteIsToldWithWhatToDo()
    {
        void Refused(string path, string expected) => Assert.Contains(expected, Assert.Throws<UserException>(() => SuiteLoader.Load(path, new SuiteContext())).Message);
        folder.Write("mixed/a.elf", Elf(62));
        folder.Write("mixed/b.elf", Elf(183));
        folder.Write("empty/README", "");
        Refused(folder["mixed"], "several architectures");
        Refused(folder["empty"], "holds no suite.yaml");
        Refused(folder.Write("tests/msr", "#!/usr/bin/env bash\n"), "is a script");
        Refused(folder.Write("vmlinuz", At(0x202, "HdrS"u8)), "Linux kernel");
        Refused(folder.Write("blob.flat", new byte[100]), "--arch");
        Refused(folder["nowhere"], "There is no suite");
        Refused("/dev/null", "regular file");
        Refused("", "empty");
    }

    // Opening a pipe that nobody writes to would never return.
    [Fact]
    public void APipeIsNoFileToRead()
    {
        using (var mkfifo = Process.Start("mkfifo", [folder["pipe.yaml"], folder["pipe.cfg"], folder["pipe.flat"]]))
            mkfifo.WaitForExit();
        foreach (var name in new[] { "pipe.yaml", "pipe.cfg", "pipe.flat" })
            Assert.Contains("regular file", Assert.Throws<UserException>(() => SuiteLoader.Load(folder[name], new SuiteContext { Arch = "x86_64" })).Message);
        var image = folder.Write("x86/a.flat", "");
        var suite = UnittestsCfg.Parse($"[a]\nfile = a.flat\ncheck = {folder["pipe.cfg"]}=1\n", folder["x86/unittests.cfg"], folder["x86"], "x86_64", new Dictionary<string, string>());
        Assert.Contains("no such file", JobMaker.Make(suite, new CellStatus(new Cell("qemu", "tcg", "x86_64"), null, null), new JobOptions())[0].SkipReason);
    }

    [Theory]
    [InlineData("10", 10)]
    [InlineData("1.5s", 1.5)]
    [InlineData("2m", 120)]
    [InlineData("1h", 3600)]
    [InlineData("1d", 86400)]
    [InlineData("0", 0)]
    public void DurationsAreTimeoutsOwn(string text, double seconds)
    {
        Assert.True(DurationText.TryParse(text, out var duration));
        Assert.Equal(seconds, duration.TotalSeconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("-1")]
    [InlineData("1x")]
    [InlineData("1e9")]
    [InlineData("99999d")]
    [InlineData("NaN")]
    [InlineData("1 s")]
    public void OtherTextIsNoDuration(string text) => Assert.False(DurationText.TryParse(text, out _));

    [Theory]
    [InlineData("6.1.0-18-amd64", "4.9", true)]
    [InlineData("4.9.0", "4.9", true)]
    [InlineData("4.8.17", "4.9", false)]
    [InlineData("5.10.3", "5.10.4", false)]
    [InlineData("5.10.4-2", "5.10.4-3", false)]
    [InlineData("5.10.4-3", "5.10.4-3", true)]
    [InlineData("5.10", "5.10.1", false)]
    [InlineData("5.10", "5.10.0", true)]
    [InlineData("rubbish", "4.9", false)]
    public void KernelVersionsAreComparedPartByPart(string kernel, string least, bool has) => Assert.Equal(has, KernelVersion.Parse(kernel).IsAtLeast(KernelVersion.Parse(least)));
}
