using System.Diagnostics;
using Gauntlet.Harness.Suites;

namespace Gauntlet.Fuzz.Tests;

public sealed class BugPatchTests
{
    public static TheoryData<string> Patches => [.. Directory.GetFiles(Path.Combine(SourceTree.Require(), "fuzz/bench/bugs"), "*.patch").Select(path => Path.GetFileName(path))];

    [Theory]
    [MemberData(nameof(Patches))]
    public void APlantedBugStillAppliesAndSaysWhoHasToFindIt(string name)
    {
        var root = SourceTree.Require();
        var path = Path.Combine(root, "fuzz/bench/bugs", name);
        var text = File.ReadAllText(path);
        Assert.Matches(@"\ATarget: \S+\nClass: .+\n", text);
        Assert.Contains(text.Split('\n')[0]["Target: ".Length..], Gauntlet.Fuzz.Targets.TargetCatalogue.All.Select(entry => entry.Name));

        using var git = Process.Start(new ProcessStartInfo("git", ["-C", root, "apply", "--check", path]) { RedirectStandardError = true })!;
        var error = git.StandardError.ReadToEnd();
        git.WaitForExit();

        Assert.True(git.ExitCode == 0, error);
    }
}
