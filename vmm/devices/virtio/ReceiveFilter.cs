using System.Buffers.Binary;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Which frames a driver wants to see: by destination address and VLAN.</summary>
/// <remarks>VIRTIO 1.2, 5.1.6.5.1 (modes), 5.1.6.5.2 (addresses), 5.1.6.5.3 (VLANs). After a reset all frames pass, as drivers expect that set no mode.</remarks>
internal sealed class ReceiveFilter
{
    /// <summary>Addresses of each kind; with more of them all of that kind pass.</summary>
    public const int MaxAddresses = 64;

    /// <summary>VIRTIO_NET_CTRL_RX_PROMISC to NOBCAST, by their command numbers.</summary>
    public const int ModeCount = 6;

    private const int Promiscuous = 0, AllMulticast = 1, AllUnicast = 2, NoMulticast = 3, NoUnicast = 4, NoBroadcast = 5;
    private const int VlanCount = 4096, VlanTagOffset = 12, VlanTagBytes = 4;
    private const ushort VlanType = 0x8100, VlanIdMask = 0xfff;

    private readonly bool[] _modes = new bool[ModeCount];
    private readonly List<MacAddress> _unicast = [], _multicast = [];
    private readonly byte[] _vlans = new byte[VlanCount / 8];
    private bool _unicastOverflow, _multicastOverflow;

    /// <summary>The device's own.</summary>
    public MacAddress Address { get; set; }

    /// <summary>VLANs are told apart, and those pass that were added.</summary>
    public bool HasVlanFilter { get; set; }

    public void Reset(MacAddress address)
    {
        Address = address;
        Array.Clear(_modes);
        _modes[Promiscuous] = true;
        SetTable(isMulticast: false, 0, []);
        SetTable(isMulticast: true, 0, []);
        Array.Clear(_vlans);
        HasVlanFilter = false;
    }

    /// <summary>Sets a mode by its command's number, below <see cref="ModeCount"/>.</summary>
    public void SetMode(int mode, bool on) => _modes[mode] = on;

    /// <summary>Replaces one of the address tables.</summary>
    /// <param name="count">Entries that the driver has; only those are given that fit.</param>
    /// <param name="addresses">Six bytes each.</param>
    public void SetTable(bool isMulticast, uint count, ReadOnlySpan<byte> addresses)
    {
        var table = isMulticast ? _multicast : _unicast;
        table.Clear();
        for (var at = 0; at + MacAddress.Bytes <= addresses.Length; at += MacAddress.Bytes)
            table.Add(MacAddress.Read(addresses[at..]));
        if (isMulticast)
            _multicastOverflow = count > MaxAddresses;
        else
            _unicastOverflow = count > MaxAddresses;
    }

    /// <param name="vlan">Below 4096.</param>
    public void SetVlan(int vlan, bool passes)
    {
        var bit = (byte)(1 << vlan % 8);
        _vlans[vlan / 8] = (byte)(passes ? _vlans[vlan / 8] | bit : _vlans[vlan / 8] & ~bit);
    }

    /// <summary>Whether the driver wants it.</summary>
    public bool Passes(ReadOnlySpan<byte> frame)
    {
        if (_modes[Promiscuous])
            return true;
        if (frame.Length < EthernetFrame.HeaderBytes)
            return false;
        if (HasVlanFilter && frame.Length >= VlanTagOffset + VlanTagBytes && BinaryPrimitives.ReadUInt16BigEndian(frame[VlanTagOffset..]) == VlanType)
        {
            var vlan = BinaryPrimitives.ReadUInt16BigEndian(frame[(VlanTagOffset + 2)..]) & VlanIdMask;
            if ((_vlans[vlan / 8] >> vlan % 8 & 1) == 0)
                return false;
        }
        var to = MacAddress.Read(frame);
        if (to == MacAddress.Broadcast)
            return !_modes[NoBroadcast];
        if (to.IsMulticast)
            return !_modes[NoMulticast] && (_modes[AllMulticast] || _multicastOverflow || _multicast.Contains(to));
        return !_modes[NoUnicast] && (_modes[AllUnicast] || _unicastOverflow || to == Address || _unicast.Contains(to));
    }

    public void Save(StateWriter writer)
    {
        writer.UInt64(Address.Bits);
        foreach (var mode in _modes)
            writer.Bool(mode);
        SaveTable(writer, _unicast, _unicastOverflow);
        SaveTable(writer, _multicast, _multicastOverflow);
        writer.Bytes(_vlans);
        writer.Bool(HasVlanFilter);
    }

    public void Load(ref StateReader reader)
    {
        Address = new MacAddress(reader.UInt64() & MacAddress.Broadcast.Bits);
        foreach (ref var mode in _modes.AsSpan())
            mode = reader.Bool();
        _unicastOverflow = LoadTable(ref reader, _unicast);
        _multicastOverflow = LoadTable(ref reader, _multicast);
        var vlans = reader.Bytes(_vlans.Length);
        if (vlans.Length != _vlans.Length)
            throw new StateFormatException($"virtio-net state: {vlans.Length} bytes of VLANs, where {_vlans.Length} were expected");
        vlans.CopyTo(_vlans);
        HasVlanFilter = reader.Bool();
    }

    private static void SaveTable(StateWriter writer, List<MacAddress> table, bool overflow)
    {
        writer.UInt16((ushort)table.Count);
        foreach (var address in table)
            writer.UInt64(address.Bits);
        writer.Bool(overflow);
    }

    private static bool LoadTable(ref StateReader reader, List<MacAddress> table)
    {
        table.Clear();
        var count = reader.UInt16();
        if (count > MaxAddresses)
            throw new StateFormatException($"virtio-net state: {count} addresses, where at most {MaxAddresses} were expected");
        for (var i = 0; i < count; i++)
            table.Add(new MacAddress(reader.UInt64() & MacAddress.Broadcast.Bits));
        return reader.Bool();
    }
}
