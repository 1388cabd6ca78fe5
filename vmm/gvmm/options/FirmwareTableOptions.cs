using System.Text;
using Gauntlet.Vmm.Boot;

namespace Gauntlet.Vmm.Program.Options;

/// <summary><c>-smbios</c>: fields of SMBIOS structures.</summary>
public sealed class SmbiosOptions
{
    private readonly Dictionary<(int Type, string Field), string> _fields = [];
    private readonly List<string> _strings = [];

    public IReadOnlyDictionary<(int Type, string Field), string> Fields => _fields;

    public IReadOnlyList<string> OemStrings => _strings;

    /// <exception cref="OptionException">A type or a field that cannot be chosen, or a text that is too long.</exception>
    public void Add(string argument)
    {
        var list = new PropertyList("-smbios", argument, null);
        if (list.Take("file") is not null)
            throw new OptionException("-smbios file=: structures cannot be given whole here, only fields of types 0, 1, 2, 3, 4, 11 and 17");
        var type = Numbers.Count("-smbios type", list.Take("type") ?? throw new OptionException($"-smbios {argument}: no type given, as type=1"), 0, 127);
        var known = FieldsOf(type);
        foreach (var (field, value) in list.Properties)
        {
            if (Array.IndexOf(known, field) < 0)
                throw new OptionException($"-smbios type={type}: there is no field '{field}'; there are {string.Join(", ", known)}");
            if (Encoding.UTF8.GetByteCount(value) > SmbiosTables.MaxTextBytes || value.Contains('\0', StringComparison.Ordinal))
                throw new OptionException($"-smbios type={type},{field}=: more than {SmbiosTables.MaxTextBytes} bytes, or a zero among them");
            if (field == "value")
                _strings.Add(value);
            else
                _fields[(type, field)] = value;
        }
        if (_strings.Count > byte.MaxValue)
            throw new OptionException($"-smbios type=11: more than {byte.MaxValue} strings");
    }

    private static string[] FieldsOf(int type) => type switch
    {
        0 => ["vendor", "version", "date", "release", "uefi"],
        1 => ["manufacturer", "product", "version", "serial", "uuid", "sku", "family"],
        2 => ["manufacturer", "product", "version", "serial", "asset", "location"],
        3 => ["manufacturer", "version", "serial", "asset", "sku"],
        4 => ["sock_pfx", "manufacturer", "version", "serial", "asset", "part"],
        11 => ["value"],
        17 => ["loc_pfx", "bank", "manufacturer", "serial", "asset", "part", "speed"],
        _ => throw new OptionException($"-smbios type={type}: fields can be chosen of types 0, 1, 2, 3, 4, 11 and 17"),
    };
}

/// <summary><c>-numa</c>: nodes, put together when CPUs and RAM are known.</summary>
public sealed class NumaOptions
{
    /// <summary>More than any machine here has CPUs for.</summary>
    private const int MaxNodes = 64;

    private const ulong PageBytes = 4096;

    private readonly SortedDictionary<int, (List<int> Cpus, ulong? Bytes)> _nodes = [];

    /// <exception cref="OptionException">Not a node with CPUs and memory.</exception>
    public void Add(string argument)
    {
        var list = new PropertyList("-numa", argument, "kind");
        if (list.Take("kind") is var kind and not "node")
            throw new OptionException($"-numa {kind}: there is only node");
        var id = list.Take("nodeid") is { } text ? Numbers.Count("-numa nodeid", text, 0, MaxNodes - 1) : _nodes.Count;
        if (list.Take("memdev") is not null)
            throw new OptionException("-numa memdev=: there are no memory back ends; give mem=SIZE");
        var bytes = list.Take("mem") is { } size ? Numbers.Size("-numa mem", size, 1UL << 20) : (ulong?)null;
        var cpus = new List<int>();
        // Several ranges are given one by one.
        foreach (var (key, range) in list.Properties)
        {
            if (key == "cpus")
                AddRange(cpus, range);
        }
        _ = list.Take("cpus");
        list.ExpectEmpty("node, nodeid, cpus, mem");
        if (!_nodes.TryAdd(id, (cpus, bytes)))
            throw new OptionException($"-numa nodeid={id}: given twice");
    }

    /// <summary>The machine's nodes; empty when none was given.</summary>
    /// <exception cref="OptionException">They do not make up the machine.</exception>
    public IReadOnlyList<NumaNode> Nodes(int cpuCount, ulong ramBytes)
    {
        var nodes = new List<NumaNode>();
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
        var isChosen = Array.Exists(owner, static id => id >= 0);
        for (var cpu = 0; cpu < cpuCount; cpu++)
        {
            if (owner[cpu] < 0)
                owner[cpu] = isChosen ? throw new OptionException($"-numa: CPU {cpu} is in no node") : cpu % _nodes.Count;
        }
        var left = ramBytes;
        foreach (var (id, (_, given)) in _nodes)
        {
            // Equal shares where nothing is said, the last one has the rest.
            var bytes = given ?? (id == _nodes.Count - 1 ? left : ramBytes / (ulong)_nodes.Count / PageBytes * PageBytes);
            if (bytes > left || bytes % PageBytes != 0)
                throw new OptionException($"-numa node {id}: {bytes} bytes, where {left} are left of the machine's RAM, in pages of {PageBytes}");
            left -= bytes;
            nodes.Add(new NumaNode([.. Enumerable.Range(0, cpuCount).Where(cpu => owner[cpu] == id)], bytes));
        }
        return left == 0 ? nodes : throw new OptionException($"-numa: {left} bytes of the machine's RAM are in no node; mem= of all nodes must add up to -m");
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
