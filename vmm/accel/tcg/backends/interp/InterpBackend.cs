using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.Interp;

/// <summary>Runs IR by interpreting it: on every host, and as the reference for generated code.</summary>
public sealed unsafe class InterpBackend(IrGuest guest, int tempOffset) : TcgBackend
{
    private readonly Lowering _lowering = new(guest, tempOffset);

    public override TranslatedBlock* Generate(IrBlock ir, in BlockKey key, BlockCache cache)
    {
        var block = _lowering.Lower(ir, cache);
        block->Key = key;
        return block;
    }

    public override BlockExit Run(TranslatingCore core, TranslatedBlock* block) => Interpreter.Run(core, block);

    public override void Invalidate(TranslatedBlock* block) => Lowering.MakeStub(block);

    public override void Chain(TranslatedBlock* from, int slot, TranslatedBlock* to)
    {
        if (slot == 0)
            from->Chain0 = to;
        else
            from->Chain1 = to;
    }

    public override void Dispose() => _lowering.Dispose();
}
