using System.Numerics;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

// Which host register holds which global or temporary. A value is in its slot of the state, in a register, or in both; a dirty register is newer
// than the slot. When registers run out, the value that is read again last goes.
internal sealed unsafe partial class X64Generator
{
    /// <summary>Globals have keys from 0, temporaries from here.</summary>
    private const int FirstTempKey = 64;

    private const int Never = int.MaxValue;

    // What the System V ABI lets a callee overwrite, without the scratch registers; and what it must keep.
    private const int CallerSaved = 1 << (int)X64Register.Rsi | 1 << (int)X64Register.Rdi | 0xf << (int)X64Register.R8;
    private const int CalleeSaved = 1 << (int)X64Register.Rbx | 7 << (int)X64Register.R12;

    private readonly sbyte[] _registerOf = new sbyte[FirstTempKey + IrBlock.MaxTemps];
    private readonly short[] _keys = new short[16];
    private readonly int[] _nextUse = new int[16];
    private int _held, _dirty, _locked;

    /// <summary>What the registers held at some operation.</summary>
    private struct RegisterSnapshot
    {
        public int Held, Dirty;
        public fixed short Keys[16];
    }

    private static bool IsVariable(IrValue value) => value.IsGlobal || value.IsTemp;

    private static int KeyOf(IrValue value) => value.IsTemp ? FirstTempKey + value.Index : value.Index;

    private static bool Fits32(ulong value) => (long)value == (int)value;

    private bool IsInRegister(IrValue value) => _registerOf[KeyOf(value)] >= 0;

    /// <summary>The register that an operand is in, until the operation ends. Constants go to the scratch register given.</summary>
    private X64Register Use(IrValue value, int nextUse, X64Register scratch)
    {
        if (value.IsConstant)
        {
            _asm.MoveImmediate(scratch, _ir.ValueOf(value));
            return scratch;
        }
        var key = KeyOf(value);
        int register = _registerOf[key];
        if (register < 0)
        {
            register = (int)Allocate(value.IsGlobal);
            _asm.Load(8, (X64Register)register, State, _slots[key]);
            Hold(key, register);
        }
        _nextUse[register] = nextUse;
        _locked |= 1 << register;
        return (X64Register)register;
    }

    /// <summary>
    /// The register for a result that is computed in place of operand a: a's own where a is not read any more, else a new one that a was copied to.
    /// </summary>
    private X64Register Replace(in IrOp op, int* uses, X64Register a)
    {
        if (op.Dst == op.A || op.A.IsTemp && uses[0] == Never)
        {
            if (op.Dst != op.A)
                Forget(KeyOf(op.A));
            Define(op.Dst, uses[3], a);
            return a;
        }
        var register = Result(op, uses);
        _asm.Move(8, register, a);
        return register;
    }

    /// <summary>A new register for a result. The operands' registers are as they were until the operation ends.</summary>
    private X64Register Result(in IrOp op, int* uses)
    {
        var register = Allocate(op.Dst.IsGlobal);
        Define(op.Dst, uses[3], register);
        return register;
    }

    private void Define(IrValue value, int nextUse, X64Register register)
    {
        var key = KeyOf(value);
        Forget(key);
        Hold(key, (int)register);
        _dirty |= 1 << (int)register;
        _locked |= 1 << (int)register;
        _nextUse[(int)register] = nextUse;
    }

    /// <summary>A register that holds nothing and is not used by this operation.</summary>
    private X64Register Allocate(bool forGlobal)
    {
        var free = (CallerSaved | CalleeSaved) & ~(_held | _locked);
        if (free == 0)
        {
            Evict();
            free = (CallerSaved | CalleeSaved) & ~(_held | _locked);
        }
        var preferred = free & (forGlobal ? CalleeSaved : CallerSaved);
        var register = BitOperations.TrailingZeroCount(preferred != 0 ? preferred : free);
        _locked |= 1 << register;
        return (X64Register)register;
    }

    private void Evict()
    {
        int victim = -1, clean = 0;
        for (var left = _held & ~_locked; left != 0; left &= left - 1)
        {
            var register = BitOperations.TrailingZeroCount(left);
            var isClean = ~_dirty >> register & 1;
            if (victim >= 0 && (_nextUse[register] < _nextUse[victim] || _nextUse[register] == _nextUse[victim] && isClean <= clean))
                continue;
            victim = register;
            clean = isClean;
        }
        if (clean == 0)
            _asm.Store(8, State, _slots[_keys[victim]], (X64Register)victim);
        Release(victim);
    }

    private void Hold(int key, int register)
    {
        _registerOf[key] = (sbyte)register;
        _keys[register] = (short)key;
        _held |= 1 << register;
        _dirty &= ~(1 << register);
    }

    private void Release(int register)
    {
        _registerOf[_keys[register]] = -1;
        _held &= ~(1 << register);
        _dirty &= ~(1 << register);
    }

    private void Forget(int key)
    {
        if (_registerOf[key] >= 0)
            Release(_registerOf[key]);
    }

    private void ForgetAll()
    {
        for (; _held != 0;)
            Release(BitOperations.TrailingZeroCount(_held));
        _locked = 0;
    }

    /// <summary>Temporaries that are not read again give their registers back.</summary>
    private void EndOperation(in IrOp op, int* uses)
    {
        ForgetDead(op.A, uses[0], op.Dst);
        ForgetDead(op.B, uses[1], op.Dst);
        ForgetDead(op.C, uses[2], op.Dst);
        if (op.Dst.IsTemp && uses[3] == Never)
            Forget(KeyOf(op.Dst));
        _locked = 0;
    }

    private void ForgetDead(IrValue operand, int nextUse, IrValue dst)
    {
        if (operand.IsTemp && nextUse == Never && operand != dst)
            Forget(KeyOf(operand));
    }

    private RegisterSnapshot Snapshot()
    {
        var snapshot = new RegisterSnapshot { Held = _held, Dirty = _dirty };
        for (var left = _held; left != 0; left &= left - 1)
        {
            var register = BitOperations.TrailingZeroCount(left);
            snapshot.Keys[register] = _keys[register];
        }
        return snapshot;
    }

    /// <summary>As <see cref="Snapshot"/>, without temporaries that this operation reads last.</summary>
    private RegisterSnapshot SnapshotAfter(in IrOp op, int* uses)
    {
        var snapshot = Snapshot();
        Drop(ref snapshot, op.A, uses[0]);
        Drop(ref snapshot, op.B, uses[1]);
        return snapshot;
    }

    private void Drop(ref RegisterSnapshot snapshot, IrValue operand, int nextUse)
    {
        if (operand.IsTemp && nextUse == Never && _registerOf[KeyOf(operand)] is >= 0 and var register)
            snapshot.Held &= ~(1 << register);
    }

    /// <summary>Stores the globals that a block's exit leaves behind. The exit's own lazy state overrides the global's.</summary>
    private void StoreForExit(in RegisterSnapshot registers, short state)
    {
        for (var left = registers.Held & registers.Dirty; left != 0; left &= left - 1)
        {
            var register = BitOperations.TrailingZeroCount(left);
            int key = registers.Keys[register];
            if (key < FirstTempKey && !(state >= 0 && key == _guest.LazyStateGlobal))
                _asm.Store(8, State, _slots[key], (X64Register)register);
        }
    }

    /// <summary>Before a call off the fast path: globals must be in the state, since the callee may fault, and what the callee may overwrite is kept in its slot.</summary>
    private void SaveAround(in RegisterSnapshot registers)
    {
        for (var left = registers.Held & registers.Dirty; left != 0; left &= left - 1)
        {
            var register = BitOperations.TrailingZeroCount(left);
            int key = registers.Keys[register];
            if (key < FirstTempKey || (CallerSaved >> register & 1) != 0)
                _asm.Store(8, State, _slots[key], (X64Register)register);
        }
    }

    private void RestoreAround(in RegisterSnapshot registers)
    {
        for (var left = registers.Held & CallerSaved; left != 0; left &= left - 1)
        {
            var register = BitOperations.TrailingZeroCount(left);
            _asm.Load(8, (X64Register)register, State, _slots[registers.Keys[register]]);
        }
    }

    /// <summary>Before a call on the fast path: values that live on are in their slots where the callee can see or overwrite them.</summary>
    /// <param name="effects">Of the helper.</param>
    private void StoreForCall(in IrOp op, int* uses, IrEffects effects)
    {
        var visible = (effects & (IrEffects.ReadsGlobals | IrEffects.WritesGlobals | IrEffects.MayFault)) != 0;
        for (var left = _held & _dirty; left != 0; left &= left - 1)
        {
            var register = BitOperations.TrailingZeroCount(left);
            int key = _keys[register];
            var isGlobal = key < FirstTempKey;
            if (!(isGlobal && visible) && (CallerSaved >> register & 1) == 0)
                continue;
            if (!isGlobal && (DiesHere(op.A, uses[0], key) || DiesHere(op.B, uses[1], key) || DiesHere(op.C, uses[2], key)))
                continue;
            _asm.Store(8, State, _slots[key], (X64Register)register);
            _dirty &= ~(1 << register);
        }
    }

    private static bool DiesHere(IrValue operand, int nextUse, int key) => operand.IsTemp && nextUse == Never && KeyOf(operand) == key;

    /// <summary>After a call on the fast path.</summary>
    private void ForgetOverwritten(IrEffects effects)
    {
        for (var left = _held; left != 0; left &= left - 1)
        {
            var register = BitOperations.TrailingZeroCount(left);
            if ((CallerSaved >> register & 1) != 0 || _keys[register] < FirstTempKey && (effects & IrEffects.WritesGlobals) != 0)
                Release(register);
        }
    }
}
