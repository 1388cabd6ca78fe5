namespace Gauntlet.Vmm.Accel.Tcg.Ir;

/// <summary>Checks what back ends take for granted. Used by tests and after every pass in debug runs.</summary>
public static class IrVerifier
{
    /// <summary>The first fault, as a sentence, or null.</summary>
    public static string? Check(IrBlock block, IrGuest guest)
    {
        if (block.Count == 0)
            return "the block is empty";
        Span<bool> assigned = stackalloc bool[IrBlock.MaxTemps];
        for (var i = 0; i < block.Count; i++)
        {
            ref readonly var op = ref block.Ops[i];
            if (Check(op, block, guest, assigned) is { } fault)
                return $"operation {i} ({op.Opcode}): {fault}";
            if (IrOpcodes.Has(op.Opcode, IrOperands.Terminator) != (i == block.Count - 1))
                return i == block.Count - 1 ? $"operation {i} ({op.Opcode}): the block does not end with an exit" : $"operation {i} ({op.Opcode}): operations follow the block's end";
            if (op.Dst.IsTemp)
                assigned[op.Dst.Index] = true;
        }
        return null;
    }

    private static string? Check(in IrOp op, IrBlock block, IrGuest guest, ReadOnlySpan<bool> assigned)
    {
        if (op.Opcode > IrOpcode.Leave)
            return "no such operation";
        var info = IrOpcodes.Info(op.Opcode);
        var optional = (info & IrOperands.OperandsOptional) != 0;
        if ((info & IrOperands.Dst) == 0 && !op.Dst.IsNone)
            return "has a destination but takes none";
        if ((info & IrOperands.Dst) != 0 && !optional && op.Dst.IsNone)
            return "lacks its destination";
        if (op.Dst.IsConstant)
            return "its destination is a constant";
        if (!InRange(op.Dst, block, guest))
            return "its destination does not exist";
        foreach (var (role, value) in (ReadOnlySpan<(IrOperands, IrValue)>)[(IrOperands.A, op.A), (IrOperands.B, op.B), (IrOperands.C, op.C)])
        {
            if ((info & role) == 0 && !value.IsNone)
                return $"has operand {role} but takes none";
            if ((info & role) != 0 && value.IsNone && !optional && !(role == IrOperands.B && (info & IrOperands.BOptional) != 0))
                return $"lacks operand {role}";
            if (!InRange(value, block, guest))
                return $"operand {role} does not exist";
            if (value.IsTemp && !assigned[value.Index])
                return $"reads t{value.Index} before anything is assigned to it";
        }
        switch (op.Opcode)
        {
            case IrOpcode.Extract or IrOpcode.Deposit:
                long position = op.Imm & 0xff, length = op.Imm >> 8;
                if (length is < 1 or > 64 || position + length > 64)
                    return $"bits {position} to {position + length - 1} are outside a 64-bit value";
                break;
            case IrOpcode.Lea when op.Attr > 3 || op.Type < IrType.I16:
                return "takes a shift of 0 to 3 and a type of i16 to i64";
            case IrOpcode.Call when op.Helper >= guest.Helpers.Length:
                return $"helper {op.Helper} does not exist";
            case IrOpcode.ExitIf or IrOpcode.Goto when op.Attr > 1:
                return "chaining slots are 0 and 1";
            case IrOpcode.SetCond or IrOpcode.ExitIf when op.Cond > IrCondition.GreaterSigned:
                return "no such condition";
        }
        return op.Type > IrType.I64 ? "no such type" : null;
    }

    private static bool InRange(IrValue value, IrBlock block, IrGuest guest) =>
        value.IsNone || (value.IsGlobal ? value.Index < guest.Globals.Length : value.IsTemp ? value.Index < block.TempCount : value.Index < block.ConstantCount);
}
