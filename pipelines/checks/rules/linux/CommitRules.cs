using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>How a log names other commits, and words written twice.</summary>
internal sealed partial class FixesForm() : LineRule("BAD_FIXES_TAG", Severity.Warning, "Please use correct Fixes: style 'Fixes: <12 chars of sha1> (\"<title line>\")'")
{
    public override Explanation Explanation => new(
        "Scripts for stable releases follow it.",
        new("From: A <a@b.c>\nSubject: x\n\nlog\n\nFixes: 0123456 (\"a\")\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nlog\n\nFixes: 0123456789ab (\"a\")\nSigned-off-by: A <a@b.c>\n"));

    /// <summary>Not in the mail's header.</summary>
    public override void Check(PatchScan scan)
    {
        if (scan.Line.Length > PatternRule.MaxLine || !Start().IsMatch(scan.LineText))
            return;
        var title = "commit title";
        var wrong = true;
        if (Whole().Match(scan.LineText) is { Success: true } match)
        {
            var (tag, id) = (match.Groups[1].Value, match.Groups[2].Value);
            title = match.Groups[3].Value[1..^1];
            var quoted = title.Length >= 2 && title[0] == '"' && title[^1] == '"';
            if (quoted)
                title = title[1..^1];
            wrong = tag != "Fixes:" || !Spaced().IsMatch(scan.LineText) || id.Length != 12 || id.AsSpan().ContainsAnyInRange('A', 'F') || !quoted;
        }
        if (wrong)
            scan.Report(this, $"{Message} - ie: 'Fixes: 0123456789ab (\"{title}\")'");
    }

    [GeneratedRegex(@"^\s*fixes:?\s*(?:commit\s*)?[0-9a-f]{5,}\b", RegexOptions.IgnoreCase)]
    private static partial Regex Start();

    [GeneratedRegex(@"(\s*fixes:?)\s+([0-9a-f]{5,})\s+(" + KernelC.Brackets + ")", RegexOptions.IgnoreCase)]
    private static partial Regex Whole();

    [GeneratedRegex(@"^fixes:? [0-9a-f]{5,} \(", RegexOptions.IgnoreCase)]
    private static partial Regex Spaced();
}

internal sealed partial class CommitDescription() : LineRule("GIT_COMMIT_ID", Severity.Error, "Please use git commit description style 'commit <12+ chars of sha1> (\"<title line>\")'")
{
    public override Explanation Explanation => new(
        "Shorter names are no longer unique some day, and a title tells a reader what is meant.",
        new("From: A <a@b.c>\nSubject: x\n\nSince commit 0123456 it is broken.\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nSince commit 0123456789ab (\"a\") it is broken.\n\nSigned-off-by: A <a@b.c>\n"));

    private bool _inStackDump;
    private int _last;

    public override void Begin()
    {
        _inStackDump = false;
        _last = -1;
    }

    public override void Check(PatchScan scan)
    {
        if (scan.Line.Length > PatternRule.MaxLine)
            return;
        var line = scan.LineText;
        _inStackDump |= LongLogLine.IsStackDump(scan.InCommitLog, line);
        if (scan.InCommitLog && !_inStackDump && Names(scan, line))
            Judge(scan, line);
        if (scan.InCommitLog && Text.Scan.OnlySpaceFrom(line, 0))
            _inStackDump = false;
    }

    private static bool Names(PatchScan scan, string line)
    {
        if (Exempt().IsMatch(line))
            return false;
        if (CommitAndId().IsMatch(line) || (EndsInCommit().IsMatch(line) && StartsWithId().IsMatch(scan.Lines.LineString(scan.Number))))
            return true;
        return LongId().IsMatch(line) && !BracketedId().IsMatch(line) && !FixesId().IsMatch(line);
    }

    private void Judge(PatchScan scan, string line)
    {
        var title = "commit description";
        var (quoted, described) = (false, false);
        var shown = line + "\n";
        var input = line;
        if (CommitOrEnd().IsMatch(line))
        {
            for (var n = 0; n < 2; n++)
            {
                if (Described().Match(input) is { Success: true } match)
                {
                    described = true;
                    title = match.Groups[1].Value[1..^1];
                    quoted = title.Length >= 2 && title[0] == '"' && title[^1] == '"';
                    if (quoted)
                        title = title[1..^1];
                    break;
                }
                if (!scan.Lines.Has(scan.Number + n))
                    break;
                input += " " + Text.Scan.Trim(scan.Lines[scan.Number + n]).ToString();
                shown += scan.Lines.LineString(scan.Number + n) + "\n";
            }
        }
        if (!described)
            shown = line + "\n";
        var first = "c";
        var good = false;
        if (CommitName().Match(input) is { Success: true } id)
        {
            first = id.Groups[1].Value;
            good = TwelveToForty().IsMatch(input) && !TooLong().IsMatch(input) && OneSpace().IsMatch(input) && LowerCase().IsMatch(input);
        }
        if ((!good || !quoted) && _last != scan.Number - 1)
            scan.ReportWithText(this, shown, $"{Message} - ie: '{first}ommit 0123456789ab (\"{title}\")'");
        if (EndsInCommit().IsMatch(line))
            _last = scan.Number;
    }

    [GeneratedRegex(@"^\s*(?i:Link|Patchwork|http|https|BugLink|base-commit):|^This reverts commit [0-9a-f]{7,40}")]
    private static partial Regex Exempt();

    [GeneratedRegex(@"\bcommit\s+[0-9a-f]{5,}\b", RegexOptions.IgnoreCase)]
    private static partial Regex CommitAndId();

    [GeneratedRegex(@"\bcommit\s*$", RegexOptions.IgnoreCase)]
    private static partial Regex EndsInCommit();

    [GeneratedRegex(@"^\s*[0-9a-f]{5,}\b", RegexOptions.IgnoreCase)]
    private static partial Regex StartsWithId();

    [GeneratedRegex(@"(?:\s|^)[0-9a-f]{12,40}(?:[\s""'(\[]|$)", RegexOptions.IgnoreCase)]
    private static partial Regex LongId();

    [GeneratedRegex(@"[<\[][0-9a-f]{12,40}[>\]]", RegexOptions.IgnoreCase)]
    private static partial Regex BracketedId();

    [GeneratedRegex(@"\bfixes:\s*[0-9a-f]{12,40}", RegexOptions.IgnoreCase)]
    private static partial Regex FixesId();

    [GeneratedRegex(@"\bcommit\s+[0-9a-f]{5,}|\bcommit\s*$", RegexOptions.IgnoreCase)]
    private static partial Regex CommitOrEnd();

    private static Func<Regex> Described { get; } = LargePattern.Of(@"\bcommit\s+[0-9a-f]{5,}\s*(" + KernelC.Brackets + ")", RegexOptions.IgnoreCase);

    [GeneratedRegex(@"\b(c)ommit\s+[0-9a-f]{5,}\b", RegexOptions.IgnoreCase)]
    private static partial Regex CommitName();

    [GeneratedRegex(@"\bcommit\s+[0-9a-f]{12,40}", RegexOptions.IgnoreCase)]
    private static partial Regex TwelveToForty();

    [GeneratedRegex(@"\bcommit\s+[0-9a-f]{41,}", RegexOptions.IgnoreCase)]
    private static partial Regex TooLong();

    [GeneratedRegex(@"\bcommit [0-9a-f]", RegexOptions.IgnoreCase)]
    private static partial Regex OneSpace();

    [GeneratedRegex(@"\b[Cc]ommit\s+[0-9a-f]{5,40}[^A-F]")]
    private static partial Regex LowerCase();
}

internal sealed partial class RepeatedWord() : LineRule("REPEATED_WORD", Severity.Warning, "Possible repeated word")
{
    public override Explanation Explanation => new("A slip of the eye.", new("/* the the lock */"), new("/* the lock */"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if ((!scan.InCommitLog && !raw.StartsWith("+")) || raw.Length > PatternRule.MaxLine || Listing().IsMatch(raw))
            return;
        var text = scan.RawText;
        var from = scan.InCommitLog ? 0 : 1;
        for (var match = Pair().Match(text, from); match.Success;)
        {
            var (first, second) = (match.Groups[1], match.Groups[2]);
            var next = second.Index;
            if (first.Value is "struct" or "union" or "enum")
                next = second.Index + second.Length;
            else if (IsRepeated(text, first, second, from))
                scan.Report(this, $"Possible repeated word: '{first.Value}'");
            match = Pair().Match(text, Math.Min(next, text.Length));
        }
        var last = scan.Previous is [.., _] && Text.Scan.TrimEnd(scan.Previous) is [.., Source.CleanText.Comment] && scan.PreviousRaw.Length <= PatternRule.MaxLine
            ? LastWord().Match(scan.PreviousRaw.ToString())
            : Match.Empty;
        if (!last.Success || !raw.StartsWith("+"))
            return;
        var at = Text.Scan.SkipSpace(raw, 1);
        if (at < raw.Length && raw[at] == '*' && raw[Text.Scan.SkipSpace(raw, at + 1)..].StartsWith(last.Groups[1].Value + " "))
            scan.ReportWithPrevious(this, $"Possible repeated word: '{last.Groups[1].Value}'");
    }

    private static bool IsRepeated(string text, Group first, Group second, int start)
    {
        if (!first.Value.Equals(second.Value, StringComparison.OrdinalIgnoreCase) || first.Value == "long")
            return false;
        if (first.Index > start && !Text.Scan.IsSpace(text[first.Index - 1]))
            return false;
        var end = second.Index + second.Length;
        if (end < text.Length && text[end] is not (' ' or '\t' or '.' or ',' or ';' or '?' or '!'))
            return false;
        return first.Value.AsSpan().ContainsAnyExcept("abcdefABCDEF") || first.Value.ToLowerInvariant() is "add" or "added" or "bad" or "be";
    }

    [GeneratedRegex(@"[bcCdDlMnpPs?-][rwxsStT-]{9}")]
    private static partial Regex Listing();

    [GeneratedRegex(@"\b([A-Z]?[a-z]{2,})\b (?=(\b[A-Z]?[a-z]{2,}\b))")]
    private static partial Regex Pair();

    [GeneratedRegex(@"(\b[A-Z]?[a-z]{2,}\b)\s*$")]
    private static partial Regex LastWord();
}
