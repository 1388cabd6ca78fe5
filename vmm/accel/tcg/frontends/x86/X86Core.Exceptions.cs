namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>Where an event comes from: what is pushed and which error code a fault in its delivery has.</summary>
internal enum EventSource
{
    /// <summary>An exception of the instruction at RIP.</summary>
    Fault,

    /// <summary>An exception after the instruction: #DB of a step or a breakpoint on data.</summary>
    Trap,

    /// <summary>INT n, INT3, INTO: privilege-checked, delivered with the next instruction's address.</summary>
    Software,

    /// <summary>INT1.</summary>
    PrivilegedSoftware,

    /// <summary>NMI or an interrupt from the APIC or PIC.</summary>
    External,
}

// Exceptions and interrupts (SDM Vol. 3A, chapter 6; real mode: chapter 20.1).
public sealed unsafe partial class X86Core
{
    private const int NoError = -1;

    private int _vector, _error;
    private EventSource _source;
    private ulong _faultAddress, _nextRip;

    /// <summary>The exception that waits after <see cref="FaultKind.Exception"/>, for reports.</summary>
    internal int PendingVector => _vector;

    /// <summary>It is a fault: its instruction was not done.</summary>
    internal bool PendingStartsOver => _source == EventSource.Fault;

    /// <summary>Makes a fault of the current instruction pending.</summary>
    internal void Raise(int vector, int error = NoError)
    {
        _vector = vector;
        _error = error;
        _source = EventSource.Fault;
        Header->Fault = (int)FaultKind.Exception;
    }

    /// <summary>#GP(0), as a helper's result.</summary>
    internal ulong RaiseGp(int error = 0)
    {
        Raise(Vector.GP, error);
        return 0;
    }

    internal void RaisePageFault(ulong linear, int error)
    {
        Raise(Vector.PF, error);
        _faultAddress = linear;
    }

    /// <summary>An event that is delivered with the next instruction's address.</summary>
    internal void RaiseAfter(int vector, EventSource source, ulong nextRip)
    {
        Raise(vector);
        _source = source;
        _nextRip = nextRip;
    }

    /// <summary>Delivers what is pending. False: triple fault.</summary>
    internal bool DeliverPending()
    {
        if (_isInNewTask)
            GoOnInNewTask();
        var at = S->Rip;
        if (_source is EventSource.Software or EventSource.PrivilegedSoftware or EventSource.Trap)
            S->Rip = _nextRip;
        // INT1 is a #DB, and takes along what MOV SS held back.
        if (_source == EventSource.PrivilegedSoftware && TakeDebugHits() is var hits and not 0)
            NoteInDr6(hits);
        return Deliver(_vector, _error, _source, at);
    }

    /// <summary>Delivers an NMI or interrupt. False: triple fault.</summary>
    internal bool DeliverExternal(int vector) => Deliver(vector, NoError, EventSource.External, S->Rip);

    /// <param name="at">RIP of the instruction that a fault while delivering belongs to.</param>
    private bool Deliver(int vector, int error, EventSource source, ulong at)
    {
        S->InterruptShadow = 0;
        S->Activity = X86Activity.Running;
        while (true)
        {
            Header->Fault = 0;
            _isInNewTask = false;
            if (vector == Vector.PF && source == EventSource.Fault)
                S->Cr2 = _faultAddress;
            if (vector == Vector.DB && source != EventSource.Software)
                S->Dr[7] &= ~0x2000ul;
            var external = source is EventSource.Software ? 0 : 1;
            var done = !ProtectedMode ? DeliverReal(vector) : LongMode ? DeliverLong(vector, error, source, external) : DeliverProtected(vector, error, source, external);
            if (done)
                return true;
            // A fault while delivering: serially, as a double fault, or the end (Tables 6-4 and 6-5).
            if (source is EventSource.Software or EventSource.PrivilegedSoftware && !_isInNewTask)
                S->Rip = at;
            var hardware = source is EventSource.Fault or EventSource.Trap;
            if (hardware && vector == Vector.DF)
                return false;
            var first = hardware ? ClassOf(vector) : ExceptionClass.Benign;
            var second = ClassOf(_vector);
            if (first == ExceptionClass.Contributory && second == ExceptionClass.Contributory || first == ExceptionClass.PageFault && second != ExceptionClass.Benign)
            {
                vector = Vector.DF;
                error = 0;
            }
            else
            {
                vector = _vector;
                error = _error;
            }
            source = EventSource.Fault;
        }
    }

    private enum ExceptionClass
    {
        Benign,
        Contributory,
        PageFault,
    }

    private static ExceptionClass ClassOf(int vector) => vector switch
    {
        Vector.DE or Vector.TS or Vector.NP or Vector.SS or Vector.GP => ExceptionClass.Contributory,
        Vector.PF => ExceptionClass.PageFault,
        _ => ExceptionClass.Benign,
    };

    private bool DeliverReal(int vector)
    {
        if (vector * 4 + 3 > S->Idtr.Limit)
            return Refuse(Vector.GP, vector * 8 + 2);
        if (!TryReadSystem(S->Idtr.Base + (uint)vector * 4, 4, out var entry))
            return false;
        var stack = new Stack(this, MmuIndex);
        if (!stack.Push(GetRflags(), 2) || !stack.Push(Seg(X86Seg.Cs).Selector, 2) || !stack.Push(S->Rip, 2))
            return false;
        stack.Commit();
        S->Rflags &= ~(ulong)(Flags.IF | Flags.TF | Flags.AC | Flags.RF);
        SetRealSegment(X86Seg.Cs, (ushort)(entry >> 16));
        S->Rip = entry & 0xffff;
        return true;
    }

    private bool DeliverProtected(int vector, int error, EventSource source, int external)
    {
        var selectorError = vector * 8 + 2 + external;
        if (vector * 8 + 7 > S->Idtr.Limit)
            return Refuse(Vector.GP, selectorError);
        if (!TryReadSystem(S->Idtr.Base + (uint)vector * 8, 8, out var gate))
            return false;
        var type = (int)(gate >> 40) & 0x1f;
        if (type is not (5 or 6 or 7 or 0xe or 0xf))
            return Refuse(Vector.GP, selectorError);
        var gateDpl = (int)(gate >> 45) & 3;
        if (source == EventSource.Software && gateDpl < Cpl)
            return Refuse(Vector.GP, selectorError);
        if ((gate >> 47 & 1) == 0)
            return Refuse(Vector.NP, selectorError);
        if (type == 5)
            return SwitchByEvent(gate, error, PushedFlags(source), external);
        var selector = (ushort)(gate >> 16);
        var offset = gate & 0xffff | gate >> 32 & 0xffff0000;
        if (!TryReadHandlerSegment(selector, external, out var cs))
            return false;
        var size = type >= 0xe ? 4 : 2;
        if (size == 2)
            offset &= 0xffff;
        var flags = PushedFlags(source);
        var fromV86 = Virtual8086;
        var newCpl = (cs.Attributes & 4) != 0 ? Cpl : cs.Dpl;
        if (fromV86 && newCpl != 0)
            return Refuse(Vector.GP, selector & 0xfffc | external);
        Stack stack;
        X86SegmentCache ss = default;
        var inner = newCpl < Cpl;
        if (inner)
        {
            if (!TryReadInnerStack(newCpl, external, out ss, out var sp))
                return false;
            stack = new Stack(this, SystemMmuIndex, ss, sp, newCpl);
            if (fromV86)
                foreach (var seg in (ReadOnlySpan<X86Seg>)[X86Seg.Gs, X86Seg.Fs, X86Seg.Ds, X86Seg.Es])
                    if (!stack.Push(Seg(seg).Selector, size))
                        return false;
            if (!stack.Push(Seg(X86Seg.Ss).Selector, size) || !stack.Push(Gpr(4), size))
                return false;
        }
        else
            stack = new Stack(this, MmuIndex);
        if (!stack.Push(flags, size) || !stack.Push(Seg(X86Seg.Cs).Selector, size) || !stack.Push(S->Rip, size) || error >= 0 && !stack.Push((uint)error, size))
            return false;
        if (offset > cs.Limit)
            return Refuse(Vector.GP, external);
        if (fromV86)
            foreach (var seg in (ReadOnlySpan<X86Seg>)[X86Seg.Gs, X86Seg.Fs, X86Seg.Ds, X86Seg.Es])
                Seg(seg) = new X86SegmentCache { Attributes = X86Segment.Unusable };
        if (inner)
            Seg(X86Seg.Ss) = ss;
        EnterHandler(cs, selector, newCpl, offset, (type & 1) == 0);
        stack.Commit();
        return true;
    }

    private bool DeliverLong(int vector, int error, EventSource source, int external)
    {
        var selectorError = vector * 8 + 2 + external;
        if (vector * 16 + 15 > S->Idtr.Limit)
            return Refuse(Vector.GP, selectorError);
        if (!TryReadSystem(S->Idtr.Base + (uint)vector * 16, 8, out var low) || !TryReadSystem(S->Idtr.Base + (uint)vector * 16 + 8, 8, out var high))
            return false;
        var type = (int)(low >> 40) & 0x1f;
        if (type is not (0xe or 0xf))
            return Refuse(Vector.GP, selectorError);
        if (source == EventSource.Software && ((int)(low >> 45) & 3) < Cpl)
            return Refuse(Vector.GP, selectorError);
        if ((low >> 47 & 1) == 0)
            return Refuse(Vector.NP, selectorError);
        var selector = (ushort)(low >> 16);
        var offset = low & 0xffff | low >> 32 & 0xffff0000 | high << 32;
        if (!TryReadHandlerSegment(selector, external, out var cs))
            return false;
        // Only 64-bit code can be a handler: L set, D clear.
        if ((cs.Attributes & 0x6000) != 0x2000)
            return Refuse(Vector.GP, selector & 0xfffc | external);
        var newCpl = (cs.Attributes & 4) != 0 ? Cpl : cs.Dpl;
        var ist = (int)(low >> 32) & 7;
        var sp = Gpr(4);
        var inner = newCpl < Cpl;
        if (inner || ist != 0)
        {
            var at = ist != 0 ? 0x1c + 8 * ist : 4 + 8 * newCpl;
            if ((uint)at + 7 > Seg(X86Seg.Tr).Limit)
                return Refuse(Vector.TS, Seg(X86Seg.Tr).Selector & 0xfffc | external);
            if (!TryReadSystem(Seg(X86Seg.Tr).Base + (uint)at, 8, out sp))
                return false;
        }
        if (!IsCanonical(sp))
            return Refuse(Vector.SS, external);
        var mmu = newCpl == 3 ? MmuUser : SystemMmuIndex;
        sp &= ~0xful;
        var stack = new Stack(this, mmu, sp);
        if (!stack.Push(Seg(X86Seg.Ss).Selector, 8) || !stack.Push(Gpr(4), 8) || !stack.Push(PushedFlags(source), 8)
            || !stack.Push(Seg(X86Seg.Cs).Selector, 8) || !stack.Push(S->Rip, 8) || error >= 0 && !stack.Push((uint)error, 8))
            return false;
        if (!IsCanonical(offset))
            return Refuse(Vector.GP, external);
        if (inner)
            Seg(X86Seg.Ss) = new X86SegmentCache { Selector = (ushort)newCpl, Attributes = X86Segment.Unusable | (uint)newCpl << 5 };
        EnterHandler(cs, selector, newCpl, offset, type == 0xe);
        stack.Commit();
        return true;
    }

    private void EnterHandler(X86SegmentCache cs, ushort selector, int cpl, ulong offset, bool interruptGate)
    {
        cs.Selector = (ushort)(selector & 0xfffc | cpl);
        Seg(X86Seg.Cs) = cs;
        S->Cpl = cpl;
        S->Rip = offset;
        S->Rflags &= ~(ulong)(Flags.TF | Flags.NT | Flags.RF | Flags.VM);
        if (interruptGate)
            S->Rflags &= ~(ulong)Flags.IF;
    }

    /// <summary>A fault pushes RF set, so that its return does not hit the same instruction breakpoint (SDM Vol. 3B, 17.3.1.1).</summary>
    private ulong PushedFlags(EventSource source) => source == EventSource.Fault ? GetRflags() | Flags.RF : GetRflags();

    private bool TryReadHandlerSegment(ushort selector, int external, out X86SegmentCache cs)
    {
        cs = default;
        if ((selector & 0xfffc) == 0)
            return Refuse(Vector.GP, external);
        if (!TryReadDescriptor(selector, out var descriptor, Vector.GP, external))
            return false;
        cs = Decode(selector, descriptor);
        if ((cs.Attributes & 0x18) != 0x18 || cs.Dpl > Cpl)
            return Refuse(Vector.GP, selector & 0xfffc | external);
        return cs.Present ? TrySetAccessed(selector, ref cs, descriptor) : Refuse(Vector.NP, selector & 0xfffc | external);
    }

    /// <summary>SS:ESP for an inner privilege level from the TSS (legacy modes).</summary>
    private bool TryReadInnerStack(int cpl, int external, out X86SegmentCache ss, out ulong sp)
    {
        ss = default;
        sp = 0;
        ref var tr = ref Seg(X86Seg.Tr);
        var is32 = (tr.Attributes & 8) != 0;
        var at = (uint)(is32 ? 4 + 8 * cpl : 2 + 4 * cpl);
        if (at + (is32 ? 5u : 3) > tr.Limit)
            return Refuse(Vector.TS, tr.Selector & 0xfffc | external);
        if (!TryReadSystem(tr.Base + at, is32 ? 4 : 2, out sp) || !TryReadSystem(tr.Base + at + (is32 ? 4u : 2), 2, out var selectorValue))
            return false;
        var selector = (ushort)selectorValue;
        if ((selector & 0xfffc) == 0)
            return Refuse(Vector.TS, external);
        if (!TryReadDescriptor(selector, out var descriptor, Vector.TS, external))
            return false;
        ss = Decode(selector, descriptor);
        if ((selector & 3) != cpl || ss.Dpl != cpl || (ss.Attributes & 0x1a) != 0x12)
            return Refuse(Vector.TS, selector & 0xfffc | external);
        return ss.Present ? TrySetAccessed(selector, ref ss, descriptor) : Refuse(Vector.SS, selector & 0xfffc | external);
    }

    /// <summary>Raises and answers false: for checks in a chain.</summary>
    private bool Refuse(int vector, int error)
    {
        Raise(vector, error);
        return false;
    }
}
