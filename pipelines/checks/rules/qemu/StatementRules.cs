using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class AssignmentInCondition() : LineRule("ASSIGN_IN_IF", Severity.Error, "do not use assignment in if condition")
{
    public override Explanation Explanation => new(
        "It reads like a comparison.",
        new("    if ((a = f())) {\n        b();\n    }"),
        new("    a = f();\n    if (a) {\n        b();\n    }"));

    /// <summary>Called by <see cref="TrailingStatement"/> for conditions that it looks at.</summary>
    public override void Check(PatchScan scan)
    {
        var condition = scan.ConditionOf(scan.Statement);
        var at = Scan.FindCall(condition, "if", spaces: true);
        if (at < 0)
            return;
        var open = at + condition[at..].IndexOf('(');
        for (var i = open + 2; i + 1 < condition.Length; i++)
        {
            if (condition[i] == '=' && condition[i - 1] is not ('<' or '>' or '!' or '=') && condition[i + 1] != '=')
            {
                scan.Report(this);
                return;
            }
        }
    }
}

internal sealed class TrailingStatement() : LineRule("TRAILING_STATEMENTS", Severity.Error, "trailing statements should be on next line"), IHunkRule
{
    private HashSet<int>? _loopEnds;

    public override Explanation Explanation => new("A debugger cannot stop there, and readers pass over it.", new("    if (a) b();"), new("    if (a) {\n        b();\n    }"));

    public required LineRule Assignment { get; init; }

    /// <summary>Forgets the ends of do loops: a hunk begins.</summary>
    public void BeginHunk() => _loopEnds?.Clear();

    public override void Begin() => BeginHunk();

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (scan.HasStatement && HasDoWithoutBrace(code))
            NoteLoopEnd(scan);
        if (!scan.HasStatement || _loopEnds?.Contains(scan.Number) == true || Directives.IsDirective(code) || !HasCondition(code))
            return;
        Assignment.Check(scan);
        var statement = scan.Statement;
        if (!statement.HasCondition)
            return;
        var condition = scan.ConditionOf(statement);
        var rest = scan.BodyOf(statement);
        var end = rest.IndexOf('\n');
        if (IsOpeningOnly(end < 0 ? rest : rest[..end]) || SuspectIndent.EndsDoWhile(condition))
            return;
        var lines = condition.Count('\n');
        var last = lines == 0 ? "" : $"{scan.Lines[scan.Statements.IndexAfter(scan.Number, lines)]}\n";
        var ellipsis = lines > 1 ? "[...]\n" : "";
        scan.ReportWithText(this, $"{scan.Raw}\n{ellipsis}{last}");
    }

    private static bool HasCondition(ReadOnlySpan<char> code) =>
        Scan.FindCall(code, "if", spaces: true) >= 0 || Scan.FindCall(code, "while", spaces: true) >= 0 || Scan.FindCall(code, "for", spaces: true) >= 0;

    /// <summary>Whether <c>do</c> stands anywhere, in a word too, without a brace right after it.</summary>
    private static bool HasDoWithoutBrace(ReadOnlySpan<char> code)
    {
        for (var at = code.IndexOf("do"); at >= 0;)
        {
            // Of several spaces before a brace the pattern may take fewer, and then no brace follows.
            var next = at + 2;
            if (next >= code.Length || code[next] != '{')
                return true;
            var further = code[next..].IndexOf("do");
            at = further < 0 ? -1 : next + further;
        }
        return false;
    }

    private void NoteLoopEnd(PatchScan scan)
    {
        var statement = scan.Statement;
        var next = scan.Statements.StatementAt(statement.NextLine, statement.Remaining, statement.NextOffset);
        var text = scan.TextOf(next);
        var start = Scan.SkipSpace(text, 0);
        if (Scan.WordAt(text, start, "while"))
            (_loopEnds ??= []).Add(statement.NextLine + text[..start].Count('\n'));
    }

    /// <summary>Whether a line's end has nothing but a brace, comments and a continuation.</summary>
    private static bool IsOpeningOnly(ReadOnlySpan<char> text)
    {
        var brace = false;
        var continued = false;
        foreach (var c in text)
        {
            if (c == CleanText.Comment || Scan.IsSpace(c))
                continue;
            if (c == '{' && !brace && !continued)
                brace = true;
            else if (c == '\\')
                continued = true;
            else
                return false;
        }
        return true;
    }
}

internal sealed class HexadecimalBoolean() : LineRule("BOOLEAN_HEX", Severity.Error, "boolean test with hexadecimal, perhaps just 1 & or |?")
{
    public override Explanation Explanation => new("A mask that is tested with && is always true.", new("    b = (a && 0x10);"), new("    b = (a & 0x10);"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!code.Contains("&&", StringComparison.Ordinal) && !code.Contains("||", StringComparison.Ordinal))
            return;
        for (var at = 0; at + 2 < code.Length; at++)
        {
            if (code[at] != '0' || code[at + 1] is not ('x' or 'X') || !char.IsAsciiDigit(code[at + 2]))
                continue;
            var before = Scan.TrimEnd(code[..at]);
            var end = at + 2;
            while (end < code.Length && char.IsAsciiDigit(code[end]))
                end++;
            var after = code[Scan.SkipSpace(code, end)..];
            var operatorBefore = before.EndsWith("&&") || before.EndsWith("||");
            var operatorAfter = after.StartsWith("&&") || after.StartsWith("||");
            if (((operatorBefore || before.EndsWith("[") || before.EndsWith("(")) && operatorAfter)
                || (operatorBefore && (operatorAfter || after.StartsWith(")") || after.StartsWith("]"))))
            {
                scan.Report(this);
                return;
            }
        }
    }
}

/// <summary>Statements after <c>else</c>, <c>} if</c> and <c>case:</c>.</summary>
internal sealed class TrailingStatementAfterLabel(
    string id, TrailingStatementAfterLabel.Kind kind, Example bad, Example good, string message = "trailing statements should be on next line")
    : LineRule(id, Severity.Error, message)
{
    internal enum Kind
    {
        Else,
        ClosingBrace,
        Case,
    }

    public override Explanation Explanation => new("A debugger cannot stop there, and readers pass over it.", bad, good);

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        var found = kind switch
        {
            Kind.Else => HasStatementAfterElse(code),
            Kind.ClosingBrace => scan.Has('}') && HasIfAfterBrace(code),
            _ => scan.Has(':') && HasStatementAfterCase(code),
        };
        if (found)
            scan.Report(this);
    }

    private static bool HasStatementAfterElse(ReadOnlySpan<char> code)
    {
        if (code.IsEmpty)
            return false;
        var at = Scan.SkipSpace(code, 1);
        if (at < code.Length && code[at] == '}')
            at = Scan.SkipSpace(code, at + 1);
        if (!Scan.WordAt(code, at, "else"))
            return false;
        at += "else".Length;
        var rest = at;
        while (rest < code.Length && (Scan.IsSpace(code[rest]) || code[rest] == CleanText.Comment))
            rest++;
        var spaced = Scan.HasAny(code[at..rest], " \t\r\f\v");
        if (spaced && Scan.StartsAt(code, rest, "if"))
            return false;
        if (rest < code.Length && code[rest] == '{')
            rest = SkipSpaceAndComments(code, rest + 1);
        if (rest < code.Length && code[rest] == '\\')
            rest = SkipSpaceAndComments(code, rest + 1);
        return rest < code.Length;
    }

    private static int SkipSpaceAndComments(ReadOnlySpan<char> code, int at)
    {
        while (at < code.Length && (Scan.IsSpace(code[at]) || code[at] == CleanText.Comment))
            at++;
        return at;
    }

    private static bool HasIfAfterBrace(ReadOnlySpan<char> code)
    {
        for (var at = code.IndexOf('}'); at >= 0;)
        {
            if (Scan.WordAt(code, Scan.SkipSpace(code, at + 1), "if"))
                return true;
            var next = code[(at + 1)..].IndexOf('}');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    private static bool HasStatementAfterCase(ReadOnlySpan<char> code)
    {
        if (code.IsEmpty)
            return false;
        var at = Scan.SkipSpace(code, 1);
        int colon;
        if (Scan.StartsAt(code, at, "case"))
        {
            colon = code.LastIndexOf(':');
        }
        else if (Scan.StartsAt(code, at, "default"))
        {
            colon = Scan.SkipSpace(code, at + "default".Length);
            if (colon >= code.Length || code[colon] != ':')
                return false;
        }
        else
        {
            return false;
        }
        if (colon <= at)
            return false;
        at = colon + 1;
        var word = Scan.SkipSpace(code, at);
        if (Scan.StartsAt(code, word, "return") && word + 6 < code.Length && Scan.IsSpace(code[word + 6]))
            return false;
        at = SkipSpaceThenComments(code, at);
        var brace = Scan.SkipSpace(code, at);
        if (brace < code.Length && code[brace] == '{')
            at = brace + 1;
        at = SkipSpaceThenComments(code, at);
        var continuation = Scan.SkipSpace(code, at);
        if (continuation < code.Length && code[continuation] == '\\')
            at = continuation + 1;
        return !Scan.OnlySpaceFrom(code, at);
    }

    private static int SkipSpaceThenComments(ReadOnlySpan<char> code, int at)
    {
        at = Scan.SkipSpace(code, at);
        while (at < code.Length && code[at] == CleanText.Comment)
            at++;
        return at;
    }
}

internal sealed class ElseAfterBrace() : LineRule("ELSE_AFTER_BRACE", Severity.Error, "else should follow close brace '}'")
{
    public override Explanation Explanation => new("As for all braces of control statements.", new("    if (a) {\n        b();\n    }\n    else {\n        c();\n    }"), new("    if (a) {\n        b();\n    } else {\n        c();\n    }"));

    public override void Check(PatchScan scan)
    {
        if (Follows(scan, "else"))
            scan.ReportWithPrevious(this);
    }

    /// <summary>Whether a keyword begins the line, a brace ends the one before, and both are indented alike.</summary>
    public static bool Follows(PatchScan scan, string keyword) =>
        Scan.StartsAt(scan.Code, Scan.SkipSpace(scan.Code, 1), keyword) && scan.PreviousIndent == scan.Indent && Scan.TrimEnd(scan.Previous).EndsWith("}");
}

internal sealed class WhileAfterBrace() : LineRule("WHILE_AFTER_BRACE", Severity.Error, "while should follow close brace '}'")
{
    public override Explanation Explanation => new("The while of a do loop belongs to its brace.", new("    do {\n        b();\n    }\n    while (a);"), new("    do {\n        b();\n    } while (a);"));

    public override void Check(PatchScan scan)
    {
        if (!ElseAfterBrace.Follows(scan, "while") || !scan.HasStatement)
            return;
        var rest = scan.BodyOf(scan.Statement);
        var start = Scan.SkipSpace(rest, 0);
        if (start < rest.Length && rest[start] == ';' && !rest[..start].Contains('\n'))
            scan.ReportWithPrevious(this);
    }
}

internal sealed class BracesForAllArms() : LineRule("BRACES", Severity.Error, "braces {} are necessary for all arms of this statement")
{
    private readonly ValueList<Statement> _arms = new();
    /// <summary>Lines that were looked at as a part of what comes before them; null until there are any.</summary>
    private HashSet<int>? _judged;

    public override Explanation Explanation => new(
        "Every arm of a control statement has braces, so that a line that is added to it belongs to it.",
        new("    if (a)\n        b();\n    else\n        c();"),
        new("    if (a) {\n        b();\n    } else {\n        c();\n    }"));

    /// <summary>Reports a single arm without braces, on lines that this has not judged.</summary>
    public required LineRule SingleStatement { get; init; }

    public void BeginHunk() => _judged?.Clear();

    public override void Begin() => BeginHunk();

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        var conditionalDirective = HasIfDirective(code, out var elseDirective);
        if (!conditionalDirective && (Scan.HasWord(code, "if") || Scan.HasWord(code, "while") || Scan.HasWord(code, "for")))
            JudgeArms(scan);
        if (_judged?.Contains(scan.Number - 1) != true && !conditionalDirective && !elseDirective)
            JudgeSingle(scan);
    }

    /// <summary>Whether the line has <c>#if</c> or <c>#else</c>.</summary>
    private static bool HasIfDirective(ReadOnlySpan<char> code, out bool hasElse)
    {
        hasElse = false;
        var hasIf = false;
        for (var at = code.IndexOf('#'); at >= 0;)
        {
            var name = Scan.SkipSpace(code, at + 1);
            hasIf |= Scan.StartsAt(code, name, "if");
            hasElse |= Scan.StartsAt(code, name, "else");
            var next = code[(at + 1)..].IndexOf('#');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return hasIf;
    }

    private void JudgeArms(PatchScan scan)
    {
        var code = scan.Code;
        var allowed = code.Contains('}') && !code.Contains("else", StringComparison.Ordinal);
        scan.Statements.ArmsAt(scan.Number, scan.Remaining, 1, _arms, out var level);
        if (level != 0)
            return;
        var braced = 0;
        var line = scan.Number - 1;
        var text = new System.Text.StringBuilder();
        foreach (var arm in _arms.Items)
        {
            var condition = scan.Clean.Joined[arm.Start..Math.Max(arm.Start, arm.ConditionEnd)];
            var leading = condition[..Scan.SkipSpaceAndMarkers(condition, 0)].Count('\n');
            var shown = line + leading;
            (_judged ??= []).Add(shown);
            text.Append(scan.Lines[shown]).Append("\n[...]\n");
            line += scan.Clean.Joined[arm.Start..arm.End].Count('\n');
            var block = scan.Clean.Joined[Math.Min(arm.Start + condition.Length, arm.End)..arm.End];
            if (BeginsWithBrace(block, addedLines: true))
                braced++;
            allowed |= IsExempt(condition, block);
        }
        if (braced != _arms.Count && !allowed)
            scan.ReportWithText(this, text.ToString());
    }

    private void JudgeSingle(PatchScan scan)
    {
        var code = scan.Code;
        var at = FirstKeyword(code);
        if (at < 0)
            return;
        var before = Scan.TrimEnd(code[..at]);
        var afterBrace = before.EndsWith("}");
        if (afterBrace)
            at = before.Length - 1;
        var allowed = afterBrace && !code.Contains("else", StringComparison.Ordinal);
        scan.Statements.ArmsAt(scan.Number, scan.Remaining, at, _arms, out var level);
        var first = _arms[0];
        var condition = scan.Clean.Joined[first.Start..Math.Max(first.Start, first.ConditionEnd)];
        var block = scan.Clean.Joined[Math.Min(first.Start + condition.Length, first.End)..first.End];
        allowed |= IsExempt(condition, block);
        if (_arms.Count > 1)
        {
            var second = _arms[1];
            allowed |= BeginsWithBrace(scan.Clean.Joined[Math.Min(Math.Max(second.ConditionEnd, second.Start), second.End)..second.End], addedLines: false);
        }
        if (level != 0 || allowed || BeginsWithBrace(block, addedLines: false))
            return;
        var text = new System.Text.StringBuilder();
        var lines = 1 + block.Count('\n');
        for (var n = 0; n < lines; n++)
            text.Append(scan.Lines[scan.Statements.IndexAfter(scan.Number, n)]).Append('\n');
        scan.ReportWithText(SingleStatement, text.ToString());
    }

    private static readonly string[] s_controlWords = ["if", "while", "for", "else"];

    private static int FirstKeyword(ReadOnlySpan<char> code)
    {
        var first = -1;
        foreach (var word in s_controlWords)
        {
            var at = Scan.FindWord(code, word);
            if (at >= 0 && (first < 0 || at < first))
                first = at;
        }
        return first;
    }

    /// <summary>Whether a statement may do without braces: its condition or body has several lines or holds a further condition.</summary>
    internal static bool IsExempt(ReadOnlySpan<char> condition, ReadOnlySpan<char> block) =>
        TextLineCount(condition) > 1 || Scan.HasWord(block, "if") || Scan.HasWord(block, "for") || Scan.HasWord(block, "while") || BlockSize(block) > 1;

    /// <summary>Whether a block begins with a brace; a diff's marker may come before it.</summary>
    internal static bool BeginsWithBrace(ReadOnlySpan<char> block, bool addedLines)
    {
        var at = 0;
        while (at < block.Length && (Scan.IsSpace(block[at]) || (addedLines && block[at] == '+' && at > 0 && block[at - 1] == '\n')))
            at++;
        return at < block.Length && block[at] == '{';
    }

    /// <summary>Lines of a text whose own line starts are markers, blank ones at its ends not counted.</summary>
    private static int TextLineCount(ReadOnlySpan<char> text) => 1 + Trimmed(text).Count('\n');

    /// <summary>Lines or statements of a block, whichever is more.</summary>
    private static int BlockSize(ReadOnlySpan<char> block)
    {
        var text = Trimmed(block);
        if (text.StartsWith("{"))
            text = text[1..];
        if (text.EndsWith("}"))
            text = text[..^1];
        text = TrimMarked(text);
        return Math.Max(1 + text.Count('\n'), text.Count(';'));
    }

    private static ReadOnlySpan<char> Trimmed(ReadOnlySpan<char> text) => TrimMarked(text.IsEmpty || text[0] == '\n' ? text : text[1..]);

    /// <summary>Trims white space and the markers of lines that have nothing else.</summary>
    private static ReadOnlySpan<char> TrimMarked(ReadOnlySpan<char> text)
    {
        var start = 0;
        while (start < text.Length && (Scan.IsSpace(text[start]) || IsMarker(text, start)))
            start++;
        var end = text.Length;
        while (end > start && (Scan.IsSpace(text[end - 1]) || IsMarker(text, end - 1)))
            end--;
        return text[start..end];
    }

    private static bool IsMarker(ReadOnlySpan<char> text, int at) => at > 0 && text[at - 1] == '\n' && text[at] != '\n';
}

internal sealed class BracesForSingleStatement() : LineRule("BRACES_SINGLE", Severity.Error, "braces {} are necessary even for single statement blocks")
{
    public override Explanation Explanation => new(
        "As for all arms. This one is reported for an arm whose beginning is not in the patch.",
        new("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,3 +1,5 @@\n     if (a)\n         b();\n+    else\n+        d();\n     e();\n"),
        new("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,3 @@\n     if (a)\n         b();\n+    e();\n"));

    /// <summary>Reported by <see cref="BracesForAllArms"/>, which knows the lines that it has judged.</summary>
    public override void Check(PatchScan scan)
    {
    }
}
