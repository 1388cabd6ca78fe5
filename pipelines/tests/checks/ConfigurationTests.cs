using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary><c>.gauntlet/check.yaml</c>.</summary>
public sealed class ConfigurationTests
{
    private const string Patch = "From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n---\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,0 +1 @@\n+\tint b;\n--- a/sub/y.c\n+++ b/sub/y.c\n@@ -1,0 +1 @@\n+\tint b;\n";

    private static (int Exit, string Report) Check(string yaml)
    {
        var root = Directory.CreateTempSubdirectory("gauntlet-config");
        try
        {
            Directory.CreateDirectory(Path.Combine(root.FullName, ".gauntlet"));
            File.WriteAllText(Path.Combine(root.FullName, CheckConfiguration.Path), yaml);
            var patch = Path.Combine(root.FullName, "x.patch");
            File.WriteAllText(patch, Patch);
            using var output = new MemoryStream();
            var exit = CheckProgram.Run(["--root", root.FullName, "--terse", "--show-types", patch], output);
            return (exit, System.Text.Encoding.UTF8.GetString(output.ToArray()));
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Fact]
    public void ASkippedPathIsNotReported()
    {
        var (exit, report) = Check("paths:\n  - match: \"sub/*\"\n    skip: true\n");
        Assert.Equal(1, exit);
        Assert.Single(report.Split('\n'), line => line.Contains("CODE_INDENT", StringComparison.Ordinal));
    }

    [Fact]
    public void ASeverityHoldsBelowItsPath()
    {
        var (exit, report) = Check("paths:\n  - match: \"*\"\n    severity: { CODE_INDENT: off }\n  - match: \"hw/*\"\n    severity: { CODE_INDENT: warning }\n");
        Assert.Equal(0, exit);
        Assert.Contains("WARNING:CODE_INDENT", report);
        Assert.DoesNotContain("ERROR:", report);
    }

    [Fact]
    public void IgnoredTypesAreReportedNowhere() => Assert.Equal(0, Check("ignore: [code_indent]\n").Exit);

    [Fact]
    public void StrictAndRulesCanBeSet() => Assert.Contains("LEADING_SPACE", CheckSetupRules("rules: linux\n"));

    private static string CheckSetupRules(string yaml) =>
        string.Join(',', CheckSetup.CreateRules(CheckConfiguration.Parse(yaml, "test").Rules!).All.Select(rule => rule.Id));

    [Theory]
    [InlineData("paths: 3", "test, line 1")]
    [InlineData("no-such-key: 3", "no-such-key")]
    [InlineData("paths:\n  - match: x\n    severity: { A: loud }", "not loud")]
    [InlineData("paths:\n  - skip: true", "no match")]
    public void WhatIsWrongIsNamed(string yaml, string part) =>
        Assert.Contains(part, Assert.Throws<CheckException>(() => CheckConfiguration.Parse(yaml, "test")).Message);
}
