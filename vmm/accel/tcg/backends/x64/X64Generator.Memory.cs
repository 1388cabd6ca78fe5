using Gauntlet.Vmm.Accel.Tcg.Ir;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

// Guest memory and helpers. An access that the TLB holds as plain RAM within a page is done here; every other one calls out, behind the block.
internal sealed unsafe partial class X64Generator
{
    private const int PageMask = -0x1000;

    // Offsets in TlbEntry.
    private const int TlbRead = 0, TlbWrite = 8, TlbAddend = 24;

    private void Load(in IrOp op, int* uses)
    {
        var address = WholeAddress(op, uses);
        var dst = Allocate(op.Dst.IsGlobal);
        var registers = SnapshotAfter(op, uses);
        var size = op.Type.Bytes();
        var miss = Probe(address, op, TlbRead);
        if (op.Opcode == IrOpcode.LoadSigned && op.Type != IrType.I64)
            _asm.LoadSignExtended(size, dst, address, Scratch2);
        else
            _asm.LoadZeroExtended(size, dst, address, Scratch2);
        Defer(DeferredKind.Load, op, miss, address, dst, registers);
        Define(op.Dst, uses[3], dst);
    }

    private void Store(in IrOp op, int* uses)
    {
        var address = WholeAddress(op, uses);
        var value = op.B.IsConstant ? Scratch3 : Use(op.B, uses[1], Scratch3);
        var registers = SnapshotAfter(op, uses);
        var miss = Probe(address, op, TlbWrite);
        if (op.B.IsConstant)
            _asm.MoveImmediate(Scratch3, _ir.ValueOf(op.B) & op.Type.Mask());
        _asm.StoreIndexed(op.Type.Bytes(), address, Scratch2, 0, value);
        Defer(DeferredKind.Store, op, miss, address, value, registers);
    }

    /// <summary>The register with the linear address of an access: the operand's own, or RAX.</summary>
    private X64Register WholeAddress(in IrOp op, int* uses)
    {
        if (op.A.IsConstant)
        {
            _asm.MoveImmediate(Scratch, _ir.ValueOf(op.A) + (ulong)op.Imm);
            return Scratch;
        }
        var a = Use(op.A, uses[0], Scratch);
        if (op.Imm == 0)
            return a;
        if (Fits32((ulong)op.Imm))
            _asm.Lea(8, Scratch, a, (int)op.Imm);
        else
        {
            _asm.MoveImmediate(Scratch, (ulong)op.Imm);
            _asm.Alu(X64Alu.Add, 8, Scratch, a);
        }
        return Scratch;
    }

    /// <summary>Compares with the TLB's entry; leaves what to add for the host's address in RCX. Returns the jump of a miss.</summary>
    private byte* Probe(X64Register address, in IrOp op, int tag) => Probe(address, op.Type.Bytes(), op.Attr, tag);

    private byte* Probe(X64Register address, int size, int attributes, int tag)
    {
        var table = (attributes & TcgCore.MmuIndexMask) << SoftTlb.TableShift;
        _asm.Move(4, Scratch2, address);
        _asm.Shift(X64Shift.Shr, 4, Scratch2, 7);
        // The last byte's page: an access that leaves the page never hits.
        if (size == 1)
            _asm.Move(8, Scratch3, address);
        else
            _asm.Lea(8, Scratch3, address, size - 1);
        _asm.Alu(X64Alu.And, 4, Scratch2, (SoftTlb.Entries - 1) << 5);
        _asm.Alu(X64Alu.And, 8, Scratch3, PageMask);
        _asm.AluIndexed(X64Alu.Cmp, 8, Scratch3, Tlb, Scratch2, table + tag);
        var miss = _asm.JumpIf(X64Condition.NotEqual);
        _asm.LoadIndexed(8, Scratch2, Tlb, Scratch2, 0, table + TlbAddend);
        return miss;
    }

    private void SlowLoad(in Deferred deferred)
    {
        ref readonly var op = ref deferred.Op;
        SaveAround(deferred.Registers);
        NameBlock(Scratch2);
        _asm.Move(8, X64Register.Rsi, deferred.Address);
        _asm.MoveImmediate(X64Register.Rdx, HostCalls.Access(op.Type.Bytes(), op.Attr));
        CallHost(CoreHeader.OffsetLoad);
        RestoreAround(deferred.Registers);
        if (op.Opcode == IrOpcode.LoadSigned && op.Type != IrType.I64)
            _asm.MoveSignExtended(op.Type.Bytes(), deferred.Value, X64Register.Rax);
        else
            _asm.Move(8, deferred.Value, X64Register.Rax);
        _asm.JumpTo(deferred.Resume);
    }

    private void SlowStore(in Deferred deferred)
    {
        ref readonly var op = ref deferred.Op;
        SaveAround(deferred.Registers);
        NameBlock(Scratch2);
        if (op.B.IsConstant)
            _asm.MoveImmediate(X64Register.Rdx, _ir.ValueOf(op.B) & op.Type.Mask());
        else
            _asm.Move(8, X64Register.Rdx, deferred.Value);
        _asm.Move(8, X64Register.Rsi, deferred.Address);
        _asm.MoveImmediate(X64Register.Rcx, HostCalls.Access(op.Type.Bytes(), op.Attr));
        CallHost(CoreHeader.OffsetStore);
        RestoreAround(deferred.Registers);
        _asm.JumpTo(deferred.Resume);
    }

    private void Call(in IrOp op, int* uses)
    {
        var helper = _guest.Helpers[op.Helper];
        if (helper.Shortcut == IrShortcut.Canonical48)
        {
            CallUnlessCanonical(op, uses);
            return;
        }
        if (_inliner is not null && TryInline(op, uses, helper))
            return;
        StoreForCall(op, uses, helper.Effects);
        NameBlock(Scratch);
        // RDX and RCX hold no values, RSI may: it is overwritten last of the three. Operands that are not there are passed as 0.
        Argument(X64Register.Rdx, op.B);
        Argument(X64Register.Rcx, op.C);
        Argument(X64Register.Rsi, op.A);
        PassHelper(op);
        CallHost(CoreHeader.OffsetCall);
        ForgetOverwritten(helper.Effects);
        if (op.Dst.IsNone)
            return;
        var dst = Allocate(op.Dst.IsGlobal);
        _asm.Move(8, dst, X64Register.Rax);
        Define(op.Dst, uses[3], dst);
    }

    private void Argument(X64Register parameter, IrValue value)
    {
        if (value.IsNone)
            _asm.MoveImmediate(parameter, 0);
        else if (value.IsConstant)
            _asm.MoveImmediate(parameter, _ir.ValueOf(value));
        else if (IsInRegister(value))
            _asm.Move(8, parameter, RegisterOf(value));
        else
            _asm.Load(8, parameter, State, _slots[KeyOf(value)]);
    }

    private void CallUnlessCanonical(in IrOp op, int* uses)
    {
        var a = Use(op.A, uses[0], Scratch2);
        var registers = Snapshot();
        _asm.Move(8, Scratch, a);
        _asm.Shift(X64Shift.Shl, 8, Scratch, 16);
        _asm.Shift(X64Shift.Sar, 8, Scratch, 16);
        _asm.Alu(X64Alu.Cmp, 8, Scratch, a);
        Defer(DeferredKind.Call, op, _asm.JumpIf(X64Condition.NotEqual), a, default, registers);
    }

    private void SlowCall(in Deferred deferred)
    {
        SaveAround(deferred.Registers);
        _asm.Move(8, X64Register.Rsi, deferred.Address);
        NameBlock(Scratch);
        _asm.MoveImmediate(X64Register.Rdx, 0);
        _asm.MoveImmediate(X64Register.Rcx, 0);
        PassHelper(deferred.Op);
        CallHost(CoreHeader.OffsetCall);
        RestoreAround(deferred.Registers);
        _asm.JumpTo(deferred.Resume);
    }

    private void PassHelper(in IrOp op)
    {
        _asm.MoveImmediate(X64Register.R8, (uint)op.Imm);
        _asm.MoveImmediate(X64Register.R9, (ulong)_helpers[op.Helper]);
    }

    /// <summary>The callee finds what is being executed in <see cref="CoreHeader.Block"/>.</summary>
    private void NameBlock(X64Register scratch)
    {
        _asm.MoveImmediate(scratch, (ulong)_block);
        _asm.Store(8, State, CoreHeader.OffsetBlock - Bias, scratch);
    }

    /// <summary>Calls a function of the header with the state as first argument; leaves the block when it faulted.</summary>
    private void CallHost(int function)
    {
        _asm.Lea(8, X64Register.Rdi, State, -Bias);
        _asm.CallMemory(State, function - Bias);
        _asm.AluMemory(X64Alu.Cmp, 4, State, CoreHeader.OffsetFault - Bias, 0);
        var completed = _asm.JumpIf(X64Condition.Equal);
        Return(HostExit.Fault | (HostExit)(_instruction << HostExits.InstructionShift));
        X64Assembler.Patch(completed, _asm.At);
    }
}
