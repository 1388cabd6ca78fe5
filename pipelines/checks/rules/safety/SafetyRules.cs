using Gauntlet.Pipelines.Checks.Parsing;

namespace Gauntlet.Pipelines.Checks.Rules.Safety;

/// <summary>
/// What no reviewer should have to notice: paths out of the tree or into git's own folder, links that lead out of it, text that a screen shows otherwise than a
/// compiler reads it. For every project; checkpatch.pl looks for none of it.
/// </summary>
internal static class SafetyRules
{
    private const string Head = "From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n";

    private const string Good = Head + "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n";

    public static WholeRule UnsafePath { get; } = new(
        "UNSAFE_PATH",
        Severity.Error,
        "path leads out of the tree",
        () => new(
            "Applied without care it writes where its sender likes, or into git's own folder, whose hooks run. Spellings that some file systems take for .git count too.",
            new(Head + "diff --git a/.GIT/hooks/x.c b/.GIT/hooks/x.c\n--- a/.GIT/hooks/x.c\n+++ b/.GIT/hooks/x.c\n@@ -1,0 +1 @@\n+int a;\n"),
            new(Good)));

    public static WholeRule LinkOutside { get; } = new(
        "SYMLINK_OUTSIDE_TREE",
        Severity.Warning,
        "symbolic link leads out of the tree",
        () => new(
            "Whoever reads or writes through it uses a file of the machine that it lies on.",
            new(Head + Link("x", "/etc/passwd")),
            new(Head + Link("x", "docs/x"))));

    public static WholeRule WriteThroughLink { get; } = new(
        "SYMLINK_WRITE_THROUGH",
        Severity.Error,
        "writes through a symbolic link",
        () => new(
            "The patch makes a link and then a file below it, which lands wherever the link leads.",
            new(Head + Link("x", "docs") + "diff --git a/x/y.c b/x/y.c\nnew file mode 100644\n--- /dev/null\n+++ b/x/y.c\n@@ -0,0 +1 @@\n+int a;\n"),
            new(Head + Link("x", "docs") + "diff --git a/y.c b/y.c\nnew file mode 100644\n--- /dev/null\n+++ b/y.c\n@@ -0,0 +1 @@\n+int a;\n")));

    public static WholeRule SubmoduleLink { get; } = new(
        "SUBMODULE_LINK",
        Severity.Warning,
        "changes a submodule",
        () => new(
            "What it brings is in another repository and in no line of the patch; look at that commit too.",
            new(Head + "diff --git a/roms/x b/roms/x\nindex 0123456..89abcde 160000\n--- a/roms/x\n+++ b/roms/x\n@@ -1 +1 @@\n-Subproject commit 0123456789012345678901234567890123456789\n+Subproject commit 89abcde789012345678901234567890123456789\n"),
            new(Good)));

    public static WholeRule BidiControl { get; } = new(
        "BIDI_CONTROL",
        Severity.Error,
        "bidirectional control character",
        () => new(
            "A screen shows the line in another order than the compiler reads it (CVE-2021-42574).",
            new(Head + "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+/* \uE0E2\uE080\uE0AE */\n"),
            new(Good)));

    public static WholeRule NulByte { get; } = new(
        "NUL_BYTE",
        Severity.Error,
        "NUL byte in text",
        () => new(
            "Tools stop reading there, each in its own way.",
            new(Head + "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\0\n"),
            new(Good)));

    public static WholeRule LargeBinary { get; } = new(
        "BINARY_SIZE",
        Severity.Warning,
        "binary file is large once unpacked",
        () => new(
            "It stays in the history of everyone who clones. A few kilobytes of a patch can unpack to any size.",
            new(Head + Binary(52_428_800)),
            new(Head + Binary(300))));

    public static IReadOnlyList<Rule> All { get; } = [UnsafePath, LinkOutside, WriteThroughLink, SubmoduleLink, BidiControl, NulByte, LargeBinary];

    private const string SymbolicLinkMode = "120000", SubmoduleMode = "160000";

    /// <summary>Bytes that a binary file may have, unpacked.</summary>
    private const long MaxBinaryBytes = 10 * 1024 * 1024;

    /// <summary>Adds what is found to the findings.</summary>
    public static void Check(PatchDocument document, RuleSelection selection, List<Finding> findings)
    {
        var links = new List<string>();
        var number = document.Preamble.Count;
        foreach (var file in document.Files)
        {
            var first = number + 1;
            void Report(Rule rule, string message, int patchLine, int fileLine = 0)
            {
                if (selection.Selects(rule))
                    findings.Add(new Finding(rule, rule.Severity, message, patchLine, file.NewPath ?? file.OldPath ?? "", fileLine, Excerpt.Line, 0, null));
            }
            CheckPaths(file, links, (rule, message) => Report(rule, message, first));
            CheckHeader(file, (rule, message, offset) => Report(rule, message, first + offset));
            number += file.Header.Count;
            var isLink = Mode(file) is SymbolicLinkMode;
            if (isLink && file.NewPath is { } link)
                links.Add(link + "/");
            foreach (var hunk in file.Hunks)
            {
                number++;
                var line = hunk.Range.NewStart;
                foreach (var text in hunk.Lines)
                {
                    number++;
                    if (text[0] == '+')
                        CheckAdded(file, text, isLink, (rule, message) => Report(rule, message, number, line));
                    line += text[0] is '-' or '\\' ? 0 : 1;
                }
            }
        }
    }

    private static void CheckPaths(PatchFile file, List<string> links, Action<Rule, string> report)
    {
        foreach (var path in (ReadOnlySpan<string?>)[file.OldPath, file.NewPath == file.OldPath ? null : file.NewPath])
        {
            if (path is not null && PathSafety.Problem(path) is { } problem)
                report(UnsafePath, $"path {path} {problem}");
        }
        if (file.NewPath is { } written && links.Find(link => written.StartsWith(link, StringComparison.Ordinal)) is { } through)
            report(WriteThroughLink, $"writes through the symbolic link {through.TrimEnd('/')}, which the patch makes");
    }

    private static void CheckHeader(PatchFile file, Action<Rule, string, int> report)
    {
        if (Mode(file) is SubmoduleMode)
            report(SubmoduleLink, SubmoduleLink.Message, 0);
        for (var i = 0; i < file.Header.Count; i++)
        {
            var line = file.Header[i].AsSpan().TrimEnd();
            if (file.IsBinary && line.StartsWith("literal ") && (!long.TryParse(line["literal ".Length..], out var bytes) || bytes > MaxBinaryBytes))
                report(LargeBinary, $"binary file of {line["literal ".Length..]} bytes once unpacked", i);
        }
    }

    private static void CheckAdded(PatchFile file, string text, bool isLink, Action<Rule, string> report)
    {
        if (isLink && PathSafety.LeavesTree(file.NewPath ?? "", text.AsSpan(1).TrimEnd("\r\n")))
            report(LinkOutside, $"symbolic link leads out of the tree, to {text.AsSpan(1).TrimEnd("\r\n")}");
        if (text.Contains('\0', StringComparison.Ordinal))
            report(NulByte, NulByte.Message);
        if (PathSafety.HasBidiControl(text))
            report(BidiControl, BidiControl.Message);
    }

    private static readonly string[] s_modeHeaders = ["new file mode ", "new mode ", "index "];

    /// <summary>The mode that a file has after the patch, in octal digits; empty when the patch does not say.</summary>
    private static ReadOnlySpan<char> Mode(PatchFile file)
    {
        foreach (var line in file.Header)
        {
            foreach (var word in s_modeHeaders)
            {
                var text = line.AsSpan().TrimEnd();
                if (text.StartsWith(word) && text.LastIndexOf(' ') is var space && space + 1 >= word.Length)
                    return text[(space + 1)..];
            }
        }
        return default;
    }

    private static string Link(string path, string target) =>
        $"diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n";

    private static string Binary(long bytes) =>
        $"diff --git a/x.bin b/x.bin\nnew file mode 100644\nindex 0000000..0123456\nGIT binary patch\nliteral {bytes}\nKcmb;p000310RR91\n\nliteral 0\nHcmV?d00001\n\n";
}
