namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>
/// Writes the x86-64 instructions that the generator uses, one method an instruction form, straight to memory. Sizes are in bytes: 1, 2, 4 or 8;
/// 4 clears the upper half of a register, 1 and 2 leave the rest of it (Intel SDM Vol. 1, 3.4.1.1).
/// </summary>
/// <remarks>Nothing is checked: <see cref="At"/> must have room, and the caller passes what can be encoded.</remarks>
public sealed unsafe class X64Assembler
{
    /// <summary>Where the next byte goes.</summary>
    public byte* At { get; set; }

    /// <summary>operation dst, src.</summary>
    public void Alu(X64Alu operation, int size, X64Register dst, X64Register src) => RegReg(size, (int)operation << 3 | Wide(size), (int)src, (int)dst);

    /// <summary>operation dst, immediate; for 8 bytes sign-extended from 32 bits.</summary>
    public void Alu(X64Alu operation, int size, X64Register dst, int immediate)
    {
        if (size > 1 && immediate == (sbyte)immediate)
        {
            RegReg(size, 0x83, (int)operation, (int)dst);
            Byte(immediate);
            return;
        }
        RegReg(size, 0x80 | Wide(size), (int)operation, (int)dst);
        Immediate(size, immediate);
    }

    /// <summary>operation dst, [base + displacement].</summary>
    public void Alu(X64Alu operation, int size, X64Register dst, X64Register address, int displacement) =>
        RegMem(size, (int)operation << 3 | 2 | Wide(size), (int)dst, address, displacement);

    /// <summary>operation dst, [base + index + displacement].</summary>
    public void AluIndexed(X64Alu operation, int size, X64Register dst, X64Register address, X64Register index, int displacement) =>
        RegIndexed(size, (int)operation << 3 | 2 | Wide(size), (int)dst, address, index, 0, displacement);

    /// <summary>operation [base + displacement], immediate.</summary>
    public void AluMemory(X64Alu operation, int size, X64Register address, int displacement, int immediate)
    {
        var narrow = size > 1 && immediate == (sbyte)immediate;
        RegMem(size, narrow ? 0x83 : 0x80 | Wide(size), (int)operation, address, displacement);
        if (narrow)
            Byte(immediate);
        else
            Immediate(size, immediate);
    }

    /// <summary>test a, b.</summary>
    public void Test(int size, X64Register a, X64Register b) => RegReg(size, 0x84 | Wide(size), (int)b, (int)a);

    /// <summary>mov dst, src.</summary>
    public void Move(int size, X64Register dst, X64Register src) => RegReg(size, 0x88 | Wide(size), (int)src, (int)dst);

    /// <summary>mov dst, value: the shortest form that leaves the flags alone.</summary>
    public void MoveImmediate(X64Register dst, ulong value)
    {
        if (value == (uint)value)
        {
            Rex(0, 0, 0, (int)dst);
            Byte(0xb8 | (int)dst & 7);
            Dword((int)value);
        }
        else if ((long)value == (int)value)
        {
            RegReg(8, 0xc7, 0, (int)dst);
            Dword((int)value);
        }
        else
        {
            Rex(8, 0, 0, (int)dst);
            Byte(0xb8 | (int)dst & 7);
            *(ulong*)At = value;
            At += 8;
        }
    }

    /// <summary>mov dst, [base + displacement].</summary>
    public void Load(int size, X64Register dst, X64Register address, int displacement) => RegMem(size, 0x8a | Wide(size), (int)dst, address, displacement);

    /// <summary>mov dst, [base + index × 2^scale + displacement].</summary>
    public void LoadIndexed(int size, X64Register dst, X64Register address, X64Register index, int scale, int displacement) =>
        RegIndexed(size, 0x8a | Wide(size), (int)dst, address, index, scale, displacement);

    /// <summary>mov [base + displacement], src.</summary>
    public void Store(int size, X64Register address, int displacement, X64Register src) => RegMem(size, 0x88 | Wide(size), (int)src, address, displacement);

    /// <summary>mov [base + index + displacement], src.</summary>
    public void StoreIndexed(int size, X64Register address, X64Register index, int displacement, X64Register src) =>
        RegIndexed(size, 0x88 | Wide(size), (int)src, address, index, 0, displacement);

    /// <summary>mov [base + displacement], immediate; for 8 bytes sign-extended from 32 bits.</summary>
    public void StoreImmediate(int size, X64Register address, int displacement, int immediate)
    {
        RegMem(size, 0xc6 | Wide(size), 0, address, displacement);
        Immediate(size, immediate);
    }

    /// <summary>dst = the low 1, 2 or 4 bytes of src, zero-extended to 8.</summary>
    public void MoveZeroExtended(int size, X64Register dst, X64Register src)
    {
        if (size == 4)
            Move(4, dst, src);
        else
            RegRegBytes(4, 0x0fb6 | Wide(size), (int)dst, (int)src, size == 1);
    }

    /// <summary>dst = 1, 2 or 4 bytes at [base + index], zero-extended to 8.</summary>
    public void LoadZeroExtended(int size, X64Register dst, X64Register address, X64Register index)
    {
        if (size >= 4)
            LoadIndexed(size, dst, address, index, 0, 0);
        else
            RegIndexed(4, 0x0fb6 | Wide(size), (int)dst, address, index, 0, 0);
    }

    /// <summary>dst = the low 1, 2 or 4 bytes of src, sign-extended to 8.</summary>
    public void MoveSignExtended(int size, X64Register dst, X64Register src) =>
        RegRegBytes(8, size == 4 ? 0x63 : 0x0fbe | Wide(size), (int)dst, (int)src, size == 1);

    /// <summary>dst = 1, 2 or 4 bytes at [base + index], sign-extended to 8.</summary>
    public void LoadSignExtended(int size, X64Register dst, X64Register address, X64Register index) =>
        RegIndexed(8, size == 4 ? 0x63 : 0x0fbe | Wide(size), (int)dst, address, index, 0, 0);

    /// <summary>lea dst, [base + displacement]; size 4 or 8.</summary>
    public void Lea(int size, X64Register dst, X64Register address, int displacement) => RegMem(size, 0x8d, (int)dst, address, displacement);

    /// <summary>lea dst, [rip + …] of an address within 2 GiB.</summary>
    public void LeaRelative(X64Register dst, byte* target)
    {
        Rex(8, (int)dst, 0, 0);
        Byte(0x8d);
        Byte(((int)dst & 7) << 3 | 5);
        Patch(Displacement(), target);
    }

    /// <summary>lea dst, [base + index × 2^scale + displacement]; size 4 or 8; the index is not RSP.</summary>
    public void LeaIndexed(int size, X64Register dst, X64Register address, X64Register index, int scale, int displacement) =>
        RegIndexed(size, 0x8d, (int)dst, address, index, scale, displacement);

    /// <summary>operation dst, count.</summary>
    public void Shift(X64Shift operation, int size, X64Register dst, int count)
    {
        RegReg(size, 0xc0 | Wide(size), (int)operation, (int)dst);
        Byte(count);
    }

    /// <summary>operation dst, CL.</summary>
    public void ShiftByCl(X64Shift operation, int size, X64Register dst) => RegReg(size, 0xd2 | Wide(size), (int)operation, (int)dst);

    /// <summary>imul dst, src; not for bytes.</summary>
    public void Multiply(int size, X64Register dst, X64Register src) => RegReg(size, 0x0faf, (int)dst, (int)src);

    /// <summary>imul dst, src, immediate; size 4 or 8.</summary>
    public void Multiply(int size, X64Register dst, X64Register src, int immediate)
    {
        RegReg(size, 0x69, (int)dst, (int)src);
        Dword(immediate);
    }

    public void Unary(X64Unary operation, int size, X64Register dst) => RegReg(size, 0xf6 | Wide(size), (int)operation, (int)dst);

    /// <summary>bswap dst; size 4 or 8.</summary>
    public void ByteSwap(int size, X64Register dst)
    {
        Rex(size, 0, 0, (int)dst);
        Byte(0x0f);
        Byte(0xc8 | (int)dst & 7);
    }

    /// <summary>popcnt dst, src; size 4 or 8.</summary>
    public void PopCount(int size, X64Register dst, X64Register src)
    {
        Byte(0xf3);
        RegReg(size, 0x0fb8, (int)dst, (int)src);
    }

    /// <summary>bsf dst, src; ZF when src is 0. Size 4 or 8.</summary>
    public void BitScanForward(int size, X64Register dst, X64Register src) => RegReg(size, 0x0fbc, (int)dst, (int)src);

    /// <summary>bsr dst, src; ZF when src is 0. Size 4 or 8.</summary>
    public void BitScanReverse(int size, X64Register dst, X64Register src) => RegReg(size, 0x0fbd, (int)dst, (int)src);

    /// <summary>bts dst, bit; size 4 or 8.</summary>
    public void BitSet(int size, X64Register dst, int bit)
    {
        RegReg(size, 0x0fba, 5, (int)dst);
        Byte(bit);
    }

    /// <summary>setcc dst, its low byte.</summary>
    public void SetCondition(X64Condition condition, X64Register dst) => RegReg(1, 0x0f90 | (int)condition, 0, (int)dst);

    /// <summary>cmovcc dst, src; size 4 or 8.</summary>
    public void MoveIf(X64Condition condition, int size, X64Register dst, X64Register src) => RegReg(size, 0x0f40 | (int)condition, (int)dst, (int)src);

    /// <summary>jcc with a 32-bit displacement; returns where that is, for <see cref="Patch"/>.</summary>
    public byte* JumpIf(X64Condition condition)
    {
        Byte(0x0f);
        Byte(0x80 | (int)condition);
        return Displacement();
    }

    /// <summary>jmp with a 32-bit displacement to the next instruction; returns where the displacement is.</summary>
    public byte* Jump()
    {
        Byte(0xe9);
        return Displacement();
    }

    public void JumpTo(byte* target) => Patch(Jump(), target);

    /// <summary>jmp [base + displacement].</summary>
    public void JumpMemory(X64Register address, int displacement) => RegMem(4, 0xff, 4, address, displacement);

    /// <summary>jmp register.</summary>
    public void JumpRegister(X64Register target) => RegReg(4, 0xff, 4, (int)target);

    /// <summary>call [base + displacement].</summary>
    public void CallMemory(X64Register address, int displacement) => RegMem(4, 0xff, 2, address, displacement);

    /// <summary>call target, within 2 GiB.</summary>
    public void CallTo(byte* target)
    {
        Byte(0xe8);
        Patch(Displacement(), target);
    }

    /// <summary>pushfq.</summary>
    public void PushFlags() => Byte(0x9c);

    /// <summary>A vector instruction of two operands: register 0 to 7, [base + displacement].</summary>
    /// <param name="prefix">Mandatory prefix; 0: none.</param>
    /// <param name="opcode">Behind 0F.</param>
    public void Vector(byte prefix, byte opcode, int vector, X64Register address, int displacement)
    {
        if (prefix != 0)
            Byte(prefix);
        RegMem(4, 0x0f00 | opcode, vector, address, displacement);
    }

    /// <summary>The same with an immediate byte.</summary>
    public void Vector(byte prefix, byte opcode, int vector, X64Register address, int displacement, byte immediate)
    {
        Vector(prefix, opcode, vector, address, displacement);
        Byte(immediate);
    }

    /// <summary>movdqu register 0 to 7, [base + index].</summary>
    public void LoadVector(int vector, X64Register address, X64Register index)
    {
        Byte(0xf3);
        RegIndexed(4, 0x0f6f, vector, address, index, 0, 0);
    }

    /// <summary>movdqu [base + index], register 0 to 7.</summary>
    public void StoreVector(X64Register address, X64Register index, int vector)
    {
        Byte(0xf3);
        RegIndexed(4, 0x0f7f, vector, address, index, 0, 0);
    }

    public void Push(X64Register register)
    {
        Rex(0, 0, 0, (int)register);
        Byte(0x50 | (int)register & 7);
    }

    public void Pop(X64Register register)
    {
        Rex(0, 0, 0, (int)register);
        Byte(0x58 | (int)register & 7);
    }

    public void Return() => Byte(0xc3);

    /// <summary>Makes the jump whose displacement is at <paramref name="displacement"/> go to <paramref name="target"/>.</summary>
    public static void Patch(byte* displacement, byte* target) => *(int*)displacement = (int)(target - (displacement + 4));

    private static int Wide(int size) => size == 1 ? 0 : 1;

    private byte* Displacement()
    {
        Dword(0);
        return At - 4;
    }

    private void Byte(int value) => *At++ = (byte)value;

    private void Dword(int value)
    {
        *(int*)At = value;
        At += 4;
    }

    private void Immediate(int size, int value)
    {
        if (size == 1)
            Byte(value);
        else if (size == 2)
        {
            *(short*)At = (short)value;
            At += 2;
        }
        else
            Dword(value);
    }

    private void Rex(int size, int reg, int index, int rm)
    {
        var rex = (size == 8 ? 8 : 0) | reg >> 3 << 2 | index >> 3 << 1 | rm >> 3;
        if (rex != 0)
            Byte(0x40 | rex);
    }

    private void Opcode(int opcode)
    {
        if (opcode > 0xff)
            Byte(opcode >> 8);
        Byte(opcode);
    }

    private void RegReg(int size, int opcode, int reg, int rm) => RegRegBytes(size, opcode, reg, rm, size == 1);

    // Without REX the byte registers 4 to 7 are AH, CH, DH, BH.
    private void RegRegBytes(int size, int opcode, int reg, int rm, bool bytes)
    {
        if (size == 2)
            Byte(0x66);
        if (bytes && (reg | rm) >= 4 && (reg | rm) < 8)
            Byte(0x40 | (size == 8 ? 8 : 0));
        else
            Rex(size, reg, 0, rm);
        Opcode(opcode);
        Byte(0xc0 | (reg & 7) << 3 | rm & 7);
    }

    private void RegMem(int size, int opcode, int reg, X64Register address, int displacement)
    {
        if (size == 2)
            Byte(0x66);
        if (size == 1 && reg is >= 4 and < 8 && address < X64Register.R8)
            Byte(0x40);
        else
            Rex(size, reg, 0, (int)address);
        Opcode(opcode);
        var rm = (int)address & 7;
        var mode = Mode(rm, displacement);
        Byte(mode << 6 | (reg & 7) << 3 | rm);
        if (rm == 4)
            Byte(0x24);
        Displace(mode, displacement);
    }

    private void RegIndexed(int size, int opcode, int reg, X64Register address, X64Register index, int scale, int displacement)
    {
        if (size == 2)
            Byte(0x66);
        if (size == 1 && reg is >= 4 and < 8 && (address | index) < X64Register.R8)
            Byte(0x40);
        else
            Rex(size, reg, (int)index, (int)address);
        Opcode(opcode);
        var mode = Mode((int)address & 7, displacement);
        Byte(mode << 6 | (reg & 7) << 3 | 4);
        Byte(scale << 6 | ((int)index & 7) << 3 | (int)address & 7);
        Displace(mode, displacement);
    }

    // RBP and R13 cannot do without a displacement.
    private static int Mode(int rm, int displacement) => displacement == 0 && rm != 5 ? 0 : displacement == (sbyte)displacement ? 1 : 2;

    private void Displace(int mode, int displacement)
    {
        if (mode == 1)
            Byte(displacement);
        else if (mode == 2)
            Dword(displacement);
    }
}
