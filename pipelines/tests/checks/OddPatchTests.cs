using System.Text;
using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Odd and hostile patches, each checked to its end, whichever rules.</summary>
public sealed class OddPatchTests
{
    private const string Head = "From: A <a@b.c>\nSubject: [PATCH] x\n\nIt was wrong.\n\nSigned-off-by: A <a@b.c>\n---\n";

    private static string Adds(string path, params string[] lines) =>
        $"{Head}diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{lines.Length} @@\n" + string.Concat(lines.Select(line => $"+{line}\n"));

    /// <summary>What the input is, what the report has of it (nothing when it is in order), the input.</summary>
    public static TheoryData<string, string, string> Odd() => new()
    {
        { "an empty mail", "", "" },
        { "line feeds only", "NOT_UNIFIED_DIFF", "\n\n\n" },
        { "NUL bytes", "NUL_BYTE", Adds("x.c", "int a;\0\0", "\0") },
        { "bidirectional controls", "BIDI_CONTROL", Adds("x.c", "/* \u202E } \u2066if (admin)\u2069 \u2066 */") },
        { "carriage returns", "DOS_LINE_ENDINGS", Adds("x.c", "int a;\r", "int b;\r") },
        { "a mail of carriage returns", "", Adds("x.c", "int a;").Replace("\n", "\r\n", StringComparison.Ordinal) },
        { "a submodule link", "SUBMODULE_LINK", Head + "diff --git a/roms/x b/roms/x\nnew file mode 160000\n--- /dev/null\n+++ b/roms/x\n@@ -0,0 +1 @@\n+Subproject commit 0123456789012345678901234567890123456789\n" },
        { "a symbolic link", "SYMLINK_OUTSIDE_TREE", Head + "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n" },
        { "a path out of the tree", "UNSAFE_PATH", Adds("../../etc/passwd.c", "int a;") },
        { "git's own folder", "UNSAFE_PATH", Adds(".git/hooks/pre-commit.c", "int a;") },
        { "git's folder by its short name", "UNSAFE_PATH", Adds("GIT~1/config.c", "int a;") },
        { "git's folder with a zero-width character", "UNSAFE_PATH", Adds(".g\u200Cit/config.c", "int a;") },
        { "a mode only", "EXECUTE_PERMISSIONS", Head + "diff --git a/x.c b/x.c\nold mode 100644\nnew mode 100755\n" },
        { "a rename only", "", Head + "diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n" },
        { "an empty file", "", Head + "diff --git a/x.c b/x.c\nnew file mode 100644\nindex 0000000..e69de29\n" },
        { "a cut binary patch", "BINARY_SIZE", Head + "diff --git a/x.bin b/x.bin\nGIT binary patch\nliteral 52428800\nzcmeIuF#!Mo0K%a4Pi+hzh(KY\n" },
        { "a hunk that promises more than there is", "could not check: the hunk", Head + "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,999999999 +1,999999999 @@\n+int a;\n" },
        { "a cut hunk", "could not check: the hunk", Head + "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,5 +1,5 @@\n int a;\n-in" },
        { "a diff in the log", "", "From: A <a@b.c>\nSubject: x\n\n--- a/y.c\n+++ b/y.c\n@@ -1 +1 @@\n-a\n+b\n\nSigned-off-by: A <a@b.c>\n---\n" + Adds("x.c", "int a;")[Head.Length..] },
        { "an unescaped From", "", Adds("x.c", "int a;").Replace("It was wrong.", "From here it was wrong.", StringComparison.Ordinal) },
        { "folded headers", "", Adds("x.c", "int a;").Replace("Subject: [PATCH] x", "Subject: [PATCH]\n =?utf-8?q?x=C3=A4?=\n =?broken?b?!!!?=", StringComparison.Ordinal) },
        { "an author of nothing", "", Adds("x.c", "int a;").Replace("From: A <a@b.c>", "From: \"((((", StringComparison.Ordinal) },
        { "git's own folder in capitals", "UNSAFE_PATH", Adds(".GIT/config.c", "int a;") },
        { "a file below a link of the same patch", "SYMLINK_WRITE_THROUGH", Head + "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/tmp\n\\ No newline at end of file\n" + Adds("x/y.c", "int a;")[Head.Length..] },
        { "a copy only", "", Head + "diff --git a/x.c b/y.c\nsimilarity index 100%\ncopy from x.c\ncopy to y.c\n" },
        { "format=flowed", "could not check: the mail is format=flowed", Adds("x.c", "int a;").Replace("Subject:", "Content-Type: text/plain; format=flowed\nSubject:", StringComparison.Ordinal) },
        { "HTML", "could not check: the mail is HTML", Adds("x.c", "int a;").Replace("Subject:", "Content-Type: text/html\nSubject:", StringComparison.Ordinal) },
        { "several parts", "could not check: the mail has several parts", Adds("x.c", "int a;").Replace("Subject:", "Content-Type: multipart/signed; boundary=x\nSubject:", StringComparison.Ordinal) },
        { "signed inline", "could not check: the mail is signed inline", Adds("x.c", "int a;").Replace("It was", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nIt was", StringComparison.Ordinal) },
        { "an unknown character set", "could not check: the mail's character set x-martian is not known", Adds("x.c", "/* \u00E9 */").Replace("Subject:", "Content-Type: text/plain; charset=x-martian\nSubject:", StringComparison.Ordinal) },
        { "the fourth of three", "longer than it says", Adds("x.c", "int a;").Replace("[PATCH]", "[PATCH 4/3]", StringComparison.Ordinal) },
        { "a bad date", "", Adds("x.c", "int a;").Replace("Subject:", "Date: 99 Foo -1 25:61:61 +9999\nSubject:", StringComparison.Ordinal) },
        { "scissors", "", Adds("x.c", "int a;").Replace("It was", "Hello\n\n-- >8 --\nIt was", StringComparison.Ordinal) },
        { "trailers of nothing but signs", "NOT_UNIFIED_DIFF", Head.Replace("Signed-off-by: A <a@b.c>", "Cc: <<<>>>@@@\nCo-developed-by:\nSigned-off-by: ((((\nFixes: 0123456789ab ((((((", StringComparison.Ordinal) + "\n" },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public void HasItsVerdict(string what, string verdict, string patch)
    {
        var (exit, report) = HostileInputTests.Run(Encoding.UTF8.GetBytes(patch), "--rules=qemu", "--series", "--terse", "--show-types");
        Assert.True(verdict.Length == 0 ? !report.Contains("ERROR:", StringComparison.Ordinal) && exit == 0 : report.Contains(verdict, StringComparison.Ordinal), $"{what}: {report}");
    }

    [Theory]
    [MemberData(nameof(Odd))]
    public void IsCheckedToItsEnd(string what, string verdict, string patch)
    {
        foreach (var set in CheckSetup.RuleSetNames)
        {
            foreach (var options in (string[][])[[], ["--legacy"], ["--series"], ["--format=sarif"]])
            {
                var (exit, report) = HostileInputTests.Run(Encoding.UTF8.GetBytes(patch), ["--rules", set, .. options]);
                Assert.True(exit is CheckProgram.Passed or CheckProgram.Failed, $"{what}, {verdict}");
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

    /// <summary>A large patch is walked over twice at once; it has the findings of its parts, in the order of its lines.</summary>
    [Fact]
    public void ALargePatchHasTheFindingsOfItsLines()
    {
        string[] lines = ["if(a)", "\tint b = b;", "\tpr_err(\"x\" );", " int c;", "", "", "char * d;", "/* volatile */ volatile int e;"];
        const int Times = 4000;
        string Patch(int times) => Adds("x.c", [.. Enumerable.Repeat(lines, times).SelectMany(line => line)]);
        var one = Examples.Scan("linux", Patch(2)).Findings.Where(finding => finding.FileLine is > 8 and < 16).Select(finding => (finding.FileLine % 8, finding.Rule.Id, finding.Message)).ToList();
        var all = Examples.Scan("linux", Patch(Times)).Findings;
        Assert.True(one.Count > 6);
        Assert.Equal(one, all.Where(finding => finding.FileLine is > 8 * (Times - 1) and < 8 * Times).Select(finding => (finding.FileLine % 8, finding.Rule.Id, finding.Message)));
        Assert.Equal(all.Select(finding => finding.PatchLine).Order(), all.Select(finding => finding.PatchLine));
    }
}
