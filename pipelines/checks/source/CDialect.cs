
namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>The words by which a project's C is read: what is a type, a modifier of one, a storage class.</summary>
public sealed class CDialect
{
    private CDialect()
    {
    }

    public required string Name { get; init; }

    /// <summary>Words that may stand before or after a type, in the order in which they are tried.</summary>
    public required string[] Modifiers { get; init; }

    /// <summary>Modifiers that are for a checker only and say nothing about the type.</summary>
    public required string[] Annotations { get; init; }

    public required string[] InlineWords { get; init; }

    /// <summary>Types of one word beside those that <see cref="IsTypedefName"/> finds by their shape.</summary>
    public required string[] TypeWords { get; init; }

    /// <summary>Whether <c>signed</c> is read like <c>unsigned</c>.</summary>
    public bool KnowsSigned { get; init; }

    /// <summary>Whether <c>//</c> begins a comment like any other.</summary>
    public bool HasLineComments { get; init; }

    /// <summary>Whether a macro's definition ends the statement that it stands in.</summary>
    public bool EndsAtDefinitions { get; init; }

    /// <summary>Columns that nested code goes further in.</summary>
    public int IndentWidth { get; init; }

    public static readonly string[] StorageClasses = ["extern", "static", "asmlinkage"];

    /// <summary>QEMU's dialect.</summary>
    public static CDialect Qemu { get; } = new()
    {
        Name = "qemu",
        Modifiers = ["const", "volatile", "G_NORETURN", "G_GNUC_WARN_UNUSED_RESULT", "G_GNUC_NULL_TERMINATED", "QEMU_PACKED", "G_GNUC_PRINTF", "__force"],
        Annotations = ["__force"],
        InlineWords = ["inline"],
        IndentWidth = 4,
        TypeWords =
        [
            "void", "char", "short", "int", "float", "double", "bool", "target_long", "target_ulong", "hwaddr",
            "gchar", "gshort", "glong", "gint", "gboolean", "guchar", "gushort", "gulong", "guint", "gfloat", "gdouble", "gpointer", "gconstpointer",
            "gint8", "guint8", "gint16", "guint16", "gint32", "guint32", "gint64", "guint64", "gsize", "gssize", "goffset", "gintptr", "guintptr",
        ],
    };

    /// <summary>The Linux kernel's dialect.</summary>
    public static CDialect Linux { get; } = new()
    {
        Name = "linux",
        Modifiers =
        [
            "const", "volatile", "__percpu", "__nocast", "__safe", "__bitwise", "__packed__", "__packed2__", "__naked", "__maybe_unused",
            "__always_unused", "__noreturn", "__used", "__cold", "__pure", "__noclone", "__deprecated", "__read_mostly", "__ro_after_init", "__kprobes",
            "__meminitdata", "__cpuinitdata", "__devinitdata", "__netinitdata", "__initdata", "__meminitconst", "__cpuinitconst", "__devinitconst",
            "__netinitconst", "__initconst", "__meminit", "__cpuinit", "__devinit", "__netinit", "__init", "____cacheline_aligned",
            "____cacheline_aligned_in_smp", "____cacheline_internodealigned_in_smp", "__weak",
            "__user", "__kernel", "__force", "__iomem", "__must_check", "__ref", "__refconst", "__refdata", "__rcu", "__private", "fastcall",
        ],
        Annotations =
        [
            "__user", "__kernel", "__force", "__iomem", "__must_check", "__kprobes", "__ref", "__refconst", "__refdata", "__rcu", "__private",
        ],
        InlineWords = ["inline", "__always_inline", "noinline", "__inline", "__inline__"],
        KnowsSigned = true,
        HasLineComments = true,
        EndsAtDefinitions = true,
        IndentWidth = 8,
        TypeWords =
        [
            "void", "char", "short", "int", "float", "double", "bool", "u_char", "u_short", "u_int", "u_long", "unchar", "ushort", "uint", "ulong",
            "atomic_t", "FILE", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "be8", "be16", "be32", "be64", "le8", "le16", "le32", "le64",
            "__u8", "__u16", "__u32", "__u64", "__s8", "__s16", "__s32", "__s64", "__be8", "__be16", "__be32", "__be64", "__le8", "__le16", "__le32", "__le64",
        ],
    };

    /// <summary>Whether a word names a type by its shape: <c>…_t</c>, <c>…_handler</c>, and in QEMU CamelCase.</summary>
    public bool IsTypedefName(ReadOnlySpan<char> word)
    {
        if (HasSuffix(word, "_t") || HasSuffix(word, "_handler") || HasSuffix(word, "_handler_fn"))
            return true;
        if (this != Qemu || word.IsEmpty)
            return false;
        if (word.StartsWith("xen") && word.EndsWith("_handle") && word.Length > "xen_handle".Length)
            return true;
        if (!char.IsAsciiLetterUpper(word[0]))
            return false;
        if (IsBinaryPrefix(word))
            return false;
        return IsCamelCase(word) || HasSuffix(word, "AIOCB") || HasSuffix(word, "CPU") || word is "QEMUBH";
    }

    private static bool HasSuffix(ReadOnlySpan<char> word, ReadOnlySpan<char> suffix) => word.Length > suffix.Length && word.EndsWith(suffix);

    /// <summary><c>KiB</c> and its like (IEC 80000-13).</summary>
    private static bool IsBinaryPrefix(ReadOnlySpan<char> word) => word.Length >= 3 && word[0] is 'K' or 'M' or 'G' or 'T' or 'P' or 'E' && word[1] == 'i' && word[2] == 'B';

    private static bool IsCamelCase(ReadOnlySpan<char> word) => word.IndexOfAnyInRange('a', 'z') > 0;
}
