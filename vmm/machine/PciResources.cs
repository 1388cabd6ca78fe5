namespace Gauntlet.Vmm.Machines;

/// <summary>Hands out addresses to base address registers, as firmware does before it starts a kernel.</summary>
/// <param name="isFirmwareToRun">Nobody gets an address: firmware in the guest will do that.</param>
internal sealed class PciResources(bool isFirmwareToRun)
{
    // Below the IOAPIC; from where PCs put small devices' ports.
    private const uint MemoryStart = 0xfe000000, MemoryEnd = 0xfec00000, PortStart = 0xc000, PortEnd = 0x10000;

    private uint _memory = MemoryStart, _ports = PortStart;

    /// <param name="bytes">A power of two.</param>
    /// <exception cref="InvalidOperationException">There is no space left.</exception>
    public uint AssignMemory(int bytes) => isFirmwareToRun ? 0 : Assign(ref _memory, MemoryEnd, bytes, "memory");

    /// <param name="bytes">A power of two.</param>
    /// <exception cref="InvalidOperationException">There is no space left.</exception>
    public uint AssignPorts(int bytes) => isFirmwareToRun ? 0 : Assign(ref _ports, PortEnd, bytes, "ports");

    private static uint Assign(ref uint next, uint end, int bytes, string what)
    {
        var at = (next + (uint)bytes - 1) & ~((uint)bytes - 1);
        if (at + (uint)bytes > end)
            throw new InvalidOperationException($"the PCI bus has no room for {bytes} bytes of {what}");
        next = at + (uint)bytes;
        return at;
    }
}
