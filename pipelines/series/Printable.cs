using System.Globalization;
using System.Text;

namespace Gauntlet.Pipelines.Series;

/// <summary>Text from mails, made harmless on a terminal.</summary>
public static class Printable
{
    /// <summary>On one line; control characters, line ends and bidirectional controls as <c>\u{…}</c>.</summary>
    public static string Line(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                result.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
            else
                result.Append(rune.ToString());
        }

        return result.ToString();
    }
}
