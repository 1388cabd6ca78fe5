using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.State;
using Gauntlet.Vmm.Storage;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>AHCI 1.3.1, as a driver sees it.</summary>
public sealed class AhciTests
{
    private const ulong Hba = 0xfe000000;
    private const uint List = 0x1000, Fis = 0x2000, Table = 0x3000, Data = 0x8000;
    private const uint RegisterFis = 1, PioSetup = 2, DeviceBits = 8, Overflow = 1 << 24, BusFatal = 1 << 29, TaskFileError = 1 << 30;
    private const int Sectors = 2048;

    private readonly ArrayMemory _memory = new(1 << 18);
    private readonly MemoryImage _image = new(Sectors * AtaDisk.SectorBytes), _disc = new(1 << 20, isReadOnly: true);
    private readonly RecordingLine _pin = new();
    private readonly RecordingMsi _messages = new();
    private readonly IoBus _bus;
    private readonly Bench _bench;

    public AhciTests()
    {
        for (var sector = 0; sector < Sectors; sector++)
            BinaryPrimitives.WriteInt32LittleEndian(_image.Content[(sector * AtaDisk.SectorBytes)..], sector);
        _disc.Content.Fill(0x5c);
        _bench = DeviceCatalogue.NewAhci(_memory, _pin, _messages, new AtaDisk(_image, "serial-1"), new AtapiCdRom(_disc));
        _bus = _bench.Bus;
        _bus.WritePort(0xcf8, 4, 0x80001004);
        _bus.WritePort(0xcfc, 2, 7);
        for (var port = 0; port < 2; port++)
        {
            SetPort(port, 0x00, List);
            SetPort(port, 0x08, Fis);
            SetPort(port, 0x14, uint.MaxValue);
            SetPort(port, 0x18, 0x11);
            SetPort(port, 0x10, uint.MaxValue);
        }
        Set(4, 2);
    }

    [Fact]
    public void It_has_six_ports_32_slots_and_only_this_interface()
    {
        Assert.Equal((5u, 31u, 1u, 0x3fu, 0x10300u), (Get(0) & 0x1f, Get(0) >> 8 & 0x1f, Get(0) >> 18 & 1, Get(0xc), Get(0x10)));
        Assert.Equal(0x80000002u, Get(4));
    }

    [Theory]
    [InlineData(0, 0x00000101u, 0x113u)]
    [InlineData(1, 0xeb140101u, 0x113u)]
    [InlineData(2, 0xffffffffu, 0u)]
    public void A_drive_says_what_it_is_by_its_signature(int port, uint signature, uint status) => Assert.Equal((signature, status), (GetPort(port, 0x24), GetPort(port, 0x28)));

    [Fact]
    public void Identify_comes_by_pio_with_a_setup_fis_and_then_a_register_fis()
    {
        Assert.Equal(RegisterFis | PioSetup, Run(0, Command(0xec), 0, 512));
        Assert.Equal("serial-1            ", Text(10, 20));
        Assert.Equal((0x5f, 0x34), (_memory.Bytes[Fis + 0x20], _memory.Bytes[Fis + 0x40]));
        Assert.Equal(512, BinaryPrimitives.ReadUInt16LittleEndian(_memory.Bytes.AsSpan((int)Fis + 0x20 + 16)));
        Assert.Equal(512u, MovedBytes);
        Assert.Equal(0x50u, GetPort(0, 0x20));
    }

    [Fact]
    public void Dma_goes_over_the_tables_regions_one_after_the_other()
    {
        Assert.Equal(RegisterFis, Run(0, Command(0x25, lba: 100, count: 3), 0, 512, 1000, 24));
        Assert.Equal([100, 101], [Word(Data), Word(Data + 0x1000)]);
        Assert.Equal(102, Word(Data + 0x1000 + 512));
        Assert.Equal(3 * 512u, MovedBytes);
    }

    [Fact]
    public void What_is_written_is_on_the_disk()
    {
        _memory.Bytes.AsSpan((int)Data, 1024).Fill(0xa5);
        Assert.Equal(RegisterFis, Run(0, Command(0x35, lba: 7, count: 2), 1 << 6, 1024));
        Assert.Equal(0xa5, _image.Content[7 * 512]);
        Assert.Equal(0xa5, _image.Content[9 * 512 - 1]);
        Assert.Equal(RegisterFis, Run(0, Command(0x30, lba: 20, count: 1), 1 << 6, 512));
        // The second block is asked for with an interrupt, as is what follows on a parallel bus.
        Assert.Equal(RegisterFis | PioSetup, Run(0, Command(0x30, lba: 24, count: 2), 1 << 6, 1024));
        Assert.Equal(0xa5, _image.Content[21 * 512 - 1]);
    }

    [Fact]
    public void A_disc_is_read_by_packets_with_pio_and_with_dma()
    {
        foreach (var feature in (byte[])[0, 1])
        {
            var fis = Command(0xa0);
            (fis[3], fis[5], fis[6]) = (feature, 0, 8);
            byte[] packet = [0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0, 0, 0];
            packet.CopyTo(_memory.Bytes, Table + 0x40);
            Assert.Equal(feature == 0 ? RegisterFis | PioSetup : RegisterFis, Run(1, fis, 1 << 5, 4096));
            Assert.All(_memory.Bytes[(int)Data..((int)Data + 4096)], value => Assert.Equal(0x5c, value));
            Assert.Equal(4096u, MovedBytes);
            _memory.Bytes.AsSpan((int)Data, 4096).Clear();
        }
    }

    [Fact]
    public void A_failed_command_sets_the_error_bits_and_the_next_one_goes_on()
    {
        Assert.Equal(RegisterFis | TaskFileError, Run(0, Command(0x25, lba: Sectors, count: 1), 0, 512));
        Assert.Equal(0x1051u, GetPort(0, 0x20));
        Assert.Equal(RegisterFis, Run(0, Command(0x25, lba: 1, count: 1), 0, 512));
        Assert.Equal(1, Word(Data));
    }

    [Fact]
    public void A_disk_says_that_it_takes_32_queued_commands_and_has_their_log()
    {
        Run(0, Command(0xec), 0, 512);
        Assert.Equal((31, 0x102), (Word(Data + 75 * 2) & 0xffff, Word(Data + 76 * 2) & 0xffff));
        Assert.Equal(1u << 30, Get(0) & 1u << 30);
        Assert.Equal(RegisterFis | PioSetup, Run(0, Command(0x2f, lba: 0, count: 1), 0, 512));
        Assert.Equal((1, 1), (Word(Data) & 0xffff, Word(Data + 0x10 * 2) & 0xffff));
    }

    [Fact]
    public void A_queued_command_is_taken_at_once_and_told_as_done_by_its_place_in_the_queue()
    {
        Assert.Equal(DeviceBits, RunQueued(0x60, 100, 3, tag: 0));
        Assert.Equal([100, 101], [Word(Data), Word(Data + 512)]);
        // The FIS that takes it interrupts nobody.
        Assert.Equal((0x34, 0, 0x50), (_memory.Bytes[Fis + 0x40], _memory.Bytes[Fis + 0x41], _memory.Bytes[Fis + 0x42]));
        Assert.Equal((0xa1, 0x40, 0x50, 1), (_memory.Bytes[Fis + 0x58], _memory.Bytes[Fis + 0x59], _memory.Bytes[Fis + 0x5a], Word(Fis + 0x5c)));
        Assert.Equal(0x50u, GetPort(0, 0x20));
        _memory.Bytes.AsSpan((int)Data, 1024).Fill(0xa5);
        Assert.Equal(DeviceBits, RunQueued(0x61, 7, 2, tag: 0, device: 0xc0));
        Assert.Equal((0xa5, 0xa5, 0), (_image.Content[7 * 512], _image.Content[9 * 512 - 1], _image.Content[9 * 512 + 4]));
    }

    [Fact]
    public void Queued_commands_of_several_slots_are_done_one_by_one()
    {
        foreach (var slot in (int[])[0, 3, 19])
            PutQueued(0x60, 200 + slot, 1, slot, Data + (uint)slot * 512);
        SetPort(0, 0x34, 1 | 1 << 3 | 1 << 19);
        SetPort(0, 0x38, 1 | 1 << 3 | 1 << 19);
        Assert.Equal((0u, 0u), (GetPort(0, 0x34), GetPort(0, 0x38)));
        foreach (var slot in (int[])[0, 3, 19])
            Assert.Equal(200 + slot, Word(Data + (uint)slot * 512));
    }

    [Fact]
    public void After_a_queued_commands_error_the_port_waits_and_the_disk_refuses_until_its_log_was_read()
    {
        PutQueued(0x60, Sectors, 1, 2, Data);
        PutQueued(0x60, 5, 1, 4, Data);
        SetPort(0, 0x34, 1 << 2 | 1 << 4);
        SetPort(0, 0x38, 1 << 2 | 1 << 4);
        Assert.Equal(DeviceBits | TaskFileError, GetPort(0, 0x10));
        Assert.Equal((0x1051u, 1u << 2 | 1u << 4, 1u << 4), (GetPort(0, 0x20), GetPort(0, 0x34), GetPort(0, 0x38)));
        Assert.Equal(0, Word(Fis + 0x5c));
        Restart();
        Assert.Equal((0u, 0u), (GetPort(0, 0x34), GetPort(0, 0x38)));
        // Not by another command, nor another queued one.
        Assert.Equal(RegisterFis | TaskFileError, Run(0, Command(0x25, lba: 1, count: 1), 0, 512));
        Assert.Equal(0x0451u, GetPort(0, 0x20));
        Assert.Equal(DeviceBits | TaskFileError, RunQueued(0x60, 1, 1, tag: 0));
        Restart();

        Assert.Equal(RegisterFis | PioSetup, Run(0, Command(0x2f, lba: 0x10, count: 1), 0, 512));
        var page = _memory.Bytes.AsSpan((int)Data, 512);
        Assert.Equal((2, 0x51, 0x10, Sectors & 0xff, Sectors >> 8), (page[0], page[2], page[3], page[4], page[5]));
        byte sum = 0;
        foreach (var value in page)
            sum += value;
        Assert.Equal(0, sum);
        Assert.Equal(DeviceBits, RunQueued(0x60, 5, 1, tag: 0));
        Assert.Equal(5, Word(Data));
        Run(0, Command(0x2f, lba: 0x10, count: 1), 0, 512);
        Assert.Equal(0x80, _memory.Bytes[Data]);
    }

    [Fact]
    public void A_queued_commands_error_is_in_the_saved_state()
    {
        Assert.Equal(DeviceBits | TaskFileError, RunQueued(0x60, Sectors, 1, tag: 0));
        var device = _bench.Devices.OfType<Ahci>().Single();
        var saved = new StateWriter();
        device.Save(saved);
        device.Reset();
        var reader = new StateReader(saved.Written);
        device.Load(ref reader);
        Assert.Equal((0x1051u, 1u), (GetPort(0, 0x20), GetPort(0, 0x34)));
        Restart();
        Run(0, Command(0x2f, lba: 0x10, count: 1), 0, 512);
        Assert.Equal((0, 0x10), (_memory.Bytes[Data], _memory.Bytes[Data + 3]));
    }

    [Fact]
    public void A_log_that_there_is_not_and_a_page_behind_the_last_are_refused()
    {
        foreach (var (lba, count) in ((long, int)[])[(0x03, 1), (0x10, 2), (0x10, 0), (0x0110, 1)])
            Assert.Equal(RegisterFis | TaskFileError, Run(0, Command(0x2f, lba, count), 0, 512));
    }

    [Fact]
    public void Less_memory_than_data_is_an_overflow()
    {
        Assert.Equal(RegisterFis | Overflow, Run(0, Command(0x25, lba: 100, count: 4), 0, 512, 512));
        Assert.Equal((100, 1024u), (Word(Data), MovedBytes));
        Assert.Equal(RegisterFis | PioSetup | Overflow, Run(0, Command(0xec), 0));
    }

    [Fact]
    public void Dma_into_registers_or_from_nowhere_is_fatal_until_the_port_is_started_again()
    {
        PutRegion(0, Hba, 512);
        Issue(0, Command(0x25, lba: 100, count: 1), 0, 1);
        Assert.Equal(BusFatal, GetPort(0, 0x10) & BusFatal);
        Assert.Equal(1u, GetPort(0, 0x38));
        SetPort(0, 0x18, 0x10);
        Assert.Equal(0u, GetPort(0, 0x38));
        SetPort(0, 0x18, 0x11);
        SetPort(0, 0x10, uint.MaxValue);
        Assert.Equal(RegisterFis, Run(0, Command(0x25, lba: 100, count: 1), 0, 512));
        SetPort(0, 0x00, 0xfffffc00);
        SetPort(0, 0x38, 1);
        Assert.Equal(BusFatal, GetPort(0, 0x10));
    }

    [Fact]
    public void An_interrupt_lasts_until_the_ports_cause_is_cleared_or_is_a_message_where_msi_is_on()
    {
        Assert.False(_pin.Level);
        Issue(0, Command(0xec), 0, 0);
        Assert.Equal((true, 1u), (_pin.Level, Get(8)));
        Set(8, 1);
        Assert.True(_pin.Level);
        SetPort(0, 0x10, uint.MaxValue);
        Assert.Equal((false, 0u), (_pin.Level, Get(8)));
        foreach (var (offset, value) in ((uint, uint)[])[(0x44, 0xfee00000), (0x4c, 0x55), (0x40, 1 << 16)])
        {
            _bus.WritePort(0xcf8, 4, 0x80001000 | offset);
            if (offset == 0x40)
                _bus.WritePort(0xcfe, 2, value >> 16);
            else
                _bus.WritePort(0xcfc, 4, value);
        }
        Issue(0, Command(0xe7), 0, 0);
        Assert.False(_pin.Level);
        Assert.Contains((0xfee00000UL, 0x55u), _messages.Messages);
    }

    [Fact]
    public void Both_resets_bring_the_signature_again_and_forget_what_was_issued()
    {
        SetPort(0, 0x2c, 1);
        SetPort(0, 0x2c, 0);
        Assert.Equal((0x101u, 0x50u, 1u << 26), (GetPort(0, 0x24), GetPort(0, 0x20) & 0xff, GetPort(0, 0x30)));
        Set(4, 1);
        Assert.Equal((0x80000000u, 6u, 0x7fu, uint.MaxValue), (Get(4), GetPort(0, 0x18), GetPort(0, 0x20), GetPort(0, 0x24)));
        SetPort(0, 0x38, 1);
        Assert.Equal(0u, GetPort(0, 0x38));
    }

    [Fact]
    public void Registers_are_also_reached_by_index_and_data_ports()
    {
        _bus.WritePort(0xc010, 4, 0x10);
        Assert.Equal(0x10300u, _bus.ReadPort(0xc014, 4));
        _bus.WritePort(0xc010, 4, 0x100);
        _bus.WritePort(0xc014, 4, 0x12345678);
        Assert.Equal(0x12345400u, GetPort(0, 0));
    }

    [Fact]
    public void Long_transfers_in_many_slots_leave_the_access_and_go_on_in_virtual_time()
    {
        // Every slot reads the whole disk many times over, into the same page.
        for (var slot = 0; slot < 32; slot++)
        {
            var header = _memory.Bytes.AsSpan((int)List + slot * 32, 32);
            BinaryPrimitives.WriteUInt32LittleEndian(header, 5 | 2048u << 16);
            BinaryPrimitives.WriteUInt64LittleEndian(header[8..], Table);
        }
        Command(0x25, lba: 0, count: Sectors).CopyTo(_memory.Bytes, Table);
        for (var i = 0; i < 2048; i++)
            PutRegion(i, Data + 0x10000, 512);
        SetPort(0, 0x38, uint.MaxValue);
        Assert.NotEqual(0u, GetPort(0, 0x38));
        while (GetPort(0, 0x38) is var left and not 0)
        {
            _bench.Clock.Advance(1);
            Assert.True(GetPort(0, 0x38) < left || GetPort(0, 0x38) == 0);
        }
    }

    private uint MovedBytes => BinaryPrimitives.ReadUInt32LittleEndian(_memory.Bytes.AsSpan((int)List + 4));

    private uint Get(uint offset) => (uint)_bus.ReadMmio(Hba + offset, 4);

    private void Set(uint offset, uint value) => _bus.WriteMmio(Hba + offset, 4, value);

    private uint GetPort(int port, uint offset) => Get(0x100 + (uint)port * 0x80 + offset);

    private void SetPort(int port, uint offset, uint value) => Set(0x100 + (uint)port * 0x80 + offset, value);

    private int Word(uint address) => BinaryPrimitives.ReadInt32LittleEndian(_memory.Bytes.AsSpan((int)address));

    private string Text(int word, int bytes)
    {
        var text = new char[bytes];
        for (var i = 0; i < bytes; i++)
            text[i] = (char)_memory.Bytes[(int)Data + word * 2 + (i ^ 1)];
        return new string(text);
    }

    // Serial ATA 2.6, 10.3.4.
    private static byte[] Command(byte command, long lba = 0, int count = 0)
    {
        var fis = new byte[20];
        (fis[0], fis[1], fis[2], fis[7]) = (0x27, 0x80, command, 0x40);
        (fis[4], fis[5], fis[6], fis[8]) = ((byte)lba, (byte)(lba >> 8), (byte)(lba >> 16), (byte)(lba >> 24));
        (fis[12], fis[13]) = ((byte)count, (byte)(count >> 8));
        return fis;
    }

    private void PutRegion(int index, ulong address, int bytes)
    {
        var entry = _memory.Bytes.AsSpan((int)Table + 0x80 + index * 16, 16);
        BinaryPrimitives.WriteUInt64LittleEndian(entry, address);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], (uint)bytes - 1);
    }

    private void Issue(int port, byte[] fis, uint flags, int regions)
    {
        fis.CopyTo(_memory.Bytes, Table);
        var header = _memory.Bytes.AsSpan((int)List, 32);
        BinaryPrimitives.WriteUInt32LittleEndian(header, 5 | flags | (uint)regions << 16);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], 0);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], Table);
        SetPort(port, 0x38, 1);
    }

    // Serial ATA 2.6, 13.6.3.1: the count is where features are, the tag where the count is. One region.
    private void PutQueued(byte command, long lba, int count, int slot, uint data, byte device = 0x40)
    {
        var table = Table + (uint)slot * 0x100;
        var fis = Command(command, lba, slot << 3);
        (fis[3], fis[11], fis[7]) = ((byte)count, (byte)(count >> 8), device);
        fis.CopyTo(_memory.Bytes, table);
        var entry = _memory.Bytes.AsSpan((int)table + 0x80, 16);
        BinaryPrimitives.WriteUInt64LittleEndian(entry, data);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], (uint)(count * 512) - 1);
        var header = _memory.Bytes.AsSpan((int)List + slot * 32, 32);
        BinaryPrimitives.WriteUInt32LittleEndian(header, 5 | (command == 0x61 ? 1u << 6 : 0) | 1u << 16);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], table);
    }

    // What interrupted, which is cleared.
    private uint RunQueued(byte command, long lba, int count, int tag, byte device = 0x40)
    {
        PutQueued(command, lba, count, tag, Data, device);
        SetPort(0, 0x34, 1u << tag);
        SetPort(0, 0x38, 1u << tag);
        Assert.Equal(0u, GetPort(0, 0x38));
        var causes = GetPort(0, 0x10);
        SetPort(0, 0x10, uint.MaxValue);
        Assert.Equal((causes & TaskFileError) == 0 ? 0u : 1u << tag, GetPort(0, 0x34));
        return causes;
    }

    private void Restart()
    {
        SetPort(0, 0x18, 0x10);
        SetPort(0, 0x18, 0x11);
        SetPort(0, 0x10, uint.MaxValue);
    }

    // Regions at a page each from Data on; what interrupted, which is cleared.
    private uint Run(int port, byte[] fis, uint flags, params int[] regions)
    {
        for (var i = 0; i < regions.Length; i++)
            PutRegion(i, Data + (uint)Math.Min(i, 1) * 0x1000 + (i > 1 ? 1000u : 0), regions[i]);
        Issue(port, fis, flags, regions.Length);
        Assert.Equal(0u, GetPort(port, 0x38));
        var causes = GetPort(port, 0x10);
        SetPort(port, 0x10, uint.MaxValue);
        return causes;
    }
}
