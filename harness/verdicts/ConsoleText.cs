using System.Text;

namespace Gauntlet.Harness.Verdicts;

/// <summary>Console lines as bytes from a guest come: whatever is in them, what is kept is short and printable.</summary>
public static class ConsoleText
{
    /// <summary>The line without its line end, terminal control sequences (ECMA-48 CSI) and control characters; a tab stays.</summary>
    public static string Clean(string line)
    {
        var plain = true;
        foreach (var c in line)
            plain &= c is >= ' ' and not '\x7f' || c == '\t';
        if (plain)
            return line;
        var kept = new StringBuilder(line.Length);
        for (var at = 0; at < line.Length; at++)
        {
            if (line[at] == '\x1b' && at + 1 < line.Length && line[at + 1] == '[')
            {
                at += 2;
                // Parameters and intermediates, then the final byte.
                while (at < line.Length && line[at] is >= ' ' and < '@')
                    at++;
            }
            else if (line[at] is >= ' ' and not '\x7f' || line[at] == '\t')
            {
                kept.Append(line[at]);
            }
        }

        return kept.ToString();
    }

    /// <summary>At most <paramref name="length"/> characters, with an ellipsis where it was cut; never half of a surrogate pair.</summary>
    public static string Shorten(string text, int length)
    {
        if (text.Length <= length)
            return text;
        var end = length - 3;
        if (char.IsHighSurrogate(text[end - 1]))
            end--;
        return text[..end] + "...";
    }
}
