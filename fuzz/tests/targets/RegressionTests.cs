using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Harness.Suites;

namespace Gauntlet.Fuzz.Tests.Targets;

/// <summary>Inputs that once found something: <c>fuzz/regressions</c>, a folder a target.</summary>
public sealed class RegressionTests
{
    private static string Folder => Path.Combine(SourceTree.Require(), "fuzz", "regressions");

    public static TheoryData<string, string> Kept()
    {
        var kept = new TheoryData<string, string>();
        foreach (var file in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            kept.Add(Path.GetFileName(Path.GetDirectoryName(file))!, Path.GetFileName(file));
        return kept;
    }

    [Theory]
    [MemberData(nameof(Kept))]
    public void What_once_failed_passes(string target, string file)
    {
        using var made = TargetCatalogue.Create(target);
        Assert.Null(Replay.Run(made, Replay.Load(Path.Combine(Folder, target, file), made.Grammar)));
    }
}
