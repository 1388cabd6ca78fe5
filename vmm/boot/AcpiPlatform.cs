namespace Gauntlet.Vmm.Boot;

/// <summary>What a machine's ACPI tables tell of it.</summary>
public sealed record AcpiPlatform
{
    /// <summary>1 to 255.</summary>
    public int CpuCount { get; init; } = 1;

    /// <summary>Where the memory window behind the PCI root starts; it ends below the IOAPIC.</summary>
    public required uint PciWindow { get; init; }

    /// <summary>The interrupt of a slot's pin (1 for INTA#) with the interrupt controllers as at a PC's start.</summary>
    public required Func<int, int, int> InterruptOf { get; init; }

    /// <summary>The IOAPIC's input of a slot's pin, where it is another one; null where not.</summary>
    public Func<int, int, int>? ApicInputOf { get; init; }

    /// <summary>Where 256 MiB of configuration space are; null where they are not in memory.</summary>
    public ulong? EcamAddress { get; init; }

    /// <summary>The nodes that RAM and CPUs are in; empty: nothing is told of them.</summary>
    public IReadOnlyList<NumaNode> Nodes { get; init; } = [];

    /// <summary>RAM below 4 GiB, of which <see cref="Nodes"/> have theirs.</summary>
    public ulong LowRamBytes { get; init; }

    /// <summary>Whether there is a high precision event timer.</summary>
    public bool HasHpet { get; init; }
}
