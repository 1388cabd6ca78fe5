using Gauntlet.Pipelines.GitTool;
using Gauntlet.Results.Comparing;

namespace Gauntlet.Pipelines.Gate;

/// <summary>Fuzz targets that are worth running when one of some files is changed.</summary>
/// <param name="Paths">Patterns of paths in the tree; <c>*</c> stands for any text, slashes too.</param>
/// <param name="Targets">As <c>gauntlet fuzz list</c> names them.</param>
public sealed record FuzzPaths(IReadOnlyList<string> Paths, IReadOnlyList<string> Targets);

/// <summary>What a fuzz step may have to do.</summary>
/// <param name="Program">In shell words: the gate's own, or what the build made.</param>
/// <param name="Arguments">Of <c>gauntlet fuzz run</c>, behind the target: how long.</param>
/// <param name="Entries">In the pipeline's order.</param>
public sealed record FuzzTargets(string Program, string Arguments, IReadOnlyList<FuzzPaths> Entries)
{
    /// <summary>The shell commands: one target after the other, each with a folder of its own.</summary>
    public string Command(IEnumerable<string> names) => string.Join(" &&\n", names.Select(name => $"{Program} fuzz run {name} --output /tmp/fuzz-{name} {Arguments}"));
}

/// <summary>What a fuzz step has to do for one candidate.</summary>
/// <param name="Names">Targets in the pipeline's order, each once; empty: nothing.</param>
/// <param name="Nothing">Why there is nothing to do; null otherwise.</param>
/// <param name="IsStale">The pipeline names no file that exists: nothing would ever be fuzzed.</param>
public readonly record struct FuzzPlan(IReadOnlyList<string> Names, string? Nothing, bool IsStale)
{
    /// <summary>Looks up which targets the difference between what is below a candidate and its tip touches.</summary>
    public static async Task<FuzzPlan> MakeAsync(FuzzTargets fuzz, GateCandidate candidate, Git git, CancellationToken cancellation)
    {
        var changed = await NamesAsync(git, ["diff", "--name-only", "--no-renames", "-z", candidate.Below, candidate.Tip], cancellation);
        var targets = fuzz.Entries.Where(entry => Touches(entry, changed)).SelectMany(entry => entry.Targets).Distinct().ToArray();
        if (targets.Length > 0)
            return new FuzzPlan(targets, null, false);
        var all = await NamesAsync(git, ["ls-tree", "-r", "--name-only", "-z", candidate.Below], cancellation);
        return fuzz.Entries.Any(entry => Touches(entry, all))
            ? new FuzzPlan([], "the series changes no file that a fuzz target covers", false)
            : new FuzzPlan([], $"none of the paths that the step's targets name is in the tree of {candidate.Below[..12]}: {string.Join(", ", fuzz.Entries.SelectMany(entry => entry.Paths).Take(5))}; put {GatePipeline.Path} right", true);
    }

    private static bool Touches(FuzzPaths entry, IEnumerable<string> files) => files.Any(file => entry.Paths.Any(pattern => Wildcard.Matches(pattern, file)));

    private static async Task<string[]> NamesAsync(Git git, string[] arguments, CancellationToken cancellation) =>
        (await git.RunAsync(arguments, default, cancellation)).Text.Split('\0', StringSplitOptions.RemoveEmptyEntries);
}
