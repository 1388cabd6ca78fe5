using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Expressions, conditions and jumps.</summary>
internal static partial class ExpressionRules
{
    public static LineRule[] Create() =>
    [
        new PatternRule("UNNECESSARY_ELSE", Severity.Warning, "else is not generally useful after a break or return", BareElse, "else",
            "What follows is run only if the other did not return.", new("\tif (a)\n\t\treturn 1;\n\telse\n\t\tb();"), new("\tif (a)\n\t\treturn 1;\n\tb();"))
            { On = PatternRule.View.Spaced, ShowsPrevious = true, Describe = AfterJump },
        new PatternRule("UNNECESSARY_BREAK", Severity.Warning, "break is not useful after a jump", Break, "break",
            "It is never reached.", new("\t\treturn 1;\n\t\tbreak;"), new("\t\tf();\n\t\tbreak;")) { On = PatternRule.View.Spaced, ShowsPrevious = true, Describe = BreakAfter },
        new PatternRule("MULTIPLE_ASSIGNMENTS", Severity.Check, "multiple assignments should be avoided", AssignedTwice, "=",
            "The second is overlooked.", new("\ta = b = 1;"), new("\ta = 1;\n\tb = 1;")),
        new PatternRule("UNNECESSARY_PARENTHESES", Severity.Check, "Unnecessary parentheses", AddressOfParentheses, "(",
            "-> binds closer than & and *.", new("\ta = f(&(b->c));"), new("\ta = f(&b->c);")) { Every = true, Describe = (_, match) => $"Unnecessary parentheses around {match.Groups[1].Value}" },
        new PatternRule("UNNECESSARY_PARENTHESES", Severity.Check, "Unnecessary parentheses around function pointer", PointerParentheses, ")",
            "A function pointer is called like a function.", new("\t(a->b)(c);"), new("\ta->b(c);"))
            { Describe = (_, match) => match.Groups[1].Success ? null : $"Unnecessary parentheses around function pointer {match.Groups[2].Value}" },
        new PatternRule("UNNECESSARY_PARENTHESES", Severity.Warning, "Unnecessary parentheses around the comparison", DoubledParentheses, "((",
            "Doubled parentheses tell the compiler that an assignment is meant.", new("\tif ((a == b))"), new("\tif (a == b)"))
            { Describe = (_, match) => match.Groups[1].Value == "==" ? "Unnecessary parentheses - maybe == should be = ?" : "Unnecessary parentheses" },
        new PatternRule("INDENTED_LABEL", Severity.Warning, "labels should not be indented", IndentedLabel, ":",
            "A jump's target shows at the margin.", new("\tout:"), new("out:")) { On = PatternRule.View.Spaced },
        new PatternRule("RETURN_PARENTHESES", Severity.Error, "return is not a function, parentheses are not required", ReturnedParentheses, "return",
            "It reads like a call.", new("\treturn (a);"), new("\treturn a;")) { On = PatternRule.View.Statement, When = scan => QuickLook.ReturnsParentheses(scan.StatementText) },
        new PatternRule("RETURN_VOID", Severity.Warning, "void function return statements are not generally useful", ClosingBrace, "}",
            "The function ends there.", new("\tf();\n\treturn;\n}"), new("\tf();\n}")) { On = PatternRule.View.Spaced, ShowsPrevious = true, Describe = AfterReturn },
        new PatternRule("CONSTANT_COMPARISON", Severity.Warning, "Comparisons should place the constant on the right side of the test", ConstantFirst, "",
            "It reads as it is spoken.", new("\tif (0 == a)"), new("\tif (a == 0)")) { When = scan => QuickLook.ComparesConstant(scan.Line), Describe = DescribeConstant },
        new PatternRule("USE_NEGATIVE_ERRNO", Severity.Warning, "return of an errno should typically be negative (ie: return -E)", PositiveErrno, "return",
            "Callers look for less than zero.", new("\treturn EINVAL;"), new("\treturn -EINVAL;"))
            { On = PatternRule.View.Spaced, Describe = (_, match) => match.Groups[1].Value is "EOF" or "ERROR" || match.Groups[1].Value.StartsWith("EPOLL", StringComparison.Ordinal) ? null : $"return of an errno should typically be negative (ie: return -{match.Groups[1].Value})" },
        new PatternRule("MULTILINE_DEREFERENCE", Severity.Warning, "Avoid multiple line dereference", StartsWithPlace, "",
            "Who greps for a member finds it only whole.", new("\ta = b->\n\t\tc;"), new("\ta = b->c;")) { When = scan => Text.Scan.TrimEnd(scan.Previous) is [.., '.' or '>'], ShowsPrevious = true, Describe = Dereferenced },
        new PatternRule("MASK_THEN_SHIFT", Severity.Warning, "Possible precedence defect with mask then right shift - may need parentheses", MaskThenShift, ">>",
            "The shift comes first.", new("\ta = b & c >> 4;"), new("\ta = (b & c) >> 4;")),
        new PatternRule("COMPARISON_TO_NULL", Severity.Check, "Comparison to NULL could be shorter", NullComparison, "NULL",
            "A pointer is true when it is not NULL.", new("\tif (a == NULL)"), new("\tif (!a)"))
            { Every = true, Describe = (_, match) => $"Comparison to NULL could be written \"{(match.Groups[2].Value == "==" ? "!" : "")}{match.Groups[1].Value}\"" },
        new PatternRule("BOOL_COMPARISON", Severity.Check, "Using comparison to true or false is error prone", BoolComparison, "=",
            "Values other than 1 are true too.", new("\tif (a == true)"), new("\tif (a)"))
            { When = scan => QuickLook.HasTruth(scan.Line), Describe = (_, match) => $"Using comparison to {match.Groups[1].Value}{match.Groups[2].Value} is error prone" },
        new PatternRule("ONE_SEMICOLON", Severity.Warning, "Statements terminations use 1 semicolon", TwoSemicolons, ";",
            "An empty statement that nobody meant.", new("\ta();;"), new("\ta();")),
        new PatternRule("DEFAULT_NO_BREAK", Severity.Warning, "switch default: should use break", EmptyDefault, "default",
            "A case that is added after it would not be expected.", new("\tdefault: ;"), new("\tdefault:\n\t\tbreak;")) { On = PatternRule.View.Statement, ShowsStatement = true },
        new PatternRule("SUSPECT_COMMA_SEMICOLON", Severity.Warning, "Possible comma where semicolon could be used", CommaStatement, ",",
            "A slip of a finger that compiles.", new("\ta = b(),\n\tc = d();"), new("\ta = b();\n\tc = d();"))
            { On = PatternRule.View.Statement, ShowsStatement = true, When = scan => QuickLook.IsCommaStatement(scan.StatementText) },
        new PatternRule("HEXADECIMAL_BOOLEAN_TEST", Severity.Warning, "boolean test with hexadecimal, perhaps just 1 & or |?", HexadecimalTest, "0",
            "A mask that is tested with && is always true.", new("\tif (a && 0x10)"), new("\tif (a & 0x10)")),
        new PatternRule("VOLATILE", Severity.Warning, "Use of volatile is usually wrong: see Documentation/process/volatile-considered-harmful.rst", Volatile, "volatile",
            "It orders nothing between processors; locks and atomics do.", new("\tvolatile int a;"), new("\tasm volatile(\"a\");")) { Unless = AsmVolatile },
        new PatternRule("PREFER_FALLTHROUGH", Severity.Warning, "Prefer 'fallthrough;' over fallthrough comment", FallComment, "",
            "The compiler knows the keyword.", new("\t\tf(); /* fall through */"), new("\t\tfallthrough;")) { IsMilderInFiles = true, On = PatternRule.View.Raw, Describe = InComment },
        new PatternRule("TABSTOP", Severity.Warning, "Statements should start on a tabstop", OffTabStop, "\t ",
            "The kernel indents by tabs of eight columns.", new("\t  return a;"), new("\treturn a;"))
            { On = PatternRule.View.Spaced, Describe = (_, match) => match.Groups[1].Length % 8 == 0 ? null : "Statements should start on a tabstop" },
        new ComparisonParentheses(),
    ];

    private static string Short(ReadOnlySpan<char> line) => line.Length > PatternRule.MaxLine ? "" : line.ToString();

    private static string? AfterJump(PatchScan scan, Match match)
    {
        var tabs = new string('\t', match.Groups[1].Length + 1);
        var previous = scan.Previous;
        var isBreak = Text.Scan.WordAt(previous, tabs.Length + 1, "break");
        var isReturn = Text.Scan.WordAt(previous, tabs.Length + 1, "return");
        if (!previous.StartsWith("+") || !previous[1..].StartsWith(tabs) || (!isBreak && !isReturn))
            return null;
        var next = scan.Clean[scan.Number];
        if (!isBreak && (!scan.Lines.Has(scan.Number) || (next is [' ' or '+', ..] && next[1..].StartsWith(tabs + "return"))))
            return null;
        return "else is not generally useful after a break or return";
    }

    private static readonly string[] s_jumps = ["goto", "return", "break"];

    private static string? BreakAfter(PatchScan scan, Match match)
    {
        var indent = match.Groups[1].Value;
        var previous = scan.Previous;
        if (!previous.StartsWith("+") || !previous[1..].StartsWith(indent))
            return null;
        foreach (var word in s_jumps)
        {
            if (Text.Scan.WordAt(previous, 1 + indent.Length, word))
                return $"break is not useful after a {word}";
        }
        return null;
    }

    private static string? AfterReturn(PatchScan scan, Match match)
    {
        var before = scan.Number >= 3 ? Short(scan.Clean[scan.Number - 3]) : "";
        return PlainReturn().IsMatch(Short(scan.Previous)) && before is [' ' or '+', ..] && !LabelLine().IsMatch(before) ? "void function return statements are not generally useful" : null;
    }

    private static string? DescribeConstant(PatchScan scan, Match match)
    {
        var lead = match.Groups[1].Value;
        return EndsInOperator().IsMatch(lead) || UpperCase().IsMatch(match.Groups[2].Value) ? null : "Comparisons should place the constant on the right side of the test";
    }

    private static string? Dereferenced(PatchScan scan, Match match)
    {
        var previous = EndsInArrow().Match(Short(scan.Previous));
        if (!previous.Success || !scan.Previous.StartsWith("+"))
            return null;
        var whole = string.Concat(previous.Groups[1].Value, match.Groups[1].Value).Replace(" ", "", StringComparison.Ordinal).Replace("\t", "", StringComparison.Ordinal);
        return $"Avoid multiple line dereference - prefer '{whole}'";
    }

    private static string? InComment(PatchScan scan, Match match)
    {
        var line = scan.LineText;
        return match.Index < line.Length && line[match.Index] == Source.CleanText.Comment ? "Prefer 'fallthrough;' over fallthrough comment" : null;
    }

    [GeneratedRegex(@"^\+(\t+)(?:\}[ \t]*)?else(?:[ \t]*\{)?\s*$")]
    private static partial Regex BareElse();

    [GeneratedRegex(@"^\+(\t+)break\s*;\s*$")]
    private static partial Regex Break();

    [GeneratedRegex(@"^.\s*" + KernelC.Place + @"\s*=\s*" + KernelC.Place + @"\s*=(?!=)")]
    private static partial Regex AssignedTwice();

    [GeneratedRegex(@"(?:[^&]&\s*|\*)\(\s*(" + KernelC.Name + @"\s*(?:" + KernelC.Member + @"\s*)+)\s*\)")]
    private static partial Regex AddressOfParentheses();

    [GeneratedRegex(@"(\bif\s*)?(\(\s*" + KernelC.Name + @"\s*(?:" + KernelC.Member + @"\s*)+\))[ \t]*\(")]
    private static partial Regex PointerParentheses();

    private static Func<Regex> DoubledParentheses { get; } = LargePattern.Of(@"\bif\s*(?:\(\s*){2}" + KernelC.Call + "(" + KernelC.Comparison + @")\s*" + KernelC.Call + @"(?:\s*\)){2}");

    [GeneratedRegex(@"^.\s+(?<! )[A-Za-z_]\w*:(?!\s*[0-9]+)(?<!default:)|^.[ \t]{2,}[A-Za-z_]\w*:(?!\s*[0-9]+)(?<!\sdefault:)")]
    private static partial Regex IndentedLabel();

    private static Func<Regex> ReturnedParentheses { get; } = LargePattern.Of(@"^.\s*return\s*\((?>" + KernelC.Argument + @")(?:\?[^;]*)?\)\s*;\s*$");

    [GeneratedRegex(@"^[ +]\}\s*$")]
    private static partial Regex ClosingBrace();

    [GeneratedRegex(@"^\+\treturn\s*;\s*$")]
    private static partial Regex PlainReturn();

    [GeneratedRegex(@"^[ +]\s*" + KernelC.Name + @"\s*:")]
    private static partial Regex LabelLine();

    private static Func<Regex> ConstantFirst { get; } = LargePattern.Of(@"^\+(.*)\b(?:" + KernelC.Number + @"|[A-Z_][A-Z0-9_]*)\s*" + KernelC.Comparison + @"\s*(" + KernelC.Call + ")");

    [GeneratedRegex("(?:" + KernelC.Operator + @"|[.])\s*$")]
    private static partial Regex EndsInOperator();

    [GeneratedRegex("^(?:Constant|[A-Z_][A-Z0-9_]*)$")]
    private static partial Regex UpperCase();

    [GeneratedRegex(@"\breturn(?:\s*\(+\s*|\s+)(E[A-Z]+)(?:\s*\)+\s*|\s*)[;:,]")]
    private static partial Regex PositiveErrno();

    [GeneratedRegex(@"^\+\s*(?!#\s*(?!define\s+|if))\s*(" + KernelC.Place + ")")]
    private static partial Regex StartsWithPlace();

    [GeneratedRegex("(" + KernelC.Place + @"\s*(?:[.]|->))\s*$")]
    private static partial Regex EndsInArrow();

    private static Func<Regex> MaskThenShift { get; } = LargePattern.Of(KernelC.Call + @"&\s*(?!&)" + KernelC.Call + ">>");

    private static Func<Regex> NullComparison { get; } = LargePattern.Of(@"\b((?:[&*]\s*)?" + KernelC.Place + @")\s*(?:" + KernelC.Brackets + @")?\s*(==|!=)\s*NULL\b");

    private static Func<Regex> BoolComparison { get; } = LargePattern.Of(@"\+\s*.*?\b(?:((?i:true|false))\s*[!=]=\s*(?!(?i:true|false)\b)" + KernelC.Place + @"\b|" + KernelC.Place + @"\s*[!=]=\s*((?i:true|false))\b)");

    [GeneratedRegex(@";\s*;\s*$")]
    private static partial Regex TwoSemicolons();

    [GeneratedRegex(@"^\+[\x1C\s]*(?:case[\x1C\s]+\w+[\x1C\s]*:[\x1C\s]*)*\bdefault[\x1C\s]*:[\x1C\s]*;")]
    private static partial Regex EmptyDefault();

    private const string Assigned = "(?:" + KernelC.Place + @"\s*" + KernelC.Assignment + @"\s*)?" + KernelC.Argument;

    private static Func<Regex> CommaStatement { get; } = LargePattern.Of(@"^\+\s*" + Assigned + @"\s*,\s*" + Assigned + @"\s*;\s*$");

    [GeneratedRegex(@"(?:[\[(]|&&|\|\|)\s*0[xX][0-9]+\s*(?:&&|\|\|)|(?:&&|\|\|)\s*0[xX][0-9]+\s*(?:&&|\|\||[)\]])")]
    private static partial Regex HexadecimalTest();

    [GeneratedRegex(@"\bvolatile\b")]
    private static partial Regex Volatile();

    [GeneratedRegex(@"\b(?:__asm__|asm)\s+(?:__volatile__|volatile)\b")]
    private static partial Regex AsmVolatile();

    [GeneratedRegex(@"fallthrough|intentional(?:ly)?[ \t]*fall(?:(?:s | |-)[Tt]|t)hr(?:ough|u|ew)|FALL(?:S | |-)?THR(?:OUGH|U|EW)|[Ff]all(?:(?:s | |-)[Tt]|t)hr(?:ough|u|ew)|fall(?:s | |-)?thr(?:ough|u|ew)")]
    private static partial Regex FallComment();

    private static Func<Regex> OffTabStop { get; } = LargePattern.Of(@"^\+\t+( +)(?:" + KernelC.Keyword + @"\b|\{\s*$|\}\s*(?:else\b|while\b|\s*$)|" + KernelC.Declaration + @"\s*" + KernelC.Name + @"\s*[;=])");
}

/// <summary>Parentheses around one comparison of a condition.</summary>
internal sealed partial class ComparisonParentheses() : LineRule("UNNECESSARY_PARENTHESES", Severity.Check, "Unnecessary parentheses around a comparison")
{
    public override Explanation Explanation => new("Comparisons bind closer than && and ||.", new("\tif ((a == b) && c)\n\t\td();"), new("\tif (a == b && c)\n\t\td();"));

    public override void Check(PatchScan scan)
    {
        if (!scan.ReportsTaste || !scan.StatementText.AsSpan().TrimStart("+ \t").StartsWith("if"))
            return;
        var condition = Condition().Match(scan.StatementText);
        if (!condition.Success)
            return;
        string? shown = null;
        var test = condition.Groups[1].Value;
        for (var match = Compared().Match(test); match.Success; match = match.NextMatch())
        {
            // A macro's argument.
            if (SingleWord().IsMatch(match.Groups[1].ValueSpan))
                continue;
            shown ??= Shown(scan, 1 + condition.ValueSpan.Count('\n'));
            scan.ReportWithText(this, shown, $"Unnecessary parentheses around '{match.Groups[1].Value}'");
        }
    }

    /// <summary>The condition's lines, to the one that opens a block.</summary>
    private static string Shown(PatchScan scan, int count)
    {
        var lines = scan.RawLines(count);
        var brace = lines.IndexOf('{', StringComparison.Ordinal);
        var end = brace < 0 ? -1 : lines.IndexOf('\n', brace);
        return end < 0 ? lines : lines[..(end + 1)];
    }

    [GeneratedRegex(@"^.\s*if\s*\(((?>[^()]+|\((?>[^()]+|\((?>[^()]+|\([^()]*\))*\))*\))*)\)", RegexOptions.Singleline)]
    private static partial Regex Condition();

    private static Func<Regex> Compared { get; } = LargePattern.Of(@"(?:^|[^\w&!~])+\s*\(\s*([&!~]?\s*" + KernelC.Place + @"\s*(?:" + KernelC.Comparison + @"\s*" + KernelC.Argument + @")?)\s*\)");

    [GeneratedRegex(@"^\s*\w+\s*$")]
    private static partial Regex SingleWord();
}
