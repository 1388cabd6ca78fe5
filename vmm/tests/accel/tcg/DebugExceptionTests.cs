using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Accel.Tcg.Backends.X64;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>With the back end that this host runs best.</summary>
public sealed class DefaultDebugExceptionTests() : DebugExceptionTests(TcgOptions.Default);

/// <summary>With the interpreter.</summary>
public sealed class InterpretedDebugExceptionTests() : DebugExceptionTests(TcgOptions.Default with { Backend = TcgBackendKind.Interp });

/// <summary>With both, compared block by block.</summary>
public sealed class VerifiedDebugExceptionTests() : DebugExceptionTests(TcgOptions.Default with { Verify = X64Backend.IsSupported });

/// <summary>When #DB comes and what DR6 says then (SDM Vol. 3B, 17.2 and 17.3; Vol. 3A, 6.8.3), and when NMIs do.</summary>
public abstract unsafe class DebugExceptionTests(TcgOptions options)
{
    private const ulong Syscalled = 0x12000, UserTarget = 0x13000, Watched = 0x21000;
    private const ulong StepTrap = 0x4000, BreakpointHits = 0xf;
    private const int TrapFlag = 0x100, DebugException = 1, GeneralProtection = 13;

    // L0 with R/W0 = 3 and LEN0 = 3: reads and writes of four bytes.
    private const int WatchData = 0xf0001;

    private TcgRig Rig(string model = "max") => new(1, model, options: options);

    [Theory]
    [InlineData(TrapFlag, false)]
    [InlineData(0, true)]
    public void A_step_over_syscall_ends_in_the_handler_only_if_the_mask_leaves_it_the_trap_flag(int mask, bool traps)
    {
        using var rig = Rig();
        var state = rig.LongMode();
        state.Cs = new X86Segment(TcgRig.UserCode64, 0, uint.MaxValue, 0xa0fb);
        state.Ss = new X86Segment(TcgRig.UserData, 0, uint.MaxValue, 0xc0f3);
        (state.Star, state.Lstar, state.Sfmask) = ((ulong)TcgRig.Code64 << 32, Syscalled, (ulong)mask);
        rig.Assemble(64, a => a.hlt(), Syscalled);
        rig.Assemble(64, a =>
        {
            a.pushfq();
            a.or(__qword_ptr[rsp], TrapFlag);
            a.popfq();
            a.syscall();
        });
        var after = rig.RunToHalt(state);
        Assert.Equal(traps ? DebugException : -1, TcgRig.VectorOf(after));
        if (traps)
            Assert.Equal(Syscalled, rig.ReadQword(after.Gpr[4]));
        else
            Assert.Equal(Syscalled + 1, after.Rip);
    }

    [Fact]
    public void Sysret_that_sets_the_trap_flag_traps_before_the_next_instruction()
    {
        using var rig = Rig();
        var state = rig.LongMode();
        state.Star = 0x1bul << 48 | (ulong)TcgRig.Code64 << 32;
        rig.Assemble(64, a => a.ud2(), UserTarget);
        rig.Assemble(64, a =>
        {
            a.mov(ecx, (int)UserTarget);
            a.mov(r11d, TrapFlag | 2);
            a.sysretq();
        });
        var after = rig.RunToHalt(state);
        Assert.Equal(DebugException, TcgRig.VectorOf(after));
        Assert.Equal(UserTarget, rig.ReadQword(after.Gpr[4]));
        Assert.Equal(StepTrap, after.Dr[6] & StepTrap);
    }

    [Fact]
    public void Which_breakpoints_were_met_replaces_what_was_met_before()
    {
        using var rig = Rig();
        var state = rig.LongMode();
        state.Dr[6] = 0xffff0ff0 | StepTrap | 0xb;
        (state.Dr[2], state.Dr[7]) = (TcgRig.CodeAddress + 1, 0x410);
        rig.Assemble(64, a =>
        {
            a.nop();
            a.nop();
        });
        var after = rig.RunToHalt(state);
        Assert.Equal(DebugException, TcgRig.VectorOf(after));
        Assert.Equal(StepTrap | 4, after.Dr[6] & (StepTrap | BreakpointHits));
    }

    [Fact]
    public void A_watchpoint_met_by_mov_ss_traps_behind_the_next_instruction()
    {
        using var rig = Rig();
        var state = Watching(rig);
        var code = rig.Assemble(64, a =>
        {
            a.mov(ss, __word_ptr[Watched]);
            a.nop();
        });
        rig.Load(TcgRig.CodeAddress + (ulong)code.Length, [0xf4]);
        var after = rig.RunToHalt(state);
        Assert.Equal(DebugException, TcgRig.VectorOf(after));
        Assert.Equal(TcgRig.CodeAddress + (ulong)code.Length, rig.ReadQword(after.Gpr[4]));
        Assert.Equal(1ul, after.Dr[6] & BreakpointHits);
    }

    [Fact]
    public void Int1_behind_mov_ss_tells_of_the_watchpoint_too()
    {
        using var rig = Rig();
        var state = Watching(rig);
        rig.Assemble(64, a =>
        {
            a.mov(ss, __word_ptr[Watched]);
            a.int1();
        });
        var after = rig.RunToHalt(state);
        Assert.Equal(DebugException, TcgRig.VectorOf(after));
        Assert.Equal(1ul, after.Dr[6] & BreakpointHits);
        Assert.Equal(TcgRig.StackTop - 40, after.Gpr[4]);
    }

    [Theory]
    [InlineData("max,vendor=GenuineIntel", -1)]
    [InlineData("max,vendor=AuthenticAMD", DebugException)]
    public void Mov_ss_holds_off_a_breakpoint_on_the_next_instruction_with_intel(string model, int vector)
    {
        using var rig = Rig(model);
        var state = rig.LongMode();
        rig.Assemble(64, a =>
        {
            a.mov(ss, eax);
            a.nop();
            a.hlt();
        });
        state.Gpr[0] = TcgRig.Data;
        (state.Dr[0], state.Dr[7]) = (TcgRig.CodeAddress + 2, 0x401);
        Assert.Equal(vector, TcgRig.VectorOf(rig.RunToHalt(state)));
    }

    [Fact]
    public void A_segment_that_iret_makes_null_keeps_its_base()
    {
        using var rig = Rig();
        var state = rig.LongMode();
        state.Gs = new X86Segment(TcgRig.Data, Watched, uint.MaxValue, 0xc093);
        rig.Write(Watched + 8, 0x1122334455667788);
        rig.Assemble(64, a =>
        {
            a.mov(r15, __qword_ptr.gs[8]);
            a.mov(r14, gs);
            a.hlt();
        }, UserTarget);
        rig.Assemble(64, a =>
        {
            a.push(TcgRig.UserData);
            a.push((int)TcgRig.StackTop);
            a.push(2);
            a.push(TcgRig.UserCode64);
            a.push((int)UserTarget);
            a.iretq();
        });
        var after = rig.RunToHalt(state);
        Assert.Equal(GeneralProtection, TcgRig.VectorOf(after));
        Assert.Equal(0x1122334455667788ul, after.Gpr[15]);
        Assert.Equal(0ul, after.Gpr[14]);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    public void Of_nmis_that_come_together_one_is_handled_and_one_waits(int sent, ulong handled)
    {
        using var rig = Rig();
        var state = rig.LongMode();
        rig.Write(TcgRig.DataAddress, 0);
        rig.Assemble(64, a =>
        {
            a.inc(__qword_ptr[TcgRig.DataAddress]);
            a.iretq();
        }, TcgRig.Handlers + 16 * 2);
        rig.Assemble(64, a => a.hlt());
        rig.Vcpu.SetState(state);
        for (var i = 0; i < sent; i++)
            rig.Vcpu.SignalNmi();
        Assert.Equal(VcpuStop.Halted, rig.Vcpu.Run());
        Assert.Equal(handled, rig.ReadQword(TcgRig.DataAddress));
    }

    private static X86State Watching(TcgRig rig)
    {
        var state = rig.LongMode();
        rig.Write(Watched, TcgRig.Data);
        (state.Dr[0], state.Dr[7]) = (Watched, WatchData | 0x400);
        return state;
    }
}
