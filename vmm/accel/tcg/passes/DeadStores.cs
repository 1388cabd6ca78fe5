using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Passes;

/// <summary>
/// Backward over a block: drops operations whose result nobody reads, above all flags that the next instruction computes anew. A global is
/// read by every exit and by everything that may fault, since the guest sees it there; the lazy state only where the exit does not carry its own.
/// </summary>
public sealed class DeadStores
{
    private readonly bool[] _liveTemps = new bool[IrBlock.MaxTemps];
    private readonly short[] _states = new short[IrBlock.MaxOps];

    public void Run(IrBlock block, IrGuest guest)
    {
        var ops = block.Ops;
        var all = ulong.MaxValue;
        var state = IrOp.NoState;
        for (var i = 0; i < ops.Length; i++)
        {
            if (ops[i].Opcode == IrOpcode.Insn)
                state = ops[i].State;
            _states[i] = state;
        }
        Array.Clear(_liveTemps);
        var live = all;
        var lazy = guest.LazyStateGlobal >= 0 ? 1ul << guest.LazyStateGlobal : 0;
        for (var i = ops.Length - 1; i >= 0; i--)
        {
            ref var op = ref ops[i];
            var info = IrOpcodes.Info(op.Opcode);
            var effects = op.Opcode == IrOpcode.Call ? guest.Helpers[op.Helper].Effects : IrEffects.Pure;
            var needed = op.Opcode == IrOpcode.Call
                ? (effects & (IrEffects.WritesGlobals | IrEffects.MayFault | IrEffects.Memory)) != 0
                : (info & IrOperands.Effect) != 0;
            if (!needed && !op.Dst.IsNone && !IsLive(op.Dst, live) || !needed && op.Dst.IsNone || IsSelfMove(op))
            {
                IrBlock.Delete(ref op);
                continue;
            }
            if (op.Dst.IsTemp)
                _liveTemps[op.Dst.Index] = false;
            else if (op.Dst.IsGlobal)
                live &= ~(1ul << op.Dst.Index);
            if ((info & IrOperands.Terminator) != 0)
                live = op.State >= 0 ? all & ~lazy : all;
            else if (op.Opcode == IrOpcode.ExitIf)
                live |= op.State >= 0 ? all & ~lazy : all;
            else if ((info & IrOperands.SideExit) != 0)
                live |= _states[i] >= 0 ? all & ~lazy : all;
            else if ((effects & (IrEffects.ReadsGlobals | IrEffects.MayFault)) != 0)
                live = all;
            Use(op.A, ref live);
            Use(op.B, ref live);
            Use(op.C, ref live);
        }
        block.Compact();
    }

    private static bool IsSelfMove(in IrOp op) => op.Opcode == IrOpcode.Mov && op.Type == IrType.I64 && op.Dst == op.A;

    private bool IsLive(IrValue value, ulong live) => value.IsTemp ? _liveTemps[value.Index] : (live >> value.Index & 1) != 0;

    private void Use(IrValue value, ref ulong live)
    {
        if (value.IsTemp)
            _liveTemps[value.Index] = true;
        else if (value.IsGlobal)
            live |= 1ul << value.Index;
    }
}
