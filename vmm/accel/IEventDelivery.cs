namespace Gauntlet.Vmm.Accel;

/// <summary>
/// Notifications and interrupts by events that the accelerator knows: a guest's write that signals one does not leave the guest, and one that is signalled becomes
/// an interrupt without a call. All calls but <see cref="IMessageRoute.Signal"/> with the machine's device lock held.
/// </summary>
public interface IEventDelivery
{
    /// <summary>Has a guest's writes to an address raise an event, whatever is written; they no longer reach the bus. Null: the host cannot, or somebody has the address.</summary>
    /// <param name="address">Guest-physical; of memory-mapped registers.</param>
    /// <param name="onRung">Called after one or several writes, on a thread of the accelerator that holds no lock; <see cref="IDoorbell.TryTake"/> then tells.</param>
    IDoorbell? TryAddDoorbell(ulong address, Action onRung);

    /// <summary>Makes a way for a device's messages into the local APICs. Null: the host has no more, or none.</summary>
    IMessageRoute? TryAddRoute();
}

/// <summary>One address that a guest writes to; gone when disposed.</summary>
public interface IDoorbell : IDisposable
{
    /// <summary>Whether it was written to since the last call.</summary>
    bool TryTake();
}

/// <summary>One message-signalled interrupt; gone when disposed.</summary>
public interface IMessageRoute : IDisposable
{
    /// <summary>What the next signal sends. False: the host does not take it, and the message is to be sent another way.</summary>
    /// <param name="address">For the local APICs: 0xfeexxxxx.</param>
    bool TrySet(ulong address, uint data);

    /// <summary>Sends it.</summary>
    void Signal();
}
