using System.Buffers.Binary;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

public sealed class KvmExitTests
{
    public enum Mode
    {
        Real,
        Protected,
        Long,
    }

    [KvmTheory]
    [InlineData(Mode.Real)]
    [InlineData(Mode.Protected)]
    [InlineData(Mode.Long)]
    public void Port_accesses_of_every_width_reach_the_bus_and_its_answers_reach_the_guest(Mode mode)
    {
        using var guest = new KvmGuest();
        guest.Io.OnReadPort = (_, size) => size switch { 1 => 0x5a, 2 => 0x5aa5, _ => 0xdeadbeef };
        Load(guest, mode, c =>
        {
            c.mov(dx, 0x1234);
            c.@in(al, dx);
            c.@out(dx, al);
            c.@in(ax, dx);
            c.@out(dx, ax);
            c.@in(eax, dx);
            c.@out(dx, eax);
            c.mov(eax, 0x11223344);
            c.@out(0x70, al);
            c.@in(al, 0x71);
            End(c);
        });

        guest.RunToExit();
        Assert.Equal(
            [
                new("in", 0x1234, 1, 0x5a), new("out", 0x1234, 1, 0x5a),
                new("in", 0x1234, 2, 0x5aa5), new("out", 0x1234, 2, 0x5aa5),
                new("in", 0x1234, 4, 0xdeadbeef), new("out", 0x1234, 4, 0xdeadbeef),
                new("out", 0x70, 1, 0x44), new("in", 0x71, 1, 0x5a),
            ],
            guest.Io.Accesses);
    }

    [KvmTheory]
    [InlineData(Mode.Real)]
    [InlineData(Mode.Protected)]
    [InlineData(Mode.Long)]
    public void Repeated_string_output_reaches_the_port_element_by_element_in_order(Mode mode)
    {
        using var guest = new KvmGuest();
        for (var i = 0; i < 64; i++)
            guest.Ram[0x3000 + i] = (byte)i;
        Load(guest, mode, c =>
        {
            c.cld();
            c.mov(dx, 0x100);
            c.mov(esi, 0x3000);
            c.mov(ecx, 5);
            c.rep.outsb();
            c.mov(esi, 0x3000);
            c.mov(ecx, 3);
            c.rep.outsw();
            c.mov(esi, 0x3000);
            c.mov(ecx, 2);
            c.rep.outsd();
            End(c);
        });

        guest.RunToExit();
        Assert.Equal(
            [
                new("out", 0x100, 1, 0), new("out", 0x100, 1, 1), new("out", 0x100, 1, 2), new("out", 0x100, 1, 3), new("out", 0x100, 1, 4),
                new("out", 0x100, 2, 0x0100), new("out", 0x100, 2, 0x0302), new("out", 0x100, 2, 0x0504),
                new("out", 0x100, 4, 0x03020100), new("out", 0x100, 4, 0x07060504),
            ],
            guest.Io.Accesses);
    }

    [KvmTheory]
    [InlineData(Mode.Real)]
    [InlineData(Mode.Protected)]
    [InlineData(Mode.Long)]
    public void Repeated_string_input_fills_memory_with_what_the_port_gave(Mode mode)
    {
        using var guest = new KvmGuest();
        uint next = 0;
        guest.Io.OnReadPort = (_, _) => 0x01010101 * ++next;
        Load(guest, mode, c =>
        {
            c.cld();
            c.mov(dx, 0x100);
            c.mov(edi, 0x3000);
            c.mov(ecx, 4);
            c.rep.insb();
            c.mov(ecx, 2);
            c.rep.insw();
            c.mov(ecx, 2);
            c.rep.insd();
            End(c);
        });

        guest.RunToExit();
        Assert.Equal("0102030405050606" + "0707070708080808", Convert.ToHexStringLower(guest.Ram.Slice(0x3000, 16)));
    }

    [KvmFact]
    public void Memory_accesses_of_every_width_outside_RAM_reach_the_bus()
    {
        using var guest = new KvmGuest();
        guest.Io.OnReadMmio = (_, size) => 0x8877665544332211 & (ulong.MaxValue >> (64 - size * 8));
        guest.LoadLongMode(c =>
        {
            c.mov(rbx, KvmGuest.MmioAddress);
            c.mov(al, __byte_ptr[rbx]);
            c.mov(__byte_ptr[rbx + 1], al);
            c.mov(ax, __word_ptr[rbx + 2]);
            c.mov(__word_ptr[rbx + 4], ax);
            c.mov(eax, __dword_ptr[rbx + 8]);
            c.mov(__dword_ptr[rbx + 12], eax);
            c.mov(rax, __qword_ptr[rbx + 16]);
            c.mov(__qword_ptr[rbx + 24], rax);
            End(c);
        });

        guest.RunToExit();
        const ulong at = KvmGuest.MmioAddress;
        Assert.Equal(
            [
                new("read", at, 1, 0x11), new("write", at + 1, 1, 0x11),
                new("read", at + 2, 2, 0x2211), new("write", at + 4, 2, 0x2211),
                new("read", at + 8, 4, 0x44332211), new("write", at + 12, 4, 0x44332211),
                new("read", at + 16, 8, 0x8877665544332211), new("write", at + 24, 8, 0x8877665544332211),
            ],
            guest.Io.Accesses);
    }

    [KvmFact]
    public void An_access_across_two_pages_without_RAM_arrives_whole_in_pieces_that_devices_know()
    {
        using var guest = new KvmGuest();
        guest.LoadLongMode(c =>
        {
            c.mov(rbx, KvmGuest.MmioAddress + 0xffd);
            c.mov(rax, 0x8877665544332211);
            c.mov(__qword_ptr[rbx], rax);
            End(c);
        });

        guest.RunToExit();
        Span<byte> seen = stackalloc byte[8];
        foreach (var access in guest.Io.Accesses)
        {
            Assert.Equal("write", access.Kind);
            Assert.Contains(access.Size, (int[])[1, 2, 4, 8]);
            for (var i = 0; i < access.Size; i++)
                seen[(int)(access.Address - KvmGuest.MmioAddress - 0xffd) + i] = (byte)(access.Value >> i * 8);
        }

        Assert.Equal(0x8877665544332211, BinaryPrimitives.ReadUInt64LittleEndian(seen));
    }

    [KvmFact]
    public unsafe void ROM_is_read_like_RAM_and_writes_to_it_reach_the_bus_and_change_nothing()
    {
        var rom = new GuestRam("test.rom", 0x300000, 0x1000, readOnly: true);
        *(uint*)rom.HostPointer = 0xcafef00d;
        using var guest = new KvmGuest(more: rom);
        guest.LoadProtectedMode(c =>
        {
            c.mov(eax, __dword_ptr[0x300000]);
            c.mov(__dword_ptr[0x3000], eax);
            c.mov(__dword_ptr[0x300000], 0x12345678);
            c.mov(eax, __dword_ptr[0x300000]);
            c.mov(__dword_ptr[0x3004], eax);
            End(c);
        });

        guest.RunToExit();
        Assert.Equal([new Access("write", 0x300000, 4, 0x12345678)], guest.Io.Accesses);
        Assert.Equal("0df0feca0df0feca", Convert.ToHexStringLower(guest.Ram.Slice(0x3000, 8)));
    }

    [KvmFact]
    public void Memory_that_is_taken_out_of_the_layout_is_the_bus_again_and_what_stays_is_untouched()
    {
        using var bank = new GuestRam("test.bank", 0x300000, 0x1000);
        using var guest = new KvmGuest();
        guest.LoadProtectedMode(c =>
        {
            c.mov(__dword_ptr[0x300000], 1);
            End(c);
        });
        guest.Accelerator.SetMemory([.. guest.Layout, bank]);
        guest.RunToExit();
        Assert.Empty(guest.Io.Accesses);

        guest.Accelerator.SetMemory(guest.Layout);
        guest.LoadProtectedMode(c =>
        {
            c.mov(__dword_ptr[0x300000], 2);
            End(c);
        });
        guest.RunToExit();
        Assert.Equal([new Access("write", 0x300000, 4, 2)], guest.Io.Accesses);
    }

    [KvmFact]
    public void A_triple_fault_is_a_shutdown()
    {
        using var guest = new KvmGuest();
        guest.LoadProtectedMode(c =>
        {
            c.lidt(__[0x3000]);
            c.ud2();
        });

        Assert.Equal(VcpuStop.Shutdown, guest.RunToEnd());
        Assert.Contains("triple fault", guest.Vcpu.RecentExits[0]);
    }

    [KvmFact]
    public void Execution_where_there_is_no_memory_fails_with_KVMs_own_words_and_not_with_an_exception()
    {
        using var guest = new KvmGuest();
        guest.LoadProtectedMode(c => c.jmp(KvmGuest.MmioAddress));

        Assert.Equal(VcpuStop.Failed, guest.RunToEnd());
        Assert.Contains("vCPU 0", guest.Vcpu.Failure);
        guest.Vcpu.GetState(out var state);
        Assert.Equal(KvmGuest.MmioAddress, state.Rip);
    }

    [KvmFact]
    public void Recent_exits_are_the_newest_sixteen_newest_first()
    {
        using var guest = new KvmGuest();
        guest.LoadRealMode(c =>
        {
            for (byte i = 0; i < 20; i++)
                c.@out(i, al);
            c.mov(al, 0x33);
            c.@out(0x99, al);
            End(c);
        });

        guest.RunToExit();
        var exits = guest.Vcpu.RecentExits;
        Assert.Equal(16, exits.Count);
        Assert.Equal("interrupted by a signal", exits[0]);
        Assert.Equal("out port 0xf4 1 bytes value 0x0", exits[1]);
        Assert.Equal("out port 0x99 1 bytes value 0x33", exits[2]);
        Assert.Equal("out port 0x13 1 bytes value 0x0", exits[3]);
    }

    [KvmFact]
    public void An_exit_allocates_nothing()
    {
        const int warmUp = 200, measured = 1000;
        using var guest = new KvmGuest();
        var io = new CountingIo(warmUp, measured);
        using var vcpu = guest.Accelerator.CreateVcpu(new VcpuSetup(1, 2, "max", io, null));
        io.Vcpu = vcpu;
        guest.Load(KvmGuest.CodeAddress, 32, c =>
        {
            var again = c.CreateLabel();
            c.Label(ref again);
            c.@out(0x80, al);
            c.@in(eax, dx);
            c.mov(__dword_ptr[KvmGuest.MmioAddress], eax);
            c.mov(eax, __dword_ptr[KvmGuest.MmioAddress]);
            c.jmp(again);
        });
        vcpu.GetState(out var state);
        state.Cs = new X86Segment(8, 0, uint.MaxValue, 0xc09b);
        state.Ds = state.Es = state.Ss = new X86Segment(0x10, 0, uint.MaxValue, 0xc093);
        state.Cr0 = 0x11;
        state.Rip = KvmGuest.CodeAddress;
        state.Activity = X86Activity.Running;
        vcpu.SetState(state);

        Assert.Equal(VcpuStop.Kicked, vcpu.Run());
        Assert.Equal(0, io.AllocatedBytes);
    }

    private static void Load(KvmGuest guest, Mode mode, Action<Assembler> write)
    {
        switch (mode)
        {
            case Mode.Real:
                guest.LoadRealMode(write);
                break;
            case Mode.Protected:
                guest.LoadProtectedMode(write);
                break;
            default:
                guest.LoadLongMode(write);
                break;
        }
    }

    private static void End(Assembler c)
    {
        c.mov(al, 0);
        c.@out((byte)TestIo.ExitPort, al);
        c.hlt();
    }

    /// <summary>Counts accesses and measures what the vCPU's thread allocates between two of them.</summary>
    private sealed class CountingIo(int warmUp, int measured) : IVcpuIo
    {
        private int _count;
        private long _before;

        public IVcpu? Vcpu { get; set; }

        public long AllocatedBytes { get; private set; } = -1;

        public uint ReadPort(ushort port, int size) => (uint)Count();

        public void WritePort(ushort port, int size, uint value) => Count();

        public ulong ReadMmio(ulong address, int size) => (ulong)Count();

        public void WriteMmio(ulong address, int size, ulong value) => Count();

        private int Count()
        {
            if (++_count == warmUp)
                _before = GC.GetAllocatedBytesForCurrentThread();
            if (_count == warmUp + measured)
            {
                AllocatedBytes = GC.GetAllocatedBytesForCurrentThread() - _before;
                Vcpu!.Kick();
            }

            return _count;
        }
    }
}
