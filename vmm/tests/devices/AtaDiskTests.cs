using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Storage;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>ATA/ATAPI-7 (T13 1532D), and Programming Interface for Bus Master IDE Controller 1.0, as a driver sees them.</summary>
public sealed class AtaDiskTests
{
    private const int Sectors = 2048;

    private readonly MemoryImage _image = new(Sectors * AtaDisk.SectorBytes);
    private readonly ArrayMemory _memory = new(1 << 20);
    private readonly RecordingLine _irq = new();
    private readonly IdeDriver _ide;

    public AtaDiskTests()
    {
        for (var sector = 0; sector < Sectors; sector++)
            BinaryPrimitives.WriteInt32LittleEndian(_image.Content[(sector * AtaDisk.SectorBytes)..], sector);
        _ide = new IdeDriver(DeviceCatalogue.NewIde(_memory, _irq, new AtaDisk(_image, "serial-1", "2.5")).Bus);
    }

    [Fact]
    public void Identify_tells_serial_revision_and_capacity()
    {
        _ide.Command(0xec);
        Assert.Equal(0x58, _ide.Status);
        var data = _ide.ReadData(512);
        Assert.Equal("serial-1            ", Text(data, 10, 20));
        Assert.Equal("2.5     ", Text(data, 23, 8));
        Assert.Equal((uint)Sectors, BinaryPrimitives.ReadUInt32LittleEndian(data.AsSpan(120)));
        Assert.Equal((ulong)Sectors, BinaryPrimitives.ReadUInt64LittleEndian(data.AsSpan(200)));
        Assert.Equal(0x50, _ide.Status);
    }

    [Theory]
    [InlineData(0x20, 1)]
    [InlineData(0xc4, 4)]
    public void Sectors_are_read_block_by_block_with_an_interrupt_each(byte command, int sectorsABlock)
    {
        if (sectorsABlock > 1)
        {
            _ide.Out(2, (byte)sectorsABlock);
            _ide.Command(0xc6);
            Assert.Equal(0x50, _ide.Status);
        }
        _ide.SetLba(100, 8);
        _ide.Command(command);
        for (var block = 0; block < 8 / sectorsABlock; block++)
        {
            Assert.True(_irq.Level);
            Assert.Equal(0x58, _ide.Status);
            Assert.False(_irq.Level);
            Assert.Equal(100 + block * sectorsABlock, BinaryPrimitives.ReadInt32LittleEndian(_ide.ReadData(512 * sectorsABlock)));
        }
        Assert.Equal(0x50, _ide.Status);
        Assert.False(_irq.Level);
    }

    [Fact]
    public void Written_sectors_reach_the_image_and_the_end_is_told()
    {
        _ide.SetLba(5, 2);
        _ide.Command(0x30);
        Assert.False(_irq.Level);
        _ide.WriteData([.. Enumerable.Repeat((byte)0xa5, 512)]);
        Assert.True(_irq.Level);
        Assert.Equal(0x58, _ide.Status);
        _ide.WriteData([.. Enumerable.Repeat((byte)0x5a, 512)]);
        Assert.True(_irq.Level);
        Assert.Equal(0x50, _ide.Status);
        Assert.Equal((0xa5, 0x5a), (_image.Content[5 * 512], _image.Content[6 * 512 + 511]));
        Assert.Equal(7, BinaryPrimitives.ReadInt32LittleEndian(_image.Content[(7 * 512)..]));
    }

    [Fact]
    public void Cylinders_heads_and_sectors_name_the_same_sectors()
    {
        // 16 heads of 63 sectors: cylinder 1, head 2, sector 3.
        _ide.Out(2, 1);
        _ide.Out(3, 3);
        _ide.Out(4, 1);
        _ide.Out(5, 0);
        _ide.Out(6, 2);
        _ide.Command(0x20);
        Assert.Equal((1 * 16 + 2) * 63 + 2, BinaryPrimitives.ReadInt32LittleEndian(_ide.ReadData(512)));
    }

    [Fact]
    public void A_count_of_0_is_256_sectors_and_48_bits_take_the_values_before()
    {
        _ide.SetLba(0, 0);
        _ide.Command(0x20);
        Assert.Equal(255, BinaryPrimitives.ReadInt32LittleEndian(_ide.ReadData(256 * 512).AsSpan(255 * 512)));
        Assert.Equal(0x50, _ide.Status);
        foreach (var (register, first, second) in ((int, byte, byte)[])[(2, 1, 0), (3, 0, 16), (4, 0, 2), (5, 0, 0)])
        {
            _ide.Out(register, first);
            _ide.Out(register, second);
        }
        _ide.Out(6, 0x40);
        _ide.Command(0x24);
        Assert.Equal(528 + 255, BinaryPrimitives.ReadInt32LittleEndian(_ide.ReadData(256 * 512).AsSpan(255 * 512)));
        Assert.Equal(0x50, _ide.Status);
    }

    [Theory]
    [InlineData(Sectors - 1, 2)]
    [InlineData(Sectors, 1)]
    [InlineData(0xfffffff, 0)]
    public void What_is_not_on_the_disk_is_not_found(int sector, byte count)
    {
        _ide.SetLba(sector, count);
        _ide.Command(0x20);
        Assert.True(_irq.Level);
        Assert.Equal(0x51, _ide.Status);
        Assert.Equal(0x10, _ide.In(1));
    }

    [Theory]
    [InlineData(0x3000u, 1024, 0x04)] // as much memory as data
    [InlineData(0x3000u, 2048, 0x05)] // more: it stays active
    [InlineData(0x3000u, 512, 0x00)] // less: neither active nor an interrupt
    [InlineData(0xfff00000u, 1024, 0x02)] // not memory
    public void A_bus_master_tells_which_of_data_and_memory_was_longer(uint address, int bytes, byte status)
    {
        WriteTable((address, bytes, true));
        _ide.SetLba(9, 2);
        _ide.Command(0xc8);
        _ide.StartDma(0x1000, toMemory: true);
        Assert.Equal(status, _ide.BusMasterStatus);
        Assert.Equal((status & 4) != 0, _irq.Level);
        if (address == 0x3000)
            Assert.Equal(9, BinaryPrimitives.ReadInt32LittleEndian(_memory.Bytes.AsSpan(0x3000)));
        _ide.StopDma();
        Assert.Equal(status & ~1, _ide.BusMasterStatus);
        Assert.Equal(0x50, _ide.Status & 0xfe);
    }

    [Fact]
    public void Regions_are_used_one_after_another_and_the_engine_may_be_started_first()
    {
        WriteTable((0x3000, 300, false), (0x5000, 724, true));
        new Random(1).NextBytes(_memory.Bytes.AsSpan(0x3000, 300));
        new Random(2).NextBytes(_memory.Bytes.AsSpan(0x5000, 724));
        _ide.SetLba(20, 2);
        _ide.StartDma(0x1000, toMemory: false);
        _ide.Command(0xca);
        Assert.Equal(4, _ide.BusMasterStatus);
        Assert.Equal([.. _memory.Bytes[0x3000..0x312c], .. _memory.Bytes[0x5000..0x52d4]], _image.Content.Slice(20 * 512, 1024).ToArray());
    }

    [Fact]
    public void A_table_without_an_end_comes_to_one()
    {
        // 64 KiB of regions of two bytes each, for 32 MiB.
        for (var at = 0; at < 65536; at += 8)
            BinaryPrimitives.WriteUInt64LittleEndian(_memory.Bytes.AsSpan(0x10000 + at), 0x2_0000_3000);
        _ide.SetLba(0, 0);
        _ide.Command(0xc8);
        _ide.StartDma(0x10000, toMemory: true);
        Assert.Equal(0, _ide.BusMasterStatus);
    }

    [Fact]
    public void Trim_refuses_ranges_that_are_not_on_the_disk()
    {
        WriteTable((0x3000, 512, true));
        foreach (var (range, status) in ((ulong, int)[])[(0x0002_0000_0000_0006, 0x50), (0x0002_0000_0000_07ff, 0x51)])
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_memory.Bytes.AsSpan(0x3000), range);
            _ide.Out(1, 1);
            _ide.SetLba(0, 1);
            _ide.Command(0x06);
            _ide.StartDma(0x1000, toMemory: false);
            Assert.Equal(status, _ide.Status);
            _ide.StopDma();
        }
        Assert.Equal(4, _ide.In(1));
    }

    [Fact]
    public void A_flush_reaches_the_image_and_without_a_write_cache_each_write_does()
    {
        _ide.Command(0xe7);
        Assert.Equal((0x50, 1), (_ide.Status, _image.Flushes));
        _ide.Out(1, 0x82);
        _ide.Command(0xef);
        var before = _image.Flushes;
        _ide.SetLba(0, 1);
        _ide.Command(0x30);
        _ide.WriteData(new byte[512]);
        Assert.Equal(before + 1, _image.Flushes);
    }

    [Fact]
    public void A_software_reset_shows_signatures_and_diagnostics_select_drive_0()
    {
        _ide.SetLba(3, 4);
        _ide.Control(4);
        Assert.Equal(0x80, _ide.Status);
        _ide.Control(0);
        Assert.Equal((1, 1, 0, 0), (_ide.In(2), _ide.In(3), _ide.In(4), _ide.In(5)));
        _ide.Out(6, 0x10);
        Assert.Equal((0x14, 0xeb), (_ide.In(4), _ide.In(5)));
        _ide.Command(0x90);
        Assert.Equal(0, _ide.In(6) & 0x10);
        Assert.Equal(1, _ide.In(1));
        Assert.True(_irq.Level);
    }

    [Fact]
    public void No_interrupt_comes_while_the_host_wants_none()
    {
        _ide.Control(2);
        _ide.Command(0xe7);
        Assert.False(_irq.Level);
        _ide.Control(0);
        Assert.True(_irq.Level);
    }

    [Fact]
    public void A_disk_that_cannot_be_written_refuses()
    {
        var ide = new IdeDriver(DeviceCatalogue.NewIde(disk: new AtaDisk(new MemoryImage(1 << 16, isReadOnly: true))).Bus);
        ide.SetLba(0, 1);
        ide.Command(0x30);
        Assert.Equal((0x51, 4), (ide.Status, ide.In(1)));
    }

    private static string Text(byte[] identity, int word, int length)
    {
        var bytes = identity.AsSpan(word * 2, length).ToArray();
        for (var i = 0; i < length; i += 2)
            (bytes[i], bytes[i + 1]) = (bytes[i + 1], bytes[i]);
        return Encoding.ASCII.GetString(bytes);
    }

    private void WriteTable(params (uint Address, int Bytes, bool IsLast)[] regions)
    {
        for (var i = 0; i < regions.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_memory.Bytes.AsSpan(0x1000 + i * 8), regions[i].Address);
            BinaryPrimitives.WriteUInt32LittleEndian(_memory.Bytes.AsSpan(0x1004 + i * 8), (uint)regions[i].Bytes | (regions[i].IsLast ? 1u << 31 : 0));
        }
    }
}
