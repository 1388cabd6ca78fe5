using Gauntlet.Pipelines.Checks;
using Gauntlet.Pipelines.Checks.Rules.Series;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>What is wrong with a series beside its code.</summary>
public sealed class SeriesRuleTests
{
    public static TheoryData<string> Rules() => [.. SeriesRules.All.Select(rule => rule.Id)];

    private static (int Exit, string Report) Check(params string[] patches)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-series");
        try
        {
            var paths = patches.Select((patch, i) => Path.Combine(folder.FullName, $"{i:D4}.patch")).ToArray();
            for (var i = 0; i < patches.Length; i++)
                File.WriteAllText(paths[i], patches[i]);
            File.WriteAllText(Path.Combine(folder.FullName, "MAINTAINERS"), "Network\nM: A <a@b.c>\nF: hw/net/\nF: x.c\n");
            using var output = new MemoryStream();
            var exit = CheckProgram.Run(["--root", folder.FullName, "--rules=qemu", "--series", "--terse", "--show-types", .. paths], output);
            return (exit, System.Text.Encoding.UTF8.GetString(output.ToArray()));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void ExamplesHold(string id)
    {
        var explanation = SeriesRules.All.First(rule => rule.Id == id).Explanation;
        Assert.Contains(id, Check(explanation.Bad.Text).Report);
        Assert.DoesNotContain(id, Check(explanation.Good.Text).Report);
    }

    [Fact]
    public void AWholeSeriesIsNotIncomplete()
    {
        var patch = SeriesRules.Incomplete.Explanation.Bad.Text;
        Assert.Equal(0, Check(patch, patch.Replace("1/2", "2/2", StringComparison.Ordinal)).Exit);
        Assert.Contains("missing: 1 of 2", Check(patch.Replace("1/2", "2/2", StringComparison.Ordinal)).Report);
    }

    [Fact]
    public void ACoverLettersChangelogIsForAllPatches()
    {
        var patch = SeriesRules.Changelog.Explanation.Bad.Text.Replace("[PATCH v2]", "[PATCH v2 1/1]", StringComparison.Ordinal);
        Assert.DoesNotContain("SERIES_CHANGELOG", Check("From: A <a@b.c>\nSubject: [PATCH v2 0/1] x\n\nv2: int instead of long\n", patch).Report);
        Assert.Contains("SERIES_CHANGELOG", Check("From: A <a@b.c>\nSubject: [PATCH v2 0/1] x\n\nlog\n", patch).Report);
    }

    [Fact]
    public void AFindingThatALaterPatchTakesAwayIsMarked()
    {
        const string Head = "From: A <a@b.c>\nSubject: [PATCH {0}/2] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n--- a/x.c\n+++ b/x.c\n";
        var first = string.Format(null, Head, 1) + "@@ -1,1 +1,3 @@\n int a;\n+\tint b;\n+\tint c;\n";
        var second = string.Format(null, Head, 2) + "@@ -1,3 +1,3 @@\n int a;\n-\tint b;\n+    int b;\n \tint c;\n";
        var tabs = Check(first, second).Report.Split('\n').Where(line => line.Contains("CODE_INDENT", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, tabs.Count);
        Assert.Contains("a later patch of the series, 0001.patch, takes the line away", tabs[0]);
        Assert.DoesNotContain("later patch", tabs[1]);
    }
}
