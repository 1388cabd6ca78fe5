using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

internal sealed class GlobalInitialiser() : LineRule("GLOBAL_INITIALISERS", Severity.Error, "do not initialise globals to 0 or NULL")
{
    public override Explanation Explanation => new("They are zero already (ISO C 6.7.9), and explicit zeros move them out of .bss with some compilers.", new("int a = 0;"), new("int a;"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('=') || scan.Code.Length < 2 || !EndsInZero(scan.Code, out var equals))
            return;
        var code = scan.Code[..equals];
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        var count = scan.Types.TypeEnds(code, 1, ends);
        foreach (var end in ends[..count])
        {
            var name = Scan.IdentifierEnd(code, Scan.SkipSpace(code, end));
            if (name > 0 && OnlyModifiersFrom(scan.Types, code, name))
            {
                scan.Report(this);
                return;
            }
        }
    }

    private static bool OnlyModifiersFrom(TypeMatcher types, ReadOnlySpan<char> code, int at)
    {
        while (!Scan.OnlySpaceFrom(code, at))
        {
            var start = Scan.SkipSpace(code, at);
            at = start > at ? types.ModifierEnd(code, start) : -1;
            if (at < 0)
                return false;
        }
        return true;
    }

    /// <summary>Whether the line's first <c>=</c> is followed by a zero of some kind and a semicolon.</summary>
    private static bool EndsInZero(ReadOnlySpan<char> code, out int equals)
    {
        equals = code.IndexOf('=');
        return equals > 0 && StaticInitialiser.IsZeroFrom(code, equals + 1);
    }
}

internal sealed class StaticInitialiser() : LineRule("INITIALISED_STATIC", Severity.Error, "do not initialise statics to 0 or NULL")
{
    public override Explanation Explanation => new("They are zero already (ISO C 6.7.9).", new("static int a = 0;"), new("static int a;"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('='))
            return;
        var code = scan.Code;
        for (var at = Scan.FindWord(code, "static"); at >= 0; at = Scan.FindWord(code, "static", at + 1))
        {
            var end = at + "static".Length;
            if (end >= code.Length || !Scan.IsSpace(code[end]))
                continue;
            for (var equals = end + 1; equals < code.Length; equals++)
            {
                if (code[equals] == '=' && IsZeroFrom(code, equals + 1))
                {
                    scan.Report(this);
                    return;
                }
            }
        }
    }

    private static readonly string[] s_zeros = ["0", "NULL", "false"];

    public static bool IsZeroFrom(ReadOnlySpan<char> code, int at)
    {
        at = Scan.SkipSpace(code, at);
        foreach (var zero in s_zeros)
        {
            if (!Scan.StartsAt(code, at, zero))
                continue;
            var end = Scan.SkipSpace(code, at + zero.Length);
            if (end < code.Length && code[end] == ';')
                return true;
        }
        return false;
    }
}

internal sealed class PointerStarPlace() : LineRule("POINTER_LOCATION", Severity.Error, "the star of a pointer belongs to the name")
{
    public override Explanation Explanation => new("int* a, b declares one pointer; int *a, b shows it.", new("    char* a;"), new("    char *a;"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!scan.Has('*') && !HasModifierWord(scan, code))
            return;
        var found = false;
        for (var at = 0; TryInParentheses(scan, code, ref at, out var from);)
        {
            found = true;
            var to = Normalise(from);
            if (from != to)
                scan.Report(this, $"\"(foo{from})\" should be \"(foo{to})\"");
            if (!Every)
                break;
        }
        for (var at = 0; (Every || !found) && TryBeforeName(scan, code, ref at, out var from, out var name);)
        {
            found = true;
            var to = Normalise(from);
            if (EndsWithModifier(scan.Types, to))
                to += " ";
            if (from != to && !scan.Types.IsModifier(name))
                scan.Report(this, $"\"foo{from}bar\" should be \"foo{to}bar\"");
        }
    }

    /// <summary>Each place of a line is looked at, not the first only.</summary>
    public bool Every { get; init; }

    private static bool HasModifierWord(PatchScan scan, ReadOnlySpan<char> code)
    {
        for (var at = 0; at < code.Length; at = Math.Max(Scan.WordEnd(code, at), at + 1))
        {
            if (Scan.IsIdentifierStart(code[at]) && scan.Types.ModifierEnd(code, at) > 0)
                return true;
        }
        return false;
    }

    private static bool TryInParentheses(PatchScan scan, ReadOnlySpan<char> code, ref int open, out string stars)
    {
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (; open < code.Length; open++)
        {
            if (code[open] != '(')
                continue;
            var count = scan.Types.NonPointerTypeEnds(code, open + 1, ends);
            foreach (var end in ends[..count])
            {
                var close = StarsEnd(scan.Types, code, end);
                if (close > end && close < code.Length && code[close] == ')')
                {
                    stars = code[end..close].ToString();
                    open = close;
                    return true;
                }
            }
        }
        stars = "";
        return false;
    }

    private static bool TryBeforeName(PatchScan scan, ReadOnlySpan<char> code, ref int at, out string stars, out string name)
    {
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (; at < code.Length; at++)
        {
            if (!Scan.IsIdentifierStart(code[at]) || (at > 0 && Scan.IsWord(code[at - 1])))
                continue;
            var count = scan.Types.NonPointerTypeEnds(code, at, ends);
            foreach (var end in ends[..count])
            {
                var stop = StarsEnd(scan.Types, code, end);
                if (stop <= end)
                    continue;
                var nameEnd = Scan.IdentifierEnd(code, stop);
                if (nameEnd > 0)
                {
                    stars = code[end..stop].ToString();
                    name = code[stop..nameEnd].ToString();
                    at = nameEnd;
                    return true;
                }
                // A modifier may be the name itself.
                var shorter = LastModifierStart(scan.Types, code, end, stop);
                if (shorter > end)
                {
                    stars = code[end..shorter].ToString();
                    name = code[shorter..Scan.WordEnd(code, shorter)].ToString();
                    at = shorter + name.Length;
                    return true;
                }
            }
        }
        stars = name = "";
        return false;
    }

    /// <summary>The end of stars and modifiers from a position, the spaces among them too; the position itself when there are none.</summary>
    private static int StarsEnd(TypeMatcher types, ReadOnlySpan<char> code, int at)
    {
        var end = at;
        var next = Scan.SkipSpace(code, at);
        while (next < code.Length)
        {
            var modifier = types.WholeModifierEnd(code, next);
            if (modifier > 0)
                end = Scan.SkipSpace(code, modifier);
            else if (code[next] == '*')
                end = Scan.SkipSpace(code, next + 1);
            else
                break;
            next = end;
        }
        return end;
    }

    private static int LastModifierStart(TypeMatcher types, ReadOnlySpan<char> code, int start, int end)
    {
        var text = Scan.TrimEnd(code[..end]);
        var at = text.Length;
        while (at > start && Scan.IsWord(text[at - 1]))
            at--;
        var something = code[start..at].Contains('*');
        return at < text.Length && something && types.IsModifier(text[at..]) ? at : -1;
    }

    /// <summary>One space before, none after, and stars together.</summary>
    private static string Normalise(string stars)
    {
        var text = Scan.TrimEnd(stars).ToString();
        if (text.Length == 0)
            return text;
        if (!Scan.IsSpace(text[0]))
            text = " " + text;
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] != '*')
                continue;
            var next = Scan.SkipSpace(text, at + 1);
            if (next > at + 1 && next < text.Length && text[next] == '*')
                text = string.Concat(text.AsSpan(0, at + 1), text.AsSpan(next));
        }
        return text;
    }

    private static bool EndsWithModifier(TypeMatcher types, string text)
    {
        var start = text.Length;
        while (start > 0 && Scan.IsWord(text[start - 1]))
            start--;
        return start < text.Length && types.IsModifier(text.AsSpan(start));
    }
}

internal sealed class ErrnoSign() : LineRule("USE_NEGATIVE_ERRNO", Severity.Error, "return of an errno should typically be -ve")
{
    public override Explanation Explanation => new("Functions return negative error numbers.", new("    return EINVAL;"), new("    return -EINVAL;"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        var at = Scan.SkipSpace(code, 1);
        if (!Scan.StartsAt(code, at, "return"))
            return;
        at = Scan.SkipSpace(code, at + "return".Length);
        var end = at;
        while (end < code.Length && char.IsAsciiLetterUpper(code[end]))
            end++;
        if (end == at || code[at] != 'E')
            return;
        var semicolon = Scan.SkipSpace(code, end);
        if (semicolon < code.Length && code[semicolon] == ';' && code[at..end] is not ("EOF" or "ERROR"))
            scan.Report(this, $"return of an errno should typically be -ve (return -{code[at..end]})");
    }
}

internal sealed class NamedListHead() : LineRule("NAMED_QUEUE_HEAD", Severity.Error, "named QLIST_HEAD should be typedefed separately")
{
    public override Explanation Explanation => new("A named head that is no typedef declares a type nobody expects.", new("    QLIST_HEAD(Foo, Bar) list;"), new("    QLIST_HEAD(, Bar) list;"));

    private static readonly string[] s_heads = ["QLIST_HEAD", "QSLIST_HEAD", "QSIMPLEQ_HEAD", "QTAILQ_HEAD"];

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (code.Length < 2 || Scan.StartsAt(code, 1, "typedef"))
            return;
        var at = Scan.SkipSpace(code, 1);
        foreach (var head in s_heads)
        {
            if (!Scan.StartsAt(code, at, head))
                continue;
            var open = Scan.SkipSpace(code, at + head.Length);
            if (open >= code.Length || code[open] != '(')
                continue;
            var first = Scan.SkipSpace(code, open + 1);
            // With spaces before it, even a comma is taken for a name.
            if ((first < code.Length && code[first] != ',') || first > open + 1)
                scan.Report(this, $"named {head} should be typedefed separately");
        }
    }
}

internal sealed class StorageClassPlace() : LineRule("STORAGE_CLASS", Severity.Error, "storage class should be at the beginning of the declaration")
{
    public override Explanation Explanation => new("ISO C 6.11.5 calls any other place obsolescent.", new("const static int a = 1;"), new("static const int a = 1;"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        var found = false;
        foreach (var word in CDialect.StorageClasses)
        {
            found |= Scan.HasWord(code, word);
            if (Scan.WordAt(code, Scan.SkipSpace(code, 1), word))
                return;
        }
        if (found)
            scan.Report(this);
    }
}

internal sealed class InlinePlace() : LineRule("INLINE_LOCATION", Severity.Error, "inline keyword should sit between storage class and type")
{
    public override Explanation Explanation => new("As everybody writes it.", new("int inline f(void);", "include/x.h"), new("inline int f(void);", "include/x.h"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        if (!code.Contains("inline", StringComparison.Ordinal))
            return;
        if (IsBeforeStorage(code) || IsAfterType(scan.Types, code))
            scan.Report(this);
    }

    private static bool IsBeforeStorage(ReadOnlySpan<char> code)
    {
        for (var at = code.IndexOf("inline"); at >= 0;)
        {
            var end = at + "inline".Length;
            var next = Scan.SkipSpace(code, end);
            if ((at == 0 || !Scan.IsWord(code[at - 1])) && next > end)
            {
                foreach (var word in CDialect.StorageClasses)
                {
                    if (Scan.WordAt(code, next, word))
                        return true;
                }
            }
            var further = code[end..].IndexOf("inline");
            at = further < 0 ? -1 : end + further;
        }
        return false;
    }

    private static bool IsAfterType(TypeMatcher types, ReadOnlySpan<char> code)
    {
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (var at = 0; at < code.Length; at++)
        {
            if (!Scan.IsIdentifierStart(code[at]) || (at > 0 && Scan.IsWord(code[at - 1])))
                continue;
            var count = types.TypeEnds(code, at, ends);
            foreach (var end in ends[..count])
            {
                var next = Scan.SkipSpace(code, end);
                if (next > end && Scan.WordAt(code, next, "inline"))
                    return true;
            }
        }
        return false;
    }
}

internal sealed class ExternInSource() : LineRule("AVOID_EXTERNS", Severity.Error, "externs should be avoided in .c files")
{
    public override Explanation Explanation => new("A declaration in a header is checked against the definition; one in a source file is not.", new("extern int a;"), new("static int a;"));

    /// <summary>Reports a parameter list on a line of its own.</summary>
    public required LineRule Arguments { get; init; }

    public override void Check(PatchScan scan)
    {
        if (!scan.File.EndsWith(".c", StringComparison.Ordinal) || !scan.HasStatement)
            return;
        var statement = scan.Statement;
        var text = scan.TextOf(statement);
        var start = Scan.SkipSpace(text, 1);
        var isExtern = Scan.StartsAt(text, start, "extern");
        if (TryPrototype(scan.Types, text, isExtern ? Scan.SkipSpace(text, start + "extern".Length) : start, out var name, out var spacing)
            || TryPrototype(scan.Types, text, start, out name, out spacing))
        {
            var rest = scan.BodyOf(statement);
            var next = Scan.SkipSpace(rest, 0);
            if (next < rest.Length && rest[next] == ';' && name != "uninitialized_var")
                scan.Report(this);
            if (spacing.Contains('\n'))
                scan.Report(Arguments);
        }
        else if (isExtern && start + "extern".Length is var end && end < text.Length && Scan.IsSpace(text[end]))
        {
            scan.Report(this);
        }
    }

    private static bool TryPrototype(TypeMatcher types, ReadOnlySpan<char> text, int start, out string name, out string spacing)
    {
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        var count = types.TypeEnds(text, start, ends);
        foreach (var end in ends[..count])
        {
            var at = Scan.SkipSpace(text, end);
            var nameEnd = at > end ? Scan.IdentifierEnd(text, at) : -1;
            if (nameEnd < 0)
                continue;
            var open = Scan.SkipSpace(text, nameEnd);
            if (open < text.Length && text[open] == '(')
            {
                name = text[at..nameEnd].ToString();
                spacing = text[nameEnd..open].ToString();
                return true;
            }
        }
        name = spacing = "";
        return false;
    }
}

internal sealed class ArgumentsOnNextLine() : LineRule("FUNCTION_ARGUMENTS", Severity.Error, "arguments for function declarations should follow identifier")
{
    public override Explanation Explanation => new("Searching for name( finds the declaration.", new("int f\n(int a)\n{\n    return a;\n}"), new("int f(int a)\n{\n    return a;\n}"));

    /// <summary>Reported by <see cref="ExternInSource"/>, which reads the declaration.</summary>
    public override void Check(PatchScan scan)
    {
    }
}

internal sealed class NonConstOps() : LineRule("CONST_STRUCT", Severity.Error, "initializer for struct should normally be const")
{
    private static readonly string[] s_structs =
    [
        "AIOCBInfo", "BdrvActionOps", "BlockDevOps", "BlockJobDriver", "DisplayChangeListenerOps", "GraphicHwOps", "IDEDMAOps", "KVMCapabilityInfo",
        "MemoryRegionIOMMUOps", "MemoryRegionOps", "MemoryRegionPortio", "QEMUFileOps", "SCSIBusInfo", "SCSIReqOps", "TypeInfo", "VhostOps",
        "VMStateDescription", "VMStateInfo",
    ];

    public override Explanation Explanation => new("Tables of functions that cannot be written cannot be overwritten.", new("static MemoryRegionOps ops = {"), new("static const MemoryRegionOps ops = {"));

    public override void Check(PatchScan scan)
    {
        var code = scan.Code;
        var equals = scan.Has('=') ? code.LastIndexOf('=') : -1;
        if (equals < 0 || Scan.HasWord(code, "const"))
            return;
        for (var at = 1; at < equals; at = Math.Max(Scan.WordEnd(code, at), at + 1))
        {
            if (!char.IsAsciiLetterUpper(code[at]) || Scan.IsWord(code[at - 1]))
                continue;
            var word = code[at..Scan.WordEnd(code, at)];
            if (IsOps(word))
            {
                scan.Report(this, $"initializer for struct {word} should normally be const");
                return;
            }
        }
    }

    private static bool IsOps(ReadOnlySpan<char> word)
    {
        foreach (var name in s_structs)
        {
            if (word.SequenceEqual(name))
                return true;
        }
        if (word.StartsWith("Spice") && word.EndsWith("Interface") && word.Length > "SpiceInterface".Length)
            return char.IsAsciiLetterUpper(word[5]) && !word.Contains('_');
        return word.StartsWith("USBDesc") && word.Length > 7 && char.IsAsciiLetterUpper(word[7]) && !word.Contains('_');
    }
}
