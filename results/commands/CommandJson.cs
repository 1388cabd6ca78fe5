using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gauntlet.Results.Commands;

/// <summary>JSON on standard output, for scripts: camelCase names, indented, nulls left out.</summary>
internal static class CommandJson
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static void Write<T>(TextWriter writer, T value) => writer.WriteLine(JsonSerializer.Serialize(value, Options));

    /// <summary>What a report writes to a stream, as text.</summary>
    public static void WriteBytes(TextWriter writer, Action<Stream> write)
    {
        var bytes = new MemoryStream();
        write(bytes);
        writer.WriteLine(Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length).TrimEnd('\n'));
    }
}
