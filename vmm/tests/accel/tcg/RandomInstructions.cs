using Iced.Intel;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>An instruction and the status flags that it leaves undefined.</summary>
internal readonly record struct RandomInstruction(Instruction Instruction, ulong UndefinedFlags);

/// <summary>Random integer instructions whose results the manual defines, on any register but RSP and RDI and on memory at [RDI + 0 … 255].</summary>
internal sealed class RandomInstructions(int seed)
{
    private const ulong CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;

    private static readonly int[] s_usable = [0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15];

    private readonly Random _random = new(seed);

    /// <summary>The status flags.</summary>
    public const ulong Status = CF | PF | AF | ZF | SF | OF;

    public ulong NextValue() => _random.Next(6) switch
    {
        0 => 0,
        1 => ulong.MaxValue,
        2 => 1ul << _random.Next(64),
        3 => (1ul << _random.Next(64)) - 1,
        4 => (ulong)_random.Next(256),
        _ => (ulong)_random.NextInt64(long.MinValue, long.MaxValue),
    };

    public RandomInstruction Next() => _random.Next(13) switch
    {
        0 or 1 or 2 => TwoOperands(),
        3 => WithImmediate(),
        4 => OneOperand(),
        5 or 6 => Shift(),
        7 => DoubleShift(),
        8 => BitTest(),
        9 => Extend(),
        10 => Conditional(),
        11 => Multiply(),
        _ => Misc(),
    };

    private T Pick<T>(params T[] choices) => choices[_random.Next(choices.Length)];

    private Register Gpr(int size) => Sized(Pick(s_usable), size);

    private static Register Sized(int index, int size) => size switch
    {
        // Without REX 5 and 6 would be CH and DH: SPL and so on need it, which the encoder adds.
        1 => index < 4 ? Register.AL + index : Register.SPL + (index - 4),
        2 => Register.AX + index,
        4 => Register.EAX + index,
        _ => Register.RAX + index,
    };

    private MemoryOperand Memory() => new(Register.RDI, _random.Next(240));

    private static Code Of(string name) => Enum.Parse<Code>(name);

    // The register or memory form of an instruction whose first operand is r/m.
    private Instruction RmReg(string mnemonic, int bits)
    {
        var code = Of($"{mnemonic}_rm{bits}_r{bits}");
        var source = bits == 8 && _random.Next(4) == 0 ? Pick(Register.AH, Register.CH, Register.DH, Register.BH) : Gpr(bits / 8);
        if (_random.Next(3) == 0)
            return Instruction.Create(code, Memory(), source);
        // AH and its like cannot meet a REX prefix.
        return Instruction.Create(code, source is >= Register.AH and <= Register.BH ? Pick(Register.AL, Register.BL, Register.CH, Register.DL) : Gpr(bits / 8), source);
    }

    private int Bits() => Pick(8, 16, 32, 64);

    private RandomInstruction TwoOperands()
    {
        var mnemonic = Pick("Add", "Or", "Adc", "Sbb", "And", "Sub", "Xor", "Cmp", "Test", "Mov", "Xchg", "Xadd", "Cmpxchg");
        return new RandomInstruction(RmReg(mnemonic, Bits()), mnemonic is "And" or "Or" or "Xor" or "Test" ? AF : 0);
    }

    private RandomInstruction WithImmediate()
    {
        var mnemonic = Pick("Add", "Or", "Adc", "Sbb", "And", "Sub", "Xor", "Cmp");
        var bits = Pick(16, 32, 64);
        var code = Of($"{mnemonic}_rm{bits}_imm8");
        var immediate = _random.Next(-128, 128);
        return new RandomInstruction(
            _random.Next(3) == 0 ? Instruction.Create(code, Memory(), immediate) : Instruction.Create(code, Gpr(bits / 8), immediate),
            mnemonic is "And" or "Or" or "Xor" ? AF : 0);
    }

    private RandomInstruction OneOperand()
    {
        var code = Of($"{Pick("Inc", "Dec", "Neg", "Not")}_rm{Bits()}");
        var size = int.Parse(code.ToString().Split("_rm")[1], System.Globalization.CultureInfo.InvariantCulture) / 8;
        return new RandomInstruction(_random.Next(3) == 0 ? Instruction.Create(code, Memory()) : Instruction.Create(code, Gpr(size)), 0);
    }

    private RandomInstruction Shift()
    {
        var mnemonic = Pick("Shl", "Shr", "Sar", "Rol", "Ror", "Rcl", "Rcr");
        var bits = Bits();
        if (_random.Next(2) == 0)
        {
            // The count is in CL, whatever it is: OF and AF are not defined, CF neither when a narrow operand is shifted out.
            var byCl = Of($"{mnemonic}_rm{bits}_CL");
            var undefined = OF | AF | (bits < 32 ? CF : 0);
            return new RandomInstruction(Instruction.Create(byCl, Gpr(bits / 8), Register.CL), undefined);
        }
        var count = _random.Next(1, bits);
        var rotate = mnemonic[0] == 'R';
        return new RandomInstruction(
            _random.Next(3) == 0 ? Instruction.Create(Of($"{mnemonic}_rm{bits}_imm8"), Memory(), count) : Instruction.Create(Of($"{mnemonic}_rm{bits}_imm8"), Gpr(bits / 8), count),
            (rotate ? 0 : AF) | (count == 1 ? 0 : OF));
    }

    private RandomInstruction DoubleShift()
    {
        var bits = Pick(16, 32, 64);
        var count = _random.Next(1, bits);
        return new RandomInstruction(
            Instruction.Create(Of($"{Pick("Shld", "Shrd")}_rm{bits}_r{bits}_imm8"), Gpr(bits / 8), Gpr(bits / 8), count), AF | (count == 1 ? 0 : OF));
    }

    private RandomInstruction BitTest()
    {
        var mnemonic = Pick("Bt", "Bts", "Btr", "Btc");
        var bits = Pick(16, 32, 64);
        return new RandomInstruction(
            _random.Next(2) == 0
                ? Instruction.Create(Of($"{mnemonic}_rm{bits}_r{bits}"), Gpr(bits / 8), Gpr(bits / 8))
                : Instruction.Create(Of($"{mnemonic}_rm{bits}_imm8"), Memory(), _random.Next(256)),
            OF | SF | AF | PF);
    }

    private RandomInstruction Extend() => new(
        Pick(
            Instruction.Create(Code.Movzx_r32_rm8, Gpr(4), Gpr(1)),
            Instruction.Create(Code.Movzx_r64_rm16, Gpr(8), Memory()),
            Instruction.Create(Code.Movsx_r16_rm8, Gpr(2), Memory()),
            Instruction.Create(Code.Movsx_r64_rm8, Gpr(8), Gpr(1)),
            Instruction.Create(Code.Movsx_r32_rm16, Gpr(4), Gpr(2)),
            Instruction.Create(Code.Movsxd_r64_rm32, Gpr(8), Memory()),
            Instruction.Create(Code.Cbw), Instruction.Create(Code.Cwde), Instruction.Create(Code.Cdqe),
            Instruction.Create(Code.Cwd), Instruction.Create(Code.Cdq), Instruction.Create(Code.Cqo),
            Instruction.Create(Code.Bswap_r32, Gpr(4)), Instruction.Create(Code.Bswap_r64, Gpr(8))), 0);

    private RandomInstruction Conditional()
    {
        var condition = Pick("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g");
        var bits = Pick(16, 32, 64);
        return new RandomInstruction(_random.Next(2) == 0
            ? Instruction.Create(Of($"Set{condition}_rm8"), Gpr(1))
            : Instruction.Create(Of($"Cmov{condition}_r{bits}_rm{bits}"), Gpr(bits / 8), Gpr(bits / 8)), 0);
    }

    private RandomInstruction Multiply()
    {
        var bits = Bits();
        const ulong Undefined = SF | ZF | AF | PF;
        return _random.Next(3) switch
        {
            0 => new RandomInstruction(Instruction.Create(Of($"Mul_rm{bits}"), Gpr(bits / 8)), Undefined),
            1 => new RandomInstruction(Instruction.Create(Of($"Imul_rm{bits}"), Gpr(bits / 8)), Undefined),
            _ => Imul(Pick(16, 32, 64), Undefined),
        };
    }

    private RandomInstruction Imul(int bits, ulong undefined) =>
        new(Instruction.Create(Of($"Imul_r{bits}_rm{bits}_imm8"), Gpr(bits / 8), Gpr(bits / 8), _random.Next(-128, 128)), undefined);

    private RandomInstruction Misc() => new(
        Pick(
            Instruction.Create(Code.Clc), Instruction.Create(Code.Stc), Instruction.Create(Code.Cmc), Instruction.Create(Code.Lahf), Instruction.Create(Code.Sahf),
            Instruction.Create(Code.Lea_r64_m, Gpr(8), new MemoryOperand(Gpr(8), Gpr(8), Pick(1, 2, 4, 8), _random.Next(-1000, 1000), 1)),
            Instruction.Create(Code.Lea_r32_m, Gpr(4), new MemoryOperand(Gpr(8), Gpr(8), Pick(1, 2, 4, 8), _random.Next(-1000, 1000), 1)),
            Instruction.Create(Code.Mov_r64_imm64, Gpr(8), NextValue()),
            Instruction.Create(Code.Mov_rm16_r16, Memory(), Gpr(2)),
            Instruction.Create(Code.Mov_r8_rm8, Pick(Register.AH, Register.BL, Register.DH), Memory())), 0);
}
