namespace Gauntlet.Fuzz.Qemu;

/// <summary>What a device needs to start at all, and what makes it do something: a drive, a network, devices on the buses that it offers.</summary>
public static class QemuBackends
{
    /// <summary>By the kind of bus, as <c>info qtree</c> names it.</summary>
    private static readonly Dictionary<string, string[]> ByBus = new(StringComparer.Ordinal)
    {
        ["SCSI"] = ["scsi-hd", "scsi-cd"],
        ["usb-bus"] = ["usb-tablet", "usb-storage"],
        ["IDE"] = ["ide-hd"],
        ["sd-bus"] = ["sd-card"],
        ["HDA"] = ["hda-duplex"],
        ["virtio-serial-bus"] = ["virtserialport"],
        ["floppy-bus"] = ["floppy"],
        ["IndustryPack"] = ["ipoctal232"],
    };

    private const int MostBuses = 2;

    /// <summary>Options for a device with these properties.</summary>
    public static IReadOnlyList<string> For(string device, IReadOnlyCollection<string> properties)
    {
        var options = new List<string>();
        var set = device;
        foreach (var property in properties)
        {
            switch (property)
            {
                case "drive":
                    set += ",drive=" + Drive(options, "d0");
                    break;
                case "netdev":
                    options.AddRange(["-netdev", "hubport,id=n0,hubid=0"]);
                    set += ",netdev=n0";
                    break;
                case "chardev" or "chardev1":
                    options.AddRange(["-chardev", $"null,id={property}"]);
                    set += $",{property}={property}";
                    break;
                case "audiodev":
                    options.AddRange(["-audiodev", "none,id=a0"]);
                    set += ",audiodev=a0";
                    break;
                case "cryptodev":
                    options.AddRange(["-object", "cryptodev-backend-builtin,id=cr0"]);
                    set += ",cryptodev=cr0";
                    break;
                case "canbus" or "canbus0" or "canbus1":
                    options.AddRange(["-object", $"can-bus,id={property}"]);
                    set += $",{property}={property}";
                    break;
                case "memdev":
                    options.AddRange(["-object", "memory-backend-ram,id=m0,size=1M,share=on"]);
                    set += ",memdev=m0";
                    break;
                case "bmc":
                    options.AddRange(["-device", "ipmi-bmc-sim,id=bmc0"]);
                    set += ",bmc=bmc0";
                    break;
                case "chassis_nr" or "chassis":
                    set += $",{property}=1";
                    break;
                case "fsdev" when device.StartsWith("virtio-9p", StringComparison.Ordinal):
                    options.AddRange(["-fsdev", "synth,id=f0"]);
                    set += ",fsdev=f0,mount_tag=t0";
                    break;
                case "serial" when device == "nvme":
                    set += ",serial=s0";
                    break;
            }
        }
        return [.. options, "-device", set];
    }

    /// <summary>Options for devices on the buses below a device.</summary>
    /// <param name="tree">What <c>info qtree</c> says.</param>
    public static IReadOnlyList<string> Children(string device, string tree)
    {
        var options = new List<string>();
        var (within, bus, buses, number) = (-1, "", 0, 1);
        foreach (var line in tree.Split('\n'))
        {
            var text = line.TrimStart();
            var indent = line.Length - text.Length;
            if (within >= 0 && indent <= within)
                within = -1;
            if (within < 0 && text.StartsWith($"dev: {device},", StringComparison.Ordinal))
                within = indent;
            else if (within >= 0 && text.StartsWith("bus: ", StringComparison.Ordinal))
                bus = text[5..].Trim();
            else if (within >= 0 && text.StartsWith("type ", StringComparison.Ordinal) && ByBus.TryGetValue(text[5..].Trim(), out var children) && buses++ < MostBuses)
            {
                // A bus of AHCI takes one device: a disk on the first, a CD on the second.
                foreach (var each in children)
                {
                    var child = each == "ide-hd" && buses == MostBuses ? "ide-cd" : each;
                    var set = $"{child},bus={bus}";
                    if (child is "scsi-hd" or "scsi-cd" or "usb-storage" or "ide-hd" or "ide-cd" or "sd-card" or "floppy")
                        set += ",drive=" + Drive(options, $"d{number++}");
                    if (child is "hda-duplex")
                    {
                        options.AddRange(["-audiodev", $"none,id=a{number}"]);
                        set += $",audiodev=a{number++}";
                    }
                    options.AddRange(["-device", set]);
                }
            }
        }
        return options;
    }

    // A disk of nothing: what is written is lost, what is read is zero.
    private static string Drive(List<string> options, string name)
    {
        options.AddRange(["-blockdev", $"driver=null-co,node-name={name},size=16777216,read-zeroes=on"]);
        return name;
    }
}
