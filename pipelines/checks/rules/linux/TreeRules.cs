using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>A commit that the repository does not have.</summary>
internal sealed partial class UnknownCommit() : LineRule("UNKNOWN_COMMIT_ID", Severity.Warning, "Unknown commit id, maybe rebased or not pulled?")
{
    /// <summary>Commits of one patch that the repository is asked for.</summary>
    private const int MaxLookups = 100;

    private int _lookups;

    public override Explanation Explanation => new(
        "Nobody can look up what the log speaks of.",
        new("From: A <a@b.c>\nSubject: x\n\nSince commit 0123456789ab (\"a\") it is broken.\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nSince last week it is broken.\n\nSigned-off-by: A <a@b.c>\n"));

    public override void Begin() => _lookups = 0;

    public override void Check(PatchScan scan)
    {
        if (!scan.InCommitLog || scan.HasCommit is null || scan.Line.Length > PatternRule.MaxLine || !scan.Line.ContainsAnyInRange('0', '9'))
            return;
        if (Named().Match(scan.LineText) is { Success: true } match && _lookups++ < MaxLookups && !scan.HasCommit(match.Groups[1].Value))
            scan.Report(this, $"Unknown commit id '{match.Groups[1].Value}', maybe rebased or not pulled?");
    }

    [GeneratedRegex(@"(?:^fixes:|\bcommit)\s+([0-9a-f]{6,40})\b", RegexOptions.IgnoreCase)]
    private static partial Regex Named();
}

/// <summary>A file of the tree that a log names by somebody's own folders.</summary>
internal sealed partial class AbsolutePath() : LineRule("USE_RELATIVE_PATH", Severity.Warning, "use relative pathname instead of absolute in changelog text")
{
    /// <summary>Files that one patch's log is looked up in the tree for.</summary>
    private const int MaxLookups = 10_000;

    private int _lookups;

    public override void Begin() => _lookups = 0;

    public override Explanation Explanation => new(
        "The folders above the tree are one developer's.",
        new("From: A <a@b.c>\nSubject: x\n\nA warning in /home/a/linux/hw/Makefile is gone.\n\nSigned-off-by: A <a@b.c>\n"),
        new("From: A <a@b.c>\nSubject: x\n\nA warning in hw/Makefile is gone.\n\nSigned-off-by: A <a@b.c>\n"));

    public override void Check(PatchScan scan)
    {
        if (!scan.InCommitLog || scan.Root is null || !scan.Has('/') || scan.Line.Length > PatternRule.MaxLine)
            return;
        for (var match = Absolute().Match(scan.LineText); match.Success; match = match.NextMatch())
        {
            var path = match.Groups[1].Value;
            if (Position().Match(path) is { Success: true } position && IsInTree(scan.Root, position.Groups[1].Value))
                scan.Report(this);
            else if (IsInTree(scan.Root, path))
                scan.Report(this);
        }
    }

    private bool IsInTree(string root, string path)
    {
        if (path.Contains("..", StringComparison.Ordinal) || path.Contains('\0'))
            return false;
        for (var slash = path.IndexOf('/'); slash >= 0 && _lookups++ < MaxLookups; slash = path.IndexOf('/', slash + 1))
        {
            if (slash + 1 < path.Length && path[slash + 1] != '/' && File.Exists(Path.Combine(root, path[(slash + 1)..])))
                return true;
        }
        return false;
    }

    [GeneratedRegex(@"(?:^|\s)(/\S*)")]
    private static partial Regex Absolute();

    [GeneratedRegex(@"^(.*?)(?::\d+)+:?$")]
    private static partial Regex Position();
}

/// <summary>An architecture's header where a generic one has it.</summary>
internal sealed partial class ArchitectureHeader() : LineRule("INCLUDE_LINUX", Severity.Warning, "Use #include of the generic header instead of the architecture's")
{
    public override Explanation Explanation => new("Not every architecture has the other.", new("#include <asm/hw.h>"), new("#include <linux/hw.h>"));

    public ReportedRule InArchitecture { get; } = new(
        "ARCH_INCLUDE_LINUX", Severity.Check, "Consider using #include of the generic header instead of the architecture's",
        "The generic one includes it.", new("#include <asm/hw.h>", "arch/x86/a.c"), new("#include <linux/hw.h>", "arch/x86/a.c"));

    public override void Check(PatchScan scan)
    {
        if (scan.Root is null || scan.Raw.Length > PatternRule.MaxLine || Include().Match(scan.RawText) is not { Success: true } match)
            return;
        var header = match.Groups[1].Value + ".h";
        var generic = "include/linux/" + header;
        if (scan.File == generic || Allowed().IsMatch(header) || !Includes(Path.Combine(scan.Root, generic), header))
            return;
        if (scan.File.StartsWith("arch/", StringComparison.Ordinal))
            scan.Report(InArchitecture, $"Consider using #include <linux/{header}> instead of <asm/{header}>");
        else
            scan.Report(this, $"Use #include <linux/{header}> instead of <asm/{header}>");
    }

    /// <summary>Which headers of the tree include an architecture's, as far as they were looked at.</summary>
    private readonly Dictionary<string, bool> _includes = [];

    private bool Includes(string file, string header)
    {
        if (!_includes.TryGetValue(file, out var includes))
            _includes[file] = includes = HasInclude(file, header);
        return includes;
    }

    private static bool HasInclude(string file, string header)
    {
        try
        {
            return File.Exists(file) && File.ReadLines(file).Any(line => line.Contains("#include", StringComparison.Ordinal) && line.Contains($"<asm/{header}>", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be read recommends nothing.
            return false;
        }
    }

    [GeneratedRegex(@"^.\s*#\s*include\s*<asm/([A-Za-z0-9_/-]+)\.h>")]
    private static partial Regex Include();

    /// <summary>Architectures have reasons of their own for these.</summary>
    [GeneratedRegex("irq|memory|time|reboot")]
    private static partial Regex Allowed();
}

/// <summary>A structure of constant functions that could change.</summary>
internal sealed class ConstStructure() : LineRule("CONST_STRUCT", Severity.Warning, "struct should normally be const")
{
    public override Explanation Explanation => new("Function pointers in read-only memory cannot be overwritten.", new("static struct file_operations a;"), new("static const struct file_operations a;"));

    public override void Check(PatchScan scan)
    {
        if (scan.ConstStructures is not { } names || scan.Line.Length > PatternRule.MaxLine)
            return;
        var line = scan.Line;
        var at = Scan.FindWord(line, "struct");
        if (at < 0 || Scan.HasWord(line, "const"))
            return;
        for (; at >= 0; at = Scan.FindWord(line, "struct", at + 1))
        {
            var name = Scan.SkipSpace(line, at + "struct".Length);
            var end = Scan.WordEnd(line, name);
            var next = Scan.SkipSpace(line, end);
            if (end > name && (next == line.Length || line[next] != '{') && names.Contains(line[name..end].ToString()))
            {
                scan.Report(this, $"struct {line[name..end]} should normally be const");
                return;
            }
        }
    }
}

/// <summary>A parameter of the kernel's command line that the patch does not document.</summary>
internal sealed partial class UndocumentedSetup() : LineRule("UNDOCUMENTED_SETUP", Severity.Check, "__setup appears un-documented -- check Documentation/admin-guide/kernel-parameters.txt")
{
    private const string Document = "Documentation/admin-guide/kernel-parameters.txt";

    /// <summary>What the patch adds to the document; null until it is asked for.</summary>
    private string? _added;

    public override Explanation Explanation => new(
        "Who boots the kernel finds it there only.",
        new("__setup(\"foo=\", foo_setup);"),
        new($"diff --git a/{Document} b/{Document}\n--- a/{Document}\n+++ b/{Document}\n@@ -1 +1,2 @@\n bar=\n+foo=\ndiff --git a/mm/x.c b/mm/x.c\n--- a/mm/x.c\n+++ b/mm/x.c\n@@ -2,0 +3 @@\n+__setup(\"foo=\", foo_setup);\n"));

    public override void Begin() => _added = null;

    public override void Check(PatchScan scan)
    {
        if (!scan.ReportsTaste || !scan.Raw.Contains("__setup(", StringComparison.Ordinal) || scan.Raw.Length > PatternRule.MaxLine)
            return;
        if (Parameter().Match(scan.RawText) is { Success: true } match && !(_added ??= Added(scan.Lines)).Contains(match.Groups[1].Value, StringComparison.Ordinal))
            scan.Report(this);
    }

    private static string Added(TextLines lines)
    {
        var added = new System.Text.StringBuilder();
        var documents = false;
        for (var i = 0; i < lines.Count; i++)
        {
            var line = lines[i];
            if (line.StartsWith("+++"))
                documents = Scan.TrimEnd(line).EndsWith(Document);
            else if (documents && line is ['+', ..])
                added.Append(line).Append('\n');
        }
        return added.ToString();
    }

    [GeneratedRegex(@"\b__setup\(""([^""]*)""")]
    private static partial Regex Parameter();
}

/// <summary>A symbol of the configuration without a help text.</summary>
internal sealed class KconfigHelp() : LineRule("CONFIG_DESCRIPTION", Severity.Warning, "please write a help paragraph that fully describes the config symbol")
{
    /// <summary>Lines that a help text has at least.</summary>
    private const int LeastHelp = 4;

    public override Explanation Explanation => new(
        "Who configures a kernel reads nothing else.",
        new("config A\n\tbool \"a\"\n\thelp\n\t  Says a.\n", "mm/Kconfig"),
        new("config A\n\tbool \"a\"\n\thelp\n\t  Says a.\n\t  It is said\n\t  in four\n\t  lines.\n", "mm/Kconfig"));

    public override void Check(PatchScan scan)
    {
        if (!scan.IsAdded || !scan.File.Contains("Kconfig", StringComparison.Ordinal) || !IsEntry(scan.Line))
            return;
        var (needsHelp, hasHelp, length) = (false, false, 0);
        var index = scan.Number;
        var last = scan.Lines.Count - 1;
        for (; scan.Lines.Has(index); index++)
        {
            var line = scan.Clean[index];
            if (line is ['-', ..])
                continue;
            if (line is not ['+' or ' ', ..])
            {
                last = index;
                break;
            }
            var word = Scan.SkipSpace(line, 1);
            if (line[0] == '+' && HasPrompt(line, word))
            {
                needsHelp = true;
                continue;
            }
            if (line[0] == '+' && Scan.StartsAt(line, word, "help") && Scan.OnlySpaceFrom(line, word + "help".Length))
            {
                hasHelp = true;
                continue;
            }
            var text = Scan.TrimEnd(line[word..]);
            if (text.IsEmpty || text[0] == '#')
                continue;
            if (Ends(text))
            {
                last = index;
                break;
            }
            length += hasHelp ? 1 : 0;
        }
        if (needsHelp && length < LeastHelp)
            scan.ReportWithText(this, scan.RawLinesThrough(last));
    }

    private static bool IsEntry(ReadOnlySpan<char> line)
    {
        var word = Scan.SkipSpace(line, Math.Min(1, line.Length));
        return Scan.WordAt(line, word, "config") || Scan.WordAt(line, word, "menuconfig") || Scan.WordAt(line, word, "choice");
    }

    private static readonly string[] s_prompts = ["bool", "tristate", "prompt"];

    private static bool HasPrompt(ReadOnlySpan<char> line, int at)
    {
        foreach (var word in s_prompts)
        {
            if (Scan.StartsAt(line, at, word))
                return Scan.SkipSpace(line, at + word.Length) is var quote && quote < line.Length && line[quote] is '"' or '\'';
        }
        return false;
    }

    private static readonly string[] s_entries = ["config", "menuconfig", "choice", "endchoice", "if", "endif", "menu", "endmenu", "source"];

    /// <summary>Whether a line begins what follows an entry.</summary>
    private static bool Ends(ReadOnlySpan<char> text)
    {
        foreach (var word in s_entries)
        {
            if (Scan.WordAt(text, 0, word))
                return true;
        }
        return false;
    }
}

/// <summary>Bindings of the device tree, which are reviewed apart from drivers.</summary>
internal sealed class BindingPatch() : LineRule("DT_SPLIT_BINDING_PATCH", Severity.Warning, "DT binding docs and includes should be a separate patch. See: Documentation/devicetree/bindings/submitting-patches.rst")
{
    private const string Header = "--- a/{0}\n+++ b/{0}\n@@ -1,0 +2 @@\n+a\n";

    /// <summary>Whether the last file was one; null before the first.</summary>
    private bool? _last;

    public override Explanation Explanation => new(
        "Others look after them, and other projects take them.",
        new(Of("Documentation/devicetree/bindings/a.yaml") + Of("mm/README")),
        new(Of("Documentation/devicetree/bindings/a.yaml") + Of("Documentation/devicetree/bindings/b.yaml")));

    public ReportedRule Schema { get; } = new(
        "DT_SCHEMA_BINDING_PATCH", Severity.Warning, "DT bindings should be in DT schema format. See: Documentation/devicetree/bindings/writing-schema.rst",
        "A program can check device trees by a schema.",
        new("diff --git a/Documentation/devicetree/bindings/a.txt b/Documentation/devicetree/bindings/a.txt\nnew file mode 100644\n--- /dev/null\n+++ b/Documentation/devicetree/bindings/a.txt\n@@ -0,0 +1 @@\n+a\n"),
        new("diff --git a/Documentation/devicetree/bindings/a.yaml b/Documentation/devicetree/bindings/a.yaml\nnew file mode 100644\n--- /dev/null\n+++ b/Documentation/devicetree/bindings/a.yaml\n@@ -0,0 +1 @@\n+a\n"));

    private static string Of(string path) => $"diff --git a/{path} b/{path}\n" + string.Format(null, Header, path);

    public override void Begin() => _last = null;

    /// <summary>At a line that names the next file.</summary>
    public void EnterFile(PatchScan scan)
    {
        if (scan.File.StartsWith("MAINTAINERS", StringComparison.Ordinal))
            return;
        var isBinding = scan.File.StartsWith("Documentation/devicetree/", StringComparison.Ordinal) || scan.File.StartsWith("include/dt-bindings/", StringComparison.Ordinal);
        if (_last is { } last && last != isBinding)
            scan.ReportPatch(this);
        _last = isBinding;
    }

    public override void Check(PatchScan scan)
    {
        const string mode = "new file mode";
        if (!scan.InCommitLog && scan.Line.StartsWith(mode) && scan.Line[mode.Length..].Trim() is [>= '0' and <= '9', ..] digits && !digits.ContainsAnyExceptInRange('0', '9')
            && scan.File.StartsWith("Documentation/devicetree/bindings/", StringComparison.Ordinal) && scan.File.EndsWith(".txt", StringComparison.Ordinal))
            scan.ReportPatch(Schema);
    }
}
