using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Files of other kinds than C, and what every file begins with.</summary>
internal static partial class FileRules
{
    public static LineRule[] Create() =>
    [
        new KconfigHelp(), new SpdxTag(),
        new PatternRule("MAINTAINERS_STYLE", Severity.Warning, "MAINTAINERS entries use one tab after TYPE:", Entry, ":",
            "Scripts read the file.", new("M: A <a@b.c>", "MAINTAINERS"), new("M:\tA <a@b.c>", "MAINTAINERS"))
            { On = PatternRule.View.Raw, AppliesTo = file => file == "MAINTAINERS", Unless = EntryWithTab },
        new PatternRule("DEPRECATED_VARIABLE", Severity.Warning, "Use of a variable is deprecated", ExtraFlags, "EXTRA_",
            "ccflags-y and its like hold for one directory.", new("EXTRA_CFLAGS += -Wall", "drivers/Makefile"), new("ccflags-y += -Wall", "drivers/Makefile"))
            {
                AppliesTo = file => file.Contains("Makefile", StringComparison.Ordinal) || file.Contains("Kbuild", StringComparison.Ordinal),
                Describe = (_, match) => $"Use of EXTRA_{match.Groups[1].Value}FLAGS is deprecated, please use `{match.Groups[1].Value.ToLowerInvariant() switch { "a" => "as", "ld" => "ld", "cpp" => "cpp", _ => "cc" }}flags-y instead.",
            },
        new PatternRule("EMBEDDED_FILENAME", Severity.Warning, "It's generally not useful to have the filename in the file", Added, "",
            "It is wrong once the file is moved.", new("/* mm/x.c */", "mm/x.c"), new("/* x */", "mm/x.c"))
            { On = PatternRule.View.Raw, Describe = (scan, _) => scan.File.Length > 0 && scan.Raw[1..].Contains(scan.File, StringComparison.Ordinal) ? "It's generally not useful to have the filename in the file" : null },
        new PatternRule("AVOID_L_PREFIX", Severity.Warning, "Avoid using '.L' prefixed local symbol names for denoting a range of code via 'SYM_*_START/END' annotations; see Documentation/core-api/asm-annotations.rst", LocalSymbol, "SYM_",
            "The assembler drops such symbols.", new("SYM_CODE_START(.La)", "arch/x.S"), new("SYM_CODE_START(a)", "arch/x.S")) { AppliesTo = file => file.EndsWith(".S", StringComparison.Ordinal) },
    ];

    [GeneratedRegex(@"^\+[A-Z]:")]
    private static partial Regex Entry();

    [GeneratedRegex(@"^\+[A-Z]:\t\S")]
    private static partial Regex EntryWithTab();

    [GeneratedRegex(@"\+EXTRA_(A|C|CPP|LD)FLAGS")]
    private static partial Regex ExtraFlags();

    [GeneratedRegex(@"^\+")]
    private static partial Regex Added();

    [GeneratedRegex(@"^\+\s*(?:[A-Z]+_)?SYM_[A-Z]+_(?:START|END)(?:_[A-Z_]+)?\s*\(\s*\.L")]
    private static partial Regex LocalSymbol();
}

/// <summary>The licence's tag on a file's first line.</summary>
internal sealed class SpdxTag() : LineRule("SPDX_LICENSE_TAG", Severity.Warning, "Missing or malformed SPDX-License-Identifier tag")
{
    public override Explanation Explanation => new(
        "Tools read it (Documentation/process/license-rules.rst).",
        new("diff --git a/mm/x.c b/mm/x.c\n--- /dev/null\n+++ b/mm/x.c\n@@ -0,0 +1 @@\n+int a;\n"),
        new("diff --git a/mm/x.c b/mm/x.c\n--- /dev/null\n+++ b/mm/x.c\n@@ -0,0 +1 @@\n+// SPDX-License-Identifier: GPL-2.0\n"));

    private const string Tag = "SPDX-License-Identifier:";

    private string _file = "";
    private int _line = 1;

    public override void Begin() => _file = "";

    public override void Check(PatchScan scan)
    {
        if (_file != scan.File)
            (_file, _line) = (scan.File, 1);
        var raw = scan.Raw;
        if (scan.FileLine != _line || raw.IsEmpty || raw[0] is not ('+' or ' '))
            return;
        var start = Text.Scan.SkipSpace(raw, 1);
        if (Text.Scan.StartsAt(raw, start, "#!"))
        {
            _line = 2;
            return;
        }
        if (raw[0] != '+')
            return;
        var comment = CommentOf(scan.File);
        if (scan.File is [.., '.', 'c' or 'h' or 's' or 'S'] && raw.Contains(Tag, StringComparison.Ordinal) && !Text.Scan.StartsAt(raw, start, comment))
            scan.Report(this, $"Improper SPDX comment style for '{scan.File}', please use '{comment}' instead");
        if (comment.Length > 0 && !raw[1..].StartsWith($"{comment} {Tag} "))
            scan.Report(this, $"Missing or malformed SPDX-License-Identifier tag in line {_line}");
    }

    private string CommentOf(string file) => Path.GetExtension(file) switch
    {
        ".h" or ".s" or ".S" => "/*",
        ".c" or ".rs" or ".dts" or ".dtsi" => "//",
        ".sh" or ".pl" or ".py" or ".awk" or ".tc" or ".yaml" => "#",
        ".rst" => "..",
        _ => _line == 2 ? "#" : "",
    };
}
