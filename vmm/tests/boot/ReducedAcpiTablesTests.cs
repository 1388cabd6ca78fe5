using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>ACPI Specification 6.4: the hardware-reduced profile's tables, read as an operating system does.</summary>
public sealed class ReducedAcpiTablesTests : IDisposable
{
    private readonly GuestMemory _memory = new([new GuestRam("low", 0, 0x100000)]);

    public ReducedAcpiTablesTests() => ReducedAcpiTables.Write(_memory, new ReducedPlatform
    {
        CpuCount = 3,
        EventAddress = 0xfea00000,
        SleepAddress = 0xfea00200,
        EventIrq = 9,
        Serial = (0x3f8, 4),
        Virtio = [new(0xfeb00000, 16), new(0xfeb00200, 17)],
    });

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void The_rsdp_of_revision_2_leads_by_the_xsdt_to_tables_that_sum_to_0()
    {
        var rsdp = Read(0xf0000, 36);
        Assert.Equal("RSD PTR "u8.ToArray(), rsdp[..8]);
        Assert.Equal((2, 0, 0), (rsdp[15], (byte)rsdp[..20].Sum(value => value), (byte)rsdp.Sum(value => value)));
        Assert.Equal(["FACP", "APIC"], Listed().Keys);
        Assert.All(Listed().Values, table => Assert.Equal(0, (byte)table.Sum(value => value)));
    }

    [Fact]
    public void The_fadt_says_that_hardware_is_reduced_and_where_the_sleep_and_reset_registers_are()
    {
        var fadt = Listed()["FACP"];
        Assert.Equal(276, fadt.Length);
        Assert.Equal(1u << 20 | 1u << 10, Word(fadt, 112));
        Assert.Equal((0xfea00202u, (byte)0x42), (Word(fadt, 120), fadt[128]));
        Assert.Equal((0xfea00200u, 0xfea00201u), (Word(fadt, 248), Word(fadt, 260)));
        // No fixed hardware.
        Assert.Equal((0u, 0u, 0u), (Word(fadt, 56), Word(fadt, 64), Word(fadt, 76)));
    }

    [Fact]
    public void The_dsdt_names_each_virtio_device_with_its_memory_and_interrupt()
    {
        var address = Word(Listed()["FACP"], 40);
        var dsdt = Read(address, (int)Word(Read(address, 8), 4));
        Assert.Equal(0, (byte)dsdt.Sum(value => value));
        var text = Encoding.Latin1.GetString(dsdt);
        foreach (var name in (string[])["_S5_", "PWRB", "ACPI0013", "_EVT", "COM1", "VR00", "VR01", "LNRO0005"])
            Assert.Contains(name, text, StringComparison.Ordinal);
        // Memory32Fixed (0xfeb00200, 0x200) and Interrupt (level, active high, exclusive) {17}.
        Assert.True(dsdt.AsSpan().IndexOf((byte[])[0x86, 9, 0, 1, 0, 2, 0xb0, 0xfe, 0, 2, 0, 0, 0x89, 6, 0, 1, 1, 17, 0, 0, 0, 0x79, 0]) > 0);
    }

    [IaslFact]
    public void Intels_disassembler_reads_the_tables_without_a_complaint()
    {
        var tables = Listed();
        var address = Word(tables["FACP"], 40);
        tables["DSDT"] = Read(address, (int)Word(Read(address, 8), 4));
        foreach (var (name, table) in tables)
        {
            var source = Iasl.Disassemble(name, table);
            Assert.DoesNotContain("Warning", source, StringComparison.OrdinalIgnoreCase);
            if (name == "FACP")
                Assert.Matches(@"Hardware Reduced \(V5\) : 1", source);
        }
    }

    private Dictionary<string, byte[]> Listed()
    {
        var xsdt = BinaryPrimitives.ReadUInt64LittleEndian(Read(0xf0000, 36).AsSpan(24));
        var tables = new Dictionary<string, byte[]>();
        for (var at = 36u; at < Word(Read(xsdt, 8), 4); at += 8)
        {
            var address = BinaryPrimitives.ReadUInt64LittleEndian(Read(xsdt + at, 8));
            var table = Read(address, (int)Word(Read(address, 8), 4));
            tables.Add(Encoding.ASCII.GetString(table, 0, 4), table);
        }
        return tables;
    }

    private byte[] Read(ulong address, int count)
    {
        var bytes = new byte[count];
        Assert.True(_memory.TryRead(address, bytes));
        return bytes;
    }

    private static uint Word(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset));
}
