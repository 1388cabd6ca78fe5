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

    /// <summary>What the schema of SARIF 2.1.0 demands beyond types: each rule once, each index right, each place with a line, whichever rules.</summary>
    [Theory]
    [InlineData("qemu")]
    [InlineData("linux")]
    public void SarifIsValid(string rules)
    {
        using var sarif = JsonDocument.Parse(Check(Patch.Replace("int b;", "if(a){ b=kmalloc (NULL); }", StringComparison.Ordinal), "--format=sarif", "--rules", rules, "--strict", "--series").Report);
        Assert.Equal("https://json.schemastore.org/sarif-2.1.0.json", sarif.RootElement.GetProperty("$schema").GetString());
        var run = sarif.RootElement.GetProperty("runs")[0];
        var ids = run.GetProperty("tool").GetProperty("driver").GetProperty("rules").EnumerateArray().Select(rule => rule.GetProperty("id").GetString()).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.True(run.GetProperty("invocations")[0].GetProperty("executionSuccessful").GetBoolean());
        var results = run.GetProperty("results").EnumerateArray().ToList();
        Assert.True(results.Count > 3);
        foreach (var result in results)
        {
            Assert.Equal(result.GetProperty("ruleId").GetString(), ids[result.GetProperty("ruleIndex").GetInt32()]);
            Assert.Contains(result.GetProperty("level").GetString(), (string[])["error", "warning", "note"]);
            Assert.NotEmpty(result.GetProperty("message").GetProperty("text").GetString()!);
            var place = result.GetProperty("locations")[0].GetProperty("physicalLocation");
            Assert.True(place.GetProperty("region").GetProperty("startLine").GetInt32() > 0);
            Assert.True(!place.GetProperty("region").TryGetProperty("startColumn", out var column) || column.GetInt32() > 0);
            Assert.True(Uri.IsWellFormedUriString(place.GetProperty("artifactLocation").GetProperty("uri").GetString(), UriKind.RelativeOrAbsolute));
        }
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

    [Fact]
    public void AColumnLimitIsTheOneGiven()
    {
        Assert.DoesNotContain("line over", Check(Patch, "--no-signoff").Report);
        Assert.Contains("over 10 characters", Check(Patch.Replace("\tint b;", "int long_name;", StringComparison.Ordinal), "--max-line-length=10").Report);
    }

    [Fact]
    public void QuietSaysNothingOfWhatPasses()
    {
        Assert.Equal("", Check(Patch, "-q", "--ignore=CODE_INDENT,MISSING_SIGN_OFF").Report);
        Assert.DoesNotContain("style problems", Check(Patch, "-q").Report);
    }

    /// <summary>The list in the tree is what the program prints: run <c>gauntlet check --manual &gt; pipelines/RULES.md</c> when this fails.</summary>
    [Fact]
    public void TheManualInTheTreeIsUpToDate()
    {
        using var output = new MemoryStream();
        Assert.Equal(0, CheckProgram.Run(["--manual"], output));
        Assert.Equal(Encoding.UTF8.GetString(output.ToArray()), File.ReadAllText(ManualPath()));
    }

    private static string ManualPath([System.Runtime.CompilerServices.CallerFilePath] string self = "") => Path.Combine(Path.GetDirectoryName(self)!, "..", "..", "RULES.md");

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
