using Gauntlet.Results.Records;

namespace Gauntlet.Results.Store;

/// <summary>The rows of artifacts: which there are, who still needs them. Their bytes are in an <see cref="IArtifactStorage"/>.</summary>
internal sealed class ArtifactShelf(StoreDatabase database, IArtifactStorage storage, TimeProvider clock)
{
    /// <summary>An artifact that nothing ever referred to is kept so long: whoever put it may be about to.</summary>
    private static readonly TimeSpan UnclaimedAge = TimeSpan.FromHours(1);

    private const string SelectRow = "SELECT sha256 AS Sha256, stored_length AS StoredLength, compressed AS Compressed, last_seq AS LastSeq FROM artifacts";
    private const string NewestSeq = "(SELECT coalesce(max(seq), 0) FROM runs)";

    public Artifact Put(string name, Stream content, bool truncated)
    {
        const string doing = "store an artifact";
        try
        {
            using var packed = PackedArtifact.Pack(content, storage.SpillFolder);
            var artifact = new Artifact(name, packed.Sha256, packed.Length, truncated);
            if (IsFresh(packed))
                return artifact;

            using var staged = storage.Stage(packed);
            database.Write(doing, transaction =>
            {
                database.LockArtifacts(transaction, exclusive: false);
                var values = new
                {
                    packed.Sha256,
                    packed.Length,
                    packed.StoredLength,
                    compressed = packed.Compressed ? 1L : 0L,
                    now = StoredRecord.Time(clock.GetUtcNow().UtcDateTime),
                };
                var made = transaction.Execute(
                    $"""
                    INSERT INTO artifacts (sha256, length, stored_length, compressed, last_seq, last_put_utc)
                    VALUES (@Sha256, @Length, @StoredLength, @compressed, {NewestSeq}, @now) ON CONFLICT (sha256) DO NOTHING
                    """,
                    values) > 0;
                if (!made)
                    transaction.Execute($"UPDATE artifacts SET last_seq = {NewestSeq}, last_put_utc = @now WHERE sha256 = @Sha256", values);
                if (made || !storage.Has(transaction, packed.Sha256, packed.Compressed))
                    storage.Keep(transaction, packed, staged);
            });
            return artifact;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw database.Explain(doing, e);
        }
    }

    public Stream? Open(string sha256)
    {
        var row = database.Read("read an artifact", read => read.First<ArtifactRow>($"{SelectRow} WHERE sha256 = @sha256", new { sha256 }));
        try
        {
            return row is not null && storage.OpenStored(sha256, row.Compressed != 0) is { } stored
                ? new ArtifactStream(stored, row.Compressed != 0, sha256, database.Location)
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw database.Explain("read an artifact", e);
        }
    }

    /// <summary>Before a run is removed: what it referred to was claimed, and may go at once when nothing else refers to it.</summary>
    public void NoteRelease(StoreTransaction transaction, long runSeq) => transaction.Execute(
        "UPDATE artifacts SET last_put_utc = '' WHERE sha256 IN (SELECT sha256 FROM result_artifacts WHERE run_seq = @runSeq)", new { runSeq });

    /// <summary>Removes what nothing needs, within a transaction that holds the artifacts' lock.</summary>
    /// <returns>How many, and their bytes as kept.</returns>
    public (int Count, long Bytes) Prune(StoreTransaction transaction, bool dryRun)
    {
        var references = transaction.Query<string>("SELECT artifact_references FROM schema_versions WHERE artifact_references IS NOT NULL ORDER BY name");
        var unclaimed = StoredRecord.Time(clock.GetUtcNow().UtcDateTime - UnclaimedAge);
        var garbage = transaction.Query<ArtifactRow>(
            $"""
            {SelectRow} WHERE last_put_utc < @unclaimed
            AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.state = 'running' AND runs.seq <= artifacts.last_seq)
            AND sha256 NOT IN ({string.Join(" UNION ", references)})
            """,
            new { unclaimed });
        foreach (var row in garbage)
            transaction.Execute("DELETE FROM artifacts WHERE sha256 = @Sha256", row);
        if (!dryRun)
        {
            storage.Remove(transaction, garbage.ConvertAll(row => row.Sha256));
            storage.RemoveLeftovers(transaction);
        }

        return (garbage.Count, garbage.Sum(row => row.StoredLength));
    }

    /// <summary>The same bytes are there, put since the newest run began, and a run that is being written protects them: nothing to write, not even a row.</summary>
    private bool IsFresh(PackedArtifact packed) => database.Read("look for an artifact", read =>
        read.First<ArtifactRow>(
            $"{SelectRow} WHERE sha256 = @Sha256 AND last_seq = {NewestSeq} AND EXISTS (SELECT 1 FROM runs WHERE runs.state = 'running' AND runs.seq <= artifacts.last_seq)",
            new { packed.Sha256 }) is not null
        && storage.Has(read, packed.Sha256, packed.Compressed));
}
