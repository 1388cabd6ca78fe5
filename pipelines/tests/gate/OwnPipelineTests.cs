using System.Diagnostics;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Results.Comparing;

namespace Gauntlet.Pipelines.Tests.Gate;

/// <summary>The pipeline that this project's own changes have to pass.</summary>
public sealed class OwnPipelineTests
{
    private static readonly string Root = FindRoot();

    private static readonly GatePipeline Pipeline = GatePipeline.Parse(File.ReadAllText(Path.Combine(Root, GatePipeline.Path)), GatePipeline.Path);

    [Fact]
    public void EveryTargetItNamesCanBeFuzzed() =>
        Assert.All(Entries.SelectMany(entry => entry.Targets), name => Assert.Contains(TargetCatalogue.All, known => known.Name == name));

    [Fact]
    public void EveryPathItNamesIsThere()
    {
        var files = ((string[])["vmm", "guests", "harness", "results", "pipelines"]).SelectMany(room => Directory.EnumerateFiles(Path.Combine(Root, room), "*.cs", SearchOption.AllDirectories))
            .Select(file => Path.GetRelativePath(Root, file)).ToArray();

        Assert.All(Entries.SelectMany(entry => entry.Paths), pattern => Assert.Contains(files, file => Wildcard.Matches(pattern, file)));
    }

    private static IEnumerable<FuzzPaths> Entries => Pipeline.Steps.Single(step => step.Fuzz is not null).Fuzz!.Entries;

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Gauntlet.slnx")))
            folder = Path.GetDirectoryName(folder) ?? throw new UnreachableException("the tests run outside the source tree");
        return folder;
    }
}
