using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>DMTF DSP0134: found and read as a kernel does.</summary>
public sealed class SmbiosTablesTests : IDisposable
{
    private const ulong GiB = 1UL << 30;

    private readonly GuestMemory _memory = new([new GuestRam("low", 0, 0x100000)]);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Both_entry_points_lead_to_the_same_structures_that_end_with_type_127()
    {
        var tables = new SmbiosTables(Content());
        tables.Write(_memory);
        var old = Find("_SM_"u8, 31);
        var entry = Find("_SM3_"u8, 24);
        Assert.Equal((0, 0, 0), (Sum(old), Sum(old[16..]), Sum(entry)));
        Assert.Equal("_DMI_"u8.ToArray(), old[16..21]);
        var address = BinaryPrimitives.ReadUInt64LittleEndian(entry.AsSpan(16));
        Assert.Equal(address, BinaryPrimitives.ReadUInt32LittleEndian(old.AsSpan(24)));
        Assert.Equal(tables.Structures, Read(address, BinaryPrimitives.ReadUInt16LittleEndian(old.AsSpan(22))));
        var structures = Structures(tables);
        Assert.Equal([0, 1, 3, 4, 16, 17, 19, 32, 127], structures.Select(structure => (int)structure.Body[0]));
        Assert.Equal(structures.Count, BinaryPrimitives.ReadUInt16LittleEndian(old.AsSpan(28)));
        Assert.Distinct(structures.Select(structure => BinaryPrimitives.ReadUInt16LittleEndian(structure.Body.AsSpan(2))));
    }

    [Fact]
    public void What_was_chosen_is_told_and_an_empty_string_is_none()
    {
        var content = Content() with
        {
            Fields = new Dictionary<SmbiosField, string>
            {
                [new SmbiosField(0, "vendor")] = "V",
                [new SmbiosField(0, "release")] = "3.4",
                [new SmbiosField(1, "serial")] = "S-1",
                [new SmbiosField(1, "version")] = "",
                [new SmbiosField(2, "product")] = "board",
                [new SmbiosField(17, "speed")] = "3200",
            },
            OemStrings = ["first", "second"],
        };
        var structures = Structures(new SmbiosTables(content)).ToDictionary(structure => structure.Body[0]);
        Assert.Equal(("V", 3, 4), (structures[0].Text(4), structures[0].Body[0x14], structures[0].Body[0x15]));
        Assert.Equal(("Gauntlet", "pc", "", "S-1"), (structures[1].Text(4), structures[1].Text(5), structures[1].Text(6), structures[1].Text(7)));
        Assert.Equal(content.Uuid, new Guid(structures[1].Body.AsSpan(8, 16)));
        Assert.Equal("board", structures[2].Text(5));
        Assert.Equal((2, "second"), (structures[11].Body[4], structures[11].Strings[1]));
        Assert.Equal(3200, BinaryPrimitives.ReadUInt16LittleEndian(structures[17].Body.AsSpan(0x15)));
        Assert.Equal("DIMM 0", structures[17].Text(0x10));
    }

    [Fact]
    public void Memory_devices_and_mapped_ranges_add_up_to_the_ram()
    {
        var structures = Structures(new SmbiosTables(Content() with { RamBytes = 40 * GiB, LowRamBytes = 3 * GiB }));
        var devices = structures.Where(structure => structure.Body[0] == 17).ToList();
        Assert.Equal(40 * 1024, devices.Sum(device => BinaryPrimitives.ReadUInt16LittleEndian(device.Body.AsSpan(0xc))));
        var ranges = structures.Where(structure => structure.Body[0] == 19)
            .Select(range => (BinaryPrimitives.ReadUInt32LittleEndian(range.Body.AsSpan(4)), BinaryPrimitives.ReadUInt32LittleEndian(range.Body.AsSpan(8))));
        Assert.Equal([(0u, 3u * 1024 * 1024 - 1), (4u * 1024 * 1024, 41u * 1024 * 1024 - 1)], ranges);
    }

    [Fact]
    public void What_does_not_fit_or_is_no_release_is_refused()
    {
        Assert.Throws<BootException>(() => new SmbiosTables(Content() with { OemStrings = [.. Enumerable.Repeat(new string('x', 255), 200)] }));
        Assert.Throws<BootException>(() => new SmbiosTables(Content() with { Fields = new Dictionary<SmbiosField, string> { [new SmbiosField(0, "release")] = "1" } }));
    }

    private static SmbiosContent Content() =>
        new() { Product = "pc", RamBytes = GiB, LowRamBytes = GiB, CpuCount = 2, Uuid = new Guid("00112233-4455-6677-8899-aabbccddeeff") };

    private sealed record Structure(byte[] Body, List<string> Strings)
    {
        public string Text(int offset) => Body[offset] == 0 ? "" : Strings[Body[offset] - 1];
    }

    private static List<Structure> Structures(SmbiosTables tables)
    {
        var bytes = tables.Structures;
        var found = new List<Structure>();
        for (var at = 0; at < bytes.Length;)
        {
            var body = bytes[at..(at + bytes[at + 1])];
            var strings = new List<string>();
            at += body.Length;
            while (bytes[at] != 0)
            {
                var end = Array.IndexOf(bytes, (byte)0, at);
                strings.Add(Encoding.UTF8.GetString(bytes, at, end - at));
                at = end + 1;
            }
            at += strings.Count == 0 ? 2 : 1;
            found.Add(new Structure(body, strings));
        }
        return found;
    }

    private byte[] Find(ReadOnlySpan<byte> anchor, int bytes)
    {
        for (var at = 0xf0000UL; at < 0x100000; at += 16)
        {
            if (Read(at, bytes).AsSpan().StartsWith(anchor))
                return Read(at, bytes);
        }
        throw new InvalidOperationException("no entry point");
    }

    private static int Sum(byte[] bytes) => (byte)bytes.Sum(value => value);

    private byte[] Read(ulong address, int count)
    {
        var bytes = new byte[count];
        Assert.True(_memory.TryRead(address, bytes));
        return bytes;
    }
}
