using System.Text.Json.Serialization;
using Gauntlet.Harness.Drivers;
using Gauntlet.Results.Records;

namespace Gauntlet.Cli.Doctoring;

/// <summary>How well a thing is there.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<FindingState>))]
public enum FindingState
{
    [JsonStringEnumMemberName("good")]
    Good,

    /// <summary>It works, with a limit that its user should know.</summary>
    [JsonStringEnumMemberName("limited")]
    Limited,

    [JsonStringEnumMemberName("missing")]
    Missing,
}

/// <summary>One thing that the doctor looked at.</summary>
/// <param name="Subject">What it is.</param>
/// <param name="State">How it is.</param>
/// <param name="Found">What was found, or why it cannot be used.</param>
/// <param name="Essential">Without it the main job does not run.</param>
/// <param name="Add">One command that would add it; null: none would, or it is there.</param>
/// <param name="Gain">What that would add.</param>
public sealed record Finding(string Subject, FindingState State, string Found, bool Essential = false, string? Add = null, string? Gain = null);

/// <summary>Looks at this host by trying: VMMs are asked, KVM makes a machine.</summary>
public static class HostExamination
{
    private static readonly (string Arch, string Package)[] QemuPackages = [("x86_64", "qemu-system-x86"), ("aarch64", "qemu-system-arm"), ("riscv64", "qemu-system-misc")];

    private static readonly (string Program, string Package, string For)[] Programs =
    [
        ("git", "git", "patch series and the gate"),
        ("clang", "clang", "changing guest images (gauntlet guests build)"),
        ("ld.lld", "lld", "changing guest images (gauntlet guests build)"),
        ("unshare", "util-linux", "isolated gate steps"),
        ("afl-fuzz", "afl++", "driving fuzz targets by AFL++"),
    ];

    public static async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellation)
    {
        var drivers = DriverRegistry.For([]);
        var kvm = KvmHost.Probe();
        var findings = new List<Finding>
        {
            await AskAsync(drivers, "gvmm", "x86_64", essential: true, null, null, cancellation),
            new("tcg", FindingState.Good, "gvmm's own translator needs nothing of the host"),
            Kvm(kvm),
        };
        foreach (var (arch, package) in QemuPackages)
            findings.Add(await AskAsync(drivers, "qemu", arch, essential: false, $"apt-get install --no-install-recommends {package}", $"cells of QEMU for {arch}", cancellation));
        findings.Add(await NestedAsync(drivers, kvm, cancellation));
        foreach (var (program, package, purpose) in Programs)
        {
            findings.Add(ProgramFinder.InPath(program) is { } path
                ? new Finding(program, FindingState.Good, path)
                : new Finding(program, FindingState.Missing, "not in PATH", Add: $"apt-get install --no-install-recommends {package}", Gain: purpose));
        }

        return findings;
    }

    private static async Task<Finding> AskAsync(DriverRegistry drivers, string vmm, string arch, bool essential, string? add, string? gain, CancellationToken cancellation)
    {
        var probe = await drivers.Find(vmm)!.ProbeAsync(arch, cancellation);
        var subject = $"{vmm} {arch}";
        return probe.Problem is null
            ? new Finding(subject, FindingState.Good, $"{probe.Version} ({string.Join(", ", probe.Accelerators)}), {probe.Program}")
            : new Finding(subject, FindingState.Missing, probe.Problem, essential, add, gain);
    }

    private static Finding Kvm(KvmHost kvm) => kvm.Kind switch
    {
        KvmKind.Hardware => new Finding("kvm", FindingState.Good, "on the CPU's virtualization extension"),
        KvmKind.Software => new Finding("kvm", FindingState.Limited, "runs in software: small guests are right but slow, some instructions are missing, stock kernels do not boot"),
        _ => new Finding("kvm", FindingState.Missing, kvm.Problem ?? "cannot be used", Gain: "cells on KVM", Add: File.Exists("/dev/kvm") ? $"usermod -aG kvm {Environment.UserName}" : null),
    };

    private static async Task<Finding> NestedAsync(DriverRegistry drivers, KvmHost kvm, CancellationToken cancellation)
    {
        if (kvm.Kind == KvmKind.None)
            return new Finding("nested kvm", FindingState.Missing, "there is no KVM to nest in");
        var reason = await drivers.Find("qemu")!.WhyNotAsync(new Cell("qemu", "nested", "x86_64"), cancellation);
        return reason is null ? new Finding("nested kvm", FindingState.Good, "offered by the host's KVM") : new Finding("nested kvm", FindingState.Missing, reason);
    }
}
