using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class BlockCommentStart() : LineRule("BLOCK_COMMENT_START", Severity.Warning, "Block comments use a leading /* on a separate line")
{
    public override Explanation Explanation => new("Comments of several lines look alike everywhere.", new("/* first\n * second\n */"), new("/*\n * first\n * second\n */"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (!scan.IsAdded || !raw.Contains("/*", StringComparison.Ordinal))
            return;
        // Comments that end on the line are taken out, the last to start first, each with all that ends in a comment's end.
        while (true)
        {
            var close = raw.LastIndexOf("*/");
            var open = close < 2 ? -1 : raw[1..close].LastIndexOf("/*");
            if (open < 0)
                break;
            open++;
            raw = string.Concat(raw[..open], raw[(close + 2)..]);
        }
        for (var at = 1; at + 1 < raw.Length; at++)
        {
            if (raw[at] != '/' || raw[at + 1] != '*')
                continue;
            var text = at + 2;
            if (text < raw.Length && raw[text] == '*')
                text++;
            if (Scan.SkipBlank(raw, text) < raw.Length)
            {
                scan.Report(this);
                return;
            }
        }
    }
}

internal sealed class BlockCommentStar(string id = "BLOCK_COMMENT_STAR") : LineRule(id, Severity.Warning, "Block comments use * on subsequent lines")
{
    public override Explanation Explanation => new("The stars show at a glance that a line is a comment.", new("/*\n   first\n */"), new("/*\n * first\n */"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (!scan.IsAdded || !EndsInComment(scan.Previous))
            return;
        var previous = scan.PreviousRaw;
        if (!previous.StartsWith("+") || previous[1..].IndexOf("/*") < 0 || EndsWithCommentEnd(previous))
            return;
        var text = Scan.SkipBlank(raw, 1);
        if (text >= raw.Length || raw[text] != '*')
            scan.ReportWithPrevious(this);
    }

    public static bool EndsInComment(ReadOnlySpan<char> line)
    {
        var text = line.TrimEnd(" \t");
        return text is [.., CleanText.Comment];
    }

    public static bool EndsWithCommentEnd(ReadOnlySpan<char> raw) => raw.TrimEnd(" \t").EndsWith("*/");
}

internal sealed class BlockCommentEnd(string id = "BLOCK_COMMENT_END") : LineRule(id, Severity.Warning, "Block comments use a trailing */ on a separate line")
{
    public override Explanation Explanation => new("Comments of several lines look alike everywhere.", new("/*\n * first\n * second */"), new("/*\n * first\n * second\n */"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (!scan.IsAdded || !BlockCommentStar.EndsWithCommentEnd(raw))
            return;
        var text = raw.TrimEnd(" \t");
        var start = Scan.SkipBlank(raw, 1);
        var alone = start == text.Length - 2;
        var inline = text[1..^2].Contains("/*", StringComparison.Ordinal);
        var stars = text.EndsWith("**/");
        if (!alone && !inline && !stars)
            scan.Report(this);
    }
}

internal sealed class BlockCommentAlignment(string id = "BLOCK_COMMENT_ALIGNMENT") : LineRule(id, Severity.Warning, "Block comments should align the * on each line")
{
    public override Explanation Explanation => new("A straight column of stars.", new("/*\n  * first\n */"), new("/*\n * first\n */"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (!scan.IsAdded || !BlockCommentStar.EndsInComment(scan.Previous))
            return;
        var first = Scan.SkipBlank(scan.Line, 1);
        var star = Scan.SkipBlank(raw, 1);
        if (first >= scan.Line.Length || scan.Line[first] != CleanText.Comment || star >= raw.Length || raw[star] != '*')
            return;
        var previous = scan.PreviousRaw;
        if (!previous.StartsWith("+"))
            return;
        var previousStar = Scan.SkipBlank(previous, 1);
        var continues = previousStar < previous.Length && previous[previousStar] == '*';
        if (!continues && (previous[1..].IndexOf("/*") < 0 || BlockCommentStar.EndsWithCommentEnd(previous)))
            return;
        if (Scan.Columns(Before(previous, previousStar)) != Scan.Columns(raw[1..star]))
            scan.ReportWithPrevious(this);
    }

    /// <summary>What stands before the star that begins the line before, or before its last star when code comes first.</summary>
    private static ReadOnlySpan<char> Before(ReadOnlySpan<char> previous, int first)
    {
        if (first < previous.Length && previous[first] == '/' && first + 1 < previous.Length && previous[first + 1] == '*')
            return previous[1..(first + 1)];
        if (first < previous.Length && previous[first] == '*')
            return previous[1..first];
        return previous[1..Math.Max(previous.LastIndexOf('*'), 1)];
    }
}

internal sealed class LineComment() : LineRule("C99_COMMENTS", Severity.Error, "do not use C99 // comments")
{
    public override Explanation Explanation => new("QEMU's style has one kind of comment.", new("int a; // a number"), new("int a; /* a number */"));

    public override void Check(PatchScan scan)
    {
        if (scan.Has('/') && scan.Line.Contains("//", StringComparison.Ordinal)
            && !scan.Raw.Contains("// SPDX-License-Identifier: ", StringComparison.Ordinal))
            scan.Report(this);
    }
}
