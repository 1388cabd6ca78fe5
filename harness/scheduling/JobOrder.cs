using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Harness.Scheduling;

/// <summary>In which order jobs start, and how long each may take by what is known of it.</summary>
public static class JobOrder
{
    /// <summary>Passes of a job after which its limit may come from them.</summary>
    private const int EnoughSamples = 5;

    /// <summary>A limit from history: so many times the median, and never below the least.</summary>
    private const double HistoryFactor = 10;

    private static readonly TimeSpan LeastHistoryLimit = TimeSpan.FromSeconds(15);

    /// <summary>
    /// What is not known first, for it may be long, and of that first what its suite gives the most time; then the longest first, so that no long one is
    /// left over at the end while CPUs idle. With a seed, an order that is the same for the same jobs and seed.
    /// </summary>
    /// <param name="cells">Their jobs come cell by cell, in this order; empty: cells do not count.</param>
    public static IReadOnlyList<Job> Arrange(IReadOnlyList<Job> jobs, IReadOnlyDictionary<string, JobTiming> timings, int? seed, IReadOnlyList<Cell> cells)
    {
        var rank = cells.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        var arranged = WithoutCells(jobs, timings, seed);
        return rank.Count == 0 ? arranged : [.. arranged.OrderBy(job => rank.GetValueOrDefault(job.Cell, int.MaxValue))];
    }

    private static IReadOnlyList<Job> WithoutCells(IReadOnlyList<Job> jobs, IReadOnlyDictionary<string, JobTiming> timings, int? seed)
    {
        if (seed is { } number)
        {
            var shuffled = jobs.ToArray();
            new Random(number).Shuffle(shuffled);
            return shuffled;
        }
        return [.. jobs
            .OrderByDescending(job => timings.TryGetValue(job.Key, out var timing) ? timing.WallSeconds : double.MaxValue)
            .ThenByDescending(job => job.TimeoutSeconds)];
    }

    /// <summary>The limit of a job that its suite gives none: by its own past, within the default.</summary>
    public static double TimeoutSeconds(Job job, IReadOnlyDictionary<string, JobTiming> timings)
    {
        if (!timings.TryGetValue(job.Key, out var timing) || timing.Samples < EnoughSamples)
            return job.TimeoutSeconds;
        var limit = Math.Max(LeastHistoryLimit.TotalSeconds, HistoryFactor * Math.Max(timing.WallSeconds, timing.CpuSeconds));
        return job.TimeoutSeconds == 0 ? limit : Math.Min(job.TimeoutSeconds, limit);
    }
}
