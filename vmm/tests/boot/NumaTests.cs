using System.Buffers.Binary;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Program.Options;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>ACPI Specification 6.4, 5.2.16, and QEMU's <c>-numa</c>.</summary>
public sealed class NumaTests
{
    private const ulong GiB = 1UL << 30;

    [Fact]
    public void Every_cpu_and_all_ram_is_in_a_node_and_the_hole_below_4_gib_is_in_none()
    {
        var (cpus, memory) = Read(Numa.AffinityTable([new NumaNode([0, 2], 2 * GiB), new NumaNode([1, 3], 3 * GiB)], 3 * GiB));
        Assert.Equal([(0, 0), (2, 0), (1, 1), (3, 1)], cpus);
        Assert.Equal([(0, 0, 2 * GiB), (1, 2 * GiB, GiB), (1, 4 * GiB, 2 * GiB)], memory);
    }

    [Fact]
    public void Firmware_has_the_same_by_cpu_and_node()
    {
        var item = Numa.FirmwareItem([new NumaNode([0], GiB), new NumaNode([1], 2 * GiB)], 2);
        Assert.Equal([2, 0, 1, GiB, 2 * GiB], Enumerable.Range(0, 5).Select(i => BinaryPrimitives.ReadUInt64LittleEndian(item.AsSpan(i * 8))));
    }

    [Fact]
    public void Nodes_without_a_wish_share_ram_and_cpus()
    {
        var nodes = Nodes(3, GiB, "node", "node");
        Assert.Equal([0, 2], nodes[0].Cpus);
        Assert.Equal([1], nodes[1].Cpus);
        Assert.Equal(GiB, nodes[0].Bytes + nodes[1].Bytes);
    }

    [Fact]
    public void Several_ranges_of_cpus_are_one_nodes()
    {
        var nodes = Nodes(4, GiB, "node,nodeid=1,cpus=0,cpus=2-3,mem=768", "node,nodeid=0,cpus=1,mem=256");
        Assert.Equal([0, 2, 3], nodes[1].Cpus);
        Assert.Equal((256UL << 20, 768UL << 20), (nodes[0].Bytes, nodes[1].Bytes));
    }

    [Theory]
    [InlineData("node,nodeid=1", "one of which is missing")]
    [InlineData("node,cpus=0-7", "none of the 2")]
    [InlineData("node,mem=2G", "are left of the machine's RAM")]
    [InlineData("node,mem=1M", "must add up to -m")]
    [InlineData("node,memdev=x", "there is no -object memory-backend-ram,id=x")]
    [InlineData("node,memdev=x,mem=1G", "not both")]
    [InlineData("dist,src=0", "give src=, dst= and val=")]
    [InlineData("dist,src=0,dst=1,val=20", "there are 0 nodes")]
    [InlineData("dist,src=0,dst=0,val=11", "10 from itself")]
    [InlineData("dist,src=0,dst=1,val=9", "val")]
    [InlineData("hmat-lb", "there are node and dist")]
    public void Nodes_that_make_no_machine_are_refused(string argument, string message) =>
        Assert.Contains(message, Assert.Throws<OptionException>(() => Nodes(2, GiB, argument)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_node_has_the_memory_of_its_backend_and_the_others_nothing()
    {
        var options = new NumaOptions();
        options.AddBackend(new PropertyList("-object", "id=m0,size=1G,share=on", null));
        options.Add("node,cpus=0,memdev=m0");
        options.Add("node,cpus=1");
        Assert.Equal([GiB, 0], options.Nodes(2, GiB).Select(static node => node.Bytes));
        Assert.Equal([(0, 0, GiB)], Read(Numa.AffinityTable(options.Nodes(2, GiB), GiB)).Memory);
        options.MachineBackend = "m0";
        Assert.Equal((GiB, GiB), (options.RamBytes(null), options.RamBytes(GiB)));
        Assert.Contains("not the", Assert.Throws<OptionException>(() => options.RamBytes(2 * GiB)).Message, StringComparison.Ordinal);
        Assert.Contains("duplicate", Assert.Throws<OptionException>(() => options.AddBackend(new PropertyList("-object", "id=m0,size=1G", null))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_is_in_no_node_is_in_the_first()
    {
        var nodes = Nodes(4, GiB, "node,cpus=1", "node,cpus=2");
        Assert.Equal([0, 1, 3], nodes[0].Cpus);
        Assert.Equal([2], nodes[1].Cpus);
    }

    [Fact]
    public void A_distance_holds_both_ways_until_the_other_is_said()
    {
        var nodes = Nodes(3, GiB, "node", "node", "node", "dist,src=0,dst=1,val=21", "dist,src=2,dst=0,val=31", "dist,src=0,dst=2,val=255");
        Assert.Equal([3, 0, 0, 0, 0, 0, 0, 0, 10, 21, 255, 21, 10, 20, 31, 20, 10], Numa.LocalityTable(nodes)!);
        Assert.Null(Numa.LocalityTable(Nodes(2, GiB, "node", "node")));
    }

    private static IReadOnlyList<NumaNode> Nodes(int cpus, ulong ram, params string[] arguments)
    {
        var options = new NumaOptions();
        foreach (var argument in arguments)
            options.Add(argument);
        return options.Nodes(cpus, ram);
    }

    private static (List<(int Cpu, int Node)> Cpus, List<(int Node, ulong Start, ulong Bytes)> Memory) Read(byte[] body)
    {
        var (cpus, memory) = (new List<(int, int)>(), new List<(int, ulong, ulong)>());
        for (var at = 12; at < body.Length; at += body[at + 1])
        {
            if (body[at] == 0)
                cpus.Add((body[at + 3], body[at + 2]));
            else
                memory.Add((body[at + 2], BinaryPrimitives.ReadUInt64LittleEndian(body.AsSpan(at + 8)), BinaryPrimitives.ReadUInt64LittleEndian(body.AsSpan(at + 16))));
        }
        return (cpus, memory);
    }
}
