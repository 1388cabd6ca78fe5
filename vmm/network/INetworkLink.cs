namespace Gauntlet.Vmm.Network;

/// <summary>Sizes of Ethernet frames as devices and the host exchange them: from the destination address on, without the frame check sequence.</summary>
public static class EthernetFrame
{
    /// <summary>Two addresses and a type.</summary>
    public const int HeaderBytes = 14;

    /// <summary>A header with a VLAN tag, and the longest payload that an IP packet has. Longer ones are nobody's.</summary>
    public const int MaxBytes = 65_535 + 18;
}

/// <summary>A network device's end of its cable. No call waits; all are made by one device with the machine's device lock held.</summary>
public interface INetworkLink
{
    /// <summary>Somebody is at the other end.</summary>
    bool IsUp { get; }

    /// <summary>
    /// Whether a frame of any size can be sent now. After false the link raises what <see cref="Connect"/> gave it once it can.
    /// </summary>
    bool CanSend { get; }

    /// <summary>Sends; what there is no room for is lost.</summary>
    /// <param name="frame">At most <see cref="EthernetFrame.MaxBytes"/>.</param>
    void Send(ReadOnlySpan<byte> frame);

    /// <summary>Copies the frame that has waited longest, and leaves it there; its length, or 0 when none waits.</summary>
    /// <param name="destination">At least <see cref="EthernetFrame.MaxBytes"/>.</param>
    int Peek(Span<byte> destination);

    /// <summary>Takes out the frame that <see cref="Peek"/> told.</summary>
    void Take();

    /// <summary>Once, before anything is sent: what to raise when a frame came, there is room again, or the link went up or down.</summary>
    void Connect(Action onChange);
}

/// <summary>A cable that leads nowhere: it is up, and what is sent is lost.</summary>
public sealed class NullNetworkLink : INetworkLink
{
    public static readonly NullNetworkLink Instance = new();

    private NullNetworkLink() { }

    public bool IsUp => true;

    public bool CanSend => true;

    public void Send(ReadOnlySpan<byte> frame) { }

    public int Peek(Span<byte> destination) => 0;

    public void Take() { }

    public void Connect(Action onChange) { }
}
