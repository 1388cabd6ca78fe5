using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Protocols.Qmp;

namespace Gauntlet.Vmm.Protocols.Hmp;

/// <summary>The commands that a person types at the monitor, by QEMU's names (QEMU, "QEMU Monitor"). Answers end each line with CR LF.</summary>
/// <param name="context">What they act on.</param>
public sealed class MonitorConsole(QmpContext context)
{
    private const int MaxWordsShown = 1024;

    private const string Help = """
        help -- this list
        info WHAT -- what there is: help info
        cont, stop, system_reset, system_powerdown, quit
        savevm FILE, loadvm FILE -- the machine's state, without its disks
        migrate file:PATH -- as savevm, and pause
        xp /COUNT{b|h|w|g} ADDRESS -- guest-physical memory
        qemu-io DISK "break EVENT TAG" -- with a disk of driver blkdebug: its next request of that kind waits; "resume TAG": it goes on

        """;

    private const string HelpOnInfo = """
        info balloon -- the guest's memory, by its balloon
        info block -- disks
        info chardev -- character devices
        info cpus -- vCPUs and their threads
        info irq -- how often each interrupt was raised
        info kvm -- whether KVM is used
        info mtree -- what is where in memory and port space
        info name -- the guest's name
        info numa -- nodes of CPUs and memory
        info pci -- functions on the PCI bus
        info qtree -- devices
        info registers [-a] -- the first vCPU's registers, or all vCPUs'
        info status -- whether the machine runs
        info uuid -- the machine's UUID
        info version -- gvmm's version

        """;

    /// <summary>Carries a line out and gives what to print.</summary>
    public string Execute(string line)
    {
        try
        {
            return Answer(line).ReplaceLineEndings("\r\n");
        }
        catch (QmpException refused)
        {
            return $"Error: {refused.Message}\r\n";
        }
    }

    private string Answer(string line)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        switch (words)
        {
            case []:
                return "";
            case ["help" or "?", "info"] or ["info"]:
                return HelpOnInfo;
            case ["help" or "?", ..]:
                return Help;
            case ["info", .. var what]:
                return Info(what, line);
            case ["stop" or "s"]:
                context.Pause();
                return "";
            case ["cont" or "c"]:
                context.Resume();
                return "";
            case ["system_reset"]:
                context.Needed.ResetFromHost();
                return "";
            case ["system_powerdown"]:
                if (context.PressPowerButton is not { } press)
                    throw new QmpException("this machine has no power button");
                press();
                return "";
            case ["savevm", var path]:
                Snapshot(() => SnapshotFile.Save(context.Needed, path));
                return "";
            case ["loadvm", var path]:
                Snapshot(() => SnapshotFile.Load(context.Needed, path));
                return "";
            case ["migrate", var uri]:
                Snapshot(() => SnapshotFile.Save(context.Needed, MigrationCommands.PathOf(uri), pauseAfterwards: true));
                return "";
            case ["quit" or "q"]:
                context.Quit();
                return "";
            case ["qemu-io", var disk, ..]:
                new DiskConsole(context).Execute(disk, line[(line.IndexOf(disk, StringComparison.Ordinal) + disk.Length)..]);
                return "";
            case ["xp", .. var arguments]:
                return Examine(arguments);
            default:
                return $"unknown command: '{line}'\n";
        }
    }

    private static void Snapshot(Action action)
    {
        try
        {
            action();
        }
        catch (SnapshotException why)
        {
            throw new QmpException(why.Message);
        }
    }

    private string Info(string[] what, string line) => what switch
    {
        ["registers"] => Registers(all: false),
        ["registers", "-a"] => Registers(all: true),
        ["status"] => $"VM status: {(context.State == MachineState.Running ? "running" : "paused")}\n",
        ["version"] => $"{ProtocolCommands.Version.ToString(3)}gvmm\n",
        ["mtree", ..] => MemoryTree(),
        ["qtree"] => DeviceList(),
        ["pci"] => Pci(),
        ["irq"] => Interrupts(),
        ["chardev"] => Chardevs(),
        ["cpus"] => Cpus(),
        ["kvm"] => $"kvm support: {(context.Machine?.Accelerator.Name == "kvm" ? "enabled" : "disabled")}\n",
        ["block"] => Disks(),
        ["numa"] => Nodes(),
        ["balloon"] => $"balloon: actual={new BalloonCommands(context).ActualBytes >> 20}\n",
        ["name"] => context.Name is { } name ? $"{name}\n" : "",
        ["uuid"] => $"{context.Uuid:D}\n",
        _ => $"unknown command: '{line}'\n",
    };

    private string Registers(bool all)
    {
        var text = new StringBuilder();
        context.Machine?.Inspect(() =>
        {
            foreach (var vcpu in context.Machine.Vcpus)
            {
                if (!all && vcpu.Index > 0)
                    break;
                vcpu.GetState(out var state);
                text.Append(CultureInfo.InvariantCulture, $"\nCPU#{vcpu.Index}\n");
                RegisterDump.Append(text, in state);
            }
        });
        return text.ToString();
    }

    private string MemoryTree()
    {
        var text = new StringBuilder();
        if (context.Machine is not { } machine)
            return "";
        foreach (var run in machine.Memory.Layout)
            text.Append(CultureInfo.InvariantCulture, $"{run.GuestAddress:x16}-{run.GuestAddress + run.Length - 1:x16} {(run.ReadOnly ? "rom" : "ram")}: {run.Name}\n");
        lock (machine.Bus.DeviceLock)
        {
            foreach (var mapping in machine.Bus.GetMappings())
            {
                text.Append(CultureInfo.InvariantCulture, $"{mapping.Base:x16}-{mapping.Base + mapping.Length - 1:x16} {(mapping.Space == AddressSpace.Port ? "i/o" : "mmio")}: ");
                text.Append(CultureInfo.InvariantCulture, $"{mapping.Device.Name}.{mapping.Device.Regions[mapping.Region].Name}\n");
            }
        }
        return text.ToString();
    }

    private string DeviceList()
    {
        var text = new StringBuilder();
        if (context.Machine is not { } machine)
            return "";
        text.Append("bus: main-system-bus\n  type System\n");
        foreach (var device in machine.Devices)
        {
            text.Append(CultureInfo.InvariantCulture, $"  dev: {device.Name}, id \"\"\n");
            lock (machine.Bus.DeviceLock)
            {
                foreach (var mapping in machine.Bus.GetMappings())
                {
                    if (ReferenceEquals(mapping.Device, device))
                        text.Append(CultureInfo.InvariantCulture, $"    {(mapping.Space == AddressSpace.Port ? "ioport" : "mmio")} {mapping.Base:x16}/{mapping.Length:x16}\n");
                }
            }
        }
        return text.ToString();
    }

    private string Pci()
    {
        var text = new StringBuilder();
        foreach (var function in context.PciFunctions())
        {
            text.Append(CultureInfo.InvariantCulture, $"  Bus  0, device {function.Slot,3}, function {function.Function}:\n");
            text.Append(CultureInfo.InvariantCulture, $"    Class {function.Read(10, 2):x4}: PCI device {function.Read(0, 2):x4}:{function.Read(2, 2):x4}\n");
        }
        return text.ToString();
    }

    private string Interrupts()
    {
        var text = new StringBuilder("IRQ statistics:\n");
        for (var gsi = 0; context.Lines is { } lines && gsi < Devices.Interrupt.PcInterruptLines.Count; gsi++)
        {
            if (lines.RaisedCount(gsi) > 0)
                text.Append(CultureInfo.InvariantCulture, $"{gsi,2}: {lines.RaisedCount(gsi)}\n");
        }
        return text.ToString();
    }

    private string Chardevs()
    {
        var text = new StringBuilder();
        foreach (var chardev in context.Chardevs)
            text.Append(CultureInfo.InvariantCulture, $"{chardev.Id}: filename={chardev.FileName}\n");
        return text.ToString();
    }

    private string Disks()
    {
        var text = new StringBuilder();
        foreach (var node in context.Blocks.All)
        {
            var access = node.Image.IsReadOnly ? ", read-only" : "";
            var state = node.Errors is { HasFailed: true } ? "    I/O status:       failed\n" : "";
            text.Append(CultureInfo.InvariantCulture, $"{node.User ?? "(unattached)"} ({node.Name}): {node.File} ({node.Driver}{access})\n{state}");
        }
        return text.ToString();
    }

    private string Nodes()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{context.Nodes.Count} nodes\n");
        for (var i = 0; i < context.Nodes.Count; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"node {i} cpus: {string.Join(' ', context.Nodes[i].Cpus)}\n");
            text.Append(CultureInfo.InvariantCulture, $"node {i} size: {context.Nodes[i].Bytes >> 20} MB\nnode {i} plugged: 0 MB\n");
        }
        return text.ToString();
    }

    private string Cpus()
    {
        var text = new StringBuilder();
        foreach (var vcpu in context.Machine?.Vcpus ?? [])
            text.Append(CultureInfo.InvariantCulture, $"{(vcpu.Index == 0 ? '*' : ' ')} CPU #{vcpu.Index}: thread_id={context.Machine!.VcpuThreadId(vcpu.Index)}\n");
        return text.ToString();
    }

    // xp /4w 0x1000
    private string Examine(string[] arguments)
    {
        var (count, size) = (1, 4);
        var at = 0;
        if (arguments is [['/', .. var format], ..])
        {
            at = 1;
            var digits = format.AsSpan().TrimEnd("xbhwg");
            var unit = format.AsSpan(digits.Length).Trim('x');
            size = unit is "b" ? 1 : unit is "h" ? 2 : unit is "g" ? 8 : 4;
            if (!digits.IsEmpty && (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out count) || count > MaxWordsShown))
                throw new QmpException($"format '/{format}': /COUNT and one of b, h, w, g; at most {MaxWordsShown}");
        }
        if (arguments.Length != at + 1 || !TryNumber(arguments[at], out var address))
            throw new QmpException("give it as: xp /COUNT{b|h|w|g} ADDRESS");
        var text = new StringBuilder();
        Span<byte> bytes = stackalloc byte[8];
        var perLine = 16 / size;
        for (var i = 0; i < count; i++)
        {
            bytes.Clear();
            if (i % perLine == 0)
                text.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : "\n")}{address:x16}:");
            if (context.Needed.Memory.TryRead(address, bytes[..size]))
                text.Append(" 0x").Append(BitConverter.ToUInt64(bytes).ToString($"x{size * 2}", CultureInfo.InvariantCulture));
            else
                text.Append(" (not RAM)");
            address += (ulong)size;
        }
        return text.Append('\n').ToString();
    }

    private static bool TryNumber(string text, out ulong value) => text is ['0', 'x' or 'X', .. var hex]
        ? ulong.TryParse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
        : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
