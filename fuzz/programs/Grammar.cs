using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Programs;

/// <summary>A run of addresses that programs for a target aim at.</summary>
/// <param name="Name">Of the device and its region, or of RAM.</param>
/// <param name="Space">Ports or memory.</param>
/// <param name="Base">First address.</param>
/// <param name="Length">In bytes, 1 or more.</param>
/// <param name="Registers">As the device declares them; empty for RAM.</param>
public sealed record Window(string Name, AddressSpace Space, ulong Base, ulong Length, IReadOnlyList<Register> Registers)
{
    /// <summary>Of an offset into it, in the byte form.</summary>
    internal int OffsetBytes { get; } = Length <= 1UL << 8 ? 1 : Length <= 1UL << 16 ? 2 : Length <= 1UL << 32 ? 4 : 8;

    public bool Contains(ulong address) => address - Base < Length;
}

/// <summary>What programs for a target are made of: its windows, ports and memory apart.</summary>
public sealed class Grammar
{
    /// <summary>More would not fit the byte form, whose window is one byte.</summary>
    public const int MaxWindows = 254;

    /// <exception cref="ArgumentException">More than <see cref="MaxWindows"/> of a space.</exception>
    public Grammar(IEnumerable<Window> windows)
    {
        Windows = [.. windows];
        Ports = [.. Windows.Where(window => window.Space == AddressSpace.Port)];
        Memory = [.. Windows.Where(window => window.Space == AddressSpace.Mmio)];
        (PortOffsetBytes, MemoryOffsetBytes) = (OffsetBytes(Ports, sizeof(ushort)), OffsetBytes(Memory, sizeof(ulong)));
        if (Ports.Length > MaxWindows || Memory.Length > MaxWindows)
            throw new ArgumentException($"{Ports.Length} port and {Memory.Length} memory windows: at most {MaxWindows} of each");
    }

    public IReadOnlyList<Window> Windows { get; }

    internal Window[] Ports { get; }

    internal Window[] Memory { get; }

    /// <summary>Of each window code of the byte form: how many bytes its offset has.</summary>
    internal byte[] PortOffsetBytes { get; }

    internal byte[] MemoryOffsetBytes { get; }

    /// <summary>Devices read memory, and what they read of it that the program did not write is the program's input.</summary>
    public bool HasDmaInput { get; init; }

    /// <summary>Configuration registers on PCI's bus 0 that take writes: device number times 8 plus function, and the register, a multiple of 4.</summary>
    public IReadOnlyList<(int Function, int Register)> PciRegisters { get; init; } = [];

    internal Window[] Of(AddressSpace space) => space == AddressSpace.Port ? Ports : Memory;

    // A code behind the last window is an absolute address; higher ones go round.
    private static byte[] OffsetBytes(Window[] windows, int absolute)
    {
        var bytes = new byte[byte.MaxValue + 1];
        for (var code = 0; code < bytes.Length; code++)
            bytes[code] = (byte)(code % (windows.Length + 1) is var index && index < windows.Length ? windows[index].OffsetBytes : absolute);
        return bytes;
    }

    /// <summary>From what is mapped on a bus, with the devices' declared registers.</summary>
    public static Grammar From(IoBus bus, params ReadOnlySpan<Window> more)
    {
        var windows = bus.GetMappings()
            .Select(mapping => new Window($"{mapping.Device.Name}/{mapping.Device.Regions[mapping.Region].Name}", mapping.Space, mapping.Base, mapping.Length,
                mapping.Device.Regions[mapping.Region].Registers))
            .ToList();
        windows.AddRange(more);
        return new Grammar(windows);
    }
}
