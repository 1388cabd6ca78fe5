using System.Text.Json.Serialization;

namespace Gauntlet.Pipelines.Gate;

/// <summary>Where an entry of the queue is. In JSON and SQL: the names in lower case.</summary>
public static class GateState
{
    public const string Queued = "queued";

    /// <summary>The intent to move the target is written down; whether it was moved, the target itself tells.</summary>
    public const string Merging = "merging";
    public const string Merged = "merged";

    /// <summary>Passed a try run: all steps, no merge.</summary>
    public const string Tried = "tried";
    public const string Failed = "failed";

    /// <summary>The infrastructure failed, retries and all: nobody's fault, waits for <c>gate rerun</c>.</summary>
    public const string Stuck = "stuck";
    public const string Removed = "removed";
}

/// <summary>One series in the queue of one target.</summary>
public sealed class GateEntry
{
    /// <summary>Counts up; never used twice.</summary>
    public long Id { get; set; }

    /// <summary>Repository's folder, absolute, and the full name of the branch.</summary>
    public string Repository { get; set; } = "";

    public string Target { get; set; } = "";

    public string SeriesId { get; set; } = "";

    public long Version { get; set; }

    public string Title { get; set; } = "";

    /// <summary>Higher goes first; 0 is usual.</summary>
    public long Priority { get; set; }

    /// <summary>All steps, no merge.</summary>
    public bool TryOnly { get; set; }

    /// <summary>Also the committer date of its commits, so that building them again gives the same commits.</summary>
    public string EnqueuedUtc { get; set; } = "";

    public string State { get; set; } = GateState.Queued;

    /// <summary>Why it is where it is, for a person.</summary>
    public string? Reason { get; set; }

    /// <summary>While merging, and once merged: what the target was moved from and to.</summary>
    public string? OldTip { get; set; }

    public string? NewTip { get; set; }

    public override string ToString() => $"{Title} v{Version}";
}

/// <summary>A patch with everything that leads from the mail to what was merged.</summary>
public sealed record GatedPatch(int Number, string Title, string MessageId, string MailSha256, string? PatchId, string Commit, string Tree);

/// <summary>An entry, applied on what will be merged before it.</summary>
/// <param name="Entry">Whose it is.</param>
/// <param name="Below">The commit it was applied on.</param>
/// <param name="Tip">What the target would be moved to.</param>
/// <param name="Tree">Tree of the tip.</param>
/// <param name="Patches">In order.</param>
public sealed record GateCandidate(GateEntry Entry, string Below, string Tip, string Tree, IReadOnlyList<GatedPatch> Patches);

/// <summary>What a step came to.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<StepVerdict>))]
public enum StepVerdict
{
    [JsonStringEnumMemberName("pass")]
    Pass,

    [JsonStringEnumMemberName("fail")]
    Fail,

    /// <summary>There was nothing for it to do, for the reason given; holds nothing up.</summary>
    [JsonStringEnumMemberName("skip")]
    Skip,

    /// <summary>Could not be judged; never counts against the series.</summary>
    [JsonStringEnumMemberName("infra-error")]
    InfraError,
}

/// <param name="Step">Its name.</param>
/// <param name="Verdict">What it came to.</param>
/// <param name="Reason">One sentence; null for a pass.</param>
/// <param name="Log">End of what it printed.</param>
/// <param name="Patch">The patch whose tree it was, with each-patch; null: the tip.</param>
/// <param name="Reused">The same step on the same tree was run before.</param>
/// <param name="Command">The shell command that it ran in the tree; null when it ran none.</param>
public sealed record StepResult(string Step, StepVerdict Verdict, string? Reason, string? Log, int? Patch = null, bool Reused = false, string? Command = null);

/// <summary>All that is kept of an entry that was settled.</summary>
public sealed record GateRecord
{
    public int Schema { get; init; } = 1;

    public string? Below { get; init; }

    public string? Tip { get; init; }

    public string? Tree { get; init; }

    public IReadOnlyList<GatedPatch> Patches { get; init; } = [];

    public IReadOnlyList<StepResult> Steps { get; init; } = [];

    /// <summary>Hashes of the trees and mails that its steps were run on: what verdicts are reused by.</summary>
    public IReadOnlyList<string> Subjects { get; init; } = [];
}

/// <summary>All about one entry.</summary>
/// <param name="Entry">Where it is.</param>
/// <param name="Record">What was found; null: nothing yet.</param>
public sealed record GateExplanation(GateEntry Entry, GateRecord? Record);

/// <summary>JSON of the gate's records.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GateRecord))]
[JsonSerializable(typeof(StepResult))]
[JsonSerializable(typeof(IReadOnlyList<GateEntry>))]
[JsonSerializable(typeof(GateExplanation))]
public sealed partial class GateJson : JsonSerializerContext;
