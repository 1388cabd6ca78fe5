using System.Text;

namespace Gauntlet.Fuzz.Programs;

/// <summary>
/// A device program as commands of QEMU's qtest protocol (QEMU, docs/devel/testing/qtest.rst), and back. What the protocol cannot say is a comment in
/// the script and counted, never taken as executed.
/// </summary>
/// <param name="Text">One command a line.</param>
/// <param name="Dropped">Operations that are only comments.</param>
public sealed record QtestScript(string Text, int Dropped)
{
    /// <param name="program">In order.</param>
    /// <param name="hasClockStep">False for a VMM without <c>clock_step</c>: QEMU other than with <c>-accel qtest</c>.</param>
    public static QtestScript From(IEnumerable<Operation> program, bool hasClockStep = true)
    {
        var text = new StringBuilder();
        var dropped = 0;
        foreach (var operation in program.SelectMany(static operation => operation.Plain()))
        {
            var possible = operation.Kind switch
            {
                OperationKind.ClockStep => hasClockStep,
                OperationKind.SampleInterrupts or OperationKind.Reset or OperationKind.Snapshot or OperationKind.Restore or OperationKind.DmaInput => false,
                _ => true,
            };
            if (!possible)
            {
                dropped++;
                text.Append("# not in qtest: ");
            }
            text.Append(Line(operation)).Append('\n');
        }
        return new QtestScript(text.ToString(), dropped);
    }

    /// <summary>One operation as qtest has it: a pattern is a long write, a configuration access two of ports.</summary>
    public static IEnumerable<string> Lines(Operation operation) =>
        operation.Kind is OperationKind.PciRead or OperationKind.PciWrite ? operation.Plain().Select(static access => Line(access)) : [Line(operation)];

    /// <summary>One operation that is one command of qtest.</summary>
    public static string Line(in Operation operation) => operation.Kind == OperationKind.Pattern
        ? $"write 0x{operation.Address:x} 0x{operation.Size:x} 0x{Convert.ToHexStringLower(operation.Repeated())}"
        : ProgramText.Line(operation);

    /// <summary>One shell command that plays the script on a QEMU, for a bug report. Comments are left out: QEMU's parser knows none.</summary>
    public string ShellCommand(string qemu, string arguments)
    {
        var commands = Text.Split('\n').Where(line => line.Length > 0 && line[0] != '#');
        return $"cat <<EOF | {qemu} {arguments} -accel tcg -S -display none -qtest stdio -qtest-log none\n{string.Join('\n', commands)}\nEOF\n";
    }

    /// <summary>
    /// Reads a script: plain commands, or the log of a session, whose <c>[R +0.01]</c> lines are the commands and whose <c>[S +0.01]</c> lines the replies.
    /// Writes of more bytes than one operation has become several. A selector written to port 0xcf8 with the access of its data behind it is a configuration
    /// access, where it is one of bus 0 (PCI Local Bus Specification 3.0, 3.2.2.3.2).
    /// </summary>
    /// <exception cref="ProgramFormatException">A line that is no command that a program can have.</exception>
    public static IReadOnlyList<Operation> Import(string script)
    {
        var program = new List<Operation>();
        var number = 0;
        foreach (var raw in script.AsSpan().EnumerateLines())
        {
            number++;
            var line = raw.Trim();
            if (line.StartsWith("["))
            {
                var close = line.IndexOf(']');
                if (close < 0 || !line.StartsWith("[R"))
                    continue;
                line = line[(close + 1)..].Trim();
            }
            if (line.IsEmpty || line[0] == '#' || line.SequenceEqual("endianness"))
                continue;
            var words = line.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (program.Count >= ProgramText.MaxOperations)
                throw new ProgramFormatException(number, $"more than {ProgramText.MaxOperations} operations");
            if (words is ["write", var address, _, var data] && data.Length > 2 + 2 * Operation.MaxDataBytes)
                AddLongWrite(program, words[2], address, data, number);
            else
                program.Add(ProgramText.ParseLine(words, number));
        }
        return Folded(program);
    }

    private static List<Operation> Folded(List<Operation> program)
    {
        var folded = new List<Operation>(program.Count);
        for (var i = 0; i < program.Count; i++)
        {
            var access = i + 1 < program.Count ? Operation.FromPorts(program[i], program[i + 1]) : null;
            folded.Add(access ?? program[i]);
            i += access is null ? 0 : 1;
        }
        return folded;
    }

    private static void AddLongWrite(List<Operation> program, string length, string address, string data, int line)
    {
        var digits = data.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? data[2..] : data;
        // The first piece as a line of its own checks address and digits; the rest follows it.
        const int PieceDigits = 2 * Operation.MaxDataBytes;
        if (digits.Length % 2 != 0)
            throw new ProgramFormatException(line, "an odd number of hexadecimal digits");
        var first = ProgramText.ParseLine(["write", address, $"{Operation.MaxDataBytes}", digits[..PieceDigits]], line);
        if (ProgramText.ParseLine(["clock_step", length], line).Value != (ulong)digits.Length / 2)
            throw new ProgramFormatException(line, $"write of {length} bytes with {digits.Length / 2} bytes of data");
        program.Add(first);
        for (var at = PieceDigits; at < digits.Length; at += PieceDigits)
        {
            var piece = digits.Substring(at, Math.Min(PieceDigits, digits.Length - at));
            program.Add(ProgramText.ParseLine(["write", $"0x{unchecked(first.Address + (ulong)at / 2):x}", $"{piece.Length / 2}", piece], line));
        }
    }
}
