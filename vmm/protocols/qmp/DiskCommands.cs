using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>What can be done to the disks of a machine that runs (QEMU QMP Reference Manual, "block_resize").</summary>
internal sealed class DiskCommands(QmpContext context)
{
    public IEnumerable<QmpCommand> All =>
    [
        QmpCommand.Action("block_resize", Resize, new QmpArgument("size", "int"), new QmpArgument("device", IsOptional: true), new QmpArgument("node-name", IsOptional: true)),
    ];

    private void Resize(QmpArguments arguments)
    {
        var name = arguments.TextOrNull("device") ?? arguments.TextOrNull("node-name") ?? throw new QmpException("give the disk's id as 'device'");
        var machine = context.Needed;
        lock (machine.Bus.DeviceLock)
        {
            if (FindDisk(name) is not { } disk)
                throw new QmpException($"Cannot find device '{name}'", QmpException.DeviceNotFound);
            if (!disk.TryResize(arguments.Number("size")))
                throw new QmpException($"'{name}' cannot have {arguments.Number("size")} bytes: only raw images that the guest may write change their size, by whole sectors of 512");
        }
    }

    private VirtioBlk? FindDisk(string name)
    {
        foreach (var device in context.Needed.Devices)
        {
            if (device is VirtioPci { Device: VirtioBlk disk } && disk.DriveId == name)
                return disk;
        }
        return null;
    }
}
