using System.Globalization;
using System.Text;

namespace Gauntlet.Results.Reports;

/// <summary>
/// Text of guests and patches made harmless for a terminal, a log or a web page: control characters, escape sequences among them, and the
/// characters that reorder or hide others become visible as <c>\x1b</c> or <c>\u202e</c>.
/// </summary>
public static class Harmless
{
    /// <summary>One line: line ends and tabs too.</summary>
    public static string Line(string text) => Clean(text, keepLines: false);

    /// <summary>Several lines: line ends and tabs stay; a carriage return before a line end goes.</summary>
    public static string Lines(string text) => Clean(text, keepLines: true);

    private static string Clean(string text, bool keepLines)
    {
        var first = 0;
        while (first < text.Length && text[first] is >= ' ' and < '\x7f')
            first++;
        if (first == text.Length)
            return text;

        var clean = new StringBuilder(text, 0, first, text.Length + 16);
        for (var i = first; i < text.Length;)
        {
            var status = Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var length);
            if (status != System.Buffers.OperationStatus.Done)
                clean.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i]:x4}");
            else if (!IsHarmful(rune) || (keepLines && rune.Value is '\n' or '\t'))
                clean.Append(text, i, length);
            else if (!keepLines || !text.AsSpan(i).StartsWith("\r\n"))
                clean.Append(rune.Value <= 0xff ? $"\\x{rune.Value:x2}" : $"\\u{rune.Value:x4}");
            i += length;
        }

        return clean.ToString();
    }

    internal static bool IsHarmful(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        // Format characters reorder (bidirectional controls) or hide (zero width); the others have no look at all.
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned => true,
        _ => false,
    };
}
