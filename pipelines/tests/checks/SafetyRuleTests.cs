using Gauntlet.Pipelines.Checks.Rules.Safety;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>What hides from a reviewer, or writes where it should not, is named; by its own rule, whichever the project.</summary>
public sealed class SafetyRuleTests
{
    public static TheoryData<string> Rules() => [.. SafetyRules.All.Select(rule => rule.Id)];

    [Theory]
    [MemberData(nameof(Rules))]
    public void ExamplesHold(string id)
    {
        var explanation = SafetyRules.All.First(rule => rule.Id == id).Explanation;
        Assert.Contains(id, Check(explanation.Bad.Text).Report);
        Assert.DoesNotContain(id, Check(explanation.Good.Text).Report);
    }

    [Theory]
    [InlineData("../../etc/passwd", "goes up")]
    [InlineData("hw/../../x.c", "goes up")]
    [InlineData("/etc/passwd", "absolute")]
    [InlineData("C:/x.c", "absolute")]
    [InlineData("hw\\..\\..\\x.c", "goes up")]
    [InlineData(".git/config", "git's own folder")]
    [InlineData("roms/x/.git/config", "git's own folder")]
    [InlineData(".GIT/config", "git's own folder")]
    [InlineData(".Git /config", "git's own folder")]
    [InlineData(".git::$INDEX_ALLOCATION/config", "git's own folder")]
    [InlineData("GIT~1/config", "git's own folder")]
    [InlineData(".g\u200Cit/config", "git's own folder")]
    [InlineData("hw/x\u202Ec.c", "cannot be seen, U+202E")]
    public void APathThatLeadsElsewhereIsNamed(string path, string problem)
    {
        Assert.Contains(problem, PathSafety.Problem(ByteText.FromDisplay(path)));
        var (exit, report) = Check($"From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n---\ndiff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+a\n");
        Assert.Contains("ERROR:UNSAFE_PATH", report);
        Assert.Equal(1, exit);
    }

    [Theory]
    [InlineData("hw/net/e1000.c")]
    [InlineData(".gitignore")]
    [InlineData(".gitlab-ci.d/buildtest.yml")]
    [InlineData("docs/g\u00E4ste.rst")]
    [InlineData("a..b/c")]
    public void AnOrdinaryPathIsNot(string path) => Assert.Null(PathSafety.Problem(ByteText.FromDisplay(path)));

    /// <summary>git writes unusual names between quotes, with octal escapes.</summary>
    [Fact]
    public void AQuotedPathIsReadAsWhatItMeans() =>
        Assert.Contains("UNSAFE_PATH", Check("diff --git \"a/.g\\342\\200\\214it/x\" \"b/.g\\342\\200\\214it/x\"\nnew file mode 100644\n--- /dev/null\n+++ \"b/.g\\342\\200\\214it/x\"\n@@ -0,0 +1 @@\n+a\n").Report);

    [Theory]
    [InlineData("x", "docs/a", false)]
    [InlineData("a/b/x", "../../c", false)]
    [InlineData("a/b/x", "../../../c", true)]
    [InlineData("x", "a/../../c", true)]
    [InlineData("x", "/etc/passwd", true)]
    public void ALinksTargetIsFollowed(string path, string target, bool leaves) => Assert.Equal(leaves, PathSafety.LeavesTree(path, target));

    [Theory]
    [InlineData("\u202A", true)]
    [InlineData("\u202E", true)]
    [InlineData("\u2066", true)]
    [InlineData("\u2069", true)]
    [InlineData("\u2065", false)]
    [InlineData("\u2013 \u00E2", false)]
    public void OnlyBidirectionalControlsAre(string text, bool expected) => Assert.Equal(expected, PathSafety.HasBidiControl(ByteText.FromDisplay(text)));

    /// <summary>checkpatch.pl knows none of this, and --legacy does as it does.</summary>
    [Fact]
    public void LegacyReportsNone()
    {
        foreach (var rule in SafetyRules.All)
            Assert.DoesNotContain(rule.Id, HostileInputTests.Run(ByteText.Encode(rule.Explanation.Bad.Text), "--show-types", "--legacy").Report);
    }

    [Fact]
    public void TypesAndIgnoreHoldForThem()
    {
        var patch = SafetyRules.NulByte.Explanation.Bad.Text;
        Assert.DoesNotContain("NUL_BYTE", Check(patch, "--ignore=NUL_BYTE").Report);
        Assert.DoesNotContain("NUL_BYTE", Check(patch, "--types=TRAILING_WHITESPACE").Report);
    }

    /// <param name="patch">Decoded already, or as a person writes it.</param>
    private static (int Exit, string Report) Check(string patch, params string[] options) => HostileInputTests.Run(ByteText.Encode(patch), ["--rules=qemu", "--terse", "--show-types", .. options]);
}
