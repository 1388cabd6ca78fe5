using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Results.Comparing;

/// <summary>A job that came out both ways though nothing had changed.</summary>
/// <param name="Results">Executed results that were looked at.</param>
/// <param name="Disagreements">Results that needed a retry, or differed from the one before on the same revision or in the same run.</param>
/// <param name="LastRunId">The newest run where it did.</param>
public sealed record FlakyJob(string JobKey, int Results, int Disagreements, string LastRunId)
{
    /// <summary>0 to 1.</summary>
    public double Rate => (double)Disagreements / Results;
}

/// <summary>Finds flaky jobs in past verdicts.</summary>
public static class FlakyJobs
{
    /// <param name="verdicts">Oldest run first, as <see cref="RunOverviews.GetPastVerdicts"/> gives them.</param>
    /// <returns>Most often first.</returns>
    public static IReadOnlyList<FlakyJob> Find(IEnumerable<PastVerdict> verdicts)
    {
        var jobs = new List<FlakyJob>();
        foreach (var job in verdicts.Where(v => v.Verdict.WasExecuted()).GroupBy(v => v.JobKey, StringComparer.Ordinal))
        {
            int results = 0, disagreements = 0;
            string? last = null;
            PastVerdict? previous = null;
            foreach (var verdict in job)
            {
                results++;
                var sameTree = previous is not null && (previous.RunId == verdict.RunId || (verdict.Revision is not null && previous.Revision == verdict.Revision));
                if (verdict.Flaky || (sameTree && previous!.Verdict.IsFailure() != verdict.Verdict.IsFailure()))
                {
                    disagreements++;
                    last = verdict.RunId;
                }

                previous = verdict;
            }

            if (last is not null)
                jobs.Add(new FlakyJob(job.Key, results, disagreements, last));
        }

        return jobs.OrderByDescending(job => job.Rate).ThenBy(job => job.JobKey, StringComparer.Ordinal).ToList();
    }
}
