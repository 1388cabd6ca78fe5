using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>A run with all its results as one JSON document, for other programs: the records as they are, and the differences where there are any.</summary>
public static class JsonReport
{
    /// <summary>Version of the document; readers refuse a newer one.</summary>
    public const int Schema = 1;

    public static void Write(RunReport report, Stream target)
    {
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("schema", Schema);
        json.WriteString("kind", "gauntlet-run");
        json.WritePropertyName("run");
        JsonSerializer.Serialize(json, report.Run, RecordJson.Default.Run);
        json.WritePropertyName("counts");
        json.WriteStartObject();
        foreach (var (verdict, count) in report.Counts.Present)
            json.WriteNumber(verdict.Name(), count);
        json.WriteEndObject();
        json.WritePropertyName("results");
        json.WriteStartArray();
        foreach (var result in report.Results)
            JsonSerializer.Serialize(json, result, RecordJson.Default.JobResult);
        json.WriteEndArray();
        if (report.Diff is { } diff)
        {
            json.WritePropertyName("diff");
            WriteDiff(json, diff);
        }

        json.WriteEndObject();
    }

    /// <summary>The differences alone: <c>{"schema":1,"kind":"gauntlet-diff", …}</c>.</summary>
    public static void Write(RunDiff diff, Stream target)
    {
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Indented = true });
        WriteDiff(json, diff);
    }

    private static void WriteDiff(Utf8JsonWriter json, RunDiff diff)
    {
        json.WriteStartObject();
        json.WriteNumber("schema", Schema);
        json.WriteString("kind", "gauntlet-diff");
        json.WriteString("before", diff.Before.Id);
        json.WriteString("after", diff.After.Id);
        if (diff.Pairing is { } pairing)
        {
            json.WriteStartObject("between");
            json.WriteString("axis", pairing.Axis);
            json.WriteString("before", pairing.Before);
            json.WriteString("after", pairing.After);
            json.WriteEndObject();
        }

        json.WriteNumber("compared", diff.Compared);
        json.WriteNumber("subtestsNotReached", diff.NotReached);
        json.WriteString("timingStatistic", TimingComparison.Statistic);
        json.WritePropertyName("changes");
        JsonSerializer.Serialize(json, diff.Changes, DiffJson.Default.IReadOnlyListChange);
        json.WriteEndObject();
    }
}

/// <summary>JSON of differences, made at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(IReadOnlyList<Change>))]
internal sealed partial class DiffJson : JsonSerializerContext;
