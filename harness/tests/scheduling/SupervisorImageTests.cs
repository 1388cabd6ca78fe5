using System.Diagnostics;
using System.Security.Cryptography;
using Gauntlet.Harness.Suites;

namespace Gauntlet.Harness.Tests.Scheduling;

/// <summary>The process supervisor is kept built, so that building Gauntlet needs no C compiler: these tests keep it true to its source.</summary>
public sealed class SupervisorImageTests
{
    private static readonly string Folder = Path.Combine(SourceTree.Require(), "vmm", "linux", "supervise");

    [Fact]
    public void The_images_were_built_from_the_source_that_is_here()
    {
        var recorded = File.ReadAllText(Path.Combine(Folder, "built-from.sha256")).Trim();
        Assert.True(
            recorded == Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Folder, "supervise.c")))),
            "supervise.c was changed since its images were built: run vmm/linux/supervise/build for each architecture.");
    }

    [ClangTheory]
    [InlineData("x86_64")]
    [InlineData("aarch64")]
    public void Building_it_again_gives_the_same_bytes(string arch)
    {
        using var folder = new TemporaryFolder();
        if (arch != "x86_64" && !Directory.Exists($"/usr/{arch}-linux-gnu/include/asm"))
            return;
        using var build = Process.Start(new ProcessStartInfo(Path.Combine(Folder, "build"), [arch, folder["again"]]) { RedirectStandardError = true })!;
        var errors = build.StandardError.ReadToEnd();
        build.WaitForExit();
        Assert.True(build.ExitCode == 0, errors);
        Assert.Equal(File.ReadAllBytes(Path.Combine(Folder, $"supervise-{arch}")), File.ReadAllBytes(folder["again"]));
    }
}

/// <summary>Needs the compiler whose bytes are kept: Debian 12's clang 14 with lld.</summary>
public sealed class ClangTheoryAttribute : TheoryAttribute
{
    public ClangTheoryAttribute()
    {
        try
        {
            using var clang = Process.Start(new ProcessStartInfo("clang", "--version") { RedirectStandardOutput = true })!;
            var version = clang.StandardOutput.ReadToEnd();
            clang.WaitForExit();
            if (!version.Contains("version 14.0.6", StringComparison.Ordinal))
                Skip = "the images were built with clang 14.0.6, here is " + version.Split('\n')[0];
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Skip = "clang is not installed (apt-get install clang lld)";
        }
    }
}
