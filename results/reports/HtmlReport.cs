using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>
/// One HTML file without anything outside it: the matrix as a grid, filters, and behind each field the attempt's reason, command line, subtests and console.
/// The grid is plain HTML; what is behind it is data (<see cref="HtmlReportData"/>) that a script shows as text. The page's own policy runs no other script.
/// </summary>
public static class HtmlReport
{
    /// <summary>Cells from which their names stand upright above the grid.</summary>
    private const int NarrowFrom = 7;

    /// <summary>Cases up to which a suite without failures is open at first.</summary>
    private const int OpenCases = 60;

    /// <summary>Changes of a kind that are listed.</summary>
    private const int MaxChanges = 200;

    private static readonly string Style = Resource("report.css"), Script = Resource("report.js");

    public static void Write(RunReport report, Stream target)
    {
        using var writer = new StreamWriter(target, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        var hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Script)));
        writer.Write($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{Text(MarkdownReport.Headline(report))} – Gauntlet {Text(report.Run.Id)}</title>
            <style>
            {Style}</style>
            </head>
            <body>

            """);
        var grid = new ResultGrid(report.Results);
        WriteHeader(writer, report);
        writer.WriteLine("<main>");
        WriteTools(writer, report);
        WriteOverview(writer, grid);
        if (report.Diff is { } diff)
            WriteDiff(writer, report, diff);
        WriteSuites(writer, report, grid);
        writer.WriteLine("<div class=\"card empty\" id=\"nothing\" hidden>No case fits the filter.</div>");
        writer.WriteLine("</main>");
        writer.WriteLine("<aside id=\"panel\" hidden aria-label=\"Result\"></aside>");
        writer.WriteLine($"<footer>{Text(report.Run.CommandLine)}</footer>");
        writer.Write("<script type=\"application/json\" id=\"data\">");
        writer.Flush();
        HtmlReportData.Write(report, target);
        writer.WriteLine("</script>");
        writer.Write($"<script>{Script}</script>\n</body>\n</html>\n");
    }

    private static void WriteHeader(StreamWriter writer, RunReport report)
    {
        var run = report.Run;
        var overall = report.Counts.Failures > 0 ? Verdict.Fail : report.Counts.Executed > 0 ? Verdict.Pass : Verdict.InfraError;
        writer.WriteLine($"<header><h1><span class=\"verdict {overall.Name()}\">{overall.Symbol()} {Text(MarkdownReport.Headline(report))}</span></h1>");
        var facts = new List<string> { $"run <b class=\"mono\">{Text(run.Id)}</b>" };
        if (run.State != RunState.Finished)
            facts.Add($"<b>{run.State.ToString().ToLowerInvariant()}</b>, {report.Results.Count} of {run.JobCount} results");
        if (run.Branch is not null)
            facts.Add($"branch <b>{Text(run.Branch)}</b>");
        if (run.Revision is not null)
            facts.Add($"revision <b class=\"mono\">{Text(run.Revision)}</b>");
        facts.Add($"<b>{Quantity.Instant(run.StartedUtc)}</b>");
        if (run.FinishedUtc is { } finished)
            facts.Add($"took <b>{Quantity.Seconds(Math.Max(0, (finished - run.StartedUtc).TotalSeconds))}</b>");
        facts.AddRange(run.Host.Select(fact => $"{Text(fact.Key)} <b>{Text(fact.Value)}</b>"));
        writer.WriteLine($"<div class=\"facts\">{string.Join(" · ", facts)}</div>");
        writer.WriteLine($"<div class=\"bar\">{string.Concat(report.Counts.Present.Select(p =>
            $"<i class=\"{p.Verdict.Name()}\" style=\"flex:{p.Count}\" title=\"{p.Count} {p.Verdict.Name()}\"></i>"))}</div></header>");
    }

    private static void WriteTools(StreamWriter writer, RunReport report)
    {
        writer.WriteLine("<div class=\"tools\"><input type=\"search\" id=\"search\" placeholder=\"Filter by suite, case, cell, reason… ( / )\" aria-label=\"Filter\">");
        foreach (var (verdict, count) in report.Counts.Present)
        {
            writer.WriteLine($"<button class=\"chip\" type=\"button\" data-verdict=\"{verdict.Name()}\" aria-pressed=\"true\" title=\"Show or hide; with Alt only these\">"
                + $"<span class=\"v {verdict.Name()}\">{verdict.Symbol()}</span>{count} {verdict.Name()}</button>");
        }

        writer.WriteLine("<button class=\"chip\" type=\"button\" id=\"attention\">needs attention</button><button class=\"chip\" type=\"button\" id=\"theme\">light / dark</button></div>");
    }

    private static void WriteDiff(StreamWriter writer, RunReport report, RunDiff diff)
    {
        var indexByKey = report.Results.Index().GroupBy(r => r.Item.Job.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.First().Index, StringComparer.Ordinal);
        writer.WriteLine($"<details class=\"card\" open><summary>Compared with {Text(diff.Before.Id)}{(diff.Before.Branch is { } branch ? $" of {Text(branch)}" : "")}<span class=\"counts\">");
        foreach (var kind in diff.Changes.GroupBy(change => change.Kind))
            writer.WriteLine($"<span>{kind.Key.Title()} <b>{kind.Count()}</b></span>");
        writer.WriteLine($"{(diff.Changes.Count == 0 ? "no differences" : "")}</span></summary>");
        foreach (var kind in diff.Changes.GroupBy(change => change.Kind))
        {
            var open = kind.Key is ChangeKind.NewlyFailing or ChangeKind.NewlyFlaky or ChangeKind.NewlySkipped ? " open" : "";
            writer.WriteLine($"<details class=\"kind\"{open}><summary>{kind.Key.Title()} <span class=\"dim\">{kind.Count()}</span></summary><ul class=\"changes\">");
            string? previous = null;
            foreach (var change in kind.Take(MaxChanges))
            {
                // A subtest stands under its case, which is said once.
                var under = change.Subtest is not null && change.JobKey == previous;
                previous = change.JobKey;
                var name = (under ? "" : Text(change.JobKey)) + (change.Subtest is null ? "" : $" › {Text(change.Subtest)}");
                var link = indexByKey.TryGetValue(change.JobKey, out var index) ? $"<button class=\"link mono\" type=\"button\" data-job=\"{index}\">{name}</button>" : $"<span class=\"mono\">{name}</span>";
                var how = change.Timing is { } timing
                    ? $"{Quantity.Seconds(timing.Before)} → {Quantity.Seconds(timing.After)} CPU ({timing.SamplesBefore} and {timing.SamplesAfter} samples)"
                    : $"{change.Before?.Name() ?? "not there"} → {change.After?.Name() ?? "not there"}";
                writer.WriteLine($"<li{(under ? " class=\"under\"" : "")}>{link}<span class=\"dim\">{how}</span></li>");
            }

            writer.WriteLine("</ul>");
            if (kind.Count() > MaxChanges)
                writer.WriteLine($"<div class=\"dim\">… and {kind.Count() - MaxChanges} more</div>");
            writer.WriteLine("</details>");
        }

        if (diff.Of(ChangeKind.Slower).Concat(diff.Of(ChangeKind.Faster)).Any())
            writer.WriteLine($"<p class=\"dim\">Slower and faster: {TimingComparison.Statistic}.</p>");
        writer.WriteLine("</details>");
    }

    private static void WriteOverview(StreamWriter writer, ResultGrid grid)
    {
        if (grid.Suites.Count * grid.Cells.Count < 2)
            return;
        writer.WriteLine("<div class=\"card\"><h2>Matrix</h2><table class=\"overview\"><thead><tr><th>suite</th>");
        foreach (var cell in grid.Cells)
            writer.WriteLine($"<th>{Text(cell.ToString())}</th>");
        writer.WriteLine("</tr></thead><tbody>");
        foreach (var (suiteIndex, suite) in grid.Suites.Index())
        {
            writer.WriteLine($"<tr><th>{Text(suite)}</th>");
            foreach (var cell in grid.Cells)
            {
                if (grid[suite, cell] is not { } counts)
                {
                    writer.WriteLine("<td></td>");
                    continue;
                }

                var worst = counts.Present.First().Verdict;
                writer.WriteLine($"<td><a class=\"field\" href=\"#suite-{suiteIndex}\"><span class=\"v {worst.Name()}\" title=\"{worst.Name()}\">{worst.Symbol()}</span>{CountsOf(counts)}</a></td>");
            }

            writer.WriteLine("</tr>");
        }

        writer.WriteLine("</tbody></table></div>");
    }

    private static void WriteSuites(StreamWriter writer, RunReport report, ResultGrid grid)
    {
        var newlyFailing = report.Diff?.Of(ChangeKind.NewlyFailing).Select(change => change.JobKey).ToHashSet(StringComparer.Ordinal) ?? [];
        var suites = report.Results.Index().GroupBy(r => r.Item.Job.Suite, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.ToList(), StringComparer.Ordinal);
        foreach (var (suiteIndex, suite) in grid.Suites.Index())
        {
            var results = suites[suite];
            var counts = new VerdictCounts(results.Select(r => r.Item.Verdict));
            var cells = grid.Cells.Where(cell => grid[suite, cell] is not null).ToList();
            var cases = results.GroupBy(r => r.Item.Job.Case, StringComparer.Ordinal).ToList();
            writer.WriteLine($"<details class=\"card suite\" id=\"suite-{suiteIndex}\"{(counts.Failures > 0 || cases.Count <= OpenCases ? " open" : "")}>"
                + $"<summary>{Text(suite)}{CountsOf(counts)}</summary>");
            writer.WriteLine($"<table class=\"grid{(cells.Count >= NarrowFrom ? " narrow" : "")}\"><thead><tr><th></th>");
            foreach (var cell in cells)
                writer.WriteLine($"<th class=\"cell\">{Text(cell.ToString())}</th>");
            writer.WriteLine("<th></th></tr></thead><tbody>");
            foreach (var @case in cases)
                WriteCase(writer, suite, @case.Key, @case.ToList(), cells, newlyFailing);
            writer.WriteLine("</tbody></table></details>");
        }
    }

    private static void WriteCase(StreamWriter writer, string suite, string name, List<(int Index, JobResult Item)> results, List<Cell> cells, HashSet<string> newlyFailing)
    {
        var searched = Text(string.Join(' ', results.Select(r => $"{r.Item.Job.Cell} {r.Item.Reason}").Prepend($"{suite}/{name}").Distinct()).ToLowerInvariant());
        writer.WriteLine($"<tr data-verdicts=\"{string.Join(' ', results.Select(r => r.Item.Verdict.Name()).Distinct())}\" data-text=\"{searched}\"><th class=\"mono\">{Text(name)}</th>");
        foreach (var cell in cells)
        {
            writer.Write("<td>");
            foreach (var (index, result) in results.Where(r => r.Item.Job.Cell == cell))
            {
                var marks = (result.Flaky ? " flaky" : "") + (newlyFailing.Contains(result.Job.Key) ? " new" : "");
                var title = $"{RunReport.NameOf(result.Job)} @ {cell}: {result.Verdict.Name()}{(result.Flaky ? ", flaky" : "")}{(result.Reason is null ? "" : " – " + result.Reason)}";
                writer.Write($"<button type=\"button\" class=\"v {result.Verdict.Name()}{marks}\" data-job=\"{index}\" title=\"{Text(title)}\">{result.Verdict.Symbol()}</button>");
            }

            writer.WriteLine("</td>");
        }

        var wall = results.Sum(r => r.Item.Attempts.Sum(a => a.WallSeconds));
        writer.WriteLine($"<td class=\"time\">{(wall > 0 ? Quantity.Seconds(wall) : "")}</td></tr>");
    }

    private static string CountsOf(VerdictCounts counts) =>
        $"<span class=\"counts\">{string.Concat(counts.Present.Select(p => $"<span title=\"{p.Verdict.Name()}\">{p.Verdict.Symbol()} {p.Count}</span>"))}</span>";

    private static string Text(string text) => WebUtility.HtmlEncode(Harmless.Line(text));

    private static string Resource(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
