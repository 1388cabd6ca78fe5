using System.Buffers.Binary;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>Which frames an 82540EM takes: by RCTL and its tables of addresses, hashes and VLANs.</summary>
/// <remarks>Intel, Software Developer's Manual, 3.2.1 (packet address filtering), 9.3 (VLAN filtering), 13.5 (tables).</remarks>
internal static class E1000Filter
{
    private const uint Promiscuous = 1 << 3, AllMulticast = 1 << 4, AcceptBroadcast = 1 << 15, FilterVlans = 1 << 18, AddressValid = 1u << 31;
    private const int OffsetShift = 12, VlanTagOffset = 12;

    public static bool Passes(E1000Registers registers, ReadOnlySpan<byte> frame, out bool isInexact)
    {
        isInexact = false;
        var control = registers[E1000Registers.ReceiveControl];
        if ((control & FilterVlans) != 0 && TryGetTag(registers, frame, out var tag) && !IsIn(registers, E1000Registers.VlanTable, tag & 0xfffu))
            return false;
        var destination = MacAddress.Read(frame);
        if ((control & Promiscuous) != 0 && !destination.IsMulticast)
            return true;
        if (destination == MacAddress.Broadcast && (control & AcceptBroadcast) != 0)
            return true;
        if (destination.IsMulticast && (control & AllMulticast) != 0)
            return true;
        for (var i = 0u; i < E1000Registers.AddressEntries; i++)
        {
            var (low, high) = (registers[E1000Registers.AddressTable + i * 8], registers[E1000Registers.AddressTable + i * 8 + 4]);
            if ((high & AddressValid) != 0 && BinaryPrimitives.ReadUInt32LittleEndian(frame) == low && BinaryPrimitives.ReadUInt16LittleEndian(frame[4..]) == (ushort)high)
                return true;
        }
        // RCTL.MO says which 12 of the last 16 bits: from bit 47, 46, 45 or 43 down.
        var shift = (control >> OffsetShift & 3) switch { 0 => 4, 1 => 3, 2 => 2, _ => 0 };
        isInexact = destination.IsMulticast && IsIn(registers, E1000Registers.MulticastTable, (uint)((frame[5] << 8 | frame[4]) >> shift & 0xfff));
        return isInexact;
    }

    /// <summary>The VLAN tag of a frame that has one of the type in VET.</summary>
    public static bool TryGetTag(E1000Registers registers, ReadOnlySpan<byte> frame, out ushort tag)
    {
        tag = 0;
        if (frame.Length < VlanTagOffset + 4 || BinaryPrimitives.ReadUInt16BigEndian(frame[VlanTagOffset..]) != (ushort)registers[E1000Registers.VlanType])
            return false;
        tag = BinaryPrimitives.ReadUInt16BigEndian(frame[(VlanTagOffset + 2)..]);
        return true;
    }

    private static bool IsIn(E1000Registers registers, uint table, uint index) => (registers[table + index / 32 * 4] >> (int)(index % 32) & 1) != 0;
}
