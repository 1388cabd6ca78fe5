using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Lines that are too long, told apart by what makes them so.</summary>
internal sealed partial class LongLine(string id, LongLine.Kind kind, Example bad) : LineRule(id, Severity.Warning, "line length exceeds 100 columns")
{
    internal enum Kind
    {
        Code,
        Comment,
        String,
    }

    private const int Most = 100;

    private const string LogFunctions =
        @"(?:printk(?:_ratelimited|_once|_deferred_once|_deferred|)|(?:[a-z0-9]+_){1,2}(?:printk|emerg|alert|crit|err|warning|warn|notice|info|debug|dbg|vdbg|devel|cont|WARN)(?:_ratelimited|_once|)"
        + @"|TP_printk|WARN(?:_RATELIMIT|_ONCE|)|panic|MODULE_[A-Z_]+|seq_vprintf|seq_printf|seq_puts)";

    private const string Text = @"(?:\b[Lu])?""[X\t]*""";

    public override Explanation Explanation => new("Source is read side by side. Strings that a user greps for stay whole.", bad, new("\tint a;"));

    public override void Check(PatchScan scan)
    {
        var most = scan.MaxLineLength == 0 ? Most : scan.MaxLineLength;
        if (!scan.IsAdded || scan.Length <= most)
            return;
        if ((scan.Line.Length > PatchScan.MaxCodeLine ? Kind.Code : KindOf(scan, most)) == kind)
            scan.Report(this, $"line length of {scan.Length} exceeds {most} columns");
    }

    private static Kind? KindOf(PatchScan scan, int most)
    {
        var line = scan.Line.ToString();
        var log = LogEndingInString().Match(line);
        if ((log.Success && Scan.Columns(line.AsSpan(1, line.Length - log.Groups[1].Length - 1)) <= most) || StringAlone().IsMatch(line) || Url().IsMatch(scan.Raw))
            return null;
        var code = line.Length;
        while (code > 0 && (line[code - 1] == CleanText.Comment || Scan.IsSpace(line[code - 1])))
            code--;
        var comment = line.IndexOf(CleanText.Comment, code);
        if (comment >= 0 && Scan.Columns(line.AsSpan(1, Math.Max(comment - 1, 0))) <= most)
            return Kind.Comment;
        var text = EndsInString().Match(line.Replace(CleanText.Comment, ' '));
        return text.Success && Scan.Columns(line.AsSpan(1, line.Length - text.Groups[1].Length - 1)) <= most ? Kind.String : Kind.Code;
    }

    private static Func<Regex> LogEndingInString { get; } = LargePattern.Of(@"^\+\s*" + LogFunctions + @"\s*\(\s*(?:(?:KERN_\S+\s*|[^""]*))?(" + Text + @"\s*(?:|,|\)\s*;)\s*)$");

    private static Func<Regex> StringAlone { get; } = LargePattern.Of(@"^\+\s*" + Text + @"\s*(?:\s*|,|\)\s*;)\s*$|^\+\s*#\s*define\s+\w+\s+" + Text + @"$|^\+.*\bEFI_GUID\s*\(|^\+\s*(?:\w+)?\s*DEFINE_PER_CPU");

    [GeneratedRegex(@"^\+.*\b[a-z][\w.+\-]*://\S+", RegexOptions.IgnoreCase)]
    private static partial Regex Url();

    [GeneratedRegex(@"\s*(" + Text + @"(?:\s*(?:\\|,\s*|\)\s*;\s*))?)$")]
    private static partial Regex EndsInString();
}

internal sealed class FinalNewline() : LineRule("MISSING_EOF_NEWLINE", Severity.Warning, "adding a line without newline at end of file")
{
    public override Explanation Explanation => new(
        "POSIX defines a line as ending with a newline.",
        new("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n\\ No newline at end of file\n"),
        new("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n"));

    public override void Check(PatchScan scan)
    {
        if (scan.IsAdded && scan.Lines[scan.Number].StartsWith("\\ No newline at end of file"))
            scan.Report(this);
    }
}

internal sealed partial class SpacesForTabs() : LineRule("CODE_INDENT", Severity.Error, "code indent should use tabs where possible")
{
    public override Explanation Explanation => new("The kernel indents by tabs of eight columns.", new("        int a;"), new("\tint a;"));

    public override void Check(PatchScan scan)
    {
        if (scan.IsAdded && scan.Raw.Length <= PatchScan.MaxCodeLine && Spaces().IsMatch(scan.Raw))
            scan.Report(this, excerpt: Excerpt.Visible);
    }

    [GeneratedRegex(@"^\+\s* \t\s*\S|^\+\s*        \s*")]
    private static partial Regex Spaces();
}

internal sealed class SpaceBeforeTab() : LineRule("SPACE_BEFORE_TAB", Severity.Warning, "please, no space before tabs")
{
    public override Explanation Explanation => new("The tab swallows it.", new("\tint a; \t/* b */"), new("\tint a;\t/* b */"));

    public override void Check(PatchScan scan)
    {
        if (scan.IsAdded && scan.Raw.Contains(" \t", StringComparison.Ordinal))
            scan.Report(this, excerpt: Excerpt.Visible);
    }
}

internal sealed partial class AssignmentAtLineStart() : LineRule("ASSIGNMENT_CONTINUATIONS", Severity.Check, "Assignment operator should be on the previous line")
{
    public override Explanation Explanation => new("A line that ends in an operator shows that it goes on.", new("\ta\n\t\t= b;"), new("\ta =\n\t\tb;"));

    public override void Check(PatchScan scan)
    {
        var match = scan.IsAdded && scan.Has('=') ? Operator().Match(scan.Line.ToString().Replace(CleanText.Comment, ' ')) : Match.Empty;
        if (match.Success)
            scan.ReportWithPrevious(this, $"Assignment operator '{match.Groups[1].Value}' should be on the previous line");
    }

    [GeneratedRegex(@"^\+\s+(\*=|/=|%=|\+=|-=|<<=|>>=|&=|\^=|\|=|=)[^=]")]
    private static partial Regex Operator();
}

internal sealed class LogicAtLineStart() : LineRule("LOGICAL_CONTINUATIONS", Severity.Check, "Logical continuations should be on the previous line")
{
    public override Explanation Explanation => new("A line that ends in an operator shows that it goes on.", new("\tif (a\n\t    && b)"), new("\tif (a &&\n\t    b)"));

    public override void Check(PatchScan scan)
    {
        if (!scan.IsAdded)
            return;
        var start = Scan.SkipSpace(scan.Raw, 1);
        if (Scan.StartsAt(scan.Raw, start, "&&") || Scan.StartsAt(scan.Raw, start, "||"))
            scan.ReportWithPrevious(this);
    }
}

internal sealed class BlankLines() : LineRule("LINE_SPACING", Severity.Check, "Please don't use multiple blank lines")
{
    public override Explanation Explanation => new("One blank line separates as well as two.", new("int a;\n\n\nint b;"), new("int a;\n\nint b;"));

    private int _last;

    public override void Begin() => _last = 0;

    public override void Check(PatchScan scan)
    {
        if (!scan.IsAdded || !Scan.OnlySpaceFrom(scan.Line, 1) || !IsBlank(scan.Previous))
            return;
        if (_last != scan.Number - 1)
            scan.ReportWithPrevious(this);
        else
            return;
        _last = scan.Number;
    }

    private static bool IsBlank(ReadOnlySpan<char> line) => line is ['+' or ' ', ..] && Scan.OnlySpaceFrom(line, 1);
}

internal sealed class LeadingSpace() : LineRule("LEADING_SPACE", Severity.Warning, "please, no spaces at the start of a line")
{
    public override Explanation Explanation => new("The kernel indents by tabs.", new("    int a;"), new("\tint a;"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Raw.StartsWith("+ "))
            return;
        var line = scan.Line;
        var at = 1;
        while (at < line.Length && line[at] == ' ')
            at++;
        if ((at < line.Length && line[at] is CleanText.Comment or '#') || Scan.StartsAt(line, at, "//"))
            return;
        var label = Scan.IdentifierEnd(line, at);
        if (label < 0 || label >= line.Length || line[label] != ':')
            scan.Report(this, excerpt: Excerpt.Visible);
    }
}

internal sealed class OpenEndedLine() : LineRule("OPEN_ENDED_LINE", Severity.Check, "Lines should not end with a '('")
{
    public override Explanation Explanation => new("The first argument beside the name shows what the call is about.", new("\tf(\n\t\ta);"), new("\tf(a);"));

    public override void Check(PatchScan scan)
    {
        var text = Scan.TrimEnd(scan.Line);
        if (scan.IsAdded && text.Length > 1 && text[^1] is '(' or '[')
            scan.Report(this, $"Lines should not end with a '{text[^1]}'");
    }
}
