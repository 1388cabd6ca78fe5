using System.Security.Cryptography;
using System.Text;
using Gauntlet.Harness.Suites;
using Gauntlet.Pipelines.GitTool;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Gate;

/// <summary>How a series becomes part of the target.</summary>
public enum MergeMethod
{
    /// <summary>A merge commit above the series, so that the history shows what was merged together.</summary>
    MergeCommit,

    /// <summary>The series' commits on top of the target.</summary>
    FastForward,
}

/// <summary>What a step does.</summary>
public enum GateStepKind
{
    /// <summary><c>gauntlet check</c> on the series' mails.</summary>
    Check,

    /// <summary>A shell command in the tree, isolated.</summary>
    Command,

    /// <summary>A command of this program in the tree, after the build, isolated: its exit code tells an error of the environment apart.</summary>
    Gauntlet,
}

/// <summary>One step of a pipeline.</summary>
/// <param name="Name">Unique within the pipeline.</param>
/// <param name="Kind">What it does.</param>
/// <param name="Text">Arguments of the check, or the shell command; of <c>run</c> and <c>fuzz</c> with the build before them.</param>
/// <param name="EachPatch">On the tree after every patch, so that history can be bisected; else on the tip alone.</param>
/// <param name="Timeout">Wall time of one execution.</param>
/// <param name="AllowFailure">A failure is reported and holds nothing up.</param>
/// <param name="Retries">How often an error of the infrastructure is tried again. A failure never is.</param>
public sealed record GateStep(string Name, GateStepKind Kind, string Text, bool EachPatch, TimeSpan Timeout, bool AllowFailure, int Retries)
{
    /// <summary>Changes when the step does, so that an old verdict is not used for a new step.</summary>
    public string Hash => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Kind}\n{Text}\n{EachPatch}\n{Timeout}\n{Fuzz?.Program} {Fuzz?.Arguments}\n{Image}")))[..32];

    /// <summary>Of a <c>fuzz</c> step with <c>targets</c>: which, by what a series changes; <see cref="Text"/> is then what comes before them. Null for any other step.</summary>
    public FuzzTargets? Fuzz { get; init; }

    /// <summary>Container image that its commands run in; null: in namespaces on the host's own programs.</summary>
    public string? Image { get; init; }
}

/// <summary>
/// What a change has to pass: read from the commit that it would go on, never from the change. <c>pipelines/gate.yaml</c> in the target's tree.
/// </summary>
/// <param name="Merge">How.</param>
/// <param name="Window">Series that are tested at once, each on top of those before it; 1 to 16.</param>
/// <param name="Steps">In order.</param>
public sealed record GatePipeline(MergeMethod Merge, int Window, IReadOnlyList<GateStep> Steps)
{
    /// <summary>Where it is in the target's tree.</summary>
    public const string Path = "pipelines/gate.yaml";

    /// <summary>Changes when anything that decides changes.</summary>
    public string Hash => string.Join(',', Steps.Select(step => $"{step.Name}:{step.Hash}:{step.AllowFailure}")) + Merge;

    private const int MaxWindow = 16, MaxRetries = 5;

    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromHours(1);

    /// <summary>Reads it from a commit.</summary>
    /// <exception cref="UserException">It is not there, or not a pipeline.</exception>
    public static async Task<GatePipeline> ReadAsync(Git git, string commit, CancellationToken cancellation)
    {
        var file = await git.TryRunAsync(["cat-file", "blob", $"{commit}:{Path}"], default, cancellation);
        return file.ExitStatus == 0
            ? Parse(file.Text, $"{commit[..12]}:{Path}")
            : throw new UserException($"reading the gate's pipeline: {Path} is not in the tree of {commit[..12]}; add it to the target branch");
    }

    /// <exception cref="UserException">File, line, and what was expected.</exception>
    public static GatePipeline Parse(string text, string name)
    {
        var root = YamlFile.Parse(text, name);
        root.RefuseOthersThan("schema", "merge", "window", "image", "steps");
        if (root.Integer("schema", 1, int.MaxValue) is not 1)
            throw root.Error("'schema' must be 1", "schema");
        var steps = new List<GateStep>();
        string? build = null;
        var image = root.Text("image");
        if (image is { Length: 0 } or ['-', ..] || image?.Any(char.IsWhiteSpace) == true)
            throw root.Error("'image' must be the name of a container image, or host", "image");
        foreach (var map in root.Maps("steps"))
        {
            steps.Add(ReadStep(map, build) with { Image = image });
            build = map.Text("build") ?? build;
        }

        if (steps.Count == 0)
            throw root.Error("'steps' must name at least one step: a gate without one would merge untested", "steps");
        if (steps.GroupBy(step => step.Name).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw root.Error($"two steps are named '{twice.Key}'", "steps");
        var merge = root.Text("merge") switch
        {
            null or "merge-commit" => MergeMethod.MergeCommit,
            "fast-forward" => MergeMethod.FastForward,
            var other => throw root.Error($"'merge' must be merge-commit or fast-forward, not '{other}'", "merge"),
        };
        return new GatePipeline(merge, root.Integer("window", 1, MaxWindow) ?? 3, steps);
    }

    // Each step starts from the files of a commit and nothing else, so what a step runs it builds first.
    private static GateStep ReadStep(YamlMap step, string? build)
    {
        step.RefuseOthersThan("name", "check", "build", "run", "fuzz", "command", "program", "targets", "each-patch", "timeout", "allow-failure", "retries");
        var kinds = ((string[])["check", "build", "run", "fuzz", "command"]).Where(step.Has).ToArray();
        if (kinds is not [var kind])
            throw step.Error($"a step has exactly one of check, build, run, fuzz, command; this one has {(kinds.Length == 0 ? "none" : string.Join(" and ", kinds))}");
        var text = step.Text(kind) ?? "";
        var timeout = DefaultTimeout;
        if (step.Text("timeout") is { } limit && (!DurationText.TryParse(limit, out timeout) || timeout <= TimeSpan.Zero))
            throw step.Error($"'timeout' must be a time such as 90s, 10m or 2h, not '{limit}'", "timeout");
        if (text.Length == 0 && kind is "build" or "command")
            throw step.Error($"'{kind}' must be a shell command", kind);
        if (step.Has("program") && kind is not ("run" or "fuzz"))
            throw step.Error($"'program' is for run and fuzz, which gauntlet does; '{kind}' has none", "program");
        if (step.Has("targets") && kind != "fuzz")
            throw step.Error($"'targets' is for fuzz; '{kind}' has none", "targets");
        // The gate's own program is at hand in the isolated tree, under this name. Only its word that the environment is at fault is believed.
        var program = step.Text("program") ?? "\"$GAUNTLET\"";
        var prelude = build is null ? "" : $"( {build}\n) || exit 1\n";
        var fuzz = step.Has("targets") ? new FuzzTargets(program, text, [.. step.Maps("targets").Select(ReadTargets)]) : null;
        if (fuzz is { Entries.Count: 0 })
            throw step.Error("'targets' must name at least one; without the key `gauntlet fuzz` runs as it stands here", "targets");
        return new GateStep(
            step.Text("name") ?? kind,
            kind switch { "check" => GateStepKind.Check, "run" or "fuzz" when !step.Has("program") => GateStepKind.Gauntlet, _ => GateStepKind.Command },
            kind is not ("run" or "fuzz") ? text : fuzz is null ? $"{prelude}{program} {kind} {text}" : prelude,
            step.Flag("each-patch") ?? false,
            timeout,
            step.Flag("allow-failure") ?? false,
            step.Integer("retries", 0, MaxRetries) ?? 1)
        {
            Fuzz = fuzz,
        };
    }

    private static FuzzPaths ReadTargets(YamlMap entry)
    {
        entry.RefuseOthersThan("paths", "names");
        var (paths, names) = (entry.Texts("paths"), entry.Texts("names"));
        if (paths.Count == 0 || names.Count == 0)
            throw entry.Error("an entry of 'targets' needs 'paths', patterns of files, and 'names', what `gauntlet fuzz list` shows");
        if (names.FirstOrDefault(name => name.Length == 0 || name[0] == '-' || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')) is { } odd)
            throw entry.Error($"'{odd}' is no name of a fuzz target", "names");
        return new FuzzPaths(paths, names);
    }
}
