using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>What the kernel prints, and the strings it prints it with.</summary>
internal static partial class LoggingRules
{
    public static LineRule[] Create() =>
    [
        new PatternRule("PRINTK_RATELIMITED", Severity.Warning, "Prefer printk_ratelimited or pr_<level>_ratelimited to printk_ratelimit", RateLimit, "printk_ratelimit",
            "It shares one limit among all who call it.", new("\tif (printk_ratelimit())"), new("\tpr_err_ratelimited(\"a\\n\");")),
        new PatternRule("PRINTK_WITHOUT_KERN_LEVEL", Severity.Warning, "printk() should include KERN_<LEVEL> facility level", WithoutLevel, "printk",
            "The level decides who sees it.", new("\tprintk(\"a\\n\");"), new("\tprintk(KERN_ERR \"a\\n\");")),
        new PatternRule("PREFER_PR_LEVEL", Severity.Warning, "Prefer the subsystem's function, then dev_, then pr_ to printk", WithLevel, "printk",
            "They say which device speaks.", new("\tprintk(KERN_ERR \"a\\n\");"), new("\tpr_err(\"a\\n\");")) { Describe = (_, match) => PreferLevel(match) },
        new PatternRule("PREFER_DEV_LEVEL", Severity.Warning, "Prefer dev_<level> to dev_printk", DeviceLevel, "dev_printk",
            "It is the same, shorter.", new("\tdev_printk(KERN_ERR, a, \"b\\n\");"), new("\tdev_err(a, \"b\\n\");"))
            { Describe = (_, match) => $"Prefer dev_{Level(match.Groups[1].Value, "dbg")}(... to dev_printk(KERN_{match.Groups[1].Value}, ..." },
        new PatternRule("TRACE_PRINTK", Severity.Warning, "Do not use it in production code (this can be ignored if built only with a debug config option)", TracePrintk, "(",
            "The kernel prints a large warning when it is there.", new("\ttrace_printk(\"a\\n\");"), new("\tpr_debug(\"a\\n\");"))
            { Describe = (_, match) => $"Do not use {match.Groups[1].Value}() in production code (this can be ignored if built only with a debug config option)" },
        new PatternRule("LOGGING_CONTINUATION", Severity.Warning, "Avoid logging continuation uses where feasible", Continuation, "(",
            "Other processors' lines come in between.", new("\tpr_cont(\"a\\n\");"), new("\tpr_info(\"a b\\n\");")),
        new PatternRule("UNNECESSARY_KERN_LEVEL", Severity.Warning, "Possible unnecessary KERN_ level", UnneededLevel, "KERN_",
            "The function has its level in its name.", new("\tpr_err(KERN_ERR \"a\\n\");"), new("\tpr_err(\"a\\n\");")) { Unless = Printk, Describe = (_, match) => $"Possible unnecessary {match.Groups[1].Value}" },
        new PatternRule("PREFER_SEQ_PUTS", Severity.Warning, "Prefer seq_puts to seq_printf", SeqPrintf, "seq_printf",
            "There is nothing to format.", new("\tseq_printf(a, \"b\\n\");"), new("\tseq_puts(a, \"b\\n\");"))
            { On = PatternRule.View.Spaced, Describe = (scan, _) => Quoted(scan).Replace("%%", "", StringComparison.Ordinal).Contains('%', StringComparison.Ordinal) ? null : "Prefer seq_puts to seq_printf" },
        new PatternRule("TRACING_LOGGING", Severity.Warning, "Unnecessary ftrace-like logging - prefer using ftrace", FunctionTrace, "__func__",
            "ftrace shows each call without a line of code.", new("\tpr_debug(\"%s\\n\", __func__);"), new("\tpr_debug(\"%s: %d\\n\", __func__, a);")) { On = PatternRule.View.Raw },
        new PatternRule("SPLIT_STRING", Severity.Warning, "quoted string split across lines", StartsWithString, "\"",
            "Who greps for a message finds it only whole.", new("\tpr_err(\"a \"\n\t\t\"b\\n\");"), new("\tpr_err(\"a b\\n\");")) { ShowsPrevious = true, Describe = (scan, _) => SplitsString(scan) },
        new PatternRule("MISSING_SPACE", Severity.Warning, "break quoted strings at a space character", WordInString, "\"",
            "The words run together.", new("\tpr_err(\"a\"\n\t\t\"b\\n\");"), new("\tpr_err(\"a \"\n\t\t\"b\\n\");"))
            { On = PatternRule.View.Raw, ShowsPrevious = true, Describe = (scan, _) => WordBeforeQuote().IsMatch(Short(scan.PreviousRaw)) ? "break quoted strings at a space character" : null },
        new PatternRule("QUOTED_WHITESPACE_BEFORE_NEWLINE", Severity.Warning, "unnecessary whitespace before a quoted newline", SpaceBeforeNewline, "\\n",
            "Nobody sees it.", new("\tpr_err(\"a \\n\");"), new("\tpr_err(\"a\\n\");")) { On = PatternRule.View.Raw },
        new PatternRule("CONCATENATED_STRING", Severity.Check, "Concatenated strings should use spaces between elements", Concatenated, "\"",
            "The name is hard to see.", new("\tf(\"a\"B);"), new("\tf(\"a\" B);")),
        new PatternRule("STRING_FRAGMENTS", Severity.Warning, "Consecutive strings are generally better as a single string", Fragments, "\"",
            "They are one string.", new("\tf(\"a\" \"b\");"), new("\tf(\"ab\");")),
        new PatternRule("PRINTF_L", Severity.Warning, "%L is non-standard C, use %ll", CapitalL, "L",
            "ISO C 7.21.6.1 has L for long double only.", new("\tf(\"%Ld\", a);"), new("\tf(\"%lld\", a);")) { On = PatternRule.View.Raw, Describe = (scan, match) => InFormat(scan, match, "%L{0} is non-standard C, use %ll{0}") },
        new PatternRule("PRINTF_Z", Severity.Warning, "%Z is non-standard C, use %z", CapitalZ, "Z",
            "ISO C 7.21.6.1 has z.", new("\tf(\"%Zd\", a);"), new("\tf(\"%zd\", a);")) { On = PatternRule.View.Raw, Describe = (scan, match) => InFormat(scan, match, "%Z{0} is non-standard C, use %z{0}") },
        new PatternRule("PRINTF_0XDECIMAL", Severity.Error, "Prefixing 0x with decimal output is defective", PrefixedDecimal, "0x%",
            "The reader takes it for hexadecimal.", new("\tf(\"0x%d\", a);"), new("\tf(\"0x%x\", a);")) { On = PatternRule.View.Raw, Describe = (scan, match) => InFormat(scan, match, "Prefixing 0x with decimal output is defective") },
        new PatternRule("LINE_CONTINUATIONS", Severity.Warning, "Avoid line continuations in quoted strings", OddQuotes, "\\",
            "The next line's indentation becomes part of the string.", new("\tf(\"a \\\n\tb\");"), new("\tf(\"a \"\n\t  \"b\");")) { On = PatternRule.View.Raw, Describe = (scan, _) => scan.SpacedText.AsSpan().Count('"') % 2 == 1 ? "Avoid line continuations in quoted strings" : null },
        new PatternRule("MODULE_LICENSE", Severity.Warning, "unknown module license", ModuleLicense, "MODULE_LICENSE",
            "The loader goes by the licence's exact name.", new("MODULE_LICENSE(\"GPL v3\");"), new("MODULE_LICENSE(\"GPL\");"))
            { Describe = (scan, _) => KnownLicense().IsMatch(Quoted(scan)) ? null : $"unknown module license {Quoted(scan)}" },
        new PatternRule("MODULE_LICENSE", Severity.Warning, "Prefer \"GPL\" over \"GPL v2\" - see commit bf7fbeeae6db (\"module: Cure the MODULE_LICENSE \"GPL\" vs. \"GPL v2\" bogosity\")", ModuleLicense, "MODULE_LICENSE",
            "Both mean the same to the loader.", new("MODULE_LICENSE(\"GPL v2\");"), new("MODULE_LICENSE(\"GPL\");"))
            { IsForPatches = true, Describe = (scan, _) => Quoted(scan) == "\"GPL v2\"" ? "Prefer \"GPL\" over \"GPL v2\" - see commit bf7fbeeae6db (\"module: Cure the MODULE_LICENSE \"GPL\" vs. \"GPL v2\" bogosity\")" : null },
        new PatternRule("UNNECESSARY_MODIFIER", Severity.Warning, "Integer promotion: the modifier is unnecessary", ShortFormat, "%",
            "What is shorter than int is passed as int.", new("\tpr_err(\"%hd\\n\", a);"), new("\tpr_err(\"%d\\n\", a);"))
            { On = PatternRule.View.Raw, Every = true, Describe = (scan, match) => AnyLog().IsMatch(scan.LineText) ? $"Integer promotion: Using '{match.Groups[2].Value}' in '{match.Groups[1].Value}' is unnecessary" : null },
        new PatternRule("OOM_MESSAGE", Severity.Warning, "Possible unnecessary 'out of memory' message", AnyLog, "(",
            "The allocator has said so, with a stack.", new("\tint b;\n\n\ta = kmalloc(4, GFP_KERNEL);\n\tif (!a)\n\t\tpr_err(\"b\\n\");\n\tc();\n\td();\n\te();"), new("\tint b;\n\n\ta = kmalloc(4, GFP_KERNEL);\n\tif (!a)\n\t\treturn -ENOMEM;"))
            { When = scan => QuickLook.HasLogCall(scan.Line), ShowsPrevious = true, Describe = (scan, _) => AfterAllocation(scan) },
    ];

    private static string Short(ReadOnlySpan<char> line) => line.Length > PatternRule.MaxLine ? "" : line.ToString();

    private static string Level(string name, string debug) => name switch { "WARNING" => "warn", "DEBUG" => debug, _ => name.ToLowerInvariant() };

    private static string PreferLevel(Match match)
    {
        var (function, variant, name) = (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value);
        var device = Level(name, "dbg") + variant;
        return $"Prefer [subsystem eg: netdev]_{device}([subsystem]dev, ... then dev_{device}(dev, ... then pr_{Level(name, "debug")}{variant}(...  to {function}(KERN_{name} ...";
    }

    /// <summary>The first string of the line with its quotes, as it is in the patch; empty when there is none.</summary>
    internal static string Quoted(PatchScan scan)
    {
        var match = AnyString().Match(scan.LineText);
        return match.Success && match.Index + match.Length <= scan.Raw.Length ? scan.RawText.Substring(match.Index, match.Length) : "";
    }

    private static string? SplitsString(PatchScan scan) =>
        EndsWithString().IsMatch(Short(scan.Previous)) && !EndsWithEscape().IsMatch(Short(scan.PreviousRaw)) ? "quoted string split across lines" : null;

    /// <summary>The message, when the match lies in a string.</summary>
    private static string? InFormat(PatchScan scan, Match match, string message)
    {
        var start = match.Index;
        var line = scan.LineText;
        if (start >= line.Length || line[start] != 'X' || (match.Index > 0 && scan.RawText[match.Index] == '%' && scan.RawText[match.Index - 1] == '%'))
            return null;
        return string.Format(null, message, match.Groups[1].Value);
    }

    private static string? AfterAllocation(PatchScan scan)
    {
        var condition = NullTest().Match(Short(scan.Previous));
        if (!condition.Success || scan.Number <= 3)
            return null;
        var place = condition.Groups[1].Success ? condition.Groups[1].Value : condition.Groups[2].Value;
        var text = scan.TextOf(scan.Statements.StatementAt(scan.Number - 3, scan.Remaining, 0));
        var assignment = text.Length > PatternRule.MaxLine ? Match.Empty : AllocationOf().Match(text.ToString());
        return assignment.Success && assignment.Groups[1].Value == place ? "Possible unnecessary 'out of memory' message" : null;
    }

    [GeneratedRegex(@"\bprintk_ratelimit\s*\(")]
    private static partial Regex RateLimit();

    [GeneratedRegex(@"\bprintk\s*\(\s*(?!KERN_[A-Z]+\b)")]
    private static partial Regex WithoutLevel();

    [GeneratedRegex(@"\b(printk(_once|_ratelimited)?)\s*\(\s*KERN_([A-Z]+)")]
    private static partial Regex WithLevel();

    [GeneratedRegex(@"\bdev_printk\s*\(\s*KERN_([A-Z]+)")]
    private static partial Regex DeviceLevel();

    [GeneratedRegex(@"\b(trace_printk|trace_puts|ftrace_vprintk)\s*\(")]
    private static partial Regex TracePrintk();

    [GeneratedRegex(@"\bprintk\s*\(\s*KERN_CONT\b|\bpr_cont\s*\(")]
    private static partial Regex Continuation();

    private static Func<Regex> UnneededLevel { get; } = LargePattern.Of(@"\b" + KernelC.LogCall + @"\s*\(.*\b(KERN_[A-Z]+)\b");

    [GeneratedRegex(@"printk(?:_ratelimited|_once)?\s*\(")]
    private static partial Regex Printk();

    [GeneratedRegex(@"\bseq_printf\s*\(.*""\s*\)\s*;\s*$")]
    private static partial Regex SeqPrintf();

    [GeneratedRegex(@"""[X\t]*""")]
    private static partial Regex AnyString();

    private const string TraceWord = @"(?:[=-]*>|<[=-]*|[\[\]]|(?i:start|called|entered|entry|enter|inside|in|here|begin|exit|end|done|leave|completed|out|return)|[.!:\s]*)";

    private static Func<Regex> FunctionTrace { get; } = LargePattern.Of(@"^\+.*\([^""]*""" + TraceWord + @"{0,3}%s(?:\s*\(\s*\)\s*)?" + TraceWord + @"{0,3}(?:\\n)?""\s*,\s*__func__\s*\)\s*;");

    [GeneratedRegex(@"^\+\s*" + KernelC.Text)]
    private static partial Regex StartsWithString();

    [GeneratedRegex(@"""\s*$")]
    private static partial Regex EndsWithString();

    [GeneratedRegex(@"(?:\\(?:[ntr]|[0-7]{1,3}|x[0-9A-Fa-f]{1,2})|;\s*|\{\s*)""\s*$")]
    private static partial Regex EndsWithEscape();

    [GeneratedRegex(@"^\+[\t ]+""\w")]
    private static partial Regex WordInString();

    [GeneratedRegex(@"[^\\]\w""$")]
    private static partial Regex WordBeforeQuote();

    [GeneratedRegex(@"^.*"".*\s\\n")]
    private static partial Regex SpaceBeforeNewline();

    [GeneratedRegex(@"""[X\t]*""[A-Z_]|(?!\b[Lu]"")[A-Za-z0-9_]""[X\t]*""")]
    private static partial Regex Concatenated();

    [GeneratedRegex(@"""[X\t]*""\s*[Lu]?""")]
    private static partial Regex Fragments();

    [GeneratedRegex(@"%[*\d.$]*L([diouxX])")]
    private static partial Regex CapitalL();

    [GeneratedRegex(@"%[*\d.$]*Z([diouxX])")]
    private static partial Regex CapitalZ();

    [GeneratedRegex(@"0x%[*\d.$Llzth]*[diou]")]
    private static partial Regex PrefixedDecimal();

    [GeneratedRegex(@"\\$")]
    private static partial Regex OddQuotes();

    [GeneratedRegex(@"\bMODULE_LICENSE\s*\(\s*" + KernelC.Text + @"\s*\)")]
    private static partial Regex ModuleLicense();

    [GeneratedRegex(@"^""(?:GPL(?: v2| and additional rights)?|Dual (?:BSD|MIT|MPL)/GPL|Proprietary)""$")]
    private static partial Regex KnownLicense();

    [GeneratedRegex(@"(%[#\d.*-]*(h+)[idux])")]
    private static partial Regex ShortFormat();

    private static Func<Regex> AnyLog { get; } = LargePattern.Of(@"^\+.*\b" + KernelC.LogCall + @"\s*\(");

    private static Func<Regex> NullTest { get; } = LargePattern.Of(@"^[ +]\s*if\s*\(\s*(?:(?:!|NULL\s*==)\s*(" + KernelC.Place + @")|(" + KernelC.Place + @")\s*==\s*NULL)\s*\)");

    private static Func<Regex> AllocationOf { get; } = LargePattern.Of(@"(?:^|\n)[ +]\s*(?:" + KernelC.Type + @")?\s*(" + KernelC.Place + @")\s*=\s*(?:\([^)]*\)\s*)?\s*" + KernelC.Allocation + @"\s*\(");
}
