using System.Buffers.Binary;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

public sealed class KvmStateTests
{
    private const int XmmOffset = 160;

    [KvmFact]
    public void The_boot_processor_is_born_at_the_reset_vector_and_the_others_wait()
    {
        using var guest = new KvmGuest(vcpus: 2);
        guest.Vcpus[0].GetState(out var boot);
        guest.Vcpus[1].GetState(out var other);

        Assert.Equal((0xffff0000UL, 0xfff0UL, X86Activity.Running), (boot.Cs.Base, boot.Rip, boot.Activity));
        Assert.Equal(0x60000010UL, boot.Cr0);
        Assert.Equal(X86Reset.ApicBaseEnabled | X86Reset.ApicBaseBootstrap, boot.ApicBase);
        Assert.Equal(X86Activity.WaitForSipi, other.Activity);
        Assert.Equal(X86Reset.ApicBaseEnabled, other.ApicBase);
    }

    [KvmFact]
    public unsafe void What_is_set_is_what_is_read_back()
    {
        using var guest = new KvmGuest();
        guest.LoadLongMode(c => c.nop());
        guest.Vcpu.GetState(out var initial);
        Prop.ForAll<ulong[], byte[]>((numbers, bytes) =>
        {
            var next = 0;
            ulong Number() => numbers.Length == 0 ? 0 : numbers[next++ % numbers.Length];
            var state = initial;
            for (var i = 0; i < 16; i++)
                state.Gpr[i] = Number();
            state.Rip = Number() & 0x7fffffffffff;
            state.Rflags = Number() & 0xcd5 | 2;
            state.Fs = state.Fs with { Base = Number() & 0x7fffffffffff };
            state.Gs = state.Gs with { Base = Number() & 0x7fffffffffff };
            state.KernelGsBase = Number() & 0x7fffffffffff;
            state.Gdtr = new X86Table(Number() & 0x7fffffffffff, (ushort)Number());
            state.Idtr = new X86Table(Number() & 0x7fffffffffff, (ushort)Number());
            state.Cr2 = Number();
            state.Cr8 = Number() & 15;
            state.Lstar = Number() & 0x7fffffffffff;
            state.Star = Number();
            state.Sfmask = Number() & uint.MaxValue;
            for (var i = 0; i < 4; i++)
                state.Dr[i] = Number();
            for (var i = 0; i < 256; i++)
                state.Fxsave[XmmOffset + i] = bytes.Length == 0 ? (byte)0 : bytes[i % bytes.Length];
            BinaryPrimitives.WriteUInt16LittleEndian(new Span<byte>(state.Fxsave, 2), (ushort)(0x340 | (int)Number() & 0xc3f));
            BinaryPrimitives.WriteUInt32LittleEndian(new Span<byte>(state.Fxsave + 24, 4), 0x1f80 | (uint)Number() & 0x603f);
            state.InterruptShadow = (Number() & 1) != 0;
            state.NmiBlocked = (Number() & 1) != 0;

            guest.Vcpu.SetState(state);
            guest.Vcpu.GetState(out var read);
            // Time goes on between the two.
            read.Tsc = state.Tsc;
            // The part of FXSAVE that software may use, and the processor's own MXCSR mask.
            new Span<byte>(state.Fxsave + 416, 96).Clear();
            new Span<byte>(read.Fxsave + 416, 96).Clear();
            new Span<byte>(read.Fxsave + 28, 4).CopyTo(new Span<byte>(state.Fxsave + 28, 4));
            Assert.Equal(Bytes(state), Bytes(read));
        }).Holds();
    }

    [KvmFact]
    public void A_guest_works_on_the_state_it_was_given_and_leaves_its_own()
    {
        using var guest = new KvmGuest();
        guest.LoadLongMode(c =>
        {
            c.add(rax, rbx);
            c.mov(r15, rax);
            c.mov(__qword_ptr[0x3000], r15);
            c.movups(xmm3, __xmmword_ptr[0x3000]);
            c.@out((byte)TestIo.ExitPort, al);
        });
        guest.Vcpu.GetState(out var state);
        state.Gpr[0] = 40;
        state.Gpr[3] = 2;
        guest.Vcpu.SetState(state);

        guest.RunToExit();
        guest.Vcpu.GetState(out state);
        Assert.Equal(42UL, state.Gpr[15]);
        unsafe
        {
            Assert.Equal(42UL, *(ulong*)(state.Fxsave + XmmOffset + 3 * 16));
        }
    }

    [KvmFact]
    public void Reset_makes_a_used_vCPU_as_good_as_new()
    {
        using var guest = new KvmGuest();
        guest.Vcpu.GetState(out var before);
        guest.LoadLongMode(c =>
        {
            c.mov(rax, 0x1234567890);
            c.mov(cr2, rax);
            c.@out((byte)TestIo.ExitPort, al);
        });
        guest.RunToExit();
        guest.Vcpu.Reset();
        guest.Vcpu.GetState(out var after);
        after.Tsc = before.Tsc;
        Assert.Equal(Bytes(before), Bytes(after));
    }

    [KvmFact]
    public void A_state_that_no_processor_can_be_in_is_refused_in_words()
    {
        using var guest = new KvmGuest();
        guest.Vcpu.GetState(out var state);
        // Paging without protection (SDM Vol. 3A, 2.5: #GP).
        state.Cr0 = 0x80000010;
        state.Cr4 = ulong.MaxValue;
        var error = Assert.Throws<AcceleratorException>(() => guest.Vcpu.SetState(state));
        Assert.Contains("vCPU 0", error.Message);
    }

    private static unsafe byte[] Bytes(X86State state) => new ReadOnlySpan<byte>(&state, sizeof(X86State)).ToArray();
}
