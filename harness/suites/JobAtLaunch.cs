using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Suites;

/// <summary>What of a job can only be settled when its attempt starts: it may have waited, or come from another machine.</summary>
public static class JobAtLaunch
{
    /// <summary>Name of the environment file in the attempt's scratch folder.</summary>
    public const string EnvironmentFileName = "environment";

    /// <summary>The job with its environment file written below <paramref name="scratch"/> and the time filled in; what a driver is to plan.</summary>
    /// <exception cref="IOException">The file can't be written; an infra error.</exception>
    public static Job Settle(Job job, string scratch, DateTimeOffset now)
    {
        var initrd = job.Initrd;
        if (initrd is null && job.EnvironmentFile is not null)
        {
            initrd = Path.Combine(scratch, EnvironmentFileName);
            File.WriteAllText(initrd, job.EnvironmentFile);
        }

        return job with { Initrd = initrd, EnvironmentFile = null, Append = LaunchTime.Expand(job.Append, now) };
    }
}
