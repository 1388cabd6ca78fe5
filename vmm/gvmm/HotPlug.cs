using System.Text.Json;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Protocols.Qmp;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Program;

/// <summary>
/// QMP's <c>device_add</c> and <c>device_del</c> for virtio devices on PCI, and the ports of a virtio-serial. A device that is pulled is gone at once: the guest is not asked, as no ACPI method
/// asks it here.
/// </summary>
/// <param name="onDeleted">Told of each device that is gone: its id.</param>
internal sealed class HotPlug(X86Board board, Backends backends, MachineTracing? tracing, Action<string> onDeleted) : IHotPlug
{
    private readonly Dictionary<string, (VirtioPci Device, string? Drive)> _byId = new(StringComparer.Ordinal);

    /// <summary>A device of the command line.</summary>
    public void Note(DeviceOption option)
    {
        if (IsPluggable(option.Driver) && option.Properties.TryGetValue("id", out var id) && board.Machine.Devices[^1] is VirtioPci device)
            _byId[id] = (device, option.Properties.GetValueOrDefault("drive"));
    }

    public void Add(string driver, IReadOnlyDictionary<string, string> properties)
    {
        if (!DeviceCatalog.IsKnown(driver))
            throw new QmpException($"'{driver}' is not a valid device model name");
        if (!IsPluggable(driver) && driver is not ("virtconsole" or "virtserialport"))
            throw new QmpException($"Device '{driver}' does not support hotplugging");
        if (properties.TryGetValue("id", out var id) && (_byId.ContainsKey(id) || backends.HasPort(id)))
            throw new QmpException($"Duplicate device ID '{id}'");
        var option = new DeviceOption(driver, properties);
        try
        {
            board.Machine.Inspect(() =>
            {
                lock (board.Machine.Bus.DeviceLock)
                    DeviceCatalog.Add(board, option, backends);
                tracing?.WatchDevices();
            });
        }
        catch (Exception refused) when (refused is OptionException or BlockImageException)
        {
            throw new QmpException(refused.Message);
        }
        Note(option);
    }

    public void Remove(string id)
    {
        if (backends.TryTakePort(id, out var port))
        {
            lock (board.Machine.Bus.DeviceLock)
                port.Device.RemovePort(port.Port);
            onDeleted(id);
            return;
        }
        if (!_byId.Remove(id, out var plugged))
            throw new QmpException($"Device '{id}' not found", QmpException.DeviceNotFound);
        board.Machine.Inspect(() => ((PcBoard)board).RemoveVirtio(plugged.Device));
        if (plugged.Drive is { } drive)
            backends.Drives.Nodes.Forget(drive);
        onDeleted(id);
    }

    private static bool IsPluggable(string driver) => driver.StartsWith("virtio-", StringComparison.Ordinal) && driver.EndsWith("-pci", StringComparison.Ordinal);

    /// <summary>The event's data (QEMU QMP Reference Manual, DEVICE_DELETED).</summary>
    public static void WriteDeleted(Utf8JsonWriter writer, string id)
    {
        writer.WriteStartObject();
        writer.WriteString("device", id);
        writer.WriteString("path", $"/machine/peripheral/{id}");
        writer.WriteEndObject();
    }
}
