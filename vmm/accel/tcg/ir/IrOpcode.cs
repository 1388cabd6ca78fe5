namespace Gauntlet.Vmm.Accel.Tcg.Ir;

/// <summary>
/// The width that an operation works at. Every value is a 64-bit slot; an operation reads the low bits of its operands and its result is
/// zero-extended to 64 bits, so that <c>add.i32 rax, rax, rbx</c> is what it says on every host.
/// </summary>
public enum IrType : byte
{
    I8,
    I16,
    I32,
    I64,
}

public static class IrTypes
{
    /// <summary>In bits: 8, 16, 32, 64.</summary>
    public static int Bits(this IrType type) => 8 << (int)type;

    /// <summary>In bytes: 1, 2, 4, 8.</summary>
    public static int Bytes(this IrType type) => 1 << (int)type;

    /// <summary>All bits of the width set.</summary>
    public static ulong Mask(this IrType type) => ulong.MaxValue >> (64 - type.Bits());

    /// <summary>Of 1, 2, 4 or 8 bytes.</summary>
    public static IrType OfBytes(int bytes) => bytes switch { 1 => IrType.I8, 2 => IrType.I16, 4 => IrType.I32, _ => IrType.I64 };

    /// <summary>The value as a signed number of this width.</summary>
    public static long Signed(this IrType type, ulong value) => (long)(value << (64 - type.Bits())) >> (64 - type.Bits());
}

/// <summary>A comparison of two operands at an operation's width.</summary>
public enum IrCondition : byte
{
    Equal,
    NotEqual,
    BelowUnsigned,
    NotBelowUnsigned,
    LessSigned,
    NotLessSigned,
    BelowOrEqualUnsigned,
    AboveUnsigned,
    LessOrEqualSigned,
    GreaterSigned,
}

public static class IrConditions
{
    /// <summary>True where the other is false.</summary>
    public static IrCondition Inverse(this IrCondition condition) => (IrCondition)((int)condition ^ 1);

    /// <summary>The condition's value for two operands at a width.</summary>
    public static bool Holds(this IrCondition condition, IrType type, ulong a, ulong b)
    {
        ulong ua = a & type.Mask(), ub = b & type.Mask();
        long sa = type.Signed(a), sb = type.Signed(b);
        return condition switch
        {
            IrCondition.Equal => ua == ub,
            IrCondition.NotEqual => ua != ub,
            IrCondition.BelowUnsigned => ua < ub,
            IrCondition.NotBelowUnsigned => ua >= ub,
            IrCondition.LessSigned => sa < sb,
            IrCondition.NotLessSigned => sa >= sb,
            IrCondition.BelowOrEqualUnsigned => ua <= ub,
            IrCondition.AboveUnsigned => ua > ub,
            IrCondition.LessOrEqualSigned => sa <= sb,
            _ => sa > sb,
        };
    }
}

/// <summary>The operations. What each takes is in <see cref="IrOpcodes.Info"/>.</summary>
public enum IrOpcode : byte
{
    /// <summary>Begins a guest instruction: Imm its address, State the lazy state before it. A side exit goes back to the last one.</summary>
    Insn,

    /// <summary>dst = a.</summary>
    Mov,
    Add,
    Sub,
    Mul,

    /// <summary>The high half of the product; signed and unsigned.</summary>
    MulHighS,
    MulHighU,
    And,
    Or,
    Xor,

    /// <summary>dst = a shifted by b; b below the width, anything else is not defined.</summary>
    Shl,
    Shr,
    Sar,

    /// <summary>Rotates by b modulo the width.</summary>
    Rol,
    Ror,
    Not,
    Neg,

    /// <summary>dst = a sign-extended from the type's width to 64 bits. (Zero extension is <see cref="Mov"/>.)</summary>
    SignExtend,

    /// <summary>dst = bits Imm&amp;0xff up, Imm&gt;&gt;8 of them, of a.</summary>
    Extract,

    /// <summary>dst = a with bits Imm&amp;0xff up, Imm&gt;&gt;8 of them, replaced by b.</summary>
    Deposit,

    /// <summary>dst = a + (b &lt;&lt; Attr) + Imm; b may be absent.</summary>
    Lea,
    ByteSwap,
    PopCount,

    /// <summary>Count of leading or trailing zeros; the width for 0.</summary>
    CountLeadingZeros,
    CountTrailingZeros,

    /// <summary>dst = 1 where a cond b holds, else 0.</summary>
    SetCond,

    /// <summary>dst = a not 0 ? b : c (a as a whole slot).</summary>
    Select,

    /// <summary>dst = guest memory at a + Imm; Attr is the MMU index. The address is 64 bits, wrap included. May fault.</summary>
    Load,

    /// <summary>As Load, sign-extended to 64 bits.</summary>
    LoadSigned,

    /// <summary>Guest memory at a + Imm = b. May fault.</summary>
    Store,

    /// <summary>dst = helper(a, b, c, Imm); what it reads, writes and whether it may fault is in the helper's declaration.</summary>
    Call,

    /// <summary>Leaves by chaining slot Attr's exit to Imm with State when a cond b holds (condition in Cond).</summary>
    ExitIf,

    /// <summary>Ends the block: goes on at Imm, by chaining slot Attr.</summary>
    Goto,

    /// <summary>Ends the block: goes on at the address in the global pc.</summary>
    GotoPc,

    /// <summary>Ends the block: to the run loop, which looks at interrupts and mode; pc is in its global.</summary>
    Leave,
}

/// <summary>An operand's role, for the verifier, the passes and the text form.</summary>
[Flags]
public enum IrOperands : ushort
{
    None = 0,
    Dst = 1,
    A = 2,
    B = 4,
    C = 8,
    BOptional = 16,
    Imm = 32,
    Cond = 64,
    Attr = 128,
    State = 256,

    /// <summary>Ends a block.</summary>
    Terminator = 512,

    /// <summary>Reads all globals when it leaves the block, and can leave it.</summary>
    SideExit = 1024,

    /// <summary>Has an effect besides its result.</summary>
    Effect = 2048,

    /// <summary>Dst and the operands after A may be absent: helper calls.</summary>
    OperandsOptional = 4096,
}

public static class IrOpcodes
{
    public static IrOperands Info(IrOpcode opcode) => opcode switch
    {
        IrOpcode.Insn => IrOperands.Imm | IrOperands.State | IrOperands.Effect,
        IrOpcode.Mov or IrOpcode.Not or IrOpcode.Neg or IrOpcode.SignExtend or IrOpcode.ByteSwap or IrOpcode.PopCount
            or IrOpcode.CountLeadingZeros or IrOpcode.CountTrailingZeros => IrOperands.Dst | IrOperands.A,
        IrOpcode.Extract => IrOperands.Dst | IrOperands.A | IrOperands.Imm,
        IrOpcode.Deposit => IrOperands.Dst | IrOperands.A | IrOperands.B | IrOperands.Imm,
        IrOpcode.Lea => IrOperands.Dst | IrOperands.A | IrOperands.B | IrOperands.BOptional | IrOperands.Attr | IrOperands.Imm,
        IrOpcode.SetCond => IrOperands.Dst | IrOperands.A | IrOperands.B | IrOperands.Cond,
        IrOpcode.Select => IrOperands.Dst | IrOperands.A | IrOperands.B | IrOperands.C,
        IrOpcode.Load or IrOpcode.LoadSigned => IrOperands.Dst | IrOperands.A | IrOperands.Imm | IrOperands.Attr | IrOperands.SideExit | IrOperands.Effect,
        IrOpcode.Store => IrOperands.A | IrOperands.B | IrOperands.Imm | IrOperands.Attr | IrOperands.SideExit | IrOperands.Effect,
        IrOpcode.Call => IrOperands.Dst | IrOperands.A | IrOperands.B | IrOperands.C | IrOperands.Imm | IrOperands.OperandsOptional | IrOperands.Effect,
        IrOpcode.ExitIf => IrOperands.A | IrOperands.B | IrOperands.Cond | IrOperands.Attr | IrOperands.Imm | IrOperands.State | IrOperands.SideExit | IrOperands.Effect,
        IrOpcode.Goto => IrOperands.Attr | IrOperands.Imm | IrOperands.State | IrOperands.Terminator | IrOperands.Effect,
        IrOpcode.GotoPc or IrOpcode.Leave => IrOperands.State | IrOperands.Terminator | IrOperands.Effect,
        _ => IrOperands.Dst | IrOperands.A | IrOperands.B,
    };

    public static bool Has(IrOpcode opcode, IrOperands what) => (Info(opcode) & what) != 0;

    /// <summary>a op b is b op a.</summary>
    public static bool IsCommutative(IrOpcode opcode) =>
        opcode is IrOpcode.Add or IrOpcode.Mul or IrOpcode.MulHighS or IrOpcode.MulHighU or IrOpcode.And or IrOpcode.Or or IrOpcode.Xor;
}
