using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class SwitchCaseIndent() : LineRule("SWITCH_CASE_INDENT_LEVEL", Severity.Error, "switch and case should be at the same indent")
{
    private readonly List<int> _block = [];

    public override Explanation Explanation => new(
        "Saves a level of indentation.",
        new("    switch (a) {\n        case 1:\n        break;\n    }"),
        new("    switch (a) {\n    case 1:\n        break;\n    }"));

    public override void Check(PatchScan scan)
    {
        var at = Scan.FindCall(scan.Line, "switch", spaces: true);
        if (at < 0 || scan.Line.LastIndexOf(')') < at)
            return;
        scan.Statements.BracketedLines(scan.Number, scan.Remaining, '{', '}', outermost: true, _block);
        var text = new System.Text.StringBuilder();
        var separator = "";
        for (var i = 1; i < _block.Count; i++)
        {
            var line = scan.Lines[_block[i]];
            if (IsAddedLabel(line) && Scan.Indent(line) != scan.Indent)
            {
                text.Append(separator).Append(line).Append('\n');
                separator = "";
            }
            else
            {
                separator = "[...]\n";
            }
        }
        if (text.Length > 0)
            scan.ReportWithText(this, $"{scan.Raw}\n{text}");
    }

    private static bool IsAddedLabel(ReadOnlySpan<char> line)
    {
        if (!line.StartsWith("+"))
            return false;
        var at = Scan.SkipSpace(line, 1);
        return Scan.StartsAt(line, at, "default:")
            || (Scan.StartsAt(line, at, "case") && at + 4 < line.Length && Scan.IsSpace(line[at + 4]));
    }
}

/// <summary>What follows the condition of an <c>if</c> or loop, on the next line.</summary>
internal sealed class BraceOnNextLine() : LineRule("OPEN_BRACE", Severity.Error, "that open brace { should be on the previous line")
{
    private readonly List<int> _condition = [];

    public override Explanation Explanation => new(
        "Control statements open their block on their own line; only functions do not.",
        new("    if (a)\n    {\n        b();\n    }"),
        new("    if (a) {\n        b();\n    }"));

    /// <summary>Reports a lone semicolon that makes the indented line after it no part of the statement.</summary>
    public required LineRule TrailingSemicolon { get; init; }

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (Directives.IsDirective(line) || !TryFindKeyword(line, out var beforeCondition))
            return;
        var level = scan.Statements.BracketedLines(scan.Number, scan.Remaining, '(', ')', outermost: false, _condition);
        var next = scan.Statements.IndexAfter(scan.Number, _condition.Count);
        if (!scan.Lines.Has(next))
            return;
        var nextLine = scan.Clean[next];
        var last = scan.Lines[_condition[^1]];
        var context = new Lazy<string>(() => Join(scan, _condition));
        if (_condition.Count == 1 && !last.Contains('{') && nextLine.StartsWith("+") && StartsWithBrace(nextLine) && scan.Clean[next - 1].Length < 80)
            scan.ReportWithText(this, $"{context.Value}\n{scan.Lines[next]}\n");
        if (level == 0 && !EndsWithDoWhile(beforeCondition) && EndsWithSemicolon(last) && Scan.Indent(nextLine) > scan.Indent)
            scan.ReportWithText(TrailingSemicolon, $"{context.Value}\n{scan.Lines[next]}\n");
    }

    private static readonly string[] s_controlWords = ["if", "while", "for", "switch"];

    /// <summary>The last control keyword on the line, with what comes before its condition.</summary>
    private static bool TryFindKeyword(ReadOnlySpan<char> line, out ReadOnlySpan<char> beforeCondition)
    {
        beforeCondition = default;
        for (var at = line.Length - 1; at >= 0; at--)
        {
            if (line[at] is not ('i' or 'w' or 'f' or 's' or 'd' or 'e') || !Scan.IsBoundary(line, at))
                continue;
            foreach (var word in s_controlWords)
            {
                if (!Scan.StartsAt(line, at, word))
                    continue;
                var open = Scan.SkipSpace(line, at + word.Length);
                if (open < line.Length && line[open] == '(')
                {
                    beforeCondition = line[..(open + 1)];
                    return true;
                }
            }
            if (Scan.WordAt(line, at, "do") || Scan.WordAt(line, at, "else"))
            {
                beforeCondition = line[..Scan.WordEnd(line, at)];
                return true;
            }
        }
        return false;
    }

    private static bool StartsWithBrace(ReadOnlySpan<char> line)
    {
        var at = Scan.SkipSpace(line, 1);
        return at < line.Length && line[at] == '{';
    }

    private static bool EndsWithDoWhile(ReadOnlySpan<char> text)
    {
        if (!text.EndsWith("("))
            return false;
        text = Scan.TrimEnd(text[..^1]);
        if (!text.EndsWith("while"))
            return false;
        return Scan.TrimEnd(text[..^"while".Length]).EndsWith("}");
    }

    private static bool EndsWithSemicolon(ReadOnlySpan<char> text)
    {
        text = Scan.TrimEnd(text);
        return text.EndsWith(";") && Scan.TrimEnd(text[..^1]).EndsWith(")");
    }

    private static string Join(PatchScan scan, List<int> lines)
    {
        var text = new System.Text.StringBuilder();
        foreach (var index in lines)
            text.Append(text.Length > 0 ? "\n" : "").Append(scan.Lines[index]);
        return text.ToString();
    }
}

internal sealed class TrailingSemicolon(Severity severity = Severity.Error) : LineRule("TRAILING_SEMICOLON", severity, "trailing semicolon indicates no statements, indent implies otherwise")
{
    public override Explanation Explanation => new("The indented line is run whatever the condition says.", new("    if (a);\n        b();"), new("    if (a) {\n        b();\n    }"));

    /// <summary>Reported by <see cref="BraceOnNextLine"/>, which finds the condition's end.</summary>
    public override void Check(PatchScan scan)
    {
    }
}

internal sealed class SemicolonAfterWhileZero() : LineRule("WHILE_0_SEMICOLON", Severity.Error, "suspicious ; after while (0)")
{
    public override Explanation Explanation => new(
        "do … while (0) makes a macro behave as a statement only if the semicolon is left to its user.",
        new("#define X() do { a(); b(); } while (0);"),
        new("#define X() do { a(); b(); } while (0)"));

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        for (var at = line.IndexOf("while"); at >= 0;)
        {
            var open = Scan.SkipSpace(line, at + "while".Length);
            if (Scan.StartsAt(line, open, "(0);") || Scan.StartsAt(line, open, "(false);"))
            {
                scan.Report(this);
                return;
            }
            var next = line[(at + 1)..].IndexOf("while");
            at = next < 0 ? -1 : at + 1 + next;
        }
    }
}

internal sealed class DoubleSemicolon() : LineRule("ONE_SEMICOLON", Severity.Error, "superfluous trailing semicolon")
{
    public override Explanation Explanation => new("An empty statement that nobody meant.", new("    a();;"), new("    a();"));

    public override void Check(PatchScan scan)
    {
        if (scan.Line.EndsWith(";;"))
            scan.Report(this);
    }
}

internal sealed class SuspectIndent(Severity severity = Severity.Error) : LineRule("SUSPECT_CODE_INDENT", severity, "suspect code indent for conditional statements")
{
    public override Explanation Explanation => new(
        "The body of a conditional is indented by four spaces more than it, or it looks as if it were no part of it.",
        new("    if (a) {\n      b();\n    }"),
        new("    if (a) {\n        b();\n    }"));

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (!scan.HasStatement || Directives.IsDirective(line) || !(HasLoopOrCondition(line) || (Severity == Severity.Warning && HasKernelLoop(line))) || EndsDoWhile(line))
            return;
        var statement = scan.Statement;
        var lines = scan.ConditionOf(statement).Count('\n');
        var text = WithoutMarkers(scan.BodyOf(statement));
        // Linux passes over comments before the body, QEMU takes them for it.
        var body = (Severity == Severity.Warning ? text.Replace(CleanText.Comment, ' ') : text).AsSpan();
        var check = SkipOpening(ref body, ref lines, out var continued);
        var previous = scan.Previous;
        if (!continued && (IsDefine(previous) || Scan.TrimEnd(previous).EndsWith("\\")))
            check = false;
        SkipLabelsAndDirectives(ref body, ref lines, ref check);
        var indent = Scan.Columns(body[..Scan.SkipSpace(body, 0)]);
        var index = scan.Statements.IndexAfter(scan.Number, lines);
        if (!scan.Lines.Has(index) || (!scan.IsAdded && !scan.Lines[index].StartsWith("+")))
            check = false;
        if (!check || (Severity == Severity.Error ? indent % 4 == 0 && (indent > scan.Indent || body.IsEmpty) : IsKernelIndent(scan.Indent, indent, body)))
            return;
        var ellipsis = lines > 1 ? "[...]\n" : "";
        scan.ReportWithText(
            this,
            $"{scan.Raw}\n{ellipsis}{scan.Lines[index]}\n",
            $"suspect code indent for conditional statements ({scan.Indent}, {indent})");
    }

    /// <summary>Whether a body is indented by at most one tab stop, or a brace or else not at all.</summary>
    private static bool IsKernelIndent(int outer, int indent, ReadOnlySpan<char> body)
    {
        if (body.IsEmpty)
            return true;
        var start = Scan.SkipSpace(body, 0);
        var closes = start < body.Length && (body[start] is '}' or '{' || Scan.WordAt(body, start, "else"));
        return indent % 8 == 0 && indent >= outer && (indent != outer || closes) && indent <= outer + 8;
    }

    /// <summary>How much of a body is looked at for its first statement.</summary>
    private const int MaxBody = 4096;

    /// <summary>The text with the marker at each line's start removed.</summary>
    private static string WithoutMarkers(ReadOnlySpan<char> text)
    {
        if (text.Length > MaxBody)
            text = text[..MaxBody];
        var kept = new System.Text.StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            kept.Append(text[at]);
            if (text[at] == '\n')
                at++;
        }
        return kept.ToString();
    }

    /// <summary>Passes over <c>do</c>, the brace and the line's end; false when the body begins on the condition's line.</summary>
    private static bool SkipOpening(ref ReadOnlySpan<char> body, ref int lines, out bool continued)
    {
        var lineEnd = body.IndexOf('\n');
        var firstLine = lineEnd < 0 ? body : body[..lineEnd];
        var from = 0;
        for (var at = Scan.FindWord(firstLine, "do"); at >= 0; at = Scan.FindWord(firstLine, "do", at + 1))
            from = at + 2;
        body = body[from..];
        SkipSpaceAnd('{', ref body);
        continued = SkipSpaceAnd('\\', ref body);
        var end = EndOfBlankLine(body);
        if (end < 0)
            return false;
        body = body[end..];
        lines++;
        return true;
    }

    private static bool SkipSpaceAnd(char character, ref ReadOnlySpan<char> text)
    {
        var at = Scan.SkipSpace(text, 0);
        if (at >= text.Length || text[at] != character)
            return false;
        text = text[(at + 1)..];
        return true;
    }

    /// <summary>The position after a first line that is blank; -1 when it is not.</summary>
    private static int EndOfBlankLine(ReadOnlySpan<char> text)
    {
        var end = text.IndexOf('\n');
        return end >= 0 && Scan.OnlySpaceFrom(text[..end], 0) ? end + 1 : -1;
    }

    /// <summary>Goes to the first line that is a statement. Directives that have arms end the search.</summary>
    private static void SkipLabelsAndDirectives(ref ReadOnlySpan<char> body, ref int lines, ref bool check)
    {
        var continued = false;
        var before = -1;
        while (before != lines)
        {
            before = lines;
            var start = Scan.SkipSpace(body, 0);
            var name = Directives.NameAt(body, start);
            if (name >= 0 && (Scan.StartsAt(body, name, "else") || Scan.StartsAt(body, name, "elif")))
                check = false;
            if (!continued && EndOfBlankLine(body) < 0 && name < 0 && !IsLabel(body, start))
                continue;
            var end = body.IndexOf('\n');
            continued = end > 0 && body[end - 1] == '\\';
            if (end < 0)
                continue;
            body = body[(end + 1)..];
            lines++;
        }
    }

    private static bool IsLabel(ReadOnlySpan<char> text, int at)
    {
        var end = Scan.IdentifierEnd(text, at);
        if (end < 0)
            return false;
        end = Scan.SkipSpace(text, end);
        return end < text.Length && text[end] == ':';
    }

    private static bool HasLoopOrCondition(ReadOnlySpan<char> line) =>
        Scan.FindCall(line, "if", spaces: true) >= 0 || Scan.FindCall(line, "while", spaces: true) >= 0 || Scan.FindCall(line, "for", spaces: true) >= 0
        || Scan.HasWord(line, "do");

    /// <summary>What Linux's checker counts among the conditions too: <c>else</c>, and its macros of loops.</summary>
    private static bool HasKernelLoop(ReadOnlySpan<char> line)
    {
        if (Scan.HasWord(line, "else"))
            return true;
        var at = line.IndexOf("for_each");
        var end = at < 0 ? 0 : Scan.WordEnd(line, at);
        return at >= 0 && end > at + "for_each".Length && Scan.SkipSpace(line, end) is var open && open < line.Length && line[open] == '(';
    }

    /// <summary>Whether the line has <c>} while</c>.</summary>
    public static bool EndsDoWhile(ReadOnlySpan<char> line)
    {
        for (var at = line.IndexOf('}'); at >= 0;)
        {
            if (Scan.StartsAt(line, Scan.SkipSpace(line, at + 1), "while"))
                return true;
            var next = line[(at + 1)..].IndexOf('}');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    private static bool IsDefine(ReadOnlySpan<char> line)
    {
        var end = Directives.EndOfNamed(line, "define");
        return end > 0 && end < line.Length && Scan.IsSpace(line[end]);
    }
}

internal sealed class BraceOfInitialiser(string id = "INITIALISER_BRACE") : LineRule(id, Severity.Error, "that open brace { should be on the previous line")
{
    public override Explanation Explanation => new("As for control statements.", new("static const int a[] =\n{\n    1,\n};"), new("static const int a[] = {\n    1,\n};"));

    public override void Check(PatchScan scan)
    {
        if (!StartsWithBrace(scan.Line))
            return;
        var previous = Scan.TrimEnd(scan.Previous);
        if (previous.EndsWith("=") && (previous.Length == 1 || previous[^2] != '='))
            scan.ReportWithPrevious(this);
    }

    public static bool StartsWithBrace(ReadOnlySpan<char> line)
    {
        if (line.IsEmpty)
            return false;
        var at = Scan.SkipSpace(line, 1);
        return at < line.Length && line[at] == '{';
    }
}

internal sealed class BraceOfFunction() : LineRule("FUNCTION_BRACE", Severity.Error, "open brace '{' following function declarations go on the next line")
{
    public override Explanation Explanation => new("A brace in the first column marks a function's start.", new("static int f(int a) {\n    return a;\n}"), new("static int f(int a)\n{\n    return a;\n}"));

    public override void Check(PatchScan scan)
    {
        var line = scan.Code;
        if (!scan.Has('{') || !scan.Has('(') || line.Contains('}') || !HasSpaceBeforeBraceAfterParenthesis(line, out var lastOpen))
            return;
        if (IsDoDefine(line))
            return;
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (var at = 0; at < lastOpen; at++)
        {
            if (!Scan.IsIdentifierStart(line[at]))
                continue;
            var count = scan.Types.TypeEnds(line, at, ends);
            foreach (var end in ends[..count])
            {
                var name = Scan.IdentifierEnd(line, Scan.SkipSpace(line, end));
                if (name > 0 && name <= lastOpen && line[name] == '(')
                {
                    scan.Report(this);
                    return;
                }
            }
        }
    }

    /// <summary>Whether the line has <c>(…) {</c>, a space before the brace; and up to where the parenthesis can open.</summary>
    private static bool HasSpaceBeforeBraceAfterParenthesis(ReadOnlySpan<char> line, out int lastOpen)
    {
        lastOpen = -1;
        for (var brace = line.LastIndexOf('{'); brace > 0; brace = line[..brace].LastIndexOf('{'))
        {
            if (!Scan.IsSpace(line[brace - 1]))
                continue;
            var close = line[..(brace - 1)].LastIndexOf(')');
            lastOpen = close < 0 ? -1 : line[..close].LastIndexOf('(');
            return lastOpen >= 0;
        }
        return false;
    }

    private static bool IsDoDefine(ReadOnlySpan<char> line)
    {
        for (var at = line.IndexOf('#'); at >= 0;)
        {
            var name = Scan.SkipSpace(line, at + 1);
            if (Scan.StartsAt(line, name, "define"))
            {
                var rest = line[name..];
                var brace = rest.LastIndexOf('{');
                for (; brace > 0; brace = rest[..brace].LastIndexOf('{'))
                {
                    if (brace >= 3 && Scan.IsSpace(rest[brace - 1]) && rest[..(brace - 1)].EndsWith("do"))
                        return true;
                }
            }
            var next = line[(at + 1)..].IndexOf('#');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }
}

internal sealed class BraceOfTag(string id = "TAG_BRACE") : LineRule(id, Severity.Error, "open brace '{' following struct go on the same line")
{
    public override Explanation Explanation => new("As for control statements.", new("struct a\n{\n    int b;\n};"), new("struct a {\n    int b;\n};"));

    public override void Check(PatchScan scan)
    {
        if (!BraceOfInitialiser.StartsWithBrace(scan.Code) || scan.Previous.IsEmpty)
            return;
        var previous = scan.Previous;
        var at = TagKeyword(previous, out var keyword);
        if (at < 0)
            return;
        var end = at;
        var name = Scan.SkipSpace(previous, at);
        if (name > at && Scan.IdentifierEnd(previous, name) is > 0 and var nameEnd)
            end = nameEnd;
        if (Scan.OnlySpaceFrom(previous, end))
            scan.ReportWithPrevious(this, $"open brace '{{' following {keyword} go on the same line");
    }

    private static readonly string[] s_tagged = ["enum", "union", "struct"];

    /// <summary>The position after <c>typedef</c>, when there, and <c>enum</c>, <c>union</c> or <c>struct</c> at a line's start; -1 when there is none.</summary>
    public static int TagKeyword(ReadOnlySpan<char> line, out string keyword)
    {
        keyword = "";
        if (line.IsEmpty)
            return -1;
        var at = Scan.SkipSpace(line, 1);
        if (Scan.StartsAt(line, at, "typedef") && Scan.SkipSpace(line, at + 7) > at + 7)
            at = Scan.SkipSpace(line, at + 7);
        foreach (var word in s_tagged)
        {
            if (Scan.StartsAt(line, at, word))
            {
                keyword = word;
                return at + word.Length;
            }
        }
        return -1;
    }
}

internal sealed class SpaceAfterTag(string id = "TAG_SPACING", Severity severity = Severity.Error) : LineRule(id, severity, "missing space after struct definition")
{
    public override Explanation Explanation => new("The brace opens a block.", new("struct a{\n    int b;\n};"), new("struct a {\n    int b;\n};"));

    public override void Check(PatchScan scan)
    {
        var line = scan.Code;
        if (!scan.Has('{') && !scan.Has('='))
            return;
        var at = BraceOfTag.TagKeyword(line, out var keyword);
        if (at < 0)
            return;
        for (var words = 0; words < 3; words++)
        {
            if (at < line.Length && line[at] is '=' or '{')
            {
                scan.Report(this, $"missing space after {keyword} definition");
                return;
            }
            var name = Scan.SkipSpace(line, at);
            var end = name > at ? Scan.IdentifierEnd(line, name) : -1;
            if (end < 0)
                return;
            at = end;
        }
    }
}
