namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>How a helper is done without a call into managed code.</summary>
public enum InlineKind
{
    /// <summary>It is called.</summary>
    None,

    /// <summary>By a stub that reads globals in the state and leaves its result in RAX.</summary>
    FromState,

    /// <summary>By a stub with the three arguments in RAX, RCX and RDX, which leaves its result in RAX.</summary>
    FromArguments,

    /// <summary>By one vector instruction of the host on registers in the state.</summary>
    Vector,

    /// <summary>Sixteen bytes between guest memory and a vector register, when the TLB has the page.</summary>
    VectorLoad,
    VectorStore,
}

/// <summary>
/// What an x86-64 host can do of a guest's helpers itself, since a call into managed code costs more than most of them. Stubs and instructions may
/// change RAX, RCX, RDX, XMM0 and XMM1.
/// </summary>
public abstract unsafe class HelperInliner
{
    /// <summary>Writes the stubs.</summary>
    /// <param name="assembler">Where to.</param>
    /// <param name="spare">Offset from the state of eight bytes that nothing else uses.</param>
    public abstract void WriteStubs(X64Assembler assembler, int spare);

    /// <param name="helper">Its number.</param>
    /// <param name="imm">The call's constant.</param>
    public abstract InlineKind Find(int helper, int imm);

    /// <summary>Of <see cref="InlineKind.FromState"/> and <see cref="InlineKind.FromArguments"/>: where the stub is.</summary>
    public abstract byte* StubOf(int helper, int imm);

    /// <summary>Writes the instructions of <see cref="InlineKind.Vector"/>.</summary>
    /// <param name="a">First argument of the call.</param>
    /// <param name="b">Second.</param>
    /// <param name="state">RBP's distance from the state's address is taken off an offset by adding this.</param>
    public abstract void WriteVector(X64Assembler assembler, int imm, ulong a, ulong b, int state);

    /// <summary>The access of <see cref="InlineKind.VectorLoad"/> and <see cref="InlineKind.VectorStore"/>.</summary>
    public abstract VectorAccess AccessOf(int imm);
}

/// <param name="Register">Offset of the vector register from the state, in bytes; 16 bytes are accessed.</param>
/// <param name="Attributes">Of the access to guest memory.</param>
/// <param name="Aligned">An address that is no multiple of 16 is left to the helper.</param>
public readonly record struct VectorAccess(int Register, int Attributes, bool Aligned);
