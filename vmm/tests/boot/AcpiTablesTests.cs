using System.Buffers.Binary;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>ACPI Specification 6.4, 5.2: found and read as an operating system does.</summary>
public sealed class AcpiTablesTests : IDisposable
{
    private readonly GuestMemory _memory = new([new GuestRam("low", 0, 0x100000)]);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void The_rsdp_is_found_on_16_bytes_below_1_mib_and_leads_to_tables_that_sum_to_0()
    {
        var tables = Tables(4);
        Assert.Equal(["FACP", "APIC"], tables.Keys);
        Assert.All(tables.Values, table => Assert.Equal(0, (byte)table.Sum(value => value)));
    }

    [Fact]
    public void The_fadt_points_to_the_pm_registers_the_dsdt_and_an_aligned_facs()
    {
        var fadt = Tables(1)["FACP"];
        Assert.Equal((0x600u, 0x604u, 0x608u), (Word(fadt, 56), Word(fadt, 64), Word(fadt, 76)));
        Assert.Equal(0u, Word(fadt, 36) % 64);
        Assert.Equal("FACS"u8.ToArray(), Read(Word(fadt, 36), 4));
        var dsdt = Read(Word(fadt, 40), 64);
        Assert.Equal("DSDT"u8.ToArray(), dsdt[..4]);
        Assert.Contains("_S5_", System.Text.Encoding.Latin1.GetString(dsdt), StringComparison.Ordinal);
    }

    [Fact]
    public void The_dsdt_routes_each_pin_of_each_slot_and_its_lengths_add_up()
    {
        var fadt = Tables(1)["FACP"];
        var dsdt = Read(Word(fadt, 40), (int)Word(Read(Word(fadt, 40), 8), 4));
        Assert.Equal(0, (byte)dsdt.Sum(value => value));
        var text = System.Text.Encoding.Latin1.GetString(dsdt);
        foreach (var name in (string[])["_SB_", "PCI0", "_CRS", "_PRT"])
            Assert.Contains(name, text, StringComparison.Ordinal);
        // Package (4) {0x0003ffff, 1, 0, 11}: slot 3, INTB#, where the board wires it.
        Assert.True(dsdt.AsSpan().IndexOf((byte[])[0x12, 0x0b, 4, 0x0c, 0xff, 0xff, 3, 0, 1, 0, 0x0a, 11]) > 0);
        // The scope reaches to the table's end.
        var scope = text.IndexOf("_SB_", StringComparison.Ordinal) - 4;
        Assert.Equal(0x10, dsdt[scope]);
        Assert.Equal(dsdt.Length, scope + 1 + (dsdt[scope + 1] & 15 | dsdt[scope + 2] << 4));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(255)]
    public void The_madt_has_one_local_apic_for_each_cpu(int cpus)
    {
        var madt = Tables(cpus)["APIC"];
        var found = new List<int>();
        for (var at = 44; at < madt.Length; at += madt[at + 1])
        {
            if (madt[at] == 0)
                found.Add(madt[at + 3]);
        }
        Assert.Equal(Enumerable.Range(0, cpus), found);
    }

    [Fact]
    public void Configuration_space_in_memory_and_the_event_timer_have_tables_and_are_reserved()
    {
        var tables = Tables(Platform(1) with { EcamAddress = 0xb0000000, HasHpet = true, ApicInputOf = static (slot, pin) => 20 + (slot + pin - 1 & 3) });
        Assert.Equal(["FACP", "APIC", "MCFG", "HPET"], tables.Keys);
        var mcfg = tables["MCFG"];
        Assert.Equal((60, 0xb0000000ul, 0xff00_0000u), (mcfg.Length, BinaryPrimitives.ReadUInt64LittleEndian(mcfg.AsSpan(44)), Word(mcfg, 52)));
        var hpet = tables["HPET"];
        Assert.Equal((56, 0x8086a201u, 0xfed00000u), (hpet.Length, Word(hpet, 36), Word(hpet, 44)));
        var fadt = tables["FACP"];
        var dsdt = Read(Word(fadt, 40), (int)Word(Read(Word(fadt, 40), 8), 4));
        var text = System.Text.Encoding.Latin1.GetString(dsdt);
        foreach (var name in (string[])["_S3_", "_PIC", "PICF", "PICR", "APIR", "_PRT", "MCFG", "HPET"])
            Assert.Contains(name, text, StringComparison.Ordinal);
        // Slot 3, INTB#: input 20 for a system that uses the IOAPIC.
        Assert.True(dsdt.AsSpan().IndexOf((byte[])[0x12, 0x0b, 4, 0x0c, 0xff, 0xff, 3, 0, 1, 0, 0x0a, 20]) > 0);
        // Memory32Fixed of 256 MiB.
        Assert.True(dsdt.AsSpan().IndexOf((byte[])[0x86, 9, 0, 1, 0, 0, 0, 0xb0, 0, 0, 0, 0x10]) > 0);
    }

    [Fact]
    public void The_waking_vector_is_where_the_guest_left_it()
    {
        var facs = Word(Tables(1)["FACP"], 36);
        Assert.Equal(0u, AcpiTables.WakingVectorOf(_memory));
        Assert.True(_memory.TryWrite(facs + 12, [0x34, 0x12, 0, 0]));
        Assert.Equal(0x1234u, AcpiTables.WakingVectorOf(_memory));
    }

    private static AcpiPlatform Platform(int cpus) => new()
    {
        CpuCount = cpus,
        PciWindow = 0xe0000000,
        InterruptOf = static (slot, pin) => 10 + (slot - 1 + pin - 1 & 3) / 2,
    };

    private Dictionary<string, byte[]> Tables(int cpus) => Tables(Platform(cpus));

    private Dictionary<string, byte[]> Tables(AcpiPlatform platform)
    {
        AcpiTables.Write(_memory, platform);
        for (ulong at = 0xe0000; at < 0x100000; at += 16)
        {
            var rsdp = Read(at, 20);
            if (!rsdp.AsSpan().StartsWith("RSD PTR "u8))
                continue;
            Assert.Equal(0, (byte)rsdp.Sum(value => value));
            var rsdt = Read(Word(rsdp, 16), 36);
            var tables = new Dictionary<string, byte[]>();
            for (var i = 36u; i < Word(rsdt, 4); i += 4)
            {
                var address = Word(Read(Word(rsdp, 16) + i, 4), 0);
                var table = Read(address, (int)Word(Read(address, 8), 4));
                tables.Add(System.Text.Encoding.ASCII.GetString(table, 0, 4), table);
            }
            return tables;
        }
        throw new InvalidOperationException("no RSDP");
    }

    private byte[] Read(ulong address, int count)
    {
        var bytes = new byte[count];
        Assert.True(_memory.TryRead(address, bytes));
        return bytes;
    }

    private static uint Word(byte[] table, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(offset));
}
