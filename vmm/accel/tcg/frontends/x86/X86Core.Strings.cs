using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>String instructions.</summary>
public enum StringOp
{
    Move,
    Store,
    Load,
    Compare,
    Scan,
    In,
    Out,
}

// String instructions (SDM Vol. 1, 7.3.9): registers advance with every iteration, so that a fault or an interrupt finds the instruction restartable.
public sealed unsafe partial class X86Core
{
    // Iterations between looks at whether anybody wants the vCPU.
    private const int IterationsPerTurn = 4096;

    /// <param name="imm">Operation, log2 of size, address size, repetition, source segment and single-step, as the translator packs them.</param>
    internal void String(int imm)
    {
        var op = (StringOp)(imm & 0xff);
        int size = 1 << (imm >> 8 & 0xf), addressSize = imm >> 12 & 0xf, repeat = imm >> 16 & 3;
        var source = (X86Seg)(imm >> 20 & 7);
        var single = (imm >> 24 & 1) != 0;
        var mask = IrTypes.OfBytes(addressSize).Mask();
        if (op is StringOp.In or StringOp.Out && !CheckPort((ushort)Gpr(2), size))
            return;
        if (repeat == 0)
        {
            Iterate(op, size, mask, source);
            return;
        }
        for (var turn = 0; turn < IterationsPerTurn; turn++)
        {
            var count = Gpr(1) & mask;
            if (count == 0)
                return;
            var bulk = single || op > StringOp.Store ? 0 : Bulk(op, size, mask, source, count);
            if (Header->Fault != 0)
                return;
            if (bulk == 0)
            {
                if (!Iterate(op, size, mask, source))
                    return;
                bulk = 1;
            }
            SetIndex(1, count - bulk, mask);
            if (count == bulk)
                return;
            if (op is StringOp.Compare or StringOp.Scan && (S->CcDst == S->CcSrc) != (repeat == 1))
                return;
            if (single || Header->ExitRequest != 0)
                break;
        }
        Header->Fault = (int)FaultKind.Restart;
    }

    private void SetIndex(int index, ulong value, ulong mask) =>
        Gpr(index) = mask == 0xffff ? Gpr(index) & ~mask | value & mask : value & mask;

    /// <summary>One iteration; false: a fault is pending and nothing changed.</summary>
    private bool Iterate(StringOp op, int size, ulong mask, X86Seg source)
    {
        ulong step = (S->Rflags & Flags.DF) != 0 ? 0 - (ulong)size : (ulong)size;
        ulong si = Gpr(6) & mask, di = Gpr(7) & mask, value = 0, other = 0;
        var mmu = MmuIndex;
        if (op is StringOp.Move or StringOp.Load or StringOp.Compare or StringOp.Out)
            if (!TryStringAddress(source, si, size, false, out var from) || !Load(from, size, mmu | (source == X86Seg.Ss ? StackAccess : 0), &value))
                return false;
        var valueMask = IrTypes.OfBytes(size).Mask();
        switch (op)
        {
            case StringOp.Move or StringOp.Store or StringOp.In:
                if (op == StringOp.Store)
                    value = Gpr(0);
                if (!TryStringAddress(X86Seg.Es, di, size, true, out var to))
                    return false;
                if (op == StringOp.In)
                {
                    // The page first: a port that was read cannot be unread.
                    if (!Probe(to, size, MemoryAccess.Write, mmu))
                        return false;
                    NotePort((ushort)Gpr(2), size);
                    value = Io.ReadPort((ushort)Gpr(2), size);
                }
                if (!Store(to, size, mmu, value))
                    return false;
                break;
            case StringOp.Load:
                Gpr(0) = size == 8 ? value : size == 4 ? (uint)value : Gpr(0) & ~valueMask | value;
                break;
            case StringOp.Compare or StringOp.Scan:
                if (op == StringOp.Scan)
                    value = Gpr(0) & valueMask;
                if (!TryStringAddress(X86Seg.Es, di, size, false, out var at) || !Load(at, size, mmu, &other))
                    return false;
                (S->CcDst, S->CcSrc, S->CcOp) = (value, other, (ulong)(CcOp.Sub + (int)IrTypes.OfBytes(size)));
                break;
            case StringOp.Out:
                NotePort((ushort)Gpr(2), size);
                Io.WritePort((ushort)Gpr(2), size, (uint)value);
                break;
        }
        if (op is StringOp.Move or StringOp.Load or StringOp.Compare or StringOp.Out)
            SetIndex(6, si + step, mask);
        if (op is not (StringOp.Load or StringOp.Out))
            SetIndex(7, di + step, mask);
        return true;
    }

    /// <summary>Many iterations of MOVS or STOS at once, within one page of each side; 0: not this way.</summary>
    private ulong Bulk(StringOp op, int size, ulong mask, X86Seg source, ulong count)
    {
        if (count < 8 || (S->Rflags & Flags.DF) != 0 || HasBreakpoints || MmuIndex == MmuUserAligned)
            return 0;
        ulong si = Gpr(6) & mask, di = Gpr(7) & mask;
        var room = InPage(di, size);
        if (op == StringOp.Move)
            room = Math.Min(room, InPage(si, size));
        var iterations = Math.Min(count, room);
        var bytes = (int)(iterations * (ulong)size);
        // Legacy segments with limits, and indices that wrap, go one by one.
        if (iterations < 2 || !Code64 && !(IsFlat(Seg(X86Seg.Es), false) && IsFlat(Seg(source), source == X86Seg.Cs)) || di + (ulong)bytes > mask || si + (ulong)bytes > mask)
            return 0;
        if (!TryStringAddress(X86Seg.Es, di, bytes, true, out var to))
            return 0;
        byte* from = null;
        if (op == StringOp.Move)
        {
            if (!TryStringAddress(source, si, bytes, false, out var at) || InPage(at, size) < iterations || !TryPin(at, bytes, MemoryAccess.Read, MmuIndex, out from))
                return 0;
            if (from == null)
                return 0;
        }
        if (InPage(to, size) < iterations || !TryPin(to, bytes, MemoryAccess.Write, MmuIndex, out var host) || host == null)
            return 0;
        if (op == StringOp.Store)
            Fill(host, size, iterations, Gpr(0));
        else if ((ulong)(host - from) < (ulong)bytes)
            return 0; // Overlap that repeats a pattern.
        else
            Buffer.MemoryCopy(from, host, bytes, bytes);
        SetIndex(7, di + (ulong)bytes, mask);
        if (op == StringOp.Move)
            SetIndex(6, si + (ulong)bytes, mask);
        return iterations;
    }

    private static ulong InPage(ulong address, int size) => (0x1000 - (address & 0xfff)) / (ulong)size;

    private static void Fill(byte* host, int size, ulong count, ulong value)
    {
        switch (size)
        {
            case 1:
                new Span<byte>(host, (int)count).Fill((byte)value);
                break;
            case 2:
                new Span<ushort>(host, (int)count).Fill((ushort)value);
                break;
            case 4:
                new Span<uint>(host, (int)count).Fill((uint)value);
                break;
            default:
                new Span<ulong>(host, (int)count).Fill(value);
                break;
        }
    }

    private bool TryStringAddress(X86Seg index, ulong offset, int size, bool write, out ulong linear)
    {
        ref var seg = ref Seg(index);
        if (Code64)
        {
            linear = index is X86Seg.Fs or X86Seg.Gs ? seg.Base + offset : offset;
            return true;
        }
        if (IsFlat(seg, index == X86Seg.Cs) && !(write && index == X86Seg.Cs))
        {
            linear = (uint)offset;
            return true;
        }
        linear = CheckSegment(index, offset, size, write);
        return Header->Fault == 0;
    }
}
