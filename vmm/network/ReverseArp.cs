using System.Buffers.Binary;

namespace Gauntlet.Vmm.Network;

/// <summary>
/// A reverse ARP request (RFC 903), by which a host asks for its own IP address. Nobody answers; switches on the way learn behind which port the sender's
/// Ethernet address is.
/// </summary>
public static class ReverseArp
{
    /// <summary>The shortest frame that Ethernet has, without its check sequence.</summary>
    public const int FrameBytes = 60;

    private const ushort EtherType = 0x8035, Ethernet = 1, Ipv4 = 0x0800, Request = 3;
    private const byte Ipv4Bytes = 4;
    private const int Sender = EthernetFrame.HeaderBytes + 8, Target = Sender + MacAddress.Bytes + Ipv4Bytes;

    /// <param name="destination">At least <see cref="FrameBytes"/>.</param>
    public static void Write(Span<byte> destination, MacAddress sender)
    {
        var frame = destination[..FrameBytes];
        frame.Clear();
        MacAddress.Broadcast.Write(frame);
        sender.Write(frame[MacAddress.Bytes..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[(2 * MacAddress.Bytes)..], EtherType);
        var request = frame[EthernetFrame.HeaderBytes..];
        BinaryPrimitives.WriteUInt16BigEndian(request, Ethernet);
        BinaryPrimitives.WriteUInt16BigEndian(request[2..], Ipv4);
        request[4] = MacAddress.Bytes;
        request[5] = Ipv4Bytes;
        BinaryPrimitives.WriteUInt16BigEndian(request[6..], Request);
        sender.Write(frame[Sender..]);
        sender.Write(frame[Target..]);
    }
}
