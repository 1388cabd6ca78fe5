using System.Buffers.Binary;
using System.Runtime.InteropServices;
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

    // Opcodes: in b w l, out b w l, read b w l q, write b w l q, then the rest in the order of their kinds.
    private const int FirstOut = 3, FirstRead = 6, FirstWrite = 10, FirstOther = 14;
    private const int OpcodeCount = FirstOther + (OperationKind.Restore - OperationKind.Fill) + 1;
    private const int AddressBytes = 8, ClockBytes = 7;

    /// <summary>Appends to <paramref name="program"/>, which is emptied first.</summary>
    public static void Decode(ReadOnlySpan<byte> bytes, Grammar grammar, List<Operation> program)
    {
        program.Clear();
        var reader = new Reader(bytes);
        while (program.Count < MaxOperations && TryDecode(ref reader, grammar, out var operation))
            program.Add(operation);
    }

    public static IReadOnlyList<Operation> Decode(ReadOnlySpan<byte> bytes, Grammar grammar)
    {
        var program = new List<Operation>();
        Decode(bytes, grammar, program);
        return program;
    }

    public static byte[] Encode(IReadOnlyList<Operation> program, Grammar grammar)
    {
        var bytes = new List<byte>(program.Count * 4);
        Span<byte> value = stackalloc byte[8];
        foreach (var operation in program)
        {
            var width = operation.Size switch { 2 => 1, 4 => 2, 8 => 3, _ => 0 };
            var isPort = operation.Space == AddressSpace.Port;
            BinaryPrimitives.WriteUInt64LittleEndian(value, operation.Value);
            switch (operation.Kind)
            {
                case OperationKind.Read:
                    bytes.Add((byte)((isPort ? 0 : FirstRead) + width));
                    AddAddress(bytes, grammar, operation);
                    break;
                case OperationKind.Write:
                    bytes.Add((byte)((isPort ? FirstOut : FirstWrite) + width));
                    AddAddress(bytes, grammar, operation);
                    bytes.AddRange(value[..operation.Size]);
                    break;
                default:
                    bytes.Add((byte)(FirstOther + (operation.Kind - OperationKind.Fill)));
                    AddOperands(bytes, grammar, operation, value);
                    break;
            }
        }
        return [.. bytes];
    }

    private static void AddOperands(List<byte> bytes, Grammar grammar, in Operation operation, ReadOnlySpan<byte> value)
    {
        switch (operation.Kind)
        {
            case OperationKind.Fill or OperationKind.ReadMemory:
                AddAddress(bytes, grammar, operation);
                bytes.Add((byte)(operation.Size - 1));
                bytes.Add((byte)((operation.Size - 1) >> 8));
                if (operation.Kind == OperationKind.Fill)
                    bytes.Add((byte)operation.Value);
                break;
            case OperationKind.WriteMemory:
                AddAddress(bytes, grammar, operation);
                bytes.Add((byte)(operation.Size - 1));
                bytes.AddRange(operation.Data);
                break;
            case OperationKind.ClockStep:
                bytes.AddRange(value[..ClockBytes]);
                break;
        }
    }

    private static void AddAddress(List<byte> bytes, Grammar grammar, in Operation operation)
    {
        var windows = grammar.Of(operation.Space);
        var address = operation.Address;
        var index = Array.FindIndex(windows, window => window.Contains(address));
        bytes.Add((byte)(index < 0 ? windows.Length : index));
        var width = index < 0 ? AbsoluteBytes(operation.Space) : OffsetBytes(windows[index].Length);
        var offset = index < 0 ? address : address - windows[index].Base;
        for (var i = 0; i < width; i++)
            bytes.Add((byte)(offset >> (i * 8)));
    }

    private static bool TryDecode(ref Reader reader, Grammar grammar, out Operation operation)
    {
        operation = default;
        if (!reader.TryTake(1, out var code))
            return false;
        var opcode = (int)code % OpcodeCount;
        if (opcode < FirstOther)
        {
            var isPort = opcode < FirstRead;
            var isRead = opcode < FirstOut || opcode is >= FirstRead and < FirstWrite;
            var width = opcode - (opcode < FirstOut ? 0 : isPort ? FirstOut : isRead ? FirstRead : FirstWrite);
            var space = isPort ? AddressSpace.Port : AddressSpace.Mmio;
            if (!TryAddress(ref reader, grammar, space, out var address))
                return false;
            ulong value = 0;
            if (!isRead && !reader.TryTake(1 << width, out value))
                return false;
            operation = isRead ? Operation.Read(space, address, 1 << width) : Operation.Write(space, address, 1 << width, value);
            return true;
        }
        return TryDecodeOther(ref reader, grammar, (OperationKind)(opcode - FirstOther + (int)OperationKind.Fill), out operation);
    }

    private static bool TryDecodeOther(ref Reader reader, Grammar grammar, OperationKind kind, out Operation operation)
    {
        operation = default;
        ulong address = 0, size = 0, value = 0;
        switch (kind)
        {
            case OperationKind.Fill:
                if (!TryAddress(ref reader, grammar, AddressSpace.Mmio, out address) || !reader.TryTake(2, out size) || !reader.TryTake(1, out value))
                    return false;
                operation = Operation.Fill(address, (int)size + 1, (byte)value);
                return true;
            case OperationKind.WriteMemory:
                if (!TryAddress(ref reader, grammar, AddressSpace.Mmio, out address) || !reader.TryTake(1, out size)
                    || !reader.TryTakeSpan((int)size + 1, out var data))
                    return false;
                operation = Operation.WriteMemory(address, data);
                return true;
            case OperationKind.ReadMemory:
                if (!TryAddress(ref reader, grammar, AddressSpace.Mmio, out address) || !reader.TryTake(2, out size))
                    return false;
                operation = Operation.ReadMemory(address, (int)size + 1);
                return true;
            case OperationKind.ClockStep:
                if (!reader.TryTake(ClockBytes, out value))
                    return false;
                operation = Operation.ClockStep(value & Operation.MaxClockStepNs);
                return true;
            case OperationKind.SampleInterrupts:
                operation = Operation.SampleInterrupts();
                return true;
            case OperationKind.Reset:
                operation = Operation.Reset();
                return true;
            case OperationKind.Snapshot:
                operation = Operation.Snapshot();
                return true;
            default:
                operation = Operation.Restore();
                return true;
        }
    }

    private static bool TryAddress(ref Reader reader, Grammar grammar, AddressSpace space, out ulong address)
    {
        address = 0;
        var windows = grammar.Of(space);
        if (!reader.TryTake(1, out var code))
            return false;
        var index = (int)code % (windows.Length + 1);
        if (index == windows.Length)
            return reader.TryTake(AbsoluteBytes(space), out address);
        if (!reader.TryTake(OffsetBytes(windows[index].Length), out var offset))
            return false;
        address = windows[index].Base + offset % windows[index].Length;
        return true;
    }

    private static int AbsoluteBytes(AddressSpace space) => space == AddressSpace.Port ? 2 : AddressBytes;

    private static int OffsetBytes(ulong length) => length <= 1UL << 8 ? 1 : length <= 1UL << 16 ? 2 : length <= 1UL << 32 ? 4 : 8;

    private ref struct Reader(ReadOnlySpan<byte> source)
    {
        private ReadOnlySpan<byte> _rest = source;

        public bool TryTake(int count, out ulong value)
        {
            value = 0;
            if (!TryTakeSpan(count, out var bytes))
                return false;
            bytes.CopyTo(MemoryMarshal.AsBytes(new Span<ulong>(ref value)));
            return true;
        }

        public bool TryTakeSpan(int count, out ReadOnlySpan<byte> bytes)
        {
            bytes = default;
            if (_rest.Length < count)
                return false;
            bytes = _rest[..count];
            _rest = _rest[count..];
            return true;
        }
    }
}
