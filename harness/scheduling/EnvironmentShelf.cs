using System.Security.Cryptography;
using System.Text;
using Gauntlet.Guests.Sources;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// Keeps guests' environment files by their content in the user's cache folder, so that a command line that names one can be run again by hand
/// after the attempt's scratch folder is gone.
/// </summary>
public static class EnvironmentShelf
{
    private static string Folder => UserCache.Folder("environment");

    /// <summary>The job with its environment file as its initial RAM disk; as it was where it has none, or the cache cannot be written.</summary>
    public static Job Place(Job job)
    {
        if (job.Initrd is not null || job.EnvironmentFile is not { } content)
            return job;
        var path = Path.Combine(Folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)))[..16]);
        try
        {
            if (!File.Exists(path))
            {
                Directory.CreateDirectory(Folder);
                var temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}";
                File.WriteAllText(temporary, content);
                File.Move(temporary, path, overwrite: true);
            }
            return job with { Initrd = path, EnvironmentFile = null };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return job;
        }
    }
}
