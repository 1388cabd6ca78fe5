using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg.Blocks;

/// <summary>What guest code a block is a translation of: the same bytes in another mode or at another address are another block.</summary>
/// <param name="Pc">Guest program counter of the first instruction.</param>
/// <param name="CodeBase">What is added to it for the linear address (x86: CS's base).</param>
/// <param name="Flags">The CPU mode that the front end translated for.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct BlockKey(ulong Pc, ulong CodeBase, uint Flags)
{
    /// <summary>Where generated code finds the members, in bytes.</summary>
    public const int PcOffset = 0, CodeBaseOffset = 8, FlagsOffset = 16;
}

/// <summary>Where a guest instruction begins among a block's operations.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct InstructionMark
{
    public ulong Pc;
    public int FirstOp;

    /// <summary>The lazy state before the instruction; negative: it is in its global.</summary>
    public short State;
}

/// <summary>A translated block, in the arena of its <see cref="BlockCache"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct TranslatedBlock
{
    public BlockKey Key;

    /// <summary>Guest-physical address of the first byte.</summary>
    public ulong Physical;

    /// <summary>Operations of the interpreter, if it is to run the block.</summary>
    public void* Code;

    /// <summary>Host code, if there is some: where it is entered.</summary>
    public void* HostCode;

    /// <summary>Writable addresses of the jumps' displacements that chaining fills in; null for an exit that there is not or that looks its target up.</summary>
    public byte* Jump0, Jump1;

    /// <summary>Writable address of the host code, and the address of its part that leaves for the lookup.</summary>
    public byte* HostEntry, HostLeave;
    public InstructionMark* Marks;
    public int Instructions;

    /// <summary>In bytes; the block may run into the next linear page with its last instruction.</summary>
    public int GuestLength;

    /// <summary>Where exits go when no block is chained.</summary>
    public ulong Target0, Target1;

    /// <summary>Blocks that the exits are chained to, or null.</summary>
    public TranslatedBlock* Chain0, Chain1;

    /// <summary>Next in the hash table's bucket, and next of the same physical page.</summary>
    public TranslatedBlock* NextInBucket, NextInPage;

    /// <summary>Second physical page, or <see cref="NoPage"/>.</summary>
    public ulong SecondPage;

    /// <summary>Of the second page's list.</summary>
    public TranslatedBlock* NextInSecondPage;
    public bool Invalid;

    public const ulong NoPage = ulong.MaxValue;
}
