using Gauntlet.Results.Records;

namespace Gauntlet.Results.Store;

/// <summary>
/// Where results last: SQLite in a folder, or PostgreSQL. Written as the run goes: when <see cref="AddResult"/> has returned, a kill -9 or a power cut
/// loses nothing of it. Several processes may use one store at once.
/// </summary>
/// <remarks>All calls may be made from any thread. Failures of the medium end in <see cref="StoreException"/> and leave what was stored as it was.</remarks>
public interface IStore : IDisposable
{
    /// <summary>For messages: the folder, or the server and database without the password.</summary>
    string Location { get; }

    /// <summary>
    /// Starts a run in state running, or takes up an interrupted or cancelled one of the same id: its results are kept, its jobs are then these, with
    /// those behind that have results and are not among them.
    /// </summary>
    /// <exception cref="StoreException">The id's run is finished or is being written by a live process; a job is there twice; the medium failed.</exception>
    void BeginRun(Run run, IReadOnlyList<Job> jobs);

    /// <summary>Keeps a job's result; a job that was not announced is one more, at the end. The same job and repetition again replaces: that is how a continued run repairs an interrupted one.</summary>
    void AddResult(string runId, JobResult result);

    /// <summary>Ends a run as finished or cancelled.</summary>
    void EndRun(string runId, RunState state, DateTime finishedUtc);

    /// <summary>Keeps bytes once by their content and returns the name they have; the stream is read once, to the end.</summary>
    Artifact PutArtifact(string name, Stream content, bool truncated = false);

    /// <summary>Opens what <see cref="PutArtifact"/> kept; null when it was pruned or never there.</summary>
    Stream? OpenArtifact(string sha256);

    /// <summary>Newest first. A running run whose process is gone is reported, and from then on kept, as interrupted.</summary>
    IReadOnlyList<Run> ListRuns(RunFilter filter);

    /// <summary>By id, by a unique beginning of it, or <c>latest</c>, <c>latest~1</c>; null when there is none.</summary>
    /// <exception cref="Gauntlet.Terminal.UserException">It is the beginning of several.</exception>
    Run? FindRun(string idOrPrefix);

    /// <summary>The jobs a run set out to do, in their order.</summary>
    IReadOnlyList<Job> GetJobs(string runId);

    /// <summary>The results a run has so far, in the order of its jobs, streamed.</summary>
    IEnumerable<JobResult> GetResults(string runId);

    /// <summary>Past results of one job key (<see cref="Job.Key"/>), newest first.</summary>
    IReadOnlyList<HistoryEntry> GetHistory(string jobKey, int limit);

    /// <summary>Median CPU and wall seconds of the last passes by job key: what a scheduler orders and limits by.</summary>
    IReadOnlyDictionary<string, JobTiming> GetTimings();

    /// <summary>Removes runs and then artifacts that no run needs.</summary>
    PruneReport Prune(PruneOptions options);
}

/// <param name="Limit">At most so many, 1 or more.</param>
/// <param name="Branch">Only runs of this branch.</param>
/// <param name="State">Only runs in this state.</param>
public sealed record RunFilter(int Limit = 50, string? Branch = null, RunState? State = null);

public sealed record HistoryEntry(string RunId, DateTime StartedUtc, string? Branch, string? Revision, Verdict Verdict, bool Flaky, double CpuSeconds, double WallSeconds);

/// <param name="CpuSeconds">Median.</param>
/// <param name="WallSeconds">Median.</param>
/// <param name="Samples">How many it is the median of.</param>
public sealed record JobTiming(double CpuSeconds, double WallSeconds, int Samples);

/// <param name="KeepRuns">Keep at least the newest so many; null: no such rule.</param>
/// <param name="OlderThan">Remove only runs started before now minus this; null: no such rule.</param>
/// <param name="DryRun">Only say what would go.</param>
public sealed record PruneOptions(int? KeepRuns = null, TimeSpan? OlderThan = null, bool DryRun = false);

public sealed record PruneReport(int Runs, int Artifacts, long Bytes);

/// <summary>The store's medium failed, or what is there is not a store. The message says what was being done, what was found, what to do.</summary>
public sealed class StoreException(string message, Exception? inner = null) : Exception(message, inner);
