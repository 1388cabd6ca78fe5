using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Machines;

/// <summary>Messages of PCI functions by their address: to the local APICs, or to memory, as a function may be told to write anywhere.</summary>
/// <remarks>PCI Local Bus Specification 3.0, 6.8: a message is a write of a doubleword. SDM Vol. 3A, 11.11.1: those to 0xfeexxxxx are interrupts.</remarks>
/// <param name="apics">The local APICs, the machine's own or the accelerator's.</param>
internal sealed class MessageWrites(IMsiTarget apics, IGuestMemory memory) : IMsiTarget
{
    private const ulong ApicsAddress = 0xfee00000, ApicsMask = ~0xfffffUL;

    public void SendMsi(ulong address, uint data)
    {
        if ((address & ApicsMask) == ApicsAddress)
        {
            apics.SendMsi(address, data);
            return;
        }
        Span<byte> message = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(message, data);
        // Where there is no memory it is lost.
        _ = memory.TryWrite(address, message);
    }
}
