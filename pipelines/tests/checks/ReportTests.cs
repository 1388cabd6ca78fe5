using System.Text;
using System.Text.Json;
using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Reports in each format, options and exit codes.</summary>
public sealed class ReportTests
{
    private const string Patch = "From: A <a@b.c>\n\nlog\n---\ndiff --git a/hw/x.c b/hw/x.c\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,2 +1,3 @@\n int a;\n+\tint b;\n int c;\n";

    private const string Warning = "From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n---\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,0 +1 @@\n+/* a comment\n";

    private static (int Exit, string Report) Check(string patch, params string[] options) => HostileInputTests.Run(Encoding.UTF8.GetBytes(patch), options);

    [Fact]
    public void TheTextIsCheckpatchs()
    {
        var (exit, report) = Check(Patch);
        Assert.Equal(1, exit);
        Assert.Equal(
            """
            ERROR: code indent should never use tabs
            #10: FILE: hw/x.c:2:
            +^Iint b;$

            ERROR: Missing Signed-off-by: line(s)

            total: 2 errors, 0 warnings, 3 lines checked

            the.patch has style problems, please review.  If any of these errors
            are false positives report them to the maintainer, see
            CHECKPATCH in MAINTAINERS.

            """,
            report);
    }

    [Fact]
    public void TerseIsOneLineAMessage() =>
        Assert.Equal(
            "the.patch:10: ERROR:CODE_INDENT: code indent should never use tabs\nthe.patch:11: ERROR:MISSING_SIGN_OFF: Missing Signed-off-by: line(s)\ntotal: 2 errors, 0 warnings, 3 lines checked\n",
            Check(Patch, "--terse", "--show-types").Report);

    [Fact]
    public void AWarningFailsOnlyWhenStrict()
    {
        Assert.Equal(0, Check(Warning).Exit);
        Assert.Equal(1, Check(Warning, "--strict").Exit);
    }

    [Fact]
    public void TypesAndIgnoreChooseRules()
    {
        Assert.DoesNotContain("tabs", Check(Patch, "--ignore", "code_indent").Report);
        Assert.DoesNotContain("Signed-off-by", Check(Patch, "--types=CODE_INDENT").Report);
        Assert.Equal(0, Check(Patch, "--ignore=CODE_INDENT,MISSING_SIGN_OFF").Exit);
    }

    [Fact]
    public void NoSignoffDoesNotAskForIt() => Assert.DoesNotContain("Signed-off-by", Check(Patch, "--no-signoff").Report);

    [Fact]
    public void JsonNamesTypesAndPlaces()
    {
        using var json = JsonDocument.Parse(Check(Patch, "--format", "json").Report);
        var finding = json.RootElement.GetProperty("patches")[0].GetProperty("findings")[0];
        Assert.Equal("CODE_INDENT", finding.GetProperty("type").GetString());
        Assert.Equal("hw/x.c", finding.GetProperty("file").GetString());
        Assert.Equal(2, finding.GetProperty("line").GetInt32());
    }

    [Fact]
    public void SarifNamesEachResultsRule()
    {
        using var sarif = JsonDocument.Parse(Check(Patch, "--format=sarif").Report);
        Assert.Equal("2.1.0", sarif.RootElement.GetProperty("version").GetString());
        var run = sarif.RootElement.GetProperty("runs")[0];
        var rules = run.GetProperty("tool").GetProperty("driver").GetProperty("rules");
        foreach (var result in run.GetProperty("results").EnumerateArray())
            Assert.Equal(result.GetProperty("ruleId").GetString(), rules[result.GetProperty("ruleIndex").GetInt32()].GetProperty("id").GetString());
        Assert.Equal(2, run.GetProperty("results").GetArrayLength());
    }

    [Fact]
    public void GitHubGetsAnnotations() =>
        Assert.StartsWith("::error file=hw/x.c,line=2,title=CODE_INDENT::code indent should never use tabs\n", Check(Patch, "--format=github").Report);

    [Fact]
    public void GitLabGetsFingerprintsThatStayTheSame()
    {
        using var first = JsonDocument.Parse(Check(Patch, "--format=gitlab").Report);
        Assert.Equal(2, first.RootElement.GetArrayLength());
        Assert.NotEqual(first.RootElement[0].GetProperty("fingerprint").GetString(), first.RootElement[1].GetProperty("fingerprint").GetString());
    }

    [Theory]
    [InlineData("--no-such-option")]
    [InlineData("--max-line-length=many")]
    [InlineData("--format=xml")]
    [InlineData("--rules=bsd")]
    [InlineData("--explain=NO_SUCH_TYPE")]
    [InlineData("/no/such/file.patch")]
    public void WrongUseIsNamed(string argument)
    {
        using var output = new MemoryStream();
        var error = Assert.Throws<CheckException>(() => CheckProgram.Run([argument, .. argument.StartsWith('/') ? Array.Empty<string>() : ["x.patch"]], output));
        Assert.Equal(CheckException.Usage, error.ExitCode);
    }

    [Fact]
    public void ExplainShowsBothExamples()
    {
        using var output = new MemoryStream();
        Assert.Equal(0, CheckProgram.Run(["--rules", "qemu", "--explain", "line_over_90"], output));
        var text = Encoding.UTF8.GetString(output.ToArray());
        Assert.Contains("LINE_OVER_90 (error)", text);
        Assert.Contains("Not reported:", text);
    }
}
