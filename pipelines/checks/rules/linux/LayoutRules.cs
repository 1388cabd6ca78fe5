using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Blank lines, and how lines that go on are indented.</summary>
internal static partial class LayoutRules
{
    public static LineRule[] Create() =>
    [
        new ParenthesisAlignment(),
        new PatternRule("NETWORKING_BLOCK_COMMENT_STYLE", Severity.Warning, "networking block comments don't use an empty /* line, use /* Comment...", StarLine, "*",
            "The networking tree's comments look that way.", new("int a;\nint b;\nint c;\n/*\n * d\n */", "net/x.c"), new("int a;\nint b;\nint c;\n/* d\n */", "net/x.c"))
            {
                On = PatternRule.View.Raw, ShowsPrevious = true, AppliesTo = file => file.StartsWith("net/", StringComparison.Ordinal) || file.StartsWith("drivers/net/", StringComparison.Ordinal),
                Describe = (scan, _) => scan.FileLine > 3 && scan.PreviousRaw.StartsWith("+") && Scan.Trim(scan.PreviousRaw[1..]) is "/*" ? "networking block comments don't use an empty /* line, use /* Comment..." : null,
            },
        new PatternRule("LINE_SPACING", Severity.Check, "Please use a blank line after function/struct/union/enum declarations", NotAfterEnd, "",
            "It shows where one ends.", new("struct a {\n\tint b;\n};\nint c;"), new("struct a {\n\tint b;\n};\n\nint c;"))
            { When = scan => EndsBlock(scan.Previous), ShowsPrevious = true },
        new PatternRule("LINE_SPACING", Severity.Warning, "Missing a blank line after declarations", Indented, "",
            "It shows where code begins.", new("\tint a;\n\ta = 1;"), new("\tint a;\n\n\ta = 1;")) { On = PatternRule.View.Spaced, ShowsPrevious = true, Describe = AfterDeclaration },
    ];

    private static bool EndsBlock(ReadOnlySpan<char> line) => line is [' ' or '+', '}', ..] && Scan.Trim(line[1..]) is "}" or "};";

    private static string? AfterDeclaration(PatchScan scan, Match match)
    {
        var previous = scan.Previous;
        if (previous.Length > PatternRule.MaxLine || previous.IsEmpty || previous[0] != '+')
            return null;
        var indent = previous[1..Scan.SkipSpace(previous, 1)];
        var line = scan.SpacedText;
        if (indent.IsEmpty || !line.AsSpan(1).StartsWith(indent) || 1 + indent.Length >= line.Length || Scan.IsSpace(line[1 + indent.Length]))
            return null;
        var before = WithoutQualifiers(previous.ToString());
        line = WithoutQualifiers(line);
        return IsDeclaration(before) && !NoDeclaration().IsMatch(before) && !GoesOn().IsMatch(line) && !IsDeclaration(line) ? "Missing a blank line after declarations" : null;
    }

    private static bool IsDeclaration(string line) => QuickLook.MayDeclare(line) && Declaration().IsMatch(line);

    private static string WithoutQualifiers(string line) => QuickLook.HasQualifier(line) ? Qualifier().Replace(line, "") : line;

    [GeneratedRegex(@"^\+[ \t]*\*")]
    private static partial Regex StarLine();

    [GeneratedRegex(@"^\+(?!\s*$|\s*(?:EXPORT_SYMBOL|early_param)|\s*(?i:MODULE_)|\s*#\s*(?:end|elif|else)|[a-z_]*init|\s*(?:static\s+)?[A-Z_]*ATTR|\s*DECLARE|\s*builtin_\w*driver|\s*__setup)")]
    private static partial Regex NotAfterEnd();

    [GeneratedRegex(@"^\+\s+\S")]
    private static partial Regex Indented();

    private static Func<Regex> Qualifier { get; } = LargePattern.Of(@"\b(?:" + KernelC.Attribute + "|" + KernelC.Annotation + @")\b");

    private const string Macro =
        @"(?:(?:" + KernelC.Storage + @"\s+)?(?:[A-Z_][A-Z0-9]*_){0,2}(?:DEFINE|DECLARE)(?:_[A-Z0-9]+){1,6}\s*\(|(?:" + KernelC.Storage + @"\s+)?[HLP]?LIST_HEAD\s*\("
        + @"|(?:SKCIPHER_REQUEST|SHASH_DESC|AHASH_REQUEST)_ON_STACK\s*\(|(?:" + KernelC.Storage + @"\s+)?XA_STATE(?:_ORDER)?\s*\()";

    private static Func<Regex> Declaration { get; } = LargePattern.Of(@"^\+\s+(?:" + KernelC.Declaration + @"\s*(?:" + KernelC.Name + @"\s*[=,;:\[]|\(\s*\*\s*" + KernelC.Name + @"\s*\)\s*[=,;:\[(])|" + KernelC.Name + @"(?:\s+|\s*\*\s*)" + KernelC.Name + @"\s*[=,;\[]|" + Macro + ")");

    /// <summary>First or last character of an operator.</summary>
    private const string OperatorEdge = "[=<>!~,^&|+*/%-]";

    [GeneratedRegex(@"^\+\s+" + KernelC.Keyword + @"\b|" + OperatorEdge + @"\s*$|(?:\{\s*|\\)$")]
    private static partial Regex NoDeclaration();

    [GeneratedRegex(@"^\+\s+(?:(?:static\s+)?(?:const\s+)?(?:union|struct|enum|typedef)\b|$|[{}.#""?:(\[]|" + KernelC.Name + @"\s*:\s*[0-9]+\s*[,;]|\(?\s*" + OperatorEdge + ")")]
    private static partial Regex GoesOn();
}

internal sealed class ParenthesisAlignment() : LineRule("PARENTHESIS_ALIGNMENT", Severity.Check, "Alignment should match open parenthesis")
{
    public override Explanation Explanation => new("Arguments form a column.", new("\tf(a,\n\t\t\tb);"), new("\tf(a,\n\t  b);"));

    public override void Check(PatchScan scan)
    {
        var previous = scan.Previous;
        if (!scan.ReportsTaste || !previous.StartsWith("+") || previous.Length > PatternRule.MaxLine || scan.Line.IsEmpty || scan.Line[0] is not ('+' or ' '))
            return;
        var end = Scan.TrimEnd(previous);
        if (!(end.EndsWith(",") || end.EndsWith("&&") || end.EndsWith("||")) || previous.Count(')') >= previous.Count('(') || !Opens().IsMatch(previous))
            return;
        var tabs = 1;
        while (tabs < previous.Length && previous[tabs] == '\t')
            tabs++;
        var column = LastOpen(previous[tabs..].ToString());
        var indent = scan.Line[1..Scan.SkipBlank(scan.Line, 1)];
        var outer = previous[1..tabs].ToString();
        if (!indent.SequenceEqual(outer + new string('\t', column / 8) + new string(' ', column % 8)) && !indent.SequenceEqual(outer + new string(' ', column)))
            scan.ReportWithPrevious(this);
    }

    /// <summary>The column after the last parenthesis that is left open; there is one.</summary>
    private static int LastOpen(string text)
    {
        var last = 0;
        for (var at = 0; at < text.Length; at++)
        {
            var match = Whole().Match(text, at);
            if (match.Success)
                at += Math.Max(match.Length - 1, 0);
            else if (text[at] == '(')
                last = at;
            else if (text.IndexOf('(', at) < 0)
                break;
        }
        return Scan.Columns(text.AsSpan(0, last)) + 1;
    }

    private static Func<Regex> Opens { get; } = LargePattern.Of(@"^\+[ \t]*(?:" + KernelC.Keyword + @"\s+if\s*|(?:" + KernelC.Declaration + @"\s*)?(?:" + KernelC.Name + @"|\(\s*\*\s*" + KernelC.Name + @"\s*\))\s*|(?:\*\s*)*" + KernelC.Place + @"\s*=\s*" + KernelC.Name + @"\s*)\(.*(?:&&|\|\||,)\s*$");

    private static Func<Regex> Whole { get; } = LargePattern.Of(@"\G(?:" + KernelC.Argument + "|" + KernelC.Brackets + ")");
}
