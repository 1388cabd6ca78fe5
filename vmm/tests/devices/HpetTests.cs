using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>IA-PC HPET Specification 1.0a: the counter, and comparators in each of their modes.</summary>
public sealed class HpetTests
{
    private const ulong Enable = 1, Legacy = 2;
    private const ulong Level = 1 << 1, Interrupt = 1 << 2, Periodic = 1 << 3, SetValue = 1 << 6, Mode32 = 1 << 8, Message = 1 << 14, Route18 = 18 << 9;

    private readonly ManualClock _clock = Rig.NewClock();
    private readonly RecordingLine[] _lines = [.. Enumerable.Range(0, 24).Select(_ => new RecordingLine())];
    private readonly RecordingMsi _msi = new();
    private readonly Hpet _hpet;

    public HpetTests()
    {
        _hpet = new Hpet(gsi => _lines[gsi], _msi, _clock);
        _hpet.Reset();
    }

    [Fact]
    public void The_counter_runs_at_100_mhz_while_it_is_enabled_and_is_written_while_it_is_not()
    {
        _clock.Advance(Rig.Second);
        Assert.Equal(0ul, Read(0xf0));
        Write(0xf0, 1000);
        Write(0x10, Enable);
        _clock.Advance(Rig.Microsecond);
        Assert.Equal(1100ul, Read(0xf0));
        Write(0xf0, 5);
        Assert.Equal(1100ul, Read(0xf0));
        Write(0x10, 0);
        _clock.Advance(Rig.Second);
        Assert.Equal(1100ul, Read(0xf0));
        Assert.Equal(10_000_000ul, Read(0) >> 32);
    }

    [Fact]
    public void A_comparator_interrupts_once_when_the_counter_reaches_it()
    {
        Write(0x100, Interrupt | Route18);
        Write(0x108, 500);
        Write(0x10, Enable);
        _clock.Advance(4_999);
        Assert.Equal(0, _lines[18].Edges);
        _clock.Advance(1);
        Assert.Equal(1, _lines[18].Edges);
        _clock.Advance(Rig.Second);
        Assert.Equal(1, _lines[18].Edges);
    }

    [Fact]
    public void A_comparator_of_32_bits_comes_again_when_they_wrap()
    {
        Write(0xf0, 0xffff_fff0);
        Write(0x100, Interrupt | Route18 | Mode32);
        Write(0x108, 0x10);
        Write(0x10, Enable);
        _clock.Advance(0x20 * 10);
        Assert.Equal(1, _lines[18].Edges);
        _clock.Advance(0x1_0000_0000 * 10);
        Assert.Equal(2, _lines[18].Edges);
    }

    [Fact]
    public void A_comparator_made_32_bits_wide_loses_its_upper_half()
    {
        Write(0x108, 0x5_0000_0123);
        Write(0x100, Mode32);
        Write(0x100, 0);
        Assert.Equal(0x123ul, Read(0x108));
    }

    [Fact]
    public void A_periodic_timer_keeps_its_period()
    {
        Write(0x100, Interrupt | Route18 | Periodic | SetValue);
        Write(0x108, 10_000);
        Write(0x108, 100_000);
        Write(0x10, Enable);
        _clock.Advance(100 * Rig.Microsecond);
        Assert.Equal(1, _lines[18].Edges);
        _clock.Advance(10 * Rig.Millisecond);
        Assert.Equal(11, _lines[18].Edges);
        Assert.Equal(1_110_000ul, Read(0x108));
    }

    [Fact]
    public void A_level_stays_until_its_status_is_cleared()
    {
        Write(0x120, Interrupt | Route18 | Level);
        Write(0x128, 10);
        Write(0x10, Enable);
        _clock.Advance(Rig.Microsecond);
        Assert.True(_lines[18].Level);
        Assert.Equal(2ul, Read(0x20));
        Write(0x20, 2);
        Assert.False(_lines[18].Level);
    }

    [Fact]
    public void A_message_goes_where_the_guest_wrote()
    {
        Write(0x110, 0xfee00000_00000041);
        Write(0x100, Interrupt | Message);
        Write(0x108, 10);
        Write(0x10, Enable);
        _clock.Advance(Rig.Microsecond);
        Assert.Equal([(0xfee00000ul, 0x41u)], _msi.Messages);
    }

    [Fact]
    public void In_legacy_replacement_timers_have_the_lines_of_the_8254_and_the_rtc()
    {
        _hpet.PitOutput.Set(true);
        Assert.True(_lines[0].Level);
        Write(0x100, Interrupt);
        Write(0x108, 10);
        Write(0x10, Enable | Legacy);
        Assert.False(_lines[0].Level);
        _hpet.PitOutput.Set(false);
        _hpet.PitOutput.Set(true);
        Assert.False(_lines[0].Level);
        _clock.Advance(Rig.Microsecond);
        Assert.Equal(2, _lines[0].Edges);
        Write(0x10, Enable);
        Assert.True(_lines[0].Level);
    }

    [Fact]
    public void A_period_of_nothing_does_not_hold_time_up()
    {
        Write(0x100, Interrupt | Route18 | Periodic | SetValue);
        Write(0x108, 1);
        Write(0x108, 1);
        Write(0x10, Enable);
        _clock.Advance(Rig.Second);
        Assert.InRange(_lines[18].Edges, 1, 100_001);
    }

    private ulong Read(ulong offset) => _hpet.ReadMmio(0, offset, 8);

    private void Write(ulong offset, ulong value) => _hpet.WriteMmio(0, offset, 8, value);
}
