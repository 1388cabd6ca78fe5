using System.Text.Json.Serialization;
using Gauntlet.Harness.Measuring;

namespace Gauntlet.Harness.Booting;

/// <summary>How a boot ended.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<BootOutcome>))]
public enum BootOutcome
{
    /// <summary>The marker was seen.</summary>
    [JsonStringEnumMemberName("booted")]
    Booted,

    /// <summary>The guest's kernel died.</summary>
    [JsonStringEnumMemberName("panic")]
    Panic,

    /// <summary>The kernel hangs where microvm under TCG is known to: it could not measure its TSC, and no VMM is at fault.</summary>
    [JsonStringEnumMemberName("tsc-calibration-hang")]
    TscCalibrationHang,

    /// <summary>Its time ran out.</summary>
    [JsonStringEnumMemberName("timeout")]
    Timeout,

    /// <summary>The VMM ended before the marker.</summary>
    [JsonStringEnumMemberName("ended")]
    Ended,
}

/// <summary>Where a boot's time went. All in milliseconds from just before the VMM's process was started; null: did not come.</summary>
/// <param name="FirstByte">Of the console, whoever wrote it: firmware, or the kernel.</param>
/// <param name="Kernel">The kernel's first line, <c>Linux version …</c>.</param>
/// <param name="UserSpace">The kernel starts the first program, or our init says that it runs.</param>
/// <param name="Marker">What was waited for.</param>
/// <param name="PowerOff">The kernel says that it powers off.</param>
/// <param name="End">Of the VMM's process and its output.</param>
public sealed record BootTimeline(double? FirstByte, double? Kernel, double? UserSpace, double? Marker, double? PowerOff, double End);

/// <summary>One boot.</summary>
/// <param name="Reason">One sentence; null when it booted.</param>
/// <param name="CpuAtMarkerMs">CPU time that the VMM had used when the marker came.</param>
/// <param name="CpuMs">In all.</param>
/// <param name="Memory">At the marker; null: it never came.</param>
public sealed record BootRecord(BootOutcome Outcome, string? Reason, BootTimeline Timeline, double? CpuAtMarkerMs, double CpuMs, ProcessMemory? Memory, int? ExitStatus)
{
    /// <summary>For a failure's message.</summary>
    [JsonIgnore]
    public string ConsoleTail { get; init; } = "";
}
