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
            using var output = new MemoryStream();
            var exit = CheckProgram.Run(["--no-tree", "--rules=qemu", "--series", "--terse", "--show-types", .. paths], output);
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
}
