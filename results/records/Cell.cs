namespace Gauntlet.Results.Records;

/// <summary>
/// One point of the matrix. An axis that a matrix leaves out is null and then the VMM's own default holds. Two cells with equal axes are the same cell
/// in every run: that is what comparisons join on.
/// </summary>
/// <param name="Vmm">A driver's name: <c>gvmm</c>, <c>qemu</c>, or one declared in the matrix as a command.</param>
/// <param name="VmmVersion">Which build of it: a version, or a source revision; null: the one installed.</param>
/// <param name="Accel"><c>kvm</c>, <c>tcg</c>, <c>nested</c>, <c>nested-linux</c>.</param>
/// <param name="Arch">As the kernel names it: <c>x86_64</c>, <c>aarch64</c>, <c>riscv64</c>.</param>
/// <param name="Machine">As after <c>-M</c>.</param>
/// <param name="Cpu">As after <c>-cpu</c>.</param>
/// <param name="Guest">Guest kernel or image by name, where suites take one.</param>
/// <param name="GuestVersion">Its version or source revision.</param>
/// <param name="HostKernel">The kernel under the VMM, where it is not this host's own.</param>
public sealed record Cell(
    string Vmm,
    string Accel,
    string Arch,
    string? VmmVersion = null,
    string? Machine = null,
    string? Cpu = null,
    string? Guest = null,
    string? GuestVersion = null,
    string? HostKernel = null)
{
    /// <summary>One short name that is unique in a matrix and stable between runs: <c>gvmm/tcg/x86_64</c>, with further axes as <c>,machine=q35</c>.</summary>
    public override string ToString()
    {
        var name = $"{Vmm}{(VmmVersion is null ? "" : "@" + VmmVersion)}/{Accel}/{Arch}";
        if (Machine is not null) name += $",machine={Machine}";
        if (Cpu is not null) name += $",cpu={Cpu}";
        if (Guest is not null) name += $",guest={Guest}{(GuestVersion is null ? "" : "@" + GuestVersion)}";
        if (HostKernel is not null) name += $",host-kernel={HostKernel}";
        return name;
    }
}
