using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Tests.State;

public sealed class MachineRunStateTests
{
    [Theory]
    [InlineData(true, MachineWishes.None, null)]
    [InlineData(false, MachineWishes.PowerOff | MachineWishes.Pause, null)]
    [InlineData(true, MachineWishes.Reset | MachineWishes.ResetFromHost, 1)]
    [InlineData(true, MachineWishes.Suspend | MachineWishes.Wake | MachineWishes.Panic | MachineWishes.PanicHandled, 0)]
    public void What_was_asked_for_comes_back_as_it_was(bool isRunning, MachineWishes wishes, int? tripleFaulted)
    {
        var state = new MachineRunState(isRunning, wishes, tripleFaulted);
        var writer = new StateWriter();
        state.Write(writer);
        var reader = new StateReader(writer.Written);
        Assert.Equal(state, MachineRunState.Read(ref reader, vcpus: 2));
        Assert.Equal(0, reader.Remaining);
    }

    [Theory]
    [InlineData(0x100, null)]
    [InlineData(0, 2)]
    public void A_wish_or_a_vCPU_that_there_is_not_is_refused(int wishes, int? tripleFaulted)
    {
        var writer = new StateWriter();
        new MachineRunState(true, (MachineWishes)wishes, tripleFaulted).Write(writer);
        Assert.Throws<StateFormatException>(() =>
        {
            var reader = new StateReader(writer.Written);
            _ = MachineRunState.Read(ref reader, vcpus: 2);
        });
    }

    [Fact]
    public void A_snapshot_between_the_guests_wish_and_its_end_keeps_the_wish()
    {
        using var guest = new TraceGuest("tcg");
        var snapshot = guest.Save();
        Assert.Equal(MachineWishes.None, guest.Load(snapshot).Wishes);
        guest.Machine.RequestPowerOff();
        guest.Machine.RequestSuspend();
        guest.Machine.NotePanic(isHandled: true);
        var state = guest.Machine.RunState(isRunning: true);
        Assert.Equal(MachineWishes.PowerOff | MachineWishes.Suspend | MachineWishes.Panic | MachineWishes.PanicHandled, state.Wishes);
        guest.Machine.ForgetWishes();
        Assert.Equal(MachineWishes.None, guest.Machine.RunState(isRunning: true).Wishes);
        guest.Machine.TakeWishes(state);
        Assert.Equal(state, guest.Machine.RunState(isRunning: true));
    }
}
