using Gauntlet.Vmm.Accel.Kvm;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>Exits and calls that KVM saves: a guest's writes as events, events as interrupts.</summary>
public sealed class KvmEventTests
{
    private const byte Vector = 0x51;

    [KvmFact]
    public void A_write_to_a_doorbell_is_told_and_does_not_reach_the_bus()
    {
        using var guest = new KvmGuest();
        using var told = new ManualResetEventSlim();
        using var doorbell = guest.Accelerator.Events!.TryAddDoorbell(KvmGuest.MmioAddress, told.Set);
        Assert.NotNull(doorbell);
        Assert.False(doorbell.TryTake());
        WriteTo(guest, KvmGuest.MmioAddress);
        Assert.True(told.Wait(TimeSpan.FromSeconds(30)), "nobody was told");
        Assert.True(doorbell.TryTake());
        Assert.False(doorbell.TryTake());
        Assert.Empty(guest.Io.Accesses);
    }

    [KvmFact]
    public void An_address_has_one_doorbell_and_writes_reach_the_bus_when_it_is_gone()
    {
        using var guest = new KvmGuest();
        var events = guest.Accelerator.Events!;
        var doorbell = events.TryAddDoorbell(KvmGuest.MmioAddress, static () => { });
        Assert.Null(events.TryAddDoorbell(KvmGuest.MmioAddress, static () => { }));
        doorbell!.Dispose();
        WriteTo(guest, KvmGuest.MmioAddress);
        Assert.Equal([new Access("write", KvmGuest.MmioAddress, 2, 7)], guest.Io.Accesses);
    }

    [KvmFact]
    public void A_signalled_route_interrupts_the_guest_by_its_message() => InterruptByRoute(KernelIrqChip.On);

    [SplitIrqChipFact]
    public void And_with_local_APICs_alone_in_the_kernel() => InterruptByRoute(KernelIrqChip.Split);

    [KvmFact]
    public void Routes_are_made_until_the_host_has_no_more_and_again_when_some_are_gone()
    {
        using var guest = new KvmGuest();
        var events = guest.Accelerator.Events!;
        using (var first = events.TryAddRoute())
            Assert.True(first!.TrySet(0xfee00000, Vector + 1));
        using var second = events.TryAddRoute();
        Assert.True(second!.TrySet(0xfee00000, Vector));
        guest.Io.OnAccess = _ => second.Signal();
        WaitForInterrupt(guest);
        Assert.Equal(Vector, guest.ExitCode);
    }

    [KvmFact]
    public void Without_controllers_in_the_kernel_there_are_doorbells_and_no_routes()
    {
        var accelerator = new KvmAccelerator(new KvmOptions(KernelIrqChip: KernelIrqChip.Off));
        Assert.Null(accelerator.Events!.TryAddRoute());
        var doorbell = accelerator.Events.TryAddDoorbell(KvmGuest.MmioAddress, static () => { });
        Assert.NotNull(doorbell);
        accelerator.Dispose();
        // As with a device that outlives the machine's accelerator.
        doorbell.Dispose();
    }

    private static void InterruptByRoute(KernelIrqChip kernelIrqChip)
    {
        using var guest = new KvmGuest(new KvmOptions(kernelIrqChip));
        using var route = guest.Accelerator.Events!.TryAddRoute();
        Assert.NotNull(route);
        // What it was before counts no more.
        Assert.True(route.TrySet(0xfee00000, Vector + 1));
        Assert.True(route.TrySet(0xfee00000, Vector));
        guest.Io.OnAccess = _ => route.Signal();
        WaitForInterrupt(guest);
        Assert.Equal(Vector, guest.ExitCode);
    }

    private static void WriteTo(KvmGuest guest, ulong address)
    {
        guest.LoadProtectedMode(c =>
        {
            c.mov(ebx, (uint)address);
            c.mov(__word_ptr[ebx], 7);
            c.mov(al, 1);
            c.@out((byte)TestIo.ExitPort, al);
        });
        guest.RunToExit();
    }

    // Says at a port that it is ready, and halts.
    private static void WaitForInterrupt(KvmGuest guest)
    {
        guest.LoadWithInterrupts(
            new Dictionary<byte, Action<Assembler>>
            {
                [Vector] = c =>
                {
                    c.mov(al, Vector);
                    c.@out((byte)TestIo.ExitPort, al);
                    c.hlt();
                },
            },
            c =>
            {
                var again = c.CreateLabel();
                c.@out(0x80, al);
                c.sti();
                c.Label(ref again);
                c.hlt();
                c.jmp(again);
            });
        guest.RunToExit();
    }
}
