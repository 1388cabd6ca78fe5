using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// What general-purpose instructions need of the core: division, flags, frames, port permissions.
public sealed unsafe partial class X86Core
{
    private readonly List<string> _messages = [];

    /// <summary>Keeps a message for <see cref="X86Helper.Unimplemented"/>.</summary>
    internal int AddMessage(string message)
    {
        var index = _messages.IndexOf(message);
        if (index >= 0)
            return index;
        _messages.Add(message);
        return _messages.Count - 1;
    }

    internal string MessageAt(int index) => _messages[index];

    internal ulong SoftwareInterrupt(int vector, EventSource source, ulong nextRip)
    {
        // Virtual-8086 mode: INT n needs IOPL 3; INT3 and INTO come here by their own opcodes, but the check is the gate's then.
        if (Virtual8086 && source == EventSource.Software && vector is not (Vector.BP or Vector.OF) && (S->Rflags & Flags.Iopl) != Flags.Iopl)
            return RaiseGp();
        RaiseAfter(vector, source, nextRip);
        return 0;
    }

    internal ulong Divide(ulong divisor, int size, bool signed)
    {
        var type = IrTypes.OfBytes(size);
        divisor &= type.Mask();
        if (divisor == 0)
            return DivideError();
        if (size == 8)
            return signed ? DivideSigned128((long)divisor) : DivideUnsigned128(divisor);
        var bits = size * 8;
        var mask = type.Mask();
        ulong low = Gpr(0), high = Gpr(2);
        // The dividend: AX, DX:AX or EDX:EAX.
        var dividend = size == 1 ? low & 0xffff : (high & mask) << bits | low & mask;
        ulong quotient, remainder;
        if (signed)
        {
            var by = type.Signed(divisor);
            var value = (long)(dividend << (64 - 2 * bits)) >> (64 - 2 * bits);
            if (value == long.MinValue && by == -1)
                return DivideError();
            var result = value / by;
            if (result != type.Signed((ulong)result))
                return DivideError();
            quotient = (ulong)result;
            remainder = (ulong)(value % by);
        }
        else
        {
            quotient = dividend / divisor;
            if (quotient > mask)
                return DivideError();
            remainder = dividend % divisor;
        }
        if (size == 1)
            Gpr(0) = low & ~0xfffful | quotient & 0xff | (remainder & 0xff) << 8;
        else if (size == 2)
        {
            Gpr(0) = low & ~0xfffful | quotient & 0xffff;
            Gpr(2) = high & ~0xfffful | remainder & 0xffff;
        }
        else
        {
            Gpr(0) = (uint)quotient;
            Gpr(2) = (uint)remainder;
        }
        return 0;
    }

    private ulong DivideUnsigned128(ulong divisor)
    {
        ulong low = Gpr(0), high = Gpr(2);
        if (high >= divisor)
            return DivideError();
        if (high == 0)
            (Gpr(0), Gpr(2)) = (low / divisor, low % divisor);
        else
        {
            var (quotient, remainder) = UInt128.DivRem(new UInt128(high, low), divisor);
            (Gpr(0), Gpr(2)) = ((ulong)quotient, (ulong)remainder);
        }
        return 0;
    }

    private ulong DivideSigned128(long divisor)
    {
        var dividend = new Int128(Gpr(2), Gpr(0));
        if (dividend == Int128.MinValue && divisor == -1)
            return DivideError();
        var (quotient, remainder) = Int128.DivRem(dividend, divisor);
        if (quotient != (long)quotient)
            return DivideError();
        (Gpr(0), Gpr(2)) = ((ulong)(long)quotient, (ulong)(long)remainder);
        return 0;
    }

    private ulong DivideError()
    {
        Raise(Vector.DE);
        return 0;
    }

    internal ulong Decimal(DecimalOp op, byte imm)
    {
        var ax = (ushort)Gpr(0);
        var flags = (uint)S->CcDst;
        if (!X86Arithmetic.Decimal(op, imm, ref ax, ref flags))
            return DivideError();
        Gpr(0) = Gpr(0) & ~0xfffful | ax;
        S->CcDst = flags;
        return 0;
    }

    internal ulong PopFlags(ulong value, int size)
    {
        ulong mask = CcOp.Status | Flags.TF | Flags.DF | Flags.NT | Flags.AC | Flags.ID;
        if (Cpl == 0 || !ProtectedMode)
            mask |= Flags.Iopl | Flags.IF;
        else if (Cpl <= (int)((S->Rflags & Flags.Iopl) >> (int)Flags.IoplShift))
            mask |= Flags.IF;
        if (size == 2)
            mask &= 0xffff;
        S->CcOp = CcOp.Flags;
        SetRflags((GetRflags() & ~mask | value & mask) & ~(ulong)Flags.RF);
        return 0;
    }

    internal ulong ChangeInterruptFlag(bool on)
    {
        if (ProtectedMode && Cpl > (int)((S->Rflags & Flags.Iopl) >> (int)Flags.IoplShift))
            return RaiseGp();
        if (!on)
            S->Rflags &= ~(ulong)Flags.IF;
        else if ((S->Rflags & Flags.IF) == 0)
        {
            S->Rflags |= Flags.IF;
            S->InterruptShadow = 1;
        }
        return 0;
    }

    /// <summary>ENTER with a nesting level of 0 to 31. It faults where a write at the new top of the stack would (SDM Vol. 2A, ENTER).</summary>
    internal ulong Enter(int bytes, int size, int level, int stackSize)
    {
        var stack = new Stack(this, MmuIndex);
        var mask = IrTypes.OfBytes(stackSize).Mask();
        if (!stack.Push(Gpr(5), size))
            return 0;
        var frame = stack.Pointer;
        var outer = Gpr(5);
        for (var i = 1; i < level; i++)
        {
            outer -= (uint)size;
            if (!TryReadStackAt(outer & mask, size, out var display) || !stack.Push(display, size))
                return 0;
        }
        if (level > 0 && !stack.Push(frame, size))
            return 0;
        stack.Skip(0 - (ulong)bytes);
        if (!stack.CanWrite(size))
            return 0;
        stack.Commit();
        Gpr(5) = size == 8 ? frame : size == 4 ? (uint)frame : Gpr(5) & ~0xfffful | (ushort)frame;
        return 0;
    }

    private bool TryReadStackAt(ulong offset, int size, out ulong value)
    {
        value = 0;
        var linear = offset;
        if (!Code64)
        {
            linear = CheckSegment(X86Seg.Ss, offset, size, false);
            if (Header->Fault != 0)
                return false;
        }
        ulong read;
        var done = Load(linear, size, MmuIndex | StackAccess, &read);
        value = read;
        return done;
    }

    /// <summary>IOPL or the TSS's bitmap lets the program at a port (SDM Vol. 1, 19.5); otherwise #GP(0) is pending.</summary>
    internal bool CheckPort(ushort port, int size)
    {
        if (!ProtectedMode || !Virtual8086 && Cpl <= (int)((S->Rflags & Flags.Iopl) >> (int)Flags.IoplShift))
            return true;
        ref var tr = ref Seg(X86Seg.Tr);
        if (!tr.Present || (tr.Attributes & 8) == 0 || tr.Limit < 103)
            return Refuse(Vector.GP, 0);
        if (!TryReadSystem(tr.Base + 102, 2, out var map))
            return false;
        var at = (uint)map + (uint)(port >> 3);
        if (at + 1 > tr.Limit)
            return Refuse(Vector.GP, 0);
        if (!TryReadSystem(tr.Base + at, 2, out var bits))
            return false;
        return (bits >> (port & 7) & (1ul << size) - 1) == 0 || Refuse(Vector.GP, 0);
    }

    /// <summary>CMPXCHG8B and CMPXCHG16B; <paramref name="flags"/> and the result are the status flags.</summary>
    internal ulong CompareExchangeDouble(ulong linear, int size, int attributes, ulong flags)
    {
        bool equal;
        if (size == 8)
        {
            var expected = Gpr(2) << 32 | (uint)Gpr(0);
            var old = AtomicCompareExchange(linear, 8, attributes, expected, Gpr(1) << 32 | (uint)Gpr(3));
            if (Header->Fault != 0)
                return 0;
            equal = old == expected;
            if (!equal)
                (Gpr(0), Gpr(2)) = ((uint)old, old >> 32);
        }
        else
        {
            if ((linear & 15) != 0)
                return RaiseGp();
            if (!TryPinWhole(linear, 16, attributes, out var host))
                return 0;
            UInt128 expected = new(Gpr(2), Gpr(0)), value = new(Gpr(1), Gpr(3)), old;
            if (host != null)
                old = Physical.HostAtomics.CompareExchange16(host, expected, value);
            else
            {
                ulong low, high;
                lock (Physical.SplitLock)
                {
                    if (!Load(linear, 8, attributes, &low) || !Load(linear + 8, 8, attributes, &high))
                        return 0;
                    old = new UInt128(high, low);
                    var written = old == expected ? value : old;
                    if (!Store(linear, 8, attributes, (ulong)written) || !Store(linear + 8, 8, attributes, (ulong)(written >> 64)))
                        return 0;
                }
            }
            equal = old == expected;
            if (!equal)
                (Gpr(0), Gpr(2)) = ((ulong)old, (ulong)(old >> 64));
        }
        return flags & ~(ulong)CcOp.ZF | (equal ? CcOp.ZF : 0);
    }
}
