using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>
/// Finds out from declarations, casts and prototypes in a patch which names are types. A patch shows too little of the program to know its typedefs.
/// </summary>
public sealed class TypeLearner(TypeMatcher types)
{
    /// <summary>How many words before a declared name are taken for its type.</summary>
    private const int MaxTypeWords = 16;

    /// <summary>Learns from a statement.</summary>
    /// <param name="statement">From its first line's marker on, markers of further lines blanked.</param>
    /// <param name="atStatementStart">Whether the code before it ended a statement, so that a declaration can stand here.</param>
    public void Learn(ReadOnlySpan<char> statement, bool atStatementStart)
    {
        var brace = statement.IndexOf('{');
        var text = brace < 0 ? statement : statement[..brace];
        if (text.IsEmpty)
            return;
        LearnDeclaredType(text, atStatementStart);
        LearnCasts(text);
        if (atStatementStart)
            LearnParameters(text);
    }

    private void LearnDeclaredType(ReadOnlySpan<char> text, bool atStatementStart)
    {
        var start = Scan.SkipSpace(text, 1);
        var word = Scan.IdentifierEnd(text, start);
        if (word > 0)
        {
            var next = Scan.SkipSpace(text, word);
            if (next < text.Length && text[next] == '(')
                return;
        }
        if (Scan.WordAt(text, start, "else"))
            return;
        if (atStatementStart && TryDeclaration(text, start, out var type))
            Consider(type);
        else if (TryGlobal(text, out type))
            Consider(type);
    }

    /// <summary>A declaration with or without initialiser; its type is the fewest words that can be one.</summary>
    private bool TryDeclaration(ReadOnlySpan<char> text, int start, out string type)
    {
        Span<int> starts = stackalloc int[8];
        var count = Specifiers(text, start, starts);
        foreach (var candidate in starts[..count])
        {
            var at = candidate;
            for (var words = 0; words < MaxTypeWords; words++)
            {
                var end = Scan.IdentifierEnd(text, at);
                if (end < 0)
                    break;
                if (DeclaresFrom(text, end))
                {
                    type = CollapseSpace(text[candidate..end]);
                    return true;
                }
                at = Scan.SkipSpace(text, end);
            }
        }
        type = "";
        return false;
    }

    /// <summary>Whether stars, a declared name and what can follow one stand at a position.</summary>
    private bool DeclaresFrom(ReadOnlySpan<char> text, int at)
    {
        var annotated = Scan.SkipSpace(text, at);
        foreach (var annotation in types.Dialect.Annotations)
        {
            if (annotated > at && Scan.StartsAt(text, annotated, annotation) && DeclaratorFrom(text, annotated + annotation.Length))
                return true;
        }
        return DeclaratorFrom(text, at);
    }

    private bool DeclaratorFrom(ReadOnlySpan<char> text, int at)
    {
        at = Scan.SkipSpace(text, at);
        while (at < text.Length && text[at] == '*')
            at++;
        at = Scan.SkipSpace(text, at);
        var end = Scan.IdentifierEnd(text, at);
        if (end < 0 && Scan.StartsAt(text, at, "(*"))
        {
            var close = text[at..].IndexOf(')');
            end = close < 0 ? -1 : at + close + 1;
        }
        if (end < 0)
            return false;
        var next = Scan.SkipSpace(text, end);
        var modifier = types.ModifierEnd(text, next);
        if (modifier > 0 && EndsDeclarator(text, Scan.SkipSpace(text, modifier)))
            return true;
        return EndsDeclarator(text, next);
    }

    private static bool EndsDeclarator(ReadOnlySpan<char> text, int at) => at < text.Length && text[at] is ';' or '=' or ',' or '(';

    /// <summary>What stands in the first column outside functions can only be a type, but for labels.</summary>
    private bool TryGlobal(ReadOnlySpan<char> text, out string type)
    {
        Span<int> starts = stackalloc int[8];
        var count = Specifiers(text, 1, starts);
        foreach (var start in starts[..count])
        {
            var end = Scan.IdentifierEnd(text, start);
            if (end > 0 && (end >= text.Length || text[end] != ':'))
            {
                type = text[start..end].ToString();
                return true;
            }
        }
        type = "";
        return false;
    }

    /// <summary>Where the type can begin when storage class, <c>inline</c> and <c>const</c> are passed over, all of them first.</summary>
    private int Specifiers(ReadOnlySpan<char> text, int start, Span<int> starts)
    {
        var count = 0;
        Span<int> afterStorage = [PassAny(text, start, CDialect.StorageClasses), start];
        foreach (var storage in afterStorage)
        {
            if (storage < 0)
                continue;
            Span<int> afterInline = [PassAny(text, storage, types.Dialect.InlineWords), storage];
            foreach (var inline in afterInline)
            {
                if (inline < 0)
                    continue;
                var afterConst = Pass(text, inline, "const");
                if (afterConst > 0)
                    starts[count++] = afterConst;
                starts[count++] = inline;
            }
        }
        return count;
    }

    private static int PassAny(ReadOnlySpan<char> text, int at, string[] words)
    {
        foreach (var word in words)
        {
            var end = Pass(text, at, word);
            if (end > 0)
                return end;
        }
        return -1;
    }

    private static int Pass(ReadOnlySpan<char> text, int at, string word)
    {
        if (!Scan.StartsAt(text, at, word))
            return -1;
        var end = Scan.SkipSpace(text, at + word.Length);
        return end > at + word.Length ? end : -1;
    }

    /// <summary>Any <c>(foo *)</c> is a cast, and foo a type.</summary>
    private void LearnCasts(ReadOnlySpan<char> text)
    {
        for (var open = text.IndexOf('('); open >= 0;)
        {
            var end = Scan.IdentifierEnd(text, open + 1);
            if (end > 0)
            {
                var at = SkipAnnotations(text, end);
                var close = at;
                while (close < text.Length && (text[close] == '*' || Scan.IsSpace(text[close])))
                    close++;
                if (close > at && close < text.Length && text[close] == ')')
                    Consider(text[(open + 1)..end].ToString());
            }
            var next = text[(open + 1)..].IndexOf('(');
            open = next < 0 ? -1 : open + 1 + next;
        }
    }

    private int SkipAnnotations(ReadOnlySpan<char> text, int at)
    {
        while (true)
        {
            var next = Scan.SkipSpace(text, at);
            var end = -1;
            foreach (var annotation in types.Dialect.Annotations)
            {
                if (next > at && Scan.StartsAt(text, next, annotation))
                {
                    end = next + annotation.Length;
                    break;
                }
            }
            if (end < 0)
                return at;
            at = end;
        }
    }

    /// <summary>The parameters of a function's or function pointer's declaration begin with types.</summary>
    private void LearnParameters(ReadOnlySpan<char> text)
    {
        var open = ParameterListStart(text);
        if (open < 0)
            return;
        var parameters = text[(open + 1)..];
        var close = parameters.LastIndexOf(')');
        if (close >= 0)
            parameters = parameters[..close];
        var found = new List<string>();
        foreach (var range in parameters.Split(','))
        {
            var parameter = parameters[range];
            // Spaces around commas do not belong to parameters; those at the list's own ends do, and make the parameter unreadable.
            var from = range.Start.Value > 0 ? Scan.SkipSpace(parameter, 0) : 0;
            var trimmed = range.End.Value < parameters.Length ? Scan.TrimEnd(parameter[from..]) : parameter[from..];
            if (TryParameter(trimmed, out var type))
                found.Add(type);
        }
        foreach (var type in found)
            Consider(type);
    }

    /// <summary>Where the parameter list opens in a text that begins as a function's declaration; -1 when it does not.</summary>
    private int ParameterListStart(ReadOnlySpan<char> text)
    {
        var first = text.IndexOf('(');
        // A call has one word before it, or what no type has; a declaration has a type too, or typeof.
        if (first < 0 || Scan.HasAny(text[..first], "=.,;{>") || (!Scan.HasAny(Scan.Trim(text[..first]), " \t\n*]#") && !text.Contains("typeof", StringComparison.Ordinal)))
            return -1;
        var at = 1;
        if (Scan.StartsAt(text, at, "typedef"))
            at = Scan.SkipSpace(text, at + "typedef".Length);
        Span<int> starts = stackalloc int[8];
        var count = 0;
        starts[count++] = Scan.SkipSpace(text, at);
        while (count < starts.Length)
        {
            var end = StorageOrInline(text, at);
            if (end < 0)
                break;
            at = Scan.SkipSpace(text, end);
            starts[count++] = at;
        }
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (var i = count - 1; i >= 0; i--)
        {
            var found = types.TypeEnds(text, starts[i], ends);
            foreach (var end in ends[..found])
            {
                var open = NameBeforeParameters(text, end);
                if (open >= 0)
                    return open;
            }
        }
        return -1;
    }

    private int StorageOrInline(ReadOnlySpan<char> text, int at)
    {
        foreach (var word in CDialect.StorageClasses)
        {
            if (Scan.StartsAt(text, at, word))
                return at + word.Length;
        }
        foreach (var word in types.Dialect.InlineWords)
        {
            if (Scan.StartsAt(text, at, word))
                return at + word.Length;
        }
        return -1;
    }

    private static int NameBeforeParameters(ReadOnlySpan<char> text, int at)
    {
        at = Scan.SkipSpace(text, at);
        int end;
        if (Scan.StartsAt(text, at, "(*"))
        {
            end = Scan.IdentifierEnd(text, Scan.SkipSpace(text, at + 2));
            if (end < 0 || end >= text.Length || text[end] != ')')
                return -1;
            end++;
        }
        else
        {
            end = at < text.Length && Scan.IsBoundary(text, at) ? Scan.IdentifierEnd(text, at) : -1;
        }
        if (end < 0)
            return -1;
        var open = Scan.SkipSpace(text, end);
        return open < text.Length && text[open] == '(' ? open : -1;
    }

    private bool TryParameter(ReadOnlySpan<char> text, out string type)
    {
        type = "";
        var start = Pass(text, 0, "const");
        if (start > 0 && TryTyped(text, start, out type))
            return true;
        return TryTyped(text, 0, out type);
    }

    private bool TryTyped(ReadOnlySpan<char> text, int start, out string type)
    {
        type = "";
        var end = Scan.IdentifierEnd(text, start);
        if (end < 0)
            return false;
        type = text[start..end].ToString();
        var at = Scan.SkipSpace(text, SkipAnnotations(text, end));
        while (at < text.Length && text[at] == '*')
            at++;
        at = Scan.SkipSpace(text, at);
        if (at == text.Length)
            return true;
        if (text[at] == ':')
            at++;
        return Scan.IsBoundary(text, at) && Scan.IdentifierEnd(text, at) == text.Length;
    }

    /// <summary>Takes a text for a type, or its words for modifiers, unless it is known or cannot be.</summary>
    private void Consider(string possible)
    {
        if (IsNoType(possible))
            return;
        var text = possible;
        foreach (var word in CDialect.StorageClasses)
            text = RemoveAround(text, word);
        foreach (var word in types.Dialect.Annotations)
            text = RemoveAround(text, word);
        var trimmed = Scan.Trim(text);
        if (trimmed.IsEmpty)
            return;
        if (trimmed.Length == text.Length && !Scan.HasAny(trimmed, " \t\n\r\f\v"))
        {
            if (!trimmed.Contains('#'))
                types.LearnType(trimmed);
            return;
        }
        foreach (var word in RemoveTypes(text).Split([' ', '\t', '\n', '\r', '\f', '\v'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (!IsNoType(word))
                types.LearnModifier(word);
        }
    }

    private static readonly string[] s_noTypes = ["goto", "return", "case", "else", "asm", "__asm__", "do"];

    private bool IsNoType(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty)
            return false;
        if (text[0] == '#' || types.IsModifier(text) || types.IsType(text))
            return true;
        foreach (var word in CDialect.StorageClasses)
        {
            if (text.SequenceEqual(word))
                return true;
        }
        if (text.StartsWith("DEFINE_") && text.Length > "DEFINE_".Length && !Scan.HasAny(text, " \t\n\r\f\v"))
            return true;
        foreach (var word in s_noTypes)
        {
            if (text.StartsWith(word) && (text.Length == word.Length || Scan.IsSpace(text[word.Length])))
                return true;
        }
        return Scan.WordAt(text, 0, "typedef") || Scan.WordAt(text, 0, "struct") || Scan.WordAt(text, 0, "enum")
            || (types.Dialect.KnowsSigned && (text.StartsWith("if ") || text.StartsWith("while ") || text.StartsWith("for ")));
    }

    /// <summary>Removes a word wherever it stands, with the spaces around it.</summary>
    private static string RemoveAround(string text, string word)
    {
        for (var at = text.IndexOf(word, StringComparison.Ordinal); at >= 0; at = text.IndexOf(word, StringComparison.Ordinal))
        {
            var start = at;
            while (start > 0 && Scan.IsSpace(text[start - 1]))
                start--;
            text = string.Concat(text.AsSpan(0, start), text.AsSpan(Scan.SkipSpace(text, at + word.Length)));
        }
        return text;
    }

    /// <summary>Removes all types and pasting operators, with the spaces around them.</summary>
    private string RemoveTypes(string text)
    {
        var kept = new System.Text.StringBuilder();
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (var at = 0; at < text.Length;)
        {
            var start = Scan.SkipSpace(text, at);
            var end = types.TypeEnds(text, start, ends) > 0 ? ends[0] : Scan.StartsAt(text, start, "##") ? start + 2 : -1;
            if (end > start)
                at = Scan.SkipSpace(text, end);
            else
                kept.Append(text[at++]);
        }
        return kept.ToString();
    }

    private static string CollapseSpace(ReadOnlySpan<char> text)
    {
        var result = new System.Text.StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (!Scan.IsSpace(text[at]))
                result.Append(text[at]);
            else if (at + 1 >= text.Length || !Scan.IsSpace(text[at + 1]))
                result.Append(' ');
        }
        return result.ToString();
    }
}
