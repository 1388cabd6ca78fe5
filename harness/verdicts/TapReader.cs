using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Verdicts;

/// <summary>
/// TAP 14 (testanything.org, "TAP 14 specification"), line by line: plans first or last, test points with SKIP and TODO, YAML diagnostics, subtests by indentation, bail out,
/// <c>pragma +strict</c>. Versions 12 and 13 and the kernel's KTAP (Documentation/dev-tools/ktap.rst, subtests indented by two) are read too, behind printk's time stamps if need be.
/// A subtest's points are named <c>parent / child</c>.
/// </summary>
public sealed partial class TapReader(SubtestCollector subtests)
{
    /// <summary>Subtests within subtests; deeper ones count as other output.</summary>
    private const int MaxDepth = 16;

    /// <summary>Points of unfinished subtests that wait for their parent's name.</summary>
    private const int MaxWaiting = SubtestCollector.MaxKept;

    private const int MaxDiagnostics = SubtestCollector.MaxDetailLength;

    private readonly List<Level> levels = [new Level()];
    private readonly StringBuilder diagnostics = new();
    private int diagnosticsIndent = -1;
    private int indentUnit = 4;
    private bool strict;
    private int waiting;
    private Point? last;
    private string? problem;

    /// <summary>What <c>Bail out!</c> said; null: none.</summary>
    public string? BailOut { get; private set; }

    /// <param name="line">Cleaned.</param>
    public void Add(string line)
    {
        line = TimeStamp().Replace(line, "", 1);
        if (diagnosticsIndent >= 0)
        {
            AddDiagnostic(line);
            return;
        }

        var indent = 0;
        while (indent < line.Length && line[indent] == ' ')
            indent++;
        var text = line.AsSpan(indent).TrimEnd();
        if (text.IsEmpty)
            return;
        if (text.StartsWith("Bail out!", StringComparison.OrdinalIgnoreCase) && indent % indentUnit == 0)
        {
            BailOut ??= text.Length > 9 ? ConsoleText.Shorten(text[9..].Trim().ToString(), SubtestCollector.MaxNameLength) : "without a reason";
            return;
        }

        if (text is "---" && last is not null && indent == (last.Depth * indentUnit) + 2)
        {
            diagnosticsIndent = indent;
            diagnostics.Clear();
            return;
        }

        if (indent % indentUnit != 0 || indent / indentUnit > MaxDepth)
            return;
        var depth = indent / indentUnit;
        if (text[0] == '#')
        {
            if (text.StartsWith("# Subtest:"))
                Start(depth, text[10..].Trim().ToString());
            return;
        }

        if (text.StartsWith("TAP version ") || text.StartsWith("KTAP version "))
        {
            if (text[0] == 'K')
                indentUnit = 2;
            return;
        }

        if (text.StartsWith("pragma "))
        {
            strict = text[7..].Trim() switch { "+strict" => true, "-strict" => false, _ => strict };
            return;
        }

        // Most of a console is neither.
        if (text[0] is not ('1' or 'o' or 'n') && !strict)
            return;
        if (Plan().Match(text.ToString()) is { Success: true } plan)
            AddPlan(depth, plan);
        else if (TestPoint().Match(text.ToString()) is { Success: true } point)
            AddPoint(depth, point);
        else if (strict && depth == 0)
            problem ??= $"a line that is not TAP, under 'pragma +strict': {ConsoleText.Shorten(text.ToString(), 100)}";
    }

    /// <summary>The document's verdict: its plan kept, no failed point.</summary>
    public Judgement Finish()
    {
        EndDiagnostics();
        Flush();
        CloseBelow(0);
        var root = levels[0];
        root.Check(ref problem, "");
        if (BailOut is not null)
            return new Judgement(Verdict.Fail, $"bailed out: {BailOut}");
        if (root.Planned == 0)
            return root.Points == 0 ? new Judgement(Verdict.Skip, root.PlanReason) : new Judgement(Verdict.Fail, "the plan says to skip all, yet there are test points");
        if (subtests.Failures > 0 || root.Failed > 0)
            return new Judgement(Verdict.Fail, $"{Math.Max(subtests.Failures, root.Failed)} of {subtests.Total} test points failed, first: {subtests.FirstFailure}");
        if (problem is not null)
            return new Judgement(Verdict.Fail, problem);
        if (root.Planned is null)
            return new Judgement(Verdict.Fail, root.Points == 0 ? "no TAP was seen on the console" : $"no plan was seen; {root.Points} test points were");
        return subtests.Skips == subtests.Total ? new Judgement(Verdict.Skip, $"all {subtests.Total} test points were skipped: {subtests.FirstSkip}") : new Judgement(Verdict.Pass, null);
    }

    private void AddPlan(int depth, Match plan)
    {
        if (!long.TryParse(plan.Groups["count"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            return;
        var level = Open(depth);
        if (level.Planned is not null)
            problem ??= "there is a second plan";
        level.Planned ??= count;
        if (plan.Groups["reason"].Success)
        {
            var reason = plan.Groups["reason"].Value.Trim();
            reason = reason.StartsWith("SKIP", StringComparison.OrdinalIgnoreCase) ? reason[4..].Trim() : reason;
            level.PlanReason = reason.Length > 0 ? ConsoleText.Shorten(reason, SubtestCollector.MaxNameLength) : null;
        }

        if (count == 0)
            level.PlanReason ??= "the plan is 1..0: all skipped";
    }

    private void AddPoint(int depth, Match match)
    {
        Flush();
        CloseBelow(depth + 1);
        var level = Open(depth);
        level.Points++;
        var number = level.Points;
        if (match.Groups["number"].Success && long.TryParse(match.Groups["number"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var given))
        {
            number = given;
            level.Highest = Math.Max(level.Highest, given);
        }

        var (name, directive, why) = SplitDirective(match.Groups["rest"].Value);
        var ok = !match.Groups["not"].Success;
        var verdict = directive switch
        {
            "SKIP" => Verdict.Skip,
            "TODO" => ok ? Verdict.Pass : Verdict.KnownFail,
            _ => ok ? Verdict.Pass : Verdict.Fail,
        };
        if (verdict == Verdict.Fail)
            level.Failed++;
        if (name.Length == 0)
            name = number.ToString(CultureInfo.InvariantCulture);
        var detail = directive == "TODO" ? $"TODO{(ok ? ", but it passed" : "")}{(why.Length > 0 ? ": " + why : "")}" : why;
        last = new Point(depth, ConsoleText.Shorten(name, SubtestCollector.MaxNameLength), verdict, detail);

        // The points below belong to this one; they were waiting for its name.
        if (depth + 1 < levels.Count)
        {
            foreach (var child in Take(depth + 1))
            {
                // What fails below a TODO was expected to.
                var childVerdict = child.Verdict == Verdict.Fail && verdict == Verdict.KnownFail ? Verdict.KnownFail : child.Verdict;
                Keep(depth, child with { Name = $"{last.Name} / {child.Name}", Verdict = childVerdict });
            }
        }
    }

    // A level without test points yet may be named by its comment, for points that never get their parent.
    private void Start(int depth, string name)
    {
        // "# Subtest: x" stands at the parent's indentation or at the child's own; both mean the next deeper points.
        var child = Math.Clamp(depth == 0 ? 1 : depth, 1, MaxDepth);
        Flush();
        CloseBelow(child);
        if (child < levels.Count && levels[child].Points > 0)
            return;
        Open(child).Name = ConsoleText.Shorten(name, SubtestCollector.MaxNameLength);
    }

    private Level Open(int depth)
    {
        while (levels.Count <= depth)
            levels.Add(new Level());
        return levels[depth];
    }

    // What is deeper than this never got its parent: its points keep the name that a comment gave.
    private void CloseBelow(int depth)
    {
        while (levels.Count - 1 > depth)
        {
            var at = levels.Count - 1;
            var name = levels[at].Name;
            foreach (var point in Take(at))
                Keep(at - 1, point with { Name = name is null ? point.Name : $"{name} / {point.Name}" });
        }
    }

    // Ends a level, the deepest.
    private List<Point> Take(int depth)
    {
        var level = levels[depth];
        level.Check(ref problem, level.Name is null ? " in a subtest" : $" in '{level.Name}'");
        waiting -= level.Waiting.Count;
        levels.RemoveAt(depth);
        return level.Waiting;
    }

    private void Keep(int depth, Point point)
    {
        if (depth <= 0 || waiting >= MaxWaiting)
        {
            subtests.Add(point.Name, point.Verdict, point.Detail);
            return;
        }

        Open(depth).Waiting.Add(point);
        waiting++;
    }

    // The latest point waits for its diagnostics.
    private void Flush()
    {
        if (last is not null)
            Keep(last.Depth, last);
        last = null;
    }

    private void AddDiagnostic(string line)
    {
        if (line.AsSpan().Trim() is "...")
        {
            EndDiagnostics();
            return;
        }

        // Without its end marker: a line that is less indented can't belong to it.
        if (line.Length > 0 && line.AsSpan().TrimStart(' ').Length > line.Length - diagnosticsIndent)
        {
            EndDiagnostics();
            Add(line);
            return;
        }

        if (diagnostics.Length < MaxDiagnostics)
            diagnostics.Append(line.AsSpan(Math.Min(diagnosticsIndent, line.Length))).Append('\n');
    }

    private void EndDiagnostics()
    {
        if (diagnosticsIndent < 0)
            return;
        diagnosticsIndent = -1;
        var text = diagnostics.ToString().Trim();
        if (last is not null && text.Length > 0)
            last = last with { Detail = string.IsNullOrEmpty(last.Detail) ? text : $"{last.Detail}\n{text}" };
    }

    // An unescaped '#' behind a space, then SKIP or TODO; "\#" and "\\" are the characters themselves.
    private static (string Name, string Directive, string Why) SplitDirective(string text)
    {
        text = text.Trim();
        if (text.StartsWith("- ", StringComparison.Ordinal) || text == "-")
            text = text[1..].TrimStart();
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '\\')
            {
                at++;
                continue;
            }

            if (text[at] != '#' || (at > 0 && text[at - 1] != ' '))
                continue;
            var rest = text[(at + 1)..].TrimStart();
            foreach (var directive in (ReadOnlySpan<string>)["SKIP", "TODO"])
            {
                if (rest.StartsWith(directive, StringComparison.OrdinalIgnoreCase))
                {
                    // "# skipped: why" and "# TODO: why" are seen too.
                    var word = rest.IndexOf(' ');
                    return (Unescape(text[..at].TrimEnd()), directive, word < 0 ? "" : rest[word..].Trim());
                }
            }
        }

        return (Unescape(text), "", "");
    }

    private static string Unescape(string text) => text.Contains('\\')
        ? text.Replace("\\#", "#", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal)
        : text;

    private sealed record Point(int Depth, string Name, Verdict Verdict, string? Detail);

    private sealed class Level
    {
        public string? Name { get; set; }

        public long? Planned { get; set; }

        public string? PlanReason { get; set; }

        public long Points { get; set; }

        public long Highest { get; set; }

        public long Failed { get; set; }

        public List<Point> Waiting { get; } = [];

        public void Check(ref string? problem, string where)
        {
            if (Planned is { } planned && planned != Points)
                problem ??= $"{planned} test points were planned{where}, {Points} were seen";
            else if (Planned is { } most && Highest > most)
                problem ??= $"test point {Highest}{where} is beyond the plan of {most}";
        }
    }

    [GeneratedRegex(@"^1\.\.(?<count>[0-9]{1,18})(\s*#(?<reason>.*))?\s*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Plan();

    [GeneratedRegex(@"^(?<not>not )?ok\b( +(?<number>[0-9]{1,18})(?=\s|$))?(?<rest>(\s.*)?)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.Singleline)]
    private static partial Regex TestPoint();

    // printk's "[    1.234567] ", with the caller that CONFIG_PRINTK_CALLER adds.
    [GeneratedRegex(@"^(<[0-9]+>)?\[ *[0-9]+\.[0-9]{6}\](\[ *[TC][0-9]+\])? ", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex TimeStamp();
}
