using System.Globalization;
using System.Text.Json;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Gate;

/// <summary>
/// The queue, in the store: every change is one transaction, so that a crash at any instant finds it either before or after. Who did what is in its log.
/// </summary>
public sealed class GateQueue
{
    private static readonly StoreSchema Schema = new("gate", [
        """
        CREATE TABLE gate_entries (
            id {identity},
            repository TEXT NOT NULL,
            target TEXT NOT NULL,
            series_id TEXT NOT NULL,
            version BIGINT NOT NULL,
            title TEXT NOT NULL,
            priority BIGINT NOT NULL,
            try_only BIGINT NOT NULL,
            enqueued_utc TEXT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT,
            old_tip TEXT,
            new_tip TEXT,
            record TEXT);
        CREATE INDEX gate_entries_state ON gate_entries (repository, target, state);
        CREATE TABLE gate_verdicts (
            step TEXT NOT NULL,
            subject TEXT NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (step, subject));
        CREATE TABLE gate_paused (
            repository TEXT NOT NULL,
            target TEXT NOT NULL,
            who TEXT NOT NULL,
            since_utc TEXT NOT NULL,
            PRIMARY KEY (repository, target));
        CREATE TABLE gate_log (
            seq {identity},
            at_utc TEXT NOT NULL,
            who TEXT NOT NULL,
            entry BIGINT,
            what TEXT NOT NULL);
        """,
    ]);

    private const string Columns =
        "id AS Id, repository AS Repository, target AS Target, series_id AS SeriesId, version AS Version, title AS Title, priority AS Priority, "
        + "try_only AS TryOnly, enqueued_utc AS EnqueuedUtc, state AS State, reason AS Reason, old_tip AS OldTip, new_tip AS NewTip";

    private readonly StoreDatabase _database;
    private readonly string _who;

    /// <param name="store">Where it is kept.</param>
    /// <param name="who">For the log: a person's name, or the gate's own.</param>
    public GateQueue(ResultStore store, string who)
    {
        _database = store.Database;
        _who = who;
        _database.Register(Schema);
    }

    /// <summary>Puts a version at its priority's end. A version that is in the queue already stays where it is; an older version of the series leaves.</summary>
    /// <returns>The entry.</returns>
    public GateEntry Enqueue(SeriesVersion series, string repository, string target, int priority, bool tryOnly) => _database.Write("put a series in the queue", write =>
    {
        var waiting = write.Query<GateEntry>(
            $"SELECT {Columns} FROM gate_entries WHERE repository = @repository AND target = @target AND series_id = @series AND state IN ('queued', 'merging', 'stuck')",
            new { repository, target, series = series.SeriesId });
        if (waiting.Find(entry => entry.Version == series.Version && entry.TryOnly == tryOnly) is { } same)
            return same;
        foreach (var older in waiting.Where(entry => entry.State != GateState.Merging))
        {
            Settle(write, older.Id, GateState.Removed, $"version {series.Version} took its place", null);
            Log(write, older.Id, $"removed {older}: version {series.Version} took its place");
        }

        var now = DateTime.UtcNow.ToString("O", CultureInfo.InvariantCulture);
        var id = write.First<long>(
            """
            INSERT INTO gate_entries (repository, target, series_id, version, title, priority, try_only, enqueued_utc, state)
            VALUES (@repository, @target, @SeriesId, @Version, @Title, @priority, @tryOnly, @now, 'queued') RETURNING id
            """,
            new { repository, target, series.SeriesId, series.Version, series.Title, priority, tryOnly = tryOnly ? 1 : 0, now });
        Log(write, id, $"enqueued {series}{(tryOnly ? " to be tried" : "")}{(priority != 0 ? $" at priority {priority}" : "")}");
        return write.First<GateEntry>($"SELECT {Columns} FROM gate_entries WHERE id = @id", new { id })!;
    });

    /// <summary>Those that wait, in the order in which they will be merged.</summary>
    public IReadOnlyList<GateEntry> Waiting(string repository, string target) => _database.Read("read the queue", read => read.Query<GateEntry>(
        $"SELECT {Columns} FROM gate_entries WHERE repository = @repository AND target = @target AND state IN ('queued', 'merging') ORDER BY CASE WHEN state = 'merging' THEN 0 ELSE 1 END, priority DESC, id",
        new { repository, target }));

    /// <summary>All entries of a target, or of all; newest first.</summary>
    public IReadOnlyList<GateEntry> All(string? repository = null, string? target = null) => _database.Read("read the queue", read => read.Query<GateEntry>(
        $"SELECT {Columns} FROM gate_entries WHERE (CAST(@repository AS TEXT) IS NULL OR repository = @repository) AND (CAST(@target AS TEXT) IS NULL OR target = @target) ORDER BY id DESC",
        new { repository, target }));

    /// <exception cref="UserException">There is none.</exception>
    public GateEntry Get(long id) => _database.Read("read the queue", read => read.First<GateEntry>($"SELECT {Columns} FROM gate_entries WHERE id = @id", new { id }))
        ?? throw new UserException($"looking for entry {id}: the queue has none; `gauntlet gate status` shows all");

    /// <summary>What was kept of a settled entry; null: nothing yet.</summary>
    public GateRecord? GetRecord(long id) => _database.Read("read an entry", read => read.First<string>("SELECT record FROM gate_entries WHERE id = @id", new { id })) is { } record
        ? JsonSerializer.Deserialize(record, GateJson.Default.GateRecord)
        : null;

    /// <summary>Writes down, before the target is moved, from where to where: after a crash the target tells whether it happened.</summary>
    /// <returns>False when the entry is not waiting any more: it was removed meanwhile, and must not be merged.</returns>
    public bool BeginMerge(long id, string oldTip, string newTip, GateRecord record) => _database.Write("begin a merge", write =>
    {
        var changed = write.Execute(
            "UPDATE gate_entries SET state = 'merging', old_tip = @oldTip, new_tip = @newTip, record = @record WHERE id = @id AND state = 'queued'",
            new { id, oldTip, newTip, record = JsonSerializer.Serialize(record, GateJson.Default.GateRecord) });
        if (changed == 1)
            Log(write, id, $"merging: {oldTip[..12]} to {newTip[..12]}");
        return changed == 1;
    });

    /// <summary>The target was moved.</summary>
    public void Merged(GateEntry entry) => _database.Write("end a merge", write =>
    {
        write.Execute("UPDATE gate_entries SET state = 'merged', reason = NULL WHERE id = @Id AND state = 'merging'", new { entry.Id });
        Log(write, entry.Id, $"merged {entry}");
    });

    /// <summary>The target was not moved, because it had moved by itself: back to the queue, in its old place.</summary>
    public void MergeUndone(GateEntry entry, string why) => _database.Write("take a merge back", write =>
    {
        write.Execute("UPDATE gate_entries SET state = 'queued', old_tip = NULL, new_tip = NULL, reason = @why WHERE id = @Id AND state = 'merging'", new { entry.Id, why });
        Log(write, entry.Id, $"not merged, tested again: {why}");
    });

    /// <summary>Ends an entry that waits: failed, tried, stuck or removed.</summary>
    /// <returns>False when it was not waiting any more.</returns>
    public bool Settle(GateEntry entry, string state, string? reason, GateRecord? record) => _database.Write("settle an entry", write =>
    {
        if (Settle(write, entry.Id, state, reason, record) == 0)
            return false;
        Log(write, entry.Id, $"{state} {entry}{(reason is null ? "" : $": {reason}")}");
        return true;
    });

    /// <summary>Says why an entry still waits, without changing where it is.</summary>
    public void Note(GateEntry entry, string? reason)
    {
        if (entry.Reason != reason)
            _database.Write("note why an entry waits", write => write.Execute("UPDATE gate_entries SET reason = @reason WHERE id = @Id AND state = 'queued'", new { entry.Id, reason }));
    }

    /// <summary>Puts a failed, stuck or removed entry back, forgetting the verdict of one step or of all.</summary>
    public void Rerun(GateEntry entry, string? stepHash) => _database.Write("run an entry again", write =>
    {
        if (write.Execute("UPDATE gate_entries SET state = 'queued', reason = NULL WHERE id = @Id AND state IN ('failed', 'stuck', 'removed', 'tried', 'queued')", new { entry.Id }) == 0)
            throw new UserException($"running {entry} again: it is {entry.State}");
        var record = write.First<string>("SELECT record FROM gate_entries WHERE id = @Id", new { entry.Id });
        foreach (var subject in record is null ? [] : JsonSerializer.Deserialize(record, GateJson.Default.GateRecord)!.Subjects)
            write.Execute("DELETE FROM gate_verdicts WHERE subject = @subject AND (CAST(@stepHash AS TEXT) IS NULL OR step = @stepHash)", new { subject, stepHash });
        Log(write, entry.Id, $"to be run again: {entry}");
    });

    public void Pause(string repository, string target) => _database.Write("pause the gate", write =>
    {
        write.Execute(
            "INSERT INTO gate_paused (repository, target, who, since_utc) VALUES (@repository, @target, @_who, @now) ON CONFLICT DO NOTHING",
            new { repository, target, _who, now = DateTime.UtcNow.ToString("O", CultureInfo.InvariantCulture) });
        Log(write, null, $"paused {target}");
    });

    public void Resume(string repository, string target) => _database.Write("resume the gate", write =>
    {
        write.Execute("DELETE FROM gate_paused WHERE repository = @repository AND target = @target", new { repository, target });
        Log(write, null, $"resumed {target}");
    });

    /// <summary>Who paused it; null: nobody.</summary>
    public string? PausedBy(string repository, string target) => _database.Read("read the gate's state", read =>
        read.First<string>("SELECT who FROM gate_paused WHERE repository = @repository AND target = @target", new { repository, target }));

    /// <summary>What a step came to on a tree or mail before; null: it was not run, or could not be judged.</summary>
    public StepResult? FindVerdict(string stepHash, string subject) =>
        _database.Read("read a verdict", read => read.First<string>("SELECT record FROM gate_verdicts WHERE step = @stepHash AND subject = @subject", new { stepHash, subject })) is { } record
            ? JsonSerializer.Deserialize(record, GateJson.Default.StepResult)
            : null;

    /// <summary>Keeps a pass or a failure. An infrastructure error is not kept: it says nothing of the tree.</summary>
    public void KeepVerdict(string stepHash, string subject, StepResult result)
    {
        if (result.Verdict == StepVerdict.InfraError)
            return;
        _database.Write("keep a verdict", write => write.Execute(
            "INSERT INTO gate_verdicts (step, subject, record) VALUES (@stepHash, @subject, @record) ON CONFLICT (step, subject) DO UPDATE SET record = excluded.record",
            new { stepHash, subject, record = JsonSerializer.Serialize(result, GateJson.Default.StepResult) }));
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<(string AtUtc, string Who, string What)> ReadLog(int limit) => [.. _database.Read("read the gate's log", read =>
        read.Query<LogRow>("SELECT at_utc AS AtUtc, who AS Who, what AS What FROM gate_log ORDER BY seq DESC LIMIT @limit", new { limit })).Select(row => (row.AtUtc, row.Who, row.What))];

    private static int Settle(StoreTransaction write, long id, string state, string? reason, GateRecord? record) => write.Execute(
        "UPDATE gate_entries SET state = @state, reason = @reason, record = COALESCE(@record, record) WHERE id = @id AND state IN ('queued', 'stuck')",
        new { id, state, reason, record = record is null ? null : JsonSerializer.Serialize(record, GateJson.Default.GateRecord) });

    private void Log(StoreTransaction write, long? entry, string what) => write.Execute(
        "INSERT INTO gate_log (at_utc, who, entry, what) VALUES (@now, @_who, @entry, @what)",
        new { now = DateTime.UtcNow.ToString("O", CultureInfo.InvariantCulture), _who, entry, what });

    private sealed class LogRow
    {
        public string AtUtc { get; set; } = "";

        public string Who { get; set; } = "";

        public string What { get; set; } = "";
    }
}
