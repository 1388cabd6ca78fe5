namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

/// <summary>
/// What QEMU's checkpatch.pl reports, in the order in which it looks. Rules are grouped by which lines they see: each group is reached only by lines that
/// passed the one before.
/// </summary>
internal sealed class QemuRules : RuleSet
{
    public override string Name => "qemu";

    public AcpiExpectedFiles Acpi { get; } = new();

    public WholeRule PatchPrefix { get; } = new(
        "PATCH_PREFIX",
        Severity.Warning,
        "patch prefix exists, appears to be a -p0 patch",
        () => new("git am strips one directory from paths; without a prefix it would strip a real one.", new("--- hw/x.c\n+++ hw/x.c\n@@ -1,0 +1 @@\n+int a;\n"), new("--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,0 +1 @@\n+int a;\n")));

    public WholeRule MissingSignOff { get; } = new(
        "MISSING_SIGN_OFF",
        Severity.Error,
        "Missing Signed-off-by: line(s)",
        () => new(
            "The trailer says that the author may pass the work on (developercertificate.org).",
            new("From: A <a@b.c>\n\nlog\n---\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,0 +1 @@\n+int a;\n"),
            new("From: A <a@b.c>\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,0 +1 @@\n+int a;\n")));

    public WholeRule NotAPatch { get; } = new(
        "NOT_UNIFIED_DIFF",
        Severity.Error,
        "Does not appear to be a unified-diff format patch",
        () => new("Nothing could be checked.", new("From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n"), new("From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n---\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,0 +1 @@\n+int a;\n")));

    public ExecutableSource Executable { get; } = new();

    public PythonWithoutVersion Python { get; } = new();

    public MangledAuthor Author { get; } = new();

    public SignOffForm SignOffForm { get; } = new();

    public SignOffSpace SignOffSpace { get; } = new();

    public FilesMoved FilesMoved { get; } = new();

    public CorruptPatch Corrupt { get; } = new();

    public BadUtf8 Utf8 { get; } = new();

    public MisspelledWord Spelling { get; } = new();

    public DoublyEncodedUtf8 Mojibake { get; } = new();

    public Utf8InDeclinedLog DeclinedUtf8 { get; } = new();

    public DosLineEnding Dos { get; } = new();

    public DocCodeBlock DocBlock { get; } = new();

    public TrailingWhitespace TrailingSpace { get; } = new();

    public TraceHashFlag TraceHash { get; } = new();

    public TraceHexPrefix TraceHex { get; } = new();

    public ImportedHeaders Imported { get; }

    public TrailingStatement TrailingStatements { get; }

    public BracesForAllArms Braces { get; }

    public LineComment LineComment { get; } = new();

    /// <summary>Licences, on all lines.</summary>
    public LineRule[] Licences { get; }

    /// <summary>Lines of source files of any kind.</summary>
    public LineRule[] Source { get; } = [new LineOver80(), new LineOver90(), new SpaceBeforeQuotedNewline(), new MissingFinalNewline(), new KeywordMarkers()];

    /// <summary>Lines of source files but assembly.</summary>
    public TabIndent Tabs { get; } = new();

    /// <summary>Lines of C, context too, before statements are looked at.</summary>
    public LineRule[] Comments { get; } = [new BlockCommentStart(), new BlockCommentStar(), new BlockCommentEnd(), new BlockCommentAlignment()];

    /// <summary>Statements that begin on a line of C, context too.</summary>
    public LineRule[] Context { get; }

    /// <summary>Added lines of C, their <c>//</c> comments still there.</summary>
    public LineRule[] AddedWithComments { get; }

    /// <summary>Added lines of C without <c>//</c> comments.</summary>
    public LineRule[] Added { get; }

    public QemuRules()
    {
        var mixed = new ImportedHeadersMixed();
        Imported = new ImportedHeaders { Mixed = mixed };
        var spdxElsewhere = new MissingSpdxElsewhere();
        var acceptable = new AcceptableLicence();
        Licences = [new MissingSpdxInSource { Advice = spdxElsewhere }, new UnacceptableLicence { Advice = acceptable }, new OtherSpdxTag()];
        var semicolon = new TrailingSemicolon();
        Context =
        [
            new SwitchCaseIndent(), new BraceOnNextLine { TrailingSemicolon = semicolon }, new SemicolonAfterWhileZero(), new DoubleSemicolon(), new SuspectIndent(),
        ];
        AddedWithComments = [new BraceOfInitialiser(), new MalformedInclude(), LineComment];
        var assignment = new AssignmentInCondition();
        TrailingStatements = new TrailingStatement { Assignment = assignment };
        var single = new BracesForSingleStatement();
        Braces = new BracesForAllArms { SingleStatement = single };
        var returnSpace = new ReturnSpace();
        var complex = new MacroComplexValue();
        var arguments = new ArgumentsOnNextLine();
        Added =
        [
            new GlobalInitialiser(), new StaticInitialiser(), new PointerStarPlace(), new BraceOfFunction(), new BraceOfTag(), new SpaceAfterTag(), new SpaceBeforeBracket(),
            new SpaceBeforeParenthesis(), new OperatorSpacing(), new OpenBraceSpace(), new CloseBraceSpace(),
            new InnerSpace("OPEN_BRACKET_SPACE", '[', "space prohibited after that open square bracket '['", new("    a[ 1] = 2;"), new("    a[1] = 2;")),
            new InnerSpace("CLOSE_BRACKET_SPACE", ']', "space prohibited before that close square bracket ']'", new("    a[1 ] = 2;"), new("    a[1] = 2;")),
            new InnerSpace("OPEN_PARENTHESIS_SPACE", '(', "space prohibited after that open parenthesis '('", new("    f( a);"), new("    f(a);")),
            new InnerSpace("CLOSE_PARENTHESIS_SPACE", ')', "space prohibited before that close parenthesis ')'", new("    f(a );"), new("    f(a);")),
            new ReturnParentheses { Spacing = returnSpace }, new ErrnoSign(), new NamedListHead(), new KeywordSpace(), TrailingStatements, new HexadecimalBoolean(),
            new TrailingStatementAfterLabel("ELSE_TRAILING_STATEMENTS", TrailingStatementAfterLabel.Kind.Else, new("    } else b();"), new("    } else {\n        b();\n    }")),
            new TrailingStatementAfterLabel("BRACE_TRAILING_IF", TrailingStatementAfterLabel.Kind.ClosingBrace, new("    } if (a) {\n        b();\n    }"), new("    }\n    if (a) {\n        b();\n    }")),
            new TrailingStatementAfterLabel("CASE_TRAILING_STATEMENTS", TrailingStatementAfterLabel.Kind.Case, new("    case 1: b();"), new("    case 1:\n        b();")),
            new ElseAfterBrace(), new WhileAfterBrace(), new BackslashThenSpace(), new MacroWithStatements { ComplexValue = complex }, Braces, new Volatile(),
            new RedundantCode(), new NeedlessFreeCheck(), new ConditionalSpacing(), new BarrierWithoutComment(), new ArchitectureDefine(), new StorageClassPlace(),
            new InlinePlace(), new SizeofAddress(), new ExternInSource { Arguments = arguments }, new CastOfAllocation(), new GccFunctionName(), new DuplicatedPathPart(),
            new ReplacedCall("G_MEMDUP", ["g_memdup("], spaced: true, "use g_memdup2() instead of unsafe g_memdup()", "Its size is an unsigned int and can be cut off.", new("    a = g_memdup(b, c);"), new("    a = g_memdup2(b, c);")),
            new NumericConversion(), new SignalHandler(),
            new ReplacedCall("QEMU_BH_NEW", ["qemu_bh_new("], spaced: true, "use qemu_bh_new_guarded() instead of qemu_bh_new() to avoid reentrancy problems", "A device can be reentered from its own DMA.", new("    qemu_bh_new(a, b);", "subprojects/hw/x.c"), new("    qemu_bh_new_guarded(a, b, c);", "subprojects/hw/x.c"), QemuRelease.V8_1) { AppliesTo = IsDevice },
            new ReplacedCall("AIO_BH_NEW", ["aio_bh_new("], spaced: true, "use aio_bh_new_guarded() instead of aio_bh_new() to avoid reentrancy problems", "A device can be reentered from its own DMA.", new("    aio_bh_new(a, b, c);", "subprojects/hw/x.c"), new("    aio_bh_new_guarded(a, b, c, d);", "subprojects/hw/x.c"), QemuRelease.V8_1) { AppliesTo = IsDevice },
            new NonConstOps(),
            new FormatString("PRINTF_L", "%Ld/%Lu are not-standard C, use %lld/%llu", FormatString.HasCapitalL, "ISO C 7.21.6.1 has L for long double only.", new("    printf(\"%Ld\", a);"), new("    printf(\"%lld\", a);")),
            new FormatString("PRINTF_HASH", "Don't use '#' flag of printf format ('%#') in format strings, use '0x' prefix instead", FormatString.HasHash, "%#x prints 0 without its prefix.", new("    printf(\"%#x\", a);"), new("    printf(\"0x%x\", a);")),
            new QemuSpelling(), new ErrorNewline(),
            new ReplacedCall("FFS", ["ffs("], spaced: false, "use ctz32() instead of ffs()", "Not on all hosts, and it counts from one.", new("    a = ffs(b);"), new("    a = ctz32(b);")),
            new ReplacedCall("FFSL", ["ffsl("], spaced: false, "use ctz32() or ctz64() instead of ffsl()", "Not on all hosts, and it counts from one.", new("    a = ffsl(b);"), new("    a = ctz64(b);")),
            new ReplacedCall("FFSLL", ["ffsll("], spaced: false, "use ctz64() instead of ffsll()", "Not on all hosts, and it counts from one.", new("    a = ffsll(b);"), new("    a = ctz64(b);")),
            new ReplacedCall("BZERO", ["bzero("], spaced: false, "use memset() instead of bzero()", "POSIX has removed it.", new("    bzero(a, 4);"), new("    memset(a, 0, 4);")),
            new ReplacedCall("GETPAGESIZE", ["getpagesize()"], spaced: false, "use qemu_real_host_page_size() instead of getpagesize()", "POSIX has removed it.", new("    a = getpagesize();"), new("    a = qemu_real_host_page_size();")),
            new ReplacedCall("SYSCONF_PAGESIZE", ["sysconf(_SC_PAGESIZE)"], spaced: false, "use qemu_real_host_page_size() instead of sysconf(_SC_PAGESIZE)", "Not on all hosts.", new("    a = sysconf(_SC_PAGESIZE);"), new("    a = qemu_real_host_page_size();")),
            new ReplacedCall("ASSERT_0", ["assert(0)", "g_assert(0)"], spaced: false, "use g_assert_not_reached() instead of assert(0)", "It tells compilers that the code ends there.", new("    assert(0);"), new("    g_assert_not_reached();"), QemuRelease.V10_0),
            new ReplacedCall("ASSERT_FALSE", ["assert(false)", "g_assert(false)"], spaced: false, "use g_assert_not_reached() instead of assert(false)", "It tells compilers that the code ends there.", new("    assert(false);"), new("    g_assert_not_reached();"), QemuRelease.V10_0),
            new ReplacedCall("STRERRORNAME_NP", ["strerrorname_np("], spaced: false, "use strerror() instead of strerrorname_np()", "Only the GNU C library has it.", new("    a = strerrorname_np(b);"), new("    a = strerror(b);"), QemuRelease.V10_0),
            new GlibAssertion(),
        ];
        All =
        [
            Acpi, PatchPrefix, MissingSignOff, NotAPatch, Executable, Python, Author, SignOffForm, SignOffSpace, FilesMoved, Corrupt, Utf8, Mojibake, DeclinedUtf8, Spelling, Dos,
            DocBlock, TrailingSpace, TraceHash, TraceHex, Imported, mixed, spdxElsewhere, acceptable, Tabs, semicolon, assignment, single, returnSpace, complex, arguments,
            .. Licences, .. Source, .. Comments, .. Context, .. AddedWithComments, .. Added,
        ];
    }

    public override IReadOnlyList<Rule> All { get; }

    public override void Walk(PatchScan scan, WalkOptions options) => QemuWalk.Run(this, scan, options);

    private static bool IsDevice(string file) => file.Contains("/hw/", StringComparison.Ordinal);
}
