namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Far JMP, CALL, RET and IRET (SDM Vol. 2; Vol. 3A, 5.8), SYSCALL and SYSENTER (Vol. 3A, 5.8.7-5.8.8).
public sealed unsafe partial class X86Core
{
    /// <param name="size">Operand size in bytes: 2, 4 or 8.</param>
    /// <param name="nextRip">Of the instruction behind: where a task that is left goes on.</param>
    internal void FarJump(ushort selector, ulong offset, int size, ulong nextRip)
    {
        if (!ProtectedMode || Virtual8086)
        {
            SetRealSegment(X86Seg.Cs, selector);
            S->Rip = size == 2 ? offset & 0xffff : (uint)offset;
            return;
        }
        if (!TryReadTarget(selector, out var target, out var descriptor))
            return;
        if ((target.Attributes & 0x10) != 0)
        {
            EnterCode(selector, target, descriptor, offset, Cpl);
            return;
        }
        if (IsTask(target))
        {
            SwitchByTransfer(selector, target, descriptor, TaskSwitch.Jump, nextRip);
            return;
        }
        if (!TryReadGate(selector, target, descriptor, out var code, out var codeSelector, out var codeDescriptor, out var gateOffset, out _, out _))
            return;
        // A jump stays at its privilege level: conforming, or DPL equal.
        if ((code.Attributes & 4) != 0 ? code.Dpl > Cpl : code.Dpl != Cpl)
            Raise(Vector.GP, codeSelector & 0xfffc);
        else if (!code.Present)
            Raise(Vector.NP, codeSelector & 0xfffc);
        else
            EnterCode((ushort)(codeSelector & 0xfffc | Cpl), code, codeDescriptor, gateOffset, Cpl, true);
    }

    internal void FarCall(ushort selector, ulong offset, int size, ulong nextRip)
    {
        var stack = new Stack(this, MmuIndex);
        if (!ProtectedMode || Virtual8086)
        {
            if (!stack.Push(Seg(X86Seg.Cs).Selector, size) || !stack.Push(nextRip, size))
                return;
            stack.Commit();
            SetRealSegment(X86Seg.Cs, selector);
            S->Rip = size == 2 ? offset & 0xffff : (uint)offset;
            return;
        }
        if (!TryReadTarget(selector, out var target, out var descriptor))
            return;
        if ((target.Attributes & 0x10) != 0)
        {
            if (!CheckDirectCode(selector, target) || !stack.Push(Seg(X86Seg.Cs).Selector, size) || !stack.Push(nextRip, size))
                return;
            if (EnterCode(selector, target, descriptor, offset, Cpl))
                stack.Commit();
            return;
        }
        if (IsTask(target))
        {
            SwitchByTransfer(selector, target, descriptor, TaskSwitch.Call, nextRip);
            return;
        }
        if (!TryReadGate(selector, target, descriptor, out var code, out var codeSelector, out var codeDescriptor, out var gateOffset, out var gateSize, out var parameters))
            return;
        var error = codeSelector & 0xfffc;
        if (code.Dpl > Cpl)
        {
            Raise(Vector.GP, error);
            return;
        }
        if (!code.Present)
        {
            Raise(Vector.NP, error);
            return;
        }
        if ((code.Attributes & 4) != 0 || code.Dpl == Cpl)
        {
            if (stack.Push(Seg(X86Seg.Cs).Selector, gateSize) && stack.Push(nextRip, gateSize)
                && EnterCode((ushort)(error | Cpl), code, codeDescriptor, gateOffset, Cpl, true))
                stack.Commit();
            return;
        }
        CallInner(code, error, codeDescriptor, gateOffset, gateSize, parameters, nextRip, stack);
    }

    private void CallInner(X86SegmentCache code, int codeSelector, ulong codeDescriptor, ulong offset, int size, int parameters, ulong nextRip, Stack outer)
    {
        var newCpl = code.Dpl;
        Stack inner;
        X86SegmentCache ss;
        if (LongMode)
        {
            if ((uint)(4 + 8 * newCpl) + 7 > Seg(X86Seg.Tr).Limit)
            {
                Raise(Vector.TS, Seg(X86Seg.Tr).Selector & 0xfffc);
                return;
            }
            if (!TryReadSystem(Seg(X86Seg.Tr).Base + (uint)(4 + 8 * newCpl), 8, out var rsp))
                return;
            if (!IsCanonical(rsp))
            {
                Raise(Vector.SS, 0);
                return;
            }
            ss = new X86SegmentCache { Selector = (ushort)newCpl, Attributes = X86Segment.Unusable | (uint)newCpl << 5 };
            inner = new Stack(this, SystemMmuIndex, rsp);
        }
        else
        {
            if (!TryReadInnerStack(newCpl, 0, out ss, out var sp))
                return;
            inner = new Stack(this, SystemMmuIndex, ss, sp, newCpl);
        }
        if (!inner.Push(Seg(X86Seg.Ss).Selector, size) || !inner.Push(Gpr(4), size))
            return;
        Span<ulong> copied = stackalloc ulong[32];
        for (var i = 0; i < parameters; i++)
            if (!outer.Pop(size, out copied[i]))
                return;
        for (var i = parameters - 1; i >= 0; i--)
            if (!inner.Push(copied[i], size))
                return;
        if (!inner.Push(Seg(X86Seg.Cs).Selector, size) || !inner.Push(nextRip, size))
            return;
        if (!EnterCode((ushort)(codeSelector | newCpl), code, codeDescriptor, offset, newCpl, true))
            return;
        Seg(X86Seg.Ss) = ss;
        inner.Commit();
    }

    internal void FarReturn(int size, int release)
    {
        var stack = new Stack(this, MmuIndex);
        if (!stack.Pop(size, out var offset) || !stack.Pop(size, out var selectorValue))
            return;
        var selector = (ushort)selectorValue;
        if (!ProtectedMode || Virtual8086)
        {
            SetRealSegment(X86Seg.Cs, selector);
            S->Rip = offset;
            stack.Skip((uint)release);
            stack.Commit();
            return;
        }
        if (!TryReadReturnCode(selector, out var cs, out var descriptor))
            return;
        var rpl = selector & 3;
        stack.Skip((uint)release);
        if (rpl == Cpl)
        {
            if (EnterCode(selector, cs, descriptor, offset, Cpl, true))
                stack.Commit();
            return;
        }
        if (stack.Pop(size, out var sp) && stack.Pop(size, out var ssSelector))
            ReturnOuter(selector, cs, descriptor, offset, sp, (ushort)ssSelector, (uint)release);
    }

    /// <summary>The outer half of a RET or IRET: SS and RSP of the caller, data segments that it may not see go null.</summary>
    private bool ReturnOuter(ushort selector, X86SegmentCache cs, ulong descriptor, ulong offset, ulong sp, ushort ssSelector, ulong release)
    {
        var rpl = selector & 3;
        X86SegmentCache ss;
        if ((ssSelector & 0xfffc) == 0)
        {
            // A null SS is allowed only to 64-bit code outside ring 3.
            if ((cs.Attributes & 0x2000) == 0 || !LongMode || rpl == 3 || (ssSelector & 3) != rpl)
                return Refuse(Vector.GP, 0);
            ss = new X86SegmentCache { Selector = ssSelector, Attributes = X86Segment.Unusable | (uint)rpl << 5 };
        }
        else
        {
            if (!TryReadDescriptor(ssSelector, out var ssDescriptor))
                return false;
            ss = Decode(ssSelector, ssDescriptor);
            if ((ssSelector & 3) != rpl || ss.Dpl != rpl || (ss.Attributes & 0x1a) != 0x12)
                return Refuse(Vector.GP, ssSelector & 0xfffc);
            if (!ss.Present)
                return Refuse(Vector.SS, ssSelector & 0xfffc);
            if (!TrySetAccessed(ssSelector, ref ss, ssDescriptor))
                return false;
        }
        if (!EnterCode(selector, cs, descriptor, offset, rpl, true))
            return false;
        Seg(X86Seg.Ss) = ss;
        sp += release;
        ref var rsp = ref Gpr(4);
        rsp = Code64 ? sp : (ss.Attributes & 0x4000) != 0 ? (uint)sp : rsp & ~0xfffful | (ushort)sp;
        foreach (var seg in (ReadOnlySpan<X86Seg>)[X86Seg.Es, X86Seg.Ds, X86Seg.Fs, X86Seg.Gs])
        {
            ref var data = ref Seg(seg);
            if (data.Usable && (data.Attributes & 0x10) != 0 && (data.Attributes & 0xc) != 0xc && data.Dpl < rpl)
                // The base stays: 64-bit code goes on using that of FS and GS.
                data = new X86SegmentCache { Base = data.Base, Limit = data.Limit, Attributes = X86Segment.Unusable };
        }
        return true;
    }

    /// <param name="nextRip">Of the instruction behind: where a nested task goes on when it is entered again.</param>
    internal void Iret(int size, ulong nextRip)
    {
        if (!ProtectedMode || Virtual8086)
        {
            IretReal(size);
            return;
        }
        if ((S->Rflags & Flags.NT) != 0)
        {
            if (LongMode)
                Raise(Vector.GP, 0);
            else
                ReturnToTask(nextRip);
            return;
        }
        var stack = new Stack(this, MmuIndex);
        if (!stack.Pop(size, out var offset) || !stack.Pop(size, out var selectorValue) || !stack.Pop(size, out var flags))
            return;
        var selector = (ushort)selectorValue;
        if ((flags & Flags.VM) != 0 && Cpl == 0 && !LongMode && size == 4)
        {
            IretToVirtual8086(stack, offset, selector, flags);
            return;
        }
        if (!TryReadReturnCode(selector, out var cs, out var descriptor))
            return;
        var oldCpl = Cpl;
        var rpl = selector & 3;
        // In 64-bit mode IRET always pops SS:RSP.
        if (rpl != Cpl || Code64)
        {
            if (!stack.Pop(size, out var sp) || !stack.Pop(size, out var ssSelector))
                return;
            if (!ReturnOuter(selector, cs, descriptor, offset, sp, (ushort)ssSelector, 0))
                return;
        }
        else
        {
            if (!EnterCode(selector, cs, descriptor, offset, Cpl, true))
                return;
            stack.Commit();
        }
        RestoreFlags(flags, size, oldCpl);
        S->NmiBlocked = 0;
    }

    private void RestoreFlags(ulong flags, int size, int cpl)
    {
        ulong mask = CcOp.Status | Flags.TF | Flags.DF | Flags.NT | Flags.RF | Flags.AC | Flags.ID;
        if (cpl <= (int)((S->Rflags & Flags.Iopl) >> (int)Flags.IoplShift))
            mask |= Flags.IF;
        if (cpl == 0)
            mask |= Flags.Iopl | Flags.VIF | Flags.VIP;
        if (size == 2)
            mask &= 0xffff;
        SetRflags(GetRflags() & ~mask | flags & mask);
    }

    private void IretReal(int size)
    {
        if (Virtual8086 && (S->Rflags & Flags.Iopl) != Flags.Iopl)
        {
            Raise(Vector.GP, 0);
            return;
        }
        var stack = new Stack(this, MmuIndex);
        if (!stack.Pop(size, out var offset) || !stack.Pop(size, out var selector) || !stack.Pop(size, out var flags))
            return;
        stack.Commit();
        SetRealSegment(X86Seg.Cs, (ushort)selector);
        S->Rip = offset;
        ulong mask = CcOp.Status | Flags.TF | Flags.IF | Flags.DF | Flags.NT | Flags.RF | Flags.AC | Flags.ID;
        if (!Virtual8086)
            mask |= Flags.Iopl;
        if (size == 2)
            mask &= 0xffff;
        SetRflags(GetRflags() & ~mask | flags & mask);
        S->NmiBlocked = 0;
    }

    private void IretToVirtual8086(Stack stack, ulong offset, ushort selector, ulong flags)
    {
        Span<ulong> popped = stackalloc ulong[6];
        for (var i = 0; i < 6; i++)
            if (!stack.Pop(4, out popped[i]))
                return;
        SetRflags(flags);
        S->Cpl = 3;
        SetRealSegment(X86Seg.Cs, selector);
        S->Rip = offset & 0xffff;
        SetRealSegment(X86Seg.Ss, (ushort)popped[1]);
        Gpr(4) = popped[0];
        SetRealSegment(X86Seg.Es, (ushort)popped[2]);
        SetRealSegment(X86Seg.Ds, (ushort)popped[3]);
        SetRealSegment(X86Seg.Fs, (ushort)popped[4]);
        SetRealSegment(X86Seg.Gs, (ushort)popped[5]);
        S->NmiBlocked = 0;
    }

    /// <summary>SYSCALL from any mode that has it; the front end has checked EFER.SCE.</summary>
    internal void Syscall(ulong nextRip)
    {
        StepsByNewFlags = true;
        var flags = GetRflags();
        var selector = (ushort)(S->Star >> 32 & 0xfffc);
        if (LongMode)
        {
            var from64 = Code64;
            Gpr(1) = nextRip;
            Gpr(11) = flags & ~(ulong)Flags.RF;
            SetRflags(flags & ~(S->Sfmask | Flags.RF | Flags.VM));
            S->Rip = from64 ? S->Lstar : S->Cstar;
            Seg(X86Seg.Cs) = new X86SegmentCache { Selector = selector, Limit = uint.MaxValue, Attributes = 0xa09b };
        }
        else
        {
            Gpr(1) = (uint)nextRip;
            SetRflags(flags & ~(ulong)(Flags.IF | Flags.RF | Flags.VM));
            S->Rip = (uint)S->Star;
            Seg(X86Seg.Cs) = new X86SegmentCache { Selector = selector, Limit = uint.MaxValue, Attributes = 0xc09b };
        }
        Seg(X86Seg.Ss) = new X86SegmentCache { Selector = (ushort)(selector + 8), Limit = uint.MaxValue, Attributes = 0xc093 };
        S->Cpl = 0;
    }

    /// <param name="to64">REX.W: back to 64-bit code.</param>
    internal void Sysret(bool to64)
    {
        // As AMD has it: a target that is not canonical faults where it is fetched, in ring 3 (AMD APM Vol. 3, SYSRET).
        if (!ProtectedMode || Cpl != 0)
        {
            Raise(Vector.GP, 0);
            return;
        }
        StepsByNewFlags = true;
        var selector = (ushort)(S->Star >> 48);
        if (LongMode)
        {
            SetRflags(Gpr(11) & ~(ulong)(Flags.RF | Flags.VM));
            Seg(X86Seg.Cs) = new X86SegmentCache
            {
                Selector = (ushort)((to64 ? selector + 16 : selector) | 3),
                Limit = uint.MaxValue,
                Attributes = to64 ? 0xa0fbu : 0xc0fb,
            };
            S->Rip = to64 ? Gpr(1) : (uint)Gpr(1);
        }
        else
        {
            S->Rflags |= Flags.IF;
            Seg(X86Seg.Cs) = new X86SegmentCache { Selector = (ushort)(selector | 3), Limit = uint.MaxValue, Attributes = 0xc0fb };
            S->Rip = (uint)Gpr(1);
        }
        Seg(X86Seg.Ss) = new X86SegmentCache { Selector = (ushort)(selector + 8 | 3), Limit = uint.MaxValue, Attributes = 0xc0f3 };
        S->Cpl = 3;
    }

    internal void Sysenter()
    {
        if (!ProtectedMode || (S->SysenterCs & 0xfffc) == 0)
        {
            Raise(Vector.GP, 0);
            return;
        }
        S->Rflags &= ~(ulong)(Flags.VM | Flags.IF | Flags.RF);
        var selector = (ushort)(S->SysenterCs & 0xfffc);
        Seg(X86Seg.Cs) = new X86SegmentCache { Selector = selector, Limit = uint.MaxValue, Attributes = LongMode ? 0xa09bu : 0xc09b };
        Seg(X86Seg.Ss) = new X86SegmentCache { Selector = (ushort)(selector + 8), Limit = uint.MaxValue, Attributes = 0xc093 };
        S->Cpl = 0;
        Gpr(4) = LongMode ? S->SysenterEsp : (uint)S->SysenterEsp;
        S->Rip = LongMode ? S->SysenterEip : (uint)S->SysenterEip;
    }

    internal void Sysexit(bool to64)
    {
        if (!ProtectedMode || Cpl != 0 || (S->SysenterCs & 0xfffc) == 0 || to64 && (!IsCanonical(Gpr(1)) || !IsCanonical(Gpr(2))))
        {
            Raise(Vector.GP, 0);
            return;
        }
        var selector = (ushort)((S->SysenterCs & 0xfffc) + (to64 ? 32u : 16));
        Seg(X86Seg.Cs) = new X86SegmentCache { Selector = (ushort)(selector | 3), Limit = uint.MaxValue, Attributes = to64 ? 0xa0fbu : 0xc0fb };
        Seg(X86Seg.Ss) = new X86SegmentCache { Selector = (ushort)(selector + 8 | 3), Limit = uint.MaxValue, Attributes = 0xc0f3 };
        S->Cpl = 3;
        S->Rip = to64 ? Gpr(2) : (uint)Gpr(2);
        Gpr(4) = to64 ? Gpr(1) : (uint)Gpr(1);
    }

    private bool TryReadTarget(ushort selector, out X86SegmentCache target, out ulong descriptor)
    {
        target = default;
        descriptor = 0;
        if ((selector & 0xfffc) == 0)
            return Refuse(Vector.GP, 0);
        if (!TryReadDescriptor(selector, out descriptor))
            return false;
        target = Decode(selector, descriptor);
        return true;
    }

    /// <summary>Checks of a direct far JMP or CALL to a code segment.</summary>
    private bool CheckDirectCode(ushort selector, in X86SegmentCache cs)
    {
        var error = selector & 0xfffc;
        if ((cs.Attributes & 0x18) != 0x18)
            return Refuse(Vector.GP, error);
        if ((cs.Attributes & 4) != 0 ? cs.Dpl > Cpl : (selector & 3) > Cpl || cs.Dpl != Cpl)
            return Refuse(Vector.GP, error);
        return cs.Present || Refuse(Vector.NP, error);
    }

    private bool TryReadReturnCode(ushort selector, out X86SegmentCache cs, out ulong descriptor)
    {
        if (!TryReadTarget(selector, out cs, out descriptor))
            return false;
        var rpl = selector & 3;
        var error = selector & 0xfffc;
        if ((cs.Attributes & 0x18) != 0x18 || rpl < Cpl || ((cs.Attributes & 4) != 0 ? cs.Dpl > rpl : cs.Dpl != rpl))
            return Refuse(Vector.GP, error);
        return cs.Present || Refuse(Vector.NP, error);
    }

    /// <summary>Loads CS and RIP; the target is checked against limit or canonicality, then everything changes at once.</summary>
    private bool EnterCode(ushort selector, X86SegmentCache cs, ulong descriptor, ulong offset, int cpl, bool isChecked = false)
    {
        if (!isChecked && !CheckDirectCode(selector, cs))
            return false;
        var is64 = LongMode && (cs.Attributes & 0x2000) != 0;
        if (is64 && (cs.Attributes & 0x4000) != 0)
            return Refuse(Vector.GP, selector & 0xfffc);
        if (is64 ? !IsCanonical(offset) : offset > cs.Limit)
            return Refuse(Vector.GP, 0);
        if (!TrySetAccessed(selector, ref cs, descriptor))
            return false;
        cs.Selector = (ushort)(selector & 0xfffc | cpl);
        Seg(X86Seg.Cs) = cs;
        S->Cpl = cpl;
        S->Rip = offset;
        return true;
    }

    /// <summary>A call gate and the code segment it names.</summary>
    private bool TryReadGate(ushort selector, in X86SegmentCache gate, ulong descriptor, out X86SegmentCache code, out ushort codeSelector,
        out ulong codeDescriptor, out ulong offset, out int size, out int parameters)
    {
        code = default;
        codeDescriptor = 0;
        codeSelector = (ushort)(descriptor >> 16);
        offset = descriptor & 0xffff | descriptor >> 32 & 0xffff0000;
        var type = gate.Attributes & 0xf;
        size = LongMode ? 8 : type == 0xc ? 4 : 2;
        parameters = (int)(descriptor >> 32) & 31;
        var error = selector & 0xfffc;
        if (LongMode ? type != 0xc : type is not (4 or 0xc))
            return Refuse(Vector.GP, error);
        if (gate.Dpl < Cpl || gate.Dpl < (selector & 3))
            return Refuse(Vector.GP, error);
        if (!gate.Present)
            return Refuse(Vector.NP, error);
        if (LongMode)
        {
            if (!TryFindDescriptor(selector, 16, out var address))
                return Refuse(Vector.GP, error);
            if (!TryReadSystem(address + 8, 8, out var high))
                return false;
            if ((high >> 40 & 0x1f) != 0)
                return Refuse(Vector.GP, error);
            offset |= high << 32;
            parameters = 0;
        }
        else if (size == 2)
            offset &= 0xffff;
        if ((codeSelector & 0xfffc) == 0)
            return Refuse(Vector.GP, 0);
        if (!TryReadDescriptor(codeSelector, out codeDescriptor))
            return false;
        code = Decode(codeSelector, codeDescriptor);
        if ((code.Attributes & 0x18) != 0x18)
            return Refuse(Vector.GP, codeSelector & 0xfffc);
        return !LongMode || (code.Attributes & 0x6000) == 0x2000 || Refuse(Vector.GP, codeSelector & 0xfffc);
    }
}
