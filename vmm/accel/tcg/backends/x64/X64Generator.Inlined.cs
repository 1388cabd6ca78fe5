using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

// Helpers that the host does itself. Only scratch registers change, so that nothing has to be saved.
internal sealed unsafe partial class X64Generator
{
    private const int VectorBytes = 16;

    private bool TryInline(in IrOp op, int* uses, IrHelper helper)
    {
        var kind = _inliner!.Find(op.Helper, (int)op.Imm);
        switch (kind)
        {
            case InlineKind.FromState:
                StoreForCall(op, uses, helper.Effects);
                break;
            case InlineKind.FromArguments:
                Argument(X64Register.Rax, op.A);
                Argument(X64Register.Rcx, op.B);
                Argument(X64Register.Rdx, op.C);
                break;
            case InlineKind.Vector:
                _inliner.WriteVector(_asm, (int)op.Imm, _ir.ValueOf(op.A), op.B.IsConstant ? _ir.ValueOf(op.B) : 0, -Bias);
                return true;
            case InlineKind.VectorLoad or InlineKind.VectorStore:
                MoveVector(op, uses, kind == InlineKind.VectorLoad);
                return true;
            default:
                return false;
        }
        _asm.CallTo(_inliner.StubOf(op.Helper, (int)op.Imm));
        if (op.Dst.IsNone)
            return true;
        var dst = Allocate(op.Dst.IsGlobal);
        _asm.Move(8, dst, X64Register.Rax);
        Define(op.Dst, uses[3], dst);
        return true;
    }

    private void MoveVector(in IrOp op, int* uses, bool load)
    {
        var access = _inliner!.AccessOf((int)op.Imm);
        // In RAX in any case: the helper that a miss calls finds it there.
        var a = Use(op.A, uses[0], Scratch);
        if (a != Scratch)
            _asm.Move(8, Scratch, a);
        var registers = Snapshot();
        byte* misaligned = null;
        if (access.Aligned)
        {
            _asm.Move(4, Scratch2, Scratch);
            _asm.Alu(X64Alu.And, 4, Scratch2, VectorBytes - 1);
            misaligned = _asm.JumpIf(X64Condition.NotEqual);
        }
        var miss = Probe(Scratch, VectorBytes, access.Attributes, load ? TlbRead : TlbWrite);
        if (load)
        {
            _asm.LoadVector(0, Scratch, Scratch2);
            StoreVectorRegister(_asm, 0, access.Register - Bias);
        }
        else
        {
            LoadVectorRegister(_asm, 0, access.Register - Bias);
            _asm.StoreVector(Scratch, Scratch2, 0);
        }
        Defer(DeferredKind.Call, op, miss, Scratch, default, registers);
        if (misaligned != null)
            Defer(DeferredKind.Call, op, misaligned, Scratch, default, registers);
    }

    // movdqa
    internal static void LoadVectorRegister(X64Assembler asm, int vector, int slot) => asm.Vector(0x66, 0x6f, vector, State, slot);

    internal static void StoreVectorRegister(X64Assembler asm, int vector, int slot) => asm.Vector(0x66, 0x7f, vector, State, slot);
}
