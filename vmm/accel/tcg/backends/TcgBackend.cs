using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends;

/// <summary>Why <see cref="TcgBackend.Run"/> came back.</summary>
public enum BlockExit
{
    /// <summary>No block is known for the program counter.</summary>
    Lookup,

    /// <summary>A block ended with <see cref="IrOpcode.Leave"/>.</summary>
    Leave,

    /// <summary><see cref="CoreHeader.ExitRequest"/> was set.</summary>
    Requested,

    /// <summary><see cref="CoreHeader.Fault"/> tells what happened at the instruction that the core was rolled back to.</summary>
    Fault,
}

/// <summary>Turns IR into something that runs, and runs it. One for each vCPU, used by its thread alone.</summary>
public abstract unsafe class TcgBackend : IDisposable
{
    /// <summary>True when a block may not fit: everything is dropped before the next is made.</summary>
    public virtual bool IsFull => false;

    /// <summary>Makes the block's code; the caller fills in addresses and adds it to the cache.</summary>
    /// <param name="key">What the block will be found by.</param>
    public abstract TranslatedBlock* Generate(IrBlock ir, in BlockKey key, BlockCache cache);

    /// <summary>Goes from block to block until something needs the run loop.</summary>
    /// <param name="block">To start with; its mode is the CPU's.</param>
    public abstract BlockExit Run(TranslatingCore core, TranslatedBlock* block);

    /// <summary>Makes an invalid block leave for the lookup when it is entered.</summary>
    public abstract void Invalidate(TranslatedBlock* block);

    /// <summary>From now on an exit goes to this block without the run loop.</summary>
    /// <param name="slot">0 or 1.</param>
    public abstract void Chain(TranslatedBlock* from, int slot, TranslatedBlock* to);

    /// <summary>Every block is gone.</summary>
    public virtual void Clear()
    {
    }

    public abstract void Dispose();
}
