using System.Globalization;
using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Backends.Interp;
using Gauntlet.Vmm.Accel.Tcg.Backends.X64;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.Verify;

/// <summary>
/// Executes every block twice: interpreted, for real, and then as host code on a copy of the state from before. The vCPU fails at the first
/// difference, with the guest's instructions, the IR and the host code.
/// </summary>
/// <remarks>
/// What leaves the registers (memory, devices, helpers) happens once, under the interpreter, and is logged; host code is given the logged
/// results, and must ask for the same in the same order, with the same globals in the state wherever they can be seen. For that every
/// access misses the TLB, in both: the inlined hit is what this does not look at.
/// </remarks>
public sealed unsafe class VerifyingBackend : TcgBackend
{
    private readonly InterpBackend _interpreter;
    private readonly X64Backend _host;
    private readonly SoftTlb _emptyTlb = new();
    private readonly ExecutionLog _log;
    private readonly TranslatingCore _core;
    private readonly IrGuest _guest;
    private readonly HelperInliner? _inliner;
    private readonly int _stateSize;
    private readonly Dictionary<nint, string> _irTexts = [];
    private TranslatedBlock** _noJumps = (TranslatedBlock**)NativeMemory.AllocZeroed(BlockCache.JumpCacheEntries, (nuint)sizeof(TranslatedBlock*));
    private byte* _copy;
    private GCHandle _handle;
    private int _replayed;
    private string? _difference;

    /// <param name="inliner">As for <see cref="X64Backend"/>.</param>
    public VerifyingBackend(TranslatingCore core, IrGuest guest, HelperInliner? inliner = null)
    {
        _core = core;
        _guest = guest;
        _inliner = inliner;
        _stateSize = core.TempOffset;
        _interpreter = new InterpBackend(guest, core.TempOffset);
        _host = new X64Backend(core, guest, _noJumps, inliner);
        _log = new ExecutionLog(_stateSize);
        _copy = (byte*)NativeMemory.AlignedAlloc((nuint)core.TotalBytes, 64);
        _handle = GCHandle.Alloc(this);
        core.Log = _log;
        core.Header->Tlb = _emptyTlb.Table;
    }

    public override bool IsFull => _host.IsFull;

    private CoreHeader* Copy => (CoreHeader*)_copy;

    public override TranslatedBlock* Generate(IrBlock ir, in BlockKey key, BlockCache cache)
    {
        var block = _interpreter.Generate(ir, key, cache);
        _irTexts[(nint)block] = IrText.Print(ir, _guest);
        _host.GenerateCode(ir, block);
        return block;
    }

    public override BlockExit Run(TranslatingCore core, TranslatedBlock* block)
    {
        NativeMemory.Copy(core.Base, _copy, (nuint)_stateSize);
        _log.Clear();
        var exit = Interpreter.Run(core, block);
        if (exit == BlockExit.Requested || core.Header->Fault == (int)FaultKind.Fatal)
            return exit;
        Copy->ExitRequest = Copy->Fault = 0;
        Copy->Tlb = _emptyTlb.Table;
        ReplayCalls.Connect(Copy, _handle);
        _replayed = 0;
        _difference = null;
        var result = (HostExit)_host.Enter(Copy, block);
        _difference ??= Compare(block, exit, result);
        if (_difference is null)
            return exit;
        core.Fatal(Describe(block));
        return BlockExit.Fault;
    }

    /// <summary>Host code is left as it is: it is only entered from here, for what the interpreter has just executed.</summary>
    public override void Invalidate(TranslatedBlock* block) => _interpreter.Invalidate(block);

    /// <summary>Never: every block is looked at by itself.</summary>
    public override void Chain(TranslatedBlock* from, int slot, TranslatedBlock* to)
    {
    }

    public override void Clear()
    {
        _irTexts.Clear();
        _host.Clear();
    }

    public override void Dispose()
    {
        _core.Log = null;
        _interpreter.Dispose();
        _host.Dispose();
        _log.Dispose();
        _emptyTlb.Dispose();
        if (_handle.IsAllocated)
            _handle.Free();
        NativeMemory.AlignedFree(_copy);
        NativeMemory.Free(_noJumps);
        _copy = null;
        _noJumps = null;
    }

    internal ulong ReplayLoad(ulong linear, uint access)
    {
        if (!TryTake(LoggedKind.Load, $"loads {HostCalls.SizeOf(access)} bytes at 0x{linear:x}", out var index))
            return 0;
        ref readonly var logged = ref _log[index];
        if (logged.A != linear || logged.Number != HostCalls.SizeOf(access) || logged.Imm != HostCalls.AttributesOf(access))
            return Differ($"host code loads {HostCalls.SizeOf(access)} bytes at 0x{linear:x}, the interpreter {logged.Number} at 0x{logged.A:x}");
        return Apply(index, true, false);
    }

    internal void ReplayStore(ulong linear, ulong value, uint access)
    {
        var size = HostCalls.SizeOf(access);
        value &= IrTypes.OfBytes(size).Mask();
        if (!TryTake(LoggedKind.Store, $"stores {size} bytes at 0x{linear:x}", out var index))
            return;
        ref readonly var logged = ref _log[index];
        if (logged.A != linear || logged.B != value || logged.Number != size || logged.Imm != HostCalls.AttributesOf(access))
            Differ($"host code stores 0x{value:x}, {size} bytes, at 0x{linear:x}, the interpreter 0x{logged.B:x}, {logged.Number} bytes, at 0x{logged.A:x}");
        else
            Apply(index, true, false);
    }

    internal ulong ReplayCall(ulong a, ulong b, ulong c, int imm, void* helper)
    {
        if (!TryTake(LoggedKind.Call, "calls a helper", out var index))
            return 0;
        ref readonly var logged = ref _log[index];
        var declared = _guest.Helpers[logged.Number];
        if (_core.Helpers[logged.Number] != helper || logged.Imm != imm
            || (logged.Arguments & 1) != 0 && logged.A != a || (logged.Arguments & 2) != 0 && logged.B != b || (logged.Arguments & 4) != 0 && logged.C != c)
            return Differ($"host code calls with 0x{a:x}, 0x{b:x}, 0x{c:x}, 0x{imm:x}; the interpreter {declared.Name} with 0x{logged.A:x}, 0x{logged.B:x}, 0x{logged.C:x}, 0x{logged.Imm:x}");
        var visible = (declared.Effects & (IrEffects.ReadsGlobals | IrEffects.WritesGlobals | IrEffects.MayFault)) != 0;
        return Apply(index, visible, (declared.Effects & IrEffects.WritesGlobals) != 0);
    }

    /// <summary>The next event, if it is one of this kind. A call that a shortcut makes needless is passed over: host code goes without it.</summary>
    private bool TryTake(LoggedKind kind, string doing, out int index)
    {
        index = SkipShortcuts(_replayed);
        _replayed = index + 1;
        if (index < _log.Count && _log[index].Kind == kind)
            return true;
        Differ($"host code {doing}, the interpreter {(index < _log.Count ? $"did a {_log[index].Kind}" : "had ended")}");
        return false;
    }

    private int SkipShortcuts(int index)
    {
        while (index < _log.Count && _log[index].Kind == LoggedKind.Call && IsInlined(_log[index]))
            index++;
        return index;
    }

    private bool IsInlined(in LoggedEvent call)
    {
        if (_guest.Helpers[call.Number].Shortcut == IrShortcut.Canonical48)
            return (long)(call.A << 16) >> 16 == (long)call.A;
        return _inliner is not null && _inliner.Find(call.Number, call.Imm) is InlineKind.FromState or InlineKind.FromArguments or InlineKind.Vector;
    }

    /// <summary>Makes the copy what the event made of the state.</summary>
    /// <param name="visible">Globals must be there as they were for the interpreter.</param>
    /// <param name="writes">Globals are changed too.</param>
    private ulong Apply(int index, bool visible, bool writes)
    {
        byte* before = _log.Before(index), after = _log.After(index);
        if (visible)
        {
            foreach (var global in _guest.Globals)
                if (*(ulong*)(_copy + global.Offset) != *(ulong*)(before + global.Offset))
                    return Differ($"at event {index} {global.Name} is 0x{*(ulong*)(_copy + global.Offset):x} in host code's state, 0x{*(ulong*)(before + global.Offset):x} in the interpreter's");
        }
        // What the host did of a helper itself shows here, before the next event's outcome covers it.
        foreach (var global in _guest.Globals)
            *(ulong*)(before + global.Offset) = *(ulong*)(_copy + global.Offset);
        for (var offset = sizeof(CoreHeader); offset < _stateSize; offset += sizeof(ulong))
            if (*(ulong*)(_copy + offset) != *(ulong*)(before + offset))
                return Differ($"at event {index} the state at {offset} is 0x{*(ulong*)(_copy + offset):x} by host code, 0x{*(ulong*)(before + offset):x} by the interpreter");
        if (!writes)
        {
            foreach (var global in _guest.Globals)
                *(ulong*)(after + global.Offset) = *(ulong*)(_copy + global.Offset);
        }
        NativeMemory.Copy(after + sizeof(CoreHeader), _copy + sizeof(CoreHeader), (nuint)(_stateSize - sizeof(CoreHeader)));
        Copy->Fault = _log[index].Fault;
        return _log[index].Result;
    }

    private ulong Differ(string difference)
    {
        _difference ??= difference;
        Copy->Fault = (int)FaultKind.Fatal;
        return 0;
    }

    private string? Compare(TranslatedBlock* block, BlockExit interpreted, HostExit result)
    {
        if (SkipShortcuts(_replayed) != _log.Count)
            return $"the interpreter did {_log.Count} accesses and calls, host code {_replayed}";
        var executed = (result & HostExit.KindMask) switch
        {
            HostExit.Slot0 or HostExit.Slot1 or HostExit.Lookup => BlockExit.Lookup,
            var other => (BlockExit)other,
        };
        if (executed != interpreted)
            return $"the interpreter ends with {interpreted}, host code with {executed}";
        if (executed == BlockExit.Fault)
            _core.RollBackTo(_copy, block, (int)result >> HostExits.InstructionShift);
        if (Copy->Instructions != _core.Header->Instructions)
            return $"the interpreter has begun {_core.Header->Instructions} instructions, host code {Copy->Instructions}";
        foreach (var global in _guest.Globals)
            if (*(ulong*)(_copy + global.Offset) != *(ulong*)(_core.Base + global.Offset))
                return $"after the block {global.Name} is 0x{*(ulong*)(_copy + global.Offset):x} by host code, 0x{*(ulong*)(_core.Base + global.Offset):x} by the interpreter";
        for (var offset = sizeof(CoreHeader); offset < _stateSize; offset += sizeof(ulong))
            if (*(ulong*)(_copy + offset) != *(ulong*)(_core.Base + offset))
                return $"after the block the state at {offset} is 0x{*(ulong*)(_copy + offset):x} by host code, 0x{*(ulong*)(_core.Base + offset):x} by the interpreter";
        return null;
    }

    private string Describe(TranslatedBlock* block) => string.Create(CultureInfo.InvariantCulture,
        $"verify: {_difference}\nguest code at 0x{block->Key.Pc:x}:\n{BlockListing.Guest(_core, block)}IR:\n{_irTexts.GetValueOrDefault((nint)block)}host code:\n{BlockListing.Host(block)}");
}
