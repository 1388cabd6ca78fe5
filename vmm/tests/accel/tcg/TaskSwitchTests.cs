using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

public sealed class DefaultTaskSwitchTests() : TaskSwitchTests(TcgOptions.Default);

public sealed class InterpretedTaskSwitchTests() : TaskSwitchTests(TcgOptions.Default with { Backend = TcgBackendKind.Interp });

/// <summary>Hardware task switches (SDM Vol. 3A, chapter 8): what is saved, linked, marked busy and checked.</summary>
public abstract unsafe class TaskSwitchTests : IDisposable
{
    private const ushort OldSelector = TcgRig.TssSelector, NewSelector = 0x48, GateSelector = 0x50, SmallSelector = 0x58;
    private const ulong OldTss = TcgRig.Tss, NewTss = 0x7100, SmallTss = 0x7200, NewCode = 0x11000, NewStack = 0x50000;
    private const uint Nt = 0x4000, Ts = 8, Limit = 0x67;

    private readonly TcgRig _rig;
    private X86State _state;

    protected TaskSwitchTests(TcgOptions options)
    {
        _rig = new TcgRig(options: options);
        _state = _rig.ProtectedMode();
        _state.Gdtr = new X86Table(TcgRig.Gdt, 0x5f);
        _rig.Write(TcgRig.Gdt + OldSelector, Descriptor(OldTss, Limit, 0x8b));
        _rig.Write(TcgRig.Gdt + NewSelector, Descriptor(NewTss, Limit, 0x89));
        _rig.Write(TcgRig.Gdt + GateSelector, (ulong)NewSelector << 16 | 0x8500ul << 32);
        _rig.Write(TcgRig.Gdt + SmallSelector, Descriptor(SmallTss, 0x2b, 0x81));
        for (var vector = 0ul; vector < 32; vector++)
            _rig.Write(TcgRig.Idt + 8 * vector, TcgRig.Handlers + 16 * vector | (ulong)TcgRig.Code32 << 16 | 0x8e00ul << 32);
        WriteNew(0x20, NewCode);
        WriteNew(0x24, 0x202);
        for (var i = 0u; i < 8; i++)
            WriteNew(0x28 + 4 * i, i == 4 ? (uint)NewStack : 0x100 + i);
        foreach (var (at, selector) in ((uint, ushort)[])[(0x48, TcgRig.Data), (0x4c, TcgRig.Code32), (0x50, TcgRig.Data), (0x54, TcgRig.Data), (0x58, 0), (0x5c, 0)])
            WriteNew(at, selector);
        _rig.Assemble(32, a => a.hlt(), NewCode);
    }

    public void Dispose()
    {
        _rig.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void A_jump_leaves_the_old_task_available_and_saved()
    {
        _state.Gpr[3] = 0xb1b2b3b4;
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Jmp_ptr1632, NewSelector, 0)));

        Assert.Equal(NewCode + 1, after.Rip);
        Assert.Equal(0x101u, after.Gpr[1]);
        Assert.Equal(NewStack, after.Gpr[4]);
        Assert.Equal(NewSelector, after.Tr.Selector);
        Assert.Equal(0u, after.Rflags & Nt);
        Assert.NotEqual(0u, after.Cr0 & Ts);
        Assert.Equal((0x89, 0x8b), (TypeOf(OldSelector), TypeOf(NewSelector)));
        Assert.Equal(TcgRig.CodeAddress + 7, Old(0x20));
        Assert.Equal(0xb1b2b3b4, Old(0x34));
        Assert.Equal(TcgRig.Code32, (ushort)Old(0x4c));
    }

    [Fact]
    public void A_call_is_returned_from_by_IRET_and_goes_on_where_it_was()
    {
        _rig.Assemble(32, a =>
        {
            a.mov(ecx, 0x77);
            a.iretd();
            a.hlt();
        }, NewCode);
        var after = Run(a =>
        {
            a.mov(ebx, 5);
            a.AddInstruction(Instruction.CreateBranch(Code.Call_ptr1632, NewSelector, 0));
            a.add(ebx, 1);
        });

        Assert.Equal(6u, after.Gpr[3]);
        Assert.Equal(OldSelector, after.Tr.Selector);
        Assert.Equal((0x8b, 0x89), (TypeOf(OldSelector), TypeOf(NewSelector)));
        Assert.Equal(OldSelector, New(0));
        Assert.Equal(0x77u, New(0x2c));
        // It would go on behind its IRET; NT is not saved with it.
        Assert.Equal(NewCode + 6, New(0x20));
        Assert.Equal(0u, New(0x24) & Nt);
    }

    [Fact]
    public void A_nested_task_has_NT_set_and_the_link_to_the_one_before()
    {
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Call_ptr1632, GateSelector, 0)));

        Assert.NotEqual(0u, after.Rflags & Nt);
        Assert.Equal(OldSelector, New(0));
        Assert.Equal((0x8b, 0x8b), (TypeOf(OldSelector), TypeOf(NewSelector)));
    }

    [Fact]
    public void An_exception_through_a_task_gate_gives_the_task_its_error_code()
    {
        _rig.Write(TcgRig.Idt + 8 * 13, (ulong)NewSelector << 16 | 0x8500ul << 32);
        var after = Run(a =>
        {
            a.mov(eax, 0x1000);
            a.mov(ds, eax);
        });

        Assert.Equal(NewCode + 1, after.Rip);
        Assert.Equal(NewStack - 4, after.Gpr[4]);
        Assert.Equal(0x1000u, (uint)_rig.ReadQword(NewStack - 4));
        // Back at the instruction that faulted.
        Assert.Equal(TcgRig.CodeAddress + 5, Old(0x20));
    }

    [Fact]
    public void An_INT_through_a_task_gate_goes_on_behind_it()
    {
        _rig.Write(TcgRig.Idt + 8 * 20, (ulong)NewSelector << 16 | 0x8500ul << 32);
        Run(a => a.@int(20));

        Assert.Equal(TcgRig.CodeAddress + 2, Old(0x20));
    }

    [Theory]
    [InlineData(0x4c, (ushort)0, 10, 0u)]
    [InlineData(0x4c, TcgRig.Data, 10, (uint)TcgRig.Data)]
    [InlineData(0x50, TcgRig.Code32, 10, (uint)TcgRig.Code32)]
    [InlineData(0x54, (ushort)0x2000, 10, 0x2000u)]
    [InlineData(0x60, TcgRig.Data, 10, (uint)TcgRig.Data)]
    public void A_segment_that_a_task_may_not_have_is_its_own_invalid_TSS(uint at, ushort selector, int vector, uint error)
    {
        WriteNew(at, selector);
        _rig.Write(TcgRig.Idt + 8 * 10, (ulong)SmallSelector << 16 | 0x8500ul << 32);
        // A task of its own takes it, whatever stack there is.
        WriteSmall(0x0e, 0x3000);
        WriteSmall(0x10, 2);
        WriteSmall(0x1a, 0x4000);
        foreach (var (where, value) in ((uint, ushort)[])[(0x22, TcgRig.Data), (0x24, TcgRig.Code32), (0x26, TcgRig.Data), (0x28, TcgRig.Data)])
            WriteSmall(where, value);
        _rig.Assemble(32, a => a.hlt(), 0x3000);
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Jmp_ptr1632, NewSelector, 0)));

        Assert.Equal(10, vector);
        Assert.Equal(0x3001u, after.Rip);
        Assert.Equal(SmallSelector, after.Tr.Selector);
        Assert.Equal(error, _rig.ReadQword(0x4000 - 2) & 0xffff);
        Assert.Equal(NewSelector, (ushort)_rig.ReadQword(SmallTss));
        Assert.Equal(NewCode, New(0x20));
    }

    [Fact]
    public void A_busy_task_cannot_be_called()
    {
        _rig.Write(TcgRig.Gdt + NewSelector, Descriptor(NewTss, Limit, 0x8b));
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Call_ptr1632, GateSelector, 0)));

        Assert.Equal(13, TcgRig.VectorOf(after));
        Assert.Equal(NewSelector, (uint)_rig.ReadQword(after.Gpr[4]));
        Assert.Equal(OldSelector, after.Tr.Selector);
    }

    [Fact]
    public void IRET_with_NT_and_no_task_before_is_an_invalid_TSS()
    {
        _state.Rflags |= Nt;
        var after = Run(a => a.iretd());

        Assert.Equal(10, TcgRig.VectorOf(after));
        Assert.Equal(0u, (uint)_rig.ReadQword(after.Gpr[4]));
        Assert.Equal(TcgRig.CodeAddress, (uint)_rig.ReadQword(after.Gpr[4] + 4));
    }

    [Fact]
    public void A_short_TSS_is_an_invalid_one()
    {
        _rig.Write(TcgRig.Gdt + NewSelector, Descriptor(NewTss, Limit - 1, 0x89));
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Jmp_ptr1632, NewSelector, 0)));

        Assert.Equal(10, TcgRig.VectorOf(after));
        Assert.Equal(NewSelector, (uint)_rig.ReadQword(after.Gpr[4]));
    }

    [Fact]
    public void The_T_bit_traps_before_the_first_instruction()
    {
        WriteNew(0x64, 1);
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Jmp_ptr1632, NewSelector, 0)));

        Assert.Equal(1, TcgRig.VectorOf(after));
        Assert.NotEqual(0u, after.Dr[6] & 0x8000);
        Assert.Equal(NewCode, (uint)_rig.ReadQword(after.Gpr[4]));
    }

    [Fact]
    public void Local_breakpoints_are_the_old_tasks()
    {
        _state.Dr[7] = 0x403;
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Jmp_ptr1632, NewSelector, 0)));

        Assert.Equal(0x402u, after.Dr[7]);
    }

    [Fact]
    public void A_task_can_be_of_virtual_8086_mode()
    {
        WriteNew(0x24, 0x20202);
        WriteNew(0x20, 0x10);
        WriteNew(0x4c, 0x1100);
        WriteNew(0x54, 0x1234);
        _rig.Load(0x11010, [0xf4]);
        _rig.Write(TcgRig.Tss + 4, 0);
        WriteNew(4, 0x60000);
        WriteNew(8, TcgRig.Data);
        var after = Run(a => a.AddInstruction(Instruction.CreateBranch(Code.Jmp_ptr1632, NewSelector, 0)));

        // HLT is none of its own: #GP on the inner stack, under the segments.
        Assert.Equal(13, TcgRig.VectorOf(after));
        Assert.Equal(0x10u, (uint)_rig.ReadQword(after.Gpr[4] + 4));
        Assert.Equal(0x1100u, (uint)_rig.ReadQword(after.Gpr[4] + 8));
        Assert.Equal(0x1234u, (uint)_rig.ReadQword(after.Gpr[4] + 28));
    }

    private X86State Run(Action<Assembler> program)
    {
        _rig.Assemble(32, a =>
        {
            program(a);
            a.hlt();
        });
        return _rig.RunToHalt(_state);
    }

    private static ulong Descriptor(ulong address, uint limit, uint access) => limit & 0xffff | (address & 0xffffff) << 16 | (ulong)access << 40 | address >> 24 << 56;

    private int TypeOf(ushort selector) => (int)(_rig.ReadQword(TcgRig.Gdt + selector) >> 40) & 0xff;

    private uint Old(uint at) => (uint)_rig.ReadQword(OldTss + at);

    private uint New(uint at) => (uint)_rig.ReadQword(NewTss + at);

    private void WriteNew(uint at, ulong value) => _rig.Load(NewTss + at, BitConverter.GetBytes((uint)value));

    private void WriteSmall(uint at, ushort value) => _rig.Load(SmallTss + at, BitConverter.GetBytes(value));
}
