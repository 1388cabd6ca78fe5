using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Backends.Verify;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>A core that runs translated blocks: adds the block cache, the helpers and the way back from a side exit.</summary>
public abstract unsafe class TranslatingCore(int index, PhysicalMap physical, IVcpuIo io, int stateSize, int pcOffset, int lazyStateOffset, int helperCount)
    : TcgCore(index, physical, io, stateSize)
{
    public BlockCache Blocks { get; } = new();

    /// <summary>Offset of the program counter's global from <see cref="TcgCore.Base"/>.</summary>
    public int PcOffset { get; } = pcOffset;

    /// <summary>Offset of the global that exits store their lazy state in.</summary>
    public int LazyStateOffset { get; } = lazyStateOffset;

    /// <summary>The front end's helpers by number: core, three arguments, the constant; the result.</summary>
    public delegate*<TcgCore, ulong, ulong, ulong, int, ulong>* Helpers { get; private set; } =
        (delegate*<TcgCore, ulong, ulong, ulong, int, ulong>*)NativeMemory.AllocZeroed((nuint)helperCount, (nuint)sizeof(nint));

    /// <summary>The block whose exit found no chained block, until one is found; null when there is none.</summary>
    public TranslatedBlock* Unchained { get; set; }

    /// <summary>What a helper or a device threw inside generated code, until it can be thrown again outside.</summary>
    internal ExceptionDispatchInfo? Escaped { get; set; }

    /// <summary>0 or 1.</summary>
    public int UnchainedSlot { get; set; }

    /// <summary>
    /// Chains the exit taken last to this block, if they begin in the same linear page: while code runs on a page its translation stands, that of
    /// another page may change under a chain.
    /// </summary>
    public void TryChain(TranslatedBlock* next)
    {
        var from = Unchained;
        Unchained = null;
        if (from == null || from->Invalid || ((from->Key.Pc + from->Key.CodeBase ^ next->Key.Pc + next->Key.CodeBase) & ~0xffful) != 0)
            return;
        Blocks.Backend?.Chain(from, UnchainedSlot, next);
    }

    /// <summary>Puts program counter and lazy state to the guest instruction that an operation belongs to.</summary>
    public void RollBack(TranslatedBlock* block, int operation)
    {
        var mark = block->Instructions - 1;
        while (mark > 0 && block->Marks[mark].FirstOp > operation)
            mark--;
        RollBackTo(Base, block, mark);
    }

    /// <summary>Puts program counter and lazy state of a state to a guest instruction, by its number in the block.</summary>
    internal void RollBackTo(byte* state, TranslatedBlock* block, int instruction)
    {
        *(ulong*)(state + PcOffset) = block->Marks[instruction].Pc;
        if (block->Marks[instruction].State >= 0)
            *(ulong*)(state + LazyStateOffset) = (ulong)block->Marks[instruction].State;
        ((CoreHeader*)state)->Instructions -= block->Instructions - instruction;
    }

    /// <summary>Where accesses and calls of interpreted blocks are done and kept, while they are compared with host code.</summary>
    internal ExecutionLog? Log { get; set; }

    /// <summary>An access of an interpreted block that missed the TLB.</summary>
    internal bool LoadFromBlock(ulong linear, int size, int attributes, ulong* result) =>
        Log is null ? Load(linear, size, attributes, result) : Log.Load(this, linear, size, attributes, result);

    internal bool StoreFromBlock(ulong linear, int size, int attributes, ulong value) =>
        Log is null ? Store(linear, size, attributes, value) : Log.Store(this, linear, size, attributes, value);

    public override void Dispose()
    {
        if (Helpers != null)
        {
            Blocks.Dispose();
            NativeMemory.Free(Helpers);
            Helpers = null;
        }
        base.Dispose();
    }

    protected override bool InvalidatePage(ulong physicalPage) =>
        Blocks.InvalidatePage(physicalPage, (TranslatedBlock*)Header->Block);
}
