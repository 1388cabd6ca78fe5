using Gauntlet.Fuzz.Qemu;
using Gauntlet.Harness.Drivers;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz run qemu:DEVICE</c>, or <c>qemu</c> for the default list of devices.</summary>
internal static class QemuRun
{
    private const string Everything = "qemu", Prefix = "qemu:";

    private static readonly TimeSpan DefaultTime = TimeSpan.FromMinutes(30);

    public static bool IsFor(string target) => target == Everything || target.StartsWith(Prefix, StringComparison.Ordinal);

    /// <returns>Failure when a bucket is in the directory that is no artefact.</returns>
    public static int Run(Output output, string target, string program, string? machine, string? folder, TimeSpan? time, int jobs, ulong seed, CancellationToken cancellation)
    {
        if (ProgramFinder.InPath(program) is not { } path)
            throw new UserException($"{target}: {program} is no program in PATH: install it (Debian's package qemu-system-x86), or name one with --qemu", ExitCode.Environment);
        IReadOnlyList<(string, string)> targets = target == Everything
            ? [.. QemuDeviceList.Default.Select(entry => (entry.Device, machine ?? entry.Machine))]
            : [(target[Prefix.Length..], machine ?? "q35")];
        // Told before the first turn, where it would only be skipped.
        if (targets is [var (device, on)])
            _ = QemuDevice.Probe(path, on, device);
        var request = new QemuCampaignRequest(path, targets, folder ?? Path.Combine("fuzz-out", target.Replace(':', '-')), time ?? DefaultTime, targets.Count == 1 ? 1 : jobs, seed);
        var campaign = new QemuCampaign(request, output.Out.WriteLine);
        campaign.Run(cancellation);
        var (programs, seconds) = campaign.Totals;
        var real = campaign.Buckets.All.Where(bucket => !bucket.IsArtefact).ToList();
        output.Out.WriteLine($"{programs} programs, {programs / Math.Max(seconds, 0.1):0}/s a process; {real.Count} distinct failures, {campaign.Buckets.All.Count - real.Count} artefacts; in {request.Output}");
        foreach (var bucket in campaign.Buckets.All)
            output.Out.WriteLine($"{bucket.Seconds,6} s  {bucket.Device,-16} {bucket.Signature}{(bucket.IsArtefact ? " (artefact)" : "")}  buckets/{bucket.Number:d3}.sh");
        return real.Count == 0 ? ExitCode.Success : ExitCode.Failure;
    }
}
