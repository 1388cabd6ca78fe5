using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

internal sealed class MissingDescription() : LineRule("COMMIT_MESSAGE", Severity.Warning, "Missing commit description - Add an appropriate one")
{
    public override Explanation Explanation => new(
        "A log says what the problem is and why this solves it.",
        new("From: A <a@b.c>\nSubject: x\n\nSigned-off-by: A <a@b.c>\n---\n x.c | 1 +\n"),
        new("From: A <a@b.c>\nSubject: x\n\nIt was wrong.\n\nSigned-off-by: A <a@b.c>\n---\n x.c | 1 +\n"));

    /// <summary>Of these, one can be the sign-off.</summary>
    private const int LeastLines = 2;

    private int _lines;

    /// <summary>The log has begun; a log may end on the line after.</summary>
    public bool HasLog { get; set; }

    public override void Begin()
    {
        HasLog = false;
        _lines = 0;
    }

    public override void Check(PatchScan scan)
    {
        if (scan.InCommitLog)
        {
            if (!Scan.OnlySpaceFrom(scan.Line, 0))
                _lines++;
        }
        else if (HasLog && _lines < LeastLines)
        {
            scan.Report(this, excerpt: Excerpt.None);
            _lines = LeastLines;
        }
    }
}

internal sealed partial class DiffInLog() : LineRule("DIFF_IN_COMMIT_MSG", Severity.Error, "Avoid using diff content in the commit message - patch(1) might not work")
{
    public override Explanation Explanation => new(
        "patch takes it for the patch.",
        new("From: A <a@b.c>\nSubject: x\n\nIt was:\n  --- a/x.c\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nIt was x.c.\n\nSigned-off-by: A <a@b.c>\n"));

    private bool _reported;

    public override void Begin() => _reported = false;

    public override void Check(PatchScan scan)
    {
        if (_reported || !scan.InCommitLog)
            return;
        var line = scan.Line.ToString();
        if (Paths().IsMatch(line) || Hunk().IsMatch(line) || Diff().IsMatch(line))
        {
            _reported = true;
            scan.Report(this);
        }
    }

    [GeneratedRegex(@"^\s*(?:---\s+a/|\+\+\+\s+b/)")]
    private static partial Regex Paths();

    [GeneratedRegex(@"^\s*@@ -\d+,\d+ \+\d+,\d+ @@")]
    private static partial Regex Hunk();

    [GeneratedRegex(@"^\s+diff\b.*a/([\w/]+)\s+b/\1\b")]
    private static partial Regex Diff();
}

internal sealed class ToolInSubject() : LineRule("EMAIL_SUBJECT", Severity.Warning, "A patch subject line should describe the change not the tool that found it")
{
    public override Explanation Explanation => new(
        "The tool is no reason to change anything; the bug it found is.",
        new("From: A <a@b.c>\nSubject: [PATCH] x: fix checkpatch warnings\n\nlog\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: [PATCH] x: indent by tabs\n\nlog\n\nSigned-off-by: A <a@b.c>\n"));

    private static readonly string[] s_tools = ["checkpatch", "sparse", "smatch"];

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (!line.StartsWith("Subject:", StringComparison.OrdinalIgnoreCase))
            return;
        var lower = line.ToString().ToLowerInvariant();
        foreach (var tool in s_tools)
        {
            for (var at = Scan.FindWord(lower, tool); at >= 0; at = Scan.FindWord(lower, tool, at + 1))
            {
                if (at + tool.Length < lower.Length && lower[at + tool.Length] != ':')
                {
                    scan.Report(this);
                    return;
                }
            }
        }
    }
}

internal sealed class ChangeId() : LineRule("GERRIT_CHANGE_ID", Severity.Error, "Remove Gerrit Change-Id's before submitting upstream")
{
    public override Explanation Explanation => new(
        "Nobody else can look it up.",
        new("From: A <a@b.c>\nSubject: x\n\nlog\n\nChange-Id: I123\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nlog\n\nSigned-off-by: A <a@b.c>\n"));

    private bool _separated;

    public override void Begin() => _separated = false;

    public override void Check(PatchScan scan)
    {
        if (scan.Line is "---")
            _separated = true;
        if (scan.File.Length == 0 && !_separated && scan.Line[Scan.SkipSpace(scan.Line, 0)..].StartsWith("change-id:", StringComparison.OrdinalIgnoreCase))
            scan.Report(this);
    }
}

internal sealed partial class LongLogLine() : LineRule(
    "COMMIT_LOG_LONG_LINE",
    Severity.Warning,
    "Possible unwrapped commit description (prefer a maximum 75 chars per line)")
{
    private const int Most = 75;

    public override Explanation Explanation => new(
        "git log indents by four columns and does not wrap.",
        new("From: A <a@b.c>\nSubject: x\n\nThis line of the log is so long that it does not fit into the eighty columns of a terminal.\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nThis line of the log fits.\n\nSigned-off-by: A <a@b.c>\n"));

    private bool _reported;
    private bool _inStackDump;

    public override void Begin() => _reported = _inStackDump = false;

    public override void Check(PatchScan scan)
    {
        if (!scan.InCommitLog || scan.Line.Length > PatchScan.MaxCodeLine)
            return;
        var line = scan.Line.ToString();
        _inStackDump |= IsStackDump(inLog: true, line);
        if (!_reported && !_inStackDump && line.Length > Most && !Exempt().IsMatch(line))
        {
            _reported = true;
            scan.Report(this);
        }
        if (Scan.OnlySpaceFrom(line, 0))
            _inStackDump = false;
    }

    /// <summary>Whether a line begins a dump of a stack or of registers.</summary>
    public static bool IsStackDump(bool inLog, string line) => inLog && StackDump().IsMatch(line);

    [GeneratedRegex(@"^\s*(?:WARNING:|BUG:)|^\s*\[\s*\d+\.\d{6}\s*\]|^\s*\[<[0-9a-fA-F]{8,}>\]|^(?:\s+\w+:\s+[0-9a-fA-F]+){3}|^\s*#\d+\s*\[[0-9a-fA-F]+\]\s*\w+ at [0-9a-fA-F]+")]
    private static partial Regex StackDump();

    /// <summary>A diffstat's line, a file's name with what is said of it, and trailers.</summary>
    [GeneratedRegex(
        @"^\s*(?:[a-zA-Z0-9_/.]+\s+\|\s+\d+|(?>(?:[\w.\-+]*/)+)[\w.\-+]+:|(?i:Fixes:|Link:|Signed-off-by:|Co-developed-by:|Acked-by:|Tested-by:|Reviewed-by:|Reported-by:|Suggested-by:|Assisted-by:|To:|Cc:))")]
    private static partial Regex Exempt();
}

internal sealed class CommentInLog() : LineRule("COMMIT_COMMENT_SYMBOL", Severity.Warning, "Commit log lines starting with '#' are dropped by git as comments")
{
    public override Explanation Explanation => new(
        "They are there when the mail is sent and gone once a log is edited.",
        new("From: A <a@b.c>\nSubject: x\n\nlog\n# echo\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nlog\n  # echo\n\nSigned-off-by: A <a@b.c>\n"));

    public override void Check(PatchScan scan)
    {
        if (scan.InCommitLog && scan.Line.StartsWith("#"))
            scan.Report(this);
    }
}

internal sealed class InvalidUtf8Check() : LineRule("INVALID_UTF8", Severity.Check, "Invalid UTF-8, patch and commit message should be encoded in UTF-8")
{
    public override Explanation Explanation => new("Text in another encoding is unreadable for all whose locale differs.", new("/* caf\uE0E9 */"), new("/* caf\uE0C3\uE0A9 */"));

    public override void Check(PatchScan scan)
    {
        if (scan.File.Length != 0 && !scan.Line.StartsWith("+"))
            return;
        var valid = Utf8Scan.ValidPrefix(scan.Raw);
        if (valid != scan.Raw.Length)
            scan.ReportAt(this, valid);
    }
}

internal sealed class ExecutableFile() : LineRule("EXECUTE_PERMISSIONS", Severity.Error, "do not set execute permissions for source files")
{
    public override Explanation Explanation => new("Source is compiled, not run.", new("diff --git a/x.c b/x.c\nold mode 100644\nnew mode 100755\n"), new("diff --git a/scripts/x b/scripts/x\nold mode 100644\nnew mode 100755\n"));

    public override void Check(PatchScan scan)
    {
        if (!Qemu.ExecutableSource.SetsExecutable(scan.Line) || scan.File.Contains("scripts/", StringComparison.Ordinal))
            return;
        string[] scripts = [".py", ".pl", ".awk", ".sh"];
        if (!Array.Exists(scripts, suffix => scan.File.EndsWith(suffix, StringComparison.Ordinal)))
            scan.Report(this, excerpt: Excerpt.Place);
    }
}

internal sealed class FreeSoftwareAddress() : LineRule("FSF_MAILING_ADDRESS", Severity.Error, "Do not include the paragraph about writing to the Free Software Foundation's mailing address")
{
    public override Explanation Explanation => new("The address has changed and will again; the licence comes with the tree.", new("/* write to the Free Software Foundation */"), new("/* a comment */"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        if (raw.Contains("write to the Free", StringComparison.OrdinalIgnoreCase) || raw.Contains("59 Temple Pl", StringComparison.OrdinalIgnoreCase)
            || raw.Contains("675 Mass Ave", StringComparison.OrdinalIgnoreCase) || raw.Contains("51 Franklin St", StringComparison.OrdinalIgnoreCase))
        {
            scan.Report(
                this,
                "Do not include the paragraph about writing to the Free Software Foundation's mailing address from the sample GPL notice. "
                + "The FSF has changed addresses in the past, and may do so again. Linux already includes a copy of the GPL.",
                Excerpt.Visible);
        }
    }
}
