using FsCheck.Fluent;
using Gauntlet.Vmm.Accel.Tcg.Backends.X64;
using Iced.Intel;

namespace Gauntlet.Vmm.Tests.Accel.Tcg.Backends;

/// <summary>What the assembler writes is, to a decoder, the instruction that was asked for.</summary>
public sealed unsafe class X64AssemblerTests
{
    private readonly X64Assembler _assembler = new();
    private Random _random = new(0);

    [Fact]
    public void Every_form_decodes_to_what_was_meant() =>
        Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).ToArbitrary(), seed =>
        {
            _random = new Random(seed);
            var bytes = stackalloc byte[64];
            _assembler.At = bytes;
            var expected = WriteOne();
            var written = new ReadOnlySpan<byte>(bytes, (int)(_assembler.At - bytes)).ToArray();
            var decoder = Decoder.Create(64, written);
            var text = Text(decoder.Decode());
            Assert.True(expected == text, $"seed {seed}: {Convert.ToHexString(written)} is '{text}', meant was '{expected}'");
            Assert.True((int)decoder.IP == written.Length, $"seed {seed}: {Convert.ToHexString(written)} has more than '{text}'");
            return true;
        }).Holds(3000);

    [Fact]
    public void A_patched_jump_goes_to_its_target()
    {
        var bytes = stackalloc byte[64];
        _assembler.At = bytes;
        var conditional = _assembler.JumpIf(X64Condition.Below);
        var plain = _assembler.Jump();
        X64Assembler.Patch(conditional, bytes + 40);
        X64Assembler.Patch(plain, bytes);
        var decoder = Decoder.Create(64, new ReadOnlySpan<byte>(bytes, 11).ToArray());
        var first = decoder.Decode();
        Assert.Equal((Code.Jb_rel32_64, 40ul), (first.Code, first.NearBranchTarget));
        var second = decoder.Decode();
        Assert.Equal((Code.Jmp_rel32_64, 0ul), (second.Code, second.NearBranchTarget));
    }

    private string WriteOne()
    {
        var size = Pick(1, 2, 4, 8);
        var wide = Pick(4, 8);
        X64Register a = Register(), b = Register(), address = Register(), index = Register();
        if (index == X64Register.Rsp)
            index = X64Register.R12;
        int displacement = Displacement(), immediate = Displacement(), scale = _random.Next(4), count = _random.Next(1, 32);
        var alu = (X64Alu)_random.Next(8);
        var condition = (X64Condition)_random.Next(16);
        string A(int s) => Name(a, s);
        string B(int s) => Name(b, s);
        var at = Memory(address, displacement);
        string Indexed(int by, int d) => Memory(address, d, index, by);
        switch (_random.Next(45))
        {
            case 0:
                _assembler.Alu(alu, size, a, b);
                return $"{Lower(alu)} {A(size)},{B(size)}";
            case 1:
                _assembler.Alu(alu, size, a, immediate);
                return $"{Lower(alu)} {A(size)},{Immediate(immediate, size)}";
            case 2:
                _assembler.Alu(alu, size, a, address, displacement);
                return $"{Lower(alu)} {A(size)},{at}";
            case 3:
                _assembler.AluIndexed(alu, size, a, address, index, displacement);
                return $"{Lower(alu)} {A(size)},{Indexed(0, displacement)}";
            case 4:
                _assembler.AluMemory(alu, size, address, displacement, immediate);
                return $"{Lower(alu)} {Width(size)} {at},{Immediate(immediate, size)}";
            case 5:
                _assembler.Test(size, a, b);
                return $"test {A(size)},{B(size)}";
            case 6:
                _assembler.Move(size, a, b);
                return $"mov {A(size)},{B(size)}";
            case 7:
                {
                    var value = _random.Next(3) switch { 0 => (ulong)_random.NextInt64(), 1 => (ulong)(long)immediate, _ => (uint)immediate };
                    _assembler.MoveImmediate(a, value);
                    return $"mov {A(value == (uint)value ? 4 : 8)},{Hex(value)}";
                }
            case 8:
                _assembler.Load(size, a, address, displacement);
                return $"mov {A(size)},{at}";
            case 9:
                _assembler.LoadIndexed(size, a, address, index, scale, displacement);
                return $"mov {A(size)},{Indexed(scale, displacement)}";
            case 10:
                _assembler.Store(size, address, displacement, a);
                return $"mov {at},{A(size)}";
            case 11:
                _assembler.StoreIndexed(size, address, index, displacement, a);
                return $"mov {Indexed(0, displacement)},{A(size)}";
            case 12:
                _assembler.StoreImmediate(size, address, displacement, immediate);
                return $"mov {Width(size)} {at},{Immediate(immediate, size)}";
            case 13:
                size = Pick(1, 2, 4);
                _assembler.MoveZeroExtended(size, a, b);
                return size == 4 ? $"mov {A(4)},{B(4)}" : $"movzx {A(4)},{B(size)}";
            case 14:
                _assembler.LoadZeroExtended(size, a, address, index);
                return size >= 4 ? $"mov {A(size)},{Indexed(0, 0)}" : $"movzx {A(4)},{Width(size)} {Indexed(0, 0)}";
            case 15:
                size = Pick(1, 2, 4);
                _assembler.MoveSignExtended(size, a, b);
                return $"{(size == 4 ? "movsxd" : "movsx")} {A(8)},{B(size)}";
            case 16:
                size = Pick(1, 2, 4);
                _assembler.LoadSignExtended(size, a, address, index);
                return $"{(size == 4 ? "movsxd" : "movsx")} {A(8)},{Width(size)} {Indexed(0, 0)}";
            case 17:
                _assembler.Lea(wide, a, address, displacement);
                return $"lea {A(wide)},{at}";
            case 18:
                _assembler.LeaIndexed(wide, a, address, index, scale, displacement);
                return $"lea {A(wide)},{Indexed(scale, displacement)}";
            case 19:
                {
                    var shift = Pick(X64Shift.Rol, X64Shift.Ror, X64Shift.Shl, X64Shift.Shr, X64Shift.Sar);
                    _assembler.Shift(shift, size, a, count);
                    return $"{Lower(shift)} {A(size)},{Hex((ulong)count)}";
                }
            case 20:
                {
                    var shift = Pick(X64Shift.Rol, X64Shift.Ror, X64Shift.Shl, X64Shift.Shr, X64Shift.Sar);
                    _assembler.ShiftByCl(shift, size, a);
                    return $"{Lower(shift)} {A(size)},cl";
                }
            case 21:
                size = Pick(2, 4, 8);
                _assembler.Multiply(size, a, b);
                return $"imul {A(size)},{B(size)}";
            case 22:
                {
                    var unary = Pick(X64Unary.Not, X64Unary.Neg, X64Unary.Mul, X64Unary.Imul);
                    _assembler.Unary(unary, size, a);
                    return $"{Lower(unary)} {A(size)}";
                }
            case 23:
                _assembler.ByteSwap(wide, a);
                return $"bswap {A(wide)}";
            case 24:
                _assembler.PopCount(wide, a, b);
                return $"popcnt {A(wide)},{B(wide)}";
            case 25:
                _assembler.BitScanForward(wide, a, b);
                return $"bsf {A(wide)},{B(wide)}";
            case 26:
                _assembler.BitScanReverse(wide, a, b);
                return $"bsr {A(wide)},{B(wide)}";
            case 27:
                _assembler.BitSet(wide, a, count);
                return $"bts {A(wide)},{Hex((ulong)count)}";
            case 28:
                _assembler.SetCondition(condition, a);
                return $"set{Suffix(condition)} {A(1)}";
            case 29:
                _assembler.MoveIf(condition, wide, a, b);
                return $"cmov{Suffix(condition)} {A(wide)},{B(wide)}";
            case 30:
                _assembler.JumpMemory(address, displacement);
                return $"jmp qword ptr {at}";
            case 31:
                _assembler.JumpRegister(a);
                return $"jmp {A(8)}";
            case 32:
                _assembler.CallMemory(address, displacement);
                return $"call qword ptr {at}";
            case 33:
                _assembler.Push(a);
                return $"push {A(8)}";
            case 34:
                _assembler.Pop(a);
                return $"pop {A(8)}";
            case 35:
                _assembler.JumpTo(_assembler.At);
                return "jmp 0x0";
            case 36:
                _assembler.CallTo(_assembler.At + 0x100);
                return "call 0x100";
            case 37:
                _assembler.PushFlags();
                return "pushfq";
            case 38:
                _assembler.LeaRelative(a, _assembler.At + 0x100);
                return $"lea {A(8)},[rip+0x100]";
            case 39:
                _assembler.Vector(0x66, 0xfe, count & 7, address, displacement);
                return $"paddd xmm{count & 7},{at}";
            case 40:
                _assembler.Vector(0, 0x59, count & 7, address, displacement);
                return $"mulps xmm{count & 7},{at}";
            case 41:
                _assembler.Vector(0x66, 0x70, count & 7, address, displacement, 0x1b);
                return $"pshufd xmm{count & 7},{at},0x1b";
            case 42:
                _assembler.LoadVector(count & 7, address, index);
                return $"movdqu xmm{count & 7},{Indexed(0, 0)}";
            case 43:
                _assembler.StoreVector(address, index, count & 7);
                return $"movdqu {Indexed(0, 0)},xmm{count & 7}";
            default:
                _assembler.Return();
                return "ret";
        }
    }

    private T Pick<T>(params T[] choices) => choices[_random.Next(choices.Length)];

    private X64Register Register() => (X64Register)_random.Next(16);

    private int Displacement() => _random.Next(4) switch { 0 => 0, 1 => _random.Next(-128, 128), _ => _random.Next(int.MinValue, int.MaxValue) };

    private static string Lower<T>(T name) where T : struct, Enum => name.ToString().ToLowerInvariant();

    private static string Hex(ulong value) => $"0x{value:x}";

    // What the operation works on: sign-extended from 32 bits for 64.
    private static string Immediate(int value, int size) => Hex((ulong)value & ulong.MaxValue >> (64 - 8 * size));

    private static string Width(int size) => size switch { 1 => "byte ptr", 2 => "word ptr", 4 => "dword ptr", _ => "qword ptr" };

    private static string Suffix(X64Condition condition) =>
        ((string[])["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"])[(int)condition];

    private static string Name(X64Register register, int size)
    {
        var index = (int)register;
        var iced = size switch
        {
            1 => index < 4 ? Iced.Intel.Register.AL + index : Iced.Intel.Register.SPL + (index - 4),
            2 => Iced.Intel.Register.AX + index,
            4 => Iced.Intel.Register.EAX + index,
            _ => Iced.Intel.Register.RAX + index,
        };
        return iced.ToString().ToLowerInvariant();
    }

    private static string Memory(X64Register address, int displacement, X64Register? index = null, int scale = 0)
    {
        var text = "[" + Name(address, 8);
        if (index is { } i)
            text += $"+{Name(i, 8)}*{1 << scale}";
        return text + (displacement == 0 ? "]" : displacement < 0 ? $"-0x{-(long)displacement:x}]" : $"+0x{displacement:x}]");
    }

    // One spelling for what is decoded, made from its parts: a formatter would abbreviate.
    private static string Text(in Instruction instruction)
    {
        var text = instruction.Mnemonic.ToString().ToLowerInvariant();
        for (var i = 0; i < instruction.OpCount; i++)
            text += (i == 0 ? " " : ",") + Operand(instruction, i);
        return text;
    }

    private static string Operand(in Instruction instruction, int operand)
    {
        var kind = instruction.GetOpKind(operand);
        switch (kind)
        {
            case OpKind.Register:
                return instruction.GetOpRegister(operand).ToString().ToLowerInvariant();
            case OpKind.NearBranch64:
                return Hex(instruction.NearBranchTarget);
            case OpKind.Memory when instruction.IsIPRelativeMemoryOperand:
                return $"[rip+{Hex(instruction.MemoryDisplacement64)}]";
            case OpKind.Memory:
                {
                    var address = (X64Register)(instruction.MemoryBase - Iced.Intel.Register.RAX);
                    X64Register? index = instruction.MemoryIndex == Iced.Intel.Register.None ? null : (X64Register)(instruction.MemoryIndex - Iced.Intel.Register.RAX);
                    var needsWidth = instruction.Mnemonic is Mnemonic.Movzx or Mnemonic.Movsx or Mnemonic.Movsxd or Mnemonic.Jmp or Mnemonic.Call
                        || instruction.OpCount == 2 && !instruction.Op0Register.IsXMM() && instruction.GetOpKind(1) is >= OpKind.Immediate8 and <= OpKind.Immediate32to64;
                    var width = needsWidth ? Width(instruction.MemorySize.GetSize()) + " " : "";
                    return width + Memory(address, (int)instruction.MemoryDisplacement64, index, int.TrailingZeroCount(instruction.MemoryIndexScale));
                }
            default:
                return Hex(instruction.GetImmediate(operand) & (instruction.Op0Register.IsXMM() ? 0xff : ulong.MaxValue >> (64 - 8 * OperandBytes(instruction))));
        }
    }

    private static int OperandBytes(in Instruction instruction) =>
        instruction.GetOpKind(0) == OpKind.Register ? instruction.Op0Register.GetSize() : instruction.MemorySize.GetSize();
}
