using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class DosLineEnding() : LineRule("DOS_LINE_ENDINGS", Severity.Error, "DOS line endings")
{
    public override Explanation Explanation => new("Source files end their lines with a line feed only.", new("int a;\r"), new("int a;"));

    public override void Check(PatchScan scan) => scan.Report(this, excerpt: Excerpt.Visible);

    public static bool Matches(PatchScan scan) => scan.IsAdded && scan.Line.Contains('\r');
}

internal sealed class DocCodeBlock() : LineRule(
    "DOC_CODE_BLOCK",
    Severity.Error,
    "code blocks in documentation should have empty lines with exactly 4 columns of whitespace")
{
    public override Explanation Explanation => new(
        "In .txt and .md documents an empty line of another width ends the block.",
        new("  ", "docs/example.txt"),
        new("    ", "docs/example.txt"));

    public static bool Applies(string file) =>
        file.StartsWith("docs/", StringComparison.Ordinal) && (LongerThanSuffix(file, ".txt") || LongerThanSuffix(file, ".md"));

    private static bool LongerThanSuffix(string file, string suffix) => file.IndexOf(suffix, Math.Min("docs/x".Length, file.Length), StringComparison.Ordinal) >= 0;

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (scan.IsAdded && raw.Length > 1 && Scan.OnlySpaceFrom(raw, 1) && raw is not "+    ")
            scan.Report(this, excerpt: Excerpt.Visible);
    }
}

internal sealed class TrailingWhitespace() : LineRule("TRAILING_WHITESPACE", Severity.Error, "trailing whitespace")
{
    public override Explanation Explanation => new("It is invisible, and every editor that removes it makes noise in later patches.", new("int a; "), new("int a;"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (raw.Length > 1 && raw[0] == '+' && Scan.IsSpace(raw[^1]))
            scan.Report(this, excerpt: Excerpt.Visible);
    }
}

internal sealed class TraceHashFlag() : LineRule(
    "TRACE_HASH_FLAG",
    Severity.Error,
    "Don't use '#' flag of printf format ('%#') in trace-events, use '0x' prefix instead")
{
    public override Explanation Explanation => new(
        "%#x prints 0 without its prefix, and back ends other than printf do not know the flag.",
        new("example(int a) \"a %#x\"", "hw/misc/trace-events"),
        new("example(int a) \"a 0x%x\"", "hw/misc/trace-events"));

    /// <summary>Whether <c>%</c>, flags and <c>#</c> stand anywhere.</summary>
    public static bool Matches(ReadOnlySpan<char> text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] != '%')
                continue;
            var flags = at + 1;
            while (flags < text.Length && text[flags] is '-' or '+' or ' ' or '0')
                flags++;
            if (flags < text.Length && text[flags] == '#')
                return true;
        }
        return false;
    }

    public override void Check(PatchScan scan)
    {
        if (Matches(scan.Raw))
            scan.Report(this);
    }
}

internal sealed partial class TraceHexPrefix() : LineRule("TRACE_HEX_PREFIX", Severity.Error, "Hex numbers must be prefixed with '0x'")
{
    private const string Hex = """%[-+ *.0-9]*(?:[hljztL]|ll|hh)?(?:x|X|"\s*PRI[xX][^"]*"?)""";

    public override Explanation Explanation => new(
        "A reader of a trace cannot tell 10 from 0x10. Groups such as 2a.20:12ab need no prefix.",
        new("example(int a) \"a %x\"", "hw/misc/trace-events"),
        new("example(int a) \"a 0x%x\"", "hw/misc/trace-events"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Raw.Contains('%') || scan.Raw.Length > PatchScan.MaxCodeLine)
            return;
        var line = HexGroup().Replace(scan.Raw.ToString(), "");
        if (BareHex().IsMatch(line))
            scan.Report(this);
    }

    [GeneratedRegex("(?:" + Hex + "[.:/ ])+" + Hex)]
    private static partial Regex HexGroup();

    [GeneratedRegex("(?<!0x)" + Hex)]
    private static partial Regex BareHex();
}

internal abstract class LongLine(string id, Severity severity, string message) : LineRule(id, severity, message)
{
    protected const int Advised = 80;
    protected const int Most = 90;

    /// <summary>A line that may be long: a string on its own, or a URL.</summary>
    protected static bool IsExempt(PatchScan scan) => !scan.IsAdded || IsStringAlone(scan.Line) || IsUrl(scan.Raw);

    private static bool IsStringAlone(ReadOnlySpan<char> line)
    {
        var at = Scan.SkipSpace(line, 1);
        if (at >= line.Length || line[at] != '"')
            return false;
        var close = line[(at + 1)..].IndexOf('"');
        if (close < 0)
            return false;
        at = Scan.SkipSpace(line, at + 1 + close + 1);
        if (at < line.Length && line[at] == ',')
            return Scan.OnlySpaceFrom(line, at + 1);
        if (at < line.Length && line[at] == ')')
        {
            at = Scan.SkipSpace(line, at + 1);
            return at < line.Length && line[at] == ';' && Scan.OnlySpaceFrom(line, at + 1);
        }
        return at == line.Length;
    }

    private static bool IsUrl(ReadOnlySpan<char> raw)
    {
        var at = 0;
        while (at < raw.Length && !char.IsAsciiLetterOrDigit(raw[at]))
            at++;
        if (!Scan.StartsAt(raw, at, "http:") && !Scan.StartsAt(raw, at, "https:"))
            return false;
        foreach (var c in raw[at..])
        {
            if (Scan.IsSpace(c))
                return false;
        }
        return true;
    }
}

internal sealed class LineOver80() : LongLine("LINE_OVER_80", Severity.Warning, "line over 80 characters")
{
    public override Explanation Explanation => new(
        "Source is read side by side and in terminals of 80 columns. A string that a user greps for stays whole, on a line of its own.",
        new("int a_function_with_a_long_name(int the_first_parameter, int the_second_parameter_);"),
        new("int a_function_with_a_long_name(int the_first_parameter,\n                                int the_second_parameter_);"));

    public override void Check(PatchScan scan)
    {
        if (scan.MaxLineLength == 0 && scan.Length is > Advised and <= Most && !IsExempt(scan))
            scan.Report(this);
    }
}

internal sealed class LineOver90() : LongLine("LINE_OVER_90", Severity.Error, "line over 90 characters")
{
    public override Explanation Explanation => new(
        "80 columns are the rule, 90 the most that is taken where breaking the line would read worse.",
        new("int a_function_with_a_long_name(int the_first_parameter, int the_second_parameter, int the_third);"),
        new("int a_function_with_a_long_name(int the_first_parameter,\n                                int the_second_parameter, int the_third);"));

    public override void Check(PatchScan scan)
    {
        var most = scan.MaxLineLength == 0 ? Most : scan.MaxLineLength;
        if (scan.Length > most && !IsExempt(scan))
            scan.Report(this, scan.MaxLineLength == 0 ? null : $"line over {most} characters");
    }
}

internal sealed class SpaceBeforeQuotedNewline() : LineRule("QUOTED_WHITESPACE_BEFORE_NEWLINE", Severity.Error, "unnecessary whitespace before a quoted newline")
{
    public override Explanation Explanation => new("It ends up as trailing space in logs.", new("    printf(\"done \\n\");"), new("    printf(\"done\\n\");"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        var quote = raw.IndexOf('"');
        if (quote < 0)
            return;
        for (var at = quote + 2; at + 1 < raw.Length; at++)
        {
            if (raw[at] == '\\' && raw[at + 1] == 'n' && Scan.IsSpace(raw[at - 1]))
            {
                scan.Report(this);
                return;
            }
        }
    }
}

internal sealed class MissingFinalNewline() : LineRule("MISSING_EOF_NEWLINE", Severity.Error, "adding a line without newline at end of file")
{
    public override Explanation Explanation => new(
        "POSIX defines a line as ending with a newline; without it the next patch to the file touches this line too.",
        new("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n\\ No newline at end of file\n"),
        new("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n"));

    public override void Check(PatchScan scan)
    {
        if (scan.IsAdded && scan.Lines[scan.Number].StartsWith("\\ No newline at end of file"))
            scan.Report(this);
    }
}

internal sealed class KeywordMarkers() : LineRule("CVS_KEYWORD", Severity.Error, "CVS style keyword markers, these will _not_ be updated")
{
    public override Explanation Explanation => new("git does not expand them, so they say something wrong for ever.", new("/* $Id$ */"), new("/* a comment */"));

    private static readonly string[] s_keywords = ["Revision", "Log", "Id"];

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (!scan.IsAdded)
            return;
        for (var at = raw.IndexOf('$'); at >= 0;)
        {
            foreach (var word in s_keywords)
            {
                var end = at + 1 + word.Length;
                if (Scan.StartsAt(raw, at + 1, word) && (end == raw.Length || raw[end] == '$' || Scan.IsBoundary(raw, end)))
                {
                    scan.Report(this);
                    return;
                }
            }
            var next = raw[(at + 1)..].IndexOf('$');
            at = next < 0 ? -1 : at + 1 + next;
        }
    }
}

internal sealed class TabIndent() : LineRule("CODE_INDENT", Severity.Error, "code indent should never use tabs")
{
    public override Explanation Explanation => new("QEMU indents by four spaces. Tabs show differently in every program.", new("\tint a;"), new("    int a;"));

    public override void Check(PatchScan scan)
    {
        if (scan.IsAdded && scan.Raw.Contains('\t'))
            scan.Report(this, excerpt: Excerpt.Visible);
    }
}
