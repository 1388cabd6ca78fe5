using Gauntlet.Fuzz.Engine;
using Iced.Intel;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>Makes encodings of random instructions: any opcode of the tables, with prefixes, operands that mostly lie in the program's data, and constants of all kinds.</summary>
public sealed class InstructionMaker
{
    private const int MaxInstructionBytes = 15, Tries = 8;

    private static readonly byte[] Constants = [0, 1, 2, 3, 7, 8, 0xf, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xfe, 0xff];

    // RBX, RBP, RSI, RDI: what the 16-bit forms can address by, too.
    private static readonly byte[] Bases = [3, 5, 6, 7];

    // In the order of bitness: 16, 32, 64.
    private readonly OpCodeInfo[][] _legacy = [Opcodes(info => info.Mode16), Opcodes(info => info.Mode32), Opcodes(info => info.Mode64)];

    // Of the one-byte map: a small part of all opcodes, and most of what guests run.
    private readonly OpCodeInfo[][] _common;

    public InstructionMaker() => _common = [.. _legacy.Select(static opcodes => opcodes.Where(static info => info is { Table: OpCodeTableKind.Normal, OpCode: < 0xd8 or > 0xdf }).ToArray())];

    /// <summary>One instruction; how many bytes it takes.</summary>
    /// <param name="bitness">16, 32 or 64.</param>
    /// <param name="destination">At least 15 bytes.</param>
    public int Make(FuzzRandom random, int bitness, Span<byte> destination)
    {
        var opcodes = (random.OneIn(2) ? _legacy : _common)[bitness == 16 ? 0 : bitness == 32 ? 1 : 2];
        Span<byte> bytes = stackalloc byte[32];
        for (var left = Tries; left > 0; left--)
        {
            Write(random, opcodes[random.Below(opcodes.Length)], bitness, bytes);
            var decoder = Decoder.Create(bitness, new ByteArrayCodeReader(bytes[..MaxInstructionBytes].ToArray()));
            decoder.Decode(out var instruction);
            if (instruction.IsInvalid)
                continue;
            bytes[..instruction.Length].CopyTo(destination);
            return instruction.Length;
        }
        destination[0] = 0x90;
        return 1;
    }

    private static OpCodeInfo[] Opcodes(Func<OpCodeInfo, bool> isOfMode) =>
        [.. Enum.GetValues<Code>().Select(code => code.ToOpCode()).Where(info => info.IsInstruction && info.Encoding == EncodingKind.Legacy && isOfMode(info))];

    private static void Write(FuzzRandom random, OpCodeInfo info, int bitness, Span<byte> bytes)
    {
        var at = 0;
        if (random.OneIn(16))
            bytes[at++] = Pick<byte>(random, [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0x66, 0xf0, 0xf2, 0xf3]);
        else if (random.OneIn(4) && (info.CanUseRepPrefix || info.CanUseRepnePrefix))
            bytes[at++] = random.OneIn(3) ? (byte)0xf2 : (byte)0xf3;
        else if (random.OneIn(8) && info.CanUseLockPrefix)
            bytes[at++] = 0xf0;
        if (info.OperandSize == 16 && bitness != 16 || info.OperandSize == 32 && bitness == 16)
            bytes[at++] = 0x66;
        if (info.AddressSize == 16 && bitness == 32 || info.AddressSize == 32 && bitness != 32)
            bytes[at++] = 0x67;
        switch (info.MandatoryPrefix)
        {
            case MandatoryPrefix.P66:
                bytes[at++] = 0x66;
                break;
            case MandatoryPrefix.PF3:
                bytes[at++] = 0xf3;
                break;
            case MandatoryPrefix.PF2:
                bytes[at++] = 0xf2;
                break;
        }
        if (bitness == 64)
        {
            var wide = info.OperandSize == 64 && !info.DefaultOpSize64;
            if (wide || random.OneIn(3))
                bytes[at++] = (byte)(0x40 | (wide ? 8 : random.OneIn(8) ? 8 : 0) | random.Below(8));
        }
        at += info.Table switch
        {
            OpCodeTableKind.T0F => Escape(bytes[at..], 0x0f),
            OpCodeTableKind.T0F38 => Escape(bytes[at..], 0x0f, 0x38),
            OpCodeTableKind.T0F3A => Escape(bytes[at..], 0x0f, 0x3a),
            _ => 0,
        };
        if (info.OpCodeLength == 2)
            bytes[at++] = (byte)(info.OpCode >> 8);
        bytes[at++] = (byte)info.OpCode;
        var byOpcode = false;
        var branch = 0;
        for (var i = 0; i < info.OpCount; i++)
        {
            var kind = info.GetOpKind(i);
            byOpcode |= kind is OpCodeOperandKind.r8_opcode or OpCodeOperandKind.r16_opcode or OpCodeOperandKind.r32_opcode or OpCodeOperandKind.r64_opcode or OpCodeOperandKind.sti_opcode;
            branch = kind switch
            {
                OpCodeOperandKind.br16_1 or OpCodeOperandKind.br32_1 or OpCodeOperandKind.br64_1 => 1,
                OpCodeOperandKind.br16_2 => 2,
                OpCodeOperandKind.br32_4 or OpCodeOperandKind.br64_4 => 4,
                _ => branch,
            };
        }
        if (byOpcode)
            bytes[at - 1] = (byte)(bytes[at - 1] & ~7 | random.Below(8));
        if (branch > 0)
        {
            // Into the next few instructions, mostly.
            var distance = random.OneIn(16) ? (int)random.Next() : random.Below(24);
            for (var i = 0; i < branch; i++)
                bytes[at++] = (byte)(distance >> 8 * i);
        }
        else if (info.IsRmGroup)
        {
            bytes[at++] = (byte)(0xc0 | (info.IsGroup ? info.GroupIndex : random.Below(8)) << 3 | info.RmGroupIndex);
        }
        else
        {
            at = WriteModRm(random, info.IsGroup ? info.GroupIndex : random.Below(8), bytes, at);
        }
        while (at < bytes.Length)
            bytes[at++] = random.OneIn(2) ? Pick(random, Constants) : (byte)random.Next();
    }

    // Where the instruction has none, constants.
    private static int WriteModRm(FuzzRandom random, int register, Span<byte> bytes, int at)
    {
        switch (random.Below(8))
        {
            case < 4:
                bytes[at++] = (byte)(0xc0 | register << 3 | random.Below(8));
                break;
            case < 6:
                bytes[at++] = (byte)(0x40 | register << 3 | Pick(random, Bases));
                bytes[at++] = (byte)random.Next();
                break;
            case 6:
                bytes[at++] = (byte)(register << 3 | Pick(random, Bases));
                break;
            default:
                bytes[at++] = (byte)(random.Next() & 0xc7 | (uint)register << 3);
                break;
        }
        return at;
    }

    private static int Escape(Span<byte> bytes, params ReadOnlySpan<byte> escape)
    {
        escape.CopyTo(bytes);
        return escape.Length;
    }

    private static T Pick<T>(FuzzRandom random, ReadOnlySpan<T> choices) => choices[random.Below(choices.Length)];
}
