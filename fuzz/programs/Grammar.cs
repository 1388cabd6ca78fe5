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

    /// <summary>Values of the byte that says which window.</summary>
    internal const int Codes = 256;

    /// <exception cref="ArgumentException">More than <see cref="MaxWindows"/> of a space.</exception>
    public Grammar(IEnumerable<Window> windows)
    {
        Windows = [.. windows];
        Ports = [.. Windows.Where(window => window.Space == AddressSpace.Port)];
        Memory = [.. Windows.Where(window => window.Space == AddressSpace.Mmio)];
        if (Ports.Length > MaxWindows || Memory.Length > MaxWindows)
            throw new ArgumentException($"{Ports.Length} port and {Memory.Length} memory windows: at most {MaxWindows} of each");
        (PortByCode, MemoryByCode) = (ByCode(Ports), ByCode(Memory));
        AddressBytes = [.. new byte[Codes], .. PortByCode.Select(static window => (byte)(1 + (window?.OffsetBytes ?? sizeof(ushort)))), .. MemoryByCode.Select(static window => (byte)(1 + (window?.OffsetBytes ?? sizeof(ulong))))];
    }

    public IReadOnlyList<Window> Windows { get; }

    internal Window[] Ports { get; }

    internal Window[] Memory { get; }

    /// <summary>By the byte form's code of a window; null: an absolute address. Codes behind that go round.</summary>
    internal Window?[] PortByCode { get; }

    internal Window?[] MemoryByCode { get; }

    /// <summary>How many bytes an address has, its code among them: for each code none, as a port, as memory.</summary>
    internal byte[] AddressBytes { get; }

    /// <summary>Devices read memory, and what they read of it that the program did not write is the program's input.</summary>
    public bool HasDmaInput { get; init; }

    /// <summary>Configuration registers on PCI's bus 0 that take writes: device number times 8 plus function, and the register, a multiple of 4.</summary>
    public IReadOnlyList<(int Function, int Register)> PciRegisters { get; init; } = [];

    internal Window[] Of(AddressSpace space) => space == AddressSpace.Port ? Ports : Memory;

    internal Window?[] ByCode(AddressSpace space) => space == AddressSpace.Port ? PortByCode : MemoryByCode;

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

    private static Window?[] ByCode(Window[] windows)
    {
        var byCode = new Window?[Codes];
        for (var code = 0; code < Codes; code++)
            byCode[code] = code % (windows.Length + 1) is var index && index < windows.Length ? windows[index] : null;
        return byCode;
    }
}
