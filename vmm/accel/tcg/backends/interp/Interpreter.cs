using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.Interp;

/// <summary>One operation of the interpreter. Dst, A, B, C are byte offsets of 64-bit slots in the core's state and temporaries.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
public struct InterpOp
{
    [FieldOffset(0)] private ushort _code;

    /// <summary>Also: the lazy state that an exit stores (negative: none), the TLB table's offset of a store.</summary>
    [FieldOffset(2)] public ushort Dst;
    [FieldOffset(4)] public ushort A;

    /// <summary>Also: the TLB table's offset of a load, a shift count.</summary>
    [FieldOffset(6)] public ushort B;
    [FieldOffset(8)] public long Imm;

    /// <summary>Overlays the low half of <see cref="Imm"/>.</summary>
    [FieldOffset(8)] public int Disp;
    [FieldOffset(12)] public ushort C;

    /// <summary>Access attributes, chaining slot or helper, by operation.</summary>
    [FieldOffset(14)] public ushort Attr;

    public InterpCode Code
    {
        readonly get => (InterpCode)_code;
        set => _code = (ushort)value;
    }
}

/// <summary>
/// Executes lowered blocks, going from block to block by chained exits and the jump cache until something needs the run loop.
/// </summary>
/// <remarks>
/// Every operand is at a byte offset from one base pointer, so that an operation is two loads, a computation and a store, whatever it names.
/// Locals are few on purpose: the JIT keeps them all in registers across the switch.
/// </remarks>
public static unsafe class Interpreter
{
    /// <param name="block">To start with; its mode is the CPU's.</param>
    public static BlockExit Run(TranslatingCore core, TranslatedBlock* block)
    {
        var s = core.Base;
        var tlb = (byte*)core.Header->Tlb;
        InterpOp* op;
    enter:
        if (((CoreHeader*)s)->ExitRequest != 0)
        {
            Set(s, core.PcOffset, block->Key.Pc);
            return BlockExit.Requested;
        }
        ((CoreHeader*)s)->Block = block;
        ((CoreHeader*)s)->Instructions += block->Instructions;
        op = (InterpOp*)block->Code;
        for (; ; op++)
        {
            switch (op->Code)
            {
                case InterpCode.Add8RR: Set(s, op->Dst, (byte)(Get(s, op->A) + Get(s, op->B))); break;
                case InterpCode.Add8RI: Set(s, op->Dst, (byte)(Get(s, op->A) + (ulong)op->Imm)); break;
                case InterpCode.Add16RR: Set(s, op->Dst, (ushort)(Get(s, op->A) + Get(s, op->B))); break;
                case InterpCode.Add16RI: Set(s, op->Dst, (ushort)(Get(s, op->A) + (ulong)op->Imm)); break;
                case InterpCode.Add32RR: Set(s, op->Dst, (uint)(Get(s, op->A) + Get(s, op->B))); break;
                case InterpCode.Add32RI: Set(s, op->Dst, (uint)(Get(s, op->A) + (ulong)op->Imm)); break;
                case InterpCode.Add64RR: Set(s, op->Dst, Get(s, op->A) + Get(s, op->B)); break;
                case InterpCode.Add64RI: Set(s, op->Dst, Get(s, op->A) + (ulong)op->Imm); break;
                case InterpCode.Sub8RR: Set(s, op->Dst, (byte)(Get(s, op->A) - Get(s, op->B))); break;
                case InterpCode.Sub8RI: Set(s, op->Dst, (byte)(Get(s, op->A) - (ulong)op->Imm)); break;
                case InterpCode.Sub16RR: Set(s, op->Dst, (ushort)(Get(s, op->A) - Get(s, op->B))); break;
                case InterpCode.Sub16RI: Set(s, op->Dst, (ushort)(Get(s, op->A) - (ulong)op->Imm)); break;
                case InterpCode.Sub32RR: Set(s, op->Dst, (uint)(Get(s, op->A) - Get(s, op->B))); break;
                case InterpCode.Sub32RI: Set(s, op->Dst, (uint)(Get(s, op->A) - (ulong)op->Imm)); break;
                case InterpCode.Sub64RR: Set(s, op->Dst, Get(s, op->A) - Get(s, op->B)); break;
                case InterpCode.Sub64RI: Set(s, op->Dst, Get(s, op->A) - (ulong)op->Imm); break;
                case InterpCode.Mul8RR: Set(s, op->Dst, (byte)(Get(s, op->A) * Get(s, op->B))); break;
                case InterpCode.Mul8RI: Set(s, op->Dst, (byte)(Get(s, op->A) * (ulong)op->Imm)); break;
                case InterpCode.Mul16RR: Set(s, op->Dst, (ushort)(Get(s, op->A) * Get(s, op->B))); break;
                case InterpCode.Mul16RI: Set(s, op->Dst, (ushort)(Get(s, op->A) * (ulong)op->Imm)); break;
                case InterpCode.Mul32RR: Set(s, op->Dst, (uint)(Get(s, op->A) * Get(s, op->B))); break;
                case InterpCode.Mul32RI: Set(s, op->Dst, (uint)(Get(s, op->A) * (ulong)op->Imm)); break;
                case InterpCode.Mul64RR: Set(s, op->Dst, Get(s, op->A) * Get(s, op->B)); break;
                case InterpCode.Mul64RI: Set(s, op->Dst, Get(s, op->A) * (ulong)op->Imm); break;
                case InterpCode.And8RR: Set(s, op->Dst, (byte)(Get(s, op->A) & Get(s, op->B))); break;
                case InterpCode.And8RI: Set(s, op->Dst, (byte)(Get(s, op->A) & (ulong)op->Imm)); break;
                case InterpCode.And16RR: Set(s, op->Dst, (ushort)(Get(s, op->A) & Get(s, op->B))); break;
                case InterpCode.And16RI: Set(s, op->Dst, (ushort)(Get(s, op->A) & (ulong)op->Imm)); break;
                case InterpCode.And32RR: Set(s, op->Dst, (uint)(Get(s, op->A) & Get(s, op->B))); break;
                case InterpCode.And32RI: Set(s, op->Dst, (uint)(Get(s, op->A) & (ulong)op->Imm)); break;
                case InterpCode.And64RR: Set(s, op->Dst, Get(s, op->A) & Get(s, op->B)); break;
                case InterpCode.And64RI: Set(s, op->Dst, Get(s, op->A) & (ulong)op->Imm); break;
                case InterpCode.Or8RR: Set(s, op->Dst, (byte)(Get(s, op->A) | Get(s, op->B))); break;
                case InterpCode.Or8RI: Set(s, op->Dst, (byte)(Get(s, op->A) | (ulong)op->Imm)); break;
                case InterpCode.Or16RR: Set(s, op->Dst, (ushort)(Get(s, op->A) | Get(s, op->B))); break;
                case InterpCode.Or16RI: Set(s, op->Dst, (ushort)(Get(s, op->A) | (ulong)op->Imm)); break;
                case InterpCode.Or32RR: Set(s, op->Dst, (uint)(Get(s, op->A) | Get(s, op->B))); break;
                case InterpCode.Or32RI: Set(s, op->Dst, (uint)(Get(s, op->A) | (ulong)op->Imm)); break;
                case InterpCode.Or64RR: Set(s, op->Dst, Get(s, op->A) | Get(s, op->B)); break;
                case InterpCode.Or64RI: Set(s, op->Dst, Get(s, op->A) | (ulong)op->Imm); break;
                case InterpCode.Xor8RR: Set(s, op->Dst, (byte)(Get(s, op->A) ^ Get(s, op->B))); break;
                case InterpCode.Xor8RI: Set(s, op->Dst, (byte)(Get(s, op->A) ^ (ulong)op->Imm)); break;
                case InterpCode.Xor16RR: Set(s, op->Dst, (ushort)(Get(s, op->A) ^ Get(s, op->B))); break;
                case InterpCode.Xor16RI: Set(s, op->Dst, (ushort)(Get(s, op->A) ^ (ulong)op->Imm)); break;
                case InterpCode.Xor32RR: Set(s, op->Dst, (uint)(Get(s, op->A) ^ Get(s, op->B))); break;
                case InterpCode.Xor32RI: Set(s, op->Dst, (uint)(Get(s, op->A) ^ (ulong)op->Imm)); break;
                case InterpCode.Xor64RR: Set(s, op->Dst, Get(s, op->A) ^ Get(s, op->B)); break;
                case InterpCode.Xor64RI: Set(s, op->Dst, Get(s, op->A) ^ (ulong)op->Imm); break;
                case InterpCode.Shl8RR: Set(s, op->Dst, (byte)(Get(s, op->A) << (int)Get(s, op->B))); break;
                case InterpCode.Shl8RI: Set(s, op->Dst, (byte)(Get(s, op->A) << (int)(ulong)op->Imm)); break;
                case InterpCode.Shl16RR: Set(s, op->Dst, (ushort)(Get(s, op->A) << (int)Get(s, op->B))); break;
                case InterpCode.Shl16RI: Set(s, op->Dst, (ushort)(Get(s, op->A) << (int)(ulong)op->Imm)); break;
                case InterpCode.Shl32RR: Set(s, op->Dst, (uint)(Get(s, op->A) << (int)Get(s, op->B))); break;
                case InterpCode.Shl32RI: Set(s, op->Dst, (uint)(Get(s, op->A) << (int)(ulong)op->Imm)); break;
                case InterpCode.Shl64RR: Set(s, op->Dst, Get(s, op->A) << (int)Get(s, op->B)); break;
                case InterpCode.Shl64RI: Set(s, op->Dst, Get(s, op->A) << (int)(ulong)op->Imm); break;
                case InterpCode.Shr8RR: Set(s, op->Dst, (uint)((byte)Get(s, op->A) >> (int)Get(s, op->B))); break;
                case InterpCode.Shr8RI: Set(s, op->Dst, (uint)((byte)Get(s, op->A) >> (int)(ulong)op->Imm)); break;
                case InterpCode.Shr16RR: Set(s, op->Dst, (uint)((ushort)Get(s, op->A) >> (int)Get(s, op->B))); break;
                case InterpCode.Shr16RI: Set(s, op->Dst, (uint)((ushort)Get(s, op->A) >> (int)(ulong)op->Imm)); break;
                case InterpCode.Shr32RR: Set(s, op->Dst, (uint)Get(s, op->A) >> (int)Get(s, op->B)); break;
                case InterpCode.Shr32RI: Set(s, op->Dst, (uint)Get(s, op->A) >> (int)(ulong)op->Imm); break;
                case InterpCode.Shr64RR: Set(s, op->Dst, Get(s, op->A) >> (int)Get(s, op->B)); break;
                case InterpCode.Shr64RI: Set(s, op->Dst, Get(s, op->A) >> (int)(ulong)op->Imm); break;
                case InterpCode.Sar8RR: Set(s, op->Dst, (byte)((sbyte)Get(s, op->A) >> (int)Get(s, op->B))); break;
                case InterpCode.Sar8RI: Set(s, op->Dst, (byte)((sbyte)Get(s, op->A) >> (int)(ulong)op->Imm)); break;
                case InterpCode.Sar16RR: Set(s, op->Dst, (ushort)((short)Get(s, op->A) >> (int)Get(s, op->B))); break;
                case InterpCode.Sar16RI: Set(s, op->Dst, (ushort)((short)Get(s, op->A) >> (int)(ulong)op->Imm)); break;
                case InterpCode.Sar32RR: Set(s, op->Dst, (uint)((int)Get(s, op->A) >> (int)Get(s, op->B))); break;
                case InterpCode.Sar32RI: Set(s, op->Dst, (uint)((int)Get(s, op->A) >> (int)(ulong)op->Imm)); break;
                case InterpCode.Sar64RR: Set(s, op->Dst, (ulong)((long)Get(s, op->A) >> (int)Get(s, op->B))); break;
                case InterpCode.Sar64RI: Set(s, op->Dst, (ulong)((long)Get(s, op->A) >> (int)(ulong)op->Imm)); break;
                case InterpCode.Rol8RR: Set(s, op->Dst, byte.RotateLeft((byte)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Rol8RI: Set(s, op->Dst, byte.RotateLeft((byte)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Rol16RR: Set(s, op->Dst, ushort.RotateLeft((ushort)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Rol16RI: Set(s, op->Dst, ushort.RotateLeft((ushort)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Rol32RR: Set(s, op->Dst, BitOperations.RotateLeft((uint)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Rol32RI: Set(s, op->Dst, BitOperations.RotateLeft((uint)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Rol64RR: Set(s, op->Dst, BitOperations.RotateLeft((ulong)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Rol64RI: Set(s, op->Dst, BitOperations.RotateLeft((ulong)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Ror8RR: Set(s, op->Dst, byte.RotateRight((byte)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Ror8RI: Set(s, op->Dst, byte.RotateRight((byte)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Ror16RR: Set(s, op->Dst, ushort.RotateRight((ushort)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Ror16RI: Set(s, op->Dst, ushort.RotateRight((ushort)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Ror32RR: Set(s, op->Dst, BitOperations.RotateRight((uint)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Ror32RI: Set(s, op->Dst, BitOperations.RotateRight((uint)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Ror64RR: Set(s, op->Dst, BitOperations.RotateRight((ulong)Get(s, op->A), (int)Get(s, op->B))); break;
                case InterpCode.Ror64RI: Set(s, op->Dst, BitOperations.RotateRight((ulong)Get(s, op->A), (int)(ulong)op->Imm)); break;
                case InterpCode.Mov8: Set(s, op->Dst, (byte)Get(s, op->A)); break;
                case InterpCode.Mov16: Set(s, op->Dst, (ushort)Get(s, op->A)); break;
                case InterpCode.Mov32: Set(s, op->Dst, (uint)Get(s, op->A)); break;
                case InterpCode.Mov64: Set(s, op->Dst, Get(s, op->A)); break;
                case InterpCode.Not8: Set(s, op->Dst, (byte)~Get(s, op->A)); break;
                case InterpCode.Not16: Set(s, op->Dst, (ushort)~Get(s, op->A)); break;
                case InterpCode.Not32: Set(s, op->Dst, (uint)~Get(s, op->A)); break;
                case InterpCode.Not64: Set(s, op->Dst, ~Get(s, op->A)); break;
                case InterpCode.Neg8: Set(s, op->Dst, (byte)(0 - Get(s, op->A))); break;
                case InterpCode.Neg16: Set(s, op->Dst, (ushort)(0 - Get(s, op->A))); break;
                case InterpCode.Neg32: Set(s, op->Dst, (uint)(0 - Get(s, op->A))); break;
                case InterpCode.Neg64: Set(s, op->Dst, (0 - Get(s, op->A))); break;
                case InterpCode.SignExtend8: Set(s, op->Dst, (ulong)(sbyte)Get(s, op->A)); break;
                case InterpCode.SignExtend16: Set(s, op->Dst, (ulong)(short)Get(s, op->A)); break;
                case InterpCode.SignExtend32: Set(s, op->Dst, (ulong)(int)Get(s, op->A)); break;
                case InterpCode.SignExtend64: Set(s, op->Dst, (ulong)(long)Get(s, op->A)); break;
                case InterpCode.PopCount8: Set(s, op->Dst, (uint)BitOperations.PopCount((byte)Get(s, op->A))); break;
                case InterpCode.PopCount16: Set(s, op->Dst, (uint)BitOperations.PopCount((ushort)Get(s, op->A))); break;
                case InterpCode.PopCount32: Set(s, op->Dst, (uint)BitOperations.PopCount((uint)Get(s, op->A))); break;
                case InterpCode.PopCount64: Set(s, op->Dst, (uint)BitOperations.PopCount((ulong)Get(s, op->A))); break;
                case InterpCode.CountLeadingZeros8: Set(s, op->Dst, (uint)BitOperations.LeadingZeroCount((uint)(byte)Get(s, op->A)) - 24); break;
                case InterpCode.CountLeadingZeros16: Set(s, op->Dst, (uint)BitOperations.LeadingZeroCount((uint)(ushort)Get(s, op->A)) - 16); break;
                case InterpCode.CountLeadingZeros32: Set(s, op->Dst, (uint)BitOperations.LeadingZeroCount((uint)Get(s, op->A))); break;
                case InterpCode.CountLeadingZeros64: Set(s, op->Dst, (uint)BitOperations.LeadingZeroCount((ulong)Get(s, op->A))); break;
                case InterpCode.CountTrailingZeros8: Set(s, op->Dst, (uint)BitOperations.TrailingZeroCount((uint)Get(s, op->A) | 1u << 8)); break;
                case InterpCode.CountTrailingZeros16: Set(s, op->Dst, (uint)BitOperations.TrailingZeroCount((uint)Get(s, op->A) | 1u << 16)); break;
                case InterpCode.CountTrailingZeros32: Set(s, op->Dst, (uint)BitOperations.TrailingZeroCount((uint)Get(s, op->A))); break;
                case InterpCode.CountTrailingZeros64: Set(s, op->Dst, (uint)BitOperations.TrailingZeroCount((ulong)Get(s, op->A))); break;
                case InterpCode.ByteSwap16: Set(s, op->Dst, BinaryPrimitives.ReverseEndianness((ushort)Get(s, op->A))); break;
                case InterpCode.ByteSwap32: Set(s, op->Dst, BinaryPrimitives.ReverseEndianness((uint)Get(s, op->A))); break;
                case InterpCode.ByteSwap64: Set(s, op->Dst, BinaryPrimitives.ReverseEndianness((ulong)Get(s, op->A))); break;
                case InterpCode.MovI: Set(s, op->Dst, (ulong)op->Imm); break;
                case InterpCode.MulHighS32: Set(s, op->Dst, (uint)((long)(int)Get(s, op->A) * (int)Get(s, op->B) >> 32)); break;
                case InterpCode.MulHighS64: Set(s, op->Dst, (ulong)Math.BigMul((long)Get(s, op->A), (long)Get(s, op->B), out _)); break;
                case InterpCode.MulHighU32: Set(s, op->Dst, (ulong)(uint)Get(s, op->A) * (uint)Get(s, op->B) >> 32); break;
                case InterpCode.MulHighU64: Set(s, op->Dst, Math.BigMul(Get(s, op->A), Get(s, op->B), out _)); break;
                case InterpCode.Extract: Set(s, op->Dst, Get(s, op->A) >> op->B & (ulong)op->Imm); break;
                case InterpCode.Deposit: Set(s, op->Dst, Deposit(Get(s, op->A), Get(s, op->B), op->Disp)); break;
                case InterpCode.DepositByte0: Set(s, op->Dst, Get(s, op->A) & ~0xfful | (byte)Get(s, op->B)); break;
                case InterpCode.DepositByte1: Set(s, op->Dst, Get(s, op->A) & ~0xff00ul | (ulong)(byte)Get(s, op->B) << 8); break;
                case InterpCode.DepositWord: Set(s, op->Dst, Get(s, op->A) & ~0xfffful | (ushort)Get(s, op->B)); break;
                case InterpCode.LeaA16: Set(s, op->Dst, (ushort)(Get(s, op->A) + (ulong)op->Imm)); break;
                case InterpCode.LeaA32: Set(s, op->Dst, (uint)(Get(s, op->A) + (ulong)op->Imm)); break;
                case InterpCode.LeaA64: Set(s, op->Dst, Get(s, op->A) + (ulong)op->Imm); break;
                case InterpCode.LeaAB16: Set(s, op->Dst, (ushort)(Get(s, op->A) + (Get(s, op->B) << op->C) + (ulong)(long)op->Disp)); break;
                case InterpCode.LeaAB32: Set(s, op->Dst, (uint)(Get(s, op->A) + (Get(s, op->B) << op->C) + (ulong)(long)op->Disp)); break;
                case InterpCode.LeaAB64: Set(s, op->Dst, Get(s, op->A) + (Get(s, op->B) << op->C) + (ulong)(long)op->Disp); break;
                case InterpCode.SetCondEq32RR: Set(s, op->Dst, (uint)Get(s, op->A) == (uint)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondNe32RR: Set(s, op->Dst, (uint)Get(s, op->A) != (uint)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLtu32RR: Set(s, op->Dst, (uint)Get(s, op->A) < (uint)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGeu32RR: Set(s, op->Dst, (uint)Get(s, op->A) >= (uint)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLts32RR: Set(s, op->Dst, (int)Get(s, op->A) < (int)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGes32RR: Set(s, op->Dst, (int)Get(s, op->A) >= (int)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLeu32RR: Set(s, op->Dst, (uint)Get(s, op->A) <= (uint)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGtu32RR: Set(s, op->Dst, (uint)Get(s, op->A) > (uint)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLes32RR: Set(s, op->Dst, (int)Get(s, op->A) <= (int)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGts32RR: Set(s, op->Dst, (int)Get(s, op->A) > (int)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondEq32RI: Set(s, op->Dst, (uint)Get(s, op->A) == (uint)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondNe32RI: Set(s, op->Dst, (uint)Get(s, op->A) != (uint)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLtu32RI: Set(s, op->Dst, (uint)Get(s, op->A) < (uint)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGeu32RI: Set(s, op->Dst, (uint)Get(s, op->A) >= (uint)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLts32RI: Set(s, op->Dst, (int)Get(s, op->A) < (int)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGes32RI: Set(s, op->Dst, (int)Get(s, op->A) >= (int)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLeu32RI: Set(s, op->Dst, (uint)Get(s, op->A) <= (uint)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGtu32RI: Set(s, op->Dst, (uint)Get(s, op->A) > (uint)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLes32RI: Set(s, op->Dst, (int)Get(s, op->A) <= (int)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGts32RI: Set(s, op->Dst, (int)Get(s, op->A) > (int)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondEq64RR: Set(s, op->Dst, Get(s, op->A) == Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondNe64RR: Set(s, op->Dst, Get(s, op->A) != Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLtu64RR: Set(s, op->Dst, Get(s, op->A) < Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGeu64RR: Set(s, op->Dst, Get(s, op->A) >= Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLts64RR: Set(s, op->Dst, (long)Get(s, op->A) < (long)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGes64RR: Set(s, op->Dst, (long)Get(s, op->A) >= (long)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLeu64RR: Set(s, op->Dst, Get(s, op->A) <= Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGtu64RR: Set(s, op->Dst, Get(s, op->A) > Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondLes64RR: Set(s, op->Dst, (long)Get(s, op->A) <= (long)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondGts64RR: Set(s, op->Dst, (long)Get(s, op->A) > (long)Get(s, op->B) ? 1ul : 0); break;
                case InterpCode.SetCondEq64RI: Set(s, op->Dst, Get(s, op->A) == (ulong)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondNe64RI: Set(s, op->Dst, Get(s, op->A) != (ulong)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLtu64RI: Set(s, op->Dst, Get(s, op->A) < (ulong)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGeu64RI: Set(s, op->Dst, Get(s, op->A) >= (ulong)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLts64RI: Set(s, op->Dst, (long)Get(s, op->A) < (long)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGes64RI: Set(s, op->Dst, (long)Get(s, op->A) >= (long)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLeu64RI: Set(s, op->Dst, Get(s, op->A) <= (ulong)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGtu64RI: Set(s, op->Dst, Get(s, op->A) > (ulong)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondLes64RI: Set(s, op->Dst, (long)Get(s, op->A) <= (long)op->Imm ? 1ul : 0); break;
                case InterpCode.SetCondGts64RI: Set(s, op->Dst, (long)Get(s, op->A) > (long)op->Imm ? 1ul : 0); break;
                case InterpCode.ExitIfEq32RR:
                    if ((uint)Get(s, op->A) == (uint)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfNe32RR:
                    if ((uint)Get(s, op->A) != (uint)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLtu32RR:
                    if ((uint)Get(s, op->A) < (uint)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGeu32RR:
                    if ((uint)Get(s, op->A) >= (uint)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLts32RR:
                    if ((int)Get(s, op->A) < (int)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGes32RR:
                    if ((int)Get(s, op->A) >= (int)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLeu32RR:
                    if ((uint)Get(s, op->A) <= (uint)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGtu32RR:
                    if ((uint)Get(s, op->A) > (uint)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLes32RR:
                    if ((int)Get(s, op->A) <= (int)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGts32RR:
                    if ((int)Get(s, op->A) > (int)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfEq32RI:
                    if ((uint)Get(s, op->A) == (uint)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfNe32RI:
                    if ((uint)Get(s, op->A) != (uint)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLtu32RI:
                    if ((uint)Get(s, op->A) < (uint)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGeu32RI:
                    if ((uint)Get(s, op->A) >= (uint)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLts32RI:
                    if ((int)Get(s, op->A) < (int)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGes32RI:
                    if ((int)Get(s, op->A) >= (int)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLeu32RI:
                    if ((uint)Get(s, op->A) <= (uint)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGtu32RI:
                    if ((uint)Get(s, op->A) > (uint)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLes32RI:
                    if ((int)Get(s, op->A) <= (int)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGts32RI:
                    if ((int)Get(s, op->A) > (int)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfEq64RR:
                    if (Get(s, op->A) == Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfNe64RR:
                    if (Get(s, op->A) != Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLtu64RR:
                    if (Get(s, op->A) < Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGeu64RR:
                    if (Get(s, op->A) >= Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLts64RR:
                    if ((long)Get(s, op->A) < (long)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGes64RR:
                    if ((long)Get(s, op->A) >= (long)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLeu64RR:
                    if (Get(s, op->A) <= Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGtu64RR:
                    if (Get(s, op->A) > Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfLes64RR:
                    if ((long)Get(s, op->A) <= (long)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfGts64RR:
                    if ((long)Get(s, op->A) > (long)Get(s, op->B))
                        goto exit;
                    break;
                case InterpCode.ExitIfEq64RI:
                    if (Get(s, op->A) == (ulong)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfNe64RI:
                    if (Get(s, op->A) != (ulong)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLtu64RI:
                    if (Get(s, op->A) < (ulong)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGeu64RI:
                    if (Get(s, op->A) >= (ulong)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLts64RI:
                    if ((long)Get(s, op->A) < (long)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGes64RI:
                    if ((long)Get(s, op->A) >= (long)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLeu64RI:
                    if (Get(s, op->A) <= (ulong)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGtu64RI:
                    if (Get(s, op->A) > (ulong)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfLes64RI:
                    if ((long)Get(s, op->A) <= (long)op->Disp)
                        goto exit;
                    break;
                case InterpCode.ExitIfGts64RI:
                    if ((long)Get(s, op->A) > (long)op->Disp)
                        goto exit;
                    break;
                case InterpCode.Select: Set(s, op->Dst, Get(s, Get(s, op->A) != 0 ? op->B : op->C)); break;
                case InterpCode.Load8:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->B);
                        if (entry->Read == (address & ~0xffful))
                            Set(s, op->Dst, *(byte*)(address + (ulong)entry->Addend));
                        else if (!core.LoadFromBlock(address, 1, op->Attr, (ulong*)(s + op->Dst)))
                            goto fault;
                        break;
                    }
                case InterpCode.Load16:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->B);
                        if (entry->Read == ((address + 1) & ~0xffful))
                            Set(s, op->Dst, *(ushort*)(address + (ulong)entry->Addend));
                        else if (!core.LoadFromBlock(address, 2, op->Attr, (ulong*)(s + op->Dst)))
                            goto fault;
                        break;
                    }
                case InterpCode.Load32:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->B);
                        if (entry->Read == ((address + 3) & ~0xffful))
                            Set(s, op->Dst, *(uint*)(address + (ulong)entry->Addend));
                        else if (!core.LoadFromBlock(address, 4, op->Attr, (ulong*)(s + op->Dst)))
                            goto fault;
                        break;
                    }
                case InterpCode.Load64:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->B);
                        if (entry->Read == ((address + 7) & ~0xffful))
                            Set(s, op->Dst, *(ulong*)(address + (ulong)entry->Addend));
                        else if (!core.LoadFromBlock(address, 8, op->Attr, (ulong*)(s + op->Dst)))
                            goto fault;
                        break;
                    }
                case InterpCode.LoadSigned8:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->B);
                        if (entry->Read == (address & ~0xffful))
                            Set(s, op->Dst, (ulong)*(sbyte*)(address + (ulong)entry->Addend));
                        else if (core.LoadFromBlock(address, 1, op->Attr, (ulong*)(s + op->Dst)))
                            Set(s, op->Dst, (ulong)(sbyte)Get(s, op->Dst));
                        else
                            goto fault;
                        break;
                    }
                case InterpCode.LoadSigned16:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->B);
                        if (entry->Read == ((address + 1) & ~0xffful))
                            Set(s, op->Dst, (ulong)*(short*)(address + (ulong)entry->Addend));
                        else if (core.LoadFromBlock(address, 2, op->Attr, (ulong*)(s + op->Dst)))
                            Set(s, op->Dst, (ulong)(short)Get(s, op->Dst));
                        else
                            goto fault;
                        break;
                    }
                case InterpCode.LoadSigned32:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->B);
                        if (entry->Read == ((address + 3) & ~0xffful))
                            Set(s, op->Dst, (ulong)*(int*)(address + (ulong)entry->Addend));
                        else if (core.LoadFromBlock(address, 4, op->Attr, (ulong*)(s + op->Dst)))
                            Set(s, op->Dst, (ulong)(int)Get(s, op->Dst));
                        else
                            goto fault;
                        break;
                    }
                case InterpCode.Store8:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->Dst);
                        if (entry->Write == (address & ~0xffful))
                            *(byte*)(address + (ulong)entry->Addend) = (byte)Get(s, op->B);
                        else if (!core.StoreFromBlock(address, 1, op->Attr, Get(s, op->B)))
                            goto fault;
                        break;
                    }
                case InterpCode.Store16:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->Dst);
                        if (entry->Write == ((address + 1) & ~0xffful))
                            *(ushort*)(address + (ulong)entry->Addend) = (ushort)Get(s, op->B);
                        else if (!core.StoreFromBlock(address, 2, op->Attr, Get(s, op->B)))
                            goto fault;
                        break;
                    }
                case InterpCode.Store32:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->Dst);
                        if (entry->Write == ((address + 3) & ~0xffful))
                            *(uint*)(address + (ulong)entry->Addend) = (uint)Get(s, op->B);
                        else if (!core.StoreFromBlock(address, 4, op->Attr, Get(s, op->B)))
                            goto fault;
                        break;
                    }
                case InterpCode.Store64:
                    {
                        var address = Get(s, op->A) + (ulong)(long)op->Disp;
                        var entry = Entry(tlb, address, op->Dst);
                        if (entry->Write == ((address + 7) & ~0xffful))
                            *(ulong*)(address + (ulong)entry->Addend) = Get(s, op->B);
                        else if (!core.StoreFromBlock(address, 8, op->Attr, Get(s, op->B)))
                            goto fault;
                        break;
                    }
                case InterpCode.Call:
                    Set(s, op->Dst, CallHelper(core, s, op));
                    break;
                case InterpCode.CallMayFault:
                    {
                        var result = CallHelper(core, s, op);
                        if (((CoreHeader*)s)->Fault != 0)
                            goto fault;
                        Set(s, op->Dst, result);
                        break;
                    }
                case InterpCode.Goto:
                    goto exit;
                case InterpCode.GotoPc:
                    if ((short)op->Dst >= 0)
                        Set(s, core.LazyStateOffset, op->Dst);
                    goto byPc;
                case InterpCode.Leave:
                    if ((short)op->Dst >= 0)
                        Set(s, core.LazyStateOffset, op->Dst);
                    return BlockExit.Leave;
                default:
                    Set(s, core.PcOffset, block->Key.Pc);
                    return BlockExit.Lookup;
            }
        }
    exit:
        {
            if ((short)op->Dst >= 0)
                Set(s, core.LazyStateOffset, op->Dst);
            var next = op->Attr == 0 ? block->Chain0 : block->Chain1;
            if (next != null)
            {
                block = next;
                goto enter;
            }
            Set(s, core.PcOffset, op->Attr == 0 ? block->Target0 : block->Target1);
            core.Unchained = block;
            core.UnchainedSlot = op->Attr;
        }
    byPc:
        {
            var pc = Get(s, core.PcOffset);
            var next = core.Blocks.JumpCache[BlockCache.JumpHash(pc)];
            if (core.Log is not null || next == null || next->Key.Pc != pc || next->Key.Flags != block->Key.Flags || next->Key.CodeBase != block->Key.CodeBase)
                return BlockExit.Lookup;
            block = next;
            core.TryChain(block);
            goto enter;
        }
    fault:
        core.RollBack(block, (int)(op - (InterpOp*)block->Code));
        return BlockExit.Fault;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong CallHelper(TranslatingCore core, byte* s, InterpOp* op) => core.Log is null
        ? core.Helpers[op->Attr](core, Get(s, op->A), Get(s, op->B), Get(s, op->C), op->Disp)
        : CallLogged(core, s, op);

    private static ulong CallLogged(TranslatingCore core, byte* s, InterpOp* op)
    {
        var nowhere = Lowering.NowhereOffset(core.TempOffset);
        var passed = (op->A == nowhere ? 0 : 1) | (op->B == nowhere ? 0 : 2) | (op->C == nowhere ? 0 : 4);
        return core.Log!.Call(core, op->Attr, Get(s, op->A), Get(s, op->B), Get(s, op->C), passed, op->Disp);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Get(byte* s, int offset) => *(ulong*)(s + offset);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Set(byte* s, int offset, ulong value) => *(ulong*)(s + offset) = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TlbEntry* Entry(byte* tlb, ulong address, ushort table) =>
        (TlbEntry*)(tlb + table + ((address >> 7) & ((SoftTlb.Entries - 1) << 5)));

    private static ulong Deposit(ulong a, ulong b, int positionAndLength)
    {
        int position = positionAndLength & 0xff, length = positionAndLength >> 8;
        var mask = ulong.MaxValue >> (64 - length) << position;
        return a & ~mask | b << position & mask;
    }
}
