using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using FsCheck.Fluent;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;

namespace Gauntlet.Results.Tests.Reports;

/// <summary>A store with runs as real ones look, made once.</summary>
public sealed class DemoStore : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public DemoStore()
    {
        Store = ResultStore.Open(folder.Path);
        var run = Demo.Fill(Store);
        Report = RunReport.Load(Store, run, new RunComparer(Store).CompareWithBranch("main", run));
    }

    public ResultStore Store { get; }

    public RunReport Report { get; }

    public string Location => folder.Path;

    public void Dispose()
    {
        Store.Dispose();
        folder.Dispose();
    }
}

public sealed partial class ReportTests(DemoStore demo) : IClassFixture<DemoStore>
{
    [Fact]
    public void JUnit_counts_what_it_holds_and_only_what_counts_fails()
    {
        var root = XDocument.Parse(Write(JUnitReport.Write, demo.Report)).Root!;
        Assert.Equal("testsuites", root.Name);
        var cases = root.Descendants("testcase").ToList();
        Assert.Equal(demo.Report.Results.Count, cases.Count);
        foreach (var element in root.Elements("testsuite").Append(root))
        {
            var inside = element.Descendants("testcase").ToList();
            Assert.Equal(inside.Count, (int)element.Attribute("tests")!);
            Assert.Equal(inside.Count(c => c.Element("failure") is not null), (int)element.Attribute("failures")!);
            Assert.Equal(inside.Count(c => c.Element("error") is not null), (int)element.Attribute("errors")!);
            Assert.Equal(inside.Count(c => c.Element("skipped") is not null), (int)element.Attribute("skipped")!);
        }

        Assert.Equal(demo.Report.Counts.Failures, (int)root.Attribute("failures")! + (int)root.Attribute("errors")!);
        Assert.Equal(["crash", "fail", "timeout", "unexpected-pass"], cases.SelectMany(c => c.Elements("failure").Concat(c.Elements("error"))).Select(f => (string)f.Attribute("type")!).Distinct().Order());
        Assert.Equal(3, cases.Count(c => c.Element("flakyFailure") is not null));
        var paging = cases.First(c => (string)c.Attribute("name")! == "paging" && c.Element("failure") is not null);
        Assert.Contains("FAIL: paging: check 4: error code 3, want 2", paging.Element("failure")!.Value);
        Assert.Contains("repeat by hand: cd ", paging.Element("failure")!.Value);
        Assert.Contains("cr0 = 80010011", paging.Element("system-out")!.Value);
    }

    [Fact]
    public void Tap_says_of_each_job_what_a_consumer_of_tap_then_counts()
    {
        var lines = Write(TapReport.Write, demo.Report).Split('\n');
        Assert.Equal("TAP version 14", lines[0]);
        Assert.Equal($"1..{demo.Report.Results.Count}", lines[1]);
        var points = lines.Where(line => PointLine().IsMatch(line)).ToList();
        Assert.Equal(Enumerable.Range(1, demo.Report.Results.Count), points.Select(p => int.Parse(PointLine().Match(p).Groups["number"].Value)));
        var bad = points.Count(p => p.StartsWith("not ok", StringComparison.Ordinal) && !p.Contains(" # TODO "));
        Assert.Equal(demo.Report.Counts.Failures, bad);
        Assert.Equal(demo.Report.Counts[Verdict.KnownFail], points.Count(p => p.StartsWith("not ok", StringComparison.Ordinal) && p.Contains(" # TODO ")));
        Assert.Equal(demo.Report.Counts[Verdict.Skip] + demo.Report.Counts[Verdict.InfraError], points.Count(p => p.StartsWith("ok", StringComparison.Ordinal) && p.Contains(" # SKIP ")));
    }

    [ProveFact]
    public void Perls_own_reader_of_tap_agrees()
    {
        using var folder = new TemporaryFolder();
        foreach (var (report, fails) in new[] { (demo.Report, true), (demo.Report with { Results = demo.Report.Results.Where(r => !r.Verdict.IsFailure()).ToList() }, false) })
        {
            // It knows TAP up to 13, where subtests are lines to pass over.
            var file = folder.Write("run.tap", Write(TapReport.Write, report).Replace("TAP version 14", "TAP version 13"));
            using var prove = Command.Start("prove", "-e", "cat", file);
            var text = prove.StandardOutput.ReadToEnd();
            prove.WaitForExit();
            Assert.Equal(fails ? 1 : 0, prove.ExitCode);
            Assert.Contains($"Tests={report.Results.Count}", text);
            Assert.DoesNotContain("Parse errors", text);
            Assert.Contains(fails ? $"Failed {demo.Report.Counts.Failures}/{report.Results.Count} subtests" : "All tests successful", text);
        }
    }

    [Fact]
    public void Json_holds_the_records_as_they_are()
    {
        using var json = JsonDocument.Parse(Write(JsonReport.Write, demo.Report));
        Assert.Equal(JsonReport.Schema, json.RootElement.GetProperty("schema").GetInt32());
        Assert.Equal("gauntlet-run", json.RootElement.GetProperty("kind").GetString());
        Assert.Equivalent(demo.Report.Run, json.RootElement.GetProperty("run").Deserialize(RecordJson.Default.Run), strict: true);
        foreach (var (result, element) in demo.Report.Results.Zip(json.RootElement.GetProperty("results").EnumerateArray()))
            Assert.Equal(JsonSerializer.Serialize(result, RecordJson.Default.JobResult), JsonSerializer.Serialize(element.Deserialize(RecordJson.Default.JobResult), RecordJson.Default.JobResult));
        Assert.Equal(demo.Report.Results.Count, json.RootElement.GetProperty("results").GetArrayLength());
        Assert.Equal(2, json.RootElement.GetProperty("counts").GetProperty("crash").GetInt32());
        var diff = json.RootElement.GetProperty("diff");
        Assert.Equal(demo.Report.Diff!.Changes.Count, diff.GetProperty("changes").GetArrayLength());
        Assert.Equal("newly-failing", diff.GetProperty("changes")[0].GetProperty("kind").GetString());
    }

    [Fact]
    public void Markdown_says_at_the_top_what_came_of_it_and_stays_short_enough_for_a_job_page()
    {
        var text = Write(MarkdownReport.Write, demo.Report);
        Assert.StartsWith("## ✗ Gauntlet: 10 of 240 failed\n", text);
        Assert.Contains("| `cpu` | ✗ 1 ✓ 12 | ✓ 13 |", text);
        Assert.Contains("* **newly failing**: 13", text);
        var many = demo.Report with { Results = Enumerable.Range(0, 3000).Select(i => Samples.Result(Samples.Job($"case-{i}"), Verdict.Fail)).ToList() };
        Assert.InRange(Encoding.UTF8.GetByteCount(Write(MarkdownReport.Write, many)), 1, 1 << 19);
    }

    [Fact]
    public void Html_needs_nothing_from_outside_and_runs_only_its_own_script()
    {
        var html = Write(HtmlReport.Write, demo.Report);
        Assert.DoesNotMatch(@"(src|href)=""(?!#)", html);
        Assert.DoesNotContain("@import", html);
        Assert.DoesNotContain("url(", html);
        var script = OwnScript().Match(html).Groups["script"].Value;
        Assert.Contains($"script-src 'sha256-{Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(script)))}'", html);
        Assert.Equal(2, Regex.Count(html, "<script"));
        Assert.Equal(2, Regex.Count(html, "</script"));
    }

    [Fact]
    public void Html_has_a_field_for_each_result_with_a_symbol_and_what_is_behind_it()
    {
        var html = Write(HtmlReport.Write, demo.Report);
        Assert.Equal(demo.Report.Results.Count, Regex.Count(html, "<button type=\"button\" class=\"v "));
        using var data = JsonDocument.Parse(Data().Match(html).Groups["data"].Value);
        var jobs = data.RootElement.GetProperty("jobs");
        Assert.Equal(demo.Report.Results.Count, jobs.GetArrayLength());
        var index = demo.Report.Results.Index().First(r => r.Item.Job.Case == "emulator").Index;
        var file = jobs[index].GetProperty("attempts")[0].GetProperty("files")[0];
        var console = Unpack(file.GetProperty("packed").GetBytesFromBase64());
        Assert.Contains("</script><script>alert(1)", console);
        Assert.Contains(@"\x1b]0;owned\x07\x1b[2J\u202egnp.exe\x00\x9b31m", console);
    }

    [Fact]
    public void A_large_console_is_cut_with_a_note()
    {
        var memory = demo.Report.Results.First(r => r.Job.Case == "memory");
        var text = demo.Report.ReadText(memory.Attempts[0], "console.log", 10_000)!;
        Assert.InRange(text.Length, 10_000, 10_100);
        Assert.StartsWith("page 00000000 written", text);
        Assert.EndsWith("PASS: memory: check 13\n", text);
        Assert.Matches(@"\[… 1\.\d MiB left out here; the store has them …\]", text);
    }

    [Fact]
    public void An_artifact_that_is_gone_is_said_so()
    {
        var attempt = Samples.Attempt(Verdict.Fail, 1, new Artifact("console.log", new string('0', 64), 5));
        Assert.Equal("[console.log was pruned from the store]", demo.Report.ReadText(attempt, "console.log", 100));
        Assert.Null(demo.Report.ReadText(attempt, "qmp.log", 100));
    }

    /// <summary>Whatever names, reasons and subtests hold: each format stays well-formed, and nothing in it can act.</summary>
    [Fact]
    public void Every_report_survives_every_text()
    {
        Prop.ForAll(RecordGenerators.Results.ToArbitrary(), results =>
        {
            var hostile = results.Append(Samples.Result(Samples.Job(Demo.Hostile, suite: Demo.Hostile), Verdict.Fail) with { Reason = Demo.Hostile }).ToList();
            var report = new RunReport(Samples.Run("r", Demo.Hostile) with { CommandLine = Demo.Hostile }, hostile, null, _ => null);

            Assert.Equal(hostile.Count, XDocument.Parse(Write(JUnitReport.Write, report)).Descendants("testcase").Count());

            var tap = Write(TapReport.Write, report).Split('\n');
            Assert.Equal(hostile.Count, tap.Count(line => PointLine().IsMatch(line)));
            Assert.DoesNotContain(tap, line => line.Contains('\x1b') || line.Contains('\u202e'));

            using var json = JsonDocument.Parse(Write(JsonReport.Write, report));
            Assert.Equal(hostile.Count, json.RootElement.GetProperty("results").GetArrayLength());

            var html = Write(HtmlReport.Write, report);
            Assert.Equal(2, Regex.Count(html, "<script"));
            Assert.Equal(2, Regex.Count(html, "</script"));
            Assert.DoesNotContain("<img", html);
            Assert.DoesNotContain("\u202e", html);
            JsonDocument.Parse(Data().Match(html).Groups["data"].Value).Dispose();

            var markdown = Write(MarkdownReport.Write, report);
            Assert.DoesNotContain("\x1b", markdown);
            Assert.DoesNotContain("\u202e", markdown);
        }).Holds(60);
    }

    [Fact]
    public void A_run_without_results_has_every_report()
    {
        var empty = new RunReport(Samples.Run("r"), [], null, _ => null);
        Assert.Contains("tests=\"0\"", Write(JUnitReport.Write, empty));
        Assert.Equal("TAP version 14\n1..0 # SKIP the run has no results\n", Write(TapReport.Write, empty));
        Assert.Contains("nothing was executed", Write(MarkdownReport.Write, empty));
        Assert.Contains("nothing was executed", Write(HtmlReport.Write, empty));
    }

    private static string Write(Action<RunReport, Stream> write, RunReport report)
    {
        var bytes = new MemoryStream();
        write(report, bytes);
        return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.ToArray());
    }

    private static string Unpack(byte[] packed)
    {
        using var gzip = new System.IO.Compression.GZipStream(new MemoryStream(packed), System.IO.Compression.CompressionMode.Decompress);
        return new StreamReader(gzip).ReadToEnd();
    }

    [GeneratedRegex(@"^(not )?ok (?<number>\d+)")]
    private static partial Regex PointLine();

    [GeneratedRegex("<script>(?<script>.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex OwnScript();

    [GeneratedRegex("<script type=\"application/json\" id=\"data\">(?<data>.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex Data();
}

/// <summary>Needs Perl's prove, which reads TAP.</summary>
public sealed class ProveFactAttribute : FactAttribute
{
    public ProveFactAttribute()
    {
        if (Command.Find("prove") is null)
            Skip = "prove is not installed; apt-get install perl";
    }
}
