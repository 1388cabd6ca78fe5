using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Store;

/// <summary>Records as they are kept in a column, and times and names in forms that both engines order and compare the same way.</summary>
internal static class StoredRecord
{
    /// <summary>The newest format of each record that this program reads.</summary>
    private const int KnownSchema = 1;

    public static string Write(Run run) => JsonSerializer.Serialize(run, RecordJson.Default.Run);

    public static string Write(Job job) => JsonSerializer.Serialize(job, RecordJson.Default.Job);

    public static string Write(JobResult result) => JsonSerializer.Serialize(result, RecordJson.Default.JobResult);

    public static Run ReadRun(string json, string location)
    {
        var run = Read(json, RecordJson.Default.Run, "a run", location);
        RefuseNewer(run.Schema, "a run", location);
        return run;
    }

    public static Job ReadJob(string json, string location)
    {
        var job = Read(json, RecordJson.Default.Job, "a job", location);
        RefuseNewer(job.Schema, "a job", location);
        return job;
    }

    public static JobResult ReadResult(string json, string location)
    {
        var result = Read(json, RecordJson.Default.JobResult, "a result", location);
        RefuseNewer(Math.Max(result.Job.Schema, result.Attempts.Select(a => a.Schema).DefaultIfEmpty(1).Max()), "a result", location);
        return result;
    }

    /// <summary>A column's form of an instant: sorts as text, loses nothing.</summary>
    public static string Time(DateTime utc) => utc.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture);

    public static DateTime? ReadTime(string? column) =>
        column is null ? null : DateTime.Parse(column, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);

    /// <summary>A column's form of a text: PostgreSQL takes no NUL and neither engine half a surrogate pair. The record itself keeps what it can.</summary>
    public static string Text(string text)
    {
        if (!text.AsSpan().ContainsAny('\0', '\uFFFE') && !text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return text;
        return string.Concat(text.EnumerateRunes().Select(rune => rune.Value == 0 ? "\uFFFD" : rune.ToString()));
    }

    private static T Read<T>(string json, JsonTypeInfo<T> type, string what, string location)
    {
        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new StoreException(
                $"The results store {location} holds {what} that cannot be read: {e.Message} Its database was changed by something else, or by a newer Gauntlet: update, or name another store.", e);
        }
    }

    private static void RefuseNewer(int schema, string what, string location)
    {
        if (schema > KnownSchema)
            throw new StoreException($"The results store {location} holds {what} in format {schema}; this program reads up to {KnownSchema}. Update Gauntlet, or name another store with --results.");
    }
}
