using System.Globalization;
using System.Runtime.CompilerServices;
using Gauntlet.Vmm.Accel.Tcg.Backends;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>
/// The run loop of one x86-64 vCPU: takes events between blocks, finds or translates the next block, and runs until something needs the loop again.
/// </summary>
/// <remarks>
/// Other threads reach it by <see cref="CoreHeader.ExitRequest"/>, a set of bits that every block looks at when it is entered, and by
/// the wake event that ends a halt. A bit is set before the event; the loop clears bits before it looks at what they announce, so that
/// nothing announced later is lost.
/// </remarks>
public sealed unsafe partial class TcgVcpu : IVcpu
{
    // DR6.BS
    private const uint SingleStepTrap = 0x4000;

    private const int SavedRequests = TcgCore.RequestInit | TcgCore.RequestStartUp;

    private const int MaxNmis = 2;

    private readonly X86Core _core;
    private readonly TcgBackend _backend;
    private readonly X86Translator _translator;
    private readonly ILocalApic? _apic;
    private readonly IInstructionClock? _countedTime;
    private readonly ManualResetEventSlim _wake = new(false, 0);
    private readonly RecentEvents _recent = new();
    private volatile int _startUpVector = -1;
    private readonly bool _isIntel;
    private int _nmiRequests, _nmisPending;
    private bool _alone;

    /// <param name="readTsc">The machine's clock in TSC ticks.</param>
    /// <param name="options">How to run blocks.</param>
    /// <param name="countedTime">The clock, when it goes by this vCPU's instructions: then every block comes back to the run loop.</param>
    public TcgVcpu(VcpuSetup setup, PhysicalMap physical, X86CpuModel model, Func<ulong> readTsc, TcgOptions options, IInstructionClock? countedTime = null)
    {
        _core = new X86Core(setup, physical, model, readTsc);
        _backend = options.CreateBackend(_core, X86Globals.Guest);
        _core.Blocks.Backend = _backend;
        _translator = new X86Translator(_core, _backend);
        _apic = setup.Apic;
        _isIntel = model.IsIntel;
        _apic?.Connect(this);
        _countedTime = countedTime;
        countedTime?.Connect(() => _core.Header->Instructions, SignalInterrupt);
    }

    public int Index => _core.Index;

    public string? Failure { get; private set; }

    public IReadOnlyList<string> RecentExits => _recent.NewestFirst();

    /// <summary>Guest instructions executed so far.</summary>
    public long Instructions => _core.Header->Instructions;

    /// <summary>The IR of the block translated last: for tests and debugging.</summary>
    public string LastIr => _translator.LastIr;

    public VcpuStop Run()
    {
        if (Failure is not null)
            return VcpuStop.Failed;
        var header = _core.Header;
        var state = _core.S;
        while (true)
        {
            if (header->ExitRequest != 0 && TakeRequests())
                return VcpuStop.Kicked;
            if (_countedTime is { IsDue: true })
                _countedTime.FireDue();
            if (state->Activity == X86Activity.WaitForSipi)
                return VcpuStop.Halted;
            if (state->InterruptShadow == 0 && !HoldsInterrupts && !TakeInterrupts())
                return Stopped();
            if (state->Activity == X86Activity.Halted)
            {
                // No timer's interrupt ends a halt with interrupts off.
                if (_countedTime is null || (state->Rflags & Flags.IF) == 0 || !_countedTime.SkipToNext())
                    return VcpuStop.Halted;
                continue;
            }
            var stop = RunBlocks();
            if (stop is { } reason)
                return reason;
            if (_isDebugged && StopsForDebugger())
                return VcpuStop.Debug;
        }
    }

    public void Kick()
    {
        _core.Request(TcgCore.RequestKick);
        _wake.Set();
    }

    public void SignalInterrupt()
    {
        _core.Request(TcgCore.RequestInterrupt);
        _wake.Set();
    }

    public void SignalNmi()
    {
        Interlocked.Increment(ref _nmiRequests);
        _core.Request(TcgCore.RequestNmi);
        _wake.Set();
    }

    public void SignalInit()
    {
        _core.Request(TcgCore.RequestInit);
        _wake.Set();
    }

    public void SignalStartUp(byte vector)
    {
        _startUpVector = vector;
        _core.Request(TcgCore.RequestStartUp);
        _wake.Set();
    }

    public void Wake() => _wake.Set();

    public void WaitWhileHalted()
    {
        _wake.Wait();
        _wake.Reset();
    }

    public void Reset()
    {
        Failure = null;
        (_nmiRequests, _nmisPending, _alone) = (0, 0, false);
        _startUpVector = -1;
        Interlocked.And(ref Unsafe.AsRef<int>(_core.Header), TcgCore.RequestKick);
        _core.TakeMemoryRequests(TcgCore.RequestFlush);
        _core.Reset();
    }

    public int StateVersion => 2;

    /// <summary>Architectural state, and what was signalled and not taken yet.</summary>
    public void Save(StateWriter writer)
    {
        _core.Save(writer);
        writer.Byte((byte)NmisWith(Volatile.Read(ref _nmiRequests)));
        writer.UInt32((uint)(_core.Header->ExitRequest & SavedRequests));
        writer.Byte((byte)_startUpVector);
    }

    public void Load(ref StateReader reader)
    {
        Failure = null;
        _alone = false;
        _core.Unchained = null;
        const int kept = TcgCore.RequestKick | TcgCore.RequestCode | TcgCore.RequestFlush;
        Interlocked.And(ref Unsafe.AsRef<int>(_core.Header), kept);
        _core.Load(ref reader);
        (_nmiRequests, _nmisPending) = (0, Math.Min((int)reader.Byte(), MaxNmis));
        var requests = (int)reader.UInt32() & SavedRequests;
        _startUpVector = reader.Byte();
        // The interrupt controllers were loaded before: whatever they have is to be looked at.
        _core.Request(requests | TcgCore.RequestInterrupt);
    }

    public void GetState(out X86State state) => X86StateTransfer.Save(_core, out state);

    public void SetState(in X86State state)
    {
        Failure = null;
        X86StateTransfer.Load(_core, state);
    }

    public void Dispose()
    {
        _translator.Dispose();
        _backend.Dispose();
        _core.Dispose();
        _wake.Dispose();
    }

    /// <summary>Clears and serves what other threads asked for. True: Run must return.</summary>
    private bool TakeRequests()
    {
        var requests = Interlocked.Exchange(ref Unsafe.AsRef<int>(_core.Header), 0);
        if ((requests & (TcgCore.RequestCode | TcgCore.RequestFlush)) != 0)
            _core.TakeMemoryRequests(requests);
        if ((requests & TcgCore.RequestNmi) != 0)
            _nmisPending = NmisWith(Interlocked.Exchange(ref _nmiRequests, 0));
        if ((requests & TcgCore.RequestInit) != 0)
        {
            _nmisPending = 0;
            _core.ResetRegisters();
            _recent.Add("INIT");
        }
        if ((requests & TcgCore.RequestStartUp) != 0 && _core.S->Activity == X86Activity.WaitForSipi)
        {
            var vector = _startUpVector;
            _core.StartAt((byte)vector);
            _recent.Add($"SIPI vector 0x{vector:x2}");
        }
        return (requests & TcgCore.RequestKick) != 0;
    }

    /// <summary>One NMI is handled and one waits behind it: of two that come at once both are delivered, more are one (SDM Vol. 3A, 6.7.1).</summary>
    private int NmisWith(int more) => Math.Min(_nmisPending + more, _core.S->NmiBlocked != 0 ? 1 : MaxNmis);

    /// <summary>Delivers an NMI or interrupt that the CPU takes now. False: the delivery ended in a triple fault or failure.</summary>
    private bool TakeInterrupts()
    {
        var state = _core.S;
        if (_nmisPending != 0 && state->NmiBlocked == 0)
        {
            _nmisPending--;
            state->NmiBlocked = 1;
            _recent.Add("NMI");
            return _core.DeliverExternal(Vector.NMI);
        }
        if ((state->Rflags & Flags.IF) == 0 || _apic is not { HasInterrupt: true })
            return true;
        var vector = _apic.Acknowledge();
        if (vector < 0)
            return true;
        _recent.Add("interrupt", vector, state->Rip);
        return _core.DeliverExternal(vector);
    }

    /// <summary>Runs blocks until an event or a fault is to be looked at. Null: go on.</summary>
    private VcpuStop? RunBlocks()
    {
        var state = _core.S;
        var mode = _core.ComputeMode();
        var shadow = state->InterruptShadow;
        // One instruction after STI or MOV SS, and one that modifies its own block, are on their own.
        // RF holds off instruction breakpoints for one instruction.
        var resume = state->Rflags & Flags.RF;
        if (shadow != 0 || _alone || resume != 0 || _core.HasBreakpoints || _steps)
            mode |= Mode.Alone;
        if (_isDebugged && MeetsBreakpoint(mode))
            return VcpuStop.Debug;
        // MOV SS holds off instruction breakpoints on Intel's CPUs only.
        if (_core.HasBreakpoints && resume == 0 && (shadow != 2 || !_isIntel) && _core.HitsInstructionBreakpoint(state->Rip + ((mode & Mode.CodeSize) == 2 ? 0 : _core.Seg(X86Seg.Cs).Base)))
            return Fault(0);
        state->InterruptShadow = 0;
        state->Rflags &= ~(ulong)Flags.RF;
        _core.WritesOwnBlock = _alone;
        _alone = false;
        while (true)
        {
            var block = Lookup(mode);
            if (block == null)
                return Fault(resume);
            var exit = _backend.Run(_core, block);
            switch (exit)
            {
                case BlockExit.Lookup:
                    if (_countedTime is not { IsDue: true })
                        continue;
                    _core.Unchained = null;
                    return null;
                case BlockExit.Fault:
                    return Fault(resume);
                case BlockExit.Requested:
                    _advanced = false;
                    _core.Unchained = null;
                    state->InterruptShadow = shadow;
                    state->Rflags |= resume;
                    return null;
                default:
                    _core.Unchained = null;
                    return Trap((mode & Mode.SingleStep) != 0 ? SingleStepTrap : 0);
            }
        }
    }

    private TranslatedBlock* Lookup(uint mode)
    {
        var core = _core;
        var pc = core.S->Rip;
        var codeBase = (mode & Mode.CodeSize) == 2 ? 0 : core.Seg(X86Seg.Cs).Base;
        var key = new BlockKey(pc, codeBase, mode);
        ref var cached = ref core.Blocks.JumpCache[BlockCache.JumpHash(pc)];
        if (cached != null && cached->Key == key)
        {
            core.TryChain(cached);
            return cached;
        }
        var linear = (mode & Mode.CodeSize) == 2 ? pc : (uint)(pc + codeBase);
        if (!core.TryTranslateCode(linear, core.MmuIndex, out var physical))
            return null;
        var block = core.Blocks.Find(key, physical);
        if (block != null && block->SecondPage != TranslatedBlock.NoPage
            && (!core.TryPeekCode((linear | 0xfff) + 1, out var second) || second != block->SecondPage))
            block = null;
        if (block == null)
        {
            block = _translator.Translate(key, physical);
            if (block == null)
                return null;
        }
        // Neither chained nor in the jump cache, a block ends in the run loop, which looks at the time.
        if (_countedTime is not null)
            return block;
        core.Blocks.SetJump(block);
        core.TryChain(block);
        return block;
    }

    /// <summary>The traps after an instruction: single step, data and I/O breakpoints; MOV SS holds these two off until the next (SDM Vol. 3A, 6.8.3).</summary>
    private VcpuStop? Trap(uint hits)
    {
        if (_core.StepsByNewFlags)
        {
            _core.StepsByNewFlags = false;
            hits = (_core.S->Rflags & Flags.TF) != 0 ? SingleStepTrap : 0;
        }
        if (_core.S->InterruptShadow == 2)
            return null;
        hits |= _core.TakeDebugHits();
        if (hits == 0)
            return null;
        _core.NoteInDr6(hits);
        _core.RaiseAfter(Vector.DB, EventSource.Trap, _core.S->Rip);
        return Fault(0);
    }

    /// <param name="resume">RF before the instruction, for one that is executed again.</param>
    private VcpuStop? Fault(ulong resume)
    {
        _core.Unchained = null;
        // Delivery is no instruction that could start over.
        _core.MayRestartAlone = false;
        var header = _core.Header;
        var kind = (FaultKind)header->Fault;
        header->Fault = 0;
        switch (kind)
        {
            case FaultKind.Restart:
                _core.S->Rflags |= resume;
                _advanced = false;
                return Trap(0);
            case FaultKind.RestartAlone:
                _core.S->Rflags |= resume;
                _alone = true;
                _advanced = false;
                return null;
            case FaultKind.Debug:
                PointMet = PointAt(_core.S->Rip + CodeBase);
                return VcpuStop.Debug;
            case FaultKind.Exception:
                // An instruction that faults starts over, and meets its breakpoints again.
                if (_core.PendingStartsOver)
                    _core.TakeDebugHits();
                _recent.Add("exception", _core.PendingVector, _core.S->Rip);
                return _core.DeliverPending() ? null : Stopped();
            default:
                return Stopped();
        }
    }

    private VcpuStop Stopped()
    {
        _core.Header->Fault = 0;
        if (_core.TakeFatalMessage() is { } message)
        {
            Failure = message;
            _recent.Add(message);
            return VcpuStop.Failed;
        }
        _recent.Add("triple fault");
        Failure = null;
        return VcpuStop.Shutdown;
    }
}

/// <summary>The last events of a vCPU: kept as numbers, made text only when somebody asks.</summary>
internal sealed class RecentEvents
{
    private const int Kept = 16;

    private readonly (string What, int Vector, ulong Rip)[] _events = new (string, int, ulong)[Kept];
    private int _next;

    public void Add(string what, int vector = -1, ulong rip = 0) => _events[_next++ & (Kept - 1)] = (what, vector, rip);

    public List<string> NewestFirst()
    {
        var lines = new List<string>();
        for (var i = 1; i <= Math.Min(_next, Kept); i++)
        {
            var (what, vector, rip) = _events[(_next - i) & (Kept - 1)];
            lines.Add(vector < 0 ? what : string.Create(CultureInfo.InvariantCulture, $"{what} {vector} at 0x{rip:x}"));
        }
        return lines;
    }
}
