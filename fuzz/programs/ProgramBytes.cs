using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Programs;

/// <summary>
/// The byte form of device programs for one target's grammar: dense, and total: any bytes decode to a valid program, an operation that is cut off at the end
/// is dropped. Not stable across grammars; what is kept is the text form.
/// </summary>
/// <remarks>
/// An operation is one byte of opcode (modulo the number of opcodes), then its operands. An address is one byte of window (modulo their number plus one, the
/// last meaning an absolute address) and an offset as wide as the window's length needs, modulo the length; values are little endian.
/// </remarks>
public static class ProgramBytes
{
    /// <summary>A longer program is cut: a run's time must stay bounded.</summary>
    public const int MaxOperations = 1_024;

    // Opcodes: in b w l, out b w l, read b w l q, write b w l q, then the rest in the order of their kinds, configuration reads b w l, writes b w l.
    private const int FirstOut = 3, FirstRead = 6, FirstWrite = 10, FirstOther = 14, FirstPciRead = FirstOther + (OperationKind.PciRead - OperationKind.Fill), FirstPciWrite = FirstPciRead + 3;
    private const int OpcodeCount = FirstPciWrite + 3;
    private const int AddressBytes = 8, ClockBytes = 7, PciAddressBytes = 2;

    // Of every byte: division is dear.
    private static readonly Shape[] Shapes = MakeShapes();

    // Of the low bytes, by their count.
    private static ReadOnlySpan<ulong> Masks => [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, 0xff_ffff_ffff_ffff, ulong.MaxValue];

    /// <summary>Longest encoding of one operation: opcode, absolute address, length, data.</summary>
    public const int MaxOperationBytes = 1 + 1 + AddressBytes + 1 + Operation.MaxDataBytes;

    public static IReadOnlyList<Operation> Decode(ReadOnlySpan<byte> bytes, Grammar grammar)
    {
        var program = new List<Operation>();
        var reader = new Reader(bytes, grammar);
        while (reader.MoveNext())
            program.Add(reader.Current);
        return program;
    }

    public static byte[] Encode(IReadOnlyList<Operation> program, Grammar grammar)
    {
        var bytes = new List<byte>(program.Count * 4);
        Span<byte> one = stackalloc byte[MaxOperationBytes];
        foreach (var operation in program.SelectMany(operation => operation.Kind == OperationKind.Pattern ? operation.Writes() : [operation]))
            bytes.AddRange(one[..Encode(in operation, grammar, one)]);
        return [.. bytes];
    }

    /// <summary>One operation, no <see cref="OperationKind.Pattern"/>; how many bytes it takes.</summary>
    /// <param name="destination">At least <see cref="MaxOperationBytes"/>.</param>
    public static int Encode(in Operation operation, Grammar grammar, Span<byte> destination)
    {
        if (operation.Kind == OperationKind.Pattern)
            throw new ArgumentException("a pattern is several writes in the byte form", nameof(operation));
        var width = operation.Size switch { 2 => 1, 4 => 2, 8 => 3, _ => 0 };
        var isPort = operation.Space == AddressSpace.Port;
        var at = 1;
        switch (operation.Kind)
        {
            case OperationKind.Read:
                destination[0] = (byte)((isPort ? 0 : FirstRead) + width);
                AddAddress(destination, ref at, grammar, in operation);
                return at;
            case OperationKind.Write:
                destination[0] = (byte)((isPort ? FirstOut : FirstWrite) + width);
                AddAddress(destination, ref at, grammar, in operation);
                Add(destination, ref at, operation.Value, operation.Size);
                return at;
            case OperationKind.PciRead:
                destination[0] = (byte)(FirstPciRead + width);
                Add(destination, ref at, operation.Address, PciAddressBytes);
                return at;
            case OperationKind.PciWrite:
                destination[0] = (byte)(FirstPciWrite + width);
                Add(destination, ref at, operation.Address, PciAddressBytes);
                Add(destination, ref at, operation.Value, operation.Size);
                return at;
        }
        destination[0] = (byte)(FirstOther + (operation.Kind - OperationKind.Fill));
        switch (operation.Kind)
        {
            case OperationKind.Fill or OperationKind.ReadMemory:
                AddAddress(destination, ref at, grammar, in operation);
                Add(destination, ref at, (ulong)(operation.Size - 1), 2);
                if (operation.Kind == OperationKind.Fill)
                    Add(destination, ref at, operation.Value, 1);
                break;
            case OperationKind.WriteMemory or OperationKind.DmaInput:
                if (operation.Kind == OperationKind.WriteMemory)
                    AddAddress(destination, ref at, grammar, in operation);
                Add(destination, ref at, (ulong)(operation.Size - 1), 1);
                operation.Data.CopyTo(destination[at..]);
                at += operation.Data.Length;
                break;
            case OperationKind.ClockStep:
                Add(destination, ref at, operation.Value, ClockBytes);
                break;
        }
        return at;
    }

    /// <summary>Where each operation begins, and behind the last one its end; how many there are.</summary>
    /// <param name="starts">At least <see cref="MaxOperations"/> + 1.</param>
    public static int Split(ReadOnlySpan<byte> bytes, Grammar grammar, Span<int> starts)
    {
        var (count, at) = (0, 0);
        var addressBytes = grammar.AddressBytes;
        while (count < MaxOperations && at < bytes.Length)
        {
            // What follows nobody can guess: a look-up costs less than a branch on it.
            ref readonly var shape = ref Shapes[bytes[at]];
            var next = at + 1;
            next += addressBytes[shape.AddressKind * Grammar.Codes + (next < bytes.Length ? bytes[next] : 0)] + shape.OperandBytes;
            if (shape.HasData)
            {
                if (next > bytes.Length)
                    break;
                next += bytes[next - 1] + 1;
            }
            if (next > bytes.Length)
                break;
            starts[count++] = at;
            at = next;
        }
        starts[count] = at;
        return count;
    }

    /// <summary>What an opcode means.</summary>
    /// <param name="Size">Of an access.</param>
    /// <param name="OperandBytes">Behind the address: a value, a length less one, nanoseconds, PCI function and register.</param>
    /// <param name="HasData">As many bytes as the operand says, and one more.</param>
    private readonly record struct Shape(OperationKind Kind, AddressSpace Space, bool HasAddress, byte Size, byte OperandBytes, bool HasData = false)
    {
        /// <summary>Which part of <see cref="Grammar.AddressBytes"/>.</summary>
        public byte AddressKind { get; } = (byte)(!HasAddress ? 0 : Space == AddressSpace.Port ? 1 : 2);
    }

    private static Shape[] MakeShapes()
    {
        var shapes = new Shape[byte.MaxValue + 1];
        for (var width = 0; width < 4; width++)
        {
            var size = (byte)(1 << width);
            if (width < 3)
            {
                shapes[width] = new Shape(OperationKind.Read, AddressSpace.Port, true, size, 0);
                shapes[FirstOut + width] = new Shape(OperationKind.Write, AddressSpace.Port, true, size, size);
                shapes[FirstPciRead + width] = new Shape(OperationKind.PciRead, AddressSpace.Port, false, size, PciAddressBytes);
                shapes[FirstPciWrite + width] = new Shape(OperationKind.PciWrite, AddressSpace.Port, false, size, (byte)(PciAddressBytes + size));
            }
            shapes[FirstRead + width] = new Shape(OperationKind.Read, AddressSpace.Mmio, true, size, 0);
            shapes[FirstWrite + width] = new Shape(OperationKind.Write, AddressSpace.Mmio, true, size, size);
        }
        for (var opcode = FirstOther; opcode < FirstPciRead; opcode++)
        {
            var kind = (OperationKind)(opcode - FirstOther + (int)OperationKind.Fill);
            var operands = kind switch { OperationKind.Fill => 3, OperationKind.WriteMemory or OperationKind.DmaInput => 1, OperationKind.ReadMemory => 2, OperationKind.ClockStep => ClockBytes, _ => 0 };
            shapes[opcode] = new Shape(kind, AddressSpace.Mmio, kind <= OperationKind.ReadMemory, 0, (byte)operands, kind is OperationKind.WriteMemory or OperationKind.DmaInput);
        }
        for (var opcode = OpcodeCount; opcode < shapes.Length; opcode++)
            shapes[opcode] = shapes[opcode % OpcodeCount];
        return shapes;
    }

    private static void AddAddress(Span<byte> destination, ref int at, Grammar grammar, in Operation operation)
    {
        var windows = grammar.Of(operation.Space);
        var index = 0;
        while (index < windows.Length && !windows[index].Contains(operation.Address))
            index++;
        destination[at++] = (byte)index;
        if (index == windows.Length)
            Add(destination, ref at, operation.Address, AbsoluteBytes(operation.Space));
        else
            Add(destination, ref at, operation.Address - windows[index].Base, windows[index].OffsetBytes);
    }

    private static void Add(Span<byte> destination, ref int at, ulong value, int bytes)
    {
        for (var i = 0; i < bytes; i++)
            destination[at++] = (byte)(value >> (i * 8));
    }

    private static int AbsoluteBytes(AddressSpace space) => space == AddressSpace.Port ? 2 : AddressBytes;

    /// <summary>
    /// Goes through the operations of a program's bytes, at most <see cref="MaxOperations"/>, and allocates nothing: the parts of the current operation are as
    /// <see cref="Operation"/> has them.
    /// </summary>
    public ref struct Reader(ReadOnlySpan<byte> source, Grammar grammar)
    {
        private readonly Grammar _grammar = grammar;
        private readonly ReadOnlySpan<byte> _source = source;
        private int _at, _left = MaxOperations;

        public OperationKind Kind { get; private set; }

        public AddressSpace Space { get; private set; }

        public int Size { get; private set; }

        public ulong Address { get; private set; }

        public ulong Value { get; private set; }

        public ReadOnlySpan<byte> Data { get; private set; }

        public readonly Operation Current => Kind switch
        {
            OperationKind.Read => Operation.Read(Space, Address, Size),
            OperationKind.Write => Operation.Write(Space, Address, Size, Value),
            OperationKind.Fill => Operation.Fill(Address, Size, (byte)Value),
            OperationKind.WriteMemory => Operation.WriteMemory(Address, Data),
            OperationKind.ReadMemory => Operation.ReadMemory(Address, Size),
            OperationKind.ClockStep => Operation.ClockStep(Value),
            OperationKind.SampleInterrupts => Operation.SampleInterrupts(),
            OperationKind.Reset => Operation.Reset(),
            OperationKind.Snapshot => Operation.Snapshot(),
            OperationKind.Restore => Operation.Restore(),
            OperationKind.DmaInput => Operation.DmaInput(Data),
            OperationKind.PciRead => Operation.PciRead((int)Address >> 8, (int)Address & byte.MaxValue, Size),
            _ => Operation.PciWrite((int)Address >> 8, (int)Address & byte.MaxValue, Size, Value),
        };

        public bool MoveNext()
        {
            if (_left-- == 0 || _at >= _source.Length)
                return false;
            ref readonly var shape = ref Shapes[_source[_at++]];
            (Kind, Space, Size) = (shape.Kind, shape.Space, shape.Size);
            if (shape.HasAddress && !TryAddress())
                return false;
            if (_source.Length - _at < shape.OperandBytes)
                return false;
            var operand = Take(shape.OperandBytes);
            if (shape.Kind <= OperationKind.Write)
            {
                Value = operand;
                return true;
            }
            switch (shape.Kind)
            {
                case OperationKind.Fill:
                    (Size, Value) = ((int)(operand & 0xffff) + 1, operand >> 16);
                    return true;
                case OperationKind.ReadMemory:
                    Size = (int)operand + 1;
                    return true;
                case OperationKind.WriteMemory or OperationKind.DmaInput:
                    Size = (int)operand + 1;
                    if (_source.Length - _at < Size)
                        return false;
                    Data = _source.Slice(_at, Size);
                    _at += Size;
                    return true;
                case OperationKind.ClockStep:
                    Value = operand & Operation.MaxClockStepNs;
                    return true;
                case OperationKind.PciRead or OperationKind.PciWrite:
                    // A register is a multiple of the size.
                    (Address, Value) = (operand & ushort.MaxValue & ~(ulong)(Size - 1), operand >> 16);
                    return true;
                default:
                    Value = operand;
                    return true;
            }
        }

        private bool TryAddress()
        {
            if (_at >= _source.Length)
                return false;
            var window = _grammar.ByCode(Space)[_source[_at++]];
            var bytes = window?.OffsetBytes ?? AbsoluteBytes(Space);
            if (_source.Length - _at < bytes)
                return false;
            var offset = Take(bytes);
            Address = window is null ? offset : window.Base + (offset < window.Length ? offset : offset % window.Length);
            return true;
        }

        private ulong Take(int count)
        {
            ulong value = 0;
            if (_source.Length >= sizeof(ulong))
            {
                // At the end those before are read too, and shifted out.
                var from = Math.Min(_at, _source.Length - sizeof(ulong));
                value = BinaryPrimitives.ReadUInt64LittleEndian(_source[from..]) >> ((_at - from) * 8) & Masks[count];
                _at += count;
                return value;
            }
            for (var i = count - 1; i >= 0; i--)
                value = value << 8 | _source[_at + i];
            _at += count;
            return value;
        }
    }
}
