using Gauntlet.Vmm.Devices.Interrupt;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>8259A data sheet.</summary>
public sealed class I8259Tests
{
    private const int Master = I8259.MasterRegion, Slave = I8259.SlaveRegion, Elcr = I8259.ElcrRegion;

    private readonly RecordingLine _intr = new();
    private readonly I8259 _pic;

    public I8259Tests()
    {
        _pic = new I8259(_intr);
        Initialize(icw4: 1);
    }

    [Fact]
    public void A_request_raises_intr_and_its_acknowledge_gives_base_plus_input()
    {
        _pic.GetLine(3).Set(true);
        Assert.True(_intr.Level);
        Assert.Equal(0x23, _pic.Acknowledge());
        Assert.False(_intr.Level);
        _pic.GetLine(12).Set(true);
        // Input 3 in service is below the cascade's 2.
        Assert.Equal(0x2c, _pic.Acknowledge());
    }

    [Fact]
    public void Of_two_requests_the_lower_input_comes_first_and_the_other_after_its_end()
    {
        _pic.GetLine(5).Set(true);
        _pic.GetLine(1).Set(true);
        Assert.Equal(0x21, _pic.Acknowledge());
        Assert.False(_intr.Level);
        _pic.Out(Master, 0, 0x20);
        Assert.Equal(0x25, _pic.Acknowledge());
    }

    [Fact]
    public void A_masked_request_waits_until_it_is_unmasked()
    {
        _pic.Out(Master, 1, 0x10);
        _pic.GetLine(4).Set(true);
        Assert.False(_intr.Level);
        _pic.Out(Master, 1, 0x00);
        Assert.Equal(0x24, _pic.Acknowledge());
    }

    [Fact]
    public void An_edge_is_still_requested_when_its_line_falls_before_the_acknowledge()
    {
        _pic.GetLine(4).Set(true);
        _pic.GetLine(4).Set(false);
        Assert.Equal(0x24, _pic.Acknowledge());
        Assert.False(_intr.Level);
    }

    [Fact]
    public void A_level_that_falls_before_its_acknowledge_gives_the_spurious_vector_and_no_service()
    {
        _pic.Out(Elcr, 0, 0x10);
        _pic.GetLine(4).Set(true);
        _pic.GetLine(4).Set(false);
        Assert.False(_intr.Level);
        Assert.Equal(0x27, _pic.Acknowledge());
        _pic.Out(Master, 0, 0x0b);
        Assert.Equal(0, _pic.In(Master, 0));
    }

    [Fact]
    public void An_edge_is_taken_once_however_long_the_line_stays_high()
    {
        _pic.GetLine(6).Set(true);
        _pic.Acknowledge();
        _pic.Out(Master, 0, 0x20);
        Assert.False(_intr.Level);
    }

    [Fact]
    public void A_level_triggered_input_asks_again_after_each_end_until_it_is_low()
    {
        _pic.Out(Elcr, 1, 0x04);
        _pic.GetLine(10).Set(true);
        Assert.Equal(0x2a, _pic.Acknowledge());
        _pic.Out(Slave, 0, 0x20);
        _pic.Out(Master, 0, 0x20);
        Assert.Equal(0x2a, _pic.Acknowledge());
        _pic.GetLine(10).Set(false);
        _pic.Out(Slave, 0, 0x20);
        _pic.Out(Master, 0, 0x20);
        Assert.False(_intr.Level);
    }

    [Fact]
    public void The_elcr_keeps_the_timer_keyboard_cascade_rtc_and_coprocessor_at_edges()
    {
        _pic.Out(Elcr, 0, 0xff);
        _pic.Out(Elcr, 1, 0xff);
        Assert.Equal((0xf8, 0xde), (_pic.In(Elcr, 0), _pic.In(Elcr, 1)));
    }

    [Fact]
    public void Rotation_on_an_end_of_interrupt_gives_the_input_the_lowest_priority()
    {
        _pic.GetLine(0).Set(true);
        _pic.Acknowledge();
        _pic.Out(Master, 0, 0xa0);
        _pic.GetLine(0).Set(false);
        _pic.GetLine(0).Set(true);
        _pic.GetLine(7).Set(true);
        Assert.Equal(0x27, _pic.Acknowledge());
    }

    [Fact]
    public void Set_priority_makes_the_next_input_the_highest()
    {
        _pic.Out(Master, 0, 0xc4);
        _pic.GetLine(0).Set(true);
        _pic.GetLine(5).Set(true);
        Assert.Equal(0x25, _pic.Acknowledge());
    }

    [Fact]
    public void Automatic_end_of_interrupt_leaves_nothing_in_service()
    {
        Initialize(icw4: 3);
        _pic.GetLine(1).Set(true);
        Assert.Equal(0x21, _pic.Acknowledge());
        _pic.Out(Master, 0, 0x0b);
        Assert.Equal(0, _pic.In(Master, 0));
    }

    [Fact]
    public void Special_mask_mode_lets_lower_inputs_through_while_a_masked_one_is_in_service()
    {
        _pic.GetLine(1).Set(true);
        _pic.Acknowledge();
        _pic.GetLine(4).Set(true);
        Assert.False(_intr.Level);
        _pic.Out(Master, 1, 0x02);
        _pic.Out(Master, 0, 0x68);
        Assert.Equal(0x24, _pic.Acknowledge());
    }

    [Fact]
    public void A_poll_acknowledges_and_names_the_input()
    {
        _pic.GetLine(3).Set(true);
        _pic.Out(Master, 0, 0x0c);
        Assert.Equal(0x83, _pic.In(Master, 0));
        _pic.Out(Master, 0, 0x0c);
        Assert.Equal(0x00, _pic.In(Master, 0));
    }

    [Fact]
    public void Irr_and_isr_read_as_ocw3_chooses()
    {
        _pic.GetLine(3).Set(true);
        _pic.GetLine(5).Set(true);
        _pic.Acknowledge();
        _pic.Out(Master, 0, 0x0a);
        Assert.Equal(0x20, _pic.In(Master, 0));
        _pic.Out(Master, 0, 0x0b);
        Assert.Equal(0x08, _pic.In(Master, 0));
    }

    [Fact]
    public void Initialization_clears_mask_and_requests()
    {
        _pic.Out(Master, 1, 0xff);
        _pic.GetLine(3).Set(true);
        Initialize(icw4: 1);
        Assert.Equal(0, _pic.In(Master, 1));
        Assert.False(_intr.Level);
    }

    private void Initialize(byte icw4)
    {
        foreach (var (chip, vectors, wiring) in ((int, byte, byte)[])[(Master, 0x20, 4), (Slave, 0x28, 2)])
        {
            _pic.Out(chip, 0, 0x11);
            _pic.Out(chip, 1, vectors);
            _pic.Out(chip, 1, wiring);
            _pic.Out(chip, 1, icw4);
        }
    }
}
