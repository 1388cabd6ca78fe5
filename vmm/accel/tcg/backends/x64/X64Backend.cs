using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>Runs IR as host code on an x86-64 host.</summary>
public sealed unsafe class X64Backend : TcgBackend
{
    /// <summary>In bytes; when this much code is generated, everything starts over.</summary>
    public const int CodeCacheBytes = 32 << 20;

    private readonly CodeCache _cache;
    private readonly X64Assembler _assembler = new();
    private readonly HostStubs _stubs;
    private readonly X64Generator _generator;
    private readonly IrBlock _empty = new();
    private readonly byte* _afterStubs;
    private readonly delegate* unmanaged<void*, void*, int> _enter;
    private GCHandle _handle;

    /// <param name="jumpCache">Where indirect jumps find their targets; null: they find none.</param>
    /// <param name="inliner">What the host can do of the guest's helpers; null: all are called.</param>
    /// <exception cref="Gauntlet.Linux.LinuxException">The host gives no executable memory.</exception>
    public X64Backend(TranslatingCore core, IrGuest guest, TranslatedBlock** jumpCache, HelperInliner? inliner = null)
    {
        _cache = new CodeCache(CodeCacheBytes);
        _assembler.At = _cache.Next;
        _stubs = new HostStubs(_assembler, jumpCache, core.PcOffset);
        inliner?.WriteStubs(_assembler, core.SpareOffset);
        _cache.Next = _afterStubs = _assembler.At;
        _enter = (delegate* unmanaged<void*, void*, int>)_cache.ExecutableOf(_stubs.Enter);
        _generator = new X64Generator(guest, _assembler, _stubs, core.Helpers, core.TempOffset, inliner, _empty);
        _handle = GCHandle.Alloc(core);
        HostCalls.Connect(core.Header, _handle);
    }

    /// <summary>Whether this host runs what is generated.</summary>
    public static bool IsSupported => RuntimeInformation.ProcessArchitecture == Architecture.X64 && OperatingSystem.IsLinux() && Popcnt.IsSupported;

    public override bool IsFull => _cache.Free < X64Generator.MaxBlockBytes;

    /// <summary>Host code made and not dropped since, in bytes.</summary>
    public long CodeBytes => _cache.Next - _afterStubs;

    public override TranslatedBlock* Generate(IrBlock ir, in BlockKey key, BlockCache cache)
    {
        var ops = ir.Ops;
        var instructions = 0;
        for (var i = 0; i < ops.Length; i++)
            if (ops[i].Opcode == IrOpcode.Insn)
                instructions++;
        var block = (TranslatedBlock*)cache.Allocate(sizeof(TranslatedBlock) + instructions * sizeof(InstructionMark));
        block->Key = key;
        block->Marks = (InstructionMark*)(block + 1);
        block->Instructions = instructions;
        block->SecondPage = TranslatedBlock.NoPage;
        instructions = 0;
        for (var i = 0; i < ops.Length; i++)
            if (ops[i].Opcode == IrOpcode.Insn)
            {
                // Generated code tells a fault by the number of its guest instruction.
                block->Marks[instructions] = new InstructionMark { Pc = (ulong)ops[i].Imm, FirstOp = instructions, State = ops[i].State };
                instructions++;
            }
        GenerateCode(ir, block);
        return block;
    }

    /// <summary>Makes the host code of a block that has its key and marks.</summary>
    internal void GenerateCode(IrBlock ir, TranslatedBlock* block)
    {
        _assembler.At = _cache.Next;
        _generator.Generate(ir, block, _cache.ExecutableOf(_cache.Next) - _cache.Next);
        _cache.Next = (byte*)(((nint)_assembler.At + 15) & ~15);
    }

    public override BlockExit Run(TranslatingCore core, TranslatedBlock* block)
    {
        var header = core.Header;
        var result = (HostExit)Enter(header, block);
        var exit = result & HostExit.KindMask;
        switch (exit)
        {
            case HostExit.Slot0 or HostExit.Slot1:
                core.Unchained = (TranslatedBlock*)header->Block;
                core.UnchainedSlot = exit - HostExit.Slot0;
                header->Block = null;
                return BlockExit.Lookup;
            case HostExit.Fault:
                core.RollBack((TranslatedBlock*)header->Block, (int)result >> HostExits.InstructionShift);
                header->Block = null;
                if (core.Escaped is { } escaped)
                {
                    core.Escaped = null;
                    escaped.Throw();
                }
                return BlockExit.Fault;
            default:
                header->Block = null;
                // An invalid block leaves the same way as one that was asked to.
                return exit == HostExit.Requested && header->ExitRequest == 0 ? BlockExit.Lookup : (BlockExit)exit;
        }
    }

    /// <summary>Runs host code on a state; it need not be a core's own.</summary>
    internal int Enter(CoreHeader* state, TranslatedBlock* block) => _enter(state, block->HostCode);

    public override void Invalidate(TranslatedBlock* block)
    {
        _assembler.At = block->HostEntry;
        _assembler.JumpTo(block->HostLeave);
    }

    public override void Chain(TranslatedBlock* from, int slot, TranslatedBlock* to)
    {
        var jump = slot == 0 ? from->Jump0 : from->Jump1;
        if (jump != null)
            X64Assembler.Patch(jump, to->HostEntry);
    }

    public override void Clear() => _cache.Next = _afterStubs;

    public override void Dispose()
    {
        _generator.Dispose();
        _empty.Dispose();
        _cache.Dispose();
        if (_handle.IsAllocated)
            _handle.Free();
    }
}
