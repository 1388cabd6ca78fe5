using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>8254 data sheet.</summary>
public sealed class I8254Tests
{
    private const int Counters = I8254.CounterRegion, PortB = I8254.PortBRegion;
    private const long Hz = 1_193_182;

    private readonly ManualClock _clock = Rig.NewClock();
    private readonly RecordingLine _irq = new();
    private readonly I8254 _pit;

    public I8254Tests() => _pit = new I8254(_irq, _clock);

    [Fact]
    public void Mode_0_goes_high_when_the_count_has_run_out_and_stays()
    {
        Program(0, mode: 0, 1000);
        AdvanceTicks(999);
        Assert.False(_irq.Level);
        AdvanceTicks(2);
        Assert.True(_irq.Level);
        AdvanceTicks(100_000);
        Assert.Equal((true, 1), (_irq.Level, _irq.Edges));
    }

    [Fact]
    public void Mode_2_gives_one_edge_a_period()
    {
        Program(0, mode: 2, 11932);
        for (var i = 0; i < 100; i++)
            AdvanceTicks(11932);
        Assert.InRange(_irq.Edges, 99, 101);
    }

    [Fact]
    public void Mode_3_is_high_for_the_first_half_of_its_period()
    {
        Gate(true);
        Program(2, mode: 3, 1000);
        Assert.True(Out2);
        AdvanceTicks(499);
        Assert.True(Out2);
        AdvanceTicks(2);
        Assert.False(Out2);
        AdvanceTicks(500);
        Assert.True(Out2);
    }

    [Fact]
    public void Mode_1_waits_for_the_gate_and_is_low_for_its_count_retriggered_by_it()
    {
        Gate(false);
        Program(2, mode: 1, 1000);
        AdvanceTicks(2000);
        Assert.True(Out2);
        Gate(true);
        AdvanceTicks(600);
        Assert.False(Out2);
        Gate(false);
        Gate(true);
        AdvanceTicks(600);
        Assert.False(Out2);
        AdvanceTicks(401);
        Assert.True(Out2);
    }

    [Fact]
    public void Mode_4_is_low_for_one_tick_when_its_count_has_run_out()
    {
        Gate(true);
        Program(2, mode: 4, 1000);
        AdvanceTicks(999);
        Assert.True(Out2);
        AdvanceTicks(1);
        Assert.False(Out2);
        AdvanceTicks(1);
        Assert.True(Out2);
    }

    [Fact]
    public void Mode_5_counts_from_the_gates_rising_edge()
    {
        Gate(false);
        Program(2, mode: 5, 100);
        AdvanceTicks(500);
        Assert.True(Out2);
        Gate(true);
        AdvanceTicks(100);
        Assert.False(Out2);
        AdvanceTicks(1);
        Assert.True(Out2);
    }

    [Fact]
    public void A_low_gate_holds_mode_0_and_it_goes_on_where_it_stood()
    {
        Gate(true);
        Program(2, mode: 0, 1000);
        AdvanceTicks(400);
        Gate(false);
        AdvanceTicks(5000);
        Assert.InRange(Read16(2), 598, 601);
        Gate(true);
        AdvanceTicks(598);
        Assert.False(Out2);
        AdvanceTicks(4);
        Assert.True(Out2);
    }

    [Fact]
    public void A_latched_count_stands_still_until_it_is_read()
    {
        Program(0, mode: 2, 50_000);
        AdvanceTicks(1000);
        _pit.Out(Counters, 3, 0x00);
        AdvanceTicks(1000);
        Assert.InRange(Read16(0), 48_999, 49_001);
        Assert.InRange(Read16(0), 47_999, 48_001);
    }

    [Fact]
    public void Read_back_latches_status_and_count_and_gives_the_status_first()
    {
        Program(0, mode: 2, 50_000);
        AdvanceTicks(10);
        _pit.Out(Counters, 3, 0xc2);
        // OUT high, count loaded, both bytes, mode 2, binary.
        Assert.Equal(0xb4, _pit.In(Counters, 0));
        Assert.InRange(Read16(0), 49_989, 49_991);
    }

    [Fact]
    public void The_status_shows_a_null_count_until_one_is_written()
    {
        _pit.Out(Counters, 3, 0x34);
        _pit.Out(Counters, 3, 0xe2);
        Assert.Equal(0x40, _pit.In(Counters, 0) & 0x40);
    }

    [Fact]
    public void A_new_count_in_mode_2_begins_with_the_next_period()
    {
        Program(0, mode: 2, 10_000);
        AdvanceTicks(5_000);
        _pit.Out(Counters, 0, 0xe8);
        _pit.Out(Counters, 0, 0x03);
        AdvanceTicks(4_000);
        Assert.Equal(0, _irq.Edges - 1);
        AdvanceTicks(1_500);
        // In the second period of 1000.
        Assert.InRange(Read16(0), 499, 502);
    }

    [Fact]
    public void Bcd_counts_in_decimal_and_0_is_10000()
    {
        _pit.Out(Counters, 3, 0x31);
        _pit.Out(Counters, 0, 0);
        _pit.Out(Counters, 0, 0);
        AdvanceTicks(1);
        Assert.Equal(0x9999, Read16(0));
        AdvanceTicks(1234);
        Assert.InRange(Read16(0), 0x8764, 0x8766);
    }

    [Fact]
    public void Port_b_toggles_the_refresh_bit_every_15_microseconds()
    {
        var toggles = 0;
        var last = _pit.In(PortB, 0) & 0x10;
        for (var i = 0; i < 1000; i++)
        {
            _clock.Advance(1 * Rig.Microsecond);
            var now = _pit.In(PortB, 0) & 0x10;
            toggles += now != last ? 1 : 0;
            last = now;
        }
        Assert.InRange(toggles, 65, 67);
    }

    [Fact]
    public void A_clock_that_jumps_far_costs_one_edge_not_millions()
    {
        Program(0, mode: 2, 100);
        var before = _irq.Edges;
        _clock.Set(_clock.NowNs + 365L * 24 * 3600 * Rig.Second);
        _pit.Out(Counters, 3, 0x00);
        Assert.Equal(before + 1, _irq.Edges);
    }

    private bool Out2 => (_pit.In(PortB, 0) & 0x20) != 0;

    private void Gate(bool on) => _pit.Out(PortB, 0, on ? (byte)1 : (byte)0);

    private void Program(uint counter, int mode, ushort count)
    {
        _pit.Out(Counters, 3, (byte)(counter << 6 | 0x30 | (uint)mode << 1));
        _pit.Out(Counters, counter, (byte)count);
        _pit.Out(Counters, counter, (byte)(count >> 8));
    }

    private int Read16(uint counter) => _pit.In(Counters, counter) | _pit.In(Counters, counter) << 8;

    private void AdvanceTicks(long ticks)
    {
        var now = (long)((Int128)_clock.NowNs * Hz / Rig.Second);
        _clock.AdvanceTo((long)(((Int128)(now + ticks) * Rig.Second + Hz - 1) / Hz));
    }
}
