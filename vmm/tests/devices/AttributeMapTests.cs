using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>Intel 82441FX data sheet, 3.2.18: for each area of 16 KiB, and the last 64 KiB, where reads and writes go.</summary>
public sealed class AttributeMapTests : IDisposable
{
    private const ulong Area = 0xe4000, Bios = 0xf0000;

    private readonly GuestRam _shadow = new("shadow", AttributeMap.Address, AttributeMap.Bytes);
    private readonly GuestRam _rom = new("rom", 0xfffc0000, 0x40000, readOnly: true);
    private readonly GuestMemory _memory;
    private readonly IoBus _bus = new();
    private readonly AttributeMap _map;

    public AttributeMapTests()
    {
        _memory = new GuestMemory([_shadow, _rom]);
        _map = new AttributeMap(_memory, _shadow, _rom, isRamAfterReset: false, _memory.SetLayout);
        _bus.MapMmio(_map, 0, AttributeMap.Address);
        _rom.GetSpan(0x20000, 0x20000).Fill(0xb1);
        _map.Reset();
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void After_reset_the_roms_end_is_seen_and_cannot_be_written()
    {
        Assert.Equal((0xb1, 0xb1, 0xff), (Read(Area), Read(Bios + 0xffff), Read(0xd0000)));
        Write(Bios, 0x11);
        Assert.Equal(0xb1, Read(Bios));
    }

    [Theory]
    [InlineData(Area, 5, 4)]
    [InlineData(Bios, 0, 4)]
    public void An_area_is_switched_for_reads_and_writes_apart(ulong address, int register, int shift)
    {
        Set(register, 2 << shift);
        Write(address, 0x22);
        Assert.Equal(0xb1, Read(address));
        Set(register, 1 << shift);
        Assert.Equal(0x22, Read(address));
        Write(address, 0x33);
        Assert.Equal(0x22, Read(address));
        Set(register, 3 << shift);
        Write(address, 0x44);
        Assert.Equal(0x44, Read(address));
        Set(register, 0);
        Assert.Equal(0xb1, Read(address));
        // Its neighbour stayed what it was.
        Assert.Equal(0xb1, Read(address == Bios ? Bios - 1 : Area - 1));
    }

    [Fact]
    public void What_is_hidden_is_kept_and_is_dirty_where_it_belongs()
    {
        var pages = new List<ulong>();
        _memory.CollectDirtyPages(pages);
        pages.Clear();
        Set(5, 2 << 4);
        Write(Area + 0x1000, 0x22);
        _memory.CollectDirtyPages(pages);
        Assert.Equal([Area + 0x1000], pages);
        Assert.Equal(0x22, _shadow.GetSpan(Area + 0x1000 - AttributeMap.Address, 1)[0]);
    }

    [Fact]
    public void With_all_of_it_ram_the_memory_is_what_it_was_made_of()
    {
        _map.Update([0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]);
        Assert.Equal(_memory.Backing, _memory.Layout);
    }

    private void Set(int register, int value)
    {
        Span<byte> registers = stackalloc byte[AttributeMap.RegisterCount];
        registers.Clear();
        registers[register] = (byte)value;
        _map.Update(registers);
    }

    // As a CPU does: memory where there is some, else the bus.
    private int Read(ulong address)
    {
        var byteAt = new byte[1];
        return _memory.TryRead(address, byteAt) ? byteAt[0] : (int)_bus.ReadMmio(address, 1);
    }

    private void Write(ulong address, byte value)
    {
        if (!_memory.IsBacked(address, 1, forWrite: false))
            _bus.WriteMmio(address, 1, value);
        else
            _ = _memory.TryWrite(address, [value]);
    }
}
