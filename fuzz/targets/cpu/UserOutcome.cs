using System.Buffers.Binary;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>What a program of <see cref="CpuMode.User64"/> came to, as a Linux process can tell: what CPUs of different makers are compared by.</summary>
internal sealed class UserOutcome
{
    private const int StackFault = 12, GeneralProtection = 13, PageFault = 14, AlignmentCheck = 17;

    private const byte Hlt = 0xf4;

    // Of the x87's status word; the status flags.
    private const ushort ErrorSummary = 0x80;
    private const ulong Compared = 0x8d5;

    // Linux tells a process of a fault outside its half of the address space that the page is there; ours has the supervisor's pages below.
    private const ulong UserEnd = 0x7ffffffff000, PagePresent = 1;

    // RF is pushed set for some faults, and is nothing that a program sees.
    private const ulong Resume = 0x10000;

    private readonly ulong[] _gpr = new ulong[16];
    private readonly byte[] _fxsave = new byte[512], _memory = new byte[HostProgram.MemoryBytes];
    private int _vector;
    private ulong _rip, _rflags, _error, _cr2;

    // Refused to the user: the end of every program.
    private bool HasHalted => _vector == GeneralProtection && _rip - CpuProgram.CodeAddress < CpuProgram.PageBytes && _memory[_rip - CpuProgram.CodeAddress] == Hlt;

    private static bool IsAtEndOfHalf(UserOutcome outcome) => outcome._vector == PageFault && outcome._cr2 + CpuProgram.PageBytes >= 1UL << 47 && outcome._cr2 < 1UL << 47;

    private static bool IsMemoryFault(int vector) => vector is StackFault or GeneralProtection or PageFault;

    public void Take(CpuRig rig, in CpuOutcome outcome)
    {
        _vector = outcome.Vector;
        // An error code lies below RIP.
        var hasError = _vector is 8 or (>= 10 and <= 14) or 17;
        (_rip, _rflags, _error, _cr2) = (rig.Pushed(5), rig.Pushed(3), hasError ? rig.Pushed(6) : 0, outcome.State.Cr2);
        for (var i = 0; i < _gpr.Length; i++)
            _gpr[i] = i == 4 ? rig.Pushed(2) : outcome.State.Gpr[i];
        var state = outcome.State;
        unsafe
        {
            new ReadOnlySpan<byte>(state.Fxsave, 512).CopyTo(_fxsave);
        }
        rig.Ram.Slice((int)CpuProgram.CodeAddress, CpuProgram.PageBytes).CopyTo(_memory);
        rig.Ram.Slice((int)CpuProgram.DataAddress, CpuProgram.DataBytes).CopyTo(_memory.AsSpan(CpuProgram.PageBytes));
        rig.Ram.Slice((int)CpuProgram.StackAddress, CpuProgram.PageBytes).CopyTo(_memory.AsSpan(CpuProgram.PageBytes + CpuProgram.DataBytes));
    }

    public void Take(in HostOutcome outcome)
    {
        (_vector, _rip, _rflags, _error, _cr2) = (outcome.Vector, outcome.Rip, outcome.Rflags, outcome.ErrorCode, outcome.Cr2);
        for (var i = 0; i < _gpr.Length; i++)
            _gpr[i] = outcome.Gpr(i);
        outcome.Fxsave.CopyTo(_fxsave);
        outcome.Memory.CopyTo(_memory);
    }

    /// <summary>What differs first; null when nothing that is defined does.</summary>
    public static CpuDifference? Compare(UserOutcome a, UserOutcome b, Freedom freedom)
    {
        // Whether #AC comes before a page fault, and which accesses of 16 bytes it is raised for, differs from CPU to CPU (SDM Vol. 3A, 6.9 and 6.15).
        if (a._vector == AlignmentCheck || b._vector == AlignmentCheck)
            return null;
        // An access across the end of the lower half: which of its two faults comes first.
        if (a._vector != b._vector && (IsAtEndOfHalf(a) || IsAtEndOfHalf(b)))
            return null;
        var isFault = IsMemoryFault(a._vector) && IsMemoryFault(b._vector);
        if (freedom.HasTwoOperandsInMemory && isFault && (a._vector != b._vector || a._cr2 != b._cr2))
            return null;
        if (a._vector != b._vector)
            return CpuDifference.Of("vector", (ulong)a._vector, (ulong)b._vector);
        if (a._rip != b._rip)
            return CpuDifference.Of("RIP", a._rip, b._rip);
        for (var i = 0; i < 16; i++)
        {
            if (a._gpr[i] != b._gpr[i])
                return CpuDifference.Of(CpuOutcome.NameOf(i), a._gpr[i], b._gpr[i]) with { Kind = "register" };
        }
        var flags = ~(freedom.Flags | Resume);
        // Of FCOMI with an unmasked exception.
        if ((BinaryPrimitives.ReadUInt16LittleEndian(a._fxsave.AsSpan(2)) & ErrorSummary) != 0)
            flags &= ~Compared;
        if ((a._rflags & flags) != (b._rflags & flags))
            return CpuDifference.Of("RFLAGS", a._rflags, b._rflags);
        if (!(freedom.UsesMmx && !a.HasHalted) && CpuOutcome.CompareFpu(a._fxsave, b._fxsave, everything: false) is { } fpu)
            return fpu;
        if (freedom.CallsIndirectly && isFault && !a.HasHalted)
            return null;
        if (!a._memory.AsSpan().SequenceEqual(b._memory))
        {
            var at = a._memory.AsSpan().CommonPrefixLength(b._memory) & ~7;
            var address = at < CpuProgram.PageBytes ? CpuProgram.CodeAddress + (ulong)at
                : at < CpuProgram.PageBytes + CpuProgram.DataBytes ? CpuProgram.DataAddress + (ulong)(at - CpuProgram.PageBytes)
                : CpuProgram.StackAddress + (ulong)(at - CpuProgram.PageBytes - CpuProgram.DataBytes);
            return CpuDifference.Of($"memory at 0x{address:x}", BinaryPrimitives.ReadUInt64LittleEndian(a._memory.AsSpan(at)), BinaryPrimitives.ReadUInt64LittleEndian(b._memory.AsSpan(at))) with { Kind = "memory" };
        }
        if (a._vector == PageFault && a._cr2 != b._cr2)
            return CpuDifference.Of("CR2", a._cr2, b._cr2);
        var error = a._vector == PageFault && a._cr2 is >= UserEnd or < CpuRig.RamBytes ? ~PagePresent : ulong.MaxValue;
        return (a._error & error) != (b._error & error) ? CpuDifference.Of("error code", a._error, b._error) : null;
    }
}
