using Gauntlet.Linux;

namespace Gauntlet.Harness.Scheduling;

/// <summary>What the supervisor of a process has told of it so far, here or in an L1. One thread adds; <see cref="ProcessId"/> may be read by any.</summary>
internal sealed class SupervisorReports
{
    private SupervisorReport? _failed;
    private volatile int _processId;

    /// <summary>0: it has not started.</summary>
    public int ProcessId => _processId;

    public SupervisorReport Isolation { get; private set; }

    /// <summary>The process itself has ended.</summary>
    public SupervisorReport? Exited { get; private set; }

    /// <summary>So has all that it started.</summary>
    public SupervisorReport? Gone { get; private set; }

    /// <summary>Nothing was said of an end: neither that it came, nor that there was no start.</summary>
    public bool IsOpen => Exited is null && _failed is null;

    public void Add(SupervisorReport report)
    {
        switch (report.Event)
        {
            case SupervisorEvent.Isolation:
                Isolation = report;
                break;
            case SupervisorEvent.Started:
                _processId = report.ProcessId;
                break;
            case SupervisorEvent.Failed:
                _failed = report;
                break;
            case SupervisorEvent.Exited:
                Exited = report;
                break;
            case SupervisorEvent.Gone:
                Gone = report;
                break;
        }
    }

    /// <summary>Null: it was started.</summary>
    /// <param name="what">What was to be started, and where.</param>
    public LinuxException? StartFailure(string what) => _failed is { } failed ? new LinuxException($"starting {what}, {failed.Failure.Split(':')[0]}", failed.Value) : null;
}
