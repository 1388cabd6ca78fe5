using System.Buffers.Binary;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>What kind of code a program is.</summary>
public enum CpuMode
{
    /// <summary>64-bit, privilege level 3: what the host's own CPU can run too.</summary>
    User64,

    /// <summary>64-bit, privilege level 0.</summary>
    Kernel64,

    /// <summary>32-bit code of privilege level 3 in long mode.</summary>
    Compatibility32,

    /// <summary>32-bit, flat, privilege level 0, no paging.</summary>
    Protected32,

    Real16,
}

/// <summary>
/// Instructions with the registers that they begin with. The byte form is total: a head of selectors, each into a table of values that have broken CPUs before, then
/// code. What a short input lacks is 0.
/// </summary>
public readonly ref struct CpuProgram
{
    /// <summary>Mode, flags, MXCSR, FCW, x87 tags and top, then a selector a register.</summary>
    public const int HeadBytes = RegistersAt + 16 + 16 + 8;

    /// <summary>Longest code; more is cut.</summary>
    public const int MaxCodeBytes = 512;

    /// <summary>Where a program finds its code, two pages of data, and its stack: linear, and where paging is off physical.</summary>
    public const ulong CodeAddress = 0x10000, DataAddress = 0x20000, StackAddress = 0x30000;

    public const int PageBytes = 0x1000, DataBytes = 2 * PageBytes;

    private const int ModeAt = 0, FlagsAt = 1, MxcsrAt = 3, FcwAt = 5, X87At = 7, RegistersAt = 8, VectorsAt = RegistersAt + 16, StackRegistersAt = VectorsAt + 16;
    private const int Modes = (int)CpuMode.Real16 + 1, StackPointer = 4;

    // CF PF AF ZF SF DF OF NT AC ID.
    private const ulong FlagsMask = 0x244cd5;

    private static readonly ulong[] Values = MakeValues();
    private static readonly ulong[] Floats = MakeFloats();

    private readonly ReadOnlySpan<byte> _head;

    public CpuProgram(ReadOnlySpan<byte> input)
    {
        _head = input[..Math.Min(input.Length, HeadBytes)];
        Code = input.Length <= HeadBytes ? [] : input[HeadBytes..Math.Min(input.Length, HeadBytes + MaxCodeBytes)];
    }

    public CpuMode Mode => (CpuMode)(Head(ModeAt) % Modes);

    public ReadOnlySpan<byte> Code { get; }

    /// <summary>The x87 begins with its invalid operation exception masked.</summary>
    public bool MasksInvalid => (Head(FcwAt) & 1) == 0;

    /// <summary>Of its instructions: 16, 32 or 64.</summary>
    public int Bitness => BitnessOf(Mode);

    /// <summary>What the data pages hold at the start: the same for all programs.</summary>
    public static ReadOnlySpan<byte> Data => DataPages;

    private static readonly byte[] DataPages = MakeData();

    public static int BitnessOf(CpuMode mode) => mode switch { CpuMode.User64 or CpuMode.Kernel64 => 64, CpuMode.Real16 => 16, _ => 32 };

    /// <summary>Puts general registers, flags, x87 and SSE registers into a state.</summary>
    public unsafe void SetRegisters(ref X86State state)
    {
        for (var i = 0; i < 16; i++)
            state.Gpr[i] = Values[Head(RegistersAt + i)];
        state.Gpr[StackPointer] = StackAddress + 0x800 + (ulong)(sbyte)Head(RegistersAt + StackPointer) * 4;
        if (Bitness == 32)
        {
            for (var i = 0; i < 16; i++)
                state.Gpr[i] = i < 8 ? (uint)state.Gpr[i] : 0;
        }
        else if (Bitness == 16)
        {
            // Offsets into segments.
            for (var i = 0; i < 16; i++)
                state.Gpr[i] = i < 8 ? state.Gpr[i] - (state.Gpr[i] >> 16 is 2 or 3 ? state.Gpr[i] & 0xf0000 : 0) & uint.MaxValue : 0;
        }
        state.Rflags = ((ulong)Head(FlagsAt) | (ulong)Head(FlagsAt + 1) << 8 | (ulong)(Head(FlagsAt + 1) & 0x30) << 14) & FlagsMask | 0x202;
        fixed (byte* image = state.Fxsave)
        {
            var fxsave = new Span<byte>(image, 512);
            fxsave.Clear();
            BinaryPrimitives.WriteUInt16LittleEndian(fxsave, (ushort)((Head(FcwAt) ^ 0x3f | 0x40) & 0x7f | (Head(FcwAt + 1) ^ 3) << 8 & 0xf00));
            var top = Head(X87At) & 7;
            BinaryPrimitives.WriteUInt16LittleEndian(fxsave[2..], (ushort)(top << 11));
            fxsave[4] = (Head(X87At) >> 3) switch { 0 => 0, 1 => 0xff, var some => (byte)(some * 0x1d) };
            BinaryPrimitives.WriteUInt32LittleEndian(fxsave[24..], (uint)((Head(MxcsrAt) | Head(MxcsrAt + 1) << 8) ^ 0x1f80) & 0xffc0);
            BinaryPrimitives.WriteUInt32LittleEndian(fxsave[28..], 0xffff);
            for (var i = 0; i < 8; i++)
            {
                var selector = Head(StackRegistersAt + i);
                BinaryPrimitives.WriteUInt64LittleEndian(fxsave[(32 + 16 * i)..], Significand(selector));
                BinaryPrimitives.WriteUInt16LittleEndian(fxsave[(40 + 16 * i)..], SignExponent(selector));
            }
            for (var i = 0; i < 16; i++)
            {
                var selector = Head(VectorsAt + i);
                BinaryPrimitives.WriteUInt64LittleEndian(fxsave[(160 + 16 * i)..], Floats[selector]);
                BinaryPrimitives.WriteUInt64LittleEndian(fxsave[(168 + 16 * i)..], Floats[(byte)(selector * 37)]);
            }
        }
    }

    private byte Head(int at) => at < _head.Length ? _head[at] : (byte)0;

    private static ulong Significand(byte selector) => (selector & 15) switch
    {
        0 => 0,
        1 => 1UL << 63,
        2 => 3UL << 62,
        3 => ulong.MaxValue,
        4 => 1,
        // Without the integer bit: denormal, or unsupported.
        5 => 1UL << 62,
        6 => 1UL << 63 | 1,
        _ => Values[selector] | 1UL << 63,
    };

    private static ushort SignExponent(byte selector) => (ushort)(((selector >> 4) switch
    {
        0 => 0x3fff,
        1 => 0,
        2 => 0x7fff,
        3 => 1,
        4 => 0x7ffe,
        5 => 0x4000,
        6 => 0x3ffe,
        7 => 0x403e,
        8 => 0x401e,
        9 => 0x3fbf,
        _ => 0x3fff + (selector >> 4) - 12,
    }) | (selector & 8) << 12);

    private static ulong[] MakeValues()
    {
        var values = new ulong[256];
        var random = new FuzzRandom(0x6370752076616c75);
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = i switch
            {
                0 => 0,
                < 64 => DataAddress + (ulong)i * 0x80,
                < 80 => (ulong)(i - 64),
                < 112 => 1UL << (i - 80) * 2,
                < 144 => ulong.MaxValue >> (i - 112) * 2,
                < 160 => unchecked((ulong)-(long)(i - 143)),
                160 => 0x7fff,
                161 => 0x8000,
                162 => 0x7fffffff,
                163 => 0x80000000,
                164 => 0xffffffff80000000,
                165 => 0x7fffffffffff,
                166 => 0x800000000000,
                167 => 0xffff800000000000,
                168 => StackAddress + 0x400,
                169 => CodeAddress + 0x800,
                170 => DataAddress + DataBytes - 4,
                171 => DataAddress + PageBytes - 3,
                172 => 0x8000000000000000,
                173 => 0x7fffffffffffffff,
                174 => 0x5555555555555555,
                175 => 0x0102040810204080,
                _ => random.Next() >> (i & 7) * 7,
            };
        }
        return values;
    }

    private static ulong[] MakeFloats()
    {
        double[] doubles =
        [
            0, -0.0, 1, -1, 2, 0.5, Math.PI, -Math.E, double.MaxValue, double.MinValue, double.Epsilon, -double.Epsilon, double.PositiveInfinity, double.NegativeInfinity,
            2.2250738585072014E-308, 1e-310, 4294967296, 2147483647.5, -2147483648.5, 9.2233720368547758E18, -9.2233720368547758E18, 1.5, 2.5, 1e308, 1e-300, 3, 10, 0.1,
        ];
        float[] singles =
        [
            0, -0f, 1, -1, 2, 0.5f, MathF.PI, -MathF.E, float.MaxValue, float.MinValue, float.Epsilon, -float.Epsilon, float.PositiveInfinity, float.NegativeInfinity,
            1.17549435E-38f, 1e-40f, 2147483648f, -2147483648f, 1.5f, 2.5f, 1e38f, 1e-30f, 3, 0.1f,
        ];
        ulong[] other = [0x7ff8000000000000, 0xfff8000000000000, 0x7ff0000000000001, 0x7ff4000000000000, 0x7fc000007f800001, 0xffc000007fa00000, ulong.MaxValue, 0x0001000200030004, 0x7fff80007f80ff81];
        var values = new ulong[256];
        var random = new FuzzRandom(0x6370752066706174);
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = i switch
            {
                < 64 => BitConverter.DoubleToUInt64Bits(doubles[i % doubles.Length]),
                < 160 => BitConverter.SingleToUInt32Bits(singles[i % singles.Length]) | (ulong)BitConverter.SingleToUInt32Bits(singles[i * 7 % singles.Length]) << 32,
                < 208 => other[i % other.Length],
                _ => random.Next(),
            };
        }
        values[0] = 0;
        return values;
    }

    private static byte[] MakeData()
    {
        var data = new byte[DataBytes];
        for (var i = 0; i < DataBytes / 8; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(8 * i), i % 3 == 0 ? Values[i * 5 & 0xff] : Floats[i * 7 & 0xff]);
        return data;
    }
}
