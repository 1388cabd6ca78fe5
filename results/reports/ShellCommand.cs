using System.Text;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>Command lines for a POSIX shell (POSIX.1-2017, XCU 2), to be pasted into a terminal.</summary>
public static class ShellCommand
{
    private const string PlainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,";

    /// <summary>The line that repeats an attempt by hand: folder, variables, program and arguments.</summary>
    public static string Of(Attempt attempt)
    {
        var line = new StringBuilder();
        if (attempt.WorkingDirectory is { Length: > 0 } folder)
            line.Append("cd ").Append(Quote(folder)).Append(" && ");
        if (attempt.Environment.Count > 0)
            line.Append("env ").AppendJoin(' ', attempt.Environment.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => Quote($"{v.Key}={v.Value}"))).Append(' ');
        return line.AppendJoin(' ', attempt.CommandLine.Select((word, index) => index == 0 && word.Contains('=', StringComparison.Ordinal) ? QuoteAlways(word) : Quote(word)))
            .ToString();
    }

    /// <summary>
    /// A word that the shell takes for exactly this text (which cannot hold NUL, as no argument can). What could write to the terminal that it is shown
    /// on, or reorder the line, is spelled by printf.
    /// </summary>
    public static string Quote(string word) => word.Length > 0 && !word.AsSpan().ContainsAnyExcept(PlainCharacters) ? word : QuoteAlways(word);

    private static string QuoteAlways(string word)
    {
        var quoted = new StringBuilder();
        Span<byte> bytes = stackalloc byte[4];
        var mode = Mode.Outside;
        foreach (var rune in word.EnumerateRunes())
        {
            // Line ends stay as they are: a command substitution would drop those at its end.
            var harmful = rune.Value is not ('\n' or '\t') && Harmless.IsHarmful(rune);
            var wanted = harmful ? Mode.Printf : rune.Value == '\'' ? Mode.Outside : Mode.Quotes;
            if (wanted != mode)
            {
                quoted.Append(End(mode)).Append(Start(wanted));
                mode = wanted;
            }

            if (harmful)
            {
                foreach (var value in bytes[..rune.EncodeToUtf8(bytes)])
                    quoted.Append('\\').Append(Convert.ToString(value, 8).PadLeft(3, '0'));
            }
            else
            {
                quoted.Append(rune.Value == '\'' ? @"\'" : rune.ToString());
            }
        }

        quoted.Append(End(mode));
        return quoted.Length == 0 ? "''" : quoted.ToString();
    }

    private enum Mode
    {
        Outside,
        Quotes,
        Printf,
    }

    private static string Start(Mode mode) => mode switch { Mode.Quotes => "'", Mode.Printf => "\"$(printf '", _ => "" };

    private static string End(Mode mode) => mode switch { Mode.Quotes => "'", Mode.Printf => "')\"", _ => "" };
}
