using Gauntlet.Pipelines.Checks.Rules.Qemu;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>
/// Types of Linux's checkpatch.pl, those that fire most. A type can have several messages; each is a rule here. The others are not done yet, see
/// <see cref="NotYetDone"/>.
/// </summary>
internal sealed class LinuxRules : RuleSet
{
    /// <summary>They need a kernel tree, follow macros, or fire seldom.</summary>
    public override IReadOnlyList<string> NotYetDone { get; } =
    [
        "ARCH_INCLUDE_LINUX", "CAMELCASE", "COMPLEX_MACRO", "CONFIG_DESCRIPTION", "CONST_STRUCT", "DEVICE_ATTR_FUNCTIONS", "DEVICE_ATTR_PERMS", "DEVICE_ATTR_RO",
        "DEVICE_ATTR_RW", "DEVICE_ATTR_WO", "DO_WHILE_MACRO_WITH_TRAILING_SEMICOLON", "DT_SCHEMA_BINDING_PATCH", "DT_SPLIT_BINDING_PATCH", "EMBEDDED_FUNCTION_NAME", "EXPORT_SYMBOL",
        "FUNCTION_ARGUMENTS", "INCLUDE_LINUX", "MACRO_ARG_PRECEDENCE", "MACRO_ARG_REUSE", "MACRO_WITH_FLOW_CONTROL", "MEMSET", "MINMAX", "MODIFIED_INCLUDE_ASM",
        "MULTISTATEMENT_MACRO_USE_DO_WHILE", "NON_OCTAL_PERMISSIONS", "OBSOLETE", "PATCH_PREFIX", "SINGLE_STATEMENT_DO_WHILE_MACRO", "SSCANF_TO_KSTRTO", "UNDOCUMENTED_DT_STRING",
        "UNDOCUMENTED_SETUP", "UNKNOWN_COMMIT_ID", "USE_RELATIVE_PATH", "VSPRINTF_POINTER_EXTENSION", "VSPRINTF_SPECIFIER_PX",
    ];

    public override string Name => "linux";

    public WholeRule MissingSignOff { get; } = new(
        "MISSING_SIGN_OFF",
        Severity.Error,
        "Missing Signed-off-by: line(s)",
        () => new(
            "The trailer says that the author may pass the work on (developercertificate.org).",
            new("From: A <a@b.c>\nSubject: x\n\nlog\nmore\n---\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n"),
            new("From: A <a@b.c>\nSubject: x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n")));

    public WholeRule NotAPatch { get; } = new(
        "NOT_UNIFIED_DIFF",
        Severity.Error,
        "Does not appear to be a unified-diff format patch",
        () => new("Nothing could be checked.", new("From: A <a@b.c>\n\nlog\n\nSigned-off-by: A <a@b.c>\n"), new("From: A <a@b.c>\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n")));

    public FilesMoved FilesMoved { get; } = new();

    public ToolInSubject Subject { get; } = new();

    public Utf8InDeclinedLog DeclinedUtf8 { get; } = new();

    public MisspelledWord Spelling { get; } = new();

    public DosLineEnding Dos { get; } = new();

    public TrailingWhitespace TrailingSpace { get; } = new();

    public MissingDescription Description { get; } = new();

    /// <summary>Every line, before the log's end is looked for.</summary>
    public LineRule[] Any { get; } = [new DiffInLog(), new ExecutableFile()];

    /// <summary>Every line, once trailers are read.</summary>
    public LineRule[] Log { get; } = [new ChangeId(), new LongLogLine(), new CommentInLog(), new CommitDescription()];

    /// <summary>Author and trailers.</summary>
    public Trailers Trailers { get; } = new();

    public FixesForm Fixes { get; } = new();

    public LineRule[] AfterLog { get; } = [new CorruptPatch(), new InvalidUtf8Check(), new RepeatedWord()];

    public FreeSoftwareAddress Address { get; } = new();

    /// <summary>Lines of any file.</summary>
    public LineRule[] File { get; } = FileRules.Create();

    public LineRule[] Source { get; } =
    [
        new LongLine("LONG_LINE", LongLine.Kind.Code, new("\ta_function_with_a_long_name(the_first_argument, the_second_argument, the_third_argument, the_last);")),
        new LongLine("LONG_LINE_COMMENT", LongLine.Kind.Comment, new("\tint a; /* a comment that goes on and on until it is longer than any line of source code ought to be */")),
        new LongLine("LONG_LINE_STRING", LongLine.Kind.String, new("\ta = f(b, \"a string that goes on and on until it is longer than any line of source code ought to be\");")),
        new FinalNewline(),
    ];

    public LineRule[] Layout { get; } =
    [
        new SpacesForTabs(), new SpaceBeforeTab(), new AssignmentAtLineStart(), new LogicAtLineStart(), new BlockCommentStar("BLOCK_COMMENT_STYLE"),
        new BlockCommentEnd("BLOCK_COMMENT_STYLE"), new BlockCommentAlignment("BLOCK_COMMENT_STYLE"), new BlankLines(), new LeadingSpace(), .. LayoutRules.Create(),
    ];

    /// <summary>Lines of C, context too.</summary>
    public LineRule[] Context { get; } = BlockRules.CreateForContext();

    /// <summary>Reported with what stands after a condition.</summary>
    public AssignmentInCondition Assignment { get; }

    /// <summary>Added lines of C.</summary>
    public LineRule[] C { get; }

    public LinuxRules()
    {
        Assignment = new AssignmentInCondition();
        C =
        [
            new OpenEndedLine(), .. ExpressionRules.Create(), .. DeclarationRules.Create(), .. CallRules.Create(), .. LoggingRules.Create(), .. SpacingRules.Create(), .. BlockRules.Create(Assignment),
        ];
        All = [Assignment, .. Trailers.All, Fixes, .. Context, MissingSignOff, NotAPatch, Description, FilesMoved, Subject, DeclinedUtf8, Spelling, Dos, TrailingSpace, Address, .. Any, .. Log, .. AfterLog, .. File, .. Source, .. Layout, .. C];
    }

    public override IReadOnlyList<Rule> All { get; }

    public override void Walk(PatchScan scan, WalkOptions options) => LinuxWalk.Run(this, scan, options);
}
