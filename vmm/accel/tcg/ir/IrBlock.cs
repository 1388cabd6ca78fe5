using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg.Ir;

/// <summary>
/// One block under translation: straight-line operations with side exits, in unmanaged memory that is used again for the next block.
/// </summary>
public sealed unsafe class IrBlock : IDisposable
{
    /// <summary>Upper bounds of one block; a front end ends a block well before.</summary>
    public const int MaxOps = 4096, MaxTemps = 512, MaxConstants = 8192;

    private IrOp* _ops = (IrOp*)NativeMemory.Alloc(MaxOps, (nuint)sizeof(IrOp));
    private ulong* _constants = (ulong*)NativeMemory.Alloc(MaxConstants, sizeof(ulong));
    private int _liveTemps;

    public int Count { get; private set; }

    /// <summary>Temporaries ever live at once: their indices are below it.</summary>
    public int TempCount { get; private set; }

    public int ConstantCount { get; private set; }

    public Span<IrOp> Ops => new(_ops, Count);

    public ReadOnlySpan<ulong> Constants => new(_constants, ConstantCount);

    /// <summary>Starts an empty block.</summary>
    public void Clear() => Count = TempCount = ConstantCount = _liveTemps = 0;

    /// <summary>A temporary, for the guest instruction being translated.</summary>
    public IrValue NewTemp()
    {
        if (_liveTemps == MaxTemps)
            throw new InvalidOperationException($"a guest instruction takes more than {MaxTemps} temporaries");
        TempCount = Math.Max(TempCount, _liveTemps + 1);
        return IrValue.Temp(_liveTemps++);
    }

    /// <summary>The temporaries so far are dead: the next guest instruction takes them again.</summary>
    public void ReuseTemps() => _liveTemps = 0;

    public IrValue Constant(ulong value)
    {
        // The newest are the likeliest; a longer search costs more than a duplicate.
        for (var i = ConstantCount - 1; i >= 0 && i >= ConstantCount - 8; i--)
            if (_constants[i] == value)
                return IrValue.Constant(i);
        if (ConstantCount == MaxConstants)
            throw new InvalidOperationException($"a block takes more than {MaxConstants} constants");
        _constants[ConstantCount] = value;
        return IrValue.Constant(ConstantCount++);
    }

    public ulong ValueOf(IrValue constant) => _constants[constant.Index];

    public ref IrOp Add(in IrOp op)
    {
        if (Count == MaxOps)
            throw new InvalidOperationException($"a block takes more than {MaxOps} operations");
        _ops[Count] = op;
        return ref _ops[Count++];
    }

    /// <summary>Drops the operations from <paramref name="count"/> on: an instruction that begins the next block after all.</summary>
    public void Truncate(int count) => Count = Math.Min(Count, count);

    /// <summary>Removes the operations that a pass turned into <c>mov x, x</c> of nothing: those whose opcode is Mov without destination.</summary>
    public void Compact()
    {
        var kept = 0;
        for (var i = 0; i < Count; i++)
            if (!IsDeleted(_ops[i]))
                _ops[kept++] = _ops[i];
        Count = kept;
    }

    public static void Delete(ref IrOp op) => op = new IrOp { Opcode = IrOpcode.Mov };

    public static bool IsDeleted(in IrOp op) => op.Opcode == IrOpcode.Mov && op.Dst.IsNone;

    public void Dispose()
    {
        NativeMemory.Free(_ops);
        NativeMemory.Free(_constants);
        _ops = null;
        _constants = null;
        Count = ConstantCount = 0;
    }
}
