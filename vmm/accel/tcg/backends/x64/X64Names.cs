namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>General registers by encoding (Intel SDM Vol. 2, Table 2-8).</summary>
public enum X64Register : byte
{
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

/// <summary>The eight operations of one encoding family; the value is the opcode extension.</summary>
public enum X64Alu : byte
{
    Add,
    Or,
    Adc,
    Sbb,
    And,
    Sub,
    Xor,
    Cmp,
}

/// <summary>Shifts and rotates; the value is the opcode extension.</summary>
public enum X64Shift : byte
{
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// <summary>One-operand instructions of opcode F7; the value is the opcode extension.</summary>
public enum X64Unary : byte
{
    Not = 2,
    Neg = 3,

    /// <summary>RDX:RAX = RAX × operand, unsigned and signed.</summary>
    Mul = 4,
    Imul = 5,
}

/// <summary>Conditions by encoding (Intel SDM Vol. 2, Appendix B.1.4.7).</summary>
public enum X64Condition : byte
{
    Overflow,
    NotOverflow,
    Below,
    AboveOrEqual,
    Equal,
    NotEqual,
    BelowOrEqual,
    Above,
    Sign,
    NotSign,
    Parity,
    NotParity,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Greater,
}
