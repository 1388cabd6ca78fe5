using System.Text;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>A key of a test block as it is written.</summary>
/// <param name="Text">The value, raw: quotes, variables and trailing comments included.</param>
/// <param name="Line">Line of the key, from 1.</param>
public readonly record struct CfgValue(string Text, int Line);

/// <summary>One test of a <c>unittests.cfg</c>: its header and its keys, nothing interpreted.</summary>
public sealed class CfgBlock(string name, int line)
{
    public string Name { get; } = name;

    /// <summary>Line of the header, from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Values by key; of several with one key the last, as kvm-unit-tests' runner does.</summary>
    public Dictionary<string, CfgValue> Values { get; } = new(StringComparer.Ordinal);

    public string Text(string key) => Values.TryGetValue(key, out var value) ? value.Text : "";
}

/// <summary>
/// The lines of kvm-unit-tests' <c>unittests.cfg</c> (docs/unittests.txt there, and <c>for_each_unittest</c> for what that leaves open): blocks of
/// <c>key = value</c> under <c>[name]</c>. Only a line that starts with <c>#</c> is a comment. <c>qemu_params</c> and <c>extra_params</c>, which are one key, and
/// <c>kvmtool_params</c> may span lines between triple quotes.
/// </summary>
public static class CfgReader
{
    /// <summary>Bytes that a file may have; the largest real one has 10 KiB.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>The name under which <c>qemu_params</c> and its older spelling <c>extra_params</c> are kept.</summary>
    public const string QemuParameters = "qemu_params";

    /// <summary>The same for kvmtool.</summary>
    public const string KvmtoolParameters = "kvmtool_params";

    private const string TripleQuote = "\"\"\"";

    private static readonly string[] Keys =
        ["file", "smp", "test_args", QemuParameters, "extra_params", KvmtoolParameters, "groups", "arch", "machine", "check", "accel", "timeout", "disabled_if"];

    /// <summary>The test blocks of a text, in order.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="notes">Gets what is ignored though somebody wrote it on purpose: unknown keys, keys before the first header, repeated keys.</param>
    /// <exception cref="UserException">A triple quote is never closed.</exception>
    public static List<CfgBlock> Read(string text, string path, List<string> notes)
    {
        var blocks = new List<CfgBlock>();
        CfgBlock? block = null;
        var lines = text.Split('\n');
        for (var index = 0; index < lines.Length; index++)
        {
            var number = index + 1;
            var line = lines[index].Trim(' ', '\t', '\r');
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (line[0] == '[' && line[^1] == ']')
            {
                // "[]" ends the block before it and starts none.
                block = line.Length > 2 ? new CfgBlock(line[1..^1], number) : null;
                if (block is not null)
                    blocks.Add(block);
                continue;
            }

            if (!TrySplit(line, out var key, out var value))
            {
                notes.Add($"{path}:{number}: not a [header], 'key = value' or '#' line; ignored: {Shorten(line)}");
                continue;
            }

            if (!Keys.Contains(key))
            {
                notes.Add($"{path}:{number}: unknown key '{Shorten(key)}'; ignored, known are {string.Join(", ", Keys)}");
                continue;
            }

            if (key == "extra_params")
                key = QemuParameters;
            if (value.StartsWith(TripleQuote, StringComparison.Ordinal) && key is QemuParameters or KvmtoolParameters)
                value = ReadQuoted(lines, ref index, value[TripleQuote.Length..], path);
            if (block is null)
                notes.Add($"{path}:{number}: '{key}' stands before the first [header]; ignored");
            else if (block.Values.TryGetValue(key, out var earlier))
                notes.Add($"{path}:{number}: '{key}' was already given on line {earlier.Line}; this one holds");
            block?.Values[key] = new CfgValue(value, number);
        }

        return blocks;
    }

    // From behind the opening quotes to the closing ones; a backslash at a line's end joins it with the next.
    private static string ReadQuoted(string[] lines, ref int index, string first, string path)
    {
        var opened = index + 1;
        var value = new StringBuilder(first);
        while (++index < lines.Length)
        {
            var line = lines[index].Trim(' ', '\t', '\r');
            var backslashes = 0;
            while (backslashes < value.Length && value[^(backslashes + 1)] == '\\')
                backslashes++;
            if (backslashes % 2 == 1)
                value.Length--;
            else
                value.Append('\n');
            if (line.EndsWith(TripleQuote, StringComparison.Ordinal))
                return value.Append(line.AsSpan(0, line.Length - TripleQuote.Length)).ToString();
            value.Append(line);
        }

        throw new UserException($"{path}:{opened}: the {TripleQuote} that opens here is never closed; expected a later line that ends in {TripleQuote}.");
    }

    private static bool TrySplit(string line, out string key, out string value)
    {
        var equals = line.IndexOf('=');
        key = equals < 0 ? "" : line[..equals].TrimEnd(' ');
        value = equals < 0 ? "" : line[(equals + 1)..].TrimStart(' ');
        return key.Length > 0 && key.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.');
    }

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..57] + "...";
}
