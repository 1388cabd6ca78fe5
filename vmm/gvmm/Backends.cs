using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Program.Serial;

namespace Gauntlet.Vmm.Program;

/// <summary>What the devices of a command line are connected to on the host's side, and the buses that some of them bring for others.</summary>
internal sealed class Backends(Drives drives, Networks networks, ChardevSet chardevs)
{
    private readonly List<SerialBus> _serial = [];

    private sealed record SerialBus(string Id, VirtioSerial Device);

    public Drives Drives => drives;

    public Networks Networks => networks;

    public ChardevSet Chardevs => chardevs;

    /// <param name="id">The device's, of which the bus has its name; empty: none.</param>
    public void Add(string id, VirtioSerial device) => _serial.Add(new SerialBus(id, device));

    private readonly Dictionary<string, (VirtioSerial Device, int Port)> _ports = new(StringComparer.Ordinal);

    /// <summary>A port that has a name to take it out by.</summary>
    public void NotePort(string id, VirtioSerial device, int port) => _ports[id] = (device, port);

    public bool HasPort(string id) => _ports.ContainsKey(id);

    /// <summary>Takes a port's name out of the list; false when there is none.</summary>
    public bool TryTakePort(string id, out (VirtioSerial Device, int Port) port) => _ports.Remove(id, out port);

    /// <summary>The device that brought a bus: <c>ID.0</c>; null for the first one there is. Null when there is none.</summary>
    public VirtioSerial? FindSerial(string? bus)
    {
        foreach (var serial in _serial)
        {
            if (bus is null || bus == serial.Id + ".0")
                return serial.Device;
        }
        return null;
    }

    /// <summary>Everything that the guest sent is out.</summary>
    public void FlushPorts()
    {
        foreach (var serial in _serial)
            serial.Device.Dispose();
    }
}
