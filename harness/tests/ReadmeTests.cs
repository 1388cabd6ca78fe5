using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests;

/// <summary>What the README shows must be what the readers take.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void TheSuiteItShowsCanBeRead()
    {
        var suite = SuiteYaml.Parse(Block("### suite.yaml"), "/t/suite.yaml", new SuiteContext());
        Assert.Equal([GuestConvention.KvmUnitTests, GuestConvention.Marker, GuestConvention.Qtest], suite.Cases.Select(testCase => testCase.Convention));
    }

    [Fact]
    public void TheMatrixItShowsCanBeRead()
    {
        var definition = MatrixFile.Parse(Block("## Matrices"), "m.yaml");
        Assert.Equal(
            [
                "gvmm/kvm/x86_64", "gvmm/tcg/x86_64", "qemu/kvm/x86_64,machine=q35", "qemu/kvm/aarch64", "qemu/tcg/x86_64,machine=q35", "qemu/tcg/aarch64", "lkvm/kvm/x86_64",
                "lkvm/kvm/aarch64",
            ],
            definition.Expand(MatrixOverrides.None).Select(cell => cell.ToString()));
    }

    // The first indented block under a heading.
    private static string Block(string heading)
    {
        var lines = File.ReadAllLines(Path.Combine(SourceTree.Require(), "harness", "README.md"));
        var block = lines.SkipWhile(line => line != heading).SkipWhile(line => !line.StartsWith("    ", StringComparison.Ordinal)).TakeWhile(line => line.Length == 0 || line.StartsWith("    ", StringComparison.Ordinal));
        return string.Join('\n', block.Select(line => line.Length == 0 ? "" : line[4..]));
    }
}
