using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>What every guest architecture's CPU state begins with: the fields that back ends and the soft MMU use.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
public unsafe struct CoreHeader
{
    public const int OffsetExitRequest = 0, OffsetFault = 4, OffsetBlock = 8, OffsetInstructions = 16, OffsetTlb = 24, OffsetHandle = 32,
        OffsetCall = 40, OffsetLoad = 48, OffsetStore = 56;

    /// <summary>Not 0: leave translated code before the next block. Set from any thread, cleared by the vCPU's own.</summary>
    [FieldOffset(OffsetExitRequest)] public volatile int ExitRequest;

    /// <summary>Set by a helper or a memory access that could not complete: the block ends by a side exit. A <see cref="FaultKind"/>.</summary>
    [FieldOffset(OffsetFault)] public int Fault;

    /// <summary>The block that is being executed, for side exits to find the guest instruction.</summary>
    [FieldOffset(OffsetBlock)] public void* Block;

    /// <summary>Guest instructions begun, counted by whole blocks.</summary>
    [FieldOffset(OffsetInstructions)] public long Instructions;

    /// <summary>The software TLB's first entry.</summary>
    [FieldOffset(OffsetTlb)] public void* Tlb;

    /// <summary>A GCHandle, by which what generated code calls finds its managed object.</summary>
    [FieldOffset(OffsetHandle)] public nint Handle;

    /// <summary>What generated code calls: for helpers, and for memory accesses that miss the TLB.</summary>
    [FieldOffset(OffsetCall)] public void* Call;
    [FieldOffset(OffsetLoad)] public void* Load;
    [FieldOffset(OffsetStore)] public void* Store;
}

/// <summary>Why a block ended by a side exit.</summary>
public enum FaultKind
{
    None,

    /// <summary>A guest exception or trap is pending in the core; the instruction did not complete.</summary>
    Exception,

    /// <summary>Execute the same instruction again, alone in a block: it modifies the block that it is in.</summary>
    RestartAlone,

    /// <summary>Execute the same instruction again: a long one made progress and lets interrupts in.</summary>
    Restart,

    /// <summary>The core cannot go on (an instruction that is not implemented); it has the message.</summary>
    Fatal,

    /// <summary>A debugger's breakpoint is here; the instruction did not begin.</summary>
    Debug,
}
