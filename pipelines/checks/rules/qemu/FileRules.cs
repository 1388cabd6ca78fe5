using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class ExecutableSource() : LineRule("EXECUTE_PERMISSIONS", Severity.Error, "do not set execute permissions for source files")
{
    public override Explanation Explanation => new(
        "Source is compiled, not run.",
        new("diff --git a/hw/x.c b/hw/x.c\nold mode 100644\nnew mode 100755\n"),
        new("diff --git a/scripts/x.sh b/scripts/x.sh\nold mode 100644\nnew mode 100755\n"));

    public override void Check(PatchScan scan)
    {
        if (SetsExecutable(scan.Line) && IsSource(scan.File))
            scan.Report(this, excerpt: Excerpt.Place);
    }

    /// <summary>Whether git's header gives a file a mode with execute permissions.</summary>
    public static bool SetsExecutable(ReadOnlySpan<char> line) => (line.StartsWith("new mode") || line.StartsWith("new file mode")) && EndsExecutable(line);

    private static bool EndsExecutable(ReadOnlySpan<char> line)
    {
        for (var at = line.Length - 1; at >= Math.Max(line.Length - 3, 0); at--)
        {
            if (line[at] is '7' or '5' or '3' or '1')
                return true;
            if (!char.IsAsciiDigit(line[at]))
                return false;
        }
        return false;
    }

    private static bool IsSource(string file)
    {
        if (file.EndsWith(".c", StringComparison.Ordinal) || file.EndsWith(".cc", StringComparison.Ordinal) || file.EndsWith(".cpp", StringComparison.Ordinal)
            || file.EndsWith(".h", StringComparison.Ordinal) || file.EndsWith(".mak", StringComparison.Ordinal) || file.EndsWith(".s", StringComparison.Ordinal)
            || file.EndsWith(".S", StringComparison.Ordinal))
            return true;
        var start = file.EndsWith("Makefile", StringComparison.Ordinal) ? file.Length - 8 : file.EndsWith("Makefile.objs", StringComparison.Ordinal) ? file.Length - 13 : -1;
        return start >= 0 && Scan.IsBoundary(file, start);
    }
}

internal sealed class PythonWithoutVersion() : LineRule("PYTHON_INTERPRETER", Severity.Error, "please use python3 interpreter")
{
    public override Explanation Explanation => new(
        "python means Python 2 on some hosts and nothing on others.",
        new("#!/usr/bin/env python\n", "scripts/x.py"),
        new("#!/usr/bin/env python3\n", "scripts/x.py"));

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (scan.FileLine != 1 || !line.StartsWith("+#!"))
            return;
        var at = 3;
        while (at < line.Length && line[at] == ' ')
            at++;
        if (line[at..] is "/usr/bin/python" or "/usr/bin/env python")
            scan.Report(this);
    }
}

/// <summary>The licence that a new file declares.</summary>
internal sealed class MissingSpdxInSource() : LineRule("SPDX_MISSING", Severity.Error, "New file requires 'SPDX-License-Identifier'")
{
    public override Version Since => QemuRelease.V10_0;

    public override Explanation Explanation => new(
        "Every new source file says under which licence it is, in a form that tools read.",
        new("diff --git a/hw/x.c b/hw/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/hw/x.c\n@@ -0,0 +1 @@\n+int x;\ndiff --git a/hw/y.c b/hw/y.c\nnew file mode 100644\n"),
        new("diff --git a/hw/x.c b/hw/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/hw/x.c\n@@ -0,0 +1 @@\n+/* SPDX-License-Identifier: GPL-2.0-or-later */\ndiff --git a/hw/y.c b/hw/y.c\nnew file mode 100644\n"));

    private bool _expected;
    private string? _file;

    /// <summary>Reports a file that need not but may declare its licence.</summary>
    public required LineRule Advice { get; init; }

    public override void Begin()
    {
        _expected = false;
        _file = null;
    }

    public override void Check(PatchScan scan)
    {
        if (scan.Line.StartsWith("new file mode") && FilesMoved.Moves(scan.Line))
        {
            if (_expected)
                ReportFile(scan, _file ?? "");
            _expected = true;
            _file = null;
        }
        else if (_expected)
        {
            _file ??= scan.File;
            if (scan.Raw.Contains("SPDX-License-Identifier", StringComparison.Ordinal))
                _expected = false;
        }
    }

    private void ReportFile(PatchScan scan, string file)
    {
        string[] sources = [".c", ".h", ".py", ".pl", ".sh", ".json", ".inc", ".Makefile"];
        if (Array.Exists(sources, suffix => file.EndsWith(suffix, StringComparison.Ordinal)))
            scan.Report(this, $"New file '{file}' requires 'SPDX-License-Identifier'", Excerpt.Bare);
        else
            scan.Report(Advice, $"Does new file '{file}' need 'SPDX-License-Identifier'?", Excerpt.Bare);
    }
}

internal sealed class MissingSpdxElsewhere() : LineRule("SPDX_ADVISED", Severity.Warning, "Does new file need 'SPDX-License-Identifier'?")
{
    public override Version Since => QemuRelease.V10_0;

    public override Explanation Explanation => new(
        "Files other than source code may declare their licence too.",
        new("diff --git a/x.rst b/x.rst\nnew file mode 100644\n--- /dev/null\n+++ b/x.rst\n@@ -0,0 +1 @@\n+x\ndiff --git a/y.rst b/y.rst\nnew file mode 100644\n"),
        new("diff --git a/x.rst b/x.rst\nnew file mode 100644\n--- /dev/null\n+++ b/x.rst\n@@ -0,0 +1 @@\n+.. SPDX-License-Identifier: GPL-2.0-or-later\ndiff --git a/y.rst b/y.rst\nnew file mode 100644\n"));

    /// <summary>Reported by <see cref="MissingSpdxInSource"/>, which knows the file.</summary>
    public override void Check(PatchScan scan)
    {
    }
}

internal sealed class UnacceptableLicence() : LineRule("SPDX_UNACCEPTABLE", Severity.Error, "Saw unacceptable licenses")
{
    private const string Preferred = "GPL-2.0-or-later";

    private static readonly string[] s_acceptable = ["GPL-2.0-only", "LGPL-2.1-only", "LGPL-2.1-or-later", "BSD-2-Clause", "BSD-3-Clause", "MIT"];

    public override Version Since => QemuRelease.V10_0;

    public override Explanation Explanation => new(
        "Only licences that QEMU as a whole can be distributed under may come in.",
        new("/* SPDX-License-Identifier: Proprietary */"),
        new("/* SPDX-License-Identifier: GPL-2.0-or-later */"));

    /// <summary>Reports a licence that is acceptable but not the preferred one.</summary>
    public required LineRule Advice { get; init; }

    public override void Check(PatchScan scan)
    {
        const string Tag = "SPDX-License-Identifier: ";
        var start = scan.Raw.IndexOf(Tag);
        if (start < 0 || scan.File.Contains("include/standard-headers", StringComparison.Ordinal)
            || scan.File.Contains("linux-headers", StringComparison.Ordinal) || IsOwnSource(scan.File))
            return;
        var expression = Scan.TrimEnd(scan.Raw[(start + Tag.Length)..]);
        var original = (expression.EndsWith("*/") ? expression[..^2] : expression).ToString();
        var unknown = new List<string>();
        var advised = false;
        var flat = original.Replace('(', ' ').Replace(')', ' ').Replace("OR", " ", StringComparison.Ordinal).Replace("AND", " ", StringComparison.Ordinal);
        flat = MergeExceptions(flat).Trim([' ', '\t', '\r', '\f', '\v']);
        foreach (var licence in flat.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (licence == Preferred)
                continue;
            if (Array.IndexOf(s_acceptable, licence) >= 0)
                advised = true;
            else
                unknown.Add(licence);
        }
        if (unknown.Count > 0)
        {
            var message = $"Saw unacceptable licenses '{string.Join(',', unknown)}', valid choices for QEMU are:\n{Preferred}\n{string.Join('\n', s_acceptable)}";
            scan.Report(this, message, Excerpt.Bare);
        }
        if (advised)
        {
            scan.Report(
                Advice,
                $"Saw acceptable license '{original}' but note '{Preferred}' is preferred for new files unless the code is derived from a source file with an existing "
                + "declared license that must be retained. Please explain the license choice in the commit message.",
                Excerpt.Bare);
        }
    }

    /// <summary>The rule's own source may name any licence.</summary>
    private static bool IsOwnSource(string file) => file.Contains("checkpatch", StringComparison.Ordinal) && file.EndsWith("pl", StringComparison.Ordinal);

    private static string MergeExceptions(string expression)
    {
        var words = expression.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', words).Replace(" WITH ", "-WITH-", StringComparison.Ordinal);
    }
}

internal sealed class AcceptableLicence() : LineRule("SPDX_NOT_PREFERRED", Severity.Warning, "Saw acceptable license, but another is preferred")
{
    public override Version Since => QemuRelease.V10_0;

    public override Explanation Explanation => new(
        "New code is under GPL-2.0-or-later unless it derives from code that is not; the log should then say so.",
        new("/* SPDX-License-Identifier: MIT */"),
        new("/* SPDX-License-Identifier: GPL-2.0-or-later */"));

    /// <summary>Reported by <see cref="UnacceptableLicence"/>, which reads the expression.</summary>
    public override void Check(PatchScan scan)
    {
    }
}

internal sealed class OtherSpdxTag() : LineRule("SPDX_TAG", Severity.Error, "SPDX tag not permitted in QEMU code")
{
    public override Version Since => QemuRelease.V10_0;

    public override Explanation Explanation => new(
        "Copyright lines are written out; of SPDX's tags only the licence's is used.",
        new("/* SPDX-FileCopyrightText: 2025 A Developer */"),
        new("/* SPDX-License-Identifier: GPL-2.0-or-later */"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        for (var start = raw.IndexOf("SPDX-"); start >= 0;)
        {
            var end = start + "SPDX-".Length;
            while (end < raw.Length && (Scan.IsWord(raw[end]) || raw[end] == '-'))
                end++;
            if (end > start + "SPDX-".Length && end < raw.Length && raw[end] == ':')
            {
                if (raw[start..end] is not "SPDX-License-Identifier")
                    scan.Report(this, $"Tag {raw[start..end]} not permitted in QEMU code, valid choices are: SPDX-License-Identifier", Excerpt.Bare);
                return;
            }
            var next = raw[(start + 1)..].IndexOf("SPDX-");
            start = next < 0 ? -1 : start + 1 + next;
        }
    }
}

internal sealed class ImportedHeaders() : LineRule(
    "IMPORTED_HEADERS",
    Severity.Warning,
    "added, moved or deleted file(s) imported from Linux, are you using scripts/update-linux-headers.sh?")
{
    public override Version Since => QemuRelease.V10_0;

    public override Explanation Explanation => new(
        "Headers under linux-headers and include/standard-headers are copies; changes by hand are lost at the next update.",
        new("int x;", "linux-headers/linux/kvm.h"),
        new("int x;", "hw/misc/example.c"));

    /// <summary>Reports a patch that changes other files too.</summary>
    public required LineRule Mixed { get; init; }

    private bool _imported;
    private bool _other;
    private bool _reported;

    public override void Begin() => _imported = _other = _reported = false;

    public static bool IsImported(string file) =>
        file.StartsWith("linux-headers/", StringComparison.Ordinal) || file.StartsWith("include/standard-headers/", StringComparison.Ordinal);

    public override void Check(PatchScan scan)
    {
        if (IsImported(scan.File))
        {
            if (!_imported)
                scan.Report(this);
            _imported = true;
        }
        else
        {
            _other = true;
        }
        if (_imported && _other && !_reported)
        {
            scan.Report(Mixed);
            _reported = true;
        }
    }
}

internal sealed class ImportedHeadersMixed() : LineRule(
    "IMPORTED_HEADERS_MIXED",
    Severity.Error,
    "headers imported from Linux should be self-contained in a patch with no other changes")
{
    private const string Other = "--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,0 +1 @@\n+int a;\n";
    private const string Imported = "--- a/linux-headers/x.h\n+++ b/linux-headers/x.h\n@@ -1,0 +1 @@\n+int a;\n";

    public override Version Since => QemuRelease.V10_0;

    public override Explanation Explanation => new("An update of imported headers is made by a script and reviewed as such.", new("diff --git a/x b/x\n" + Other + Imported), new("diff --git a/x b/x\n" + Other));

    /// <summary>Reported by <see cref="ImportedHeaders"/>, which has seen the other files.</summary>
    public override void Check(PatchScan scan)
    {
    }
}

internal sealed class AcpiExpectedFiles() : LineRule("ACPI_EXPECTED_FILES", Severity.Error, "Do not add expected files together with tests")
{
    public override Explanation Explanation => new(
        "Expected ACPI tables come in a patch of their own, so that they can be rebuilt when patches are rebased.",
        new("diff --git a/tests/data/acpi/x b/tests/data/acpi/x\ndiff --git a/hw/x.c b/hw/x.c\n"),
        new("diff --git a/tests/data/acpi/x b/tests/data/acpi/x\ndiff --git a/tests/qtest/bios-tables-test-allowed-diff.h b/tests/qtest/bios-tables-test-allowed-diff.h\n"));

    private string? _other;

    /// <summary>The last expected file that was seen.</summary>
    public string? Expected { get; private set; }

    public override void Begin() => Expected = _other = null;

    /// <summary>Called for each name of a file that the patch changes.</summary>
    public override void Check(PatchScan scan)
    {
        if (scan.File.StartsWith("tests/data/acpi/", StringComparison.Ordinal))
            Expected = scan.File;
        else if (!IsAllowedDiff(scan.File))
            _other = scan.File;
        if (Expected is null || _other is null)
            return;
        var message = "Do not add expected files together with tests, follow instructions in tests/qtest/bios-tables-test.c: both "
            + $"{Expected} and {_other} found";
        scan.Report(this, message, Excerpt.None);
    }

    private static bool IsAllowedDiff(string file) => file == "tests/qtest/bios-tables-test-allowed-diff.h";
}
