using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Calls whose arguments are wrong.</summary>
internal static class ArgumentRules
{
    public static LineRule[] Create()
    {
        var pointers = new PointerFormat();
        var modes = new NumericMode();
        var attribute = new DeviceAttribute();
        return
        [
            pointers.Address, pointers, pointers.RustOnly,
            new PatternRule("MEMSET", Severity.Error, "memset to 0's uses 0 as the 2nd argument, not the 3rd", Memset, "memset",
                "It sets nothing.", new("\tmemset(a, 4, 0);"), new("\tmemset(a, 0, 4);"))
                { On = PatternRule.View.Statement, ShowsBlanked = true, Describe = (_, match) => match.Groups[1].Value is "0" or "0x0" or "0X0" ? "memset to 0's uses 0 as the 2nd argument, not the 3rd" : null },
            new PatternRule("MEMSET", Severity.Warning, "single byte memset is suspicious. Swapped 2nd/3rd argument?", Memset, "memset",
                "Nobody sets one byte so.", new("\tmemset(a, 4, 1);"), new("\tmemset(a, 1, 4);"))
                { On = PatternRule.View.Statement, ShowsBlanked = true, Describe = (_, match) => match.Groups[1].Value is "1" or "0x1" or "0X1" ? "single byte memset is suspicious. Swapped 2nd/3rd argument?" : null },
            new PatternRule("MINMAX", Severity.Warning, "should probably be the form that takes a type", MinMax, "m",
                "min_t and max_t compare in the type that is meant, and say which.", new("\ta = min((int)b, c);"), new("\ta = min_t(int, b, c);"))
                { On = PatternRule.View.Statement, ShowsBlanked = true, When = scan => QuickLook.HasMinimumOrMaximum(scan.StatementText), Describe = (_, match) => DescribeMinMax(match) },
            new PatternRule("USLEEP_RANGE", Severity.Warning, "usleep_range should not use min == max args; see Documentation/timers/timers-howto.rst", SleepRange, "usleep_range",
                "The range lets wakeups be put together.", new("\tusleep_range(10, 10);"), new("\tusleep_range(10, 20);"))
                { On = PatternRule.View.Statement, ShowsBlanked = true, Describe = (_, match) => match.Groups[1].Value == match.Groups[2].Value ? "usleep_range should not use min == max args; see Documentation/timers/timers-howto.rst" : null },
            new PatternRule("USLEEP_RANGE", Severity.Warning, "usleep_range args reversed, use min then max; see Documentation/timers/timers-howto.rst", SleepRange, "usleep_range",
                "The least comes first.", new("\tusleep_range(20, 10);"), new("\tusleep_range(10, 20);"))
                { On = PatternRule.View.Statement, ShowsBlanked = true, Describe = (_, match) => IsReversed(match.Groups[1].Value, match.Groups[2].Value) ? "usleep_range args reversed, use min then max; see Documentation/timers/timers-howto.rst" : null },
            new SingleScan(), attribute.Rename, attribute, attribute.ReadOnly, attribute.WriteOnly, attribute.Unusual, modes, modes.WorldWritable,
        ];
    }

    private static string? DescribeMinMax(Match match)
    {
        var (first, second) = (Cast(match.Groups[2]), Cast(match.Groups[4]));
        if (first.Length == 0 && second.Length == 0)
            return null;
        var cast = first.Length == 0 ? second : second.Length == 0 || first == second ? first : $"{first} or {second}";
        var call = match.Groups[1].Value;
        return $"{call}() should probably be {call}_t({cast}, {match.Groups[3].Value}, {match.Groups[5].Value})";
    }

    /// <summary>A cast's type without parentheses, its white space as single spaces.</summary>
    private static string Cast(Group group)
    {
        if (!group.Success)
            return "";
        var type = Scan.Trim(group.ValueSpan);
        while (type is ['(', .., ')'])
            type = Scan.Trim(type[1..^1]);
        return string.Join(' ', type.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static bool IsReversed(string least, string most) =>
        least.Length <= 9 && most.Length <= 9 && int.TryParse(least, out var from) && int.TryParse(most, out var to) && from > to;

    private const string CastAndValue = @"\s*(\(\s*" + KernelC.Plain + @"\s*\))?\s*((?:" + KernelC.Call + "|" + KernelC.Number + "|" + KernelC.Text + "))";

    private static Func<Regex> Memset { get; } = LargePattern.Of(@"^\+.*?\bmemset\s*\(" + KernelC.Argument + @"\s*," + KernelC.Argument + @"\s*,\s*(?:\(\s*" + KernelC.Plain + @"\s*\)\s*)?(0[xX][01]|[01])\s*\)");

    private static Func<Regex> MinMax { get; } = LargePattern.Of(@"^\+.*?\b(min|max)\s*\(" + CastAndValue + @"\s*," + CastAndValue + @"\s*\)");

    private static Func<Regex> SleepRange { get; } = LargePattern.Of(@"^\+.*?\busleep_range\s*\(\s*(" + KernelC.Argument + @")\s*,\s*(" + KernelC.Argument + @")\s*\)");
}

/// <summary>Letters after <c>%p</c> that the kernel's printf does not know.</summary>
internal sealed partial class PointerFormat() : LineRule("VSPRINTF_POINTER_EXTENSION", Severity.Warning, "Invalid vsprintf pointer extension")
{
    public override Explanation Explanation => new(
        "The letter says how the pointer's target is printed (Documentation/core-api/printk-formats.rst).", new("\tpr_info(\"%pq\\n\", a);"), new("\tpr_info(\"%pM\\n\", a);"));

    public ReportedRule RustOnly { get; } = new(
        "VSPRINTF_POINTER_EXTENSION", Severity.Error, "Invalid vsprintf pointer extension '%pA' - '%pA' is only intended to be used from Rust code",
        "What it points to exists in Rust only.", new("\tpr_info(\"%pA\\n\", a);"), new("\tpr_info(\"%pM\\n\", a);"));

    public ReportedRule Address { get; } = new(
        "VSPRINTF_SPECIFIER_PX", Severity.Warning, "Using vsprintf specifier '%px' potentially exposes the kernel memory layout, if you don't really need the address please consider using '%p'.",
        "Who knows where the kernel lies in memory attacks it more easily.", new("\tpr_info(\"%px\\n\", a);"), new("\tpr_info(\"%p\\n\", a);"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('('))
            return;
        var statement = scan.StatementText;
        if (!statement.Contains('"') || statement.Contains('{') || !HasFormat(statement))
            return;
        var addressed = false;
        for (var (i, count) = (0, statement.AsSpan().Count('\n')); i <= count; i++)
        {
            var index = scan.Statements.IndexAfter(scan.Number, i);
            if (!scan.Lines.Has(index))
                break;
            var raw = scan.Lines[index];
            if (!raw.Contains('%') || raw.Length > PatternRule.MaxLine || EmbeddedFunctionName.FirstString(scan.Clean[index]) is not { Length: > 0 } place)
                continue;
            var format = raw[place.Start..Math.Min(place.Start + place.Length, raw.Length)].ToString().Replace("%%", "", StringComparison.Ordinal);
            CheckFormat(scan, format, ref addressed);
        }
    }

    private void CheckFormat(PatchScan scan, string format, ref bool addressed)
    {
        for (var match = Pointer().Match(format); match.Success; match = match.NextMatch())
        {
            var extension = match.Groups[1].ValueSpan[0];
            var qualifier = match.Groups[2].ValueSpan;
            var known = "4SsBKRraEehMmIiUDdgVCbGNOxtf".Contains(extension) && (extension != 'f' || qualifier.StartsWith("w")) && (extension != '4' || qualifier.StartsWith("cc"));
            if (!known)
            {
                ReportInvalid(scan, match.Value);
                return;
            }
            if (extension == 'x' && !addressed)
            {
                scan.ReportWithText(Address, Shown(scan));
                addressed = true;
            }
        }
    }

    private void ReportInvalid(PatchScan scan, string specifier)
    {
        var message = $"Invalid vsprintf pointer extension '{specifier}'";
        if (specifier.Contains("pF", StringComparison.Ordinal) || specifier.Contains("pf", StringComparison.Ordinal))
            scan.ReportWithText(this, Shown(scan), message + (specifier.Contains("pf", StringComparison.Ordinal) ? " - use %ps instead" : " - use %pS instead"));
        else if (specifier.Contains("pA", StringComparison.Ordinal))
            scan.ReportWithText(RustOnly, Shown(scan), message + " - '%pA' is only intended to be used from Rust code");
        else
            scan.ReportWithText(this, Shown(scan), message);
    }

    private static string Shown(PatchScan scan) => scan.RawLinesThrough(scan.Number + scan.StatementText.AsSpan().Count('\n'));

    /// <summary>A call with a string that another argument follows; assembly is none.</summary>
    private static bool HasFormat(ReadOnlySpan<char> statement)
    {
        var last = -1;
        for (var at = statement.IndexOf('"'); at >= 0;)
        {
            var close = statement[(at + 1)..].IndexOf('"');
            if (close < 0)
                break;
            close += at + 1;
            if (Scan.SkipSpace(statement, close + 1) is var comma && comma < statement.Length && statement[comma] == ',')
                last = at;
            var next = statement[(close + 1)..].IndexOf('"');
            at = next < 0 ? -1 : close + 1 + next;
        }
        for (var open = last < 0 ? -1 : statement[..last].LastIndexOf('('); open > 0; open = statement[..open].LastIndexOf('('))
        {
            var name = Scan.TrimEnd(statement[..open]);
            var start = name.Length;
            while (start > 0 && Scan.IsWord(name[start - 1]))
                start--;
            if (start < name.Length)
                return name[start..].Trim('_') is not "volatile";
        }
        return false;
    }

    [GeneratedRegex(@"%[*\d.]*p(\w)(\w*)")]
    private static partial Regex Pointer();
}

/// <summary>sscanf of one number.</summary>
internal sealed partial class SingleScan() : LineRule("SSCANF_TO_KSTRTO", Severity.Warning, "Prefer kstrto<type> to single variable sscanf")
{
    public override Explanation Explanation => new("kstrto says when the number is too large.", new("\ta = sscanf(b, \"%d\", &c);"), new("\ta = kstrtoint(b, 0, &c);"));

    public override void Check(PatchScan scan)
    {
        if (!Scan.HasWord(scan.Line, "sscanf") || scan.StatementText.Length == 0)
            return;
        var shown = scan.RawLinesThrough(scan.Number + scan.StatementText.AsSpan().Count('\n'));
        if (shown.Length <= MaxText && Format().Match(shown) is { Success: true } match && match.Groups[1].ValueSpan.Count('%') == 1 && OneNumber().IsMatch(match.Groups[1].ValueSpan))
            scan.ReportWithText(this, shown);
    }

    private const int MaxText = 2048;

    private static Func<Regex> Format { get; } = LargePattern.Of(@"\bsscanf\b\s*\(" + KernelC.Argument + @"\s*,\s*(""[^""]+"")");

    [GeneratedRegex(@"^""%(?:ll[udxi]|[udxi]ll|ll|[hl]h?[udxi]|[udxi][hl]h?|[hl]h?|[udxi])""$", RegexOptions.IgnoreCase)]
    private static partial Regex OneNumber();
}

/// <summary>A device's attribute that a shorter macro defines.</summary>
internal sealed class DeviceAttribute() : LineRule("DEVICE_ATTR_RW", Severity.Warning, "Use DEVICE_ATTR_RW")
{
    private const string Why = "The macro finds both functions by the attribute's name, and has the mode right.";

    public override Explanation Explanation => new(Why, new("static DEVICE_ATTR(a, 0644, a_show, a_store);"), new("static DEVICE_ATTR_RW(a);"));

    public ReportedRule ReadOnly { get; } = new("DEVICE_ATTR_RO", Severity.Warning, "Use DEVICE_ATTR_RO", Why, new("static DEVICE_ATTR(a, 0444, a_show, NULL);"), new("static DEVICE_ATTR_RO(a);"));

    public ReportedRule WriteOnly { get; } = new("DEVICE_ATTR_WO", Severity.Warning, "Use DEVICE_ATTR_WO", Why, new("static DEVICE_ATTR(a, 0200, NULL, a_store);"), new("static DEVICE_ATTR_WO(a);"));

    public ReportedRule Rename { get; } = new(
        "DEVICE_ATTR_FUNCTIONS", Severity.Warning, "Consider renaming function(s)",
        "With the names that are usual the shorter macros do.", new("static DEVICE_ATTR(a, 0444, show_a, NULL);"), new("static DEVICE_ATTR_RO(a);"));

    public ReportedRule Unusual { get; } = new(
        "DEVICE_ATTR_PERMS", Severity.Warning, "DEVICE_ATTR unusual permissions used",
        "Others than 0644, 0444 and 0200 are a mistake as a rule.", new("static DEVICE_ATTR(a, 0600, a_show, a_store);"), new("static DEVICE_ATTR_RW(a);"));

    public override void Check(PatchScan scan)
    {
        if (!scan.StatementText.Contains("DEVICE_ATTR", StringComparison.Ordinal) || Attribute().Match(scan.StatementText) is not { Success: true } match)
            return;
        var (name, shown, show, store) = (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value, match.Groups[4].Value);
        var mode = Scan.Trim(shown) is ['0', ..] number ? number.ToString() : CallRules.Octal(shown);
        var (usualShow, usualStore) = (name + "_show", name + "_store");
        if (show == usualShow && store == usualStore && mode == "0644")
            scan.Report(this);
        else if (show == usualShow && store == "NULL" && mode == "0444")
            scan.Report(ReadOnly);
        else if (show == "NULL" && store == usualStore && mode == "0200")
            scan.Report(WriteOnly);
        else if (mode is "0644" or "0444" or "0200")
            scan.Report(Rename, "Consider renaming function(s)" + Renamed(show, usualShow) + Renamed(store, usualStore));
        else
            scan.Report(Unusual, $"DEVICE_ATTR unusual permissions '{shown}' used");
    }

    private static string Renamed(string name, string usual) => name == "NULL" || name == usual ? "" : $" '{name}' to '{usual}'";

    private static Func<Regex> Attribute { get; } = LargePattern.Of(@"\bDEVICE_ATTR\s*\(\s*(\w+)\s*,\s*\(?\s*((?:" + CallRules.ModeNames + @"(?:\s*\|\s*" + CallRules.ModeNames + @")*|0[0-7]{3})\s*)\)?\s*,\s*(\w+)\s*,\s*(\w+)\s*\)");
}

/// <summary>A file's mode that is no four octal digits.</summary>
internal sealed partial class NumericMode() : LineRule("NON_OCTAL_PERMISSIONS", Severity.Error, "Use 4 digit octal (0777) not decimal permissions")
{
    public override Explanation Explanation => new("644 is decimal and means something else.", new("module_param(a, int, 644);"), new("module_param(a, int, 0644);"));

    public ReportedRule WorldWritable { get; } = new(
        "EXPORTED_WORLD_WRITABLE", Severity.Error, "Exporting writable files is usually an error. Consider more restrictive permissions.",
        "Anybody could write it.", new("module_param(a, int, 0666);"), new("module_param(a, int, 0644);"));

    public override void Check(PatchScan scan)
    {
        if (!scan.Has('(') || !QuickLook.MayTakeMode(scan.Line) || !Function().IsMatch(scan.Line) || scan.StatementText.Length == 0)
            return;
        var statement = scan.StatementText;
        // Each kind of call is looked at where it stands first.
        var seen = 0;
        for (var match = Function().Match(statement); match.Success; match = match.NextMatch())
        {
            var (kind, position) = KindOf(match.Groups[1].Value);
            if ((seen & (1 << kind)) != 0)
                continue;
            seen |= 1 << kind;
            if (ArgumentAt(statement, match.Index + match.Length, position) is { } mode)
                CheckMode(scan, match.Groups[1].Value, mode);
        }
    }

    private void CheckMode(PatchScan scan, string function, string mode)
    {
        var digits = mode.AsSpan().TrimEnd("uUlL");
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9'))
            return;
        var octal = digits.Length > 1 && digits[0] == '0' && !digits.ContainsAnyExceptInRange('0', '7');
        var defaults = mode == "0" && (function.StartsWith("module_param", StringComparison.Ordinal) || function.StartsWith("proc_create", StringComparison.Ordinal));
        var shown = scan.RawLinesThrough(scan.Number + scan.StatementText.AsSpan().Count('\n')).TrimEnd('\n');
        if (!defaults && (!octal || mode.Length != 4))
            scan.ReportWithText(this, shown);
        if (octal && digits[^1] is '2' or '3' or '6' or '7')
            scan.ReportWithText(WorldWritable, shown);
    }

    /// <summary>Which call it is, and at which place its mode stands, from 1.</summary>
    private static (int Kind, int Position) KindOf(string function) => function switch
    {
        "module_param" => (0, 3),
        "module_param_array" or "module_param_named" or "module_param_string" => (1, 4),
        "module_param_array_named" => (2, 5),
        "__ATTR" => (3, 2),
        _ when function.StartsWith("debugfs", StringComparison.Ordinal) => (4, 2),
        _ when function.StartsWith("proc", StringComparison.Ordinal) => (5, 2),
        _ when function.StartsWith("IIO_DEV_ATTR", StringComparison.Ordinal) => (6, 1),
        _ when function.StartsWith("SENSOR_TEMPLATE", StringComparison.Ordinal) => (7, 3),
        _ when function.EndsWith("ATTR_2", StringComparison.Ordinal) => (8, 2),
        _ => (9, 2),
    };

    /// <summary>An argument of a call, when those before it are plain; null when there is none.</summary>
    private static string? ArgumentAt(string statement, int at, int position)
    {
        for (var number = 1; number < position; number++)
        {
            var skipped = Skipped().Match(statement, at);
            if (!skipped.Success)
                return null;
            at = skipped.Index + skipped.Length;
        }
        var last = Last().Match(statement, at);
        return last.Success ? last.Groups[1].Value : null;
    }

    private static Func<Regex> Function { get; } = LargePattern.Of(@"\b(module_param(?:_array_named|_array|_named|_string)?|debugfs_create_(?:file|u8|u16|u32|u64|x8|x16|x32|x64|size_t|atomic_t|bool|blob|regset32|u32_array)|proc_create(?:_data)?|(?:CLASS|DEVICE|SENSOR|SENSOR_DEVICE|IIO_DEVICE)_ATTR|IIO_DEV_ATTR_[A-Z_]+|SENSOR_(?:DEVICE_)?ATTR_2|SENSOR_TEMPLATE(?:_2)?|__ATTR)\s*\(");

    private static Func<Regex> Skipped { get; } = LargePattern.Of(@"\G" + KernelC.Argument + @"\s*,\s*");

    [GeneratedRegex(@"\G\s*([0-9]+[uUlL]{0,3})\s*[,)]")]
    private static partial Regex Last();
}
