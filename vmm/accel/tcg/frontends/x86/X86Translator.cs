using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Backends;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;
using Gauntlet.Vmm.Accel.Tcg.Passes;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>
/// Translates guest code at an address to a block. Decoding is Iced's; here is what instructions do, one partial file a family.
/// Belongs to one vCPU.
/// </summary>
public sealed unsafe partial class X86Translator : IDisposable
{
    /// <summary>Guest instructions of a block at most; an interrupt waits for the end of one.</summary>
    public const int MaxInstructions = 64;

    private const int MaxInstructionBytes = 15;

    // A block ends well before IR runs out of room: no instruction takes more than this.
    private const int OpsPerInstruction = 400;

    private readonly X86Core _core;
    private readonly TcgBackend _backend;
    private readonly IrBlock _ir = new();
    private readonly GuestCodeReader _reader;
    private readonly Decoder[] _decoders;
    private readonly ConstantFolding _folding = new();
    private readonly DeadStores _deadStores = new();

    private uint _mode;
    private ulong _pc, _nextPc, _codeBase;
    private int _cc;
    private bool _ended;
    private int _instructionStart;
    private Instruction _instruction;

    public X86Translator(X86Core core, TcgBackend backend)
    {
        _core = core;
        _backend = backend;
        _reader = new GuestCodeReader(core);
        _decoders = [Decoder.Create(16, _reader), Decoder.Create(32, _reader), Decoder.Create(64, _reader)];
    }

    private bool Is64 => (_mode & Mode.CodeSize) == 2;

    private bool IsProtected => (_mode & Mode.Protected) != 0;

    private bool IsVirtual8086 => (_mode & Mode.Virtual8086) != 0;

    private bool IsReal => !IsProtected || IsVirtual8086;

    private int Cpl => (int)(_mode >> Mode.CplShift) & 3;

    private int Mmu => Cpl == 3 ? (_mode & Mode.AlignmentChecked) != 0 ? X86Core.MmuUserAligned : X86Core.MmuUser : (_mode & Mode.SmapEnforced) != 0 ? X86Core.MmuKernelSmap : X86Core.MmuKernel;

    /// <summary>One instruction and back to the run loop.</summary>
    private bool IsAlone => (_mode & (Mode.Alone | Mode.SingleStep)) != 0;

    /// <summary>The IR of the block translated last, after the passes: for tests and debugging.</summary>
    public string LastIr => IrText.Print(_ir, X86Globals.Guest);

    /// <summary>Translates the block at the core's RIP.</summary>
    /// <returns>Null: an exception is pending, there is no code to fetch.</returns>
    public TranslatedBlock* Translate(in BlockKey key, ulong physical)
    {
        while (true)
        {
            _mode = key.Flags;
            _codeBase = key.CodeBase;
            _reader.Start(Linear(key.Pc));
            if (!TranslateInstructions(key.Pc))
                return null;
            if (_reader.Uncacheable)
                break;
            // Marked first, compared after: what another CPU wrote in between is not missed.
            _reader.MarkCode();
            if (_reader.IsUnchanged())
                break;
        }
        _folding.Run(_ir, X86Globals.Guest);
        _deadStores.Run(_ir, X86Globals.Guest);
        if (_core.Blocks.IsFull)
        {
            _core.Blocks.Clear();
            _core.Unchained = null;
        }
        var block = _backend.Generate(_ir, key, _core.Blocks);
        block->Physical = physical;
        block->GuestLength = _reader.Length;
        block->SecondPage = _reader.SecondPage;
        if (!_reader.Uncacheable)
            _core.Blocks.Add(block);
        return block;
    }

    public void Dispose()
    {
        _ir.Dispose();
        _reader.Dispose();
    }

    private bool TranslateInstructions(ulong pc)
    {
        _ir.Clear();
        _cc = CcOp.Dynamic;
        _ended = false;
        _pc = pc;
        var startPage = Linear(pc) & ~0xffful;
        var count = 0;
        while (!_ended)
        {
            var isBreakpoint = !IsAlone && _core.IsBreakpoint(Linear(_pc));
            if (count > 0 && (IsAlone || isBreakpoint || count == MaxInstructions || (Linear(_pc) & ~0xffful) != startPage || _ir.Count > IrBlock.MaxOps - OpsPerInstruction
                || _ir.ConstantCount > IrBlock.MaxConstants - OpsPerInstruction))
            {
                Goto(_pc, 0);
                return true;
            }
            var decoder = _decoders[_mode & Mode.CodeSize];
            var kept = _instructionStart = _reader.Position;
            decoder.IP = _pc;
            decoder.Decode(out _instruction);
            if (_reader.FailedAt is { } fault)
            {
                _reader.Rewind(kept);
                if (count > 0)
                {
                    Goto(_pc, 0);
                    return true;
                }
                // The first instruction itself: raise what the fetch raises.
                return _core.TryTranslateCode(fault, _core.MmuIndex, out _) && TranslateInstructions(pc);
            }
            // An invalid instruction may be cut at any byte; one that never ends within 15 bytes is #GP.
            _nextPc = Is64 ? _pc + (uint)_instruction.Length : (uint)(_pc + (uint)_instruction.Length);
            Emit(new IrOp { Opcode = IrOpcode.Insn, Imm = (long)_pc, State = (short)_cc });
            count++;
            if (isBreakpoint)
            {
                Call(X86Helper.DebugBreak);
                Leave(Const(_pc));
            }
            else if ((_mode & Mode.CodeLimit) != 0 && _pc + (uint)_instruction.Length - 1 > _core.Seg(X86Seg.Cs).Limit)
                RaiseHere(Vector.GP, 0);
            else if (_instruction.IsInvalid)
                RaiseHere(_reader.Position - kept >= MaxInstructionBytes ? Vector.GP : Vector.UD, _reader.Position - kept >= MaxInstructionBytes ? 0 : -1);
            else
                TranslateInstruction();
            _ir.ReuseTemps();
            _pc = _nextPc;
        }
        return true;
    }

    private ulong Linear(ulong pc) => Is64 ? pc : (uint)(pc + _codeBase);

    private void Emit(in IrOp op) => _ir.Add(op);

    private IrValue Const(ulong value) => _ir.Constant(value);

    private IrValue Temp() => _ir.NewTemp();

    private IrValue Op(IrOpcode opcode, IrType type, IrValue a, IrValue b)
    {
        var dst = Temp();
        Emit(new IrOp { Opcode = opcode, Type = type, Dst = dst, A = a, B = b });
        return dst;
    }

    private void OpTo(IrValue dst, IrOpcode opcode, IrType type, IrValue a, IrValue b) =>
        Emit(new IrOp { Opcode = opcode, Type = type, Dst = dst, A = a, B = b });

    private IrValue Unary(IrOpcode opcode, IrType type, IrValue a)
    {
        var dst = Temp();
        Emit(new IrOp { Opcode = opcode, Type = type, Dst = dst, A = a });
        return dst;
    }

    private void Move(IrValue dst, IrValue a, IrType type = IrType.I64) => Emit(new IrOp { Opcode = IrOpcode.Mov, Type = type, Dst = dst, A = a });

    /// <summary>The value with the bits above its type cleared.</summary>
    private IrValue Clean(IrValue value, IrType type) =>
        value.IsConstant ? Const(_ir.ValueOf(value) & type.Mask()) : Unary(IrOpcode.Mov, type, value);

    private IrValue SetCond(IrType type, IrCondition condition, IrValue a, IrValue b)
    {
        var dst = Temp();
        Emit(new IrOp { Opcode = IrOpcode.SetCond, Type = type, Cond = condition, Dst = dst, A = a, B = b });
        return dst;
    }

    private void SelectTo(IrValue dst, IrType type, IrValue condition, IrValue yes, IrValue no) =>
        Emit(new IrOp { Opcode = IrOpcode.Select, Type = type, Dst = dst, A = condition, B = yes, C = no });

    private IrValue Extract(IrValue a, int position, int length)
    {
        var dst = Temp();
        Emit(new IrOp { Opcode = IrOpcode.Extract, Type = IrType.I64, Dst = dst, A = a, Imm = position | length << 8 });
        return dst;
    }

    private void Call(X86Helper helper, IrValue dst = default, IrValue a = default, IrValue b = default, IrValue c = default, int imm = 0) =>
        Emit(new IrOp { Opcode = IrOpcode.Call, Type = IrType.I64, Dst = dst, A = a, B = b, C = c, Helper = (ushort)helper, Imm = imm });

    private IrValue CallTemp(X86Helper helper, IrValue a = default, IrValue b = default, IrValue c = default, int imm = 0)
    {
        var dst = Temp();
        Call(helper, dst, a, b, c, imm);
        return dst;
    }

    private IrValue NextPc => Const(_nextPc);

    /// <summary>Ends the block: goes on at an address.</summary>
    private void Goto(ulong target, byte slot)
    {
        if (IsAlone)
        {
            Leave(Const(target));
            return;
        }
        Emit(new IrOp { Opcode = IrOpcode.Goto, Attr = slot, Imm = (long)target, State = (short)_cc });
        _ended = true;
    }

    /// <summary>Ends the block: goes on at a computed address.</summary>
    private void GotoPc(IrValue target)
    {
        if (IsAlone)
        {
            Leave(target);
            return;
        }
        Move(X86Globals.Rip, target);
        Emit(new IrOp { Opcode = IrOpcode.GotoPc, State = (short)_cc });
        _ended = true;
    }

    /// <summary>Ends the block, to the run loop: the mode may have changed, or interrupts count again.</summary>
    /// <param name="pc">None when a helper set it.</param>
    private void Leave(IrValue pc = default)
    {
        if (!pc.IsNone)
            Move(X86Globals.Rip, pc);
        Emit(new IrOp { Opcode = IrOpcode.Leave, State = (short)_cc });
        _ended = true;
    }

    private void LeaveToNext() => Leave(NextPc);

    /// <summary>Ends the block with an exception of this instruction.</summary>
    private void RaiseHere(int vector, int error = -1)
    {
        Call(X86Helper.Raise, a: Const((ulong)error & 0xffffffff), imm: vector);
        Leave(Const(_pc));
    }

    private void Undefined() => RaiseHere(Vector.UD);

    private void GeneralProtection() => RaiseHere(Vector.GP, 0);

    /// <summary>Valid, but beyond this translator: the vCPU fails, and says what it met.</summary>
    private void NotImplemented()
    {
        if (!AllAdvertised())
        {
            Undefined();
            return;
        }
        Call(X86Helper.Unimplemented, imm: _core.AddMessage($"{_instruction} at 0x{_pc:x} ({_instruction.Code}) is not implemented by the translator"));
        Leave(Const(_pc));
    }

    /// <summary>CPUID announces all that the instruction needs; one that it doesn't is #UD.</summary>
    private bool AllAdvertised()
    {
        foreach (var feature in _instruction.Code.CpuidFeatures())
            if (!IsAdvertised(feature))
                return false;
        return true;
    }

    private bool IsAdvertised(CpuidFeature feature) => feature switch
    {
        CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387 => true,
        CpuidFeature.MMX => _core.Model.Has(X86Feature.Mmx),
        CpuidFeature.SSE => _core.Model.Has(X86Feature.Sse),
        CpuidFeature.SSE2 => _core.Model.Has(X86Feature.Sse2),
        CpuidFeature.SSE3 => _core.Model.Has(X86Feature.Sse3),
        _ => feature <= CpuidFeature.INTEL486 || feature is CpuidFeature.X64 or CpuidFeature.CMOV or CpuidFeature.FXSR or CpuidFeature.MULTIBYTENOP,
    };
}

/// <summary>Feeds the decoder with guest code, page by page, and keeps the bytes of the block for <see cref="IsUnchanged"/>.</summary>
internal sealed unsafe class GuestCodeReader(X86Core core) : CodeReader, IDisposable
{
    // MaxInstructions of at most 15 bytes, and what the decoder reads ahead of an invalid one.
    private const int Capacity = (X86Translator.MaxInstructions + 2) * 16;

    private readonly byte* _bytes = (byte*)NativeMemory.Alloc(Capacity);
    private ulong _linear, _firstPhysical, _secondPhysical;
    private byte* _firstHost, _secondHost;
    private int _inFirst;

    /// <summary>Bytes given out since <see cref="Start"/>.</summary>
    public int Position { get; private set; }

    public int Length => Position;

    /// <summary>The linear address that could not be fetched, if any.</summary>
    public ulong? FailedAt { get; private set; }

    /// <summary>Code in a device: it may read differently the next time.</summary>
    public bool Uncacheable { get; private set; }

    public ulong SecondPage => Position > _inFirst ? _secondPhysical : TranslatedBlock.NoPage;

    /// <param name="linear">Of the first byte; its translation is in the TLB.</param>
    public void Start(ulong linear)
    {
        _linear = linear;
        _inFirst = 0x1000 - (int)(linear & 0xfff);
        _secondPhysical = TranslatedBlock.NoPage;
        Position = 0;
        FailedAt = null;
        Uncacheable = false;
        core.TryPeekCode(linear, out _firstPhysical);
        _firstHost = HostOf(_firstPhysical);
    }

    /// <summary>Takes back bytes: the instruction they belong to is not part of the block.</summary>
    public void Rewind(int position)
    {
        Position = position;
        FailedAt = null;
    }

    public override int ReadByte()
    {
        if (Position >= Capacity)
            return -1;
        byte value;
        if (Position < _inFirst)
            value = _firstHost != null ? _firstHost[Position] : (byte)core.ReadPhysical(_firstPhysical + (uint)Position, 1);
        else
        {
            var offset = Position - _inFirst;
            if (_secondPhysical == TranslatedBlock.NoPage)
            {
                var linear = _linear + (uint)_inFirst;
                if (!core.Code64)
                    linear = (uint)linear;
                if (!core.TryPeekCode(linear, out _secondPhysical))
                {
                    _secondPhysical = TranslatedBlock.NoPage;
                    FailedAt = linear;
                    return -1;
                }
                _secondHost = HostOf(_secondPhysical);
            }
            value = _secondHost != null ? _secondHost[offset] : (byte)core.ReadPhysical(_secondPhysical + (uint)offset, 1);
        }
        return _bytes[Position++] = value;
    }

    /// <summary>The bytes given out since a position.</summary>
    public ReadOnlySpan<byte> BytesFrom(int position) => new(_bytes + position, Position - position);

    public void MarkCode()
    {
        core.Physical.MarkCode(core.Physical.Find(_firstPhysical)!, _firstPhysical, Math.Min(Position, _inFirst), core);
        if (Position > _inFirst)
            core.Physical.MarkCode(core.Physical.Find(_secondPhysical)!, _secondPhysical, Position - _inFirst, core);
    }

    public bool IsUnchanged()
    {
        var first = Math.Min(Position, _inFirst);
        return new ReadOnlySpan<byte>(_firstHost, first).SequenceEqual(new ReadOnlySpan<byte>(_bytes, first))
            && (Position <= _inFirst || new ReadOnlySpan<byte>(_secondHost, Position - _inFirst).SequenceEqual(new ReadOnlySpan<byte>(_bytes + _inFirst, Position - _inFirst)));
    }

    public void Dispose() => NativeMemory.Free(_bytes);

    private byte* HostOf(ulong physical)
    {
        if (core.Physical.Find(physical) is { } region)
            return region.Host + (physical - region.Start);
        Uncacheable = true;
        return null;
    }
}
