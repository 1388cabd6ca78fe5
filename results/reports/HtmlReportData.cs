using System.IO.Compression;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>
/// What is behind the fields of the HTML report, as JSON inside a script element: <c>&lt;</c>, <c>&gt;</c> and <c>&amp;</c> are written as <c>\u003C</c> and so on,
/// so that no text can end the element. Consoles are packed, and cut so that the page stays small enough for a browser.
/// </summary>
internal static class HtmlReportData
{
    /// <summary>Bytes of each text of a failure, and of anything else.</summary>
    private const int FailureTextBytes = 96 << 10, OtherTextBytes = 24 << 10;

    /// <summary>Bytes of all packed texts together; failures come first.</summary>
    private const int PackedBytes = 24 << 20;

    /// <summary>Subtests of an attempt that are listed, failing ones first.</summary>
    private const int MaxSubtests = 1000;

    public static void Write(RunReport report, Stream target)
    {
        var texts = Pack(report);
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Encoder = JavaScriptEncoder.Default });
        json.WriteStartObject();
        json.WriteStartObject("symbols");
        foreach (var verdict in VerdictSymbol.WorstFirst)
            json.WriteString(verdict.Name(), verdict.Symbol());
        json.WriteEndObject();
        WriteNames(json, "failures", verdict => verdict.IsFailure());
        WriteNames(json, "quiet", verdict => verdict is Verdict.Pass or Verdict.Skip or Verdict.KnownFail);
        json.WriteStartArray("jobs");
        for (var i = 0; i < report.Results.Count; i++)
            WriteJob(json, report.Results[i], texts[i]);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter json, string property, Func<Verdict, bool> which)
    {
        json.WriteStartArray(property);
        foreach (var verdict in VerdictSymbol.WorstFirst.Where(which))
            json.WriteStringValue(verdict.Name());
        json.WriteEndArray();
    }

    private static void WriteJob(Utf8JsonWriter json, JobResult result, Dictionary<Artifact, byte[]?> texts)
    {
        json.WriteStartObject();
        json.WriteString("suite", Harmless.Line(result.Job.Suite));
        json.WriteString("name", Harmless.Line(RunReport.NameOf(result.Job)));
        json.WriteString("cell", Harmless.Line(result.Job.Cell.ToString()));
        json.WriteString("verdict", result.Verdict.Name());
        if (result.Reason is not null)
            json.WriteString("reason", Harmless.Lines(result.Reason));
        json.WriteBoolean("flaky", result.Flaky);
        json.WriteStartArray("attempts");
        foreach (var attempt in result.Attempts)
            WriteAttempt(json, attempt, texts);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteAttempt(Utf8JsonWriter json, Attempt attempt, Dictionary<Artifact, byte[]?> texts)
    {
        json.WriteStartObject();
        json.WriteString("verdict", attempt.Verdict.Name());
        if (attempt.Reason is not null)
            json.WriteString("reason", Harmless.Lines(attempt.Reason));
        json.WriteString("command", Harmless.Lines(ShellCommand.Of(attempt)));
        json.WriteStartArray("facts");
        foreach (var (name, value) in Facts(attempt))
        {
            json.WriteStartArray();
            json.WriteStringValue(name);
            json.WriteStringValue(Harmless.Line(value));
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteString("subtestCounts", new VerdictCounts(attempt.Subtests.Select(s => s.Verdict)).ToString());
        var listed = attempt.Subtests.Count <= MaxSubtests ? attempt.Subtests : attempt.Subtests.OrderBy(s => s.Verdict.IsFailure() ? 0 : 1).Take(MaxSubtests).ToList();
        json.WriteNumber("subtestsLeftOut", attempt.Subtests.Count - listed.Count);
        json.WriteStartArray("subtests");
        foreach (var subtest in listed)
        {
            json.WriteStartArray();
            json.WriteStringValue(subtest.Verdict.Name());
            json.WriteStringValue(Harmless.Line(subtest.Name));
            json.WriteStringValue(Harmless.Line(subtest.Detail ?? ""));
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteStartArray("files");
        foreach (var artifact in attempt.Artifacts)
        {
            json.WriteStartObject();
            json.WriteString("name", Harmless.Line(artifact.Name));
            json.WriteString("size", Quantity.Bytes(artifact.Length));
            if (texts.GetValueOrDefault(artifact) is { } packed)
                json.WriteBase64String("packed", packed);
            else
                json.WriteString("note", "[left out of this page for its size; gauntlet results show prints it]");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>What a person wants to know of an attempt besides its verdict.</summary>
    internal static IEnumerable<(string Name, string Value)> Facts(Attempt attempt)
    {
        yield return ("time", $"{Quantity.Seconds(attempt.WallSeconds)} wall, {Quantity.Seconds(attempt.CpuSeconds)} CPU (limit by {attempt.TimeLimitKind} time)");
        if (attempt.PeakMemoryBytes > 0)
            yield return ("peak memory", Quantity.Bytes(attempt.PeakMemoryBytes));
        if (attempt.ExitStatus is { } status)
            yield return ("exit status", status.ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (attempt.Signal is { } signal)
            yield return ("ended by signal", signal.ToString(System.Globalization.CultureInfo.InvariantCulture));
        yield return ("started", Quantity.Instant(attempt.StartedUtc));
        foreach (var (name, value) in attempt.Measurements)
            yield return (name, value.ToString("0.######", System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Texts by result, packed; null where the page has no room. Failures get theirs first.</summary>
    private static Dictionary<Artifact, byte[]?>[] Pack(RunReport report)
    {
        var texts = report.Results.Select(_ => new Dictionary<Artifact, byte[]?>()).ToArray();
        long room = PackedBytes;
        foreach (var failures in new[] { true, false })
        {
            foreach (var (index, result) in report.Results.Index().Where(r => (r.Item.Verdict.IsFailure() || r.Item.Flaky) == failures))
            {
                foreach (var artifact in result.Attempts.SelectMany(a => a.Artifacts))
                {
                    if (texts[index].ContainsKey(artifact))
                        continue;
                    var packed = room > 0 ? Gzip(report.ReadText(artifact, failures ? FailureTextBytes : OtherTextBytes)) : null;
                    texts[index][artifact] = packed?.Length <= room ? packed : null;
                    room -= texts[index][artifact]?.Length ?? 0;
                }
            }
        }

        return texts;
    }

    private static byte[] Gzip(string text)
    {
        var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal, leaveOpen: true))
            gzip.Write(Encoding.UTF8.GetBytes(text));
        return target.ToArray();
    }
}
