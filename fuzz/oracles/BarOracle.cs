using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;

namespace Gauntlet.Fuzz.Oracles;

/// <summary>
/// Where a function's configuration space says that its regions are, the bus has them, and nowhere else (PCI Local Bus Specification 3.0, 6.2.2 and 6.2.5.1).
/// </summary>
internal static class BarOracle
{
    private const int CommandOffset = 4, BarOffset = 0x10, BarCount = 6, BarBytes = 4;
    private const uint DecodesPorts = 1, DecodesMemory = 2, IsPort = 1;
    private const ulong PortMask = ~3UL, MemoryMask = ~0xfUL, LastPort = ushort.MaxValue, LastAddress = (1UL << 52) - 1;

    /// <summary>After a write to a register of the function.</summary>
    /// <exception cref="OracleException">A BAR and the bus do not agree.</exception>
    public static void Check(IoBus bus, PciFunction function, int register)
    {
        if (function.Bars.Count == 0 || register >= BarOffset + BarCount * BarBytes)
            return;
        var mappings = bus.GetMappings();
        var command = function.Read(CommandOffset, sizeof(ushort));
        var next = 0;
        foreach (var bar in function.Bars)
        {
            var index = bar.Index ?? next;
            next = index + (bar.Is64Bit ? 2 : 1);
            Check(mappings, function, bar, index, command);
        }
    }

    private static void Check(IReadOnlyList<IoBus.Mapping> mappings, PciFunction function, PciBar bar, int index, uint command)
    {
        var (device, at) = (function.Device!, BarOffset + index * BarBytes);
        var region = device.Regions[bar.Region];
        ulong value = function.Read(at, BarBytes);
        if (bar.Is64Bit)
            value |= (ulong)function.Read(at + BarBytes, BarBytes) << 32;
        var isPort = (value & IsPort) != 0;
        if (isPort != (region.Space == AddressSpace.Port))
            Fail($"reads 0x{value:x}, its region {region.Name} is in {region.Space} space");
        var address = value & (isPort ? PortMask : MemoryMask);
        var decodes = (command & (isPort ? DecodesPorts : DecodesMemory)) != 0;
        foreach (var mapping in mappings)
        {
            if (!ReferenceEquals(mapping.Device, device) || mapping.Region != bar.Region)
                continue;
            if (!decodes || mapping.Base != address)
                Fail($"reads 0x{value:x}, {(decodes ? "" : "and decoding is off, ")}the bus has its region {region.Name} at 0x{mapping.Base:x}");
            return;
        }
        // At 0 and where no address is, it answers nowhere; nor where somebody else does.
        var last = address + (region.Length - 1);
        if (decodes && address != 0 && last >= address && last <= (isPort ? LastPort : bar.Is64Bit ? LastAddress : uint.MaxValue)
            && !mappings.Any(other => other.Space == region.Space && other.Base <= last && address - Math.Min(address, other.Base) < other.Length))
            Fail($"reads 0x{value:x}, and the bus has nothing there");

        void Fail(string what) => throw new OracleException($"bar {device.Name}", $"{device.Name}: BAR {index} {what}");
    }
}
