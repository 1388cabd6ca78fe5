using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Conditions without which a costly pattern cannot match. They look at each character once; a pattern that nests brackets looks at many of them often.</summary>
internal static class QuickLook
{
    /// <summary>Empty parentheses: <c>()</c>, spaces inside or not.</summary>
    public static bool HasEmptyParentheses(ReadOnlySpan<char> text)
    {
        for (var open = text.IndexOf('('); open >= 0;)
        {
            var inside = Scan.SkipSpace(text, open + 1);
            if (inside < text.Length && text[inside] == ')')
                return true;
            var next = text[(open + 1)..].IndexOf('(');
            open = next < 0 ? -1 : open + 1 + next;
        }
        return false;
    }

    /// <summary>A statement of two expressions: a comma outside of all brackets, a semicolon at the end.</summary>
    public static bool IsCommaStatement(ReadOnlySpan<char> statement)
    {
        if (!Scan.TrimEnd(statement).EndsWith(";"))
            return false;
        var depth = 0;
        foreach (var c in statement)
        {
            switch (c)
            {
                case '(' or '[':
                    depth++;
                    break;
                case ')' or ']':
                    depth--;
                    break;
                case ',' when depth == 0:
                    return true;
            }
        }
        return false;
    }

    /// <summary>An equals sign with the same word on both sides, or with a star after it.</summary>
    public static bool MayAssignItself(ReadOnlySpan<char> text)
    {
        for (var at = text.IndexOf('='); at >= 0;)
        {
            var left = Scan.TrimEnd(text[..at]);
            var right = text[Scan.SkipSpace(text, at + 1)..];
            if (right is ['*', ..] || (Scan.WordEnd(right, 0) is > 0 and var length && left.EndsWith(right[..length])))
                return true;
            var next = text[(at + 1)..].IndexOf('=');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    /// <summary>A type and a name before the first parenthesis, so no call, and a semicolon after it closes; or a word that says so.</summary>
    public static bool MayDeclareFunction(ReadOnlySpan<char> statement)
    {
        if (statement.Length < 2)
            return false;
        var open = statement.IndexOf('(');
        var head = Scan.Trim(open < 0 ? statement[1..] : statement[1..Math.Max(open, 1)]);
        if (head.StartsWith("extern") || head.StartsWith("typeof") || head.StartsWith("__typeof__"))
            return true;
        // No type has these; a call's result that is returned or assigned is the usual case.
        if (Scan.HasAny(head, "=.,;{>") || head.StartsWith("return "))
            return false;
        return open >= 0 && head.IndexOfAny(" \t\n*") > 0 && ClosesBeforeSemicolon(statement[open..]);
    }

    /// <summary>A type and a name before the first parenthesis, and a brace after it closes.</summary>
    public static bool MayBeginFunction(ReadOnlySpan<char> statement)
    {
        var open = statement.IndexOf('(');
        var brace = statement.IndexOf('{');
        if (open <= 1 || brace < open || !Scan.TrimEnd(statement[..brace]).EndsWith(")"))
            return false;
        var head = Scan.Trim(statement[1..open]);
        return !Scan.HasAny(head, "=.,;>#") && head.IndexOfAny(" \t\n*") > 0;
    }

    private static bool ClosesBeforeSemicolon(ReadOnlySpan<char> brackets)
    {
        var depth = 0;
        for (var at = 0; at < brackets.Length; at++)
        {
            depth += brackets[at] switch { '(' => 1, ')' => -1, _ => 0 };
            if (depth == 0)
                return Scan.SkipSpace(brackets, at + 1) is var next && next < brackets.Length && brackets[next] == ';';
        }
        return false;
    }

    /// <summary>A word that qualifies a type; all begin in one of these ways.</summary>
    public static bool HasQualifier(ReadOnlySpan<char> text) =>
        text.Contains("__", StringComparison.Ordinal) || text.Contains("const", StringComparison.Ordinal) || text.Contains("volatile", StringComparison.Ordinal);

    private static readonly string[] s_logEndings =
    [
        "printk", "emerg", "alert", "crit", "err", "warning", "warn", "notice", "info", "debug", "dbg", "devel", "cont", "WARN", "_ratelimited", "_once", "_deferred",
        "WARN_RATELIMIT", "WARN_ONCE", "panic", "seq_vprintf", "seq_printf", "seq_puts",
    ];

    /// <summary>A call of a function that logs, by its name's end.</summary>
    public static bool HasLogCall(ReadOnlySpan<char> text)
    {
        for (var open = text.IndexOf('('); open >= 0;)
        {
            var name = Scan.TrimEnd(text[..open]);
            foreach (var ending in s_logEndings)
            {
                if (name.EndsWith(ending))
                    return true;
            }
            var next = text[(open + 1)..].IndexOf('(');
            open = next < 0 ? -1 : open + 1 + next;
        }
        return text.Contains("MODULE_", StringComparison.Ordinal);
    }
}
