using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>What generated code returns: a kind and, for a fault, the number of the guest instruction in its block.</summary>
internal enum HostExit
{
    Lookup,
    Leave,
    Requested,
    Fault,

    /// <summary>By slot 0 or 1, which is not chained yet; the block is in <see cref="CoreHeader.Block"/>.</summary>
    Slot0,
    Slot1,
    KindMask = 0xff,
}

internal static class HostExits
{
    public const int InstructionShift = 8;
}

// Leaving a block. Everything is in the state by then.
internal sealed unsafe partial class X64Generator
{
    private void ExitIf(in IrOp op, int* uses)
    {
        var a = CompareOperands(op, uses, out var b);
        Compare(op, a, b);
        Defer(DeferredKind.Exit, op, _asm.JumpIf(HostCondition(op.Cond)), default, default, SnapshotAfter(op, uses));
    }

    /// <summary>Goes on at a guest address: by a jump that chaining fills in where the target is on the same page, else by the jump cache.</summary>
    private void Exit(byte slot, ulong target, short state)
    {
        StoreLazyState(state);
        var key = _block->Key;
        var samePage = ((key.Pc + key.CodeBase ^ target + key.CodeBase) & ~0xffful) == 0;
        if (!samePage || (slot == 0 ? _block->Jump0 : _block->Jump1) != null)
        {
            StorePc(target);
            LookUp();
            return;
        }
        var jump = _asm.Jump();
        if (slot == 0)
            _block->Jump0 = jump;
        else
            _block->Jump1 = jump;
        StorePc(target);
        NameBlock(Scratch);
        Return(slot == 0 ? HostExit.Slot0 : HostExit.Slot1);
    }

    /// <summary>Goes on at the address in the pc global, in this block's mode.</summary>
    private void LookUp()
    {
        _asm.MoveImmediate(X64Register.Rsi, (ulong)_block);
        _asm.JumpTo(_stubs.LookUp);
    }

    private void Return(HostExit exit)
    {
        _asm.MoveImmediate(X64Register.Rax, (uint)exit);
        _asm.JumpTo(_stubs.Return);
    }

    private void StorePc(ulong pc)
    {
        if (Fits32(pc))
        {
            _asm.StoreImmediate(8, State, _pcSlot, (int)pc);
            return;
        }
        _asm.MoveImmediate(Scratch, pc);
        _asm.Store(8, State, _pcSlot, Scratch);
    }

    private void StoreLazyState(short state)
    {
        if (state >= 0 && _guest.LazyStateGlobal >= 0)
            _asm.StoreImmediate(8, State, _lazySlot, state);
    }
}
