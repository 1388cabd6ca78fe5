namespace Gauntlet.Fuzz.Qemu;

/// <summary>A capability of a PCI function (PCI Local Bus Specification 3.0, 6.7).</summary>
/// <param name="Function">Device number times 8 plus function, on bus 0.</param>
/// <param name="Offset">In its configuration space.</param>
/// <param name="Id">As in appendix H.</param>
public readonly record struct PciCapability(int Function, int Offset, int Id)
{
    public const int PowerManagement = 1, Msi = 5, Vendor = 9, Express = 0x10, MsiX = 0x11;
}

/// <summary>A register of a PCI function's configuration space that can be written to some end.</summary>
/// <param name="Function">Device number times 8 plus function, on bus 0.</param>
/// <param name="Offset">A multiple of the size.</param>
/// <param name="Size">1, 2 or 4 bytes.</param>
public readonly record struct PciRegister(int Function, int Offset, int Size)
{
    public const int Command = 4, FirstBar = 0x10, BehindBars = 0x28;

    public bool IsBar => Offset is >= FirstBar and < BehindBars;
}

/// <summary>What a function's own configuration space tells of its registers: its header, and the capabilities that its list has.</summary>
/// <param name="Registers">In the order of the header, then of the list.</param>
public sealed record PciFunctionMap(IReadOnlyList<PciCapability> Capabilities, IReadOnlyList<PciRegister> Registers)
{
    // PCI Local Bus Specification 3.0, 6.1, 6.2.3 and 6.7. A space of 256 bytes has room for no more capabilities.
    private const int StatusWord = 4, HeaderTypeWord = 0xc, ListPointer = 0x34, FirstCapability = 0x40, MostCapabilities = 48, SpaceBytes = 256;

    private const uint HasCapabilities = 0x10;

    // Bytes of a capability whose layout is not known here, its head among them.
    private const int UnknownBytes = 16;

    // Command, status, cache line size, latency timer, BIST, BARs, ROM, interrupt line (PCI Local Bus Specification 3.0, 6.1).
    private static readonly (int Offset, int Size)[] Device =
        [(4, 2), (6, 2), (0xc, 1), (0xd, 1), (0xf, 1), (0x10, 4), (0x14, 4), (0x18, 4), (0x1c, 4), (0x20, 4), (0x24, 4), (0x30, 4), (0x3c, 1)];

    // And bus numbers, windows, control of what is behind it (PCI-to-PCI Bridge Architecture Specification 1.2, 3.2).
    private static readonly (int Offset, int Size)[] Bridge =
        [(4, 2), (6, 2), (0xc, 1), (0xd, 1), (0x10, 4), (0x14, 4), (0x18, 4), (0x1c, 2), (0x1e, 2), (0x20, 4), (0x24, 4), (0x28, 4), (0x2c, 4), (0x30, 4), (0x38, 4), (0x3c, 1), (0x3e, 2)];

    /// <summary>Reads a function's configuration space.</summary>
    /// <param name="read">Given a register, a multiple of 4, returns its 32 bits.</param>
    public static PciFunctionMap Read(int function, Func<int, uint> read)
    {
        const int BridgeType = 1;
        var (capabilities, registers) = (new List<PciCapability>(), new List<PciRegister>());
        registers.AddRange(((read(HeaderTypeWord) >> 16 & 0x7f) == BridgeType ? Bridge : Device).Select(register => new PciRegister(function, register.Offset, register.Size)));
        if ((read(StatusWord) >> 16 & HasCapabilities) == 0)
            return new PciFunctionMap(capabilities, registers);
        var at = (int)read(ListPointer) & 0xfc;
        // A list may go round.
        for (var left = MostCapabilities; at >= FirstCapability && left > 0; left--)
        {
            var head = read(at);
            var capability = new PciCapability(function, at, (int)head & 0xff);
            capabilities.Add(capability);
            registers.AddRange(Of(capability, (int)(head >> 16)).Where(register => at + register.Offset + register.Size <= SpaceBytes).Select(register => new PciRegister(function, at + register.Offset, register.Size)));
            at = (int)(head >> 8) & 0xfc;
        }
        return new PciFunctionMap(capabilities, registers);
    }

    // By what follows the capability's first two bytes.
    private static IEnumerable<(int Offset, int Size)> Of(in PciCapability capability, int word) => capability.Id switch
    {
        // Control and status (PCI Bus Power Management Interface Specification 1.2, 3.2.4).
        PciCapability.PowerManagement => [(4, 2)],
        PciCapability.Msi => OfMsi(word),
        // Control, table and pending bits, which are read-only and must stay so (PCI Local Bus Specification 3.0, 6.8.2).
        PciCapability.MsiX => [(2, 2), (4, 4), (8, 4)],
        // Control and status of device, link, slot and root, and the second ones of the first three (PCI Express Base Specification 2.0, 7.8).
        PciCapability.Express => [(8, 2), (0xa, 2), (0x10, 2), (0x12, 2), (0x18, 2), (0x1a, 2), (0x1c, 2), (0x20, 4), (0x28, 2), (0x30, 2), (0x38, 2)],
        // As long as its third byte says: virtio's window into its BARs is one (Virtual I/O Device 1.2, 4.1.4.9).
        PciCapability.Vendor => Words(Math.Clamp(word & 0xff, 4, UnknownBytes + 8)),
        _ => Words(UnknownBytes),
    };

    // Address and data, further apart where addresses have 64 bits; masks, where it has them (PCI Local Bus Specification 3.0, 6.8.1).
    private static IEnumerable<(int Offset, int Size)> OfMsi(int control)
    {
        const int Is64 = 0x80, HasMasks = 0x100;
        var data = (control & Is64) != 0 ? 0xc : 8;
        yield return (2, 2);
        yield return (4, 4);
        if ((control & Is64) != 0)
            yield return (8, 4);
        yield return (data, 2);
        if ((control & HasMasks) != 0)
            yield return (data + 4, 4);
    }

    private static IEnumerable<(int Offset, int Size)> Words(int bytes) => Enumerable.Range(1, Math.Max(bytes / 4 - 1, 0)).Select(static word => (word * 4, 4)).Prepend((2, 2));
}
