using System.Text;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>A summary in GitHub's Markdown, for the page of a CI job: the grid, what changed, each failure with its reason and how to repeat it.</summary>
public static class MarkdownReport
{
    /// <summary>A job page takes 1 MiB (GitHub); so many failures, lines of console each and changes of a kind stay far below.</summary>
    private const int MaxFailures = 50, MaxChanges = 50, ConsoleBytes = 4096;

    public static void Write(RunReport report, Stream target)
    {
        using var writer = new StreamWriter(target, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        var failures = report.Counts.Failures;
        writer.WriteLine($"## {(failures > 0 ? "✗" : report.Counts.Executed > 0 ? "✓" : "?")} Gauntlet: {Headline(report)}");
        writer.WriteLine();
        writer.WriteLine($"Run {Code(report.Run.Id)}{(report.Run.Branch is { } branch ? " of " + Code(branch) : "")}{(report.Run.Revision is { } revision ? " at " + Code(revision) : "")}, "
            + $"{Quantity.Instant(report.Run.StartedUtc)}{(report.Run.FinishedUtc is { } end ? ", " + Quantity.Seconds((end - report.Run.StartedUtc).TotalSeconds) : ", " + report.Run.State.ToString().ToLowerInvariant())}.");
        writer.WriteLine();
        WriteGrid(writer, new ResultGrid(report.Results));
        if (report.Diff is { } diff)
            WriteDiff(writer, diff);
        WriteFailures(writer, report);
    }

    /// <summary><c>2 of 30 failed</c>, <c>30 passed</c>, <c>nothing was executed</c>.</summary>
    internal static string Headline(RunReport report) => report.Counts switch
    {
        { Failures: > 0 } counts => $"{counts.Failures} of {counts.Executed} failed",
        { Executed: 0 } => "nothing was executed",
        var counts => $"{counts[Verdict.Pass]} passed{(counts[Verdict.KnownFail] > 0 ? $", {counts[Verdict.KnownFail]} known to fail" : "")}{(counts[Verdict.Skip] > 0 ? $", {counts[Verdict.Skip]} skipped" : "")}",
    };

    private static void WriteGrid(StreamWriter writer, ResultGrid grid)
    {
        if (grid.Total.Total == 0)
            return;
        writer.WriteLine($"| suite | {string.Join(" | ", grid.Cells.Select(cell => TableCode(cell.ToString())))} |");
        writer.WriteLine($"| --- |{string.Concat(grid.Cells.Select(_ => " --- |"))}");
        foreach (var suite in grid.Suites)
        {
            writer.WriteLine($"| {TableCode(suite)} | {string.Join(" | ", grid.Cells.Select(cell =>
                grid[suite, cell] is { } counts ? string.Join(' ', counts.Present.Select(p => $"{p.Verdict.Symbol()} {p.Count}")) : ""))} |");
        }

        writer.WriteLine();
        writer.WriteLine(string.Join(" · ", grid.Total.Present.Select(p => $"{p.Verdict.Symbol()} {p.Count} {p.Verdict.Name()}")) + (grid.Flaky > 0 ? $" · {grid.Flaky} flaky" : ""));
        writer.WriteLine();
    }

    private static void WriteDiff(StreamWriter writer, RunDiff diff)
    {
        writer.WriteLine($"### Compared with {Code(diff.Before.Id)}{(diff.Before.Branch is { } branch ? " of " + Code(branch) : "")}");
        writer.WriteLine();
        if (diff.Changes.Count == 0)
            writer.WriteLine("No differences.");
        foreach (var kind in diff.Changes.GroupBy(change => change.Kind))
        {
            writer.WriteLine($"* **{kind.Key.Title()}**: {kind.Count()}");
            foreach (var change in kind.Take(MaxChanges))
                writer.WriteLine($"  * {Code(change.JobKey)}{(change.Subtest is null ? "" : ", " + Code(change.Subtest))}{Details(change)}");
            if (kind.Count() > MaxChanges)
                writer.WriteLine($"  * … and {kind.Count() - MaxChanges} more");
        }

        writer.WriteLine();
    }

    private static string Details(Change change) => change switch
    {
        { Timing: { } timing } => $": {Quantity.Seconds(timing.Before)} → {Quantity.Seconds(timing.After)} CPU",
        { Before: { } before, After: { } after } when before != after => $": {before.Name()} → {after.Name()}",
        _ => "",
    };

    private static void WriteFailures(StreamWriter writer, RunReport report)
    {
        var failures = report.Failures.ToList();
        if (failures.Count == 0)
            return;
        writer.WriteLine("### Failures");
        writer.WriteLine();
        foreach (var result in failures.Take(MaxFailures))
        {
            writer.WriteLine($"<details><summary>{result.Verdict.Symbol()} <b>{Html(result.Job.Suite)}/{Html(RunReport.NameOf(result.Job))}</b> @ {Html(result.Job.Cell.ToString())}: "
                + $"{result.Verdict.Name()}{(result.Flaky ? ", flaky" : "")}. {Html(result.Reason ?? "")}</summary>");
            writer.WriteLine();
            if (result.Attempts.Count > 0)
            {
                var last = result.Attempts[^1];
                foreach (var subtest in last.Subtests.Where(s => s.Verdict.IsFailure()).Take(MaxChanges))
                    writer.WriteLine($"* {subtest.Verdict.Symbol()} {Code(subtest.Name)} {Code(subtest.Detail ?? "")}");
                writer.WriteLine();
                WriteBlock(writer, "sh", ShellCommand.Of(last));
                if (report.ReadText(last, "console.log", ConsoleBytes) is { Length: > 0 } console)
                    WriteBlock(writer, "text", console);
            }

            writer.WriteLine("</details>");
            writer.WriteLine();
        }

        if (failures.Count > MaxFailures)
            writer.WriteLine($"… and {failures.Count - MaxFailures} more failures.");
    }

    /// <summary>A fence longer than any in the text, so that nothing in it ends the block.</summary>
    private static void WriteBlock(StreamWriter writer, string language, string text)
    {
        var fence = new string('`', Math.Max(3, LongestRun(text) + 1));
        writer.WriteLine(fence + language);
        writer.WriteLine(text.TrimEnd('\n'));
        writer.WriteLine(fence);
    }

    /// <summary>A code span in a table, where a pipe would end the field.</summary>
    private static string TableCode(string text) => Code(text).Replace("|", "\\|", StringComparison.Ordinal);

    private static string Code(string text)
    {
        var line = Harmless.Line(text);
        if (line.Length == 0)
            return "";
        var fence = new string('`', LongestRun(line) + 1);
        var space = line[0] == '`' || line[^1] == '`' ? " " : "";
        return fence + space + line + space + fence;
    }

    private static int LongestRun(string text)
    {
        int longest = 0, run = 0;
        foreach (var c in text)
        {
            run = c == '`' ? run + 1 : 0;
            longest = Math.Max(longest, run);
        }

        return longest;
    }

    /// <summary>Plain text where Markdown and HTML both apply: every character that either could take for its own is a reference.</summary>
    private static string Html(string text)
    {
        var html = new StringBuilder();
        foreach (var c in Harmless.Line(text))
        {
            if (c < 128 && !char.IsAsciiLetterOrDigit(c) && c is not (' ' or '.' or ',' or '-' or '/' or '(' or ')'))
                html.Append($"&#{(int)c};");
            else
                html.Append(c);
        }

        return html.ToString();
    }
}
