using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>PCI Local Bus Specification 3.0, 6; QEMU's pci-testdev.</summary>
public sealed class PciTests
{
    private readonly Bench _bench = DeviceCatalogue.All["pci-testdev"]();

    private IoBus Bus => _bench.Bus;

    [Fact]
    public void A_function_tells_its_identity_and_an_empty_slot_all_ones()
    {
        Assert.Equal(0x12378086u, Config(0, 0));
        Assert.Equal(0x00051b36u, Config(2, 0));
        Assert.Equal(0xffffffffu, Config(5, 0));
        Bus.WritePort(0xcf8, 4, 0);
        Assert.Equal(0xffffffffu, Bus.ReadPort(0xcfc, 4));
    }

    [Fact]
    public void Narrow_accesses_reach_the_bytes_they_name()
    {
        Select(2, 0);
        Assert.Equal(0x1bu, Bus.ReadPort(0xcfd, 1));
        Assert.Equal(0x0005u, Bus.ReadPort(0xcfe, 2));
        Assert.Equal(0x051bu, Bus.ReadPort(0xcfd, 2));
    }

    [Fact]
    public void All_ones_in_a_bar_tell_its_size_and_kind()
    {
        WriteConfig(2, 0x10, 0xffffffff);
        WriteConfig(2, 0x14, 0xffffffff);
        WriteConfig(2, 0x18, 0xffffffff);
        Assert.Equal(0xfffff000u, Config(2, 0x10));
        Assert.Equal(0xffffff01u, Config(2, 0x14));
        Assert.Equal(0u, Config(2, 0x18));
    }

    [Fact]
    public void A_bar_moves_its_region_and_the_command_register_turns_it_off()
    {
        Bus.WritePort(0xc000, 1, 0);
        Assert.NotEqual(0xffffu, Bus.ReadPort(0xc000, 2));
        WriteConfig(2, 0x14, 0xd000);
        Assert.Equal(0xffffu, Bus.ReadPort(0xc000, 2));
        Assert.NotEqual(0xffffu, Bus.ReadPort(0xd000, 2));
        WriteConfig(2, 4, 2);
        Assert.Equal(0xffffu, Bus.ReadPort(0xd000, 2));
    }

    [Fact]
    public void A_bar_on_top_of_another_device_answers_nowhere_and_harms_nobody()
    {
        WriteConfig(2, 0x14, 0x0c00);
        Assert.Equal(0x0c01u, Config(2, 0x14));
        Assert.Equal(0xffffu, Bus.ReadPort(0xc10, 2));
        Assert.Equal(0x00051b36u, Config(2, 0));
        WriteConfig(2, 0x14, 0xc000);
        Bus.WritePort(0xc000, 1, 0);
        Assert.Equal(0x0100u, Bus.ReadPort(0xc000, 2));
    }

    [Fact]
    public void The_test_device_counts_writes_to_its_offset_and_only_matching_data_when_asked()
    {
        Bus.WriteMmio(0xfebf1000, 1, 0);
        var offset = (uint)Bus.ReadMmio(0xfebf1004, 4);
        for (var i = 0; i < 5; i++)
            Bus.WriteMmio(0xfebf1000 + offset, 1, (ulong)i);
        Bus.WriteMmio(0xfebf1000 + offset + 1, 1, 0);
        Assert.Equal(5UL, Bus.ReadMmio(0xfebf100c, 4));

        Bus.WritePort(0xc000, 1, 2);
        offset = Bus.ReadPort(0xc004, 4);
        var data = Bus.ReadPort(0xc008, 4);
        Bus.WritePort((ushort)(0xc000 + offset), 1, data);
        Bus.WritePort((ushort)(0xc000 + offset), 1, data ^ 1);
        Assert.Equal(1u, Bus.ReadPort(0xc00c, 4));
        Assert.Equal((uint)'p', Bus.ReadPort(0xc010, 1));
    }

    [Theory]
    [InlineData(0x06, 1)]
    [InlineData(0x02, 0)]
    public void The_reset_control_register_resets_on_its_cpu_bit(byte value, int resets)
    {
        var machine = new RecordingMachine();
        var bus = new IoBus();
        var host = new PciHost(machine);
        bus.MapPorts(host, 0, PciHost.BasePort);
        bus.WritePort(0xcf9, 1, value);
        Assert.Equal(resets, machine.Resets);
        bus.WritePort(0xcf8, 4, 0x80000600);
        Assert.Equal(resets, machine.Resets);
        Assert.Equal(0x80000600u, bus.ReadPort(0xcf8, 4));
    }

    private void Select(uint slot, uint register) => Bus.WritePort(0xcf8, 4, 0x80000000 | slot << 11 | register);

    private uint Config(uint slot, uint register)
    {
        Select(slot, register);
        return Bus.ReadPort(0xcfc, 4);
    }

    private void WriteConfig(uint slot, uint register, uint value)
    {
        Select(slot, register);
        Bus.WritePort(0xcfc, 4, value);
    }
}
