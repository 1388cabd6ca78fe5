using System.Text.Json.Serialization;

namespace Gauntlet.Results.Records;

/// <summary>JSON of the records: camelCase names, nulls left out, made at compile time so that start-up stays short.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(Attempt))]
[JsonSerializable(typeof(JobResult))]
[JsonSerializable(typeof(Run))]
[JsonSerializable(typeof(Cell))]
[JsonSerializable(typeof(IReadOnlyList<Subtest>))]
public sealed partial class RecordJson : JsonSerializerContext;
