using System.Text;
using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Odd and hostile patches, each checked to its end, whichever rules.</summary>
public sealed class OddPatchTests
{
    private const string Head = "From: A <a@b.c>\nSubject: [PATCH] x\n\nIt was wrong.\n\nSigned-off-by: A <a@b.c>\n---\n";

    private static string Adds(string path, params string[] lines) =>
        $"{Head}diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{lines.Length} @@\n" + string.Concat(lines.Select(line => $"+{line}\n"));

    public static TheoryData<string, string> Odd() => new()
    {
        { "an empty mail", "" },
        { "line feeds only", "\n\n\n" },
        { "NUL bytes", Adds("x.c", "int a;\0\0", "\0") },
        { "bidirectional controls", Adds("x.c", "/* \u202E } \u2066if (admin)\u2069 \u2066 */") },
        { "carriage returns", Adds("x.c", "int a;\r", "int b;\r") },
        { "a mail of carriage returns", Adds("x.c", "int a;").Replace("\n", "\r\n", StringComparison.Ordinal) },
        { "a submodule link", Head + "diff --git a/roms/x b/roms/x\nnew file mode 160000\n--- /dev/null\n+++ b/roms/x\n@@ -0,0 +1 @@\n+Subproject commit 0123456789012345678901234567890123456789\n" },
        { "a symbolic link", Head + "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n" },
        { "a path out of the tree", Adds("../../etc/passwd.c", "int a;") },
        { "git's own folder", Adds(".git/hooks/pre-commit.c", "int a;") },
        { "git's folder by its short name", Adds("GIT~1/config.c", "int a;") },
        { "git's folder with a zero-width character", Adds(".g\u200Cit/config.c", "int a;") },
        { "a mode only", Head + "diff --git a/x.c b/x.c\nold mode 100644\nnew mode 100755\n" },
        { "a rename only", Head + "diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n" },
        { "an empty file", Head + "diff --git a/x.c b/x.c\nnew file mode 100644\nindex 0000000..e69de29\n" },
        { "a cut binary patch", Head + "diff --git a/x.bin b/x.bin\nGIT binary patch\nliteral 52428800\nzcmeIuF#!Mo0K%a4Pi+hzh(KY\n" },
        { "a hunk that promises more than there is", Head + "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,999999999 +1,999999999 @@\n+int a;\n" },
        { "a cut hunk", Head + "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,5 +1,5 @@\n int a;\n-in" },
        { "a diff in the log", "From: A <a@b.c>\nSubject: x\n\n--- a/y.c\n+++ b/y.c\n@@ -1 +1 @@\n-a\n+b\n\nSigned-off-by: A <a@b.c>\n---\n" + Adds("x.c", "int a;")[Head.Length..] },
        { "an unescaped From", Adds("x.c", "int a;").Replace("It was wrong.", "From here it was wrong.", StringComparison.Ordinal) },
        { "folded headers", Adds("x.c", "int a;").Replace("Subject: [PATCH] x", "Subject: [PATCH]\n =?utf-8?q?x=C3=A4?=\n =?broken?b?!!!?=", StringComparison.Ordinal) },
        { "an author of nothing", Adds("x.c", "int a;").Replace("From: A <a@b.c>", "From: \"((((", StringComparison.Ordinal) },
        { "trailers of nothing but signs", Head.Replace("Signed-off-by: A <a@b.c>", "Cc: <<<>>>@@@\nCo-developed-by:\nSigned-off-by: ((((\nFixes: 0123456789ab ((((((", StringComparison.Ordinal) + "\n" },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public void IsCheckedToItsEnd(string what, string patch)
    {
        foreach (var set in CheckSetup.RuleSetNames)
        {
            foreach (var options in (string[][])[[], ["--legacy"], ["--series"], ["--format=sarif"]])
            {
                var (exit, report) = HostileInputTests.Run(Encoding.UTF8.GetBytes(patch), ["--rules", set, .. options]);
                Assert.True(exit is CheckProgram.Passed or CheckProgram.Failed, what);
                Assert.DoesNotContain("Exception", report);
            }
        }
    }

    /// <summary>No cut of a patch at any byte makes the check throw.</summary>
    [Fact]
    public void APatchCutAnywhereIsChecked()
    {
        var patch = Adds("x.c", "int f(void)", "{", "\tif (a == NULL) {", "\t\tpr_err(\"a\\n\");", "\t}", "\treturn 0;", "}");
        for (var length = 0; length <= patch.Length; length++)
        {
            foreach (var set in CheckSetup.RuleSetNames)
                Assert.True(Examples.Scan(set, patch[..length]).Findings.Count >= 0);
        }
    }

    [Theory]
    [InlineData("qemu", 500_000)]
    [InlineData("linux", 100_000)]
    public void ManyLinesAreAllChecked(string set, int count)
    {
        var scan = Examples.Scan(set, $"diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -0,0 +1,{count} @@\n" + string.Concat(Enumerable.Repeat("+int a;\n", count)));
        Assert.Equal(count, scan.CheckedLines);
    }
}
