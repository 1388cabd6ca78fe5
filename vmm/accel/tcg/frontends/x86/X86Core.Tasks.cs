namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Hardware task switches, which there are outside of long mode only (SDM Vol. 3A, chapter 8).
public sealed unsafe partial class X86Core
{
    private const int TaskBytes32 = 0x68, TaskBytes16 = 0x2c, Link = 0;
    private const ulong SwitchedTask = 1 << 15, LocalBreakpoints = 0x155;

    /// <summary>What switches: how the busy flags, NT and the link to the previous task change (SDM Vol. 3A, Table 8-2).</summary>
    private enum TaskSwitch
    {
        Jump,
        Call,

        /// <summary>IRET with NT set: back to the task that the link names.</summary>
        Return,

        /// <summary>An interrupt or exception through a task gate.</summary>
        Event,
    }

    /// <summary>The fault that is pending belongs to a task that has just been entered, not to the instruction or event that switched.</summary>
    private bool _isInNewTask;
    private ulong _taskRip, _taskFlags;

    /// <summary>A far JMP or CALL names a TSS or a task gate: it has no offset, and switches.</summary>
    private bool IsTask(in X86SegmentCache target) => !LongMode && (target.Attributes & 0x1f) is 1 or 5 or 9;

    private void SwitchByTransfer(ushort selector, in X86SegmentCache target, ulong descriptor, TaskSwitch how, ulong nextRip)
    {
        if (target.Dpl < Cpl || target.Dpl < (selector & 3))
            Raise(Vector.GP, selector & 0xfffc);
        else if ((target.Attributes & 0x1f) != 5)
            TrySwitchTask(selector, how, nextRip, GetRflags(), 0);
        else if (!target.Present)
            Raise(Vector.NP, selector & 0xfffc);
        else
            TrySwitchTask((ushort)(descriptor >> 16), how, nextRip, GetRflags(), 0);
    }

    private void ReturnToTask(ulong nextRip)
    {
        if (TryReadSystem(Seg(X86Seg.Tr).Base + Link, 2, out var link) && TrySwitchTask((ushort)link, TaskSwitch.Return, nextRip, GetRflags() & ~(ulong)Flags.NT, 0))
            S->NmiBlocked = 0;
    }

    private bool SwitchByEvent(ulong gate, int error, ulong flags, int external)
    {
        if (!TrySwitchTask((ushort)(gate >> 16), TaskSwitch.Event, S->Rip, flags, external))
            return false;
        if (error < 0)
            return true;
        var stack = new Stack(this, MmuIndex);
        if (!stack.Push((uint)error, (Seg(X86Seg.Tr).Attributes & 8) != 0 ? 4 : 2))
            return false;
        stack.Commit();
        return true;
    }

    /// <summary>False: an exception is pending, of the old task or, with <see cref="_isInNewTask"/>, of the new one.</summary>
    /// <param name="selector">Of the new task's TSS.</param>
    /// <param name="nextRip">Where the old task goes on.</param>
    /// <param name="flags">RFLAGS that the old task goes on with.</param>
    /// <param name="external">EXT bit of error codes.</param>
    private bool TrySwitchTask(ushort selector, TaskSwitch how, ulong nextRip, ulong flags, int external)
    {
        _isInNewTask = false;
        var refusal = how == TaskSwitch.Return ? Vector.TS : Vector.GP;
        var error = selector & 0xfffc | external;
        if ((selector & 4) != 0 || (selector & 0xfffc) == 0 || !TryFindDescriptor(selector, 8, out var address))
            return Refuse(refusal, error);
        if (!TryReadSystem(address, 8, out var descriptor))
            return false;
        var tss = Decode(selector, descriptor);
        if ((tss.Attributes & 0x17) != (how == TaskSwitch.Return ? 3u : 1))
            return Refuse(refusal, error);
        if (!tss.Present)
            return Refuse(Vector.NP, error);
        var is32 = (tss.Attributes & 8) != 0;
        if (tss.Limit < (is32 ? TaskBytes32 : TaskBytes16) - 1)
            return Refuse(Vector.TS, error);
        if (!TryReadTask(tss.Base, is32, out var task) || !TrySaveTask(nextRip, flags, external))
            return false;

        ref var tr = ref Seg(X86Seg.Tr);
        if (how is TaskSwitch.Jump or TaskSwitch.Return)
        {
            if (TryFindDescriptor(tr.Selector, 8, out var old) && !(TryReadSystem(old + 5, 1, out var access) && TryWriteSystem(old + 5, 1, access & ~2ul)))
                return false;
        }
        else
        {
            if (!TryWriteSystem(tss.Base + Link, 2, tr.Selector))
                return false;
            task.Flags |= Flags.NT;
        }
        if (how != TaskSwitch.Return && !TryWriteSystem(address + 5, 1, descriptor >> 40 & 0xff | 2))
            return false;

        tss.Attributes |= 2;
        tr = tss;
        _isInNewTask = !TryEnterTask(task, is32, external);
        return !_isInNewTask;
    }

    /// <summary>A fault takes RIP and the flags back to the instruction that it was met in: here to before the switch.</summary>
    private void GoOnInNewTask()
    {
        _isInNewTask = false;
        S->Rip = _taskRip;
        SetRflags(_taskFlags);
    }

    /// <summary>What a TSS holds of a task, in the order of the 32-bit one (SDM Vol. 3A, Figures 8-2 and 8-10).</summary>
    private struct TaskState
    {
        public ulong Cr3, Rip, Flags;
        public fixed ulong Gpr[8];
        public fixed ushort Selectors[6];
        public ushort Ldt;
        public bool Traps;
    }

    // ES CS SS DS FS GS are numbered so in a TSS and in instructions; a 16-bit one has no FS and GS.
    private const int Segments32 = 6, Segments16 = 4;

    private bool TryReadTask(ulong at, bool is32, out TaskState task)
    {
        task = default;
        var width = is32 ? 4 : 2;
        ulong next = is32 ? 0x1cu : 0x0e, value = 0;
        if (is32 && !Take(4, out task.Cr3) || !Take(width, out task.Rip) || !Take(width, out task.Flags))
            return false;
        for (var i = 0; i < 8; i++)
        {
            if (!Take(width, out value))
                return false;
            task.Gpr[i] = value;
        }
        for (var i = 0; i < (is32 ? Segments32 : Segments16); i++)
        {
            if (!Take(width, out value))
                return false;
            task.Selectors[i] = (ushort)value;
        }
        if (!Take(width, out value))
            return false;
        task.Ldt = (ushort)value;
        if (is32 && !Take(2, out value))
            return false;
        task.Traps = is32 && (value & 1) != 0;
        return true;

        bool Take(int size, out ulong taken)
        {
            var done = TryReadSystem(at + next, size, out taken);
            next += (uint)size;
            return done;
        }
    }

    private bool TrySaveTask(ulong nextRip, ulong flags, int external)
    {
        ref var tr = ref Seg(X86Seg.Tr);
        var is32 = (tr.Attributes & 8) != 0;
        if (!tr.Usable || tr.Limit < (is32 ? TaskBytes32 : TaskBytes16) - 1)
            return Refuse(Vector.TS, tr.Selector & 0xfffc | external);
        var width = is32 ? 4 : 2;
        var next = tr.Base + (is32 ? 0x20u : 0x0e);
        if (!Put(nextRip) || !Put(flags))
            return false;
        for (var i = 0; i < 8; i++)
        {
            if (!Put(Gpr(i)))
                return false;
        }
        for (var i = 0; i < (is32 ? Segments32 : Segments16); i++)
        {
            if (!Put(Seg((X86Seg)i).Selector))
                return false;
        }
        return true;

        bool Put(ulong value)
        {
            var done = TryWriteSystem(next, width, value);
            next += (uint)width;
            return done;
        }
    }

    // From here on all faults are the new task's.
    private bool TryEnterTask(in TaskState task, bool is32, int external)
    {
        S->Cr0 |= Control.TS;
        if ((S->Dr[7] & LocalBreakpoints) != 0)
        {
            S->Dr[7] &= ~LocalBreakpoints;
            FlushTlb();
        }
        (_taskRip, _taskFlags) = (task.Rip, is32 ? task.Flags : task.Flags & 0xffff);
        S->Rip = _taskRip;
        SetRflags(_taskFlags);
        for (var i = 0; i < 8; i++)
            Gpr(i) = task.Gpr[i];
        for (var i = 0; i < Segments32; i++)
            Seg((X86Seg)i) = new X86SegmentCache { Selector = task.Selectors[i], Attributes = X86Segment.Unusable };
        Seg(X86Seg.Ldtr) = new X86SegmentCache { Selector = task.Ldt, Attributes = X86Segment.Unusable };
        S->Cpl = (S->Rflags & Flags.VM) != 0 ? 3 : task.Selectors[(int)X86Seg.Cs] & 3;
        if (is32 && (S->Cr0 & Control.PG) != 0)
        {
            if ((S->Cr4 & Control.PAE) != 0 && !TryLoadPdptes(task.Cr3))
                return Refuse(Vector.GP, external);
            S->Cr3 = task.Cr3;
            FlushTlb();
        }
        if (!TryLoadTaskLdt(task.Ldt, external))
            return false;
        if (Virtual8086)
        {
            for (var i = 0; i < Segments32; i++)
                SetRealSegment((X86Seg)i, task.Selectors[i]);
        }
        else if (!TryLoadTaskSegments(task, external))
        {
            return false;
        }
        if (S->Rip > Seg(X86Seg.Cs).Limit)
            return Refuse(Vector.GP, external);
        if (!task.Traps)
            return true;
        NoteInDr6(SwitchedTask);
        RaiseAfter(Vector.DB, EventSource.Trap, S->Rip);
        return false;
    }

    private bool TryLoadTaskLdt(ushort selector, int external)
    {
        if ((selector & 0xfffc) == 0)
            return true;
        var error = selector & 0xfffc | external;
        if ((selector & 4) != 0 || !TryReadDescriptor(selector, out var descriptor, Vector.TS, external))
            return Refuse(Vector.TS, error);
        var ldt = Decode(selector, descriptor);
        if ((ldt.Attributes & 0x1f) != 2 || !ldt.Present)
            return Refuse(Vector.TS, error);
        Seg(X86Seg.Ldtr) = ldt;
        return true;
    }

    // CS before SS, whose privilege must be its; the rest in any order (SDM Vol. 3A, Table 8-1).
    private bool TryLoadTaskSegments(in TaskState task, int external)
    {
        foreach (var index in (ReadOnlySpan<X86Seg>)[X86Seg.Cs, X86Seg.Ss, X86Seg.Ds, X86Seg.Es, X86Seg.Fs, X86Seg.Gs])
        {
            var selector = task.Selectors[(int)index];
            var error = selector & 0xfffc | external;
            var isNull = (selector & 0xfffc) == 0;
            if (isNull && index is not (X86Seg.Cs or X86Seg.Ss))
                continue;
            if (isNull)
                return Refuse(Vector.TS, error);
            if (!TryReadDescriptor(selector, out var descriptor, Vector.TS, external))
                return false;
            var seg = Decode(selector, descriptor);
            if (!SuitsTask(index, seg, selector & 3))
                return Refuse(Vector.TS, error);
            if (!seg.Present)
                return Refuse(index == X86Seg.Ss ? Vector.SS : Vector.NP, error);
            if (!TrySetAccessed(selector, ref seg, descriptor))
                return false;
            Seg(index) = seg;
        }
        return true;
    }

    private bool SuitsTask(X86Seg index, in X86SegmentCache seg, int rpl)
    {
        var isConforming = (seg.Attributes & 0x1c) == 0x1c;
        return index switch
        {
            X86Seg.Cs => (seg.Attributes & 0x18) == 0x18 && (isConforming ? seg.Dpl <= rpl : seg.Dpl == rpl),
            X86Seg.Ss => (seg.Attributes & 0x1a) == 0x12 && rpl == Cpl && seg.Dpl == Cpl,
            _ => (seg.Attributes & 0x10) != 0 && (seg.Attributes & 0xa) != 8 && (isConforming || seg.Dpl >= Cpl && seg.Dpl >= rpl),
        };
    }
}
