using Gauntlet.Fuzz.Oracles;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;

namespace Gauntlet.Fuzz.Tests.Targets;

public sealed class BarOracleTests
{
    private const int Command = 4, FirstBar = 0x10, SecondBar = 0x14;
    private const uint Decoding = 3;

    private readonly IoBus _bus = new();
    private readonly PciTestDev _device = new();
    private readonly PciFunction _function;

    public BarOracleTests()
    {
        _function = new PciFunction(_bus, new PciIdentity(PciTestDev.Vendor, PciTestDev.Device, 0xff, 0), _device, new PciBar(PciTestDev.MemoryRegion, 0xfebf1000), new PciBar(PciTestDev.IoRegion, 0xc000));
        _function.Reset();
    }

    [Theory]
    [InlineData(Command, 0)]
    [InlineData(Command, Decoding)]
    [InlineData(FirstBar, 0xfebf2000)]
    // No address, and none that a port has.
    [InlineData(FirstBar, 0)]
    [InlineData(SecondBar, uint.MaxValue)]
    public void What_a_function_does_by_itself_is_right(int register, uint value)
    {
        _function.Write(register, 4, value);

        Assert.Null(Record.Exception(() => BarOracle.Check(_bus, _function, register)));
    }

    [Fact]
    public void A_BAR_that_somebody_else_is_in_the_way_of_may_answer_nowhere()
    {
        _bus.MapPorts(new PciTestDev(), PciTestDev.IoRegion, 0xd000);
        _function.Write(SecondBar, 4, 0xd000);

        BarOracle.Check(_bus, _function, SecondBar);

        Assert.Null(_function.AddressOf(PciTestDev.IoRegion));
    }

    [Fact]
    public void A_region_that_the_bus_has_elsewhere_is_a_finding()
    {
        _bus.UnmapPorts(_device, PciTestDev.IoRegion);
        _bus.MapPorts(_device, PciTestDev.IoRegion, 0xe000);

        Assert.Contains("0xe000", Assert.Throws<OracleException>(() => BarOracle.Check(_bus, _function, SecondBar)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_region_that_the_bus_lacks_is_a_finding()
    {
        _bus.UnmapMmio(_device, PciTestDev.MemoryRegion);

        Assert.Contains("nothing there", Assert.Throws<OracleException>(() => BarOracle.Check(_bus, _function, FirstBar)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_region_that_answers_with_decoding_off_is_a_finding()
    {
        _function.Write(Command, 2, 0);
        _bus.MapMmio(_device, PciTestDev.MemoryRegion, 0xfebf1000);

        Assert.Contains("decoding is off", Assert.Throws<OracleException>(() => BarOracle.Check(_bus, _function, Command)).Message, StringComparison.Ordinal);
    }
}
