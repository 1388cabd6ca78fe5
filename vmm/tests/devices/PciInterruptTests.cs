using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Pci;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>PIIX3 data sheet, 2.2.10; PCI Local Bus Specification 3.0, 2.2.6 and 6.2.2.</summary>
public sealed class PciInterruptTests
{
    private readonly RecordingLine[] _lines = [.. Enumerable.Range(0, 16).Select(_ => new RecordingLine())];
    private readonly PciFunction _bridge = new(new IoBus(), new PciIdentity(0x8086, 0x7000, 6, 1));
    private readonly PciInterruptRouter _router;

    public PciInterruptTests() => _router = new PciInterruptRouter(_bridge, irq => _lines[irq], PirqOf);

    // As a 440FX board's wiring: slot 1's INTA# is PIRQA#.
    private static int PirqOf(int slot, int pin) => (slot - 1 + pin - 1) & 3;

    [Fact]
    public void A_pin_reaches_the_interrupt_that_its_line_is_routed_to()
    {
        var function = NewFunction(slot: 2);
        Assert.Equal(10u, function.Read(0x3c, 1));
        Assert.Equal(1u, function.Read(0x3d, 1));
        function.SetInterrupt(true);
        Assert.True(_lines[10].Level);
        Assert.Equal(8u, function.Read(6, 2) & 8);
        function.SetInterrupt(false);
        Assert.False(_lines[10].Level);
    }

    [Fact]
    public void Before_firmware_has_run_no_line_leads_anywhere()
    {
        var router = new PciInterruptRouter(_bridge, irq => _lines[irq], PirqOf, isRouted: false);
        var function = new PciFunction(new IoBus(), new PciIdentity(0x1af4, 0x1000, 1, 0));
        router.Connect(function, slot: 2, pin: 1);
        _bridge.Reset();
        function.Reset();
        Assert.Equal((0u, 1u, 0x80u), (function.Read(0x3c, 1), function.Read(0x3d, 1), _bridge.Read(0x60, 1)));
        function.SetInterrupt(true);
        Assert.DoesNotContain(_lines, static line => line.Level);
        _bridge.Write(0x61, 1, 11);
        Assert.True(_lines[11].Level);
    }

    [Fact]
    public void A_shared_line_is_high_while_any_pin_is()
    {
        var (first, second) = (NewFunction(slot: 2), NewFunction(slot: 6));
        first.SetInterrupt(true);
        second.SetInterrupt(true);
        first.SetInterrupt(false);
        Assert.True(_lines[10].Level);
        second.SetInterrupt(false);
        Assert.False(_lines[10].Level);
    }

    [Fact]
    public void Routing_can_change_while_a_pin_is_asserted()
    {
        NewFunction(slot: 2).SetInterrupt(true);
        _bridge.Write(0x60 + PirqOf(2, 1), 1, 5);
        Assert.False(_lines[10].Level);
        Assert.True(_lines[5].Level);
        _bridge.Write(0x60 + PirqOf(2, 1), 1, 0x80);
        Assert.False(_lines[5].Level);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(13)]
    public void An_interrupt_that_no_pirq_may_use_is_left_alone(byte reserved)
    {
        NewFunction(slot: 2).SetInterrupt(true);
        _bridge.Write(0x60 + PirqOf(2, 1), 1, reserved);
        Assert.Equal(0, _lines[reserved].Edges);
    }

    [Fact]
    public void The_command_register_disconnects_the_pin_but_not_its_status()
    {
        var function = NewFunction(slot: 2);
        function.Write(4, 2, 1 << 10);
        function.SetInterrupt(true);
        Assert.False(_lines[10].Level);
        Assert.Equal(8u, function.Read(6, 2) & 8);
        function.Write(4, 2, 0);
        Assert.True(_lines[10].Level);
    }

    [Fact]
    public void Capabilities_form_a_list_with_their_own_writable_bits()
    {
        var function = NewFunction(slot: 3);
        Assert.Equal(0u, function.Read(6, 2) & 0x10);
        var first = function.AddCapability(5, [1, 2, 3], [0, 0xf0]);
        var second = function.AddCapability(9, [4], []);
        Assert.Equal(0x10u, function.Read(6, 2) & 0x10);
        Assert.Equal((uint)first, function.Read(0x34, 1));
        Assert.Equal((5u, (uint)second), (function.Read(first, 1), function.Read(first + 1, 1)));
        Assert.Equal((9u, 0u), (function.Read(second, 1), function.Read(second + 1, 1)));
        function.Write(first, 4, uint.MaxValue);
        Assert.Equal(0xf2u, function.Read(first + 3, 1));
        function.Reset();
        Assert.Equal(2u, function.Read(first + 3, 1));
    }

    [Fact]
    public void A_message_reaches_the_apic_it_names_and_others_are_lost()
    {
        var bus = new ApicBus();
        var apic = new LocalApic(0, bus, Rig.NewClock(), new Lock(), null);
        apic.WriteMmio(0, 0xf0, 4, 0x1ff);
        bus.SendMsi(0xfee00000, 0x51);
        Assert.True(apic.HasInterrupt);
        Assert.Equal(0x51, apic.Acknowledge());
        bus.SendMsi(0xfed00000, 0x52);
        bus.SendMsi(0x1_fee00000, 0x52);
        Assert.False(apic.HasInterrupt);
    }

    private PciFunction NewFunction(int slot)
    {
        var function = new PciFunction(new IoBus(), new PciIdentity(1, 2, 0xff, 0));
        _router.Connect(function, slot, pin: 1);
        function.Reset();
        return function;
    }
}
