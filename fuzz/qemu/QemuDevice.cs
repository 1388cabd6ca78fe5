using System.Text.RegularExpressions;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// A device of a running QEMU: how to start it, where its registers are. Everything is told by the binary itself (device-list-properties, info qtree, query-pci,
/// info mtree), so that a device of any version can be fuzzed by its name.
/// </summary>
/// <param name="Name">As <c>-device</c> takes it, or a part of the name of a region that the machine has anyhow.</param>
/// <param name="Command">That starts it.</param>
/// <param name="Windows">Its registers, leaf regions of the memory tree.</param>
/// <param name="Functions">Its PCI functions, on bus 0: device number times 8 plus function.</param>
/// <param name="Setup">Gives its BARs addresses and lets it decode and master: what firmware would do.</param>
public sealed partial record QemuDevice(
    string Name, QemuCommand Command, IReadOnlyList<Window> Windows, IReadOnlyList<int> Functions, IReadOnlyList<Operation> Setup)
{
    /// <summary>Of its functions.</summary>
    public IReadOnlyList<PciCapability> Capabilities { get; init; } = [];

    /// <summary>Of its functions' configuration spaces, as they tell themselves.</summary>
    public IReadOnlyList<PciRegister> Registers { get; init; } = [];

    // As QEMU names the ports of configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2): "-idx" and "-data".
    private const string ConfigurationRegion = "pci-conf";

    private const uint FirstMemory = 0xe0000000, FirstPort = 0xc000, MemoryEnd = 0xfe000000, PortEnd = 0x10000;

    /// <summary>Asks the binary.</summary>
    /// <param name="machine">pc, q35.</param>
    /// <exception cref="UserException">It has no such device, the device does not start, or has nothing that can be accessed.</exception>
    public static QemuDevice Probe(string program, string machine, string name)
    {
        var plain = new QemuCommand(program, machine, []);
        string baseTree;
        QemuCommand command;
        var isDevice = false;
        using (var bare = new QemuProcess(plain))
        {
            baseTree = bare.ExecuteHuman("info mtree");
            var properties = bare.Execute("device-list-properties", $"{{\"typename\":\"{name}\"}}");
            isDevice = properties.ValueKind == System.Text.Json.JsonValueKind.Array;
            command = isDevice
                ? plain with { Devices = QemuBackends.For(name, [.. properties.EnumerateArray().Select(property => property.GetProperty("name").GetString()!)]) }
                : plain;
        }
        if (isDevice)
        {
            try
            {
                using var first = new QemuProcess(command);
                command = command with { Devices = [.. command.Devices, .. QemuBackends.Children(name, first.ExecuteHuman("info qtree"))] };
            }
            catch (UserException refused) when (refused.Message.Contains("pluggable", StringComparison.Ordinal))
            {
                // The board's own: it is there anyhow.
                (isDevice, command) = (false, plain);
            }
        }
        using var process = new QemuProcess(command);
        var (functions, setup, bars) = isDevice ? PlanPci(process, plain) : ([], [], []);
        // The board's own functions have no setup: their configuration is the target.
        if (name == ConfigurationRegion)
            functions = [.. PciFunctions(process).Select(static found => found.Function)];
        process.Run(setup);
        var before = Leaves(baseTree).ToHashSet();
        var leaves = Leaves(process.ExecuteHuman("info mtree"));
        List<Window> windows = [.. leaves
            .Where(leaf => isDevice
                ? !before.Contains(leaf) || bars.Any(bar => bar.Space == leaf.Space && leaf.Base - bar.Base < bar.Length)
                : leaf.Name.Contains(name, StringComparison.OrdinalIgnoreCase))
            .Select(leaf => new Window(leaf.Name, leaf.Space, leaf.Base, leaf.Length, []))
            .Take(Grammar.MaxWindows)];
        if (windows.Count == 0 && functions.Count == 0)
            throw new UserException($"qemu:{name}: {Path.GetFileName(program)} has no such device on {machine}, or none of its registers can be reached");
        var maps = functions.Select(function => PciFunctionMap.Read(function, register => (uint)process.Run([Operation.PciRead(function, register, 4)])[0])).ToList();
        return new QemuDevice(name, command, windows, functions, setup) { Capabilities = [.. maps.SelectMany(static map => map.Capabilities)], Registers = [.. maps.SelectMany(static map => map.Registers)] };
    }

    private static (List<int> Functions, List<Operation> Setup, List<Bar> Bars) PlanPci(QemuProcess process, QemuCommand plain)
    {
        HashSet<int> old;
        using (var bare = new QemuProcess(plain))
            old = [.. PciFunctions(bare).Select(static found => found.Function)];
        var (functions, setup, bars) = (new List<int>(), new List<Operation>(), new List<Bar>());
        var (memory, port) = ((ulong)FirstMemory, (ulong)FirstPort);
        foreach (var (function, regions) in PciFunctions(process))
        {
            if (old.Contains(function))
                continue;
            functions.Add(function);
            foreach (var (number, isPort, size, is64) in regions)
            {
                ref var next = ref isPort ? ref port : ref memory;
                var at = (next + size - 1) / size * size;
                if (at + size > (isPort ? PortEnd : MemoryEnd))
                    continue;
                next = at + size;
                setup.Add(Operation.PciWrite(function, PciRegister.FirstBar + 4 * number, 4, at));
                if (is64)
                    setup.Add(Operation.PciWrite(function, PciRegister.FirstBar + 4 * (number + 1), 4, at >> 32));
                bars.Add(new Bar(isPort ? AddressSpace.Port : AddressSpace.Mmio, at, size));
            }
            // I/O, memory and mastering (6.2.2).
            setup.Add(Operation.PciWrite(function, PciRegister.Command, 2, 7));
        }
        return (functions, setup, bars);
    }

    // On bus 0: no firmware numbers what is behind bridges.
    private static IEnumerable<(int Function, List<(int Number, bool IsPort, ulong Size, bool Is64)> Regions)> PciFunctions(QemuProcess process)
    {
        foreach (var bus in process.Execute("query-pci").EnumerateArray().Where(static bus => bus.GetProperty("bus").GetInt32() == 0))
        {
            foreach (var device in bus.GetProperty("devices").EnumerateArray())
            {
                var regions = device.GetProperty("regions").EnumerateArray()
                    .Where(region => region.GetProperty("bar").GetInt32() < 6)
                    .Select(region => (region.GetProperty("bar").GetInt32(), region.GetProperty("type").GetString() == "io", region.GetProperty("size").GetUInt64(),
                        region.TryGetProperty("mem_type_64", out var wide) && wide.GetBoolean()))
                    .ToList();
                yield return (device.GetProperty("slot").GetInt32() << 3 | device.GetProperty("function").GetInt32(), regions);
            }
        }
    }

    private readonly record struct Bar(AddressSpace Space, ulong Base, ulong Length);

    private readonly record struct Leaf(string Name, AddressSpace Space, ulong Base, ulong Length);

    // Regions that have none inside them and do something on access; of the two address spaces that every machine has.
    private static List<Leaf> Leaves(string tree)
    {
        var leaves = new List<Leaf>();
        AddressSpace? space = null;
        (Leaf Leaf, int Indent)? last = null;
        foreach (var line in tree.Split('\n').Append(""))
        {
            if (line.StartsWith("address-space:", StringComparison.Ordinal) || line.StartsWith("memory-region:", StringComparison.Ordinal))
                space = line.Trim() switch { "address-space: I/O" => AddressSpace.Port, "address-space: memory" => AddressSpace.Mmio, _ => null };
            var match = TreeLine().Match(line);
            var indent = match.Success ? match.Groups["indent"].Length : 0;
            if (last is { } previous && indent <= previous.Indent)
                leaves.Add(previous.Leaf);
            last = null;
            if (space is not { } within || !match.Success || match.Groups["kind"].Value is not ("i/o" or "ram" or "ramd" or "romd") || match.Groups["name"].Value.Contains("disabled", StringComparison.Ordinal))
                continue;
            var (start, end) = (Convert.ToUInt64(match.Groups["start"].Value, 16), Convert.ToUInt64(match.Groups["end"].Value, 16));
            var leaf = new Leaf(match.Groups["name"].Value.Trim(), within, start, end - start + 1);
            if (leaf.Length is > 0 and <= 1UL << 32 && !leaf.Name.StartsWith("alias ", StringComparison.Ordinal) && (within == AddressSpace.Mmio || end <= ushort.MaxValue))
                last = (leaf, indent);
        }
        return [.. leaves.Distinct()];
    }

    [GeneratedRegex(@"^(?<indent> +)(?<start>[0-9a-f]{16})-(?<end>[0-9a-f]{16}) \(prio -?\d+, (?<kind>[a-z/]+)\): (?<name>.*)$")]
    private static partial Regex TreeLine();
}
