namespace Gauntlet.Vmm.Accel.Tcg.Backends.Interp;

/// <summary>
/// The interpreter's operations: an IR operation at one width and one kind of second operand each. RR takes it from a slot, RI from the operation.
/// The order within a family is what <see cref="Lowering"/> computes with: by width, RR before RI; comparisons by <see cref="Ir.IrCondition"/>.
/// </summary>
public enum InterpCode
{
    /// <summary>Of a block that is no longer valid: look its address up again.</summary>
    Stub,
    Add8RR, Add8RI, Add16RR, Add16RI, Add32RR, Add32RI, Add64RR, Add64RI,
    Sub8RR, Sub8RI, Sub16RR, Sub16RI, Sub32RR, Sub32RI, Sub64RR, Sub64RI,
    Mul8RR, Mul8RI, Mul16RR, Mul16RI, Mul32RR, Mul32RI, Mul64RR, Mul64RI,
    And8RR, And8RI, And16RR, And16RI, And32RR, And32RI, And64RR, And64RI,
    Or8RR, Or8RI, Or16RR, Or16RI, Or32RR, Or32RI, Or64RR, Or64RI,
    Xor8RR, Xor8RI, Xor16RR, Xor16RI, Xor32RR, Xor32RI, Xor64RR, Xor64RI,
    Shl8RR, Shl8RI, Shl16RR, Shl16RI, Shl32RR, Shl32RI, Shl64RR, Shl64RI,
    Shr8RR, Shr8RI, Shr16RR, Shr16RI, Shr32RR, Shr32RI, Shr64RR, Shr64RI,
    Sar8RR, Sar8RI, Sar16RR, Sar16RI, Sar32RR, Sar32RI, Sar64RR, Sar64RI,
    Rol8RR, Rol8RI, Rol16RR, Rol16RI, Rol32RR, Rol32RI, Rol64RR, Rol64RI,
    Ror8RR, Ror8RI, Ror16RR, Ror16RI, Ror32RR, Ror32RI, Ror64RR, Ror64RI,
    Mov8, Mov16, Mov32, Mov64,
    Not8, Not16, Not32, Not64,
    Neg8, Neg16, Neg32, Neg64,
    SignExtend8, SignExtend16, SignExtend32, SignExtend64,
    PopCount8, PopCount16, PopCount32, PopCount64,
    CountLeadingZeros8, CountLeadingZeros16, CountLeadingZeros32, CountLeadingZeros64,
    CountTrailingZeros8, CountTrailingZeros16, CountTrailingZeros32, CountTrailingZeros64,
    ByteSwap16, ByteSwap32, ByteSwap64,
    MovI,
    MulHighS32, MulHighS64, MulHighU32, MulHighU64,
    Extract, Deposit, DepositByte0, DepositByte1, DepositWord,
    LeaA16, LeaA32, LeaA64, LeaAB16, LeaAB32, LeaAB64,
    SetCondEq32RR, SetCondNe32RR, SetCondLtu32RR, SetCondGeu32RR, SetCondLts32RR, SetCondGes32RR, SetCondLeu32RR, SetCondGtu32RR, SetCondLes32RR, SetCondGts32RR,
    SetCondEq32RI, SetCondNe32RI, SetCondLtu32RI, SetCondGeu32RI, SetCondLts32RI, SetCondGes32RI, SetCondLeu32RI, SetCondGtu32RI, SetCondLes32RI, SetCondGts32RI,
    SetCondEq64RR, SetCondNe64RR, SetCondLtu64RR, SetCondGeu64RR, SetCondLts64RR, SetCondGes64RR, SetCondLeu64RR, SetCondGtu64RR, SetCondLes64RR, SetCondGts64RR,
    SetCondEq64RI, SetCondNe64RI, SetCondLtu64RI, SetCondGeu64RI, SetCondLts64RI, SetCondGes64RI, SetCondLeu64RI, SetCondGtu64RI, SetCondLes64RI, SetCondGts64RI,
    ExitIfEq32RR, ExitIfNe32RR, ExitIfLtu32RR, ExitIfGeu32RR, ExitIfLts32RR, ExitIfGes32RR, ExitIfLeu32RR, ExitIfGtu32RR, ExitIfLes32RR, ExitIfGts32RR,
    ExitIfEq32RI, ExitIfNe32RI, ExitIfLtu32RI, ExitIfGeu32RI, ExitIfLts32RI, ExitIfGes32RI, ExitIfLeu32RI, ExitIfGtu32RI, ExitIfLes32RI, ExitIfGts32RI,
    ExitIfEq64RR, ExitIfNe64RR, ExitIfLtu64RR, ExitIfGeu64RR, ExitIfLts64RR, ExitIfGes64RR, ExitIfLeu64RR, ExitIfGtu64RR, ExitIfLes64RR, ExitIfGts64RR,
    ExitIfEq64RI, ExitIfNe64RI, ExitIfLtu64RI, ExitIfGeu64RI, ExitIfLts64RI, ExitIfGes64RI, ExitIfLeu64RI, ExitIfGtu64RI, ExitIfLes64RI, ExitIfGts64RI,
    Select,
    Load8, Load16, Load32, Load64,
    LoadSigned8, LoadSigned16, LoadSigned32,
    Store8, Store16, Store32, Store64,

    /// <summary>A helper that cannot fault, and one that can.</summary>
    Call, CallMayFault,
    Goto, GotoPc, Leave,
}
