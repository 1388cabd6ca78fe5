using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>What Debian calls an architecture, and which of its kernels suits a virtual machine.</summary>
/// <param name="Name">As the kernel's: <c>x86_64</c>.</param>
/// <param name="Debian">As dpkg's: <c>amd64</c>.</param>
/// <param name="KernelPackage">The package that depends on its newest kernel.</param>
/// <param name="Release">The release that has it when the host's own does not; null: the host's has it.</param>
public sealed record DebianArchitecture(string Name, string Debian, string KernelPackage, string? Release = null)
{
    public static readonly IReadOnlyList<DebianArchitecture> All =
    [
        new("x86_64", "amd64", "linux-image-cloud-amd64"),
        new("aarch64", "arm64", "linux-image-cloud-arm64"),
        // Debian 13 is the first release with this architecture.
        new("riscv64", "riscv64", "linux-image-riscv64", "trixie"),
    ];

    /// <exception cref="UserException">No kernel of it is known.</exception>
    public static DebianArchitecture Of(string name) => All.FirstOrDefault(architecture => architecture.Name == name || architecture.Debian == name)
        ?? throw new UserException($"No Debian kernel is known for '{name}'; there are {string.Join(", ", All.Select(architecture => architecture.Name))}, or give a kernel by its path.");
}
