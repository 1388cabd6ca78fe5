using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>What the text at a position is inside of.</summary>
internal enum Quote
{
    None,
    Single,
    Double,
    Block,
}

/// <summary>Blanks strings and comments of one line of a hunk.</summary>
internal static class Sanitiser
{
    /// <summary>Writes the cleaned line to <paramref name="target"/> and returns its length. The first character is the diff's marker and stays.</summary>
    /// <param name="lineComments">The slashes of <c>//</c> are blanked too.</param>
    /// <param name="quote">What the line starts in; what it ends in afterwards.</param>
    public static int Clean(ReadOnlySpan<char> line, Span<char> target, bool lineComments, ref Quote quote)
    {
        if (line.IsEmpty)
            return 0;
        target[0] = line[0];
        var length = line.Length;
        var state = quote;
        var at = 1;
        while (at < line.Length)
        {
            var c = line[at];
            var next = at + 1 < line.Length ? line[at + 1] : '\0';
            switch (state)
            {
                case Quote.None:
                    if (c == '/' && next == '*')
                    {
                        state = Quote.Block;
                        target[at] = target[at + 1] = CleanText.Comment;
                        at += 2;
                        continue;
                    }
                    if (c == '/' && next == '/')
                    {
                        target[at] = target[at + 1] = lineComments ? CleanText.Comment : '/';
                        for (at += 2; at < line.Length; at++)
                            target[at] = line[at] == '\t' ? '\t' : CleanText.Comment;
                        continue;
                    }
                    state = c switch { '"' => Quote.Double, '\'' => Quote.Single, _ => Quote.None };
                    target[at] = c;
                    break;
                case Quote.Block:
                    if (c == '*' && next == '/')
                    {
                        state = Quote.None;
                        target[at] = target[at + 1] = CleanText.Comment;
                        at += 2;
                        continue;
                    }
                    target[at] = c == '\t' ? '\t' : CleanText.Comment;
                    break;
                default:
                    if (c == '\\')
                    {
                        target[at] = target[at + 1] = 'X';
                        at += 2;
                        length = Math.Max(length, at);
                        continue;
                    }
                    if (c == (state == Quote.Double ? '"' : '\''))
                    {
                        state = Quote.None;
                        target[at] = c;
                    }
                    else
                    {
                        target[at] = c == '\t' ? '\t' : 'X';
                    }
                    break;
            }
            at++;
        }
        quote = state;
        return BlankDirective(target[..length]);
    }

    /// <summary>Blanks the path of an <c>#include</c> and the text of an <c>#error</c>; returns the line's new length.</summary>
    private static int BlankDirective(Span<char> line)
    {
        var hash = Scan.SkipSpace(line, 1);
        if (hash >= line.Length || line[hash] != '#')
            return line.Length;
        var name = Scan.SkipSpace(line, hash + 1);
        if (Scan.StartsAt(line, name, "include"))
        {
            var open = Scan.SkipSpace(line, name + "include".Length);
            var close = line.LastIndexOf('>');
            if (open > name + "include".Length && open < line.Length && line[open] == '<' && close > open)
                line[(open + 1)..close].Fill('X');
            return line.Length;
        }
        var length = Scan.StartsAt(line, name, "error") ? "error".Length : Scan.StartsAt(line, name, "warning") ? "warning".Length : 0;
        var text = Scan.SkipSpace(line, name + length);
        if (length == 0 || text == name + length)
            return line.Length;
        // What follows the text's last word goes away with it.
        var end = line.Length;
        while (end > text && !Scan.IsBoundary(line, end))
            end--;
        if (!Scan.IsBoundary(line, end))
            return line.Length;
        line[text..end].Fill('X');
        return end;
    }
}
