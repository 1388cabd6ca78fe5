using System.Globalization;
using System.Text;
using System.Xml;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>
/// JUnit XML as Jenkins, GitLab and GitHub's actions read it: a testsuite for each suite in each cell, a testcase for each job. What does not
/// count against a change is <c>skipped</c> there, with the verdict in its message; a retry that passed is Surefire's <c>flakyFailure</c>.
/// </summary>
public static class JUnitReport
{
    /// <summary>Bytes of console in a testcase that failed.</summary>
    private const int ConsoleBytes = 32 << 10;

    public static void Write(RunReport report, Stream target)
    {
        var settings = new XmlWriterSettings { Indent = true, Encoding = new UTF8Encoding(false), NewLineChars = "\n", CloseOutput = false };
        using var xml = XmlWriter.Create(target, settings);
        xml.WriteStartElement("testsuites");
        xml.WriteAttributeString("name", "gauntlet " + Text(report.Run.Id));
        WriteTotals(xml, report.Results);
        foreach (var suite in report.Results.GroupBy(result => (result.Job.Suite, result.Job.Cell)))
        {
            xml.WriteStartElement("testsuite");
            xml.WriteAttributeString("name", Text($"{suite.Key.Suite} @ {suite.Key.Cell}"));
            xml.WriteAttributeString("timestamp", report.Run.StartedUtc.ToString("yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture));
            if (report.Run.Host.GetValueOrDefault("host") is { } host)
                xml.WriteAttributeString("hostname", Text(host));
            WriteTotals(xml, suite.ToList());
            xml.WriteStartElement("properties");
            WriteProperty(xml, "run", report.Run.Id);
            WriteProperty(xml, "command", report.Run.CommandLine);
            foreach (var (name, value) in report.Run.Host)
                WriteProperty(xml, "host." + name, value);
            xml.WriteEndElement();
            foreach (var result in suite)
                WriteCase(xml, report, result);
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static void WriteTotals(XmlWriter xml, IReadOnlyList<JobResult> results)
    {
        xml.WriteAttributeString("tests", Number(results.Count));
        xml.WriteAttributeString("failures", Number(results.Count(r => r.Verdict is Verdict.Fail or Verdict.UnexpectedPass or Verdict.Timeout)));
        xml.WriteAttributeString("errors", Number(results.Count(r => r.Verdict == Verdict.Crash)));
        xml.WriteAttributeString("skipped", Number(results.Count(r => IsSkipped(r.Verdict))));
        xml.WriteAttributeString("time", Seconds(results.Sum(r => r.Attempts.Sum(a => a.WallSeconds))));
    }

    private static void WriteCase(XmlWriter xml, RunReport report, JobResult result)
    {
        xml.WriteStartElement("testcase");
        xml.WriteAttributeString("classname", Text($"{result.Job.Suite} @ {result.Job.Cell}"));
        xml.WriteAttributeString("name", Text(RunReport.NameOf(result.Job)));
        xml.WriteAttributeString("time", Seconds(result.Attempts.Sum(a => a.WallSeconds)));

        var message = Text(result.Reason ?? result.Verdict.Name());
        if (IsSkipped(result.Verdict))
        {
            xml.WriteStartElement("skipped");
            xml.WriteAttributeString("message", result.Verdict == Verdict.Skip ? message : $"{result.Verdict.Name()}: {message}");
            xml.WriteEndElement();
        }
        else if (result.Verdict.IsFailure())
        {
            xml.WriteStartElement(result.Verdict == Verdict.Crash ? "error" : "failure");
            xml.WriteAttributeString("message", message);
            xml.WriteAttributeString("type", result.Verdict.Name());
            xml.WriteString(Details(result));
            xml.WriteEndElement();
        }

        foreach (var earlier in result.Attempts.SkipLast(1).Where(attempt => attempt.Verdict.IsFailure()))
        {
            xml.WriteStartElement(result.Verdict.IsFailure() ? "rerunFailure" : "flakyFailure");
            xml.WriteAttributeString("message", Text(earlier.Reason ?? earlier.Verdict.Name()));
            xml.WriteAttributeString("type", earlier.Verdict.Name());
            xml.WriteEndElement();
        }

        if (result.Verdict.IsFailure() && result.Attempts.Count > 0)
        {
            WriteOutput(xml, "system-out", report.ReadText(result.Attempts[^1], "console.log", ConsoleBytes));
            WriteOutput(xml, "system-err", report.ReadText(result.Attempts[^1], "stderr.log", ConsoleBytes));
        }

        xml.WriteEndElement();
    }

    private static string Details(JobResult result)
    {
        var details = new StringBuilder();
        if (result.Attempts.Count > 0)
        {
            foreach (var subtest in result.Attempts[^1].Subtests.Where(s => s.Verdict.IsFailure()))
                details.Append(Harmless.Line($"{subtest.Verdict.Name().ToUpperInvariant()}: {subtest.Name}{(subtest.Detail is null ? "" : ": " + subtest.Detail)}")).Append('\n');
            details.Append("repeat by hand: ").Append(Harmless.Lines(ShellCommand.Of(result.Attempts[^1]))).Append('\n');
        }

        return details.ToString();
    }

    private static void WriteOutput(XmlWriter xml, string element, string? text)
    {
        if (!string.IsNullOrEmpty(text))
            xml.WriteElementString(element, text);
    }

    private static void WriteProperty(XmlWriter xml, string name, string value)
    {
        xml.WriteStartElement("property");
        xml.WriteAttributeString("name", Text(name));
        xml.WriteAttributeString("value", Text(value));
        xml.WriteEndElement();
    }

    private static bool IsSkipped(Verdict verdict) => verdict is Verdict.Skip or Verdict.KnownFail or Verdict.InfraError;

    // XML 1.0 has no way to write most control characters, not even as references.
    private static string Text(string text) => Harmless.Line(text);

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(double seconds) => seconds.ToString("0.000", CultureInfo.InvariantCulture);
}
