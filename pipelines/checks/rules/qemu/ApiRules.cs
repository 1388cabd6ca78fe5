using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

/// <summary>A call of a function that has a better one in QEMU.</summary>
/// <param name="call">The function with its opening parenthesis, and what may follow it.</param>
/// <param name="spaced">Spaces may stand before the parenthesis.</param>
internal sealed class ReplacedCall(string id, string[] call, bool spaced, string message, string why, Example bad, Example good, Version? since = null)
    : LineRule(id, Severity.Error, message)
{
    /// <summary>Whether the rule holds for a file.</summary>
    public Predicate<string>? AppliesTo { get; init; }

    public override Version Since => since ?? AllReleases;

    public override Explanation Explanation => new(why, bad, good);

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('(') || (AppliesTo is not null && !AppliesTo(scan.File)))
            return;
        foreach (var name in call)
        {
            if (Matches(scan.Code, name))
            {
                scan.Report(this);
                return;
            }
        }
    }

    private bool Matches(ReadOnlySpan<char> code, string name)
    {
        if (spaced)
            return Scan.FindCall(code, name.AsSpan(0, name.Length - 1), spaces: true) >= 0;
        for (var at = code.IndexOf(name); at >= 0;)
        {
            if (at == 0 || !Scan.IsWord(code[at - 1]))
                return true;
            var next = code[(at + 1)..].IndexOf(name);
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }
}

internal sealed class Volatile() : LineRule("VOLATILE", Severity.Error, "Use of volatile is usually wrong, please add a comment")
{
    public override Explanation Explanation => new("It orders nothing between threads; atomics do. Where hardware or a signal handler needs it, a comment says so.", new("volatile int a;"), new("volatile int a; /* set by a signal handler */"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (Scan.HasWord(code, "volatile") && !IsAsm(code) && !code.Contains("sig_atomic_t", StringComparison.Ordinal)
            && !scan.Statements.HasCommentAt(scan.FirstLine, scan.Number))
            scan.Report(this);
    }

    private static readonly string[] s_assembly = ["asm", "__asm__"];

    private static bool IsAsm(ReadOnlySpan<char> code)
    {
        foreach (var word in s_assembly)
        {
            for (var at = Scan.FindWord(code, word); at >= 0; at = Scan.FindWord(code, word, at + 1))
            {
                var next = Scan.SkipSpace(code, at + word.Length);
                if (next > at + word.Length && (Scan.WordAt(code, next, "volatile") || Scan.WordAt(code, next, "__volatile__")))
                    return true;
            }
        }
        return false;
    }
}

internal sealed class NeedlessFreeCheck() : LineRule("NEEDLESS_IF", Severity.Error, "g_free(NULL) is safe this check is probably not required")
{
    public override Explanation Explanation => new("free and g_free take NULL.", new("    if (a)\n        g_free(a);"), new("    g_free(a);"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!code.Contains("g_free(", StringComparison.Ordinal))
            return;
        var previous = scan.Previous;
        for (var at = Scan.FindWord(previous, "if"); at >= 0; at = Scan.FindWord(previous, "if", at + 1))
        {
            var open = Scan.SkipSpace(previous, at + 2);
            if (open >= previous.Length || previous[open] != '(')
                continue;
            var length = previous[(open + 1)..].IndexOf(')');
            if (length < 0)
                continue;
            if (code.Contains($"g_free({previous.Slice(open + 1, length)});", StringComparison.Ordinal))
                scan.ReportWithPrevious(this);
            return;
        }
    }
}

internal sealed class BarrierWithoutComment() : LineRule("MEMORY_BARRIER", Severity.Error, "memory barrier without comment")
{
    public override Explanation Explanation => new("A barrier pairs with another; the comment says which.", new("    smp_mb();"), new("    smp_mb(); /* pairs with the one in f */"));

    private static readonly string[] s_barriers = ["smp_mb", "smp_rmb", "smp_wmb", "smp_read_barrier_depends"];

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!code.Contains("smp_", StringComparison.Ordinal))
            return;
        foreach (var name in s_barriers)
        {
            if (Scan.FindCall(code, name, spaces: false) < 0)
                continue;
            if (!scan.Statements.HasCommentAt(scan.FirstLine, scan.Number))
                scan.Report(this);
            return;
        }
    }
}

internal sealed class SizeofAddress() : LineRule("SIZEOF_ADDRESS", Severity.Error, "sizeof(& should be avoided")
{
    public override Explanation Explanation => new("It is the size of a pointer.", new("    f(sizeof(&a));"), new("    f(sizeof(a));"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!scan.Has('&'))
            return;
        for (var at = Scan.FindCall(code, "sizeof", spaces: true); at >= 0; at = Scan.FindCall(code, "sizeof", spaces: true, at + 1))
        {
            var open = Scan.SkipSpace(code, at + "sizeof".Length);
            if (Scan.StartsAt(code, Scan.SkipSpace(code, open + 1), "&"))
            {
                scan.Report(this);
                return;
            }
        }
    }
}

internal sealed class CastOfAllocation() : LineRule("UNNECESSARY_CAST", Severity.Error, "unnecessary cast may hide bugs, use g_new instead")
{
    public override Explanation Explanation => new("void * converts to any object pointer; g_new checks the type.", new("    a = (int *)g_malloc(4);"), new("    a = g_new(int, 1);"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!code.Contains("alloc", StringComparison.Ordinal) || !scan.Has('*'))
            return;
        for (var close = code.IndexOf(')'); close >= 0;)
        {
            if (Scan.TrimEnd(code[..close]).EndsWith("*") && TryAllocation(code, Scan.SkipSpace(code, close + 1), out var replacement))
            {
                scan.Report(this, $"unnecessary cast may hide bugs, use {replacement} instead");
                return;
            }
            var next = code[(close + 1)..].IndexOf(')');
            close = next < 0 ? -1 : close + 1 + next;
        }
    }

    private static bool TryAllocation(ReadOnlySpan<char> code, int at, out string replacement)
    {
        replacement = "";
        if (!Scan.StartsAt(code, at, "g_"))
            return false;
        at += 2;
        var attempt = Scan.StartsAt(code, at, "try");
        if (attempt)
            at += 3;
        var again = Scan.StartsAt(code, at, "realloc");
        if (!again && !Scan.StartsAt(code, at, "malloc"))
            return false;
        at += again ? "realloc".Length : "malloc".Length;
        var zeroed = Scan.StartsAt(code, at, "0");
        if (zeroed)
            at++;
        if (Scan.WordAt(code, at, "_n"))
            at += 2;
        if (at < code.Length && Scan.IsWord(code[at]))
            return false;
        replacement = $"g_{(attempt ? "try" : "")}{(again ? "renew" : "new")}{(zeroed ? "0" : "")}";
        return true;
    }
}

internal sealed class GccFunctionName() : LineRule("USE_FUNC", Severity.Error, "__func__ should be used instead of gcc specific __FUNCTION__")
{
    public override Explanation Explanation => new("ISO C 6.4.2.2 has __func__.", new("    f(__FUNCTION__);"), new("    f(__func__);"));

    public override void Check(PatchScan scan)
    {
        if (scan.Code.Contains("__FUNCTION__", StringComparison.Ordinal))
            scan.Report(this);
    }
}

internal sealed class DuplicatedPathPart() : LineRule("G_PATH_GET", Severity.Warning, "consider using g_path_get_basename() in preference to g_strdup(basename())")
{
    public override Explanation Explanation => new("basename and dirname may change their argument.", new("    a = g_strdup(basename(b));"), new("    a = g_path_get_basename(b);"));

    private static readonly string[] s_pathFunctions = ["basename", "dirname"];

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!code.Contains("g_strdup", StringComparison.Ordinal))
            return;
        for (var at = Scan.FindCall(code, "g_strdup", spaces: true); at >= 0; at = Scan.FindCall(code, "g_strdup", spaces: true, at + 1))
        {
            var name = Scan.SkipSpace(code, Scan.SkipSpace(code, at + "g_strdup".Length) + 1);
            foreach (var word in s_pathFunctions)
            {
                if (Scan.StartsAt(code, name, word) && Scan.StartsAt(code, Scan.SkipSpace(code, name + word.Length), "("))
                {
                    scan.Report(this, $"consider using g_path_get_{word}() in preference to g_strdup({word}())");
                    return;
                }
            }
        }
    }
}

internal sealed class NumericConversion() : LineRule("STRTO", Severity.Error, "consider using qemu_strtol in preference to strtol")
{
    public override Explanation Explanation => new("The qemu_ functions report range errors and trailing text.", new("    a = strtol(b, NULL, 0);"), new("    r = qemu_strtol(b, NULL, 0, &a);"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        for (var at = code.IndexOf("strto"); at >= 0;)
        {
            var sixth = at + "strto".Length;
            if ((at == 0 || !Scan.IsWord(code[at - 1])) && sixth < code.Length && code[sixth] is not ('k' or 'd'))
            {
                var open = code[(sixth + 1)..].IndexOf('(');
                if (open >= 0)
                {
                    var name = Scan.TrimEnd(code[at..(sixth + 1 + open)]);
                    if (name.Length <= "strto".Length)
                        name = code[at..(sixth + 1)];
                    scan.Report(this, $"consider using qemu_{name} in preference to {name}");
                    return;
                }
            }
            var next = code[(at + 1)..].IndexOf("strto");
            at = next < 0 ? -1 : at + 1 + next;
        }
    }
}

internal sealed class SignalHandler() : LineRule("SIGACTION", Severity.Error, "use sigaction to establish signal handlers; signal is not portable")
{
    public override Explanation Explanation => new("Whether the handler stays, and what is blocked meanwhile, differs between systems.", new("    signal(SIGINT, handler);"), new("    signal(SIGINT, SIG_IGN);"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (Scan.FindCall(code, "signal", spaces: true) >= 0 && !code.Contains("SIG_IGN", StringComparison.Ordinal) && !code.Contains("SIG_DFL", StringComparison.Ordinal))
            scan.Report(this);
    }
}

/// <summary>Conversions in format strings, which the blanked line has lost.</summary>
internal sealed class FormatString(string id, string message, Func<string, bool> isWrong, string why, Example bad, Example good) : LineRule(id, Severity.Error, message)
{
    public override Explanation Explanation => new(why, bad, good);

    public override void Check(PatchScan scan)
    {
        if (!scan.Raw.Contains('%'))
            return;
        // From a quote, or the line's start, over blanked text to a quote, or the line's end.
        var code = scan.Code;
        for (var at = 0; at < code.Length;)
        {
            var quote = code[at..].IndexOf('"');
            if (quote < 0)
                return;
            var start = at + quote + 1;
            var end = start;
            while (end < code.Length && code[end] is 'X' or '\t')
                end++;
            if (end < code.Length && code[end] != '"')
            {
                at = start;
                continue;
            }
            if (isWrong(scan.Raw[start..Math.Min(end, scan.Raw.Length)].ToString().Replace("%%", "__", StringComparison.Ordinal)))
                scan.Report(this);
            at = end + 1;
        }
    }

    public static bool HasCapitalL(string text) => text.Contains("%Lu", StringComparison.Ordinal) || text.Contains("%Ld", StringComparison.Ordinal) || text.Contains("%Li", StringComparison.Ordinal);

    public static bool HasHash(string text) => text.Contains("%#", StringComparison.Ordinal) || text.Contains("%0#", StringComparison.Ordinal);
}

internal sealed class QemuSpelling() : LineRule("QEMU_SPELLING", Severity.Error, "use QEMU instead of Qemu or QEmu")
{
    public override Explanation Explanation => new("The project's name is in capitals.", new("/* Qemu */"), new("/* QEMU */"));

    public override void Check(PatchScan scan)
    {
        if (Scan.HasWord(scan.Raw, "Qemu") || Scan.HasWord(scan.Raw, "QEmu"))
            scan.Report(this);
    }
}

internal sealed class ErrorNewline() : LineRule("ERROR_NEWLINE", Severity.Error, "Error messages should not contain newlines")
{
    private static readonly string[] s_functions =
    [
        "error_setg", "error_setg_errno", "error_setg_win32", "error_setg_file_open", "error_set", "error_prepend", "warn_reportf_err", "error_reportf_err",
        "error_vreport", "warn_vreport", "info_vreport", "error_report", "warn_report", "info_report", "g_test_message",
    ];

    public override Explanation Explanation => new("The functions add one.", new("    error_report(\"failed\\n\");"), new("    error_report(\"failed\");"));

    public override void Check(PatchScan scan)
    {
        var raw = scan.Raw;
        var newline = raw.LastIndexOf("\\n");
        var quote = newline < 0 ? -1 : raw[..newline].LastIndexOf('"');
        if (quote < 0)
            return;
        foreach (var function in s_functions)
        {
            var call = Scan.FindCall(raw, function, spaces: true);
            if (call >= 0 && raw[call..newline].Contains('"'))
            {
                scan.Report(this);
                break;
            }
        }
        if (IsContinuedLiteral(raw, newline: true))
            CheckStatementStart(scan);
    }

    /// <summary>Looks for the call above the lines that have nothing but a literal.</summary>
    private void CheckStatementStart(PatchScan scan)
    {
        var index = scan.Number - 2;
        var limit = Math.Max(0, index - MaxLiteralLines);
        while (index >= limit && IsContinuedLiteral(scan.Lines[index], newline: false))
            index--;
        foreach (var function in s_functions)
        {
            if (Scan.FindCall(scan.Lines[index], function, spaces: true) >= 0)
            {
                scan.Report(this);
                return;
            }
        }
    }

    private const int MaxLiteralLines = 200;

    /// <summary>Whether a plus, spaces and a literal stand anywhere, the literal with a line's end inside when asked for.</summary>
    private static bool IsContinuedLiteral(ReadOnlySpan<char> raw, bool newline)
    {
        for (var plus = raw.IndexOf('+'); plus >= 0;)
        {
            var open = Scan.SkipSpace(raw, plus + 1);
            if (open < raw.Length && raw[open] == '"')
            {
                var rest = raw[(open + 1)..];
                var end = newline ? rest.IndexOf("\\n") : 0;
                if (end >= 0 && rest[(newline ? end + 2 : 0)..].Contains('"'))
                    return true;
            }
            var next = raw[(plus + 1)..].IndexOf('+');
            plus = next < 0 ? -1 : plus + 1 + next;
        }
        return false;
    }
}

internal sealed class GlibAssertion() : LineRule("GLIB_ASSERT", Severity.Error, "Use g_assert or g_assert_not_reached")
{
    private static readonly string[] s_assertions =
    [
        "g_assert_cmpstr(", "g_assert_cmpint(", "g_assert_cmpuint(", "g_assert_cmphex(", "g_assert_cmpfloat(", "g_assert_true(", "g_assert_false(",
        "g_assert_nonnull(", "g_assert_null(", "g_assert_no_error(", "g_assert_error(", "g_test_assert_expected_messages(", "g_test_trap_assert_passed(",
        "g_test_trap_assert_stdout(", "g_test_trap_assert_stdout_unmatched(", "g_test_trap_assert_stderr(", "g_test_trap_assert_stderr_unmatched(",
    ];

    public override Explanation Explanation => new("Tests can make the others go on after a failure, and then the program runs on in a wrong state.", new("    g_assert_null(a);"), new("    g_assert(a == NULL);"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!code.Contains("assert_", StringComparison.Ordinal) || scan.File.StartsWith("tests/", StringComparison.Ordinal))
            return;
        foreach (var assertion in s_assertions)
        {
            if (Scan.FindCall(code, assertion.AsSpan(0, assertion.Length - 1), spaces: false) >= 0)
            {
                scan.Report(this);
                return;
            }
        }
    }
}
