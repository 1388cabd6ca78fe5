using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// PCI configuration space in memory: 4 KiB for each function, of which the first 256 bytes are the same as by ports. The chip set maps one of the
/// regions, by how many buses it is told to decode.
/// </summary>
/// <remarks>
/// PCI Express Base Specification 3.0, 7.2.2 (enhanced configuration access mechanism), 7.9.1 (functions without extended capabilities read 0 from 0x100).
/// </remarks>
public sealed class PciEcam : IMmioDevice
{
    /// <summary>Regions by their number of buses: 256, 128, 64.</summary>
    public const int Buses256Region = 0, Buses128Region = 1, Buses64Region = 2;

    private const int FunctionShift = 12, BusShift = 20, FunctionBytes = 1 << FunctionShift;

    private readonly PciHost _host;

    public PciEcam(PciHost host) => _host = host;

    public string Name => "pcie-ecam";

    public IReadOnlyList<RegisterMap> Regions { get; } = [NewRegion(256), NewRegion(128), NewRegion(64)];

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        if (FunctionAt(offset) is not { } function)
            return uint.MaxValue;
        var at = (int)offset & (FunctionBytes - 1);
        if (at >= PciFunction.ConfigBytes)
            return 0;
        return function.Read(at, size);
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        var at = (int)offset & (FunctionBytes - 1);
        if (at < PciFunction.ConfigBytes)
            FunctionAt(offset)?.Write(at, size, (uint)value);
    }

    private PciFunction? FunctionAt(ulong offset) => _host.Find((int)(offset >> BusShift), (int)(offset >> FunctionShift) & 0xff);

    private static RegisterMap NewRegion(int buses) => new(
        $"ecam-{buses}", AddressSpace.Mmio, (ulong)buses << BusShift,
        [
            new("VENDOR_DEVICE", 0, 4, RegisterAccess.Read, null, "bus 0, slot 0, function 0; a function is 4 KiB, a slot 8, a bus 256"),
            new("COMMAND_STATUS", 4, 4),
        ]);
}
