using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Accel.Tcg.Backends.X64;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>With the back end that this host runs best.</summary>
public sealed class DefaultVcpuTests() : VcpuTests(TcgOptions.Default);

/// <summary>With the interpreter, which every host runs.</summary>
public sealed class InterpretedVcpuTests() : VcpuTests(TcgOptions.Default with { Backend = TcgBackendKind.Interp });

/// <summary>With both, compared block by block.</summary>
public sealed class VerifiedVcpuTests() : VcpuTests(TcgOptions.Default with { Verify = X64Backend.IsSupported });

/// <summary>The translator's vCPU: modes, exceptions, paging, self-modifying code, atomicity, signals.</summary>
public abstract class VcpuTests(TcgOptions options) : IDisposable
{
    private readonly TcgRig _rig = new(2, options: options);

    public void Dispose()
    {
        _rig.Dispose();
        GC.SuppressFinalize(this);
    }

    private X86State Run64(Action<Assembler> program, Func<X86State, X86State>? change = null)
    {
        var state = _rig.LongMode();
        if (change is not null)
            state = change(state);
        _rig.Assemble(64, a =>
        {
            program(a);
            a.hlt();
        });
        return _rig.RunToHalt(state);
    }

    [Fact]
    public void Real_mode_code_reaches_long_mode()
    {
        var state = _rig.LongMode();
        var real = _rig.RealMode();
        real.Gdtr = state.Gdtr;
        real.Rip = 0;
        _rig.Load(0x10100, [0, 0, 0, 0]);
        _rig.Assemble(16, a =>
        {
            a.cli();
            a.mov(eax, 0x620);
            a.mov(cr4, eax);
            a.mov(eax, (int)TcgRig.PageTables);
            a.mov(cr3, eax);
            a.mov(ecx, 0xc0000080);
            a.mov(eax, 0x101);
            a.xor(edx, edx);
            a.wrmsr();
            a.mov(eax, 0x80000033);
            a.mov(cr0, eax);
            // jmp far 0x08:0x10200, with a 32-bit offset
            a.db(0x66, 0xea, 0x00, 0x02, 0x01, 0x00, 0x08, 0x00);
        });
        _rig.Assemble(64, a =>
        {
            a.mov(rax, 0x1122334455667788);
            a.hlt();
        }, 0x10200);
        var after = _rig.RunToHalt(real);
        Assert.Equal(0x1122334455667788ul, after.Gpr[0]);
        Assert.Equal(0xd01ul & 0x500, after.Efer & 0x500);
    }

    [Fact]
    public void Real_mode_interrupts_go_through_the_vector_table_and_come_back()
    {
        var real = _rig.RealMode();
        _rig.Ram[..0x400].Clear();
        _rig.Write(4 * 0x21, 0x1000_0100);
        _rig.Assemble(16, a =>
        {
            a.mov(ax, 1);
            a.@int(0x21);
            a.add(ax, 0x10);
            a.hlt();
        });
        _rig.Assemble(16, a =>
        {
            a.add(ax, 0x100);
            a.iret();
        }, 0x10100);
        Assert.Equal(0x111ul, _rig.RunToHalt(real).Gpr[0] & 0xffff);
    }

    [Theory]
    [InlineData(0, "f7f1")] // div ecx
    [InlineData(3, "cc")]
    [InlineData(6, "0f0b")]
    [InlineData(6, "0fff")]
    [InlineData(13, "440f22c0")] // mov cr8, rax, of 16
    public void Instructions_raise_their_exceptions(int vector, string bytes)
    {
        var after = Run64(a =>
        {
            a.mov(rax, 0x10);
            a.xor(ecx, ecx);
            a.xor(edx, edx);
            a.db(Convert.FromHexString(bytes));
        });
        Assert.Equal(vector, TcgRig.VectorOf(after));
    }

    [Fact]
    public void A_page_fault_tells_address_and_error_code_and_leaves_registers_as_they_were()
    {
        var after = Run64(a =>
        {
            a.mov(rax, 7);
            a.mov(rbx, 0x7fff_ffff_f123);
            a.add(rax, 1);
            var faulting = a.CreateLabel();
            a.lea(r15, __[faulting]);
            a.Label(ref faulting);
            a.xadd(__qword_ptr[rbx], rax);
        });
        Assert.Equal(14, TcgRig.VectorOf(after));
        Assert.Equal(0x7fff_ffff_f123ul, after.Cr2);
        Assert.Equal(8ul, after.Gpr[0]);
        Assert.Equal(2ul, _rig.ReadQword(after.Gpr[4]));
        Assert.Equal(after.Gpr[15], _rig.ReadQword(after.Gpr[4] + 8));
    }

    [Fact]
    public void A_store_across_a_page_border_that_faults_writes_nothing()
    {
        var after = Run64(a =>
        {
            // The second page is beyond the mapped gigabyte's last one: unmap its 2-MiB page first.
            a.mov(rax, TcgRig.PageTables + 0x2000 + 8);
            a.mov(__qword_ptr[rax], 0);
            a.mov(rbx, 0x200000 - 4);
            a.mov(rcx, -1);
            a.mov(__qword_ptr[rbx], rcx);
        });
        Assert.Equal(14, TcgRig.VectorOf(after));
        Assert.Equal(0x200000ul, after.Cr2);
        Assert.Equal(0u, (uint)_rig.ReadQword(0x200000 - 4));
    }

    [Fact]
    public void Accessed_and_dirty_bits_are_set_by_the_first_read_and_the_first_write()
    {
        var entry = TcgRig.PageTables + 0x2000 + 16;
        Run64(a =>
        {
            a.mov(rbx, 0x400000);
            a.mov(rax, __qword_ptr[rbx]);
            a.mov(rsi, entry);
            a.mov(rcx, __qword_ptr[rsi]);
            a.mov(__qword_ptr[TcgRig.DataAddress], rcx);
            a.mov(__qword_ptr[rbx], rax);
        });
        Assert.Equal(0x20ul, _rig.ReadQword(TcgRig.DataAddress) & 0x60);
        Assert.Equal(0x60ul, _rig.ReadQword(entry) & 0x60);
    }

    [Fact]
    public void Code_that_overwrites_its_next_instruction_runs_the_new_one()
    {
        var after = Run64(a =>
        {
            var patched = a.CreateLabel();
            a.lea(rbx, __[patched]);
            a.mov(__byte_ptr[rbx + 1], 0x22);
            a.Label(ref patched);
            a.mov(al, 0x11);
            a.movzx(eax, al);
        });
        Assert.Equal(0x22ul, after.Gpr[0]);
    }

    [Fact]
    public void A_loop_that_patches_itself_sees_every_version()
    {
        var after = Run64(a =>
        {
            var again = a.CreateLabel();
            var patched = a.CreateLabel();
            a.xor(esi, esi);
            a.mov(ecx, 100);
            a.lea(rbx, __[patched]);
            a.Label(ref again);
            a.mov(__byte_ptr[rbx + 2], cl);
            a.Label(ref patched);
            a.add(esi, 1);
            a.dec(ecx);
            a.jnz(again);
        });
        Assert.Equal(5050ul, after.Gpr[6]);
    }

    [Fact]
    public void A_device_that_writes_code_is_noticed()
    {
        Run64(a => a.mov(eax, 1));
        _rig.Ram[(int)TcgRig.CodeAddress + 1] = 9;
        _rig.Accelerator.OnGuestMemoryWritten(TcgRig.CodeAddress + 1, 1);
        var state = _rig.LongMode();
        Assert.Equal(9ul, _rig.RunToHalt(state).Gpr[0]);
    }

    [Fact]
    public void Rep_movs_and_stos_do_what_their_iterations_would()
    {
        _rig.Load(TcgRig.DataAddress, [1, 2, 3, 4, 5, 6, 7, 8]);
        var after = Run64(a =>
        {
            // Overlapping by one byte: the first byte is repeated.
            a.mov(rsi, TcgRig.DataAddress);
            a.lea(rdi, __[rsi + 1]);
            a.mov(ecx, 5000);
            a.rep.movsb();
            a.mov(r8, rdi);
            a.mov(eax, 0x55);
            a.mov(rdi, TcgRig.DataAddress + 0x3ffe);
            a.mov(ecx, 4);
            a.std();
            a.rep.stosb();
            a.cld();
        });
        Assert.Equal(TcgRig.DataAddress + 5001, after.Gpr[8]);
        Assert.Equal(TcgRig.DataAddress + 0x3ffa, after.Gpr[7]);
        Assert.True(_rig.Ram.Slice((int)TcgRig.DataAddress, 5001).IndexOfAnyExcept((byte)1) < 0);
        Assert.Equal([0, 0x55, 0x55, 0x55, 0x55, 0], _rig.Ram.Slice((int)TcgRig.DataAddress + 0x3ffa, 6).ToArray());
    }

    [Fact]
    public void Rep_cmps_stops_at_the_first_difference_with_its_flags()
    {
        _rig.Load(TcgRig.DataAddress, [1, 2, 3, 9, 5, 1, 2, 3, 4, 5]);
        var after = Run64(a =>
        {
            a.mov(rsi, TcgRig.DataAddress);
            a.lea(rdi, __[rsi + 5]);
            a.mov(ecx, 5);
            a.repe.cmpsb();
        });
        Assert.Equal(1ul, after.Gpr[1]);
        Assert.Equal(0ul, after.Rflags & 0x41);
    }

    [Fact]
    public void Ports_and_devices_are_reached_with_their_sizes()
    {
        var after = Run64(a =>
        {
            a.mov(dx, 0x3f8);
            a.mov(eax, 0xabcd1234);
            a.@out(dx, al);
            a.@out(dx, ax);
            a.@out(dx, eax);
            a.@in(eax, dx);
        });
        Assert.Equal(["out1 3f8 34", "out2 3f8 1234", "out4 3f8 abcd1234", "in4 3f8"], _rig.Io.Log);
        Assert.Equal(0x12345678ul, after.Gpr[0]);
        _rig.Io.Log.Clear();
        after = Run64(a =>
        {
            a.mov(ebx, 0x3f000004);
            a.mov(eax, __dword_ptr[rbx]);
            a.mov(__word_ptr[rbx], cx);
            a.movzx(ecx, __byte_ptr[rbx + 3]);
        });
        Assert.Equal(["read4 3f000004", "write2 3f000004 0", "read1 3f000007"], _rig.Io.Log);
        Assert.Equal(0x3f000004ul, after.Gpr[0]);
        Assert.Equal(7ul, after.Gpr[1]);
    }

    [Fact]
    public void A_triple_fault_is_a_shutdown()
    {
        var state = _rig.LongMode();
        state.Idtr = new X86Table(0, 0);
        _rig.Assemble(64, a => a.ud2());
        _rig.Vcpu.SetState(state);
        Assert.Equal(VcpuStop.Shutdown, _rig.Vcpu.Run());
        Assert.Contains("triple fault", _rig.Vcpu.RecentExits[0], StringComparison.Ordinal);
    }

    [Fact]
    public void What_cpuid_does_not_tell_of_is_undefined()
    {
        var after = Run64(a => a.vaddps(xmm0, xmm1, xmm2));
        Assert.Equal(6, TcgRig.VectorOf(after));
    }

    [Fact]
    public void A_single_step_traps_behind_the_instruction()
    {
        var after = Run64(a =>
        {
            a.pushfq();
            a.or(__qword_ptr[rsp], 0x100);
            var behind = a.CreateLabel();
            a.lea(r15, __[behind]);
            a.popfq();
            a.nop();
            a.Label(ref behind);
            a.nop();
        });
        Assert.Equal(1, TcgRig.VectorOf(after));
        Assert.Equal(after.Gpr[15], _rig.ReadQword(after.Gpr[4]));
        unsafe
        {
            Assert.Equal(0x4000ul, after.Dr[6] & 0x4000);
        }
    }

    [Fact]
    public void State_that_is_set_is_read_back()
    {
        var state = _rig.LongMode();
        for (var i = 0; i < 16; i++)
            state.Gpr[i] = 0x0101010101010101ul * (ulong)(i + 1);
        state.Rflags = 0x40cd7;
        state.Star = 0x0008001000000000;
        state.KernelGsBase = 0xffff800000001000;
        unsafe
        {
            state.Fxsave[0] = 0x7f;
            state.Fxsave[1] = 3;
            state.Fxsave[160] = 0xaa;
        }
        _rig.Vcpu.SetState(state);
        _rig.Vcpu.GetState(out var read);
        for (var i = 0; i < 16; i++)
            Assert.Equal(state.Gpr[i], read.Gpr[i]);
        Assert.Equal(state.Rflags, read.Rflags);
        Assert.Equal((state.Cs, state.Ss, state.Tr, state.Gdtr), (read.Cs, read.Ss, read.Tr, read.Gdtr));
        Assert.Equal((state.Cr0, state.Cr3, state.Cr4, state.Efer, state.Star, state.KernelGsBase), (read.Cr0, read.Cr3, read.Cr4, read.Efer, read.Star, read.KernelGsBase));
        unsafe
        {
            Assert.Equal((0x7f, 3, 0xaa), (read.Fxsave[0], read.Fxsave[1], read.Fxsave[160]));
        }
    }

    [Fact]
    public async Task A_kick_ends_an_endless_loop_and_one_before_run_ends_it_at_once()
    {
        var state = _rig.LongMode();
        _rig.Assemble(64, a =>
        {
            var again = a.CreateLabel();
            a.Label(ref again);
            a.inc(rax);
            a.jmp(again);
        });
        _rig.Vcpu.SetState(state);
        _rig.Vcpu.Kick();
        Assert.Equal(VcpuStop.Kicked, _rig.Vcpu.Run());
        _rig.Vcpu.GetState(out var before);
        Assert.Equal(0ul, before.Gpr[0]);
        var running = Task.Factory.StartNew(_rig.Vcpu.Run, TaskCreationOptions.LongRunning);
        while (((TcgVcpu)_rig.Vcpu).Instructions < 1000)
            Thread.Yield();
        _rig.Vcpu.Kick();
        Assert.Equal(VcpuStop.Kicked, await running);
    }

    [Fact]
    public void A_processor_that_waits_for_a_sipi_starts_at_its_vector()
    {
        _rig.Assemble(16, a =>
        {
            a.mov(ax, cs);
            a.hlt();
        });
        var ap = _rig.Vcpus[1];
        Assert.Equal(VcpuStop.Halted, ap.Run());
        ap.SignalInit();
        ap.SignalStartUp(0x10);
        ap.WaitWhileHalted();
        Assert.Equal(VcpuStop.Halted, ap.Run());
        ap.GetState(out var state);
        Assert.Equal(0x1000ul, state.Gpr[0] & 0xffff);
        Assert.Equal(3ul, state.Rip);
    }

    [Fact]
    public void An_nmi_wakes_a_halted_processor_and_is_held_off_until_iret()
    {
        var state = _rig.LongMode();
        _rig.Assemble(64, a => a.hlt());
        Assert.Equal(TcgRig.CodeAddress + 1, _rig.RunToHalt(state).Rip);
        _rig.Vcpu.SignalNmi();
        Assert.Equal(VcpuStop.Halted, _rig.Vcpu.Run());
        _rig.Vcpu.GetState(out var after);
        Assert.Equal(2, TcgRig.VectorOf(after));
        Assert.True(after.NmiBlocked);
        _rig.Vcpu.SignalNmi();
        Assert.Equal(VcpuStop.Halted, _rig.Vcpu.Run());
        _rig.Vcpu.GetState(out var still);
        Assert.Equal(after.Gpr[4], still.Gpr[4]);
    }

    [Fact]
    public async Task Locked_operations_of_two_processors_lose_nothing()
    {
        const int Rounds = 20_000;
        var state = _rig.LongMode();
        _rig.Assemble(64, a =>
        {
            var again = a.CreateLabel();
            a.mov(rbx, TcgRig.DataAddress);
            a.mov(ecx, Rounds);
            a.Label(ref again);
            a.@lock.inc(__dword_ptr[rbx]);
            a.mov(eax, 1);
            a.@lock.xadd(__word_ptr[rbx + 9], ax);
            a.@lock.add(__qword_ptr[rbx + 16], 3);
            a.dec(ecx);
            a.jnz(again);
            a.hlt();
        });
        _rig.Ram.Slice((int)TcgRig.DataAddress, 64).Clear();
        foreach (var vcpu in _rig.Vcpus)
            vcpu.SetState(state);
        var runs = Array.ConvertAll(_rig.Vcpus, v => Task.Factory.StartNew(v.Run, TaskCreationOptions.LongRunning));
        foreach (var run in runs)
            Assert.Equal(VcpuStop.Halted, await run);
        Assert.Equal(2ul * Rounds, _rig.ReadQword(TcgRig.DataAddress) & 0xffffffff);
        Assert.Equal(2 * Rounds & 0xffff, BitConverter.ToUInt16(_rig.Ram.Slice((int)TcgRig.DataAddress + 9, 2)));
        Assert.Equal(6ul * Rounds, _rig.ReadQword(TcgRig.DataAddress + 16));
    }

    [Fact]
    public void Cmpxchg16b_exchanges_all_sixteen_bytes_or_none()
    {
        _rig.Write(TcgRig.DataAddress, 1);
        _rig.Write(TcgRig.DataAddress + 8, 2);
        var after = Run64(a =>
        {
            a.mov(rsi, TcgRig.DataAddress);
            a.mov(eax, 1);
            a.mov(edx, 2);
            a.mov(ebx, 3);
            a.mov(ecx, 4);
            a.@lock.cmpxchg16b(__[rsi]);
            a.setz(r8b);
            a.@lock.cmpxchg16b(__[rsi]);
            a.setz(r9b);
        });
        Assert.Equal((3ul, 4ul), (_rig.ReadQword(TcgRig.DataAddress), _rig.ReadQword(TcgRig.DataAddress + 8)));
        Assert.Equal((1ul, 0ul), (after.Gpr[8] & 0xff, after.Gpr[9] & 0xff));
        Assert.Equal((3ul, 4ul), (after.Gpr[0], after.Gpr[2]));
    }

    [Fact]
    public void A_segment_limit_stops_an_access_in_protected_mode()
    {
        var state = _rig.ProtectedMode();
        state.Ds = new X86Segment(TcgRig.Data, 0x20000, 0xfff, 0x4093);
        state.Idtr = new X86Table(0, 0);
        _rig.Assemble(32, a =>
        {
            a.mov(eax, __dword_ptr[0xffc]);
            a.mov(eax, __dword_ptr[0xffd]);
            a.hlt();
        });
        _rig.Vcpu.SetState(state);
        Assert.Equal(VcpuStop.Shutdown, _rig.Vcpu.Run());
        Assert.Contains(_rig.Vcpu.RecentExits, line => line.StartsWith("exception 13 at 0x10005", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("host", "-accel kvm")]
    [InlineData("pentium9", "host, max, qemu64")]
    [InlineData("max,+avx9", "no CPU feature or property 'avx9'")]
    [InlineData("max,avx,enforce", "does not implement CPUID.01H:ECX.avx")]
    [InlineData("max,vendor=Intel", "12 characters")]
    public void A_cpu_model_that_cannot_be_had_is_refused_with_what_there_is(string model, string reason) =>
        Assert.Contains(reason, Assert.Throws<AcceleratorException>(() => new TcgRig(1, model)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(0, 0, false, -1)]
    [InlineData(3, 0, false, -1)]
    [InlineData(4, 0, false, 13)]
    [InlineData(1, 3, false, 13)]
    [InlineData(1, 3, true, -1)]
    public void A_performance_counter_is_read_by_its_number_and_by_user_code_where_that_is_allowed(int counter, int cpl, bool isAllowed, int vector)
    {
        const ulong Count = 0xabc0_1234_5678;
        var after = Run64(a =>
        {
            a.mov(ecx, unchecked((int)0xc0010004) + counter % 4);
            a.mov(eax, unchecked((int)Count));
            a.mov(edx, (int)(Count >> 32));
            a.wrmsr();
            a.mov(ecx, counter);
            if (cpl == 0)
            {
                a.rdpmc();
                return;
            }
            var user = a.CreateLabel();
            a.push(TcgRig.UserData);
            a.push((int)TcgRig.StackTop - 0x1000);
            a.push(2);
            a.push(TcgRig.UserCode64);
            a.lea(rax, __[user]);
            a.push(rax);
            a.iretq();
            a.Label(ref user);
            a.rdpmc();
            a.ud2();
        }, state => state with { Cr4 = state.Cr4 | (isAllowed ? 0x100ul : 0) });
        Assert.Equal(cpl == 3 && vector == -1 ? 6 : vector, TcgRig.VectorOf(after));
        if (vector == -1)
            Assert.Equal((Count & uint.MaxValue, Count >> 32), (after.Gpr[0], after.Gpr[2]));
    }

    [Theory]
    [InlineData("qemu64", 13)]
    [InlineData("max", -1)]
    public void X2apic_mode_is_entered_only_by_a_cpu_that_has_it(string model, int vector)
    {
        var bus = new Gauntlet.Vmm.Devices.Interrupt.ApicBus();
        using var rig = new TcgRig(model: model, apic: i => new Gauntlet.Vmm.Devices.Interrupt.LocalApic(i, bus, new Machines.ManualClock(DateTime.UnixEpoch), new Lock(), null), options: options);
        var state = rig.LongMode();
        rig.Assemble(64, a =>
        {
            a.mov(ecx, 0x1b);
            a.rdmsr();
            a.or(eax, 0x400);
            a.wrmsr();
            a.hlt();
        });
        Assert.Equal(vector, TcgRig.VectorOf(rig.RunToHalt(state)));
    }

    [Theory]
    [InlineData(10, 0b11, 0, 0x40, 2, new[] { 0x40, 0x40 })]
    [InlineData(10, 0b10, 0, 0x41, 1, new[] { -1, 0x41 })]
    [InlineData(10, 0b11, 1, 0x42, 1, new[] { -1, 0x42 })]
    [InlineData(10, 0b11, -1, 0x43, 0, new[] { -1, -1 })]
    [InlineData(10, 0b11, 0, 0x80044, -22, new[] { -1, -1 })]
    [InlineData(99, 0b11, 0, 0x45, -1000, new[] { -1, -1 })]
    public void A_hypercall_sends_an_interrupt_to_many_cpus(int number, int bitmap, int first, int command, long answer, int[] vectors)
    {
        var (bus, clock, gate) = (new Gauntlet.Vmm.Devices.Interrupt.ApicBus(), new Machines.ManualClock(DateTime.UnixEpoch), new Lock());
        var apics = new List<Gauntlet.Vmm.Devices.Interrupt.LocalApic>();
        using var rig = new TcgRig(2, apic: i =>
        {
            apics.Add(new Gauntlet.Vmm.Devices.Interrupt.LocalApic(i, bus, clock, gate, null));
            return apics[^1];
        }, options: options);
        foreach (var apic in apics)
            apic.WriteMmio(0, 0xf0, 4, 0x1ff);
        var state = rig.LongMode();
        (state.Gpr[0], state.Gpr[1], state.Gpr[2], state.Gpr[3], state.Gpr[6]) = ((ulong)number, 0, unchecked((ulong)(long)first), (ulong)bitmap, (ulong)command);
        rig.Assemble(64, a =>
        {
            a.vmmcall();
            a.hlt();
        });
        Assert.Equal(answer, unchecked((long)rig.RunToHalt(state).Gpr[0]));
        Assert.Equal(vectors, apics.Select(static apic => apic.Acknowledge()));
    }
}
