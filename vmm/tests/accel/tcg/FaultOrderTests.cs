using Gauntlet.Vmm.Accel;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>Which of several exceptions an instruction raises, and what it leaves undone: as CPUs do, found by comparing with one.</summary>
public sealed class FaultOrderTests : IDisposable
{
    private const ulong NotThere = 0x7fff_0000;
    private const int StackFault = 12, GeneralProtection = 13, PageFault = 14;

    private readonly TcgRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData("0f0016")] // lldt [rsi]
    [InlineData("0f001e")] // ltr [rsi]
    [InlineData("0f0136")] // lmsw [rsi]
    public void A_privileged_instruction_is_refused_before_its_operand_is_read(string bytes) =>
        Assert.Equal(GeneralProtection, TcgRig.VectorOf(RunAsUser(a => a.db(Convert.FromHexString(bytes)))));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void ENTER_faults_where_its_frame_would_end_outside_the_stack(sbyte level)
    {
        // Nothing is mapped where the pushes' page ends and the frame goes on.
        var after = RunAsUser(a =>
        {
            a.mov(rsp, 0x1800);
            a.enter(0x2000, level);
        });
        Assert.Equal(PageFault, TcgRig.VectorOf(after));
        Assert.Equal(0UL, after.Gpr[5]);
    }

    [Theory]
    [InlineData("368b06", GeneralProtection)] // ss: mov eax, [rsi]
    [InlineData("36ac", GeneralProtection)] // ss: lodsb
    [InlineData("3e8b4500", StackFault)] // ds: mov eax, [rbp]
    public void A_segment_prefix_does_not_decide_in_64_bit_mode_whose_fault_an_address_is(string bytes, int vector)
    {
        var after = RunAsUser(a =>
        {
            a.mov(rsi, 0x0010_0000_0000_0000);
            a.mov(rbp, rsi);
            a.db(Convert.FromHexString(bytes));
        });
        Assert.Equal(vector, TcgRig.VectorOf(after));
    }

    [Fact]
    public void A_store_that_an_unmasked_x87_exception_prevents_does_not_touch_memory()
    {
        var state = _rig.LongMode();
        state.Gpr[6] = NotThere;
        _rig.Assemble(64, a =>
        {
            a.fninit();
            a.mov(__dword_ptr[rsp - 8], 0x37e);
            a.fldcw(__word_ptr[rsp - 8]);
            a.fstp(__dword_ptr[rsi]);
            a.hlt();
        });

        var after = _rig.RunToHalt(state);

        Assert.Equal(-1, TcgRig.VectorOf(after));
    }

    [Fact]
    public void FCMOV_of_an_empty_register_gives_the_indefinite_value_whatever_its_condition()
    {
        var state = _rig.LongMode();
        _rig.Assemble(64, a =>
        {
            a.fninit();
            a.fld1();
            a.or(eax, 1);
            a.fcmove(st0, st5);
            a.fstp(__qword_ptr[rsp - 8]);
            a.hlt();
        });

        _rig.RunToHalt(state);

        Assert.Equal(0xfff8_0000_0000_0000, _rig.ReadQword(TcgRig.StackTop - 8));
    }

    private X86State RunAsUser(Action<Assembler> program)
    {
        var state = _rig.LongMode();
        state.Cs = new X86Segment(TcgRig.UserCode64, 0, uint.MaxValue, 0xa0fb);
        state.Ss = new X86Segment(TcgRig.UserData, 0, uint.MaxValue, 0xc0f3);
        state.Gpr[6] = NotThere;
        _rig.Assemble(64, a =>
        {
            program(a);
            a.hlt();
        });
        return _rig.RunToHalt(state);
    }
}
