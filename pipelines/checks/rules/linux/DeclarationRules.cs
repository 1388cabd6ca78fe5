using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Types, declarations and initialisers.</summary>
internal static partial class DeclarationRules
{
    public static LineRule[] Create() =>
    [
        new PatternRule("GLOBAL_INITIALISERS", Severity.Error, "do not initialise globals to 0", GlobalZero, "=",
            "They are zero already, and would take room in the image.", new("int a = 0;"), new("int a;"))
            { When = scan => QuickLook.StartsAtMargin(scan.Line), AppliesTo = file => !IsBpf(file), Describe = (_, match) => $"do not initialise globals to {match.Groups[1].Value}" },
        new PatternRule("INITIALISED_STATIC", Severity.Error, "do not initialise statics to 0", StaticZero, "static",
            "They are zero already, and would take room in the image.", new("\tstatic int a = 0;"), new("\tstatic int a;"))
            { Describe = (_, match) => $"do not initialise statics to {match.Groups[1].Value}" },
        new PatternRule("MISORDERED_TYPE", Severity.Warning, "type should be specified in [[un]signed] [short|int|long|long long] order", Misordered, "signed",
            "One order is enough.", new("\tint unsigned a;"), new("\tunsigned int a;"))
            { On = PatternRule.View.Spaced, Every = true, Describe = (_, match) => $"type '{match.Groups[1].Value}' should be specified in [[un]signed] [short|int|long|long long] order" },
        new PatternRule("UNNECESSARY_INT", Severity.Warning, "the int is unnecessary", NeedlessInt, "int",
            "long and short are types by themselves.", new("\tlong int a;"), new("\tlong a;"))
            { On = PatternRule.View.Spaced, Every = true, Describe = (_, match) => $"Prefer '{WithoutInt(match.Groups[1].Value)}' over '{match.Groups[1].Value}' as the int is unnecessary" },
        new PatternRule("UNSPECIFIED_INT", Severity.Warning, "Prefer the whole type to bare use of its sign", BareSign, "signed",
            "unsigned int says what it is.", new("\tunsigned a;"), new("\tunsigned int a;"))
            { Every = true, Describe = (_, match) => $"Prefer '{match.Groups[1].Value} int{match.Groups[2].Value.TrimEnd()}' to bare use of '{match.Groups[1].Value}{match.Groups[2].Value.TrimEnd()}'" },
        new PatternRule("STATIC_CONST_CHAR_ARRAY", Severity.Warning, "static const char * array should probably be static const char * const", PointerArray, "char",
            "The pointers do not change either.", new("static const char *a[] = {\"b\"};"), new("static const char * const a[] = {\"b\"};")),
        new PatternRule("STATIC_CONST_CHAR_ARRAY", Severity.Warning, "const array should probably be static const", ConstArray, "const",
            "It would be copied onto the stack at each call.", new("\tconst char a[] = \"b\";"), new("\tstatic const char a[] = \"b\";")),
        new PatternRule("STATIC_CONST_CHAR_ARRAY", Severity.Warning, "static char array declaration should probably be static const char", StaticArray, "static",
            "What is not written belongs into read-only memory.", new("static char a[] = \"b\";"), new("static const char a[] = \"b\";")),
        new PatternRule("STATIC_CONST_CHAR_ARRAY", Severity.Warning, "char * array declaration might be better as static const", LocalPointerArray, "char",
            "It would be built on the stack at each call.", new("\tchar *a[] = {\"b\"};"), new("\tstatic const char * const a[] = {\"b\"};")),
        new PatternRule("CONST_CONST", Severity.Warning, "const twice", ConstTwice, "const",
            "One of the two says nothing.", new("\tconst int const a = b;"), new("\tconst int a = b;")) { On = PatternRule.View.Spaced, Describe = DescribeConst },
        new PatternRule("STATIC_CONST", Severity.Warning, "Move const after static", ConstStatic, "static",
            "The storage class comes first.", new("const static int a = 1;"), new("static const int a = 1;"))
            { On = PatternRule.View.Spaced, Describe = (_, match) => $"Move const after static - use 'static const {(match.Groups[1].Success ? match.Groups[1].Value : match.Groups[2].Value)}'" },
        new PatternRule("FUNCTION_WITHOUT_ARGS", Severity.Error, "Bad function definition - should probably be (void)", NoParameters, "(",
            "Empty parentheses are any parameters (ISO C 6.7.6.3).", new("static int f()"), new("static int f(void)"))
            { When = scan => QuickLook.HasEmptyParentheses(scan.Line), Describe = (_, match) => $"Bad function definition - {match.Groups[1].Value}() should probably be {match.Groups[1].Value}(void)" },
        new PatternRule("NEW_TYPEDEFS", Severity.Warning, "do not add new typedefs", Typedef, "typedef",
            "A structure that looks like one is easier to read.", new("typedef struct a b;"), new("struct b;")) { Unless = TypedefAllowed },
        new PatternRule("SELF_ASSIGNMENT", Severity.Warning, "Do not use self-assignments to avoid compiler warnings", SelfAssignment, "=",
            "The warning was right.", new("\tint a = a;"), new("\tint a = 0;")) { When = scan => QuickLook.MayAssignItself(scan.Line) },
        new PatternRule("MISPLACED_INIT", Severity.Warning, "the section should be placed after the name", SectionBeforeName, "__",
            "Some compilers ignore it elsewhere.", new("static __initdata int a = 1;"), new("static int a __initdata = 1;"))
            { Describe = (_, match) => match.Groups[1].Value.StartsWith("struct", StringComparison.Ordinal) ? null : $"{match.Groups["section"].Value} should be placed after {match.Groups["name"].Value}" },
        new PatternRule("INIT_ATTRIBUTE", Severity.Error, "Use of const init definition must use initconst", ConstInitData, "initdata",
            "One section cannot be both.", new("static const int a __initdata = 1;"), new("static const int a __initconst = 1;"))
            { Describe = (scan, match) => HasConst().IsMatch(scan.LineText) ? $"Use of const init definition must use {match.Groups[1].Value}initconst" : null },
        new PatternRule("INIT_ATTRIBUTE", Severity.Error, "Use of initconst requires a separate use of const", InitConst, "initconst",
            "One section cannot be both.", new("static int a __initconst = 1;"), new("static const int a __initconst = 1;"))
            { Unless = HasConst, Describe = (_, match) => $"Use of {match.Value} requires a separate use of const" },
        new PatternRule("CONST_READ_MOSTLY", Severity.Error, "Invalid use of __read_mostly with const type", ReadMostlyConst, "__read_mostly",
            "What is never written has its own section.", new("static const int a __read_mostly = 1;"), new("static int a __read_mostly = 1;")),
        new PatternRule("STORAGE_CLASS", Severity.Warning, "storage class should be located before the type", StorageAfterType, " ",
            "ISO C 6.11.5 calls any other place obsolescent.", new("int static a;"), new("static int a;"))
            { When = scan => StorageWord().IsMatch(scan.Line), Describe = (_, match) => $"storage class '{match.Groups[2].Value}' should be located before type '{match.Groups[1].Value}'" },
        new PatternRule("INLINE_LOCATION", Severity.Error, "inline keyword should sit between storage class and type", InlinePlace, "inline",
            "As everybody writes it.", new("inline static int f(void)"), new("static inline int f(void)")),
        new PatternRule("INLINE", Severity.Warning, "plain inline is preferred", OldInline, "__inline",
            "The kernel defines inline.", new("static __inline__ int f(void)"), new("static inline int f(void)"))
            { AppliesTo = file => !IsUserApi(file), Describe = (_, match) => $"plain inline is preferred over {match.Groups[1].Value}" },
        new PatternRule("PREFER_DEFINED_ATTRIBUTE_MACRO", Severity.Warning, "Prefer the macro over __attribute__", GccAttribute, "__attribute__",
            "The macros know which compilers have it.", new("static int a __attribute__((aligned(8)));"), new("static int a __aligned(8);"))
            { On = PatternRule.View.Raw, AppliesTo = file => !IsUserApi(file), Describe = (_, match) => DescribeAttribute(match.Groups[1].Value, match.Groups[2].Value) },
        new PatternRule("WEAK_DECLARATION", Severity.Error, "Using weak declarations can have unintended link defects", WeakDeclaration, "weak",
            "All definitions become weak then, and the linker takes any.", new("int f(void) __weak;"), new("int f(void);")),
        new KernelTypes(),
        new PatternRule("TYPECAST_INT_CONSTANT", Severity.Warning, "Unnecessary typecast of c90 int constant", CastNumber, ")",
            "A suffix gives a number its type.", new("\ta = (unsigned long)1;"), new("\ta = 1UL;")) { When = scan => QuickLook.HasNumberAfterParenthesis(scan.Line), Describe = (_, match) => DescribeCast(match) },
        new PatternRule("SIZEOF_ADDRESS", Severity.Warning, "sizeof(& should be avoided", SizeOfAddress, "sizeof",
            "It is the size of a pointer.", new("\tf(sizeof(&a));"), new("\tf(sizeof(a));")),
        new PatternRule("SIZEOF_PARENTHESIS", Severity.Warning, "sizeof should have parentheses", SizeOfBare, "sizeof",
            "It shows what it is of.", new("\ta = sizeof b;"), new("\ta = sizeof(b);")) { Describe = (_, match) => $"sizeof {match.Groups[1].Value} should be sizeof({match.Groups[1].Value})" },
        new PatternRule("ARRAY_SIZE", Severity.Warning, "Prefer ARRAY_SIZE", ArraySize, "sizeof",
            "The macro refuses a pointer.", new("\ta = sizeof(b) / sizeof(b[0]);"), new("\ta = ARRAY_SIZE(b);")) { Describe = (_, match) => $"Prefer ARRAY_SIZE({match.Groups[1].Value})" },
        new PatternRule("AVOID_EXTERNS", Severity.Check, "extern prototypes should be avoided in .h files", ExternInHeader, "extern",
            "A declaration is extern by itself.", new("extern int f(void);", "include/x.h"), new("int f(void);", "include/x.h")) { AppliesTo = file => file.EndsWith(".h", StringComparison.Ordinal) },
        new PatternRule("AVOID_EXTERNS", Severity.Warning, "externs should be avoided in .c files", ExternInSource, ";",
            "In a header the compiler compares declaration and definition.", new("extern int f(void);"), new("#include \"f.h\"")) { On = PatternRule.View.Statement, When = scan => QuickLook.MayDeclareFunction(scan.StatementText), AppliesTo = file => file.EndsWith(".c", StringComparison.Ordinal) },
        new PatternRule("BIT_MACRO", Severity.Check, "Prefer using the BIT macro", ShiftedOne, "<<",
            "Its type is unsigned.", new("#define A (1 << 3)"), new("#define A BIT(3)"))
            { AppliesTo = file => !file.StartsWith("include/uapi/", StringComparison.Ordinal), Describe = (_, match) => $"Prefer using the BIT{(match.Groups[1].Value.Contains("LL", StringComparison.OrdinalIgnoreCase) ? "_ULL" : "")} macro" },
        new PatternRule("USE_FUNC", Severity.Warning, "__func__ should be used instead of gcc specific __FUNCTION__", GccFunction, "__FUNCTION__",
            "ISO C 6.4.2.2 has __func__.", new("\tf(__FUNCTION__);"), new("\tf(__func__);")),
        new PatternRule("DATE_TIME", Severity.Error, "Use of the macro makes the build non-deterministic", BuildTime, "__",
            "The same source makes the same kernel.", new("\tf(__DATE__);"), new("\tf(a);")) { Every = true, Describe = (_, match) => $"Use of the '{match.Groups[1].Value}' macro makes the build non-deterministic" },
    ];

    private static bool IsBpf(string file) =>
        file.EndsWith(".bpf.c", StringComparison.Ordinal) || (file.StartsWith("samples/bpf/", StringComparison.Ordinal) && file.EndsWith("_kern.c", StringComparison.Ordinal))
        || (file.StartsWith("tools/testing/selftests/bpf/progs/", StringComparison.Ordinal) && file.EndsWith(".c", StringComparison.Ordinal));

    internal static bool IsUserApi(string file) => file.Contains("include/uapi/", StringComparison.Ordinal);

    private static string? DescribeConst(PatchScan scan, Match match)
    {
        var type = match.Groups[1].Value;
        var rest = scan.SpacedText.AsSpan(match.Index + match.Length).TrimStart();
        if (rest.StartsWith("*"))
            return $"'const {type} const *' should probably be 'const {type} * const'";
        return ArrayName().IsMatch(rest) ? null : $"'const {type} const' should probably be 'const {type}'";
    }

    /// <summary>The type without int, its sign first.</summary>
    private static string? WithoutInt(string type)
    {
        var words = type.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Where(word => word is "short" or "long").ToList();
        return (type.Contains("unsigned", StringComparison.Ordinal) ? "unsigned " : "") + string.Join(' ', words);
    }

    private static string DescribeCast(Match match)
    {
        var (cast, type, number) = (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value);
        var suffix = type.Contains("unsigned", StringComparison.Ordinal) ? "U" : "";
        var longs = type.Split("long").Length - 1;
        return $"Unnecessary typecast of c90 int constant - '{cast}{number}' could be '{number.TrimEnd('u', 'U', 'l', 'L')}{suffix}{new string('L', longs)}'";
    }

    private static string? DescribeAttribute(string name, string parameters)
    {
        var plain = name.Trim('_');
        var macro = plain switch
        {
            "alias" or "aligned" or "always_inline" or "assume_aligned" or "cold" or "copy" or "designated_init" or "gnu_inline" or "malloc" or "mode" or "no_caller_saved_registers" or "noclone"
                or "nonstring" or "noreturn" or "packed" or "pure" or "section" or "used" or "weak" => "__" + plain,
            "const" => "__attribute_const__",
            "externally_visible" => "__visible",
            "noinline" => "noinline",
            "format" => "",
            _ => null,
        };
        if (macro is null)
            return plain == "unused" ? "__always_unused or __maybe_unused is preferred over __attribute__((__unused__))" : null;
        if (plain != "format")
            return $"Prefer {macro}{parameters} over __attribute__(({name}{parameters}))";
        var format = FormatParameters().Match(parameters);
        return format.Success ? $"Prefer __{format.Groups[1].Value}({format.Groups[2].Value} over __attribute__(({name}{parameters}))" : null;
    }

    private const string Zero = @"((?:(?:0[xX])?0+[uUlL]{0,3}|NULL|false)\b)";

    private static Func<Regex> GlobalZero { get; } = LargePattern.Of(@"^\+" + KernelC.Type + @"\s*" + KernelC.Name + @"(?:\s+" + KernelC.Modifier + @")*\s*=\s*" + Zero + @"\s*;");

    [GeneratedRegex(@"^\+.*\bstatic\s.*=\s*" + Zero + @"\s*;")]
    private static partial Regex StaticZero();

    [GeneratedRegex(@"(?:^|\W)((?:char|int|short|long)(?:\s+(?:short|long|int))*\s+(?:un)?signed(?:\s+(?:short|long|int))*)\b")]
    private static partial Regex Misordered();

    [GeneratedRegex(@"\b((?:(?:un)?signed\s+)?(?:short|long(?:\s+long)?)\s+int)\b")]
    private static partial Regex NeedlessInt();

    private static Func<Regex> BareSign { get; } = LargePattern.Of(@"\b(?:(?:" + KernelC.Storage + "|" + KernelC.Inline + "|" + KernelC.Attribute + @")\s+)*\b((?:un)?signed)\b((?:\s*\*)*)\s*(?!(?:char|short|int|long)\b)(?:" + KernelC.Name + @")?\s*[=,;\[)(]");

    [GeneratedRegex(@"\bstatic\s+const\s+char\s*\*\s*\w+\s*\[\s*\]\s*=\s*")]
    private static partial Regex PointerArray();

    [GeneratedRegex(@"^\+\s*const\s+(?:char|unsigned\s+char|_*u8|(?:[us]_)?int8_t)\s+\w+\s*\[\s*(?:\w+\s*)?\]\s*=\s*""")]
    private static partial Regex ConstArray();

    [GeneratedRegex(@"\bstatic\s+char\s+\w+\s*\[\s*\]\s*=\s*""")]
    private static partial Regex StaticArray();

    [GeneratedRegex(@"^.\s+(?:static\s+|const\s+)?char\s+\*\s*\w+\s*\[\s*\]\s*=\s*\{")]
    private static partial Regex LocalPointerArray();

    private static Func<Regex> ConstTwice { get; } = LargePattern.Of(@"\bconst\s+(" + KernelC.Basic + @")\s+const\b");

    [GeneratedRegex(@"^\s+\w+\s*\[|^\w+\s*\[")]
    private static partial Regex ArrayName();

    private static Func<Regex> ConstStatic { get; } = LargePattern.Of(@"^\+\s*(?:const\s+static\s+(" + KernelC.Type + @")\b|static\s+(" + KernelC.Basic + @")\s+const\b)");

    private static Func<Regex> NoParameters { get; } = LargePattern.Of(@"(\b" + KernelC.Type + @"\s*" + KernelC.Name + @")\s*\(\s*\)");

    [GeneratedRegex(@"\btypedef\s")]
    private static partial Regex Typedef();

    private static Func<Regex> TypedefAllowed { get; } = LargePattern.Of(@"\btypedef\s+" + KernelC.Type + @"(?:\s*\(\s*\*?" + KernelC.Name + @"\s*\)\s*\(|\s+" + KernelC.Name + @"\s*\()|\b(?:(?:__)?(?:[us]_?)?int_?(?:8|16|32|64)_t|u_(?:char|short|int|long)|u(?:nchar|short|int|long)|(?:__)?(?:u|s|be|le)(?:8|16|32|64)|atomic_t|FILE|__bitwise)\b");

    private static Func<Regex> SelfAssignment { get; } = LargePattern.Of(@"^\+\s*(?:" + KernelC.Declaration + @")?\b([A-Za-z_]\w*)\s*=\s*(?:\1|\*\s*\(?\s*&\s*\(?\s*\1\s*\)?\s*\)?)\s*[;,]");

    private static Func<Regex> SectionBeforeName { get; } = LargePattern.Of(@"^\+\s*static\s+(?:const\s+)?(?:(?<section>" + KernelC.InitSection + @")\s+(" + KernelC.Plain + @")|(" + KernelC.Plain + @")\s+(?<section>" + KernelC.InitSection + @"))\s+(?<name>" + KernelC.Name + @"(?:\[[^\]]*\])?)\s*[=;]");

    [GeneratedRegex(@"(__(?:mem|cpu|dev|net_|))initdata\b")]
    private static partial Regex ConstInitData();

    [GeneratedRegex(@"__(?:mem|cpu|dev|net_|)initconst\b")]
    private static partial Regex InitConst();

    [GeneratedRegex(@"\bconst\b")]
    private static partial Regex HasConst();

    [GeneratedRegex(@"\bconst\b[^*]*" + KernelC.Name + @"\s*__read_mostly\b")]
    private static partial Regex ReadMostlyConst();

    [GeneratedRegex(@"\w[\s*]+" + KernelC.Storage + @"\b")]
    private static partial Regex StorageWord();

    private static Func<Regex> StorageAfterType { get; } = LargePattern.Of(@"\b(" + KernelC.Type + @")\s+(" + KernelC.Storage + @")\b");

    private static Func<Regex> InlinePlace { get; } = LargePattern.Of(@"\b" + KernelC.Type + @"\s+" + KernelC.Inline + @"\b|\b" + KernelC.Inline + @"\s+" + KernelC.Storage + @"\b");

    [GeneratedRegex(@"\b(__inline__|__inline)\b")]
    private static partial Regex OldInline();

    private static Func<Regex> GccAttribute { get; } = LargePattern.Of(@"\b__attribute__\s*\(\s*\(\s*(\w+)\s*(" + KernelC.Brackets + @")?");

    [GeneratedRegex(@"^\s*\(\s*(\w+)\s*,\s*(.*)")]
    private static partial Regex FormatParameters();

    private static Func<Regex> WeakDeclaration { get; } = LargePattern.Of(KernelC.Declaration + @"\s*" + KernelC.Name + @"\s*" + KernelC.Brackets + @"\s*(?:__weak\s*;|__attribute__\s*\(\s*\(.*\bweak\b.*;)");

    private static Func<Regex> CastNumber { get; } = LargePattern.Of(@"(\(\s*(" + KernelC.LongInteger + @")\s*\)\s*)([0-9][0-9A-Fa-fxXuUlL]*)\b");

    [GeneratedRegex(@"\bsizeof\s*\(\s*&")]
    private static partial Regex SizeOfAddress();

    private static Func<Regex> SizeOfBare { get; } = LargePattern.Of(@"\bsizeof\s+((?:\*\s*)?" + KernelC.Place + "|" + KernelC.Type + @"(?:\s+" + KernelC.Place + @")?)");

    private static Func<Regex> ArraySize { get; } = LargePattern.Of(@"\bsizeof\s*\(\s*(" + KernelC.Place + @")\s*\)\s*/\s*sizeof\s*\(\s*\1\s*\[\s*0\s*\]\s*\)");

    private static Func<Regex> ExternInHeader { get; } = LargePattern.Of(@"^\+\s*extern\s+" + KernelC.Type + @"\s*" + KernelC.Name + @"\s*\(");

    private static Func<Regex> ExternInSource { get; } = LargePattern.Of(@"^.\s*(?:(?:extern\s+)?" + KernelC.Type + @"\s+" + KernelC.Name + @"\s*" + KernelC.Brackets + @"\s*;|extern\s+(?!" + KernelC.Type + @"\s+" + KernelC.Name + @"\s*\())");

    [GeneratedRegex(@"#\s*define\s+\w+\s+\(?\s*1\s*([uUlL]*)\s*<<\s*(?:[0-9]+|" + KernelC.Name + @")\s*\)?")]
    private static partial Regex ShiftedOne();

    [GeneratedRegex(@"\b__FUNCTION__\b")]
    private static partial Regex GccFunction();

    [GeneratedRegex(@"\b(__(?:DATE|TIME|TIMESTAMP)__)\b")]
    private static partial Regex BuildTime();
}

internal sealed partial class KernelTypes() : LineRule("PREFER_KERNEL_TYPES", Severity.Check, "Prefer the kernel's type")
{
    public override Explanation Explanation => new("u32 is shorter.", new("\tuint32_t a;"), new("\tu32 a;"));

    public override void Check(PatchScan scan)
    {
        var line = scan.Line;
        if (!scan.ReportsTaste || line.Length > PatternRule.MaxLine || !line.Contains("int", StringComparison.Ordinal) || DeclarationRules.IsUserApi(scan.File) || Text.Scan.HasWord(scan.File, "tools"))
            return;
        Span<int> ends = stackalloc int[Source.TypeMatcher.MaxEnds];
        // The first declaration of the line is looked at, whatever its type.
        for (var at = 1; at < line.Length; at = Math.Max(Text.Scan.WordEnd(line, at), at + 1))
        {
            if (!Text.Scan.IsIdentifierStart(line[at]))
                continue;
            foreach (var end in ends[..scan.Types.TypeEnds(line, at, ends)])
            {
                var name = Text.Scan.IdentifierEnd(line, Text.Scan.SkipSpace(line, end));
                var next = name < 0 ? line.Length : Text.Scan.SkipSpace(line, name);
                if (next >= line.Length || line[next] is not ('=' or ';' or ',' or '['))
                    continue;
                Judge(scan, line[at..end].ToString());
                return;
            }
        }
    }

    private void Judge(PatchScan scan, string type)
    {
        if (Standard().Match(type) is { Success: true } match)
            scan.Report(this, $"Prefer kernel type '{(match.Value.TrimStart('_')[0] is 's' or 'i' ? 's' : 'u')}{match.Groups[1].Value}' over '{match.Value}'");
    }

    [GeneratedRegex(@"\b(?:__)?(?:[us]_?)?int_?(8|16|32|64)_t\b")]
    private static partial Regex Standard();
}
