using Gauntlet.Pipelines.Checks.Rules.Qemu;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>
/// Types of Linux's checkpatch.pl. A type can have several messages; each is a rule here. Those not done yet:
/// <see cref="NotYetDone"/>.
/// </summary>
internal sealed class LinuxRules : RuleSet
{
    /// <summary>They ask scripts and documents of a kernel tree.</summary>
    public override IReadOnlyList<string> NotYetDone { get; } = ["OBSOLETE", "UNDOCUMENTED_DT_STRING"];

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

    public WholeRule PathPrefix { get; } = new(
        "PATCH_PREFIX",
        Severity.Warning,
        "patch prefix exists, appears to be a -p0 patch",
        () => new(
            "git am takes the first part of a path off.",
            new("--- hw/x.c\n+++ hw/x.c\n@@ -1,0 +1 @@\n+int a;\n"),
            new("--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n")));

    public WholeRule OldHeaders { get; } = new(
        "MODIFIED_INCLUDE_ASM",
        Severity.Error,
        "do not modify files in include/asm, change architecture specific files in include/asm-<architecture>",
        () => new(
            "It was a link to one architecture's headers.",
            new("--- a/include/asm/x.h\n+++ b/include/asm/x.h\n@@ -1,0 +1 @@\n+int a;\n"),
            new("--- a/include/asm-generic/x.h\n+++ b/include/asm-generic/x.h\n@@ -1,0 +1 @@\n+int a;\n")));

    public BindingPatch Binding { get; } = new();

    public EmbeddedFunctionName FunctionName { get; } = new();

    public FilesMoved FilesMoved { get; } = new();

    public ToolInSubject Subject { get; } = new();

    public Utf8InDeclinedLog DeclinedUtf8 { get; } = new();

    public MisspelledWord Spelling { get; } = new() { IsMilderInFiles = true };

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

    public LineRule[] AfterLog { get; }

    public FreeSoftwareAddress Address { get; } = new() { IsMilderInFiles = true };

    /// <summary>Lines of any file.</summary>
    public LineRule[] File { get; } = FileRules.Create();

    public LineRule[] Source { get; } =
    [
        new LongLine("LONG_LINE", LongLine.Kind.Code, new("\ta_function_with_a_long_name(the_first_argument, the_second_argument, the_third_argument, the_last);")) { IsMilderInFiles = true },
        new LongLine("LONG_LINE_COMMENT", LongLine.Kind.Comment, new("\tint a; /* a comment that goes on and on until it is longer than any line of source code ought to be */")) { IsMilderInFiles = true },
        new LongLine("LONG_LINE_STRING", LongLine.Kind.String, new("\ta = f(b, \"a string that goes on and on until it is longer than any line of source code ought to be\");")) { IsMilderInFiles = true },
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
        AfterLog = [Binding, new CorruptPatch(), new InvalidUtf8Check(), new AbsolutePath(), new UnknownCommit(), new RepeatedWord()];
        var macros = new ComplexMacro();
        var header = new ArchitectureHeader();
        var parameters = new UnnamedParameter();
        C =
        [
            new OpenEndedLine(), new ExportPlace(), .. ExpressionRules.Create(), .. DeclarationRules.Create(), new CamelCase(), header, header.InArchitecture, .. macros.All, FunctionName, FunctionName.Brace,
            .. ArgumentRules.Create(), parameters.OnNextLine, parameters, new UndocumentedSetup(), .. CallRules.Create(), new ConstStructure(), .. LoggingRules.Create(), .. SpacingRules.Create(),
            .. BlockRules.Create(Assignment),
        ];
        All = [PathPrefix, OldHeaders, Binding.Schema, Assignment, .. Trailers.All, Fixes, .. Context, MissingSignOff, NotAPatch, Description, FilesMoved, Subject, DeclinedUtf8, Spelling, Dos, TrailingSpace, Address, .. Any, .. Log, .. AfterLog, .. File, .. Source, .. Layout, .. C];
    }

    public override IReadOnlyList<Rule> All { get; }

    public override void Walk(PatchScan scan, WalkOptions options) => LinuxWalk.Run(this, scan, options);
}
