using FsCheck.Fluent;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Tests.Bus;

public sealed class IoBusTests
{
    private readonly IoBus _bus = new();

    [Fact]
    public void What_nobody_claims_reads_as_all_ones_and_swallows_writes()
    {
        _bus.WritePort(0x80, 4, 0x12345678);
        _bus.WriteMmio(0xdead0000, 8, 1);
        Assert.Equal(0xffu, _bus.ReadPort(0x80, 1));
        Assert.Equal(0xffffu, _bus.ReadPort(0x80, 2));
        Assert.Equal(0xffffffffu, _bus.ReadPort(0xffff, 4));
        Assert.Equal(0xffffffffu, _bus.ReadMmio(0xdead0000, 4));
        Assert.Equal(ulong.MaxValue, _bus.ReadMmio(ulong.MaxValue, 8));
    }

    [Fact]
    public void A_wide_access_to_byte_registers_becomes_byte_accesses_lowest_first()
    {
        var device = new Recorder(AddressSpace.Port, 4, 1);
        _bus.MapPorts(device, 0, 0x100);
        _bus.WritePort(0x100, 4, 0x44332211);
        Assert.Equal(["w0:1=11", "w1:1=22", "w2:1=33", "w3:1=44"], device.Log);
        Assert.Equal(0x44332211u, _bus.ReadPort(0x100, 4));
    }

    [Fact]
    public void An_access_over_the_end_of_a_region_is_split_and_the_rest_is_unclaimed()
    {
        var device = new Recorder(AddressSpace.Port, 4, 4);
        _bus.MapPorts(device, 0, 0x100);
        Assert.Equal(0xffff0302u, _bus.ReadPort(0x102, 4));
        Assert.Equal(["r2:2"], device.Log);
        device.Log.Clear();
        Assert.Equal(0x020100ffu, _bus.ReadPort(0xff, 4));
        Assert.Equal(["r0:2", "r2:1"], device.Log);
    }

    [Fact]
    public void An_access_over_two_devices_reaches_both()
    {
        var (low, high) = (new Recorder(AddressSpace.Mmio, 0x1000, 8), new Recorder(AddressSpace.Mmio, 0x1000, 8));
        _bus.MapMmio(high, 0, 0x2000);
        _bus.MapMmio(low, 0, 0x1000);
        _bus.WriteMmio(0x1ffc, 8, 0x1122334455667788);
        Assert.Equal(["w4092:4=55667788"], low.Log);
        Assert.Equal(["w0:4=11223344"], high.Log);
    }

    [Fact]
    public void Overlapping_regions_are_an_error_when_they_are_made()
    {
        _bus.MapPorts(new Recorder(AddressSpace.Port, 8, 1), 0, 0x3f8);
        var clash = new Recorder(AddressSpace.Port, 2, 1);
        var error = Assert.Throws<InvalidOperationException>(() => _bus.MapPorts(clash, 0, 0x3ff));
        Assert.Contains("0x3f8-0x3ff", error.Message, StringComparison.Ordinal);
        Assert.False(_bus.TryMapPorts(clash, 0, 0x3f7));
        Assert.True(_bus.TryMapPorts(clash, 0, 0x3f6));

        _bus.MapMmio(new Recorder(AddressSpace.Mmio, 0x1000, 4), 0, 0x1000);
        Assert.Throws<InvalidOperationException>(() => _bus.MapMmio(new Recorder(AddressSpace.Mmio, 0x1000, 4), 0, 0x1fff));
        Assert.Throws<InvalidOperationException>(() => _bus.MapMmio(new Recorder(AddressSpace.Mmio, 0x1000, 4), 0, 0x1));
    }

    [Fact]
    public void A_region_that_leaves_its_space_is_an_error_when_it_is_made()
    {
        Assert.Throws<ArgumentException>(() => _bus.MapPorts(new Recorder(AddressSpace.Port, 2, 1), 0, 0xffff));
        Assert.Throws<ArgumentException>(() => _bus.MapMmio(new Recorder(AddressSpace.Mmio, 2, 1), 0, ulong.MaxValue));
        Assert.Throws<ArgumentException>(() => _bus.MapMmio(new Recorder(AddressSpace.Port, 2, 1), 0, 0));
    }

    [Fact]
    public void An_unmapped_region_answers_no_more_and_its_place_can_be_taken()
    {
        var device = new Recorder(AddressSpace.Mmio, 0x100, 4);
        _bus.MapMmio(device, 0, 0x5000);
        _ = _bus.ReadMmio(0x5000, 4);
        _bus.UnmapMmio(device, 0);
        Assert.Equal(0xffffffffu, _bus.ReadMmio(0x5000, 4));
        Assert.True(_bus.TryMapMmio(device, 0, 0x5080));
        var port = new Recorder(AddressSpace.Port, 0x10, 4);
        _bus.MapPorts(port, 0, 0x5000);
        _bus.UnmapPorts(port, 0);
        Assert.Equal(0xffu, _bus.ReadPort(0x5000, 1));
        _bus.MapPorts(port, 0, 0x5008);
        Assert.Equal(2, _bus.GetMappings().Count);
    }

    [Fact]
    public void Every_byte_of_an_access_reaches_exactly_the_register_at_its_address()
    {
        var access = from port in Gen.Choose(0xf0, 0x120)
                     from size in Gen.Elements(1, 2, 4)
                     from widest in Gen.Elements(1, 2, 4)
                     from value in ArbMap.Default.GeneratorFor<uint>()
                     select (port, size, widest, value);
        Prop.ForAll(access.ToArbitrary(), a =>
        {
            var bus = new IoBus();
            var memory = new Recorder(AddressSpace.Port, 0x10, a.widest);
            bus.MapPorts(memory, 0, 0x100);
            bus.WritePort((ushort)a.port, a.size, a.value);
            for (var i = 0; i < a.size; i++)
            {
                var offset = a.port + i - 0x100;
                var expected = (byte)(a.value >> (i * 8));
                if (offset is >= 0 and < 0x10 && memory.Bytes[offset] != expected)
                    return false;
            }
            var mask = uint.MaxValue >> (32 - a.size * 8);
            var inside = a.port >= 0x100 && a.port + a.size <= 0x110;
            return !inside || bus.ReadPort((ushort)a.port, a.size) == (a.value & mask);
        }).Holds();
    }

    [Fact]
    public void A_device_that_throws_ends_in_the_fault_handler_not_in_the_vcpu()
    {
        var faults = new List<Exception>();
        var io = new VcpuIo(_bus, null, faults.Add);
        _bus.MapPorts(new Thrower(), 0, 0x10);
        Assert.Equal(uint.MaxValue, io.ReadPort(0x10, 1));
        io.WritePort(0x10, 1, 0);
        Assert.Equal(2, faults.Count);
        Assert.False(_bus.DeviceLock.IsHeldByCurrentThread);
    }

    private sealed class Thrower : IPortDevice
    {
        public string Name => "thrower";

        public IReadOnlyList<RegisterMap> Regions { get; } = [new("thrower", AddressSpace.Port, 1, [])];

        public uint ReadPort(int region, uint offset, int size) => throw new InvalidOperationException("read");

        public void WritePort(int region, uint offset, int size, uint value) => throw new InvalidOperationException("write");
    }

    private sealed class Recorder(AddressSpace space, ulong length, int widest) : IPortDevice, IMmioDevice
    {
        public string Name => "recorder";

        public List<string> Log { get; } = [];

        public byte[] Bytes { get; } = Enumerable.Range(0, (int)length).Select(i => (byte)i).ToArray();

        public IReadOnlyList<RegisterMap> Regions { get; } = [new("registers", space, length, [new Register("R", 0, (byte)widest)])];

        public uint ReadPort(int region, uint offset, int size) => (uint)ReadMmio(region, offset, size);

        public void WritePort(int region, uint offset, int size, uint value) => WriteMmio(region, offset, size, value);

        public ulong ReadMmio(int region, ulong offset, int size)
        {
            Log.Add($"r{offset}:{size}");
            ulong value = 0;
            for (var i = 0; i < size; i++)
                value |= (ulong)Bytes[(int)offset + i] << (i * 8);
            return value;
        }

        public void WriteMmio(int region, ulong offset, int size, ulong value)
        {
            Log.Add($"w{offset}:{size}={value:x}");
            for (var i = 0; i < size; i++)
                Bytes[(int)offset + i] = (byte)(value >> (i * 8));
        }
    }
}
