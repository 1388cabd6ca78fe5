using FsCheck.Fluent;
using Gauntlet.Vmm.Accel.Tcg.Backends;
using Gauntlet.Vmm.Accel.Tcg.Backends.Interp;
using Gauntlet.Vmm.Accel.Tcg.Backends.X64;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;
using Gauntlet.Vmm.Accel.Tcg.Passes;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>The IR: text form, verifier, passes and the interpreter, on a guest made for the purpose with eight registers.</summary>
public sealed unsafe class IrTests : IDisposable
{
    private const int Registers = TestCore.Registers, Lazy = Registers + 1;

    private static readonly IrGuest s_guest = TestCore.Guest;

    private readonly IrBlock _block = new();
    private readonly PhysicalMap _physical = new();

    public void Dispose()
    {
        _block.Dispose();
        _physical.Dispose();
    }

    [Fact]
    public void What_is_printed_parses_to_the_same_operations() =>
        Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).ToArbitrary(), seed =>
        {
            Fill(_block, seed, exits: true);
            var text = IrText.Print(_block, s_guest);
            using var parsed = new IrBlock();
            IrText.Parse(text, s_guest, parsed);
            return parsed.Count == _block.Count && IrText.Print(parsed, s_guest) == text && IrVerifier.Check(parsed, s_guest) is null;
        }).Holds(200);

    [Theory]
    [InlineData("frob.i64 r0, r1", "no operation is named 'frob'")]
    [InlineData("mov r0, r1", "lacks its type")]
    [InlineData("mov.i128 r0, r1", "no type is named 'i128'")]
    [InlineData("mov.i64 r0", "the line ends where an operand was expected")]
    [InlineData("mov.i64 r0, r9", "'r9' is no global")]
    [InlineData("mov.i64 r0, t99999", "temporaries are t0 to")]
    [InlineData("mov.i64 r0, $12", "where a number 0xN")]
    [InlineData("mov.i64 r0, r1, r2", "'r2' is left over")]
    [InlineData("call nothing(), 0x0", "no helper is named 'nothing'")]
    [InlineData("setcond.i64 r0, r1, r2, maybe", "no condition is named 'maybe'")]
    [InlineData("ld.i32 r0, r1, mmu=0", "where an address")]
    [InlineData("goto slot=700, 0x0", "slot= takes 0 to 255")]
    public void Text_that_is_no_IR_is_refused_with_its_line_and_reason(string line, string reason)
    {
        var refused = Assert.Throws<IrFormatException>(() => IrText.Parse("insn 0x0\n" + line, s_guest, _block));
        Assert.Contains("line 2", refused.Message, StringComparison.Ordinal);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_text_parses_or_is_refused_and_nothing_else() =>
        Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).ToArbitrary(), seed =>
        {
            var random = new Random(seed);
            Fill(_block, seed, exits: true);
            var text = IrText.Print(_block, s_guest).ToCharArray();
            for (var i = 0; i < 3; i++)
                text[random.Next(text.Length)] = (char)random.Next(10, 127);
            using var parsed = new IrBlock();
            try
            {
                IrText.Parse(new string(text), s_guest, parsed);
                _ = IrVerifier.Check(parsed, s_guest);
            }
            catch (IrFormatException refused)
            {
                return refused.Message.StartsWith("IR line ", StringComparison.Ordinal);
            }
            return true;
        }).Holds(300);

    [Theory]
    [InlineData("insn 0x0", "does not end with an exit")]
    [InlineData("leave\nmov.i64 r0, r1", "operations follow the block's end")]
    [InlineData("mov.i64 r0, t3\nleave", "reads t3 before anything is assigned")]
    [InlineData("mov.i64 $0x1, r0\nleave", "its destination is a constant")]
    [InlineData("extract.i64 r0, r1, 0x4020\nleave", "outside a 64-bit value")]
    [InlineData("lea.i64 r0, r1, r2, shift=4, 0x0\nleave", "a shift of 0 to 3")]
    [InlineData("goto slot=2, 0x0", "chaining slots are 0 and 1")]
    public void The_verifier_names_what_back_ends_cannot_take(string text, string reason)
    {
        IrText.Parse(text, s_guest, _block);
        Assert.Contains(reason, IrVerifier.Check(_block, s_guest) ?? "nothing", StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_does_the_same_before_and_after_the_passes_and_as_its_operations_say() =>
        Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).ToArbitrary(), seed =>
        {
            Fill(_block, seed, exits: false);
            var before = IrText.Print(_block, s_guest);
            var expected = Evaluate(_block, seed);
            var plain = Interpret(_block, seed);
            var plainHost = RunAsHostCode(_block, seed);
            new ConstantFolding().Run(_block, s_guest);
            new DeadStores().Run(_block, s_guest);
            Assert.Null(IrVerifier.Check(_block, s_guest));
            var optimised = Interpret(_block, seed);
            var optimisedHost = RunAsHostCode(_block, seed);
            Assert.True(expected.AsSpan().SequenceEqual(plain), $"seed {seed}, interpreted:\n{before}");
            Assert.True(expected.AsSpan().SequenceEqual(plainHost), $"seed {seed}, as host code:\n{before}");
            Assert.True(expected.AsSpan().SequenceEqual(optimisedHost), $"seed {seed}, as host code after the passes:\n{before}\n{IrText.Print(_block, s_guest)}");
            Assert.True(expected.AsSpan().SequenceEqual(optimised), $"seed {seed}, after the passes:\n{before}\n{IrText.Print(_block, s_guest)}");
            return true;
        }).Holds(400);

    [Fact]
    public void A_value_that_is_overwritten_before_anything_can_see_it_is_not_computed()
    {
        Optimise("""
            insn 0x0, state=3
            add.i64 r0, r1, r2
            add.i64 r0, r3, r4
            leave state=3
            """);
        Assert.DoesNotContain("r1", IrText.Print(_block, s_guest), StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_a_faulting_access_can_show_is_computed()
    {
        Optimise("""
            insn 0x0
            add.i64 r0, r1, r2
            ld.i64 r5, [r6+0x0], mmu=0
            add.i64 r0, r3, r4
            leave
            """);
        Assert.Contains("add.i64 r0, r1, r2", IrText.Print(_block, s_guest), StringComparison.Ordinal);
    }

    [Fact]
    public void The_lazy_state_is_not_stored_where_every_exit_carries_it()
    {
        Optimise("""
            insn 0x0
            mov.i64 lazy, $0x5
            leave state=3
            """);
        Assert.DoesNotContain("lazy", IrText.Print(_block, s_guest), StringComparison.Ordinal);
    }

    private void Optimise(string text)
    {
        IrText.Parse(text, s_guest, _block);
        new ConstantFolding().Run(_block, s_guest);
        new DeadStores().Run(_block, s_guest);
    }

    private static ulong[] Start(int seed)
    {
        var random = new Random(seed ^ 0x5eed);
        return [.. Enumerable.Range(0, Registers).Select(_ => (ulong)random.NextInt64(long.MinValue, long.MaxValue))];
    }

    private ulong[] Interpret(IrBlock block, int seed)
    {
        using var core = new TestCore(_physical);
        using var lowering = new Lowering(s_guest, core.TempOffset);
        Start(seed).CopyTo(core.Globals);
        var translated = lowering.Lower(block, core.Blocks);
        Assert.Equal(BlockExit.Leave, Interpreter.Run(core, translated));
        return core.Globals[..Registers].ToArray();
    }

    private ulong[] RunAsHostCode(IrBlock block, int seed)
    {
        if (!X64Backend.IsSupported)
            return Evaluate(block, seed);
        using var core = new TestCore(_physical);
        using var backend = new X64Backend(core, s_guest, core.Blocks.JumpCache);
        Start(seed).CopyTo(core.Globals);
        var translated = backend.Generate(block, new BlockKey(0, 0, 0), core.Blocks);
        Assert.Equal(BlockExit.Leave, backend.Run(core, translated));
        Assert.Equal(1, core.Header->Instructions);
        Assert.Equal(1ul, core.Globals[Lazy]);
        return core.Globals[..Registers].ToArray();
    }

    /// <summary>The block by the meaning of each operation, without lowering.</summary>
    private static ulong[] Evaluate(IrBlock block, int seed)
    {
        var globals = new ulong[Registers + 2];
        Start(seed).CopyTo(globals, 0);
        var temps = new ulong[IrBlock.MaxTemps];
        ulong Read(IrValue value) => value.IsNone ? 0 : value.IsConstant ? block.ValueOf(value) : value.IsTemp ? temps[value.Index] : globals[value.Index];
        foreach (ref readonly var op in block.Ops)
        {
            ulong a = Read(op.A), b = Read(op.B), c = Read(op.C), result;
            if (op.Opcode is IrOpcode.Insn or IrOpcode.Leave)
                continue;
            if (op.Opcode == IrOpcode.Call)
            {
                result = op.Helper == 0 ? a + b + c + (ulong)op.Imm : a;
                if (op.Helper == 1)
                    globals[op.Imm & 7] += a;
            }
            else if (op.Opcode is IrOpcode.MulHighU or IrOpcode.MulHighS)
                result = op.Opcode == IrOpcode.MulHighU ? (ulong)((UInt128)a * b >> 64) : (ulong)((Int128)(long)a * (long)b >> 64);
            else
                Assert.True(ConstantFolding.TryEvaluate(op, a, b, c, out result));
            if (op.Dst.IsTemp)
                temps[op.Dst.Index] = result;
            else if (op.Dst.IsGlobal)
                globals[op.Dst.Index] = result;
        }
        return globals[..Registers];
    }

    /// <summary>A random valid block.</summary>
    private static void Fill(IrBlock block, int seed, bool exits)
    {
        var random = new Random(seed);
        block.Clear();
        var temps = 0;
        IrValue Value() => random.Next(4) switch
        {
            0 => block.Constant(random.Next(3) == 0 ? (ulong)random.Next(4) : (ulong)random.NextInt64(long.MinValue, long.MaxValue)),
            1 when temps > 0 => IrValue.Temp(random.Next(temps)),
            _ => IrValue.Global(random.Next(Registers)),
        };
        block.Add(new IrOp { Opcode = IrOpcode.Insn, Imm = seed, State = IrOp.NoState });
        var count = random.Next(1, 40);
        for (var i = 0; i < count; i++)
        {
            var op = new IrOp { State = IrOp.NoState, Type = (IrType)random.Next(4) };
            op.Opcode = (IrOpcode)random.Next((int)IrOpcode.Mov, (int)(exits ? IrOpcode.ExitIf : IrOpcode.Select) + 1);
            if (!exits && random.Next(12) == 0)
                op.Opcode = IrOpcode.Call;
            var info = IrOpcodes.Info(op.Opcode);
            if ((info & IrOperands.A) != 0)
                op.A = Value();
            if ((info & IrOperands.B) != 0)
                op.B = Value();
            if ((info & IrOperands.C) != 0)
                op.C = Value();
            if ((info & IrOperands.Cond) != 0)
                op.Cond = (IrCondition)random.Next(10);
            switch (op.Opcode)
            {
                case IrOpcode.Shl or IrOpcode.Shr or IrOpcode.Sar:
                    op.B = block.Constant((ulong)random.Next(op.Type.Bits()));
                    break;
                case IrOpcode.MulHighS or IrOpcode.MulHighU:
                    op.Type = IrType.I64;
                    break;
                case IrOpcode.ByteSwap:
                    op.Type = (IrType)random.Next(1, 4);
                    break;
                case IrOpcode.Lea:
                    op.Type = (IrType)random.Next(1, 4);
                    op.Attr = (byte)random.Next(4);
                    op.Imm = random.Next(2) == 0 ? random.Next(-500, 500) : random.NextInt64(long.MinValue, long.MaxValue);
                    break;
                case IrOpcode.Extract or IrOpcode.Deposit:
                    var position = random.Next(64);
                    op.Imm = random.Next(4) switch { 0 => 0x800, 1 => 0x808, 2 => 0x1000, _ => position | random.Next(1, 65 - position) << 8 };
                    break;
                case IrOpcode.Call:
                    op.Type = IrType.I64;
                    op.Helper = (ushort)random.Next(2);
                    op.Imm = random.Next(1000);
                    break;
                case IrOpcode.Load or IrOpcode.LoadSigned or IrOpcode.Store or IrOpcode.ExitIf:
                    op.Attr = (byte)random.Next(2);
                    op.Imm = random.NextInt64();
                    op.State = op.Opcode == IrOpcode.ExitIf ? (short)random.Next(20) : IrOp.NoState;
                    break;
            }
            if ((info & IrOperands.Dst) != 0)
            {
                if (random.Next(2) == 0)
                    op.Dst = IrValue.Global(random.Next(Registers));
                else if (temps < 30 && random.Next(2) == 0)
                {
                    op.Dst = block.NewTemp();
                    temps++;
                }
                else
                    op.Dst = temps > 0 ? IrValue.Temp(random.Next(temps)) : IrValue.Global(0);
            }
            block.Add(op);
        }
        block.Add(new IrOp { Opcode = IrOpcode.Leave, State = 1 });
    }
}
