using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Fuzz.Oracles;

/// <summary>
/// A virtio device gives back every chain that it took from a queue, once (VIRTIO 1.2, 2.7.8 and 2.8.5), but for those of requests that it says are under way; after a reset
/// it has none (2.4.1). Looked at between accesses, when positions and requests must agree: nothing is counted while chains are handled.
/// </summary>
internal sealed class QueueOracle
{
    private readonly VirtioDevice[] _devices;

    /// <param name="devices">Of which those behind a virtio transport have queues.</param>
    public QueueOracle(IEnumerable<IDevice> devices)
    {
        var found = new List<VirtioDevice>();
        foreach (var device in devices)
        {
            if (device is VirtioPci pci)
                found.Add(pci.Device);
            else if (device is VirtioMmio mmio)
                found.Add(mmio.Device);
        }
        _devices = [.. found];
    }

    /// <summary>Between two accesses.</summary>
    /// <exception cref="OracleException">An element of a queue was lost, or given back that was not taken.</exception>
    public void Check()
    {
        foreach (var device in _devices)
        {
            var queues = device.Queues;
            for (var i = 0; i < queues.Count; i++)
            {
                var queue = queues[i];
                // A device that needs a reset gives nothing back (2.1.2).
                if (!queue.IsBroken && queue.EntriesUnderWay != device.EntriesHeld(i))
                    Fail(device, i);
            }
        }
    }

    private static void Fail(VirtioDevice device, int number)
    {
        var (taken, held) = (device.Queues[number].EntriesUnderWay, device.EntriesHeld(number));
        throw new OracleException($"leaked element {device.TypeName} queue {number}", taken < held
            ? $"{device.TypeName}: {held - taken} entries of queue {number} were given back, or are to be, that were not taken"
            : $"{device.TypeName}: {taken} entries of queue {number} were taken and not given back, where requests under way have {held}");
    }
}
