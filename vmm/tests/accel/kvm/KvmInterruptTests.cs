using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

public sealed class KvmInterruptTests
{
    private const byte TimerVector = 0x20, SerialVector = 0x24;
    private const ulong HandlerAddress = 0x2000;

    [KvmFact]
    public void A_halted_vCPU_takes_the_interrupt_of_a_line_of_the_kernels_PIC()
    {
        using var guest = new KvmGuest();
        LoadHaltAndWaitForLine4(guest);
        var line = guest.Accelerator.IrqChip!.GetLine(4);
        guest.Io.OnAccess = access =>
        {
            // The guest says so just before HLT, with interrupts still off.
            if (access.Address == 0x80)
                line.Set(true);
        };

        guest.RunToExit();
        Assert.Equal(SerialVector, guest.ExitCode);
    }

    [KvmFact]
    public void A_line_that_was_high_at_a_reset_is_low_after_it()
    {
        using var guest = new KvmGuest();
        var chip = guest.Accelerator.IrqChip!;
        chip.GetLine(4).Set(true);
        chip.Reset();
        guest.Vcpu.Reset();
        LoadHaltAndWaitForLine4(guest, sayPendingInstead: true);

        guest.RunToExit();
        Assert.Equal(0u, guest.ExitCode & 0x10);
    }

    [KvmFact]
    public void The_kernels_PIT_ticks_through_its_PIC()
    {
        using var guest = new KvmGuest();
        Assert.True(guest.Accelerator.IrqChip!.HasPit);
        guest.Ram[TimerVector * 4 + 1] = (byte)(HandlerAddress >> 8);
        LoadHandler(guest, TimerVector);
        guest.LoadRealMode(c =>
        {
            ProgramPic(c, mask: 0xfe);
            c.mov(al, 0x34);
            c.@out(0x43, al);
            c.mov(al, 0x10);
            c.@out(0x40, al);
            c.@out(0x40, al);
            HaltForEver(c);
        });

        guest.RunToExit();
        Assert.Equal(TimerVector, guest.ExitCode);
        Assert.Empty(guest.Io.Accesses);
    }

    [KvmFact]
    public void Without_a_PIT_inside_its_ports_are_the_buss()
    {
        using var guest = new KvmGuest(new KvmOptions(Pit: false));
        guest.LoadRealMode(c =>
        {
            c.@in(al, 0x61);
            c.@in(al, 0x40);
            c.mov(al, 1);
            c.@out((byte)TestIo.ExitPort, al);
        });

        Assert.False(guest.Accelerator.IrqChip!.HasPit);
        guest.RunToExit();
        Assert.Equal([new Access("in", 0x61, 1, 0xffffffff), new("in", 0x40, 1, 0xffffffff)], guest.Io.Accesses);
    }

    [KvmFact]
    public void An_NMI_reaches_a_halted_vCPU_whose_interrupts_are_off()
    {
        using var guest = new KvmGuest();
        guest.Ram[2 * 4 + 1] = (byte)(HandlerAddress >> 8);
        LoadHandler(guest, 2);
        guest.Io.OnAccess = _ => guest.Vcpu.SignalNmi();
        guest.LoadRealMode(c =>
        {
            c.@out(0x80, al);
            c.hlt();
        });

        guest.RunToExit();
        Assert.Equal(2u, guest.ExitCode);
    }

    [KvmTheory]
    [InlineData(2)]
    [InlineData(4)]
    public void The_guest_starts_its_other_vCPUs_by_INIT_and_SIPI_through_the_kernels_local_APIC(int count)
    {
        using var guest = new KvmGuest(vcpus: count);
        // Each counts itself in and stops; the boot processor waits for all.
        guest.Load(0x7000, 16, c =>
        {
            c.xor(ax, ax);
            c.mov(ds, ax);
            c.@lock.inc(__word_ptr[0x3000]);
            c.cli();
            c.hlt();
        });
        guest.LoadProtectedMode(c =>
        {
            const uint initAllButSelf = 0xc4500, startUpAllButSelf = 0xc4607, spuriousEnable = 0x1ff;
            var wait = c.CreateLabel();
            c.mov(__dword_ptr[0xfee000f0], spuriousEnable);
            c.mov(__dword_ptr[0xfee00300], initAllButSelf);
            c.mov(__dword_ptr[0xfee00300], startUpAllButSelf);
            c.Label(ref wait);
            c.pause();
            c.cmp(__word_ptr[0x3000], (short)(count - 1));
            c.jne(wait);
            c.mov(al, 1);
            c.@out((byte)TestIo.ExitPort, al);
        });

        var others = StartOthers(guest);
        guest.RunToExit();
        EndOthers(guest, others);
        Assert.Equal(1u, guest.ExitCode);
    }

    [KvmTheory]
    [InlineData(KernelIrqChip.On)]
    [InlineData(KernelIrqChip.Off)]
    public void INIT_and_SIPI_from_the_machine_start_a_waiting_vCPU(KernelIrqChip kernelIrqChip)
    {
        using var guest = new KvmGuest(
            new KvmOptions(kernelIrqChip), vcpus: 2, cpuModel: "max", apicOf: kernelIrqChip == KernelIrqChip.On ? null : _ => new TestApic());
        using var started = new ManualResetEventSlim();
        guest.Load(0x7000, 16, c =>
        {
            c.@out(0x80, al);
            c.cli();
            c.hlt();
        });
        guest.Io.OnAccess = _ => started.Set();

        var others = StartOthers(guest);
        guest.Vcpus[1].SignalInit();
        guest.Vcpus[1].SignalStartUp(7);
        Assert.True(started.Wait(TimeSpan.FromSeconds(30)), "the vCPU did not start");
        EndOthers(guest, others);
        guest.Vcpus[1].GetState(out var state);
        Assert.Equal((0x700, 0x7000UL), (state.Cs.Selector, state.Cs.Base));
    }

    [KvmFact]
    public void Without_a_kernel_irqchip_HLT_stops_the_run_and_the_machines_APIC_ends_it()
    {
        var apic = new TestApic();
        using var guest = new KvmGuest(new KvmOptions(KernelIrqChip: KernelIrqChip.Off), apicOf: _ => apic);
        apic.Connect(guest.Vcpu);
        guest.Ram[0x40 * 4 + 1] = (byte)(HandlerAddress >> 8);
        LoadHandler(guest, 0x40);
        guest.LoadRealMode(HaltForEver);

        Assert.Null(guest.Accelerator.IrqChip);
        Assert.Equal(VcpuStop.Halted, guest.Vcpu.Run());
        guest.Vcpu.GetState(out var state);
        Assert.Equal(X86Activity.Halted, state.Activity);
        Assert.Equal(VcpuStop.Halted, guest.Vcpu.Run());

        apic.Raise(0x40);
        guest.Vcpu.WaitWhileHalted();
        guest.RunToExit();
        Assert.Equal(0x40u, guest.ExitCode);
        Assert.False(apic.HasInterrupt);
    }

    [KvmFact]
    public void Without_a_kernel_irqchip_an_interrupt_waits_until_the_guest_allows_it()
    {
        var apic = new TestApic();
        using var guest = new KvmGuest(new KvmOptions(KernelIrqChip: KernelIrqChip.Off), apicOf: _ => apic);
        apic.Connect(guest.Vcpu);
        guest.Ram[0x40 * 4 + 1] = (byte)(HandlerAddress >> 8);
        LoadHandler(guest, 0x40);
        guest.Io.OnAccess = access =>
        {
            if (access.Address == 0x80)
                apic.Raise(0x40);
        };
        guest.LoadRealMode(c =>
        {
            var again = c.CreateLabel();
            c.@out(0x80, al);
            c.mov(al, 1);
            c.@out(0x81, al);
            c.sti();
            c.Label(ref again);
            c.jmp(again);
        });

        guest.RunToExit();
        Assert.Equal(0x40u, guest.ExitCode);
        Assert.Equal([0x80UL, 0x81], guest.Io.Accesses.Select(a => a.Address));
    }

    [KvmFact]
    public void Without_a_kernel_irqchip_the_task_priority_is_the_machines_CR8()
    {
        var apic = new TestApic();
        using var guest = new KvmGuest(new KvmOptions(KernelIrqChip: KernelIrqChip.Off), apicOf: _ => apic);
        guest.LoadLongMode(c =>
        {
            c.mov(rax, 9);
            c.mov(cr8, rax);
            c.mov(al, 1);
            c.@out((byte)TestIo.ExitPort, al);
        });

        guest.RunToExit();
        Assert.Equal(9, apic.Cr8);
    }

    private static void LoadHaltAndWaitForLine4(KvmGuest guest, bool sayPendingInstead = false)
    {
        guest.Ram[SerialVector * 4 + 1] = (byte)(HandlerAddress >> 8);
        LoadHandler(guest, SerialVector);
        guest.LoadRealMode(c =>
        {
            ProgramPic(c, mask: 0xef);
            if (sayPendingInstead)
            {
                // OCW3: read the request register.
                c.mov(al, 0x0a);
                c.@out(0x20, al);
                c.@in(al, 0x20);
                c.@out((byte)TestIo.ExitPort, al);
            }

            c.@out(0x80, al);
            HaltForEver(c);
        });
    }

    /// <summary>Writes its vector to the exit port.</summary>
    private static void LoadHandler(KvmGuest guest, byte vector) => guest.Load(HandlerAddress, 16, c =>
    {
        c.mov(al, vector);
        c.@out((byte)TestIo.ExitPort, al);
        c.hlt();
    });

    private static void ProgramPic(Assembler c, byte mask)
    {
        foreach (var (port, value) in (ReadOnlySpan<(byte, byte)>)[(0x20, 0x11), (0x21, TimerVector), (0x21, 4), (0x21, 1), (0x21, mask)])
        {
            c.mov(al, value);
            c.@out(port, al);
        }
    }

    private static void HaltForEver(Assembler c)
    {
        var again = c.CreateLabel();
        c.sti();
        c.Label(ref again);
        c.hlt();
        c.jmp(again);
    }

    private static List<Thread> StartOthers(KvmGuest guest)
    {
        var threads = new List<Thread>();
        foreach (var vcpu in guest.Vcpus.Skip(1))
        {
            var thread = new Thread(() =>
            {
                while (vcpu.Run() == VcpuStop.Halted)
                    vcpu.WaitWhileHalted();
            });
            thread.Start();
            threads.Add(thread);
        }

        return threads;
    }

    private static void EndOthers(KvmGuest guest, List<Thread> threads)
    {
        foreach (var vcpu in guest.Vcpus.Skip(1))
            vcpu.Kick();
        foreach (var thread in threads)
            Assert.True(thread.Join(TimeSpan.FromSeconds(30)), "a kicked vCPU did not come back");
    }
}
