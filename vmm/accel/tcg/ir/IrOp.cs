using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg.Ir;

/// <summary>
/// What an operation reads or writes: nothing, a guest global (a field of the CPU state), a temporary of the block, or a constant of the block.
/// </summary>
/// <remarks>Temporaries may be assigned more than once; a front end reuses them from one guest instruction to the next.</remarks>
public readonly record struct IrValue(ushort Id)
{
    public const int FirstTemp = 0x4000, FirstConstant = 0x8000;

    public static readonly IrValue None = new(0);

    public static IrValue Global(int index) => new((ushort)(index + 1));

    public static IrValue Temp(int index) => new((ushort)(FirstTemp + index));

    public static IrValue Constant(int index) => new((ushort)(FirstConstant + index));

    public bool IsNone => Id == 0;

    public bool IsGlobal => Id is > 0 and < FirstTemp;

    public bool IsTemp => Id is >= FirstTemp and < FirstConstant;

    public bool IsConstant => Id >= FirstConstant;

    /// <summary>Among the globals, temporaries or constants.</summary>
    public int Index => IsConstant ? Id - FirstConstant : IsTemp ? Id - FirstTemp : Id - 1;
}

/// <summary>One operation. Fields that its <see cref="IrOpcodes.Info"/> does not name are 0.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct IrOp
{
    public IrOpcode Opcode;
    public IrType Type;
    public IrCondition Cond;

    /// <summary>MMU index, chaining slot or shift, by opcode.</summary>
    public byte Attr;
    public IrValue Dst, A, B, C;

    /// <summary>The helper's number, for <see cref="IrOpcode.Call"/>.</summary>
    public ushort Helper;

    /// <summary>What the exit stores in the front end's lazy-state global; <see cref="NoState"/>: nothing, it is there already.</summary>
    public short State;
    public long Imm;

    public const short NoState = -1;
}

/// <summary>A field of a guest's CPU state that IR can name.</summary>
/// <param name="Name">In the text form; lower case, no punctuation but <c>_</c>.</param>
/// <param name="Offset">In bytes from the start of the state; 8 bytes are accessed.</param>
public sealed record IrGlobal(string Name, int Offset);

/// <summary>What a helper does besides computing its result.</summary>
[Flags]
public enum IrEffects : byte
{
    /// <summary>Its result depends on its arguments only, and nothing else happens.</summary>
    Pure = 0,
    ReadsGlobals = 1,
    WritesGlobals = 2,

    /// <summary>It may end the block by a side exit; it reads globals then.</summary>
    MayFault = 4,

    /// <summary>Guest memory or a device changes, or is read.</summary>
    Memory = 8,
}

/// <summary>When a call of a helper does nothing, so that generated code can go without it.</summary>
public enum IrShortcut : byte
{
    None,

    /// <summary>The first argument's bits 47 to 63 are equal.</summary>
    Canonical48,
}

/// <param name="Name">In the text form.</param>
public sealed record IrHelper(string Name, IrEffects Effects, IrShortcut Shortcut = IrShortcut.None);

/// <summary>What a front end declares of its guest, for the text form, the verifier and the passes.</summary>
public sealed class IrGuest(IrGlobal[] globals, IrHelper[] helpers, int pcGlobal, int lazyStateGlobal)
{
    public ReadOnlySpan<IrGlobal> Globals => globals;

    public ReadOnlySpan<IrHelper> Helpers => helpers;

    /// <summary>Index of the global that <see cref="IrOpcode.GotoPc"/> and exits go by.</summary>
    public int PcGlobal { get; } = pcGlobal;

    /// <summary>Index of the global that exits store <see cref="IrOp.State"/> in; -1 when the guest has none.</summary>
    public int LazyStateGlobal { get; } = lazyStateGlobal;
}
