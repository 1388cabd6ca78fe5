using System.Globalization;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>
/// A script of qtest (QEMU, docs/devel/testing/qtest.rst): one command a line; empty lines and those with <c>#</c> are for people. QEMU aborts at a command whose
/// arguments it cannot read, which would be a crash of no device: such a line is refused here.
/// </summary>
public sealed class QtestFile
{
    /// <summary>Of the whole script.</summary>
    public const int MaxBytes = 4 << 20;

    /// <summary>In one script.</summary>
    public const int MaxCommands = 1 << 16;

    /// <summary>The largest block that one command reads or writes, as gvmm has it.</summary>
    public const ulong MaxBlockBytes = 16 << 20;

    private const int MaxShownCharacters = 60;

    private QtestFile(IReadOnlyList<string> commands) => Commands = commands;

    /// <summary>As they are sent, words with one space between them; at least one.</summary>
    public IReadOnlyList<string> Commands { get; }

    /// <summary>The commands, one a line.</summary>
    public string Text => string.Concat(Commands.Select(static command => command + "\n"));

    /// <summary>It moves time, which only the accelerator <c>qtest</c> lets it.</summary>
    public bool StepsClock => Commands.Any(static command => command.StartsWith("clock_", StringComparison.Ordinal));

    /// <exception cref="UserException">It cannot be read, or a line is no command: file, line, what was expected.</exception>
    public static QtestFile Read(string path) => Parse(TextFile.Read(path, MaxBytes), path);

    /// <summary>Reads a text as if it were the file <paramref name="path"/>.</summary>
    /// <exception cref="UserException">File, line, what was expected.</exception>
    public static QtestFile Parse(string text, string path)
    {
        var commands = new List<string>();
        var number = 0;
        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            number++;
            var line = raw.Trim();
            if (line.IsEmpty || line[0] == '#')
                continue;
            var words = line.ToString().Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (Problem(words) is { } problem)
                throw new UserException(string.Create(CultureInfo.InvariantCulture, $"{path}:{number}: {problem}"));
            if (commands.Count == MaxCommands)
                throw new UserException(string.Create(CultureInfo.InvariantCulture, $"{path}:{number}: more than {MaxCommands} commands, which is the limit of a script."));
            commands.Add(string.Join(' ', words));
        }

        return commands.Count > 0 ? new QtestFile(commands) : throw new UserException($"{path}: the qtest script has no command.");
    }

    /// <summary>Null: QEMU can read it, and has one answer for it.</summary>
    private static string? Problem(string[] words)
    {
        var arguments = words.AsSpan(1);
        return words[0] switch
        {
            "inb" or "inw" or "inl" => Count(arguments, 1, "a port") ?? Number(arguments[0], "the port", ushort.MaxValue),
            "outb" or "outw" or "outl" => Count(arguments, 2, "a port and a value") ?? Number(arguments[0], "the port", ushort.MaxValue) ?? Number(arguments[1], "the value"),
            "readb" or "readw" or "readl" or "readq" => Count(arguments, 1, "an address") ?? Number(arguments[0], "the address"),
            "writeb" or "writew" or "writel" or "writeq" => Count(arguments, 2, "an address and a value") ?? Number(arguments[0], "the address") ?? Number(arguments[1], "the value"),
            "read" or "b64read" => Count(arguments, 2, "an address and a length") ?? Number(arguments[0], "the address") ?? Length(arguments[1], least: 1),
            "write" => Count(arguments, 3, "an address, a length and 0x with bytes") ?? Number(arguments[0], "the address") ?? Length(arguments[1], least: 1) ?? Hexadecimal(arguments[2]),
            "b64write" => Count(arguments, 3, "an address, a length and bytes in base64") ?? Number(arguments[0], "the address") ?? Length(arguments[1], least: 1) ?? Base64(arguments[2]),
            "memset" => Count(arguments, 3, "an address, a length and a byte") ?? Number(arguments[0], "the address") ?? Length(arguments[1], least: 0) ?? Number(arguments[2], "the byte", byte.MaxValue),
            "clock_step" => arguments.Length == 0 ? null : Count(arguments, 1, "nanoseconds, or nothing") ?? Number(arguments[0], "the time", long.MaxValue),
            "clock_set" => Count(arguments, 1, "nanoseconds") ?? Number(arguments[0], "the time", long.MaxValue),
            "irq_intercept_in" or "irq_intercept_out" => Count(arguments, 1, "a device"),
            "set_irq_in" => Count(arguments, 4, "a device, its list of lines, a line and a level") ?? Number(arguments[2], "the line", int.MaxValue) ?? Number(arguments[3], "the level", int.MaxValue),
            "endianness" => Count(arguments, 0, "nothing"),
            var other => $"'{Shown(other)}' is no command of qtest; there are in and out with b, w, l; read and write with b, w, l, q or alone; memset, b64read, b64write, clock_step, clock_set, set_irq_in.",
        };
    }

    private static string? Count(ReadOnlySpan<string> arguments, int count, string wanted) =>
        arguments.Length == count ? null : $"{wanted} must follow, {arguments.Length} {(arguments.Length == 1 ? "word does" : "words do")}.";

    // As strtoull(3) with base 0, to the end of the word.
    private static string? Number(string word, string what, ulong most = ulong.MaxValue)
    {
        if (!TryNumber(word, out var value))
            return $"{what} must be a number of 64 bits such as 16, 0x10 or 020, not '{Shown(word)}'.";
        return value <= most ? null : string.Create(CultureInfo.InvariantCulture, $"{what} {word} is above 0x{most:x}.");
    }

    private static string? Length(string word, ulong least)
    {
        if (Number(word, "the length", MaxBlockBytes) is { } problem)
            return problem;
        return TryNumber(word, out var value) && value < least ? $"the length must be at least {least}." : null;
    }

    private static bool TryNumber(ReadOnlySpan<char> word, out ulong value)
    {
        value = 0;
        if (word is ['0', 'x' or 'X', ..])
            return ulong.TryParse(word[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
        if (word is not ['0', _, ..])
            return ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        foreach (var digit in word)
        {
            if (digit is < '0' or > '7' || value > ulong.MaxValue >> 3)
                return false;
            value = value << 3 | (uint)(digit - '0');
        }
        return true;
    }

    private static string? Hexadecimal(string word) =>
        word is ['0', 'x', _, _, ..] && word.Length % 2 == 0 && !word.AsSpan(2).ContainsAnyExcept("0123456789abcdefABCDEF") ? null : $"the bytes must be 0x and pairs of hexadecimal digits, not '{Shown(word)}'.";

    private static string? Base64(string word) => System.Buffers.Text.Base64.IsValid(word) ? null : $"the bytes must be in base64, not '{Shown(word)}'.";

    private static string Shown(string word) => Harmless.Line(word.Length <= MaxShownCharacters ? word : word[..MaxShownCharacters] + "...");
}
