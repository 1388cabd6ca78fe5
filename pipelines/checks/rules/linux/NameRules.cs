using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Names that mix upper and lower case, each once in a patch.</summary>
internal sealed partial class CamelCase() : LineRule("CAMELCASE", Severity.Check, "Avoid CamelCase")
{
    private readonly HashSet<string> _seen = [];

    public override Explanation Explanation => new("The kernel's names are words in lower case with underscores.", new("\tint fooBar;"), new("\tint foo_bar;"));

    public override void Begin() => _seen.Clear();

    public override void Check(PatchScan scan)
    {
        if (scan.Line.Length > PatternRule.MaxLine || !IsMixed(scan.Line))
            return;
        var line = scan.Line;
        for (var at = 0; at < line.Length;)
        {
            var number = NumberEnd(line, at);
            if (number > at)
            {
                at = number;
            }
            else if (Scan.IdentifierEnd(line, at) is > 0 and var end)
            {
                end = PlaceEnd(line, end);
                if (IsMixed(line[at..end]) && !IsUsual(line[at..end]))
                    CheckNames(scan, line[at..end]);
                at = end;
            }
            else
            {
                at++;
            }
        }
    }

    private void CheckNames(PatchScan scan, ReadOnlySpan<char> place)
    {
        for (var at = 0; at < place.Length; at++)
        {
            if ((at > 0 && Scan.IsWord(place[at - 1])) || Scan.IdentifierEnd(place, at) is not (> 0 and var end))
                continue;
            var name = place[at..end].ToString();
            at = end - 1;
            if (IsMixed(name) && _seen.Add(name) && scan.ReportsTaste)
                scan.Report(this, $"Avoid CamelCase: <{name}>");
        }
    }

    private static bool IsMixed(ReadOnlySpan<char> text)
    {
        for (var at = 1; at < text.Length; at++)
        {
            var (a, b) = (text[at - 1], text[at]);
            if ((char.IsAsciiLetterUpper(a) && char.IsAsciiLetterLower(b)) || (char.IsAsciiLetterLower(a) && char.IsAsciiLetterUpper(b)))
                return true;
        }
        return false;
    }

    /// <summary>The members and indices after a name.</summary>
    private static int PlaceEnd(ReadOnlySpan<char> line, int at)
    {
        while (at < line.Length)
        {
            var member = line[at] == '.' ? at + 1 : Scan.StartsAt(line, at, "->") ? at + 2 : -1;
            var end = member > 0 ? Scan.IdentifierEnd(line, member) : line[at] == '[' && line[at..].IndexOf(']') is > 0 and var close ? at + close + 1 : -1;
            if (end < 0)
                break;
            at = end;
        }
        return at;
    }

    /// <summary>The end of a number with its suffix; the position itself when there is none.</summary>
    private static int NumberEnd(ReadOnlySpan<char> line, int at)
    {
        if (!char.IsAsciiDigit(line[at]) && (line[at] != '.' || at + 1 == line.Length || !char.IsAsciiDigit(line[at + 1])))
            return at;
        foreach (var match in Number().EnumerateMatches(line[at..]))
            return at + match.Length;
        return at;
    }

    /// <summary>Generated names, page flags and units.</summary>
    private static bool IsUsual(ReadOnlySpan<char> place) => Usual().IsMatch(place);

    [GeneratedRegex(@"^(?:(?:[A-Z]+_){1,5}[A-Z]{1,3}[a-z]|(?:Clear|Set|TestClear|TestSet)?Page[A-Z]|(?:[a-z0-9_]*|[A-Z0-9_]*)_?[a-z][A-Z](?:_[a-z0-9_]+|_[A-Z0-9_]+)?$|[a-z_]*?_?(?:[KMGT]iB|[KMGT]?Hz)(?:_[a-z_]+)?$)")]
    private static partial Regex Usual();

    private const string Suffix = "(?:[lL]{2}[uU]|[uU][lL]{2}|[lL]{2}|[lL][uU]|[uU][lL]|[lL]|[uU])?";

    [GeneratedRegex(@"^(?:0[xX][0-9a-fA-F]+[pP]-?[0-9]+[fFlL]?|(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE]-?[0-9]+)?[fFlL]?|[0-9]+[eE]-?[0-9]+[fFlL]?|0[bB][01]+" + Suffix + "|0[0-7]+" + Suffix + "|0[xX][0-9a-fA-F]+" + Suffix + "|[0-9]+" + Suffix + ")")]
    private static partial Regex Number();
}

/// <summary>A string that says the name of the function that it stands in.</summary>
internal sealed class EmbeddedFunctionName() : LineRule("EMBEDDED_FUNCTION_NAME", Severity.Warning, "Prefer using '\"%s...\", __func__' to using this function's name in a string")
{
    private string? _function;

    public override Explanation Explanation => new(
        "The name changes, the string is forgotten.", new("int f(int a)\n{\n\tg(\"f: done\");\n}"), new("int f(int a)\n{\n\tg(\"%s: done\", __func__);\n}"));

    public override void Begin() => _function = null;

    /// <summary>git shows the function that a hunk begins in after the hunk's range.</summary>
    public void EnterHunk(ReadOnlySpan<char> header)
    {
        _function = null;
        var context = header.LastIndexOf("@@") is > 0 and var end ? header[Math.Min(end + 2, header.Length)..] : default;
        for (var open = context.IndexOf('('); open >= 0;)
        {
            var name = Scan.TrimEnd(context[..open]);
            var start = name.Length;
            while (start > 0 && Scan.IsWord(name[start - 1]))
                start--;
            if (start < name.Length)
            {
                _function = name[start..].ToString();
                return;
            }
            var next = context[(open + 1)..].IndexOf('(');
            open = next < 0 ? -1 : open + 1 + next;
        }
    }

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (line.Length > 1 && line[1] == '{' && Scan.OnlySpaceFrom(line, 2) && NameBefore(scan) is { } name)
            _function = name;
        else if (line.Length > 1 && line[1] == '}' && Scan.OnlySpaceFrom(line, 2))
            _function = null;
        if (_function is not null && scan.Has('"') && FirstString(line) is { Length: > 0 } place)
        {
            var text = scan.Raw[place.Start..Math.Min(place.Start + place.Length, scan.Raw.Length)];
            if (text.Length != _function.Length + 2 && Scan.HasWord(text, _function))
                scan.Report(this, $"Prefer using '\"%s...\", __func__' to using '{_function}', this function's name, in a string");
        }
        if (scan.StatementText is { Length: > 0 } statement && statement.Contains('{') && QuickLook.MayBeginFunction(statement) && Function().Match(statement) is { Success: true } match)
        {
            _function = match.Groups[1].Value;
            CheckBrace(scan, 1 + statement.AsSpan().Count('\n'));
        }
    }

    public ReportedRule Brace { get; } = new(
        "OPEN_BRACE", Severity.Error, "open brace '{' following function definitions go on the next line",
        "A brace in the first column marks a function's start.", new("int f(int a,\n      int b) {\n\treturn a;\n}"), new("int f(int a,\n      int b)\n{\n\treturn a;\n}"));

    /// <summary>Reports a brace that ends a definition's second or a further line.</summary>
    private void CheckBrace(PatchScan scan, int count)
    {
        var lines = 0;
        while (lines < count && scan.Statements.IndexAfter(scan.Number, lines++) is var index && scan.Lines.Has(index))
        {
            var line = scan.Lines[index];
            var brace = line.IndexOf('{');
            if (brace == 1 || (brace > 0 && lines == 1))
                return;
            if (brace > 0)
                break;
        }
        scan.ReportWithText(Brace, scan.RawLines(lines));
    }

    /// <summary>The function's name on the line before its opening brace.</summary>
    private static string? NameBefore(PatchScan scan)
    {
        var previous = scan.Previous;
        if (previous is not ['+', ..] || previous.Length > PatternRule.MaxLine || previous.IndexOf('(') <= 1)
            return null;
        return FunctionLine().Match(previous.ToString()) is { Success: true } match ? match.Groups[1].Value : null;
    }

    /// <summary>Where the first string of a blanked line stands, its quotes counted.</summary>
    internal static (int Start, int Length) FirstString(ReadOnlySpan<char> line)
    {
        for (var open = line.IndexOf('"'); open >= 0;)
        {
            var close = open + 1;
            while (close < line.Length && line[close] is 'X' or '\t')
                close++;
            if (close < line.Length && line[close] == '"')
                return open > 0 && line[open - 1] is 'L' or 'u' && (open == 1 || !Scan.IsWord(line[open - 2])) ? (open - 1, close + 2 - open) : (open, close + 1 - open);
            open = close < line.Length && line[close..].IndexOf('"') is >= 0 and var next ? close + next : -1;
        }
        return default;
    }

    private static Func<Regex> FunctionLine { get; } = LargePattern.Of(@"^\+(?:(?:(?:" + KernelC.Storage + "|" + KernelC.Inline + @")\s*)*\s*" + KernelC.Type + @"\s*)?(" + KernelC.Name + @")\(");

    private static Func<Regex> Function { get; } = LargePattern.Of(@"^.\s*(?:" + KernelC.Storage + @"\s+)?" + KernelC.Type + @"\s*(" + KernelC.Name + @")\s*" + KernelC.Brackets + @"\s*\{");
}

/// <summary>An export that does not follow what it exports.</summary>
internal sealed partial class ExportPlace() : LineRule("EXPORT_SYMBOL", Severity.Warning, "EXPORT_SYMBOL(foo); should immediately follow its function/variable"), IHunkRule
{
    /// <summary>How much of a statement is searched for the exported name.</summary>
    private const int MaxStatement = 4096;

    /// <summary>The line that was judged last, and how.</summary>
    private int _judged;
    private bool _misplaced;

    public override Explanation Explanation => new(
        "Who changes the function sees at once that others use it.", new("int f(int a)\n{\n}\nint b;\n\nEXPORT_SYMBOL(f);"), new("int f(int a)\n{\n}\nEXPORT_SYMBOL(f);"));

    public override void Begin() => _judged = 0;

    public void BeginHunk() => _judged = 0;

    public override void Check(PatchScan scan)
    {
        var (judged, misplaced) = (_judged == scan.Number, _misplaced);
        if (scan.StartsStatement)
            JudgeNext(scan);
        if (!judged && Scan.OnlySpaceFrom(scan.Previous, Math.Min(1, scan.Previous.Length)) && scan.Previous.Length > 0 && Exported(scan.Line) is not null)
            (judged, misplaced) = (true, true);
        if (judged && misplaced)
            scan.Report(this);
    }

    /// <summary>Looks from a statement at the line after it.</summary>
    private void JudgeNext(PatchScan scan)
    {
        var statement = scan.Statement;
        var next = statement.NextLine;
        var rest = scan.Clean[next - 1];
        if (statement.NextOffset >= rest.Length || Scan.OnlySpaceFrom(rest, statement.NextOffset))
            next++;
        if (!scan.Lines.Has(next - 1) || (next == _judged) || Exported(scan.Clean[next - 1]) is not { } name)
            return;
        var text = scan.TextOf(statement);
        (_judged, _misplaced) = (next, !EndsInColumnZero(text) && !Defines((text.Length > MaxStatement ? text[..MaxStatement] : text).ToString(), name));
    }

    /// <summary>What a line exports; null when it exports nothing.</summary>
    private static string? Exported(ReadOnlySpan<char> line)
    {
        var at = line.IndexOf("EXPORT_SYMBOL");
        if (at < 0)
            return null;
        var close = line.LastIndexOf(')');
        var open = close < 0 ? -1 : line[..close].LastIndexOf('(');
        if (open < at)
            return null;
        var name = Scan.SkipSpace(line, open + 1);
        return Scan.IdentifierEnd(line, name) is > 0 and var end ? line[name..end].ToString() : line[(open + 1)..close].ToString();
    }

    private static bool EndsInColumnZero(ReadOnlySpan<char> text)
    {
        text = Scan.TrimEnd(text);
        return text.Length > 2 && text[^1] == '}' && text[^3] == '\n';
    }

    private static bool Defines(string statement, string name)
    {
        // A macro that makes names with a prefix of its own.
        if (Maker().Match(statement) is { Success: true } made && name.EndsWith("_" + made.Groups[1].Value, StringComparison.Ordinal))
            return true;
        for (var at = Scan.FindWord(statement, name); at >= 0; at = Scan.FindWord(statement, name, at + 1))
        {
            var after = AfterName().Match(statement, at + name.Length);
            if (after.Success)
                return true;
            var before = Scan.TrimEnd(statement.AsSpan(0, at));
            if (before is [.., '('] && Scan.StartsAt(statement, at + name.Length, ")") && DefiningMacro().IsMatch(before))
                return true;
            if (PointerTo().IsMatch(before) && PointerEnd().Match(statement, at + name.Length).Success)
                return true;
        }
        return false;
    }

    [GeneratedRegex(@"^(?:.\s*\}\s*\n)?.[A-Z_]+\s*\(\s*(" + KernelC.Name + ")")]
    private static partial Regex Maker();

    private static Func<Regex> AfterName { get; } = LargePattern.Of(@"\G(?:\s+" + KernelC.Attribute + @")*\s*[;=\[(]");

    [GeneratedRegex(@"^.(?:(?:DEFINE|DECLARE)_" + KernelC.Name + @"|LIST_HEAD)\($")]
    private static partial Regex DefiningMacro();

    private static Func<Regex> PointerTo { get; } = LargePattern.Of("^.(?:" + KernelC.Storage + @"\s+)?" + KernelC.Type + @"\s*\(\s*\*$");

    [GeneratedRegex(@"\G\s*\)\s*\(")]
    private static partial Regex PointerEnd();
}

/// <summary>Parameters of a declared function that have no names.</summary>
internal sealed class UnnamedParameter() : LineRule("FUNCTION_ARGUMENTS", Severity.Warning, "function definition argument should also have an identifier name")
{
    /// <summary>How much of a declaration is looked at.</summary>
    private const int MaxDeclaration = 4096;

    public override Explanation Explanation => new("The name says what to pass.", new("int f(int);", "mm/x.h"), new("int f(int a);", "mm/x.h"));

    public ReportedRule OnNextLine { get; } = new(
        "FUNCTION_ARGUMENTS", Severity.Warning, "arguments for function declarations should follow identifier",
        "grep finds a function by its name and parenthesis.", new("int f\n(int a)\n{\n}"), new("int f(int a)\n{\n}"));

    public override void Check(PatchScan scan)
    {
        if (!scan.StartsStatement || !scan.Line[1..].ContainsAnyInRange('A', 'z'))
            return;
        var text = scan.TextOf(scan.Statement);
        if (text.Length > MaxDeclaration || !text.Contains('('))
            return;
        var declaration = Scan.TrimEnd(text) is [.., ';'];
        var split = text[..text.IndexOf('(')].Contains('\n') && scan.File.EndsWith(".c", StringComparison.Ordinal);
        if (!declaration && !split)
            return;
        var start = Scan.SkipSpace(text, 1);
        if (Scan.WordAt(text, start, "extern"))
            start = Scan.SkipSpace(text, start + "extern".Length);
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        var count = scan.Types.TypeEnds(text, start, ends);
        foreach (var end in ends[..count])
        {
            var name = Scan.SkipSpace(text, end);
            var after = NameEnd(text, name);
            if (after < 0)
                continue;
            var open = Scan.SkipSpace(text, after);
            if (open == text.Length || text[open] != '(')
                continue;
            if (split && text[after..open].Contains('\n') && text[name] != '(')
                scan.Report(OnNextLine);
            if (declaration)
                CheckParameters(scan, text[(open + 1)..]);
            return;
        }
    }

    /// <summary>The end of a function's name, or of a pointer to one in its parentheses.</summary>
    private static int NameEnd(ReadOnlySpan<char> text, int at)
    {
        if (at == text.Length || text[at] != '(')
            return Scan.IdentifierEnd(text, at);
        var star = Scan.SkipSpace(text, at + 1);
        if (star == text.Length || text[star] != '*')
            return -1;
        var end = Scan.IdentifierEnd(text, Scan.SkipSpace(text, star + 1));
        var close = end < 0 ? end : Scan.SkipSpace(text, end);
        return close >= 0 && close < text.Length && text[close] == ')' ? close + 1 : -1;
    }

    private void CheckParameters(PatchScan scan, ReadOnlySpan<char> rest)
    {
        rest = Scan.TrimEnd(Scan.TrimEnd(rest).TrimEnd(';'));
        if (rest is not [.., ')'] || rest.Contains('{'))
            return;
        var list = Scan.Trim(rest[..^1]);
        if (list is "void" or "")
            return;
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (var at = 0; at < list.Length;)
        {
            if (!Scan.IsIdentifierStart(list[at]) || scan.Types.TypeEnds(list, at, ends) == 0)
            {
                at++;
                continue;
            }
            var end = Math.Max(ends[0], at + 1);
            var name = Scan.SkipSpace(list, end);
            var named = ParameterNameEnd(list, name);
            var parameter = Scan.Trim(list[at..(named > 0 ? named : end)]);
            if (scan.Types.IsType(parameter) && !IsEnumeration(parameter))
                scan.Report(this, $"function definition argument '{parameter}' should also have an identifier name");
            at = named > 0 ? named : end;
        }
    }

    /// <summary>The end of a parameter's name, or of a function pointer with its parameters.</summary>
    private static int ParameterNameEnd(ReadOnlySpan<char> list, int at)
    {
        if (at == list.Length || list[at] != '(')
            return Scan.IdentifierEnd(list, at);
        var star = Scan.SkipSpace(list, at + 1);
        if (star == list.Length || list[star] != '*')
            return -1;
        var name = Scan.SkipSpace(list, star + 1);
        var close = Scan.SkipSpace(list, Math.Max(Scan.IdentifierEnd(list, name), name));
        if (close == list.Length || list[close] != ')')
            return -1;
        var open = Scan.SkipSpace(list, close + 1);
        if (open == list.Length || list[open] != '(')
            return -1;
        var depth = 0;
        for (var end = open; end < list.Length; end++)
        {
            depth += list[end] switch { '(' => 1, ')' => -1, _ => 0 };
            if (depth == 0)
                return end + 1;
        }
        return -1;
    }

    private static bool IsEnumeration(ReadOnlySpan<char> parameter)
    {
        var word = Scan.FindWord(parameter, "enum");
        return word >= 0 && Scan.SkipSpace(parameter, word + "enum".Length) is var name && Scan.IdentifierEnd(parameter, name) == parameter.Length;
    }
}
