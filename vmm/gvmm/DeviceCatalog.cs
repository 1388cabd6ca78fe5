using System.Globalization;
using Gauntlet.Linux;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Program;

/// <summary>What <c>-device</c> can add to a machine.</summary>
public static class DeviceCatalog
{
    /// <summary>By name.</summary>
    public static IReadOnlyList<string> Names { get; } = ["isa-debug-exit", "pc-testdev", "pci-testdev", "edu", "e1000", "pvpanic", "pvpanic-pci", "ide-hd", "ide-cd", "virtio-balloon-pci", "virtio-blk-pci",
        "virtio-net-pci", "virtio-rng-pci", "virtio-serial-pci", "virtio-vsock-pci",
        "virtio-balloon-device", "virtio-blk-device", "virtio-net-device", "virtio-rng-device", "virtio-serial-device", "virtio-vsock-device", "virtconsole", "virtserialport"];

    /// <summary>For messages.</summary>
    public static string NameList => string.Join(", ", Names);

    public static bool IsKnown(string driver)
    {
        foreach (var name in Names)
        {
            if (name == driver)
                return true;
        }
        return false;
    }

    /// <summary>Puts a device on the board.</summary>
    /// <exception cref="OptionException">A property that it does not have, a value out of range, or ports that are taken.</exception>
    /// <exception cref="BlockImageException">Its disk cannot be opened.</exception>
    internal static void Add(X86Board board, DeviceOption option, Backends backends)
    {
        try
        {
            switch (option.Driver)
            {
                case "isa-debug-exit":
                    var size = Number(option, "iosize", IsaDebugExit.DefaultSize, 1, 4);
                    board.AddDebugExit((ushort)Number(option, "iobase", IsaDebugExit.DefaultBase, 0, 0x10000 - size), size);
                    Expect(option, "iobase", "iosize");
                    break;
                case "pc-testdev":
                    Expect(option);
                    board.AddPcTestDev();
                    break;
                case "pvpanic":
                    board.AddPvPanic((ushort)Number(option, "ioport", PvPanic.DefaultPort, 0, 0xffff));
                    Expect(option, "ioport");
                    break;
                case "ide-hd" or "ide-cd":
                    AddIdeDrive(board, option, backends.Drives);
                    break;
                case "e1000":
                    AddE1000(Pci(board, option), option, backends.Networks);
                    break;
                case "edu":
                    AddEdu(Pci(board, option), option);
                    break;
                case "pvpanic-pci":
                    Expect(option, "addr");
                    Pci(board, option).AddPvPanicPci(Slot(option));
                    break;
                case "virtio-rng-pci" or "virtio-rng-device":
                    ExpectVirtio(option);
                    AddVirtio(board, option, new VirtioRng(board.Machine.Memory, board.Machine.Clock, HostEntropy.Instance) { WithheldFeatures = Withheld(option) });
                    break;
                case "virtio-balloon-pci" or "virtio-balloon-device":
                    ExpectVirtio(option);
                    var balloon = new VirtioBalloon(board.Machine.Memory, board.Machine.Clock, new ReclaimableMemory(board.Machine.Memory)) { WithheldFeatures = Withheld(option) };
                    AddVirtio(board, option, balloon);
                    break;
                case "virtio-blk-pci" or "virtio-blk-device":
                    AddDisk(board, option, backends.Drives);
                    break;
                case "virtio-net-pci" or "virtio-net-device":
                    AddNetwork(board, option, backends.Networks);
                    break;
                case "virtio-vsock-pci" or "virtio-vsock-device":
                    AddVsock(board, option);
                    break;
                case "virtio-serial-pci" or "virtio-serial-device":
                    AddSerial(board, option, backends);
                    break;
                case "virtconsole" or "virtserialport":
                    AddPort(board, option, backends);
                    break;
                default:
                    Expect(option, "addr");
                    Pci(board, option).AddPciTestDev(Slot(option));
                    break;
            }
        }
        catch (InvalidOperationException taken)
        {
            throw new OptionException($"-device {option.Driver}: {taken.Message}");
        }
    }

    /// <summary>Adds the disks that came with a device of their own.</summary>
    /// <exception cref="OptionException">There is no slot for it.</exception>
    /// <exception cref="BlockImageException">It cannot be opened.</exception>
    public static void AddVirtioDrives(X86Board board, IReadOnlyList<DriveOption> options, Drives drives)
    {
        try
        {
            foreach (var drive in options)
            {
                if (!drive.IsVirtio)
                    continue;
                var disk = NewDisk(board, drive.Id, drives.Open(drive), "", VirtioFeature.RingPacked);
                if (board is MicrovmBoard microvm)
                    microvm.AddVirtio(disk);
                else
                    ((PcBoard)board).AddVirtio(disk);
            }
        }
        catch (InvalidOperationException taken)
        {
            throw new OptionException($"-drive if=virtio: {taken.Message}");
        }
    }

    // Where it is plugged is in its name.
    private static void AddVirtio(X86Board board, DeviceOption option, VirtioDevice device)
    {
        if (option.Driver.EndsWith("-pci", StringComparison.Ordinal))
            Pci(board, option).AddVirtio(device, Slot(option), UsesEvents(option));
        else if (board is MicrovmBoard microvm)
            microvm.AddVirtio(device);
        else
            throw new OptionException($"-device {option.Driver}: this machine has no place for virtio registers in memory; use {option.Driver[..^"-device".Length]}-pci, or -machine microvm");
    }

    private static PcBoard Pci(X86Board board, DeviceOption option) =>
        board as PcBoard ?? throw new OptionException($"-device {option.Driver}: a {board.Machine.Type} has no PCI bus{(option.Driver.StartsWith("virtio-", StringComparison.Ordinal) ? $"; use {option.Driver[..^"-pci".Length]}-device" : "")}");

    private static void AddDisk(X86Board board, DeviceOption option, Drives drives)
    {
        ExpectVirtio(option, "drive", "serial", "rerror", "werror");
        if (!option.Properties.TryGetValue("drive", out var id))
            throw new OptionException($"-device {option.Driver}: drive property not set");
        var serial = option.Properties.TryGetValue("serial", out var text) ? text : "";
        if (System.Text.Encoding.UTF8.GetByteCount(serial) > VirtioBlk.MaxSerialBytes)
            throw new OptionException($"-device {option.Driver}: serial '{serial}' is longer than {VirtioBlk.MaxSerialBytes} bytes");
        AddVirtio(board, option, NewDisk(board, id, TakeDrive(option, id, drives), serial, Withheld(option)));
    }

    private static VirtioBlk NewDisk(X86Board board, string name, (IBlockImage Image, BlockErrors Errors) disc, string serial, ulong withheld)
    {
        var worker = new BlockWorker(name);
        var disk = new VirtioBlk(board.Machine.Memory, board.Machine.Clock, disc.Image, serial, worker, disc.Errors) { WithheldFeatures = withheld, DriveId = name };
        worker.Connect(new HostEvent(board.Machine.Bus.DeviceLock, board.Machine.Clock, disk.Poll).Raise);
        return disk;
    }

    private static void AddNetwork(X86Board board, DeviceOption option, Networks networks)
    {
        ExpectVirtio(option, "netdev", "mac");
        var address = networks.NextAddress(option.Driver, option.Properties.TryGetValue("mac", out var text) ? text : null);
        INetworkLink link = option.Properties.TryGetValue("netdev", out var id) ? networks.Take(option.Driver, id) : NullNetworkLink.Instance;
        var device = new VirtioNet(board.Machine.Memory, board.Machine.Clock, link, address) { WithheldFeatures = Withheld(option) };
        link.Connect(new HostEvent(board.Machine.Bus.DeviceLock, board.Machine.Clock, device.Poll).Raise);
        AddVirtio(board, option, device);
    }

    private static void AddVsock(X86Board board, DeviceOption option)
    {
        ExpectVirtio(option, "guest-cid", "uds");
        if (!option.Properties.TryGetValue("guest-cid", out var text) || !ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var cid)
            || cid is < VirtioVsock.MinGuestCid or > VirtioVsock.MaxGuestCid)
            throw new OptionException($"-device {option.Driver}: guest-cid= is the guest's address, from {VirtioVsock.MinGuestCid} to {VirtioVsock.MaxGuestCid}");
        if (!option.Properties.TryGetValue("uds", out var path) || path.Length == 0)
            throw new OptionException($"-device {option.Driver}: uds= is the path of the socket that programs of the host connect to");
        UnixVsock host;
        try
        {
            host = new UnixVsock(path);
        }
        catch (LinuxException why)
        {
            throw new OptionException($"-device {option.Driver}: uds={path}: {why.Message}");
        }
        var device = new VirtioVsock(board.Machine.Memory, board.Machine.Clock, host, cid) { WithheldFeatures = Withheld(option) };
        host.Connect(new HostEvent(board.Machine.Bus.DeviceLock, board.Machine.Clock, device.Poll).Raise);
        AddVirtio(board, option, device);
    }

    private static void AddE1000(PcBoard board, DeviceOption option, Networks networks)
    {
        Expect(option, "netdev", "mac", "addr");
        var address = networks.NextAddress(option.Driver, option.Properties.TryGetValue("mac", out var text) ? text : null);
        INetworkLink link = option.Properties.TryGetValue("netdev", out var id) ? networks.Take(option.Driver, id) : NullNetworkLink.Instance;
        var device = board.AddE1000(link, address, Slot(option));
        link.Connect(new HostEvent(board.Machine.Bus.DeviceLock, board.Machine.Clock, device.Poll).Raise);
    }

    private static void AddSerial(X86Board board, DeviceOption option, Backends backends)
    {
        ExpectVirtio(option, "max_ports");
        _ = Number(option, "max_ports", VirtioSerial.MaxPorts, 1, VirtioSerial.MaxPorts);
        var device = new VirtioSerial(board.Machine.Memory, board.Machine.Clock) { WithheldFeatures = Withheld(option) };
        AddVirtio(board, option, device);
        backends.Add(option.Properties.TryGetValue("id", out var id) ? id : "", device);
    }

    private static void AddPort(X86Board board, DeviceOption option, Backends backends)
    {
        Expect(option, "bus", "nr", "name", "chardev");
        var bus = option.Properties.TryGetValue("bus", out var busName) ? busName : null;
        var device = backends.FindSerial(bus) ?? throw new OptionException($"-device {option.Driver}: there is no {(bus is null ? "virtio-serial-pci or virtio-serial-device" : $"bus '{bus}'")} before it");
        IStreamLink link = NullStreamLink.Instance;
        if (option.Properties.TryGetValue("chardev", out var chardev))
            link = new ChardevLink(Program.Take($"-device {option.Driver}", backends.Chardevs[chardev]));
        link.Connect(new HostEvent(board.Machine.Bus.DeviceLock, board.Machine.Clock, device.Poll).Raise);
        var number = option.Properties.ContainsKey("nr") ? Number(option, "nr", 0, 0, VirtioSerial.MaxPorts - 1) : (int?)null;
        var port = device.AddPort(number, option.Properties.TryGetValue("name", out var name) ? name : "", option.Driver == "virtconsole", link);
        if (option.Properties.TryGetValue("id", out var id))
            backends.NotePort(id, device, port);
    }

    private static void AddIdeDrive(X86Board board, DeviceOption option, Drives drives)
    {
        Expect(option, "drive", "bus", "unit", "serial", "ver", "model", "bootindex", "rerror", "werror");
        int? channel = null;
        if (option.Properties.TryGetValue("bus", out var bus))
        {
            var last = board.Machine.Type == "q35" ? Ahci.PortCount - 1 : 1;
            channel = bus.StartsWith("ide.", StringComparison.Ordinal) && int.TryParse(bus.AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= last
                ? number
                : throw new OptionException($"-device {option.Driver}: there is no bus '{bus}'; there are ide.0 to ide.{last}");
        }
        int? unit = option.Properties.ContainsKey("unit") ? Number(option, "unit", 0, 0, 1) : null;
        var hasDrive = option.Properties.TryGetValue("drive", out var id);
        if (option.Driver == "ide-cd")
        {
            var (disc, discErrors) = hasDrive ? TakeDrive(option, id!, drives) : default;
            Pci(board, option).AddIdeDrive(new AtapiCdRom(disc, discErrors), channel, unit);
            return;
        }
        if (!hasDrive)
            throw new OptionException($"-device {option.Driver}: drive property not set");
        var (serial, revision) = (Text(option, "serial", AtaDisk.MaxSerialBytes), Text(option, "ver", AtaDisk.MaxRevisionBytes));
        var (image, errors) = TakeDrive(option, id!, drives);
        Pci(board, option).AddIdeDrive(new AtaDisk(image, serial ?? "GV00001", revision ?? "1.0", errors), channel, unit);
    }

    private static (IBlockImage Image, BlockErrors Errors) TakeDrive(DeviceOption option, string id, Drives drives)
    {
        return drives.Take(option.Driver, id, Action("rerror"), Action("werror"));

        BlockErrorAction? Action(string property) =>
            option.Properties.TryGetValue(property, out var text) && text != "auto" ? DriveOption.ErrorAction($"-device {option.Driver}: {property}", text) : null;
    }

    // As QEMU: the mask in decimal or hexadecimal.
    private static void AddEdu(PcBoard board, DeviceOption option)
    {
        Expect(option, "addr", "dma_mask");
        if (!option.Properties.TryGetValue("dma_mask", out var text))
        {
            board.AddEdu(Slot(option));
            return;
        }
        var isHex = text.StartsWith("0x", StringComparison.Ordinal);
        if (!ulong.TryParse(isHex ? text.AsSpan(2) : text, isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out var mask))
            throw new OptionException($"-device edu: dma_mask={text} is not a number, such as 0xfffffff");
        board.AddEdu(Slot(option), mask);
    }

    // ASCII, as the drive's identity has it.
    private static string? Text(DeviceOption option, string property, int max)
    {
        if (!option.Properties.TryGetValue(property, out var text))
            return null;
        return text.Length <= max && System.Text.Ascii.IsValid(text)
            ? text
            : throw new OptionException($"-device {option.Driver}: {property} '{text}' is not at most {max} ASCII characters");
    }

    // What every virtio device takes; there is no legacy interface to switch off.
    private static void ExpectVirtio(DeviceOption option, params string[] known) =>
        Expect(option, [.. known, .. option.Driver.EndsWith("-pci", StringComparison.Ordinal) ? (ReadOnlySpan<string>)["addr", "disable-legacy", "ioeventfd"] : [], "packed", "event_idx", "indirect_desc", "queue_reset"]);

    // As QEMU: packed rings only where asked for, since some drivers accept what they cannot do.
    private static ulong Withheld(DeviceOption option)
    {
        return Unless("packed", false, VirtioFeature.RingPacked) | Unless("event_idx", true, VirtioFeature.EventIndex)
            | Unless("indirect_desc", true, VirtioFeature.IndirectDescriptors) | Unless("queue_reset", true, VirtioFeature.RingReset);

        ulong Unless(string property, bool absent, ulong feature) => Switch(option, property, absent) ? 0 : feature;
    }

    // Off unless asked for: a request that the vCPU's thread answers at once takes less time than to wake another one, and the guest's run repeats.
    private static bool UsesEvents(DeviceOption option) => Switch(option, "ioeventfd", absent: false);

    private static bool Switch(DeviceOption option, string property, bool absent) => !option.Properties.TryGetValue(property, out var text) ? absent : text switch
    {
        "on" or "yes" or "true" or "y" => true,
        "off" or "no" or "false" or "n" => false,
        _ => throw new OptionException($"-device {option.Driver}: {property} is on or off, not '{text}'"),
    };

    // As QEMU: a slot in hexadecimal, and after a dot its function, of which only 0 can be chosen.
    private static int? Slot(DeviceOption option)
    {
        if (!option.Properties.TryGetValue("addr", out var text))
            return null;
        var digits = text.EndsWith(".0", StringComparison.Ordinal) ? text[..^2] : text;
        if (digits.StartsWith("0x", StringComparison.Ordinal))
            digits = digits[2..];
        return int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var slot) && slot is > 0 and < 32
            ? slot
            : throw new OptionException($"-device {option.Driver}: addr={text} is not a slot, from 01 to 1f in hexadecimal");
    }

    private static int Number(DeviceOption option, string property, int absent, int min, int max) =>
        option.Properties.TryGetValue(property, out var text) ? Numbers.Count($"-device {option.Driver}: {property}", text, min, max) : absent;

    private static void Expect(DeviceOption option, params string[] known)
    {
        foreach (var (name, _) in option.Properties)
        {
            // Any device may have a name; nothing here refers to one.
            if (name != "id" && Array.IndexOf(known, name) < 0)
                throw new OptionException($"-device {option.Driver}: property '{name}' not found");
        }
    }
}
