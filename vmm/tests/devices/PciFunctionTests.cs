using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>PCI Local Bus Specification 3.0, 6.2.5.1 (base addresses), 6.8.1 (MSI); PCI Express Base Specification 3.0, 7.2.2 (configuration space in memory).</summary>
public sealed class PciFunctionTests
{
    private readonly IoBus _bus = new();
    private readonly RecordingMsi _messages = new();

    [Fact]
    public void A_64_bit_base_address_takes_two_registers_and_moves_above_4_gib()
    {
        var function = NewFunction(new PciBar(0, 0xfebf1000) { Is64Bit = true, IsPrefetchable = true }, new PciBar(1, 0xc000));
        Assert.Equal((0xfebf100cu, 0u, 0xc001u), (function.Read(0x10, 4), function.Read(0x14, 4), function.Read(0x18, 4)));
        function.Write(0x10, 4, uint.MaxValue);
        function.Write(0x14, 4, uint.MaxValue);
        Assert.Equal((0xfffff00cu, uint.MaxValue), (function.Read(0x10, 4), function.Read(0x14, 4)));
        function.Write(0x10, 4, 0x2000);
        function.Write(0x14, 4, 0x12);
        Assert.Contains(_bus.GetMappings(), mapping => mapping is { Space: AddressSpace.Mmio, Base: 0x12_0000_2000 });
    }

    [Fact]
    public void A_base_address_can_have_a_register_of_its_choice()
    {
        var function = NewFunction(new PciBar(1, 0xc000) { Index = 4 });
        Assert.Equal((0u, 0xc001u), (function.Read(0x10, 4), function.Read(0x20, 4)));
        function.Write(0x10, 4, 0xd000);
        Assert.Equal(0u, function.Read(0x10, 4));
        function.Write(0x20, 4, 0xd000);
        Assert.Contains(_bus.GetMappings(), mapping => mapping is { Space: AddressSpace.Port, Base: 0xd000 });
    }

    [Fact]
    public void Without_an_assigned_address_nothing_is_decoded()
    {
        var function = NewFunction(new PciBar(0, 0), new PciBar(1, 0));
        Assert.Equal(0u, function.Read(4, 2));
        Assert.Empty(_bus.GetMappings());
    }

    [Theory]
    [InlineData(2, 2, 0x1111)]
    [InlineData(1, 2, 0x1112)]
    [InlineData(2, 4, 0x00021111)]
    public void Any_part_of_the_space_can_be_read_at_once(int offset, int size, uint value)
    {
        var function = NewFunction();
        function.Write(4, 2, 2);
        Assert.Equal(value, function.Read(offset, size));
    }

    [Fact]
    public void An_msi_goes_to_its_address_with_the_vector_in_the_data_of_as_many_bits_as_are_enabled()
    {
        var function = NewFunction();
        var msi = new Msi(function, _messages, 4);
        var at = (int)function.Read(0x34, 1);
        Assert.Equal((5u, 0x0184u), (function.Read(at, 1), function.Read(at + 2, 2)));
        msi.Signal(1);
        Assert.Empty(_messages.Messages);
        function.Write(at + 4, 4, 0xfee01003);
        function.Write(at + 8, 4, 1);
        function.Write(at + 12, 2, 0x43);
        function.Write(4, 2, 4);
        function.Write(at + 2, 2, 1 | 1 << 4);
        msi.Signal(1);
        msi.Signal(2);
        Assert.Equal([(0x1_fee0_1000ul, 0x43u), (0x1_fee0_1000ul, 0x42u)], _messages.Messages);
    }

    [Fact]
    public void A_masked_msi_waits()
    {
        var function = NewFunction();
        var msi = new Msi(function, _messages, 2);
        function.SetHook(new Hook(msi));
        var at = (int)function.Read(0x34, 1);
        function.Write(4, 2, 4);
        function.Write(at + 2, 2, 1 | 1 << 4);
        function.Write(at + 16, 4, 2);
        msi.Signal(1);
        Assert.Empty(_messages.Messages);
        Assert.Equal(2u, function.Read(at + 20, 4));
        function.Write(at + 16, 4, 0);
        Assert.Single(_messages.Messages);
        Assert.Equal(0u, function.Read(at + 20, 4));
    }

    [Fact]
    public void Configuration_space_in_memory_is_the_same_as_by_ports()
    {
        var host = new PciHost(new RecordingMachine());
        host.Add(3, 1, NewFunction(new PciBar(0, 0xfebf1000)));
        var ecam = new PciEcam(host);
        _bus.MapMmio(ecam, PciEcam.Buses64Region, 0xb0000000);
        const ulong Function = 0xb0000000 | 3 << 15 | 1 << 12;
        Assert.Equal(0x11111234ul, _bus.ReadMmio(Function, 4));
        Assert.Equal(0x1111ul, _bus.ReadMmio(Function + 2, 2));
        _bus.WriteMmio(Function + 0x3c, 1, 0x55);
        Assert.Equal(0x55ul, _bus.ReadMmio(Function + 0x3c, 1));
        // No extended capabilities; no function; no other bus.
        Assert.Equal(0ul, _bus.ReadMmio(Function + 0x100, 4));
        Assert.Equal(uint.MaxValue, _bus.ReadMmio(Function + 0x1000, 4));
        Assert.Equal(uint.MaxValue, _bus.ReadMmio(Function + 0x100000, 4));
    }

    private PciFunction NewFunction(params PciBar[] bars)
    {
        var function = new PciFunction(_bus, new PciIdentity(0x1234, 0x1111, 0xff, 0), new PciTestDev(), bars);
        function.Reset();
        return function;
    }

    private sealed class Hook(Msi msi) : IPciConfigHook
    {
        public bool TryReadConfig(int offset, int size, out uint value)
        {
            value = 0;
            return false;
        }

        public void OnConfigWritten(int offset, int size, uint value) => msi.OnConfigWritten();
    }
}
