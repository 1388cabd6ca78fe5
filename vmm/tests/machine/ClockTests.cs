using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests.MachineTests;

public sealed class ClockTests
{
    [Fact]
    public void Timers_fire_at_their_own_deadlines_in_order_and_once()
    {
        var clock = new ManualClock(DateTime.UnixEpoch);
        var log = new List<(string, long)>();
        var late = clock.CreateTimer(() => log.Add(("late", clock.NowNs)));
        var early = clock.CreateTimer(() => log.Add(("early", clock.NowNs)));
        var cancelled = clock.CreateTimer(() => log.Add(("cancelled", clock.NowNs)));
        late.Arm(200);
        early.Arm(100);
        cancelled.Arm(150);
        cancelled.Cancel();
        clock.AdvanceTo(1000);
        clock.AdvanceTo(2000);
        Assert.Equal([("early", 100L), ("late", 200L)], log);
        Assert.Null(early.DeadlineNs);
    }

    [Fact]
    public void Arming_again_replaces_and_a_deadline_that_has_passed_fires_with_the_next_step_not_at_once()
    {
        var clock = new ManualClock(DateTime.UnixEpoch);
        var fired = 0;
        var timer = clock.CreateTimer(() => fired++);
        clock.AdvanceTo(100);
        timer.Arm(500);
        timer.Arm(50);
        Assert.Equal((0, 50L), (fired, timer.DeadlineNs));
        clock.Advance(0);
        Assert.Equal((1, 100L), (fired, clock.NowNs));
    }

    [Fact]
    public void A_timer_that_rearms_itself_in_the_past_does_not_hang_an_advance()
    {
        var clock = new ManualClock(DateTime.UnixEpoch);
        var fired = 0;
        Gauntlet.Vmm.Bus.IClockTimer? timer = null;
        timer = clock.CreateTimer(() =>
        {
            fired++;
            timer!.Arm(0);
        });
        timer.Arm(1);
        clock.AdvanceTo(10);
        Assert.Equal(ManualClock.MaxFiringsPerAdvance, fired);
    }

    [Fact]
    public async Task The_hosts_clock_fires_under_the_device_lock_not_before_its_deadline()
    {
        var deviceLock = new Lock();
        using var clock = new HostClock(deviceLock, DateTime.UnixEpoch);
        var fired = new TaskCompletionSource<(long Now, bool Locked)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var timer = clock.CreateTimer(() => fired.TrySetResult((clock.NowNs, deviceLock.IsHeldByCurrentThread)));
        clock.Resume();
        var deadline = clock.NowNs + 2_000_000;
        lock (deviceLock)
            timer.Arm(deadline);
        var (now, locked) = await fired.Task;
        Assert.True(now >= deadline);
        Assert.True(locked);
    }

    [Fact]
    public async Task A_paused_clock_stands_still_fires_nothing_and_goes_on_where_it_stood()
    {
        var deviceLock = new Lock();
        using var clock = new HostClock(deviceLock, DateTime.UnixEpoch);
        Assert.Equal(0, clock.NowNs);
        var fired = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var timer = clock.CreateTimer(() => fired.TrySetResult(clock.NowNs));
        lock (deviceLock)
            timer.Arm(1);
        Assert.Equal(0, clock.NowNs);
        Assert.False(fired.Task.IsCompleted);
        clock.Resume();
        await fired.Task;
        clock.Pause();
        var stood = clock.NowNs;
        Assert.True(stood >= 1);
        Assert.Equal(stood, clock.NowNs);
        clock.Resume();
        Assert.True(clock.NowNs >= stood);
    }
}
