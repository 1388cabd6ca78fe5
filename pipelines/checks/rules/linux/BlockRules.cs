using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Rules.Qemu;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Braces, and what stands where in control statements.</summary>
internal static partial class BlockRules
{
    public static LineRule[] CreateForContext()
    {
        var semicolon = new TrailingSemicolon(Severity.Warning);
        var deep = new PatternRule("DEEP_INDENTATION", Severity.Warning, "Too many leading tabs - consider code refactoring", SixTabs, "\t\t\t\t\t\t",
            "A function this deep does too much.", new("\t\t\t\t\t\tif (a)"), new("\t\t\t\t\tif (a)"));
        return [new SwitchCaseIndent(), deep, new KernelBraceOnNextLine { Semicolon = semicolon }, semicolon, new SuspectIndent(Severity.Warning)];
    }

    /// <param name="assignment">Reported by a rule of these, not asked by itself.</param>
    public static LineRule[] Create(LineRule assignment)
    {
        var braces = new KernelBraces();
        return
        [
            new MalformedInclude(), new BraceOfInitialiser("OPEN_BRACE"), new BraceOfTag("OPEN_BRACE"), new TrailingStatement { Assignment = assignment },
            new TrailingStatementAfterLabel("TRAILING_STATEMENTS", TrailingStatementAfterLabel.Kind.Else, new("\telse b();"), new("\telse\n\t\tb();")),
            new TrailingStatementAfterLabel("TRAILING_STATEMENTS", TrailingStatementAfterLabel.Kind.ClosingBrace, new("\t} if (a) {\n\t\tb();\n\t}"), new("\t}\n\tif (a) {\n\t\tb();\n\t}"), "trailing statements should be on next line (or did you mean 'else if'?)"),
            new TrailingStatementAfterLabel("TRAILING_STATEMENTS", TrailingStatementAfterLabel.Kind.Case, new("\tcase 1: b();"), new("\tcase 1:\n\t\tb();")),
            new ElseAfterBrace(), new WhileAfterBrace(), braces, braces.SomeArms, braces.Single,
            new PatternRule("BRACES", Severity.Check, "Unbalanced braces around else statement", UnbalancedElse, "else", "One arm with braces calls for the other.", new("\t} else"), new("\t} else {"))
                { On = PatternRule.View.Spaced },
            new PatternRule("BRACES", Severity.Check, "Blank lines aren't necessary before a close brace '}'", CloseAlone, "}", "The brace separates.", new("\ta();\n\n}"), new("\ta();\n}"))
                { ShowsPrevious = true, Describe = (scan, _) => IsBlank(scan.PreviousRaw) ? "Blank lines aren't necessary before a close brace '}'" : null },
            new PatternRule("BRACES", Severity.Check, "Blank lines aren't necessary after an open brace '{'", Blank, "", "The brace separates.", new("int f(void)\n{\n\n\ta();\n}"), new("int f(void)\n{\n\ta();\n}"))
                { On = PatternRule.View.Raw, ShowsPrevious = true, Describe = (scan, _) => scan.Previous.Length > 1 && Scan.TrimEnd(scan.Previous).EndsWith("{") ? "Blank lines aren't necessary after an open brace '{'" : null },
            new PatternRule("OPEN_BRACE", Severity.Error, "open brace '{' following function definitions go on the next line", FunctionBrace, "{", "A brace in the first column marks a function's start.",
                new("static int f(int a) {\n\treturn a;\n}"), new("static int f(int a)\n{\n\treturn a;\n}")) { On = PatternRule.View.Spaced, When = scan => QuickLook.HasFunctionBrace(scan.SpacedText), Unless = ClosedOrDo },
            new PatternRule("IF_0", Severity.Warning, "Consider removing the code enclosed by this #if 0 and its #endif", IfZero, "#", "git remembers what was removed.", new("#if 0"), new("#ifdef A")),
            new PatternRule("IF_1", Severity.Warning, "Consider removing the #if 1 and its #endif", IfOne, "#", "It is always there.", new("#if 1"), new("#ifdef A")),
            new PatternRule("ARCH_DEFINES", Severity.Check, "architecture specific defines should be avoided", ArchitectureMacro, "__", "Kconfig says what is meant.", new("#if defined(__i386__)"), new("#ifdef CONFIG_X86"))
                { AppliesTo = file => !file.Contains("include/asm-", StringComparison.Ordinal) },
            new PatternRule("UAPI_INCLUDE", Severity.Error, "No #include in ...include/uapi/... should use a uapi/ path prefix", UserInclude, "uapi/", "The prefix is gone once the headers are installed.",
                new("#include <uapi/a.h>", "include/uapi/b.h"), new("#include <a.h>", "include/uapi/b.h")) { On = PatternRule.View.Raw, AppliesTo = file => file.Contains("include/uapi/", StringComparison.Ordinal) },
            new PatternRule("CVS_KEYWORD", Severity.Warning, "CVS style keyword markers, these will _not_ be updated", Keyword, "$", "git has no keywords.", new("/* $Id$ */"), new("/* a */")) { On = PatternRule.View.Raw },
            new PatternRule("LINE_CONTINUATIONS", Severity.Warning, "Avoid unnecessary line continuations", Continued, "\\", "Lines of C go on by themselves.", new("\ta = b + \\\n\t\tc;"), new("\ta = b +\n\t\tc;"))
                { Describe = (scan, _) => Directives.EndOfNamed(scan.Line, "define") >= 0 || (scan.Previous.Length > 1 && scan.Previous.EndsWith("\\")) ? null : "Avoid unnecessary line continuations" },
        ];
    }

    private static bool IsBlank(ReadOnlySpan<char> line) => !line.IsEmpty && Scan.OnlySpaceFrom(line, 1);

    [GeneratedRegex(@"^\+\t{6,}.*\b(?:(?:if|while|for|switch|[a-z_]*for_each[a-z_]+)\s*\(|do\b|else\b)")]
    private static partial Regex SixTabs();

    [GeneratedRegex(@"^.\s*(?:\}\s*else|else\s*\{)\s*$")]
    private static partial Regex UnbalancedElse();

    [GeneratedRegex(@"^.\s*\}\s*$")]
    private static partial Regex CloseAlone();

    [GeneratedRegex(@"^.\s*$")]
    private static partial Regex Blank();

    private static Func<Regex> FunctionBrace { get; } = LargePattern.Of(KernelC.Type + @"\s*" + KernelC.Name + @"\s*" + KernelC.Brackets + @"\s*\{");

    [GeneratedRegex(@"\}|#\s*define\b.*do\s*\{")]
    private static partial Regex ClosedOrDo();

    [GeneratedRegex(@"^.\s*#\s*if\s+0\b")]
    private static partial Regex IfZero();

    [GeneratedRegex(@"^.\s*#\s*if\s+1\b")]
    private static partial Regex IfOne();

    [GeneratedRegex(@"^.\s*#\s*if.*\b__(?:i386|powerpc64|sun|s390x)__")]
    private static partial Regex ArchitectureMacro();

    [GeneratedRegex(@"^.\s*#\s*include\s+[<""]uapi/.*["">]")]
    private static partial Regex UserInclude();

    [GeneratedRegex(@"^\+.*\$(?:Revision|Log|Id)(?:\$|)")]
    private static partial Regex Keyword();

    [GeneratedRegex(@"^\+(?!\s*#)(?!.*\b(?:__asm__|asm)\b).*\\$")]
    private static partial Regex Continued();
}

/// <summary>A brace, or a statement that a semicolon has cut off, on the line after a condition.</summary>
internal sealed partial class KernelBraceOnNextLine() : LineRule("OPEN_BRACE", Severity.Error, "that open brace { should be on the previous line")
{
    private readonly List<int> _condition = [];

    public override Explanation Explanation => new(
        "Control statements open their block on their own line; only functions do not.", new("\tif (a)\n\t{\n\t\tb();\n\t}"), new("\tif (a) {\n\t\tb();\n\t}"));

    public required LineRule Semicolon { get; init; }

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (line.Length > PatternRule.MaxLine || Directives.IsDirective(line) || !Opening().IsMatch(line))
            return;
        var before = Opening().Match(scan.LineText).Value;
        var level = scan.Statements.BracketedLines(scan.Number, scan.Remaining, '(', ')', outermost: false, _condition);
        var next = scan.Statements.IndexAfter(scan.Number, _condition.Count);
        if (!scan.Lines.Has(next) || _condition.Count == 0)
            return;
        var nextLine = scan.Clean[next];
        var braced = false;
        foreach (var index in _condition)
            braced |= scan.Lines[index].Contains('{');
        if (!braced && nextLine.StartsWith("+") && BraceOfInitialiser.StartsWithBrace(nextLine))
            scan.ReportWithText(this, Shown(scan, next));
        var last = Scan.TrimEnd(scan.Lines[_condition[^1]]);
        var cutOff = last.EndsWith(";") && Scan.TrimEnd(last[..^1]).EndsWith(")");
        if (level == 0 && cutOff && !EndOfDo().IsMatch(before) && Scan.Indent(nextLine) > scan.Indent)
            scan.ReportWithText(Semicolon, Shown(scan, next));
    }

    private string Shown(PatchScan scan, int next)
    {
        var text = new System.Text.StringBuilder();
        foreach (var index in _condition)
            text.Append(scan.Lines[index]).Append('\n');
        return text.Append(scan.Lines[next]).Append('\n').ToString();
    }

    [GeneratedRegex(@".*\b(?:(?:if|while|for|switch|[a-z_]*for_each[a-z_]+)\s*\(|do\b|else\b)")]
    private static partial Regex Opening();

    [GeneratedRegex(@"\}\s*while\s*\($")]
    private static partial Regex EndOfDo();
}

/// <summary>Braces that single statements do not need.</summary>
internal sealed class KernelBraces() : LineRule("BRACES", Severity.Warning, "braces {} are not necessary for any arm of this statement"), IHunkRule
{
    private readonly ValueList<Statement> _arms = new();
    /// <summary>Lines that were looked at as a part of what comes before them; null until there are any.</summary>
    private HashSet<int>? _judged;

    public override Explanation Explanation => new("They take a line and say nothing.", new("\tif (a) {\n\t\tb();\n\t} else {\n\t\tc();\n\t}"), new("\tif (a)\n\t\tb();\n\telse\n\t\tc();"));

    public ReportedRule SomeArms { get; } = new(
        "BRACES", Severity.Check, "braces {} should be used on all arms of this statement", "They are there where they help.",
        new("\tif (a) {\n\t\tb();\n\t\tc();\n\t} else\n\t\td();"), new("\tif (a) {\n\t\tb();\n\t\tc();\n\t} else {\n\t\td();\n\t}"));

    public ReportedRule Single { get; } = new(
        "BRACES", Severity.Warning, "braces {} are not necessary for single statement blocks", "They are there where they help.", new("\tif (a) {\n\t\tb();\n\t}"), new("\tif (a)\n\t\tb();"));

    public void BeginHunk() => _judged?.Clear();

    public override void Begin() => BeginHunk();

    public override void Check(PatchScan scan)
    {
        var code = scan.Line;
        var at = Scan.FindWord(code, "if");
        if (at >= 0 && !Scan.TrimEnd(code[..at]).EndsWith("else"))
            JudgeArms(scan);
        if (_judged?.Contains(scan.Number - 1) != true)
            JudgeSingle(scan);
    }

    private void JudgeArms(PatchScan scan)
    {
        scan.Statements.ArmsAt(scan.Number, scan.Remaining, 1, _arms, out var level);
        if (level != 0 || _arms.Count < 2)
            return;
        var (braced, exempt) = (0, 0);
        var line = scan.Number - 1;
        var text = new System.Text.StringBuilder();
        foreach (var arm in _arms.Items)
        {
            var condition = scan.Clean.Joined[arm.Start..Math.Max(arm.Start, arm.ConditionEnd)];
            var shown = line + condition[..Scan.SkipSpaceAndMarkers(condition, 0)].Count('\n');
            (_judged ??= []).Add(shown);
            text.Append(scan.Lines[shown]).Append("\n[...]\n");
            line += scan.Clean.Joined[arm.Start..arm.End].Count('\n');
            var block = scan.Clean.Joined[Math.Min(arm.Start + condition.Length, arm.End)..arm.End];
            if (BracesForAllArms.BeginsWithBrace(block, addedLines: false))
                braced++;
            if (BracesForAllArms.IsExempt(condition, block))
                exempt++;
        }
        if (braced == 0)
            return;
        if (exempt == 0)
            scan.ReportWithText(this, text.ToString());
        else if (exempt != _arms.Count && braced != _arms.Count)
            scan.ReportWithText(SomeArms, text.ToString());
    }

    private static readonly string[] s_controlWords = ["if", "while", "for", "else"];

    private void JudgeSingle(PatchScan scan)
    {
        var code = scan.Line;
        var at = -1;
        foreach (var word in s_controlWords)
        {
            if (Scan.FindWord(code, word) is >= 0 and var found && (at < 0 || found < at))
                at = found;
        }
        if (at < 0 || Scan.TrimEnd(code[..at]).EndsWith("}"))
            return;
        scan.Statements.ArmsAt(scan.Number, scan.Remaining, at, _arms, out var level);
        var first = _arms[0];
        var condition = scan.Clean.Joined[first.Start..Math.Max(first.Start, first.ConditionEnd)];
        var block = scan.Clean.Joined[Math.Min(first.Start + condition.Length, first.End)..first.End];
        if (level != 0 || !BracesForAllArms.BeginsWithBrace(block, addedLines: false) || BracesForAllArms.IsExempt(condition, block))
            return;
        if (_arms.Count > 1 && _arms[1] is var second && BracesForAllArms.BeginsWithBrace(scan.Clean.Joined[Math.Min(Math.Max(second.ConditionEnd, second.Start), second.End)..second.End], addedLines: false))
            return;
        scan.ReportWithText(Single, scan.RawLines(1 + block.Count('\n')));
    }
}
