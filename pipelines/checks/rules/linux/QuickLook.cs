using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Conditions without which a costly pattern cannot match. They look at each character once; a pattern that nests brackets looks at many of them often.</summary>
internal static class QuickLook
{
    /// <summary>Empty parentheses: <c>()</c>, spaces inside or not.</summary>
    public static bool HasEmptyParentheses(ReadOnlySpan<char> text)
    {
        for (var open = text.IndexOf('('); open >= 0; open = Next(text, open, '('))
        {
            var inside = Scan.SkipSpace(text, open + 1);
            if (inside < text.Length && text[inside] == ')')
                return true;
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
        for (var at = text.IndexOf('='); at >= 0; at = Next(text, at, '='))
        {
            var left = Scan.TrimEnd(text[..at]);
            var right = text[Scan.SkipSpace(text, at + 1)..];
            if (right is ['*', ..] || (Scan.WordEnd(right, 0) is > 0 and var length && left.EndsWith(right[..length])))
                return true;
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

    /// <summary>A call of <c>min</c> or <c>max</c>.</summary>
    public static bool HasMinimumOrMaximum(ReadOnlySpan<char> text) => Scan.FindCall(text, "min", spaces: true) >= 0 || Scan.FindCall(text, "max", spaces: true) >= 0;

    /// <summary><c>true</c> or <c>false</c>, capitals or not.</summary>
    public static bool HasTruth(ReadOnlySpan<char> text) => text.Contains("true", StringComparison.OrdinalIgnoreCase) || text.Contains("false", StringComparison.OrdinalIgnoreCase);

    /// <summary>Part of the name of a function or macro that takes a file's mode.</summary>
    public static bool MayTakeMode(ReadOnlySpan<char> text) =>
        text.Contains("_ATTR", StringComparison.Ordinal) || text.Contains("SENSOR_TEMPLATE", StringComparison.Ordinal) || text.Contains("module_param", StringComparison.Ordinal)
        || text.Contains("debugfs_create", StringComparison.Ordinal) || text.Contains("proc_create", StringComparison.Ordinal);

    /// <summary>Something in the first column, after the diff's marker.</summary>
    public static bool StartsAtMargin(ReadOnlySpan<char> line) => line.Length > 1 && !Scan.IsSpace(line[1]);

    /// <summary>A statement that begins with <c>return (</c>.</summary>
    public static bool ReturnsParentheses(ReadOnlySpan<char> statement)
    {
        const string Word = "return";
        var word = Scan.SkipSpace(statement, 1);
        return Scan.StartsAt(statement, word, Word) && Scan.StartsAt(statement, Scan.SkipSpace(statement, word + Word.Length), "(");
    }

    /// <summary>A digit after a closing parenthesis, as after a cast.</summary>
    public static bool HasNumberAfterParenthesis(ReadOnlySpan<char> text)
    {
        for (var close = text.IndexOf(')'); close >= 0; close = Next(text, close, ')'))
        {
            var after = Scan.SkipSpace(text, close + 1);
            if (after < text.Length && char.IsAsciiDigit(text[after]))
                return true;
        }
        return false;
    }

    /// <summary>Parentheses around what can be a type, no expression, white space after them, and no block or initialiser after that.</summary>
    public static bool HasSpaceAfterCast(ReadOnlySpan<char> text)
    {
        for (var close = text.IndexOf(')'); close >= 0; close = Next(text, close, ')'))
        {
            var after = Scan.SkipBlank(text, close + 1);
            if (after == close + 1 || (after < text.Length && text[after] is '{' or '='))
                continue;
            var inside = text[(text[..close].LastIndexOf('(') + 1)..close];
            // A parenthesis in a type is typeof's.
            if (inside.Contains(')') || !Scan.HasAny(inside, "=.,;<>&|!+-/%?\""))
                return true;
        }
        return false;
    }

    /// <summary>A number or a name of capitals before a comparison.</summary>
    public static bool ComparesConstant(ReadOnlySpan<char> text)
    {
        for (var at = text.IndexOfAny('<', '>', '='); at >= 0;)
        {
            var compares = text[at] switch
            {
                '<' => true,
                '>' => at > 0 && text[at - 1] != '-',
                _ => at > 0 && text[at - 1] is '=' or '!',
            };
            if (compares && EndsInConstant(Scan.TrimEnd(text[..at].TrimEnd("<>=!"))))
                return true;
            var next = text[(at + 1)..].IndexOfAny('<', '>', '=');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    private static bool EndsInConstant(ReadOnlySpan<char> text)
    {
        var start = WordStart(text);
        var word = text[start..];
        // A number's point can be its end, or letters follow it.
        var lead = word.IsEmpty ? text : text[..start];
        if (lead is [.., (>= '0' and <= '9'), '.'])
            return true;
        return !word.IsEmpty && (char.IsAsciiDigit(word[0]) || !word.ContainsAnyInRange('a', 'z'));
    }

    /// <summary>A word before parameters, before it what can end a type, and a brace after them.</summary>
    public static bool HasFunctionBrace(ReadOnlySpan<char> text)
    {
        for (var brace = text.IndexOf('{'); brace >= 0; brace = Next(text, brace, '{'))
        {
            var parameters = Scan.TrimEnd(text[..brace]);
            if (!parameters.EndsWith(")") || OpeningOf(parameters) is not (> 0 and var open))
                continue;
            var head = Scan.TrimEnd(text[..open]);
            var type = Scan.TrimEnd(head[..WordStart(head)]);
            if (type.Length < head.Length && type is [.., var last] && (Scan.IsWord(last) || last is '*' or ']' or ')'))
                return true;
        }
        return false;
    }

    /// <summary>The parenthesis that a text's last character closes; -1 when there is none.</summary>
    private static int OpeningOf(ReadOnlySpan<char> text)
    {
        var depth = 0;
        for (var at = text.Length - 1; at >= 0; at--)
        {
            depth += text[at] switch { ')' => 1, '(' => -1, _ => 0 };
            if (depth == 0)
                return at;
        }
        return -1;
    }

    /// <summary>A line that begins with a word, after it another, a star or brackets; or a function's pointer, or what can be a macro that declares.</summary>
    public static bool MayDeclare(ReadOnlySpan<char> line)
    {
        var word = Scan.SkipSpace(line, 1);
        var end = Scan.WordEnd(line, word);
        var next = Scan.SkipSpace(line, end);
        if (word == end || next == line.Length)
            return false;
        if (line[next] != '(')
            return Scan.IsIdentifierStart(line[next]) || line[next] is '*' or '[';
        return !char.IsAsciiLetterLower(line[word]) || line[word..end] is "typeof" || Scan.StartsAt(line, Scan.SkipSpace(line, next + 1), "*");
    }

    /// <summary>Where a text's last word begins; its length when it ends in none.</summary>
    private static int WordStart(ReadOnlySpan<char> text)
    {
        var end = text.Length;
        while (end > 0 && Scan.IsWord(text[end - 1]))
            end--;
        return end;
    }

    /// <summary>The next place of a character after another; -1 when there is none.</summary>
    private static int Next(ReadOnlySpan<char> text, int at, char character) => text[(at + 1)..].IndexOf(character) is >= 0 and var next ? at + 1 + next : -1;

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
        for (var open = text.IndexOf('('); open >= 0; open = Next(text, open, '('))
        {
            var name = Scan.TrimEnd(text[..open]);
            foreach (var ending in s_logEndings)
            {
                if (name.EndsWith(ending))
                    return true;
            }
        }
        return text.Contains("MODULE_", StringComparison.Ordinal);
    }
}
