using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class MacroWithStatements() : LineRule(
    "MULTISTATEMENT_MACRO_USE_DO_WHILE",
    Severity.Error,
    "Macros with multiple statements should be enclosed in a do - while loop")
{
    public override Explanation Explanation => new("After if without braces only the first statement would be conditional.", new("#define X(a) f(a); g(a)"), new("#define X(a) do { f(a); g(a); } while (0)"));

    /// <summary>Reports a value that is an expression without parentheses.</summary>
    public required LineRule ComplexValue { get; init; }

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        var define = Directives.EndOfNamed(code, "define");
        if (define < 0 || scan.File.EndsWith("/vmlinux.lds.h", StringComparison.Ordinal))
            return;
        var name = Scan.SkipSpace(code, define);
        var nameEnd = Scan.IdentifierEnd(code, name);
        if (nameEnd < 0)
            return;
        var macro = new MacroText(scan, hasParameters: nameEnd < code.Length && code[nameEnd] == '(');
        if (macro.Rest is not ("" or ","))
        {
            if (!HasWhile(macro.Rest) && !IsExempt(scan.Types, macro.Value))
                scan.ReportWithText(this, macro.Context + "\n");
        }
        else if (!macro.Context.Contains(';') && macro.Value.Length > 0 && !Flattening.IsNameOrNumber(macro.Value) && !IsExempt(scan.Types, macro.Value)
            && HasOperator(macro.Value))
        {
            scan.ReportWithText(ComplexValue, macro.Context + "\n");
        }
    }

    private static bool HasWhile(string text)
    {
        for (var at = text.IndexOf("while", StringComparison.Ordinal); at >= 0; at = text.IndexOf("while", at + 1, StringComparison.Ordinal))
        {
            var open = Scan.SkipSpace(text, at + "while".Length);
            if (open < text.Length && text[open] == '(')
                return true;
        }
        return false;
    }

    private static bool HasOperator(ReadOnlySpan<char> text) =>
        Scan.HasAny(text, "<>!~,^&|+-*/%") || text.Contains("==", StringComparison.Ordinal) || text.Contains("=>", StringComparison.Ordinal);

    private static bool IsExempt(TypeMatcher types, ReadOnlySpan<char> value) =>
        value.Contains("MODULE_PARAM_DESC", StringComparison.Ordinal) || MacroValue.IsNoExpression(types, value);
}

internal sealed class MacroComplexValue() : LineRule("COMPLEX_MACRO", Severity.Error, "Macros with complex values should be enclosed in parenthesis")
{
    public override Explanation Explanation => new("The operators around a use bind to the macro's parts.", new("#define X 1 + 2"), new("#define X (1 + 2)"));

    /// <summary>Reported by <see cref="MacroWithStatements"/>, which reads the macro.</summary>
    public override void Check(PatchScan scan)
    {
    }
}

/// <summary>A macro's definition: what it shows and what its first statement leaves.</summary>
internal readonly ref struct MacroText
{
    /// <summary>Lines that a definition may have.</summary>
    private const int MaxLines = 500;

    public MacroText(PatchScan scan, bool hasParameters)
    {
        var number = scan.Number;
        var count = scan.Remaining;
        var context = new System.Text.StringBuilder();
        var lines = 0;
        while (count > 0 && scan.Lines.Has(number - 1) && Continues(scan.Clean[number - 1]) && lines++ < MaxLines)
        {
            context.Append(scan.Lines[number - 1]).Append('\n');
            if (!CleanText.IsRemoved(scan.Clean[number - 1]))
                count--;
            number++;
        }
        context.Append(scan.Lines[number - 1]);
        Context = context.ToString();
        var statement = scan.Statements.StatementAt(scan.Number, number - scan.Number + 1, 0);
        Rest = ReadRest(scan, statement);
        Value = ReadValue(scan, statement, hasParameters);
    }

    /// <summary>The lines as they are in the patch.</summary>
    public string Context { get; }

    /// <summary>What follows the first statement.</summary>
    public string Rest { get; }

    /// <summary>The first statement, its brackets' contents each replaced by a number.</summary>
    public string Value { get; }

    private static bool Continues(ReadOnlySpan<char> line) => line is ['-', ..] || (line.Length >= 2 && line[^1] == '\\');

    private static string ReadRest(PatchScan scan, in Statement statement)
    {
        var rest = new System.Text.StringBuilder();
        var number = statement.NextLine;
        var count = statement.Remaining;
        var offset = statement.NextOffset;
        var lines = 0;
        while ((offset != 0 || (count > 0 && Scan.TrimEnd(rest.ToString()).EndsWith("\\"))) && lines++ < MaxLines)
        {
            var line = scan.Clean[number - 1];
            if (offset != 0 || !CleanText.IsRemoved(line))
            {
                rest.Append(offset < line.Length ? line[offset..] : default).Append('\n');
                count--;
            }
            number++;
            offset = 0;
        }
        return Join(rest.ToString());
    }

    private static string ReadValue(PatchScan scan, in Statement statement, bool hasParameters)
    {
        var text = scan.Clean.Joined[statement.Start..statement.End];
        if (hasParameters)
        {
            text = text[Math.Min(Math.Max(statement.ConditionEnd - statement.Start, 0), text.Length)..];
        }
        else
        {
            var define = Directives.EndOfNamed(text, "define");
            var name = define > 0 ? Scan.SkipSpace(text, define) : -1;
            var end = name > define ? Scan.IdentifierEnd(text, name) : -1;
            if (end > 0)
                text = text[Scan.SkipSpace(text, end)..];
        }
        var value = Join(text.ToString().Replace(CleanText.Comment.ToString(), "", StringComparison.Ordinal));
        while (Flattening.ReplaceInnermostOnce(ref value, '(', ')') || Flattening.ReplaceInnermostOnce(ref value, '{', '}') || Flattening.ReplaceBracketsOnce(ref value))
        {
        }
        return value;
    }

    /// <summary>The text without continuations, each with the next line's marker, and without spaces at its ends.</summary>
    private static string Join(string text)
    {
        var joined = new System.Text.StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '\\' && at + 2 < text.Length && text[at + 1] == '\n' && text[at + 2] != '\n')
                at += 2;
            else
                joined.Append(text[at]);
        }
        return Scan.Trim(joined.ToString()).ToString();
    }
}

internal sealed class BackslashThenSpace() : LineRule("LINE_CONTINUATION_SPACE", Severity.Error, "Whitespace after \\ makes next lines useless")
{
    public override Explanation Explanation => new("Only a backslash right before the line's end continues it.", new("#define X(a) \\ \n    f(a)"), new("#define X(a) \\\n    f(a)"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (code.Length < 3 || !Scan.IsSpace(code[^1]) || code[^2] != '\\')
            return;
        for (var at = code.IndexOf('#'); at >= 0;)
        {
            if (Scan.StartsAt(code, Scan.SkipSpace(code, at + 1), "define"))
            {
                scan.Report(this);
                return;
            }
            var next = code[(at + 1)..].IndexOf('#');
            at = next < 0 ? -1 : at + 1 + next;
        }
    }
}

internal sealed class RedundantCode() : LineRule("REDUNDANT_CODE", Severity.Error, "if this code is redundant consider removing it")
{
    public override Explanation Explanation => new("git remembers what was removed.", new("#if 0"), new("#ifdef CONFIG_LINUX"));

    public override void Check(PatchScan scan)
    {
        var end = Directives.EndOfNamed(scan.Code, "if");
        if (end < 0)
            return;
        var at = Scan.SkipSpace(scan.Code, end);
        if (at > end && Scan.WordAt(scan.Code, at, "0"))
            scan.Report(this);
    }
}

internal sealed class ConditionalSpacing() : LineRule("PREPROCESSOR_SPACE", Severity.Error, "exactly one space required after a conditional directive")
{
    public override Explanation Explanation => new("As everybody writes it.", new("#ifdef  CONFIG_LINUX"), new("#ifdef CONFIG_LINUX"));

    private static readonly string[] s_conditionals = ["ifdef", "ifndef", "elif"];

    public override void Check(PatchScan scan)
    {
        foreach (var word in s_conditionals)
        {
            var end = Directives.EndOfNamed(scan.Code, word);
            if (end > 0 && Scan.SkipSpace(scan.Code, end) > end + 1)
            {
                scan.Report(this, $"exactly one space required after that #{word}");
                return;
            }
        }
    }
}

internal sealed class ArchitectureDefine() : LineRule("ARCH_DEFINES", Severity.Warning, "architecture specific defines should be avoided")
{
    public override Explanation Explanation => new("The build system's CONFIG_ and TARGET_ symbols say what is meant.", new("#ifdef __x86_64__"), new("#ifdef CONFIG_LINUX"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        var end = Directives.EndOfNamed(code, "if");
        if (end < 0)
            return;
        for (var at = end; at + 1 < code.Length; at++)
        {
            if (code[at] == '_' && code[at + 1] == '_' && !Scan.IsWord(code[at - 1]))
            {
                scan.Report(this);
                return;
            }
        }
    }
}

internal sealed class MalformedInclude() : LineRule("MALFORMED_INCLUDE", Severity.Error, "malformed #include filename")
{
    public override Explanation Explanation => new("Some tools take a//b and a/b for two files.", new("#include \"qemu//osdep.h\""), new("#include \"qemu/osdep.h\""));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        var end = Directives.EndOfNamed(raw, "include");
        if (end < 0)
            return;
        var open = Scan.SkipSpace(raw, end);
        var close = raw.LastIndexOfAny('"', '>');
        if (open > end && open < raw.Length && raw[open] is '<' or '"' && close > open && raw[(open + 1)..close].Contains("//", StringComparison.Ordinal))
            scan.Report(this);
    }
}
