using System.Text;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Scheduling;

/// <summary>Keeps guests' environment files where a command line that is run again by hand finds them.</summary>
public static class EnvironmentShelf
{
    /// <summary>The job with its environment file as its initial RAM disk; as it was where it has none, or the cache cannot be written.</summary>
    public static Job Place(Job job) =>
        job.Initrd is null && job.EnvironmentFile is { } content && ContentShelf.Place("environment", Encoding.UTF8.GetBytes(content)) is { } path
            ? job with { Initrd = path, EnvironmentFile = null }
            : job;
}
