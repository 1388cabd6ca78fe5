using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Protocols.Gdb;

/// <summary>
/// The registers of a vCPU as gdb numbers them (GDB, "i386 Features": org.gnu.gdb.i386.core, .sse, .segments), and a feature of gvmm's own for system
/// registers: a table of name, width and place in <see cref="X86State"/>, from which packets and the target description are made.
/// </summary>
/// <param name="is64">x86-64's set; else i386's, for a CPU without long mode.</param>
internal sealed unsafe class GdbRegisters(bool is64)
{
    private const int FcwAt = 0, FswAt = 2, FtwAt = 4, FopAt = 6, FipAt = 8, FcsAt = 12, FdpAt = 16, FdsAt = 20, MxcsrAt = 24, StAt = 32, XmmAt = 160;

    // gdb's order of the first eight, as encoded: RAX RCX RDX RBX RSP RBP RSI RDI are 0 to 7.
    private static ReadOnlySpan<byte> LongOrder => [0, 3, 1, 2, 6, 7, 5, 4];

    private static readonly string[] s_longNames = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];

    private static readonly string[] s_segments = ["cs", "ss", "ds", "es", "fs", "gs"];
    private static readonly string[] s_fpuControls = ["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"];
    private static readonly string[] s_systemNames = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"];

    private int Word => is64 ? 8 : 4;

    private int GprCount => is64 ? 16 : 8;

    /// <summary>Every register's size in bytes, by gdb's number.</summary>
    public int[] Sizes
    {
        get
        {
            var sizes = new List<int>();
            for (var i = 0; i < GprCount + 1; i++)
                sizes.Add(Word);
            for (var i = 0; i < 1 + s_segments.Length; i++)
                sizes.Add(4);
            for (var i = 0; i < 8; i++)
                sizes.Add(10);
            for (var i = 0; i < s_fpuControls.Length; i++)
                sizes.Add(4);
            for (var i = 0; i < GprCount; i++)
                sizes.Add(16);
            sizes.Add(4);
            sizes.Add(Word);
            sizes.Add(Word);
            for (var i = 0; i < s_systemNames.Length; i++)
                sizes.Add(Word);
            return [.. sizes];
        }
    }

    /// <summary>Reads a register.</summary>
    /// <param name="bytes">As long as <see cref="Sizes"/> says; little-endian.</param>
    public void Get(in X86State state, int number, Span<byte> bytes)
    {
        bytes.Clear();
        var (kind, index) = Locate(number);
        switch (kind)
        {
            case Kind.St:
                Fx(state, StAt + index * 16, 10).CopyTo(bytes);
                break;
            case Kind.Xmm:
                Fx(state, XmmAt + index * 16, 16).CopyTo(bytes);
                break;
            default:
                Span<byte> value = stackalloc byte[8];
                BinaryPrimitives.WriteUInt64LittleEndian(value, GetNumber(state, kind, index));
                value[..bytes.Length].CopyTo(bytes);
                break;
        }
    }

    /// <summary>Writes a register. A segment takes only the selector that it has: what else belongs to it, gdb does not say.</summary>
    /// <returns>False: it cannot be set to that.</returns>
    public bool Set(ref X86State state, int number, ReadOnlySpan<byte> bytes)
    {
        var (kind, index) = Locate(number);
        switch (kind)
        {
            case Kind.St:
                bytes.CopyTo(Fx(state, StAt + index * 16, 10));
                return true;
            case Kind.Xmm:
                bytes.CopyTo(Fx(state, XmmAt + index * 16, 16));
                return true;
            default:
                Span<byte> value = stackalloc byte[8];
                value.Clear();
                bytes.CopyTo(value);
                return SetNumber(ref state, kind, index, BinaryPrimitives.ReadUInt64LittleEndian(value));
        }
    }

    /// <summary>The target description (GDB, "Target Description Format").</summary>
    public string Description
    {
        get
        {
            var xml = new StringBuilder("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">");
            xml.Append(is64 ? "<architecture>i386:x86-64</architecture>" : "<architecture>i386</architecture>");
            xml.Append("<feature name=\"org.gnu.gdb.i386.core\">");
            for (var i = 0; i < GprCount; i++)
            {
                var isPointer = i < 8 && GprAt(i) is 4 or 5;
                Register(GprName(i), Word * 8, isPointer ? "data_ptr" : is64 ? "int64" : "int32", "general");
            }
            Register(is64 ? "rip" : "eip", Word * 8, "code_ptr", "general");
            xml.Append("<flags id=\"eflags_type\" size=\"4\">");
            foreach (var (name, bit) in (ReadOnlySpan<(string, int)>)[("CF", 0), ("PF", 2), ("AF", 4), ("ZF", 6), ("SF", 7), ("TF", 8), ("IF", 9), ("DF", 10), ("OF", 11), ("NT", 14), ("RF", 16), ("VM", 17), ("AC", 18), ("VIF", 19), ("VIP", 20), ("ID", 21)])
                xml.Append(CultureInfo.InvariantCulture, $"<field name=\"{name}\" start=\"{bit}\" end=\"{bit}\"/>");
            xml.Append("</flags>");
            Register("eflags", 32, "eflags_type", "general");
            foreach (var name in s_segments)
                Register(name, 32, "int32", "general");
            for (var i = 0; i < 8; i++)
                Register($"st{i}", 80, "i387_ext", "float");
            foreach (var name in s_fpuControls)
                Register(name, 32, "int", "float");
            xml.Append("</feature><feature name=\"org.gnu.gdb.i386.sse\">");
            foreach (var (id, type, count) in (ReadOnlySpan<(string, string, int)>)[("v4f", "ieee_single", 4), ("v2d", "ieee_double", 2), ("v16i8", "int8", 16), ("v8i16", "int16", 8), ("v4i32", "int32", 4), ("v2i64", "int64", 2)])
                xml.Append(CultureInfo.InvariantCulture, $"<vector id=\"{id}\" type=\"{type}\" count=\"{count}\"/>");
            xml.Append("<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>");
            xml.Append("<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>");
            for (var i = 0; i < GprCount; i++)
                Register($"xmm{i}", 128, "vec128", "vector");
            Register("mxcsr", 32, "int", "vector");
            xml.Append("</feature><feature name=\"org.gnu.gdb.i386.segments\">");
            Register("fs_base", Word * 8, "int", "general");
            Register("gs_base", Word * 8, "int", "general");
            xml.Append("</feature><feature name=\"org.gauntlet.i386.system\">");
            foreach (var name in s_systemNames)
                Register(name, Word * 8, is64 ? "int64" : "int32", "system");
            return xml.Append("</feature></target>").ToString();

            void Register(string name, int bits, string type, string group) =>
                xml.Append(CultureInfo.InvariantCulture, $"<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{type}\" group=\"{group}\"/>");
        }
    }

    private enum Kind
    {
        Gpr,
        Rip,
        Flags,
        Segment,
        St,
        FpuControl,
        Xmm,
        Mxcsr,
        Base,
        System,
    }

    private (Kind Kind, int Index) Locate(int number)
    {
        ReadOnlySpan<(Kind Kind, int Count)> banks =
        [
            (Kind.Gpr, GprCount), (Kind.Rip, 1), (Kind.Flags, 1), (Kind.Segment, 6), (Kind.St, 8), (Kind.FpuControl, 8), (Kind.Xmm, GprCount), (Kind.Mxcsr, 1),
            (Kind.Base, 2), (Kind.System, 6),
        ];
        foreach (var (kind, count) in banks)
        {
            if (number < count)
                return (kind, number);
            number -= count;
        }
        throw new ArgumentOutOfRangeException(nameof(number));
    }

    // i386's order is the encoding's own.
    private int GprAt(int number) => is64 && number < 8 ? LongOrder[number] : number;

    private string GprName(int number) => number >= 8 ? $"r{number}" : is64 ? s_longNames[GprAt(number)] : $"e{s_longNames[number][1..]}";

    private static Span<byte> Fx(in X86State state, int offset, int length)
    {
        fixed (byte* image = state.Fxsave)
            return new Span<byte>(image + offset, length);
    }

    private ulong GetNumber(in X86State state, Kind kind, int index) => kind switch
    {
        Kind.Gpr => state.Gpr[GprAt(index)],
        Kind.Rip => state.Rip,
        Kind.Flags => state.Rflags,
        Kind.Segment => SegmentOf(state, index).Selector,
        Kind.FpuControl => FpuControl(state, index),
        Kind.Mxcsr => BinaryPrimitives.ReadUInt32LittleEndian(Fx(state, MxcsrAt, 4)),
        Kind.Base => index == 0 ? state.Fs.Base : state.Gs.Base,
        _ => index switch { 0 => state.Cr0, 1 => state.Cr2, 2 => state.Cr3, 3 => state.Cr4, 4 => state.Cr8, _ => state.Efer },
    };

    private bool SetNumber(ref X86State state, Kind kind, int index, ulong value)
    {
        switch (kind)
        {
            case Kind.Gpr:
                state.Gpr[GprAt(index)] = value;
                return true;
            case Kind.Rip:
                state.Rip = value;
                return true;
            case Kind.Flags:
                // Bit 1 is always set.
                state.Rflags = value | 2;
                return true;
            case Kind.Segment:
                return SegmentOf(state, index).Selector == value;
            case Kind.FpuControl:
                SetFpuControl(state, index, (uint)value);
                return true;
            case Kind.Mxcsr:
                BinaryPrimitives.WriteUInt32LittleEndian(Fx(state, MxcsrAt, 4), (uint)value & 0xffff);
                return true;
            case Kind.Base:
                if (index == 0)
                    state.Fs = state.Fs with { Base = value };
                else
                    state.Gs = state.Gs with { Base = value };
                return true;
            default:
                // A CPU checks what is written there, and KVM refuses what would not pass: only the guest itself does that well.
                return GetNumber(state, kind, index) == value;
        }
    }

    private static X86Segment SegmentOf(in X86State state, int index) => index switch
    {
        0 => state.Cs,
        1 => state.Ss,
        2 => state.Ds,
        3 => state.Es,
        4 => state.Fs,
        _ => state.Gs,
    };

    // fctrl fstat ftag fiseg fioff foseg fooff fop. With FXSAVE64's layout the pointers are 64 bits, of which gdb sees the low half and the next 16 bits.
    private static uint FpuControl(in X86State state, int index) => index switch
    {
        0 => U16(state, FcwAt),
        1 => U16(state, FswAt),
        2 => FullTag(state),
        3 => U16(state, FcsAt),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(Fx(state, FipAt, 4)),
        5 => U16(state, FdsAt),
        6 => BinaryPrimitives.ReadUInt32LittleEndian(Fx(state, FdpAt, 4)),
        _ => U16(state, FopAt),
    };

    private static void SetFpuControl(in X86State state, int index, uint value)
    {
        switch (index)
        {
            case 2:
                var tags = 0;
                for (var i = 0; i < 8; i++)
                    tags |= (value >> (i * 2) & 3) == 3 ? 0 : 1 << i;
                Fx(state, FtwAt, 1)[0] = (byte)tags;
                break;
            case 4:
                BinaryPrimitives.WriteUInt32LittleEndian(Fx(state, FipAt, 4), value);
                break;
            case 6:
                BinaryPrimitives.WriteUInt32LittleEndian(Fx(state, FdpAt, 4), value);
                break;
            default:
                var at = index switch { 0 => FcwAt, 1 => FswAt, 3 => FcsAt, 5 => FdsAt, _ => FopAt };
                BinaryPrimitives.WriteUInt16LittleEndian(Fx(state, at, 2), (ushort)value);
                break;
        }
    }

    private static ushort U16(in X86State state, int at) => BinaryPrimitives.ReadUInt16LittleEndian(Fx(state, at, 2));

    // FXSAVE keeps one bit a register, FSTENV two (SDM Vol. 1, 8.1.7 and 10.5.1.1): 3 empty, 1 zero, 2 special, 0 valid.
    private static uint FullTag(in X86State state)
    {
        var top = U16(state, FswAt) >> 11 & 7;
        var present = Fx(state, FtwAt, 1)[0];
        uint tag = 0;
        for (var register = 0; register < 8; register++)
        {
            var st = Fx(state, StAt + (register - top & 7) * 16, 10);
            var significand = BinaryPrimitives.ReadUInt64LittleEndian(st);
            var exponent = BinaryPrimitives.ReadUInt16LittleEndian(st[8..]) & 0x7fff;
            uint kind = (present >> register & 1) == 0 ? 3u
                : exponent == 0x7fff ? 2u
                : exponent == 0 ? significand == 0 ? 1u : 2u
                : significand >> 63 == 0 ? 2u : 0u;
            tag |= kind << (register * 2);
        }
        return tag;
    }
}
