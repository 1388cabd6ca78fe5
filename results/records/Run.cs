using System.Text.Json.Serialization;

namespace Gauntlet.Results.Records;

[JsonConverter(typeof(JsonStringEnumConverter<RunState>))]
public enum RunState
{
    /// <summary>Being written by a live process.</summary>
    [JsonStringEnumMemberName("running")]
    Running,

    /// <summary>Every job has a result.</summary>
    [JsonStringEnumMemberName("finished")]
    Finished,

    /// <summary>Cancelled by its user, with what was done until then.</summary>
    [JsonStringEnumMemberName("cancelled")]
    Cancelled,

    /// <summary>Its process is gone and it never finished. It can be read, and continued.</summary>
    [JsonStringEnumMemberName("interrupted")]
    Interrupted,
}

/// <summary>One invocation of <c>gauntlet run</c>.</summary>
public sealed record Run
{
    public int Schema { get; init; } = 1;

    /// <summary>Sortable and unique: <c>20261120-231501-4f2a</c>.</summary>
    public required string Id { get; init; }

    public required DateTime StartedUtc { get; init; }

    public DateTime? FinishedUtc { get; init; }

    public required RunState State { get; init; }

    /// <summary>As typed, for people: <c>gauntlet run --matrix full</c>.</summary>
    public required string CommandLine { get; init; }

    /// <summary>Branch or other name to compare along; null: none.</summary>
    public string? Branch { get; init; }

    /// <summary>Revision of the tree under test, where known.</summary>
    public string? Revision { get; init; }

    /// <summary>Host facts that explain differences: host name, kernel, CPU, number of CPUs, memory, kind of KVM, VMM versions.</summary>
    public IReadOnlyDictionary<string, string> Host { get; init; } = new Dictionary<string, string>();

    /// <summary>Jobs it set out to do, skipped ones included; also what a continued run goes by.</summary>
    public int JobCount { get; init; }
}
