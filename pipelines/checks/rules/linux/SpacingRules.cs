using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Rules.Qemu;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>White space inside of lines of C.</summary>
internal static partial class SpacingRules
{
    private const string Id = "SPACING";

    public static LineRule[] Create()
    {
        var operators = new OperatorSpaces();
        return
        [
            new SpaceBeforeBracket(), new SpaceBeforeParenthesis(Id, Severity.Warning), operators, operators.Preferred, operators.Ternary, new OpenBraceSpace(Id), new CloseBraceSpace(Id) { AllowsClosing = true },
            new InnerSpace(Id, '[', "space prohibited after that open square bracket '['", new("\ta[ 1] = 2;"), new("\ta[1] = 2;")),
            new InnerSpace(Id, ']', "space prohibited before that close square bracket ']'", new("\ta[1 ] = 2;"), new("\ta[1] = 2;")),
            new InnerSpace(Id, '(', "space prohibited after that open parenthesis '('", new("\tf( a);"), new("\tf(a);")),
            new InnerSpace(Id, ')', "space prohibited before that close parenthesis ')'", new("\tf(a );"), new("\tf(a);")),
            new KeywordSpace(Id), new SpaceAfterTag(Id, Severity.Warning), new PointerStarPlace { Every = true },
            new PatternRule(Id, Severity.Warning, "space prohibited before semicolon", SpaceBeforeSemicolon, ";", "The semicolon ends the word before it.", new("\ta = b ;"), new("\ta = b;")),
            new PatternRule(Id, Severity.Check, "No space is necessary after a cast", SpaceAfterCast, ")", "A cast binds to what follows.", new("\ta = (int) b;"), new("\ta = (int)b;"))
                { When = scan => QuickLook.HasSpaceAfterCast(scan.Line), Describe = (scan, match) => SizeBefore().IsMatch(scan.LineText[..match.Index]) ? null : "No space is necessary after a cast" },
            new PatternRule(Id, Severity.Error, "exactly one space required after that #ifdef", DirectiveSpaces, "#", "As everybody writes it.", new("#ifdef  A"), new("#ifdef A"))
                { Describe = (_, match) => $"exactly one space required after that #{match.Groups[1].Value}" },
            new PatternRule(Id, Severity.Error, "space required before the open brace '{'", ElseBrace, "{", "The brace opens a block.", new("\telse{"), new("\telse {"))
                { Describe = (scan, _) => scan.LineText.Contains("){", StringComparison.Ordinal) ? null : "space required before the open brace '{'" },
            new PatternRule(Id, Severity.Warning, "Unnecessary space after function pointer name", SpaceAfterPointerName, "(*", "Names stand at their parentheses.", new("\tint (*a )(int b);"), new("\tint (*a)(int b);")),
            new PatternRule(Id, Severity.Warning, "Unnecessary space before function pointer arguments", SpaceBeforeArguments, "(*", "Names stand at their parentheses.", new("\tint (*a) (int b);"), new("\tint (*a)(int b);")),
            new PatternRule(Id, Severity.Warning, "Unnecessary space before function pointer name", SpaceBeforePointerName, "(*", "The star stands at the name.", new("\tint (* a)(int b);"), new("\tint (*a)(int b);")),
            new PatternRule("WHITESPACE_AFTER_LINE_CONTINUATION", Severity.Warning, "Whitespace after \\ makes next lines useless", SpaceAfterBackslash, "\\", "Only a backslash right before the line's end continues it.", new("#define X(a) \\ \n\tf(a)"), new("#define X(a) \\\n\tf(a)")),
        ];
    }

    [GeneratedRegex(@"^\+.*\S\s+;\s*$")]
    private static partial Regex SpaceBeforeSemicolon();

    private static Func<Regex> SpaceAfterCast { get; } = LargePattern.Of(@"\(\s*" + KernelC.Type + @"\s*\)(?>[ \t]+)(?![={]|\\$|" + KernelC.Attribute + "|__attribute__)");

    [GeneratedRegex(@"\b(?:sizeof|__alignof__)\s*$")]
    private static partial Regex SizeBefore();

    [GeneratedRegex(@"^.\s*#\s*(ifdef|ifndef|elif)\s\s+")]
    private static partial Regex DirectiveSpaces();

    [GeneratedRegex(@"\belse\{")]
    private static partial Regex ElseBrace();

    private const string Pointer = @"^.\s*" + KernelC.Declaration + @"\(\s*\*";

    private static Func<Regex> SpaceAfterPointerName { get; } = LargePattern.Of(Pointer + @"\s*" + KernelC.Name + @"\s+\)\s*\(");

    private static Func<Regex> SpaceBeforeArguments { get; } = LargePattern.Of(Pointer + @"\s*" + KernelC.Name + @"\s*\)\s+\(");

    private static Func<Regex> SpaceBeforePointerName { get; } = LargePattern.Of(Pointer + @"\s+" + KernelC.Name + @"\s*\)\s*\(");

    [GeneratedRegex(@"#\s*define.*\\\s+$")]
    private static partial Regex SpaceAfterBackslash();
}

/// <summary>White space around operators.</summary>
internal sealed class OperatorSpaces() : LineRule("SPACING", Severity.Error, "spaces required around an operator")
{
    public override Explanation Explanation => new(
        "Binary operators have spaces around them, unary ones none after them, members none at all. (ctx:VxV) tells what stands before and after: V a value, W white space, "
        + "B a bracket, E the line's end, O another operator, C a comment.",
        new("\ta=b;"),
        new("\ta = b;"));

    public ReportedRule Preferred { get; } = new(
        "SPACING", Severity.Check, "spaces preferred around that operator", "Easier to read.", new("\ta = b+c;"), new("\ta = b + c;"));

    public ReportedRule Ternary { get; } = new(
        "SPACING", Severity.Check, "spaces required around that '?'", "Easier to read.", new("\ta = b?c : d;"), new("\ta = b ? c : d;"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Line;
        if (OperatorSpacing.HasInclude(code))
            return;
        var elementStart = 0;
        var at = Next(code, 1, out var length);
        while (at >= 0)
        {
            var end = at + length;
            var next = Next(code, end, out var nextLength);
            Judge(scan, code, at, length, elementStart, next < 0 ? code.Length : next, isLast: next < 0 && end == code.Length);
            (elementStart, at, length) = (end, next, nextLength);
        }
    }

    private static int Next(ReadOnlySpan<char> code, int from, out int length)
    {
        var at = OperatorSpacing.NextOperator(code, from, out length);
        if (at >= 0 && code[at] == ':')
            length = 1;
        else if (at >= 0 && code[at] == '?' && at + 1 < code.Length && code[at + 1] == ':')
            length = 2;
        return at;
    }

    private void Judge(PatchScan scan, ReadOnlySpan<char> code, int at, int length, int elementStart, int elementEnd, bool isLast)
    {
        var end = at + length;
        var op = code[at..end];
        var before = OperatorSpacing.Before(code, elementStart, at);
        var after = OperatorSpacing.After(code, end, elementEnd);
        var variant = scan.Values.Variants[at];
        var left = code[..at];
        var right = code[end..];
        var follows = Scan.SkipSpace(right, 0);
        if (scan.Values.Values[at + 1] != ValueAnnotator.Value && Scan.IsSpace(at == 1 ? ' ' : code[at - 1]) && follows < right.Length && right[follows] is ',' or ')')
            return;
        switch (op)
        {
            case ";":
                if (after is not ('W' or 'E' or 'B' or 'C') && !right.StartsWith("\\") && !right.StartsWith(";"))
                    Report(scan, this, at, "space required after that ';'", before, after);
                return;
            case ":" when variant == ValueAnnotator.BitField:
            case "*" when variant == ValueAnnotator.None:
                return;
            case "->":
                if (before == 'W' || after == 'W')
                    Report(scan, this, at, "spaces prohibited around that '->'", before, after);
                return;
            case ",":
                if (before == 'W')
                    Report(scan, this, at, "space prohibited before that ','", before, after);
                if (after is not ('W' or 'E' or 'C') && !right.StartsWith("}"))
                    Report(scan, this, at, "space required after that ','", before, after);
                return;
            case "!" or "~":
            case "*" or "-" or "&" or "&&" when variant == ValueAnnotator.Unary:
                JudgeUnary(scan, code, at, op, before, after);
                return;
            case "++" or "--":
                JudgeIncrement(scan, at, op, before, after, right);
                return;
            case "<<" or ">>" or "&" or "^" or "|" or "+" or "-" or "*" or "/" or "%":
                JudgeArithmetic(scan, at, op, before, after, isLast);
                return;
            case ":" when variant is ValueAnnotator.Case or ValueAnnotator.Label:
                if (before == 'W' && !scan.File.EndsWith(".lds.h", StringComparison.Ordinal))
                    Report(scan, this, at, "space prohibited before that ':'", before, after);
                return;
        }
        if (before is 'E' or 'W' or 'C' && after is 'C' or 'W' or 'E')
            return;
        if ((op is "<" && OperatorSpacing.IsAddressEnd(right)) || (op is ">" && OperatorSpacing.IsAddressStart(left)) || (op is ":" && (left.EndsWith(":") || right.StartsWith(":"))))
            return;
        var ternary = op is "?:" or "?" or ":" && before == 'V' && after == 'V';
        Report(scan, ternary ? Ternary : this, at, $"spaces required around that '{op}'", before, after);
    }

    private void JudgeUnary(PatchScan scan, ReadOnlySpan<char> code, int at, ReadOnlySpan<char> op, char before, char after)
    {
        if (before is not ('W' or 'E' or 'B' or 'C') && !OperatorSpacing.EndsWithOperator(code[..at]) && !code[..at].EndsWith("--"))
            Report(scan, this, at, $"space required before that '{op}'", before, after);
        if (op is "*" && OperatorSpacing.HasModifier(scan, code[(at + 1)..]))
            return;
        if (after == 'W')
            Report(scan, this, at, $"space prohibited after that '{op}'", before, after);
    }

    private void JudgeIncrement(PatchScan scan, int at, ReadOnlySpan<char> op, char before, char after, ReadOnlySpan<char> right)
    {
        if (!(before is 'W' or 'E' or 'O' or 'B' or 'C' && after != 'W') && !(before != 'W' && after is 'W' or 'O' or 'B' or 'E' or 'C'))
            Report(scan, this, at, $"space required one side of that '{op}'", before, after);
        if (before == 'W' && (after is 'B' or 'E' || right.StartsWith(";")))
            Report(scan, this, at, $"space prohibited before that '{op}'", before, after);
        if (before == 'E' && after == 'W')
            Report(scan, this, at, $"space prohibited after that '{op}'", before, after);
    }

    private void JudgeArithmetic(PatchScan scan, int at, ReadOnlySpan<char> op, char before, char after, bool isLast)
    {
        if (scan.ReportsTaste)
        {
            if (!isLast && !(before is 'E' or 'W' && after is 'E' or 'W'))
                Report(scan, Preferred, at, $"spaces preferred around that '{op}'", before, after);
            else if (isLast && before != 'W')
                Report(scan, Preferred, at, $"space preferred before that '{op}'", before, after);
        }
        else if ((before == 'W' && after is not ('W' or 'C' or 'E')) || (after == 'W' && before is not ('W' or 'C' or 'E')))
        {
            Report(scan, this, at, $"need consistent spacing around '{op}'", before, after);
        }
    }

    private static void Report(PatchScan scan, Rule rule, int column, string message, char before, char after) => scan.ReportAt(rule, column, $"{message} (ctx:{before}x{after})");
}
