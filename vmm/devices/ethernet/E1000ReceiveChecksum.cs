using System.Buffers.Binary;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>What an 82540EM tells the driver of a received frame's IP, TCP and UDP checksums.</summary>
/// <remarks>
/// Intel, Software Developer's Manual, 3.2.9 (receive packet checksum offloading; table 3-6: which packets), 3.2.3.1 and 3.2.3.2 (status and errors). A packet
/// that is none of those, or is cut short, is left to the driver. The descriptor's packet checksum is not computed.
/// </remarks>
internal static class E1000ReceiveChecksum
{
    /// <summary>RXCSUM: check IP's, and TCP's and UDP's.</summary>
    private const uint OffloadIp = 1 << 8, OffloadTransport = 1 << 9;

    // IXSM, TCPCS, IPCS; TCPE, IPE.
    private const byte Ignore = 1 << 2, TransportChecked = 1 << 5, IpChecked = 1 << 6, TransportError = 1 << 5, IpError = 1 << 6;

    private const int TypeOffset = 12, HeaderBytes = 14, TagBytes = 4, Ip4HeaderBytes = 20, Ip6HeaderBytes = 40, UdpChecksumOffset = 6;
    private const ushort Ip4Type = 0x0800, Ip6Type = 0x86dd;
    private const byte Tcp = 6, Udp = 17;

    /// <summary>Bits of a descriptor's status and errors.</summary>
    /// <param name="control">RXCSUM.</param>
    /// <param name="frame">As it came, without its frame check sequence.</param>
    /// <param name="hasTag">It has a VLAN tag.</param>
    public static (byte Status, byte Errors) Check(uint control, ReadOnlySpan<byte> frame, bool hasTag)
    {
        var header = HeaderBytes + (hasTag ? TagBytes : 0);
        if ((control & (OffloadIp | OffloadTransport)) == 0 || frame.Length < header)
            return (Ignore, 0);
        var packet = frame[header..];
        return BinaryPrimitives.ReadUInt16BigEndian(frame[(header - HeaderBytes + TypeOffset)..]) switch
        {
            Ip4Type => CheckIp4(control, packet),
            Ip6Type => CheckIp6(control, packet),
            _ => (Ignore, 0),
        };
    }

    private static (byte Status, byte Errors) CheckIp4(uint control, ReadOnlySpan<byte> packet)
    {
        if (packet.Length < Ip4HeaderBytes || packet[0] >> 4 != 4)
            return (Ignore, 0);
        var headerBytes = (packet[0] & 0xf) * 4;
        int bytes = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        if (headerBytes < Ip4HeaderBytes || bytes < headerBytes || bytes > packet.Length)
            return (Ignore, 0);
        byte status = 0, errors = 0;
        if ((control & OffloadIp) != 0)
        {
            status = IpChecked;
            errors = InternetChecksum.Sum(packet[..headerBytes], 0) == ushort.MaxValue ? (byte)0 : IpError;
        }
        // No fragment, whose checksum is of more than is here.
        if ((BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x3fff) == 0)
            CheckTransport(control, packet[9], packet[12..20], packet[headerBytes..bytes], ref status, ref errors);
        return status == 0 ? (Ignore, (byte)0) : (status, errors);
    }

    private static (byte Status, byte Errors) CheckIp6(uint control, ReadOnlySpan<byte> packet)
    {
        if (packet.Length < Ip6HeaderBytes || packet[0] >> 4 != 6)
            return (Ignore, 0);
        int bytes = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (bytes > packet.Length - Ip6HeaderBytes)
            return (Ignore, 0);
        byte status = 0, errors = 0;
        // Behind extension headers nothing is looked for.
        CheckTransport(control, packet[6], packet[8..40], packet.Slice(Ip6HeaderBytes, bytes), ref status, ref errors);
        return status == 0 ? (Ignore, (byte)0) : (status, errors);
    }

    /// <param name="addresses">Both, as the pseudo header has them (RFC 9293, 3.1; RFC 8200, 8.1).</param>
    private static void CheckTransport(uint control, byte protocol, ReadOnlySpan<byte> addresses, ReadOnlySpan<byte> segment, ref byte status, ref byte errors)
    {
        var least = protocol == Tcp ? 20 : 8;
        if ((control & OffloadTransport) == 0 || protocol is not (Tcp or Udp) || segment.Length < least)
            return;
        // UDP's may be left out.
        if (protocol == Udp && BinaryPrimitives.ReadUInt16BigEndian(segment[UdpChecksumOffset..]) == 0)
            return;
        status |= TransportChecked;
        var sum = InternetChecksum.Sum(segment, InternetChecksum.Sum(addresses, protocol + (uint)segment.Length));
        if (sum != ushort.MaxValue)
            errors |= TransportError;
    }
}
