namespace Gauntlet.Results.Records;

/// <summary>A cell's axes by name, as matrices and lists of known failures write them.</summary>
public static class CellAxes
{
    public static readonly IReadOnlyList<string> Names = ["vmm", "vmm-version", "accel", "arch", "machine", "cpu", "guest", "guest-version", "host-kernel"];

    /// <summary>Null: the cell leaves it open.</summary>
    /// <param name="axis">One of <see cref="Names"/>.</param>
    public static string? Value(this Cell cell, string axis) => axis switch
    {
        "vmm" => cell.Vmm,
        "vmm-version" => cell.VmmVersion,
        "accel" => cell.Accel,
        "arch" => cell.Arch,
        "machine" => cell.Machine,
        "cpu" => cell.Cpu,
        "guest" => cell.Guest,
        "guest-version" => cell.GuestVersion,
        "host-kernel" => cell.HostKernel,
        _ => throw new ArgumentOutOfRangeException(nameof(axis), axis, null),
    };
}
