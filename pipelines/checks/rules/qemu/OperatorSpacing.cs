using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

/// <summary>White space around operators.</summary>
internal sealed class OperatorSpacing() : LineRule("SPACING", Severity.Error, "spaces required around an operator")
{
    public override Explanation Explanation => new(
        "Binary operators have spaces around them, unary ones none after them, members none at all. (ctx:VxV) tells what stands before and after: V a value, W white space, "
        + "B a bracket, E the line's end, O another operator, C a comment.",
        new("    a = b+c;"),
        new("    a = b + c;"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (HasInclude(code))
            return;
        var elementStart = 0;
        var at = NextOperator(code, 0, out var length);
        while (at >= 0)
        {
            var end = at + length;
            var next = NextOperator(code, end, out var nextLength);
            Judge(scan, code, at, length, elementStart, next < 0 ? code.Length : next);
            (elementStart, at, length) = (end, next, nextLength);
        }
    }

    internal static bool HasInclude(ReadOnlySpan<char> code)
    {
        for (var at = code.IndexOf('#'); at >= 0;)
        {
            var name = Scan.SkipSpace(code, at + 1);
            if (Scan.StartsAt(code, name, "include") || Scan.StartsAt(code, name, "import"))
                return true;
            var next = code[(at + 1)..].IndexOf('#');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    /// <summary>The next operator from a position, the diff's marker in the first column not one; -1 when there is none.</summary>
    internal static int NextOperator(ReadOnlySpan<char> code, int from, out int length)
    {
        for (var at = Math.Max(from, 1); at < code.Length; at++)
        {
            length = OperatorLength(code, at);
            if (length > 0)
                return at;
        }
        length = 0;
        return -1;
    }

    internal static int OperatorLength(ReadOnlySpan<char> code, int at)
    {
        var c = code[at];
        var next = at + 1 < code.Length ? code[at + 1] : '\0';
        switch (c)
        {
            case '<' or '>':
                if (next == c)
                    return at + 2 < code.Length && code[at + 2] == '=' ? 3 : 2;
                return next == '=' ? 2 : 1;
            case '=':
                return next is '=' or '>' ? 2 : 1;
            case '!' or '*' or '/' or '%' or '^':
                return next == '=' ? 2 : 1;
            case '+' or '|' or '&':
                return next == '=' || next == c ? 2 : 1;
            case '-':
                return next is '=' or '>' or '-' ? 2 : 1;
            case ':':
                return next == ':' ? 2 : 1;
            case '~' or ',' or '?' or ';':
                return 1;
            default:
                return 0;
        }
    }

    private void Judge(PatchScan scan, ReadOnlySpan<char> code, int at, int length, int elementStart, int elementEnd)
    {
        var end = at + length;
        var op = code[at..end];
        var before = Before(code, elementStart, at);
        var after = After(code, end, elementEnd);
        var valueBefore = scan.Values.Values[at + 1];
        var variant = scan.Values.Variants[at];
        var left = code[..at];
        var right = code[end..];
        // An operator passed as an argument to a macro.
        if (valueBefore != ValueAnnotator.Value && Scan.IsSpace(at == 1 ? ' ' : code[at - 1]) && StartsWithComma(right))
            return;
        switch (op)
        {
            case ";":
                if (after is not ('W' or 'E' or 'B' or 'C') && !right.StartsWith("\\") && !right.StartsWith(";"))
                    Report(scan, at, "space required after that ';'", before, after);
                return;
            case "->":
                JudgeTight(scan, at, op, before, after);
                return;
            case ":" when variant == ValueAnnotator.BitField:
                if (before == 'W' && after is 'W' or 'E' && code.Contains("class", StringComparison.Ordinal) && MayBeCxx(scan.File))
                    return;
                JudgeTight(scan, at, op, before, after);
                return;
            case ",":
                if (after is not ('W' or 'E' or 'C') && !right.StartsWith("}") && !IsClosedThenOpened(code, elementStart, at, end, elementEnd))
                    Report(scan, at, "space required after that ','", before, after);
                return;
            case "*" when variant == ValueAnnotator.None:
                return;
            case "!" or "~":
                JudgeUnary(scan, code, at, op, before, after);
                return;
            case "*" or "-" or "&" or "&&" when variant == ValueAnnotator.Unary:
                JudgeUnary(scan, code, at, op, before, after);
                return;
            case "++" or "--":
                JudgeIncrement(scan, at, op, before, after, right);
                return;
            case ":" when variant is ValueAnnotator.Case or ValueAnnotator.Label:
                if (before == 'W')
                    Report(scan, at, "space prohibited before that ':'", before, after);
                return;
        }
        if (before is 'E' or 'W' or 'C' && after is 'C' or 'W' or 'E')
            return;
        if (!IsTightAllowed(scan, code, op, left, right, variant))
            Report(scan, at, $"spaces required around that '{op}'", before, after);
    }

    private void JudgeTight(PatchScan scan, int at, ReadOnlySpan<char> op, char before, char after)
    {
        if (before == 'W' || after == 'W')
            Report(scan, at, $"spaces prohibited around that '{op}'", before, after);
    }

    private void JudgeUnary(PatchScan scan, ReadOnlySpan<char> code, int at, ReadOnlySpan<char> op, char before, char after)
    {
        var left = code[..at];
        var isDestructor = op is "~" && left.EndsWith("::") && MayBeCxx(scan.File);
        if (!isDestructor && before is not ('W' or 'E' or 'B' or 'C') && !EndsWithOperator(left))
            Report(scan, at, $"space required before that '{op}'", before, after);
        if (op is "*" && HasModifier(scan, code[(at + 1)..]))
            return;
        if (after == 'W')
            Report(scan, at, $"space prohibited after that '{op}'", before, after);
    }

    internal static bool EndsWithOperator(ReadOnlySpan<char> left) => !left.IsEmpty && left[^1] is ')' or '!' or '~' or '*' or '-' or '&' or '|' or '{' || left.EndsWith("++");

    /// <summary>Whether a word that qualifies a pointer stands anywhere after.</summary>
    internal static bool HasModifier(PatchScan scan, ReadOnlySpan<char> text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (!Scan.IsIdentifierStart(text[at]))
                continue;
            if (scan.Types.WholeModifierEnd(text, at) > 0)
                return true;
        }
        return false;
    }

    private void JudgeIncrement(PatchScan scan, int at, ReadOnlySpan<char> op, char before, char after, ReadOnlySpan<char> right)
    {
        var prefix = before is 'W' or 'E' or 'O' or 'B' or 'C' && after != 'W';
        var postfix = before != 'W' && after is 'W' or 'O' or 'B' or 'E' or 'C';
        if (!prefix && !postfix)
            Report(scan, at, $"space required one side of that '{op}'", before, after);
        if (before == 'W' && (after is 'B' or 'E' || right.StartsWith(";")))
            Report(scan, at, $"space prohibited before that '{op}'", before, after);
        if (before == 'E' && after == 'W')
            Report(scan, at, $"space prohibited after that '{op}'", before, after);
    }

    /// <summary>Operators without spaces that are something else: templates, mail addresses, <c>?:</c>.</summary>
    private static bool IsTightAllowed(PatchScan scan, ReadOnlySpan<char> code, ReadOnlySpan<char> op, ReadOnlySpan<char> left, ReadOnlySpan<char> right, char variant)
    {
        if (scan.File.Contains(".cpp", StringComparison.Ordinal) || IsHeader(scan.File))
        {
            if (op is "::")
                return true;
            var open = code.IndexOf('<');
            if (op is "<" or ">" && open >= 0 && code[open..].Contains('>'))
                return true;
        }
        if (op is "<" && IsAddressEnd(right))
            return true;
        if (op is ">" && IsAddressStart(left))
            return true;
        return (op is ":" && variant == ValueAnnotator.Other && left.EndsWith("?")) || (op is "?" && right.StartsWith(":"));
    }

    private static bool IsHeader(string file) => file.EndsWith(".h", StringComparison.Ordinal);

    private static bool MayBeCxx(string file) => file.EndsWith(".cpp", StringComparison.Ordinal) || IsHeader(file);

    internal static bool IsAddressEnd(ReadOnlySpan<char> text)
    {
        var end = 0;
        while (end < text.Length && !Scan.IsSpace(text[end]))
            end++;
        var word = text[..end];
        var at = word.IndexOf('@');
        while (at == 0)
        {
            var next = word[1..].IndexOf('@');
            at = next < 0 ? -1 : next + 1;
        }
        return at > 0 && word.LastIndexOf('>') > at + 1;
    }

    internal static bool IsAddressStart(ReadOnlySpan<char> text)
    {
        var start = text.Length;
        while (start > 0 && !Scan.IsSpace(text[start - 1]))
            start--;
        var word = text[start..];
        var open = word.IndexOf('<');
        var at = word.LastIndexOf('@');
        return open >= 0 && at > open + 1 && at < word.Length - 1;
    }

    private static bool StartsWithComma(ReadOnlySpan<char> text)
    {
        var at = Scan.SkipSpace(text, 0);
        return at < text.Length && text[at] == ',';
    }

    /// <summary>Whether a comma stands between braces, <c>},{</c>.</summary>
    private static bool IsClosedThenOpened(ReadOnlySpan<char> code, int elementStart, int at, int end, int elementEnd)
    {
        var before = code[elementStart..at];
        var after = code[end..elementEnd];
        return before.Contains("}{", StringComparison.Ordinal) || after.Contains("}{", StringComparison.Ordinal) || (before.EndsWith("}") && after.StartsWith("{"));
    }

    /// <summary>What stands before an operator.</summary>
    internal static char Before(ReadOnlySpan<char> code, int elementStart, int at)
    {
        // The marker in the first column counts as white space.
        if (Scan.OnlySpaceFrom(code[..at], 1))
            return 'E';
        if (elementStart == at)
            return 'O';
        var last = at == 1 ? ' ' : code[at - 1];
        if (last is '[' or '(')
            return 'B';
        if (last == CleanText.Comment)
            return 'C';
        return Scan.IsSpace(last) ? 'W' : 'V';
    }

    /// <summary>What stands after an operator, up to the next.</summary>
    internal static char After(ReadOnlySpan<char> code, int end, int elementEnd)
    {
        if (end == code.Length)
            return 'E';
        if (end == elementEnd)
            return 'O';
        var element = code[end..elementEnd];
        var text = Scan.SkipSpace(element, 0);
        if (text == element.Length - 1 && element[text] == '\\')
            return 'E';
        if (element[0] is ')' or ']')
            return 'B';
        if (element[0] == CleanText.Comment)
            return 'C';
        return Scan.IsSpace(element[0]) ? 'W' : 'V';
    }

    private void Report(PatchScan scan, int column, string message, char before, char after) =>
        scan.ReportAt(this, column, $"{message} (ctx:{before}x{after})");
}
