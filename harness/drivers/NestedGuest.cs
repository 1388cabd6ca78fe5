using System.Globalization;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Drivers;

/// <summary>
/// The accelerator <c>nested</c>: the VMM starts our L1 hypervisor (<c>guests/hypervisors</c>) on a CPU with the virtualization extension, and the L1 runs the case's image as
/// L2. The image lies in memory as a file, at an address that the L1 knows; all else the guest finds as it would alone.
/// </summary>
public static class NestedGuest
{
    public const string Accel = "nested";

    /// <summary>Why a case with more vCPUs is skipped.</summary>
    public const string OneCpuOnly = "the L1 has one vCPU";

    /// <summary>Where the L1 looks for its payload; as in <c>guests/hypervisors/ARCH/payload.h</c>.</summary>
    private static readonly Dictionary<string, ulong> PayloadAddress = new() { ["x86_64"] = 0x700_0000, ["aarch64"] = 0x4400_0000, ["riscv64"] = 0x8400_0000 };

    /// <summary>The L1's image, absolute; it may not exist.</summary>
    /// <exception cref="Gauntlet.Terminal.UserException">There is no checkout to look in.</exception>
    public static string Image(string arch) => Path.Combine(SourceTree.Require(), "guests", "prebuilt", arch, "l1.elf");

    /// <summary>Null when a cell can be run nested on a VMM that answered so; else why not.</summary>
    public static string? WhyNot(Cell cell, VmmProbe probe, string outer)
    {
        if (!PayloadAddress.ContainsKey(cell.Arch))
            return $"there is no L1 hypervisor for {cell.Arch}";
        if (cell.Vmm != "qemu")
            return $"{cell.Vmm} emulates no virtualization extension (SVM) that an L1 hypervisor could use";
        if (!probe.Accelerators.Contains(outer))
            return $"{probe.Program} was built without {outer}, which the L1 hypervisor would run on";
        return SourceTree.Find() is null ? $"the L1 hypervisor's image is in the checkout, which was not found; set {SourceTree.Variable}"
            : File.Exists(Image(cell.Arch)) ? null : $"the L1 hypervisor {Image(cell.Arch)} is not there; build it: gauntlet guests build";
    }

    /// <summary>What the L1 runs on: KVM where it offers SVM to guests, else TCG, which emulates the extensions of all three architectures.</summary>
    /// <param name="nesting">Content of <c>nested</c> of kvm_amd's parameters; null: there is no such module.</param>
    public static string OuterAccel(Cell cell, KvmHost kvm, string? nesting) =>
        cell.Arch == "x86_64" && kvm.Kind == KvmKind.Hardware && nesting?.Trim() is "1" or "Y" ? "kvm" : "tcg";

    /// <summary>For <see cref="OuterAccel"/>: read now.</summary>
    /// <param name="module">AMD's by default: Intel's offers no SVM, which is what the L1 is written for.</param>
    public static string? KvmNestingParameter(string module = "kvm_amd")
    {
        try
        {
            return File.ReadAllText($"/sys/module/{module}/parameters/nested");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The CPU model with the extension. Without a model of the cell's it is TCG's default, so that L2 is the CPU that the suites see alone.</summary>
    public static string Cpu(Cell cell, string outer) => cell.Arch switch
    {
        "x86_64" => $"{cell.Cpu ?? (outer == "kvm" ? "host" : "qemu64")},+svm,+npt",
        "riscv64" => $"{cell.Cpu ?? "rv64"},h=true",
        _ => cell.Cpu ?? "max",
    };

    /// <summary>Puts the payload where the L1 looks for it, as the file that it is.</summary>
    public static IReadOnlyList<string> PayloadArguments(string arch, string image) =>
        ["-device", string.Create(CultureInfo.InvariantCulture, $"loader,file={image.Replace(",", ",,", StringComparison.Ordinal)},addr=0x{PayloadAddress[arch]:x},force-raw=on")];
}
