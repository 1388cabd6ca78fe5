namespace Gauntlet.Pipelines.Checks.Text;

/// <summary>Small scanning steps over C and patch text: the words that rules are written in. Character classes are those of the C locale.</summary>
public static class Scan
{
    public static bool IsSpace(char c) => c == ' ' || c is >= '\t' and <= '\r';

    public static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';

    public static bool IsIdentifierStart(char c) => char.IsAsciiLetter(c) || c == '_';

    /// <summary>The first position from <paramref name="at"/> that is not white space.</summary>
    public static int SkipSpace(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && IsSpace(text[at]))
            at++;
        return at;
    }

    /// <summary>The first position from <paramref name="at"/> that is neither space nor tab.</summary>
    public static int SkipBlank(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && text[at] is ' ' or '\t')
            at++;
        return at;
    }

    /// <summary>The position after the word characters from <paramref name="at"/>.</summary>
    public static int WordEnd(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && IsWord(text[at]))
            at++;
        return at;
    }

    /// <summary>Whether exactly one of the characters at both sides of <paramref name="at"/> is a word character.</summary>
    public static bool IsBoundary(ReadOnlySpan<char> text, int at) => (at > 0 && IsWord(text[at - 1])) != (at < text.Length && IsWord(text[at]));

    public static bool StartsAt(ReadOnlySpan<char> text, int at, ReadOnlySpan<char> literal) => at <= text.Length && text[at..].StartsWith(literal);

    /// <summary>Whether <paramref name="word"/> stands at <paramref name="at"/> and ends there as a word.</summary>
    public static bool WordAt(ReadOnlySpan<char> text, int at, ReadOnlySpan<char> word) =>
        StartsAt(text, at, word) && (at + word.Length == text.Length || !IsWord(text[at + word.Length]));

    /// <summary>The next whole occurrence of <paramref name="word"/> from <paramref name="from"/>, or -1.</summary>
    public static int FindWord(ReadOnlySpan<char> text, ReadOnlySpan<char> word, int from = 0)
    {
        while (from <= text.Length)
        {
            var found = text[from..].IndexOf(word);
            if (found < 0)
                return -1;
            found += from;
            if ((found == 0 || !IsWord(text[found - 1])) && WordAt(text, found, word))
                return found;
            from = found + 1;
        }
        return -1;
    }

    public static bool HasWord(ReadOnlySpan<char> text, ReadOnlySpan<char> word) => FindWord(text, word) >= 0;

    /// <summary>
    /// The next call or declaration <c>word(</c>, spaces before the parenthesis allowed when <paramref name="spaces"/>; the position of the word, or -1.
    /// </summary>
    public static int FindCall(ReadOnlySpan<char> text, ReadOnlySpan<char> word, bool spaces, int from = 0)
    {
        for (var at = FindWord(text, word, from); at >= 0; at = FindWord(text, word, at + 1))
        {
            var open = at + word.Length;
            if (spaces)
                open = SkipSpace(text, open);
            if (open < text.Length && text[open] == '(')
                return at;
        }
        return -1;
    }

    /// <summary>
    /// The end of the identifier at <paramref name="at"/>, or -1. Identifiers that the preprocessor pastes together (<c>a ## b</c>) count as one.
    /// </summary>
    public static int IdentifierEnd(ReadOnlySpan<char> text, int at)
    {
        if (at >= text.Length || !IsIdentifierStart(text[at]))
            return -1;
        var end = WordEnd(text, at + 1);
        while (true)
        {
            var paste = SkipSpace(text, end);
            if (!StartsAt(text, paste, "##"))
                return end;
            paste = SkipSpace(text, paste + 2);
            if (paste >= text.Length || !IsIdentifierStart(text[paste]))
                return end;
            end = WordEnd(text, paste + 1);
        }
    }

    /// <summary>Whether nothing but white space follows from <paramref name="at"/>.</summary>
    public static bool OnlySpaceFrom(ReadOnlySpan<char> text, int at) => SkipSpace(text, at) == text.Length;

    /// <summary>Whether a text has one of a few characters; for short texts and sets, where a search that is prepared costs more than it saves.</summary>
    public static bool HasAny(ReadOnlySpan<char> text, ReadOnlySpan<char> characters)
    {
        foreach (var c in text)
        {
            if (characters.Contains(c))
                return true;
        }
        return false;
    }

    public static ReadOnlySpan<char> TrimEnd(ReadOnlySpan<char> text)
    {
        var end = text.Length;
        while (end > 0 && IsSpace(text[end - 1]))
            end--;
        return text[..end];
    }

    public static ReadOnlySpan<char> Trim(ReadOnlySpan<char> text) => TrimEnd(text[SkipSpace(text, 0)..]);

    /// <summary>Columns that text takes with tab stops every <paramref name="tabSize"/> columns.</summary>
    public static int Columns(ReadOnlySpan<char> text, int tabSize = DefaultTabSize)
    {
        var columns = 0;
        foreach (var c in text)
            columns = c == '\t' ? columns + tabSize - columns % tabSize : columns + 1;
        return columns;
    }

    public const int DefaultTabSize = 8;

    /// <summary>Columns of the white space at the start of a line, whose first character (the diff's marker) is left out.</summary>
    public static int Indent(ReadOnlySpan<char> line, int tabSize = DefaultTabSize)
    {
        if (line.IsEmpty)
            return 0;
        var end = SkipSpace(line, 1);
        return Columns(line[1..end], tabSize);
    }

    /// <summary>
    /// Whether white space, in which the markers of a diff's lines may stand at line starts, leads from <paramref name="at"/> to the result's position.
    /// </summary>
    public static int SkipSpaceAndMarkers(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && (IsSpace(text[at]) || (text[at] is '+' or '-' && at > 0 && text[at - 1] == '\n')))
            at++;
        return at;
    }
}
