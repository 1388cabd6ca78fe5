using Gauntlet.Linux;

namespace Gauntlet.Pipelines.Isolation;

/// <summary>Reads a supervisor's reports as they come.</summary>
internal sealed class ReportReader
{
    private readonly Task _reading;

    public ReportReader(SupervisedProcess process)
    {
        _reading = Task.Run(() => Read(process));
    }

    /// <summary>Of the program, once it runs.</summary>
    public int? ProcessId { get; private set; }

    /// <summary>0 to 255; null while it runs and when a signal ended it.</summary>
    public int? ExitStatus { get; private set; }

    public bool HasNamespaces { get; private set; }

    /// <summary>Why it could not be started; empty when it was.</summary>
    public string Failure { get; private set; } = "";

    /// <summary>True when the program and all that it started are gone.</summary>
    public bool WaitForEnd(TimeSpan time) => _reading.Wait(time);

    private void Read(SupervisedProcess process)
    {
        var bytes = new byte[SupervisorReport.Length];
        using var stream = new FileStream(process.Reports, FileAccess.Read, bufferSize: 0);
        while (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) == bytes.Length)
        {
            var report = SupervisorReport.Parse(bytes);
            switch (report.Event)
            {
                case SupervisorEvent.Isolation:
                    HasNamespaces = report is { NetworkIsOff: true, HasOwnPids: true };
                    break;
                case SupervisorEvent.Started:
                    ProcessId = report.ProcessId;
                    break;
                case SupervisorEvent.Failed:
                    Failure = report.Failure + ": ";
                    break;
                case SupervisorEvent.Exited:
                    ExitStatus = report.ExitStatus;
                    break;
            }
        }
    }
}
