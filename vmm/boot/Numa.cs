using System.Buffers.Binary;

namespace Gauntlet.Vmm.Boot;

/// <summary>A node of a machine whose memory is not all equally near.</summary>
/// <param name="Cpus">Indices, ascending; every CPU is in one node.</param>
/// <param name="Bytes">Of RAM, a multiple of 4 KiB; nodes have the machine's RAM in their order.</param>
public sealed record NumaNode(IReadOnlyList<int> Cpus, ulong Bytes)
{
    /// <summary>How far each node is: <see cref="Numa.LocalDistance"/> to 255; empty: nothing is said.</summary>
    public IReadOnlyList<byte> Distances { get; init; } = [];
}

/// <summary>What is told of nodes: the system resource affinity and locality tables, and firmware's item.</summary>
/// <remarks>ACPI Specification 6.4, 5.2.16 (SRAT): 5.2.16.1 (local APICs), 5.2.16.2 (memory); 5.2.17 (SLIT).</remarks>
public static class Numa
{
    /// <summary>Of a node from itself, and of another one of which nothing is said.</summary>
    public const int LocalDistance = 10, RemoteDistance = 20;

    private const int ProcessorBytes = 16, MemoryBytes = 40;
    private const ulong HighRamAddress = 1UL << 32;

    /// <summary>The table's body.</summary>
    /// <param name="lowRamBytes">RAM below 4 GiB; the rest is from there.</param>
    public static byte[] AffinityTable(IReadOnlyList<NumaNode> nodes, ulong lowRamBytes)
    {
        var body = new List<byte> { 1, 0, 0, 0 };
        body.AddRange(new byte[8]);
        for (var i = 0; i < nodes.Count; i++)
        {
            foreach (var cpu in nodes[i].Cpus)
            {
                var entry = new byte[ProcessorBytes];
                (entry[0], entry[1], entry[2], entry[3], entry[4]) = (0, ProcessorBytes, (byte)i, (byte)cpu, 1);
                body.AddRange(entry);
            }
        }
        var at = 0UL;
        for (var i = 0; i < nodes.Count; i++)
        {
            var end = at + nodes[i].Bytes;
            Memory(i, at, Math.Min(end, lowRamBytes), 0);
            Memory(i, Math.Max(at, lowRamBytes), end, HighRamAddress - lowRamBytes);
            at = end;
        }
        return [.. body];

        void Memory(int node, ulong start, ulong end, ulong moved)
        {
            if (start >= end)
                return;
            var entry = new byte[MemoryBytes];
            (entry[0], entry[1], entry[2], entry[28]) = (1, MemoryBytes, (byte)node, 1);
            BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(8), start + moved);
            BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(16), end - start);
            body.AddRange(entry);
        }
    }

    /// <summary>The body of the table of distances; null when nothing is said of them.</summary>
    public static byte[]? LocalityTable(IReadOnlyList<NumaNode> nodes)
    {
        if (nodes.Count == 0 || nodes[0].Distances.Count == 0)
            return null;
        var body = new List<byte>(BitConverter.GetBytes((ulong)nodes.Count));
        foreach (var node in nodes)
            body.AddRange(node.Distances);
        return [.. body];
    }

    /// <summary>As firmware has it from fw_cfg: the number of nodes, each CPU's, each one's bytes, 64 bits each.</summary>
    public static byte[] FirmwareItem(IReadOnlyList<NumaNode> nodes, int cpuCount)
    {
        var item = new byte[(1 + cpuCount + nodes.Count) * sizeof(ulong)];
        Put(0, (ulong)nodes.Count);
        for (var i = 0; i < nodes.Count; i++)
        {
            foreach (var cpu in nodes[i].Cpus)
                Put(1 + cpu, (ulong)i);
            Put(1 + cpuCount + i, nodes[i].Bytes);
        }
        return item;

        void Put(int index, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(item.AsSpan(index * sizeof(ulong)), value);
    }
}
