using Gauntlet.Vmm.Accel.Tcg.Ir;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Operands: registers, immediates, effective addresses, the stack.
public sealed unsafe partial class X86Translator
{
    /// <summary>A linear address ready for an access.</summary>
    private readonly record struct Address(IrValue Base, long Displacement, byte Attributes);

    /// <summary>A general register by encoding, of 1, 2, 4 or 8 bytes; High: AH, CH, DH, BH.</summary>
    private readonly record struct GprName(int Index, int Size, bool High);

    private static GprName NameOf(Register register)
    {
        if (register >= Register.RAX && register <= Register.R15)
            return new GprName(register - Register.RAX, 8, false);
        if (register >= Register.EAX && register <= Register.R15D)
            return new GprName(register - Register.EAX, 4, false);
        if (register >= Register.AX && register <= Register.R15W)
            return new GprName(register - Register.AX, 2, false);
        var index = register - Register.AL;
        return index < 4 ? new GprName(index, 1, false) : index < 8 ? new GprName(index - 4, 1, true) : new GprName(index - 4, 1, false);
    }

    private static IrValue Gpr(int index) => X86Globals.Gpr(index);

    private static X86Seg SegOf(Register register) => (X86Seg)(register - Register.ES);

    /// <summary>A register's value; bits above its size are not defined.</summary>
    private IrValue ReadRegister(Register register)
    {
        var name = NameOf(register);
        return name.High ? Extract(Gpr(name.Index), 8, 8) : Gpr(name.Index);
    }

    private void WriteRegister(Register register, IrValue value)
    {
        var name = NameOf(register);
        var gpr = Gpr(name.Index);
        if (name.Size >= 4)
            Move(gpr, value, IrTypes.OfBytes(name.Size));
        else
            Emit(new IrOp { Opcode = IrOpcode.Deposit, Type = IrType.I64, Dst = gpr, A = gpr, B = value, Imm = (name.High ? 8 : 0) | name.Size * 8 << 8 });
    }

    /// <summary>Writes an index's low bytes: size 4 clears the upper half.</summary>
    private void WriteGpr(int index, IrValue value, int size) =>
        WriteRegister(size switch { 1 => Register.AL + index, 2 => Register.AX + index, 4 => Register.EAX + index, _ => Register.RAX + index }, value);

    /// <summary>In bytes.</summary>
    private int SizeOfOperand(int operand) => _instruction.GetOpKind(operand) switch
    {
        OpKind.Register => NameSize(_instruction.GetOpRegister(operand)),
        OpKind.Memory => _instruction.MemorySize.GetSize(),
        _ => SizeOfOperand(operand - 1),
    };

    private static int NameSize(Register register) => register.GetSize();

    private static bool IsImmediate(OpKind kind) => kind is >= OpKind.Immediate8 and <= OpKind.Immediate32to64;

    /// <summary>An operand's value; bits above its size are not defined.</summary>
    private IrValue ReadOperand(int operand, int size)
    {
        var kind = _instruction.GetOpKind(operand);
        if (kind == OpKind.Register)
            return ReadRegister(_instruction.GetOpRegister(operand));
        if (kind == OpKind.Memory)
            return Load(EffectiveAddress(size, false), IrTypes.OfBytes(size));
        return Const(_instruction.GetImmediate(operand) & IrTypes.OfBytes(size).Mask());
    }

    private void WriteOperand(int operand, IrValue value, int size)
    {
        if (_instruction.GetOpKind(operand) == OpKind.Register)
            WriteRegister(_instruction.GetOpRegister(operand), value);
        else
            Store(EffectiveAddress(size, true), IrTypes.OfBytes(size), value);
    }

    private IrValue Load(in Address address, IrType type)
    {
        var dst = Temp();
        LoadTo(dst, address, type, false);
        return dst;
    }

    private void LoadTo(IrValue dst, in Address address, IrType type, bool signed) =>
        Emit(new IrOp
        {
            Opcode = signed ? IrOpcode.LoadSigned : IrOpcode.Load,
            Type = type,
            Dst = dst,
            A = address.Base,
            Imm = address.Displacement,
            Attr = address.Attributes,
        });

    private void Store(in Address address, IrType type, IrValue value) =>
        Emit(new IrOp { Opcode = IrOpcode.Store, Type = type, A = address.Base, B = value, Imm = address.Displacement, Attr = address.Attributes });

    /// <summary>The address as one value, for helpers.</summary>
    private IrValue Whole(in Address address)
    {
        if (address.Displacement == 0)
            return address.Base;
        var dst = Temp();
        Emit(new IrOp { Opcode = IrOpcode.Lea, Type = IrType.I64, Dst = dst, A = address.Base, Imm = address.Displacement });
        return dst;
    }

    /// <summary>The address some bytes further.</summary>
    private static Address Plus(in Address address, int bytes) => address with { Displacement = address.Displacement + bytes };

    /// <summary>In bytes: 2, 4 or 8.</summary>
    private int AddressSize()
    {
        var register = _instruction.MemoryBase != Register.None ? _instruction.MemoryBase : _instruction.MemoryIndex;
        if (register != Register.None)
            return register.GetSize();
        return _instruction.MemoryDisplSize switch { 2 => 2, 4 => 4, 8 => 8, _ => Is64 ? 8 : (_mode & Mode.CodeSize) == 0 ? 2 : 4 };
    }

    /// <summary>The memory operand's offset in its segment: a value and a displacement, both at the address size.</summary>
    private (IrValue Base, long Displacement) Offset()
    {
        var size = AddressSize();
        var type = IrTypes.OfBytes(size);
        var displacement = (long)_instruction.MemoryDisplacement64;
        Register baseRegister = _instruction.MemoryBase, index = _instruction.MemoryIndex;
        if (baseRegister is Register.RIP or Register.EIP)
            return (Const((ulong)displacement & type.Mask()), 0);
        if (baseRegister == Register.None && index == Register.None)
            return (Const((ulong)displacement & type.Mask()), 0);
        if (size == 8 && index == Register.None)
            return (Gpr(NameOf(baseRegister).Index), displacement);
        var scale = (byte)int.TrailingZeroCount(_instruction.MemoryIndexScale);
        if (baseRegister == Register.None && scale == 0)
            (baseRegister, index) = (index, Register.None);
        var dst = Temp();
        Emit(new IrOp
        {
            Opcode = IrOpcode.Lea,
            Type = type,
            Dst = dst,
            Attr = index == Register.None ? (byte)0 : scale,
            A = baseRegister == Register.None ? Const(0) : Gpr(NameOf(baseRegister).Index),
            B = index == Register.None ? IrValue.None : Gpr(NameOf(index).Index),
            Imm = displacement,
        });
        return (dst, 0);
    }

    /// <summary>The memory operand's linear address, checked against its segment.</summary>
    /// <param name="size">In bytes, of the whole access.</param>
    private Address EffectiveAddress(int size, bool write)
    {
        var (value, displacement) = Offset();
        return Segmented(SegOf(MemorySegment), value, displacement, size, write);
    }

    // In 64-bit mode prefixes for ES, CS, SS and DS do nothing (SDM Vol. 2A, 2.1.1): the base register alone makes an access one to the stack.
    private Register MemorySegment => !Is64 || _instruction.MemorySegment is Register.FS or Register.GS ? _instruction.MemorySegment
        : _instruction.MemoryBase is Register.RSP or Register.RBP or Register.ESP or Register.EBP ? Register.SS
        : Register.DS;

    /// <summary>Adds a segment's base; in legacy modes checks limit and type unless the segment is flat.</summary>
    private Address Segmented(X86Seg seg, IrValue offset, long displacement, int size, bool write)
    {
        var attributes = (byte)(Mmu | (seg == X86Seg.Ss ? TcgCore.StackAccess : 0) | (write ? TcgCore.ForWrite : 0));
        if (Is64)
        {
            if (seg is not (X86Seg.Fs or X86Seg.Gs))
                return new Address(offset, displacement, attributes);
            return new Address(Op(IrOpcode.Add, IrType.I64, X86Globals.SegmentBase(seg), offset), displacement, attributes);
        }
        if ((_mode >> Mode.FlatShift >> (int)seg & 1) != 0 && !(seg == X86Seg.Cs && write))
            return new Address(offset, displacement, attributes);
        return new Address(CallTemp(X86Helper.CheckSegment, Whole(new Address(offset, displacement, 0)), imm: (int)seg | size << 8 | (write ? 0x80 : 0)), 0, attributes);
    }

    private int StackPointerSize => Is64 ? 8 : (_mode & Mode.Stack32) != 0 ? 4 : 2;

    /// <summary>Operand size of PUSH, POP, near CALL and RET in bytes.</summary>
    private int StackOperandSize(bool operandSize16) => operandSize16 ? 2 : Is64 ? 8 : 4;

    private void Push(IrValue value, int size)
    {
        var pointer = Gpr(4);
        if (Is64)
        {
            Store(new Address(pointer, -size, (byte)(Mmu | TcgCore.StackAccess)), IrTypes.OfBytes(size), value);
            Emit(new IrOp { Opcode = IrOpcode.Lea, Type = IrType.I64, Dst = pointer, A = pointer, Imm = -size });
            return;
        }
        var moved = MovedStackPointer(-size);
        Store(Segmented(X86Seg.Ss, moved, 0, size, true), IrTypes.OfBytes(size), value);
        WriteGpr(4, moved, StackPointerSize);
    }

    /// <summary>Reads the top; the stack pointer moves by <see cref="MoveStackPointer"/> when nothing can fault any more.</summary>
    private IrValue ReadStack(int size, int offset = 0)
    {
        if (Is64)
            return Load(new Address(Gpr(4), offset, (byte)(Mmu | TcgCore.StackAccess)), IrTypes.OfBytes(size));
        return Load(Segmented(X86Seg.Ss, MovedStackPointer(offset), 0, size, false), IrTypes.OfBytes(size));
    }

    private void MoveStackPointer(int bytes)
    {
        if (Is64)
            Emit(new IrOp { Opcode = IrOpcode.Lea, Type = IrType.I64, Dst = Gpr(4), A = Gpr(4), Imm = bytes });
        else
            WriteGpr(4, MovedStackPointer(bytes), StackPointerSize);
    }

    private IrValue MovedStackPointer(int bytes)
    {
        var moved = Temp();
        Emit(new IrOp { Opcode = IrOpcode.Lea, Type = IrTypes.OfBytes(StackPointerSize), Dst = moved, A = Gpr(4), Imm = bytes });
        return moved;
    }
}
