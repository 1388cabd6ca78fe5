using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>What a range of the physical address space is, by the numbers of INT 15h E820 (ACPI 6.4, table 15.1).</summary>
public enum MemoryKind : uint
{
    Ram = 1,
    Reserved = 2,
}

/// <summary>One entry of the map that a guest is told. A class, as collections of those are compiled ahead.</summary>
public sealed record MemoryRange(ulong Address, ulong Length, MemoryKind Kind);

/// <summary>The memory map of a PC, as its firmware would tell it.</summary>
public static class MemoryMap
{
    /// <summary>The Extended BIOS Data Area: the last KiB below 640 KiB.</summary>
    public const ulong EbdaAddress = 0x9fc00;

    public const ulong ConventionalEnd = 0xa0000;

    /// <summary>Where ACPI tables and the RSDP sit, up to 1 MiB.</summary>
    public const ulong FirmwareAddress = 0xe0000;

    public const ulong OneMiB = 0x100000;

    /// <summary>The map for a layout of RAM that starts at 0, ascending.</summary>
    public static IReadOnlyList<MemoryRange> Of(GuestMemory memory)
    {
        var map = new List<MemoryRange>
        {
            new(0, EbdaAddress, MemoryKind.Ram),
            new(EbdaAddress, ConventionalEnd - EbdaAddress, MemoryKind.Reserved),
            new(FirmwareAddress, OneMiB - FirmwareAddress, MemoryKind.Reserved),
        };
        foreach (var run in memory.Layout)
        {
            if (run.GuestAddress >= OneMiB && !run.ReadOnly)
                map.Add(new MemoryRange(run.GuestAddress, run.Length, MemoryKind.Ram));
        }
        return map;
    }
}
