using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class MangledAuthor() : LineRule("FROM_MANGLED", Severity.Error, "Author email address is mangled by the mailing list")
{
    public override Explanation Explanation => new(
        "Lists that rewrite the sender for DMARC leave patches that would be committed under the list's address. Set sendemail.from, or put a From: line into the body.",
        new("From: A Developer via <qemu-devel@nongnu.org>\nSubject: x\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A Developer <a@b.c>\nSubject: x\n\nSigned-off-by: A <a@b.c>\n"));

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (!line.StartsWith("Author: ") && !line.StartsWith("From: "))
            return;
        var via = line.IndexOf(" via ");
        if (via < 0)
            return;
        for (var at = line.IndexOf("<qemu-"); at >= 0;)
        {
            var end = Scan.WordEnd(line, at + "<qemu-".Length);
            if (at > via && end > at + "<qemu-".Length && Scan.StartsAt(line, end, "@nongnu.org>"))
            {
                scan.Report(this);
                return;
            }
            var next = line[(at + 1)..].IndexOf("<qemu-");
            at = next < 0 ? -1 : at + 1 + next;
        }
    }
}

internal sealed class SignOffForm() : LineRule("BAD_SIGN_OFF", Severity.Error, "The correct form is \"Signed-off-by\"")
{
    public override Explanation Explanation => new(
        "Tools find the trailer by its exact spelling.",
        new("From: A <a@b.c>\n\nsigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n"));

    public override void Check(PatchScan scan)
    {
        if (!Scan.StartsAt(scan.Line, Scan.SkipSpace(scan.Line, 0), "Signed-off-by:"))
            scan.Report(this);
    }
}

internal sealed class SignOffSpace() : LineRule("SIGN_OFF_SPACE", Severity.Error, "space required after Signed-off-by:")
{
    public override Explanation Explanation => new(
        "Trailers are a name, a colon, a space and a value; without the space git does not see the address.",
        new("From: A <a@b.c>\n\nSigned-off-by:A <a@b.c>\n"),
        new("From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n"));

    public override void Check(PatchScan scan)
    {
        var after = Scan.SkipSpace(scan.Line, 0) + "Signed-off-by:".Length;
        if (after < scan.Line.Length && !Scan.IsSpace(scan.Line[after]))
            scan.Report(this);
    }
}

internal sealed class FilesMoved() : LineRule("FILE_PATH_CHANGES", Severity.Warning, "added, moved or deleted file(s), does MAINTAINERS need updating?")
{
    public override Explanation Explanation => new(
        "A file that no entry of MAINTAINERS covers has nobody to send its patches to.",
        new("diff --git a/hw/x.c b/hw/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/hw/x.c\n@@ -0,0 +1 @@\n+/* SPDX-License-Identifier: GPL-2.0-or-later */\n"),
        new("MAINTAINERS | 1 +\ndiff --git a/hw/x.c b/hw/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/hw/x.c\n@@ -0,0 +1 @@\n+/* SPDX-License-Identifier: GPL-2.0-or-later */\n"));

    /// <summary>Said once, or not needed since the patch changes MAINTAINERS.</summary>
    public bool Settled { get; set; }

    public override void Begin() => Settled = false;

    public override void Check(PatchScan scan)
    {
        if (!Settled && Moves(scan.Line))
        {
            Settled = true;
            scan.Report(this);
        }
    }

    /// <summary>A diffstat's line for the file that lists maintainers.</summary>
    public static bool IsMaintainersStat(ReadOnlySpan<char> line)
    {
        var at = Scan.SkipSpace(line, 0);
        if (!Scan.StartsAt(line, at, "MAINTAINERS"))
            return false;
        at = Scan.SkipSpace(line, at + "MAINTAINERS".Length);
        return at < line.Length && line[at] == '|';
    }

    public static bool Moves(ReadOnlySpan<char> line)
    {
        if (line.StartsWith("new file mode") || line.StartsWith("deleted file mode"))
        {
            var mode = Scan.TrimEnd(line[(line.IndexOf("mode") + "mode".Length)..]);
            mode = mode[Scan.SkipSpace(mode, 0)..];
            return !mode.IsEmpty && mode.IndexOfAnyExceptInRange('0', '9') < 0;
        }
        return GitHeaders.IsRename(line, copies: false) || GitHeaders.HasStatRename(line);
    }
}

internal sealed class BadUtf8() : LineRule("INVALID_UTF8", Severity.Error, "Invalid UTF-8, patch and commit message should be encoded in UTF-8")
{
    public override Explanation Explanation => new(
        "Text in another encoding is unreadable for all whose locale differs, and git log shows it broken.",
        new("/* caf\uE0E9 */"),
        new("/* caf\uE0C3\uE0A9 */"));

    public override void Check(PatchScan scan)
    {
        if (scan.File.Length != 0 && !scan.Line.StartsWith("+"))
            return;
        var valid = Utf8Scan.ValidPrefix(scan.Raw);
        if (valid != scan.Raw.Length)
            scan.ReportAt(this, valid);
    }
}

internal sealed class DoublyEncodedUtf8() : LineRule("UTF8_MOJIBAKE", Severity.Error, "Doubly-encoded UTF-8")
{
    public override Explanation Explanation => new(
        "A mail program took UTF-8 for ISO-8859-1 and encoded it again.",
        new("/* caf\uE0C3\uE083\uE0C2\uE0A9 */"),
        new("/* caf\uE0C3\uE0A9 */"));

    public override void Check(PatchScan scan)
    {
        if (Utf8Scan.HasDoublyEncoded(scan.Raw))
            scan.Report(this);
    }
}

internal sealed class Utf8InDeclinedLog() : LineRule("UTF8_BEFORE_PATCH", Severity.Warning, "8-bit UTF-8 used in possible commit log")
{
    public override Explanation Explanation => new(
        "The mail's header declares another character set, so the log would be stored wrongly.",
        new("From: A <a@b.c>\nContent-Type: text/plain; charset=\"us-ascii\"\n\ncaf\uE0C3\uE0A9\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nContent-Type: text/plain; charset=\"utf-8\"\n\ncaf\uE0C3\uE0A9\n\nSigned-off-by: A <a@b.c>\n"));

    private bool _declined;

    public override void Begin() => _declined = false;

    /// <summary>Notes the character set that a header declares.</summary>
    public void ReadHeader(ReadOnlySpan<char> line)
    {
        if (!line.StartsWith("Content-Type:"))
            return;
        var start = line.LastIndexOf("charset=\"");
        var end = line.LastIndexOf('"');
        if (start > "Content-Type:".Length && end > start + "charset=\"".Length
            && !line[(start + "charset=\"".Length)..end].Contains("utf-8", StringComparison.OrdinalIgnoreCase))
            _declined = true;
    }

    public override void Check(PatchScan scan)
    {
        if (_declined && scan.InCommitLog && scan.File.Length == 0 && Utf8Scan.HasMultiByte(scan.Raw))
            scan.Report(this);
    }
}

internal sealed class CorruptPatch() : LineRule("CORRUPTED_PATCH", Severity.Error, "patch seems to be corrupt (line wrapped?)")
{
    public override Explanation Explanation => new(
        "A line of a hunk begins with a space, + or -. Mail programs that wrap lines break that; send with git send-email.",
        new("--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,2 +1,3 @@\n int a;\nwrapped here\n+int b;\n"),
        new("--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,1 +1,2 @@\n int a;\n+int b;\n"));

    private bool _reported;

    public override void Begin() => _reported = false;

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (_reported || scan.Remaining == 0 || line.IsEmpty || line[0] is '+' or '-' or ' ' || line.StartsWith("\\ No newline"))
            return;
        _reported = true;
        scan.Report(this);
    }
}

/// <summary>Lines that git puts before a file's hunks (git-diff, "Generating patch text with -p").</summary>
internal static class GitHeaders
{
    /// <summary><c>rename from path</c> and its like, the path of plain characters.</summary>
    public static bool IsRename(ReadOnlySpan<char> line, bool copies)
    {
        var at = line.StartsWith("rename ") ? "rename ".Length : copies && line.StartsWith("copy ") ? "copy ".Length : -1;
        if (at < 0)
            return false;
        at = Scan.StartsAt(line, at, "from ") ? at + 5 : Scan.StartsAt(line, at, "to ") ? at + 3 : -1;
        if (at < 0)
            return false;
        var end = SkipPath(line, at);
        return end > at && Scan.OnlySpaceFrom(line, end);
    }

    /// <summary>A diffstat's <c>{old =&gt; new}</c>.</summary>
    public static bool HasStatRename(ReadOnlySpan<char> line)
    {
        for (var open = line.IndexOf('{'); open >= 0;)
        {
            var at = Scan.SkipSpace(line, SkipPath(line, Scan.SkipSpace(line, open + 1)));
            if (Scan.StartsAt(line, at, "=>"))
            {
                at = Scan.SkipSpace(line, SkipPath(line, Scan.SkipSpace(line, at + 2)));
                if (at < line.Length && line[at] == '}')
                    return true;
            }
            var next = line[(open + 1)..].IndexOf('{');
            open = next < 0 ? -1 : open + 1 + next;
        }
        return false;
    }

    private static int SkipPath(ReadOnlySpan<char> line, int at)
    {
        while (at < line.Length && (Scan.IsWord(line[at]) || line[at] is '/' or '.' or '-'))
            at++;
        return at;
    }
}
