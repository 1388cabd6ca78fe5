using System.Buffers.Binary;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>Intel MultiProcessor Specification 1.4, 4: read as a kernel does that was given no ACPI.</summary>
public sealed class MpTableTests : IDisposable
{
    private readonly GuestMemory _memory = new([new GuestRam("low", 0, 0x100000)]);

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(255)]
    public void A_processor_entry_for_each_cpu_is_found_from_the_floating_pointer(int cpus)
    {
        var processors = Entries(cpus).Where(entry => entry[0] == 0).ToList();
        Assert.Equal(Enumerable.Range(0, cpus), processors.Select(entry => (int)entry[1]));
        Assert.Equal(3, processors[0][3]);
        Assert.All(processors.Skip(1), entry => Assert.Equal(1, entry[3]));
    }

    [Fact]
    public void Isa_interrupts_go_to_the_inputs_of_their_number_but_the_timer_to_input_2()
    {
        var interrupts = Entries(2).Where(entry => entry[0] == 3).ToDictionary(entry => entry[5], entry => (Flags: entry[2], Input: entry[7]));
        Assert.Equal(2, interrupts[0].Input);
        Assert.DoesNotContain((byte)2, interrupts.Keys);
        Assert.Equal((0, 4), interrupts[4]);
        Assert.Equal((0xd, 5), interrupts[5]);
    }

    private List<byte[]> Entries(int cpus)
    {
        MpTable.Write(_memory, cpus, [5]);
        var pointer = Enumerable.Range(0, 0x1000).Select(i => Read(0xf0000 + (ulong)i * 16, 16)).First(bytes => bytes.AsSpan().StartsWith("_MP_"u8));
        Assert.Equal(0, (byte)pointer.Sum(value => value));
        var at = BinaryPrimitives.ReadUInt32LittleEndian(pointer.AsSpan(4));
        var table = Read(at, BinaryPrimitives.ReadUInt16LittleEndian(Read(at, 8).AsSpan(4)));
        Assert.Equal("PCMP"u8.ToArray(), table[..4]);
        Assert.Equal(0, (byte)table.Sum(value => value));
        var entries = new List<byte[]>();
        var next = 44;
        for (var i = 0; i < BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(34)); i++)
        {
            var bytes = table[next] == 0 ? 20 : 8;
            entries.Add(table[next..(next + bytes)]);
            next += bytes;
        }
        Assert.Equal(table.Length, next);
        return entries;
    }

    private byte[] Read(ulong address, int count)
    {
        var bytes = new byte[count];
        Assert.True(_memory.TryRead(address, bytes));
        return bytes;
    }
}
