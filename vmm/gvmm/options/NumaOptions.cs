using Gauntlet.Vmm.Boot;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>
/// <c>-numa</c>: nodes and their distances, put together when CPUs and RAM are known; and <c>-object memory-backend-ram</c>, which is how a node's or the
/// machine's memory is given a size. All of it is the machine's one RAM.
/// </summary>
public sealed class NumaOptions
{
    /// <summary>More than any machine here has CPUs for.</summary>
    private const int MaxNodes = 64;

    private const ulong PageBytes = 4096;

    private readonly SortedDictionary<int, Node> _nodes = [];
    private readonly Dictionary<string, ulong> _backends = new(StringComparer.Ordinal);
    private readonly List<(int From, int To, int Value)> _distances = [];

    private sealed record Node(List<int> Cpus, ulong? Bytes, string? Backend);

    /// <summary>The backend that has all RAM (<c>-machine memory-backend=</c>); null: RAM is as large as <c>-m</c> says.</summary>
    public string? MachineBackend { get; set; }

    /// <exception cref="OptionException">No name or size, or the name is taken.</exception>
    public void AddBackend(PropertyList list)
    {
        var (id, size) = (list.Take("id"), list.Take("size"));
        if (string.IsNullOrEmpty(id) || size is null)
            throw new OptionException("-object memory-backend-ram: give id= and size=");
        // How the host keeps it, which changes nothing that a guest sees.
        foreach (var hint in (ReadOnlySpan<string>)["merge", "dump", "share", "prealloc", "prealloc-threads", "reserve", "host-nodes", "policy"])
            _ = list.Take(hint);
        list.ExpectEmpty("id, size, and hints to the host: merge, dump, share, prealloc, reserve, host-nodes, policy");
        if (!_backends.TryAdd(id, Numbers.Size("-object memory-backend-ram size", size, 1)))
            throw new OptionException($"-object memory-backend-ram: attempt to add duplicate property '{id}' to object");
    }

    /// <exception cref="OptionException">Not a node with CPUs and memory.</exception>
    public void Add(string argument)
    {
        var list = new PropertyList("-numa", argument, "kind");
        switch (list.Take("kind"))
        {
            case "node":
                AddNode(list);
                break;
            case "dist":
                AddDistance(list);
                break;
            case var kind:
                throw new OptionException($"-numa {kind}: there are node and dist");
        }
    }

    private void AddNode(PropertyList list)
    {
        var id = list.Take("nodeid") is { } text ? Numbers.Count("-numa nodeid", text, 0, MaxNodes - 1) : _nodes.Count;
        var backend = list.Take("memdev");
        var bytes = list.Take("mem") is { } size ? Numbers.Size("-numa mem", size, 1UL << 20) : (ulong?)null;
        var cpus = new List<int>();
        // Several ranges are given one by one.
        foreach (var (key, range) in list.Properties)
        {
            if (key == "cpus")
                AddRange(cpus, range);
        }
        _ = list.Take("cpus");
        list.ExpectEmpty("node, nodeid, cpus, mem, memdev");
        if (bytes is not null && backend is not null)
            throw new OptionException($"-numa nodeid={id}: give mem= or memdev=, not both");
        if (!_nodes.TryAdd(id, new Node(cpus, bytes, backend)))
            throw new OptionException($"-numa nodeid={id}: given twice");
    }

    // ACPI Specification 6.4, 5.2.17: 10 is a node itself, 255 out of reach.
    private void AddDistance(PropertyList list)
    {
        var (from, to, value) = (Take("src", 0, MaxNodes - 1), Take("dst", 0, MaxNodes - 1), Take("val", Numa.LocalDistance, byte.MaxValue));
        list.ExpectEmpty("dist, src, dst, val");
        if (from == to && value != Numa.LocalDistance)
            throw new OptionException($"-numa dist,src={from},dst={to}: a node is {Numa.LocalDistance} from itself");
        _distances.Add((from, to, value));

        int Take(string key, int min, int max) =>
            list.Take(key) is { } text ? Numbers.Count($"-numa dist: {key}", text, min, max) : throw new OptionException("-numa dist: give src=, dst= and val=");
    }

    /// <summary>The machine's RAM, where a backend says how large it is.</summary>
    /// <param name="given">As <c>-m</c> has it; null: not given.</param>
    /// <exception cref="OptionException">There is no such backend, or it is of another size.</exception>
    public ulong? RamBytes(ulong? given)
    {
        if (MachineBackend is not { } name)
            return given;
        var bytes = BytesOf(name, "-machine memory-backend");
        return given is null || given == bytes ? bytes : throw new OptionException($"-machine memory-backend={name}: its {bytes} bytes are not the {given} of -m");
    }

    private ulong BytesOf(string backend, string option) =>
        _backends.TryGetValue(backend, out var bytes) ? bytes : throw new OptionException($"{option}={backend}: there is no -object memory-backend-ram,id={backend}");

    /// <summary>The machine's nodes; empty when none was given.</summary>
    /// <exception cref="OptionException">They do not make up the machine.</exception>
    public IReadOnlyList<NumaNode> Nodes(int cpuCount, ulong ramBytes)
    {
        var nodes = new List<NumaNode>();
        if (_distances.Exists(entry => entry.From >= _nodes.Count || entry.To >= _nodes.Count))
            throw new OptionException($"-numa dist: there are {_nodes.Count} nodes, from 0");
        if (_nodes.Count == 0)
            return nodes;
        if (_nodes.Keys.Max() != _nodes.Count - 1)
            throw new OptionException($"-numa: {_nodes.Count} nodes have the numbers 0 to {_nodes.Count - 1}, one of which is missing");
        var owner = new int[cpuCount];
        Array.Fill(owner, -1);
        foreach (var (id, node) in _nodes)
        {
            foreach (var cpu in node.Cpus)
            {
                if (cpu >= cpuCount || owner[cpu] >= 0)
                    throw new OptionException($"-numa node {id}: CPU {cpu} {(cpu >= cpuCount ? $"is none of the {cpuCount}" : $"is in node {owner[cpu]} already")}");
                owner[cpu] = id;
            }
        }
        // As QEMU: who is in no node, where others are, is in the first.
        var isChosen = Array.Exists(owner, static id => id >= 0);
        for (var cpu = 0; cpu < cpuCount; cpu++)
        {
            if (owner[cpu] < 0)
                owner[cpu] = isChosen ? 0 : cpu % _nodes.Count;
        }
        var left = ramBytes;
        // Where a node has a backend, those without have nothing.
        var isBacked = _nodes.Values.Any(static node => node.Backend is not null);
        foreach (var (id, node) in _nodes)
        {
            var given = node.Backend is { } backend ? BytesOf(backend, "-numa memdev") : node.Bytes ?? (isBacked ? 0 : null);
            // Equal shares where nothing is said, the last one has the rest.
            var bytes = given ?? (id == _nodes.Count - 1 ? left : ramBytes / (ulong)_nodes.Count / PageBytes * PageBytes);
            if (bytes > left || bytes % PageBytes != 0)
                throw new OptionException($"-numa node {id}: {bytes} bytes, where {left} are left of the machine's RAM, in pages of {PageBytes}");
            left -= bytes;
            nodes.Add(new NumaNode([.. Enumerable.Range(0, cpuCount).Where(cpu => owner[cpu] == id)], bytes) { Distances = DistancesOf(id) });
        }
        return left == 0 ? nodes : throw new OptionException($"-numa: {left} bytes of the machine's RAM are in no node; mem= of all nodes must add up to -m");
    }

    // As QEMU: what is said of one direction holds for the other, unless that is said too; without any, there is nothing to tell.
    private List<byte> DistancesOf(int id)
    {
        if (_distances.Count == 0)
            return [];
        var row = new List<byte>();
        for (var other = 0; other < _nodes.Count; other++)
        {
            var value = _distances.FindLast(entry => entry.From == id && entry.To == other).Value;
            if (value == 0)
                value = _distances.FindLast(entry => entry.From == other && entry.To == id).Value;
            row.Add((byte)(value != 0 ? value : id == other ? Numa.LocalDistance : Numa.RemoteDistance));
        }
        return row;
    }

    private static void AddRange(List<int> cpus, string range)
    {
        var dash = range.IndexOf('-', StringComparison.Ordinal);
        var first = Numbers.Count("-numa cpus", dash < 0 ? range : range[..dash], 0, Machines.X86Board.MaxCpus - 1);
        var last = dash < 0 ? first : Numbers.Count("-numa cpus", range[(dash + 1)..], first, Machines.X86Board.MaxCpus - 1);
        for (var cpu = first; cpu <= last; cpu++)
            cpus.Add(cpu);
    }
}
