using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Guests.Sources;

namespace Gauntlet.Harness.Drivers;

/// <summary>
/// Keeps what VMMs told of themselves between invocations, by the identity of their file: its path with links resolved, length, time of change and time
/// of birth, which together change with every installation. A cache that cannot be read or written is as none.
/// </summary>
public sealed class ProbeCache(string folder)
{
    /// <summary>Of the files; another one is not read.</summary>
    private const int Schema = 1;

    /// <summary>In the user's cache folder.</summary>
    public static ProbeCache ForUser() => new(UserCache.Folder("vmms"));

    /// <summary>The probe of a program for an architecture; null when it was not probed since it last changed.</summary>
    public VmmProbe? Find(string program, string arch)
    {
        try
        {
            var entry = JsonSerializer.Deserialize(File.ReadAllBytes(FileFor(program, arch)), ProbeJson.Default.CachedProbe);
            return entry is { Schema: Schema } && entry.Identity == Identity(program) ? entry.Probe : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    public void Keep(string program, string arch, VmmProbe probe)
    {
        try
        {
            Directory.CreateDirectory(folder);
            var file = FileFor(program, arch);
            var temporary = $"{file}.{Environment.ProcessId}";
            File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(new CachedProbe(Schema, Identity(program), probe), ProbeJson.Default.CachedProbe));
            File.Move(temporary, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Asked again next time.
        }
    }

    private string FileFor(string program, string arch) =>
        Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{arch} {program}")))[..24] + ".json");

    private static string Identity(string program)
    {
        var file = new FileInfo(program);
        file = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
        return string.Create(CultureInfo.InvariantCulture, $"{file.FullName} {file.Length} {file.LastWriteTimeUtc.Ticks} {file.CreationTimeUtc.Ticks}");
    }
}

internal sealed record CachedProbe(int Schema, string Identity, VmmProbe Probe);

[JsonSerializable(typeof(CachedProbe))]
internal sealed partial class ProbeJson : JsonSerializerContext;
