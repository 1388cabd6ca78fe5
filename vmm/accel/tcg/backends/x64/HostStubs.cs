using Gauntlet.Vmm.Accel.Tcg.Blocks;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>The code at the start of a code cache that all blocks share. Addresses are the writable ones.</summary>
internal sealed unsafe class HostStubs
{
    private static ReadOnlySpan<byte> Saved =>
        [(byte)X64Register.Rbx, (byte)X64Register.Rbp, (byte)X64Register.R12, (byte)X64Register.R13, (byte)X64Register.R14, (byte)X64Register.R15];

    /// <param name="asm">Where to write them.</param>
    /// <param name="jumpCache">Of <see cref="BlockCache.JumpCache"/>'s shape.</param>
    /// <param name="pcOffset">Of the program counter from the start of the state, in bytes.</param>
    public HostStubs(X64Assembler asm, TranslatedBlock** jumpCache, int pcOffset)
    {
        Enter = asm.At;
        foreach (var register in Saved)
            asm.Push((X64Register)register);
        // The return address and six registers: 8 more, and calls find the stack aligned to 16 bytes.
        asm.Alu(X64Alu.Sub, 8, X64Register.Rsp, 8);
        asm.Lea(8, X64Register.Rbp, X64Register.Rdi, X64Generator.Bias);
        asm.Load(8, X64Register.R15, X64Register.Rdi, CoreHeader.OffsetTlb);
        asm.JumpRegister(X64Register.Rsi);

        Return = asm.At;
        asm.Alu(X64Alu.Add, 8, X64Register.Rsp, 8);
        for (var i = Saved.Length - 1; i >= 0; i--)
            asm.Pop((X64Register)Saved[i]);
        asm.Return();

        LookUp = asm.At;
        WriteLookUp(asm, jumpCache, pcOffset - X64Generator.Bias);
    }

    /// <summary>int Enter(state, executable address of a block's code): runs from there until code goes to <see cref="Return"/>.</summary>
    public byte* Enter { get; }

    /// <summary>Back to <see cref="Enter"/>'s caller, with what EAX holds.</summary>
    public byte* Return { get; }

    /// <summary>To the block of the address in the pc global, if the jump cache has it for the mode of the block in RSI.</summary>
    public byte* LookUp { get; }

    private void WriteLookUp(X64Assembler asm, TranslatedBlock** jumpCache, int pcSlot)
    {
        TranslatedBlock layout;
        var codeBase = (int)((byte*)&layout.Key - (byte*)&layout) + BlockKey.CodeBaseOffset;
        var flags = (int)((byte*)&layout.Key - (byte*)&layout) + BlockKey.FlagsOffset;
        var pc = (int)((byte*)&layout.Key - (byte*)&layout) + BlockKey.PcOffset;
        var hostCode = (int)((byte*)&layout.HostCode - (byte*)&layout);

        // As BlockCache.JumpHash.
        asm.Load(8, X64Register.Rax, X64Register.Rbp, pcSlot);
        asm.Move(8, X64Register.Rcx, X64Register.Rax);
        asm.Shift(X64Shift.Shr, 8, X64Register.Rcx, 12);
        asm.Alu(X64Alu.Xor, 4, X64Register.Rcx, X64Register.Rax);
        asm.Alu(X64Alu.And, 4, X64Register.Rcx, BlockCache.JumpCacheEntries - 1);
        asm.MoveImmediate(X64Register.Rdx, (ulong)jumpCache);
        asm.LoadIndexed(8, X64Register.Rdx, X64Register.Rdx, X64Register.Rcx, 3, 0);
        asm.Test(8, X64Register.Rdx, X64Register.Rdx);
        var none = asm.JumpIf(X64Condition.Equal);
        asm.Alu(X64Alu.Cmp, 8, X64Register.Rax, X64Register.Rdx, pc);
        var otherPc = asm.JumpIf(X64Condition.NotEqual);
        asm.Load(4, X64Register.Rcx, X64Register.Rsi, flags);
        asm.Alu(X64Alu.Cmp, 4, X64Register.Rcx, X64Register.Rdx, flags);
        var otherMode = asm.JumpIf(X64Condition.NotEqual);
        asm.Load(8, X64Register.Rcx, X64Register.Rsi, codeBase);
        asm.Alu(X64Alu.Cmp, 8, X64Register.Rcx, X64Register.Rdx, codeBase);
        var otherBase = asm.JumpIf(X64Condition.NotEqual);
        asm.JumpMemory(X64Register.Rdx, hostCode);
        X64Assembler.Patch(none, asm.At);
        X64Assembler.Patch(otherPc, asm.At);
        X64Assembler.Patch(otherMode, asm.At);
        X64Assembler.Patch(otherBase, asm.At);
        asm.MoveImmediate(X64Register.Rax, (uint)HostExit.Lookup);
        asm.JumpTo(Return);
    }
}
