using System.Text.Json.Serialization;

namespace Gauntlet.Results.Records;

/// <summary>How a guest says what came of it.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<GuestConvention>))]
public enum GuestConvention
{
    /// <summary>kvm-unit-tests': result lines on the console, process status <c>(code &lt;&lt; 1) | 1</c> through isa-debug-exit, or an <c>EXIT: STATUS=n</c> line.</summary>
    [JsonStringEnumMemberName("kvm-unit-tests")]
    KvmUnitTests,

    /// <summary>TAP 14 on the console.</summary>
    [JsonStringEnumMemberName("tap")]
    Tap,

    /// <summary>Pass when <see cref="Job.Expect"/> is seen on the console, fail at a kernel panic, at the end without it, or when <see cref="Job.Reject"/> is seen.</summary>
    [JsonStringEnumMemberName("marker")]
    Marker,

    /// <summary>The process status alone: 0 passes, 77 skips.</summary>
    [JsonStringEnumMemberName("exit-status")]
    ExitStatus,

    /// <summary>There is no guest: <see cref="Job.Image"/> is a script of qtest, which the VMM answers and must outlive.</summary>
    [JsonStringEnumMemberName("qtest")]
    Qtest,
}

/// <summary>
/// A case in a cell: everything needed to run it, and nothing that only lives in this process, so that it can be sent to another machine.
/// Paths are absolute.
/// </summary>
public sealed record Job
{
    /// <summary>Format of this record; readers refuse a newer one.</summary>
    public int Schema { get; init; } = 1;

    /// <summary>Suite's name: <c>smoke</c>, <c>kvm-unit-tests/x86</c>.</summary>
    public required string Suite { get; init; }

    /// <summary>Case's name, unique within the suite.</summary>
    public required string Case { get; init; }

    public required Cell Cell { get; init; }

    /// <summary>Kernel image; with <see cref="GuestConvention.Qtest"/> the script.</summary>
    public required string Image { get; init; }

    /// <summary>Initial RAM disk; null: none.</summary>
    public string? Initrd { get; init; }

    /// <summary>
    /// Content of kvm-unit-tests' environment file, <c>NAME=value</c> lines. Written to a file when the attempt starts, which then is the <see cref="Initrd"/>; null: none.
    /// </summary>
    public string? EnvironmentFile { get; init; }

    /// <summary>Guest command line, as after <c>-append</c>; null: none. <c>$(date +%s)</c> in it becomes the time when the attempt starts.</summary>
    public string? Append { get; init; }

    /// <summary>Further arguments for the VMM, already split into words.</summary>
    public IReadOnlyList<string> VmmArguments { get; init; } = [];

    /// <summary>vCPUs, 1 to 4096.</summary>
    public int Smp { get; init; } = 1;

    /// <summary>Guest RAM in MiB; null: the VMM's default.</summary>
    public int? MemoryMiB { get; init; }

    /// <summary>Limit in seconds; 0: none. CPU seconds where the accelerator allows, see <see cref="Attempt.TimeLimitKind"/>.</summary>
    public double TimeoutSeconds { get; init; } = 90;

    public GuestConvention Convention { get; init; } = GuestConvention.KvmUnitTests;

    /// <summary>Regular expression on a console line, for <see cref="GuestConvention.Marker"/>.</summary>
    public string? Expect { get; init; }

    /// <summary>Regular expression on a console line that means failure.</summary>
    public string? Reject { get; init; }

    public IReadOnlyList<string> Groups { get; init; } = [];

    /// <summary>Environment variables for the VMM process, besides the harness's own.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>1 for the first time; more with <c>--repeat</c>.</summary>
    public int Repetition { get; init; } = 1;

    /// <summary>Why it must not run here: then its record is a skip with this reason, and no attempt is made.</summary>
    public string? SkipReason { get; init; }

    /// <summary>What comparisons join on: suite, case and cell, without the repetition.</summary>
    [JsonIgnore]
    public string Key => $"{Suite}/{Case} @ {Cell}";
}
