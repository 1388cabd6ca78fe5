namespace Gauntlet.Vmm.Bus;

/// <summary>How a guest reaches a region.</summary>
public enum AddressSpace
{
    /// <summary>x86 IN and OUT, 64 KiB.</summary>
    Port,

    /// <summary>Physical memory.</summary>
    Mmio,
}

/// <summary>What a guest may do with a register.</summary>
[Flags]
public enum RegisterAccess
{
    None = 0,
    Read = 1,
    Write = 2,
    ReadWrite = Read | Write,

    /// <summary>Reading changes state (a FIFO, a latch, a clear-on-read status).</summary>
    ReadSideEffect = 4,

    /// <summary>Writing 1 to a bit clears it.</summary>
    WriteOneToClear = 8,
}

/// <summary>
/// One register as its data sheet describes it. A class: the framework's collections are compiled ahead for those only, and a machine's start is counted in
/// milliseconds.
/// </summary>
/// <param name="Name">The specification's abbreviation: <c>RBR</c>, <c>OCW2</c>, <c>queue_notify</c>.</param>
/// <param name="Offset">In bytes from the start of the region. Several registers may share an offset (read and write sides, banks).</param>
/// <param name="Width">In bytes: 1, 2, 4 or 8.</param>
/// <param name="Access">What a guest may do.</param>
/// <param name="Reset">What it reads after reset, where the specification fixes it.</param>
/// <param name="Note">One line for people, where the name does not say it.</param>
public sealed record Register(
    string Name, uint Offset, byte Width, RegisterAccess Access = RegisterAccess.ReadWrite, ulong? Reset = null, string? Note = null);

/// <summary>The registers of one region of a device, declared as data.</summary>
/// <param name="Name">Of the region, unique within the device: <c>uart</c>, <c>master</c>, <c>elcr</c>.</param>
/// <param name="Space">Ports or memory.</param>
/// <param name="Length">In bytes; accesses beyond it never reach the device.</param>
/// <param name="Registers">In ascending order of offset.</param>
public sealed record RegisterMap(string Name, AddressSpace Space, ulong Length, IReadOnlyList<Register> Registers);
