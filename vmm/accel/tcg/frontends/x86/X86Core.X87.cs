using Gauntlet.Vmm.Accel.Tcg.Fpu;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// x87 instructions: memory operands, pending exceptions and the pointers to the last instruction; the arithmetic is in Fpu.
public sealed unsafe partial class X86Core
{
    /// <summary>#MF when an unmasked exception waits; false then.</summary>
    internal bool TryWaitX87()
    {
        if (!X87.HasPendingException(S->Fpu))
            return true;
        Raise(Vector.MF);
        return false;
    }

    /// <param name="flags">The status flags, for FCMOV and FCOMI; the result is them after the instruction.</param>
    /// <param name="imm">Opcode &lt;&lt; 8, ModRM.</param>
    internal ulong X87Register(ulong flags, ulong pc, int imm)
    {
        int opcode = imm >> 8, modRm = imm & 0xff;
        var control = X87.IsNonWaiting(opcode, modRm);
        if (!control && !TryWaitX87())
            return flags;
        if (!X87.ExecuteRegister(ref S->Fpu, opcode, modRm, ref Gpr(0), ref flags))
        {
            Raise(Vector.UD);
            return flags;
        }
        if (!control)
            NoteX87(opcode, modRm, pc);
        return flags;
    }

    /// <param name="imm">Opcode &lt;&lt; 8, ModRM; bit 16: operand size above 16 bits; access attributes &lt;&lt; 24.</param>
    internal ulong X87Memory(ulong linear, ulong pc, int imm)
    {
        int opcode = imm >> 8 & 0xff, modRm = imm & 0xff, register = modRm >> 3 & 7, attributes = (int)((uint)imm >> 24);
        var wide = (imm & 1 << 16) != 0;
        var realMode = !ProtectedMode || Virtual8086;
        if (!X87.IsNonWaiting(opcode, modRm) && !TryWaitX87())
            return 0;
        // The whole state is 108 bytes.
        var bytes = stackalloc byte[128];
        var size = X87.OperandBytes(opcode, register, wide, out var isStore);
        var operand = new Span<byte>(bytes, size);
        ulong part;
        if (!isStore)
        {
            for (var i = 0; i < size; i += 2)
            {
                if (!Load(linear + (uint)i, 2, attributes, &part))
                    return 0;
                *(ushort*)(bytes + i) = (ushort)part;
            }
            X87.Load(ref S->Fpu, opcode, register, operand, wide, realMode);
        }
        else
        {
            var after = S->Fpu;
            // An unmasked exception of the operation comes before any of the access: nothing is stored then.
            if (X87.Store(ref after, opcode, register, operand, wide, realMode))
            {
                if (!Probe(linear, size, MemoryAccess.Write, attributes))
                    return 0;
                for (var i = 0; i < size; i += 2)
                    if (!Store(linear + (uint)i, 2, attributes, *(ushort*)(bytes + i)))
                        return 0;
            }
            S->Fpu = after;
        }
        // Control instructions leave the pointers alone (SDM Vol. 1, 8.1.8).
        if (!((opcode == 0xd9 && register >= 4) || (opcode == 0xdd && register is 4 or 6 or 7)))
        {
            NoteX87(opcode, modRm, pc);
            S->Fpu.Fdp = linear;
            S->Fpu.Fds = Seg(X86Seg.Ds).Selector;
        }
        return 0;
    }

    private void NoteX87(int opcode, int modRm, ulong pc)
    {
        S->Fpu.Fop = (ushort)((opcode & 7) << 8 | modRm);
        S->Fpu.Fip = pc;
        S->Fpu.Fcs = Seg(X86Seg.Cs).Selector;
    }
}
