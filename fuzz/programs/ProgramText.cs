using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Programs;

/// <summary>Text that is not a device program: which line, what is wrong with it.</summary>
public sealed class ProgramFormatException(int line, string message) : Exception($"line {line}: {message}")
{
    /// <summary>From 1.</summary>
    public int Line { get; } = line;
}

/// <summary>
/// The text form of device programs: a version line, then one operation a line in the words of QEMU's qtest where it has one.
/// <c>#</c> starts a comment anywhere. Numbers are decimal, or hexadecimal with <c>0x</c>.
/// </summary>
public static class ProgramText
{
    /// <summary>First line of every program.</summary>
    public const string Header = "program 1";

    /// <summary>A program with more operations is refused.</summary>
    public const int MaxOperations = 100_000;

    private const string PortSuffixes = "bwl", MemorySuffixes = "bwlq";

    /// <summary>Header and operations, a newline behind each.</summary>
    public static string Format(IEnumerable<Operation> program)
    {
        var text = new StringBuilder(Header).Append('\n');
        foreach (var operation in program)
            text.Append(Line(operation)).Append('\n');
        return text.ToString();
    }

    /// <summary>One operation as one line, without the newline.</summary>
    public static string Line(in Operation operation)
    {
        var suffix = MemorySuffixes[operation.Size switch { 2 => 1, 4 => 2, 8 => 3, _ => 0 }];
        return (operation.Kind, operation.Space) switch
        {
            (OperationKind.Read, AddressSpace.Port) => $"in{suffix} 0x{operation.Address:x}",
            (OperationKind.Read, _) => $"read{suffix} 0x{operation.Address:x}",
            (OperationKind.Write, AddressSpace.Port) => $"out{suffix} 0x{operation.Address:x} 0x{operation.Value:x}",
            (OperationKind.Write, _) => $"write{suffix} 0x{operation.Address:x} 0x{operation.Value:x}",
            (OperationKind.Fill, _) => $"memset 0x{operation.Address:x} 0x{operation.Size:x} 0x{operation.Value:x}",
            (OperationKind.WriteMemory, _) => $"write 0x{operation.Address:x} 0x{operation.Size:x} 0x{Convert.ToHexStringLower(operation.Data)}",
            (OperationKind.ReadMemory, _) => $"read 0x{operation.Address:x} 0x{operation.Size:x}",
            (OperationKind.ClockStep, _) => $"clock_step {operation.Value}",
            (OperationKind.SampleInterrupts, _) => "interrupts",
            (OperationKind.Reset, _) => "reset",
            (OperationKind.Snapshot, _) => "snapshot",
            (OperationKind.Pattern, _) => $"pattern 0x{operation.Address:x} 0x{operation.Size:x} 0x{Convert.ToHexStringLower(operation.Data)}",
            (OperationKind.DmaInput, _) => $"dma 0x{operation.Size:x} 0x{Convert.ToHexStringLower(operation.Data)}",
            (OperationKind.PciRead, _) => $"pci_read{suffix} {Function(operation.Address)} 0x{operation.Address & byte.MaxValue:x}",
            (OperationKind.PciWrite, _) => $"pci_write{suffix} {Function(operation.Address)} 0x{operation.Address & byte.MaxValue:x} 0x{operation.Value:x}",
            _ => "restore",
        };
    }

    // As lspci has it, without the bus.
    private static string Function(ulong address) => $"{address >> 11:x2}.{address >> 8 & 7}";

    /// <exception cref="ProgramFormatException">Another version, or a line that is no operation.</exception>
    public static IReadOnlyList<Operation> Parse(string text)
    {
        var program = new List<Operation>();
        var (number, headed) = (0, false);
        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            number++;
            var comment = raw.IndexOf('#');
            var line = (comment < 0 ? raw : raw[..comment]).Trim();
            if (line.IsEmpty)
                continue;
            if (!headed)
            {
                if (!line.SequenceEqual(Header))
                    throw new ProgramFormatException(number, $"\"{Excerpt(line)}\" where \"{Header}\" was expected: a device program starts with its version");
                headed = true;
                continue;
            }
            if (program.Count == MaxOperations)
                throw new ProgramFormatException(number, $"more than {MaxOperations} operations");
            program.Add(ParseLine(line.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), number));
        }
        return headed ? program : throw new ProgramFormatException(number, $"no \"{Header}\" line: a device program starts with its version");
    }

    /// <summary>One operation from its words.</summary>
    /// <exception cref="ProgramFormatException">They are none.</exception>
    internal static Operation ParseLine(string[] words, int line)
    {
        var verb = words[0];
        if (Access(verb, "in", PortSuffixes) is { } inSize)
            return Operation.Read(AddressSpace.Port, Number(1, ushort.MaxValue), Done(2, inSize));
        if (Access(verb, "out", PortSuffixes) is { } outSize)
            return Operation.Write(AddressSpace.Port, Number(Done(3, 1), ushort.MaxValue), outSize, Number(2, Operation.MaskOf(outSize)));
        if (Access(verb, "read", MemorySuffixes) is { } readSize)
            return Operation.Read(AddressSpace.Mmio, Number(1, ulong.MaxValue), Done(2, readSize));
        if (Access(verb, "write", MemorySuffixes) is { } writeSize)
            return Operation.Write(AddressSpace.Mmio, Number(Done(3, 1), ulong.MaxValue), writeSize, Number(2, Operation.MaskOf(writeSize)));
        if (Access(verb, "pci_read", PortSuffixes) is { } pciReadSize)
            return Operation.PciRead(Function(Done(3, 1)), Register(2, pciReadSize), pciReadSize);
        if (Access(verb, "pci_write", PortSuffixes) is { } pciWriteSize)
            return Operation.PciWrite(Function(Done(4, 1)), Register(2, pciWriteSize), pciWriteSize, Number(3, Operation.MaskOf(pciWriteSize)));
        switch (verb)
        {
            case "memset":
                return Operation.Fill(Number(Done(4, 1), ulong.MaxValue), Length(2, Operation.MaxRunBytes), (byte)Number(3, byte.MaxValue));
            case "write":
                return Operation.WriteMemory(Number(1, ulong.MaxValue), Data(Done(4, 2)));
            case "dma":
                return Operation.DmaInput(Data(Done(3, 1)));
            case "read":
                return Operation.ReadMemory(Number(1, ulong.MaxValue), Length(Done(3, 2), Operation.MaxRunBytes));
            case "clock_step":
                return Operation.ClockStep(Number(Done(2, 1), Operation.MaxClockStepNs));
            case "pattern":
                var run = Length(Done(4, 2), Operation.MaxRunBytes);
                return Hex(3) is { Length: >= 1 and <= Operation.MaxDataBytes } repeated
                    ? Operation.Pattern(Number(1, ulong.MaxValue), run, repeated)
                    : throw new ProgramFormatException(line, $"pattern: 1 to {Operation.MaxDataBytes} bytes are repeated");
            case "interrupts" when Done(1, true):
                return Operation.SampleInterrupts();
            case "reset" when Done(1, true):
                return Operation.Reset();
            case "snapshot" when Done(1, true):
                return Operation.Snapshot();
            case "restore" when Done(1, true):
                return Operation.Restore();
            default:
                throw new ProgramFormatException(line, $"\"{Excerpt(verb)}\" is no operation");
        }

        T Done<T>(int count, T result) =>
            words.Length == count ? result : throw new ProgramFormatException(line, $"{Excerpt(verb)} takes {count - 1} arguments, found {words.Length - 1}");

        ulong Number(int index, ulong most)
        {
            if (index >= words.Length)
                throw new ProgramFormatException(line, $"{Excerpt(verb)}: argument {index} is missing");
            var word = words[index];
            var isNumber = word.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
                ? ulong.TryParse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
                : ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value);
            if (!isNumber || value > most)
                throw new ProgramFormatException(line, $"\"{Excerpt(word)}\" where a number from 0 to 0x{most:x} was expected");
            return value;
        }

        int Length(int index, int most) => (int)Number(index, (ulong)most) is var value && value > 0
            ? value
            : throw new ProgramFormatException(line, $"{Excerpt(verb)}: a length of 0");

        // Device and function: 1f.7 at most.
        int Function(int index) => words[index].Split('.') is [{ Length: 1 or 2 } device, { Length: 1 } function]
            && int.TryParse(device, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var slot) && slot < 32 && function[0] is >= '0' and <= '7'
            ? slot << 3 | (function[0] - '0')
            : throw new ProgramFormatException(line, $"\"{Excerpt(words[index])}\" where a PCI device and function, 00.0 to 1f.7, were expected");

        int Register(int index, int size) => (int)Number(index, byte.MaxValue) is var register && register % size == 0
            ? register
            : throw new ProgramFormatException(line, $"{Excerpt(verb)}: register 0x{register:x} is not a multiple of {size}");

        // A length, and as many bytes.
        byte[] Data(int index)
        {
            var (length, data) = (Length(index, Operation.MaxDataBytes), Hex(index + 1));
            return data.Length == length ? data : throw new ProgramFormatException(line, $"{Excerpt(verb)} of {length} bytes with {data.Length} bytes of data");
        }

        byte[] Hex(int index)
        {
            try
            {
                return Convert.FromHexString(words[index].AsSpan(words[index].StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? 2 : 0));
            }
            catch (FormatException)
            {
                throw new ProgramFormatException(line, $"\"{Excerpt(words[index])}\" where bytes in hexadecimal were expected");
            }
        }
    }

    private static int? Access(string verb, string stem, string suffixes)
    {
        if (verb.Length != stem.Length + 1 || !verb.StartsWith(stem, StringComparison.Ordinal))
            return null;
        var index = suffixes.IndexOf(verb[^1], StringComparison.Ordinal);
        return index < 0 ? null : 1 << index;
    }

    private static string Excerpt(ReadOnlySpan<char> text) => text.Length <= 40 ? text.ToString() : string.Concat(text[..40], "…");
}
