using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>
/// Generates one block's host code from its IR, in one pass forward; what is seldom executed is put behind the rest.
/// One partial file a subject: registers, computation, memory and calls, exits.
/// </summary>
/// <remarks>
/// RBP points into the CPU state, so that most fields are within a byte's displacement; R15 at the software TLB. RAX, RCX and RDX are
/// scratch within one operation; the others hold globals and temporaries. Between blocks everything is in the state.
/// </remarks>
internal sealed unsafe partial class X64Generator : IDisposable
{
    /// <summary>RBP minus the state's address, in bytes.</summary>
    public const int Bias = 128;

    /// <summary>In bytes: no block's code is longer.</summary>
    public const int MaxBlockBytes = 2 << 20;

    private const X64Register State = X64Register.Rbp, Tlb = X64Register.R15, Scratch = X64Register.Rax, Scratch2 = X64Register.Rcx, Scratch3 = X64Register.Rdx;

    private readonly IrGuest _guest;
    private readonly HelperInliner? _inliner;
    private readonly X64Assembler _asm;
    private readonly HostStubs _stubs;
    private readonly delegate*<TcgCore, ulong, ulong, ulong, int, ulong>* _helpers;
    private readonly int[] _slots;
    private readonly int _pcSlot, _lazySlot;
    private int* _uses = (int*)NativeMemory.Alloc(IrBlock.MaxOps, 4 * sizeof(int));
    private Deferred* _deferred = (Deferred*)NativeMemory.Alloc(IrBlock.MaxOps + 1, (nuint)sizeof(Deferred));
    private int _deferredCount;

    private IrBlock _ir;
    private TranslatedBlock* _block;
    private int _instruction;

    /// <param name="helpers">By number; called by address, so they must not move.</param>
    /// <param name="inliner">Knows helpers of this guest that the host can do itself; null: none.</param>
    /// <param name="tempOffset">Of the first temporary from the start of the state, in bytes.</param>
    public X64Generator(
        IrGuest guest, X64Assembler assembler, HostStubs stubs, delegate*<TcgCore, ulong, ulong, ulong, int, ulong>* helpers, int tempOffset, HelperInliner? inliner,
        IrBlock empty)
    {
        _inliner = inliner;
        _guest = guest;
        _asm = assembler;
        _stubs = stubs;
        _helpers = helpers;
        _ir = empty;
        _slots = new int[FirstTempKey + IrBlock.MaxTemps];
        for (var i = 0; i < guest.Globals.Length; i++)
            _slots[i] = guest.Globals[i].Offset - Bias;
        for (var i = 0; i < IrBlock.MaxTemps; i++)
            _slots[FirstTempKey + i] = tempOffset + i * sizeof(ulong) - Bias;
        _pcSlot = _slots[guest.PcGlobal];
        _lazySlot = guest.LazyStateGlobal >= 0 ? _slots[guest.LazyStateGlobal] : 0;
        for (var i = 0; i < _registerOf.Length; i++)
            _registerOf[i] = -1;
    }

    /// <summary>Writes the block's code where the assembler is; fills in the block's host fields.</summary>
    /// <param name="block">With key and number of instructions.</param>
    /// <param name="toExecutable">Added to a written address for the one that it is executed at.</param>
    public void Generate(IrBlock ir, TranslatedBlock* block, long toExecutable)
    {
        _ir = ir;
        _block = block;
        _instruction = -1;
        _deferredCount = 0;
        FindUses();
        block->HostEntry = _asm.At;
        block->HostCode = _asm.At + toExecutable;
        block->Jump0 = block->Jump1 = null;
        _asm.AluMemory(X64Alu.Cmp, 4, State, CoreHeader.OffsetExitRequest - Bias, 0);
        var requested = _asm.JumpIf(X64Condition.NotEqual);
        _asm.AluMemory(X64Alu.Add, 8, State, CoreHeader.OffsetInstructions - Bias, block->Instructions);
        var ops = ir.Ops;
        for (var i = 0; i < ops.Length; i++)
        {
            Generate(ops[i], _uses + 4 * i);
            EndOperation(ops[i], _uses + 4 * i);
        }
        ForgetAll();
        for (var i = 0; i < _deferredCount; i++)
            GenerateDeferred(_deferred[i]);
        X64Assembler.Patch(requested, _asm.At);
        block->HostLeave = _asm.At;
        StorePc(block->Key.Pc);
        Return(HostExit.Requested);
    }

    public void Dispose()
    {
        NativeMemory.Free(_uses);
        NativeMemory.Free(_deferred);
        _uses = null;
        _deferred = null;
    }

    private void Generate(in IrOp op, int* uses)
    {
        switch (op.Opcode)
        {
            case IrOpcode.Insn:
                _instruction++;
                break;
            case IrOpcode.Mov:
                Copy(op, uses);
                break;
            case IrOpcode.Add or IrOpcode.Sub or IrOpcode.And or IrOpcode.Or or IrOpcode.Xor:
                Arithmetic(op, uses);
                break;
            case IrOpcode.Mul:
                Multiply(op, uses);
                break;
            case IrOpcode.MulHighS or IrOpcode.MulHighU:
                MultiplyHigh(op, uses);
                break;
            case IrOpcode.Shl or IrOpcode.Shr or IrOpcode.Sar or IrOpcode.Rol or IrOpcode.Ror:
                Shift(op, uses);
                break;
            case IrOpcode.Not or IrOpcode.Neg:
                Negate(op, uses);
                break;
            case IrOpcode.SignExtend:
                SignExtend(op, uses);
                break;
            case IrOpcode.Extract:
                Extract(op, uses);
                break;
            case IrOpcode.Deposit:
                Deposit(op, uses);
                break;
            case IrOpcode.Lea:
                LoadEffectiveAddress(op, uses);
                break;
            case IrOpcode.ByteSwap:
                ByteSwap(op, uses);
                break;
            case IrOpcode.PopCount or IrOpcode.CountLeadingZeros or IrOpcode.CountTrailingZeros:
                CountBits(op, uses);
                break;
            case IrOpcode.SetCond:
                SetCondition(op, uses);
                break;
            case IrOpcode.Select:
                Select(op, uses);
                break;
            case IrOpcode.Load or IrOpcode.LoadSigned:
                Load(op, uses);
                break;
            case IrOpcode.Store:
                Store(op, uses);
                break;
            case IrOpcode.Call:
                Call(op, uses);
                break;
            case IrOpcode.ExitIf:
                ExitIf(op, uses);
                break;
            case IrOpcode.Goto:
                StoreForExit(Snapshot(), op.State);
                Exit(op.Attr, (ulong)op.Imm, op.State);
                break;
            case IrOpcode.GotoPc:
                StoreForExit(Snapshot(), op.State);
                StoreLazyState(op.State);
                LookUp();
                break;
            case IrOpcode.Leave:
                StoreForExit(Snapshot(), op.State);
                StoreLazyState(op.State);
                Return(HostExit.Leave);
                break;
            default:
                throw new NotSupportedException($"the x86-64 back end has no {op.Opcode}");
        }
    }

    /// <summary>Code that the fast path jumps to, generated behind the block with the registers as they were there.</summary>
    private struct Deferred
    {
        public DeferredKind Kind;
        public IrOp Op;
        public RegisterSnapshot Registers;
        public byte* Jump, Resume;
        public int Instruction;

        /// <summary>Of a memory access: the whole address; of a call: its argument.</summary>
        public X64Register Address;

        /// <summary>What is stored, or where what is loaded goes.</summary>
        public X64Register Value;
    }

    private enum DeferredKind
    {
        Exit,
        Load,
        Store,
        Call,
    }

    private void Defer(DeferredKind kind, in IrOp op, byte* jump, X64Register address, X64Register value, RegisterSnapshot registers) =>
        _deferred[_deferredCount++] = new Deferred
        {
            Kind = kind,
            Op = op,
            Registers = registers,
            Jump = jump,
            Resume = _asm.At,
            Instruction = _instruction,
            Address = address,
            Value = value,
        };

    private void GenerateDeferred(in Deferred deferred)
    {
        X64Assembler.Patch(deferred.Jump, _asm.At);
        _instruction = deferred.Instruction;
        switch (deferred.Kind)
        {
            case DeferredKind.Exit:
                StoreForExit(deferred.Registers, deferred.Op.State);
                Exit(deferred.Op.Attr, (ulong)deferred.Op.Imm, deferred.Op.State);
                break;
            case DeferredKind.Load:
                SlowLoad(deferred);
                break;
            case DeferredKind.Store:
                SlowStore(deferred);
                break;
            default:
                SlowCall(deferred);
                break;
        }
    }

    /// <summary>For each operand, and for the result, the operation that reads the value next; <see cref="Never"/> when none does before it is assigned again.</summary>
    private void FindUses()
    {
        var next = stackalloc int[FirstTempKey + IrBlock.MaxTemps];
        for (var i = 0; i < FirstTempKey + _ir.TempCount; i++)
            next[i] = Never;
        var ops = _ir.Ops;
        for (var i = ops.Length - 1; i >= 0; i--)
        {
            ref var op = ref ops[i];
            // Constants come second, where they cost nothing.
            if (op.A.IsConstant && !op.B.IsConstant && IrOpcodes.IsCommutative(op.Opcode))
                (op.A, op.B) = (op.B, op.A);
            var uses = _uses + 4 * i;
            if (!op.Dst.IsNone)
            {
                uses[3] = next[KeyOf(op.Dst)];
                next[KeyOf(op.Dst)] = Never;
            }
            bool a = IsVariable(op.A), b = IsVariable(op.B), c = IsVariable(op.C);
            uses[0] = a ? next[KeyOf(op.A)] : Never;
            uses[1] = b ? next[KeyOf(op.B)] : Never;
            uses[2] = c ? next[KeyOf(op.C)] : Never;
            if (a)
                next[KeyOf(op.A)] = i;
            if (b)
                next[KeyOf(op.B)] = i;
            if (c)
                next[KeyOf(op.C)] = i;
        }
    }
}
