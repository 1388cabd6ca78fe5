using System.Text.Json;
using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>How much memory a guest has, by a balloon (QEMU QMP Reference Manual, "balloon", "query-balloon").</summary>
internal sealed class BalloonCommands(QmpContext context)
{
    public IEnumerable<QmpCommand> All =>
    [
        QmpCommand.Action("balloon", arguments => Set(arguments.Number("value")), new QmpArgument("value", "int")),
        new("query-balloon", _ => WriteActual(ActualBytes)),
    ];

    /// <summary>What the guest has.</summary>
    /// <exception cref="QmpException">There is no balloon.</exception>
    public ulong ActualBytes => Bytes - (ulong)Find().ActualPages * VirtioBalloon.PageBytes;

    private ulong Bytes => context.RamBytes;

    // What the guest is to have: the rest is for the balloon.
    private void Set(long bytes)
    {
        if (bytes <= 0)
            throw new QmpException("Parameter 'value' expects a size");
        lock (context.Needed.Bus.DeviceLock)
            Find().SetTarget((uint)Math.Min((Bytes - Math.Min((ulong)bytes, Bytes)) / VirtioBalloon.PageBytes, uint.MaxValue));
    }

    private VirtioBalloon Find()
    {
        foreach (var device in context.Machine?.Devices ?? [])
        {
            if (device is VirtioPci { Device: VirtioBalloon balloon })
                return balloon;
        }
        throw new QmpException("No balloon device has been activated", "DeviceNotActive");
    }

    private static Action<Utf8JsonWriter> WriteActual(ulong bytes) => writer =>
    {
        writer.WriteStartObject();
        writer.WriteNumber("actual", bytes);
        writer.WriteEndObject();
    };
}
