using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.State;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>Local APICs in the kernel, PIC and IOAPIC of the machine's.</summary>
public sealed class KvmSplitIrqChipTests
{
    private const byte Vector = 0x61;
    private const byte ReadyPort = 0x80, HandlerPort = 0x81, EndedPort = 0x82;
    private const int LevelInput = 9, EdgeInput = 5;

    private static readonly KvmOptions s_split = new(KernelIrqChip.Split);

    [SplitIrqChipFact]
    public void A_halted_vCPU_takes_the_PICs_interrupt()
    {
        var pic = new TestApic();
        using var guest = new KvmGuest(s_split, pic: pic);
        LoadExternalInterrupt(guest, Vector);
        using var halted = new ManualResetEventSlim();
        guest.Io.OnAccess = _ => halted.Set();
        var raiser = new Thread(() =>
        {
            halted.Wait();
            // Sooner or later than the HLT: either way it arrives.
            pic.Raise(Vector);
        });
        raiser.Start();
        guest.RunToExit();
        raiser.Join();
        Assert.Equal(Vector, guest.ExitCode);
        Assert.False(pic.HasInterrupt);
    }

    [SplitIrqChipFact]
    public void The_PICs_interrupt_waits_until_the_guest_allows_it()
    {
        var pic = new TestApic();
        using var guest = new KvmGuest(s_split, pic: pic);
        guest.Io.OnAccess = access =>
        {
            if (access.Address == ReadyPort)
                pic.Raise(Vector);
        };
        guest.LoadWithInterrupts(new Dictionary<byte, Action<Assembler>> { [Vector] = c => ExitWith(c, Vector) }, c =>
        {
            var again = c.CreateLabel();
            c.@out(ReadyPort, al);
            c.@out(EndedPort, al);
            c.sti();
            c.Label(ref again);
            c.jmp(again);
        });
        guest.RunToExit();
        Assert.Equal(Vector, guest.ExitCode);
        Assert.Equal([ReadyPort, EndedPort], guest.Io.Accesses.Select(access => (byte)access.Address));
    }

    [SplitIrqChipFact]
    public void The_PICs_interrupt_that_the_vCPU_has_acknowledged_and_not_taken_yet_is_in_its_state()
    {
        var pic = new TestApic();
        using var guest = new KvmGuest(s_split, pic: pic);
        LoadExternalInterrupt(guest, Vector);
        guest.Io.OnAccess = _ => pic.Raise(Vector);
        // It comes back before it enters the guest again.
        pic.OnAcknowledge = guest.Vcpu.Kick;
        Assert.Equal(VcpuStop.Kicked, guest.Vcpu.Run());
        Assert.False(pic.HasInterrupt);
        Assert.Null(guest.ExitCode);
        var saved = new StateWriter();
        guest.Vcpu.Save(saved);

        using var restored = new KvmGuest(s_split, pic: new TestApic());
        guest.Ram.CopyTo(restored.Ram);
        var reader = new StateReader(saved.Written);
        restored.Vcpu.Load(ref reader);
        restored.RunToExit();
        Assert.Equal(Vector, restored.ExitCode);
    }

    [SplitIrqChipFact]
    public void A_vCPU_that_is_put_into_HLT_takes_an_interrupt_that_the_PIC_has_already()
    {
        var pic = new TestApic();
        using var guest = new KvmGuest(s_split, pic: pic);
        LoadExternalInterrupt(guest, Vector);
        guest.Io.OnAccess = _ => guest.Vcpu.Kick();
        Assert.Equal(VcpuStop.Kicked, guest.Vcpu.Run());
        pic.Hold(Vector);
        guest.Vcpu.GetState(out var state);
        state.Activity = X86Activity.Halted;
        guest.Vcpu.SetState(in state);
        guest.RunToExit();
        Assert.Equal(Vector, guest.ExitCode);
    }

    [SplitIrqChipFact]
    public void The_end_of_a_level_triggered_interrupt_is_told_to_the_machines_IOAPIC_and_the_next_one_comes()
    {
        using var guest = new KvmGuest(s_split);
        var (ioApic, gate) = AddIoApic(guest);
        LoadThreeInterrupts(guest);
        Redirect(ioApic, LevelInput, Vector | 1u << 15);
        var line = ioApic.GetLine(LevelInput);
        var inService = new List<bool>();
        var handled = 0;
        guest.Io.OnAccess = access =>
        {
            lock (gate)
            {
                switch (access.Address)
                {
                    case ReadyPort:
                        line.Set(true);
                        break;
                    // Low within the third handler only: it is sent again at each end before.
                    case HandlerPort:
                        inService.Add(IsInService(ioApic, LevelInput));
                        line.Set(++handled < 3);
                        break;
                }
            }
        };
        guest.RunToExit();
        Assert.Equal([true, true, true], inService);
        Assert.False(IsInService(ioApic, LevelInput));
    }

    [SplitIrqChipFact]
    public void The_end_is_told_of_an_input_that_was_masked_while_its_interrupt_was_in_service()
    {
        using var guest = new KvmGuest(s_split);
        var (ioApic, gate) = AddIoApic(guest);
        LoadThreeInterrupts(guest);
        Redirect(ioApic, LevelInput, Vector | 1u << 15);
        var line = ioApic.GetLine(LevelInput);
        var afterwards = new List<bool>();
        guest.Io.OnAccess = access =>
        {
            lock (gate)
            {
                switch (access.Address)
                {
                    case ReadyPort:
                        line.Set(true);
                        break;
                    case HandlerPort:
                        Redirect(ioApic, LevelInput, Vector | 1u << 15 | 1u << 16);
                        break;
                    // Unmasked again while it is high.
                    case EndedPort:
                        afterwards.Add(IsInService(ioApic, LevelInput));
                        Redirect(ioApic, LevelInput, Vector | 1u << 15);
                        break;
                }
            }
        };
        guest.RunToExit();
        Assert.Equal([false, false], afterwards);
    }

    [SplitIrqChipFact]
    public void The_end_of_an_edge_triggered_interrupt_does_not_leave_the_guest()
    {
        using var guest = new KvmGuest(s_split);
        var (ioApic, gate) = AddIoApic(guest);
        LoadThreeInterrupts(guest);
        var told = 0;
        var split = guest.Accelerator.IrqChip!.Split!;
        split.EndOfInterrupt += _ => told++;
        Redirect(ioApic, EdgeInput, Vector);
        var line = ioApic.GetLine(EdgeInput);
        guest.Io.OnAccess = access =>
        {
            lock (gate)
            {
                line.Set(false);
                line.Set(access.Address != HandlerPort);
            }
        };
        guest.RunToExit();
        Assert.Equal(0, told);
    }

    [SplitIrqChipFact]
    public void Lines_and_PIT_are_the_machines()
    {
        using var accelerator = new KvmAccelerator(s_split);
        Assert.False(accelerator.IrqChip!.HasPit);
        Assert.Throws<InvalidOperationException>(() => accelerator.IrqChip.GetLine(4));
    }

    /// <summary>The PIC's interrupts reach vCPU 0 as they do after a reset: LINT0 is ExtINT. Says that it is ready, halts, and ends with the vector.</summary>
    private static void LoadExternalInterrupt(KvmGuest guest, byte vector)
    {
        guest.LoadWithInterrupts(
            new Dictionary<byte, Action<Assembler>> { [vector] = c => ExitWith(c, vector) },
            c =>
            {
                var again = c.CreateLabel();
                c.sti();
                c.@out(ReadyPort, al);
                c.Label(ref again);
                c.hlt();
                c.jmp(again);
            });
    }

    /// <summary>Halts until the interrupt has come three times; each says so, ends it, and the code says when it has gone on.</summary>
    private static void LoadThreeInterrupts(KvmGuest guest)
    {
        const uint endOfInterrupt = 0xfee000b0, count = 0x3000;
        guest.LoadWithInterrupts(
            new Dictionary<byte, Action<Assembler>>
            {
                [Vector] = c =>
                {
                    c.@out(HandlerPort, al);
                    c.inc(__dword_ptr[count]);
                    c.mov(edi, endOfInterrupt);
                    c.mov(__dword_ptr[rdi], 0);
                    c.iretq();
                },
            },
            c =>
            {
                var (again, last) = (c.CreateLabel(), c.CreateLabel());
                c.@out(ReadyPort, al);
                c.Label(ref again);
                c.sti();
                c.hlt();
                c.cli();
                c.cmp(__dword_ptr[count], 3);
                c.jae(last);
                c.@out(EndedPort, al);
                c.jmp(again);
                c.Label(ref last);
                ExitWith(c, 1);
            });
    }

    private static void ExitWith(Assembler c, byte code)
    {
        c.mov(al, (sbyte)code);
        c.@out((byte)TestIo.ExitPort, al);
        c.hlt();
    }

    private static (IoApic IoApic, Lock Gate) AddIoApic(KvmGuest guest)
    {
        var gate = new Lock();
        return (new IoApic(new KernelApics(guest.Accelerator.IrqChip!, gate)), gate);
    }

    private static void Redirect(IoApic ioApic, int input, uint low)
    {
        ioApic.WriteMmio(0, 0, 4, 0x10 + (ulong)input * 2);
        ioApic.WriteMmio(0, 0x10, 4, low);
    }

    private static bool IsInService(IoApic ioApic, int input)
    {
        ioApic.WriteMmio(0, 0, 4, 0x10 + (ulong)input * 2);
        return (ioApic.ReadMmio(0, 0x10, 4) & 1 << 14) != 0;
    }
}
