namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Parts of C for patterns over blanked lines, in which strings are X's between their quotes. Brackets nest up to five deep.</summary>
internal static class KernelC
{
    public const string Name = @"[A-Za-z_][A-Za-z0-9_]*";

    public const string Member = "(?:(?:->|[.])" + Name + @"|\[[^\]]*\])";

    /// <summary>What can stand left of an assignment.</summary>
    public const string Place = Name + Member + "*";

    private const string Inner = @"\((?>[^()]+|\((?>[^()]+|\((?>[^()]+|\([^()]*\))*\))*\))*\)";

    public const string Brackets = Inner;

    public const string Text = @"(?:\b[Lu])?""[X\t]*""";

    public const string Number = @"(?:0[xX][0-9A-Fa-f]+|0[bB][01]+|[0-9]*[.][0-9]+(?:[eE]-?[0-9]+)?|[0-9]+[.]?(?:[eE]-?[0-9]+)?)[uUlLfF]{0,3}";

    public const string Call = @"(?:[&*]\s*)?" + Place + @"\s*(?:" + Brackets + @")?\s*";

    public const string Comparison = "(?:[<>=!]=|<|(?<!-)>)";

    public const string Assignment = "(?:<<|>>|[-+*/%&^|])?=";

    public const string Operator = @"(?:[<>=!]=|=>|->|<<|>>|&&|\|\||\+\+|--|[<>!~,^&|+*/%-])";

    public const string Storage = "(?:extern|static|asmlinkage)";

    public const string Inline = "(?:inline|__always_inline|noinline|__inline__|__inline)";

    public const string InitData = "__(?:mem|cpu|dev|net_|)initdata";

    public const string InitConst = "__(?:mem|cpu|dev|net_|)initconst";

    public const string InitSection = "(?:" + InitData + "|" + InitConst + "|__(?:mem|cpu|dev|net_|)init)";

    public const string Annotation = "(?:__user|__kernel|__force|__iomem|__must_check|__kprobes|__ref(?:const|data)?|__rcu|__private)";

    public const string Attribute =
        "(?:const|volatile|__percpu|__nocast|__safe|__bitwise|__packed2?__|__naked|__(?:maybe|always)_unused|__noreturn|__used|__cold|__pure|__noclone|__deprecated"
        + "|__read_mostly|__ro_after_init|__kprobes|" + InitSection + @"\b|____cacheline_(?:aligned(?:_in_smp)?|internodealigned_in_smp)|__weak)";

    public const string Modifier = "(?:" + Attribute + "|" + Annotation + "|fastcall)";

    private const string Sign = @"(?:(?:un)?signed\s+)?";

    public const string Basic =
        @"(?:(?:" + Sign + @"(?:char|int|short(?:\s+int)?|long(?:\s+long)?(?:\s+int)?)|(?:un)?signed|void|float|double|bool|(?:struct|union|enum)\s+" + Name
        + @"|[A-Za-z_]\w*_(?:t|handler|handler_fn)|(?:__)?(?:u|s|be|le)(?:8|16|32|64)|u_(?:char|short|int|long)|u(?:nchar|short|int|long)|FILE)\b)";

    /// <summary>A type without stars.</summary>
    public const string Plain = "(?:" + Modifier + @"\s+)*(?:(?:__typeof__|typeof)\s*\([^)]*\)|" + Basic + @")(?:\s+" + Modifier + @"\b)*";

    public const string Type = Plain + @"(?:[\s*]|\[\s*\]|\bconst\b)*(?:\s+(?:" + Inline + "|" + Modifier + @")\b)*";

    public const string Declaration = "(?:" + Storage + @"\s+(?:" + Inline + @"\s+)?)?" + Type;

    /// <summary>An argument: a place, call, number or string, its cast before it.</summary>
    public const string Argument = @"\s*(?:\(\s*" + Plain + @"\s*\)\s*)?(?:" + Call + "|" + Number + "|" + Text + ")";

    public const string Keyword = "(?:do|for|while|if|else|return|goto|continue|switch|default|case|break)";

    public const string LongInteger =
        @"(?:" + Sign + @"(?:long\s+long|long)(?:\s+int)?(?:\s+(?:un)?signed)?|" + Sign + @"int|int\s+(?:un)?signed)";

    public const string LogCall =
        "(?:printk(?:_ratelimited|_once|_deferred_once|_deferred)?|(?:[a-z0-9]+_){1,2}(?:printk|emerg|alert|crit|err|warning|warn|notice|info|debug|dbg|vdbg|devel|cont|WARN)(?:_ratelimited|_once)?"
        + "|TP_printk|WARN(?:_RATELIMIT|_ONCE)?|panic|MODULE_[A-Z_]+|seq_vprintf|seq_printf|seq_puts)";

    public const string Allocation =
        @"(?:(?:devm_)?(?:(?:kv|k|v)[czm]alloc(?:_array)?(?:_node)?|kstrdup(?:_const)?|kmemdup(?:_nul)?)|\w*alloc_skb(?:_ip_align)?|dma_alloc_coherent)";
}
