using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>MC146818 data sheet.</summary>
public sealed class Mc146818Tests
{
    private readonly ManualClock _clock = Rig.NewClock();
    private readonly RecordingLine _irq = new();
    private readonly Mc146818 _rtc;

    public Mc146818Tests() => _rtc = new Mc146818(_irq, _clock);

    [Fact]
    public void It_starts_at_the_time_given_and_counts_on_over_the_end_of_february()
    {
        Assert.Equal((0x23, 0x59, 0x58), (Read(4), Read(2), Read(0)));
        Assert.Equal((0x28, 0x02, 0x26, 0x20), (Read(7), Read(8), Read(9), Read(0x32)));
        _clock.Advance(2 * Rig.Second);
        Assert.Equal((0x00, 0x00, 0x00), (Read(4), Read(2), Read(0)));
        Assert.Equal((0x01, 0x03), (Read(7), Read(8)));
    }

    [Fact]
    public void Binary_and_twelve_hour_formats_are_as_register_b_says()
    {
        Write(0xb, 0x06);
        Assert.Equal((23, 59), (Read(4), Read(2)));
        Write(0xb, 0x00);
        Assert.Equal(0x91, Read(4));
        _clock.Advance(2 * Rig.Second);
        Assert.Equal(0x12, Read(4));
    }

    [Fact]
    public void While_set_is_1_time_stands_still_and_goes_on_from_what_was_written()
    {
        Write(0xb, 0x82);
        Write(4, 0x07);
        Write(2, 0x30);
        Write(0, 0x15);
        _clock.Advance(10 * Rig.Second);
        Assert.Equal(0x15, Read(0));
        Write(0xb, 0x02);
        _clock.Advance(5 * Rig.Second);
        Assert.Equal((0x07, 0x30, 0x20), (Read(4), Read(2), Read(0)));
    }

    [Fact]
    public void The_weekday_that_was_set_counts_on_by_itself()
    {
        Write(6, 0x03);
        _clock.Advance(24 * 3600 * Rig.Second);
        Assert.Equal(0x04, Read(6));
    }

    [Fact]
    public void Uip_is_high_in_the_last_244_microseconds_of_a_second()
    {
        Assert.Equal(0, Read(0xa) & 0x80);
        _clock.Advance(Rig.Second - 245 * Rig.Microsecond);
        Assert.Equal(0, Read(0xa) & 0x80);
        _clock.Advance(Rig.Microsecond);
        Assert.Equal(0x80, Read(0xa) & 0x80);
        _clock.Advance(244 * Rig.Microsecond);
        Assert.Equal(0, Read(0xa) & 0x80);
    }

    [Fact]
    public void The_update_ended_interrupt_comes_each_second_and_reading_c_clears_it()
    {
        Write(0xb, 0x12);
        _clock.Advance(Rig.Second);
        Assert.True(_irq.Level);
        Assert.Equal(0x90, Read(0xc) & 0xb0);
        Assert.False(_irq.Level);
        _clock.Advance(Rig.Second);
        Assert.True(_irq.Level);
    }

    [Fact]
    public void The_periodic_interrupt_has_the_rate_of_register_a()
    {
        Write(0xa, 0x26);
        Write(0xb, 0x42);
        var count = 0;
        for (var i = 0; i < 2000; i++)
        {
            _clock.Advance(500 * Rig.Microsecond);
            if (_irq.Level)
            {
                count++;
                Assert.Equal(0xc0, Read(0xc) & 0xc0);
            }
        }
        Assert.InRange(count, 1023, 1025);
    }

    [Fact]
    public void The_first_period_at_a_new_rate_begins_where_the_last_one_ended()
    {
        // 8 Hz, then 2 Hz from the interrupt at 125 ms on.
        Write(0xa, 0x2d);
        Write(0xb, 0x42);
        _clock.Advance(125 * Rig.Millisecond);
        Assert.True(_irq.Level);
        Read(0xc);
        Write(0xa, 0x2f);
        _clock.Advance(499 * Rig.Millisecond);
        Assert.False(_irq.Level);
        _clock.Advance(1 * Rig.Millisecond);
        Assert.True(_irq.Level);
    }

    [Fact]
    public void The_alarm_comes_at_its_time_and_a_dont_care_matches_any()
    {
        Write(1, 0x05);
        Write(3, 0x00);
        Write(5, 0xff);
        Write(0xb, 0x22);
        _clock.Advance(6 * Rig.Second);
        Assert.False(_irq.Level);
        _clock.Advance(1 * Rig.Second);
        Assert.True(_irq.Level);
        Assert.Equal(0xa0, Read(0xc) & 0xa0);
        _clock.Advance(3599 * Rig.Second);
        Assert.False(_irq.Level);
        _clock.Advance(1 * Rig.Second);
        Assert.True(_irq.Level);
    }

    [Fact]
    public void Flags_are_set_without_their_interrupt_being_enabled()
    {
        Read(0xc);
        _clock.Advance(Rig.Second);
        Assert.Equal(0x50, Read(0xc));
        Assert.False(_irq.Level);
        Assert.Equal(0, Read(0xc) & 0x10);
    }

    [Fact]
    public void After_a_divider_reset_the_first_update_comes_half_a_second_later()
    {
        Write(0xa, 0x66);
        _clock.Advance(10 * Rig.Second);
        Assert.Equal(0x58, Read(0));
        Write(0xa, 0x26);
        _clock.Advance(400 * Rig.Millisecond);
        Assert.Equal(0x58, Read(0));
        _clock.Advance(101 * Rig.Millisecond);
        Assert.Equal(0x59, Read(0));
    }

    [Fact]
    public void Register_d_says_that_the_ram_is_valid_and_a_reset_keeps_ram_and_time()
    {
        Write(0x40, 0xa5);
        Write(0xb, 0x72);
        _rtc.Reset();
        Assert.Equal(0x80, Read(0xd));
        Assert.Equal(0xa5, Read(0x40));
        Assert.Equal(0x02, Read(0xb));
        Assert.Equal(0x58, Read(0));
    }

    [Fact]
    public void A_date_that_is_none_counts_as_the_nearest_one()
    {
        Write(0xb, 0x82);
        foreach (var register in (byte[])[0, 2, 4, 7, 8, 9, 0x32])
            Write(register, 0xff);
        Write(0xb, 0x02);
        _clock.Advance(Rig.Second);
        Assert.InRange(Read(7), 0x01, 0x31);
        Assert.InRange(Read(8), 0x01, 0x12);
    }

    private byte Read(byte register)
    {
        _rtc.Out(0, 0, register);
        return _rtc.In(0, 1);
    }

    private void Write(byte register, byte value)
    {
        _rtc.Out(0, 0, register);
        _rtc.Out(0, 1, value);
    }
}
