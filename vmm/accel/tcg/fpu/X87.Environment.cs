using System.Buffers.Binary;
using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>FLDENV, FNSTENV, FRSTOR, FNSAVE in their four formats (SDM Vol. 1, figures 8-9 to 8-12).</summary>
public static partial class X87
{
    private const ushort OpcodeMask = 0x7ff;

    private static int EnvironmentBytes(bool wide) => wide ? 28 : 14;

    /// <summary>Writes the environment; FNSTENV then masks all exceptions.</summary>
    private static void StoreEnvironment(ref X86FpuState s, Span<byte> bytes, bool wide, bool realMode)
    {
        WriteEnvironment(s, bytes, wide, realMode);
        s.Fcw |= (ushort)FloatExceptions.All;
        Summarize(ref s);
    }

    private static void Save(ref X86FpuState s, Span<byte> bytes, bool wide, bool realMode)
    {
        WriteEnvironment(s, bytes, wide, realMode);
        var registers = bytes[EnvironmentBytes(wide)..];
        for (var i = 0; i < 8; i++)
            WriteRegister(registers[(i * Float80.Bytes)..], s.R[Top(s) + i & 7]);
        Initialize(ref s);
    }

    private static void Restore(ref X86FpuState s, ReadOnlySpan<byte> bytes, bool wide, bool realMode)
    {
        LoadEnvironment(ref s, bytes, wide, realMode);
        var registers = bytes[EnvironmentBytes(wide)..];
        for (var i = 0; i < 8; i++)
            s.R[Top(s) + i & 7] = ReadRegister(registers[(i * Float80.Bytes)..]);
    }

    private static void WriteEnvironment(in X86FpuState s, Span<byte> bytes, bool wide, bool realMode)
    {
        var (ip, dp) = ((uint)s.Fip, (uint)s.Fdp);
        if (wide)
        {
            // The upper half of the 16-bit words is reserved and written as ones.
            const uint reserved = 0xffff0000;
            Write32(bytes, 0, reserved | s.Fcw);
            Write32(bytes, 1, reserved | s.Fsw);
            Write32(bytes, 2, reserved | FullTagWord(s));
            if (realMode)
            {
                (ip, dp) = (Linear(s.Fcs, ip), Linear(s.Fds, dp));
                Write32(bytes, 3, reserved | ip & 0xffff);
                Write32(bytes, 4, ip >> 16 << 12 | s.Fop & (uint)OpcodeMask);
                Write32(bytes, 5, reserved | dp & 0xffff);
                Write32(bytes, 6, dp >> 16 << 12);
            }
            else
            {
                Write32(bytes, 3, ip);
                Write32(bytes, 4, s.Fcs | (uint)(s.Fop & OpcodeMask) << 16);
                Write32(bytes, 5, dp);
                Write32(bytes, 6, reserved | s.Fds);
            }

            return;
        }

        Write16(bytes, 0, s.Fcw);
        Write16(bytes, 1, s.Fsw);
        Write16(bytes, 2, FullTagWord(s));
        if (realMode)
        {
            (ip, dp) = (Linear(s.Fcs, ip), Linear(s.Fds, dp));
            Write16(bytes, 3, ip);
            Write16(bytes, 4, ip >> 16 << 12 | s.Fop & (uint)OpcodeMask);
            Write16(bytes, 5, dp);
            Write16(bytes, 6, dp >> 16 << 12);
        }
        else
        {
            Write16(bytes, 3, ip);
            Write16(bytes, 4, s.Fcs);
            Write16(bytes, 5, dp);
            Write16(bytes, 6, s.Fds);
        }

        static uint Linear(ushort selector, uint offset) => ((uint)selector << 4) + offset;

        static void Write32(Span<byte> bytes, int index, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[(index * 4)..], value);

        static void Write16(Span<byte> bytes, int index, uint value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes[(index * 2)..], (ushort)value);
    }

    private static void LoadEnvironment(ref X86FpuState s, ReadOnlySpan<byte> bytes, bool wide, bool realMode)
    {
        var step = wide ? 4 : 2;
        s.Fsw = Word(bytes, 1, step);
        SetFullTagWord(ref s, Word(bytes, 2, step));
        if (realMode)
        {
            var high = Dword(bytes, 4, step);
            s.Fip = Word(bytes, 3, step) | (high >> 12) << 16;
            s.Fop = (ushort)(high & OpcodeMask);
            s.Fdp = Word(bytes, 5, step) | (Dword(bytes, 6, step) >> 12) << 16;
            s.Fcs = s.Fds = 0;
        }
        else
        {
            s.Fip = Dword(bytes, 3, step);
            s.Fcs = Word(bytes, 4, step);
            s.Fop = wide ? (ushort)(Dword(bytes, 4, step) >> 16 & OpcodeMask) : (ushort)0;
            s.Fdp = Dword(bytes, 5, step);
            s.Fds = Word(bytes, 6, step);
        }

        // Last: what it unmasks becomes pending.
        LoadControl(ref s, Word(bytes, 0, step));

        static ushort Word(ReadOnlySpan<byte> bytes, int index, int step) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[(index * step)..]);

        static uint Dword(ReadOnlySpan<byte> bytes, int index, int step)
            => step == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes[(index * step)..]) : Word(bytes, index, step);
    }
}
