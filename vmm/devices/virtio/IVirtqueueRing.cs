namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>What taking a chain from a ring came to.</summary>
public enum RingResult
{
    /// <summary>The driver has made nothing available.</summary>
    Empty,

    /// <summary>A chain was taken.</summary>
    Chain,

    /// <summary>What is in the ring no driver may put there: the device needs a reset (VIRTIO 1.2, 2.1.2).</summary>
    Broken,
}

/// <summary>A chain to be given back.</summary>
/// <param name="Id">As <see cref="DescriptorChain.Id"/>.</param>
/// <param name="RingEntries">As <see cref="DescriptorChain.RingEntries"/>.</param>
/// <param name="Written">Bytes written to its writable part, from the start.</param>
internal readonly record struct UsedChain(ushort Id, int RingEntries, uint Written);

/// <summary>The form of a virtqueue in memory: split (VIRTIO 1.2, 2.7) or packed (2.8).</summary>
internal interface IVirtqueueRing
{
    /// <summary>Takes the next chain that the driver made available.</summary>
    RingResult TryPop(DescriptorChain chain);

    /// <summary>Gives chains back, at least one, of which the driver sees all or none yet; false when the ring is not RAM.</summary>
    bool TryPush(ReadOnlySpan<UsedChain> chains);

    /// <summary>Whether what was pushed since the last call is something that the driver wants to be told of.</summary>
    bool TakeInterruptWish(bool eventIndex);

    /// <summary>Tells the driver that it need (not) notify; false when the ring is not RAM.</summary>
    bool TrySetNotification(bool wanted, bool eventIndex);
}
