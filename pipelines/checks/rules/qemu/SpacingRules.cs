using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class SpaceBeforeBracket() : LineRule("BRACKET_SPACE", Severity.Error, "space prohibited before open square bracket '['")
{
    public override Explanation Explanation => new("A subscript stands at what it indexes.", new("    a [1] = 2;"), new("    a[1] = 2;"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('['))
            return;
        var code = scan.Code;
        var from = 0;
        for (var at = 1; at < code.Length; at++)
        {
            if (code[at] != '[' || !Scan.IsSpace(code[at - 1]))
                continue;
            var before = code[from..at];
            var isFirst = from == 0;
            from = at + 1;
            var trimmed = Scan.TrimEnd(before);
            if (EndsWithTypeAndSpace(scan, before, trimmed) || (isFirst && trimmed.Length <= 1 && before.Length > 1)
                || EndsWithMacroHead(trimmed) || (!trimmed.IsEmpty && trimmed[^1] is ',' or '{' or ':'))
                continue;
            scan.Report(this);
        }
    }

    private static bool EndsWithTypeAndSpace(PatchScan scan, ReadOnlySpan<char> before, ReadOnlySpan<char> trimmed)
    {
        for (var end = trimmed.Length; end < before.Length; end++)
        {
            if (scan.Types.EndsWithType(before[..end]))
                return true;
        }
        return false;
    }

    /// <summary>Whether <c>#define name(parameters)</c> stands just before.</summary>
    private static bool EndsWithMacroHead(ReadOnlySpan<char> text)
    {
        if (!text.EndsWith(")"))
            return false;
        var open = text.LastIndexOf('(');
        if (open < 0)
            return false;
        var hash = text[..open].LastIndexOf('#');
        return hash >= 0 && Scan.StartsAt(text, Scan.SkipSpace(text, hash + 1), "define");
    }
}

internal sealed class SpaceBeforeParenthesis(string id = "SPACING_FUNCTION", Severity severity = Severity.Error) : LineRule(
    id,
    severity,
    "space prohibited between function name and open parenthesis '('")
{
    private static readonly WordSet s_spaced = new(
        "if", "for", "while", "switch", "return", "case", "volatile", "__volatile__", "coroutine_fn", "__attribute__", "format", "__extension__", "asm", "__asm__");

    public override Explanation Explanation => new("Calls have no space, control statements have one.", new("    f (a);"), new("    f(a);"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('('))
            return;
        var code = scan.Code;
        for (var at = 0; at < code.Length;)
        {
            if (!Scan.IsIdentifierStart(code[at]))
            {
                at++;
                continue;
            }
            var end = Scan.IdentifierEnd(code, at);
            var open = Scan.SkipSpace(code, end);
            if (open == end || open >= code.Length || code[open] != '(')
            {
                at = Scan.WordEnd(code, at);
                continue;
            }
            if (!IsAllowed(scan, code, at, end))
                scan.Report(this);
            at = open + 1;
        }
    }

    private static bool IsAllowed(PatchScan scan, ReadOnlySpan<char> code, int at, int end)
    {
        var name = code[at..end];
        if (s_spaced.Contains(name))
            return true;
        if (name is "catch" && (scan.File.EndsWith(".cpp", StringComparison.Ordinal) || scan.File.EndsWith(".h", StringComparison.Ordinal)))
            return true;
        var directive = Directives.NameOnLine(code);
        if (directive >= 0)
        {
            // A macro without parameters whose value begins with a parenthesis; a condition that does.
            if (Scan.StartsAt(code, directive, "define") && Scan.SkipSpace(code, directive + "define".Length) == at)
                return true;
            if (Scan.StartsAt(code, directive, "elif") && directive + "elif".Length == end)
                return true;
        }
        return scan.Types.EndsWithType(code[..end]);
    }
}

internal sealed class OpenBraceSpace(string id = "BRACE_SPACE") : LineRule(id, Severity.Error, "space required before the open brace '{'")
{
    public override Explanation Explanation => new("The brace opens a block.", new("    if (a){\n        b();\n    }"), new("    if (a) {\n        b();\n    }"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!scan.Has('{'))
            return;
        var afterParenthesis = code.LastIndexOf("){");
        if ((afterParenthesis > 0 && code[..afterParenthesis].Contains('(') && !IsCompoundLiteral(scan, code)) || code.Contains("do{", StringComparison.Ordinal))
            scan.Report(this);
    }

    /// <summary>Whether the line has <c>(type){</c>.</summary>
    private static bool IsCompoundLiteral(PatchScan scan, ReadOnlySpan<char> code)
    {
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (var open = 0; open < code.Length; open++)
        {
            if (code[open] != '(')
                continue;
            var count = scan.Types.TypeEnds(code, open + 1, ends);
            foreach (var end in ends[..count])
            {
                if (Scan.StartsAt(code, end, "){"))
                    return true;
            }
        }
        return false;
    }
}

internal sealed class CloseBraceSpace(string id = "CLOSE_BRACE_SPACE") : LineRule(id, Severity.Error, "space required after that close brace '}'")
{
    /// <summary>Braces may close one after the other.</summary>
    public bool AllowsClosing { get; init; }

    public override Explanation Explanation => new("What follows the block is not part of it.", new("    do {\n        b();\n    }while (a);"), new("    do {\n        b();\n    } while (a);"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('}'))
            return;
        var code = scan.Code;
        for (var at = 0; at + 1 < code.Length; at++)
        {
            if (code[at] == '}' && code[at + 1] is not (',' or ';' or ')') && !(AllowsClosing && code[at + 1] == '}') && !Scan.IsSpace(code[at + 1]))
            {
                scan.Report(this);
                return;
            }
        }
    }
}

/// <summary>Spaces just inside of parentheses and brackets.</summary>
internal sealed class InnerSpace(string id, char bracket, string message, Example bad, Example good) : LineRule(id, Severity.Error, message)
{
    public override Explanation Explanation => new("Brackets stand at what they enclose.", bad, good);

    public override void Check(PatchScan scan)
    {
        if (!scan.Has(bracket))
            return;
        var code = scan.Code;
        var found = bracket switch
        {
            '[' => HasSpaceAfter(code, '[') && !EndsOpen(code, '[', continuation: false),
            ']' => HasSpaceBefore(code, ']'),
            '(' => HasSpaceAfter(code, '(') && !EndsOpen(code, '(', continuation: true) && !HasEmptyLoopStart(code),
            _ => HasSpaceBefore(code, ')') && !BeginsWith(code, ')') && !HasEmptyLoopEnd(code) && !HasSpacedColonEnd(code),
        };
        if (found)
            scan.Report(this);
    }

    private static bool HasSpaceAfter(ReadOnlySpan<char> code, char bracket)
    {
        for (var at = 0; at + 1 < code.Length; at++)
        {
            if (code[at] == bracket && Scan.IsSpace(code[at + 1]))
                return true;
        }
        return false;
    }

    private static bool HasSpaceBefore(ReadOnlySpan<char> code, char bracket)
    {
        for (var at = 1; at < code.Length; at++)
        {
            if (code[at] == bracket && Scan.IsSpace(code[at - 1]))
                return true;
        }
        return false;
    }

    private static bool EndsOpen(ReadOnlySpan<char> code, char bracket, bool continuation)
    {
        if (continuation && code.EndsWith("\\"))
            code = code[..^1];
        return Scan.TrimEnd(code) is var text && !text.IsEmpty && text[^1] == bracket;
    }

    private static bool BeginsWith(ReadOnlySpan<char> code, char bracket) => Scan.SkipSpace(code, 1) is var at && at < code.Length && code[at] == bracket;

    /// <summary><c>for ( ;</c>.</summary>
    private static bool HasEmptyLoopStart(ReadOnlySpan<char> code)
    {
        for (var at = code.IndexOf("for"); at >= 0;)
        {
            var open = Scan.SkipSpace(code, at + 3);
            if (open < code.Length && code[open] == '(')
            {
                var semicolon = Scan.SkipSpace(code, open + 1);
                if (semicolon > open + 1 && semicolon < code.Length && code[semicolon] == ';')
                    return true;
            }
            var next = code[(at + 1)..].IndexOf("for");
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    /// <summary><c>for (…; )</c>.</summary>
    private static bool HasEmptyLoopEnd(ReadOnlySpan<char> code)
    {
        for (var at = code.IndexOf("for"); at >= 0;)
        {
            var open = Scan.SkipSpace(code, at + 3);
            if (open < code.Length && code[open] == '(' && HasSpaced(code[open..], ';'))
                return true;
            var next = code[(at + 1)..].IndexOf("for");
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    private static bool HasSpacedColonEnd(ReadOnlySpan<char> code) => HasSpaced(code, ':');

    /// <summary>Whether a character, spaces and a closing parenthesis stand in a row.</summary>
    private static bool HasSpaced(ReadOnlySpan<char> code, char before)
    {
        for (var at = 0; at < code.Length; at++)
        {
            if (code[at] != before)
                continue;
            var close = Scan.SkipSpace(code, at + 1);
            if (close > at + 1 && close < code.Length && code[close] == ')')
                return true;
        }
        return false;
    }
}

internal sealed class KeywordSpace(string id = "KEYWORD_SPACE") : LineRule(id, Severity.Error, "space required before the open parenthesis '('")
{
    public override Explanation Explanation => new("Control statements are no calls.", new("    if(a) {\n        b();\n    }"), new("    if (a) {\n        b();\n    }"));

    private static readonly string[] s_controlWords = ["if", "while", "for", "switch"];

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('('))
            return;
        var code = scan.Code;
        foreach (var word in s_controlWords)
        {
            if (Scan.FindCall(code, word, spaces: false) >= 0)
            {
                scan.Report(this);
                return;
            }
        }
    }
}

internal sealed class ReturnParentheses() : LineRule("RETURN_PARENTHESES", Severity.Error, "return is not a function, parentheses are not required")
{
    public override Explanation Explanation => new("It reads like a call.", new("    return (a);"), new("    return a;"));

    /// <summary>Reports a value in parentheses without a space before it.</summary>
    public required LineRule Spacing { get; init; }

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!scan.HasStatement || !Scan.StartsAt(code, Scan.SkipSpace(code, 1), "return"))
            return;
        var text = scan.TextOf(scan.Statement);
        var at = Scan.SkipSpace(text, 1);
        if (!Scan.StartsAt(text, at, "return"))
            return;
        var open = Scan.SkipSpace(text, at + "return".Length);
        var end = text.LastIndexOf(';');
        if (open >= text.Length || text[open] != '(' || end < open)
            return;
        if (IsPlainValue(text[open..end]) && code.EndsWith(";"))
            scan.Report(this);
        else if (open == at + "return".Length)
            scan.Report(Spacing);
    }

    /// <summary>Longer values are not looked into.</summary>
    private const int MaxValue = 2000;

    /// <summary>Whether a value is one name or number once its parentheses are flattened; comparisons are not.</summary>
    private static bool IsPlainValue(ReadOnlySpan<char> text)
    {
        if (text.Length > MaxValue)
            return false;
        var value = text.ToString().Replace("(", " (", StringComparison.Ordinal).Replace(")", ") ", StringComparison.Ordinal);
        while (Flattening.ReplaceBracketsOnce(ref value) || (!Flattening.HasComparison(value) && Flattening.ReplaceInnermostOnce(ref value, '(', ')')))
        {
        }
        return Flattening.IsNameOrNumber(Scan.Trim(value));
    }
}

internal sealed class ReturnSpace() : LineRule("RETURN_SPACE", Severity.Error, "space required before the open parenthesis '('")
{
    public override Explanation Explanation => new("It reads like a call.", new("    return(a == b);"), new("    return a == b;"));

    /// <summary>Reported by <see cref="ReturnParentheses"/>, which reads the value.</summary>
    public override void Check(PatchScan scan)
    {
    }
}

/// <summary>Takes bracketed parts of an expression for one value each.</summary>
internal static class Flattening
{
    /// <summary>Replaces the first pair that has none of its own kind inside with <c>1</c>.</summary>
    public static bool ReplaceInnermostOnce(ref string text, char open, char close)
    {
        var start = -1;
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == open)
            {
                start = at;
            }
            else if (text[at] == close && start >= 0)
            {
                text = string.Concat(text.AsSpan(0, start), "1", text.AsSpan(at + 1));
                return true;
            }
            else if (text[at] == close)
            {
                start = -1;
            }
        }
        return false;
    }

    /// <summary>Replaces the first square bracket with all up to the last that closes, but for parts with braces.</summary>
    public static bool ReplaceBracketsOnce(ref string text)
    {
        for (var open = text.IndexOf('['); open >= 0; open = text.IndexOf('[', open + 1))
        {
            var limit = text.AsSpan(open).IndexOfAny('{', '}');
            var part = limit < 0 ? text.AsSpan(open) : text.AsSpan(open, limit);
            var close = part.LastIndexOf(']');
            if (close <= 0)
                continue;
            text = string.Concat(text.AsSpan(0, open), "1", text.AsSpan(open + close + 1));
            return true;
        }
        return false;
    }

    /// <summary>Whether two names or numbers are compared anywhere.</summary>
    public static bool HasComparison(ReadOnlySpan<char> text)
    {
        for (var at = 1; at < text.Length; at++)
        {
            var length = ComparisonLength(text, at);
            if (length == 0)
                continue;
            var before = Scan.TrimEnd(text[..at]);
            if (before.IsEmpty || !Scan.IsWord(before[^1]))
                continue;
            for (var taken = length; taken > 0; taken--)
            {
                if (taken == 1 && text[at] is not ('<' or '>'))
                    break;
                var next = Scan.SkipSpace(text, at + taken);
                if (next < text.Length && (Scan.IsWord(text[next]) || (text[next] == '-' && next + 1 < text.Length && char.IsAsciiDigit(text[next + 1]))))
                    return true;
            }
        }
        return false;
    }

    private static int ComparisonLength(ReadOnlySpan<char> text, int at)
    {
        var equal = at + 1 < text.Length && text[at + 1] == '=';
        return text[at] switch
        {
            '<' or '>' => equal ? 2 : 1,
            '=' or '!' => equal ? 2 : 0,
            _ => 0,
        };
    }

    /// <summary>Whether a text is one identifier, or one number with its sign and suffix.</summary>
    public static bool IsNameOrNumber(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty)
            return false;
        if (Scan.IsIdentifierStart(text[0]))
            return Scan.IdentifierEnd(text, 0) == text.Length;
        if (text[0] == '-')
            text = text[1..];
        var end = 0;
        if (text.StartsWith("0x") && text.Length > 2)
        {
            end = 2;
            while (end < text.Length && char.IsAsciiHexDigit(text[end]))
                end++;
        }
        else
        {
            while (end < text.Length && char.IsAsciiDigit(text[end]))
                end++;
        }
        return end > 0 && text[end..].IndexOfAnyExcept('U', 'L') < 0;
    }
}
