using System.CommandLine;
using System.Globalization;
using System.Text;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Harness.Running;

/// <summary>The end of a run: the grid, what failed and how to repeat it, where the reports are, and the exit code.</summary>
internal sealed class RunEnding(Output output, ResultStore store, Run run, IReadOnlyList<JobResult> results, KnownFailures known)
{
    /// <summary>Failures that are told one by one; the report has the others.</summary>
    private const int MaxTold = 25;

    /// <summary>Reasons for skips that are told; the report has the others.</summary>
    private const int MaxSkipReasons = 12;

    public int Tell(ParseResult line, RunOptions options, bool interrupted)
    {
        var text = line.GetValue(options.Tap) || line.GetValue(options.Json) ? new Output(output.Error, output.Error, output.Live, output.Live) : output;
        GridRenderer.Render(text, results);
        TellSkips(text);
        TellFailures(text);
        // Only those whose case was executed: a run of a part says nothing about the rest of the list.
        foreach (var entry in known.Unmatched.Where(entry => results.Any(result => result.Verdict.WasExecuted() && entry.Concerns(result.Job, run.Host))))
            text.Out.WriteLine($"note: the known failure at {entry.Source} came under nothing in this run");
        if (interrupted)
            text.Out.WriteLine($"The run was ended with {run.JobCount - results.Count} of {run.JobCount} jobs left; go on with: gauntlet run --continue {run.Id}");
        TellReports(line, options, text);
        return Code(text);
    }

    private void TellReports(ParseResult line, RunOptions options, Output text)
    {
        var diff = line.GetValue(options.Baseline) is { } baseline ? RunReports.Compare(store, baseline, run) : null;
        var report = new RunReport(run, results, diff, store.OpenArtifact);
        if (diff is not null)
            TellChanges(text, diff);
        text.Out.WriteLine();
        text.Out.WriteLine($"run {run.Id} in {store.Location}");
        if (RunReports.WriteHtml(store, report, output) is { } html)
            text.Out.WriteLine($"report: {html}");
        if (line.GetValue(options.Report) is { } folder)
            RunReports.WriteAll(folder, report);
        RunReports.AppendJobSummary(report, output);
        if (line.GetValue(options.Tap))
            Write(TapReport.Write);
        if (line.GetValue(options.Json))
            Write(JsonReport.Write);

        void Write(Action<RunReport, Stream> format)
        {
            using var bytes = new MemoryStream();
            format(report, bytes);
            output.Out.Write(Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length));
        }
    }

    private static void TellChanges(Output text, RunDiff diff)
    {
        text.Out.WriteLine();
        text.Out.WriteLine($"against run {diff.Before.Id}: {diff.Compared} compared, {diff.Changes.Count} changed");
        foreach (var change in diff.Changes.Where(change => change.Kind != ChangeKind.StillFailing).Take(MaxTold))
            text.Out.WriteLine(Harmless.Line($"  {change.Kind.Title()}: {change.JobKey}{(change.Subtest is null ? "" : $": {change.Subtest}")}"));
    }

    private int Code(Output text)
    {
        var counts = new VerdictCounts(results.Select(result => result.Verdict));
        if (counts.Failures > 0)
            return ExitCode.Failure;
        if (counts[Verdict.InfraError] > 0)
            return ExitCode.Environment;
        if (counts.Executed > 0)
            return ExitCode.Success;
        text.Out.WriteLine("Nothing was executed: that is no success. The reasons are above.");
        return ExitCode.Failure;
    }

    private void TellSkips(Output text)
    {
        var reasons = results.Where(result => result.Verdict == Verdict.Skip).GroupBy(result => result.Reason ?? "no reason given").OrderByDescending(group => group.Count()).ToList();
        if (reasons.Count == 0)
            return;
        text.Out.WriteLine();
        foreach (var group in reasons.Take(MaxSkipReasons))
            text.Out.WriteLine(Harmless.Line($"{Verdict.Skip.Symbol()} {group.Count()} skipped: {group.Key}"));
        if (reasons.Count > MaxSkipReasons)
            text.Out.WriteLine($"{Verdict.Skip.Symbol()} {reasons.Skip(MaxSkipReasons).Sum(group => group.Count())} skipped for other reasons: gauntlet results show {run.Id}");
    }

    private void TellFailures(Output text)
    {
        var failures = results.Where(result => result.Verdict.IsFailure() || result.Verdict == Verdict.InfraError || result.Flaky)
            .OrderBy(result => Rank(result.Verdict)).ToList();
        foreach (var result in failures.Take(MaxTold))
        {
            text.Out.WriteLine();
            var flaky = result.Flaky ? " (flaky)" : "";
            var name = Harmless.Line($"{result.Job.Suite}/{RunReport.NameOf(result.Job)} @ {result.Job.Cell}");
            if (text.Live)
                text.Console.MarkupLine($"[{result.Verdict.Style()}]{result.Verdict.Symbol()} {result.Verdict.Name()}{flaky}[/] [bold]{Markup.Escape(name)}[/]");
            else
                text.Out.WriteLine($"{result.Verdict.Symbol()} {result.Verdict.Name()}{flaky} {name}");
            text.Out.WriteLine($"  {Harmless.Line(result.Reason ?? "")}");
            if (result.Attempts.LastOrDefault() is { CommandLine.Count: > 0 } last)
                text.Out.WriteLine($"  repeat: {ShellCommand.Of(last)}");
        }
        if (failures.Count > MaxTold)
            text.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nand {failures.Count - MaxTold} more: gauntlet results show {run.Id}"));
    }

    private static int Rank(Verdict verdict) => VerdictSymbol.WorstFirst.Index().First(entry => entry.Item == verdict).Index;
}
