using Gauntlet.Fuzz.Qemu;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz run qemu:DEVICE</c>, or <c>qemu</c> for the default list of devices.</summary>
internal static class QemuRun
{
    private const string Everything = "qemu", Prefix = "qemu:";

    private static readonly TimeSpan DefaultTime = TimeSpan.FromMinutes(30);

    public static bool IsFor(string target) => target == Everything || target.StartsWith(Prefix, StringComparison.Ordinal);

    /// <returns>Failure when a bucket is in the directory that a guest can bring about, every time.</returns>
    public static int Run(Output output, string target, QemuBinary binary, string? machine, string? folder, TimeSpan? time, int jobs, ulong seed, CancellationToken cancellation)
    {
        IReadOnlyList<(string, string)> targets = target == Everything
            ? [.. QemuDeviceList.Default.Select(entry => (entry.Device, machine ?? entry.Machine))]
            : [(target[Prefix.Length..], machine ?? "q35")];
        // Told before the first turn, where it would only be skipped.
        if (targets is [var (device, on)])
            _ = QemuDevice.Probe(binary.Program, on, device);
        if (binary.IsInstrumented)
            output.Out.WriteLine($"{binary.Program} counts into a map of {binary.MapBytes} bytes; {binary.Plain} confirms");
        var request = new QemuCampaignRequest(binary, targets, folder ?? Path.Combine("fuzz-out", target.Replace(':', '-')), time ?? DefaultTime, targets.Count == 1 ? 1 : jobs, seed);
        var campaign = new QemuCampaign(request, output.Out.WriteLine);
        campaign.Run(cancellation);
        var (programs, seconds) = campaign.Totals;
        if (programs == 0 && campaign.IsOutOfTargets)
            throw new UserException($"none of the {targets.Count} devices can be fuzzed with {binary.Program}; why is above", ExitCode.Environment);
        var all = campaign.Buckets.All;
        int Of(QemuStanding standing) => all.Count(bucket => bucket.Standing == standing);
        var sanitized = binary.IsInstrumented ? $" {Of(QemuStanding.OnlySanitizer)} only with the sanitizer," : "";
        output.Out.WriteLine($"{programs} programs, {programs / Math.Max(seconds, 0.1):0}/s a process; {Of(QemuStanding.Confirmed)} distinct failures,{sanitized} {Of(QemuStanding.Artefact)} artefacts, {Of(QemuStanding.Flaky)} flaky; in {request.Output}");
        foreach (var bucket in all)
            output.Out.WriteLine($"{bucket.Seconds,6} s  {bucket.Device,-16} {bucket.Signature}{bucket.Remark}  buckets/{bucket.Number:d3}.sh");
        return all.Any(bucket => bucket.IsFailure) ? ExitCode.Failure : ExitCode.Success;
    }
}
