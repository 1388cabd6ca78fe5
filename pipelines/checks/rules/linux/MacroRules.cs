using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>A macro whose value comes apart where it is used. Reads each definition once, for the other rules of macros too.</summary>
internal sealed partial class ComplexMacro() : LineRule("COMPLEX_MACRO", Severity.Error, "Macros with complex values should be enclosed in parentheses")
{
    private readonly MacroParameters _parameters = new();

    public override Explanation Explanation => new("The operators around a use bind to the macro's parts.", new("#define X 1 + 2"), new("#define X (1 + 2)"));

    public ReportedRule StartsWithIf { get; } = new(
        "MULTISTATEMENT_MACRO_USE_DO_WHILE", Severity.Error, "Macros starting with if should be enclosed by a do - while loop to avoid possible if/else logic defects",
        "An else after the macro would belong to its if.", new("#define X(a) if (a) f()"), new("#define X(a) do { if (a) f(); } while (0)"));

    public ReportedRule SeveralStatements { get; } = new(
        "MULTISTATEMENT_MACRO_USE_DO_WHILE", Severity.Error, "Macros with multiple statements should be enclosed in a do - while loop",
        "After if without braces only the first statement would be conditional.", new("#define X(a) f(a); g(a)"), new("#define X(a) do { f(a); g(a); } while (0)"));

    public ReportedRule FlowControl { get; } = new(
        "MACRO_WITH_FLOW_CONTROL", Severity.Warning, "Macros with flow control statements should be avoided",
        "Who reads the caller does not see that it may return.", new("#define X(a) do { if (a) return; } while (0)"), new("#define X(a) do { if (a) f(); } while (0)"));

    public ReportedRule SingleStatement { get; } = new(
        "SINGLE_STATEMENT_DO_WHILE_MACRO", Severity.Warning, "Single statement macros should not use a do {} while (0) loop",
        "One statement needs no loop around it.", new("#define X(a) do { f(a); } while (0)"), new("#define X(a) f(a)"));

    public ReportedRule LoopWithSemicolon { get; } = new(
        "DO_WHILE_MACRO_WITH_TRAILING_SEMICOLON", Severity.Warning, "do {} while (0) macros should not be semicolon terminated",
        "The user's semicolon would be a second statement, and cut an else off.", new("#define X(a) do { f(a); g(a); } while (0);"), new("#define X(a) do { f(a); g(a); } while (0)"));

    public ReportedRule Semicolon { get; } = new(
        "TRAILING_SEMICOLON", Severity.Warning, "macros should not use a trailing semicolon",
        "The user writes one.", new("#define X f();"), new("#define X f()"));

    public LineRule[] All => [this, StartsWithIf, SeveralStatements, _parameters.Reused, _parameters.Precedence, FlowControl, SingleStatement, LoopWithSemicolon, Semicolon];

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('#') || scan.File.EndsWith("/vmlinux.lds.h", StringComparison.Ordinal) || MacroDefinition.Read(scan) is not { } macro)
            return;
        var body = macro.Joined();
        var value = MacroFlattening.Flatten(body);
        if (value.Length > 0 && !IsPlain(value) && !IsExempt(scan.Types, value) && !Tracing().IsMatch(macro.Text))
            scan.ReportWithText(value.StartsWith("if", StringComparison.Ordinal) && Scan.WordAt(value, 0, "if") ? StartsWithIf : value.Contains(';') ? SeveralStatements : this, macro.Shown(scan));
        if (scan.ReportsTaste && macro.Parameters.Count > 0)
            _parameters.Check(scan, macro, body);
        if (HasFlowControl(macro.Text))
            scan.ReportWithText(FlowControl, macro.Shown(scan));
        CheckLoop(scan, macro);
    }

    private void CheckLoop(PatchScan scan, MacroDefinition macro)
    {
        var body = Scan.TrimEnd(macro.Joined());
        if (macro.HasParameters && TryReadLoop(body, out var statements, out var semicolons))
        {
            if (statements.Count(';') == 1 && !Control().IsMatch(statements))
                scan.ReportWithText(SingleStatement, macro.Shown(scan));
            if (semicolons)
                scan.ReportWithText(LoopWithSemicolon, macro.Shown(scan));
        }
        else if (body.EndsWith(";"))
        {
            scan.ReportWithText(Semicolon, macro.Shown(scan));
        }
    }

    private static readonly string[] s_loopEnd = [")", "0", "(", "while", "}"];

    /// <summary>What stands in the braces of <c>do { } while (0)</c>; false when the body is something else.</summary>
    private static bool TryReadLoop(ReadOnlySpan<char> body, out ReadOnlySpan<char> statements, out bool semicolons)
    {
        statements = default;
        var end = body.TrimEnd("; \t\n\r\f\v");
        semicolons = end.Length < body.Length;
        if (!body.StartsWith("do") || Scan.SkipSpace(body, 2) is var open && (open == body.Length || body[open] != '{'))
            return false;
        foreach (var word in s_loopEnd)
        {
            if (!end.EndsWith(word))
                return false;
            end = Scan.TrimEnd(end[..^word.Length]);
        }
        statements = end.Length > open ? end[(open + 1)..] : default;
        return end.Length > open;
    }

    private static bool HasFlowControl(ReadOnlySpan<char> text)
    {
        if (!Scan.HasWord(text, "return") && !Scan.HasWord(text, "goto"))
            return false;
        // What pastes names together makes functions.
        return !text.Contains("##", StringComparison.Ordinal) || PastedArguments().IsMatch(text);
    }

    /// <summary>One operand, one call, or a whole control statement.</summary>
    private static bool IsPlain(string value) => Plain().IsMatch(value) || Statement().IsMatch(value);

    private static bool IsExempt(TypeMatcher types, string value) =>
        value[0] == '[' || value.Contains("MODULE_PARM_DESC", StringComparison.Ordinal) || MacroValue.IsNoExpression(types, value);

    private const string Name = @"[A-Za-z_]\w*(?>(?:\s*##\s*[A-Za-z_]\w*)*)";

    private const string Place = Name + @"(?>(?:->" + Name + @"|\." + Name + @"|\[[^\]]*\])*)";

    private const string Number = @"(?>(?:0[xX][0-9A-Fa-f]+(?:[pP]-?[0-9]+)?|0[bB][01]+|[0-9]*\.[0-9]+(?:[eE]-?[0-9]+)?|[0-9]+\.?(?:[eE]-?[0-9]+)?)[uUlLfF]{0,3})";

    private static Func<Regex> Plain { get; } = LargePattern.Of(@"^(?:(?:" + Name + "|-?" + Number + @")[,;]|[!~-]?(?:" + Place + "|" + Number + @")|'X'|'XX'|\#\s*" + Name + @"\s*|\#\s*" + Number + @"\s*)$");

    private static Func<Regex> Statement { get; } = LargePattern.Of(@"^(?:do\s*" + Number + @"\s*while\s*" + Number + @";?$|while\s*" + Number + @"\s*" + Number + @"\s*$|for\s*" + Number + @"(?:\s+(?:" + Name + "|-?" + Number + @"))?$|do\s*\{|\(\{)");

    [GeneratedRegex(@"^.\s*\#\s*define\s+TRACE_(?:SYSTEM|INCLUDE_FILE|INCLUDE_PATH)\b")]
    private static partial Regex Tracing();

    [GeneratedRegex(@"\#\#\s*(?:__VA_ARGS__|args)\b")]
    private static partial Regex PastedArguments();

    [GeneratedRegex(@"^\s*(?:if|while|for|switch)\b")]
    private static partial Regex Control();
}

/// <summary>How a macro uses its parameters, which are put in as text.</summary>
internal sealed class MacroParameters
{
    public ReportedRule Reused { get; } = new(
        "MACRO_ARG_REUSE", Severity.Check, "Macro argument reuse - possible side-effects?",
        "An argument like i++ would be evaluated twice.", new("#define X(a) ((a) + (a))"), new("#define X(a) ((a) + 1)"));

    public ReportedRule Precedence { get; } = new(
        "MACRO_ARG_PRECEDENCE", Severity.Check, "Macro argument may be better in parentheses to avoid precedence issues",
        "An argument like b | c binds to the operators of the macro.", new("#define X(a) (a * 2)"), new("#define X(a) ((a) * 2)"));

    /// <summary>Words after which an argument is not evaluated.</summary>
    private static readonly string[] s_unevaluated = ["__must_be_array", "offsetof", "sizeof", "sizeof_field", "__stringify", "typeof", "__typeof__"];

    /// <summary>Parameters and characters that are looked through; more are nobody's macro.</summary>
    private const int MaxParameters = 64, MaxBody = 4096;

    public void Check(PatchScan scan, MacroDefinition macro, string body)
    {
        if (body.Length > MaxBody || macro.Parameters.Count > MaxParameters)
            return;
        string? shown = null;
        foreach (var name in macro.Parameters)
        {
            if (name.Contains("...", StringComparison.Ordinal) || name.Equals("type", StringComparison.OrdinalIgnoreCase) || !Scan.IsIdentifierStart(name[0]) || Scan.WordEnd(name, 0) < name.Length)
                continue;
            var text = Evaluated(scan.Types, body, name, out var uses);
            if (uses > 1)
                scan.ReportWithText(Reused, shown ??= macro.Shown(scan), $"Macro argument reuse '{name}' - possible side-effects?");
            if (uses > 0 && HasOperatorBeside(text, name))
                scan.ReportWithText(Precedence, shown ??= macro.Shown(scan), $"Macro argument '{name}' may be better as '({name})' to avoid precedence issues");
        }
    }

    /// <summary>The body without the uses that do not evaluate an argument.</summary>
    private static string Evaluated(TypeMatcher types, string body, string name, out int uses)
    {
        uses = 0;
        var at = Scan.FindWord(body, name);
        if (at < 0)
            return body;
        var text = new System.Text.StringBuilder(body.Length);
        var copied = 0;
        for (; at >= 0; at = Scan.FindWord(body, name, at + 1))
        {
            var (start, end) = Unevaluated(types, body.AsSpan(), copied, at, at + name.Length);
            if (start < 0)
            {
                uses++;
                continue;
            }
            text.Append(body, copied, start - copied);
            copied = end;
            at = end - 1;
        }
        return text.Append(body, copied, body.Length - copied).ToString();
    }

    /// <summary>What a use that does not evaluate the argument takes up; negative when the use evaluates it.</summary>
    private static (int Start, int End) Unevaluated(TypeMatcher types, ReadOnlySpan<char> body, int from, int start, int end)
    {
        var before = Scan.TrimEnd(body[from..start]);
        var inner = before;
        while (inner is [.., '('])
            inner = inner[..^1];
        inner = Scan.TrimEnd(inner);
        var word = inner.Length;
        while (word > 0 && Scan.IsWord(inner[word - 1]))
            word--;
        var function = inner[word..];
        var takes = function.StartsWith("__builtin") && function.Length > "__builtin".Length;
        foreach (var known in s_unevaluated)
            takes |= function.SequenceEqual(known);
        if (takes)
            return (from + word, EndOfUse(body, end));
        if (inner is [.., ','] && TypeCheck(types, inner[..^1]) is >= 0 and var check)
            return (from + check, EndOfUse(body, end));
        if (before is [.., '#'])
            return (from + before.TrimEnd('#').Length, end);
        var paste = Scan.SkipSpace(body, end);
        return Scan.StartsAt(body, paste, "##") ? (start, paste + 2) : (-1, -1);
    }

    /// <summary>Where <c>typecheck(type</c> begins at the end of a text; -1 when it does not end so.</summary>
    private static int TypeCheck(TypeMatcher types, ReadOnlySpan<char> text)
    {
        var call = Scan.FindCall(text, "typecheck", spaces: true);
        for (var next = call; next >= 0; next = Scan.FindCall(text, "typecheck", spaces: true, next + 1))
            call = next;
        return call >= 0 && types.IsType(Scan.Trim(text[(call + text[call..].IndexOf('(') + 1)..])) ? call : -1;
    }

    /// <summary>Closing parentheses go with the use when a word follows them.</summary>
    private static int EndOfUse(ReadOnlySpan<char> text, int end)
    {
        var last = Scan.SkipSpace(text, end);
        while (last < text.Length && text[last] == ')')
            last++;
        while (last > end && !Scan.IsBoundary(text, last))
            last--;
        return last;
    }

    /// <summary>Whether the first use stands beside an operator other than a comma.</summary>
    private static bool HasOperatorBeside(ReadOnlySpan<char> text, string name)
    {
        var at = Scan.FindWord(text, name);
        if (at < 0)
            return false;
        var before = Scan.TrimEnd(text[..at]);
        var after = text[Scan.SkipSpace(text, at + name.Length)..];
        return before is [.., '<' or '>' or '!' or '~' or '^' or '&' or '|' or '+' or '-' or '*' or '/' or '%'] or [.., '<' or '>' or '=' or '!', '=']
            || after is ['<' or '>' or '!' or '~' or '^' or '&' or '|' or '+' or '-' or '*' or '/' or '%', ..] or ['=', '=' or '>', ..];
    }
}
