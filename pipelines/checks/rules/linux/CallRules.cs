using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Functions and macros of the kernel that have a better one, or that mean something else than they seem to.</summary>
internal static partial class CallRules
{
    /// <summary>Calls that are wrong wherever they stand.</summary>
    public static LineRule[] Create() =>
    [
        new PatternRule("AVOID_BUG", Severity.Warning, "Do not crash the kernel unless it is absolutely unavoidable--use WARN_ON_ONCE() plus recovery code (if feasible) instead of BUG() or variants", Bug, "BUG",
            "BUG takes down a machine that could go on.", new("\tBUG_ON(a);"), new("\tWARN_ON_ONCE(a);")) { IsMilderInFiles = true },
        new PatternRule("LINUX_VERSION_CODE", Severity.Warning, "LINUX_VERSION_CODE should be avoided, code should be for the version to which it is merged", VersionCode, "LINUX_VERSION_CODE",
            "Code in the tree is compiled with the tree's own version only.", new("#if LINUX_VERSION_CODE > 3"), new("#ifdef CONFIG_A")),
        new PatternRule("ENOSYS", Severity.Warning, "ENOSYS means 'invalid syscall nr' and nothing else", NoSystemCall, "ENOSYS",
            "User space takes it for a kernel without the system call.", new("\treturn -ENOSYS;"), new("\treturn -EINVAL;")),
        new PatternRule("ENOTSUPP", Severity.Warning, "ENOTSUPP is not a SUSV4 error code, prefer EOPNOTSUPP", NotSupported, "ENOTSUPP",
            "User space does not know the number.", new("\treturn -ENOTSUPP;"), new("\treturn -EOPNOTSUPP;")) { IsForPatches = true },
        new PatternRule("STRLCPY", Severity.Warning, "Prefer strscpy over strlcpy - see: https://lore.kernel.org/r/CAHk-=wgfRnXz0W3D37d01q3JFkr_i_uTL=V6A6G1oUZcprmknw@mail.gmail.com/", Strlcpy, "strlcpy",
            "strlcpy reads its source to the end, which may not be there.", new("\tstrlcpy(a, b, 4);"), new("\tstrscpy(a, b, 4);")),
        new PatternRule("YIELD", Severity.Warning, "Using yield() is generally wrong. See yield() kernel-doc (sched/core.c)", Yield, "yield",
            "Nothing says who runs next.", new("\tyield();"), new("\tcond_resched();")),
        new PatternRule("CONSIDER_COMPLETION", Severity.Warning, "consider using a completion", LockedSemaphore, "sema_init",
            "A semaphore that starts locked is a completion.", new("\tsema_init(&a, 0);"), new("\tinit_completion(&a);")),
        new PatternRule("CONSIDER_KSTRTO", Severity.Warning, "use kstrto", SimpleStrto, "strto",
            "They accept rubbish after the number and cannot overflow with an error.", new("\ta = simple_strtoul(b, c, 0);"), new("\terr = kstrtoul(b, 0, &a);"))
            { Describe = (_, match) => $"{match.Groups[1].Value} is obsolete, use k{match.Groups[2].Value} instead" },
        new PatternRule("USE_DEVICE_INITCALL", Severity.Warning, "please use device_initcall() or more appropriate function instead of __initcall() (see include/linux/init.h)", Initcall, "__initcall",
            "The level of the call says when it comes.", new("__initcall(f);"), new("device_initcall(f);")),
        new PatternRule("USE_LOCKDEP", Severity.Warning, "Where possible, use lockdep_assert_held instead of assertions based on spin_is_locked", SpinIsLocked, "spin_is_locked",
            "It does not say who holds the lock, and on one processor nobody ever does.", new("\tWARN_ON(!spin_is_locked(&a));"), new("\tlockdep_assert_held(&a);")),
        new PatternRule("DEPRECATED_API", Severity.Warning, "Deprecated use, prefer another", Deprecated, "(",
            "What replaces it does the same and stays.", new("\ta = kmap(b);"), new("\ta = kmap_local_page(b);"))
            { Describe = (_, match) => $"Deprecated use of '{match.Groups[1].Value}', prefer '{Replacement(match.Groups[1].Value)}' instead" },
        new PatternRule("NR_CPUS", Severity.Warning, "usage of NR_CPUS is often wrong - consider using cpu_possible(), num_possible_cpus(), for_each_possible_cpu(), etc", NumberOfCpus, "NR_CPUS",
            "It is what the kernel was configured for, not what the machine has.", new("\tfor (i = 0; i < NR_CPUS; i++)"), new("\tfor_each_possible_cpu(i)")) { Unless = NumberOfCpusAllowed },
        new PatternRule("DEFINE_ARCH_HAS", Severity.Error, "use Kconfig variables or standard guards instead", ArchHas, "ARCH_HA",
            "Kconfig says what an architecture has.", new("#define ARCH_HAS_A 1"), new("#define A 1"))
            { Describe = (_, match) => $"#define of '{match.Groups[1].Value}' is wrong - use Kconfig variables or standard guards instead" },
        new PatternRule("LIKELY_MISUSE", Severity.Warning, "Using likely should generally have parentheses around the comparison", LikelyCompared, "likely",
            "The hint is for the comparison's outcome.", new("\tif (likely(a) > 0)"), new("\tif (likely(a > 0))"))
            { Describe = (_, match) => $"Using {match.Groups[1].Value} should generally have parentheses around the comparison" },
        new PatternRule("LIKELY_MISUSE", Severity.Warning, "nested (un)?likely() calls", LikelyNested, "likely",
            "The inner macro has the hint already.", new("\tif (unlikely(IS_ERR(a)))"), new("\tif (IS_ERR(a))"))
            { Describe = (_, match) => $"nested (un)?likely() calls, {match.Groups[1].Value} already uses unlikely() internally" },
        new PatternRule("IN_ATOMIC", Severity.Error, "do not use in_atomic in drivers", InAtomic, "in_atomic",
            "It cannot know of spinlocks where preemption is off.", new("\tif (in_atomic())", "drivers/x.c"), new("\tif (a)", "drivers/x.c")) { AppliesTo = file => file.StartsWith("drivers/", StringComparison.Ordinal) },
        new PatternRule("IN_ATOMIC", Severity.Warning, "use of in_atomic() is incorrect outside core kernel code", InAtomic, "in_atomic",
            "It cannot know of spinlocks where preemption is off.", new("\tif (in_atomic())", "mm/x.c"), new("\tif (a)", "mm/x.c"))
            { AppliesTo = file => !file.StartsWith("drivers/", StringComparison.Ordinal) && !file.StartsWith("kernel/", StringComparison.Ordinal) },
        new PatternRule("LOCKDEP", Severity.Error, "lockdep_no_validate class is reserved for device->mutex.", NoValidate, "lockdep",
            "It turns the lock checker off.", new("\tlockdep_set_novalidate_class(&a);", "mm/x.c"), new("\tlockdep_set_class(&a, &b);", "mm/x.c"))
            { AppliesTo = file => !file.StartsWith("kernel/lockdep", StringComparison.Ordinal) && !file.StartsWith("include/linux/lockdep", StringComparison.Ordinal) && !file.StartsWith("drivers/base/core", StringComparison.Ordinal) },
        new PatternRule("CONSTANT_CONVERSION", Severity.Warning, "__constant_ conversion should be the plain one", ConstantConversion, "__constant_",
            "The plain macro finds constants by itself.", new("\ta = __constant_htons(1);"), new("\ta = htons(1);"))
            { AppliesTo = NotUserApi, Describe = (_, match) => $"__constant_{match.Groups[1].Value} should be {match.Groups[1].Value}" },
        new PatternRule("USLEEP_RANGE", Severity.Check, "usleep_range is preferred over udelay; see Documentation/timers/timers-howto.rst", Udelay, "udelay",
            "Who waits for long lets others run.", new("\tudelay(10);"), new("\tudelay(9);"))
            { Describe = (_, match) => IsAtLeast(match.Groups[1].Value, 10) ? "usleep_range is preferred over udelay; see Documentation/timers/timers-howto.rst" : null },
        new PatternRule("LONG_UDELAY", Severity.Warning, "long udelay - prefer mdelay; see arch/arm/include/asm/delay.h", Udelay, "udelay",
            "Its counter overflows on some machines.", new("\tudelay(2001);"), new("\tmdelay(3);"))
            { Describe = (_, match) => IsAtLeast(match.Groups[1].Value, 2001) ? "long udelay - prefer mdelay; see arch/arm/include/asm/delay.h" : null },
        new PatternRule("MSLEEP", Severity.Warning, "msleep < 20ms can sleep for up to 20ms; see Documentation/timers/timers-howto.rst", Msleep, "msleep",
            "It counts in ticks.", new("\tmsleep(5);"), new("\tmsleep(20);"))
            { Describe = (_, match) => IsAtLeast(match.Groups[1].Value, 20) ? null : "msleep < 20ms can sleep for up to 20ms; see Documentation/timers/timers-howto.rst" },
        new PatternRule("JIFFIES_COMPARISON", Severity.Warning, "Comparing jiffies is almost always wrong; prefer time_after, time_before and friends", Jiffies, "jiffies",
            "The counter wraps round.", new("\tif (jiffies > a)"), new("\tif (time_after(jiffies, a))")),
        new PatternRule("JIFFIES_COMPARISON", Severity.Warning, "Comparing get_jiffies_64() is almost always wrong; prefer time_after64, time_before64 and friends", Jiffies64, "get_jiffies_64",
            "The functions say which way round.", new("\tif (get_jiffies_64() > a)"), new("\tif (time_after64(get_jiffies_64(), a))")),
        new PatternRule("MEMORY_BARRIER", Severity.Warning, "memory barrier without comment", Barrier, "(",
            "A barrier pairs with another; the comment says which.", new("\tsmp_mb();"), new("\tsmp_mb(); /* pairs with the one in f */")) { Describe = WithoutComment("memory barrier without comment") },
        new PatternRule("MEMORY_BARRIER", Severity.Warning, "__smp memory barriers shouldn't be used outside barrier.h and asm-generic", InnerBarrier, "__smp_",
            "They are what the barriers are made of.", new("\t__smp_mb(); /* a */"), new("\tsmp_mb(); /* a */"))
            { Unless = InnerBarrierDefined, AppliesTo = file => !file.StartsWith("include/asm-generic/", StringComparison.Ordinal) && !file.EndsWith("/barrier.h", StringComparison.Ordinal) },
        new PatternRule("WAITQUEUE_ACTIVE", Severity.Warning, "waitqueue_active without comment", WaitqueueActive, "waitqueue_active",
            "Without a barrier a waiter is missed; the comment says where it is.", new("\tif (waitqueue_active(a))"), new("\tif (waitqueue_active(a)) /* after the barrier in f */")) { Describe = WithoutComment("waitqueue_active without comment") },
        new PatternRule("DATA_RACE", Severity.Warning, "data_race without comment", DataRace, "data_race",
            "The comment says why the race is harmless.", new("\ta = data_race(b);"), new("\ta = data_race(b); /* a hint only */")) { Describe = WithoutComment("data_race without comment") },
        new PatternRule("UNCOMMENTED_DEFINITION", Severity.Check, "definition without comment", Lock, "",
            "A lock's comment says what it guards.", new("\tspinlock_t a;"), new("\tspinlock_t a; /* guards b */"))
            { Describe = (scan, match) => WithoutComment($"{match.Groups[1].Value}{match.Groups[2].Value} definition without comment")(scan, match) },
        new PatternRule("USE_SPINLOCK_T", Severity.Warning, "struct spinlock should be spinlock_t", StructSpinlock, "spinlock",
            "The structure differs with the configuration.", new("\tstruct spinlock a;"), new("\tspinlock_t a;")),
        new PatternRule("IS_ENABLED_CONFIG", Severity.Warning, "IS_ENABLED is normally used with CONFIG_", IsEnabled, "IS_ENABLED",
            "Of anything else it is always false.", new("\tif (IS_ENABLED(A))"), new("\tif (IS_ENABLED(CONFIG_A))"))
            { On = PatternRule.View.Raw, Describe = (_, match) => match.Groups[1].Value.StartsWith("CONFIG_", StringComparison.Ordinal) ? null : $"IS_ENABLED({match.Groups[1].Value}) is normally used as IS_ENABLED(CONFIG_{match.Groups[1].Value})" },
        new PatternRule("PREFER_IS_ENABLED", Severity.Warning, "Prefer IS_ENABLED(<FOO>) to CONFIG_<FOO> || CONFIG_<FOO>_MODULE", EnabledOrModule, "_MODULE",
            "It says the same once.", new("#if defined(CONFIG_A) || defined(CONFIG_A_MODULE)"), new("#if IS_ENABLED(CONFIG_A)")),
        new PatternRule("EXPORTED_WORLD_WRITABLE", Severity.Warning, "Exporting world writable files is usually an error. Consider more restrictive permissions.", WorldWritable, "(",
            "Anybody could write it.", new("\tdebugfs_create_u8(a, 0666, b, c);"), new("\tdebugfs_create_u8(a, 0644, b, c);")),
        new PatternRule("SYMBOLIC_PERMS", Severity.Warning, "Symbolic permissions are not preferred. Consider using octal permissions.", SymbolicPermissions, "S_I",
            "Everybody can read 0644.", new("\ta = S_IRUGO | S_IWUSR;"), new("\ta = 0644;"))
            { Every = true, Describe = (_, match) => $"Symbolic permissions '{match.Value}' are not preferred. Consider using octal permissions '{Octal(match.Value)}'." },
        new PatternRule("DUPLICATED_SYSCTL_CONST", Severity.Warning, "duplicated sysctl range checking value, consider using the shared one in include/linux/sysctl.h", SysctlConstant, ".extra",
            "SYSCTL_ZERO and its like are there for all.", new("\t.extra1 = &zero,"), new("\t.extra1 = SYSCTL_ZERO,"))
            { Describe = (_, match) => $"duplicated sysctl range checking value '{match.Groups[1].Value}', consider using the shared one in include/linux/sysctl.h" },
        new PatternRule("HOTPLUG_SECTION", Severity.Warning, "Using a section for hotplug is unnecessary", HotplugSection, "__dev",
            "The sections are gone.", new("static int __devinit f(void)"), new("static int f(void)")) { Describe = (_, match) => $"Using {match.Groups[1].Value} is unnecessary" },
        new PatternRule("KREALLOC_ARG_REUSE", Severity.Warning, "Reusing the krealloc arg is almost always a bug", Krealloc, "krealloc",
            "When it fails the only pointer to the old memory is lost.", new("\ta = krealloc(a, 4, GFP_KERNEL);"), new("\tb = krealloc(a, 4, GFP_KERNEL);")),
        new PatternRule("ALLOC_ARRAY_ARGS", Severity.Warning, "number as first arg, sizeof is generally wrong", SizeFirst, "sizeof",
            "The overflow check is by the number.", new("\ta = kcalloc(sizeof(*a), n, GFP_KERNEL);"), new("\ta = kcalloc(n, sizeof(*a), GFP_KERNEL);"))
            { Describe = (_, match) => $"{match.Groups[1].Value} uses number as first arg, sizeof is generally wrong" },
        new PatternRule("ALLOC_SIZEOF_STRUCT", Severity.Check, "Prefer the size of what is pointed to", SizeOfStruct, "sizeof",
            "When the pointer's type changes, so does the size.", new("\ta = kzalloc(sizeof(struct b), GFP_KERNEL);"), new("\ta = kzalloc(sizeof(*a), GFP_KERNEL);"))
            { Describe = (_, match) => $"Prefer {match.Groups[2].Value}(sizeof(*{match.Groups[1].Value})...) over {match.Groups[2].Value}({match.Groups[3].Value}...)" },
        new PatternRule("UNNECESSARY_CASTS", Severity.Warning, "unnecessary cast may hide bugs, see http://c-faq.com/malloc/mallocnocast.html", CastOfAllocation, "alloc",
            "void * converts by itself, and the cast hides a missing declaration.", new("\ta = (struct b *)kmalloc(4, GFP_KERNEL);"), new("\ta = kmalloc(4, GFP_KERNEL);")),
        new PatternRule("SYSFS_EMIT", Severity.Warning, "return sysfs_emit(...) formats should include a terminating newline", SysfsEmit, "sysfs_emit",
            "Files of sysfs are text of whole lines.", new("\treturn sysfs_emit(a, \"%d\", b);"), new("\treturn sysfs_emit(a, \"%d\\n\", b);"))
            { Describe = (scan, match) => match.Groups[1] is var format && scan.RawText.AsSpan(format.Index, format.Length).EndsWith("\\n\"") ? null : "return sysfs_emit(...) formats should include a terminating newline" },
        new PatternRule("NEEDLESS_IF", Severity.Warning, "is safe and this check is probably not required", Release, "(",
            "The function takes NULL.", new("\tif (a)\n\t\tkfree(a);"), new("\tkfree(a);"))
            { ShowsPrevious = true, Describe = (scan, match) => Tested(scan, match.Groups[2].Value) ? $"{match.Groups[1].Value}(NULL) is safe and this check is probably not required" : null },
        new PatternRule("NAKED_SSCANF", Severity.Warning, "unchecked sscanf return value", Sscanf, "sscanf",
            "How much was read is in the result only.", new("\tsscanf(a, \"%d\", &b);"), new("\tc = sscanf(a, \"%d\", &b);")) { On = PatternRule.View.Statement, Unless = SscanfChecked, ShowsStatement = true },
        new PatternRule("ALLOC_WITH_MULTIPLY", Severity.Warning, "Prefer kmalloc_array over kmalloc with multiply", Multiplied, "alloc",
            "The product can overflow.", new("\ta = kmalloc(n * sizeof(*a), GFP_KERNEL);"), new("\ta = kmalloc_array(n, sizeof(*a), GFP_KERNEL);"))
            { On = PatternRule.View.Statement, ShowsStatement = true, Describe = (_, match) => DescribeMultiply(match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value) },
    ];

    private static Func<PatchScan, Match, string?> WithoutComment(string message) => (scan, _) => scan.Statements.HasCommentAt(scan.FirstLine, scan.Number) ? null : message;

    private static bool NotUserApi(string file) => !file.StartsWith("include/uapi/", StringComparison.Ordinal);

    private static bool IsAtLeast(string number, int least) => number.Length > 9 || int.Parse(number, null) >= least;

    private static bool Tested(PatchScan scan, string place)
    {
        var match = Condition().Match(scan.Previous.Length > PatternRule.MaxLine ? "" : scan.Previous.ToString());
        return match.Success && match.Groups[1].Value == place;
    }

    private static string? DescribeMultiply(string function, string left, string right)
    {
        var (count, size) = left.StartsWith("sizeof", StringComparison.Ordinal) ? (right, left) : (left, right);
        if (count.StartsWith("sizeof", StringComparison.Ordinal) || !size.StartsWith("sizeof", StringComparison.Ordinal) || Constant().IsMatch(count))
            return null;
        var better = function switch { "kvmalloc" => "kvmalloc_array", "kvzalloc" => "kvcalloc", "kzalloc" => "kcalloc", _ => "kmalloc_array" };
        return $"Prefer {better} over {function} with multiply";
    }

    private static string Replacement(string function) => function switch
    {
        "synchronize_rcu_bh" or "synchronize_sched" => "synchronize_rcu",
        "synchronize_rcu_bh_expedited" or "synchronize_sched_expedited" => "synchronize_rcu_expedited",
        "call_rcu_bh" or "call_rcu_sched" => "call_rcu",
        "rcu_barrier_bh" or "rcu_barrier_sched" => "rcu_barrier",
        "get_state_synchronize_sched" => "get_state_synchronize_rcu",
        "cond_synchronize_sched" => "cond_synchronize_rcu",
        _ => "kmap_local_page",
    };

    /// <summary>The mode that names of POSIX's <c>sys/stat.h</c> and Linux's sums of them stand for, as four octal digits.</summary>
    internal static string Octal(string names)
    {
        var mode = 0;
        foreach (var name in names.Split('|', StringSplitOptions.TrimEntries))
        {
            mode |= name switch
            {
                "S_IRWXUGO" => 0x1FF,
                "S_IRUGO" => 0x124,
                "S_IWUGO" => 0x92,
                "S_IXUGO" => 0x49,
                _ => Bits(name[3..^3]) << (name[^3..] switch { "USR" => 6, "GRP" => 3, "OTH" => 0, _ => 0 }),
            };
            if (name.StartsWith("S_IRWX", StringComparison.Ordinal) && name.Length == "S_IRWXU".Length)
                mode |= 7 << (name[^1] switch { 'U' => 6, 'G' => 3, _ => 0 });
        }
        return Convert.ToString(mode, 8).PadLeft(4, '0');
    }

    private static int Bits(string kind) => kind switch { "R" => 4, "W" => 2, "X" => 1, _ => 0 };

    internal const string ModeNames = "S_I(?:[RWX](?:USR|GRP|OTH|UGO)|RWX(?:UGO|U|G|O))";

    private const string BarrierNames = "(?:mb__(?:before|after)_atomic|store_release|load_acquire|store_mb|mb|rmb|wmb)";

    [GeneratedRegex(@"\b(?!AA_|BUILD_|DCCP_|IDA_|KVM_|RWLOCK_|snd_|SPIN_)(?:[A-Za-z_]*_)?BUG(?:_ON)?(?:_[A-Z_]+)?\s*\(")]
    private static partial Regex Bug();

    [GeneratedRegex(@"\bLINUX_VERSION_CODE\b")]
    private static partial Regex VersionCode();

    [GeneratedRegex(@"\bENOSYS\b")]
    private static partial Regex NoSystemCall();

    [GeneratedRegex(@"\bENOTSUPP\b")]
    private static partial Regex NotSupported();

    [GeneratedRegex(@"\bstrlcpy\s*\(")]
    private static partial Regex Strlcpy();

    [GeneratedRegex(@"\byield\s*\(\s*\)")]
    private static partial Regex Yield();

    [GeneratedRegex(@"^.\s*sema_init.+,\W?0\W?\)")]
    private static partial Regex LockedSemaphore();

    [GeneratedRegex(@"\b((?:simple|strict)_(strtou?ll?))\s*\(")]
    private static partial Regex SimpleStrto();

    [GeneratedRegex(@"^.\s*__initcall\s*\(")]
    private static partial Regex Initcall();

    [GeneratedRegex(@"\bspin_is_locked\(")]
    private static partial Regex SpinIsLocked();

    [GeneratedRegex(@"\b((?:synchronize_rcu_bh|synchronize_sched)(?:_expedited)?|call_rcu_(?:bh|sched)|rcu_barrier_(?:bh|sched)|get_state_synchronize_sched|cond_synchronize_sched|kmap(?:_atomic)?)\b\s*\(")]
    private static partial Regex Deprecated();

    [GeneratedRegex(@"\bNR_CPUS\b")]
    private static partial Regex NumberOfCpus();

    private static Func<Regex> NumberOfCpusAllowed { get; } = LargePattern.Of(@"^.\s*#\s*(?:if|define)\b.*\bNR_CPUS\b|^.\s*" + KernelC.Declaration + @"\s.*\[[^\]]*NR_CPUS[^\]]*\]|\[[^\]]*(?:\.\.\.[^\]]*NR_CPUS|NR_CPUS[^\]]*\.\.\.)[^\]]*\]|^.\s*\.\w+\s*=\s*.*\bNR_CPUS\b");

    [GeneratedRegex(@"\+\s*#\s*define\s+((?:__)?ARCH_(?:HAS|HAVE)\w*)\b")]
    private static partial Regex ArchHas();

    private static Func<Regex> LikelyCompared { get; } = LargePattern.Of(@"\b((?:un)?likely)\s*\(" + KernelC.Argument + @"\s*\)\s*" + KernelC.Comparison);

    [GeneratedRegex(@"\b(?:un)?likely\s*\(\s*!?\s*(IS_ERR(?:_OR_NULL|_VALUE)?|WARN)")]
    private static partial Regex LikelyNested();

    [GeneratedRegex(@"\bin_atomic\s*\(")]
    private static partial Regex InAtomic();

    [GeneratedRegex(@"^.\s*lockdep_set_novalidate_class\s*\(|__lockdep_no_validate__\s*\)")]
    private static partial Regex NoValidate();

    [GeneratedRegex(@"__constant_(htons|ntohs|[bl]e(?:16|32|64)_to_cpu|cpu_to_[bl]e(?:16|32|64))\s*\(")]
    private static partial Regex ConstantConversion();

    [GeneratedRegex(@"\budelay\s*\(\s*([0-9]+)\s*\)")]
    private static partial Regex Udelay();

    [GeneratedRegex(@"\bmsleep\s*\(([0-9]+)\);")]
    private static partial Regex Msleep();

    [GeneratedRegex(@"\bjiffies\s*" + KernelC.Comparison + "|" + KernelC.Comparison + @"\s*jiffies\b")]
    private static partial Regex Jiffies();

    [GeneratedRegex(@"\bget_jiffies_64\s*\(\s*\)\s*" + KernelC.Comparison + "|" + KernelC.Comparison + @"\s*get_jiffies_64\s*\(\s*\)")]
    private static partial Regex Jiffies64();

    [GeneratedRegex(@"\b(?:[rw]?mb|(?:smp|virt)_" + BarrierNames + @")\s*\(")]
    private static partial Regex Barrier();

    [GeneratedRegex(@"\b__smp_" + BarrierNames + @"\s*\(")]
    private static partial Regex InnerBarrier();

    [GeneratedRegex(@"^.\s*#\s*define\s+__smp_" + BarrierNames + @"\s*\(")]
    private static partial Regex InnerBarrierDefined();

    [GeneratedRegex(@"\bwaitqueue_active\s*\(")]
    private static partial Regex WaitqueueActive();

    [GeneratedRegex(@"\bdata_race\s*\(")]
    private static partial Regex DataRace();

    [GeneratedRegex(@"^.\s*(?:(struct\s+mutex|spinlock_t)\s+\S+;|(DEFINE_MUTEX)\s*\()")]
    private static partial Regex Lock();

    [GeneratedRegex(@"^.\s*\bstruct\s+spinlock\s+\w+\s*;")]
    private static partial Regex StructSpinlock();

    [GeneratedRegex(@"\bIS_ENABLED\s*\(\s*(\w+)\s*\)")]
    private static partial Regex IsEnabled();

    private static Func<Regex> EnabledOrModule { get; } = LargePattern.Of(@"^\+\s*#\s*if\s+defined(?:\s*\(?\s*|\s+)(CONFIG_[A-Z_]+)\s*\)?\s*\|\|\s*defined(?:\s*\(?\s*|\s+)\1_MODULE\s*\)?\s*$");

    [GeneratedRegex(@"(?:debugfs_create_\w+|DEVICE_ATTR).*\b(?:S_IWUGO|S_IWOTH|S_IRWXUGO|S_IALLUGO|0[0-7][0-7][2367])\b")]
    private static partial Regex WorldWritable();

    private static Func<Regex> SymbolicPermissions { get; } = LargePattern.Of(@"\b" + ModeNames + @"(?:\s*\|\s*" + ModeNames + @")*\b");

    [GeneratedRegex(@"\.extra[12]\s*=\s*&(zero|one|int_max)\b")]
    private static partial Regex SysctlConstant();

    [GeneratedRegex(@"\b(__dev(?:init|exit)(?:data|const)?)\b")]
    private static partial Regex HotplugSection();

    private static Func<Regex> Krealloc { get; } = LargePattern.Of(@"\b(" + KernelC.Place + @")\s*=\s*(?:" + KernelC.Brackets + @")?\s*krealloc\s*\(\s*\1\s*,");

    [GeneratedRegex(@"\b((?:devm_)?(?:kcalloc|kmalloc_array))\s*\(\s*sizeof\b")]
    private static partial Regex SizeFirst();

    private static Func<Regex> SizeOfStruct { get; } = LargePattern.Of(@"\b(" + KernelC.Place + @")\s*=\s*(?:" + KernelC.Brackets + @")?\s*((?:kv|k|v)[mz]alloc(?:_node)?)\s*\(\s*(sizeof\s*\(\s*struct\s+" + KernelC.Place + @"\s*\))");

    private static Func<Regex> CastOfAllocation { get; } = LargePattern.Of(@"\*\s*\)\s*" + KernelC.Allocation + @"\b");

    private static Func<Regex> SysfsEmit { get; } = LargePattern.Of(@"\breturn\s+sysfs_emit\s*\(" + KernelC.Argument + @"\s*,\s*(" + KernelC.Text + ")");

    [GeneratedRegex(@"\b(kfree|usb_free_urb|debugfs_remove(?:_recursive)?|(?:kmem_cache|mempool|dma_pool)_destroy)\s*\(\s*(" + KernelC.Place + @")\s*\)\s*;")]
    private static partial Regex Release();

    [GeneratedRegex(@"\bif\s*\(\s*(" + KernelC.Place + @")\s*\)")]
    private static partial Regex Condition();

    [GeneratedRegex(@"^\+[^\n]*\bsscanf\b")]
    private static partial Regex Sscanf();

    private static Func<Regex> SscanfChecked { get; } = LargePattern.Of(KernelC.Name + @"\s*=\s*sscanf\s*" + KernelC.Brackets + @"|\bsscanf\s*" + KernelC.Brackets + @"\s*" + KernelC.Comparison + "|" + KernelC.Comparison + @"\s*\bsscanf\s*" + KernelC.Brackets);

    private static Func<Regex> Multiplied { get; } = LargePattern.Of(@"^\+\s*" + KernelC.Place + @"\s*=\s*(?:" + KernelC.Brackets + @")?\s*(kv?[mz]alloc)\s*\(\s*(" + KernelC.Argument + @")\s*\*\s*(" + KernelC.Argument + @")\s*,");

    private static Func<Regex> Constant { get; } = LargePattern.Of("^(?:" + KernelC.Number + "|[A-Z_][A-Z0-9_]*)$");
}
