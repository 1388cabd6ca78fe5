using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Test;

/// <summary>Ends the process when written to: a value <c>v</c> becomes the status <c>(v &lt;&lt; 1) | 1</c>, so that 0 is never a guest's doing.</summary>
/// <remarks>QEMU, <c>-device isa-debug-exit,iobase=…,iosize=…</c>.</remarks>
public sealed class IsaDebugExit : IPortDevice
{
    /// <summary>QEMU's defaults, in bytes of port space.</summary>
    public const ushort DefaultBase = 0x501;
    public const int DefaultSize = 2;

    private readonly IMachineControl _machine;

    /// <param name="size">Ports: 1 to 4.</param>
    public IsaDebugExit(IMachineControl machine, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, 4);
        _machine = machine;
        Regions = [new("exit", AddressSpace.Port, (ulong)size, [new("EXIT", 0, (byte)(size == 3 ? 2 : size), RegisterAccess.ReadWrite, 0)])];
    }

    public string Name => "isa-debug-exit";

    public IReadOnlyList<RegisterMap> Regions { get; }

    public uint ReadPort(int region, uint offset, int size) => 0;

    public void WritePort(int region, uint offset, int size, uint value) => _machine.RequestExit((int)((value << 1) | 1) & 0xff);
}
