using Gauntlet.Vmm.Devices.Interrupt;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>82093AA data sheet.</summary>
public sealed class IoApicTests
{
    private const uint Masked = 0x10000, Level = 0x8000, RemoteIrr = 0x4000;

    private readonly ApicBus _bus = new();
    private readonly IoApic _ioApic;
    private readonly LocalApic _apic;

    public IoApicTests()
    {
        _ioApic = new IoApic(_bus);
        _apic = new LocalApic(0, _bus, Rig.NewClock(), new Lock(), null);
        _apic.WriteMmio(0, 0xf0, 4, 0x1ff);
    }

    [Fact]
    public void After_reset_every_input_is_masked_and_the_version_tells_24_inputs()
    {
        Assert.Equal(0x00170020u, ReadRegister(1));
        for (var input = 0u; input < 24; input++)
            Assert.Equal(Masked, ReadRegister(0x10 + input * 2));
    }

    [Fact]
    public void An_edge_is_sent_once_and_a_masked_one_is_lost()
    {
        Redirect(5, 0x45);
        _ioApic.GetLine(5).Set(true);
        _ioApic.GetLine(5).Set(true);
        Assert.Equal(0x45, Take());
        Assert.Equal(-1, Take());
        _ioApic.GetLine(5).Set(false);
        Redirect(5, 0x45 | Masked);
        _ioApic.GetLine(5).Set(true);
        Redirect(5, 0x45);
        Assert.Equal(-1, Take());
    }

    [Fact]
    public void A_level_has_remote_irr_until_its_end_and_is_sent_again_while_it_stays_high()
    {
        Redirect(7, 0x47 | Level);
        _ioApic.GetLine(7).Set(true);
        Assert.Equal(RemoteIrr, ReadRegister(0x10 + 14) & RemoteIrr);
        Assert.Equal(0x47, _apic.Acknowledge());
        _apic.WriteMmio(0, 0xb0, 4, 0);
        Assert.Equal(0x47, _apic.Acknowledge());
        _ioApic.GetLine(7).Set(false);
        _apic.WriteMmio(0, 0xb0, 4, 0);
        Assert.Equal(0u, ReadRegister(0x10 + 14) & RemoteIrr);
        Assert.Equal(-1, _apic.Acknowledge());
    }

    [Fact]
    public void A_masked_level_that_is_still_high_comes_when_it_is_unmasked()
    {
        Redirect(7, 0x47 | Level | Masked);
        _ioApic.GetLine(7).Set(true);
        Assert.Equal(-1, Take());
        Redirect(7, 0x47 | Level);
        Assert.Equal(0x47, Take());
    }

    [Fact]
    public void The_eoi_register_ends_the_level_interrupts_of_its_vector()
    {
        Redirect(3, 0x43 | Level);
        _ioApic.GetLine(3).Set(true);
        _ioApic.GetLine(3).Set(false);
        _ioApic.WriteMmio(0, 0x40, 4, 0x44);
        Assert.Equal(RemoteIrr, ReadRegister(0x10 + 6) & RemoteIrr);
        _ioApic.WriteMmio(0, 0x40, 4, 0x43);
        Assert.Equal(0u, ReadRegister(0x10 + 6) & RemoteIrr);
    }

    [Fact]
    public void Status_bits_cannot_be_written_and_the_destination_reads_back()
    {
        WriteRegister(0x10, 0x40 | Level | RemoteIrr | 0x1000);
        Assert.Equal(0x40u | Level, ReadRegister(0x10));
        WriteRegister(0x11, 0xffffffff);
        Assert.Equal(0xff000000u, ReadRegister(0x11));
    }

    [Fact]
    public void The_timer_is_on_input_2_and_the_pic_and_the_ioapic_see_the_same_line()
    {
        var pic = new I8259(new RecordingLine());
        var lines = new PcInterruptLines(pic, _ioApic);
        Redirect(2, 0x42);
        lines[0].Set(true);
        Assert.Equal(0x42, Take());
        pic.Out(I8259.MasterRegion, 0, 0x0a);
        Assert.Equal(1, pic.In(I8259.MasterRegion, 0));
        Redirect(20, 0x54);
        lines[20].Set(true);
        Assert.Equal(0x54, Take());
    }

    private int Take()
    {
        var vector = _apic.Acknowledge();
        if (vector >= 0)
            _apic.WriteMmio(0, 0xb0, 4, 0);
        return vector;
    }

    private void Redirect(uint input, uint low)
    {
        WriteRegister(0x10 + input * 2, low);
        WriteRegister(0x11 + input * 2, 0);
    }

    private uint ReadRegister(uint index)
    {
        _ioApic.WriteMmio(0, 0, 4, index);
        return (uint)_ioApic.ReadMmio(0, 0x10, 4);
    }

    private void WriteRegister(uint index, uint value)
    {
        _ioApic.WriteMmio(0, 0, 4, index);
        _ioApic.WriteMmio(0, 0x10, 4, value);
    }
}
