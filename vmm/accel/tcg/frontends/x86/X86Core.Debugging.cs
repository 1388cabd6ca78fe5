namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Debug registers at work (SDM Vol. 3B, 17.2 and 17.3), and alignment checking: what watches accesses. Neither costs anything while it is off:
// pages with a breakpoint, and all pages of the MMU index with alignment checks, take the slow path of every access.
public sealed unsafe partial class X86Core
{
    private const int Breakpoints = 4;

    // DR6's bits of the breakpoints that were met; which bits there are (B0 to B3).
    private uint _debugHits;
    private const ulong BreakpointHits = 0xf;

    /// <summary>Some breakpoint is enabled: instructions run one at a time.</summary>
    internal bool HasBreakpoints => (S->Dr[7] & 0xff) != 0;

    /// <summary>
    /// The last instruction was SYSCALL or SYSRET: what TF is after it says whether it traps, so that SFMASK hides a step of ring 3 from the handler, and
    /// SYSRET ends the step that SYSCALL began.
    /// </summary>
    internal bool StepsByNewFlags { get; set; }

    /// <summary>#DB says which breakpoints were met this time; its other bits in DR6 are the guest's to clear (SDM Vol. 3B, 17.2.3).</summary>
    internal void NoteInDr6(ulong bits) => S->Dr[6] = S->Dr[6] & ~BreakpointHits | bits;

    /// <summary>DR6's bits for the data and I/O breakpoints that the last instruction met.</summary>
    internal uint TakeDebugHits()
    {
        var hits = _debugHits;
        _debugHits = 0;
        return hits;
    }

    /// <summary>A fault is pending: an instruction breakpoint at this linear address.</summary>
    internal bool HitsInstructionBreakpoint(ulong linear)
    {
        uint hits = 0;
        for (var i = 0; i < Breakpoints; i++)
            if (IsEnabled(i) && Kind(i) == 0 && S->Dr[i] == linear)
                hits |= 1u << i;
        if (hits == 0)
            return false;
        NoteInDr6(hits);
        Raise(Vector.DB);
        return true;
    }

    /// <summary>An I/O breakpoint, with CR4.DE.</summary>
    internal void NotePort(ushort port, int size)
    {
        if (HasBreakpoints && (S->Cr4 & Control.DE) != 0)
            Note(port, size, 2, 2);
    }

    protected override bool BeforeSlowAccess(ulong linear, int size, MemoryAccess access, int attributes)
    {
        if ((attributes & MmuIndexMask) == MmuUserAligned && (linear & (ulong)(size - 1)) != 0)
        {
            Raise(Vector.AC, 0);
            return false;
        }
        if (HasBreakpoints)
            Note(linear, size, access == MemoryAccess.Write ? 1 : 3, 3);
        return NoteForDebugger(linear, size, access);
    }

    // Kinds as in DR7's R/W fields: 0 execution, 1 write, 2 port, 3 read or write.
    private void Note(ulong address, int size, int kind, int otherKind)
    {
        for (var i = 0; i < Breakpoints; i++)
            if (IsEnabled(i) && (Kind(i) == kind || Kind(i) == otherKind) && Overlaps(i, address, size))
                _debugHits |= 1u << i;
    }

    private bool IsWatched(ulong page)
    {
        if (IsWatchedByDebugger(page))
            return true;
        if (!HasBreakpoints)
            return false;
        for (var i = 0; i < Breakpoints; i++)
            if (IsEnabled(i) && Kind(i) is 1 or 3 && Overlaps(i, page, 0x1000))
                return true;
        return false;
    }

    private bool Overlaps(int index, ulong address, int size)
    {
        // LEN: 1, 2, 8, 4 bytes; the address is taken as a multiple of it.
        ulong length = (S->Dr[7] >> (18 + 4 * index) & 3) switch { 0 => 1, 1 => 2, 2 => 8, _ => 4 };
        var start = S->Dr[index] & ~(length - 1);
        return start < address + (ulong)size && address < start + length;
    }

    private bool IsEnabled(int index) => (S->Dr[7] >> (2 * index) & 3) != 0;

    private int Kind(int index) => (int)(S->Dr[7] >> (16 + 4 * index)) & 3;
}
