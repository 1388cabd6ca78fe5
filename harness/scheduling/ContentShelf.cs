using System.Security.Cryptography;
using Gauntlet.Guests.Sources;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// Keeps small files that command lines name by their content in the user's cache folder, so that such a command line can be run again by hand after the attempt's scratch
/// folder is gone.
/// </summary>
internal static class ContentShelf
{
    /// <summary>Path of a file with the content; null: the cache cannot be written.</summary>
    /// <param name="kind">Name of a folder: what such files are.</param>
    public static string? Place(string kind, ReadOnlySpan<byte> content)
    {
        var folder = UserCache.Folder(kind);
        var path = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(content))[..16]);
        try
        {
            if (!File.Exists(path))
            {
                Directory.CreateDirectory(folder);
                var temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}";
                File.WriteAllBytes(temporary, content);
                File.Move(temporary, path, overwrite: true);
            }
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The same, below a scratch folder where the cache cannot be written.</summary>
    /// <exception cref="IOException">Neither can the scratch folder.</exception>
    public static string Place(string kind, ReadOnlySpan<byte> content, string scratch)
    {
        if (Place(kind, content) is { } kept)
            return kept;
        var path = Path.Combine(scratch, kind + "-" + Convert.ToHexStringLower(SHA256.HashData(content))[..16]);
        File.WriteAllBytes(path, content);
        return path;
    }
}
