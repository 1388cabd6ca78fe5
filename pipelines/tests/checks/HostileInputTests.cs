using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Pipelines.Checks;
using Gauntlet.Pipelines.Checks.Rules;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Whatever comes by mail, a check ends with an answer.</summary>
public sealed class HostileInputTests
{
    private static readonly string[] s_pieces =
    [
        "diff --git a/x.c b/x.c\n", "--- a/x.c\n", "+++ b/x.c\n", "@@ -1,3 +1,4 @@\n", "@@ -0,0 +1 @@\n", "@@ -1 +1,999999999 @@\n", "+", " ", "-", "\n", "{", "}", "(", ")", "[", "]",
        "if (", "else", "do ", "while (", "for (;;)", "switch (a) {", "case 1:", "return ", "#define X(a) ", "#if 0\n", "#else\n", "#endif\n", "/*", "*/", "//", "\"", "'", "\\", "\t", "\r",
        "\0", "\uE0C3", "int ", "static ", "const ", "struct foo ", "unsigned long ", "foo_t ", "*", "&", "&&", ":", ";", ",", "->", "a", "##", "inline ", "typeof(", "Signed-off-by: a\n",
        "new file mode 100755\n", "rename from a\n", "SPDX-License-Identifier: ", "GIT binary patch\n", "\\ No newline at end of file\n", "%#x", "#define X(a, b) ", "do { a; } while (0)", "EXPORT_SYMBOL(a);", "fooBar", "DEVICE_ATTR(a, 0644, a_show, NULL)", "memset(a, 1, 0);", "sscanf(a, \"%d\", b)", "\"%pq\", a)",
        "min((int)a, b)", "module_param(a, int, 644);", "\nconfig A\n", "commit 0123456789ab", "+++ b/Documentation/devicetree/bindings/a.txt\n", "+++ b/mm/Kconfig\n", "error_report(\"a\\n\")", "From a b\n",
    ];

    private static readonly Gen<string> s_patches =
        Gen.Elements(s_pieces).ListOf(60).Select(pieces => "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,9 +1,40 @@\n" + string.Concat(pieces));

    public static TheoryData<string> RuleSets() => [.. CheckSetup.RuleSetNames];

    [Theory]
    [MemberData(nameof(RuleSets))]
    public void NoPatchMakesTheCheckThrow(string set) =>
        Prop.ForAll(s_patches.ToArbitrary(), patch => Examples.Scan(set, patch).Findings.Count >= 0).Holds(400);

    [Theory]
    [MemberData(nameof(RuleSets))]
    public void TheSamePatchHasTheSameFindings(string set) =>
        Prop.ForAll(s_patches.ToArbitrary(), patch => Describe(Examples.Scan(set, patch)) == Describe(Examples.Scan(set, patch))).Holds(50);

    [Fact]
    public void RandomBytesAreNoPatch() =>
        Prop.ForAll<byte[]>(bytes => Run(bytes).Exit is CheckProgram.Passed or CheckProgram.Failed).Holds();

    [Theory]
    [MemberData(nameof(RuleSets))]
    public void ALineOf160KilobytesIsCheckedLikeAnyOther(string set)
    {
        var line = "+    " + string.Concat(Enumerable.Repeat("f(a[1], (int *)b) + /* c */ ", 6000));
        var scan = Examples.Scan(set, $"diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -0,0 +1,1 @@\n{line};\n");
        Assert.Contains(scan.Findings, finding => finding.Message.StartsWith("line ", StringComparison.Ordinal));
    }

    /// <summary>Work that grew with the square of the lines would not end while the test host waits.</summary>
    [Theory]
    [InlineData("+    if (\n")]
    [InlineData("+    0x12, 0x34, 0x56,\n")]
    [InlineData("+    {\n")]
    [InlineData("+#if A\n")]
    [InlineData("+    do\n")]
    [InlineData("+/* volatile\n")]
    [InlineData("+static volatile int a\n")]
    [InlineData("+    switch (a) {\n")]
    [InlineData("+#define A \\\n")]
    [InlineData("+\"a\\n\"\n")]
    [InlineData("+\n")]
    [InlineData("+#define A(a) a a \\\n")]
    [InlineData("+#define A(a) ((((\n")]
    [InlineData("+#define A(a) [ { ( \" a \\\n")]
    [InlineData("+int f(int\n")]
    [InlineData("+EXPORT_SYMBOL(a)\n")]
    [InlineData("+{ EXPORT_SYMBOL(a)\n")]
    [InlineData("+\tprintk(\"%px\", a,\n")]
    [InlineData("+\tfooBar->barFoo[\n")]
    [InlineData("+\tDEVICE_ATTR(a, 0644, \n")]
    [InlineData("+\tmodule_param(a, b, \n")]
    public void LinesThatOpenAndNeverCloseAreAllChecked(string line)
    {
        const int Count = 10_000;
        var patch = $"diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -0,0 +1,{Count} @@\n" + string.Concat(Enumerable.Repeat(line, Count));
        foreach (var set in CheckSetup.RuleSetNames)
            Assert.Equal(Count, Examples.Scan(set, patch).CheckedLines);
    }

    /// <summary>Macros are read over their lines, brackets and parameters; each in one go.</summary>
    [Theory]
    [InlineData("(", 150_000)]
    [InlineData("({[", 50_000)]
    [InlineData("a ", 80_000)]
    [InlineData("\"a\" b ", 25_000)]
    [InlineData("a ## a # a sizeof(a) typecheck(a, ", 5_000)]
    [InlineData("fooBar->", 20_000)]
    [InlineData("a + \\\n+", 20_000)]
    [InlineData("(((({{{{[[[[\\\n+", 20_000)]
    [InlineData("((a))]]}})) \"a\" b \\\n+", 20_000)]
    public void AMacroOfAnySizeIsRead(string piece, int count)
    {
        var text = "+#define X(a, b, c) do { " + string.Concat(Enumerable.Repeat(piece, count)) + "\n";
        var lines = text.Count(c => c == '\n');
        foreach (var set in CheckSetup.RuleSetNames)
            Assert.Equal(lines, Examples.Scan(set, $"diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -0,0 +1,{lines} @@\n{text}").CheckedLines);
    }

    [Fact]
    public void ASymbolsHelpIsLookedForInAHunkOfAnySize()
    {
        const int Count = 50_000;
        var patch = $"diff --git a/Kconfig b/Kconfig\n--- a/Kconfig\n+++ b/Kconfig\n@@ -0,{Count} +1,{Count} @@\n" + string.Concat(Enumerable.Repeat("+config A\n+\tbool \"a\"\n-config B\n", Count / 2));
        Assert.Equal(Count / 2, Examples.Scan("linux", patch).Findings.Count(finding => finding.Rule.Id == "CONFIG_DESCRIPTION"));
    }

    private static string Describe(PatchScan scan) =>
        string.Join('\n', scan.Findings.Select(finding => $"{finding.PatchLine} {finding.Rule.Id} {finding.Message} {finding.Text}"));

    internal static (int Exit, string Report) Run(byte[] patch, params string[] options)
    {
        var path = Path.Combine(Path.GetTempPath(), $"gauntlet-check-{Guid.NewGuid():N}.patch");
        File.WriteAllBytes(path, patch);
        try
        {
            using var output = new MemoryStream();
            var exit = CheckProgram.Run(["--no-tree", .. options, path], output);
            return (exit, Encoding.UTF8.GetString(output.ToArray()).Replace(path, "the.patch", StringComparison.Ordinal));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
