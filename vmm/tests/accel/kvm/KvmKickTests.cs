using Gauntlet.Vmm.Accel;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

public sealed class KvmKickTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [KvmFact]
    public void A_kick_before_the_run_makes_it_return_at_once_and_only_once()
    {
        using var guest = new KvmGuest();
        guest.LoadRealMode(c =>
        {
            c.mov(al, 1);
            c.@out((byte)TestIo.ExitPort, al);
        });

        guest.Vcpu.Kick();
        Assert.Equal(VcpuStop.Kicked, guest.Vcpu.Run());
        Assert.Null(guest.ExitCode);
        Assert.Equal(VcpuStop.Kicked, guest.Vcpu.Run());
        Assert.NotNull(guest.ExitCode);
    }

    [KvmTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_kick_gets_a_vCPU_out_of_a_loop_and_out_of_HLT_again_and_again(bool halted)
    {
        const int rounds = 200;
        using var guest = new KvmGuest();
        guest.LoadRealMode(halted ? c => c.hlt() : SpinForEver);
        using var back = new SemaphoreSlim(0);
        using var go = new SemaphoreSlim(0);
        var stops = new List<VcpuStop>();
        var thread = new Thread(() =>
        {
            for (var i = 0; i < rounds; i++)
            {
                go.Release();
                stops.Add(guest.Vcpu.Run());
                back.Release();
            }
        });
        thread.Start();

        for (var i = 0; i < rounds; i++)
        {
            Assert.True(go.Wait(Patience));
            // Some kicks come before the thread is in the kernel, some after: none may be lost.
            if (i % 3 == 0)
                Thread.Yield();
            guest.Vcpu.Kick();
            Assert.True(back.Wait(Patience), $"kick {i} was lost");
        }

        thread.Join();
        Assert.All(stops, stop => Assert.Equal(VcpuStop.Kicked, stop));
    }

    [KvmFact]
    public void Collections_go_on_while_a_vCPU_runs_and_is_kicked()
    {
        using var guest = new KvmGuest();
        guest.LoadRealMode(SpinForEver);
        var ended = false;
        var thread = new Thread(() =>
        {
            while (!Volatile.Read(ref ended))
                guest.Vcpu.Run();
        });
        thread.Start();
        for (var i = 0; i < 50; i++)
        {
            guest.Vcpu.Kick();
            GC.Collect();
        }

        Volatile.Write(ref ended, true);
        guest.Vcpu.Kick();
        Assert.True(thread.Join(Patience));
    }

    [KvmFact]
    public void After_a_kick_from_a_port_access_the_access_is_complete()
    {
        using var guest = new KvmGuest();
        guest.Io.OnReadPort = (_, _) =>
        {
            guest.Vcpu.Kick();
            return 0x12345678;
        };
        guest.LoadProtectedMode(c =>
        {
            c.@in(eax, dx);
            c.nop();
        });

        Assert.Equal(VcpuStop.Kicked, guest.Vcpu.Run());
        guest.Vcpu.GetState(out var state);
        Assert.Equal(0x12345678UL, state.Gpr[0]);
        Assert.Equal(KvmGuest.CodeAddress + 1, state.Rip);
    }

    [KvmFact]
    public void A_kick_after_the_end_is_harmless()
    {
        var guest = new KvmGuest();
        var vcpu = guest.Vcpu;
        guest.Dispose();
        vcpu.Kick();
        vcpu.Wake();
        vcpu.SignalInterrupt();
    }

    private static void SpinForEver(Assembler c)
    {
        var again = c.CreateLabel();
        c.Label(ref again);
        c.jmp(again);
    }
}
