using Gauntlet.Vmm.Accel.Kvm;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>Exits and calls that KVM saves: a guest's writes as events, events as interrupts.</summary>
public sealed class KvmEventTests
{
    private const byte Vector = 0x51;
    private const ulong HandlerAddress = 0x2000, InterruptTable = 0x5000;

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
    public void A_signalled_route_interrupts_the_guest_by_its_message()
    {
        using var guest = new KvmGuest();
        using var route = guest.Accelerator.Events!.TryAddRoute();
        Assert.NotNull(route);
        // What it was before counts no more.
        Assert.True(route.TrySet(0xfee00000, Vector + 1));
        Assert.True(route.TrySet(0xfee00000, Vector));
        guest.Io.OnAccess = _ => route.Signal();
        WaitForInterrupt(guest);
        Assert.Equal(Vector, guest.ExitCode);
    }

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
        var accelerator = new KvmAccelerator(new KvmOptions(KernelIrqChip: false));
        Assert.Null(accelerator.Events!.TryAddRoute());
        var doorbell = accelerator.Events.TryAddDoorbell(KvmGuest.MmioAddress, static () => { });
        Assert.NotNull(doorbell);
        accelerator.Dispose();
        // As with a device that outlives the machine's accelerator.
        doorbell.Dispose();
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

    // With its local APIC enabled; says so at a port and halts.
    private static void WaitForInterrupt(KvmGuest guest)
    {
        // A gate of the interrupt table, and the table's limit and base behind it (SDM Vol. 3A, 7.11).
        var gate = guest.Ram[(int)(InterruptTable + Vector * 8)..];
        (gate[1], gate[2], gate[5]) = ((byte)(HandlerAddress >> 8), 8, 0x8e);
        var table = guest.Ram[0x4ff0..];
        (table[0], table[1], table[3]) = (0xff, 0x07, (byte)(InterruptTable >> 8));
        // A flat code segment at selector 8 for the gate.
        var descriptors = guest.Ram[0x4f00..];
        ((ReadOnlySpan<byte>)[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]).CopyTo(descriptors);
        var descriptorTable = guest.Ram[0x4fe0..];
        (descriptorTable[0], descriptorTable[1], descriptorTable[2], descriptorTable[3]) = (23, 0, 0, 0x4f);
        guest.Load(HandlerAddress, 32, c =>
        {
            c.mov(al, Vector);
            c.@out((byte)TestIo.ExitPort, al);
            c.hlt();
        });
        guest.LoadProtectedMode(c =>
        {
            var again = c.CreateLabel();
            c.lgdt(__[0x4fe0]);
            c.lidt(__[0x4ff0]);
            c.mov(__dword_ptr[0xfee000f0], 0x1ff);
            c.@out(0x80, al);
            c.sti();
            c.Label(ref again);
            c.hlt();
            c.jmp(again);
        });
        guest.RunToExit();
    }
}
