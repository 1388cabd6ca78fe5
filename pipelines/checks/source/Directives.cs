using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

internal enum ConditionalDirective
{
    None,
    If,
    Else,
    EndIf,
}

/// <summary>Preprocessor directives (ISO C, section 6.10).</summary>
internal static class Directives
{
    private static readonly string[] s_ifs = ["if", "ifdef", "ifndef"];

    /// <summary>Which directive of conditional inclusion stands at a position, its <c>#</c> there.</summary>
    public static ConditionalDirective ConditionalAt(ReadOnlySpan<char> text, int at)
    {
        var name = NameAt(text, at);
        if (name < 0)
            return ConditionalDirective.None;
        if (Scan.WordAt(text, name, "else") || Scan.WordAt(text, name, "elif"))
            return ConditionalDirective.Else;
        if (Scan.WordAt(text, name, "endif"))
            return ConditionalDirective.EndIf;
        foreach (var word in s_ifs)
        {
            var end = name + word.Length;
            if (Scan.StartsAt(text, name, word) && end < text.Length && Scan.IsSpace(text[end]))
                return ConditionalDirective.If;
        }
        return ConditionalDirective.None;
    }

    /// <summary>Where the directive's name begins when <c>#</c> stands at a position; -1 when it does not.</summary>
    public static int NameAt(ReadOnlySpan<char> text, int at) => at < text.Length && text[at] == '#' ? Scan.SkipSpace(text, at + 1) : -1;

    /// <summary>Where the directive's name begins on a line of a hunk, spaces before <c>#</c> allowed; -1 when the line is none.</summary>
    public static int NameOnLine(ReadOnlySpan<char> line) => line.IsEmpty ? -1 : NameAt(line, Scan.SkipSpace(line, 1));

    /// <summary>Whether a line of a hunk is any preprocessor directive.</summary>
    public static bool IsDirective(ReadOnlySpan<char> line) => NameOnLine(line) >= 0;

    /// <summary>The position after <c>#name</c> on a line of a hunk; -1 when the line is another.</summary>
    public static int EndOfNamed(ReadOnlySpan<char> line, ReadOnlySpan<char> name)
    {
        var at = NameOnLine(line);
        return at >= 0 && Scan.StartsAt(line, at, name) ? at + name.Length : -1;
    }
}
