using Gauntlet.Results.Records;

namespace Gauntlet.Results.Store;

/// <summary>A row of <c>runs</c>.</summary>
internal sealed class RunRow
{
    public const string Select =
        """
        SELECT seq AS Seq, id AS Id, state AS State, started_utc AS StartedUtc, finished_utc AS FinishedUtc, record AS Record, owner_host AS OwnerHost,
            owner_boot AS OwnerBoot, owner_namespace AS OwnerNamespace, owner_pid AS OwnerPid, owner_start AS OwnerStart FROM runs
        """;

    public long Seq { get; set; }

    public string Id { get; set; } = "";

    public string State { get; set; } = "";

    public string StartedUtc { get; set; } = "";

    public string? FinishedUtc { get; set; }

    public string Record { get; set; } = "";

    public string OwnerHost { get; set; } = "";

    public string OwnerBoot { get; set; } = "";

    public string OwnerNamespace { get; set; } = "";

    public long OwnerPid { get; set; }

    public long OwnerStart { get; set; }

    public RunOwner Owner => new(OwnerHost, OwnerBoot, OwnerNamespace, OwnerPid, OwnerStart);

    public Run ToRun(string location) => StoredRecord.ReadRun(Record, location) with { State = ParseState(), FinishedUtc = StoredRecord.ReadTime(FinishedUtc) };

    public static string Name(RunState state) => state switch
    {
        RunState.Running => "running",
        RunState.Finished => "finished",
        RunState.Cancelled => "cancelled",
        RunState.Interrupted => "interrupted",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    private RunState ParseState() => Enum.GetValues<RunState>().FirstOrDefault(state => Name(state) == State, RunState.Interrupted);
}

/// <summary>A result with its job's place in the run.</summary>
internal sealed class ResultRow
{
    public long Position { get; set; }

    public string Record { get; set; } = "";
}

internal sealed class HistoryRow
{
    public string RunId { get; set; } = "";

    public string Started { get; set; } = "";

    public string? Branch { get; set; }

    public string Run { get; set; } = "";

    public string Verdict { get; set; } = "";

    public long Flaky { get; set; }

    public double CpuSeconds { get; set; }

    public double WallSeconds { get; set; }

    public HistoryEntry ToEntry(string location)
    {
        if (!Verdicts.TryParse(Verdict, out var verdict))
            throw new StoreException($"The results store {location} holds the unknown verdict '{Verdict}'. A newer Gauntlet wrote it: update, or name another store.");
        return new HistoryEntry(
            RunId, StoredRecord.ReadTime(Started)!.Value, Branch, StoredRecord.ReadRun(Run, location).Revision, verdict, Flaky != 0, CpuSeconds, WallSeconds);
    }
}

internal sealed class TimingRow
{
    public string JobKey { get; set; } = "";

    public double CpuSeconds { get; set; }

    public double WallSeconds { get; set; }
}

/// <summary>A row of <c>artifacts</c>.</summary>
internal sealed class ArtifactRow
{
    public string Sha256 { get; set; } = "";

    public long StoredLength { get; set; }

    public long Compressed { get; set; }

    public long LastSeq { get; set; }
}
