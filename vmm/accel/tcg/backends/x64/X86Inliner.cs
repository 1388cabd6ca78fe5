using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>
/// The x86 guest's helpers on its own host: status flags come from the host's after the same computation, vector integer instructions are the host's.
/// </summary>
/// <remarks>
/// Flags by <see cref="CcOp"/> kind; the stub of each takes cc_dst, cc_src and cc_src2 in RAX, RCX and RDX. Where an instruction leaves AF
/// undefined it is masked out, as <see cref="CcOp.Compute"/> does.
/// </remarks>
public sealed unsafe class X86Inliner : HelperInliner
{
    // Kinds of four sizes each, the first of them being the flags themselves.
    private const int Kinds = CcOp.Mul + 4;

    private const uint Arithmetic = CcOp.Status, ResultOnly = CcOp.PF | CcOp.ZF | CcOp.SF;

    private readonly nint[] _stubs = new nint[Kinds];
    private byte* _dynamic;

    public override void WriteStubs(X64Assembler assembler, int spare)
    {
        for (var kind = 0; kind < Kinds; kind++)
        {
            _stubs[kind] = (nint)assembler.At;
            if (kind < 4)
            {
                assembler.Alu(X64Alu.And, 4, X64Register.Rax, (int)CcOp.Status);
                assembler.Return();
            }
            else
                WriteFlags(assembler, kind & ~3, 1 << (kind & 3));
        }
        WriteDynamic(assembler, spare - X64Generator.Bias);
    }

    public override InlineKind Find(int helper, int imm) => (X86Helper)helper switch
    {
        X86Helper.Flags => InlineKind.FromArguments,
        X86Helper.FlagsDynamic => InlineKind.FromState,
        X86Helper.Sse => VectorOpcode((Mnemonic)imm) != 0 ? InlineKind.Vector : InlineKind.None,
        X86Helper.LoadVector => (imm >> 8 & 0xff) == 16 ? InlineKind.VectorLoad : InlineKind.None,
        X86Helper.StoreVector => (imm >> 8 & 0xff) == 16 && (imm & 6 << 16) == 0 ? InlineKind.VectorStore : InlineKind.None,
        _ => InlineKind.None,
    };

    public override byte* StubOf(int helper, int imm) => (X86Helper)helper == X86Helper.FlagsDynamic ? _dynamic : (byte*)_stubs[imm];

    public override void WriteVector(X64Assembler assembler, int imm, ulong a, ulong b, int state)
    {
        int destination = OffsetOf((int)(a & 0xff)) + state, source = OffsetOf((int)(a >> 8)) + state;
        var opcode = VectorOpcode((Mnemonic)imm);
        if (opcode == VectorMove)
            X64Generator.LoadVectorRegister(assembler, 0, source);
        else if (opcode == VectorShuffle)
            assembler.Vector(0x66, VectorShuffle, 0, X64Register.Rbp, source, (byte)b);
        else
        {
            X64Generator.LoadVectorRegister(assembler, 0, destination);
            assembler.Vector(0x66, opcode, 0, X64Register.Rbp, source);
        }
        X64Generator.StoreVectorRegister(assembler, 0, destination);
    }

    public override VectorAccess AccessOf(int imm) => new(OffsetOf(imm & 0xff), (int)((uint)imm >> 24), (imm & 1 << 16) != 0);

    private static int OffsetOf(int vector)
    {
        X86CpuState layout;
        var at = vector == X86Core.ScratchVector ? (byte*)&layout.VectorScratch : (byte*)&layout.Fpu.Xmm + 16 * vector;
        return (int)(at - (byte*)&layout);
    }

    private static void WriteFlags(X64Assembler c, int kind, int size)
    {
        const X64Register Dst = X64Register.Rax, Src = X64Register.Rcx, Src2 = X64Register.Rdx;
        switch (kind)
        {
            case CcOp.Add:
                c.Alu(X64Alu.Sub, size, Dst, Src);
                c.Alu(X64Alu.Add, size, Dst, Src);
                Finish(c, Arithmetic);
                break;
            case CcOp.Adc:
                c.Alu(X64Alu.Sub, size, Dst, Src);
                c.Alu(X64Alu.Sub, size, Dst, Src2);
                // The carry in, which is 0 or 1, to CF.
                c.Shift(X64Shift.Shr, 4, Src2, 1);
                c.Alu(X64Alu.Adc, size, Dst, Src);
                Finish(c, Arithmetic);
                break;
            case CcOp.Sub:
                c.Alu(X64Alu.Cmp, size, Dst, Src);
                Finish(c, Arithmetic);
                break;
            case CcOp.Sbb:
                c.Shift(X64Shift.Shr, 4, Src2, 1);
                c.Alu(X64Alu.Sbb, size, Dst, Src);
                Finish(c, Arithmetic);
                break;
            case CcOp.Logic:
                c.Test(size, Dst, Dst);
                Finish(c, ResultOnly);
                break;
            case CcOp.Inc or CcOp.Dec:
                // As additions, but for CF.
                c.Alu(kind == CcOp.Inc ? X64Alu.Sub : X64Alu.Add, size, Dst, 1);
                c.Alu(kind == CcOp.Inc ? X64Alu.Add : X64Alu.Sub, size, Dst, 1);
                c.PushFlags();
                c.Pop(Dst);
                c.Alu(X64Alu.And, 4, Dst, (int)(CcOp.Status & ~CcOp.CF));
                c.Alu(X64Alu.And, 4, Src, 1);
                c.Alu(X64Alu.Or, 4, Dst, Src);
                c.Return();
                break;
            case CcOp.Shl or CcOp.Shr:
                // OF: the sign changed by the last step. CF: the bit that it shifted out.
                c.Move(8, Src2, Src);
                c.Alu(X64Alu.Xor, 8, Src2, Dst);
                c.Shift(X64Shift.Shr, 8, Src2, 8 * size - 1);
                c.Alu(X64Alu.And, 4, Src2, 1);
                c.Shift(X64Shift.Shl, 4, Src2, 11);
                if (kind == CcOp.Shl)
                    c.Shift(X64Shift.Shr, 8, Src, 8 * size - 1);
                c.Alu(X64Alu.And, 4, Src, 1);
                c.Alu(X64Alu.Or, 4, Src, Src2);
                FinishWith(c, size);
                break;
            default:
                // Mul: CF and OF when the product did not fit.
                c.Test(8, Src, Src);
                c.SetCondition(X64Condition.NotEqual, Src);
                c.MoveZeroExtended(1, Src, Src);
                c.Multiply(4, Src, Src, (int)(CcOp.CF | CcOp.OF));
                FinishWith(c, size);
                break;
        }
    }

    private static void Finish(X64Assembler c, uint defined)
    {
        c.PushFlags();
        c.Pop(X64Register.Rax);
        c.Alu(X64Alu.And, 4, X64Register.Rax, (int)defined);
        c.Return();
    }

    // The result's flags, and those in RCX.
    private static void FinishWith(X64Assembler c, int size)
    {
        c.Test(size, X64Register.Rax, X64Register.Rax);
        c.PushFlags();
        c.Pop(X64Register.Rax);
        c.Alu(X64Alu.And, 4, X64Register.Rax, (int)ResultOnly);
        c.Alu(X64Alu.Or, 4, X64Register.Rax, X64Register.Rcx);
        c.Return();
    }

    /// <summary>By the kind in cc_op: a jump through a table of distances, since the addresses that the host executes at are others than these.</summary>
    private void WriteDynamic(X64Assembler c, int spare)
    {
        const X64Register State = X64Register.Rbp;
        const int Bias = X64Generator.Bias;
        var table = c.At;
        foreach (var stub in _stubs)
        {
            *(long*)c.At = (byte*)stub - table;
            c.At += sizeof(long);
        }
        _dynamic = c.At;
        c.Load(8, X64Register.Rcx, State, X86CpuState.OffsetCcOp - Bias);
        c.LeaRelative(X64Register.Rax, table);
        c.LoadIndexed(8, X64Register.Rdx, X64Register.Rax, X64Register.Rcx, 3, 0);
        c.Alu(X64Alu.Add, 8, X64Register.Rdx, X64Register.Rax);
        c.Store(8, State, spare, X64Register.Rdx);
        c.Load(8, X64Register.Rax, State, X86CpuState.OffsetCcDst - Bias);
        c.Load(8, X64Register.Rcx, State, X86CpuState.OffsetCcSrc - Bias);
        c.Load(8, X64Register.Rdx, State, X86CpuState.OffsetCcSrc2 - Bias);
        c.JumpMemory(State, spare);
    }

    private const byte VectorMove = 0x6f, VectorShuffle = 0x70;

    /// <summary>The opcode behind 66 0F of what reads and writes whole registers and no control state; 0: not one of these.</summary>
    private static byte VectorOpcode(Mnemonic mnemonic) => mnemonic switch
    {
        Mnemonic.Movaps or Mnemonic.Movapd or Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqa or Mnemonic.Movdqu => VectorMove,
        Mnemonic.Pshufd => VectorShuffle,
        Mnemonic.Andps or Mnemonic.Andpd or Mnemonic.Pand => 0xdb,
        Mnemonic.Andnps or Mnemonic.Andnpd or Mnemonic.Pandn => 0xdf,
        Mnemonic.Orps or Mnemonic.Orpd or Mnemonic.Por => 0xeb,
        Mnemonic.Xorps or Mnemonic.Xorpd or Mnemonic.Pxor => 0xef,
        Mnemonic.Paddb => 0xfc,
        Mnemonic.Paddw => 0xfd,
        Mnemonic.Paddd => 0xfe,
        Mnemonic.Paddq => 0xd4,
        Mnemonic.Psubb => 0xf8,
        Mnemonic.Psubw => 0xf9,
        Mnemonic.Psubd => 0xfa,
        Mnemonic.Psubq => 0xfb,
        Mnemonic.Pcmpeqb => 0x74,
        Mnemonic.Pcmpeqw => 0x75,
        Mnemonic.Pcmpeqd => 0x76,
        Mnemonic.Pcmpgtb => 0x64,
        Mnemonic.Pcmpgtw => 0x65,
        Mnemonic.Pcmpgtd => 0x66,
        Mnemonic.Punpcklbw => 0x60,
        Mnemonic.Punpcklwd => 0x61,
        Mnemonic.Punpckldq => 0x62,
        Mnemonic.Punpcklqdq => 0x6c,
        Mnemonic.Punpckhbw => 0x68,
        Mnemonic.Punpckhwd => 0x69,
        Mnemonic.Punpckhdq => 0x6a,
        Mnemonic.Punpckhqdq => 0x6d,
        Mnemonic.Packsswb => 0x63,
        Mnemonic.Packssdw => 0x6b,
        Mnemonic.Packuswb => 0x67,
        Mnemonic.Pmullw => 0xd5,
        Mnemonic.Pmulhw => 0xe5,
        Mnemonic.Pmulhuw => 0xe4,
        Mnemonic.Pmuludq => 0xf4,
        Mnemonic.Pmaddwd => 0xf5,
        Mnemonic.Psadbw => 0xf6,
        Mnemonic.Pavgb => 0xe0,
        Mnemonic.Pavgw => 0xe3,
        Mnemonic.Pmaxub => 0xde,
        Mnemonic.Pmaxsw => 0xee,
        Mnemonic.Pminub => 0xda,
        Mnemonic.Pminsw => 0xea,
        _ => 0,
    };
}
